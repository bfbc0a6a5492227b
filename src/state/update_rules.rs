//! Which key may change what by dynamic update (RFC 2136, RFC 3007 §3): nothing, unless a rule says so.

use crate::dns::{Name, RecordType};
use std::fmt;

/// The first label of names that certificate authorities look at (RFC 8555 §8.4).
const CHALLENGE: &[u8] = b"_acme-challenge";

/// Types that only a rule that names them lets change: who owns the zone, whom it or a part of it is delegated or
/// redirected to, what parents take over from it, and DNSSEC's.
const NAMED_ONLY: [u16; 13] = [
    RecordType::SOA.0,
    RecordType::NS.0,
    25, // KEY
    39, // DNAME
    43, // DS
    46, // RRSIG
    47, // NSEC
    48, // DNSKEY
    50, // NSEC3
    51, // NSEC3PARAM
    59, // CDS
    60, // CDNSKEY
    62, // CSYNC
];

/// Who may change what. By default nobody anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateRules(pub Vec<UpdateRule>);

/// What one key may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRule {
    /// The key.
    pub key: Name,
    /// Where.
    pub names: UpdateNames,
    /// Of these types; empty: of all but those that have to be named.
    pub types: Vec<RecordType>,
}

/// The names a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateNames {
    /// This one.
    Exact(Name),
    /// This one and those below it; `None`: every name of every zone.
    Below(Option<Name>),
    /// Challenges of certificate authorities among those.
    Challenges(Option<Name>),
}

impl UpdateRules {
    /// The rules of one key.
    #[must_use]
    pub fn of(&self, key: &Name) -> Grants {
        Grants(self.0.iter().filter(|rule| rule.key == *key).cloned().collect())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The rules that hold for whoever asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<UpdateRule>);

impl Grants {
    /// Whether records of this type may be changed at this name.
    #[must_use]
    pub fn allow(&self, owner: &Name, rtype: RecordType) -> bool {
        self.0.iter().any(|rule| rule.names.cover(owner) && rule.covers_type(rtype))
    }

    /// Whether anything may be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl UpdateRule {
    fn covers_type(&self, rtype: RecordType) -> bool {
        if self.types.is_empty() { !NAMED_ONLY.contains(&rtype.0) } else { self.types.contains(&rtype) }
    }
}

impl UpdateNames {
    fn cover(&self, owner: &Name) -> bool {
        let within = |suffix: &Option<Name>| suffix.as_ref().is_none_or(|suffix| owner.is_within(suffix));
        match self {
            Self::Exact(name) => owner == name,
            Self::Below(suffix) => within(suffix),
            Self::Challenges(suffix) => owner.labels().next().is_some_and(is_challenge) && within(suffix),
        }
    }
}

/// Whether a label is that of challenges, in letters of either case.
fn is_challenge(label: &[u8]) -> bool {
    label.eq_ignore_ascii_case(CHALLENGE)
}

impl fmt::Display for UpdateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Below(None) => f.write_str("every name"),
            Self::Below(Some(suffix)) => write!(f, "{suffix} and below"),
            Self::Challenges(None) => f.write_str("_acme-challenge of every name"),
            Self::Challenges(Some(suffix)) => write!(f, "_acme-challenge at and below {suffix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn grants(names: UpdateNames, types: &[RecordType]) -> Grants {
        UpdateRules(vec![UpdateRule { key: name("k."), names, types: types.to_vec() }]).of(&name("K."))
    }

    #[test]
    fn a_rule_covers_its_names_and_types_of_its_key_and_nothing_else() {
        let exact = grants(UpdateNames::Exact(name("host.example.")), &[RecordType::A]);
        assert!(exact.allow(&name("HOST.example."), RecordType::A));
        assert!(
            !exact.allow(&name("host.example."), RecordType::AAAA)
                && !exact.allow(&name("a.host.example."), RecordType::A)
        );
        let below = grants(UpdateNames::Below(Some(name("example."))), &[]);
        assert!(below.allow(&name("example."), RecordType::TXT) && below.allow(&name("a.b.example."), RecordType::A));
        assert!(!below.allow(&name("notexample."), RecordType::A));
        for named in [2, 6, 25, 39, 43, 46, 47, 48, 50, 51, 59, 60, 62] {
            assert!(!below.allow(&name("a.example."), RecordType(named)), "{named}");
            assert!(grants(UpdateNames::Below(None), &[RecordType(named)]).allow(&name("a."), RecordType(named)));
        }
        let servers = grants(UpdateNames::Below(None), &[RecordType::NS]);
        assert!(servers.allow(&name("sub.example."), RecordType::NS) && !servers.allow(&name("a."), RecordType::A));
        let challenges = grants(UpdateNames::Challenges(Some(name("example."))), &[RecordType::TXT]);
        assert!(challenges.allow(&name("_ACME-Challenge.www.example."), RecordType::TXT));
        assert!(challenges.allow(&name("_acme-challenge.example."), RecordType::TXT));
        for (owner, rtype) in [
            ("www.example.", RecordType::TXT),
            ("x._acme-challenge.example.", RecordType::TXT),
            ("_acme-challenge.other.", RecordType::TXT),
            ("_acme-challenge.example.", RecordType::A),
        ] {
            assert!(!challenges.allow(&name(owner), rtype), "{owner} {rtype}");
        }
        let other =
            UpdateRules(vec![UpdateRule { key: name("k."), names: UpdateNames::Below(None), types: Vec::new() }]);
        assert!(other.of(&name("l.")).is_empty());
    }
}

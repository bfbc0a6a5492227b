//! Who may take whole zones, and who is told of their changes (§8).

use super::definitions::Definitions;
use crate::dns::Name;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Who may take a zone, and its secondaries. By default nobody and none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferRules {
    /// From these networks; empty: from anywhere, if a key is asked for.
    pub allow: Vec<IpNet>,
    /// With one of these keys; empty: without, if networks are named.
    pub keys: Vec<Name>,
    /// Told of each change, and waited for by drains.
    pub secondaries: Vec<Peer>,
}

/// What a zone says itself; what it leaves out is as for the whole server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferOverride {
    /// Instead of the networks.
    pub allow: Option<Vec<IpNet>>,
    /// Instead of the keys.
    pub keys: Option<Vec<Name>>,
    /// Instead of the secondaries.
    pub secondaries: Option<Vec<Peer>>,
}

/// The rules of every zone.
#[derive(Debug, Clone, Default)]
pub struct TransferTable {
    /// For zones that do not say it themselves.
    server: Arc<TransferRules>,
    /// For those that do.
    zones: HashMap<Name, Arc<TransferRules>>,
}

/// Another server of a zone, which is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Where it is told and asked.
    pub address: SocketAddr,
    /// The key it is spoken to with, if any.
    pub key: Option<Name>,
}

/// What was learned of a secondary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondaryReport {
    /// The zone.
    pub zone: Name,
    /// Who.
    pub secondary: Peer,
    /// The serial it shows, or why that is not known.
    pub shown: Result<u32, String>,
}

impl TransferTable {
    /// The rules of these zones.
    #[must_use]
    pub fn of_zones(server: &Arc<TransferRules>, definitions: &Definitions) -> Self {
        let own = definitions.zones.iter().filter(|zone| zone.transfer != TransferOverride::default());
        let zones = own.map(|zone| (zone.apex.clone(), Arc::new(server.with(&zone.transfer)))).collect();
        Self { server: Arc::clone(server), zones }
    }

    /// The rules of one zone.
    #[must_use]
    pub fn of(&self, apex: &Name) -> &Arc<TransferRules> {
        self.zones.get(apex).unwrap_or(&self.server)
    }
}

impl TransferRules {
    /// The rules with what a zone says itself. That nobody is on its list, it says of itself: what the server says of
    /// the other half opens nothing then.
    #[must_use]
    pub fn with(&self, own: &TransferOverride) -> Self {
        let (allow, keys) = match (&own.allow, &own.keys) {
            (Some(allow), None) if allow.is_empty() => (Vec::new(), Vec::new()),
            (None, Some(keys)) if keys.is_empty() => (Vec::new(), Vec::new()),
            (allow, keys) => {
                (allow.as_ref().unwrap_or(&self.allow).clone(), keys.as_ref().unwrap_or(&self.keys).clone())
            }
        };
        Self { allow, keys, secondaries: own.secondaries.as_ref().unwrap_or(&self.secondaries).clone() }
    }

    /// Whether anybody may take the zone at all.
    #[must_use]
    pub fn allow_somebody(&self) -> bool {
        !self.allow.is_empty() || !self.keys.is_empty()
    }

    /// Whether this client may, whose request this key vouched for. Where networks and keys are named, both count.
    #[must_use]
    pub fn allows(&self, client: IpAddr, key: Option<&Name>) -> bool {
        let client = client.to_canonical();
        let from_there = self.allow.is_empty() || self.allow.iter().any(|network| network.contains(&client));
        let vouched = self.keys.is_empty() || key.is_some_and(|key| self.keys.contains(key));
        self.allow_somebody() && from_there && vouched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_replaces_what_it_names_and_keeps_the_rest() {
        let key: Name = "k.example.".parse().unwrap();
        let server = TransferRules { keys: vec![key], ..TransferRules::default() };
        let own = TransferOverride { allow: Some(vec!["192.0.2.0/24".parse().unwrap()]), ..Default::default() };
        let both = server.with(&own);
        assert!(both.allow.len() == 1 && both.keys == server.keys, "naming networks opens nothing that keys guard");
        let open = TransferOverride { keys: Some(Vec::new()), ..own };
        assert!(server.with(&open).allows("192.0.2.1".parse().unwrap(), None));
        let closed = TransferOverride { allow: Some(Vec::new()), keys: Some(Vec::new()), ..Default::default() };
        assert!(!server.with(&closed).allow_somebody());
        let server = TransferRules { allow: vec!["192.0.2.0/24".parse().unwrap()], ..server };
        for closed in [
            TransferOverride { allow: Some(Vec::new()), ..Default::default() },
            TransferOverride { keys: Some(Vec::new()), ..Default::default() },
        ] {
            assert!(!server.with(&closed).allow_somebody(), "an empty list beside what the server says: {closed:?}");
        }
    }

    #[test]
    fn nobody_may_unless_named_and_all_that_is_named_counts() {
        let (inside, outside): (IpAddr, IpAddr) = ("192.0.2.9".parse().unwrap(), "198.51.100.1".parse().unwrap());
        let key: Name = "k.example.".parse().unwrap();
        let other: Name = "l.example.".parse().unwrap();
        let rules = |allow: &[&str], keys: &[&Name]| TransferRules {
            allow: allow.iter().map(|net| net.parse().unwrap()).collect(),
            keys: keys.iter().map(|key| (*key).clone()).collect(),
            secondaries: Vec::new(),
        };
        assert!(!rules(&[], &[]).allows(inside, Some(&key)));
        let by_network = rules(&["192.0.2.0/24"], &[]);
        assert!(by_network.allows(inside, None) && by_network.allows(inside, Some(&other)));
        assert!(by_network.allows("::ffff:192.0.2.9".parse().unwrap(), None), "one address in two forms");
        assert!(!by_network.allows(outside, Some(&key)));
        let by_key = rules(&[], &[&key]);
        assert!(by_key.allows(outside, Some(&key)));
        assert!(!by_key.allows(inside, None) && !by_key.allows(inside, Some(&other)));
        let both = rules(&["192.0.2.0/24"], &[&key]);
        assert!(both.allows(inside, Some(&key)));
        assert!(!both.allows(inside, None) && !both.allows(outside, Some(&key)));
    }
}

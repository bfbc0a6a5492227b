//! Who is asking and what they may do: bearer tokens, roles, scopes (§7.1).
//!
//! Owns the set of tokens in memory and the decision; where tokens are kept is the store's business.
//! An unknown token takes the same way through the code as a known one, so that timing tells nothing.

use super::problem::Problem;
use crate::control::Caller;
use crate::store::TokenRow;
use arc_swap::ArcSwap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What a token may do. `member` stands apart: it only registers members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks and changes switches.
    Operator,
    /// All of that, tokens, backups.
    Admin,
    /// Registers members, nothing else.
    Member,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Admin, Self::Member].into_iter().find(|role| role.word() == word)
    }

    /// Whether a token of this role may do what `needed` may.
    #[must_use]
    pub fn allows(self, needed: Self) -> bool {
        let rank = |role| match role {
            Self::Viewer => 1,
            Self::Operator => 2,
            Self::Admin => 3,
            Self::Member => 0,
        };
        self == needed || (needed != Self::Member && rank(self) > rank(needed))
    }
}

/// A token in readable pieces, as it stands in a request: `tg_<id>_<secret>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented<'a> {
    /// The public part.
    pub id: &'a str,
    /// The part that proves it.
    pub secret: &'a str,
}

impl<'a> Presented<'a> {
    /// Takes a token text apart.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix("tg_")?.split_once('_')?;
        (!id.is_empty() && !secret.is_empty()).then_some(Self { id, secret })
    }
}

/// The hash under which a secret is kept.
#[must_use]
pub fn hash_of(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Bytes as lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 bytes from 64 hex digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Someone whose token was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's public id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The switches it is limited to; empty: all.
    pub switches: Vec<String>,
    /// The address it came from.
    pub from: String,
    /// The id of its request.
    pub request_id: String,
}

impl Principal {
    /// Passes when the role suffices.
    ///
    /// # Errors
    /// 403, naming the role that is needed.
    pub fn need(&self, role: Role) -> Result<(), Problem> {
        if self.role.allows(role) { Ok(()) } else { Err(Problem::wrong_role(role, self.role)) }
    }

    /// Passes when the role suffices and the switch is in the token's scope.
    ///
    /// # Errors
    /// 403, saying which of the two is missing.
    pub fn need_on(&self, role: Role, switch: &str) -> Result<(), Problem> {
        self.need(role)?;
        if self.sees(switch) { Ok(()) } else { Err(Problem::out_of_scope(switch, &self.switches)) }
    }

    /// Passes when the role suffices and the token is not limited to some switches.
    ///
    /// # Errors
    /// 403, saying which of the two is missing.
    pub fn need_everywhere(&self, role: Role) -> Result<(), Problem> {
        self.need(role)?;
        if self.switches.is_empty() { Ok(()) } else { Err(Problem::needs_all_switches(&self.switches)) }
    }

    /// Whether the switch is in the token's scope.
    #[must_use]
    pub fn sees(&self, switch: &str) -> bool {
        self.switches.is_empty() || self.switches.iter().any(|name| name == switch)
    }

    /// As the audit wants it.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller {
            token_id: self.id.clone(),
            name: self.name.clone(),
            from: self.from.clone(),
            request_id: self.request_id.clone(),
        }
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unauthorized {
    /// No `Authorization: Bearer` header.
    Missing,
    /// Not of the form `tg_<id>_<secret>`.
    Malformed,
    /// Unknown id or wrong secret; which of the two is not said.
    Wrong,
    /// Good once.
    Expired,
}

/// The tokens this server knows; replaced as a whole after each change.
#[derive(Debug, Default)]
pub struct TokenSet {
    known: ArcSwap<HashMap<String, Known>>,
}

/// One known token, ready to compare.
#[derive(Debug, Clone)]
struct Known {
    hash: [u8; 32],
    role: Role,
    row: TokenRow,
}

impl TokenSet {
    /// The set of these rows.
    #[must_use]
    pub fn new(rows: Vec<TokenRow>) -> Self {
        let set = Self::default();
        set.replace(rows);
        set
    }

    /// Takes the rows in place of what was there; rows that cannot be read let nobody in.
    pub fn replace(&self, rows: Vec<TokenRow>) {
        let mut known = HashMap::with_capacity(rows.len());
        for row in rows {
            match (unhex(&row.hash), Role::named(&row.role)) {
                (Some(hash), Some(role)) => drop(known.insert(row.id.clone(), Known { hash, role, row })),
                _ => tracing::warn!(
                    token = row.id,
                    "stored token is unreadable and lets nobody in: revoke it and create another"
                ),
            }
        }
        self.known.store(Arc::new(known));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.load().is_empty()
    }

    /// Whether a token that let somebody in would do so still.
    #[must_use]
    pub fn knows(&self, id: &str, now_unix_ms: u64) -> bool {
        let known = self.known.load();
        known.get(id).is_some_and(|token| token.row.expires_unix_ms.is_none_or(|end| end > now_unix_ms))
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// [`Unauthorized`].
    pub fn authenticate(&self, header: Option<&str>, from: &str, now_unix_ms: u64) -> Result<Principal, Unauthorized> {
        let header = header.ok_or(Unauthorized::Missing)?;
        let (scheme, token) = header.split_once(' ').ok_or(Unauthorized::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Unauthorized::Missing);
        }
        let presented = Presented::parse(token.trim()).ok_or(Unauthorized::Malformed)?;
        let known = self.known.load();
        let found = known.get(presented.id);
        let expected = found.map_or([0; 32], |token| token.hash);
        let same = bool::from(hash_of(presented.secret).ct_eq(&expected));
        let found = found.filter(|_| same).ok_or(Unauthorized::Wrong)?;
        if found.row.expires_unix_ms.is_some_and(|end| end <= now_unix_ms) {
            return Err(Unauthorized::Expired);
        }
        Ok(Principal {
            id: found.row.id.clone(),
            name: found.row.name.clone(),
            role: found.role,
            switches: found.row.switches.clone(),
            from: from.to_owned(),
            request_id: String::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, secret: &str, role: &str) -> TokenRow {
        TokenRow {
            id: id.to_owned(),
            name: format!("{id}'s"),
            hash: hex(&hash_of(secret)),
            role: role.to_owned(),
            switches: Vec::new(),
            created_unix_ms: 0,
            expires_unix_ms: None,
        }
    }

    #[test]
    fn a_good_token_is_let_in_and_nothing_else_is() {
        let set = TokenSet::new(vec![row("ab12", "se_cret", "operator")]);
        let ask = |header| set.authenticate(header, "192.0.2.1", 0);
        let someone = ask(Some("Bearer tg_ab12_se_cret")).unwrap();
        assert_eq!((someone.id.as_str(), someone.role, someone.from.as_str()), ("ab12", Role::Operator, "192.0.2.1"));
        assert!(ask(Some("bearer  tg_ab12_se_cret")).is_ok());
        assert_eq!(ask(None), Err(Unauthorized::Missing));
        assert_eq!(ask(Some("Basic dG9rZW4=")), Err(Unauthorized::Missing));
        assert_eq!(ask(Some("Bearer")), Err(Unauthorized::Missing));
        for malformed in ["Bearer tg_", "Bearer tg_ab12", "Bearer tg__x", "Bearer ab12_se_cret", "Bearer tg_ab12_"] {
            assert_eq!(ask(Some(malformed)), Err(Unauthorized::Malformed), "{malformed}");
        }
        assert_eq!(ask(Some("Bearer tg_ab12_se_cre")), Err(Unauthorized::Wrong));
        assert_eq!(ask(Some("Bearer tg_ab13_se_cret")), Err(Unauthorized::Wrong));
    }

    #[test]
    fn an_expired_token_is_told_so_only_with_its_secret() {
        let expired = TokenRow { expires_unix_ms: Some(1000), ..row("a", "s", "admin") };
        let set = TokenSet::new(vec![expired]);
        assert!(set.authenticate(Some("Bearer tg_a_s"), "", 999).is_ok());
        assert_eq!(set.authenticate(Some("Bearer tg_a_s"), "", 1000), Err(Unauthorized::Expired));
        assert_eq!(set.authenticate(Some("Bearer tg_a_x"), "", 1000), Err(Unauthorized::Wrong));
    }

    #[test]
    fn unreadable_rows_let_nobody_in() {
        let bad_hash = TokenRow { hash: "zz".repeat(32), ..row("a", "s", "admin") };
        let bad_role = TokenRow { role: "root".to_owned(), ..row("b", "s", "admin") };
        assert!(TokenSet::new(vec![bad_hash, bad_role]).is_empty());
    }

    #[test]
    fn roles_rise_from_viewer_to_admin_and_member_stands_apart() {
        use Role::{Admin, Member, Operator, Viewer};
        let all = [Viewer, Operator, Admin, Member];
        let may = |role: Role| all.into_iter().filter(|needed| role.allows(*needed)).collect::<Vec<_>>();
        assert_eq!(may(Viewer), [Viewer]);
        assert_eq!(may(Operator), [Viewer, Operator]);
        assert_eq!(may(Admin), [Viewer, Operator, Admin]);
        assert_eq!(may(Member), [Member]);
    }

    #[test]
    fn a_scoped_token_reaches_only_its_switches() {
        let mut someone = TokenSet::new(vec![TokenRow { switches: vec!["model".into()], ..row("a", "s", "admin") }])
            .authenticate(Some("Bearer tg_a_s"), "", 0)
            .unwrap();
        assert!(someone.need_on(Role::Operator, "model").is_ok());
        assert!(someone.need_on(Role::Viewer, "other").is_err());
        assert!(someone.need_everywhere(Role::Admin).is_err());
        someone.switches.clear();
        assert!(someone.need_on(Role::Viewer, "other").is_ok());
        assert!(someone.need_everywhere(Role::Admin).is_ok());
    }
}

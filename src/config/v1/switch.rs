//! `[zone]`, `[switch.<name>]` and what stands below them.

use super::{Entries, Field, IdleForm, List, MonitorForm, Scalar, Texts};
use crate::config::server::TransferForm;
use crate::rollout::v1::PlanForm;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use toml::Spanned;

/// `[zone]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneForm {
    /// Nameservers of a zone without a master file; the first is the SOA's.
    pub ns: Option<Texts>,
    /// Mailbox of the SOA as a name or with an `@`.
    pub hostmaster: Field<String>,
    /// TTL of SOA, NS and glue.
    pub ttl: Field<Scalar>,
    /// Serial of the SOA.
    pub serial: Field<i64>,
    /// SOA REFRESH.
    pub refresh: Field<Scalar>,
    /// SOA RETRY.
    pub retry: Field<Scalar>,
    /// SOA EXPIRE.
    pub expire: Field<Scalar>,
    /// SOA MINIMUM: the TTL of negative answers.
    pub minimum: Field<Scalar>,
    /// Addresses of nameservers inside the zone.
    pub glue: Option<Entries<Texts>>,
    /// How many switches may be moving at once.
    pub max_moving: Field<i64>,
    /// Whom the zone's data are taken from.
    pub primaries: Option<Texts>,
    /// Who may take the zone, and who is told.
    pub transfer: Option<TransferForm>,
}

/// `[switch.<name>]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchForm {
    /// The steered names.
    pub owners: Option<Texts>,
    /// sticky, random, failover or fixed.
    pub policy: Field<String>,
    /// all or one.
    pub answer: Field<String>,
    /// last-active, standby, all, nodata, or a pool.
    pub fallback: Field<String>,
    /// Steady TTL.
    pub ttl: Field<Scalar>,
    /// TTL while something moves.
    pub fast_ttl: Field<Scalar>,
    /// TTL assumed for names elsewhere.
    pub target_ttl: Field<Scalar>,
    /// Share of member weight that must be eligible.
    pub min_healthy: Field<Scalar>,
    /// Shortest time between two changes.
    pub min_interval: Field<Scalar>,
    /// How long the old side is watched.
    pub tail: Field<Scalar>,
    /// How long an unused `prepare` stays.
    pub prepare: Field<Scalar>,
    /// Seed of the sticky choice.
    pub salt: Field<String>,
    /// Who may ask `_explain`.
    pub explain: Option<Texts>,
    /// The monitor of every member.
    pub monitor: Option<Spanned<MonitorForm>>,
    /// The monitors of every member.
    pub monitors: Field<Vec<Spanned<MonitorForm>>>,
    /// How busy an old side still is.
    pub idle: Option<Spanned<IdleForm>>,
    /// `[switch.<name>.rollout]`: how it is released.
    pub rollout: Option<PlanForm>,
    /// `[[switch.<name>.rule]]`.
    #[serde(default)]
    pub rule: Vec<Spanned<RuleForm>>,
    /// `[switch.<name>.pool.<name>]`.
    #[serde(default)]
    pub pool: Entries<PoolForm>,
}

/// `[switch.<name>.pool.<name>]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolForm {
    /// Addresses, or tables; or where they are looked up.
    #[serde(default)]
    pub members: MembersForm,
    /// Who may register members.
    pub register: Option<Spanned<RegisterForm>>,
    /// 0 to 10000.
    pub weight: Field<Scalar>,
    /// What its members must say they are.
    pub expect_version: Field<String>,
    /// Other record sets by type.
    #[serde(default)]
    pub records: Entries<Texts>,
    /// The monitor of its members, instead of the switch's.
    pub monitor: Option<Spanned<MonitorForm>>,
    /// The monitors of its members, instead of the switch's.
    pub monitors: Field<Vec<Spanned<MonitorForm>>>,
    /// Idle reading instead of the switch's.
    pub idle: Option<Spanned<IdleForm>>,
}

/// `[[switch.<name>.rule]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleForm {
    /// Shown by `explain`.
    pub name: Field<String>,
    /// Client prefixes.
    pub networks: Option<Texts>,
    /// Countries by ISO 3166-1 code.
    pub country: Option<Texts>,
    /// Numbers of autonomous systems.
    pub asn: Option<List<Scalar>>,
    /// Leftmost labels.
    pub labels: Option<Texts>,
    /// Beginnings of leftmost labels.
    pub label_prefixes: Option<Texts>,
    /// The pool they get.
    pub pool: Field<String>,
    /// The weights they get.
    pub weights: Field<Entries<Spanned<i64>>>,
}

/// `register = { ... }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterForm {
    /// How many at a time.
    pub max: Field<i64>,
    /// Where they come from, and where their addresses lie.
    pub networks: Option<Texts>,
    /// The longest time without a heartbeat.
    pub ttl_max: Field<Scalar>,
}

/// `members = { dns = ... }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsForm {
    /// The name.
    pub dns: Field<String>,
    /// Ask for SRV records instead of addresses.
    pub srv: Field<bool>,
    /// Time between two looks.
    pub every: Field<Scalar>,
    /// Time limit of a query.
    pub timeout: Field<Scalar>,
    /// Who is asked.
    pub resolver: Field<String>,
    /// The most members.
    pub max: Field<i64>,
}

/// The members of a pool: a list, or a table that says where they are looked up.
#[derive(Debug, Clone)]
pub enum MembersForm {
    /// Each of them.
    List(Vec<Spanned<MemberForm>>),
    /// A name in DNS.
    Dns(Box<DnsForm>),
}

impl Default for MembersForm {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl MembersForm {
    /// Those the file names.
    pub fn list(&self) -> &[Spanned<MemberForm>] {
        match self {
            Self::List(list) => list,
            Self::Dns(_) => &[],
        }
    }

    /// Where they are looked up.
    pub fn dns(&self) -> Option<&DnsForm> {
        match self {
            Self::List(_) => None,
            Self::Dns(form) => Some(form),
        }
    }
}

/// Reads a [`MembersForm`].
struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = MembersForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of members, or a table such as { dns = \"blue.service.consul\" }")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<MembersForm, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(MembersForm::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MembersForm, A::Error> {
        DnsForm::deserialize(MapAccessDeserializer::new(map)).map(|form| MembersForm::Dns(Box::new(form)))
    }
}

impl<'de> Deserialize<'de> for MembersForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor)
    }
}

/// One member: its addresses, or a table.
#[derive(Debug, Clone)]
pub enum MemberForm {
    /// `"192.0.2.10"`, `"2001:db8::10"` or both with a space between.
    Text(String),
    /// `{ address = ..., ... }`.
    Table(Box<MemberTable>),
}

/// `{ address = "192.0.2.10", ... }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberTable {
    /// Unique in the pool.
    pub name: Field<String>,
    /// One address, or one of each family.
    #[serde(alias = "addresses")]
    pub address: Option<Texts>,
    /// The IPv4 address.
    pub ipv4: Field<String>,
    /// The IPv6 address.
    pub ipv6: Field<String>,
    /// 1 to 10000.
    pub weight: Field<i64>,
    /// Where it differs from the pool's.
    pub expect_version: Field<String>,
}

/// Reads a [`MemberForm`].
struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = MemberForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as \"192.0.2.10\" or a table such as { address = \"192.0.2.10\", weight = 2 }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<MemberForm, E> {
        Ok(MemberForm::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MemberForm, A::Error> {
        MemberTable::deserialize(MapAccessDeserializer::new(map)).map(|table| MemberForm::Table(Box::new(table)))
    }
}

impl<'de> Deserialize<'de> for MemberForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

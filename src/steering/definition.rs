//! Switches as the operator defines them, checked, with defaults filled in.

use super::arrivals::{DnsSource, Register};
use super::country::CountryCode;
use crate::dns::rdata::target_name;
use crate::dns::{Name, Rrset};
use crate::health::{IdleReading, Monitor};
use ipnet::IpNet;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A steered owner name (or several) with its pools. Reads like its [`Terms`].
#[derive(Debug, Clone, PartialEq)]
pub struct Switch {
    /// Unique over all zones; operators and the API use it.
    pub name: Arc<str>,
    /// The steered names: plain, `*.base`, or the apex. At least one.
    pub owners: Vec<Name>,
    /// In the order of the file, which is the order of `failover`.
    pub pools: Vec<Pool>,
    /// Everything else. Switches of a catalogue are mostly alike in it: equal ones share it.
    pub terms: Arc<Terms>,
}

/// What a switch says besides its name, its owners and its pools.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// How a pool is chosen.
    pub policy: Policy,
    /// How many members an answer carries.
    pub answer: AnswerMode,
    /// What is answered when no pool is eligible (§1.9).
    pub fallback: Fallback,
    /// Steady TTL, seconds (30; floor 5).
    pub ttl_s: u32,
    /// TTL while prepared, in a rollout, and until a drain's tail ends, seconds (10; floor 5).
    pub fast_ttl_s: u32,
    /// TTL assumed for names that answers point at and that are not ours, seconds (3600).
    pub target_ttl_s: u32,
    /// Share of a pool's member weight that must be eligible for the pool to be, in 1/10000 (5000).
    pub min_healthy: u16,
    /// Shortest time between two changes, milliseconds (5000).
    pub min_interval_ms: u64,
    /// How long the old side is watched after the last promise, seconds (900).
    pub tail_s: u32,
    /// How long an unused `prepare` stays, seconds (3600).
    pub prepare_s: u32,
    /// Seed text of the sticky choice; the switch's name when absent.
    pub salt: Option<String>,
    /// Exceptions that come before weights.
    pub rules: Vec<Rule>,
    /// What every member must pass, unless its pool has monitors of its own.
    pub monitors: Vec<Arc<Monitor>>,
    /// How busy an old side still is (§4.2).
    pub idle: Option<Arc<IdleReading>>,
    /// Who may ask `_explain.<owner>`; empty: nobody.
    pub explain_networks: Vec<IpNet>,
}

impl Deref for Switch {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        &self.terms
    }
}

impl DerefMut for Switch {
    fn deref_mut(&mut self) -> &mut Terms {
        Arc::make_mut(&mut self.terms)
    }
}

/// A group of members that is chosen as one. Reads like its [`Extras`].
#[derive(Debug, Clone)]
pub struct Pool {
    /// Unique within the switch; a valid single label, since it becomes one in the pins.
    pub name: Arc<str>,
    /// The weight of the files; state may hold another (§1.10).
    pub weight: u16,
    /// The endpoints. May be empty when `records` has something else to answer.
    pub members: Arc<[Member]>,
    /// What most pools do not have.
    extras: Option<Box<Extras>>,
}

/// What few pools have besides members and weight.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extras {
    /// Other record sets of this pool: HTTPS, SRV, MX, TXT, or one CNAME alone.
    pub records: Vec<Rrset>,
    /// The version its members must show; state may hold another.
    pub expect_version: Option<String>,
    /// Monitors instead of the switch's.
    pub monitors: Option<Vec<Arc<Monitor>>>,
    /// Idle reading instead of the switch's.
    pub idle: Option<Arc<IdleReading>>,
    /// Who may register members with it.
    pub register: Option<Register>,
    /// A name whose addresses are its members.
    pub discover: Option<Arc<DnsSource>>,
}

impl Pool {
    /// Whether its records name other names.
    #[must_use]
    pub fn has_targets(&self) -> bool {
        let points = |set: &Rrset| set.rdatas.iter().any(|rdata| target_name(set.rtype, rdata).is_some());
        self.extras.as_ref().is_some_and(|extras| extras.records.iter().any(points))
    }

    /// A pool of the files.
    #[must_use]
    pub fn new(name: Arc<str>, weight: u16, members: impl Into<Arc<[Member]>>, extras: Extras) -> Self {
        let extras = (extras != Extras::default()).then(|| Box::new(extras));
        Self { name, weight, members: members.into(), extras }
    }
}

impl Deref for Pool {
    type Target = Extras;

    fn deref(&self) -> &Extras {
        static NONE: Extras = Extras {
            records: Vec::new(),
            expect_version: None,
            monitors: None,
            idle: None,
            register: None,
            discover: None,
        };
        self.extras.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for Pool {
    fn deref_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }
}

/// Equal in what they say, whether or not the extras were ever made.
impl PartialEq for Pool {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.weight, &self.members, &**self) == (&other.name, other.weight, &other.members, &**other)
    }
}

/// One endpoint of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Answered to A queries.
    pub ipv4: Option<Ipv4Addr>,
    /// Answered to AAAA queries.
    pub ipv6: Option<Ipv6Addr>,
    /// Weight inside the pool, 1 to 10000 (1 when the file gives none).
    pub weight: u16,
    /// What most members are not given.
    given: Option<Box<Given>>,
}

/// What the file gives few members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// A name; without one the address is the name ([`Member::name`]).
    pub name: Option<Box<str>>,
    /// The version of this member where it differs from the pool's.
    pub expect_version: Option<Box<str>>,
}

impl Member {
    /// A member of weight 1.
    #[must_use]
    pub fn new(ipv4: Option<Ipv4Addr>, ipv6: Option<Ipv6Addr>, given: Given) -> Self {
        let given = (given != Given::default()).then(|| Box::new(given));
        Self { ipv4, ipv6, weight: 1, given }
    }

    /// The version of this member where it differs from the pool's.
    #[must_use]
    pub fn expect_version(&self) -> Option<&str> {
        self.given.as_ref()?.expect_version.as_deref()
    }

    /// The name the file gives it.
    fn given_name(&self) -> Option<&str> {
        self.given.as_ref()?.name.as_deref()
    }

    /// Its name, unique within the pool.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match self.given_name() {
            Some(given) => Cow::Borrowed(given),
            None => Cow::Owned(self.addresses().next().map_or_else(String::new, |address| address.to_string())),
        }
    }

    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        self.ipv4.map(IpAddr::V4).into_iter().chain(self.ipv6.map(IpAddr::V6))
    }

    /// Whether both stand for one endpoint: the same name and addresses.
    #[must_use]
    pub fn is_same_endpoint(&self, other: &Self) -> bool {
        (self.ipv4, self.ipv6) == (other.ipv4, other.ipv6)
            && (self.given_name() == other.given_name() || self.name() == other.name())
    }

    /// Whether what probes found of one counts for the other: the same addresses, the same version to show.
    #[must_use]
    pub fn is_same_server(&self, other: &Self) -> bool {
        (self.ipv4, self.ipv6) == (other.ipv4, other.ipv6) && self.expect_version() == other.expect_version()
    }
}

/// How the next answer's pool is chosen (§1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Weighted rendezvous on the client key; the default.
    Sticky,
    /// A fresh draw for each query.
    Random,
    /// The first eligible pool in order.
    Failover,
    /// As sticky, for experiments: a rollout never moves it.
    Fixed,
}

/// How many members of the chosen pool an answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnswerMode {
    /// All healthy ones, at most [`super::MAX_ANSWER_MEMBERS`].
    All,
    /// One, drawn by member weight.
    One,
}

/// What is answered when no pool is eligible (§1.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// The pools that last had weight, health ignored; the default.
    LastActive,
    /// Healthy pools at weight 0, then as `LastActive`.
    Standby,
    /// All pools, health ignored.
    All,
    /// One pool by name.
    Pool(Arc<str>),
    /// NODATA.
    NoData,
}

/// An exception that comes before the weights (§1.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Names the rule in `explain`.
    pub name: Arc<str>,
    /// Whom it concerns.
    pub matches: RuleMatch,
    /// What they get.
    pub target: RuleTarget,
}

/// Whom a rule concerns. Labels come before networks, networks before systems, systems before countries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RuleMatch {
    /// Clients in any of these prefixes; the longest matching prefix of all rules wins.
    Networks(Vec<IpNet>),
    /// Clients in networks of these autonomous systems, by database.
    Asns(Vec<u32>),
    /// Clients in networks of these countries, by database.
    Countries(Vec<CountryCode>),
    /// Wildcard owners: the query's leftmost label is one of these (lower case).
    Labels(Vec<Arc<str>>),
    /// Wildcard owners: the query's leftmost label begins with one of these; the longest wins.
    LabelPrefixes(Vec<Arc<str>>),
}

impl RuleMatch {
    /// Whether a rule goes by the client's network, rather than by the query's label.
    #[must_use]
    pub const fn goes_by_network(&self) -> bool {
        matches!(self, Self::Networks(_) | Self::Asns(_) | Self::Countries(_))
    }
}

/// What a rule gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleTarget {
    /// One pool.
    Pool(Arc<str>),
    /// A weight set of its own: pool name and weight.
    Weights(Vec<(Arc<str>, u16)>),
}

impl Terms {
    /// What a switch of this policy says whose file says nothing else.
    #[must_use]
    pub fn of(policy: Policy) -> Self {
        Self {
            policy,
            answer: AnswerMode::All,
            fallback: Fallback::LastActive,
            ttl_s: 30,
            fast_ttl_s: 10,
            target_ttl_s: 3600,
            min_healthy: 5000,
            min_interval_ms: 5000,
            tail_s: 900,
            prepare_s: 3600,
            salt: None,
            rules: Vec::new(),
            monitors: Vec::new(),
            idle: None,
            explain_networks: Vec::new(),
        }
    }
}

impl Switch {
    /// A switch of these pools and weights with nothing to answer, for reckoning who would get which.
    #[must_use]
    pub fn of_pools(name: &str, policy: Policy, pools: &[(&str, u16)]) -> Self {
        let pool = |(name, weight): &(&str, u16)| Pool::new(Arc::from(*name), *weight, [], Extras::default());
        Self {
            name: Arc::from(name),
            owners: Vec::new(),
            pools: pools.iter().map(pool).collect(),
            terms: Arc::new(Terms::of(policy)),
        }
    }

    /// The pool of this name, with its index.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<(usize, &Pool)> {
        self.pools.iter().enumerate().find(|(_, pool)| &*pool.name == name)
    }

    /// The seed of the sticky choice by the files.
    #[must_use]
    pub fn salt(&self) -> &str {
        self.terms.salt.as_deref().unwrap_or(&self.name)
    }

    /// The monitors a pool's members must pass.
    #[must_use]
    pub fn monitors_of<'a>(&'a self, pool: &'a Pool) -> &'a [Arc<Monitor>] {
        pool.monitors.as_deref().unwrap_or(&self.monitors)
    }
}

//! Members that come by themselves (§2.5): who may register with a pool, and names in DNS whose
//! addresses are members.

use super::Member;
use crate::dns::Name;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Who may register members with a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// How many may be registered at a time.
    pub max: u16,
    /// Where registrations come from, and where the addresses lie.
    pub networks: Vec<IpNet>,
    /// The longest time a registration may last without a heartbeat, milliseconds.
    pub ttl_max_ms: u64,
}

impl Register {
    /// Whether an address lies in the networks.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// The networks in words.
    #[must_use]
    pub fn words(&self) -> String {
        self.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// A name in DNS whose addresses are members of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSource {
    /// The name.
    pub name: Name,
    /// Whether SRV records name the members; else A and AAAA are asked for.
    pub srv: bool,
    /// Time between two looks, milliseconds (10000).
    pub every_ms: u64,
    /// Time limit of one query, milliseconds (2000).
    pub timeout_ms: u64,
    /// Who is asked; `None`: the resolvers of the system.
    pub resolver: Option<SocketAddr>,
    /// The most members taken; more are an error (64).
    pub max: u16,
}

/// A pool whose members are looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscoveryTask {
    /// The switch.
    pub switch: Arc<str>,
    /// Its pool.
    pub pool: Arc<str>,
    /// Where to look.
    pub source: Arc<DnsSource>,
}

/// What one look came to, on its way from `discovery` to `control`.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscoveryReport {
    /// The task.
    pub task: DiscoveryTask,
    /// The members, at least one; or why there are none to go by.
    pub outcome: Result<Vec<Member>, String>,
}

/// Whether an answer may carry this address: one that a client could connect to.
#[must_use]
pub fn is_answerable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && v6.to_ipv4_mapped().is_none(),
    }
}

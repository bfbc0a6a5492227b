//! Who gets the next answer: switches, pools, members, weights, rules, and one policy per file.
//!
//! `definition` is what the operator wrote; `compiled` is what a query reads. Pure: the draw comes
//! in as an argument. Never looks at a clock, a socket or a log.

mod arrivals;
mod capped;
mod compile;
mod compiled;
mod country;
pub mod definition;
mod explain;
mod failover;
mod fallback;
mod geo;
mod key;
mod labels;
mod log2;
pub(crate) mod networks;
mod partition;
mod random;
mod set;
mod shares;
mod sip;
mod sticky;
mod table;
#[cfg(test)]
mod tests;
mod transferred;

pub use arrivals::{DiscoveryReport, DiscoveryTask, DnsSource, Register, is_answerable};
pub use compile::{MemberHealth, PoolInput, SwitchInput, compile};
pub use compiled::{Choice, CompiledPool, CompiledSwitch, Seen, Sets, Watch};
pub use country::CountryCode;
pub use explain::{Explanation, PoolExplanation};
pub use fallback::{may_be_answered, named_by_rules};
pub use geo::{GeoDatabase, GeoDatabases, GeoError, GeoFacts, GeoKind, GeoNetworks, GeoReport, GeoWanted};
pub use key::Client;
pub use networks::NetworkRules;
pub use set::CompiledSet;
pub use shares::same_shares;

use key::ClientKey;

/// A pool's place in its switch.
type PoolIndex = u16;
pub use definition::{
    AnswerMode, Extras, Fallback, Given, Member, Policy, Pool, Rule, RuleMatch, RuleTarget, Switch, Terms,
};

/// The largest weight of a pool (§1.5): shares with two decimals of a percent.
pub const MAX_WEIGHT: u16 = 10_000;

/// The most member records in one answer (§1.3).
pub const MAX_ANSWER_MEMBERS: usize = 8;

/// Names a pool in the workers' counting cells; given out once per (switch, pool) and never reused
/// while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolSlot(pub u32);

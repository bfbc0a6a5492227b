//! What was promised to whom and until when: the ledger behind "may the old side be closed?" (§4).
//!
//! [`Ledger`] keeps the promises, [`Ledger::verdict`] judges them, [`v1`] is their form on disk. Pure:
//! promises are folded in from the workers' cells by `control`, moments are arguments.
//!
//! One rule above all: late is a nuisance, early is an outage. Where something cannot be known - the
//! second before a crash, the time a machine was down - the ledger assumes the worst.

mod holds;
mod ledger;
mod restart;
mod rows;
#[cfg(test)]
mod tests;
pub mod v1;
mod verdict;

pub use holds::{Carried, Hold};
pub use ledger::{Ledger, MemberFacts, PoolFacts, PoolKey};
pub use verdict::{DrainReport, IdleStatus, VerdictInput};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an old side stands on its way out (§4.2).
///
/// `Serving -> Draining -> DnsDrained -> Tail -> Drained`; any state goes back to `Serving` when the
/// pool gets weight or a rule, and to `Draining` when an answer names it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DrainState {
    /// Has weight, or a rule names it.
    Serving,
    /// No weight; answers naming it may still be cached.
    Draining,
    /// No cache that honours TTLs holds it any more (shown for the first minute of that).
    DnsDrained,
    /// Waiting for those who do not honour TTLs.
    Tail,
    /// Tail over, and the idle reading (where there is one) agrees.
    Drained,
}

/// Added to the last promise: rounding of TTLs, and answers on their way.
pub const SLACK_MS: u64 = 5_000;

/// The least time that resolvers which served stale get to refresh, after a time without answers.
pub const STALE_MS: u64 = 60_000;

/// A heartbeat this late means that the process was stopped or suspended. It beats each second.
pub const GAP_MS: u64 = 5_000;

//! Who gets the next answer: switches, pools, members, weights, rules, and one policy per file.
//!
//! `definition` is what the operator wrote; `compiled` is what a query reads. Pure: the draw comes
//! in as an argument. Never looks at a clock, a socket or a log.

pub mod definition;

pub use definition::{AnswerMode, Fallback, Member, Policy, Pool, Rule, RuleMatch, RuleTarget, Switch};

/// The largest weight of a pool (§1.5): shares with two decimals of a percent.
pub const MAX_WEIGHT: u16 = 10_000;

/// The most member records in one answer (§1.3).
pub const MAX_ANSWER_MEMBERS: usize = 8;

/// Names a pool in the workers' counting cells; given out once per (switch, pool) and never reused
/// while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolSlot(pub u32);

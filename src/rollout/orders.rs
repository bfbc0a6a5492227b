//! What crosses between the control task and the rooms that act for it: readings to take, calls to make.

use super::evidence::SampleValue;
use super::hook::{Hook, HookAnswer, HookCall};
use super::plan::Plan;
use crate::moment::Moment;
use std::net::IpAddr;
use std::sync::Arc;

/// A running rollout whose plan has queries: they are asked every [`Plan::look_every_ms`].
#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceTask {
    /// The switch.
    pub switch: Arc<str>,
    /// The rollout.
    pub rollout: u64,
    /// Its plan: metrics, queries, server, times.
    pub plan: Arc<Plan>,
    /// The pools to ask about: canary, stable, baseline.
    pub pools: Arc<[EvidencePool]>,
}

/// A pool as queries see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidencePool {
    /// Its name.
    pub pool: Arc<str>,
    /// The version its members show.
    pub version: Option<String>,
    /// Its members' addresses.
    pub addresses: Vec<IpAddr>,
}

/// One metric of one pool, read or not.
#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceReport {
    /// The switch.
    pub switch: Arc<str>,
    /// The rollout it was read for; a report for another one means nothing.
    pub rollout: u64,
    /// The metric.
    pub metric: Arc<str>,
    /// The pool.
    pub pool: Arc<str>,
    /// What was read, or why there is nothing.
    pub outcome: Result<SampleValue, String>,
    /// When.
    pub at: Moment,
}

/// A call to make.
#[derive(Debug, Clone, PartialEq)]
pub struct HookOrder {
    /// The switch: calls of one switch keep their order.
    pub switch: Arc<str>,
    /// Whom.
    pub hook: Hook,
    /// The call a rollout waits for: one attempt, and the answer is reported. `None`: a notification,
    /// tried again with back-off.
    pub waited: Option<HookCall>,
    /// The JSON body.
    pub body: Arc<str>,
}

/// The answer to a call that was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookReport {
    /// The switch.
    pub switch: Arc<str>,
    /// What was said.
    pub answer: HookAnswer,
}

//! What operators see of rollouts and of the evidence that was pushed to them.

use crate::rollout::evidence::Dropped;
use crate::rollout::share::HonestShare;
use crate::rollout::v1::PlanForm;
use crate::rollout::{Entry, GateVerdict, Phase, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rollout (§5.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutView {
    /// The revision that started it.
    pub id: u64,
    /// Where it stands.
    pub phase: Phase,
    /// What it does there.
    pub stage: Stage,
    /// The step in force or being entered, from 1.
    pub step: usize,
    /// How many there are.
    pub steps: usize,
    /// The canary's share in force, percent.
    pub share_percent: f64,
    /// The share of each step, percent.
    pub step_percents: Vec<f64>,
    /// The pool it goes back to.
    pub stable: String,
    /// The pool that is released.
    pub canary: String,
    /// The pool it is compared with, when that is not the stable one.
    pub baseline: Option<String>,
    /// The version it releases.
    pub version: Option<String>,
    /// While paused: why.
    pub paused: Option<String>,
    /// What it waits for, in words.
    pub waits_for: Option<String>,
    /// Time since the stage began, milliseconds.
    pub held_ms: u64,
    /// The hold of the stage, milliseconds.
    pub hold_ms: Option<u64>,
    /// Time until evidence counts, milliseconds; 0 when it does.
    pub settles_in_ms: u64,
    /// The member a rolling rollout is at.
    pub member: Option<String>,
    /// The canary's share as it is measured, where weights move (§5.7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<HonestShare>,
    /// The last look.
    pub looked_at: Option<String>,
    /// Its verdicts.
    pub verdicts: Vec<GateVerdict>,
    /// What the advisor suggests, where the plan asks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Sources of evidence that fail, with their errors.
    pub failing_sources: BTreeMap<String, String>,
    /// When it began (RFC 3339).
    pub started_at: String,
    /// Who began it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Until when the old side is kept for `undo`.
    pub warm_until: Option<String>,
    /// The plan in full, but for whom it calls and asks.
    pub plan: PlanForm,
    /// What happened, oldest first.
    pub timeline: Vec<Entry>,
}

/// What became of pushed samples.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SamplesTaken {
    /// Counted as evidence.
    pub taken: u64,
    /// Not counted, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<Dropped, u64>,
}

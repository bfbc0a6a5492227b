//! The written form of a plan, version 1: TOML in a zone's file, JSON in a call, JSON on disk.
//!
//! Everything may be left out; [`PlanForm::check`] fills the defaults in and names every fault with
//! its path. [`PlanForm::of`] writes a plan out in full, so that a stored one never changes with the
//! defaults of a newer program.

mod check;
mod gate;
mod scalar;
mod step;
mod write;

pub use check::CheckContext;
pub use gate::{Bound, GateForm, MetricForm, SequentialForm};
pub use scalar::{Length, Portion, percent_of};
pub use step::{StepForm, StepTable};

use super::hook::HookKind;
use super::plan::PlanKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A plan as it is written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlanForm {
    /// `canary` (default), `blue-green` or `rolling`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<PlanKind>,
    /// Shares, or tables with more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<StepForm>>,
    /// The hold of steps that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Length>,
    /// What every step must pass; the default gates when absent, none when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gates: Option<Vec<GateForm>>,
    /// What must pass before a blue/green switch, judged through the pin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Vec<GateForm>>,
    /// How long the gates before look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_hold: Option<Length>,
    /// How long each member of a rolling rollout is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_hold: Option<Length>,
    /// A pool with the canary's share to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Time between looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look_every: Option<Length>,
    /// Time from a weight to the first evidence that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<Length>,
    /// The shortest hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_hold: Option<Length>,
    /// How long past its hold a step may wait for evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Length>,
    /// Errors of a source in a row that raise an alarm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_errors: Option<u32>,
    /// Failures in a row of a hook that fail the rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_failures: Option<u32>,
    /// How long nobody's answer is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abandon: Option<Length>,
    /// How long the old side is kept for `undo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<Length>,
    /// Whether the canary may get more than its step when the stable pool fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spill: Option<bool>,
    /// Whether the next weight is suggested by Thompson sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advisor: Option<bool>,
    /// The metrics that gates name, where probes and pushed samples are not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<BTreeMap<String, MetricForm>>,
    /// Where their queries are asked (in files only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusForm>,
    /// Who is called (in files only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Vec<HookForm>>,
}

/// `{ url = "http://127.0.0.1:9090" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusForm {
    /// The server, with any path before `/api/v1/query`.
    pub url: String,
    /// A file with a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_file: Option<String>,
    /// A file with CA certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Of one query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Length>,
}

/// `{ on = "confirm-start", url = "https://..." }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookForm {
    /// When it is called.
    pub on: HookKind,
    /// Where.
    pub url: String,
    /// A file with the secret that signs the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<String>,
    /// Of one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Length>,
    /// Attempts after the first, for notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

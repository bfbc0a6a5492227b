//! The stored form of a rollout, version 1, inside its switch's row.

use super::v1::{CheckContext, PlanForm};
use super::{HookKind, Pause, Phase, Rolling, Rollout, Stage, Timeline};
use crate::moment::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a stored rollout cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the stored plan of a rollout is no longer understood: {0}")]
pub struct RecordError(String);

/// A rollout on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutV1 {
    id: u64,
    plan: PlanForm,
    stable: Arc<str>,
    canary: Arc<str>,
    version: Option<String>,
    before: BTreeMap<Arc<str>, u16>,
    phase: Phase,
    stage: Stage,
    step: usize,
    weighted: bool,
    since: Moment,
    attended: Moment,
    pause: Option<Pause>,
    agreed: Vec<HookKind>,
    hook_failures: u32,
    rolling: Option<Rolling>,
    started: Moment,
    by: String,
    reason: Option<String>,
    ended: Option<Moment>,
    timeline: Timeline,
}

impl RolloutV1 {
    /// What is stored of a rollout.
    #[must_use]
    pub fn of(rollout: &Rollout) -> Self {
        let rollout = rollout.clone();
        Self {
            id: rollout.id,
            plan: PlanForm::of(&rollout.plan),
            stable: rollout.stable,
            canary: rollout.canary,
            version: rollout.version,
            before: rollout.before,
            phase: rollout.phase,
            stage: rollout.stage,
            step: rollout.step,
            weighted: rollout.weighted,
            since: rollout.since,
            attended: rollout.attended,
            pause: rollout.pause,
            agreed: rollout.agreed,
            hook_failures: rollout.hook_failures,
            rolling: rollout.rolling,
            started: rollout.started,
            by: rollout.by,
            reason: rollout.reason,
            ended: rollout.ended,
            timeline: rollout.timeline,
        }
    }

    /// The rollout again.
    ///
    /// # Errors
    /// When its plan says what this program does not know.
    pub fn restore(self) -> Result<Rollout, RecordError> {
        let pools: Vec<&str> = self.before.keys().map(|pool| &**pool).collect();
        let plan = self
            .plan
            .check(&CheckContext { pools: &pools, from_call: None })
            .map_err(|problems| RecordError(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
        Ok(Rollout {
            id: self.id,
            plan: Arc::new(plan),
            stable: self.stable,
            canary: self.canary,
            version: self.version,
            before: self.before,
            phase: self.phase,
            stage: self.stage,
            step: self.step,
            weighted: self.weighted,
            since: self.since,
            attended: self.attended,
            pause: self.pause,
            agreed: self.agreed,
            hook_failures: self.hook_failures,
            rolling: self.rolling,
            started: self.started,
            by: self.by,
            reason: self.reason,
            ended: self.ended,
            timeline: self.timeline,
        })
    }
}

//! Releases that decide by evidence: plans, the machine that walks them, and what it is told.
//!
//! Pure: a rollout, an event and a moment make the next rollout. What a rollout wants of the world
//! can be read off its value (the split, the hook it waits for, the member it holds back), so that a
//! process which starts again in the middle goes on from what was stored and nothing else.
//!
//! Never reads a clock, sends nothing, stores nothing.

pub mod advisor;
pub mod analysis;
pub mod detect;
pub mod evidence;
pub mod foresee;
pub mod gate;
pub mod hook;
mod looks;
pub mod machine;
pub mod orders;
pub mod plan;
pub mod population;
pub mod problem;
pub mod record;
pub mod rolling;
pub mod seeded;
pub mod share;
pub mod simulate;
mod tick;
pub mod timeline;
pub mod trial;
pub mod v1;

pub use analysis::{Analyst, Look};
pub use evidence::{Evidence, Intake, Sample, SampleValue, Series, SourceState, Values};
pub use gate::{
    Check, Gate, GateVerdict, Margin, Metric, MetricSource, Sequential, Spending, Statistic, Test, Verdict, Worse,
};
pub use hook::{Hook, HookAnswer, HookCall, HookKind};
pub use machine::{Beginning, Event, Judgement, Person, Refusal, Signals, advance, percent, retry, start};
pub use orders::{EvidencePool, EvidenceReport, EvidenceTask, HookOrder, HookReport};
pub use plan::{Plan, PlanKind, PrometheusSource, Step};
pub use problem::PlanProblem;
pub use rolling::{MemberSignal, Rolling, RollingStage};
pub use timeline::{Entry, Timeline};

#[cfg(test)]
mod tests;

use crate::moment::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a rollout stands (§5.2).
///
/// ```text
/// pending ──> progressing ──> promoted
///    │          │      ▲
///    │          ▼      │ resume
///    ├──────> paused ──┘
///    ▼          ▼
/// aborted   aborted, failed          abort wins everywhere; retry begins anew
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Started; nothing moved yet: waits for the canary to be eligible, for hooks and for gates before.
    Pending,
    /// A step is in force.
    Progressing,
    /// Waits for a person; the weights stay.
    Paused,
    /// The canary has everything; the old side is kept warm for a while.
    Promoted,
    /// A person, or nobody's answer for a day, ended it; the stable pool has everything.
    Aborted,
    /// The evidence ended it; the stable pool has everything.
    Failed,
}

impl Phase {
    /// Whether the rollout still owns the weights.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Pending | Self::Progressing | Self::Paused)
    }

    /// The phase as the API spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Progressing => "progressing",
            Self::Paused => "paused",
            Self::Promoted => "promoted",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
        }
    }
}

/// What the rollout does within a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Waits for hooks that must agree before the next weight (`confirm-*`, `pre-*`).
    Entering,
    /// The gates before a blue/green switch are judged through pins; no weight moved.
    Before,
    /// The weight is set; the hold runs and the gates look.
    Holding,
    /// The gates passed; waits for `post-*` hooks.
    Leaving,
}

/// Why a rollout waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pause {
    /// In words.
    pub why: String,
    /// The kind, which decides what may end it.
    pub cause: PauseCause,
    /// Since when.
    pub since: Moment,
    /// The phase it was in, which `resume` returns to.
    pub from: Phase,
}

/// The kinds of pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PauseCause {
    /// A person asked.
    Person,
    /// The plan asks for a person before the next step.
    Planned,
    /// The gates could not tell by their deadline.
    Inconclusive,
    /// The stable pool is not eligible: the fallback decides what its clients get.
    StableIneligible,
    /// A rollback is due, but the stable pool is not eligible; done as soon as it is.
    RollbackBlocked,
}

/// One release on one switch, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// The revision that started it: its name in history.
    pub id: u64,
    /// The plan, frozen at the start.
    pub plan: Arc<Plan>,
    /// The pool that serves before; everything goes back to it.
    pub stable: Arc<str>,
    /// The pool that is released (in a rolling rollout: the same pool).
    pub canary: Arc<str>,
    /// The version the canary must show.
    pub version: Option<String>,
    /// The weights before the start.
    pub before: BTreeMap<Arc<str>, u16>,
    /// Where it stands.
    pub phase: Phase,
    /// What it does there.
    pub stage: Stage,
    /// The step in force or being entered, from 0.
    pub step: usize,
    /// Whether the weight of `step` is set (else that of the step before it).
    pub weighted: bool,
    /// Since when `phase`, `stage` and `step` hold: holds are counted from here.
    pub since: Moment,
    /// When a person last said something, or it last moved: the clock of "nobody there".
    pub attended: Moment,
    /// While paused: why.
    pub pause: Option<Pause>,
    /// Hooks of this stage that have agreed.
    pub agreed: Vec<HookKind>,
    /// Failures in a row of the hook that is waited for.
    pub hook_failures: u32,
    /// A rolling rollout's place among the members.
    pub rolling: Option<Rolling>,
    /// When it began.
    pub started: Moment,
    /// Who began it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When it reached its end.
    pub ended: Option<Moment>,
    /// What happened, oldest first.
    pub timeline: Timeline,
}

/// The whole, in hundredths of a percent.
pub const WHOLE: u16 = 10_000;

/// Milliseconds from `then` to `now`, never more than have passed: counted on the boot clock unless
/// the machine was started anew in between.
#[must_use]
pub fn elapsed_ms(then: Moment, now: Moment) -> u64 {
    if now.boot_ms >= then.boot_ms { now.boot_ms - then.boot_ms } else { now.unix_ms.saturating_sub(then.unix_ms) }
}

impl Rollout {
    /// The weights it wants at present.
    #[must_use]
    pub fn weights(&self) -> BTreeMap<Arc<str>, u16> {
        if self.plan.kind == PlanKind::Rolling {
            return self.before.clone();
        }
        let share = match self.phase {
            Phase::Pending | Phase::Aborted | Phase::Failed => return self.before.clone(),
            Phase::Promoted => WHOLE,
            Phase::Progressing | Phase::Paused => match self.share() {
                0 => return self.before.clone(),
                share => share,
            },
        };
        self.plan.split(self.before.keys(), &self.stable, &self.canary, share)
    }

    /// The canary's share in force, hundredths of a percent.
    #[must_use]
    pub fn share(&self) -> u16 {
        match self.phase {
            Phase::Promoted => WHOLE,
            Phase::Pending | Phase::Aborted | Phase::Failed => 0,
            Phase::Progressing | Phase::Paused => {
                let reached = if self.weighted { Some(self.step) } else { self.step.checked_sub(1) };
                reached.and_then(|step| self.plan.steps.get(step)).map_or(0, |step| step.weight)
            }
        }
    }

    /// The pool that gets no more than its step, whatever becomes of the others (§5.3).
    #[must_use]
    pub fn capped(&self) -> Option<&Arc<str>> {
        let moved = self.phase.is_running() && self.share() > 0 && self.share() < WHOLE;
        (moved && !self.plan.spill && self.plan.kind != PlanKind::Rolling).then_some(&self.canary)
    }

    /// Whether it goes to this pool, compares with it, or may come back to it.
    #[must_use]
    pub fn needs(&self, pool: &str) -> bool {
        [Some(&self.stable), Some(&self.canary), self.plan.baseline.as_ref()]
            .into_iter()
            .flatten()
            .any(|own| **own == *pool)
    }

    /// The step in force or being entered.
    #[must_use]
    pub fn current(&self) -> Option<&Step> {
        self.plan.steps.get(self.step)
    }

    /// The gates that judge the stage in force.
    #[must_use]
    pub fn gates(&self) -> &[Gate] {
        if self.stage == Stage::Before {
            return &self.plan.before;
        }
        self.current().and_then(|step| step.gates.as_deref()).unwrap_or(&self.plan.gates)
    }

    /// The hook that must be called and answered before it goes on.
    #[must_use]
    pub fn wanted_hook(&self) -> Option<HookKind> {
        let kinds: &[HookKind] = match (self.phase, self.stage) {
            (Phase::Progressing, Stage::Leaving) => &[HookKind::PostStep],
            (Phase::Pending, Stage::Entering) => &[HookKind::ConfirmStart, HookKind::PreStart],
            (Phase::Progressing, Stage::Entering) if self.step + 1 == self.plan.steps.len() => {
                &[HookKind::ConfirmStep, HookKind::PreStep, HookKind::ConfirmPromotion, HookKind::PrePromotion]
            }
            (Phase::Progressing, Stage::Entering) => &[HookKind::ConfirmStep, HookKind::PreStep],
            _ => return self.rolling_hook(),
        };
        kinds.iter().copied().find(|kind| self.plan.has_hook(*kind) && !self.agreed.contains(kind))
    }

    /// The update hook of a rolling rollout, when a member waits for it.
    fn rolling_hook(&self) -> Option<HookKind> {
        let rolling = self.rolling.as_ref()?;
        let due = self.phase == Phase::Progressing && rolling.stage == RollingStage::Updating;
        (due && !self.agreed.contains(&HookKind::Update)).then_some(HookKind::Update)
    }

    /// The member held out of answers while it is updated.
    #[must_use]
    pub fn withdrawn(&self) -> Option<&Arc<str>> {
        let rolling = self.rolling.as_ref().filter(|_| self.phase.is_running())?;
        matches!(rolling.stage, RollingStage::Draining | RollingStage::Updating | RollingStage::Readmitting)
            .then(|| rolling.member())
            .flatten()
    }

    /// The version a member must show, where a rolling rollout has changed it.
    #[must_use]
    pub fn version_of(&self, pool: &str, member: &str) -> Option<&str> {
        let rolling = self.rolling.as_ref().filter(|_| *self.stable == *pool)?;
        rolling.expects_new(member).then_some(self.version.as_deref()).flatten()
    }

    /// Until when the old side is kept warm for `undo`, wall clock, milliseconds.
    #[must_use]
    pub fn warm_until_unix_ms(&self) -> Option<u64> {
        let ended = self.ended.filter(|_| self.phase == Phase::Promoted && self.plan.kind != PlanKind::Rolling)?;
        Some(ended.unix_ms.saturating_add(self.plan.warm_ms))
    }
}

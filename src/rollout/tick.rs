//! What a second does to a rollout: by phase and stage, from how things are (§5.2, §5.3).
//!
//! No step is taken on missing evidence, and none while either side is not eligible.

use super::machine::{Signals, percent};
use super::rolling;
use super::{PauseCause, Phase, PlanKind, Rollout, Stage, WHOLE, elapsed_ms};
use crate::moment::Moment;

impl Rollout {
    /// A second has passed.
    pub(super) fn tick(&self, signals: &Signals, now: Moment) -> Option<Self> {
        if self.phase == Phase::Paused {
            return self.tick_paused(signals, now);
        }
        if elapsed_ms(self.attended, now) >= self.plan.abandon_ms {
            return Some(self.abandoned(signals, now));
        }
        match (self.phase, self.stage) {
            (Phase::Pending, Stage::Before) => self.tick_before(signals, now),
            (Phase::Pending, _) => self.tick_pending(signals, now),
            (Phase::Progressing, _) if self.rolling.is_some() => rolling::tick(self, signals, now),
            (_, Stage::Entering) => self.tick_entering(signals, now),
            (_, Stage::Leaving) => self.wanted_hook().is_none().then(|| self.left(now)),
            _ => self.tick_holding(signals, now),
        }
    }

    /// Nobody came for a day.
    fn abandoned(&self, signals: &Signals, now: Moment) -> Self {
        let why = "nobody came for as long as the plan waits (abandon)".to_owned();
        match &signals.stable {
            Err(stable) if self.share() > 0 => {
                let blocked = format!("{why}; but the stable pool {} is not eligible: {stable}", self.stable);
                self.paused(PauseCause::RollbackBlocked, blocked, now)
            }
            _ => self.over(Phase::Aborted, now).noted(why, Vec::new(), now),
        }
    }

    /// While a person is waited for, what is proven bad still goes back.
    fn tick_paused(&self, signals: &Signals, now: Moment) -> Option<Self> {
        let cause = self.pause.as_ref().map(|pause| pause.cause);
        let late = elapsed_ms(self.attended, now) >= self.plan.abandon_ms;
        if cause == Some(PauseCause::RollbackBlocked) {
            return signals.stable.is_ok().then(|| {
                let phase = if late { Phase::Aborted } else { Phase::Failed };
                self.over(phase, now).noted("the stable pool is eligible again: went back to it", Vec::new(), now)
            });
        }
        if late {
            return Some(self.abandoned(signals, now));
        }
        let failed = signals.judgement.failed()?;
        (self.share() > 0 && signals.stable.is_ok())
            .then(|| self.rolled_back(signals, failed, signals.judgement.verdicts().to_vec(), now))
    }

    /// Before anything has moved.
    fn tick_pending(&self, signals: &Signals, now: Moment) -> Option<Self> {
        if signals.canary.is_err() || self.wanted_hook().is_some() {
            return None;
        }
        if self.plan.kind == PlanKind::BlueGreen && !self.plan.before.is_empty() {
            return Some(self.staged(Stage::Before, now).noted("the gates before the switch look", Vec::new(), now));
        }
        Some(Self { phase: Phase::Progressing, ..self.staged(Stage::Entering, now) })
    }

    /// The gates before a switch.
    fn tick_before(&self, signals: &Signals, now: Moment) -> Option<Self> {
        if let Err(why) = &signals.canary {
            return Some(self.over(Phase::Failed, now).noted(canary_down(self, why), Vec::new(), now));
        }
        self.judged(signals, self.plan.before_hold_ms, now, |passed| {
            let next = Self { phase: Phase::Progressing, ..passed.staged(Stage::Entering, now) };
            next.noted("the gates before the switch passed", signals.judgement.verdicts().to_vec(), now)
        })
    }

    /// The next weight is due, unless somebody must agree.
    fn tick_entering(&self, signals: &Signals, now: Moment) -> Option<Self> {
        if let Some(blocked) = self.health_blocks(signals, now) {
            return Some(blocked);
        }
        if self.wanted_hook().is_some() {
            return None;
        }
        let step = self.current()?;
        let what = format!("step {} of {}: {} %", self.step + 1, self.plan.steps.len(), percent(step.weight));
        Some(self.weight_set(what, now))
    }

    /// A weight is in force.
    fn tick_holding(&self, signals: &Signals, now: Moment) -> Option<Self> {
        if let Some(blocked) = self.health_blocks(signals, now) {
            return Some(blocked);
        }
        let step = self.current()?;
        let hold_ms = self.plan.hold_ms(step, signals.ttl_s).unwrap_or(0);
        self.judged(signals, hold_ms, now, |passed| {
            let what = format!("step {} passed", passed.step + 1);
            let next = passed.staged(Stage::Leaving, now).noted(what, signals.judgement.verdicts().to_vec(), now);
            if step.pause {
                return next.paused(PauseCause::Planned, "the plan asks for a person here".to_owned(), now);
            }
            next
        })
    }

    /// After a step: the next one, or the end.
    fn left(&self, now: Moment) -> Self {
        if self.step + 1 >= self.plan.steps.len() {
            return self.promoted("every step passed", now);
        }
        Self { step: self.step + 1, weighted: false, ..self.staged(Stage::Entering, now) }
    }

    /// What bad health of either side makes of a step.
    fn health_blocks(&self, signals: &Signals, now: Moment) -> Option<Self> {
        if let Err(why) = &signals.canary {
            return Some(self.rolled_back(signals, canary_down(self, why), Vec::new(), now));
        }
        let Err(why) = &signals.stable else { return None };
        // With everything on the canary there is nobody left on the stable pool.
        (self.share() < WHOLE).then(|| {
            let why = format!("the stable pool {} is not eligible: {why}", self.stable);
            self.paused(PauseCause::StableIneligible, why, now)
        })
    }

    /// What the gates make of a hold: back, on by `then`, a pause at the deadline, or nothing yet.
    pub(super) fn judged(
        &self,
        signals: &Signals,
        hold_ms: u64,
        now: Moment,
        then: impl FnOnce(&Self) -> Self,
    ) -> Option<Self> {
        if let Some(failed) = signals.judgement.failed() {
            return Some(self.rolled_back(signals, failed, signals.judgement.verdicts().to_vec(), now));
        }
        let held = elapsed_ms(self.since, now);
        if held >= hold_ms && signals.judgement.passed_after(self.since, hold_ms) {
            return Some(then(self));
        }
        (held >= hold_ms.saturating_add(self.plan.deadline_ms)).then(|| {
            let why = format!("the evidence cannot tell: {}", signals.judgement.unclear());
            self.paused(PauseCause::Inconclusive, why, now)
        })
    }
}

/// The sentence of a canary that is not eligible.
fn canary_down(rollout: &Rollout, why: &str) -> String {
    format!("the canary {} is not eligible: {why}", rollout.canary)
}

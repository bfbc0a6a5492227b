//! When the gates look, and what their last look means to the machine (§5.1, §5.5).

use super::gate::{GateVerdict, Verdict};
use super::machine::Judgement;
use super::{RollingStage, Rollout, Stage, elapsed_ms};
use crate::moment::Moment;

impl Rollout {
    /// Whether the gates should look at `now`, given when they last did in this stage.
    #[must_use]
    pub fn look_due(&self, last: Option<Moment>, ttl_s: u32, now: Moment) -> bool {
        let Some(hold_ms) = self.judging_hold_ms(ttl_s) else { return false };
        let held = elapsed_ms(self.since, now);
        if held < self.settle_ms(ttl_s) {
            return false;
        }
        last.is_none_or(|last| {
            let at_end = held >= hold_ms && elapsed_ms(self.since, last) < hold_ms;
            at_end || elapsed_ms(last, now) >= self.plan.look_every_ms
        })
    }

    /// Time from `since` to the first evidence that counts.
    #[must_use]
    pub fn settle_ms(&self, ttl_s: u32) -> u64 {
        match self.stage {
            // Nothing moved: pins answer as they did.
            Stage::Before => 0,
            _ => self.plan.settle_ms(ttl_s),
        }
    }

    /// The hold of the stage in force, where gates judge it.
    #[must_use]
    pub fn judging_hold_ms(&self, ttl_s: u32) -> Option<u64> {
        let rolling = self.rolling.as_ref().map(|rolling| rolling.stage);
        match (self.stage, rolling) {
            _ if !self.phase.is_running() => None,
            (_, Some(RollingStage::Judging)) => Some(self.plan.member_hold_ms),
            (_, Some(_)) => None,
            (Stage::Before, None) => Some(self.plan.before_hold_ms),
            (Stage::Holding, None) => self.current().and_then(|step| self.plan.hold_ms(step, ttl_s)),
            _ => None,
        }
    }
}

impl Judgement {
    /// The verdicts of the look.
    #[must_use]
    pub fn verdicts(&self) -> &[GateVerdict] {
        match self {
            Self::NotYet => &[],
            Self::Looked { verdicts, .. } => verdicts,
        }
    }

    /// The line of the first gate that failed.
    pub(super) fn failed(&self) -> Option<String> {
        self.verdicts().iter().find(|v| v.verdict == Verdict::Fail).map(|v| v.line.clone())
    }

    /// Whether every gate passed at a look after the hold.
    pub(super) fn passed_after(&self, since: Moment, hold_ms: u64) -> bool {
        match self {
            Self::NotYet => false,
            Self::Looked { at, verdicts } => {
                elapsed_ms(since, *at) >= hold_ms && verdicts.iter().all(|v| v.verdict == Verdict::Pass)
            }
        }
    }

    /// What keeps it from passing.
    pub(super) fn unclear(&self) -> String {
        match self {
            Self::NotYet => "the gates have not looked".to_owned(),
            Self::Looked { verdicts, .. } => {
                let open: Vec<&str> =
                    verdicts.iter().filter(|v| v.verdict == Verdict::Inconclusive).map(|v| v.line.as_str()).collect();
                if open.is_empty() { "no look since the end of the hold".to_owned() } else { open.join("; ") }
            }
        }
    }
}

//! A rolling rollout's place among the members of its pool (§5.1): one at a time is drained, updated
//! by a hook, re-admitted when its probes and version pass, and watched.

use super::Stage;
use super::machine::Signals;
use super::{PauseCause, Phase, Rollout, elapsed_ms};
use crate::moment::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where it stands among the members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rolling {
    /// The members in the order they are taken.
    pub order: Vec<Arc<str>>,
    /// The one being dealt with.
    pub at: usize,
    /// What is done with it.
    pub stage: RollingStage,
}

/// What is done with one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RollingStage {
    /// Waits until the pool can spare it.
    Waiting,
    /// Out of answers; waits until no cache holds it.
    Draining,
    /// Its hook is called.
    Updating,
    /// Waits for its probes to pass with the new version.
    Readmitting,
    /// Answered again; the gates look at the pool.
    Judging,
}

/// What is seen of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSignal {
    /// The member.
    pub member: Arc<str>,
    /// Its probes pass, with the version it must show; overrides and withdrawal apart.
    pub healthy: bool,
    /// Whether the pool stays eligible without it.
    pub can_be_spared: bool,
    /// Whether no cache that honours TTLs holds it.
    pub dns_drained: bool,
}

impl Rolling {
    /// Begins with the first member.
    #[must_use]
    pub const fn new(order: Vec<Arc<str>>) -> Self {
        Self { order, at: 0, stage: RollingStage::Waiting }
    }

    /// The member being dealt with.
    #[must_use]
    pub fn member(&self) -> Option<&Arc<str>> {
        self.order.get(self.at)
    }

    /// Whether a member must show the new version.
    #[must_use]
    pub fn expects_new(&self, member: &str) -> bool {
        let updated = self.order.iter().take(self.at).any(|name| &**name == member);
        let current = self.member().is_some_and(|name| &**name == member);
        updated || (current && matches!(self.stage, RollingStage::Readmitting | RollingStage::Judging))
    }
}

/// One tick of a rolling rollout in progress; `None`: nothing changes.
pub(super) fn tick(rollout: &Rollout, signals: &Signals, now: Moment) -> Option<Rollout> {
    let rolling = rollout.rolling.as_ref()?;
    let Some(member) = rolling.member() else {
        return Some(rollout.promoted("every member has been updated", now));
    };
    if let Err(why) = &signals.stable {
        let why = format!("pool {} is not eligible: {why}", rollout.stable);
        return Some(rollout.paused(PauseCause::StableIneligible, why, now));
    }
    let seen = signals.members.iter().find(|seen| seen.member == *member);
    let waited = elapsed_ms(rollout.since, now);
    match rolling.stage {
        // Nothing of it is left to update, and nobody answers it: a server that comes back shows the version it has.
        RollingStage::Waiting | RollingStage::Draining if seen.is_none() => {
            Some(rollout.on_to_the_next(format!("{member} has left the pool: it is passed over"), now))
        }
        RollingStage::Waiting if seen.is_some_and(|seen| seen.can_be_spared) => {
            Some(rollout.rolled(RollingStage::Draining, format!("{member} is taken out of answers"), now))
        }
        RollingStage::Draining if seen.is_some_and(|seen| seen.dns_drained) => {
            Some(rollout.rolled(RollingStage::Updating, format!("no cache holds {member}: its update begins"), now))
        }
        RollingStage::Updating if rollout.wanted_hook().is_none() => {
            Some(rollout.rolled(RollingStage::Readmitting, format!("{member} is updated: its probes must pass"), now))
        }
        RollingStage::Readmitting if seen.is_some_and(|seen| seen.healthy) => {
            Some(rollout.rolled(RollingStage::Judging, format!("{member} is answered again"), now))
        }
        RollingStage::Judging => rollout.judged(signals, rollout.plan.member_hold_ms, now, |passed| {
            passed.on_to_the_next(format!("{member} is done"), now)
        }),
        // An update may take as long as a model takes to load; nobody's answer ends it after a day.
        RollingStage::Readmitting | RollingStage::Waiting if waited >= rollout.plan.deadline_ms.max(1_800_000) => {
            let why = match rolling.stage {
                RollingStage::Waiting => format!("the pool cannot spare {member}"),
                _ => format!("{member} did not pass its probes after the update"),
            };
            Some(rollout.paused(PauseCause::Inconclusive, why, now))
        }
        _ => None,
    }
}

impl Rollout {
    /// Whether it is busy with a member, and neither holds nor waits for a person.
    pub(super) fn is_amid_a_member(&self) -> bool {
        let busy = |rolling: &Rolling| rolling.stage != RollingStage::Judging && rolling.member().is_some();
        self.phase == Phase::Progressing && self.rolling.as_ref().is_some_and(busy)
    }

    /// Whether members of a rolling rollout still have to be updated.
    #[must_use]
    pub fn has_members_to_update(&self) -> bool {
        self.rolling.as_ref().is_some_and(|rolling| rolling.member().is_some())
    }

    /// The next member's turn.
    pub(super) fn on_to_the_next(&self, what: String, now: Moment) -> Self {
        let mut next = self.rolled(RollingStage::Waiting, what, now);
        if let Some(rolling) = &mut next.rolling {
            rolling.at += 1;
        }
        next
    }

    /// The same member, further on.
    fn rolled(&self, stage: RollingStage, what: String, now: Moment) -> Self {
        let mut next = self.clone();
        if let Some(rolling) = &mut next.rolling {
            rolling.stage = stage;
        }
        next.stage = Stage::Holding;
        next.agreed.clear();
        next.hook_failures = 0;
        next.since = now;
        next.attended = now;
        next.noted(what, Vec::new(), now)
    }
}

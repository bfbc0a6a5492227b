//! What the control task shows and tells of rollouts.

use super::alarm::Alarm;
use super::report::{Happening, RolloutView, What};
use super::task::Control;
use super::view::rfc3339;
use crate::drain::DrainState;
use crate::moment::Moment;
use crate::rollout::v1::PlanForm;
use crate::rollout::{HookKind, PauseCause, Phase, RollingStage, Rollout, Stage, elapsed_ms};
use crate::steering::Switch;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Control {
    /// One rollout, for people.
    pub(super) fn rollout_view(&self, switch: &Switch, rollout: &Rollout, now: Moment) -> RolloutView {
        let running = rollout.phase.is_running();
        let ttl_s = self.ttl_of(&switch.name);
        let release = self.releases.get(&switch.name).filter(|_| running);
        let last = release.and_then(|release| release.last.as_ref());
        let held_ms = elapsed_ms(rollout.since, now);
        let hold_ms = rollout.judging_hold_ms(ttl_s);
        let mut failing_sources = BTreeMap::new();
        for metric in rollout.plan.metrics() {
            let source = release.and_then(|release| release.evidence.source(&metric.name));
            if let Some(error) = source.and_then(|source| source.error.as_ref()) {
                failing_sources.insert(metric.name.to_string(), error.clone());
            }
        }
        RolloutView {
            id: rollout.id,
            phase: rollout.phase,
            stage: rollout.stage,
            step: rollout.step + 1,
            steps: rollout.rolling.as_ref().map_or(rollout.plan.steps.len(), |rolling| rolling.order.len()),
            share_percent: percent(rollout.share()),
            step_percents: rollout.plan.steps.iter().map(|step| percent(step.weight)).collect(),
            stable: rollout.stable.to_string(),
            canary: rollout.canary.to_string(),
            baseline: rollout.plan.baseline.as_deref().map(str::to_owned),
            version: rollout.version.clone(),
            paused: rollout.pause.as_ref().map(|pause| pause.why.clone()),
            waits_for: self.waits_for(switch, rollout, now),
            held_ms,
            hold_ms,
            settles_in_ms: hold_ms.map_or(0, |_| rollout.settle_ms(ttl_s).saturating_sub(held_ms)),
            member: rollout.rolling.as_ref().and_then(|rolling| rolling.member()).map(ToString::to_string),
            share: self.honest_share(switch, rollout),
            looked_at: last.map(|(at, _)| rfc3339(at.unix_ms)),
            verdicts: last.map(|(_, verdicts)| verdicts.clone()).unwrap_or_default(),
            advice: release.and_then(|release| release.advice.1.clone()),
            failing_sources,
            started_at: rfc3339(rollout.started.unix_ms),
            by: rollout.by.clone(),
            reason: rollout.reason.clone(),
            ended_at: rollout.ended.map(|at| rfc3339(at.unix_ms)),
            warm_until: rollout.warm_until_unix_ms().filter(|until| now.unix_ms < *until).map(rfc3339),
            // URLs of hooks and sources may hold secrets, and viewers see this.
            plan: PlanForm { hooks: None, prometheus: None, ..PlanForm::of(&rollout.plan) },
            timeline: rollout.timeline.entries().to_vec(),
        }
    }

    /// What a running rollout waits for, in words.
    fn waits_for(&self, switch: &Switch, rollout: &Rollout, now: Moment) -> Option<String> {
        if let Some(pause) = &rollout.pause {
            return Some(format!("a person: {}", pause.why));
        }
        if let Some(call) = rollout.call() {
            return Some(format!("the hook {}", call.kind.word()));
        }
        let why_not = |pool: &str| {
            let (_, pool) = switch.pool(pool)?;
            let status = crate::state::observed::pool_status(&self.desired, &self.observed, switch, pool, now.unix_ms);
            (!status.eligible).then(|| status.why.unwrap_or_else(|| "it is down".to_owned()))
        };
        match (rollout.phase, rollout.stage) {
            (Phase::Pending, Stage::Entering) => {
                why_not(&rollout.canary).map(|why| format!("pool {} to be eligible: {why}", rollout.canary))
            }
            (Phase::Progressing | Phase::Pending, _) => rollout.rolling.as_ref().map_or_else(
                || rollout.judging_hold_ms(self.ttl_of(&switch.name)).map(|_| "the hold and its gates".to_owned()),
                |rolling| {
                    let member = rolling.member()?;
                    Some(match rolling.stage {
                        RollingStage::Waiting => format!("the pool to spare {member}"),
                        RollingStage::Draining => format!("caches to forget {member}"),
                        RollingStage::Updating => format!("the update of {member}"),
                        RollingStage::Readmitting => format!("the probes of {member} to pass"),
                        RollingStage::Judging => "the hold and its gates".to_owned(),
                    })
                },
            ),
            _ => None,
        }
    }

    /// Rollouts that need a person, and sources that fail.
    pub(super) fn rollout_alarms(&self) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for (name, release) in &self.releases {
            let Some(rollout) = self.desired.running_rollout(name) else { continue };
            if let Some(pause) = rollout.pause.as_ref().filter(|pause| pause.cause != PauseCause::Person) {
                alarms.push(Alarm::of_switch(name, &format!("the rollout waits for a person: {}", pause.why)));
            }
            for metric in rollout.plan.metrics() {
                let failing = release.evidence.source(&metric.name);
                let failing = failing.filter(|source| source.errors_in_a_row >= rollout.plan.source_errors);
                if let Some(error) = failing.and_then(|source| source.error.as_ref()) {
                    let what = format!("the rollout holds, since {} cannot be read: {error}", metric.name);
                    alarms.push(Alarm::of_switch(name, &what));
                }
            }
        }
        alarms
    }

    /// Tells the hooks of a switch that one of its pools drains, or has drained (§4.4).
    pub(super) fn notify_drain(&mut self, switch: &Arc<str>, pool: &str, state: DrainState, now: Moment) {
        let kind = match state {
            DrainState::Draining => HookKind::OnDraining,
            DrainState::Drained => HookKind::OnDrained,
            _ => return,
        };
        let addresses: Vec<String> = self
            .desired
            .definitions
            .switch(switch)
            .and_then(|(_, definition)| definition.pool(pool))
            .map(|(_, pool)| {
                pool.members.iter().flat_map(crate::steering::Member::addresses).map(|a| a.to_string()).collect()
            })
            .unwrap_or_default();
        let body = serde_json::json!({
            "event": kind.word(), "pool": pool, "state": state, "addresses": addresses, "at": rfc3339(now.unix_ms),
        });
        self.notify(switch, kind, &body);
    }

    /// Tells the `event` hooks of the switches a happening is about.
    pub(super) fn notify_of(&mut self, happening: &Happening) {
        let mut names: Vec<&str> = Vec::new();
        match &happening.what {
            What::Changed { switches, .. } => names.extend(switches.iter().map(String::as_str)),
            What::Health { switch, .. }
            | What::Eligible { switch, .. }
            | What::Fallback { switch, .. }
            | What::Drain { switch, .. }
            | What::Rollout { switch, .. }
            | What::Looked { switch, .. }
            | What::Source { switch, .. } => names.push(switch),
            What::Store { .. } => {}
        }
        for name in names {
            let wants = self.desired.definitions.plan(name).is_some_and(|plan| plan.has_hook(HookKind::Event));
            if wants && let Ok(body) = serde_json::to_value(happening) {
                self.notify(&Arc::from(name), HookKind::Event, &body);
            }
        }
    }
}

/// Hundredths of a percent as percent.
fn percent(hundredths: u16) -> f64 {
    f64::from(hundredths) / 100.0
}

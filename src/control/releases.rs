//! Running rollouts: once a second they are shown how things are, and what the machine decides takes
//! the way of every change.
//!
//! What is kept here (evidence, the last look, calls under way) is lost with the process, and gathered
//! anew: a rollout never goes on from evidence that nobody has any more.

use super::handle::{Asked, Caller};
use super::report::What;
use super::task::Control;
use crate::clock;
use crate::health::{self, Health};
use crate::moment::Moment;
use crate::rollout::analysis::{Analyst, Look};
use crate::rollout::{
    Event, Evidence, GateVerdict, HookCall, HookKind, Judgement, MemberSignal, Rollout, Signals, Stage, WHOLE, advance,
    advisor, elapsed_ms,
};
use crate::state::observed::pool_status;
use crate::state::{Change, Command, MemberKey, Request, RolloutVerb};
use crate::steering::Switch;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A stretch of a rollout that is judged by itself; a new one begins with no evidence.
type Stretch = (u64, Stage, usize, Moment);

/// What is known of one running rollout.
#[derive(Debug, Default)]
pub(super) struct Release {
    stretch: Option<Stretch>,
    pub(super) evidence: Evidence,
    analyst: Analyst,
    /// The last look of this stretch.
    pub(super) last: Option<(Moment, Vec<GateVerdict>)>,
    /// What the advisor said last, and when it last had enough to go by.
    pub(super) advice: (Option<Moment>, Option<String>),
    /// The last call that was waited for, and when it was made.
    pub(super) called: Option<(HookCall, Moment)>,
    /// A failure to store a step, told once.
    stuck: bool,
}

/// Slack for clocks of caches, as the drain ledger has it, milliseconds.
const CACHE_SLACK_MS: u64 = 5_000;

impl Control {
    /// Follows the rollouts that run, after these switches changed; `None`: any may have.
    pub(super) fn follow_rollouts(&mut self, touched: Option<&[Arc<str>]>) {
        let running = |control: &Self, name: &Arc<str>| control.desired.running_rollout(name).is_some();
        match touched {
            Some(names) => {
                for name in names {
                    if running(self, name) {
                        self.releases.entry(name.clone()).or_default();
                    } else {
                        self.releases.remove(name);
                    }
                }
            }
            None => {
                let names: Vec<Arc<str>> =
                    self.desired.switches.keys().filter(|name| running(self, name)).cloned().collect();
                self.releases.retain(|name, _| names.contains(name));
                for name in names {
                    self.releases.entry(name).or_default();
                }
            }
        }
        let wanted = self.evidence_wanted_now();
        self.evidence_wanted.send_if_modified(|current| {
            let differs = *current != wanted;
            *current = wanted;
            differs
        });
    }

    /// One second of every running rollout.
    pub(super) async fn drive_rollouts(&mut self) {
        let names: Vec<Arc<str>> = self.releases.keys().cloned().collect();
        for name in names {
            let now = clock::now();
            self.look(&name, now);
            let Some(signals) = self.signals(&name, now) else { continue };
            self.move_on(&name, RolloutVerb::Tick(Box::new(signals)), now).await;
            self.call_hooks(&name, clock::now());
        }
    }

    /// Has the machine decide, and takes what it decides down the way of a change.
    pub(super) async fn move_on(&mut self, name: &Arc<str>, verb: RolloutVerb, now: Moment) {
        let Some(rollout) = self.desired.running_rollout(name) else { return };
        let event = match &verb {
            RolloutVerb::Tick(signals) => Event::Tick((**signals).clone()),
            RolloutVerb::Hook(answer) => Event::Hook(answer.clone()),
            _ => return,
        };
        if !matches!(advance(rollout, &event, now), Ok(Some(_))) {
            return;
        }
        let request = Request {
            command: Command::Rollout { switch: name.to_string(), verb },
            reason: None,
            force: false,
            if_match: None,
            by: "rollout".to_owned(),
        };
        let caller = Caller { name: "rollout".to_owned(), ..Caller::default() };
        let outcome = self.decide_and_commit(&Asked { request, dry_run: false, caller, idempotency: None }).await;
        let told = self.releases.get(name).is_some_and(|release| release.stuck);
        if let Err(refused) = &outcome
            && !told
        {
            tracing::error!(switch = %name, %refused, "a step of the rollout cannot be stored; tried again each second");
        }
        if let Some(release) = self.releases.get_mut(name) {
            release.stuck = outcome.is_err();
        }
    }

    /// Looks at the evidence where a look is due.
    fn look(&mut self, name: &Arc<str>, now: Moment) {
        let Some(rollout) = self.desired.running_rollout(name).cloned() else { return };
        let ttl_s = self.ttl_of(name);
        let Some(release) = self.releases.get_mut(name) else { return };
        let stretch = (rollout.id, rollout.stage, rollout.step, rollout.since);
        if release.stretch != Some(stretch) {
            release.stretch = Some(stretch);
            release.evidence.clear();
            // Planned looks are spread over the hold behind the settle window, one look at its end included.
            let judged_ms = rollout.judging_hold_ms(ttl_s).unwrap_or(0).saturating_sub(rollout.settle_ms(ttl_s));
            let looks = u32::try_from(judged_ms / rollout.plan.look_every_ms.max(1)).unwrap_or(u32::MAX);
            release.analyst = Analyst::paced(looks.saturating_add(1));
            release.last = None;
            release.advice = (None, None);
        }
        if !rollout.look_due(release.last.as_ref().map(|(at, _)| *at), ttl_s, now) {
            return;
        }
        let look = Look {
            gates: rollout.gates(),
            evidence: &release.evidence,
            canary: &rollout.canary,
            other: rollout.plan.baseline.as_ref().unwrap_or(&rollout.stable),
            alone: rollout.share() == WHOLE || rollout.canary == rollout.stable,
            source_errors: rollout.plan.source_errors,
        };
        let verdicts = release.analyst.look(&look);
        if rollout.plan.advisor && advisor::is_due(release.advice.0, now) {
            let draws: Vec<u64> = (0..2_000).map(|_| clock::random_u64()).collect();
            release.advice = match advisor::advise(&rollout, &look, &draws) {
                Some(Ok(words)) => (Some(now), Some(words)),
                Some(Err(why)) => (None, Some(format!("nothing yet: {why}"))),
                None => (None, None),
            };
        }
        for verdict in &verdicts {
            tracing::info!(switch = %name, gate = verdict.gate, verdict = ?verdict.verdict, "{}", verdict.line);
        }
        release.last = Some((now, verdicts.clone()));
        self.happen(What::Looked { switch: name.to_string(), rollout: rollout.id, verdicts });
    }

    /// How things are for one rollout.
    fn signals(&self, name: &Arc<str>, now: Moment) -> Option<Signals> {
        let rollout = self.desired.running_rollout(name)?;
        let (_, switch) = self.desired.definitions.switch(name)?;
        let eligible = |pool: &str| {
            let (_, pool) = switch.pool(pool).ok_or_else(|| "the files no longer have it".to_owned())?;
            let status = pool_status(&self.desired, &self.observed, switch, pool, now.unix_ms);
            if status.eligible { Ok(()) } else { Err(status.why.unwrap_or_else(|| "it is down".to_owned())) }
        };
        let last = self.releases.get(name).and_then(|release| release.last.clone());
        Some(Signals {
            stable: eligible(&rollout.stable),
            canary: eligible(&rollout.canary),
            ttl_s: self.ttl_of(name),
            judgement: last.map_or(Judgement::NotYet, |(at, verdicts)| Judgement::Looked { at, verdicts }),
            members: self.member_signals(rollout, switch, now),
        })
    }

    /// What is seen of the members of a rolling rollout.
    fn member_signals(&self, rollout: &Rollout, switch: &Switch, now: Moment) -> Vec<MemberSignal> {
        let Some((_, pool)) = switch.pool(&rollout.stable).filter(|_| rollout.rolling.is_some()) else {
            return Vec::new();
        };
        let status = pool_status(&self.desired, &self.observed, switch, pool, now.unix_ms);
        // An answer given before the member left may have carried the steady TTL.
        let longest_ms = self.longest_promise_ms(&switch.name).unwrap_or(0).max(u64::from(switch.ttl_s) * 1000);
        let left = self.last_published.as_ref().is_none_or(crate::snapshot::Superseded::is_quiet);
        let drained = left && elapsed_ms(rollout.since, now) >= longest_ms + CACHE_SLACK_MS;
        let members = pool.members.iter().enumerate();
        members
            .map(|(at, member)| {
                let without = pool.members.iter().zip(&status.members).enumerate();
                let spared = without.map(|(other, (m, up))| (m.weight, *up && other != at));
                let seen = self.observed.members.get(&MemberKey::new(switch, pool, member));
                MemberSignal {
                    member: member.name().as_ref().into(),
                    healthy: seen.is_some_and(|seen| seen.health == Health::Up),
                    can_be_spared: health::pool_eligible(spared, switch.min_healthy),
                    dns_drained: drained && rollout.withdrawn().is_some_and(|out| **out == *member.name()),
                }
            })
            .collect()
    }

    /// Tells of what a change did to rollouts.
    pub(super) fn tell_rollouts(&mut self, before: &BTreeMap<Arc<str>, Option<Arc<Rollout>>>) {
        for (name, before) in before {
            let Some(now) = self.desired.rollout(name).cloned() else { continue };
            let was = before.as_ref().filter(|was| was.id == now.id);
            let told = was.map_or(0, |was| was.timeline.entries().len());
            for entry in now.timeline.entries().iter().skip(told) {
                tracing::info!(switch = %name, rollout = now.id, phase = now.phase.word(), "{}", entry.what);
                self.happen(What::Rollout { switch: name.to_string(), rollout: now.id, entry: entry.clone() });
            }
            let ended = !now.phase.is_running() && was.is_none_or(|was| was.phase != now.phase);
            if ended {
                let kind = if now.phase == crate::rollout::Phase::Promoted {
                    HookKind::PostPromotion
                } else {
                    HookKind::OnRollback
                };
                let why = now.timeline.last().map(|entry| entry.what.clone());
                let body = serde_json::json!({
                    "event": kind.word(), "rollout": now.id, "phase": now.phase, "why": why,
                    "stable": now.stable, "canary": now.canary, "version": now.version,
                    "at": super::view::rfc3339(clock::unix_ms()),
                });
                self.notify(name, kind, &body);
            }
        }
    }

    /// The rollouts of the switches a change touches, before it.
    pub(super) fn rollouts_before(&self, change: &Change) -> BTreeMap<Arc<str>, Option<Arc<Rollout>>> {
        let touched = change.switches.iter();
        touched.map(|(name, _)| (name.clone(), self.desired.rollout(name).cloned())).collect()
    }
}

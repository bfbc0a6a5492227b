//! Running rollouts: once a second they are shown how things are, and what the machine decides takes
//! the way of every change.
//!
//! What is kept here (evidence, the last look, calls under way) is lost with the process, and gathered
//! anew: a rollout never goes on from evidence that nobody has any more.

use super::handle::{Asked, Caller, Refused};
use super::report::What;
use super::task::Control;
use crate::clock;
use crate::health::{self, Health, ProbeReport};
use crate::moment::Moment;
use crate::rollout::analysis::{Analyst, Look};
use crate::rollout::{
    Event, Evidence, EvidencePool, EvidenceReport, EvidenceTask, GateVerdict, HookCall, HookKind, HookOrder,
    HookReport, Judgement, MemberSignal, MetricSource, Rollout, SampleValue, Signals, Stage, WHOLE, advance, advisor,
    elapsed_ms,
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
    called: Option<(HookCall, Moment)>,
    /// A failure to store a step, told once.
    stuck: bool,
}

/// Time after which a call without any answer is made again, beyond the time it may take.
const CALL_SLACK_MS: u64 = 5_000;

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
    async fn move_on(&mut self, name: &Arc<str>, verb: RolloutVerb, now: Moment) {
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

    /// Makes the call a rollout waits for, unless it is under way or was answered a moment ago.
    fn call_hooks(&mut self, name: &Arc<str>, now: Moment) {
        let Some(rollout) = self.desired.running_rollout(name).cloned() else { return };
        let Some(call) = rollout.call() else { return };
        let Some(hook) = rollout.plan.hooks.iter().find(|hook| hook.kind == call.kind) else { return };
        let Some(release) = self.releases.get_mut(name) else { return };
        let again_ms = rollout.plan.look_every_ms.max(hook.timeout_ms.saturating_add(CALL_SLACK_MS));
        let recent = release.called.as_ref().is_some_and(|(made, at)| *made == call && elapsed_ms(*at, now) < again_ms);
        if recent {
            return;
        }
        release.called = Some((call.clone(), now));
        let body = serde_json::json!({
            "event": call.kind.word(),
            "switch": name,
            "rollout": rollout.id,
            "step": rollout.step,
            "share_percent": f64::from(rollout.share()) / 100.0,
            "next_share_percent": rollout.current().map(|step| f64::from(step.weight) / 100.0),
            "stable": rollout.stable,
            "canary": rollout.canary,
            "version": rollout.version,
            "member": call.member,
            "at": super::view::rfc3339(now.unix_ms),
        });
        let order =
            HookOrder { switch: name.clone(), hook: hook.clone(), waited: Some(call), body: body.to_string().into() };
        self.order(order);
    }

    /// Hands an order to the room that calls. One that cannot be taken is told: nothing waits for it.
    fn order(&self, order: HookOrder) {
        if let Err(error) = self.hook_orders.try_send(order) {
            tracing::error!(%error, "a hook was not called: too many calls are under way");
        }
    }

    /// Tells every hook of a kind about a switch.
    pub(super) fn notify(&mut self, name: &Arc<str>, kind: HookKind, body: &serde_json::Value) {
        let Some(plan) = self.desired.definitions.plan(name).filter(|plan| plan.has_hook(kind)).cloned() else {
            return;
        };
        let mut body = body.clone();
        if let Some(object) = body.as_object_mut() {
            object.insert("hook".to_owned(), kind.word().into());
            object.insert("switch".to_owned(), name.to_string().into());
        }
        let body: Arc<str> = body.to_string().into();
        for hook in plan.hooks.iter().filter(|hook| hook.kind == kind) {
            self.order(HookOrder { switch: name.clone(), hook: hook.clone(), waited: None, body: body.clone() });
        }
    }

    /// A hook that was waited for has answered.
    pub(super) async fn hook_answered(&mut self, report: HookReport) {
        if let Err(why) = &report.answer.outcome {
            tracing::warn!(switch = %report.switch, hook = report.answer.call.kind.word(), why, "a hook did not agree");
        }
        self.move_on(&report.switch, RolloutVerb::Hook(report.answer), clock::now()).await;
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

    /// A probe is evidence for the rollouts that look at its member.
    pub(super) fn probe_evidence(&mut self, probed: &ProbeReport) {
        if self.releases.is_empty() {
            return;
        }
        let users: Vec<MemberKey> = self.watch.users(&probed.target_key).to_vec();
        for member in users {
            let passed = probed.outcome.passed();
            let error = SampleValue::Count { count: if passed { 0.0 } else { 1.0 }, total: 1.0 };
            self.take_evidence(&member.switch, "probe_errors", &member.pool, error, probed.at);
            if passed {
                #[allow(clippy::cast_precision_loss)] // a latency of 2^53 microseconds is 285 years
                let ms = probed.outcome.latency_us as f64 / 1000.0;
                self.take_evidence(&member.switch, "probe_latency_ms", &member.pool, SampleValue::Value(ms), probed.at);
            }
        }
    }

    /// Adds evidence that belongs to the stretch being judged.
    fn take_evidence(
        &mut self,
        switch: &Arc<str>,
        metric: &str,
        pool: &Arc<str>,
        value: SampleValue,
        at: Moment,
    ) -> bool {
        let ttl_s = self.ttl_of(switch);
        let Some(rollout) = self.desired.running_rollout(switch) else { return false };
        let counts =
            elapsed_ms(rollout.since, at) >= rollout.settle_ms(ttl_s) && rollout.judging_hold_ms(ttl_s).is_some();
        let Some(metric) = rollout.gates().iter().map(|gate| &gate.metric.name).find(|name| &***name == metric) else {
            return false;
        };
        let metric = metric.clone();
        let Some(release) = self.releases.get_mut(switch).filter(|_| counts) else { return false };
        // The stretch of a rollout that moved within this second is begun by the next look.
        release.evidence.add(&metric, pool, value)
    }

    /// A query of a rollout was answered, or not.
    pub(super) fn evidence_read(&mut self, read: &EvidenceReport) {
        let running = self.desired.running_rollout(&read.switch).filter(|rollout| rollout.id == read.rollout);
        let Some(limit) = running.map(|rollout| rollout.plan.source_errors) else { return };
        if let Ok(value) = read.outcome {
            let sample = crate::rollout::Sample {
                metric: read.metric.clone(),
                pool: read.pool.clone(),
                at_unix_ms: None,
                id: None,
                value,
            };
            if self.intake.judge(&sample, 0, read.at.unix_ms).is_ok() {
                self.take_evidence(&read.switch, &read.metric, &read.pool, value, read.at);
            }
        }
        let Some(release) = self.releases.get_mut(&read.switch) else { return };
        release.evidence.source_answered(&read.metric, read.outcome.clone().map(drop));
        let errors = release.evidence.source(&read.metric).map_or(0, |source| source.errors_in_a_row);
        if errors == limit
            && let Err(why) = &read.outcome
        {
            tracing::error!(switch = %read.switch, metric = %read.metric, why, "a source of evidence fails: the rollout holds");
            self.happen(What::Source {
                switch: read.switch.to_string(),
                metric: read.metric.to_string(),
                error: why.clone(),
            });
        }
    }

    /// Takes pushed samples in; what is not taken is counted by reason.
    pub(super) fn samples(
        &mut self,
        name: &str,
        samples: Vec<crate::rollout::Sample>,
    ) -> Result<super::report::SamplesTaken, Refused> {
        use crate::rollout::evidence::Dropped;
        let Some((_, switch)) = self.desired.definitions.switch(name) else {
            return Err(crate::state::apply::unknown_switch(&self.desired, name).into());
        };
        let switch = switch.clone();
        let now = clock::now();
        let ttl_s = self.ttl_of(name);
        let rollout = self.desired.running_rollout(name).cloned();
        let mut taken = super::report::SamplesTaken::default();
        for sample in samples {
            let wanted = rollout.as_ref().is_some_and(|rollout| wants(rollout, &sample));
            let since = rollout.as_ref().map_or(0, |r| r.since.unix_ms.saturating_add(r.settle_ms(ttl_s)));
            let judged = if wanted { self.intake.judge(&sample, since, now.unix_ms) } else { Err(Dropped::Unwanted) };
            let outcome = match judged {
                // A fixed split belongs to a test, which no rollout moves.
                Err(Dropped::Unwanted) if switch.policy == crate::steering::Policy::Fixed => {
                    self.take_into_trial(&switch, &sample, now.unix_ms)
                }
                Err(Dropped::Unwanted) => {
                    self.intake.count(Dropped::Unwanted);
                    judged
                }
                Ok(()) if now.unix_ms < since => {
                    self.intake.count(Dropped::Late);
                    Err(Dropped::Late)
                }
                Ok(()) if !self.take_evidence(&switch.name, &sample.metric, &sample.pool, sample.value, now) => {
                    self.intake.count(Dropped::NoRoom);
                    Err(Dropped::NoRoom)
                }
                judged => judged,
            };
            match outcome {
                Ok(()) => taken.taken += 1,
                Err(why) => *taken.dropped.entry(why).or_default() += 1,
            }
        }
        Ok(taken)
    }

    /// The queries that running rollouts ask for.
    fn evidence_wanted_now(&self) -> Arc<[EvidenceTask]> {
        let tasks = self.releases.keys().filter_map(|name| {
            let rollout = self.desired.running_rollout(name)?;
            let (_, switch) = self.desired.definitions.switch(name)?;
            let asks = |source: &MetricSource| matches!(source, MetricSource::Prometheus { .. });
            rollout.plan.metrics().iter().any(|metric| asks(&metric.source)).then_some(())?;
            let mut pools = vec![&rollout.canary, &rollout.stable];
            pools.extend(rollout.plan.baseline.as_ref());
            pools.dedup();
            let pools = pools.into_iter().filter_map(|name| switch.pool(name)).map(|(_, pool)| EvidencePool {
                pool: pool.name.clone(),
                version: self.desired.expect_version(&switch.name, pool).map(str::to_owned),
                addresses: pool.members.iter().flat_map(crate::steering::Member::addresses).collect(),
            });
            Some(EvidenceTask {
                switch: name.clone(),
                rollout: rollout.id,
                plan: rollout.plan.clone(),
                pools: pools.collect(),
            })
        });
        tasks.collect()
    }
}

/// Whether a rollout looks at this metric of this pool.
fn wants(rollout: &Rollout, sample: &crate::rollout::Sample) -> bool {
    let pushed = rollout.plan.metrics().iter().any(|m| m.name == sample.metric && m.source == MetricSource::Pushed);
    pushed && rollout.needs(&sample.pool)
}

//! Evidence for running rollouts: which queries they ask for, and what probes, sources and pushed
//! samples add to the stretch being judged.

use super::handle::Refused;
use super::report::{SamplesTaken, What};
use super::task::Control;
use crate::clock;
use crate::health::ProbeReport;
use crate::moment::Moment;
use crate::rollout::evidence::Dropped;
use crate::rollout::{
    EvidencePool, EvidenceReport, EvidenceTask, MetricSource, Rollout, Sample, SampleValue, elapsed_ms,
};
use crate::state::MemberKey;
use std::sync::Arc;

impl Control {
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
            let sample =
                Sample { metric: read.metric.clone(), pool: read.pool.clone(), at_unix_ms: None, id: None, value };
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
    pub(super) fn samples(&mut self, name: &str, samples: Vec<Sample>) -> Result<SamplesTaken, Refused> {
        let Some((_, switch)) = self.desired.definitions.switch(name) else {
            return Err(crate::state::apply::unknown_switch(&self.desired, name).into());
        };
        let switch = switch.clone();
        let now = clock::now();
        let ttl_s = self.ttl_of(name);
        let rollout = self.desired.running_rollout(name).cloned();
        let mut taken = SamplesTaken::default();
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
    pub(super) fn evidence_wanted_now(&self) -> Arc<[EvidenceTask]> {
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
fn wants(rollout: &Rollout, sample: &Sample) -> bool {
    let pushed = rollout.plan.metrics().iter().any(|m| m.name == sample.metric && m.source == MetricSource::Pushed);
    pushed && rollout.needs(&sample.pool)
}

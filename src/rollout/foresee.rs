//! What a plan will take and what it can show, said before it starts (§5.7).
//!
//! Times from the plan, detectable effects from [`super::detect`], and how many clients a step has
//! from their effective number: under `sticky` a step with too few of them is seen by nobody.

use super::detect::{self, Traffic};
use super::gate::{Check, Gate, Margin, Metric, MetricSource, Sequential, Statistic, Test, Worse};
use super::{Plan, PlanKind, Step, WHOLE};
use crate::steering::{Policy, Pool, Switch};
use serde::{Deserialize, Serialize};

/// A step in which fewer clients are expected is told to be too small.
pub const FEW_CLIENTS: f64 = 5.0;

/// The longest hold that is looked for.
const LONGEST_MS: u64 = 7 * 86_400_000;

/// What is known of the switch and of its traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Basis {
    /// How pools are chosen.
    pub policy: Policy,
    /// The TTL while the rollout runs, seconds.
    pub ttl_s: u32,
    /// How long the old side is watched after the last promise, seconds.
    pub tail_s: u32,
    /// Probes of the canary's and of the stable pool's members, per second.
    pub probes_per_s: (f64, f64),
    /// Requests of all clients, per second.
    pub requests_per_s: f64,
    /// Share of requests that fail today, 0 to 1.
    pub rate: f64,
    /// The rate one wants to see.
    pub effect: f64,
    /// Standard deviation of values such as latencies, as a share of their mean.
    pub variation: f64,
    /// How many equally busy clients would make shares stray as much as those there are.
    pub effective: Option<f64>,
    /// Whether a Prometheus server is configured.
    pub prometheus: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeseenStep {
    /// From 1.
    pub step: usize,
    /// Asked for, 0 to 1.
    pub target: f64,
    /// How long it holds, milliseconds; `None`: promoted at once.
    pub hold_ms: Option<u64>,
    /// Whether that is more than the plan says, since it would show nothing.
    pub raised: bool,
    /// Of it, the time in which evidence counts, milliseconds.
    pub evidence_ms: u64,
    /// The canary's requests in that time.
    pub requests: f64,
    /// Clients expected in the step, in equal ones.
    pub clients: Option<f64>,
    /// Whether these are too few.
    pub too_small: bool,
    /// Chance that nobody gets the canary.
    pub nobody: Option<f64>,
    /// The rate of errors that is seen in four of five cases, if every request is told.
    pub sees_rate: Option<f64>,
    /// How many times the other side's a mean must be to be seen in four of five cases.
    pub sees_mean: Option<f64>,
    /// The shortest hold that sees the effect one wants to see, milliseconds; `None`: not within a week.
    pub hold_needed_ms: Option<u64>,
    /// Gate by gate, each a sentence.
    pub gates: Vec<String>,
}

/// The whole plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Foresight {
    /// The shape.
    pub kind: PlanKind,
    /// From the start to the last weight when every look passes at once, milliseconds.
    pub least_ms: u64,
    /// The same when every gate waits until its deadline, milliseconds.
    pub most_ms: u64,
    /// From the last weight until the old side may be closed, milliseconds.
    pub drained_ms: u64,
    /// How long the old side is kept for `undo`, milliseconds.
    pub warm_ms: u64,
    /// Time from a new weight to the first evidence that counts, milliseconds.
    pub settle_ms: u64,
    /// Step by step.
    pub steps: Vec<ForeseenStep>,
    /// Gates without any source of data: they would hold, and pause in the end.
    pub sourceless: Vec<String>,
    /// What to think about, each a sentence.
    pub notes: Vec<String>,
}

/// Probes of a pool's members, per second.
#[must_use]
pub fn probes_per_s(switch: &Switch, pool: &Pool) -> f64 {
    let members = f64::from(u32::try_from(pool.members.len()).unwrap_or(u32::MAX));
    let interval = |ms: u64| std::time::Duration::from_millis(ms.max(1)).as_secs_f64();
    members * switch.monitors_of(pool).iter().map(|monitor| 1.0 / interval(monitor.interval_ms)).sum::<f64>()
}

/// Looks ahead.
#[must_use]
pub fn foresee(plan: &Plan, basis: &Basis) -> Foresight {
    let reaches = detect::reach(plan, basis.ttl_s, &basis.traffic());
    let steps: Vec<ForeseenStep> = plan
        .steps
        .iter()
        .zip(reaches)
        .enumerate()
        .map(|(at, (step, reach))| {
            let lines = reach.gates.into_iter().map(|gate| gate.line).collect();
            basis.step(plan, at, step, reach.evidence_ms, lines)
        })
        .collect();
    let before_ms = if plan.before.is_empty() { 0 } else { plan.before_hold_ms };
    let holds =
        |steps: &[ForeseenStep]| steps.iter().filter_map(|step| step.hold_ms).fold(before_ms, u64::saturating_add);
    let (last, earlier) = steps.split_last().map_or((None, &[][..]), |(last, earlier)| (Some(last), earlier));
    // A blue/green switch has its weight at once; its hold comes after it.
    let least_ms = if plan.kind == PlanKind::Rolling { 0 } else { holds(earlier) };
    let judged = |step: &Step| step.hold_ms.is_some() && !step.gates.as_deref().unwrap_or(&plan.gates).is_empty();
    let stages = plan.steps.iter().take(earlier.len()).filter(|step| judged(step)).count() as u64
        + u64::from(!plan.before.is_empty());
    let ttl_ms = u64::from(basis.ttl_s) * 1000;
    let sourceless = basis.sourceless(plan);
    let notes = basis.notes(plan, &steps, last);
    Foresight {
        kind: plan.kind,
        least_ms,
        most_ms: least_ms.saturating_add(plan.deadline_ms.saturating_mul(stages)),
        drained_ms: ttl_ms + (u64::from(basis.tail_s) * 1000).max(5_000),
        warm_ms: plan.warm_ms,
        settle_ms: plan.settle_ms(basis.ttl_s),
        steps,
        sourceless,
        notes,
    }
}

impl Basis {
    fn traffic(&self) -> Traffic {
        Traffic {
            requests_per_s: self.requests_per_s,
            probes_per_s: self.probes_per_s,
            rate: self.rate,
            variation: self.variation,
        }
    }

    fn step(&self, plan: &Plan, at: usize, step: &Step, evidence_ms: u64, gates: Vec<String>) -> ForeseenStep {
        let target = f64::from(step.weight) / f64::from(WHOLE);
        let hold_ms = plan.hold_ms(step, self.ttl_s);
        // Under random every client meets the canary at some time.
        let sticky = self.effective.filter(|_| self.policy == Policy::Sticky);
        let effective = sticky.filter(|_| target < 1.0);
        ForeseenStep {
            step: at + 1,
            target,
            hold_ms,
            raised: hold_ms > step.hold_ms,
            evidence_ms,
            requests: self.requests_per_s * target * std::time::Duration::from_millis(evidence_ms).as_secs_f64(),
            clients: sticky.map(|n| n * target),
            too_small: effective.is_some_and(|n| n * target < FEW_CLIENTS),
            nobody: effective.map(|n| (1.0 - target).powf(n)),
            sees_rate: self.sees(plan, step, Statistic::Rate),
            sees_mean: self.sees(plan, step, Statistic::Mean),
            hold_needed_ms: self.hold_needed_ms(plan, step),
            gates,
        }
    }

    /// What a comparison of every request would see in this step.
    ///
    /// The margin also says which effects the test looks for: of a few, the one that sees most is taken.
    fn sees(&self, plan: &Plan, step: &Step, statistic: Statistic) -> Option<f64> {
        let gap = (self.effect - self.rate).max(0.0);
        let margins = match statistic {
            Statistic::Rate => [0.0, 0.25, 0.5, 1.0, 2.0, 4.0].map(|part| Margin::Absolute(part * gap)).to_vec(),
            _ => [0.0, 0.05, 0.1].map(Margin::Relative).to_vec(),
        };
        margins.into_iter().filter_map(|margin| self.sees_with(plan, step, statistic, margin)).reduce(f64::min)
    }

    fn sees_with(&self, plan: &Plan, step: &Step, statistic: Statistic, margin: Margin) -> Option<f64> {
        let only = Step { gates: Some(vec![compare_requests(statistic, margin)]), ..step.clone() };
        let plan = Plan { steps: vec![only], ..plan.clone() };
        let reach = detect::reach(&plan, self.ttl_s, &self.traffic());
        reach.into_iter().flat_map(|step| step.gates).find(|gate| gate.enough).and_then(|gate| gate.sees)
    }

    /// The shortest hold, to the minute, in which the wanted rate is seen.
    fn hold_needed_ms(&self, plan: &Plan, step: &Step) -> Option<u64> {
        if step.weight >= WHOLE || self.effect <= self.rate {
            return None;
        }
        let seen = |minutes: u64| {
            let held = Step { hold_ms: Some(minutes * 60_000), ..step.clone() };
            self.sees(plan, &held, Statistic::Rate).is_some_and(|rate| rate <= self.effect)
        };
        let (mut low, mut high) = (0, LONGEST_MS / 60_000);
        if !seen(high) {
            return None;
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            if seen(middle) { high = middle } else { low = middle }
        }
        Some((high * 60_000).max(plan.hold_floor_ms(self.ttl_s)))
    }

    /// Gates that nothing feeds.
    fn sourceless(&self, plan: &Plan) -> Vec<String> {
        let probes = self.probes_per_s.0 > 0.0;
        let all =
            plan.gates.iter().chain(&plan.before).chain(plan.steps.iter().filter_map(|s| s.gates.as_ref()).flatten());
        let mut found: Vec<String> = Vec::new();
        for gate in all {
            let why = match &gate.metric.source {
                MetricSource::ProbeErrors | MetricSource::ProbeLatency if !probes => {
                    "no monitor watches the canary's members: add one to the zone's file"
                }
                MetricSource::ProbeErrors | MetricSource::ProbeLatency
                    if matches!(gate.check, Check::Compare { .. }) && self.probes_per_s.1 <= 0.0 =>
                {
                    "no monitor watches the stable pool's members: add one to the zone's file"
                }
                MetricSource::Prometheus { .. } if !self.prometheus => "the plan names no Prometheus server",
                _ => continue,
            };
            let line = format!("gate {} has no data: {why}", gate.name);
            if !found.contains(&line) {
                found.push(line);
            }
        }
        found
    }

    fn notes(&self, plan: &Plan, steps: &[ForeseenStep], last: Option<&ForeseenStep>) -> Vec<String> {
        let mut notes = Vec::new();
        if plan.kind == PlanKind::Rolling {
            notes.push(
                "a rolling plan takes one member after the other: how long that takes, its update hook says".to_owned(),
            );
        }
        for step in steps.iter().filter(|step| step.too_small) {
            let nobody = step.nobody.map_or_else(String::new, |chance| {
                format!("; with a chance of {:.0} % nobody sees it", chance * 100.0)
            });
            notes.push(format!(
                "step {} ({} %) is too small: {:.1} clients are expected in it{nobody}",
                step.step,
                step.target * 100.0,
                step.clients.unwrap_or(0.0),
            ));
        }
        if self.effective.is_none() && self.policy == Policy::Sticky && last.is_some() {
            notes.push(
                "how many clients there are is not known: say --resolvers, or see `tidegate simulate`".to_owned(),
            );
        }
        let pushed = plan.metrics().iter().any(|metric| metric.source == MetricSource::Pushed);
        if pushed {
            notes.push("some gates wait for samples that must be sent: POST /v1/switches/{switch}/samples".to_owned());
        }
        for step in steps.iter().filter(|step| step.hold_ms.is_some() && step.evidence_ms == 0) {
            notes
                .push(format!("step {}: the hold is over before evidence counts; its gates wait beyond it", step.step));
        }
        notes
    }
}

/// A comparison of every request.
fn compare_requests(statistic: Statistic, margin: Margin) -> Gate {
    Gate {
        name: "requests".into(),
        metric: Metric { name: "requests".into(), source: MetricSource::Pushed, worse: Worse::Up },
        check: Check::Compare { statistic, margin, test: Test::Auto, sequential: Sequential::AlwaysValid, alpha: 0.05 },
        min_samples: None,
    }
}

//! What each step of a plan can see at a given traffic, said before it starts (§5.7).
//!
//! Normal approximations of the tests that the gates will make at the end of the hold: what is given is
//! seen there in about four of five cases, and sooner if it is larger. Pushed samples are taken as one
//! for each request, and queries without a total as one for each look.

use super::analysis::figure;
use super::gate::{Check, Gate, Margin, MetricSource, Sequential, Spending, Statistic, Test};
use super::{Plan, Step, WHOLE};
use crate::stats::mixture::Mixture;
use crate::stats::{Undecided, normal, spending};

/// The chance with which what is given is seen.
const POWER: f64 = 0.8;

/// What is expected while the plan runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traffic {
    /// Requests of all clients, per second.
    pub requests_per_s: f64,
    /// Probes of the canary's members and of the other side's, per second.
    pub probes_per_s: (f64, f64),
    /// Rates (errors) of the other side, 0 to 1.
    pub rate: f64,
    /// Standard deviation of values (latencies), as a share of their mean.
    pub variation: f64,
}

/// What one step can see.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReach {
    /// The step, from 0.
    pub step: usize,
    /// The canary's share, hundredths of a percent.
    pub weight: u16,
    /// Time in which evidence counts, milliseconds.
    pub evidence_ms: u64,
    /// Gate by gate; empty where the step has no hold.
    pub gates: Vec<GateReach>,
}

/// What one gate can see.
#[derive(Debug, Clone, PartialEq)]
pub struct GateReach {
    /// The gate.
    pub gate: String,
    /// Samples of the canary and of the other side at the end of the hold.
    pub samples: (u64, u64),
    /// Whether these are enough for the gate to say anything.
    pub enough: bool,
    /// What is seen: the canary's rate; its mean over the other side's; the share of its values beyond the
    /// other side's quantile and margin. `None`: nothing, or it cannot be said.
    pub sees: Option<f64>,
    /// The same in one line.
    pub line: String,
}

/// What the steps of a plan can see.
#[must_use]
pub fn reach(plan: &Plan, ttl_s: u32, traffic: &Traffic) -> Vec<StepReach> {
    plan.steps.iter().enumerate().map(|(at, step)| reach_of_step(plan, at, step, ttl_s, traffic)).collect()
}

fn reach_of_step(plan: &Plan, at: usize, step: &Step, ttl_s: u32, traffic: &Traffic) -> StepReach {
    let hold_ms = plan.hold_ms(step, ttl_s);
    let evidence_ms = hold_ms.map_or(0, |hold| hold.saturating_sub(plan.settle_ms(ttl_s)));
    let gates = step.gates.as_deref().unwrap_or(&plan.gates);
    let comparisons = gates.iter().filter(|gate| matches!(gate.check, Check::Compare { .. })).count();
    let share = f64::from(step.weight) / f64::from(WHOLE);
    let stretch = Stretch {
        share,
        other_share: if plan.baseline.is_some() { share } else { 1.0 - share },
        seconds: evidence_ms as f64 / 1000.0,
        looks: (evidence_ms / plan.look_every_ms.max(1)).saturating_add(1),
        shared_by: comparisons.max(1) as f64,
        traffic,
    };
    let judged = if hold_ms.is_some() { gates } else { &[] };
    StepReach {
        step: at,
        weight: step.weight,
        evidence_ms,
        gates: judged.iter().map(|gate| stretch.gate(gate)).collect(),
    }
}

/// One hold.
struct Stretch<'a> {
    share: f64,
    other_share: f64,
    seconds: f64,
    looks: u64,
    shared_by: f64,
    traffic: &'a Traffic,
}

impl Stretch<'_> {
    fn gate(&self, gate: &Gate) -> GateReach {
        let (canary, other) = self.samples(&gate.metric.source);
        let samples = (whole(canary), whole(other));
        let told = |enough: bool, sees: Option<f64>, text: String| GateReach {
            gate: gate.name.to_string(),
            samples,
            enough,
            sees,
            line: format!("{}: {text}", gate.name),
        };
        let (statistic, test) = match &gate.check {
            Check::Limit { statistic, .. } => (*statistic, Test::Auto),
            Check::Compare { statistic, test, .. } => (*statistic, *test),
        };
        let alone = self.share >= 1.0;
        let compares = matches!(gate.check, Check::Compare { .. });
        if compares && alone {
            return told(true, None, "nothing to compare with: the canary has all the traffic".to_owned());
        }
        let least = super::analysis::least_samples(gate, statistic, test);
        let fewest = if compares { samples.0.min(samples.1) } else { samples.0 };
        let counted = if compares {
            format!("{} and {} samples", samples.0, samples.1)
        } else {
            format!("{} samples", samples.0)
        };
        if fewest < least {
            return told(false, None, format!("{counted}, and it needs {least}: it would hold, and pause in the end"));
        }
        let cases = "in four of five cases";
        match (self.sees(gate, (canary, other)), statistic) {
            (Err(why), _) => told(true, None, format!("{counted}; what they show cannot be said: {why}")),
            (Ok(None), _) => told(true, None, format!("{counted} show nothing, however bad the canary is")),
            (Ok(Some(rate)), Statistic::Rate) => {
                told(true, Some(rate), format!("{counted} show a rate of {} % {cases}", figure(rate * 100.0)))
            }
            (Ok(Some(ratio)), Statistic::Mean) => told(
                true,
                Some(ratio),
                format!("{counted} show a mean of {} times the other side's {cases}", figure(ratio)),
            ),
            (Ok(Some(share)), Statistic::Quantile(_)) => told(
                true,
                Some(share),
                format!("{counted} show when {} % of the values are beyond the limit {cases}", figure(share * 100.0)),
            ),
        }
    }

    /// Samples of both sides at the end of the hold.
    fn samples(&self, source: &MetricSource) -> (f64, f64) {
        let requests = self.traffic.requests_per_s * self.seconds;
        match source {
            MetricSource::ProbeErrors | MetricSource::ProbeLatency => {
                (self.traffic.probes_per_s.0 * self.seconds, self.traffic.probes_per_s.1 * self.seconds)
            }
            MetricSource::Prometheus { total: None, .. } => (self.looks as f64, self.looks as f64),
            MetricSource::Pushed | MetricSource::Prometheus { .. } => {
                (requests * self.share, requests * self.other_share)
            }
        }
    }

    /// What is seen at the end of the hold.
    fn sees(&self, gate: &Gate, (n1, n2): (f64, f64)) -> Result<Option<f64>, Undecided> {
        match &gate.check {
            Check::Limit { statistic: Statistic::Rate, bound, .. } => {
                let needed = |p: f64| Ok(normal::upper_quantile(1.0 - POWER) * (p * (1.0 - p) / n1).sqrt());
                first_rate(bound.max(0.0), needed)
            }
            Check::Limit { .. } => {
                Err(Undecided::Setting { name: "a limit", wanted: "compared with what is not known yet" })
            }
            Check::Compare { statistic, margin, sequential, alpha, .. } => {
                let alpha = alpha / self.shared_by;
                match statistic {
                    Statistic::Rate => self.rate((n1, n2), *margin, *sequential, alpha),
                    Statistic::Mean => self.mean((n1, n2), *margin, *sequential, alpha),
                    Statistic::Quantile(q) => exceedance((n1, n2), 1.0 - q, alpha),
                }
            }
        }
    }

    fn rate(&self, (n1, n2): (f64, f64), margin: Margin, by: Sequential, alpha: f64) -> Result<Option<f64>, Undecided> {
        let base = self.traffic.rate.clamp(0.0, 1.0);
        let margin = match margin {
            Margin::Absolute(margin) => margin,
            Margin::Relative(share) => share * base,
        };
        let tau = margin.max(0.002);
        let needed = |p: f64| {
            let steady = |p: f64, n: f64| (p * n + 1.0) * (n - p * n + 1.0) / (n + 2.0).powi(3);
            proven_at(steady(p, n1) + steady(base, n2), tau, by, alpha)
        };
        first_rate(base + margin, needed)
    }

    fn mean(&self, (n1, n2): (f64, f64), margin: Margin, by: Sequential, alpha: f64) -> Result<Option<f64>, Undecided> {
        let Margin::Relative(share) = margin else {
            return Err(Undecided::Setting {
                name: "the margin",
                wanted: "a percentage, since the mean is not known yet",
            });
        };
        let variance = self.traffic.variation.powi(2) * (1.0 / n1 + (1.0 + share).powi(2) / n2);
        let tau = share.max(0.05 * self.traffic.variation);
        Ok(Some(1.0 + share + proven_at(variance, tau, by, alpha)?))
    }
}

/// How far beyond the margin an effect must be to be proven in four of five cases.
fn proven_at(variance: f64, tau: f64, by: Sequential, alpha: f64) -> Result<f64, Undecided> {
    let spread = normal::upper_quantile(1.0 - POWER) * variance.sqrt();
    let reach = match by {
        Sequential::AlwaysValid => Mixture::of_variance(tau * tau)?.reach(variance, alpha)?,
        Sequential::Planned { looks, spending } => {
            let shares = spending::equally_spaced(usize::try_from(looks.max(1)).unwrap_or(usize::MAX));
            let spending = match spending {
                Spending::ObrienFleming => spending::Spending::ObrienFleming,
                Spending::Pocock => spending::Spending::Pocock,
            };
            let limits = spending.limits(spending::Sides::Upper, alpha, &shares)?;
            limits.last().copied().unwrap_or(f64::INFINITY) * variance.sqrt()
        }
    };
    Ok(reach + spread)
}

/// The least rate that exceeds `from` by as much as it needs.
fn first_rate(from: f64, needed: impl Fn(f64) -> Result<f64, Undecided>) -> Result<Option<f64>, Undecided> {
    needed(from.clamp(0.0, 1.0))?;
    let missed = |p: f64| needed(p).map_or(true, |needed| p - from <= needed);
    if missed(1.0) {
        return Ok(None);
    }
    let (mut low, mut high) = (from.clamp(0.0, 1.0), 1.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if missed(middle) { low = middle } else { high = middle }
    }
    Ok(Some(high))
}

/// The share of the canary's values beyond the limit of a quantile: both sides' evidence together, each
/// with the price of its mixture.
fn exceedance((n1, n2): (f64, f64), null: f64, alpha: f64) -> Result<Option<f64>, Undecided> {
    let (v1, v2) = (null * (1.0 - null) / n1, null * (1.0 - null) / n2);
    let price = 0.5 * (null * null / v1).ln_1p() + 0.5 * (null * null / v2).ln_1p() - 2.0 * std::f64::consts::LN_2;
    let reach = (2.0 * (v1 + v2) * (price - alpha.ln()).max(0.0)).sqrt();
    first_rate(null, |p| Ok(reach + normal::upper_quantile(1.0 - POWER) * (p * (1.0 - p) / n1 + v2).sqrt()))
}

/// Whole samples.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
fn whole(samples: f64) -> u64 {
    samples as u64
}

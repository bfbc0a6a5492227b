//! Comparisons: the canary against the stable pool or the baseline, within a margin.

use super::finding::{Allowance, Finding, Sides, least_samples, samples};
use super::proof::{is_proven, log_evidence, steady_variance, variance_of_means};
use super::words::{self, Conclusion, figure};
use super::{Look, Memory};
use crate::rollout::gate::{Gate, Margin, Sequential, Spending, Statistic, Test, Verdict};
use crate::stats::mixture::Mixture;
use crate::stats::ranks::mann_whitney;
use crate::stats::{Interval, Undecided, normal, quantile, spending};

/// What a comparison asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub statistic: Statistic,
    pub margin: Margin,
    pub test: Test,
    pub sequential: Sequential,
    /// This gate's share of the chance of a false alarm.
    pub alpha: f64,
}

/// What a proof came to.
enum Proof {
    /// Worse than allowed.
    Worse,
    /// Not proven, after as much looking as the gate asks for.
    NotWorse,
    /// A planned look is still to come.
    Later(String),
}

/// Looks that a difference without any variance must last to count.
const CONSTANT_LOOKS: u32 = 2;

/// Judges both sides.
pub(super) fn judge(
    gate: &Gate,
    look: &Look<'_>,
    question: &Question,
    memory: &mut Memory,
    due: impl Fn(u32) -> u32,
) -> Conclusion {
    let metric = &*gate.metric.name;
    let seen = (samples(look.evidence, metric, look.canary), samples(look.evidence, metric, look.other));
    let (Some(canary), Some(other)) =
        (look.evidence.series(metric, look.canary), look.evidence.series(metric, look.other))
    else {
        let silent = if look.evidence.series(metric, look.canary).is_none() { look.canary } else { look.other };
        return Conclusion::open(seen, format!("nothing was measured on {silent}"));
    };
    let least = least_samples(gate, question.statistic, question.test);
    if seen.0.min(seen.1) < least {
        return Conclusion::open(seen, format!("{} and {} of {least} samples a side", seen.0, seen.1));
    }
    let sides = match Sides::of(canary, other, question.statistic, question.test) {
        Ok(sides) => sides,
        Err(why) => return Conclusion::open(seen, why),
    };
    let (canary, other) = match sides.estimates() {
        Ok((canary, other)) if canary.is_finite() && other.is_finite() => (canary, other),
        Ok(_) => return Conclusion::open(seen, "an estimate is not a finite number"),
        Err(why) => return Conclusion::open(seen, why.to_string()),
    };
    let allowance = Allowance::new(question.margin, gate.metric.worse, other);
    let tau = *memory.tau.get_or_insert_with(|| worth_seeing(&sides, question.margin, other));
    let proof = match question.sequential {
        Sequential::AlwaysValid => always_valid(&sides, &allowance, tau, question.alpha, memory),
        Sequential::Planned { looks, spending } => {
            planned(&sides, &allowance, question.alpha, (looks, spending, due(looks)), memory)
        }
    };
    let proof = match proof {
        Err(Undecided::NoVariance { .. }) => Ok(constant(&allowance, canary, other, memory)),
        proof => proof,
    };
    let (interval, size) = shown(&sides, question, tau);
    let finding = Finding {
        canary: Some(canary),
        other: Some(other),
        effect: Some(canary - other),
        interval: interval.map(|interval| (interval.low, interval.high)),
        confidence: 1.0 - question.alpha,
        allowed: Some(allowance.accepted(other)),
        size,
    };
    let allowed = words::margin(question.margin, question.statistic);
    let (verdict, reason) = match proof {
        Ok(Proof::Worse) => (Verdict::Fail, format!("proven worse by more than {allowed}")),
        Ok(Proof::NotWorse) => (Verdict::Pass, format!("not proven worse by more than {allowed}")),
        Ok(Proof::Later(when)) => (Verdict::Inconclusive, when),
        Err(why) => (Verdict::Inconclusive, why.to_string()),
    };
    Conclusion { verdict, finding: Some(finding), samples: seen, reason }
}

/// mSPRT: what is proven stays proven.
fn always_valid(
    sides: &Sides,
    allowance: &Allowance,
    tau: f64,
    alpha: f64,
    memory: &mut Memory,
) -> Result<Proof, Undecided> {
    let p = memory.p.look(log_evidence(sides, allowance, tau)?);
    Ok(if p <= alpha { Proof::Worse } else { Proof::NotWorse })
}

/// Group-sequential: `due` of the planned looks should have been made by now.
fn planned(
    sides: &Sides,
    allowance: &Allowance,
    alpha: f64,
    (looks, spending, due): (u32, Spending, u32),
    memory: &mut Memory,
) -> Result<Proof, Undecided> {
    if memory.proven {
        return Ok(Proof::Worse);
    }
    let looks = looks.max(1);
    let share = f64::from(due.min(looks)) / f64::from(looks);
    let last = memory.made.last().copied().unwrap_or(0.0);
    if share > last {
        let shares: Vec<f64> = memory.made.iter().copied().chain([share]).collect();
        let spending = match spending {
            Spending::ObrienFleming => spending::Spending::ObrienFleming,
            Spending::Pocock => spending::Spending::Pocock,
        };
        let limits = spending.limits(spending::Sides::Upper, alpha, &shares)?;
        let level = normal::above(limits.last().copied().unwrap_or(f64::INFINITY));
        // Below this no test can say anything: the look is spent, but nothing is proven.
        memory.proven = level > 1e-14 && is_proven(sides, allowance, level)?;
        memory.made = shares;
    }
    Ok(match memory.made.last() {
        _ if memory.proven => Proof::Worse,
        Some(made) if *made >= 1.0 => Proof::NotWorse,
        _ => Proof::Later(format!("look {} of {looks} planned ones", memory.made.len())),
    })
}

/// Figures that never vary are compared as they are, some looks in a row.
fn constant(allowance: &Allowance, canary: f64, other: f64, memory: &mut Memory) -> Proof {
    let beyond = allowance.excess(canary, other) > 0.0;
    memory.beyond = if beyond { memory.beyond.saturating_add(1) } else { 0 };
    match memory.beyond {
        0 => Proof::NotWorse,
        times if times >= CONSTANT_LOOKS => Proof::Worse,
        _ => Proof::Later("beyond the margin, though nothing varies: one more look".to_owned()),
    }
}

/// tau: the margin in the metric's unit, kept from the first look on; a fraction of the spread at least,
/// since a mixture that is much narrower than the noise sees nothing.
fn worth_seeing(sides: &Sides, margin: Margin, other: f64) -> f64 {
    let margin = match margin {
        Margin::Absolute(margin) => margin,
        Margin::Relative(share) => share * other.abs(),
    };
    let least = match sides {
        Sides::Rates(..) => 0.002,
        Sides::Means(_, other, _) => other.sd().map_or(0.0, |sd| 0.05 * sd),
        Sides::Ranks(..) | Sides::Quantiles(..) => 0.0,
    };
    margin.max(least).clamp(1e-9, 1e12)
}

/// The interval and the effect without a unit. Means and rates have the interval of all looks where looks
/// are not planned; ranks and quantiles that of one look.
fn shown(sides: &Sides, question: &Question, tau: f64) -> (Option<Interval>, Option<String>) {
    let alpha = question.alpha;
    let around = |effect: f64, variance: f64| match question.sequential {
        Sequential::AlwaysValid => {
            Mixture::of_variance(tau * tau).and_then(|mixture| mixture.interval(effect, variance, alpha)).ok()
        }
        Sequential::Planned { .. } => Some(Interval::around(effect, normal::critical(alpha) * variance.sqrt())),
    };
    match sides {
        Sides::Rates(canary, other) => {
            let (Ok(p1), Ok(p2)) = (canary.share(), other.share()) else { return (None, None) };
            let angle = |p: f64| 2.0 * p.sqrt().asin();
            let interval = around(p1 - p2, steady_variance(*canary) + steady_variance(*other));
            (interval, Some(format!("h {}", figure(angle(p1) - angle(p2)))))
        }
        Sides::Means(canary, other, spread) => {
            let effect = canary.mean() - other.mean();
            let variance = variance_of_means(canary, other, *spread, 1.0).unwrap_or(0.0);
            let pooled = canary.variance().and_then(|a| Ok(f64::midpoint(a, other.variance()?))).unwrap_or(0.0);
            let size = (pooled > 0.0).then(|| format!("d {}", figure(effect / pooled.sqrt())));
            (around(effect, variance).filter(|_| variance > 0.0), size)
        }
        Sides::Ranks(canary, other) => match mann_whitney(canary, other, alpha) {
            Ok(test) => (Some(test.interval), Some(format!("CLES {}", figure(test.cles)))),
            Err(_) => (None, None),
        },
        Sides::Quantiles(canary, other, q) => {
            let found = quantile::compare(canary, other, *q, 1.0, alpha).ok();
            let ratio = sides.estimates().ok().filter(|(_, other)| *other != 0.0);
            (found.map(|found| found.interval), ratio.map(|(a, b)| format!("ratio {}", figure(a / b))))
        }
    }
}

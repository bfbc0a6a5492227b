//! Is the canary proven worse than allowed? At any look, or at one of a few planned ones.
//!
//! Any look: mSPRT with a one-sided normal mixture for means, ranks and rates; the exact evidence of
//! `stats::rate_evidence` for rates with an expected count under 5, and that of `stats::quantile_evidence`
//! for quantiles. A planned look: the fixed-sample tests, at that look's share of the error. Effects are
//! measured in the worse direction: positive is worse.

use super::finding::{Allowance, Sides};
use crate::stats::mixture::Mixture;
use crate::stats::proportions::{LEAST_EXPECTED, least_expected, newcombe_scaled};
use crate::stats::quantile::{self, Ordered};
use crate::stats::ranks::{mann_whitney, rank_sum};
use crate::stats::t_test::{Spread, t_test};
use crate::stats::{Count, Moments, Undecided, fisher::fisher, quantile_evidence, rate_evidence};

/// tau of the chance that a canary's value is the greater: 60 against 40 is worth seeing.
const TAU_RANKS: f64 = 0.1;

/// ln of the evidence that the canary is worse than allowed: proven at level alpha once it reaches
/// ln(1 / alpha), at whichever look. `tau`: the effect worth seeing, in the metric's unit.
pub(super) fn log_evidence(sides: &Sides, allowance: &Allowance, tau: f64) -> Result<f64, Undecided> {
    match sides {
        Sides::Rates(canary, other) => {
            let (canary, other, factor, offset) = rising(*canary, *other, allowance)?;
            if least_expected(canary, other)? < LEAST_EXPECTED {
                return rate_evidence::log_evidence_above(canary, other, factor, offset);
            }
            let excess = canary.share()? - factor * other.share()? - offset;
            let variance = steady_variance(canary) + factor * factor * steady_variance(other);
            Mixture::of_variance(tau * tau)?.log_ratio_above(excess, variance)
        }
        Sides::Means(canary, other, spread) => {
            let excess = allowance.excess(canary.mean(), other.mean());
            let variance = variance_of_means(canary, other, *spread, allowance.factor)?;
            if variance == 0.0 {
                return Err(Undecided::NoVariance { difference: excess });
            }
            Mixture::of_variance(tau * tau)?.log_ratio_above(excess, variance)
        }
        Sides::Ranks(canary, other) => {
            let test = rank_sum(canary, &moved(other, allowance))?;
            let pairs = canary.len() as f64 * other.len() as f64;
            let variance = (test.sigma / pairs).powi(2);
            Mixture::of_variance(TAU_RANKS * TAU_RANKS)?.log_ratio_above(allowance.sign * (test.cles - 0.5), variance)
        }
        Sides::Quantiles(canary, other, q) => {
            if allowance.sign > 0.0 {
                let limit = (allowance.factor, allowance.offset);
                return quantile_evidence::log_evidence_above(canary, other, *q, limit);
            }
            let limit = (allowance.factor, -allowance.offset);
            quantile_evidence::log_evidence_above(&negated(canary)?, &negated(other)?, 1.0 - q, limit)
        }
    }
}

/// Whether a fixed-sample test at this one-sided level proves the canary worse than allowed.
pub(super) fn is_proven(sides: &Sides, allowance: &Allowance, level: f64) -> Result<bool, Undecided> {
    // One end of an interval at 1 - 2 level is a one-sided test at the level.
    let two_sided = (2.0 * level).min(0.999);
    match sides {
        Sides::Rates(canary, other) => {
            let (canary, other, factor, offset) = rising(*canary, *other, allowance)?;
            let beyond = newcombe_scaled(canary, other, factor, two_sided)?.low > offset;
            // With few counts the interval is too sure of itself; Fisher's exact test is not.
            let exact = least_expected(canary, other)? >= LEAST_EXPECTED || fisher(canary, other)?.greater <= level;
            Ok(beyond && exact)
        }
        Sides::Means(canary, other, spread) => {
            let test = t_test(canary, &other.scaled(allowance.factor), *spread, two_sided)?;
            let p = test.against(allowance.offset);
            Ok(if allowance.sign > 0.0 { p.greater } else { p.less } <= level)
        }
        Sides::Ranks(canary, other) => {
            let p = mann_whitney(canary, &moved(other, allowance), two_sided)?.p;
            Ok(if allowance.sign > 0.0 { p.greater } else { p.less } <= level)
        }
        Sides::Quantiles(canary, other, q) => {
            let interval = quantile::compare(canary, other, *q, allowance.factor, two_sided)?.interval;
            Ok(if allowance.sign > 0.0 { interval.low > allowance.offset } else { interval.high < allowance.offset })
        }
    }
}

/// The variance of canary minus `factor` times other.
pub(super) fn variance_of_means(
    canary: &Moments,
    other: &Moments,
    spread: Spread,
    factor: f64,
) -> Result<f64, Undecided> {
    let (n1, n2, v1, v2) = (canary.n() as f64, other.n() as f64, canary.variance()?, other.variance()?);
    Ok(match spread {
        Spread::Welch => v1 / n1 + factor * factor * v2 / n2,
        Spread::Pooled => {
            let pooled = ((n1 - 1.0) * v1 + (n2 - 1.0) * v2) / (n1 + n2 - 2.0);
            pooled * (1.0 / n1 + factor * factor / n2)
        }
    })
}

/// The variance of a share, one hit and one miss added: never zero, and steadier with few hits
/// (Agresti and Caffo 2000).
pub(super) fn steady_variance(count: Count) -> f64 {
    let n = count.total() as f64 + 2.0;
    let share = (count.hits() as f64 + 1.0) / n;
    share * (1.0 - share) / n
}

/// The other side's values, moved to where the canary's limit is.
fn moved(other: &[f64], allowance: &Allowance) -> Vec<f64> {
    other.iter().map(|value| allowance.factor * value + allowance.offset).collect()
}

/// Counts, factor and offset such that a higher rate is worse: where it is not, misses are counted.
fn rising(canary: Count, other: Count, allowance: &Allowance) -> Result<(Count, Count, f64, f64), Undecided> {
    if allowance.sign > 0.0 {
        return Ok((canary, other, allowance.factor, allowance.offset));
    }
    let misses = |count: Count| Count::new(count.misses(), count.total());
    Ok((misses(canary)?, misses(other)?, allowance.factor, 1.0 - allowance.factor - allowance.offset))
}

fn negated(values: &Ordered) -> Result<Ordered, Undecided> {
    Ordered::of(&values.values().iter().map(|value| -value).collect::<Vec<_>>())
}

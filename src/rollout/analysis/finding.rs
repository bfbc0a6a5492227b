//! What both sides show, as data for tests: figures, and how much worse is accepted.

use crate::rollout::evidence::{Evidence, Series, Values};
use crate::rollout::gate::{Gate, Margin, Statistic, Test, Worse};
use crate::stats::quantile::Ordered;
use crate::stats::t_test::Spread;
use crate::stats::{Count, Moments, Undecided};

/// The figures of one look.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Finding {
    /// The canary's estimate.
    pub canary: Option<f64>,
    /// The other side's, in a comparison.
    pub other: Option<f64>,
    /// Canary minus other side, or minus bound.
    pub effect: Option<f64>,
    /// Of the effect; of the canary's estimate for a limit.
    pub interval: Option<(f64, f64)>,
    /// What the interval promises, 0 to 1.
    pub confidence: f64,
    /// The largest effect that is accepted, signed.
    pub allowed: Option<f64>,
    /// The effect without a unit: d, h, CLES or a ratio.
    pub size: Option<String>,
}

/// The canary's limit: `factor` times the other side's, and `offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Allowance {
    pub factor: f64,
    pub offset: f64,
    /// 1 where larger is worse, else -1.
    pub sign: f64,
}

impl Allowance {
    /// Of a margin, given the other side's estimate (for its sign, which a relative margin depends on).
    pub(super) fn new(margin: Margin, worse: Worse, other: f64) -> Self {
        let sign = if worse == Worse::Up { 1.0 } else { -1.0 };
        let relative = |share: f64| 1.0 + sign * share * if other < 0.0 { -1.0 } else { 1.0 };
        match margin {
            Margin::Absolute(margin) => Self { factor: 1.0, offset: sign * margin, sign },
            Margin::Relative(share) if relative(share) > 0.0 => Self { factor: relative(share), offset: 0.0, sign },
            // A fall by all of it or more: the fraction cannot turn around, so the estimate's size counts.
            Margin::Relative(share) => Self { factor: 1.0, offset: sign * share * other.abs(), sign },
        }
    }

    /// How far the canary's estimate is beyond its limit, in the worse direction.
    pub(super) fn excess(&self, canary: f64, other: f64) -> f64 {
        self.sign * (canary - self.factor * other - self.offset)
    }

    /// The largest accepted effect, signed.
    pub(super) fn accepted(&self, other: f64) -> f64 {
        (self.factor - 1.0) * other + self.offset
    }
}

/// Both sides in the form their test wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sides {
    Rates(Count, Count),
    Means(Moments, Moments, Spread),
    Ranks(Vec<f64>, Vec<f64>),
    Quantiles(Ordered, Ordered, f64),
}

/// Samples of a pool.
pub(super) fn samples(evidence: &Evidence, metric: &str, pool: &str) -> u64 {
    match evidence.series(metric, pool) {
        None => 0,
        Some(Series::Values(values)) => values.n,
        Some(Series::Counts { total, .. }) => whole(*total),
    }
}

/// Why evidence does not fit a gate.
pub(super) const WRONG_KIND: &str = "the metric has numbers where the gate wants counts, or the other way round";

impl Sides {
    /// What a gate compares; `Err` in words.
    pub(super) fn of(canary: &Series, other: &Series, statistic: Statistic, test: Test) -> Result<Self, String> {
        let refuse = |why: Undecided| why.to_string();
        match (statistic, canary, other) {
            (Statistic::Rate, Series::Counts { .. }, Series::Counts { .. }) => {
                Ok(Self::Rates(count(canary)?, count(other)?))
            }
            (Statistic::Rate, ..) | (_, Series::Counts { .. }, _) | (_, _, Series::Counts { .. }) => {
                Err(WRONG_KIND.to_owned())
            }
            (Statistic::Quantile(q), Series::Values(canary), Series::Values(other)) => Ok(Self::Quantiles(
                Ordered::of(&canary.kept).map_err(refuse)?,
                Ordered::of(&other.kept).map_err(refuse)?,
                q,
            )),
            (Statistic::Mean, Series::Values(canary), Series::Values(other)) => Ok(match test {
                Test::MannWhitney => Self::Ranks(canary.kept.clone(), other.kept.clone()),
                Test::Pooled => Self::Means(moments(canary), moments(other), Spread::Pooled),
                Test::Auto | Test::Welch => Self::Means(moments(canary), moments(other), Spread::Welch),
            }),
        }
    }

    /// The estimates of both.
    pub(super) fn estimates(&self) -> Result<(f64, f64), Undecided> {
        match self {
            Self::Rates(canary, other) => Ok((canary.share()?, other.share()?)),
            Self::Means(canary, other, _) => Ok((canary.mean(), other.mean())),
            Self::Ranks(canary, other) => Ok((median(canary)?, median(other)?)),
            Self::Quantiles(canary, other, q) => Ok((estimate(canary, *q)?, estimate(other, *q)?)),
        }
    }
}

/// The default of a gate's least samples (§5.5).
pub(in crate::rollout) fn least_samples(gate: &Gate, statistic: Statistic, test: Test) -> u64 {
    gate.min_samples.unwrap_or(match (statistic, test) {
        (Statistic::Rate, _) => 100,
        (Statistic::Quantile(_), _) | (_, Test::MannWhitney) => 50,
        (Statistic::Mean, _) => 30,
    })
}

/// What a Welford sum knows.
pub(super) fn moments(values: &Values) -> Moments {
    Moments::from_squares(values.n, values.mean, values.m2)
}

/// Counts as whole numbers: sources extrapolate, and then send fractions.
pub(super) fn count(series: &Series) -> Result<Count, String> {
    let Series::Counts { count, total } = series else { return Err(WRONG_KIND.to_owned()) };
    if !(count.is_finite() && total.is_finite() && *count >= 0.0 && *total >= 0.0) {
        return Err("a count is not a finite number".to_owned());
    }
    Count::new(whole(*count), whole(*total)).map_err(|why| why.to_string())
}

/// The `q` quantile as it is shown.
pub(super) fn estimate(values: &Ordered, q: f64) -> Result<f64, Undecided> {
    crate::stats::quantile::quantile(values, q, 0.05).map(|found| found.estimate)
}

fn median(values: &[f64]) -> Result<f64, Undecided> {
    estimate(&Ordered::of(values)?, 0.5)
}

/// The nearest whole number.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

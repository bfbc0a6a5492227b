//! Quantiles of raw samples (p95 of latencies): estimates, intervals, and a fixed-sample comparison.
//!
//! The interval stands on order statistics and the binomial distribution, so it holds for any shape of
//! the data (David and Nagaraja 2003, 7.1). The difference of two quantiles gets an interval from both
//! (MOVER: Zou and Donner 2008), as Newcombe's does for proportions. For repeated looks see
//! [`quantile_evidence`](super::quantile_evidence).

use super::ranks::sorted;
use super::{Interval, Undecided, beta, finite, level, open_unit, place, positive, whole};

/// Finite values in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered(Vec<f64>);

/// A quantile with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// The value at rank ceil(n q).
    pub estimate: f64,
    /// Lower end, each end missed with chance at most `alpha / 2`; `None` if the samples do not reach so low.
    pub low: Option<f64>,
    /// Upper end; `None` if the samples do not reach so high.
    pub high: Option<f64>,
}

/// The comparison of the canary's quantile with a multiple of the stable side's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantileComparison {
    /// Canary's quantile less `factor` times stable's.
    pub excess: f64,
    /// Its interval at `1 - alpha`.
    pub interval: Interval,
}

impl Ordered {
    /// Sorts; `TooFew` under two values, `NotFinite` with a NaN or an infinity.
    pub fn of(values: &[f64]) -> Result<Self, Undecided> {
        sorted(values).map(Self)
    }

    /// The values, smallest first.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// How many.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many are at `x` or above.
    #[must_use]
    pub fn at_or_above(&self, x: f64) -> u64 {
        self.n() - self.0.partition_point(|value| *value < x) as u64
    }

    /// The value at a rank counted from 1.
    fn at_rank(&self, rank: u64) -> Option<f64> {
        rank.checked_sub(1).and_then(|index| self.0.get(place(index)).copied())
    }
}

/// The `q` quantile with its interval at `1 - alpha`.
pub fn quantile(values: &Ordered, q: f64, alpha: f64) -> Result<Quantile, Undecided> {
    let (q, tail) = (open_unit("quantile", q)?, level(alpha)? / 2.0);
    let n = values.n();
    let rank = whole((n as f64 * q).ceil()).clamp(1, n);
    let estimate = values.at_rank(rank).ok_or(Undecided::TooFew { needed: 2, got: n })?;
    // The value at rank k is at most the quantile unless fewer than k samples are below it.
    let low = first_rank(n, |k| fewer_than(k, n, q).below > tail).unwrap_or(n + 1) - 1;
    // The value at rank k is at least the quantile unless k or more samples are below it.
    let high = first_rank(n, |k| fewer_than(k, n, q).above <= tail);
    Ok(Quantile { estimate, low: values.at_rank(low), high: high.and_then(|k| values.at_rank(k)) })
}

/// Compares the canary's quantile with `factor` times the stable side's; an excess interval above zero
/// proves the canary worse. `TooFew` names the samples each side needs.
pub fn compare(
    canary: &Ordered,
    stable: &Ordered,
    q: f64,
    factor: f64,
    alpha: f64,
) -> Result<QuantileComparison, Undecided> {
    let factor = positive("factor", factor)?;
    let needed = least_samples(q, alpha)?;
    let bounded = |side: &Ordered| {
        let found = quantile(side, q, alpha)?;
        match (found.low, found.high) {
            (Some(low), Some(high)) => Ok((found.estimate, low, high)),
            _ => Err(Undecided::TooFew { needed, got: side.n() }),
        }
    };
    let ((c, c_low, c_high), (s, s_low, s_high)) = (bounded(canary)?, bounded(stable)?);
    let excess = finite(c - factor * s)?;
    let interval = Interval {
        low: finite(excess - (c - c_low).hypot(factor * (s_high - s)))?,
        high: finite(excess + (c_high - c).hypot(factor * (s - s_low)))?,
    };
    Ok(QuantileComparison { excess, interval })
}

/// Samples without which the interval of a quantile has an open end: the extremes must lie beyond it.
pub fn least_samples(q: f64, alpha: f64) -> Result<u64, Undecided> {
    let (q, tail) = (open_unit("quantile", q)?, level(alpha)? / 2.0);
    Ok(whole((tail.ln() / q.max(1.0 - q).ln()).ceil()).max(2))
}

/// The chance that fewer than `k` of `n` samples are below the `q` quantile, and that `k` or more are.
fn fewer_than(k: u64, n: u64, q: f64) -> beta::Tails {
    let (k, n) = (k as f64, n as f64);
    let beta::Tails { below, above } = beta::tails(k, n - k + 1.0, q, 1.0 - q);
    beta::Tails { below: above, above: below }
}

/// The first rank from 1 to `n` for which `holds`, which stays true once it is.
fn first_rank(n: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut before, mut at) = (0, n + 1);
    while at - before > 1 {
        let middle = before + (at - before) / 2;
        if holds(middle) {
            at = middle;
        } else {
            before = middle;
        }
    }
    (at <= n).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_interval_of_a_median_is_the_sign_tests() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let found = quantile(&Ordered::of(&values).unwrap(), 0.5, 0.05).unwrap();
        // P(Bin(10, 1/2) <= 1) = 11/1024 < 0.025 < 56/1024 = P(Bin(10, 1/2) <= 2).
        assert_eq!((found.estimate, found.low, found.high), (5.0, Some(2.0), Some(9.0)));
    }

    #[test]
    fn an_end_stays_open_until_the_samples_reach_it() {
        let needed = least_samples(0.95, 0.05).unwrap();
        assert_eq!(needed, 72);
        let of = |n: u64| Ordered::of(&(0..n).map(|i| i as f64).collect::<Vec<_>>()).unwrap();
        assert_eq!(quantile(&of(needed - 1), 0.95, 0.05).unwrap().high, None);
        assert_eq!(quantile(&of(needed), 0.95, 0.05).unwrap().high, Some(71.0));
        let refused = compare(&of(71), &of(500), 0.95, 1.2, 0.05);
        assert_eq!(refused, Err(Undecided::TooFew { needed: 72, got: 71 }));
    }

    proptest! {
        #[test]
        fn the_ends_enclose_the_estimate(n in 2u64..400, q in 0.01f64..0.99, alpha in 0.001f64..0.5) {
            let values = Ordered::of(&(0..n).map(|i| i as f64).collect::<Vec<_>>()).unwrap();
            let found = quantile(&values, q, alpha).unwrap();
            prop_assert!(found.low.is_none_or(|low| low <= found.estimate));
            prop_assert!(found.high.is_none_or(|high| high >= found.estimate));
        }
    }
}

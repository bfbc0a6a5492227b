//! Always-valid evidence about rates, exact for any number of samples.
//!
//! A beta mixture over the rates that contradict a claim, over the likelihood of the claim, has a mean of at
//! most 1 while the claim holds, at any number of looks (Ville 1939; Robbins 1970). Two sides are
//! independent, so their ratios multiply; the stable rate is not known, so the least favourable counts. It
//! needs a little more data than [`mixture`](super::mixture), which is only right for counts that are large
//! enough for a normal approximation.

use super::{Count, Undecided, beta, finite, positive};

/// Steps of the search for the least favourable rate: a grid of log odds, then bisection by thirds.
const GRID: u32 = 24;
const THIRDS: u32 = 24;

/// Log odds the search goes out to.
const FAR: f64 = 16.0;

/// A mixture over rates on one side of a rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateMixture {
    /// The rate of the claim.
    null: f64,
    /// Parameters of the prior: mean `null`, deviation about `null`, before the cut.
    a: f64,
    b: f64,
}

/// ln of the evidence against "the canary's rate is at most `factor` times the stable side's and `offset`":
/// reject at level alpha once it reaches ln(1 / alpha), at whichever look.
pub fn log_evidence_above(canary: Count, stable: Count, factor: f64, offset: f64) -> Result<f64, Undecided> {
    let (factor, offset) = (positive("factor", factor)?, finite(offset)?);
    let (ours, theirs) = (canary.share()?, stable.share()?);
    if ours <= factor * theirs + offset {
        return Ok(0.0);
    }
    let at = |log_odds: f64| {
        let rate = 1.0 / (1.0 + (-log_odds).exp());
        let limit = factor * rate + offset;
        let stable = RateMixture::around(rate).below(stable.hits(), stable.total());
        match limit {
            // No rate is above 1: the claim holds whatever was counted.
            limit if limit >= 1.0 => stable,
            limit if limit <= 0.0 => f64::INFINITY,
            limit => stable + RateMixture::around(limit).above(canary.hits(), canary.total()),
        }
    };
    let step = 2.0 * FAR / f64::from(GRID);
    let places = (0..=GRID).map(|index| -FAR + step * f64::from(index));
    let best = places.min_by(|a, b| at(*a).total_cmp(&at(*b))).unwrap_or(0.0);
    let (mut low, mut high) = (best - step, best + step);
    for _ in 0..THIRDS {
        let third = (high - low) / 3.0;
        if at(low + third) < at(high - third) {
            high -= third;
        } else {
            low += third;
        }
    }
    finite(at((low + high) / 2.0).min(at(best)))
}

impl RateMixture {
    pub(super) fn around(null: f64) -> Self {
        Self { null, a: 1.0, b: 1.0 / null - 1.0 }
    }

    /// Evidence that the rate is above the claimed one.
    pub(super) fn above(&self, hits: u64, n: u64) -> f64 {
        self.log_ratio(hits, n, |tails| tails.above)
    }

    /// Evidence that the rate is below the claimed one.
    pub(super) fn below(&self, hits: u64, n: u64) -> f64 {
        self.log_ratio(hits, n, |tails| tails.below)
    }

    /// ln of (likelihood averaged over the kept rates / likelihood at the claimed rate).
    fn log_ratio(&self, hits: u64, n: u64, kept: impl Fn(beta::Tails) -> f64) -> f64 {
        let (hits, misses) = (hits as f64, (n - hits) as f64);
        let (p, q) = (self.null, 1.0 - self.null);
        let share = |a: f64, b: f64| kept(beta::tails(a, b, p, q)).max(f64::MIN_POSITIVE).ln();
        log_beta(self.a + hits, self.b + misses) - log_beta(self.a, self.b) + share(self.a + hits, self.b + misses)
            - share(self.a, self.b)
            - hits * p.ln()
            - misses * (-p).ln_1p()
    }
}

fn log_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_of_the_same_is_more_evidence() {
        let at = |hits: u64, n: u64| {
            log_evidence_above(Count::new(hits, n).unwrap(), Count::new(n / 100, n).unwrap(), 1.0, 0.0).unwrap()
        };
        assert!(
            at(3, 100) < at(9, 300) && at(9, 300) < at(30, 1_000),
            "{} {} {}",
            at(3, 100),
            at(9, 300),
            at(30, 1_000)
        );
        assert!(at(30, 1_000) > 10f64.ln(), "{}", at(30, 1_000));
        assert_eq!(at(1, 100), 0.0);
    }

    #[test]
    fn an_offset_takes_evidence_away() {
        let (canary, stable) = (Count::new(60, 1_000).unwrap(), Count::new(10, 1_000).unwrap());
        let at = |offset: f64| log_evidence_above(canary, stable, 1.0, offset).unwrap();
        assert!(at(0.0) > at(0.01) && at(0.01) > at(0.03) && at(0.05) == 0.0);
    }
}

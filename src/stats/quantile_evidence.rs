//! Always-valid evidence that one quantile exceeds a multiple of another, for any shape of the data.
//!
//! If the stable side's quantile were x, a share of at least 1 - q of its values would be at or above x,
//! and if the canary is within the factor, at most 1 - q of its values would be above factor times x. Each
//! claim is a Bernoulli rate, tested by a beta mixture over the rates that contradict it (Ville 1939;
//! Robbins 1970): the ratio's mean is at most 1 at any number of looks, exactly, however few samples. The
//! sides are independent, so the ratios multiply; x is not known, so the least favourable x counts.

use super::quantile::Ordered;
use super::{Undecided, beta, open_unit, positive};

/// How many places of x are tried: between two of them the lower bound of both is taken.
const MOST_PLACES: usize = 192;

/// A mixture over rates on one side of a rate.
#[derive(Debug, Clone, Copy)]
struct RateMixture {
    /// The rate of the claim.
    null: f64,
    /// Parameters of the prior: mean `null`, deviation about `null`, before the cut.
    a: f64,
    b: f64,
}

/// ln of the evidence against "the canary's `q` quantile is at most `factor` times the stable side's":
/// reject at level alpha once it reaches ln(1 / alpha), at whichever look.
pub fn log_evidence_above(canary: &Ordered, stable: &Ordered, q: f64, factor: f64) -> Result<f64, Undecided> {
    let (q, factor) = (open_unit("quantile", q)?, positive("factor", factor)?);
    let mixture = RateMixture::around(1.0 - q);
    let places = places(canary, stable, factor);
    // Rising x: the canary's evidence falls, the stable side's rises.
    let canary_before = |x: f64| mixture.above(canary.at_or_above(x * factor), canary.n());
    let stable_at = |x: f64| mixture.below(stable.at_or_above(x), stable.n());
    let mut least = f64::INFINITY;
    // Below the first place nothing of either side is left out; above the last nothing is left.
    let mut from = mixture.below(stable.n(), stable.n());
    for x in &places {
        least = least.min(from + canary_before(*x));
        from = stable_at(*x);
    }
    least = least.min(from + mixture.above(0, canary.n()));
    if least.is_nan() { Err(Undecided::NotFinite) } else { Ok(least) }
}

/// Places of x at which a count changes, thinned out evenly, in order.
fn places(canary: &Ordered, stable: &Ordered, factor: f64) -> Vec<f64> {
    let mut places: Vec<f64> =
        canary.values().iter().map(|value| value / factor).chain(stable.values().iter().copied()).collect();
    places.sort_unstable_by(f64::total_cmp);
    places.dedup();
    let stride = places.len().div_ceil(MOST_PLACES).max(1);
    places.into_iter().step_by(stride).collect()
}

impl RateMixture {
    fn around(null: f64) -> Self {
        Self { null, a: 1.0, b: 1.0 / null - 1.0 }
    }

    /// Evidence that the rate is above the claimed one.
    fn above(&self, hits: u64, n: u64) -> f64 {
        self.log_ratio(hits, n, |tails| tails.above)
    }

    /// Evidence that the rate is below the claimed one.
    fn below(&self, hits: u64, n: u64) -> f64 {
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
            - misses * q.ln()
    }
}

fn log_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

//! The incomplete beta function with both tails, its inverse, and binomial masses.
//!
//! The leading factor is Loader's saddle-point form ("Fast and accurate computation of binomial
//! probabilities", 2000), which keeps its digits with millions of samples; the rest is the continued
//! fraction of Didonato and Morris (ACM TOMS 18, 1992) by the modified Lentz method, which takes about
//! sqrt(a + b) terms.

use std::f64::consts::PI;

/// Terms of the continued fraction after which its last value is taken: enough for 10^12 samples.
const MOST_TERMS: u32 = 4_000_000;

/// Halvings after which a bisection stops: past this neighbouring floats are reached everywhere.
const MOST_HALVINGS: u32 = 1_200;

/// A share below and the share above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tails {
    /// Up to the point.
    pub below: f64,
    /// From the point on; exact where `1 - below` would lose its digits.
    pub above: f64,
}

/// Beta(a, b) split at `x`, where `y` is `1 - x` (given apart since the caller often knows it better).
#[must_use]
pub fn tails(a: f64, b: f64, x: f64, y: f64) -> Tails {
    if x.is_nan() || y.is_nan() || a.is_nan() || b.is_nan() {
        return Tails { below: f64::NAN, above: f64::NAN };
    }
    if x <= 0.0 {
        return Tails { below: 0.0, above: 1.0 };
    }
    if y <= 0.0 {
        return Tails { below: 1.0, above: 0.0 };
    }
    // The leading factor is symmetric: x^a y^b / B(a, b).
    let factor = a * b / (a + b) * mass(a, b, x, y);
    if x < (a + 1.0) / (a + b + 2.0) {
        let below = (factor * fraction(a, b, x, y)).min(1.0);
        Tails { below, above: 1.0 - below }
    } else {
        let above = (factor * fraction(b, a, y, x)).min(1.0);
        Tails { below: 1.0 - above, above }
    }
}

/// The point that a share `p` of Beta(a, b) lies below.
#[must_use]
pub fn quantile(a: f64, b: f64, p: f64) -> f64 {
    halve(0.0, 1.0, |x| tails(a, b, x, 1.0 - x).below < p)
}

/// The point that a share `p` of Beta(a, b) lies above; exact for small `p`.
#[must_use]
pub fn upper_quantile(a: f64, b: f64, p: f64) -> f64 {
    halve(0.0, 1.0, |x| tails(a, b, x, 1.0 - x).above > p)
}

/// Bisects between `low` and `high` for the place where `too_low` turns false.
pub(super) fn halve(mut low: f64, mut high: f64, too_low: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..MOST_HALVINGS {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if too_low(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low + (high - low) / 2.0
}

/// The chance of `hits` and `misses` when each draw hits with chance `p = 1 - q`; both may be fractions.
#[must_use]
pub fn mass(hits: f64, misses: f64, p: f64, q: f64) -> f64 {
    let n = hits + misses;
    if n <= 0.0 {
        return 1.0;
    }
    // Log1p would lose nothing here: p and q both come exact.
    if hits <= 0.0 {
        return (n * if p < 0.5 { (-p).ln_1p() } else { q.ln() }).exp();
    }
    if misses <= 0.0 {
        return (n * if q < 0.5 { (-q).ln_1p() } else { p.ln() }).exp();
    }
    if p <= 0.0 || q <= 0.0 {
        return 0.0;
    }
    let exponent = stirling_error(n)
        - stirling_error(hits)
        - stirling_error(misses)
        - deviance(hits, n * p)
        - deviance(misses, n * q);
    exponent.exp() * (n / (2.0 * PI * hits * misses)).sqrt()
}

/// ln(z!) less Stirling's formula.
fn stirling_error(z: f64) -> f64 {
    const HALF_LN_2PI: f64 = 0.918_938_533_204_672_8;
    if z < 16.0 {
        return libm::lgamma(z + 1.0) - (z + 0.5) * z.ln() + z - HALF_LN_2PI;
    }
    let square = z * z;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / z
}

/// x ln(x/mean) + mean - x, without cancellation where both are close.
fn deviance(x: f64, mean: f64) -> f64 {
    let gap = x - mean;
    if gap.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() - gap;
    }
    let ratio = gap / (x + mean);
    let square = ratio * ratio;
    let mut sum = gap * ratio;
    let mut term = 2.0 * x * ratio;
    for odd in 1..1_000 {
        term *= square;
        let next = sum + term / f64::from(2 * odd + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// Didonato and Morris 1992, eq. 9, for x below the mean: I_x(a, b) over x^a y^b / B(a, b).
fn fraction(a: f64, b: f64, x: f64, y: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    // a - (a + b) x, from the smaller terms.
    let gap = if a > b { (a + b) * y - b } else { a - (a + b) * x };
    let denominator = |n: f64| {
        let shift = if n == 0.0 { 0.0 } else { n * (b - n) * x / (a + 2.0 * n - 1.0) };
        n + shift + (a + n) * (gap + 1.0 + n * (1.0 + y)) / (a + 2.0 * n + 1.0)
    };
    let numerator = |n: f64| {
        let base = a + 2.0 * n - 1.0;
        ((a + n - 1.0) / base) * ((a + b + n - 1.0) / base) * n * (b - n) * x * x
    };
    let mut value = away_from_zero(denominator(0.0));
    let (mut c, mut d) = (value, 0.0);
    for term in 1..MOST_TERMS {
        let n = f64::from(term);
        let (above, below) = (numerator(n), denominator(n));
        d = 1.0 / away_from_zero(below + above * d);
        c = away_from_zero(below + above / c);
        let change = c * d;
        value *= change;
        if (change - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    1.0 / value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_a_half_however_many_samples() {
        for n in [1.0, 17.0, 1e3, 1e5, 1e7, 1e9] {
            let split = tails(n, n, 0.5, 0.5);
            assert!((split.below - 0.5).abs() < 1e-9, "{n}: {split:?}");
        }
    }

    #[test]
    fn tails_agree_with_summed_masses() {
        for (n, k, p) in [(30u32, 3, 0.2), (200, 150, 0.7), (2_000, 31, 0.01)] {
            let (nf, q) = (f64::from(n), 1.0 - p);
            let summed: f64 = (k..=n).map(|i| mass(f64::from(i), nf - f64::from(i), p, q)).sum();
            // P(X >= k) = I_p(k, n - k + 1).
            let direct = tails(f64::from(k), nf - f64::from(k) + 1.0, p, q).below;
            assert!((summed - direct).abs() < 1e-12 * summed.max(1e-3), "{n} {k} {p}: {summed} {direct}");
        }
    }

    #[test]
    fn quantiles_invert_the_tails() {
        for (a, b) in [(1.0, 1.0), (3.0, 298.0), (0.5, 7.25), (991.0, 11.0), (5e5, 2e3)] {
            for p in [1e-17, 1e-6, 0.025, 0.5, 0.975] {
                let x = quantile(a, b, p);
                assert!((tails(a, b, x, 1.0 - x).below / p - 1.0).abs() < 1e-8, "{a} {b} {p}");
                let x = upper_quantile(a, b, p);
                let (above, step) = (tails(a, b, x, 1.0 - x).above, f64::EPSILON);
                let near = tails(a, b, x + step, 1.0 - x - step).above;
                assert!(
                    (above / p - 1.0).abs() < 1e-8 || near <= p && p <= tails(a, b, x - step, 1.0 - x + step).above
                );
            }
        }
    }
}

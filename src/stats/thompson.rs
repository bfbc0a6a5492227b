//! Beta posteriors of success rates, from a flat prior: draws for Thompson sampling (1933), and the chance
//! that one rate is the greater. Randomness is passed in.

use super::quadrature::{between, gauss_legendre};
use super::{Count, beta};

/// What each side leaves out of the integral.
const NEGLIGIBLE: f64 = 1e-18;

/// Parts the integral is cut into, and nodes in each.
const PARTS: u32 = 24;
const NODES: u32 = 16;

/// A rate drawn from the posterior, Beta(1 + hits, 1 + misses), by inversion: one number, one rate.
#[must_use]
pub fn draw(count: Count, draw: u64) -> f64 {
    let (a, b) = posterior(count);
    // The middle of one of 2^53 equal cells: never 0, never 1.
    let share = ((draw >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    beta::quantile(a, b, share)
}

/// The chance that the first rate is greater than the second.
#[must_use]
pub fn chance_greater(first: Count, second: Count) -> f64 {
    let ((a1, b1), (a2, b2)) = (posterior(first), posterior(second));
    let low = beta::quantile(a1, b1, NEGLIGIBLE);
    let high = beta::upper_quantile(a1, b1, NEGLIGIBLE);
    let nodes = gauss_legendre(NODES);
    let width = (high - low) / f64::from(PARTS);
    let mut sum = 0.0;
    for part in 0..PARTS {
        let from = low + width * f64::from(part);
        for node in between(&nodes, from, from + width) {
            let (x, y) = (node.at, 1.0 - node.at);
            // x^(a-1) y^(b-1) / B(a, b), by way of the binomial mass.
            let density = a1 * b1 / (a1 + b1) * beta::mass(a1, b1, x, y) / (x * y);
            sum += node.weight * density * beta::tails(a2, b2, x, y).below;
        }
    }
    sum.clamp(0.0, 1.0)
}

fn posterior(count: Count) -> (f64, f64) {
    (count.hits() as f64 + 1.0, count.misses() as f64 + 1.0)
}

//! Gauss-Legendre nodes and weights, by Newton's method on the Legendre polynomials.

use std::f64::consts::PI;

/// A place to evaluate at, and how much it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Where.
    pub at: f64,
    /// How much.
    pub weight: f64,
}

/// `n` nodes for integrals from -1 to 1; exact for polynomials up to degree `2n - 1`.
#[must_use]
pub fn gauss_legendre(n: u32) -> Vec<Node> {
    let order = f64::from(n);
    (1..=n)
        .map(|i| {
            let mut x = -(PI * (f64::from(i) - 0.25) / (order + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..50 {
                let (value, derivative) = legendre(n, x);
                slope = derivative;
                let step = value / derivative;
                x -= step;
                if step.abs() <= 1e-16 {
                    break;
                }
            }
            Node { at: x, weight: 2.0 / ((1.0 - x * x) * slope * slope) }
        })
        .collect()
}

/// The same nodes for integrals from `low` to `high`.
#[must_use]
pub fn between(nodes: &[Node], low: f64, high: f64) -> Vec<Node> {
    let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0);
    nodes.iter().map(|node| Node { at: middle + half * node.at, weight: half * node.weight }).collect()
}

/// The Legendre polynomial of degree `n` and its derivative.
fn legendre(n: u32, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=n {
        let k = f64::from(k);
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    if n == 0 { (1.0, 0.0) } else { (value, f64::from(n) * (x * value - before) / (x * x - 1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_is_integrated_to_the_last_digits() {
        for n in [12, 33, 64, 400] {
            let sum: f64 = between(&gauss_legendre(n), 0.0, 3.0).iter().map(|node| node.weight * node.at.exp()).sum();
            assert!((sum - (3f64.exp() - 1.0)).abs() < 1e-12, "{n}: {sum}");
        }
    }
}

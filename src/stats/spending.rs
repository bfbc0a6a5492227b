//! Group-sequential limits: how far a z must go at each of a few planned looks.
//!
//! The chance of a first crossing is integrated look by look over the sum's density (Armitage, McPherson,
//! Rowe 1969; Jennison and Turnbull 2000, ch. 19), by Gauss-Legendre. Alpha is spent after Lan and DeMets
//! 1983 by one of two O'Brien-Fleming-like functions: usual packages print the per-side one, which is
//! stricter at early looks (4.8769 against 4.3826 at the first of five). Classic limits are computed too.

use super::quadrature::{between, gauss_legendre};
use super::{Undecided, beta, level, normal};

/// Looks that can be planned.
pub const MOST_LOOKS: usize = 100;

/// Least information between two looks.
pub const LEAST_GAP: f64 = 0.002;

/// Beyond so many standard deviations nothing is left to integrate.
const FAR: f64 = 9.0;

/// The largest limit that is told from none.
const LARGEST_LIMIT: f64 = 37.0;

/// How alpha is spent over the looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spending {
    /// O'Brien-Fleming-like, one function for both sides: 2(1 - Phi(z(1 - alpha/2) / sqrt t)).
    ObrienFleming,
    /// O'Brien-Fleming-like, alpha/2 spent on each side: 4(1 - Phi(z(1 - alpha/4) / sqrt t)).
    ObrienFlemingPerSide,
    /// Pocock-like: alpha ln(1 + (e - 1) t), the same whether spent per side or not.
    Pocock,
}

/// Limits of constant form, as they were before spending functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classic {
    /// The same limit at each look (Pocock 1977).
    Pocock,
    /// Falling as 1 / sqrt t (O'Brien and Fleming 1979).
    ObrienFleming,
}

/// Which crossings count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Beyond the limit on either side.
    Two,
    /// Above the limit only.
    Upper,
}

impl Spending {
    /// How much of alpha is spent when a share `t` of the information is in.
    #[must_use]
    pub fn spent(self, alpha: f64, t: f64) -> f64 {
        let root = t.sqrt();
        match self {
            Self::ObrienFleming => 2.0 * normal::above(normal::upper_quantile(alpha / 2.0) / root),
            Self::ObrienFlemingPerSide => 4.0 * normal::above(normal::upper_quantile(alpha / 4.0) / root),
            Self::Pocock => alpha * ((1f64.exp() - 1.0) * t).ln_1p(),
        }
    }

    /// The limits of |z| (or z) at looks with these shares of the information, rising to at most 1.
    pub fn limits(self, sides: Sides, alpha: f64, shares: &[f64]) -> Result<Vec<f64>, Undecided> {
        let alpha = level(alpha)?;
        check(shares)?;
        let mut walk = Walk::start();
        let mut spent = 0.0;
        let mut limits = Vec::with_capacity(shares.len());
        for t in shares {
            let due = self.spent(alpha, *t) - spent;
            spent += due;
            let limit = if walk.crossing(sides, *t, LARGEST_LIMIT) >= due {
                f64::INFINITY
            } else {
                beta::halve(0.0, LARGEST_LIMIT, |limit| walk.crossing(sides, *t, limit) > due)
            };
            walk = walk.onward(sides, *t, limit);
            limits.push(limit);
        }
        Ok(limits)
    }
}

impl Classic {
    /// The limits of |z| at so many equally spaced looks.
    pub fn limits(self, looks: usize, alpha: f64) -> Result<Vec<f64>, Undecided> {
        let alpha = level(alpha)?;
        let shares = equally_spaced(looks);
        check(&shares)?;
        let shape = |constant: f64| -> Vec<f64> {
            match self {
                Self::Pocock => vec![constant; shares.len()],
                Self::ObrienFleming => shares.iter().map(|t| constant / t.sqrt()).collect(),
            }
        };
        let constant =
            beta::halve(0.0, LARGEST_LIMIT, |constant| crossed(Sides::Two, &shape(constant), &shares) > alpha);
        Ok(shape(constant))
    }
}

/// 1/looks, 2/looks, ..., 1.
#[must_use]
pub fn equally_spaced(looks: usize) -> Vec<f64> {
    (1..=looks).map(|look| look as f64 / looks as f64).collect()
}

/// The chance to cross a limit at one of the looks if there is no difference.
pub fn crossing_chance(sides: Sides, limits: &[f64], shares: &[f64]) -> Result<f64, Undecided> {
    check(shares)?;
    if limits.len() != shares.len() || limits.iter().any(|limit| limit.is_nan() || *limit < 0.0) {
        return Err(Undecided::Setting { name: "limits", wanted: "one for each look, none below 0" });
    }
    Ok(crossed(sides, limits, shares))
}

fn crossed(sides: Sides, limits: &[f64], shares: &[f64]) -> f64 {
    let mut walk = Walk::start();
    let mut sum = 0.0;
    for (limit, t) in limits.iter().zip(shares) {
        sum += walk.crossing(sides, *t, *limit);
        walk = walk.onward(sides, *t, *limit);
    }
    sum
}

fn check(shares: &[f64]) -> Result<(), Undecided> {
    let mut before = 0.0;
    for t in shares {
        if !(*t - before >= LEAST_GAP && *t <= 1.0) {
            return Err(Undecided::Setting { name: "looks", wanted: "rising by at least 0.002 to at most 1" });
        }
        before = *t;
    }
    if shares.is_empty() || shares.len() > MOST_LOOKS {
        return Err(Undecided::Setting { name: "looks", wanted: "1 to 100" });
    }
    Ok(())
}

/// The sum's density at a look, over what has not crossed: point masses at the nodes of an integral.
struct Walk {
    t: f64,
    masses: Vec<(f64, f64)>,
}

impl Walk {
    fn start() -> Self {
        Self { t: 0.0, masses: vec![(0.0, 1.0)] }
    }

    /// The chance to cross at `t` and not before.
    fn crossing(&self, sides: Sides, t: f64, limit: f64) -> f64 {
        let (edge, step) = (limit * t.sqrt(), (t - self.t).sqrt());
        self.masses
            .iter()
            .map(|(at, mass)| {
                let upper = normal::above((edge - at) / step);
                mass * match sides {
                    Sides::Upper => upper,
                    Sides::Two => upper + normal::below((-edge - at) / step),
                }
            })
            .sum()
    }

    /// What has not crossed at `t` either.
    fn onward(&self, sides: Sides, t: f64, limit: f64) -> Self {
        let (root, step) = (t.sqrt(), (t - self.t).sqrt());
        let high = limit.min(FAR) * root;
        let low = match sides {
            Sides::Two => -high,
            Sides::Upper => -FAR * root,
        };
        // Three nodes for each standard deviation of the step resolve its density to 1e-9 and better.
        let nodes = u32::try_from(super::whole(3.0 * (high - low) / step)).unwrap_or(u32::MAX).min(4_000) + 32;
        let masses = between(&gauss_legendre(nodes), low, high)
            .into_iter()
            .map(|node| {
                let density: f64 =
                    self.masses.iter().map(|(at, mass)| mass * normal::density((node.at - at) / step) / step).sum();
                (node.at, node.weight * density)
            })
            .collect();
        Self { t, masses }
    }
}

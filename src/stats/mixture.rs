//! mSPRT with a normal mixture: evidence that may be looked at as often as one likes.
//!
//! Johari, Koomen, Pekelis, Walsh 2017, after Robbins 1970. `tau2` is the variance of the mixture: choose
//! its root about as large as the effect one wants to see. The one-sided form mixes over effects of one
//! sign only (a half-normal), so it is also valid for every true effect on the other side of zero, and
//! needs less data than the two-sided form for the same promise.

use super::{Interval, Undecided, finite, level, normal, positive};
use std::f64::consts::{LN_2, PI};

/// The mixture over effects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixture {
    tau2: f64,
}

/// The always-valid p value: the least seen so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlwaysValid {
    p: f64,
}

/// One look at a margin; each value is a p value that stays valid under any number of looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarginLook {
    /// Small: canary minus stable is proven above the margin.
    pub above: f64,
    /// Small: canary minus stable is proven at or below the margin.
    pub within: f64,
}

impl Mixture {
    /// A mixture of this variance.
    pub fn of_variance(tau2: f64) -> Result<Self, Undecided> {
        Ok(Self { tau2: positive("tau2", tau2)? })
    }

    /// ln L for an effect `d` estimated with variance `v`: L = sqrt(v/(v+tau2)) exp(tau2 d^2 / (2v(v+tau2))).
    pub fn log_ratio(&self, d: f64, v: f64) -> Result<f64, Undecided> {
        let z = self.standardised(d, v)?;
        finite(self.log_shrinkage(v) + z * z / 2.0)
    }

    /// The same over positive effects only: large where `d` is clearly above zero.
    pub fn log_ratio_above(&self, d: f64, v: f64) -> Result<f64, Undecided> {
        let z = self.standardised(d, v)?;
        finite(LN_2 + self.log_shrinkage(v) + log_scaled_below(z))
    }

    /// Half the width of the always-valid interval.
    pub fn half_width(&self, v: f64, alpha: f64) -> Result<f64, Undecided> {
        let alpha = level(alpha)?;
        let v = variance(v, 0.0)?;
        finite((v * (1.0 + v / self.tau2) * (-2.0 * alpha.ln() - 2.0 * self.log_shrinkage(v))).sqrt())
    }

    /// The interval around an estimate.
    pub fn interval(&self, d: f64, v: f64, alpha: f64) -> Result<Interval, Undecided> {
        Ok(Interval::around(finite(d)?, self.half_width(v, alpha)?))
    }

    /// Is `d` proven above the margin, or proven at or below it? Where the estimate stands decides only
    /// which of both can be small; with neither small nothing is proven.
    pub fn against_margin(&self, d: f64, v: f64, margin: f64) -> Result<MarginLook, Undecided> {
        let excess = finite(d - margin)?;
        let p = |log_ratio: f64| (-log_ratio).exp().min(1.0);
        Ok(MarginLook { above: p(self.log_ratio_above(excess, v)?), within: p(self.log_ratio_above(-excess, v)?) })
    }

    /// How far above the margin an estimate must lie to be proven above it, at variance `v`.
    pub fn reach(&self, v: f64, alpha: f64) -> Result<f64, Undecided> {
        let wanted = -level(alpha)?.ln();
        self.log_ratio_above(0.0, v)?;
        // The two-sided half width at twice alpha is a little too short, at alpha enough.
        let high = 2.0 * self.half_width(v, alpha)?;
        Ok(super::beta::halve(0.0, high, |d| self.log_ratio_above(d, v).is_ok_and(|log| log < wanted)))
    }

    /// d sqrt(tau2 / (v (v + tau2))).
    fn standardised(&self, d: f64, v: f64) -> Result<f64, Undecided> {
        let v = variance(v, d)?;
        finite(finite(d)? / (v * (1.0 + v / self.tau2)).sqrt())
    }

    /// ln sqrt(v / (v + tau2)).
    fn log_shrinkage(&self, v: f64) -> f64 {
        -0.5 * (self.tau2 / v).ln_1p()
    }
}

impl Default for AlwaysValid {
    fn default() -> Self {
        Self { p: 1.0 }
    }
}

impl AlwaysValid {
    /// Takes a look's log likelihood ratio; returns the p value so far.
    pub fn look(&mut self, log_ratio: f64) -> f64 {
        // `min` passes over a NaN.
        self.p = self.p.min((-log_ratio).exp());
        self.p
    }

    /// The p value so far.
    #[must_use]
    pub fn p(&self) -> f64 {
        self.p
    }
}

fn variance(v: f64, difference: f64) -> Result<f64, Undecided> {
    if v == 0.0 {
        return Err(Undecided::NoVariance { difference });
    }
    if v > 0.0 { finite(v) } else { Err(Undecided::NotFinite) }
}

/// ln(exp(z^2 / 2) Phi(z)), which neither overflows nor vanishes.
fn log_scaled_below(z: f64) -> f64 {
    if z > -30.0 {
        return z * z / 2.0 + normal::below(z).ln();
    }
    let square = z * z;
    let series = 1.0 - (1.0 - (3.0 - (15.0 - (105.0 - 945.0 / square) / square) / square) / square) / square;
    series.ln() - (-z).ln() - 0.5 * (2.0 * PI).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scaled_tail_is_smooth_where_its_two_forms_meet() {
        let (left, right) = (log_scaled_below(-30.000_001), log_scaled_below(-29.999_999));
        assert!((right - left - 2e-6 / 30.0).abs() < 1e-9, "{left} {right}");
    }

    #[test]
    fn both_signs_together_are_the_two_sided_mixture() {
        let mixture = Mixture::of_variance(0.7).unwrap();
        for d in [-3.0, -0.4, 0.0, 0.1, 2.5] {
            let parts = (mixture.log_ratio_above(d, 0.2).unwrap().exp()
                + mixture.log_ratio_above(-d, 0.2).unwrap().exp())
                / 2.0;
            assert!((parts / mixture.log_ratio(d, 0.2).unwrap().exp() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_reach_is_where_the_proof_begins() {
        let mixture = Mixture::of_variance(0.25).unwrap();
        let reach = mixture.reach(0.01, 0.05).unwrap();
        assert!((mixture.against_margin(1.0 + reach, 0.01, 1.0).unwrap().above - 0.05).abs() < 1e-9);
        assert!(reach < mixture.half_width(0.01, 0.05).unwrap());
    }
}

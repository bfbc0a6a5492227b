//! Asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2021, as GrowthBook uses
//! them): intervals that may be looked at at any time, tightest at a sample size chosen beforehand.

use super::{Interval, Undecided, finite, level, positive};

/// A sequence tuned for one sample size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AsymptoticSequence {
    rho2: f64,
    alpha: f64,
}

impl AsymptoticSequence {
    /// Tightest at `expected` samples of both sides together: set it to what is expected at the decision.
    pub fn tuned(expected: f64, alpha: f64) -> Result<Self, Undecided> {
        let (expected, alpha) = (positive("expected", expected)?, level(alpha)?);
        let twice = -2.0 * alpha.ln();
        Ok(Self { rho2: (twice + twice.ln_1p()) / expected, alpha })
    }

    /// The tuning parameter.
    #[must_use]
    pub fn rho(&self) -> f64 {
        self.rho2.sqrt()
    }

    /// Half-width over standard error with `n` samples of both sides together (a fixed test has 1.96).
    pub fn multiplier(&self, n: u64) -> Result<f64, Undecided> {
        if n == 0 {
            return Err(Undecided::TooFew { needed: 1, got: 0 });
        }
        let grown = n as f64 * self.rho2;
        finite((2.0 * (grown + 1.0) / grown * (0.5 * grown.ln_1p() - self.alpha.ln())).sqrt())
    }

    /// The interval of an effect with this standard error.
    pub fn interval(&self, effect: f64, standard_error: f64, n: u64) -> Result<Interval, Undecided> {
        Ok(Interval::around(finite(effect)?, finite(self.multiplier(n)? * standard_error)?))
    }
}

//! Wald's sequential probability ratio test (1945) between two known rates.

use super::{Count, Undecided, open_unit};

/// The two limits of the log likelihood ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sprt {
    /// At or above: the alternative is accepted; ln((1 - beta) / alpha).
    pub upper: f64,
    /// At or below: the null is accepted; ln(beta / (1 - alpha)).
    pub lower: f64,
}

/// Where a sequential test stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The alternative is accepted.
    Alternative,
    /// The null is accepted.
    Null,
    /// More samples are needed.
    Open,
}

/// What one sample adds to the log likelihood ratio between two rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Increments {
    /// A hit: ln(p1 / p0).
    pub hit: f64,
    /// A miss: ln((1 - p1) / (1 - p0)).
    pub miss: f64,
}

impl Sprt {
    /// For these chances of a false alarm and of a miss.
    pub fn new(alpha: f64, beta: f64) -> Result<Self, Undecided> {
        let (alpha, beta) = (open_unit("alpha", alpha)?, open_unit("beta", beta)?);
        if alpha + beta >= 1.0 {
            return Err(Undecided::Setting { name: "alpha + beta", wanted: "below 1" });
        }
        Ok(Self { upper: ((1.0 - beta) / alpha).ln(), lower: (beta / (1.0 - alpha)).ln() })
    }

    /// Where the test stands at this log likelihood ratio.
    #[must_use]
    pub fn standing(&self, log_ratio: f64) -> Standing {
        if log_ratio >= self.upper {
            Standing::Alternative
        } else if log_ratio <= self.lower {
            Standing::Null
        } else {
            Standing::Open
        }
    }
}

impl Increments {
    /// Between the rate of the null and the rate of the alternative.
    pub fn between(null: f64, alternative: f64) -> Result<Self, Undecided> {
        let (p0, p1) = (open_unit("null", null)?, open_unit("alternative", alternative)?);
        Ok(Self { hit: (p1 / p0).ln(), miss: ((1.0 - p1) / (1.0 - p0)).ln() })
    }

    /// The log likelihood ratio after these samples.
    #[must_use]
    pub fn after(&self, count: Count) -> f64 {
        count.hits() as f64 * self.hit + count.misses() as f64 * self.miss
    }
}

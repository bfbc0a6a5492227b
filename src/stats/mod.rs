//! Tests and intervals, nothing else: numbers in, numbers out.
//!
//! Effects are canary minus stable throughout, so the canary is always the first argument. Whoever
//! asks too early or with useless numbers gets an [`Undecided`], never a panic and never a NaN.
//! Special functions stand in [`normal`], [`beta`], [`student`] and [`chi_square`]: `libm` gives erfc and
//! lgamma; the incomplete beta is our own, since statrs 0.18 stops after 140 terms of its continued
//! fraction without a word (0.4912 for I(1/2; 10^6, 10^6), which is 0.5) and its erfc has nine digits.
//! The right answers in the tests were computed with SciPy 1.17.1.

pub mod beta;
pub mod chi_square;
pub mod confidence_sequence;
pub mod fisher;
pub mod mixture;
pub mod moments;
pub mod normal;
pub mod power;
pub mod proportion;
pub mod proportions;
pub mod quadrature;
pub mod quantile;
pub mod quantile_evidence;
pub mod ranks;
pub mod rate_evidence;
pub mod sample_ratio;
pub mod spending;
pub mod sprt;
pub mod student;
pub mod t_test;
pub mod thompson;

#[cfg(test)]
mod tests;

pub use moments::Moments;
pub use proportion::Count;

/// Why there is no answer (and so neither a pass nor a fail).
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Undecided {
    /// More samples are needed.
    #[error("{got} samples; at least {needed} are needed")]
    TooFew {
        /// The least number that can be judged.
        needed: u64,
        /// How many there are.
        got: u64,
    },
    /// More than can be counted here without losing digits.
    #[error("{got} samples; at most {most} can be judged")]
    TooMany {
        /// The largest number that can be judged.
        most: u64,
        /// How many there are.
        got: u64,
    },
    /// A NaN or an infinity came in, or would have come out.
    #[error("a value is not a finite number")]
    NotFinite,
    /// All values of both sides are the same within their side: a threshold can judge them, a test can't.
    #[error("no variance; the difference is {difference}")]
    NoVariance {
        /// Canary minus stable.
        difference: f64,
    },
    /// A count larger than its total.
    #[error("{hits} of {total} is not a proportion")]
    MoreHitsThanTotal {
        /// The count.
        hits: u64,
        /// Out of how many.
        total: u64,
    },
    /// A setting that makes no sense.
    #[error("{name} must be {wanted}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What is allowed.
        wanted: &'static str,
    },
}

/// Both ends of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// `estimate` and as much on either side.
    #[must_use]
    pub fn around(estimate: f64, half_width: f64) -> Self {
        Self { low: estimate - half_width, high: estimate + half_width }
    }

    /// Whether the value lies inside, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// How surprising the data are if there is no difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PValues {
    /// Against "the sides differ".
    pub two_sided: f64,
    /// Against "the canary's is greater".
    pub greater: f64,
    /// Against "the canary's is less".
    pub less: f64,
}

impl PValues {
    /// From a statistic that is standard normal if there is no difference.
    #[must_use]
    pub fn of_z(z: f64) -> Self {
        Self { two_sided: (2.0 * normal::above(z.abs())).min(1.0), greater: normal::above(z), less: normal::above(-z) }
    }
}

/// An error rate of a test: between 0 and 1, both excluded.
pub(crate) fn level(alpha: f64) -> Result<f64, Undecided> {
    open_unit("alpha", alpha)
}

/// A number between 0 and 1, both excluded, and what is nearer to them than chance can be told.
pub(crate) fn open_unit(name: &'static str, value: f64) -> Result<f64, Undecided> {
    const LEAST: f64 = 1e-15;
    let inside = (LEAST..=1.0 - LEAST).contains(&value);
    if inside { Ok(value) } else { Err(Undecided::Setting { name, wanted: "between 0 and 1" }) }
}

/// A finite number above zero.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<f64, Undecided> {
    if value > 0.0 && value.is_finite() { Ok(value) } else { Err(Undecided::Setting { name, wanted: "above 0" }) }
}

/// The value, unless it is NaN or infinite.
pub(crate) fn finite(value: f64) -> Result<f64, Undecided> {
    if value.is_finite() { Ok(value) } else { Err(Undecided::NotFinite) }
}

/// The whole number at or below a float; 0 for negatives and NaN, the largest for what is too large.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
pub(crate) fn whole(value: f64) -> u64 {
    value as u64
}

/// A `u64` as a place in a slice.
pub(crate) fn place(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

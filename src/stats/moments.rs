//! Count, mean and variance of a stream of values (Welford 1962), mergeable (Chan, Golub, LeVeque 1979).

use super::Undecided;

/// What is known of a set of values without keeping them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    /// How many values.
    n: u64,
    /// Their mean; 0 without values.
    mean: f64,
    /// Sum of squared distances from the mean.
    squares: f64,
}

impl Moments {
    /// Of all these values. A NaN or an infinity among them makes every test undecided.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut moments = Self::default();
        for value in values {
            moments.push(*value);
        }
        moments
    }

    /// From published figures: how many, their mean and their sample standard deviation (by n - 1).
    #[must_use]
    pub fn from_summary(n: u64, mean: f64, sd: f64) -> Self {
        // A negative deviation is not one; NaN makes it fail where any other bad number does.
        let sd = if sd >= 0.0 { sd } else { f64::NAN };
        Self { n, mean, squares: sd * sd * (n.saturating_sub(1)) as f64 }
    }

    /// From what a Welford sum holds: how many, their mean, and the sum of squared distances from it.
    #[must_use]
    pub fn from_squares(n: u64, mean: f64, squares: f64) -> Self {
        Self { n, mean, squares }
    }

    /// Takes one more value.
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
    }

    /// Both sets as one.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        if self.n == 0 || other.n == 0 {
            return if self.n == 0 { *other } else { *self };
        }
        let n = self.n.saturating_add(other.n);
        let (ours, theirs, all) = (self.n as f64, other.n as f64, n as f64);
        let gap = other.mean - self.mean;
        Self {
            n,
            mean: self.mean + gap * (theirs / all),
            squares: self.squares + other.squares + gap * gap * ours * (theirs / all),
        }
    }

    /// Of the same values, each times `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        Self { n: self.n, mean: self.mean * factor, squares: self.squares * factor * factor }
    }

    /// How many values.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Their mean; 0 without values.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The sample variance (by n - 1); `TooFew` under two values, `NotFinite` where it makes no sense.
    pub fn variance(&self) -> Result<f64, Undecided> {
        if self.n < 2 {
            return Err(Undecided::TooFew { needed: 2, got: self.n });
        }
        let variance = self.squares.max(0.0) / (self.n - 1) as f64;
        // `max` would hide a NaN.
        if self.squares.is_nan() || !self.mean.is_finite() || !variance.is_finite() {
            return Err(Undecided::NotFinite);
        }
        Ok(variance)
    }

    /// The sample standard deviation.
    pub fn sd(&self) -> Result<f64, Undecided> {
        self.variance().map(f64::sqrt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merged_parts_are_the_whole(values in prop::collection::vec(-1e6f64..1e6, 2..60), cut in 0usize..60) {
            let cut = cut.min(values.len());
            let whole = Moments::of(&values);
            let merged = Moments::of(&values[..cut]).merge(&Moments::of(&values[cut..]));
            prop_assert_eq!(merged.n(), whole.n());
            prop_assert!((merged.mean() - whole.mean()).abs() < 1e-6);
            let (a, b) = (merged.variance().unwrap(), whole.variance().unwrap());
            prop_assert!((a - b).abs() <= 1e-9 * b.max(1.0), "{a} {b}");
        }
    }

    #[test]
    fn values_far_from_zero_keep_their_variance() {
        let moments = Moments::of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert_eq!(moments.variance(), Ok(30.0));
    }
}

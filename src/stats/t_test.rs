//! Two-sample t tests: Welch's (the default, since canary and stable differ in size and spread by design)
//! and the pooled one (Student 1908, Welch 1947, Satterthwaite 1946).

use super::{Interval, Moments, PValues, Undecided, finite, level, student};

/// How the spread of both sides is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spread {
    /// Each side has its own.
    #[default]
    Welch,
    /// Both have the same; overstates the evidence where that is false.
    Pooled,
}

/// The outcome of a t test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TTest {
    /// Canary's mean minus stable's.
    pub effect: f64,
    /// Standard error of the effect.
    pub standard_error: f64,
    /// Effect over standard error.
    pub t: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// How surprising that is.
    pub p: PValues,
    /// Two-sided interval of the effect at `1 - alpha`.
    pub interval: Interval,
    /// Effect over the pooled standard deviation (Cohen's d).
    pub cohens_d: f64,
}

impl TTest {
    /// How surprising the data are if the true effect is `offset` instead of zero.
    #[must_use]
    pub fn against(&self, offset: f64) -> PValues {
        p_values((self.effect - offset) / self.standard_error, self.df)
    }
}

fn p_values(t: f64, df: f64) -> PValues {
    PValues { two_sided: student::outside(t, df), greater: student::above(t, df), less: student::above(-t, df) }
}

/// Compares two means.
pub fn t_test(canary: &Moments, stable: &Moments, spread: Spread, alpha: f64) -> Result<TTest, Undecided> {
    let alpha = level(alpha)?;
    let (v1, v2) = (canary.variance()?, stable.variance()?);
    let (n1, n2) = (canary.n() as f64, stable.n() as f64);
    let effect = finite(canary.mean() - stable.mean())?;
    let pooled = ((n1 - 1.0) * v1 + (n2 - 1.0) * v2) / (n1 + n2 - 2.0);
    let (variance, df) = match spread {
        Spread::Pooled => (pooled * (1.0 / n1 + 1.0 / n2), n1 + n2 - 2.0),
        Spread::Welch => {
            let (a, b) = (v1 / n1, v2 / n2);
            // Shares rather than squares of a and b, which would overflow or vanish sooner.
            let (share1, share2) = (a / (a + b), b / (a + b));
            (a + b, 1.0 / (share1 * share1 / (n1 - 1.0) + share2 * share2 / (n2 - 1.0)))
        }
    };
    if variance <= 0.0 {
        return Err(Undecided::NoVariance { difference: effect });
    }
    let standard_error = finite(variance.sqrt())?;
    let t = finite(effect / standard_error)?;
    let df = finite(df)?;
    let half_width = finite(student::upper_quantile(alpha / 2.0, df) * standard_error)?;
    let interval = Interval::around(effect, half_width);
    finite(interval.low)?;
    finite(interval.high)?;
    Ok(TTest {
        effect,
        standard_error,
        t,
        df,
        p: PValues { two_sided: student::outside(t, df), greater: student::above(t, df), less: student::above(-t, df) },
        interval,
        cohens_d: finite(effect / pooled.sqrt())?,
    })
}

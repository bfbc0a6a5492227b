//! How many samples an effect needs, and which effect some samples can show.
//!
//! Normal approximations with each side's own variance: n such that
//! (z_alpha + z_beta)^2 (v1/n1 + v2/n2) = effect^2 (Fleiss, Levin, Paik 2003, without continuity correction).

use super::spending::Sides;
use super::{Count, Undecided, beta, finite, level, normal, open_unit, positive, whole};

/// What a test promises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promise {
    /// Chance of a false alarm.
    pub alpha: f64,
    /// Chance to see a real effect.
    pub power: f64,
    /// Whether alpha is split over both sides.
    pub sides: Sides,
}

/// Samples needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleSize {
    /// By the canary.
    pub canary: u64,
    /// By the stable side.
    pub stable: u64,
    /// By both together: may be one less than the sum, which rounds up twice.
    pub total: u64,
}

impl Promise {
    /// z_alpha + z_beta.
    fn reach(&self) -> Result<f64, Undecided> {
        let power = open_unit("power", self.power)?;
        Ok(self.critical()? + normal::upper_quantile(1.0 - power))
    }

    fn critical(&self) -> Result<f64, Undecided> {
        let alpha = level(self.alpha)?;
        Ok(match self.sides {
            Sides::Two => normal::upper_quantile(alpha / 2.0),
            Sides::Upper => normal::upper_quantile(alpha),
        })
    }
}

/// Samples to tell two proportions apart, when the canary gets this share of them.
pub fn for_proportions(canary: f64, stable: f64, canary_share: f64, promise: Promise) -> Result<SampleSize, Undecided> {
    let (p1, p2) = (closed_unit("canary", canary)?, closed_unit("stable", stable)?);
    sample_size(p1 * (1.0 - p1), p2 * (1.0 - p2), p1 - p2, canary_share, promise)
}

/// Samples to see a difference of means, when the canary gets this share of them.
pub fn for_means(
    sd_canary: f64,
    sd_stable: f64,
    effect: f64,
    canary_share: f64,
    promise: Promise,
) -> Result<SampleSize, Undecided> {
    sample_size(finite(sd_canary)?.powi(2), finite(sd_stable)?.powi(2), effect, canary_share, promise)
}

/// The difference of means that so many samples show.
pub fn detectable_mean(
    (sd_canary, n_canary): (f64, u64),
    (sd_stable, n_stable): (f64, u64),
    promise: Promise,
) -> Result<f64, Undecided> {
    let (n1, n2) = (at_least_two(n_canary)?, at_least_two(n_stable)?);
    finite(promise.reach()? * (finite(sd_canary)?.powi(2) / n1 + finite(sd_stable)?.powi(2) / n2).sqrt())
}

/// The least proportion above the stable one that so many samples show; `None` if not even 1 would be.
pub fn detectable_proportion(
    stable: f64,
    n_canary: u64,
    n_stable: u64,
    promise: Promise,
) -> Result<Option<f64>, Undecided> {
    let (n1, n2) = (at_least_two(n_canary)?, at_least_two(n_stable)?);
    let (p2, reach) = (closed_unit("stable", stable)?, promise.reach()?);
    let missed = |p1: f64| p1 - p2 <= reach * (p1 * (1.0 - p1) / n1 + p2 * (1.0 - p2) / n2).sqrt();
    if missed(1.0) {
        return Ok(None);
    }
    Ok(Some(beta::halve(p2, 1.0, missed)))
}

/// The chance to see an effect whose estimate has this standard error.
pub fn power(effect: f64, standard_error: f64, promise: Promise) -> Result<f64, Undecided> {
    let shift = finite(finite(effect)?.abs() / positive("standard error", standard_error)?)?;
    Ok(normal::below(shift - promise.critical()?))
}

/// Samples without a single hit that bound a rate below `limit` (about 3 / limit at 5 %).
pub fn clean_samples(limit: f64, alpha: f64) -> Result<u64, Undecided> {
    rounded_up(level(alpha)?.ln() / (-open_unit("limit", limit)?).ln_1p())
}

/// Samples for a Wald interval of this half-width.
pub fn for_half_width(share: f64, half_width: f64, alpha: f64) -> Result<u64, Undecided> {
    let (p, width) = (closed_unit("share", share)?, positive("half-width", half_width)?);
    rounded_up((normal::critical(level(alpha)?) / width).powi(2) * p * (1.0 - p))
}

fn sample_size(v1: f64, v2: f64, effect: f64, share: f64, promise: Promise) -> Result<SampleSize, Undecided> {
    let share = open_unit("canary_share", share)?;
    let effect = positive("effect", effect.abs())?;
    let total = (promise.reach()? / effect).powi(2) * (v1 / share + v2 / (1.0 - share));
    Ok(SampleSize {
        canary: rounded_up(total * share)?,
        stable: rounded_up(total * (1.0 - share))?,
        total: rounded_up(total)?,
    })
}

fn closed_unit(name: &'static str, value: f64) -> Result<f64, Undecided> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(Undecided::Setting { name, wanted: "from 0 to 1" }) }
}

fn at_least_two(n: u64) -> Result<f64, Undecided> {
    if n < 2 { Err(Undecided::TooFew { needed: 2, got: n }) } else { Ok(n as f64) }
}

fn rounded_up(n: f64) -> Result<u64, Undecided> {
    let n = whole(finite(n)?.ceil());
    if n > Count::MOST { Err(Undecided::TooMany { most: Count::MOST, got: n }) } else { Ok(n) }
}

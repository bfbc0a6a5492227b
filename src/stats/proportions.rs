//! Two proportions: z tests, intervals of the difference, and the rule that picks the test.
//!
//! The decision is by the pooled z (the unpooled one disagrees much when the sides differ in size, which
//! a canary does), by Fisher's exact test when an expected count is under 5. The interval shown is
//! Newcombe's (1998, method 10: from the two Wilson intervals), which never leaves -1..1.

use super::fisher::fisher;
use super::proportion::wilson;
use super::{Count, Interval, PValues, Undecided, finite, level, normal, positive};

/// The least expected count for which the z test holds.
pub const LEAST_EXPECTED: f64 = 5.0;

/// A z statistic and how surprising it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZTest {
    /// Effect over standard error.
    pub z: f64,
    /// How surprising that is.
    pub p: PValues,
}

/// Which test decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DecidedBy {
    /// The pooled z test.
    Z(ZTest),
    /// Fisher's exact test.
    Fisher,
}

/// The outcome of a comparison of two proportions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proportions {
    /// Canary's share minus stable's.
    pub effect: f64,
    /// The test by the rule.
    pub by: DecidedBy,
    /// Its p values.
    pub p: PValues,
    /// Newcombe's interval of the effect at `1 - alpha`.
    pub interval: Interval,
    /// 2 asin(sqrt(canary)) - 2 asin(sqrt(stable)) (Cohen's h).
    pub cohens_h: f64,
}

/// Compares two proportions by the rule: z if every expected count is at least 5, else Fisher.
pub fn proportions(canary: Count, stable: Count, alpha: f64) -> Result<Proportions, Undecided> {
    let interval = newcombe(canary, stable, alpha)?;
    let (p1, p2) = (canary.share()?, stable.share()?);
    let (by, p) = if least_expected(canary, stable)? >= LEAST_EXPECTED {
        let test = z_pooled(canary, stable)?;
        (DecidedBy::Z(test), test.p)
    } else {
        (DecidedBy::Fisher, fisher(canary, stable)?)
    };
    let angle = |p: f64| 2.0 * p.sqrt().asin();
    Ok(Proportions { effect: p1 - p2, by, p, interval, cohens_h: angle(p1) - angle(p2) })
}

/// The smallest of the four expected counts if both sides had the same rate.
pub fn least_expected(canary: Count, stable: Count) -> Result<f64, Undecided> {
    let p = pooled_share(canary, stable)?;
    Ok(canary.total().min(stable.total()) as f64 * p.min(1.0 - p))
}

/// The z test with the variance of both sides together; `NoVariance` if none or all of both hit.
pub fn z_pooled(canary: Count, stable: Count) -> Result<ZTest, Undecided> {
    let p = pooled_share(canary, stable)?;
    z_test(canary, stable, p * (1.0 - p) * (1.0 / canary.total() as f64 + 1.0 / stable.total() as f64))
}

/// The z test with each side's own variance.
pub fn z_unpooled(canary: Count, stable: Count) -> Result<ZTest, Undecided> {
    z_test(canary, stable, unpooled_variance(canary, stable)?)
}

/// The variance of the difference: p1 q1 / n1 + p2 q2 / n2.
pub fn unpooled_variance(canary: Count, stable: Count) -> Result<f64, Undecided> {
    let (p1, p2) = (canary.share()?, stable.share()?);
    Ok(p1 * (1.0 - p1) / canary.total() as f64 + p2 * (1.0 - p2) / stable.total() as f64)
}

/// Wald's interval of the difference, unpooled.
pub fn wald(canary: Count, stable: Count, alpha: f64) -> Result<Interval, Undecided> {
    let z = normal::critical(level(alpha)?);
    let effect = canary.share()? - stable.share()?;
    Ok(Interval::around(effect, z * unpooled_variance(canary, stable)?.sqrt()))
}

/// Newcombe's interval of the difference, from the two Wilson intervals.
pub fn newcombe(canary: Count, stable: Count, alpha: f64) -> Result<Interval, Undecided> {
    newcombe_scaled(canary, stable, 1.0, alpha)
}

/// The same of canary's share less `factor` times stable's (MOVER: Zou and Donner 2008).
pub fn newcombe_scaled(canary: Count, stable: Count, factor: f64, alpha: f64) -> Result<Interval, Undecided> {
    let factor = positive("factor", factor)?;
    let (one, two) = (wilson(canary, alpha)?, wilson(stable, alpha)?);
    let (p1, p2) = (canary.share()?, stable.share()?);
    let excess = p1 - factor * p2;
    Ok(Interval {
        low: finite(excess - (p1 - one.low).hypot(factor * (two.high - p2)))?,
        high: finite(excess + (one.high - p1).hypot(factor * (p2 - two.low)))?,
    })
}

fn pooled_share(canary: Count, stable: Count) -> Result<f64, Undecided> {
    canary.share()?;
    stable.share()?;
    Ok((canary.hits() + stable.hits()) as f64 / (canary.total() + stable.total()) as f64)
}

fn z_test(canary: Count, stable: Count, variance: f64) -> Result<ZTest, Undecided> {
    let difference = canary.share()? - stable.share()?;
    if variance <= 0.0 {
        return Err(Undecided::NoVariance { difference });
    }
    let z = difference / variance.sqrt();
    Ok(ZTest { z, p: PValues::of_z(z) })
}

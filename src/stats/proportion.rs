//! One proportion and its interval: Wald, Wilson (the default), Clopper-Pearson.
//!
//! Brown, Cai, DasGupta 2001 advise against Wald's: with no hits it has no width at all.

use super::{Interval, Undecided, beta, level, normal};

/// So many hits out of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    hits: u64,
    total: u64,
}

impl Count {
    /// The largest total that is judged: products of two of them still keep their digits.
    pub const MOST: u64 = 1 << 40;

    /// `hits` out of `total`; refuses more hits than the total.
    pub fn new(hits: u64, total: u64) -> Result<Self, Undecided> {
        if hits > total {
            return Err(Undecided::MoreHitsThanTotal { hits, total });
        }
        if total > Self::MOST {
            return Err(Undecided::TooMany { most: Self::MOST, got: total });
        }
        Ok(Self { hits, total })
    }

    /// How many hit.
    #[must_use]
    pub fn hits(self) -> u64 {
        self.hits
    }

    /// How many did not.
    #[must_use]
    pub fn misses(self) -> u64 {
        self.total - self.hits
    }

    /// Out of how many.
    #[must_use]
    pub fn total(self) -> u64 {
        self.total
    }

    /// The share of hits; `TooFew` without any sample.
    pub fn share(self) -> Result<f64, Undecided> {
        if self.total == 0 {
            return Err(Undecided::TooFew { needed: 1, got: 0 });
        }
        Ok(self.hits as f64 / self.total as f64)
    }
}

/// `p +- z sqrt(p(1-p)/n)`; may leave 0..1, and is useless with no hits.
pub fn wald(count: Count, alpha: f64) -> Result<Interval, Undecided> {
    let z = normal::critical(level(alpha)?);
    let p = count.share()?;
    Ok(Interval::around(p, z * (p * (1.0 - p) / count.total as f64).sqrt()))
}

/// Wilson's score interval (1927): never leaves 0..1, honest with no hits.
pub fn wilson(count: Count, alpha: f64) -> Result<Interval, Undecided> {
    let z = normal::critical(level(alpha)?);
    let p = count.share()?;
    let n = count.total as f64;
    let square = z * z;
    let centre = p + square / (2.0 * n);
    let half_width = z * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
    let scale = 1.0 + square / n;
    Ok(Interval {
        low: if count.hits == 0 { 0.0 } else { ((centre - half_width) / scale).max(0.0) },
        high: if count.misses() == 0 { 1.0 } else { ((centre + half_width) / scale).min(1.0) },
    })
}

/// Clopper and Pearson's interval (1934): never covers less than promised, wider than need be.
pub fn clopper_pearson(count: Count, alpha: f64) -> Result<Interval, Undecided> {
    let tail = level(alpha)? / 2.0;
    count.share()?;
    let (hits, misses) = (count.hits as f64, count.misses() as f64);
    Ok(Interval {
        low: if count.hits == 0 { 0.0 } else { beta::quantile(hits, misses + 1.0, tail) },
        high: if count.misses() == 0 { 1.0 } else { beta::upper_quantile(hits + 1.0, misses, tail) },
    })
}

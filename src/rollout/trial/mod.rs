//! An A/B test under `policy = "fixed"`: what was answered and measured since its split came into force (§1.6).
//!
//! Unlike a rollout it decides nothing and moves nothing: it only knows, and [`report`] says what that means.
//! Of numbers it keeps count, mean and spread, never the numbers, so that a test of months costs what one of
//! minutes does.

pub mod report;
pub mod v1;

use super::evidence::{Dropped, SampleValue, Values};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Series of one test: metrics times pools.
pub const MAX_SERIES: usize = 256;

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// When its split came into force, wall clock, milliseconds.
    pub since_unix_ms: u64,
    /// The split; another one is another test.
    pub split: BTreeMap<Arc<str>, u16>,
    /// Answers of each pool.
    pub answers: BTreeMap<Arc<str>, u64>,
    /// By metric and pool.
    series: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Summary>>,
}

/// What is kept of one metric on one pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Summary {
    /// Numbers.
    Values {
        /// How many.
        n: u64,
        /// Their mean.
        mean: f64,
        /// Sum of squared deviations from it.
        m2: f64,
    },
    /// Counts within totals.
    Counts {
        /// Sum of counts.
        count: f64,
        /// Sum of totals.
        total: f64,
    },
}

impl Summary {
    /// Takes a sample in; false when it is of the other kind.
    fn add(&mut self, value: SampleValue) -> bool {
        match (self, value) {
            (Self::Values { n, mean, m2 }, SampleValue::Value(value)) => {
                let mut values = Values { n: *n, mean: *mean, m2: *m2, kept: Vec::new() };
                values.push(value);
                (*n, *mean, *m2) = (values.n, values.mean, values.m2);
            }
            (Self::Counts { count, total }, SampleValue::Count { count: more, total: of }) => {
                *count += more;
                *total += of;
            }
            _ => return false,
        }
        true
    }

    /// Nothing yet, of the kind of this sample.
    const fn empty(value: SampleValue) -> Self {
        match value {
            SampleValue::Value(_) => Self::Values { n: 0, mean: 0.0, m2: 0.0 },
            SampleValue::Count { .. } => Self::Counts { count: 0.0, total: 0.0 },
        }
    }
}

impl Trial {
    /// A test that begins.
    #[must_use]
    pub fn begin(split: BTreeMap<Arc<str>, u16>, now_unix_ms: u64) -> Self {
        Self { since_unix_ms: now_unix_ms, split, answers: BTreeMap::new(), series: BTreeMap::new() }
    }

    /// Whether a pool takes part.
    #[must_use]
    pub fn has(&self, pool: &str) -> bool {
        self.split.get(pool).is_some_and(|weight| *weight > 0)
    }

    /// How many series it keeps.
    #[must_use]
    pub fn series_kept(&self) -> usize {
        self.series.values().map(BTreeMap::len).sum()
    }

    /// Takes a sample in; `room` is how many series may be added.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn take(&mut self, metric: &Arc<str>, pool: &Arc<str>, value: SampleValue, room: usize) -> Result<(), Dropped> {
        if !self.has(pool) {
            return Err(Dropped::Unwanted);
        }
        let kind = |known: &Summary| std::mem::discriminant(known) == std::mem::discriminant(&Summary::empty(value));
        let pools = self.series.get(metric);
        if pools.is_some_and(|pools| !pools.values().all(kind)) {
            return Err(Dropped::NoRoom);
        }
        let known = pools.is_some_and(|pools| pools.contains_key(pool));
        if !known && (room == 0 || self.series_kept() >= MAX_SERIES) {
            return Err(Dropped::NoRoom);
        }
        let pools = self.series.entry(metric.clone()).or_default();
        let summary = pools.entry(pool.clone()).or_insert_with(|| Summary::empty(value));
        if summary.add(value) { Ok(()) } else { Err(Dropped::NoRoom) }
    }

    /// Counts answers of a pool.
    pub fn answered(&mut self, pool: &Arc<str>, more: u64) {
        let answers = self.answers.entry(pool.clone()).or_default();
        *answers = answers.saturating_add(more);
    }
}

#[cfg(test)]
mod tests;

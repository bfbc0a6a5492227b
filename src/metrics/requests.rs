//! Requests of the admin interface: how many, how they ended, how long they took.

use super::families::Histogram;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Upper bounds, seconds: a look takes less than a millisecond, a change waits for the disk and the workers.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// By method, route and status: all of them bounded, since routes are patterns.
#[derive(Debug, Default)]
pub struct RequestTotals {
    rows: Mutex<BTreeMap<(&'static str, String, u16), Row>>,
}

/// One kind of request; the last bucket has no bound.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    buckets: [u64; BOUNDS.len() + 1],
    sum_ns: u64,
}

impl RequestTotals {
    /// Counts one.
    pub fn took(&self, method: &'static str, route: &str, status: u16, elapsed_ns: u64) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows.entry((method, route.to_owned(), status)).or_default();
        let seconds = elapsed_ns as f64 / 1e9;
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        row.buckets[bucket] += 1;
        row.sum_ns = row.sum_ns.saturating_add(elapsed_ns);
    }

    /// Method, route and status with their times.
    pub(super) fn rows(&self) -> Vec<((&'static str, String, u16), Histogram)> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = || BOUNDS.into_iter().chain([f64::INFINITY]);
        let histogram =
            |row: &Row| Histogram { sum_s: row.sum_ns as f64 / 1e9, buckets: bounds().zip(row.buckets).collect() };
        rows.iter().map(|(key, row)| (key.clone(), histogram(row))).collect()
    }
}

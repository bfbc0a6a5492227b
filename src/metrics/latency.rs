//! How long answers took, in buckets that double.
//!
//! The first bucket ends at 2^12 ns (4 us), the last but one at 2^26 ns (67 ms). A batch counts each
//! of its answers with the time of the whole batch, which no answer exceeded.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const FIRST: u32 = 12;
/// Buckets, the one without an upper bound included.
const BUCKETS: usize = 16;

/// The buckets of one set of cells.
#[derive(Debug, Default)]
pub(super) struct Latency {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

/// Sums over sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LatencyTotals {
    buckets: [u64; BUCKETS],
    /// All durations together, nanoseconds.
    pub sum_ns: u64,
}

impl Latency {
    /// The cells that `answers` answers of `elapsed_ns` each belong to, with what to add.
    #[inline]
    pub(super) fn cells(&self, elapsed_ns: u64, answers: u64, add: impl Fn(&AtomicU64, u64)) {
        add(&self.buckets[bucket_of(elapsed_ns)], answers);
        add(&self.sum_ns, elapsed_ns.saturating_mul(answers));
    }
}

/// The first bucket whose bound is not below `elapsed_ns`.
#[inline]
fn bucket_of(elapsed_ns: u64) -> usize {
    let bits = u64::BITS - elapsed_ns.saturating_sub(1).leading_zeros();
    (bits.saturating_sub(FIRST) as usize).min(BUCKETS - 1)
}

impl LatencyTotals {
    pub(super) fn merge(&mut self, other: &Latency) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += bucket.load(Relaxed);
        }
        self.sum_ns += other.sum_ns.load(Relaxed);
    }

    /// Upper bounds in seconds with the count of each bucket, the last unbounded.
    #[must_use]
    pub fn buckets(&self) -> [(f64, u64); BUCKETS] {
        std::array::from_fn(|i| {
            let bound = if i == BUCKETS - 1 { f64::INFINITY } else { (1u64 << (FIRST as usize + i)) as f64 / 1e9 };
            (bound, self.buckets[i])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let first = 1 << FIRST;
        assert_eq!([0, 1, first, first + 1, 2 * first, u64::MAX].map(bucket_of), [0, 0, 0, 1, 1, BUCKETS - 1]);
        let bounds = LatencyTotals::default().buckets();
        assert!((bounds[0].0 - 4.096e-6).abs() < 1e-12);
        assert!(bounds.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}

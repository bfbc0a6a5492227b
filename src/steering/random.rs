//! A fresh draw for each query (§1.6), and the same draw for one member out of many (§1.3).
//!
//! A 64-bit draw is scaled by a 128-bit product, never by a remainder: no weight gains more than one
//! part in 2^50 from the rounding.

/// Up to so many sums are counted through, which is quicker than halving.
const FEW: usize = 8;

/// Weights as running sums; never empty, the last sum at least 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunningSums(Box<[u32]>);

impl RunningSums {
    /// Sums up; `None` when nothing has weight.
    pub(super) fn new(weights: impl IntoIterator<Item = u16>) -> Option<Self> {
        let mut total = 0u32;
        let sums: Box<[u32]> = weights
            .into_iter()
            .map(|weight| {
                total = total.saturating_add(u32::from(weight));
                total
            })
            .collect();
        (total > 0).then_some(Self(sums))
    }

    /// The weight of one entry.
    pub(super) fn weight(&self, at: usize) -> Option<u16> {
        let below = at.checked_sub(1).and_then(|before| self.0.get(before)).copied().unwrap_or(0);
        self.0.get(at).and_then(|sum| u16::try_from(sum - below).ok())
    }

    /// The index of the entry this draw falls to; entries of weight 0 are never drawn.
    #[inline(always)]
    pub(super) fn choose(&self, draw: u64) -> usize {
        let total = self.0.last().copied().unwrap_or(1);
        let at = scale(draw, total);
        if self.0.len() > FEW {
            return self.0.partition_point(|sum| *sum <= at);
        }
        // Sums rise: as many as are not above it stand before the one it falls to.
        let mut below = 0;
        for sum in &self.0 {
            below += usize::from(*sum <= at);
        }
        below
    }
}

/// `draw` as a fraction of 2^64, times `count`: from 0 up to, and without, `count`.
#[inline]
pub(super) fn scale(draw: u64, count: u32) -> u32 {
    let product = u128::from(draw) * u128::from(count);
    #[allow(clippy::cast_possible_truncation)] // less than `count`
    let scaled = (product >> 64) as u32;
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_entries_with_weight_are_drawn(weights in proptest::collection::vec(0u16..4, 1..12), draw in any::<u64>()) {
            match RunningSums::new(weights.iter().copied()) {
                Some(sums) => prop_assert!(weights[sums.choose(draw)] > 0),
                None => prop_assert!(weights.iter().all(|weight| *weight == 0)),
            }
        }
    }

    #[test]
    fn evenly_spaced_draws_fall_to_each_entry_by_its_weight() {
        let weights = [1u16, 0, 2499, 7500];
        let sums = RunningSums::new(weights).unwrap();
        let mut hits = [0u32; 4];
        for step in 0..10_000u64 {
            hits[sums.choose(step * (u64::MAX / 10_000) + 1_000_000)] += 1;
        }
        assert_eq!(hits, [1, 0, 2499, 7500]);
    }

    #[test]
    fn the_ends_of_the_draw_are_the_ends_of_the_list() {
        let sums = RunningSums::new([5, 5]).unwrap();
        assert_eq!((sums.choose(0), sums.choose(u64::MAX)), (0, 1));
        assert_eq!(scale(u64::MAX, 3), 2);
    }
}

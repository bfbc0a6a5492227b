//! Splits of a switch as the shares they give.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether two splits give the same shares: pools without any do not count, nor what the weights add up to.
#[must_use]
pub fn same_shares(one: &BTreeMap<Arc<str>, u16>, other: &BTreeMap<Arc<str>, u16>) -> bool {
    let sum = |split: &BTreeMap<Arc<str>, u16>| split.values().copied().map(u64::from).sum::<u64>();
    let weight = |split: &BTreeMap<Arc<str>, u16>, pool: &Arc<str>| split.get(pool).copied().map_or(0, u64::from);
    let (one_sum, other_sum) = (sum(one), sum(other));
    (one_sum == 0) == (other_sum == 0)
        && one.keys().chain(other.keys()).all(|pool| weight(one, pool) * other_sum == weight(other, pool) * one_sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_way_to_write_the_same_shares_gives_the_same_shares() {
        let split = |weights: &[(&str, u16)]| weights.iter().map(|(pool, weight)| ((*pool).into(), *weight)).collect();
        let halves = split(&[("a", 5_000), ("b", 5_000)]);
        for same in [split(&[("a", 1), ("b", 1)]), split(&[("a", 5_000), ("b", 5_000), ("new", 0)])] {
            assert!(same_shares(&halves, &same) && same_shares(&same, &halves), "{same:?}");
        }
        for other in [split(&[("a", 1), ("b", 2)]), split(&[("a", 1)]), split(&[("a", 0), ("b", 0)]), split(&[])] {
            assert!(!same_shares(&halves, &other) && !same_shares(&other, &halves), "{other:?}");
        }
    }
}

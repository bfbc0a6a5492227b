//! Rules by network as a partition of address space: every address lies in exactly one prefix (§1.7).
//!
//! A sorted array of maximal disjoint prefixes with one class each, found by binary search; 20 octets
//! a prefix. The length of the prefix found is what the rules contribute to the ECS scope: around the
//! client, no shorter one has a single class. Both families share the space described in `key`.

use super::key::{MAPPED, position_of};
use ipnet::IpNet;

/// Which rule concerns the clients of a prefix, or what is done for them; opaque here, and 0 where
/// nothing is said.
pub(super) type Outcome = u16;

/// How many kinds of rules there are, each of which goes before the next ones.
pub(super) const TIERS: usize = 3;

/// One prefix of the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Prefix length in the one space.
    pub(super) len: u8,
    pub(super) outcome: Outcome,
}

/// The whole space, cut into leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    /// First address of each leaf, rising; the first is 0.
    starts: Box<[u128]>,
    leaves: Box<[Leaf]>,
}

impl Partition {
    /// Cuts the space by the networks of each tier. The first tier that says something wins; within a
    /// tier the longest prefix, among equal ones the first given.
    pub(super) fn new(tiers: [Vec<(IpNet, Outcome)>; TIERS]) -> Self {
        let tiers = tiers.map(|networks| {
            let mut prefixes: Vec<Prefix> =
                networks.into_iter().map(|(network, outcome)| Prefix::of(network, outcome)).collect();
            if !prefixes.is_empty() {
                // Rules for IPv6 do not reach IPv4 clients, although their addresses lie inside `::/0`.
                prefixes.push(Prefix { start: MAPPED, len: 96, outcome: 0 });
            }
            // Stable: rules given first stay first among equal prefixes.
            prefixes.sort_by_key(|prefix| (prefix.start, prefix.len));
            prefixes.dedup_by_key(|prefix| (prefix.start, prefix.len));
            prefixes
        });
        let mut cut = Cut::default();
        cut.node(0, 0, [&tiers[0], &tiers[1], &tiers[2]], [0; TIERS]);
        cut.partition()
    }

    /// The same partition under other outcomes: prefixes that have one outcome become one.
    pub(super) fn relabelled(&self, outcome: impl Fn(Outcome) -> Outcome) -> Self {
        let mut cut = Cut::default();
        for (start, leaf) in self.starts.iter().zip(&self.leaves) {
            cut.push(*start, Leaf { len: leaf.len, outcome: outcome(leaf.outcome) });
        }
        cut.partition()
    }

    /// The one outcome of all addresses, if there is one.
    pub(super) fn whole(&self) -> Option<Outcome> {
        match &*self.leaves {
            [only] => Some(only.outcome),
            _ => None,
        }
    }

    /// The leaf this address lies in.
    #[inline]
    pub(super) fn find(&self, position: u128) -> Leaf {
        let behind = self.starts.partition_point(|start| *start <= position);
        // Entry 0 starts at address 0, so `behind` is at least 1.
        self.leaves[behind.saturating_sub(1)]
    }
}

/// A rule's prefix in the one space.
#[derive(Debug, Clone, Copy)]
struct Prefix {
    start: u128,
    len: u8,
    outcome: Outcome,
}

impl Prefix {
    fn of(network: IpNet, outcome: Outcome) -> Self {
        let family_bits = if matches!(network, IpNet::V4(_)) { 96 } else { 0 };
        Self { start: position_of(network.network()), len: network.prefix_len() + family_bits, outcome }
    }
}

/// Leaves written in rising order.
#[derive(Default)]
struct Cut {
    starts: Vec<u128>,
    leaves: Vec<Leaf>,
}

impl Cut {
    /// Writes the leaves of the prefix `start/len`, whose rules are `tiers` (sorted, all within it);
    /// `inherited` is what shorter prefixes of each tier say.
    fn node(&mut self, start: u128, len: u8, mut tiers: [&[Prefix]; TIERS], mut inherited: [Outcome; TIERS]) {
        for (prefixes, said) in tiers.iter_mut().zip(&mut inherited) {
            if let Some((own, deeper)) = prefixes.split_first()
                && own.len == len
            {
                (*prefixes, *said) = (deeper, own.outcome);
            }
        }
        // Where a tier speaks for all of the prefix, the next ones are not asked.
        if let Some(tier) = (0..TIERS).find(|tier| !tiers[*tier].is_empty() || inherited[*tier] != 0)
            && tiers[tier].is_empty()
        {
            tiers = [&[]; TIERS];
        }
        if tiers.iter().all(|prefixes| prefixes.is_empty()) || len >= 128 {
            let outcome = inherited.into_iter().find(|said| *said != 0).unwrap_or(0);
            return self.push(start, Leaf { len, outcome });
        }
        let upper = start | 1 << (127 - len);
        let halves = tiers.map(|prefixes| prefixes.split_at(prefixes.partition_point(|prefix| prefix.start < upper)));
        self.node(start, len + 1, halves.map(|(low, _)| low), inherited);
        self.node(upper, len + 1, halves.map(|(_, high)| high), inherited);
    }

    /// Writes the next leaf; two halves with one outcome are one prefix.
    fn push(&mut self, mut start: u128, mut leaf: Leaf) {
        while let (Some(before), Some(last)) = (self.starts.last(), self.leaves.last())
            && leaf.len > 0
            && *last == leaf
            && *before ^ start == 1 << (128 - u32::from(leaf.len))
        {
            start = *before;
            leaf.len -= 1;
            self.starts.pop();
            self.leaves.pop();
        }
        self.starts.push(start);
        self.leaves.push(leaf);
    }

    fn partition(self) -> Partition {
        Partition { starts: self.starts.into_boxed_slice(), leaves: self.leaves.into_boxed_slice() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn slow(rules: &[(IpNet, Outcome)], address: IpAddr) -> Outcome {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
            v4 => v4,
        };
        let mut best: Option<(u8, Outcome)> = None;
        for (network, outcome) in rules {
            if network.contains(&address) && best.is_none_or(|(len, _)| network.prefix_len() > len) {
                best = Some((network.prefix_len(), *outcome));
            }
        }
        best.map_or(0, |(_, outcome)| outcome)
    }

    fn network() -> impl Strategy<Value = IpNet> {
        prop_oneof![
            (0u32..64, 0u8..=32)
                .prop_map(|(bits, len)| IpNet::new(Ipv4Addr::from(bits << 26 | bits).into(), len).unwrap().trunc()),
            (0u128..64, 0u8..=128)
                .prop_map(|(bits, len)| IpNet::new(Ipv6Addr::from(bits << 122 | bits).into(), len).unwrap().trunc()),
        ]
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0u32..64, 0u32..64).prop_map(|(high, low)| Ipv4Addr::from(high << 26 | low).into()),
            (0u128..64, 0u128..64).prop_map(|(high, low)| Ipv6Addr::from(high << 122 | low).into()),
            (0u32..64).prop_map(|high| Ipv4Addr::from(high << 26).to_ipv6_mapped().into()),
        ]
    }

    /// One tier alone.
    fn by_network(rules: &[(IpNet, Outcome)]) -> Partition {
        Partition::new([rules.to_vec(), Vec::new(), Vec::new()])
    }

    fn is_tight(partition: &Partition) {
        let mut next = Some(0u128);
        for (start, leaf) in partition.starts.iter().zip(&partition.leaves) {
            assert_eq!(Some(*start), next);
            next = if leaf.len == 0 { None } else { start.checked_add(1 << (128 - u32::from(leaf.len))) };
            if leaf.len > 0 {
                let sibling = partition.find(start ^ (1 << (128 - u32::from(leaf.len))));
                assert!((sibling.len, sibling.outcome) != (leaf.len, leaf.outcome));
            }
        }
        assert_eq!(next, None);
    }

    proptest! {
        #[test]
        fn it_finds_the_longest_matching_prefix(
            rules in proptest::collection::vec((network(), 0u16..4), 0..12), addresses in proptest::collection::vec(address(), 32)
        ) {
            let partition = by_network(&rules);
            for address in addresses {
                prop_assert_eq!(partition.find(position_of(address)).outcome, slow(&rules, address), "{}", address);
            }
        }

        #[test]
        fn the_first_tier_that_says_something_wins(
            tiers in proptest::array::uniform3(proptest::collection::vec((network(), 1u16..4), 0..6)),
            addresses in proptest::collection::vec(address(), 32)
        ) {
            let partition = Partition::new(tiers.clone());
            is_tight(&partition);
            for address in addresses {
                let expected = tiers.iter().map(|rules| slow(rules, address)).find(|said| *said != 0).unwrap_or(0);
                prop_assert_eq!(partition.find(position_of(address)).outcome, expected, "{}", address);
            }
        }

        #[test]
        fn leaves_are_disjoint_cover_everything_and_cannot_be_merged(rules in proptest::collection::vec((network(), 0u16..3), 0..12)) {
            is_tight(&by_network(&rules));
        }

        #[test]
        fn a_relabelled_partition_is_the_one_cut_by_the_new_labels(
            rules in proptest::collection::vec((network(), 1u16..5), 0..12), labels in proptest::array::uniform5(0u16..3)
        ) {
            let told: Vec<_> = rules.iter().map(|(network, outcome)| (*network, labels[usize::from(*outcome)])).collect();
            let relabelled = by_network(&rules).relabelled(|outcome| if outcome == 0 { 0 } else { labels[usize::from(outcome)] });
            is_tight(&relabelled);
            prop_assert_eq!(relabelled, by_network(&told));
        }
    }

    #[test]
    fn without_rules_the_space_is_one_leaf() {
        let partition = by_network(&[]);
        assert_eq!(partition.whole(), Some(0));
        assert_eq!(partition.find(u128::MAX), Leaf { len: 0, outcome: 0 });
        let everybody = ["0.0.0.0/0", "::/0"].map(|text| (text.parse().unwrap(), 7));
        assert_eq!(by_network(&everybody).whole(), Some(7));
    }

    #[test]
    fn adjacent_prefixes_with_one_outcome_become_one() {
        let rules = ["10.0.0.0/9", "10.128.0.0/9"].map(|text| (text.parse().unwrap(), 1));
        let leaf = by_network(&rules).find(position_of("10.200.0.1".parse().unwrap()));
        assert_eq!(leaf, Leaf { len: 96 + 8, outcome: 1 });
    }
}

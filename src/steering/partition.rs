//! CIDR rules as a partition of address space: every address lies in exactly one prefix (§1.7).
//!
//! A sorted array of maximal disjoint prefixes with one outcome each, found by binary search. The
//! length of the prefix found is what the rules contribute to the ECS scope: around the client, no
//! shorter one has a single outcome. Both families share the space described in `key`.

use super::key::{MAPPED, position_of};
use ipnet::IpNet;

/// What is done for clients in a prefix; opaque here.
pub(super) type Outcome = u16;

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
    /// Cuts the space by `networks`; the longest prefix wins, among equal ones the first given.
    pub(super) fn new(networks: impl IntoIterator<Item = (IpNet, Outcome)>, default: Outcome) -> Self {
        let mut prefixes: Vec<Prefix> =
            networks.into_iter().map(|(network, outcome)| Prefix::of(network, outcome)).collect();
        if !prefixes.is_empty() {
            // Rules for IPv6 do not reach IPv4 clients, although their addresses lie inside `::/0`.
            prefixes.push(Prefix { start: MAPPED, len: 96, outcome: default });
        }
        // Stable: rules given first stay first among equal prefixes.
        prefixes.sort_by_key(|prefix| (prefix.start, prefix.len));
        prefixes.dedup_by_key(|prefix| (prefix.start, prefix.len));
        let mut cut = Cut { starts: Vec::new(), leaves: Vec::new() };
        cut.node(0, 0, &prefixes, default);
        Self { starts: cut.starts.into_boxed_slice(), leaves: cut.leaves.into_boxed_slice() }
    }

    /// The leaf this address lies in.
    #[inline]
    pub(super) fn find(&self, position: u128) -> Leaf {
        let behind = self.starts.partition_point(|start| *start <= position);
        // Entry 0 starts at address 0, so `behind` is at least 1.
        self.leaves[behind.saturating_sub(1)]
    }

    /// Whether all addresses have one outcome.
    #[inline]
    pub(super) fn is_whole(&self) -> bool {
        self.leaves.len() == 1
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
struct Cut {
    starts: Vec<u128>,
    leaves: Vec<Leaf>,
}

impl Cut {
    /// Writes the leaves of the prefix `start/len`, whose rules are `prefixes` (sorted, all within it).
    fn node(&mut self, start: u128, len: u8, prefixes: &[Prefix], inherited: Outcome) {
        let (outcome, deeper) = match prefixes.split_first() {
            Some((own, deeper)) if own.len == len => (own.outcome, deeper),
            _ => (inherited, prefixes),
        };
        if deeper.is_empty() || len >= 128 {
            self.starts.push(start);
            self.leaves.push(Leaf { len, outcome });
            return;
        }
        let upper = start | 1 << (127 - len);
        let (low, high) = deeper.split_at(deeper.partition_point(|prefix| prefix.start < upper));
        let before = self.leaves.len();
        self.node(start, len + 1, low, outcome);
        self.node(upper, len + 1, high, outcome);
        // Two halves with one outcome are one prefix.
        if let [.., a, b] = &self.leaves[..]
            && self.leaves.len() == before + 2
            && a.outcome == b.outcome
        {
            let merged = Leaf { len, outcome: a.outcome };
            self.leaves.truncate(before);
            self.starts.truncate(before);
            self.starts.push(start);
            self.leaves.push(merged);
        }
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

    proptest! {
        #[test]
        fn it_finds_the_longest_matching_prefix(
            rules in proptest::collection::vec((network(), 0u16..4), 0..12), addresses in proptest::collection::vec(address(), 32)
        ) {
            let partition = Partition::new(rules.iter().copied(), 0);
            for address in addresses {
                prop_assert_eq!(partition.find(position_of(address)).outcome, slow(&rules, address), "{}", address);
            }
        }

        #[test]
        fn leaves_are_disjoint_cover_everything_and_cannot_be_merged(rules in proptest::collection::vec((network(), 0u16..3), 0..12)) {
            let partition = Partition::new(rules.iter().copied(), 0);
            let mut next = Some(0u128);
            for (start, leaf) in partition.starts.iter().zip(&partition.leaves) {
                prop_assert_eq!(Some(*start), next);
                next = if leaf.len == 0 { None } else { start.checked_add(1 << (128 - u32::from(leaf.len))) };
                if leaf.len > 0 {
                    let sibling = partition.find(start ^ (1 << (128 - u32::from(leaf.len))));
                    prop_assert!((sibling.len, sibling.outcome) != (leaf.len, leaf.outcome));
                }
            }
            prop_assert_eq!(next, None);
        }
    }

    #[test]
    fn without_rules_the_space_is_one_leaf() {
        let partition = Partition::new([], 7);
        assert!(partition.is_whole());
        assert_eq!(partition.find(u128::MAX), Leaf { len: 0, outcome: 7 });
    }

    #[test]
    fn adjacent_prefixes_with_one_outcome_become_one() {
        let rules = ["10.0.0.0/9", "10.128.0.0/9"].map(|text| (text.parse().unwrap(), 1));
        let leaf = Partition::new(rules, 0).find(position_of("10.200.0.1".parse().unwrap()));
        assert_eq!(leaf, Leaf { len: 96 + 8, outcome: 1 });
    }
}

//! How much of a zone may be edited at run time: it is kept in memory, and compiled with the zone at each update.

use super::edits::{EditedSet, SetKey};
use crate::dns::Name;
use crate::zone::MAX_ZONE_OCTETS;
use std::collections::{BTreeMap, HashSet};

/// Sets edited in one zone, at most.
pub const MAX_EDITS: usize = 100_000;

/// MiB that the sets edited in one zone may take, as counted by [`is_too_much`]: some hundred octets for an address or
/// a challenge, so that it is about as many of those as [`MAX_EDITS`].
pub const MAX_EDIT_MIB: usize = 16;

/// The same in octets.
const MAX_EDIT_OCTETS: usize = MAX_EDIT_MIB << 20;

/// Records of one edited set. Its answer has to fit a message: 1,000 AAAA records are 28,000 octets.
pub const MAX_SET_RECORDS: usize = 1_000;

/// Octets of one edited set's records, the twelve of each one's head included: a message has 65,535, and some
/// are for its question and OPT.
pub const MAX_SET_OCTETS: usize = 60_000;

/// Octets of a record beside its RDATA, when its owner is a pointer.
pub const RECORD_HEAD: usize = 12;

/// Octets that are counted for a name beside itself: its place in the table and what stands before its sets.
const NAME_HEAD: usize = 32;

const _: () = assert!(MAX_SET_RECORDS * (12 + 16) < MAX_SET_OCTETS, "a set of addresses is limited by its number");
const _: () = assert!(
    MAX_ZONE_OCTETS + MAX_EDIT_OCTETS <= u32::MAX as usize,
    "the largest zone of files and all of its edits have offsets of 32 bits"
);

/// The octets of edits, counted one by one.
#[derive(Debug)]
struct Weight<'s> {
    apex: &'s Name,
    /// Owners, and every name between one of them and the apex: each is a node of the compiled zone.
    names: HashSet<&'s [u8]>,
    octets: usize,
}

impl<'s> Weight<'s> {
    fn of(apex: &'s Name) -> Self {
        Self { apex, names: HashSet::new(), octets: 0 }
    }

    /// Adds a set.
    fn add(&mut self, (owner, _): &'s SetKey, set: &EditedSet) {
        self.octets += set.rdatas.iter().map(|rdata| RECORD_HEAD + rdata.len()).sum::<usize>();
        let mut name = owner.wire();
        while name.len() > self.apex.wire().len() && self.names.insert(name) {
            self.octets += NAME_HEAD + name.len();
            let label = name.first().map_or(0, |len| usize::from(*len));
            name = name.get(1 + label..).unwrap_or_default();
        }
    }
}

/// Whether a zone would be edited too much.
#[must_use]
pub fn is_too_much(apex: &Name, sets: &BTreeMap<SetKey, EditedSet>) -> bool {
    let mut weight = Weight::of(apex);
    sets.iter().for_each(|(key, set)| weight.add(key, set));
    sets.len() > MAX_EDITS || weight.octets > MAX_EDIT_OCTETS
}

/// As many of a zone's edits as it may have, in their order, and how many are left out.
#[must_use]
pub fn within_bounds(apex: &Name, mut sets: BTreeMap<SetKey, EditedSet>) -> (BTreeMap<SetKey, EditedSet>, usize) {
    let mut weight = Weight::of(apex);
    let mut count = 0;
    for (key, set) in sets.iter().take(MAX_EDITS) {
        weight.add(key, set);
        if weight.octets > MAX_EDIT_OCTETS {
            break;
        }
        count += 1;
    }
    let Some(first_over) = sets.keys().nth(count).cloned() else { return (sets, 0) };
    let over = sets.split_off(&first_over).len();
    (sets, over)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::RecordType;

    fn set(octets: usize) -> EditedSet {
        EditedSet { ttl: 60, rdatas: vec![vec![0; octets].into()], at_unix_ms: 0, by: String::new() }
    }

    fn sets(owners: impl Iterator<Item = String>, octets: usize) -> BTreeMap<SetKey, EditedSet> {
        owners.map(|owner| ((owner.parse().unwrap(), RecordType::TXT), set(octets))).collect()
    }

    #[test]
    fn usual_edits_are_limited_by_their_number_and_large_ones_by_their_octets() {
        let apex: Name = "example.test".parse().unwrap();
        let challenges = |count: usize| sets((0..count).map(|n| format!("_acme-challenge.n{n}.example.test")), 44);
        assert!(!is_too_much(&apex, &challenges(80_000)));
        let large = |count: usize| sets((0..count).map(|n| format!("n{n}.example.test")), 59_000);
        assert!(!is_too_much(&apex, &large(280)) && is_too_much(&apex, &large(290)));
        // Each of 120 labels is a name of the compiled zone.
        let deep = |count: usize| sets((0..count).map(|n| format!("{}n{n}.example.test", "a.".repeat(110))), 1);
        assert!(!is_too_much(&apex, &deep(500)) && is_too_much(&apex, &deep(1_000)));
        let (kept, over) = within_bounds(&apex, large(300));
        assert!(!is_too_much(&apex, &kept) && kept.len() + over == 300 && over > 0, "{over}");
        let (kept, over) = within_bounds(&apex, large(3));
        assert_eq!((kept.len(), over), (3, 0));
    }
}

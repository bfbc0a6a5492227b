//! The table of a zone: from the hash of a name to where it lies.

/// Open addressing with linear probing: half of each slot is a piece of the hash, half an offset.
#[derive(Debug, Default, Clone)]
pub(super) struct Slots {
    /// `hash piece << 32 | offset`; 0 is free. A power of two of them.
    slots: Box<[u64]>,
    /// How many are taken.
    taken: usize,
}

impl Slots {
    /// Room for `count` entries, at most four fifths full.
    pub(super) fn with_room(count: usize) -> Self {
        let len = (count + count / 4 + 2).next_power_of_two();
        Self { slots: vec![0; len].into_boxed_slice(), taken: 0 }
    }

    /// Whether another entry would leave less than a fifth free.
    pub(super) fn is_full(&self) -> bool {
        (self.taken + 1) * 5 > self.slots.len() * 4
    }

    /// Adds an offset, which must not be 0.
    pub(super) fn insert(&mut self, hash: u64, offset: u32) {
        let mask = self.slots.len() - 1;
        let mut at = first_slot(hash, mask);
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = entry(hash, offset);
        self.taken += 1;
    }

    /// Puts another offset in the place of one that is in under this hash.
    pub(super) fn replace(&mut self, hash: u64, old: u32, new: u32) -> Option<()> {
        let at = self.place_of(hash, old)?;
        self.slots[at] = entry(hash, new);
        Some(())
    }

    /// Takes an offset out, closing the gap with those behind it, so that no search ends too early. `hashes` says
    /// under which an offset may be in. `None`: it was not found, or where another belongs cannot be told.
    pub(super) fn remove(&mut self, hash: u64, offset: u32, hashes: impl Fn(u32) -> [Option<u64>; 2]) -> Option<()> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut gap = self.place_of(hash, offset)?;
        let mut at = (gap + 1) & mask;
        while self.slots[at] != 0 {
            let slot = self.slots[at];
            #[allow(clippy::cast_possible_truncation)] // the lower half of a slot is the offset
            let known = hashes(slot as u32).into_iter().flatten();
            let mut homes = known.filter(|hash| (slot ^ hash) >> 32 == 0).map(|hash| first_slot(hash, mask));
            let (Some(home), None) = (homes.next(), homes.next()) else { return None };
            // Between its home and here lies the gap: a search for it would end there.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(gap) & mask {
                self.slots[gap] = self.slots[at];
                gap = at;
            }
            at = (at + 1) & mask;
        }
        self.slots[gap] = 0;
        self.taken -= 1;
        Some(())
    }

    /// Where an offset stands that is in under this hash.
    fn place_of(&self, hash: u64, offset: u32) -> Option<usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let around = (0..=mask).map(|step| first_slot(hash, mask).wrapping_add(step) & mask);
        let mut taken = around.take_while(|at| self.slots[*at] != 0);
        taken.find(|at| self.slots[*at] == entry(hash, offset))
    }

    /// Octets of memory it takes.
    pub(super) fn memory_octets(&self) -> usize {
        size_of_val(&*self.slots)
    }

    /// What `visit` makes of the first offset it accepts, of those that may belong to this hash.
    pub(super) fn find<T>(&self, hash: u64, mut visit: impl FnMut(u32) -> Option<T>) -> Option<T> {
        let (mut offset, mut next) = self.first(hash)?;
        loop {
            if let Some(found) = visit(offset) {
                return Some(found);
            }
            (offset, next) = self.candidate(hash, next)?;
        }
    }

    /// The first offset that may belong to this hash, nearly always the one, and where to go on.
    #[inline(always)]
    pub(super) fn first(&self, hash: u64) -> Option<(u32, usize)> {
        self.candidate(hash, first_slot(hash, self.slots.len().wrapping_sub(1)))
    }

    /// The first offset from a slot on that may belong to this hash, and the slot behind it.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // the lower half of a slot is the offset
    fn candidate(&self, hash: u64, from: usize) -> Option<(u32, usize)> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = from;
        loop {
            let slot = *self.slots.get(at)?;
            at = (at + 1) & mask;
            if (slot ^ hash) >> 32 == 0 && slot != 0 {
                return Some((slot as u32, at));
            }
            if slot == 0 {
                return None;
            }
        }
    }
}

/// A slot that is taken.
fn entry(hash: u64, offset: u32) -> u64 {
    (hash & !u64::from(u32::MAX)) | u64::from(offset)
}

/// Where probing begins. The lower half of the hash picks the slot, the upper half is compared.
#[inline]
#[allow(clippy::cast_possible_truncation)] // masked to the table's length
fn first_slot(hash: u64, mask: usize) -> usize {
    hash as usize & mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Few places and few pieces, so that entries stand close.
    fn hash_of(offset: u32) -> u64 {
        u64::from(offset % 7) << 32 | u64::from(offset * 5 % 13)
    }

    proptest! {
        #[test]
        fn what_is_in_is_found_whatever_was_taken_out(steps in vec((1u32..24, 0u8..3), 1..80)) {
            let mut slots = Slots::with_room(24);
            // Under the hash of which offset each is in.
            let mut known = std::collections::BTreeMap::new();
            for (offset, step) in steps {
                let moved = offset + 7 * 13;
                let is_in = known.get(&offset).copied();
                match (step, is_in) {
                    (0, None) => {
                        prop_assert!(!slots.is_full());
                        slots.insert(hash_of(offset), offset);
                        known.insert(offset, offset);
                    }
                    (1, Some(now)) => {
                        let next = if now == offset { moved } else { offset };
                        prop_assert!(slots.replace(hash_of(offset), now, next).is_some());
                        known.insert(offset, next);
                    }
                    (2, Some(now)) => {
                        prop_assert!(slots.remove(hash_of(offset), now, |at| [Some(hash_of(at)), None]).is_some());
                        known.remove(&offset);
                    }
                    (_, None) => {
                        prop_assert!(slots.replace(hash_of(offset), offset, moved).is_none());
                        prop_assert!(slots.remove(hash_of(offset), offset, |at| [None, Some(hash_of(at))]).is_none());
                    }
                    _ => {}
                }
                for offset in 1..24 {
                    let found = [offset, offset + 7 * 13].map(|at| slots.find(hash_of(at), |found| (found == at).then_some(at)));
                    prop_assert_eq!(found.into_iter().flatten().next(), known.get(&offset).copied());
                }
                prop_assert_eq!(slots.taken, known.len());
            }
        }
    }
}

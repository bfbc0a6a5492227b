//! The table of a zone: from the hash of a name to where it lies.

/// Open addressing with linear probing: half of each slot is a piece of the hash, half an offset.
#[derive(Debug, Default, Clone)]
pub(super) struct Slots {
    /// `hash piece << 32 | offset`; 0 is free. A power of two of them.
    slots: Box<[u64]>,
}

impl Slots {
    /// Room for `count` entries, at most four fifths full.
    pub(super) fn with_room(count: usize) -> Self {
        let len = (count + count / 4 + 2).next_power_of_two();
        Self { slots: vec![0; len].into_boxed_slice() }
    }

    /// Adds an offset, which must not be 0.
    pub(super) fn insert(&mut self, hash: u64, offset: u32) {
        let mask = self.slots.len() - 1;
        let mut at = first_slot(hash, mask);
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = (hash & !u64::from(u32::MAX)) | u64::from(offset);
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

/// Where probing begins. The lower half of the hash picks the slot, the upper half is compared.
#[inline]
#[allow(clippy::cast_possible_truncation)] // masked to the table's length
fn first_slot(hash: u64, mask: usize) -> usize {
    hash as usize & mask
}

//! All zones of the server, and which of them a name belongs to.

use super::lookup::NameHash;
use super::table::Slots;
use super::{SteerId, Zone};
use crate::dns::Qname;
use crate::dns::qname::ROOT_HASH;
use std::sync::Arc;

/// Zones by apex. A zone's index is its place in the list it was built from.
#[derive(Debug, Default)]
pub struct ZoneSet {
    zones: Vec<Arc<Zone>>,
    /// For each zone the number of its first steered name.
    first_steered: Vec<u32>,
    /// Zones by hash of the apex: index + 1.
    slots: Slots,
    /// Bit n: some apex has n labels. Only suffixes of these lengths are worth a probe.
    depths: u128,
}

/// The zone a name belongs to, with the hashes that finding it yielded.
#[derive(Debug, Clone, Copy)]
pub struct Located<'s> {
    /// The zone.
    pub zone: &'s Zone,
    /// Its index.
    pub index: u32,
    /// Of the name that was looked for.
    pub hash: NameHash,
    /// The number of the zone's first steered name.
    first_steered: u32,
}

impl Located<'_> {
    /// A steered name of this zone among those of all zones.
    #[must_use]
    #[inline]
    pub fn steered(&self, id: SteerId) -> SteerId {
        SteerId(self.first_steered + id.0)
    }
}

impl ZoneSet {
    /// Gathers zones whose steered names are numbered over all of them.
    #[must_use]
    pub fn build(zones: Vec<Arc<Zone>>) -> Self {
        Self::with_steered(zones.into_iter().map(|zone| (zone, 0)).collect())
    }

    /// Gathers zones whose steered names are numbered from 0 in each, with what to add to that; of two
    /// zones with one apex the first is found.
    ///
    /// # Panics
    /// With more than four milliard zones.
    #[must_use]
    pub fn with_steered(zones: Vec<(Arc<Zone>, u32)>) -> Self {
        let (zones, first_steered): (Vec<_>, Vec<_>) = zones.into_iter().unzip();
        let mut slots = Slots::with_room(zones.len());
        let mut depths = 0;
        for (number, zone) in (1u32..).zip(&zones) {
            slots.insert(zone.apex_hash, number);
            depths |= 1 << zone.apex_labels;
        }
        assert!(u32::try_from(zones.len()).is_ok(), "zones are fewer than 2^32");
        Self { zones, first_steered, slots, depths }
    }

    /// The zone with the longest apex at or above a name (RFC 1034 §4.3.2 step 2).
    #[must_use]
    #[inline]
    pub fn find(&self, qname: &Qname) -> Option<Located<'_>> {
        self.search(qname, 0)
    }

    /// As [`ZoneSet::find`], but only apexes at least `skip` labels above the name.
    #[must_use]
    pub fn find_above(&self, qname: &Qname, skip: usize) -> Option<Located<'_>> {
        self.search(qname, skip)
    }

    #[inline]
    fn search(&self, qname: &Qname, skip: usize) -> Option<Located<'_>> {
        let mut hash = NameHash { own: ROOT_HASH, parent: ROOT_HASH };
        let mut depths = self.depths;
        let mut found = None;
        let mut left = qname.label_count();
        loop {
            if depths & 1 != 0 && left >= skip {
                found = self.zone(hash.own, qname, left).or(found);
            }
            if left == 0 {
                break;
            }
            left -= 1;
            depths >>= 1;
            hash = NameHash { own: qname.add_label(hash.own, left), parent: hash.own };
        }
        let (zone, index) = found?;
        let first_steered = *self.first_steered.get(index as usize)?;
        Some(Located { zone, index, hash, first_steered })
    }

    /// The zone whose apex is this name without its first `skip` labels.
    #[inline]
    fn zone(&self, hash: u64, qname: &Qname, skip: usize) -> Option<(&Zone, u32)> {
        let at = qname.start(skip);
        let len = qname.wire_len() - at;
        let mut numbers = self.slots.candidates(hash).map(|number| number - 1);
        numbers.find_map(|index| {
            let zone = &**self.zones.get(index as usize)?;
            (zone.apex_len == len && qname.has_at(at, len, &zone.padded_apex)).then_some((zone, index))
        })
    }

    /// Every zone, by index.
    #[must_use]
    pub fn zones(&self) -> &[Arc<Zone>] {
        &self.zones
    }
}

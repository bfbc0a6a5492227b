//! All zones of the server, and which of them a name belongs to.

use super::slots::Slots;
use super::{SteerId, Zone};
use crate::dns::{Name, Qname};
use std::sync::Arc;

/// Zones by apex. A zone's index is its place in the list it was built from.
#[derive(Debug, Default)]
pub struct ZoneSet {
    zones: Vec<Arc<Zone>>,
    /// For each zone the number of its first steered name.
    first_steered: Vec<u32>,
    /// Zones by hash of the apex: index + 1.
    slots: Slots,
    /// How many labels apexes have, falling. Only suffixes of these lengths are worth a probe.
    depths: Vec<usize>,
}

/// The zone a name belongs to, with the hash that finding it led to.
#[derive(Debug, Clone, Copy)]
pub struct Located<'s> {
    /// The zone.
    pub zone: &'s Zone,
    /// Its index.
    pub index: u32,
    /// The hash of the name that was looked for.
    pub hash: u64,
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
        for (number, zone) in (1u32..).zip(&zones) {
            slots.insert(zone.apex_hash, number);
        }
        let mut depths: Vec<usize> = zones.iter().map(|zone: &Arc<Zone>| zone.apex_labels).collect();
        depths.sort_unstable_by(|one, other| other.cmp(one));
        depths.dedup();
        assert!(u32::try_from(zones.len()).is_ok(), "zones are fewer than 2^32");
        Self { zones, first_steered, slots, depths }
    }

    /// The zone with the longest apex at or above a name (RFC 1034 §4.3.2 step 2).
    #[must_use]
    #[inline(always)] // on the way of every query
    pub fn find(&self, qname: &Qname) -> Option<Located<'_>> {
        self.search(qname, 0)
    }

    /// As [`ZoneSet::find`], but only apexes at least `skip` labels above the name.
    #[must_use]
    #[cold]
    pub fn find_above(&self, qname: &Qname, skip: usize) -> Option<Located<'_>> {
        self.search(qname, skip)
    }

    #[inline(always)]
    fn search(&self, qname: &Qname, skip: usize) -> Option<Located<'_>> {
        let labels = qname.label_count();
        for depth in &self.depths {
            let Some(above) = labels.checked_sub(*depth).filter(|above| *above >= skip) else { continue };
            let (mut hashing, at) = (qname.hashing(), qname.start(above));
            if let Some((zone, index)) = self.zone(qname.hash_from(&mut hashing, at), qname, at) {
                return Some(Located { zone, index, hash: qname.hash_from(&mut hashing, 0) });
            }
        }
        None
    }

    /// The zone whose apex is this name from `at` on, and its index.
    #[inline(always)]
    fn zone(&self, hash: u64, qname: &Qname, at: usize) -> Option<(&Zone, u32)> {
        let (number, _) = self.slots.first(hash)?;
        let found = self.zone_if(number, qname, at);
        if found.is_some() { found } else { self.zone_further(hash, qname, at) }
    }

    /// [`ZoneSet::zone`] where more than one apex may have the hash.
    #[cold]
    fn zone_further(&self, hash: u64, qname: &Qname, at: usize) -> Option<(&Zone, u32)> {
        self.slots.find(hash, |number| self.zone_if(number, qname, at))
    }

    /// This zone (counted from 1) with its index, if its apex is the name from `at` on.
    #[inline(always)]
    fn zone_if(&self, number: u32, qname: &Qname, at: usize) -> Option<(&Zone, u32)> {
        let index = number.wrapping_sub(1);
        let zone = &**self.zones.get(index as usize)?;
        let apex = zone.apex.wire();
        if apex.len() == qname.wire_len() - at && qname.has_at(at, apex) { Some((zone, index)) } else { None }
    }

    /// A steered name of one zone among those of all zones.
    #[must_use]
    #[inline]
    pub fn steered(&self, located: &Located<'_>, id: SteerId) -> SteerId {
        SteerId(self.first_steered.get(located.index as usize).map_or(id.0, |first| first + id.0))
    }

    /// The same zones with another version of one, by index.
    #[must_use]
    pub fn with(&self, index: u32, zone: Arc<Zone>) -> Self {
        let mut zones = self.zones.clone();
        if let Some(place) = zones.get_mut(index as usize) {
            *place = zone;
        }
        Self {
            zones,
            first_steered: self.first_steered.clone(),
            slots: self.slots.clone(),
            depths: self.depths.clone(),
        }
    }

    /// The zone with this apex.
    ///
    /// # Panics
    /// Never: names are in wire form.
    #[must_use]
    pub fn of_apex(&self, apex: &Name) -> Option<&Arc<Zone>> {
        let mut qname = Qname::default();
        qname.set(apex.wire()).expect("a name is in wire form");
        let (_, index) = self.zone(qname.suffix_hash(0), &qname, 0)?;
        self.zones.get(index as usize)
    }

    /// Every zone, by index.
    #[must_use]
    pub fn zones(&self) -> &[Arc<Zone>] {
        &self.zones
    }
}

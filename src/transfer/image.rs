//! A zone as secondaries see it at one serial: the static records, and of each switch the records of one pool.
//!
//! Pins and explanations are left out: a secondary could answer neither as they are meant. Records are
//! pieces of compiled sets, owned by a pointer that is replaced when they are written. An image shares
//! everything with the snapshot it was made from but is none, so that a slow transfer holds no view.

use crate::dns::{RecordType, serial};
use crate::snapshot::{OwnerRole, Snapshot};
use crate::steering::CompiledSwitch;
use crate::zone::{Located, Node, RrsetRef, Zone};
use std::collections::HashMap;
use std::sync::Arc;

/// Octets of a record before its RDATA.
const RECORD_HEAD: usize = 12;

/// What secondaries see of a zone.
#[derive(Debug)]
pub(super) struct Image {
    /// The serial it is transferred with.
    pub(super) serial: u32,
    /// The static records.
    pub(super) zone: Arc<Zone>,
    /// The steered names.
    layout: Arc<Layout>,
    /// The switch of each, in the order of the layout.
    switches: Vec<Arc<CompiledSwitch>>,
}

/// The names of a zone whose records a switch decides, in the order they stand.
#[derive(Debug)]
pub(super) struct Layout {
    steered: Vec<Steered>,
    /// Places in `steered`, by number within the zone.
    places: HashMap<u32, usize>,
}

/// A steered name.
#[derive(Debug)]
struct Steered {
    /// Relative to the apex.
    relative: Box<[u8]>,
    /// Index of its switch in the snapshot the layout was made from.
    switch: u32,
    /// Its static records: types that its switch does not decide.
    statics: Vec<(RecordType, Box<[u8]>)>,
}

/// Records of one owner and type: the owner relative to the apex, the records as they are compiled.
pub(super) type Set<'i> = (&'i [u8], &'i [u8]);

impl Layout {
    /// The steered names of the zone of this index.
    fn of(snapshot: &Snapshot, index: u32, zone: &Zone) -> Self {
        let located = Located { zone, index, hash: 0 };
        let (mut steered, mut places) = (Vec::new(), HashMap::new());
        for node in zone.nodes() {
            let Some(id) = node.steered() else { continue };
            let global = snapshot.zones.steered(&located, id);
            let Some(owner) = snapshot.owners.get(global.0 as usize) else { continue };
            if owner.role == OwnerRole::Owner {
                places.insert(id.0, steered.len());
                let statics = node.rrsets().filter(|rrset| rrset.rtype != RecordType::SOA);
                let statics = statics.map(|rrset| (rrset.rtype, rrset.wire.into())).collect();
                steered.push(Steered { relative: node.relative().into(), switch: owner.switch, statics });
            }
        }
        Self { steered, places }
    }
}

impl Image {
    /// The zone of this index as of a snapshot; what it shares with the image before is taken from there.
    pub(super) fn of(snapshot: &Snapshot, index: u32, serial: u32, before: Option<&Self>) -> Option<Self> {
        let zone = snapshot.zones.zones().get(index as usize)?;
        // Where a zone's own data stays, a reload may still have moved its switches.
        let layout = before
            .filter(|before| Arc::ptr_eq(&before.zone, zone) && before.knows_switches_of(snapshot))
            .map_or_else(|| Arc::new(Layout::of(snapshot, index, zone)), |before| Arc::clone(&before.layout));
        let switches: Option<Vec<_>> =
            layout.steered.iter().map(|steered| snapshot.switches.at(steered.switch).cloned()).collect();
        Some(Self { serial, zone: Arc::clone(zone), switches: switches?, layout })
    }

    /// Of a zone whose steered names belong to no switch.
    #[cfg(test)]
    pub(super) fn of_static_data(serial: u32, zone: Zone) -> Self {
        let layout = Arc::new(Layout { steered: Vec::new(), places: HashMap::new() });
        Self { serial, zone: Arc::new(zone), layout, switches: Vec::new() }
    }

    /// Whether the indices of the layout mean the same switches in this snapshot.
    fn knows_switches_of(&self, snapshot: &Snapshot) -> bool {
        let same = |(steered, known): (&Steered, &Arc<CompiledSwitch>)| {
            snapshot.switches.at(steered.switch).is_some_and(|switch| switch.name() == known.name())
        };
        self.layout.steered.iter().zip(&self.switches).all(same)
    }

    /// Whether both are made of the same static data.
    pub(super) fn shares_data(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.zone, &other.zone) && Arc::ptr_eq(&self.layout, &other.layout)
    }

    /// The SOA record with the serial of this image, owned by a pointer.
    pub(super) fn soa(&self) -> Option<Vec<u8>> {
        let soa = self.zone.nodes().next()?.rrset(RecordType::SOA)?;
        let mut record = soa.wire.to_vec();
        serial::put_into_soa(&mut record, self.serial)?;
        Some(record)
    }

    /// Every set but the SOA record.
    pub(super) fn sets(&self) -> impl Iterator<Item = Set<'_>> {
        self.sets_where(|_, _| true)
    }

    /// The sets that another image of the zone does not have, and some that it has: those of steered names.
    pub(super) fn sets_unlike<'i>(&'i self, other: &'i Self) -> impl Iterator<Item = Set<'i>> {
        self.sets_where(|node, rrset| {
            let namesake = other.zone.namesake(node).filter(|namesake| !namesake.is_steered());
            namesake.and_then(|namesake| namesake.rrset(rrset.rtype)) != Some(*rrset)
        })
    }

    /// The sets of steered names, and of the static ones those that are wanted; never the SOA record.
    fn sets_where<'i>(
        &'i self,
        is_wanted: impl Fn(&Node<'i>, &RrsetRef<'i>) -> bool + Copy + 'i,
    ) -> impl Iterator<Item = Set<'i>> {
        self.zone.nodes().flat_map(move |node| {
            let place = node.steered().map(|id| self.layout.places.get(&id.0));
            let (statics, steered) = match place {
                Some(None) => (None, None),
                Some(Some(place)) => (None, Some(self.steered_sets(*place))),
                None => {
                    let plain = node.rrsets().filter(|rrset| rrset.rtype != RecordType::SOA);
                    let plain = plain.filter(move |rrset| is_wanted(&node, rrset));
                    (Some(plain.map(move |rrset| (node.relative(), rrset.wire))), None)
                }
            };
            statics.into_iter().flatten().chain(steered.into_iter().flatten())
        })
    }

    /// The sets of one steered name: those of the pool that is transferred, and static ones of types that
    /// no pool has.
    pub(super) fn steered_sets(&self, place: usize) -> impl Iterator<Item = Set<'_>> {
        let known = self.layout.steered.get(place).zip(self.switches.get(place));
        known.into_iter().flat_map(|(steered, switch)| {
            let relative = &*steered.relative;
            let statics = steered.statics.iter().filter(|(rtype, _)| !switch.carries(*rtype));
            let pool = switch.transferred().map(|(_, pool)| pool);
            let sets = pool.into_iter().flat_map(|pool| pool.sets.iter()).map(move |set| (relative, set.records.all()));
            statics.map(move |(_, wire)| (relative, &**wire)).chain(sets)
        })
    }

    /// The places of steered names whose switch is another object in two images that share their data.
    pub(super) fn places_that_differ<'i>(&'i self, other: &'i Self) -> impl Iterator<Item = usize> + 'i {
        let pairs = self.switches.iter().zip(&other.switches).enumerate();
        pairs.filter(|(_, (one, two))| !Arc::ptr_eq(one, two)).map(|(place, _)| place)
    }
}

/// The records of a set, one by one.
pub(super) fn records(mut wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_be_bytes(*wire.get(10..)?.first_chunk()?));
        let (record, rest) = wire.split_at_checked(RECORD_HEAD + len)?;
        wire = rest;
        Some(record)
    })
}

//! A zone with the changes of an update made so far (RFC 2136 §3.2 and §3.4.2).
//!
//! Sets are copied when they are first changed, and changed in place from then on: an update has up to some five
//! thousand changes, and the sets they are about have a thousand records.

use super::UpdateRefusal;
use crate::dns::update::{Edit, Prerequisite};
use crate::dns::{Name, RecordType, serial};
use crate::state::apply::Decide;
use crate::state::definitions::ZoneDefinition;
use crate::state::edit_bounds::{MAX_SET_OCTETS, MAX_SET_RECORDS, RECORD_HEAD};
use crate::state::edits::{EditedSet, SetKey, stand_apart, with_serial};
use crate::state::update_rules::Grants;
use crate::zone::Zone;
use std::collections::{BTreeMap, BTreeSet};

/// Ignored changes that are told one by one.
const TOLD: usize = 5;

/// A set in the making; without records it is the default, whatever it had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Set {
    ttl: u32,
    rdatas: BTreeSet<Box<[u8]>>,
}

/// A zone with the changes made so far.
pub(super) struct Draft<'a> {
    zone: &'a Zone,
    apex: &'a Name,
    /// The serial at this point.
    serial: u32,
    /// Sets that may differ from the zone's, by owner; empty ones are gone.
    changed: BTreeMap<Name, BTreeMap<RecordType, Set>>,
}

/// Changes that RFC 2136 has ignored: the first few, and how many more.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    told: Vec<String>,
    more: usize,
}

impl Ignored {
    /// Takes note of one.
    fn add(&mut self, why: impl FnOnce() -> String) {
        if self.told.len() < TOLD { self.told.push(why()) } else { self.more += 1 }
    }

    /// All of them in words.
    pub(super) fn into_notes(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("{} more changes of this update were ignored", self.more));
        }
        self.told
    }
}

impl<'a> Draft<'a> {
    /// A zone as it is served, with its serial.
    pub(super) fn of(zone: &'a Zone, apex: &'a Name, serial: u32) -> Self {
        Self { zone, apex, serial, changed: BTreeMap::new() }
    }

    /// The serial at this point: as served, or what the update wants.
    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    /// Whether a switch decides a name.
    pub(super) fn is_steered(&self, name: &Name) -> bool {
        self.zone.node_of(name).is_some_and(|node| node.is_steered())
    }

    /// A set as it was before any change.
    fn stored(&self, owner: &Name, rtype: RecordType) -> Set {
        set_of(self.zone, self.serial, owner, rtype)
    }

    /// A set to change.
    fn set_mut(&mut self, owner: &Name, rtype: RecordType) -> &mut Set {
        let (zone, serial) = (self.zone, self.serial);
        let sets = self.changed.entry(owner.clone()).or_default();
        sets.entry(rtype).or_insert_with(|| set_of(zone, serial, owner, rtype))
    }

    /// Whether a set has records at this point.
    fn has(&self, owner: &Name, rtype: RecordType) -> bool {
        match self.changed.get(owner).and_then(|sets| sets.get(&rtype)) {
            Some(set) => !set.rdatas.is_empty(),
            None => self.zone.rrset_of(owner, rtype).is_some(),
        }
    }

    /// The types a name has at this point.
    fn types(&self, owner: &Name) -> impl Iterator<Item = RecordType> {
        let changed = self.changed.get(owner);
        let stored = self.zone.node_of(owner).into_iter().flat_map(|node| node.rrsets()).map(|set| set.rtype);
        let untouched = stored.filter(move |rtype| changed.is_none_or(|sets| !sets.contains_key(rtype)));
        let made = changed.into_iter().flatten().filter(|(_, set)| !set.rdatas.is_empty()).map(|(rtype, _)| *rtype);
        untouched.chain(made)
    }

    /// Whether a rule covers what a change is about: of a whole name, everything that is there.
    pub(super) fn permit(&self, edit: &Edit, grants: &Grants, by: &str) -> Result<(), UpdateRefusal> {
        let owner = edit.owner();
        let refused = match edit.rtype() {
            Some(rtype) => Some(rtype).filter(|rtype| !grants.allow(owner, *rtype)),
            None => self.types(owner).find(|rtype| !self.stays(owner, *rtype) && !grants.allow(owner, *rtype)),
        };
        refused
            .map_or(Ok(()), |rtype| Err(UpdateRefusal::NotAllowed { by: by.to_owned(), owner: owner.clone(), rtype }))
    }

    /// Whether a set goes neither with its name nor as a whole (§3.4.2.3): SOA and NS of the apex.
    fn stays(&self, owner: &Name, rtype: RecordType) -> bool {
        owner == self.apex && matches!(rtype, RecordType::SOA | RecordType::NS)
    }

    /// Holds what must hold (RFC 2136 §3.2), before anything is changed.
    pub(super) fn require(&self, prerequisites: &[Prerequisite]) -> Result<(), UpdateRefusal> {
        let is_used = |name: &Name| self.is_steered(name) || self.types(name).next().is_some();
        let mut expected: BTreeMap<SetKey, BTreeSet<Box<[u8]>>> = BTreeMap::new();
        for prerequisite in prerequisites {
            let refused = match prerequisite {
                Prerequisite::NameInUse(name) => (!is_used(name)).then(|| UpdateRefusal::NameUnused(name.clone())),
                Prerequisite::NameUnused(name) => is_used(name).then(|| UpdateRefusal::NameInUse(name.clone())),
                Prerequisite::SetExists(name, rtype) => {
                    (!self.has(name, *rtype)).then(|| UpdateRefusal::SetDiffers(name.clone(), *rtype))
                }
                Prerequisite::SetAbsent(name, rtype) => {
                    self.has(name, *rtype).then(|| UpdateRefusal::SetExists(name.clone(), *rtype))
                }
                Prerequisite::SetHolds(name, rtype, rdata) => {
                    expected.entry((name.clone(), *rtype)).or_default().insert(rdata.clone());
                    None
                }
            };
            if let Some(refused) = refused {
                return Err(refused);
            }
        }
        let differs = expected.into_iter().find(|((name, rtype), rdatas)| self.stored(name, *rtype).rdatas != *rdatas);
        differs.map_or(Ok(()), |((name, rtype), _)| Err(UpdateRefusal::SetDiffers(name, rtype)))
    }

    /// Makes one change (RFC 2136 §3.4.2).
    pub(super) fn make(&mut self, edit: &Edit, ignored: &mut Ignored) -> Result<(), UpdateRefusal> {
        match edit {
            Edit::Add { owner, rtype, ttl, rdata } => self.add(owner, *rtype, *ttl, rdata, ignored)?,
            Edit::DeleteSet(owner, rtype) => self.delete_set(owner, *rtype),
            Edit::DeleteName(owner) => {
                let types: Vec<RecordType> = self.types(owner).collect();
                types.into_iter().for_each(|rtype| self.delete_set(owner, rtype));
            }
            Edit::DeleteRecord(owner, rtype, rdata) => self.delete_record(owner, *rtype, rdata),
        }
        Ok(())
    }

    /// Deletes a record, but for the SOA and the last NS of the apex (§3.4.2.4).
    fn delete_record(&mut self, owner: &Name, rtype: RecordType, rdata: &[u8]) {
        if rtype == RecordType::SOA || !self.has(owner, rtype) {
            return;
        }
        let keeps_one = self.stays(owner, rtype);
        let set = self.set_mut(owner, rtype);
        if keeps_one && set.rdatas.len() == 1 {
            return;
        }
        set.rdatas.remove(rdata);
        if set.rdatas.is_empty() {
            *set = Set::default();
        }
    }

    /// Deletes a set.
    fn delete_set(&mut self, owner: &Name, rtype: RecordType) {
        if !self.stays(owner, rtype) && self.has(owner, rtype) {
            *self.set_mut(owner, rtype) = Set::default();
        }
    }

    /// Adds a record (§3.4.2.2). CNAME and other data are kept apart by ignoring what comes later.
    fn add(
        &mut self,
        owner: &Name,
        rtype: RecordType,
        ttl: u32,
        rdata: &[u8],
        ignored: &mut Ignored,
    ) -> Result<(), UpdateRefusal> {
        if rtype == RecordType::SOA {
            let newer = serial::of_soa(rdata).filter(|new| serial::is_newer(*new, self.serial));
            let (Some(newer), true) = (newer, owner == self.apex) else {
                let why = || format!("the SOA record at {owner} is no newer than the zone's, or not at its apex");
                ignored.add(why);
                return Ok(());
            };
            self.serial = newer;
        }
        let apart = match rtype {
            RecordType::CNAME => self.types(owner).any(|other| stand_apart(rtype, other)),
            _ => stand_apart(rtype, RecordType::CNAME) && self.has(owner, RecordType::CNAME),
        };
        if apart {
            ignored.add(|| format!("{owner} {rtype}: a CNAME stands alone, and something else is there"));
            return Ok(());
        }
        let set = self.set_mut(owner, rtype);
        if matches!(rtype, RecordType::CNAME | RecordType::SOA | RecordType::DNAME) {
            set.rdatas.clear();
        }
        set.rdatas.insert(rdata.into());
        set.ttl = ttl;
        let is_large = || set.rdatas.iter().map(|rdata| RECORD_HEAD + rdata.len()).sum::<usize>() > MAX_SET_OCTETS;
        if set.rdatas.len() > MAX_SET_RECORDS || is_large() {
            return Err(UpdateRefusal::SetTooLarge(owner.clone(), rtype));
        }
        Ok(())
    }

    /// What is to be stored: sets that differ from what is served; those that are the files' again lose their edit.
    /// The serial makes no difference: it is kept elsewhere.
    pub(super) fn rows(&self, decide: &Decide<'_>, definition: &ZoneDefinition) -> Vec<(SetKey, Option<EditedSet>)> {
        let sets =
            self.changed.iter().flat_map(|(owner, sets)| sets.iter().map(move |(rtype, set)| (owner, *rtype, set)));
        let differing = sets.filter(|(owner, rtype, set)| self.stored(owner, *rtype) != **set);
        let row = |(owner, rtype, set): (&Name, RecordType, &Set)| {
            let is_files = set_of(&definition.data, self.serial, owner, rtype) == *set;
            let edited = (!is_files).then(|| EditedSet {
                ttl: set.ttl,
                rdatas: set.rdatas.iter().cloned().collect(),
                at_unix_ms: decide.now.unix_ms,
                by: decide.request.by.clone(),
            });
            ((owner.clone(), rtype), edited)
        };
        differing.map(row).collect()
    }
}

/// A set of a compiled zone, the SOA record with this serial; one that is not there is empty.
fn set_of(zone: &Zone, serial: u32, owner: &Name, rtype: RecordType) -> Set {
    let Some(set) = zone.rrset_of(owner, rtype) else { return Set::default() };
    let rdata = |rdata: &[u8]| if rtype == RecordType::SOA { with_serial(rdata, serial) } else { rdata.into() };
    Set { ttl: set.ttl(), rdatas: set.rdatas().map(rdata).collect() }
}

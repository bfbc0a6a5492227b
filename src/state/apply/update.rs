//! Dynamic updates (RFC 2136): prerequisites, then all changes or none.

use super::Decide;
use crate::dns::update::{Edit, Prerequisite, Update};
use crate::dns::{Name, RecordType, rdata, serial};
use crate::state::command::{Change, Rejection};
use crate::state::definitions::ZoneDefinition;
use crate::state::edits::{
    EditedSet, EditedZone, MAX_EDITS, MAX_SET_OCTETS, MAX_SET_RECORDS, SetKey, ZoneChange, hidden_switch, stand_apart,
};
use crate::state::serials;
use crate::state::update_rules::Grants;
use crate::zone::Zone;
use std::collections::{BTreeMap, BTreeSet};

/// Octets of a record beside its RDATA, when its owner is a pointer.
const RECORD_HEAD: usize = 12;

/// Why an update is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateRefusal {
    /// No zone of ours has this apex.
    #[error("there is no zone {0} here to update")]
    UnknownZone(Name),
    /// A prerequisite: the name should be in use.
    #[error("{0} is not in use")]
    NameUnused(Name),
    /// A prerequisite: the name should not be in use.
    #[error("{0} is in use")]
    NameInUse(Name),
    /// A prerequisite: the set should exist, and be as given.
    #[error("{0} {1} is not what the update expects")]
    SetDiffers(Name, RecordType),
    /// A prerequisite: the set should not exist.
    #[error("{0} {1} exists")]
    SetExists(Name, RecordType),
    /// The name belongs to a switch.
    #[error("{owner} belongs to switch {switch}, whose answers are changed by flips and weights")]
    Steered {
        /// The name.
        owner: Name,
        /// The switch.
        switch: String,
    },
    /// A delegation or redirection that would hide a switch's names.
    #[error("{rtype} at {owner} would take the names of switch {switch} away")]
    Hides {
        /// The name.
        owner: Name,
        /// NS or DNAME.
        rtype: RecordType,
        /// The switch.
        switch: String,
    },
    /// No rule lets whoever asks change this.
    #[error("{by} may not change {owner} {rtype}")]
    NotAllowed {
        /// The key.
        by: String,
        /// The name.
        owner: Name,
        /// The type.
        rtype: RecordType,
    },
    /// The set would be too large for an answer.
    #[error("{0} {1} would have more than {MAX_SET_RECORDS} records or {MAX_SET_OCTETS} octets")]
    SetTooLarge(Name, RecordType),
    /// The zone is a copy.
    #[error("zone {0} is a copy of its primary's, where it is updated")]
    Copied(Name),
    /// The zone has been edited too much.
    #[error("zone {0} would have more than {MAX_EDITS} edited sets: write them into its file")]
    TooManyEdits(Name),
}

/// Decides an update.
pub(super) fn update(decide: &Decide<'_>, update: &Update, grants: &Grants) -> Result<Change, Rejection> {
    decide_update(decide, update, grants).map_err(Rejection::Update)
}

fn decide_update(decide: &Decide<'_>, update: &Update, grants: &Grants) -> Result<Change, UpdateRefusal> {
    let desired = decide.desired;
    let definition = desired.definitions.zones.iter().find(|zone| zone.apex == update.zone);
    let definition = definition.ok_or_else(|| UpdateRefusal::UnknownZone(update.zone.clone()))?;
    if definition.is_copy() {
        return Err(UpdateRefusal::Copied(update.zone.clone()));
    }
    let mut draft = Draft {
        zone: desired.data_of(definition),
        apex: &definition.apex,
        changed: BTreeMap::new(),
        ignored: Vec::new(),
    };
    // Before the prerequisites, so that a key cannot ask about what it may not change (RFC 2136 §3.3).
    for edit in &update.changes {
        hold_switches(definition, draft.zone, edit)?;
        draft.permit(edit, grants, &decide.request.by)?;
    }
    draft.require(&update.prerequisites)?;
    let mut wanted_serial = None;
    for edit in &update.changes {
        if let Edit::Add { owner, rtype: RecordType::SOA, rdata, .. } = edit {
            let newer = soa_serial(rdata).filter(|new| serial::is_newer(*new, serials::current(desired, definition)));
            // RFC 2136 §3.4.2.2: an SOA that is no newer, or not at the apex, is ignored.
            let (Some(newer), true) = (newer, *owner == definition.apex) else {
                draft
                    .ignored
                    .push(format!("the SOA record at {owner} is no newer than the zone's, or not at its apex"));
                continue;
            };
            wanted_serial = Some(newer);
        }
        draft.make(edit)?;
    }
    let rows = draft.rows(decide, definition)?;
    if rows.is_empty() {
        return Ok(Change { notes: draft.ignored, ..decide.unchanged() });
    }
    let mut sets = desired.edited.get(&definition.apex).map(|zone| zone.sets.clone()).unwrap_or_default();
    for (key, set) in &rows {
        match set {
            Some(set) => sets.insert(key.clone(), set.clone()),
            None => sets.remove(key),
        };
    }
    if sets.len() > MAX_EDITS {
        return Err(UpdateRefusal::TooManyEdits(definition.apex.clone()));
    }
    let mut change = decide.change(Vec::new(), [definition]);
    if let Some(wanted) = wanted_serial {
        change.serials.iter_mut().for_each(|(_, next)| *next = serials::newest(*next, wanted));
    }
    let zone = EditedZone::compile(definition, sets);
    change.notes = draft.ignored;
    change.zones = vec![ZoneChange { apex: definition.apex.clone(), rows, zone }];
    Ok(change)
}

/// Keeps names that a switch decides out of updates, and delegations away from above them.
fn hold_switches(definition: &ZoneDefinition, zone: &Zone, edit: &Edit) -> Result<(), UpdateRefusal> {
    let owner = edit.owner();
    if zone.node_of(owner).is_some_and(|node| node.is_steered()) {
        let switch = definition.switch_at(|name| name == owner).unwrap_or_default();
        return Err(UpdateRefusal::Steered { owner: owner.clone(), switch });
    }
    if let Edit::Add { rtype, .. } = edit
        && let Some(switch) = hidden_switch(definition, owner, *rtype)
    {
        return Err(UpdateRefusal::Hides { owner: owner.clone(), rtype: *rtype, switch });
    }
    Ok(())
}

/// The serial in an SOA record.
fn soa_serial(rdata: &[u8]) -> Option<u32> {
    let numbers = rdata.get(rdata.len().checked_sub(20)?..)?;
    numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial))
}

/// A set in the making.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Set {
    ttl: u32,
    rdatas: BTreeSet<Box<[u8]>>,
}

/// A zone with the changes made so far.
struct Draft<'a> {
    zone: &'a Zone,
    apex: &'a Name,
    /// Sets that may differ from the zone's; empty ones are gone.
    changed: BTreeMap<SetKey, Set>,
    /// What RFC 2136 has ignored.
    ignored: Vec<String>,
}

impl Draft<'_> {
    /// A set as it is at this point.
    fn set(&self, owner: &Name, rtype: RecordType) -> Set {
        let key = (owner.clone(), rtype);
        self.changed.get(&key).cloned().unwrap_or_else(|| set_of(self.zone, owner, rtype))
    }

    /// The types a name has at this point.
    fn types(&self, owner: &Name) -> Vec<RecordType> {
        let stored = self.zone.node_of(owner).into_iter().flat_map(|node| node.rrsets().map(|set| set.rtype));
        let changed = self.changed.keys().filter(|(name, _)| name == owner).map(|(_, rtype)| *rtype);
        let mut types: Vec<RecordType> = stored.chain(changed).collect();
        types.sort_unstable();
        types.dedup();
        types.retain(|rtype| !self.set(owner, *rtype).rdatas.is_empty());
        types
    }

    /// Whether a rule covers what a change is about: of a whole name, everything that is there.
    fn permit(&self, edit: &Edit, grants: &Grants, by: &str) -> Result<(), UpdateRefusal> {
        let owner = edit.owner();
        let types = edit.rtype().map_or_else(|| self.types(owner), |rtype| vec![rtype]);
        let stays = |rtype: RecordType| {
            edit.rtype().is_none() && owner == self.apex && matches!(rtype, RecordType::SOA | RecordType::NS)
        };
        let refused = types.into_iter().find(|rtype| !stays(*rtype) && !grants.allow(owner, *rtype));
        refused
            .map_or(Ok(()), |rtype| Err(UpdateRefusal::NotAllowed { by: by.to_owned(), owner: owner.clone(), rtype }))
    }

    /// Holds what must hold (RFC 2136 §3.2).
    fn require(&self, prerequisites: &[Prerequisite]) -> Result<(), UpdateRefusal> {
        let steered = |name: &Name| self.zone.node_of(name).is_some_and(|node| node.is_steered());
        let mut expected: BTreeMap<SetKey, BTreeSet<Box<[u8]>>> = BTreeMap::new();
        for prerequisite in prerequisites {
            let refused = match prerequisite {
                Prerequisite::NameInUse(name) => {
                    (!steered(name) && self.types(name).is_empty()).then(|| UpdateRefusal::NameUnused(name.clone()))
                }
                Prerequisite::NameUnused(name) => {
                    (steered(name) || !self.types(name).is_empty()).then(|| UpdateRefusal::NameInUse(name.clone()))
                }
                Prerequisite::SetExists(name, rtype) => {
                    self.set(name, *rtype).rdatas.is_empty().then(|| UpdateRefusal::SetDiffers(name.clone(), *rtype))
                }
                Prerequisite::SetAbsent(name, rtype) => {
                    (!self.set(name, *rtype).rdatas.is_empty()).then(|| UpdateRefusal::SetExists(name.clone(), *rtype))
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
        let differs = expected.into_iter().find(|((name, rtype), rdatas)| self.set(name, *rtype).rdatas != *rdatas);
        differs.map_or(Ok(()), |((name, rtype), _)| Err(UpdateRefusal::SetDiffers(name, rtype)))
    }

    /// Makes one change (RFC 2136 §3.4.2).
    fn make(&mut self, edit: &Edit) -> Result<(), UpdateRefusal> {
        match edit {
            Edit::Add { owner, rtype, ttl, rdata } => self.add(owner, *rtype, *ttl, rdata)?,
            Edit::DeleteSet(owner, rtype) => self.delete_set(owner, *rtype),
            Edit::DeleteName(owner) => self.types(owner).into_iter().for_each(|rtype| self.delete_set(owner, rtype)),
            Edit::DeleteRecord(owner, rtype, rdata) => {
                let mut set = self.set(owner, *rtype);
                let is_last_server = *rtype == RecordType::NS && owner == self.apex && set.rdatas.len() == 1;
                // §3.4.2.4: the SOA and the last NS of the apex stay.
                if *rtype != RecordType::SOA && !is_last_server && set.rdatas.remove(rdata) {
                    self.changed.insert((owner.clone(), *rtype), set);
                }
            }
        }
        Ok(())
    }

    /// Deletes a set, but for SOA and NS of the apex (§3.4.2.3).
    fn delete_set(&mut self, owner: &Name, rtype: RecordType) {
        let stays = owner == self.apex && matches!(rtype, RecordType::SOA | RecordType::NS);
        if !stays && !self.set(owner, rtype).rdatas.is_empty() {
            self.changed.insert((owner.clone(), rtype), Set::default());
        }
    }

    /// Adds a record (§3.4.2.2). CNAME and other data are kept apart by ignoring what comes later.
    fn add(&mut self, owner: &Name, rtype: RecordType, ttl: u32, rdata: &[u8]) -> Result<(), UpdateRefusal> {
        let types = self.types(owner);
        if types.iter().any(|other| stand_apart(rtype, *other)) {
            self.ignored.push(format!("{owner} {rtype}: a CNAME stands alone, and something else is there"));
            return Ok(());
        }
        let mut set = self.set(owner, rtype);
        if matches!(rtype, RecordType::CNAME | RecordType::SOA | RecordType::DNAME) {
            set.rdatas.clear();
        }
        set.rdatas.insert(rdata.into());
        set.ttl = ttl;
        let octets: usize = set.rdatas.iter().map(|rdata| RECORD_HEAD + rdata.len()).sum();
        if set.rdatas.len() > MAX_SET_RECORDS || octets > MAX_SET_OCTETS {
            return Err(UpdateRefusal::SetTooLarge(owner.clone(), rtype));
        }
        self.changed.insert((owner.clone(), rtype), set);
        Ok(())
    }

    /// What is to be stored: sets that differ from what is served; those that are the files' again lose their edit.
    fn rows(
        &self,
        decide: &Decide<'_>,
        definition: &ZoneDefinition,
    ) -> Result<Vec<(SetKey, Option<EditedSet>)>, UpdateRefusal> {
        let differing = self.changed.iter().filter(|((owner, rtype), set)| set_of(self.zone, owner, *rtype) != **set);
        Ok(differing
            .map(|((owner, rtype), set)| {
                let is_files = set_of(&definition.data, owner, *rtype) == *set;
                let edited = (!is_files).then(|| EditedSet {
                    ttl: set.ttl,
                    rdatas: set.rdatas.iter().cloned().collect(),
                    at_unix_ms: decide.now.unix_ms,
                    by: decide.request.by.clone(),
                });
                ((owner.clone(), *rtype), edited)
            })
            .collect())
    }
}

/// A set of a compiled zone; one that is not there is empty.
fn set_of(zone: &Zone, owner: &Name, rtype: RecordType) -> Set {
    zone.rrset_of(owner, rtype)
        .map_or_else(Set::default, |set| Set { ttl: set.ttl(), rdatas: set.rdatas().map(Into::into).collect() })
}

/// An edited set in words, for the audit.
#[must_use]
pub fn words(rtype: RecordType, set: Option<&EditedSet>) -> serde_json::Value {
    let records =
        |set: &EditedSet| set.rdatas.iter().map(|rdata| rdata::display_rdata(rtype, rdata)).collect::<Vec<_>>();
    set.map_or(serde_json::Value::Null, |set| serde_json::json!({ "ttl": set.ttl, "records": records(set) }))
}

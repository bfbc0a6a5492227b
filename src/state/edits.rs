//! What was changed at run time in the static data of a zone: whole sets in the place of the files'.
//!
//! The files' data are initial values (§1.10): a set that was edited stays as it was edited, through restart and
//! reload, until it is edited back. The edited zone is swapped alone.

use super::definitions::ZoneDefinition;
use super::switch_names::SwitchNames;
use crate::dns::{Name, RecordType, serial};
use crate::zone::{LineRef, RrsetRef, SetChange, Zone, ZoneText};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Owner and type of a set.
pub type SetKey = (Name, RecordType);

/// The edited zones by apex.
pub type EditedZones = BTreeMap<Name, Arc<EditedZone>>;

/// One set as it was edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedSet {
    /// Seconds.
    pub ttl: u32,
    /// Uncompressed RDATA, sorted; none: the set was deleted.
    pub rdatas: Vec<Box<[u8]>>,
    /// When, wall clock, milliseconds.
    pub at_unix_ms: u64,
    /// By which key.
    pub by: String,
}

/// A zone's edits, and the zone with them.
#[derive(Debug, Clone)]
pub struct EditedZone {
    /// The edited sets.
    pub sets: BTreeMap<SetKey, EditedSet>,
    /// What is served.
    pub data: Arc<Zone>,
}

/// A change of one zone's edits.
#[derive(Debug, Clone)]
pub struct ZoneChange {
    /// The zone.
    pub apex: Name,
    /// Sets whose edits are new or, with `None`, no longer there: for the store.
    pub rows: Vec<(SetKey, Option<EditedSet>)>,
    /// The zone from here on; `None`: as the files say.
    pub zone: Option<Arc<EditedZone>>,
}

impl EditedSet {
    /// Whether a zone's set says the same.
    #[must_use]
    pub fn is_as(&self, set: Option<RrsetRef<'_>>) -> bool {
        match set {
            Some(set) => {
                let mut rdatas: Vec<&[u8]> = set.rdatas().collect();
                rdatas.sort_unstable();
                let ours = self.rdatas.iter().map(|rdata| &**rdata);
                set.ttl() == self.ttl
                    && rdatas.len() == self.rdatas.len()
                    && rdatas.into_iter().zip(ours).all(|(one, other)| say_the_same(set.rtype, one, other))
            }
            None => self.rdatas.is_empty(),
        }
    }
}

impl EditedZone {
    /// Compiles a zone with edits; `None` without any.
    #[must_use]
    pub fn compile(definition: &ZoneDefinition, sets: BTreeMap<SetKey, EditedSet>) -> Option<Arc<Self>> {
        if sets.is_empty() {
            return None;
        }
        let data = Arc::new(compile(definition, &sets));
        Some(Arc::new(Self { sets, data }))
    }

    /// The same as [`EditedZone::compile`], from the zone as it is served before the edits of some sets change.
    #[must_use]
    pub fn change<'k>(
        definition: &ZoneDefinition,
        served: &Zone,
        sets: BTreeMap<SetKey, EditedSet>,
        changed: impl Iterator<Item = &'k SetKey>,
    ) -> Option<Arc<Self>> {
        if sets.is_empty() {
            return None;
        }
        let change = |key: &'k SetKey| {
            let (owner, rtype) = key;
            if let Some(set) = sets.get(key) {
                return SetChange::new(owner, *rtype, set.ttl, set.rdatas.iter().map(|rdata| &**rdata));
            }
            let of_files = definition.data.rrset_of(owner, *rtype);
            let ttl = of_files.map_or(0, |set| set.ttl());
            SetChange::new(owner, *rtype, ttl, of_files.iter().flat_map(RrsetRef::rdatas))
        };
        let changes: Vec<_> = changed.map(change).collect();
        let data = Arc::new(served.patched(&changes).unwrap_or_else(|| compile(definition, &sets)));
        Some(Arc::new(Self { sets, data }))
    }

    /// Edits of a zone that the files do not have at present: kept for when it returns.
    #[must_use]
    pub fn waiting(apex: &Name, sets: BTreeMap<SetKey, EditedSet>) -> Arc<Self> {
        Arc::new(Self { sets, data: Arc::new(Zone::build(apex, &ZoneText::default(), &[])) })
    }

    /// The edits that can stand over a definition. Each that is left out is a note.
    #[must_use]
    pub fn fitting(
        definition: &ZoneDefinition,
        sets: &BTreeMap<SetKey, EditedSet>,
        notes: &mut Vec<String>,
    ) -> BTreeMap<SetKey, EditedSet> {
        let mut kept = sets.clone();
        let switches = SwitchNames::of(definition);
        kept.retain(|key, set| {
            let why = misfit(definition, &switches, sets, key, set);
            if let Some(why) = &why {
                let (apex, (owner, rtype)) = (&definition.apex, key);
                notes.push(format!("zone {apex}: the update of {owner} {rtype} is dropped: {why}"));
            }
            why.is_none()
        });
        kept
    }
}

/// Compiles a zone with edits.
fn compile(definition: &ZoneDefinition, sets: &BTreeMap<SetKey, EditedSet>) -> Zone {
    let mut text = ZoneText::default();
    let at = LineRef { file: text.add_file("updates".into()), line: 0 };
    for (owner, set) in definition.data.rrsets() {
        let key = (owner, set.rtype);
        if !sets.contains_key(&key) {
            set.rdatas().for_each(|rdata| text.push(&key.0, set.rtype, set.ttl(), rdata, at));
        }
    }
    for ((owner, rtype), set) in sets {
        set.rdatas.iter().for_each(|rdata| text.push(owner, *rtype, set.ttl, rdata, at));
    }
    definition.build(&text)
}

/// Why an edit cannot stand over a definition.
fn misfit(
    definition: &ZoneDefinition,
    switches: &SwitchNames<'_>,
    sets: &BTreeMap<SetKey, EditedSet>,
    (owner, rtype): &SetKey,
    set: &EditedSet,
) -> Option<String> {
    let node = definition.data.node_of(owner);
    if node.is_some_and(|node| node.is_steered()) {
        return Some("a switch decides this name".to_owned());
    }
    if set.rdatas.is_empty() {
        return None;
    }
    if let Some(switch) = switches.hidden_by(owner, *rtype) {
        return Some(format!("it would take the names of switch `{switch}` away"));
    }
    let mut of_files = node.into_iter().flat_map(|node| node.rrsets()).map(|set| set.rtype);
    let beside = of_files.find(|other| !sets.contains_key(&(owner.clone(), *other)) && stand_apart(*rtype, *other));
    beside.map(|other| format!("the files have {other} there, and a CNAME stands alone"))
}

/// An SOA record with another serial.
pub(super) fn with_serial(rdata: &[u8], new: u32) -> Box<[u8]> {
    let mut rdata: Box<[u8]> = rdata.into();
    // What is too short for an SOA record has no serial.
    let _ = serial::put_into_soa(&mut rdata, new);
    rdata
}

/// Whether two records say the same; of SOA records the serial does not count, which is kept for itself.
pub(super) fn say_the_same(rtype: RecordType, one: &[u8], other: &[u8]) -> bool {
    one == other || rtype == RecordType::SOA && with_serial(one, 0) == with_serial(other, 0)
}

/// Whether sets of these types cannot have the same owner: one is a CNAME, and the other none of those that may
/// stand beside it (RFC 2136 §3.4.2.2, RFC 4034 §2.3: DNSSEC's, old and new).
#[must_use]
pub fn stand_apart(one: RecordType, other: RecordType) -> bool {
    let beside = |rtype: RecordType| [24, 25, 30, 46, 47].contains(&rtype.0);
    (one == RecordType::CNAME) != (other == RecordType::CNAME) && !beside(one) && !beside(other)
}

//! What was changed at run time in the static data of a zone: whole sets in the place of the files'.
//!
//! The files' data are initial values (§1.10): a set that was edited stays as it was edited, through restart and
//! reload, until it is edited back. The edited zone is compiled anew and swapped alone.

use super::definitions::ZoneDefinition;
use crate::dns::{Name, RecordType};
use crate::zone::{LineRef, RrsetRef, Zone, ZoneText};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sets edited in one zone, at most: with their names about 20 MiB.
pub const MAX_EDITS: usize = 100_000;

/// Records of one edited set. Its answer has to fit a message: 1,000 AAAA records are 28,000 octets.
pub const MAX_SET_RECORDS: usize = 1_000;

/// Octets of one edited set's records, the twelve of each one's head included: a message has 65,535, and some
/// are for its question and OPT.
pub const MAX_SET_OCTETS: usize = 60_000;

const _: () = assert!(MAX_SET_RECORDS * (12 + 16) < MAX_SET_OCTETS, "a set of addresses is limited by its number");

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
                set.ttl() == self.ttl && rdatas.iter().copied().eq(self.rdatas.iter().map(|rdata| &**rdata))
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
        let mut text = ZoneText::default();
        let at = LineRef { file: text.add_file("updates".into()), line: 0 };
        for (owner, set) in definition.data.rrsets() {
            let key = (owner, set.rtype);
            if !sets.contains_key(&key) {
                set.rdatas().for_each(|rdata| text.push(&key.0, set.rtype, set.ttl(), rdata, at));
            }
        }
        for ((owner, rtype), set) in &sets {
            set.rdatas.iter().for_each(|rdata| text.push(owner, *rtype, set.ttl, rdata, at));
        }
        let data = Arc::new(definition.build(&text));
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
        kept.retain(|key, set| {
            let why = misfit(definition, sets, key, set);
            if let Some(why) = &why {
                let (apex, (owner, rtype)) = (&definition.apex, key);
                notes.push(format!("zone {apex}: the update of {owner} {rtype} is dropped: {why}"));
            }
            why.is_none()
        });
        kept
    }
}

/// Why an edit cannot stand over a definition.
fn misfit(
    definition: &ZoneDefinition,
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
    if let Some(switch) = hidden_switch(definition, owner, *rtype) {
        return Some(format!("it would take the names of switch `{switch}` away"));
    }
    let mut of_files = node.into_iter().flat_map(|node| node.rrsets()).map(|set| set.rtype);
    let beside = of_files.find(|other| !sets.contains_key(&(owner.clone(), *other)) && stand_apart(*rtype, *other));
    beside.map(|other| format!("the files have {other} there, and a CNAME stands alone"))
}

/// The switch whose names a delegation or redirection at this name would take away.
#[must_use]
pub fn hidden_switch(definition: &ZoneDefinition, owner: &Name, rtype: RecordType) -> Option<String> {
    let cuts = rtype == RecordType::DNAME || rtype == RecordType::NS && *owner != definition.apex;
    if cuts { definition.switch_at(|name| name.is_within(owner)) } else { None }
}

/// Whether sets of these types cannot have the same owner: one is a CNAME, and the other none of those that may
/// stand beside it (RFC 2136 §3.4.2.2, RFC 4034 §2.3: DNSSEC's, old and new).
#[must_use]
pub fn stand_apart(one: RecordType, other: RecordType) -> bool {
    let beside = |rtype: RecordType| [24, 25, 30, 46, 47].contains(&rtype.0);
    (one == RecordType::CNAME) != (other == RecordType::CNAME) && !beside(one) && !beside(other)
}

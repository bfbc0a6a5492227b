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

    /// The edits that can stand over a definition: the others lie at names that switches steer. Each that is left
    /// out is a note.
    #[must_use]
    pub fn fitting(
        definition: &ZoneDefinition,
        sets: &BTreeMap<SetKey, EditedSet>,
        notes: &mut Vec<String>,
    ) -> BTreeMap<SetKey, EditedSet> {
        let mut kept = sets.clone();
        kept.retain(|(owner, rtype), _| {
            let steered = definition.data.node_of(owner).is_some_and(|node| node.is_steered());
            if steered {
                notes.push(format!(
                    "zone {}: the update of {owner} {rtype} is dropped, since a switch decides this name",
                    definition.apex
                ));
            }
            !steered
        });
        kept
    }
}

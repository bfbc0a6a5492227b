//! The sets that dynamic updates (RFC 2136) changed, a page at a time, as they stand.

use super::task::Control;
use super::view::rfc3339;
use crate::dns::{Name, RecordType, rdata};
use crate::state::{EditedSet, SetKey};
use crate::zone::Zone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// Which of them, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdatesQuery {
    /// Of this zone only.
    pub zone: Option<Name>,
    /// Of this name only.
    pub name: Option<Name>,
    /// Only those behind this place: a zone, a name and a type.
    pub after: Option<(Name, SetKey)>,
    /// At most so many.
    pub limit: usize,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdatesPage {
    /// Those of a zone together, in an order that stays.
    pub sets: Vec<UpdatedSet>,
    /// What `after` must be for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_after: Option<String>,
}

/// One set in the place of the files'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdatedSet {
    /// The zone's apex.
    pub zone: String,
    /// The owner.
    pub name: String,
    /// Its type, such as `TXT`.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Seconds; absent when the set was deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttl: Option<u32>,
    /// RDATA as in a master file; none: the set was deleted.
    pub records: Vec<String>,
    /// The update took the files' set away.
    pub deleted: bool,
    /// The files have a set of this name and type, which the update replaced.
    pub in_files: bool,
    /// Who made the last update of it, such as `key acme.`.
    pub by: String,
    /// When that was (RFC 3339).
    pub at: String,
    /// The same, milliseconds since 1970.
    pub at_unix_ms: u64,
}

/// A place in the list as text: `zone name TYPE`. A space within a name is written `\032`.
fn place(zone: &Name, (name, rtype): &SetKey) -> String {
    format!("{zone} {name} {rtype}")
}

/// Reads a place again.
#[must_use]
pub fn place_of(text: &str) -> Option<(Name, SetKey)> {
    let mut words = text.split(' ');
    let (zone, name, rtype) = (words.next()?, words.next()?, words.next()?);
    let rtype: RecordType = rtype.parse().ok()?;
    words.next().is_none().then_some((zone.parse().ok()?, (name.parse().ok()?, rtype)))
}

impl Control {
    /// One page of the updated sets; a zone the files do not have at present still has its updates.
    pub(super) fn updates(&self, query: &UpdatesQuery) -> UpdatesPage {
        let mut page = UpdatesPage { sets: Vec::new(), next_after: None };
        let mut last = None;
        let first = query.after.as_ref().map_or(Bound::Unbounded, |(zone, _)| Bound::Included(zone));
        for (apex, edited) in self.desired.edited.range((first, Bound::Unbounded)) {
            if query.zone.as_ref().is_some_and(|zone| zone != apex) {
                continue;
            }
            let files = self.desired.definitions.zones.iter().find(|zone| zone.apex == *apex);
            let behind = query.after.as_ref().filter(|(zone, _)| zone == apex);
            let behind = behind.map_or(Bound::Unbounded, |(_, key)| Bound::Excluded(key));
            let sets = edited.sets.range((behind, Bound::Unbounded));
            for (key, set) in sets.filter(|(key, _)| query.name.as_ref().is_none_or(|name| *name == key.0)) {
                if page.sets.len() == query.limit {
                    page.next_after = last;
                    return page;
                }
                page.sets.push(shown(apex, key, set, files.map(|zone| &*zone.data)));
                last = Some(place(apex, key));
            }
        }
        page
    }
}

/// One set for people.
fn shown(apex: &Name, (name, rtype): &SetKey, set: &EditedSet, files: Option<&Zone>) -> UpdatedSet {
    let deleted = set.rdatas.is_empty();
    UpdatedSet {
        zone: apex.to_string(),
        name: name.to_string(),
        rtype: rtype.to_string(),
        ttl: (!deleted).then_some(set.ttl),
        records: set.rdatas.iter().map(|rdata| rdata::display_rdata(*rtype, rdata)).collect(),
        deleted,
        in_files: files.is_some_and(|zone| zone.rrset_of(name, *rtype).is_some()),
        by: set.by.clone(),
        at: rfc3339(set.at_unix_ms),
        at_unix_ms: set.at_unix_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_also_with_spaces_in_a_name_and_types_without_a_name() {
        for (zone, name, rtype) in [
            ("example.test.", r"a\032b.example.test.", "TXT"),
            ("2.0.192.in-addr.arpa.", r"0/25.2.0.192.in-addr.arpa.", "TYPE65280"),
        ] {
            let key: SetKey = (name.parse().unwrap(), rtype.parse().unwrap());
            let zone: Name = zone.parse().unwrap();
            assert_eq!(place_of(&place(&zone, &key)), Some((zone, key)));
        }
        for text in
            ["", "example.test.", "example.test. a.example.test.", "example.test. a.example.test. A more", "a b NOPE"]
        {
            assert_eq!(place_of(text), None, "{text}");
        }
    }
}

//! Names that switches take, and the static sets that have to give way there.

use super::{Work, is_address};
use crate::cli::import::dump::bare;
use crate::cli::import::imported::{Pool, Remark, Static};
use crate::dns::{Name, RecordType};
use std::collections::{BTreeMap, BTreeSet};

/// The pins and the explanation of an owner; for a wildcard also what is below them.
pub(super) fn claims(owner: &Name, pools: &[Pool]) -> Vec<Name> {
    let base = if owner.is_wildcard() { owner.parent().unwrap_or_else(Name::root) } else { owner.clone() };
    let labels = pools.iter().map(|pool| pool.name.as_str()).chain(["_explain"]);
    let mut names: Vec<Name> = labels.filter_map(|label| base.child(label.as_bytes()).ok()).collect();
    if owner.is_wildcard() {
        let below: Vec<Name> = names.iter().filter_map(|name| name.child(b"*").ok()).collect();
        names.extend(below);
    }
    names
}

impl Work {
    /// The name at which other servers take over, above or at `owner`.
    pub(super) fn cut_above(&self, owner: &Name) -> Option<Name> {
        let apex = &self.imported.apex;
        std::iter::successors(Some(owner.clone()), Name::parent).take_while(|name| name != apex).find(|name| {
            [RecordType::NS, RecordType::DNAME].iter().any(|cut| self.simple.contains_key(&(name.clone(), *cut)))
        })
    }

    /// Takes out the static sets that would stand where a switch answers: the rest of the dump is not their fault.
    pub(super) fn leave_out_what_is_steered(&mut self) {
        let mut owners: BTreeMap<Name, (String, BTreeSet<RecordType>)> = BTreeMap::new();
        for switch in &self.imported.switches {
            for owner in &switch.owners {
                owners.insert(owner.clone(), (switch.name.clone(), switch.types.clone()));
            }
        }
        let apex = self.imported.apex.clone();
        let fixed = std::mem::take(&mut self.imported.fixed);
        for set in fixed {
            let (what, remedy) = match owners.get(&set.owner) {
                Some((switch, types)) if conflict(&set, types, set.owner == apex) => (
                    format!("switch {switch} steers this name, and answers {} itself", words(types)),
                    format!("put {} into the pools of a switch of its own", set.values.join(", ")),
                ),
                None if self.claimed.contains(&set.owner) => (
                    "its name is that of a pool or of the explanation (`_explain`) of a switch".to_owned(),
                    "give it another name, or the pool".to_owned(),
                ),
                _ => {
                    self.imported.fixed.push(set);
                    continue;
                }
            };
            self.imported.lost.push(Remark { record: format!("{} {}", bare(&set.owner), set.rtype), what, remedy });
        }
    }
}

/// Whether a static set cannot stand beside a switch of these types.
fn conflict(set: &Static, types: &BTreeSet<RecordType>, at_apex: bool) -> bool {
    let cut = matches!(set.rtype, RecordType::NS | RecordType::DNAME);
    let alone = types.contains(&RecordType::CNAME) || set.rtype == RecordType::CNAME;
    types.contains(&set.rtype)
        || (is_address(set.rtype) && types.iter().any(|rtype| is_address(*rtype)))
        || (!at_apex && (cut || alone))
}

/// Types in a sentence.
fn words(types: &BTreeSet<RecordType>) -> String {
    let mut all: Vec<String> = types.iter().map(ToString::to_string).collect();
    if types.iter().any(|rtype| is_address(*rtype)) {
        all.retain(|rtype| rtype != "A" && rtype != "AAAA");
        all.splice(0..0, ["A".to_owned(), "AAAA".to_owned()]);
    }
    all.join(", ")
}

//! From record sets to switches and static records: pure, and nothing gets lost without a remark.

mod alias;
mod claim;
mod routed;

use super::dump::{Dump, Routing, Set, SetForm, bare};
use super::imported::{Imported, Remark, Static};
use crate::dns::{Name, RecordType};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Converts; `zone` and `nameservers` as the operator gave them, `neighbours` the switches that are there already.
///
/// # Errors
/// No zone to be made of it, in a sentence.
pub(super) fn convert(
    dump: &Dump,
    zone: Option<Name>,
    nameservers: &[Name],
    neighbours: &BTreeSet<String>,
) -> Result<Imported, String> {
    let (mut sets, mut lost, mut outside) = (Vec::new(), Vec::new(), 0);
    let mut unreadable = HashMap::new();
    let apex = match zone {
        Some(apex) => apex,
        None => apex_of(dump)?,
    };
    for form in &dump.sets {
        if form.owner().is_ok_and(|owner| !owner.is_within(&apex)) {
            outside += 1;
            continue;
        }
        match form.read() {
            Ok(set) => sets.push(set),
            Err((what, remedy)) => {
                if let Some(key) = form.chosen_among() {
                    unreadable.insert(key, form.title());
                }
                lost.push(Remark { record: form.title(), what, remedy });
            }
        }
    }
    let has_soa = sets.iter().any(|set| set.owner == apex && set.rtype == RecordType::SOA);
    if !has_soa && nameservers.is_empty() {
        return Err(format!(
            "the dump has no SOA of {0}: give its nameservers with --ns, or dump the whole hosted zone",
            bare(&apex)
        ));
    }
    let mut work = Work {
        imported: Imported { apex, fixed: Vec::new(), switches: Vec::new(), lost, notes: Vec::new(), outside },
        names: sets.iter().map(|set| set.owner.clone()).collect(),
        simple: sets
            .iter()
            .filter(|set| set.routing == Routing::Simple && set.alias.is_none())
            .map(|set| ((set.owner.clone(), set.rtype), set.clone()))
            .collect(),
        aliases: sets
            .iter()
            .filter(|set| set.routing == Routing::Simple)
            .filter_map(|set| Some(((set.owner.clone(), set.rtype), set.alias.clone()?)))
            .collect(),
        unreadable,
        claimed: BTreeSet::new(),
        neighbours: neighbours.clone(),
        switch_names: neighbours.clone(),
    };
    work.top(nameservers);
    let mut owners: BTreeMap<Name, Vec<Set>> = BTreeMap::new();
    for set in sets {
        owners.entry(set.owner.clone()).or_default().push(set);
    }
    let mut aliases = Vec::new();
    for (owner, sets) in owners {
        work.owner(&owner, sets, !nameservers.is_empty(), &mut aliases);
    }
    aliases.chunk_by(|one, next| one.owner == next.owner).for_each(|sets| work.aliases_of(sets));
    work.leave_out_what_is_steered();
    Ok(work.imported)
}

/// The zone of a dump: where its SOA is.
fn apex_of(dump: &Dump) -> Result<Name, String> {
    let read = |form: &SetForm| form.read().ok().filter(|set| set.rtype == RecordType::SOA).map(|set| set.owner);
    let mut found: Vec<Name> = dump.sets.iter().filter_map(read).collect();
    match (found.pop(), found.is_empty()) {
        (Some(apex), true) => Ok(apex),
        (None, _) => Err("the dump has no SOA: name the zone with --zone, and its nameservers with --ns".to_owned()),
        (Some(_), false) => Err("the dump has several zones: name one with --zone".to_owned()),
    }
}

/// What is under way.
struct Work {
    imported: Imported,
    /// Every name of the dump.
    names: BTreeSet<Name>,
    /// Sets without any routing.
    simple: HashMap<(Name, RecordType), Set>,
    /// Where aliases without any routing point.
    aliases: HashMap<(Name, RecordType), Name>,
    /// Sets that Route 53 chooses among and that could not be read, by their title.
    unreadable: HashMap<(Name, RecordType), String>,
    /// Names that switches take beside their owners: pins and explanations.
    claimed: BTreeSet<Name>,
    /// Switches of other zones.
    neighbours: BTreeSet<String>,
    /// Switches of other zones and of this one.
    switch_names: BTreeSet<String>,
}

impl Work {
    fn lose(&mut self, set: &Set, what: impl Into<String>, remedy: impl Into<String>) {
        self.imported.lost.push(Remark { record: set.title(), what: what.into(), remedy: remedy.into() });
    }

    fn note(&mut self, record: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) {
        self.imported.notes.push(Remark { record: record.into(), what: what.into(), remedy: remedy.into() });
    }

    /// SOA and NS of the operator's own nameservers.
    fn top(&mut self, nameservers: &[Name]) {
        let apex = self.imported.apex.clone();
        let Some(first) = nameservers.first() else {
            self.note(
                format!("{} NS", bare(&apex)),
                "SOA and NS name Route 53's servers",
                "name your own, in the zone file or with --ns",
            );
            return;
        };
        let soa = format!("{first} hostmaster.{apex} 1 7200 900 1209600 300");
        let fixed = [(RecordType::SOA, vec![soa]), (RecordType::NS, nameservers.iter().map(Name::to_string).collect())];
        self.imported.fixed.extend(fixed.map(|(rtype, values)| Static {
            owner: apex.clone(),
            rtype,
            ttl_s: 3600,
            values,
        }));
        for name in nameservers.iter().filter(|name| name.is_within(&apex) && !self.names.contains(name)) {
            self.imported.notes.push(Remark {
                record: format!("{} NS", bare(&apex)),
                what: format!("the nameserver {} has no address in the dump", bare(name)),
                remedy: "add its A and AAAA records to the zone file".to_owned(),
            });
        }
    }

    /// Everything of one name.
    fn owner(&mut self, owner: &Name, sets: Vec<Set>, own_top: bool, aliases: &mut Vec<Set>) {
        let (simple, routed): (Vec<Set>, Vec<Set>) = sets.into_iter().partition(|set| set.routing == Routing::Simple);
        let steered = self.routed(owner, routed);
        for set in simple {
            let at_top = *owner == self.imported.apex && matches!(set.rtype, RecordType::SOA | RecordType::NS);
            if set.alias.is_some() {
                aliases.push(set);
            } else if at_top && own_top {
                // The operator named others.
            } else if let Some(switch) =
                steered.filter(|_| is_address(set.rtype)).filter(|at| self.steers_addresses(*at))
            {
                self.add_to_every_pool(switch, &set);
            } else {
                let Set { owner, rtype, ttl_s, values, .. } = set;
                self.imported.fixed.push(Static { owner, rtype, ttl_s, values });
            }
        }
    }

    fn steers_addresses(&self, at: usize) -> bool {
        self.imported.switches.get(at).is_some_and(|switch| switch.types.iter().any(|rtype| is_address(*rtype)))
    }

    /// A and AAAA of one name come from one pool, so what was the same for all is in every pool.
    fn add_to_every_pool(&mut self, switch: usize, set: &Set) {
        if let Some(switch) = self.imported.switches.get_mut(switch) {
            switch.types.insert(set.rtype);
            for pool in &mut switch.pools {
                let new: Vec<String> =
                    set.values.iter().filter(|value| !pool.members.contains(value)).cloned().collect();
                pool.members.extend(new);
            }
        }
        self.note(
            set.title(),
            "it was not routed, and is in every pool of the switch",
            "write each pool's own addresses",
        );
    }

    fn copied(&mut self, set: &Set, target: &Name) {
        let what = format!("it was an alias of {}, and has a copy of its values", bare(target));
        self.note(set.title(), what, "change both when the values change");
    }
}

fn is_address(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::A | RecordType::AAAA)
}

//! From record sets to switches and static records: pure, and nothing gets lost without a remark.

use super::dump::{Dump, Routing, Set, SetForm, bare};
use crate::dns::{Name, RecordType};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The shortest TTL of a switch.
const MIN_TTL_S: u32 = 5;

/// The longest TTL of a switch: a week.
const MAX_TTL_S: u32 = 604_800;

/// Something an operator must know of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Remark {
    /// The record.
    pub record: String,
    /// What about it.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pool {
    /// Its name.
    pub name: String,
    /// The `SetIdentifier`, where the name is another.
    pub was: Option<String>,
    /// Its weight.
    pub weight: u16,
    /// Addresses; one server's two on one line.
    pub members: Vec<String>,
    /// Everything else.
    pub records: BTreeMap<RecordType, Vec<String>>,
}

/// A switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switch {
    /// Its name.
    pub name: String,
    /// What it steers.
    pub owners: Vec<Name>,
    /// Whether the first healthy pool answers, instead of weights.
    pub failover: bool,
    /// Its TTL.
    pub ttl_s: u32,
    /// What Route 53 watched.
    pub health_checks: BTreeSet<String>,
    /// Its pools, in order.
    pub pools: Vec<Pool>,
    /// Its types.
    types: BTreeSet<RecordType>,
}

/// A set that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Static {
    /// Its name.
    pub owner: Name,
    /// Its type.
    pub rtype: RecordType,
    /// Its TTL.
    pub ttl_s: u32,
    /// Its values.
    pub values: Vec<String>,
}

/// Everything that came of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Imported {
    /// The zone.
    pub apex: Name,
    /// What goes into the master file.
    pub fixed: Vec<Static>,
    /// What goes into the TOML.
    pub switches: Vec<Switch>,
    /// What was not carried over.
    pub lost: Vec<Remark>,
    /// What was, and needs a look.
    pub notes: Vec<Remark>,
    /// Record sets that lie outside the zone.
    pub outside: usize,
}

/// Converts; `zone` and `nameservers` as the operator gave them.
///
/// # Errors
/// No zone to be made of it, in a sentence.
pub(super) fn convert(dump: &Dump, zone: Option<Name>, nameservers: &[Name]) -> Result<Imported, String> {
    let (mut sets, mut lost, mut outside) = (Vec::new(), Vec::new(), 0);
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
            Err((what, remedy)) => lost.push(Remark { record: form.title(), what, remedy }),
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
        switch_names: BTreeSet::new(),
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
    aliases.iter().for_each(|set| work.alias(set));
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
            switch.pools.iter_mut().for_each(|pool| pool.members.extend(set.values.iter().cloned()));
        }
        self.note(
            set.title(),
            "it was not routed, and is in every pool of the switch",
            "write each pool's own addresses",
        );
    }

    /// The sets of a name that are chosen among: a switch, if it can be one.
    fn routed(&mut self, owner: &Name, sets: Vec<Set>) -> Option<usize> {
        let mut usable = Vec::new();
        for set in sets {
            match &set.routing {
                Routing::Other(what) => {
                    let remedy = if what.starts_with("geolocation") {
                        "write a switch with a pool for each place, and rules by `country` (a database is needed) or `networks`"
                    } else {
                        "write a switch with these sets as pools, with weights, or rules by `networks`"
                    };
                    let what = format!("{what} is not something a switch does");
                    self.lose(&set, what, remedy);
                }
                _ => usable.push(set),
            }
        }
        let main = usable.iter().map(|set| (set.rtype, kind(&set.routing))).min_by_key(|(rtype, _)| rank(*rtype))?;
        let (same, others): (Vec<Set>, Vec<Set>) = usable.into_iter().partition(|set| kind(&set.routing) == main.1);
        for set in &others {
            let remedy = "write it as a switch of another name, or as a static record";
            self.lose(
                set,
                format!("{} {} is routed in another way, and a switch has one policy", bare(owner), main.0),
                remedy,
            );
        }
        let same = self.without_aliases(&same)?;
        if main.1 == MULTI { self.multi_value(owner, &same) } else { self.switch(owner, main.0, &same) }
    }

    /// Aliases of static names as those names' values; `None` when one stands for something else.
    fn without_aliases(&mut self, sets: &[Set]) -> Option<Vec<Set>> {
        let mut whole = Vec::new();
        let mut broken = None;
        for set in sets {
            let Some(target) = &set.alias else {
                whole.push(set.clone());
                continue;
            };
            match self.simple.get(&(target.clone(), set.rtype)).cloned() {
                Some(meant) => {
                    self.copied(set, target);
                    whole.push(Set { values: meant.values, ttl_s: meant.ttl_s, alias: None, ..set.clone() });
                }
                None => broken = broken.or_else(|| Some((set.title(), bare(target)))),
            }
        }
        let Some((record, target)) = broken else { return Some(whole) };
        for set in sets {
            let what = match &set.alias {
                Some(target) => format!("it is an alias of {}, whose addresses are not in the dump", bare(target)),
                None => format!(
                    "it shares its name with {record}, an alias of {target}; without that the split would be another"
                ),
            };
            self.lose(set, what, "write a switch with the servers behind the alias as members of a pool");
        }
        None
    }

    fn copied(&mut self, set: &Set, target: &Name) {
        let what = format!("it was an alias of {}, and has a copy of its values", bare(target));
        self.note(set.title(), what, "change both when the values change");
    }

    /// All healthy values: one pool.
    fn multi_value(&mut self, owner: &Name, sets: &[Set]) -> Option<usize> {
        let (addresses, others): (Vec<&Set>, Vec<&Set>) = sets.iter().partition(|set| is_address(set.rtype));
        let mut together: BTreeMap<RecordType, Static> = BTreeMap::new();
        for set in others {
            let entry = together.entry(set.rtype).or_insert_with(|| Static {
                owner: owner.clone(),
                rtype: set.rtype,
                ttl_s: set.ttl_s,
                values: Vec::new(),
            });
            entry.values.extend(set.values.iter().cloned());
        }
        for fixed in together.into_values() {
            self.note(
                format!("{} {}", bare(owner), fixed.rtype),
                "its values are all answered, healthy or not",
                "watch what they name",
            );
            self.imported.fixed.push(fixed);
        }
        let first = addresses.first()?;
        let mut pool =
            Pool { name: "all".into(), was: None, weight: 10_000, members: Vec::new(), records: BTreeMap::new() };
        pool.name = self.pool_name(owner, "all", &BTreeSet::new());
        pool.members = addresses.iter().flat_map(|set| set.values.iter().cloned()).collect();
        pool.members.sort();
        pool.members.dedup();
        let types = addresses.iter().map(|set| set.rtype).collect();
        let (ttl_s, owners) = (first.ttl_s, vec![owner.clone()]);
        let health_checks = addresses.iter().filter_map(|set| set.health_check.clone()).collect();
        self.add(Switch {
            name: String::new(),
            owners,
            failover: false,
            ttl_s,
            health_checks,
            pools: vec![pool],
            types,
        })
    }

    /// Sets with identifiers: a pool each.
    fn switch(&mut self, owner: &Name, main: RecordType, sets: &[Set]) -> Option<usize> {
        let failover = sets.iter().any(|set| matches!(set.routing, Routing::Failover(_)));
        let ids = |rtype: RecordType| -> BTreeSet<Option<String>> {
            sets.iter().filter(|set| set.rtype == rtype).map(|set| set.id.clone()).collect()
        };
        let wanted = ids(main);
        let (fitting, others): (Vec<Set>, Vec<Set>) = sets.iter().cloned().partition(|set| ids(set.rtype) == wanted);
        for set in &others {
            let remedy = "give every type the same pools: one choice is made for all types of a name";
            self.lose(set, format!("its set identifiers are not those of {} {main}", bare(owner)), remedy);
        }
        let mut ordered: Vec<&Set> = fitting.iter().filter(|set| set.rtype == main).collect();
        if failover {
            ordered.sort_by_key(|set| set.routing != Routing::Failover(true));
        }
        let mut taken = BTreeSet::new();
        let mut pools = Vec::new();
        for set in ordered {
            let id = set.id.as_deref().unwrap_or("pool");
            let name = self.pool_name(owner, id, &taken);
            taken.insert(name.clone());
            let weight = if let Routing::Weighted(weight) = set.routing { weight } else { 10_000 };
            let mut pool = Pool {
                was: (name != id).then(|| id.to_owned()),
                name,
                weight,
                members: Vec::new(),
                records: BTreeMap::new(),
            };
            for same in fitting.iter().filter(|same| same.id == set.id) {
                self.fill(&mut pool, same, set);
            }
            pools.push(pool);
        }
        if pools.iter().all(|pool| pool.weight == 0) {
            pools.iter_mut().for_each(|pool| pool.weight = 1);
            self.note(
                format!("{} {main}", bare(owner)),
                "all weights are 0, which Route 53 takes as equal ones",
                "nothing: each pool has weight 1",
            );
        }
        let ttl_s = fitting.iter().map(|set| set.ttl_s).min().unwrap_or(MIN_TTL_S);
        let health_checks = fitting.iter().filter_map(|set| set.health_check.clone()).collect();
        let types = fitting.iter().map(|set| set.rtype).collect();
        self.add(Switch {
            name: String::new(),
            owners: vec![owner.clone()],
            failover,
            ttl_s,
            health_checks,
            pools,
            types,
        })
    }

    /// Puts a set into its pool.
    fn fill(&mut self, pool: &mut Pool, set: &Set, main: &Set) {
        if set.routing != main.routing {
            let what =
                format!("its weight is not that of {} {}, and a pool has one weight", bare(&main.owner), main.rtype);
            self.note(set.title(), what, format!("the pool has the weight of {}", main.rtype));
        }
        if !is_address(set.rtype) {
            pool.records.insert(set.rtype, set.values.clone());
            return;
        }
        match (pool.members.as_mut_slice(), set.values.as_slice()) {
            // One address of each family is one server.
            ([one], [other]) if set.rtype != main.rtype => *one = format!("{one} {other}"),
            _ => pool.members.extend(set.values.iter().cloned()),
        }
    }

    /// Takes a switch in under a name of its own.
    fn add(&mut self, mut switch: Switch) -> Option<usize> {
        let owner = switch.owners.first()?.clone();
        switch.name = self.switch_name(&owner);
        let record = format!("{} (switch {})", bare(&owner), switch.name);
        let kept = switch.ttl_s.clamp(MIN_TTL_S, MAX_TTL_S);
        if kept != switch.ttl_s {
            self.note(record.clone(), format!("its TTL of {} s became {kept} s", switch.ttl_s), "nothing");
            switch.ttl_s = kept;
        }
        if !switch.health_checks.is_empty() {
            let checks = switch.health_checks.iter().cloned().collect::<Vec<_>>().join(", ");
            let what = format!("Route 53 watched it by health check {checks}, which is not in a dump");
            self.note(
                record,
                what,
                "write a `monitor`: without one every pool counts as healthy, and flips need --force",
            );
        } else if switch.failover {
            self.note(record, "a failover without a monitor never fails over", "write a `monitor`");
        }
        self.imported.switches.push(switch);
        Some(self.imported.switches.len() - 1)
    }

    /// A name for the switch of an owner.
    fn switch_name(&mut self, owner: &Name) -> String {
        let text = bare(owner);
        let below = text.strip_suffix(&bare(&self.imported.apex)).unwrap_or(&text).trim_end_matches('.');
        let base = match below {
            "" => "apex".to_owned(),
            below => label(&below.replace('*', "any")),
        };
        let name = unused(&base, |name| self.switch_names.contains(name));
        self.switch_names.insert(name.clone());
        name
    }

    /// A name for a pool, whose pin is no name of the dump.
    fn pool_name(&self, owner: &Name, id: &str, taken: &BTreeSet<String>) -> String {
        let base = if owner.is_wildcard() { owner.parent().unwrap_or_else(Name::root) } else { owner.clone() };
        unused(&label(id), |name| {
            let pin = base.child(name.as_bytes()).ok();
            let below = pin.as_ref().and_then(|pin| pin.child(b"*").ok());
            taken.contains(name) || [pin, below].iter().flatten().any(|pin| self.names.contains(pin))
        })
    }

    /// An alias without routing of its own.
    fn alias(&mut self, set: &Set) {
        let Some(target) = set.alias.clone() else { return };
        if let Some(meant) = self.simple.get(&(target.clone(), set.rtype)) {
            let fixed =
                Static { owner: set.owner.clone(), rtype: set.rtype, ttl_s: meant.ttl_s, values: meant.values.clone() };
            self.copied(set, &target);
            self.imported.fixed.push(fixed);
            return;
        }
        let switch = self.imported.switches.iter_mut().find(|switch| {
            switch.owners.first() == Some(&target) && switch.types.contains(&set.rtype) && is_address(set.rtype)
        });
        if let Some(switch) =
            switch.filter(|switch| !set.owner.is_wildcard() || switch.owners.iter().any(Name::is_wildcard))
        {
            if !switch.owners.contains(&set.owner) {
                switch.owners.push(set.owner.clone());
                let (what, name) = (format!("it was an alias of {}", bare(&target)), switch.name.clone());
                self.note(set.title(), what, format!("nothing: switch {name} steers both"));
            }
            return;
        }
        let remedy = if set.owner == self.imported.apex {
            format!("write the addresses behind {}: a CNAME cannot stand at the apex", bare(&target))
        } else {
            format!(
                "write `{} IN CNAME {target}` if the name has nothing else, or the addresses behind it",
                bare(&set.owner)
            )
        };
        self.lose(set, format!("it is an alias of {}, whose addresses are not in the dump", bare(&target)), remedy);
    }
}

/// The kind of [`Routing::MultiValue`].
const MULTI: u8 = 2;

/// Sets of one kind make one switch.
fn kind(routing: &Routing) -> u8 {
    match routing {
        Routing::Weighted(_) => 0,
        Routing::Failover(_) => 1,
        Routing::MultiValue => MULTI,
        Routing::Simple | Routing::Other(_) => 3,
    }
}

/// Which type leads where several are routed.
fn rank(rtype: RecordType) -> u16 {
    match rtype {
        RecordType::A => 0,
        RecordType::AAAA => 1,
        other => other.0.saturating_add(2),
    }
}

fn is_address(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::A | RecordType::AAAA)
}

/// A text as a name of a switch or pool: a-z, 0-9, - and _, begun by a letter or digit.
fn label(text: &str) -> String {
    let mut label = String::new();
    for c in text.to_lowercase().chars() {
        let plain = c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if plain && !(label.is_empty() && c == '_') {
            label.push(c);
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
    }
    // Room is left for a number behind it.
    label.truncate(56);
    let label = label.trim_end_matches('-');
    if label.is_empty() { "pool".to_owned() } else { label.to_owned() }
}

/// The name itself, or with the first number that makes it one nobody has.
fn unused(base: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(base) {
        return base.to_owned();
    }
    (2..).map(|number: u32| format!("{base}-{number}")).find(|name| !taken(name)).unwrap_or_default()
}

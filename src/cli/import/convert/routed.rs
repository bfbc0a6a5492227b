//! The sets of a name that Route 53 chooses among: a switch with its pools, where it can be one.

use super::alias::Meant;
use super::claim::claims;
use super::{Work, is_address};
use crate::cli::import::dump::{Routing, Set, bare};
use crate::cli::import::imported::{Pool, Remark, Static, Switch};
use crate::dns::{Name, RecordType};
use std::collections::{BTreeMap, BTreeSet};

/// The shortest TTL of a switch.
const MIN_TTL_S: u32 = 5;

/// The longest TTL of a switch: a week.
const MAX_TTL_S: u32 = 604_800;

impl Work {
    /// The sets of a name that are chosen among: a switch, if it can be one.
    pub(super) fn routed(&mut self, owner: &Name, sets: Vec<Set>) -> Option<usize> {
        let mut usable = Vec::new();
        let cut = self.cut_above(owner);
        for set in self.whole_types(sets) {
            if let Some(cut) = &cut {
                let what = format!("it lies below {}, which other servers answer for", bare(cut));
                self.lose(&set, what, "leave it out, or take the NS or DNAME record away");
                continue;
            }
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

    /// The sets without those types that one set is missing of, or twice: the rest would take over its share.
    fn whole_types(&mut self, sets: Vec<Set>) -> Vec<Set> {
        let mut times: BTreeMap<(RecordType, Option<String>), usize> = BTreeMap::new();
        for set in &sets {
            *times.entry((set.rtype, set.id.clone())).or_default() += 1;
        }
        let twice = |rtype| times.iter().find(|((of, _), count)| *of == rtype && **count > 1).map(|((_, id), _)| id);
        let mut whole = Vec::new();
        for set in sets {
            if let Some(broken) = self.unreadable.get(&(set.owner.clone(), set.rtype)) {
                let what = format!("it shares its name with {broken}; without that the split would be another");
                self.lose(&set, what, "correct that one and import again");
            } else if let Some(id) = twice(set.rtype) {
                let what = match id {
                    Some(id) => format!("the set identifier `{id}` is there twice, and a pool is known by it"),
                    None => "several sets of this name and type have no set identifier".to_owned(),
                };
                self.lose(&set, what, "give each set an identifier of its own, and import again");
            } else {
                whole.push(set);
            }
        }
        whole
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
            match self.meant(target, set.rtype) {
                Meant::Values(meant) => {
                    self.copied(set, target);
                    whole.push(Set { values: meant.values, ttl_s: meant.ttl_s, alias: None, ..set.clone() });
                }
                _ => broken = broken.or_else(|| Some((set.title(), bare(target)))),
            }
        }
        let Some((record, target)) = broken else { return Some(whole) };
        for set in sets {
            let what = match &set.alias {
                Some(target) => self.why_not(target, set.rtype),
                None => format!(
                    "it shares its name with {record}, an alias of {target}; without that the split would be another"
                ),
            };
            self.lose(set, what, "write a switch with the servers behind the alias as members of a pool");
        }
        None
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
        let claims = claims(&owner, &switch.pools);
        if claims.iter().any(|name| self.claimed.contains(name)) {
            let types: Vec<String> = switch.types.iter().map(ToString::to_string).collect();
            let what = "its pools would have the names (`<pool>.<owner>`, `_explain.<owner>`) of another switch's";
            self.imported.lost.push(Remark {
                record: format!("{} {}", bare(&owner), types.join(" ")),
                what: what.to_owned(),
                remedy: "name it among the `owners` of that switch if both shall move together".to_owned(),
            });
            return None;
        }
        self.claimed.extend(claims);
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
        if self.neighbours.contains(&base) {
            let what = format!("a switch {base} is there already, so this one is {name}");
            self.note(bare(owner), what, "nothing, or name it as you like");
        }
        self.switch_names.insert(name.clone());
        name
    }

    /// A name for a pool, whose pin is no name of the dump.
    fn pool_name(&self, owner: &Name, id: &str, taken: &BTreeSet<String>) -> String {
        let base = if owner.is_wildcard() { owner.parent().unwrap_or_else(Name::root) } else { owner.clone() };
        unused(&label(id), |name| {
            let pin = base.child(name.as_bytes()).ok();
            let below = pin.as_ref().and_then(|pin| pin.child(b"*").ok());
            let gone = |pin: &Name| self.names.contains(pin) || self.claimed.contains(pin);
            taken.contains(name) || [pin, below].iter().flatten().any(gone)
        })
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

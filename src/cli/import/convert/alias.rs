//! Aliases without routing of their own: copies of values, or more owners of a switch.

use super::claim::claims;
use super::{Work, is_address};
use crate::cli::import::dump::{Set, bare};
use crate::cli::import::imported::{Static, Switch};
use crate::dns::{Name, RecordType};

/// How many aliases of aliases are followed.
const CHAIN_LIMIT: usize = 16;

/// What an alias stands for in the end.
pub(super) enum Meant {
    /// A switch, by its place.
    Switch(usize),
    /// Values that never change.
    Values(Set),
    /// Nothing that was carried over, though the dump has the name.
    NotCarried(Name),
    /// A name outside the dump.
    Outside,
    /// Too many aliases, or a circle of them.
    Endless,
}

impl Work {
    /// What an alias of `target` stands for.
    pub(super) fn meant(&self, target: &Name, rtype: RecordType) -> Meant {
        let mut at = target;
        for _ in 0..CHAIN_LIMIT {
            let steers = |switch: &Switch| switch.types.contains(&rtype) && switch.owners.contains(at);
            if let Some(switch) = self.imported.switches.iter().position(steers) {
                return Meant::Switch(switch);
            }
            let key = (at.clone(), rtype);
            if let Some(set) = self.simple.get(&key) {
                return Meant::Values(set.clone());
            }
            match self.aliases.get(&key) {
                Some(next) => at = next,
                None if self.names.contains(at) => return Meant::NotCarried(at.clone()),
                None => return Meant::Outside,
            }
        }
        Meant::Endless
    }

    /// Why an alias of `target` has no values.
    pub(super) fn why_not(&self, target: &Name, rtype: RecordType) -> String {
        let alias = format!("it is an alias of {}", bare(target));
        match self.meant(target, rtype) {
            Meant::Switch(switch) => {
                let name = self.imported.switches.get(switch).map_or("", |switch| &switch.name);
                format!("{alias}, which switch {name} steers, and only one switch can steer a name")
            }
            Meant::NotCarried(end) if end == *target => {
                format!("{alias}, and the dump has no {rtype} of it that could be carried over without routing")
            }
            Meant::NotCarried(end) => format!(
                "{alias}, which leads to {}, and the dump has no {rtype} of that which could be carried over",
                bare(&end)
            ),
            Meant::Endless => {
                format!("{alias}, which leads in a circle, or over more than {CHAIN_LIMIT} names")
            }
            Meant::Values(_) | Meant::Outside => format!("{alias}, whose addresses are not in the dump"),
        }
    }

    /// All aliases of one name.
    pub(super) fn aliases_of(&mut self, sets: &[Set]) {
        let Some(owner) = sets.first().map(|set| &set.owner) else { return };
        let own = self.imported.switches.iter().position(|switch| switch.owners.contains(owner));
        let mut joined: Option<(usize, Vec<RecordType>)> = None;
        for set in sets {
            let Some(target) = &set.alias else { continue };
            match self.meant(target, set.rtype) {
                Meant::Values(meant) => {
                    self.copied(set, target);
                    match own.filter(|at| is_address(set.rtype) && self.steers_addresses(*at)) {
                        Some(at) => self.add_to_every_pool(at, &Set { values: meant.values, ..set.clone() }),
                        None => self.imported.fixed.push(Static {
                            owner: owner.clone(),
                            rtype: set.rtype,
                            ttl_s: meant.ttl_s,
                            values: meant.values,
                        }),
                    }
                }
                Meant::Switch(at) => match &mut joined {
                    Some((first, types)) if *first == at => types.push(set.rtype),
                    None if own.is_none() => {
                        if self.join(set, at) {
                            joined = Some((at, vec![set.rtype]));
                        }
                    }
                    _ => self.lose(set, self.why_not(target, set.rtype), "write a switch with the pools of both"),
                },
                _ => self.lose_alias(set, target),
            }
        }
        if let Some((at, types)) = joined {
            self.say_joined(owner, sets, at, &types);
        }
    }

    /// Makes an alias's name one more owner; whether that could be.
    fn join(&mut self, set: &Set, at: usize) -> bool {
        let cut = self.cut_above(&set.owner);
        let Some(switch) = self.imported.switches.get_mut(at) else { return false };
        let claims = claims(&set.owner, &switch.pools);
        let what = if set.owner.is_wildcard() && !switch.owners.iter().any(Name::is_wildcard) {
            format!(
                "it is an alias of a name that switch {} steers, and a wildcard has its pools elsewhere",
                switch.name
            )
        } else if let Some(cut) = cut {
            format!(
                "it is an alias of a name that switch {} steers, below {} of other servers",
                switch.name,
                bare(&cut)
            )
        } else if let Some(taken) = claims.iter().find(|name| self.names.contains(name) || self.claimed.contains(name))
        {
            format!("it is an alias of a name that switch {} steers, and {} is taken", switch.name, bare(taken))
        } else {
            switch.owners.push(set.owner.clone());
            self.claimed.extend(claims);
            return true;
        };
        let remedy = format!("write a switch for {} with the same pools under other names", bare(&set.owner));
        self.lose(set, what, remedy);
        false
    }

    /// Says what a name that joined a switch answers from there on.
    fn say_joined(&mut self, owner: &Name, sets: &[Set], at: usize, types: &[RecordType]) {
        let Some(switch) = self.imported.switches.get(at) else { return };
        let more: Vec<String> =
            switch.types.iter().filter(|rtype| !types.contains(rtype)).map(ToString::to_string).collect();
        let name = switch.name.clone();
        let first = switch.owners.first().map(bare).unwrap_or_default();
        for set in sets.iter().filter(|set| types.contains(&set.rtype)) {
            let target = set.alias.as_ref().map(bare).unwrap_or_default();
            self.note(
                set.title(),
                format!("it was an alias of {target}"),
                format!("nothing: switch {name} steers both"),
            );
        }
        if !more.is_empty() {
            let what = format!("it answers {} as {first} does, which it was no alias for", more.join(" and "));
            self.note(
                bare(owner),
                what,
                format!("if that is not right, take it out of the `owners` of switch {name} and write one of its own"),
            );
        }
    }

    fn lose_alias(&mut self, set: &Set, target: &Name) {
        let remedy = if set.owner == self.imported.apex {
            format!("write the addresses behind {}: a CNAME cannot stand at the apex", bare(target))
        } else if set.owner == *target {
            "write the addresses that are meant".to_owned()
        } else {
            format!(
                "write `{} IN CNAME {target}` if the name has nothing else, or the addresses behind it",
                bare(&set.owner)
            )
        };
        self.lose(set, self.why_not(target, set.rtype), remedy);
    }
}

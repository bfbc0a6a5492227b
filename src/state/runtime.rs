//! The run-time half of the desired state: what operators set since the files were written.

use super::guests::Guest;
use super::{Copies, Definitions, EditedZones, ZoneDefinition};
use crate::dns::Name;
use crate::health::Override;
use crate::moment::Moment;
use crate::rollout::Rollout;
use crate::zone::Zone;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Weight of each pool of a switch.
pub type Split = BTreeMap<Arc<str>, u16>;

/// Everything wanted: definitions plus what was set at run time. Numbered by `revision`.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// Goes up by one with each accepted change.
    pub revision: u64,
    /// The files.
    pub definitions: Arc<Definitions>,
    /// Run-time state of the switches that have any.
    pub switches: BTreeMap<Arc<str>, SwitchState>,
    /// Last SOA serial of each zone; zones never changed are absent.
    pub serials: BTreeMap<Name, u32>,
    /// Zones whose static data was edited.
    pub edited: EditedZones,
    /// What there is of zones that are copies.
    pub copies: Copies,
}

/// What was set at run time on one switch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SwitchState {
    /// Weights; `None`: the files' own.
    pub weights: Option<Split>,
    /// What the files said when the weights were set: a later difference is an edit not applied.
    pub file_weights: Option<Split>,
    /// The split before the last change of weights, for `undo`.
    pub previous: Option<Split>,
    /// Expected versions set at run time, by pool.
    pub versions: BTreeMap<Arc<str>, String>,
    /// Overrides in force (and expired ones not yet swept).
    pub holds: Vec<Hold>,
    /// When an unused `prepare` lapses, wall clock, milliseconds.
    pub prepared_until_unix_ms: Option<u64>,
    /// Salt drawn by a reshuffle; `None`: the definition's.
    pub salt: Option<String>,
    /// Pools that had weight in the last seconds of changes: after a crash the saved ledger may not
    /// have seen their answers.
    pub recent: Vec<Arc<str>>,
    /// When the weights last changed.
    pub changed_at: Option<Moment>,
    /// The rollout that runs, or the last one.
    pub rollout: Option<Arc<Rollout>>,
    /// Members that came by themselves.
    pub guests: Vec<Guest>,
    /// The revision that last touched this switch.
    pub revision: u64,
}

/// An override with the pool or member it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The pool.
    pub pool: Arc<str>,
    /// One member, or the whole pool.
    pub member: Option<Arc<str>>,
    /// Up or down, why, until when.
    pub hold: Override,
    /// Who asked.
    pub by: String,
}

impl Hold {
    /// Whether it is on this member.
    #[must_use]
    pub fn is_on(&self, pool: &str, member: &str) -> bool {
        &*self.pool == pool && self.member.as_deref() == Some(member)
    }
}

impl Desired {
    /// The weights in force on a switch: set at run time, else the files'.
    #[must_use]
    pub fn split(&self, switch: &crate::steering::Switch) -> Split {
        let set = self.switches.get(&switch.name).and_then(|state| state.weights.as_ref());
        switch
            .pools
            .iter()
            .map(|pool| (pool.name.clone(), set.map_or(pool.weight, |s| s.get(&pool.name).copied().unwrap_or(0))))
            .collect()
    }

    /// Takes in a committed change.
    pub fn absorb(&mut self, change: &super::Change) {
        self.revision = change.revision;
        if let Some(definitions) = &change.definitions {
            self.definitions = definitions.clone();
            self.copies.retain(|apex, _| definitions.zones.iter().any(|zone| zone.is_copy() && zone.apex == *apex));
        }
        let mut moved = self.moved_guests(change);
        for (name, state) in &change.switches {
            match state {
                Some(state) => self.switches.insert(name.clone(), state.clone()),
                None => self.switches.remove(name),
            };
        }
        if change.definitions.is_some() {
            moved = self.switches.iter().filter(|(_, s)| !s.guests.is_empty()).map(|(name, _)| name.clone()).collect();
        }
        self.seat(&moved);
        self.serials.extend(change.serials.iter().cloned());
        for zone in &change.zones {
            match &zone.zone {
                Some(edited) => self.edited.insert(zone.apex.clone(), edited.clone()),
                None => self.edited.remove(&zone.apex),
            };
        }
    }

    /// The static data of a zone: the copy, or as edited, else the files'.
    #[must_use]
    pub fn data_of<'a>(&'a self, definition: &'a ZoneDefinition) -> &'a Arc<Zone> {
        if definition.is_copy() {
            return self.copies.get(&definition.apex).map_or(&definition.data, |copy| &copy.data);
        }
        self.edited.get(&definition.apex).map_or(&definition.data, |edited| &edited.data)
    }

    /// The switches whose guests a change that is not taken in yet changes.
    #[must_use]
    pub fn moved_guests(&self, change: &super::Change) -> Vec<Arc<str>> {
        let guests = |state: Option<&SwitchState>| state.map_or_else(Vec::new, |state| state.guests.clone());
        let moved = |(name, state): &&(Arc<str>, Option<SwitchState>)| {
            guests(self.switches.get(name)) != guests(state.as_ref())
        };
        change.switches.iter().filter(moved).map(|(name, _)| name.clone()).collect()
    }

    /// Puts the guests of these switches into the definitions.
    fn seat(&mut self, names: &[Arc<str>]) {
        for name in names {
            let guests = self.switches.get(name).map_or(&[][..], |state| &state.guests);
            Arc::make_mut(&mut self.definitions).seat(name, guests);
        }
    }

    /// State of switches under definitions that know no guests yet.
    #[must_use]
    pub fn with_switches(mut self, switches: BTreeMap<Arc<str>, SwitchState>) -> Self {
        let names: Vec<Arc<str>> =
            switches.iter().filter(|(_, s)| !s.guests.is_empty()).map(|(n, _)| n.clone()).collect();
        self.switches = switches;
        self.seat(&names);
        self
    }

    /// The last rollout of a switch.
    #[must_use]
    pub fn rollout(&self, switch: &str) -> Option<&Arc<Rollout>> {
        self.switches.get(switch)?.rollout.as_ref()
    }

    /// The rollout that runs on a switch.
    #[must_use]
    pub fn running_rollout(&self, switch: &str) -> Option<&Arc<Rollout>> {
        self.rollout(switch).filter(|rollout| rollout.phase.is_running())
    }

    /// The version one member must show: its own, that of a rolling update, else its pool's.
    #[must_use]
    pub fn expect_version_of<'a>(
        &'a self,
        switch: &str,
        pool: &'a crate::steering::Pool,
        member: &'a crate::steering::Member,
    ) -> Option<&'a str> {
        let rolled = self.rollout(switch).and_then(|rollout| rollout.version_of(&pool.name, &member.name()));
        rolled.or(member.expect_version()).or_else(|| self.expect_version(switch, pool))
    }

    /// The version a pool's members must show.
    #[must_use]
    pub fn expect_version<'a>(&'a self, switch: &str, pool: &'a crate::steering::Pool) -> Option<&'a str> {
        self.switches
            .get(switch)
            .and_then(|state| state.versions.get(&pool.name))
            .or(pool.expect_version.as_ref())
            .map(String::as_str)
    }
}

//! How the world compiles its switches and puts a snapshot in force.

use super::{Live, World};
use std::sync::Arc;
use tidegate::drain::{DrainState, PoolFacts, PoolKey, VerdictInput};
use tidegate::snapshot::{Chunked, Snapshot};
use tidegate::state::{compile, compile_switch, serials};
use tidegate::steering::{may_be_answered, named_by_rules};

impl World {
    /// One switch as of now.
    pub(super) fn compile(&self, index: u32) -> Live {
        let switch = self.switch(index).clone();
        let cause = compile::ttl_cause(&self.desired, &switch, self.is_draining(index), self.now);
        let slot = |pool: &str| self.slots[&(switch.name.clone(), Arc::from(pool))];
        let compiled = compile_switch(&self.desired, &self.observed, &self.catalogue, &switch, &slot, cause, self.now);
        let fallback = !compiled.switch.pools.iter().any(|pool| pool.weight > 0 && pool.eligible);
        Live { compiled: compiled.switch, pools: compiled.pools, cause, fallback }
    }

    /// Whether a pool without weight is on its way out.
    pub(super) fn is_draining(&self, index: u32) -> bool {
        let switch = self.switch(index);
        let split = self.desired.split(switch);
        switch.pools.iter().enumerate().filter(|(_, pool)| split[&pool.name] == 0).any(|(at, pool)| {
            let key = PoolKey { switch: switch.name.clone(), pool: pool.name.clone() };
            let has_rule = named_by_rules(switch)[at];
            let input = VerdictInput { has_rule, release_warm: true, ..VerdictInput::of_promises(&key) };
            matches!(
                self.ledger.verdict(&input, self.now).state,
                DrainState::Draining | DrainState::DnsDrained | DrainState::Tail
            )
        })
    }

    /// Per pool, whether any answer could name it.
    pub(super) fn may(&self, index: u32) -> Vec<bool> {
        let switch = self.switch(index);
        let split = self.desired.split(switch);
        let weights: Vec<u16> = switch.pools.iter().map(|pool| split[&pool.name]).collect();
        let active: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0).collect();
        may_be_answered(switch, &weights, &active)
    }

    /// What a view of a switch may promise.
    pub(super) fn facts(&self, index: u32, live: &Live) -> Vec<PoolFacts> {
        let switch = self.switch(index);
        let (may, by_rule) = (self.may(index), named_by_rules(switch));
        let facts = |(at, compiled): (usize, &tidegate::steering::CompiledPool)| PoolFacts {
            pool: switch.pools[at].name.clone(),
            answered: compiled.weight > 0 || by_rule[at] || (live.fallback && may[at]),
            may_answer: may[at],
            promise_ms: u64::from(compiled.sets.iter().map(|set| set.promise_s).max().unwrap_or(live.compiled.ttl_s))
                * 1000,
            tail_ms: u64::from(switch.tail_s) * 1000,
            members: switch.pools[at].members.clone(),
        };
        live.compiled.pools.iter().enumerate().map(facts).collect()
    }

    /// Compiles everything anew.
    pub(super) fn publish_all(&mut self) {
        let number = self.snapshot.number + 1;
        self.live.clear();
        for index in 0..self.count() {
            let live = self.compile(index);
            let name = self.switch(index).name.clone();
            self.ledger.announce(number, &name, &self.facts(index, &live));
            self.live.push(live);
        }
        let catalogue = &self.catalogue;
        self.ledger.announce_removed(number, |switch| catalogue.index_of(switch).is_some());
        self.put(number);
    }

    /// Recompiles these switches.
    pub(super) fn publish(&mut self, touched: &[u32]) {
        let number = self.snapshot.number + 1;
        for index in touched {
            let live = self.compile(*index);
            let name = self.switch(*index).name.clone();
            self.ledger.announce(number, &name, &self.facts(*index, &live));
            self.live[*index as usize] = live;
        }
        self.put(number);
    }

    /// Swaps the snapshot in; nobody reads the old one any more.
    pub(super) fn put(&mut self, number: u64) {
        let zones = &self.desired.definitions.zones;
        let serials: Vec<u32> = zones.iter().map(|zone| serials::current(&self.desired, zone)).collect();
        let switches: Vec<_> = self.live.iter().map(|live| live.compiled.clone()).collect();
        self.snapshot = Snapshot {
            number,
            revision: self.desired.revision,
            zones: self.catalogue.zones.clone(),
            serials: Chunked::new(&serials),
            owners: self.catalogue.owners.clone(),
            switches: Chunked::new(&switches),
            settings: self.snapshot.settings.clone(),
        };
        self.fold();
        self.ledger.settle(number);
    }

    /// Publishes the switches whose health or TTL changed, with new serials; keeps those that move.
    pub(super) fn republish(&mut self) {
        let mut touched = Vec::new();
        for index in 0..self.count() {
            let name = self.switch(index).name.clone();
            let prepared = self
                .desired
                .switches
                .get(&name)
                .and_then(|s| s.prepared_until_unix_ms)
                .is_some_and(|until| self.now.unix_ms < until);
            if prepared || self.is_draining(index) {
                self.observed.moving.insert(name);
            } else {
                self.observed.moving.remove(&name);
            }
            let (new, old) = (self.compile(index), &self.live[index as usize]);
            if new.pools != old.pools || new.cause != old.cause {
                touched.push(index);
            }
        }
        if touched.is_empty() {
            return;
        }
        let mut zones: Vec<u32> = touched.iter().map(|index| self.catalogue.switches[*index as usize].zone).collect();
        zones.dedup();
        for zone in zones {
            let zone = self.desired.definitions.zones[zone as usize].clone();
            let serial = serials::advance(&self.desired, &zone);
            self.desired.serials.insert(zone.apex.clone(), serial);
        }
        self.publish(&touched);
    }
}

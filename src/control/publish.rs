//! From state to snapshots: compile what changed, announce it to the ledger, publish, wait for quiet.

use super::event::Event;
use super::observe::Moved;
use super::report::What;
use super::task::{APPLY_LIMIT, Control};
use crate::clock;
use crate::drain::{Ledger, PoolFacts, PoolKey};
use crate::health::IdleTask;
use crate::metrics::PoolTotals;
use crate::moment::Moment;
use crate::snapshot::{Chunked, Snapshot, Superseded};
use crate::state::{Catalogue, Compilation, PoolStatus, TtlCause, compile, serials};
use crate::steering::{CompiledSwitch, Member, Pool, Switch, may_be_answered, named_by_rules};
use crate::store::Commit;
use std::sync::Arc;
use std::time::Duration;

/// What is published of one switch.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) compiled: Arc<CompiledSwitch>,
    /// Per pool; `None`: every member of every pool is plainly healthy.
    pools: Option<Box<[PoolStatus]>>,
    pub(super) cause: TtlCause,
    /// Some client gets what the fallback decides.
    pub(super) fallback_in_use: bool,
    /// Per pool: the drain state last told.
    pub(super) drain: Box<[crate::drain::DrainState]>,
}

impl Live {
    /// The status of a pool.
    pub(super) fn status(&self, at: usize, pool: &Pool) -> PoolStatus {
        let known = self.pools.as_ref().and_then(|pools| pools.get(at));
        known.cloned().unwrap_or_else(|| PoolStatus::plain(pool.members.len()))
    }

    /// Whether both say the same of every pool.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.pools == other.pools && self.cause == other.cause
    }
}

impl Control {
    /// Compiles one switch as of now.
    pub(super) fn compile(&self, index: u32, now: Moment) -> Live {
        let switch = self.switch_at(index).clone();
        let cause = compile::ttl_cause(&self.desired, &switch, self.is_draining(index, now), now);
        let slots = |pool: &str| self.slots.of(&switch.name, pool);
        let Compilation { switch: mut compiled, pools } =
            compile::compile_switch(&self.desired, &self.observed, &self.catalogue, &switch, &slots, cause, now);
        if let Some(watch) = self.watches.of(&switch.name) {
            Arc::make_mut(&mut compiled).watch = Some(watch);
        }
        let fallback_in_use = compiled.fallback_in_use();
        let drain = self.live.get(index as usize).map_or_else(Box::default, |live| live.drain.clone());
        let plain = pools.iter().zip(&switch.pools).all(|(status, pool)| status.is_plain(pool.members.len()));
        let pools = (!plain).then(|| pools.into());
        Live { compiled, pools, cause, fallback_in_use, drain }
    }

    /// The definition of a switch by index.
    pub(super) fn switch_at(&self, index: u32) -> &Arc<Switch> {
        &self.catalogue.switches[index as usize].switch
    }

    /// Recompiles these switches and publishes them with these serials (by zone index).
    pub(super) fn publish(&mut self, touched: &[u32], serials: &[(u32, u32)], now: Moment) -> Superseded {
        let current = self.snapshots.load_full();
        let number = current.number + 1;
        let mut compiled = Vec::with_capacity(touched.len());
        for index in touched {
            self.follow_shares(*index);
            let live = self.compile(*index, now);
            compiled.push((*index, live.compiled.clone()));
            self.announce(number, *index, &live);
            self.replace_live(*index, live);
            self.carry(*index, now);
            self.note_moving(*index, now);
        }
        let next = current.with_changes(number, self.desired.revision, &compiled, serials);
        let next = Snapshot { zones: self.catalogue.zones.clone(), ..next };
        self.put(next, Some(touched.to_vec()))
    }

    /// Compiles everything anew: after a start and a reload.
    pub(super) fn publish_all(&mut self, now: Moment) -> Superseded {
        let catalogue = Catalogue::build(&self.desired);
        let before = std::mem::replace(&mut self.catalogue, catalogue);
        self.slots.extend(&self.catalogue);
        self.targets.send_replace(self.watch.targets());
        self.idle_wanted.send_replace(self.idle_wanted_now());
        self.live.clear();
        self.timed.clear();
        self.unwell.clear();
        let current = self.snapshots.load_full();
        let number = current.number + 1;
        for index in 0..u32::try_from(self.catalogue.switches.len()).expect("fewer than 2^32 switches") {
            self.follow_shares(index);
            let live = self.compile(index, now);
            self.announce(number, index, &live);
            self.replace_live(index, live);
            self.carry(index, now);
            self.note_moving(index, now);
        }
        self.carry_no_more(&before, now);
        self.ledger.announce_removed(number, |switch| self.catalogue.index_of(switch).is_some());
        let zones = &self.desired.definitions.zones;
        let next = Snapshot {
            number,
            revision: self.desired.revision,
            zones: self.catalogue.zones.clone(),
            serials: Chunked::new(&zones.iter().map(|zone| serials::current(&self.desired, zone)).collect::<Vec<_>>()),
            owners: self.catalogue.owners.clone(),
            switches: Chunked::new(&self.live.iter().map(|live| live.compiled.clone()).collect::<Vec<_>>()),
            settings: current.settings.clone(),
        };
        self.put(next, None)
    }

    /// Swaps the snapshot in, and has the ledger told when no older one is read any more.
    fn put(&mut self, next: Snapshot, touched: Option<Vec<u32>>) -> Superseded {
        let view = next.number;
        let superseded = self.snapshots.publish(Arc::new(next));
        self.published.send_replace(view);
        self.last_published = Some(superseded.clone());
        let (events, waiting) = (self.events.clone(), superseded.clone());
        tokio::spawn(async move {
            // However long a reader takes, the ledger concludes nothing before it has left.
            while !quiet_within(&waiting, APPLY_LIMIT).await {}
            // The receiver is gone only when the server ends.
            let _ = events.send(Event::Quiet { view, touched }).await;
        });
        superseded
    }

    /// Tells the ledger what this view of a switch may promise.
    fn announce(&mut self, view: u64, index: u32, live: &Live) {
        let facts = self.facts_of(index, live);
        self.ledger.announce(view, &self.catalogue.switches[index as usize].switch.name, &facts);
    }

    /// What a view of a switch may promise.
    pub(super) fn facts_of(&self, index: u32, live: &Live) -> Vec<PoolFacts> {
        let switch = self.switch_at(index);
        let weights: Vec<u16> = live.compiled.pools.iter().map(|pool| pool.weight).collect();
        let active: Vec<usize> =
            weights.iter().enumerate().filter(|(_, weight)| **weight > 0).map(|(at, _)| at).collect();
        let may = may_be_answered(switch, &weights, &active);
        let by_rule = named_by_rules(switch);
        live.compiled
            .pools
            .iter()
            .zip(&switch.pools)
            .enumerate()
            .map(|(at, (compiled, pool))| PoolFacts {
                pool: pool.name.clone(),
                answered: compiled.weight > 0
                    || by_rule[at]
                    || (live.fallback_in_use && may[at] && live.compiled.capped != Some(at)),
                may_answer: may[at],
                promise_ms: u64::from(
                    compiled.sets.iter().map(|set| set.promise_s).max().unwrap_or(live.compiled.ttl_s),
                ) * 1000,
                tail_ms: u64::from(switch.tail_s) * 1000,
                members: pool.members.clone(),
            })
            .collect()
    }

    /// Replaces what is known to be published, and tells of what that changes.
    fn replace_live(&mut self, index: u32, live: Live) {
        let switch = self.switch_at(index).clone();
        // Known at once, not with the next tick: the next command may come within the same second.
        if live.cause == TtlCause::Steady {
            self.observed.moving.remove(&switch.name);
        } else {
            self.observed.moving.insert(switch.name.clone());
        }
        let before = self.live.get(index as usize).cloned();
        for (at, pool) in switch.pools.iter().enumerate() {
            let was = before.as_ref().map(|before| before.status(at, pool).eligible);
            let PoolStatus { eligible, why, .. } = live.status(at, pool);
            if was.is_some_and(|was| was != eligible) {
                tracing::info!(switch = %switch.name, pool = %pool.name, eligible, why, "pool eligibility changed");
                self.happen(What::Eligible { switch: switch.name.to_string(), pool: pool.name.to_string(), eligible });
            }
        }
        let answering = self.inherited.is_none();
        if answering && live.fallback_in_use != before.as_ref().is_some_and(|b| b.fallback_in_use) {
            let in_use = live.fallback_in_use;
            if in_use {
                tracing::error!(switch = %switch.name, fallback = ?switch.fallback, "no pool that may take them is eligible: the fallback answers clients");
            } else {
                tracing::info!(switch = %switch.name, "the fallback no longer answers anybody");
            }
            self.happen(What::Fallback { switch: switch.name.to_string(), in_use });
        }
        self.timed.insert(index);
        match self.live.get_mut(index as usize) {
            Some(slot) => *slot = live,
            None => self.live.push(live),
        }
    }

    /// Nobody answers from before `view`: fold what was promised until then, and let the ledger conclude.
    pub(super) fn quiet(&mut self, view: u64, touched: Option<&[u32]>) {
        match touched {
            Some(touched) => self.fold_switches(touched.iter().copied()),
            None => {
                self.fold_all();
                self.freed_much();
            }
        }
        self.ledger.settle(view);
    }

    /// Folds the workers' promises of some switches into the ledger.
    pub(super) fn fold_switches(&mut self, switches: impl Iterator<Item = u32>) {
        // A reload may have come in between; it folds everything itself.
        let known = switches.filter_map(|index| self.catalogue.switches.get(index as usize));
        for switch in known.map(|placed| &placed.switch) {
            for pool in &switch.pools {
                let total = self.cells.fold_pool(self.slots.of(&switch.name, &pool.name).0);
                fold(&mut self.ledger, &switch.name, &pool.name, &total);
            }
        }
    }

    /// Folds the promises of every pool there ever was: after a reload, and at the end.
    pub(super) fn fold_all(&mut self) {
        let totals = self.cells.fold_pools();
        for (switch, pool, slot) in self.slots.iter() {
            if let Some(total) = totals.get(&slot.0) {
                fold(&mut self.ledger, switch, pool, total);
            }
        }
    }

    /// Marks the switches of members whose health changed.
    pub(super) fn note_moved(&mut self, moved: Vec<Moved>) {
        for Moved { member, from, to, failure } in moved {
            tracing::info!(switch = %member.switch, pool = %member.pool, member = %member.member, ?from, ?to, failure, "health changed");
            if let Some(index) = self.catalogue.index_of(&member.switch) {
                self.unwell.insert(index);
            }
            let (switch, pool, member) =
                (member.switch.to_string(), member.pool.to_string(), member.member.to_string());
            self.happen(What::Health { switch, pool, member, from, to, failure });
        }
    }

    /// Publishes changed health unless that was done within the last second (§3.4).
    pub(super) async fn publish_health_if_due(&mut self) {
        let now = clock::now();
        let recent = self.last_health_publication.is_some_and(|last| now.boot_ms.saturating_sub(last) < 1000);
        if !self.unwell.is_empty() && !recent {
            self.last_health_publication = Some(now.boot_ms);
            let touched = std::mem::take(&mut self.unwell);
            self.republish(touched.into_iter().collect(), now).await;
        }
    }

    /// Recompiles switches whose answers may have changed without a command, and publishes those that
    /// did. A store that fails does not keep bad members in answers.
    pub(super) async fn republish(&mut self, candidates: Vec<u32>, now: Moment) {
        let touched: Vec<u32> = candidates
            .into_iter()
            .filter(|index| {
                let (new, old) = (self.compile(*index, now), &self.live[*index as usize]);
                !new.agrees_with(old)
            })
            .collect();
        if !touched.is_empty() {
            self.publish_unasked(touched, now).await;
        }
    }

    /// Publishes switches that no command changed; the serials of their zones advance with them.
    pub(super) async fn publish_unasked(&mut self, touched: Vec<u32>, now: Moment) {
        let mut zones: Vec<u32> = touched.iter().map(|index| self.catalogue.switches[*index as usize].zone).collect();
        zones.sort_unstable();
        zones.dedup();
        let advanced: Vec<(u32, u32)> = zones
            .iter()
            .map(|zone| (*zone, serials::advance(&self.desired, &self.desired.definitions.zones[*zone as usize])))
            .collect();
        let named: Vec<_> = advanced
            .iter()
            .map(|(zone, serial)| (self.desired.definitions.zones[*zone as usize].apex.clone(), *serial))
            .collect();
        let revision = self.desired.revision;
        let commit = Commit { expected: revision, revision, serials: named.clone(), ..Commit::default() };
        match self.store.commit(commit).await {
            Ok(()) => {
                self.desired.serials.extend(named);
                self.publish(&touched, &advanced, now);
            }
            Err(error) => {
                self.store_errors += 1;
                tracing::error!(%error, "the store refused the new serials; answers change without them");
                self.doubt(&error).await;
                self.secondaries.unadvanced = true;
                self.publish(&touched, &[], now);
                self.secondaries.unadvanced = false;
            }
        }
        self.watch_condition();
    }

    /// Which idle readings the definitions ask for.
    pub(super) fn idle_wanted_now(&self) -> Arc<[IdleTask]> {
        let mut wanted = Vec::new();
        for placed in &self.catalogue.switches {
            for pool in &placed.switch.pools {
                if let Some(reading) = pool.idle.as_ref().or(placed.switch.idle.as_ref()) {
                    wanted.push(IdleTask {
                        switch: placed.switch.name.clone(),
                        pool: pool.name.clone(),
                        reading: reading.clone(),
                        addresses: pool.members.iter().flat_map(Member::addresses).collect::<Vec<_>>().into(),
                    });
                }
            }
        }
        wanted.into()
    }
}

/// Folds one pool's promises.
fn fold(ledger: &mut Ledger, switch: &Arc<str>, pool: &Arc<str>, total: &PoolTotals) {
    let key = PoolKey { switch: switch.clone(), pool: pool.clone() };
    ledger.fold(&key, total.promised_until_ms, false);
    ledger.fold(&key, total.pinned_promised_until_ms, true);
}

/// Waits until nobody reads an older snapshot, or the limit has passed.
pub(super) async fn quiet_within(superseded: &Superseded, limit: Duration) -> bool {
    // Workers finish a batch within microseconds: look often at first, then each millisecond.
    for _ in 0..64 {
        if superseded.is_quiet() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    let wait = async {
        while !superseded.is_quiet() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(limit, wait).await.is_ok()
}

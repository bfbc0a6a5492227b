//! Once a second: fold promises, let time-bound things end, save what was observed.

use super::report::What;
use super::task::Control;
use crate::clock;
use crate::drain::{DrainReport, DrainState, IdleStatus, PoolKey, VerdictInput};
use crate::moment::Moment;
use crate::steering::{Switch, named_by_rules};
use crate::store::Seen;
use std::sync::Arc;

/// Rows in one save that take memory worth giving back afterwards.
const MANY_ROWS: usize = 10_000;

/// How often old audit rows and remembered replies are swept.
const PRUNE_EVERY_MS: u64 = 3_600_000;

impl Control {
    /// One second's work.
    pub(super) async fn tick(&mut self) {
        let now = clock::now();
        if self.inherited.is_some() {
            // Nobody is answered yet: the last process's ledger stays as it is, on disk too.
            self.publish_health_if_due().await;
            return;
        }
        // Pools that serve count as answered until now after a crash; the others are folded here.
        self.fold_switches(self.timed.clone().into_iter());
        self.ledger.heartbeat(now.boot_ms);
        self.ledger.expire_copies(now.boot_ms);
        self.expire_zone_copies(now);
        self.tell_drain_changes(now);
        self.look_at_recent(now);
        self.count_trials(now.boot_ms);
        self.tick_arrivals(now).await;
        self.publish_health_if_due().await;
        self.drive_rollouts().await;
        let timed: Vec<u32> = self.timed.iter().copied().collect();
        self.republish(timed, now).await;
        let busy: Vec<u32> = self.timed.iter().copied().filter(|index| self.depends_on_time(*index, now)).collect();
        self.timed = busy.into_iter().collect();
        self.watch_condition();
        self.save(false).await;
        if now.boot_ms.saturating_sub(self.last_prune_ms) >= PRUNE_EVERY_MS {
            self.last_prune_ms = now.boot_ms;
            let catalogue = &self.catalogue;
            self.ledger.forget_drained(now.boot_ms, |switch, pool| {
                let index = catalogue.index_of(switch).and_then(|index| catalogue.switches.get(index as usize));
                index.is_some_and(|placed| placed.switch.pool(pool).is_some())
            });
            let store = self.store.clone();
            tokio::spawn(async move {
                if let Err(error) = store.prune(now.unix_ms).await {
                    tracing::warn!(%error, "old audit rows could not be deleted; tried again in an hour");
                }
            });
        }
    }

    /// Whether a switch's view changes by waiting: a preparation, an override, a drain.
    fn depends_on_time(&self, index: u32, now: Moment) -> bool {
        let state = self.desired.switches.get(&self.switch_at(index).name);
        let prepared = state.and_then(|s| s.prepared_until_unix_ms).is_some_and(|until| now.unix_ms < until);
        let held = state.is_some_and(|s| s.holds.iter().any(|hold| hold.hold.in_force(now.unix_ms)));
        let live = &self.live[index as usize];
        let watched = live.drain.iter().any(|state| !matches!(state, DrainState::Serving | DrainState::Drained));
        prepared || held || watched || live.fallback_in_use
    }

    /// Tells of pools whose drain state changed, and keeps the set of moving switches.
    pub(super) fn tell_drain_changes(&mut self, now: Moment) {
        for index in self.timed.clone() {
            let switch = self.switch_at(index).clone();
            let states: Box<[DrainState]> =
                (0..switch.pools.len()).map(|at| self.drain_report(&switch, at, false, now).state).collect();
            let before = std::mem::replace(&mut self.live[index as usize].drain, states.clone());
            for (at, state) in states.iter().enumerate() {
                if before.get(at).is_some_and(|was| was != state) {
                    let pool = switch.pools[at].name.to_string();
                    tracing::info!(switch = %switch.name, pool, ?state, "drain state changed");
                    self.happen(What::Drain { switch: switch.name.to_string(), pool: pool.clone(), state: *state });
                    self.notify_drain(&switch.name, &pool, *state, now);
                }
            }
            self.note_moving(index, now);
        }
    }

    /// Keeps the set of moving switches: prepared, or with a pool on its way out.
    pub(super) fn note_moving(&mut self, index: u32, now: Moment) {
        let name = self.switch_at(index).name.clone();
        let prepared = self
            .desired
            .switches
            .get(&name)
            .and_then(|s| s.prepared_until_unix_ms)
            .is_some_and(|until| now.unix_ms < until);
        if prepared || self.is_draining(index, now) {
            self.observed.moving.insert(name);
        } else {
            self.observed.moving.remove(&name);
        }
    }

    /// Whether some pool without weight is on its way out and its tail has not ended.
    pub(super) fn is_draining(&self, index: u32, now: Moment) -> bool {
        let switch = self.switch_at(index);
        let split = self.desired.split(switch);
        switch.pools.iter().enumerate().any(|(at, pool)| {
            let idle = split.get(&pool.name).copied().unwrap_or(0) == 0;
            idle && self.tail_runs(switch, at, now)
        })
    }

    /// Whether a pool's promises, or the tail behind them, are still running.
    pub(super) fn tail_runs(&self, switch: &Arc<Switch>, at: usize, now: Moment) -> bool {
        let key = PoolKey { switch: switch.name.clone(), pool: switch.pools[at].name.clone() };
        let by_rule = named_by_rules(switch).get(at).copied().unwrap_or(false);
        let input = VerdictInput { has_rule: by_rule, release_warm: true, ..VerdictInput::of_promises(&key) };
        matches!(
            self.ledger.own_verdict(&input, now).state,
            DrainState::Draining | DrainState::DnsDrained | DrainState::Tail
        )
    }

    /// Whether answers name a pool: weight, a rule, or the fallback in use.
    pub(super) fn has_traffic(&self, switch: &Switch, at: usize) -> bool {
        let Some(pool) = switch.pools.get(at) else { return false };
        let weight = self.desired.split(switch).get(&pool.name).copied().unwrap_or(0);
        weight > 0 || named_by_rules(switch).get(at).copied().unwrap_or(false)
    }

    /// May this pool be closed?
    pub(super) fn drain_report(&self, switch: &Arc<Switch>, at: usize, release_warm: bool, now: Moment) -> DrainReport {
        let key = PoolKey { switch: switch.name.clone(), pool: switch.pools[at].name.clone() };
        self.ledger.verdict(&self.verdict_input(&key, release_warm), now)
    }

    /// Everything a verdict on a pool depends on. A pool no longer defined has only its promises.
    pub(super) fn verdict_input<'k>(&self, key: &'k PoolKey, release_warm: bool) -> VerdictInput<'k> {
        let index = self.catalogue.index_of(&key.switch);
        let found = index.and_then(|index| {
            let switch = self.switch_at(index);
            let (at, pool) = switch.pools.iter().enumerate().find(|(_, pool)| pool.name == key.pool)?;
            Some((switch, at, pool))
        });
        let weight =
            found.map_or(0, |(switch, _, pool)| self.desired.split(switch).get(&pool.name).copied().unwrap_or(0));
        let live = index.and_then(|index| self.live.get(index as usize));
        VerdictInput {
            key,
            has_weight: weight > 0,
            in_rollout: self.desired.running_rollout(&key.switch).is_some_and(|rollout| rollout.needs(&key.pool)),
            has_rule: found.is_some_and(|(switch, at, _)| named_by_rules(switch).get(at).copied().unwrap_or(false)),
            in_fallback_use: found.is_some_and(|(switch, at, _)| {
                live.is_some_and(|live| live.fallback_in_use && live.compiled.capped != Some(at))
                    && self.fallback_names(switch, at)
            }),
            idle: found.and_then(|(switch, _, pool)| self.idle_status(switch, pool)),
            warm_until_unix_ms: self.warm_until(key),
            release_warm,
            blocked_by: &[],
        }
    }

    /// Until when a promotion keeps a pool for `undo` (§5.2).
    fn warm_until(&self, key: &PoolKey) -> Option<u64> {
        let rollout = self.desired.rollout(&key.switch)?;
        rollout.warm_until_unix_ms().filter(|_| rollout.stable == key.pool)
    }

    /// Whether the fallback of a switch may answer this pool.
    fn fallback_names(&self, switch: &Switch, at: usize) -> bool {
        let split = self.desired.split(switch);
        let weights: Vec<u16> = switch.pools.iter().map(|pool| split.get(&pool.name).copied().unwrap_or(0)).collect();
        let active: Vec<usize> =
            weights.iter().enumerate().filter(|(_, weight)| **weight > 0).map(|(at, _)| at).collect();
        crate::steering::may_be_answered(switch, &weights, &active).get(at).copied().unwrap_or(false)
    }

    /// The idle reading of a pool, where one is configured.
    fn idle_status(&self, switch: &Switch, pool: &crate::steering::Pool) -> Option<IdleStatus> {
        let reading = pool.idle.as_ref().or(switch.idle.as_ref())?;
        let track = self.idle.get(&(switch.name.clone(), pool.name.clone())).cloned().unwrap_or_default();
        let (last_value, error) = match &track.last {
            Some((Ok(value), _)) => (Some(*value), None),
            Some((Err(error), _)) => (None, Some(error.clone())),
            None => (None, Some("not read yet".to_owned())),
        };
        Some(IdleStatus {
            in_a_row: track.in_a_row,
            needed: reading.readings,
            last_value,
            floor: track.floor(reading),
            error,
        })
    }

    /// Tells when the store's condition changes.
    pub(super) fn watch_condition(&mut self) {
        let condition = self.store.condition();
        if condition != self.condition {
            tracing::warn!(?condition, "the state store's condition changed");
            self.condition = condition.clone();
            self.happen(What::Store { condition });
        }
    }

    /// Saves the heartbeat, changed promises and changed health; one save at a time. The last one (`wait`) is
    /// waited for and says that the end was an ordered one.
    pub(super) async fn save(&mut self, wait: bool) {
        if self.inherited.is_some() {
            return;
        }
        if let Some(saving) = self.saving.take_if(|saving| wait || saving.is_finished())
            && let Err(error) = saving.await
        {
            tracing::error!(%error, "saving what was observed failed");
        }
        if self.saving.is_some() {
            return;
        }
        let (health, health_gone) = self.watch.drain_unsaved();
        let (trials, trials_gone) = self.trials.take_unsaved();
        let ledger = self.ledger.head().to_text();
        let mut seen = Seen { ledger, health, health_gone, trials, trials_gone, ..Seen::default() };
        for (switch, rows) in self.ledger.take_unsaved() {
            match rows {
                Some(text) => seen.promises.push((switch.to_string(), text)),
                None => seen.promises_gone.push(switch.to_string()),
            }
        }
        let (store, freed) = (self.store.clone(), self.freed);
        let much = seen.promises.len() >= MANY_ROWS;
        let saving = tokio::spawn(async move {
            if let Err(error) = store.save_seen(seen).await {
                tracing::warn!(%error, "what was observed could not be saved; tried again in a second");
            }
            if much {
                // Nobody waits for it; an error means that the runtime ends.
                let _ = tokio::task::spawn_blocking(freed).await;
            }
        });
        if wait {
            if let Err(error) = saving.await {
                tracing::error!(%error, "saving what was observed failed");
            }
        } else {
            self.saving = Some(saving);
        }
    }
}

//! The guards of a weight change (§3.2): each returns the rejection it would raise.

use super::Decide;
use crate::state::command::Rejection;
use crate::state::definitions::ZoneDefinition;
use crate::state::observed::pool_status;
use crate::state::runtime::{Split, SwitchState};
use crate::steering::{Pool, Switch};
use std::sync::Arc;

/// Far longer than the drain ledger takes to reach the disk, which it does each second.
const RECENT_MS: u64 = 10_000;

impl Decide<'_> {
    /// A rollout runs, which alone moves the weights.
    pub(super) fn rollout_runs(&self, switch: &Switch) -> Option<Rejection> {
        let rollout = self.desired.running_rollout(&switch.name)?;
        Some(Rejection::RolloutRunning { switch: switch.name.to_string(), phase: rollout.phase.word() })
    }

    /// Less than `min_interval` since the last change of weights.
    pub(super) fn too_soon(&self, switch: &Switch) -> Option<Rejection> {
        let changed = self.desired.switches.get(&switch.name)?.changed_at?;
        let ago_ms = if self.now.boot_ms >= changed.boot_ms {
            self.now.boot_ms - changed.boot_ms
        } else {
            self.now.unix_ms.saturating_sub(changed.unix_ms)
        };
        (ago_ms < switch.min_interval_ms).then(|| Rejection::TooSoon {
            switch: switch.name.to_string(),
            ago_ms,
            wait_ms: switch.min_interval_ms - ago_ms,
        })
    }

    /// A pool whose share rises is not eligible, or nothing watches it and `undo` does not vouch for it.
    pub(super) fn not_ready(&self, switch: &Switch, before: &Split, after: &Split, vouched: bool) -> Option<Rejection> {
        let total = |split: &Split| split.values().map(|weight| u64::from(*weight)).sum::<u64>();
        let (total_before, total_after) = (total(before), total(after));
        switch.pools.iter().find_map(|pool| {
            let weight = |split: &Split| u64::from(split.get(&pool.name).copied().unwrap_or(0));
            if weight(after) * total_before <= weight(before) * total_after {
                return None;
            }
            let status = pool_status(self.desired, self.observed, switch, pool, self.now.unix_ms);
            let (switch_name, pool_name) = (switch.name.to_string(), pool.name.to_string());
            if !status.eligible {
                let why = status.why.unwrap_or_else(|| "it is down".to_owned());
                return Some(Rejection::NotEligible { switch: switch_name, pool: pool_name, why });
            }
            (!vouched && switch.monitors_of(pool).is_empty() && !pool.members.is_empty())
                .then_some(Rejection::Unmonitored { switch: switch_name, pool: pool_name })
        })
    }

    /// No eligible pool would have weight.
    pub(super) fn nobody_left(&self, switch: &Switch, after: &Split) -> Option<Rejection> {
        let some = switch.pools.iter().any(|pool| {
            after.get(&pool.name).is_some_and(|weight| *weight > 0)
                && pool_status(self.desired, self.observed, switch, pool, self.now.unix_ms).eligible
        });
        (!some).then(|| Rejection::NoEligibleWeight { switch: switch.name.to_string() })
    }

    /// A pool with weight in `after` would have to show another version than now (§1.2): `changes` says which do.
    pub(super) fn changed_in_service(
        &self,
        switch: &Switch,
        after: &Split,
        changes: impl Fn(&Pool) -> bool,
    ) -> Option<Rejection> {
        let in_service = |pool: &&Pool| after.get(&pool.name).is_some_and(|weight| *weight > 0);
        let pool = switch.pools.iter().filter(in_service).find(|pool| changes(pool))?;
        Some(Rejection::PoolHasWeight { switch: switch.name.to_string(), pool: pool.name.to_string() })
    }

    /// More switches of the zone would be moving than it allows; `starting` begin with this command.
    pub(super) fn too_many_moving(&self, zone: &ZoneDefinition, starting: &[&str]) -> Option<Rejection> {
        let limit = zone.max_moving?;
        let others: Vec<&str> = zone
            .switches
            .iter()
            .map(|s| &*s.name)
            .filter(|name| self.observed.moving.contains(*name) && !starting.contains(name))
            .collect();
        let moving = u32::try_from(others.len()).unwrap_or(u32::MAX);
        let wanted = u32::try_from(starting.len()).unwrap_or(u32::MAX);
        (moving.saturating_add(wanted) > limit).then(|| Rejection::TooManyMoving {
            zone: zone.apex.to_string(),
            moving,
            limit,
            names: if others.is_empty() { format!("{wanted} asked for at once") } else { others.join(", ") },
        })
    }

    /// Records a new split in a switch's state; `previous` keeps the one it replaces.
    pub(super) fn with_split(&self, switch: &Switch, after: Split) -> SwitchState {
        let mut state = self.moved(self.state(switch), switch, after);
        super::rollouts::end_by_force(&mut state, self);
        state
    }

    /// Puts a new split into a switch's state.
    pub(super) fn moved(&self, mut state: SwitchState, switch: &Switch, after: Split) -> SwitchState {
        let before = self.desired.split(switch);
        state.recent = self.recent_pools(&state, &before);
        state.previous = Some(before);
        state.file_weights = Some(switch.pools.iter().map(|pool| (pool.name.clone(), pool.weight)).collect());
        state.weights = Some(after);
        state.changed_at = Some(self.now);
        state.prepared_until_unix_ms = None;
        state
    }

    /// The pools that had weight within the last [`RECENT_MS`], this change's `before` included.
    pub(super) fn recent_pools(&self, state: &SwitchState, before: &Split) -> Vec<Arc<str>> {
        let long_ago = state.changed_at.is_none_or(|at| self.now.boot_ms.saturating_sub(at.boot_ms) > RECENT_MS);
        let mut recent = if long_ago { Vec::new() } else { state.recent.clone() };
        recent.extend(before.iter().filter(|(_, weight)| **weight > 0).map(|(pool, _)| pool.clone()));
        recent.sort_unstable();
        recent.dedup();
        recent
    }
}

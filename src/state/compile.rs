//! Desired and observed state of one switch to what queries read.

use super::catalogue::Catalogue;
use super::observed::{Observed, PoolStatus, pool_status};
use super::runtime::Desired;
use crate::moment::Moment;
use crate::steering::{CompiledSwitch, MemberHealth, PoolInput, PoolSlot, Switch, SwitchInput};
use std::sync::Arc;

/// Why answers carry the TTL they carry (§1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TtlCause {
    /// Nothing is going on.
    Steady,
    /// `prepare` is in force.
    Prepared,
    /// A rollout runs.
    RollingOut,
    /// A pool that lost its weight is still in its drain's tail.
    Draining,
}

impl TtlCause {
    /// The cause in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Prepared => "low while prepared, so that undo is fast",
            Self::RollingOut => "low while a rollout runs, so that going back is fast",
            Self::Draining => "low until the drain's tail ends, so that undo is fast",
        }
    }
}

/// The TTL in force on a switch, seconds.
#[must_use]
pub fn ttl_s(switch: &Switch, cause: TtlCause) -> u32 {
    match cause {
        TtlCause::Steady => switch.ttl_s,
        TtlCause::Prepared | TtlCause::RollingOut | TtlCause::Draining => switch.fast_ttl_s.min(switch.ttl_s),
    }
}

/// What is going on at `now`: a preparation, else a rollout, else a drain.
#[must_use]
pub fn ttl_cause(desired: &Desired, switch: &Switch, draining: bool, now: Moment) -> TtlCause {
    let prepared = desired.switches.get(&switch.name).and_then(|state| state.prepared_until_unix_ms);
    if prepared.is_some_and(|until| now.unix_ms < until) {
        TtlCause::Prepared
    } else if desired.running_rollout(&switch.name).is_some() {
        TtlCause::RollingOut
    } else if draining {
        TtlCause::Draining
    } else {
        TtlCause::Steady
    }
}

/// One switch compiled, with the status of each pool that went into it.
#[derive(Debug, Clone)]
pub struct Compilation {
    /// What queries read.
    pub switch: Arc<CompiledSwitch>,
    /// Per pool, in the order of the definition.
    pub pools: Vec<PoolStatus>,
}

/// Compiles one switch.
#[must_use]
pub fn compile_switch(
    desired: &Desired,
    observed: &Observed,
    catalogue: &Catalogue,
    switch: &Arc<Switch>,
    slots: &dyn Fn(&str) -> PoolSlot,
    cause: TtlCause,
    now: Moment,
) -> Compilation {
    let split = desired.split(switch);
    let weights: Vec<u16> = switch.pools.iter().map(|pool| split.get(&pool.name).copied().unwrap_or(0)).collect();
    let statuses: Vec<PoolStatus> =
        switch.pools.iter().map(|pool| pool_status(desired, observed, switch, pool, now.unix_ms)).collect();
    let pools = switch
        .pools
        .iter()
        .zip(&statuses)
        .map(|(pool, status)| PoolInput {
            slot: slots(&pool.name),
            health: status.members.iter().map(|eligible| MemberHealth { eligible: *eligible }).collect(),
            eligible: status.eligible,
            why: status.why.clone(),
        })
        .collect();
    let state = desired.switches.get(&switch.name);
    let salt = state.and_then(|s| s.salt.as_deref()).unwrap_or(switch.salt());
    let rollout = desired.running_rollout(&switch.name);
    let input = SwitchInput {
        definition: switch,
        networks: desired.definitions.networks(&switch.name),
        ttl_s: ttl_s(switch, cause),
        ttl_cause: cause.words(),
        weights: &weights,
        salt,
        pools,
        last_active: weights.iter().enumerate().filter(|(_, weight)| **weight > 0).map(|(at, _)| at).collect(),
        capped: rollout.and_then(|rollout| rollout.capped()).and_then(|name| Some(switch.pool(name)?.0)),
        target_ttl: &|name| catalogue.target_ttl(name),
    };
    let mut compiled = crate::steering::compile(&input);
    let stable = rollout.and_then(|rollout| switch.pool(&rollout.stable)).map(|(at, _)| at);
    compiled.stable = stable.and_then(|at| u16::try_from(at).ok());
    Compilation { switch: Arc::new(compiled), pools: statuses }
}

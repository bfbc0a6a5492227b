//! What is seen of members, and what that makes of pools: eligible or not, and why.

use super::runtime::{Desired, Hold};
use crate::health::{self, Health, OverrideKind};
use crate::steering::{Member, Pool, Switch};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Measured health, kept by `control`, read by `apply` and `compile`.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// By switch, then pool, then member. Members without monitors are absent.
    pub members: HashMap<MemberKey, Seen>,
    /// Members that have been up: until then a guest counts for nothing (§2.5).
    pub proven: HashSet<MemberKey>,
    /// Switches that are prepared, draining or in a rollout.
    pub moving: HashSet<Arc<str>>,
}

/// Names one member of one pool of one switch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberKey {
    /// The switch.
    pub switch: Arc<str>,
    /// The pool.
    pub pool: Arc<str>,
    /// The member.
    pub member: Arc<str>,
}

/// What the probes say of one member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The worst of its monitors.
    pub health: Health,
    /// What the last failed probe said, while it is not up.
    pub failure: Option<String>,
}

/// What health and overrides make of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// Per member, in the order of the definition.
    pub members: Vec<bool>,
    /// Whether the pool may be answered.
    pub eligible: bool,
    /// Why it may not, or what holds it; `None` when it is plainly healthy.
    pub why: Option<String>,
}

impl PoolStatus {
    /// A pool of so many members of which nothing is to be said.
    #[must_use]
    pub fn plain(members: usize) -> Self {
        Self { members: vec![true; members], eligible: true, why: None }
    }

    /// Whether nothing is to be said of a pool of so many members.
    #[must_use]
    pub fn is_plain(&self, members: usize) -> bool {
        self.eligible && self.why.is_none() && self.members.len() == members && self.members.iter().all(|up| *up)
    }
}

impl MemberKey {
    /// The key of a member.
    #[must_use]
    pub fn new(switch: &Switch, pool: &Pool, member: &Member) -> Self {
        Self { switch: switch.name.clone(), pool: pool.name.clone(), member: member.name().into() }
    }
}

/// The override in force on a pool (`member` absent) or on one member.
#[must_use]
pub fn hold_on<'a>(
    desired: &'a Desired,
    switch: &str,
    pool: &str,
    member: Option<&str>,
    now_unix_ms: u64,
) -> Option<&'a Hold> {
    desired
        .switches
        .get(switch)?
        .holds
        .iter()
        .find(|hold| &*hold.pool == pool && hold.member.as_deref() == member && hold.hold.in_force(now_unix_ms))
}

/// Judges a pool: measured health, overrides, quorum (§2.3, §2.4).
///
/// A pool forced up answers its healthy members if it has any, else all of them.
#[must_use]
pub fn pool_status(
    desired: &Desired,
    observed: &Observed,
    switch: &Switch,
    pool: &Pool,
    now_unix_ms: u64,
) -> PoolStatus {
    let monitored = !switch.monitors_of(pool).is_empty();
    let held = desired.switches.get(&switch.name).is_some_and(|state| !state.holds.is_empty());
    let mut members: Vec<bool> = pool
        .members
        .iter()
        .map(|member| {
            let measured = if monitored {
                observed.members.get(&MemberKey::new(switch, pool, member)).map_or(Health::Unknown, |seen| seen.health)
            } else {
                Health::Up
            };
            let hold = held.then(|| hold_on(desired, &switch.name, &pool.name, Some(&member.name()), now_unix_ms));
            health::eligible(measured, hold.flatten().map(|h| &h.hold))
        })
        .collect();
    let out = desired.rollout(&switch.name).filter(|rollout| rollout.stable == pool.name).and_then(|r| r.withdrawn());
    for (member, up) in pool.members.iter().zip(&mut members) {
        *up &= out.is_none_or(|out| **out != member.name());
    }
    let quorum = has_quorum(desired, observed, switch, pool, &members);
    let hold = hold_on(desired, &switch.name, &pool.name, None, now_unix_ms);
    match hold.map(|h| (h.hold.kind, &h.hold.reason)) {
        Some((OverrideKind::ForceUp, reason)) => {
            if !members.contains(&true) {
                members.fill(true);
            }
            PoolStatus { members, eligible: true, why: Some(format!("forced up: {reason}")) }
        }
        Some((OverrideKind::ForceDown, reason)) => {
            members.fill(false);
            PoolStatus { members, eligible: false, why: Some(format!("forced down: {reason}")) }
        }
        None if quorum => PoolStatus { members, eligible: true, why: None },
        None => {
            let why = explain_down(desired, observed, switch, pool, &members, now_unix_ms);
            PoolStatus { members, eligible: false, why: Some(why) }
        }
    }
}

/// Whether enough of a pool is eligible. A guest that has never been up counts neither way, or members
/// that come would take their pool out of service.
fn has_quorum(desired: &Desired, observed: &Observed, switch: &Switch, pool: &Pool, members: &[bool]) -> bool {
    let guests = desired.switches.get(&switch.name).map_or(&[][..], |state| &state.guests);
    let is_new = |member: &Member, up: bool| {
        !up && guests.iter().any(|guest| guest.pool == pool.name && guest.member.name() == member.name())
            && !observed.proven.contains(&MemberKey::new(switch, pool, member))
    };
    let takes_guests = pool.register.is_some() || pool.discover.is_some();
    if takes_guests && pool.records.is_empty() && !members.contains(&true) {
        return false;
    }
    let counted = pool.members.iter().zip(members.iter().copied());
    let counted = counted.filter(|(member, up)| guests.is_empty() || !is_new(member, *up));
    health::pool_eligible(counted.map(|(member, up)| (member.weight, up)), switch.min_healthy)
}

/// How many members are missing, and what the first of them says.
fn explain_down(
    desired: &Desired,
    observed: &Observed,
    switch: &Switch,
    pool: &Pool,
    members: &[bool],
    now_unix_ms: u64,
) -> String {
    if members.is_empty() {
        return "no member has come yet".to_owned();
    }
    let up = members.iter().filter(|up| **up).count();
    let first = pool.members.iter().zip(members).find(|(_, up)| !**up).map(|(member, _)| {
        if hold_on(desired, &switch.name, &pool.name, Some(&member.name()), now_unix_ms).is_some() {
            return format!("{} is forced down", member.name());
        }
        if desired
            .rollout(&switch.name)
            .and_then(|rollout| rollout.withdrawn())
            .is_some_and(|out| **out == member.name())
        {
            return format!("{} is out for its update", member.name());
        }
        match observed.members.get(&MemberKey::new(switch, pool, member)) {
            Some(Seen { failure: Some(failure), .. }) => format!("{}: {failure}", member.name()),
            Some(Seen { health: Health::Down, .. }) => format!("{} is down", member.name()),
            _ => format!("{} was not probed yet", member.name()),
        }
    });
    format!("{up} of {} members are healthy; {}", members.len(), first.unwrap_or_default())
}

/// Whether some eligible pool has weight.
#[must_use]
pub fn has_eligible_weight(desired: &Desired, observed: &Observed, switch: &Switch, now_unix_ms: u64) -> bool {
    let split = desired.split(switch);
    switch.pools.iter().any(|pool| {
        split.get(&pool.name).is_some_and(|weight| *weight > 0)
            && pool_status(desired, observed, switch, pool, now_unix_ms).eligible
    })
}

//! Overrides (§2.4): a reason, an end, and never the last eligible pool without force.

use super::{Decide, resolve_pool};
use crate::health::OverrideKind;
use crate::health::hold::{LONGEST_MS, Override, OverrideError, SHORTEST_MS};
use crate::state::command::{Change, Rejection};
use crate::state::observed::has_eligible_weight;
use crate::state::runtime::{Hold, SwitchState};
use crate::steering::{Pool, Switch};
use std::sync::Arc;

/// What is to be held, by name.
pub(super) struct Asked<'a> {
    pub(super) switch: &'a str,
    pub(super) pool: &'a str,
    pub(super) member: Option<&'a str>,
    pub(super) kind: Option<OverrideKind>,
    pub(super) for_ms: Option<u64>,
}

/// Sets, replaces or clears an override.
pub(super) fn set(decide: &Decide<'_>, asked: &Asked<'_>) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(asked.switch)?;
    let pool = resolve_pool(switch, asked.pool)?;
    let mut state = decide.state(switch);
    // One may be on a member that is away.
    let known = asked.member.filter(|name| state.holds.iter().any(|hold| hold.is_on(&pool.name, name)));
    let member = match known {
        Some(name) => Some(name.into()),
        None => asked.member.map(|name| resolve_member(asked, pool, name)).transpose()?,
    };
    sweep(&mut state, switch, decide.now.unix_ms);
    let before = state.holds.len();
    state.holds.retain(|hold| hold.pool != pool.name || hold.member != member);
    match asked.kind {
        None if state.holds.len() == before => {
            let what = member
                .map_or_else(|| format!("pool `{}`", pool.name), |m| format!("member `{m}` of pool `{}`", pool.name));
            return Err(Rejection::NoOverride { what });
        }
        None => {}
        Some(kind) => {
            let hold = build(decide, kind, asked.for_ms)?;
            state.holds.push(Hold { pool: pool.name.clone(), member, hold, by: decide.request.by.clone() });
        }
    }
    let planned = decide.planned(switch, &state);
    let had = has_eligible_weight(decide.desired, decide.observed, switch, decide.now.unix_ms);
    let has = has_eligible_weight(&planned, decide.observed, switch, decide.now.unix_ms);
    decide.guard((had && !has).then(|| Rejection::NoEligibleWeight { switch: switch.name.to_string() }))?;
    Ok(decide.change(vec![(switch.name.clone(), state)], [zone]))
}

/// Forgets overrides of members that are away once they have ended.
fn sweep(state: &mut SwitchState, switch: &Switch, now_unix_ms: u64) {
    state.holds.retain(|hold| {
        let is_member = |id: &Arc<str>| {
            switch.pool(&hold.pool).is_some_and(|(_, pool)| pool.members.iter().any(|m| m.name() == **id))
        };
        hold.hold.in_force(now_unix_ms) || hold.member.as_ref().is_none_or(is_member)
    });
}

/// Checks reason and length.
fn build(decide: &Decide<'_>, kind: OverrideKind, for_ms: Option<u64>) -> Result<Override, Rejection> {
    let reason = decide.request.reason.as_deref().unwrap_or("");
    let lasts = for_ms.ok_or_else(|| Rejection::OverrideDuration { given: "nothing".to_owned() })?;
    Override::new(kind, reason, decide.now.unix_ms, lasts).map_err(|error| match error {
        OverrideError::NoReason => {
            Rejection::MissingReason { why: "with an override: the next person on call must know why" }
        }
        OverrideError::Length(_) if lasts < SHORTEST_MS => {
            Rejection::OverrideDuration { given: format!("{} s", lasts / 1000) }
        }
        OverrideError::Length(_) => Rejection::OverrideDuration {
            given: format!("{} h, {} over", lasts / 3_600_000, (lasts - LONGEST_MS) / 60_000),
        },
    })
}

/// Finds a member by name or address.
fn resolve_member(asked: &Asked<'_>, pool: &Pool, name: &str) -> Result<Arc<str>, Rejection> {
    let matches_address = |member: &crate::steering::Member| {
        member.ipv4.is_some_and(|a| a.to_string() == name) || member.ipv6.is_some_and(|a| a.to_string() == name)
    };
    pool.members
        .iter()
        .find(|member| member.name() == name)
        .or_else(|| pool.members.iter().find(|member| matches_address(member)))
        .map(|member| member.name().into())
        .ok_or_else(|| Rejection::UnknownMember {
            switch: asked.switch.to_owned(),
            pool: pool.name.to_string(),
            name: name.to_owned(),
            known: pool.members.iter().map(|m| m.name().to_string()).collect(),
        })
}

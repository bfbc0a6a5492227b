//! flip, set-weights, undo, reset: the commands that move weight (§1.5, §3.1).

use super::{Decide, resolve_pool, split_change};
use crate::state::command::{Change, FlipTarget, Rejection, WeightChange};
use crate::state::definitions::ZoneDefinition;
use crate::state::observed::has_eligible_weight;
use crate::state::runtime::{Desired, Split, SwitchState};
use crate::steering::{MAX_WEIGHT, Pool, Switch};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All weight to one pool of each switch named, or nothing at all.
pub(super) fn flip(decide: &Decide<'_>, targets: &[FlipTarget]) -> Result<Change, Rejection> {
    if targets.is_empty() {
        return Err(Rejection::NothingNamed);
    }
    let mut moves = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        if targets[..at].iter().any(|earlier| earlier.switch == target.switch) {
            return Err(Rejection::NamedTwice { switch: target.switch.clone() });
        }
        let (zone, switch) = decide.switch(&target.switch)?;
        let pool = resolve_pool(switch, &target.to)?;
        let after = all_to(switch, &pool.name);
        if !same_shares(&decide.desired.split(switch), &after) {
            moves.push(Move { zone, switch, after });
        }
    }
    decide.move_weights(&moves, Guards::All)
}

/// Sets any split.
pub(super) fn set(decide: &Decide<'_>, name: &str, weights: &WeightChange) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let before = decide.desired.split(switch);
    let after = match weights {
        WeightChange::Weights(given) => set_weights(switch, &before, given)?,
        WeightChange::Percent(given) => set_percent(switch, &before, given)?,
    };
    if after.values().all(|weight| *weight == 0) {
        return Err(Rejection::WeightsSumToZero { switch: name.to_owned() });
    }
    if after == before {
        return Ok(decide.unchanged());
    }
    decide.move_weights(&[Move { zone, switch, after }], Guards::All)
}

/// Back to the split before the last change, at once: no interval, no moving-switch limit.
pub(super) fn undo(decide: &Decide<'_>, name: &str) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let previous = decide.state(switch).previous.ok_or_else(|| Rejection::NothingToUndo { switch: name.to_owned() })?;
    let after: Split =
        switch.pools.iter().map(|p| (p.name.clone(), previous.get(&p.name).copied().unwrap_or(0))).collect();
    if after.values().all(|weight| *weight == 0) || after == decide.desired.split(switch) {
        return Err(Rejection::NothingToUndo { switch: name.to_owned() });
    }
    decide.move_weights(&[Move { zone, switch, after }], Guards::HealthOnly)
}

/// Forgets what was set at run time; `undo` can still return to it.
pub(super) fn reset(decide: &Decide<'_>, name: &str) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let Some(state) = decide.desired.switches.get(&switch.name) else {
        return Ok(decide.unchanged());
    };
    let files: Split = switch.pools.iter().map(|pool| (pool.name.clone(), pool.weight)).collect();
    let before = decide.desired.split(switch);
    decide.guard(decide.rollout_runs(switch))?;
    let mut fresh = SwitchState {
        rollout: state.rollout.clone(),
        guests: state.guests.clone(),
        previous: state.previous.clone(),
        changed_at: state.changed_at,
        recent: state.recent.clone(),
        revision: state.revision,
        ..SwitchState::default()
    };
    if fresh == *state {
        return Ok(decide.unchanged());
    }
    let planned = decide.planned(switch, &fresh);
    // What counts is who would be eligible without the overrides that go.
    let without = Decide { desired: &planned, ..*decide };
    let moves = before != files;
    if moves {
        decide.guard(decide.too_soon(switch))?;
        decide.guard(without.not_ready(switch, &before, &files, false))?;
        decide.guard(decide.too_many_moving(zone, &[&*switch.name]))?;
    }
    if moves || has_eligible_weight(decide.desired, decide.observed, switch, decide.now.unix_ms) {
        decide.guard(without.nobody_left(switch, &files))?;
    }
    let version = |desired: &Desired, pool: &Pool| desired.expect_version(&switch.name, pool).map(str::to_owned);
    let changes = |pool: &Pool| version(&planned, pool) != version(decide.desired, pool);
    decide.guard(decide.changed_in_service(switch, &files, changes))?;
    super::rollouts::end_by_force(&mut fresh, decide);
    if moves {
        fresh.recent = decide.recent_pools(state, &before);
        fresh.previous = Some(before);
        fresh.changed_at = Some(decide.now);
    }
    let mut change = decide.change(vec![(switch.name.clone(), fresh)], [zone]);
    if moves {
        change.splits.push(split_change(decide.desired, switch, &files));
    }
    Ok(change)
}

/// One switch's planned split.
struct Move<'a> {
    zone: &'a Arc<ZoneDefinition>,
    switch: &'a Arc<Switch>,
    after: Split,
}

/// Which guards a verb must pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guards {
    /// All of them.
    All,
    /// `undo`: returns to a split that served before, so neither interval nor limit nor the lack of a
    /// monitor holds it up; known bad health does.
    HealthOnly,
}

impl Decide<'_> {
    /// The guards that concern one switch.
    fn hold_guards(&self, planned: &Move<'_>, guards: Guards) -> Result<(), Rejection> {
        let before = self.desired.split(planned.switch);
        self.guard(self.rollout_runs(planned.switch))?;
        if guards == Guards::All {
            self.guard(self.too_soon(planned.switch))?;
        }
        self.guard(self.not_ready(planned.switch, &before, &planned.after, guards == Guards::HealthOnly))?;
        self.guard(self.nobody_left(planned.switch, &planned.after))
    }

    /// Passes the guards for every move, then makes one change of them all.
    fn move_weights(&self, moves: &[Move<'_>], guards: Guards) -> Result<Change, Rejection> {
        if moves.is_empty() {
            return Ok(self.unchanged());
        }
        for planned in moves {
            self.hold_guards(planned, guards)?;
            if guards == Guards::All {
                let starting: Vec<&str> =
                    moves.iter().filter(|m| m.zone.apex == planned.zone.apex).map(|m| &*m.switch.name).collect();
                self.guard(self.too_many_moving(planned.zone, &starting))?;
            }
        }
        let splits = moves.iter().map(|m| split_change(self.desired, m.switch, &m.after)).collect();
        let zones: Vec<_> = moves.iter().map(|m| m.zone).collect();
        let touched =
            moves.iter().map(|m| (m.switch.name.clone(), self.with_split(m.switch, m.after.clone()))).collect();
        let mut change = self.change(touched, zones);
        change.splits = splits;
        Ok(change)
    }
}

/// The split that gives one pool everything.
fn all_to(switch: &Switch, target: &str) -> Split {
    switch.pools.iter().map(|p| (p.name.clone(), if &*p.name == target { MAX_WEIGHT } else { 0 })).collect()
}

/// Whether both splits give the same pool everything.
fn same_shares(before: &Split, after: &Split) -> bool {
    before.iter().all(|(pool, weight)| (*weight > 0) == after.get(pool).is_some_and(|w| *w > 0))
        && before.values().filter(|w| **w > 0).count() == 1
}

/// Integers: pools not named keep theirs.
fn set_weights(switch: &Switch, before: &Split, given: &BTreeMap<String, u32>) -> Result<Split, Rejection> {
    let mut after = before.clone();
    for (name, weight) in given {
        let pool = resolve_pool(switch, name)?;
        let checked = u16::try_from(*weight).ok().filter(|w| *w <= MAX_WEIGHT);
        let checked = checked.ok_or_else(|| Rejection::WeightOutOfRange { pool: name.clone(), weight: *weight })?;
        after.insert(pool.name.clone(), checked);
    }
    Ok(after)
}

/// Hundredths of a percent: the pools not named share the rest in their old ratio (§1.5).
fn set_percent(switch: &Switch, before: &Split, given: &BTreeMap<String, u32>) -> Result<Split, Rejection> {
    let mut after: Split = switch.pools.iter().map(|p| (p.name.clone(), 0)).collect();
    for (name, hundredths) in given {
        let pool = resolve_pool(switch, name)?;
        let weight =
            u16::try_from(*hundredths).ok().filter(|w| *w <= MAX_WEIGHT).ok_or_else(|| percent_sum(*hundredths))?;
        after.insert(pool.name.clone(), weight);
    }
    let named: u32 = given.values().sum();
    let others: Vec<&Arc<str>> = after.keys().filter(|name| !given.contains_key(&***name)).collect();
    let limit = u32::from(MAX_WEIGHT);
    if named > limit || (others.is_empty() && named != limit) {
        return Err(percent_sum(named));
    }
    let shares = share_out(limit - named, &others, before).ok_or_else(|| percent_sum(named))?;
    after.extend(shares);
    Ok(after)
}

/// Splits `rest` among pools in the ratio of their old weights, by largest remainder; `None` when
/// several pools at 0 are left and nothing says which of them is to get it.
fn share_out(rest: u32, pools: &[&Arc<str>], before: &Split) -> Option<Vec<(Arc<str>, u16)>> {
    let old = |pool: &Arc<str>| u32::from(before.get(pool).copied().unwrap_or(0));
    let total: u32 = pools.iter().map(|pool| old(pool)).sum();
    if total == 0 {
        let fits = u16::try_from(rest).unwrap_or(MAX_WEIGHT);
        return match pools {
            [only] => Some(vec![((*only).clone(), fits)]),
            _ => (rest == 0).then(Vec::new),
        };
    }
    let mut shares: Vec<(Arc<str>, u32, u32)> =
        pools.iter().map(|pool| ((*pool).clone(), rest * old(pool) / total, rest * old(pool) % total)).collect();
    let mut left = rest - shares.iter().map(|(_, share, _)| share).sum::<u32>();
    shares.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    for share in &mut shares {
        if left > 0 && share.2 > 0 {
            share.1 += 1;
            left -= 1;
        }
    }
    Some(shares.into_iter().map(|(pool, share, _)| (pool, u16::try_from(share).unwrap_or(MAX_WEIGHT))).collect())
}

/// The rejection of a sum that is not 100 %.
fn percent_sum(hundredths: u32) -> Rejection {
    Rejection::PercentSum { hundredths_text: format!("{}.{:02}", hundredths / 100, hundredths % 100) }
}

//! One command against the desired state: a change, or the reason why not (§3.2).
//!
//! Every accepted command takes the same road: resolve names, compute the new run-time state, hold
//! the guards against it, number it. Nothing here mutates; the caller commits and absorbs.

mod guards;
pub mod guests;
mod holds;
mod reload;
mod rollouts;
mod update;
mod weights;

use super::command::{Change, Command, Rejection, Request, SplitChange};
use super::definitions::ZoneDefinition;
use super::observed::Observed;
use super::runtime::{Desired, SwitchState};
use super::serials;
use crate::dns::Name;
use crate::moment::Moment;
use crate::steering::Switch;
use std::cell::RefCell;
use std::sync::Arc;

pub use reload::{AdoptedEdits, adopt, adopt_edits, initial_serials};
pub use update::{UpdateRefusal, words_of_difference};

/// Decides a command.
///
/// # Errors
/// The [`Rejection`] that explains it.
pub fn apply(desired: &Desired, observed: &Observed, request: &Request, now: Moment) -> Result<Change, Rejection> {
    if let Some(asked) = request.if_match.filter(|asked| *asked != desired.revision) {
        return Err(Rejection::StaleRevision { asked, current: desired.revision });
    }
    if request.force && request.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
        return Err(Rejection::MissingReason { why: "with force: the audit must say why a guard was overridden" });
    }
    let forced_past = RefCell::default();
    let decide = Decide { desired, observed, request, now, forced_past: &forced_past };
    let mut change = decide_command(&decide)?;
    // Whoever forces learns what the guards would have said, of a dry run too.
    let said = |guard: Rejection| {
        let guard = guard.to_string();
        format!("forced, though {}", guard.strip_suffix(", or force with a reason").unwrap_or(&guard))
    };
    change.notes.extend(forced_past.take().into_iter().map(said));
    Ok(change)
}

fn decide_command(decide: &Decide<'_>) -> Result<Change, Rejection> {
    match &decide.request.command {
        Command::Flip(targets) => weights::flip(decide, targets),
        Command::SetWeights { switch, weights } => weights::set(decide, switch, weights),
        Command::Undo { switch } => weights::undo(decide, switch),
        Command::Reset { switch } => weights::reset(decide, switch),
        Command::Prepare { switch } => decide.prepare(switch),
        Command::Override { switch, pool, member, hold, for_ms } => {
            holds::set(decide, &holds::Asked { switch, pool, member: member.as_deref(), kind: *hold, for_ms: *for_ms })
        }
        Command::ExpectVersion { switch, pool, version } => decide.expect_version(switch, pool, version.as_deref()),
        Command::Rollout { switch, verb } => rollouts::decide(decide, switch, verb),
        Command::Register { switch, pool, member, from } => guests::register(decide, (switch, pool), member, *from),
        Command::Unregister { switch, pool, id } => guests::unregister(decide, switch, pool, id),
        Command::Expire { switch, over } => guests::expire(decide, switch, over),
        Command::Discovered { switch, pool, members } => guests::discovered(decide, switch, pool, members),
        Command::Update(update, grants) => update::update(decide, update, grants),
        Command::Reload(definitions) => reload::reload(decide, definitions),
    }
}

/// One decision's inputs.
struct Decide<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    request: &'a Request,
    now: Moment,
    /// Guards that would have refused.
    forced_past: &'a RefCell<Vec<Rejection>>,
}

impl<'a> Decide<'a> {
    /// Resolves a switch by name.
    fn switch(&self, name: &str) -> Result<(&'a Arc<ZoneDefinition>, &'a Arc<Switch>), Rejection> {
        self.desired.definitions.switch(name).ok_or_else(|| unknown_switch(self.desired, name))
    }

    /// The run-time state of a switch, or an empty one.
    fn state(&self, switch: &Switch) -> SwitchState {
        self.desired.switches.get(&switch.name).cloned().unwrap_or_default()
    }

    /// A forceable rejection stands unless forced.
    fn guard(&self, rejection: Option<Rejection>) -> Result<(), Rejection> {
        let Some(rejection) = rejection else { return Ok(()) };
        if !(self.request.force && rejection.forceable()) {
            return Err(rejection);
        }
        let mut past = self.forced_past.borrow_mut();
        if !past.contains(&rejection) {
            past.push(rejection);
        }
        Ok(())
    }

    /// The desired state with another state of one switch, for questions of eligibility.
    fn planned(&self, switch: &Switch, state: &SwitchState) -> Desired {
        let mut planned = Desired { definitions: self.desired.definitions.clone(), ..Desired::default() };
        planned.switches.insert(switch.name.clone(), state.clone());
        planned
    }

    /// A change that changes nothing: no new revision.
    fn unchanged(&self) -> Change {
        Change { revision: self.desired.revision, ..Change::default() }
    }

    /// A numbered change of some switches, with new serials for `zones`.
    fn change<'z>(
        &self,
        touched: Vec<(Arc<str>, SwitchState)>,
        zones: impl IntoIterator<Item = &'z Arc<ZoneDefinition>>,
    ) -> Change {
        let revision = self.desired.revision + 1;
        let switches = touched
            .into_iter()
            .map(|(name, mut state)| {
                state.revision = revision;
                (name, Some(state))
            })
            .collect();
        let mut serials: Vec<(Name, u32)> = Vec::new();
        for zone in zones {
            if !serials.iter().any(|(apex, _)| *apex == zone.apex) {
                serials.push((zone.apex.clone(), serials::advance(self.desired, zone)));
            }
        }
        Change { revision, switches, serials, ..Change::default() }
    }

    /// Lowers the TTL ahead of a flip (§3.5).
    fn prepare(&self, name: &str) -> Result<Change, Rejection> {
        let (zone, switch) = self.switch(name)?;
        let mut state = self.state(switch);
        state.prepared_until_unix_ms = Some(self.now.unix_ms.saturating_add(u64::from(switch.prepare_s) * 1000));
        Ok(self.change(vec![(switch.name.clone(), state)], [zone]))
    }

    /// Sets the version a pool's members must show (§1.2).
    fn expect_version(&self, name: &str, pool: &str, version: Option<&str>) -> Result<Change, Rejection> {
        let (zone, switch) = self.switch(name)?;
        let pool = resolve_pool(switch, pool)?;
        let mut state = self.state(switch);
        let before = state.versions.get(&pool.name).cloned();
        if before.as_deref() == version {
            return Ok(self.unchanged());
        }
        let has_weight = self.desired.split(switch).get(&pool.name).is_some_and(|weight| *weight > 0);
        let shown = self.desired.expect_version(name, pool);
        let differs = version.or(pool.expect_version.as_deref()) != shown;
        self.guard(
            (has_weight && differs)
                .then(|| Rejection::PoolHasWeight { switch: name.to_owned(), pool: pool.name.to_string() }),
        )?;
        match version {
            Some(version) => state.versions.insert(pool.name.clone(), version.to_owned()),
            None => state.versions.remove(&pool.name),
        };
        Ok(self.change(vec![(switch.name.clone(), state)], [zone]))
    }
}

/// The rejection of a switch that is not there, with the names most like it.
#[must_use]
pub fn unknown_switch(desired: &Desired, name: &str) -> Rejection {
    let known = desired.definitions.zones.iter().flat_map(|zone| &zone.switches).map(|switch| &*switch.name);
    Rejection::UnknownSwitch { name: name.to_owned(), known: nearest(name, known) }
}

/// Resolves a pool by name.
fn resolve_pool<'s>(switch: &'s Switch, name: &str) -> Result<&'s crate::steering::Pool, Rejection> {
    switch.pool(name).map(|(_, pool)| pool).ok_or_else(|| Rejection::UnknownPool {
        switch: switch.name.to_string(),
        name: name.to_owned(),
        known: switch.pools.iter().map(|p| p.name.to_string()).collect(),
    })
}

/// The names most like `wanted`, or the first few when none is.
fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut scored: Vec<(usize, &str)> = names.map(|name| (distance(wanted, name), name)).collect();
    scored.sort_unstable();
    let near = scored.iter().take_while(|(d, _)| *d <= 2).count();
    scored.iter().take(if near > 0 { near.min(3) } else { 8 }).map(|(_, name)| (*name).to_owned()).collect()
}

/// Levenshtein distance, for suggestions.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = if x == *y { diagonal } else { 1 + diagonal.min(row[j]).min(row[j + 1]) };
            diagonal = row[j + 1];
            row[j + 1] = cost;
        }
    }
    row[b.len()]
}

/// The split of a switch before and after, for the reply and the audit.
fn split_change(desired: &Desired, switch: &Switch, after: &super::Split) -> SplitChange {
    SplitChange { switch: switch.name.clone(), before: desired.split(switch), after: after.clone() }
}

//! New definitions under run-time state that stays (§1.10).

use super::Decide;
use crate::dns::{Name, RecordType};
use crate::moment::Moment;
use crate::rollout::{Event, Person, Rollout, advance};
use crate::state::command::{Change, Rejection, SplitChange};
use crate::state::definitions::{Definitions, ZoneDefinition};
use crate::state::edit_bounds::within_bounds;
use crate::state::edits::{EditedSet, EditedZone, EditedZones, SetKey, ZoneChange, say_the_same};
use crate::state::observed::has_eligible_weight;
use crate::state::runtime::{Desired, Hold, Split, SwitchState};
use crate::state::serials;
use crate::steering::{Member, Pool, Switch, same_shares};
use crate::zone::Zone;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Replaces the definitions; what was set at run time stays, and edits it hides are named.
pub(super) fn reload(decide: &Decide<'_>, new: &Arc<Definitions>) -> Result<Change, Rejection> {
    let old = &*decide.desired.definitions.as_written();
    if *old == **new {
        return Ok(decide.unchanged());
    }
    let fresh: HashMap<&str, &Arc<Switch>> =
        new.zones.iter().flat_map(|z| &z.switches).map(|s| (&*s.name, s)).collect();
    let mut touched = Vec::new();
    let mut removed = Vec::new();
    let mut notes = Vec::new();
    let mut splits = Vec::new();
    for switch in old.zones.iter().flat_map(|zone| &zone.switches) {
        let before = decide.desired.split(switch);
        let after = fresh.get(&*switch.name).copied();
        decide.guard(removes_serving(decide.desired, switch, &before, after))?;
        let state = decide.desired.switches.get(&switch.name);
        if after.is_none() && state.is_some_and(|state| !state.guests.is_empty()) {
            notes.push(format!("switch `{}` is gone, and the members that came by themselves with it", switch.name));
        }
        let Some(after) = after else {
            removed.extend(state.map(|_| switch.name.clone()));
            continue;
        };
        let mut kept = state.map(|state| keep(state, after, decide.now, &mut notes));
        let split = kept.as_ref().and_then(|kept| kept.weights.clone()).unwrap_or_else(|| file_split(after));
        hold_guards(decide, switch, after, &before, &split)?;
        if !same_shares(&before, &split) {
            // A person who finds it wrong can take it back, as any other move.
            let kept = kept.get_or_insert_default();
            kept.recent = decide.recent_pools(kept, &before);
            kept.previous = Some(before.clone());
            kept.changed_at = Some(decide.now);
        }
        if split != before {
            splits.push(SplitChange { switch: after.name.clone(), before, after: split });
        }
        if let Some(kept) = kept.filter(|kept| Some(kept) != state) {
            touched.push((after.name.clone(), kept));
        }
    }
    let changed: Vec<&Arc<ZoneDefinition>> = changed_zones(old, new).collect();
    let mut change = decide.change(touched, []);
    for zone in changed.into_iter().filter(|zone| !zone.is_copy()) {
        if let Some(from) = old.zones.iter().find(|z| z.apex == zone.apex).map(|z| z.file_serial) {
            serials::check_jump(&zone.apex, from, zone.file_serial)?;
        }
        change.serials.push((zone.apex.clone(), serials::advance(decide.desired, zone)));
    }
    change.switches.extend(removed.into_iter().map(|name| (name, None)));
    change.zones = carry_edits(decide.desired, old, new, &mut notes);
    change.definitions = Some(new.clone());
    change.notes = notes;
    change.splits = splits;
    Ok(change)
}

/// Edits of zones whose files changed: over the new files, but for those that no longer fit or that the files have
/// caught up with. Edits of a set that the files changed too hide that, which is a note.
fn carry_edits(desired: &Desired, old: &Definitions, new: &Definitions, notes: &mut Vec<String>) -> Vec<ZoneChange> {
    let mut changes = Vec::new();
    for (apex, edited) in &desired.edited {
        let (before, after) = (own_zone(old, apex), own_zone(new, apex));
        if before == after {
            continue;
        }
        let kept = match &after {
            Some(after) => {
                let kept = fitting(after, &edited.sets, notes);
                let hidden =
                    |key: &&SetKey| before.as_ref().is_some_and(|before| !same_set(&before.data, &after.data, key));
                for (owner, rtype) in kept.keys().filter(hidden) {
                    notes.push(format!("zone {apex}: {owner} {rtype} of the files is not applied, since it was updated at run time; an update to what the files say takes theirs"));
                }
                kept
            }
            None => {
                notes.push(gone(apex, edited.sets.len()));
                let zone = Some(EditedZone::waiting(apex, edited.sets.clone()));
                changes.push(ZoneChange { apex: apex.clone(), rows: Vec::new(), zone });
                continue;
            }
        };
        let ended = edited.sets.keys().filter(|key| !kept.contains_key(*key));
        let rows = ended.map(|key| (key.clone(), None)).collect();
        let zone = after.and_then(|after| EditedZone::compile(&after, kept));
        changes.push(ZoneChange { apex: apex.clone(), rows, zone });
    }
    changes
}

/// The zone of this name whose data the files say.
fn own_zone(definitions: &Definitions, apex: &Name) -> Option<Arc<ZoneDefinition>> {
    definitions.zones.iter().find(|zone| zone.apex == *apex && !zone.is_copy()).cloned()
}

/// What is said of a zone that the files no longer have, or have from primaries.
fn gone(apex: &Name, sets: usize) -> String {
    format!("the files no longer say zone {apex} themselves; its {sets} updated sets are kept for when they do again")
}

/// The edits that stand over a definition and say something else than it does.
fn fitting(
    definition: &ZoneDefinition,
    sets: &BTreeMap<SetKey, EditedSet>,
    notes: &mut Vec<String>,
) -> BTreeMap<SetKey, EditedSet> {
    if definition.generated {
        notes.push(format!(
            "zone {} is the catalog now: what was updated in a zone of this name is dropped",
            definition.apex
        ));
        return BTreeMap::new();
    }
    let mut kept = EditedZone::fitting(definition, sets, notes);
    kept.retain(|(owner, rtype), set| !set.is_as(definition.data.rrset_of(owner, *rtype)));
    kept
}

/// Whether two versions of a zone have the same set.
fn same_set(one: &Zone, other: &Zone, (owner, rtype): &SetKey) -> bool {
    match (one.rrset_of(owner, *rtype), other.rrset_of(owner, *rtype)) {
        (Some(one), Some(other)) => {
            let mut pairs = one.rdatas().zip(other.rdatas());
            let is_soa = *rtype == RecordType::SOA && one.ttl() == other.ttl();
            one.wire == other.wire || is_soa && pairs.all(|(one, other)| say_the_same(*rtype, one, other))
        }
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// What becomes of stored edits at a start.
#[derive(Debug, Default)]
pub struct AdoptedEdits {
    /// What stands.
    pub edited: EditedZones,
    /// What no longer fits or is in the files by now: to be forgotten.
    pub ended: Vec<(Name, SetKey)>,
}

/// Stored edits under the files of a start; each that no longer fits is a note.
#[must_use]
pub fn adopt_edits(
    definitions: &Definitions,
    stored: BTreeMap<Name, BTreeMap<SetKey, EditedSet>>,
    notes: &mut Vec<String>,
) -> AdoptedEdits {
    let mut adopted = AdoptedEdits::default();
    for (apex, sets) in stored {
        let (sets, over) = within_bounds(&apex, sets);
        if over > 0 {
            notes.push(format!("zone {apex} was updated more than it may be: {over} updated sets are stored and not served; write them into its file"));
        }
        let Some(definition) = own_zone(definitions, &apex) else {
            notes.push(gone(&apex, sets.len()));
            adopted.edited.insert(apex.clone(), EditedZone::waiting(&apex, sets));
            continue;
        };
        let kept = fitting(&definition, &sets, notes);
        let ended = sets.into_keys().filter(|key| !kept.contains_key(key));
        adopted.ended.extend(ended.map(|key| (apex.clone(), key)));
        adopted.edited.extend(EditedZone::compile(&definition, kept).map(|zone| (apex, zone)));
    }
    adopted
}

/// The serials to serve after a start: the larger of the file's and the last one + 1 (§3.4), since
/// files and health may have changed while nobody watched.
///
/// # Errors
/// A file serial more than 2^31 - 1 ahead of the last one.
pub fn initial_serials(desired: &Desired) -> Result<Vec<(Name, u32)>, Rejection> {
    let own = desired.definitions.zones.iter().filter(|zone| !zone.is_copy());
    own.map(|zone| {
        if let Some(last) = desired.serials.get(&zone.apex) {
            serials::check_start(&zone.apex, *last, zone.file_serial)?;
        }
        Ok((zone.apex.clone(), serials::advance(desired, zone)))
    })
    .collect()
}

/// Stored state of one switch under the files of a start: `None` when the switch is gone. What no
/// longer fits is dropped; each drop and each hidden edit is a note.
#[must_use]
pub fn adopt(
    definitions: &Definitions,
    name: &str,
    state: &SwitchState,
    now: Moment,
    notes: &mut Vec<String>,
) -> Option<SwitchState> {
    let Some((_, switch)) = definitions.switch(name) else {
        notes.push(format!(
            "the files no longer have switch `{name}`; its run-time state (weights, versions, overrides) is not used"
        ));
        return None;
    };
    if let Some(weights) = &state.weights {
        for (pool, weight) in weights.iter().filter(|(pool, weight)| **weight > 0 && switch.pool(pool).is_none()) {
            notes.push(format!("the files no longer have pool `{pool}` of switch `{name}`, which had weight {weight}: its traffic goes to the others"));
        }
    }
    Some(keep(state, switch, now, notes))
}

/// The first serving thing that the new files no longer have.
fn removes_serving(
    desired: &Desired,
    switch: &Switch,
    before: &Split,
    after: Option<&Arc<Switch>>,
) -> Option<Rejection> {
    let Some(after) = after else {
        return Some(Rejection::RemovesServing { what: format!("switch `{}`", switch.name) });
    };
    if let Some(pool) = desired.running_rollout(&switch.name).and_then(|rollout| lacking(rollout, after)) {
        let what = format!("pool `{pool}` of switch `{}`, which is in a rollout", switch.name);
        return Some(Rejection::RemovesServing { what });
    }
    before
        .iter()
        .find(|(pool, weight)| **weight > 0 && after.pool(pool).is_none())
        .map(|(pool, _)| Rejection::RemovesServing { what: format!("pool `{pool}` of switch `{}`", switch.name) })
}

/// A pool that a rollout needs and a switch does not have.
fn lacking<'r>(rollout: &'r Rollout, switch: &Switch) -> Option<&'r Arc<str>> {
    rollout.before.keys().find(|pool| rollout.needs(pool) && switch.pool(pool).is_none())
}

/// Run-time state on a changed definition, with a note for each edit it hides.
fn keep(state: &SwitchState, after: &Switch, now: Moment, notes: &mut Vec<String>) -> SwitchState {
    let mut kept = state.clone();
    let running = state.rollout.as_ref().filter(|rollout| rollout.phase.is_running());
    if let Some((rollout, pool)) = running.and_then(|rollout| Some((rollout, lacking(rollout, after)?))) {
        notes.push(format!("switch `{}`: its rollout ends, since the files no longer have pool `{pool}`", after.name));
        let person = Person { name: "the files".to_owned(), reason: Some(format!("pool {pool} is gone")) };
        // An abort of a running rollout is never refused.
        if let Ok(Some(ended)) = advance(rollout, &Event::Abort(person), now) {
            kept.rollout = Some(Arc::new(ended));
        }
    }
    if let Some(weights) = &state.weights {
        let mut split: Split =
            after.pools.iter().map(|p| (p.name.clone(), weights.get(&p.name).copied().unwrap_or(0))).collect();
        let files = file_split(after);
        if split.values().all(|weight| *weight == 0) {
            split.clone_from(&files);
        }
        if state.file_weights.as_ref().is_some_and(|seen| *seen != files) && split != files {
            notes.push(format!(
                "switch `{}`: the files' weights ({}) are not applied, since {} was set at run time; `tidegate reset {}` takes the files'",
                after.name, words(&files), words(&split), after.name
            ));
        }
        kept.weights = Some(split);
    }
    kept.versions.retain(|pool, _| after.pool(pool).is_some());
    for (pool, version) in &kept.versions {
        let file = after.pool(pool).and_then(|(_, p)| p.expect_version.as_deref());
        if file != Some(version) {
            notes.push(format!(
                "switch `{}`, pool `{pool}`: expect_version of the files ({}) is not applied, since `{version}` was set at run time",
                after.name,
                file.unwrap_or("none")
            ));
        }
    }
    keep_guests(&mut kept, after, notes);
    let guests = &kept.guests;
    let is_member = |pool: &Pool, name: &str| {
        let mut came = guests.iter().filter(|guest| guest.pool == pool.name);
        pool.members.iter().any(|member| member.name() == name) || came.any(|guest| guest.member.name() == name)
    };
    // A member that comes and goes by itself may be away just now.
    let may_come = |pool: &Pool, hold: &Hold| {
        (pool.register.is_some() || pool.discover.is_some()) && hold.hold.in_force(now.unix_ms)
    };
    kept.holds.retain(|hold| {
        after.pool(&hold.pool).is_some_and(|(_, pool)| {
            hold.member.as_ref().is_none_or(|name| is_member(pool, name) || may_come(pool, hold))
        })
    });
    kept
}

/// Guests stay where the files still let them come, and are no member of the files by now.
fn keep_guests(kept: &mut SwitchState, after: &Switch, notes: &mut Vec<String>) {
    kept.guests.retain(|guest| {
        let name = guest.member.name();
        let gone = match after.pool(&guest.pool) {
            None => "the files no longer have its pool",
            Some((_, pool)) if guest.lease().is_some() && pool.register.is_none() => {
                "the files no longer let members register with it"
            }
            Some((_, pool)) if guest.lease().is_none() && pool.discover.is_none() => {
                "the files no longer look for members in DNS"
            }
            Some((_, pool)) if pool.members.iter().any(|member| clashes(member, &guest.member)) => {
                "the files have it as a member of their own"
            }
            Some(_) => return true,
        };
        notes.push(format!("switch `{}`, pool `{}`: member `{name}` goes: {gone}", after.name, guest.pool));
        false
    });
}

/// Whether two members have a name or an address in common.
fn clashes(one: &Member, other: &Member) -> bool {
    one.name() == other.name() || one.addresses().any(|address| other.addresses().any(|a| a == address))
}

/// Zones that are new or differ, or whose rules concern other networks.
fn changed_zones<'n>(old: &'n Definitions, new: &'n Definitions) -> impl Iterator<Item = &'n Arc<ZoneDefinition>> {
    let before: HashMap<&Name, &Arc<ZoneDefinition>> = old.zones.iter().map(|zone| (&zone.apex, zone)).collect();
    new.zones.iter().filter(move |zone| {
        let moved = |switch: &Arc<Switch>| new.networks(&switch.name) != old.networks(&switch.name);
        before.get(&zone.apex).is_none_or(|old| old != zone) || zone.switches.iter().any(moved)
    })
}

/// The guards of a move hold for one by the files too, and those of another version for a pool in service. Whether a
/// pool is watched does not matter: who wrote the weights vouches for it, and for a pool that is new.
fn hold_guards(
    decide: &Decide<'_>,
    switch: &Switch,
    after: &Switch,
    before: &Split,
    split: &Split,
) -> Result<(), Rejection> {
    if !same_shares(before, split) {
        decide.guard(decide.rollout_runs(switch))?;
        decide.guard(decide.not_ready(switch, before, split, true))?;
        if has_eligible_weight(decide.desired, decide.observed, switch, decide.now.unix_ms) {
            decide.guard(decide.nobody_left(after, split))?;
        }
    }
    let version = |pool: &Pool| decide.desired.expect_version(&switch.name, pool).map(str::to_owned);
    let changes = |pool: &Pool| {
        let before = switch.pool(&pool.name).map(|(_, before)| before);
        before.is_some_and(|before| version(before) != version(pool)) && !after.monitors_of(pool).is_empty()
    };
    decide.guard(decide.changed_in_service(after, split, changes))
}

/// The weights as the files have them.
fn file_split(switch: &Switch) -> Split {
    switch.pools.iter().map(|pool| (pool.name.clone(), pool.weight)).collect()
}

/// `blue 9000, green 1000`.
fn words(split: &Split) -> String {
    split.iter().map(|(pool, weight)| format!("{pool} {weight}")).collect::<Vec<_>>().join(", ")
}

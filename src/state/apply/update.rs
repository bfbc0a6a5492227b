//! Dynamic updates (RFC 2136): prerequisites, then all changes or none.

mod draft;

use super::Decide;
use crate::dns::update::{Edit, Update};
use crate::dns::{Name, RecordType, rdata};
use crate::state::command::{Change, Rejection};
use crate::state::definitions::ZoneDefinition;
use crate::state::edit_bounds::{MAX_EDIT_MIB, MAX_EDITS, MAX_SET_OCTETS, MAX_SET_RECORDS, is_too_much};
use crate::state::edits::{EditedZone, ZoneChange};
use crate::state::serials;
use crate::state::switch_names::SwitchNames;
use crate::state::update_rules::Grants;
use crate::zone::RrsetRef;
use draft::{Draft, Ignored};
use std::collections::BTreeSet;

/// Why an update is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateRefusal {
    /// No zone of ours has this apex.
    #[error("there is no zone {0} here to update")]
    UnknownZone(Name),
    /// The zone is made here, of the others.
    #[error("zone {0} is the catalog, which lists the others and is written by nobody")]
    Generated(Name),
    /// A prerequisite: the name should be in use.
    #[error("{0} is not in use")]
    NameUnused(Name),
    /// A prerequisite: the name should not be in use.
    #[error("{0} is in use")]
    NameInUse(Name),
    /// A prerequisite: the set should exist, and be as given.
    #[error("{0} {1} is not what the update expects")]
    SetDiffers(Name, RecordType),
    /// A prerequisite: the set should not exist.
    #[error("{0} {1} exists")]
    SetExists(Name, RecordType),
    /// The name belongs to a switch.
    #[error("{owner} belongs to switch {switch}, whose answers are changed by flips and weights")]
    Steered {
        /// The name.
        owner: Name,
        /// The switch.
        switch: String,
    },
    /// A delegation or redirection that would hide a switch's names.
    #[error("{rtype} at {owner} would take the names of switch {switch} away")]
    Hides {
        /// The name.
        owner: Name,
        /// NS or DNAME.
        rtype: RecordType,
        /// The switch.
        switch: String,
    },
    /// No rule lets whoever asks change this.
    #[error("{by} may not change {owner} {rtype}")]
    NotAllowed {
        /// The key.
        by: String,
        /// The name.
        owner: Name,
        /// The type.
        rtype: RecordType,
    },
    /// The set would be too large for an answer.
    #[error("{0} {1} would have more than {MAX_SET_RECORDS} records or {MAX_SET_OCTETS} octets")]
    SetTooLarge(Name, RecordType),
    /// The zone is a copy.
    #[error("zone {0} is a copy of its primary's, where it is updated")]
    Copied(Name),
    /// The zone has been edited too much.
    #[error(
        "zone {0} would have more than {MAX_EDITS} edited sets, or {MAX_EDIT_MIB} MiB of them: write them into its file"
    )]
    TooManyEdits(Name),
}

/// Decides an update.
pub(super) fn update(decide: &Decide<'_>, update: &Update, grants: &Grants) -> Result<Change, Rejection> {
    decide_update(decide, update, grants).map_err(Rejection::Update)
}

fn decide_update(decide: &Decide<'_>, update: &Update, grants: &Grants) -> Result<Change, UpdateRefusal> {
    let desired = decide.desired;
    let definition = desired.definitions.zones.iter().find(|zone| zone.apex == update.zone);
    let definition = definition.ok_or_else(|| UpdateRefusal::UnknownZone(update.zone.clone()))?;
    if definition.is_copy() {
        return Err(UpdateRefusal::Copied(update.zone.clone()));
    }
    if definition.generated {
        return Err(UpdateRefusal::Generated(definition.apex.clone()));
    }
    let served = serials::current(desired, definition);
    let mut draft = Draft::of(desired.data_of(definition), &definition.apex, served);
    // Before the prerequisites: what a key may not change is refused whatever holds. What they ask about is no secret:
    // everybody gets it by a query.
    hold_rules(definition, &draft, &update.changes, grants, &decide.request.by)?;
    draft.require(&update.prerequisites)?;
    let mut ignored = Ignored::default();
    for edit in &update.changes {
        draft.make(edit, &mut ignored)?;
    }
    let rows = draft.rows(decide, definition);
    let wanted = Some(draft.serial()).filter(|serial| *serial != served);
    if rows.is_empty() && wanted.is_none() {
        return Ok(Change { notes: ignored.into_notes(), ..decide.unchanged() });
    }
    let mut change = decide.change(Vec::new(), [definition]);
    if let Some(wanted) = wanted {
        change.serials.iter_mut().for_each(|(_, next)| *next = serials::newest(*next, wanted));
    }
    change.notes = ignored.into_notes();
    if rows.is_empty() {
        return Ok(change);
    }
    let mut sets = desired.edited.get(&definition.apex).map(|zone| zone.sets.clone()).unwrap_or_default();
    for (key, set) in &rows {
        match set {
            Some(set) => sets.insert(key.clone(), set.clone()),
            None => sets.remove(key),
        };
    }
    if is_too_much(&definition.apex, &sets) {
        return Err(UpdateRefusal::TooManyEdits(definition.apex.clone()));
    }
    let changed = rows.iter().map(|(key, _)| key);
    let zone = EditedZone::change(definition, desired.data_of(definition), sets, changed);
    change.zones = vec![ZoneChange { apex: definition.apex.clone(), rows, zone }];
    Ok(change)
}

/// Keeps out of updates what switches decide, delegations from above that, and what no rule of the key covers.
fn hold_rules(
    definition: &ZoneDefinition,
    draft: &Draft<'_>,
    changes: &[Edit],
    grants: &Grants,
    by: &str,
) -> Result<(), UpdateRefusal> {
    let switches = SwitchNames::of(definition);
    let mut whole = BTreeSet::new();
    for edit in changes {
        let owner = edit.owner();
        if draft.is_steered(owner) {
            let switch = definition.switch_at(|name| name == owner).unwrap_or_default();
            return Err(UpdateRefusal::Steered { owner: owner.clone(), switch });
        }
        if let Edit::Add { rtype, .. } = edit
            && let Some(switch) = switches.hidden_by(owner, *rtype)
        {
            return Err(UpdateRefusal::Hides { owner: owner.clone(), rtype: *rtype, switch: switch.to_owned() });
        }
        // A name of many types is gone through once.
        if !matches!(edit, Edit::DeleteName(_)) || whole.insert(owner) {
            draft.permit(edit, grants, by)?;
        }
    }
    Ok(())
}

/// What goes from a set and what comes, in words for the audit: not the whole of it, which may be large.
#[must_use]
pub fn words_of_difference(
    rtype: RecordType,
    before: Option<RrsetRef<'_>>,
    after: Option<RrsetRef<'_>>,
) -> [serde_json::Value; 2] {
    let rdatas = |set: &Option<RrsetRef<'_>>| -> BTreeSet<Vec<u8>> {
        set.iter().flat_map(RrsetRef::rdatas).map(<[u8]>::to_vec).collect()
    };
    let (gone, come) = (rdatas(&before), rdatas(&after));
    let words = |set: &Option<RrsetRef<'_>>, these: &BTreeSet<Vec<u8>>, others: &BTreeSet<Vec<u8>>| {
        let records: Vec<String> = these.difference(others).map(|rdata| rdata::display_rdata(rtype, rdata)).collect();
        set.as_ref().map_or(serde_json::Value::Null, |set| serde_json::json!({ "ttl": set.ttl(), "records": records }))
    };
    [words(&before, &gone, &come), words(&after, &come, &gone)]
}

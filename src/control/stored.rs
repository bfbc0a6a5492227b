//! What the store has: taken over at a start, and when it is not known whether a commit happened.

use super::start::StartError;
use super::task::Control;
use crate::clock;
use crate::dns::Name;
use crate::state::{Definitions, Desired, EditedSet, SetKey, apply, serials, v1};
use crate::store::{EditRow, Loaded, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Control {
    /// A commit failed in a way that leaves open whether it happened: finds out, now or before the
    /// next change.
    pub(super) async fn doubt(&mut self, error: &StoreError) {
        self.in_doubt |= matches!(error, StoreError::Conflict { .. } | StoreError::Failed(_));
        if let Err(error) = self.settle_doubt().await {
            tracing::error!(%error, "the store cannot be read to see whether the change happened; asked again before the next one");
        }
    }

    /// Takes over what the store has, after a commit whose outcome is not known.
    pub(super) async fn settle_doubt(&mut self) -> Result<(), StoreError> {
        if !self.in_doubt {
            return Ok(());
        }
        let loaded = self.store.load().await?;
        if loaded.revision == self.desired.revision {
            self.in_doubt = false;
            self.take_over_serials(&loaded);
            return Ok(());
        }
        tracing::warn!(
            ours = self.desired.revision,
            stored = loaded.revision,
            "the store has another revision than this process: taking it over"
        );
        let Adopted { desired, .. } =
            desired_from(&loaded, Arc::new(self.desired.definitions.as_written().into_owned()))
                .map_err(|error| StoreError::Failed(error.to_string()))?;
        self.in_doubt = false;
        let ours = std::mem::replace(&mut self.desired, desired);
        (self.desired.serials, self.desired.copies) = (ours.serials, ours.copies);
        self.take_over_serials(&loaded);
        let now = clock::now();
        self.watch.rebuild(&self.catalogue, &self.desired, &BTreeMap::new(), now);
        self.watch.judge_all(&mut self.observed);
        self.publish_all(now);
        self.follow_rollouts(None);
        self.follow_all_guests();
        Ok(())
    }

    /// Keeps the newer serial of each zone: ours may be newer when a start could not store its first.
    fn take_over_serials(&mut self, loaded: &Loaded) {
        for (apex, stored) in &loaded.serials {
            let ours = self.desired.serials.entry(apex.clone()).or_insert(*stored);
            *ours = serials::newest(*ours, *stored);
        }
    }
}

/// Stored edits of zones over today's files.
fn edits_from(
    loaded: &Loaded,
    definitions: &Definitions,
    notes: &mut Vec<String>,
) -> Result<apply::AdoptedEdits, StartError> {
    let mut stored: BTreeMap<Name, BTreeMap<SetKey, EditedSet>> = BTreeMap::new();
    for EditRow { zone, owner, rtype, body } in &loaded.edits {
        let Some(body) = body else { continue };
        let set = v1::decode_edit(body).map_err(|source| StartError::DecodeEdit { owner: owner.clone(), source })?;
        stored.entry(zone.clone()).or_default().insert((owner.clone(), *rtype), set);
    }
    Ok(apply::adopt_edits(definitions, stored, notes))
}

/// Stored state over today's files.
pub(super) struct Adopted {
    pub(super) desired: Desired,
    /// What no longer fits and is dropped, each a sentence.
    pub(super) notes: Vec<String>,
    /// Edits of zones that are dropped: to be forgotten.
    pub(super) ended: Vec<(Name, SetKey)>,
}

/// Stored state over today's files; what no longer fits is dropped, and said.
pub(super) fn desired_from(loaded: &Loaded, definitions: Arc<Definitions>) -> Result<Adopted, StartError> {
    let mut desired = Desired { revision: loaded.revision, definitions, ..Desired::default() };
    desired.serials = loaded.serials.iter().cloned().collect();
    let mut notes = Vec::new();
    let mut switches = BTreeMap::new();
    for (name, text) in &loaded.switches {
        let state = v1::decode_switch(text).map_err(|source| StartError::Decode { switch: name.clone(), source })?;
        if let Some(kept) = apply::adopt(&desired.definitions, name, &state, clock::now(), &mut notes) {
            switches.insert(name.as_str().into(), kept);
        }
    }
    let apply::AdoptedEdits { edited, ended } = edits_from(loaded, &desired.definitions, &mut notes)?;
    desired.edited = edited;
    for note in &notes {
        tracing::warn!("{note}");
    }
    Ok(Adopted { desired: desired.with_switches(switches), notes, ended })
}

//! The zones that may be transferred, each with its image and journal, kept up with what is published.
//!
//! An image belongs to a serial: at one serial a zone is transferred as it first was, whatever else is
//! published, so that two secondaries never hold two zones of one serial.

use super::image::Image;
use super::journal::History;
use crate::dns::Name;
use crate::snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// All zones that may be transferred.
#[derive(Debug, Default)]
pub(super) struct Keeper(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The snapshot that was looked at last.
    number: u64,
    zones: HashMap<Name, History>,
    /// Zones whose serial is new since that was last asked for.
    moved: HashMap<Name, u32>,
}

impl Keeper {
    /// Looks at a snapshot, if it is a later one.
    pub(super) fn catch_up(&self, snapshot: &Snapshot, may: impl Fn(&Name) -> bool) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if snapshot.number <= kept.number {
            return;
        }
        kept.number = snapshot.number;
        for (index, zone) in (0u32..).zip(snapshot.zones.zones()) {
            if zone.soa().is_none() {
                // A closed zone: secondaries keep what they have, as long as it is good.
                kept.zones.remove(zone.apex());
                kept.moved.remove(zone.apex());
                continue;
            }
            let Some(serial) = snapshot.serials.at(index).copied() else { continue };
            let before = kept.zones.get(zone.apex()).map(|history| Arc::clone(&history.image));
            if before.as_ref().is_some_and(|before| before.serial == serial) || !may(zone.apex()) {
                continue;
            }
            let Some(image) = Image::of(snapshot, index, serial, before.as_deref()).map(Arc::new) else { continue };
            match kept.zones.get_mut(zone.apex()) {
                Some(history) => history.advance(image),
                None => drop(kept.zones.insert(zone.apex().clone(), History::new(image))),
            }
            kept.moved.insert(zone.apex().clone(), serial);
        }
        let present = snapshot.zones.zones();
        if kept.zones.len() > present.len() {
            let known: std::collections::HashSet<&Name> = present.iter().map(|zone| zone.apex()).collect();
            kept.zones.retain(|apex, _| known.contains(apex));
        }
    }

    /// The zones whose serial is new since the last call, with it.
    pub(super) fn take_moved(&self) -> Vec<(Name, u32)> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut kept.moved).into_iter().collect()
    }

    /// A zone as it stands, and the way there.
    pub(super) fn history(&self, apex: &Name) -> Option<History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).zones.get(apex).cloned()
    }
}

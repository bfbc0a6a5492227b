//! The zones that may be transferred, each with its image and journal, kept up with what is published.
//!
//! An image belongs to a serial: at one serial a zone is transferred as it first was, whatever else is
//! published, so that two secondaries never hold two zones of one serial. Images are taken under the lock and
//! while the snapshot is held; what changed is worked out without either, since a flip waits for who holds one.

use super::image::Image;
use super::journal::History;
use crate::dns::Name;
use crate::snapshot::SnapshotCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// Zones with steps that nobody has worked out.
    unsettled: HashSet<Name>,
}

impl Keeper {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the current snapshot, if it is a later one.
    pub(super) fn catch_up(&self, snapshots: &SnapshotCell, may: impl Fn(&Name) -> bool) {
        // The lock comes first: who waits for it holds no snapshot.
        let mut kept = self.kept();
        let kept = &mut *kept;
        let snapshot = snapshots.load();
        if snapshot.number <= kept.number {
            return;
        }
        kept.number = snapshot.number;
        let mut present = 0;
        for (index, zone) in (0u32..).zip(snapshot.zones.zones()) {
            if zone.soa().is_none() {
                // A closed zone: secondaries keep what they have, as long as it is good.
                kept.zones.remove(zone.apex());
                kept.moved.remove(zone.apex());
                continue;
            }
            let mut history = kept.zones.get_mut(zone.apex());
            present += usize::from(history.is_some());
            let Some(serial) = snapshot.serials.at(index).copied() else { continue };
            let before = history.as_ref().map(|history| &*history.image);
            if before.is_some_and(|before| before.serial == serial) || !may(zone.apex()) {
                continue;
            }
            let Some(image) = Image::of(&snapshot, index, serial, before).map(Arc::new) else { continue };
            match &mut history {
                Some(history) => {
                    history.advance(image);
                    kept.unsettled.insert(zone.apex().clone());
                }
                None => {
                    kept.zones.insert(zone.apex().clone(), History::new(image));
                    present += 1;
                }
            }
            kept.moved.insert(zone.apex().clone(), serial);
        }
        if kept.zones.len() > present {
            // Zones that were removed.
            kept.zones.retain(|apex, _| snapshot.zones.of_apex(apex).is_some());
            kept.moved.retain(|apex, _| snapshot.zones.of_apex(apex).is_some());
        }
    }

    /// The zones whose serial is new since the last call, with it.
    pub(super) fn take_moved(&self) -> Vec<(Name, u32)> {
        std::mem::take(&mut self.kept().moved).into_iter().collect()
    }

    /// A zone as it stands, and the way there as far as it is worked out.
    pub(super) fn history(&self, apex: &Name) -> Option<History> {
        self.kept().zones.get(apex).cloned()
    }

    /// Whether something is to be worked out.
    pub(super) fn is_unsettled(&self) -> bool {
        !self.kept().unsettled.is_empty()
    }

    /// Works out what changed in all zones so far: long work, to be done on a thread of its own.
    pub(super) fn settle(&self) {
        let unsettled = std::mem::take(&mut self.kept().unsettled);
        for apex in unsettled {
            // On a copy, which shares the steps; the lock is taken again to take them in.
            let Some(mut history) = self.history(&apex) else { continue };
            history.settle();
            if let Some(history) = self.kept().zones.get_mut(&apex) {
                history.collect();
            }
        }
    }
}

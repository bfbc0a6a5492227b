//! The immutable view queries read, and its swap cell.
//!
//! A [`Snapshot`] is numbered and never changes. What a flip changes (one switch, some serials) is
//! small: [`Snapshot::with_changes`] shares everything else with its predecessor. The cell knows
//! when nobody reads an older snapshot any more, which is what "applied" means (§3.3).

mod cell;
mod chunked;
mod settings;

pub use cell::{SnapshotCell, Superseded};
pub use chunked::Chunked;
pub use settings::Settings;

use crate::steering::CompiledSwitch;
use crate::zone::{SteerId, ZoneSet};
use std::sync::Arc;

/// One published view: everything an answer depends on.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Counts publications of this process; a later one is larger.
    pub number: u64,
    /// The revision of the desired state this was made from.
    pub revision: u64,
    /// The static data of every zone.
    pub zones: Arc<ZoneSet>,
    /// The serial each zone shows, by zone index.
    pub serials: Chunked<u32>,
    /// Steered owner names, by [`SteerId`].
    pub owners: Arc<[SteeredOwner]>,
    /// Switches, by [`SteeredOwner::switch`].
    pub switches: Chunked<Arc<CompiledSwitch>>,
    /// Server-wide answers.
    pub settings: Arc<Settings>,
}

/// A name whose answers a switch decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SteeredOwner {
    /// Index of the switch.
    pub switch: u32,
    /// How the name stands to the switch.
    pub role: OwnerRole,
    /// Whether the query's leftmost label is the client (§1.6): the name is a wildcard.
    pub wildcard: bool,
}

/// How a steered name stands to its switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnerRole {
    /// The steered name: weights and rules choose the pool.
    Owner,
    /// `<pool>.<owner>`: this pool, by index, if it is eligible (§1.4).
    Pin(u16),
    /// `_explain.<owner>`: why a client gets what it gets, as TXT (§6.1).
    Explain,
}

impl Default for Snapshot {
    /// A view without zones: every query is refused.
    fn default() -> Self {
        Self {
            number: 0,
            revision: 0,
            zones: Arc::default(),
            serials: Chunked::new(&[]),
            owners: Arc::new([]),
            switches: Chunked::new(&[]),
            settings: Arc::default(),
        }
    }
}

impl Snapshot {
    /// The next view: these switches and serials (by zone index) replaced, everything else shared.
    #[must_use]
    pub fn with_changes(
        &self,
        number: u64,
        revision: u64,
        switches: &[(u32, Arc<CompiledSwitch>)],
        serials: &[(u32, u32)],
    ) -> Self {
        Self {
            number,
            revision,
            zones: Arc::clone(&self.zones),
            serials: self.serials.with(serials),
            owners: Arc::clone(&self.owners),
            switches: self.switches.with(switches),
            settings: Arc::clone(&self.settings),
        }
    }

    /// A steered name with its switch; `None` only for an identifier of another snapshot.
    #[must_use]
    #[inline(always)] // on the way of every query for a steered name
    pub fn steered(&self, id: SteerId) -> Option<(&SteeredOwner, &CompiledSwitch)> {
        let owner = self.owners.get(id.0 as usize)?;
        Some((owner, self.switches.at(owner.switch)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_shares_the_static_data() {
        let before = Snapshot { serials: Chunked::new(&[1, 2, 3]), ..Snapshot::default() };
        let after = before.with_changes(5, 9, &[], &[(1, 20)]);
        assert!(Arc::ptr_eq(&before.zones, &after.zones) && Arc::ptr_eq(&before.owners, &after.owners));
        assert_eq!(after.serials.iter().copied().collect::<Vec<_>>(), [1, 20, 3]);
        assert_eq!((after.number, after.revision, before.number), (5, 9, 0));
    }
}

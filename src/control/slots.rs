//! Which counting cell each pool has.

use crate::state::Catalogue;
use crate::steering::PoolSlot;
use std::collections::HashMap;
use std::sync::Arc;

/// Slots by switch and pool; given out once, kept across reloads, never reused.
#[derive(Debug, Default)]
pub(super) struct SlotTable {
    slots: HashMap<(Arc<str>, Arc<str>), PoolSlot>,
}

impl SlotTable {
    /// Gives a slot to every pool that has none.
    pub(super) fn extend(&mut self, catalogue: &Catalogue) {
        for placed in &catalogue.switches {
            for pool in &placed.switch.pools {
                let next = PoolSlot(u32::try_from(self.slots.len()).expect("fewer than 2^32 pools"));
                self.slots.entry((placed.switch.name.clone(), pool.name.clone())).or_insert(next);
            }
        }
    }

    /// Every pool that ever had a slot, the ones a reload removed included.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, PoolSlot)> {
        self.slots.iter().map(|((switch, pool), slot)| (switch, pool, *slot))
    }

    /// The slot of a pool.
    pub(super) fn of(&self, switch: &Arc<str>, pool: &str) -> PoolSlot {
        let key = (switch.clone(), Arc::from(pool));
        *self.slots.get(&key).expect("every pool of the catalogue has a slot")
    }
}

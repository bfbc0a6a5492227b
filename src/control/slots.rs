//! Which counting cell each pool has.

use crate::state::Catalogue;
use crate::steering::{PoolSlot, Switch};
use std::collections::HashMap;
use std::sync::Arc;

/// Slots by switch and pool; given out once, kept across reloads, never reused.
#[derive(Debug, Default)]
pub(super) struct SlotTable {
    rows: HashMap<Arc<str>, Row>,
    /// The next slot to give out.
    next: u32,
}

/// The slots of one switch.
#[derive(Debug)]
enum Row {
    /// One after the other from here on, in the order of the pools: the rule, and it takes the least memory.
    Run(Arc<Switch>, u32),
    /// A reload changed which pools there are, or removed the switch.
    Listed(Box<[(Arc<str>, PoolSlot)]>),
}

impl SlotTable {
    /// Gives a slot to every pool that has none.
    pub(super) fn extend(&mut self, catalogue: &Catalogue) {
        for (name, row) in &mut self.rows {
            if catalogue.index_of(name).is_none() {
                *row = Row::Listed(row.iter().map(|(pool, slot)| (Arc::clone(pool), slot)).collect());
            }
        }
        self.rows.reserve(catalogue.switches.len().saturating_sub(self.rows.len()));
        for switch in catalogue.switches.iter().map(|placed| &placed.switch) {
            match self.rows.get_mut(&switch.name) {
                None => {
                    self.rows.insert(Arc::clone(&switch.name), Row::Run(Arc::clone(switch), self.next));
                    self.next = number(self.next as usize + switch.pools.len());
                }
                Some(row) => row.extend(switch, &mut self.next),
            }
        }
    }

    /// Every pool that ever had a slot, the ones a reload removed included.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, PoolSlot)> {
        self.rows.iter().flat_map(|(switch, row)| row.iter().map(move |(pool, slot)| (switch, pool, slot)))
    }

    /// The slot of a pool.
    pub(super) fn of(&self, switch: &str, pool: &str) -> PoolSlot {
        let row = self.rows.get(switch).and_then(|row| row.iter().find(|(name, _)| &***name == pool));
        row.expect("every pool of the catalogue has a slot").1
    }
}

impl Row {
    fn iter(&self) -> Box<dyn Iterator<Item = (&Arc<str>, PoolSlot)> + '_> {
        match self {
            Self::Run(switch, first) => {
                Box::new((*first..).zip(&switch.pools).map(|(slot, pool)| (&pool.name, PoolSlot(slot))))
            }
            Self::Listed(list) => Box::new(list.iter().map(|(pool, slot)| (pool, *slot))),
        }
    }

    /// Takes over a definition read anew.
    fn extend(&mut self, switch: &Arc<Switch>, next: &mut u32) {
        if let Self::Run(before, _) = self
            && before.pools.iter().map(|pool| &pool.name).eq(switch.pools.iter().map(|pool| &pool.name))
        {
            *before = Arc::clone(switch);
            return;
        }
        let mut list: Vec<_> = self.iter().map(|(pool, slot)| (Arc::clone(pool), slot)).collect();
        for pool in &switch.pools {
            if !list.iter().any(|(known, _)| *known == pool.name) {
                list.push((Arc::clone(&pool.name), PoolSlot(*next)));
                *next = number(*next as usize + 1);
            }
        }
        *self = Self::Listed(list.into());
    }
}

/// Slots are 32 bits: far more than fit in memory.
fn number(slots: usize) -> u32 {
    u32::try_from(slots).expect("fewer than 2^32 pools")
}

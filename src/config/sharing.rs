//! Equal parts of many switches, held once: names of pools, terms, monitors.
//!
//! A hundred thousand switches are mostly called blue and green and say the same about everything else.

use crate::health::Monitor;
use crate::steering::{Switch, Terms};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// How many different terms, and monitors, are remembered: those of a catalogue are few or all different.
const REMEMBERED: usize = 32;

/// What has been seen so far.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    names: HashSet<Arc<str>>,
    terms: VecDeque<Arc<Terms>>,
    monitors: VecDeque<Arc<Monitor>>,
}

impl Sharing {
    /// Replaces parts of a switch by equal ones of switches before it.
    pub(super) fn share(&mut self, switch: &mut Switch) {
        for pool in &mut switch.pools {
            match self.names.get(&pool.name) {
                Some(known) => pool.name = Arc::clone(known),
                None => drop(self.names.insert(Arc::clone(&pool.name))),
            }
            if pool.monitors.is_some() {
                pool.monitors.iter_mut().flatten().for_each(|monitor| share(&mut self.monitors, monitor));
            }
        }
        if let Some(terms) = Arc::get_mut(&mut switch.terms) {
            terms.monitors.iter_mut().for_each(|monitor| share(&mut self.monitors, monitor));
        }
        share(&mut self.terms, &mut switch.terms);
    }
}

/// Replaces a part by an equal one, or remembers it.
fn share<T: PartialEq>(known: &mut VecDeque<Arc<T>>, part: &mut Arc<T>) {
    if let Some(same) = known.iter().rev().find(|known| *known == part) {
        *part = Arc::clone(same);
        return;
    }
    if known.len() == REMEMBERED {
        known.pop_front();
    }
    known.push_back(Arc::clone(part));
}

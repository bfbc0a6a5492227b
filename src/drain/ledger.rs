//! The promises of every pool and of every member that left one.
//!
//! A view is announced before it is published and settled once no worker answers from an older one
//! and their cells are folded in. Between the two a pool that lost its weight may still be answered,
//! so nothing is concluded. Times are boot-clock milliseconds, signed: after a reboot a promise may
//! lie before the boot.

use super::holds::Holds;
use super::rows::{Entry, SwitchRows};
use super::v1;
use crate::steering::Member;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;

/// A pool of a switch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PoolKey {
    /// The switch's name.
    pub switch: Arc<str>,
    /// The pool's name.
    pub pool: Arc<str>,
}

/// What a view says about one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFacts {
    /// The pool's name.
    pub pool: Arc<str>,
    /// Answered in this view: has weight, a rule gives it, or the fallback in force names it.
    pub answered: bool,
    /// Answered, or would be if health changed ([`crate::steering::may_be_answered`]).
    pub may_answer: bool,
    /// The longest promise of its answers, milliseconds (TTL plus a target's TTL).
    pub promise_ms: u64,
    /// How long it is watched after its last promise, milliseconds.
    pub tail_ms: u64,
    /// Whom its answers may name.
    pub members: Arc<[Member]>,
}

/// A member as answers name it, as it is remembered once it has left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberFacts {
    /// Unique within the pool.
    pub name: Arc<str>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// All promises of this node.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    pub(super) switches: BTreeMap<Arc<str>, SwitchRows>,
    /// Views announced and not settled, rising, by switch; each list has one.
    pending: BTreeMap<Arc<str>, Vec<NonZeroU64>>,
    pub(super) boot_id: String,
    /// The last heartbeat.
    pub(super) beat: i64,
    /// Counts changes that must reach the disk before the next view is published.
    version: u64,
    /// Ended in good order: no answer was given that is not folded in.
    pub(super) closed: bool,
    /// Switches whose rows are not what was saved last.
    unsaved: BTreeSet<Arc<str>>,
    /// What secondaries may still answer.
    pub(super) holds: Holds,
}

impl Ledger {
    /// An empty ledger that was just seen alive.
    pub(super) fn empty(boot_id: &str, now_ms: i64) -> Self {
        Self {
            switches: BTreeMap::new(),
            pending: BTreeMap::new(),
            boot_id: boot_id.to_owned(),
            beat: now_ms,
            version: 0,
            closed: false,
            unsaved: BTreeSet::new(),
            holds: Holds::default(),
        }
    }

    /// Takes note of a view of one switch that is about to be published; `pools` is all of it.
    ///
    /// Save it between this and publishing when [`Ledger::version`] moved: after a crash
    /// the ledger knows only what is on disk. Views are numbered upwards from 1; 0 is [`Ledger::start`]'s.
    pub fn announce(&mut self, view: u64, switch: &Arc<str>, pools: &[PoolFacts]) {
        let view = held(view);
        let rows = self.switches.entry(Arc::clone(switch)).or_default();
        self.pending.entry(Arc::clone(switch)).or_default().push(view);
        self.unsaved.insert(Arc::clone(switch));
        rows.reserve(pools.iter().map(|facts| &facts.pool));
        let mut changed = false;
        for facts in pools {
            changed |= rows.entry(&facts.pool).announce(view, facts);
        }
        self.version += u64::from(changed);
    }

    /// Announces a view without the switches that `known` does not know: after a reload or a start.
    pub fn announce_removed(&mut self, view: u64, known: impl Fn(&str) -> bool) {
        let gone: Vec<Arc<str>> = self.switches.keys().filter(|switch| !known(switch)).cloned().collect();
        for switch in gone {
            self.announce(view, &switch, &[]);
        }
    }

    /// Concludes that nobody answers from views before `view` any more, all cells folded in.
    pub fn settle(&mut self, view: u64) {
        let view = held(view);
        let Self { switches, pending, unsaved, version, .. } = self;
        pending.retain(|switch, unsettled| {
            let Some(newest) = unsettled.iter().copied().filter(|announced| *announced <= view).max() else {
                return true;
            };
            unsettled.retain(|announced| *announced > view);
            let last = unsettled.is_empty();
            for entry in switches.get_mut(switch).into_iter().flat_map(SwitchRows::iter_mut) {
                entry.settle(newest, last);
            }
            unsaved.insert(Arc::clone(switch));
            *version += 1;
            !last
        });
    }

    /// Folds in what the cells say: answers naming this pool may be cached until then (boot clock).
    pub fn fold(&mut self, key: &PoolKey, promised_until_boot_ms: u64, pinned: bool) {
        if promised_until_boot_ms == 0 {
            return;
        }
        let rows = match self.switches.get_mut(&key.switch) {
            Some(rows) => rows,
            None => self.switches.entry(Arc::clone(&key.switch)).or_default(),
        };
        let entry = rows.entry(&key.pool);
        let until = signed(promised_until_boot_ms);
        let before = if pinned { entry.pins_until() } else { entry.bound.until };
        if before < Some(until) {
            if pinned {
                entry.set_pins_until(Some(until));
            } else {
                entry.bound.until = Some(until);
            }
            self.unsaved.insert(Arc::clone(&key.switch));
        }
    }

    /// Says that this process answers; to be called each second, before each save.
    pub fn heartbeat(&mut self, now_boot_ms: u64) {
        let now = signed(now_boot_ms);
        if now.saturating_sub(self.beat) > signed(super::GAP_MS) {
            self.restart_clocks(now);
            self.save_all();
        }
        self.beat = self.beat.max(now);
    }

    /// Ends in good order: to be called when no worker answers any more and all cells are folded in,
    /// before the last save. The next start then need not assume what happened since.
    pub fn close(&mut self) {
        self.closed = true;
        self.save_all();
    }

    /// Counts every row as changed.
    pub(super) fn save_all(&mut self) {
        self.unsaved.extend(self.switches.keys().cloned());
    }

    /// Rises when something changed that a crash must not undo; promises that move on do not count.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All of it in the form that is saved.
    #[must_use]
    pub fn image(&self) -> v1::Image {
        v1::Image::of(self)
    }

    /// What is saved each second, whatever else is: the form without its pools.
    #[must_use]
    pub fn head(&self) -> v1::Image {
        v1::Image::head_of(self)
    }

    /// The rows that changed since they were last taken, by switch, to be saved with [`Ledger::head`];
    /// `None`: nothing is left to remember. Of a large catalogue few change in a second.
    pub fn take_unsaved(&mut self) -> Vec<(Arc<str>, Option<String>)> {
        let unsaved = std::mem::take(&mut self.unsaved);
        let text = |switch: &Arc<str>| {
            self.switches
                .get(switch)
                .filter(|rows| !rows.is_empty())
                .map(|rows| v1::rows_text(switch, rows, self.closed))
        };
        unsaved.into_iter().map(|switch| (Arc::clone(&switch), text(&switch))).collect()
    }

    /// Forgets what has drained long ago and is in no view: `keep` says which pools exist.
    pub fn forget_drained(&mut self, now_boot_ms: u64, keep: impl Fn(&str, &str) -> bool) {
        let now = signed(now_boot_ms);
        let pending = &self.pending;
        let holds = &self.holds.holds;
        for (switch, rows) in &mut self.switches {
            let held = |rows: &SwitchRows| (rows.len(), rows.iter().map(|entry| entry.left().len()).sum::<usize>());
            let before = held(rows);
            rows.iter_mut().for_each(|entry| entry.forget_left(|bound| bound.is_over(now)));
            let settled = !pending.contains_key(switch);
            rows.retain(|entry| {
                !settled
                    || entry.answered_in.is_some()
                    || !entry.left().is_empty()
                    || keep(switch, &entry.pool)
                    || holds.iter().any(|hold| hold.key.switch == *switch && hold.key.pool == entry.pool)
                    || !entry.bound.is_over(now)
            });
            if held(rows) != before {
                self.unsaved.insert(Arc::clone(switch));
            }
        }
        self.switches.retain(|switch, rows| !rows.is_empty() || pending.contains_key(switch));
    }

    /// The row of a pool.
    pub(super) fn entry(&self, key: &PoolKey) -> Option<&Entry> {
        self.switches.get(&key.switch)?.get(&key.pool)
    }
}

/// A view's number as rows hold it: above 1, which stands for what only an image said.
fn held(view: u64) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(view).saturating_add(1)
}

/// Boot-clock milliseconds as the ledger counts them.
pub(super) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

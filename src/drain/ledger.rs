//! The promises of every pool and of every member that left one.
//!
//! A view is announced before it is published and settled once no worker answers from an older one
//! and their cells are folded in. Between the two a pool that lost its weight may still be answered,
//! so nothing is concluded. Times are boot-clock milliseconds, signed: after a reboot a promise may
//! lie before the boot.

use super::v1;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
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
    pub members: Vec<MemberFacts>,
}

/// A member as answers name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberFacts {
    /// Unique within the pool.
    pub name: Arc<str>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A promise: when the last of them ends, and how long one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bound {
    /// The latest moment an answer may still be cached; `None`: never answered.
    pub(super) until: Option<i64>,
    /// The longest single promise, milliseconds.
    pub(super) promise_ms: u64,
    /// Watched this long after the last promise, milliseconds.
    pub(super) tail_ms: u64,
}

/// One pool's row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Entry {
    pub(super) bound: Bound,
    /// Promises under a pin; they hold no drain.
    pub(super) pins_until: Option<i64>,
    /// The newest view that answers it, until a later view is settled.
    pub(super) answered_in: Option<u64>,
    /// The newest view that could answer it, whatever health did: a restart has to assume it did.
    pub(super) open_in: Option<u64>,
    /// The promise of the newest view; in force alone once that is settled.
    pub(super) newest_promise_ms: u64,
    /// Members, with the newest view that holds them.
    pub(super) members: BTreeMap<MemberFacts, u64>,
    /// Members that left, with the bound the pool had then.
    pub(super) left: BTreeMap<MemberFacts, Bound>,
}

/// One switch's rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SwitchRows {
    pub(super) pools: BTreeMap<Arc<str>, Entry>,
    /// Views announced and not settled, rising.
    unsettled: Vec<u64>,
}

/// All promises of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    pub(super) switches: BTreeMap<Arc<str>, SwitchRows>,
    /// Switches with unsettled views.
    pending: BTreeSet<Arc<str>>,
    pub(super) boot_id: String,
    /// The last heartbeat.
    pub(super) beat: i64,
    /// Counts changes that must reach the disk before the next view is published.
    version: u64,
    /// Ended in good order: no answer was given that is not folded in.
    pub(super) closed: bool,
    /// Switches whose rows are not what was saved last.
    unsaved: BTreeSet<Arc<str>>,
}

impl Ledger {
    /// An empty ledger that was just seen alive.
    pub(super) fn empty(boot_id: &str, now_ms: i64) -> Self {
        Self {
            switches: BTreeMap::new(),
            pending: BTreeSet::new(),
            boot_id: boot_id.to_owned(),
            beat: now_ms,
            version: 0,
            closed: false,
            unsaved: BTreeSet::new(),
        }
    }

    /// Takes note of a view of one switch that is about to be published; `pools` is all of it.
    ///
    /// Save it between this and publishing when [`Ledger::version`] moved: after a crash
    /// the ledger knows only what is on disk. Views are numbered upwards from 1; 0 is [`Ledger::start`]'s.
    pub fn announce(&mut self, view: u64, switch: &Arc<str>, pools: &[PoolFacts]) {
        let view = held(view);
        let rows = self.switches.entry(Arc::clone(switch)).or_default();
        rows.unsettled.push(view);
        self.pending.insert(Arc::clone(switch));
        self.unsaved.insert(Arc::clone(switch));
        let mut changed = false;
        for facts in pools {
            let entry = rows.pools.entry(Arc::clone(&facts.pool)).or_default();
            changed |= entry.announce(view, facts);
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
        let settled: Vec<Arc<str>> = self.pending.iter().cloned().collect();
        for switch in settled {
            let Some(rows) = self.switches.get_mut(&switch) else { continue };
            let Some(newest) = rows.unsettled.iter().copied().filter(|announced| *announced <= view).max() else {
                continue;
            };
            rows.unsettled.retain(|announced| *announced > view);
            let last = rows.unsettled.is_empty();
            for entry in rows.pools.values_mut() {
                entry.settle(newest, last);
            }
            if last {
                self.pending.remove(&switch);
            }
            self.unsaved.insert(switch);
            self.version += 1;
        }
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
        let entry = match rows.pools.get_mut(&key.pool) {
            Some(entry) => entry,
            None => rows.pools.entry(Arc::clone(&key.pool)).or_default(),
        };
        let until = signed(promised_until_boot_ms);
        let bound = if pinned { &mut entry.pins_until } else { &mut entry.bound.until };
        if *bound < Some(until) {
            *bound = Some(until);
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
                .filter(|rows| !rows.pools.is_empty())
                .map(|rows| v1::rows_text(switch, rows, self.closed))
        };
        unsaved.into_iter().map(|switch| (Arc::clone(&switch), text(&switch))).collect()
    }

    /// Forgets what has drained long ago and is in no view: `keep` says which pools exist.
    pub fn forget_drained(&mut self, now_boot_ms: u64, keep: impl Fn(&str, &str) -> bool) {
        let now = signed(now_boot_ms);
        for (switch, rows) in &mut self.switches {
            let held = |rows: &SwitchRows| {
                (rows.pools.len(), rows.pools.values().map(|entry| entry.left.len()).sum::<usize>())
            };
            let before = held(rows);
            for entry in rows.pools.values_mut() {
                entry.left.retain(|_, bound| !bound.is_over(now));
            }
            let settled = rows.unsettled.is_empty();
            rows.pools.retain(|pool, entry| {
                !settled
                    || entry.answered_in.is_some()
                    || !entry.left.is_empty()
                    || keep(switch, pool)
                    || !entry.bound.is_over(now)
            });
            if held(rows) != before {
                self.unsaved.insert(Arc::clone(switch));
            }
        }
        self.switches.retain(|_, rows| !rows.pools.is_empty() || !rows.unsettled.is_empty());
    }

    /// The row of a pool.
    pub(super) fn entry(&self, key: &PoolKey) -> Option<&Entry> {
        self.switches.get(&key.switch)?.pools.get(&key.pool)
    }
}

impl Entry {
    /// Takes over a view's facts; whether that is more than is on disk already.
    fn announce(&mut self, view: u64, facts: &PoolFacts) -> bool {
        let on_disk =
            |e: &Self| (e.open_in.is_some(), e.bound.promise_ms, e.bound.tail_ms, e.members.len(), e.left.len());
        let before = on_disk(self);
        if facts.answered {
            self.answered_in = Some(view);
        }
        if facts.answered || facts.may_answer {
            self.open_in = Some(view);
        }
        self.newest_promise_ms = facts.promise_ms;
        self.bound.promise_ms = self.bound.promise_ms.max(facts.promise_ms);
        self.bound.tail_ms = facts.tail_ms;
        for member in &facts.members {
            self.members.insert(member.clone(), view);
            self.left.remove(member);
        }
        before != on_disk(self)
    }

    /// Drops what only views before `view` had; `last` when no later view is about.
    fn settle(&mut self, view: u64, last: bool) {
        self.answered_in = self.answered_in.filter(|newest| *newest >= view);
        self.open_in = self.open_in.filter(|newest| *newest >= view);
        if last {
            self.bound.promise_ms = self.newest_promise_ms;
        }
        let bound = self.bound;
        for member in self.members.keys().filter(|member| self.members[*member] < view) {
            self.left.insert(member.clone(), bound);
        }
        self.members.retain(|_, newest| *newest >= view);
    }
}

impl Bound {
    /// Whether the promise and the watch behind it have ended.
    pub(super) fn is_over(&self, now: i64) -> bool {
        self.until.is_none_or(|until| until.saturating_add(signed(self.tail_ms.max(super::SLACK_MS))) <= now)
    }

    /// Moves the end of the last promise forward.
    pub(super) fn extend(&mut self, until: i64) {
        self.until = self.until.max(Some(until));
    }
}

/// A view's number as rows hold it: above 0, which stands for what only an image said.
fn held(view: u64) -> u64 {
    view.saturating_add(1)
}

/// Boot-clock milliseconds as the ledger counts them.
pub(super) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

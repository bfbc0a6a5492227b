//! What has been promised to callers and to clients, known apart from the program under test.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate::control::Replied;

/// Shared by all roles of a world.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// The largest revision that a reply called applied: no answer may be older from then on.
    floor: AtomicU64,
    /// Answers given.
    pub(crate) answers: AtomicU64,
    /// The roles shall end.
    pub(crate) over: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The first reply to each idempotency key, as far as it may not differ.
    replies: HashMap<String, String>,
    /// Revisions of replies that changed something.
    made: Vec<u64>,
    /// Boot-clock milliseconds until which an answer of a pool, by slot, may be cached.
    promised: HashMap<u32, u64>,
}

impl Truth {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision below which no answer may be given any more.
    pub(crate) fn floor(&self) -> u64 {
        self.floor.load(SeqCst)
    }

    /// Takes in a reply, and holds it against what earlier ones said.
    pub(crate) fn replied(&self, key: Option<&str>, replied: &Replied) {
        if replied.applied && !replied.dry_run {
            self.floor.fetch_max(replied.revision, SeqCst);
        }
        let mut inner = self.inner();
        if replied.changed && !replied.dry_run && !replied.replayed {
            assert!(!inner.made.contains(&replied.revision), "revision {} was made twice", replied.revision);
            inner.made.push(replied.revision);
        }
        let Some(key) = key.filter(|_| !replied.dry_run) else { return };
        let splits: Vec<_> = replied.switches.iter().map(|view| (&view.switch, &view.before, &view.after)).collect();
        let told = format!("{} {} {:?} {splits:?}", replied.revision, replied.changed, replied.serials);
        let first = inner.replies.entry(key.to_owned()).or_insert_with(|| told.clone());
        assert_eq!(*first, told, "two replies to the key {key}");
    }

    /// Revisions that replies said were made.
    pub(crate) fn made(&self) -> Vec<u64> {
        self.inner().made.clone()
    }

    /// An answer of a pool was given.
    pub(crate) fn promise(&self, slot: u32, until_boot_ms: u64) {
        let mut inner = self.inner();
        let until = inner.promised.entry(slot).or_default();
        *until = until_boot_ms.max(*until);
    }

    /// Until when answers of a pool may be cached.
    pub(crate) fn promised_until(&self, slot: u32) -> u64 {
        self.inner().promised.get(&slot).copied().unwrap_or(0)
    }

    /// Another process: its slots are numbered anew.
    pub(crate) fn forget_slots(&self) {
        self.inner().promised.clear();
    }

    /// Whether the roles shall end.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }
}

/// The truth of one world.
pub(crate) type Shared = Arc<Truth>;

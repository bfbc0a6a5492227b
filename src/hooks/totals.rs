//! What became of the calls, by kind, for whoever shows counters.

use crate::rollout::HookKind;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start, shared by every call.
#[derive(Debug, Default)]
pub struct HookTotals([Cells; HookKind::ALL.len()]);

/// The counters of one kind.
#[derive(Debug, Default)]
struct Cells {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// The counts of one kind at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookCounts {
    /// The kind.
    pub kind: HookKind,
    /// Calls that were answered with 2xx.
    pub sent: u64,
    /// Calls that were given up: the one attempt of a call that is waited for, all of a notification.
    pub failed: u64,
    /// Notifications that were never tried: their queue was full, or the server ended.
    pub dropped: u64,
}

impl HookTotals {
    /// Every kind's counts, in the order of [`HookKind::ALL`].
    #[must_use]
    pub fn counts(&self) -> Vec<HookCounts> {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let counts = HookKind::ALL.into_iter().zip(&self.0).map(|(kind, cells)| HookCounts {
            kind,
            sent: read(&cells.sent),
            failed: read(&cells.failed),
            dropped: read(&cells.dropped),
        });
        counts.collect()
    }

    /// Counts a call that was answered with 2xx.
    pub(super) fn count_sent(&self, kind: HookKind) {
        self.add(kind, |cells| &cells.sent);
    }

    /// Counts a call that was given up.
    pub(super) fn count_failed(&self, kind: HookKind) {
        self.add(kind, |cells| &cells.failed);
    }

    /// Counts a notification that was never tried.
    pub(super) fn count_dropped(&self, kind: HookKind) {
        self.add(kind, |cells| &cells.dropped);
    }

    fn add(&self, kind: HookKind, cell: impl Fn(&Cells) -> &AtomicU64) {
        let cells = HookKind::ALL.iter().zip(&self.0).find(|(one, _)| **one == kind);
        if let Some((_, cells)) = cells {
            cell(cells).fetch_add(1, Ordering::Relaxed);
        }
    }
}

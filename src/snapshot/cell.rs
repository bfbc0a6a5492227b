//! The swap cell: queries load the current snapshot, the single writer publishes the next one.
//!
//! A load takes no lock and waits for nobody. The cell keeps every superseded snapshot until its
//! last reader has let go, for two reasons: "applied" (§3.3) is the moment when nobody reads an
//! older one any more, and the memory of a large catalogue is freed by the publisher, never by a
//! worker between two packets.

use super::Snapshot;
use arc_swap::{ArcSwap, Guard};
use std::sync::{Arc, Mutex, PoisonError};

/// Superseded snapshots that somebody may still read, oldest first.
type Older = Arc<Mutex<Vec<Arc<Snapshot>>>>;

/// Where the current snapshot stands.
#[derive(Debug)]
pub struct SnapshotCell {
    current: ArcSwap<Snapshot>,
    older: Older,
}

/// What a publication replaced, until nobody reads it any more.
#[derive(Debug, Clone)]
pub struct Superseded {
    /// The number of the snapshot that was published.
    number: u64,
    older: Older,
}

impl SnapshotCell {
    /// A cell that holds the first snapshot.
    #[must_use]
    pub fn new(first: Arc<Snapshot>) -> Self {
        Self { current: ArcSwap::new(first), older: Older::default() }
    }

    /// The current snapshot, held for one batch of queries: cheap, and not to be kept while waiting.
    #[must_use]
    #[inline]
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The current snapshot, for readers that keep it across a wait.
    #[must_use]
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Makes `next` the current snapshot. Called by the single writer only.
    pub fn publish(&self, next: Arc<Snapshot>) -> Superseded {
        let number = next.number;
        // `swap` turns every outstanding guard into a counted reference, so the count tells the readers.
        let before = self.current.swap(next);
        {
            let mut older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
            older.push(before);
            sweep(&mut older);
        }
        Superseded { number, older: Arc::clone(&self.older) }
    }
}

impl Superseded {
    /// Whether every reader has left all snapshots older than the published one.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let mut older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        sweep(&mut older);
        older.iter().all(|snapshot| snapshot.number >= self.number)
    }

    /// The number of the snapshot that was published.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// Frees the snapshots that only the cell still holds. No new reader can reach them.
fn sweep(older: &mut Vec<Arc<Snapshot>>) {
    older.retain(|snapshot| Arc::strong_count(snapshot) > 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(number: u64) -> Arc<Snapshot> {
        Arc::new(Snapshot { number, ..Snapshot::default() })
    }

    #[test]
    fn a_publication_is_quiet_when_no_reader_holds_an_older_snapshot() {
        let cell = SnapshotCell::new(snapshot(1));
        let batch = cell.load();
        let second = cell.publish(snapshot(2));
        assert!(!second.is_quiet());
        assert_eq!((batch.number, cell.load().number), (1, 2));
        let stream = cell.load_full();
        let third = cell.publish(snapshot(3));
        drop(batch);
        assert!(second.is_quiet(), "a reader of the published snapshot itself does not count");
        assert!(!third.is_quiet());
        drop(stream);
        assert!(third.is_quiet());
        assert_eq!(third.number(), 3);
    }

    #[test]
    fn a_superseded_snapshot_is_freed_by_the_writer() {
        let first = snapshot(1);
        let watch = Arc::downgrade(&first);
        let cell = SnapshotCell::new(first);
        let guard = cell.load();
        let superseded = cell.publish(snapshot(2));
        drop(guard);
        assert!(watch.upgrade().is_some(), "dropping the last guard leaves the memory to the cell");
        assert!(superseded.is_quiet());
        assert!(watch.upgrade().is_none());
    }
}

//! Per pool slot: answers given, and until when the latest of them may be remembered.
//!
//! Slots are small numbers that the snapshot hands out. Cells live in chunks that are made on the
//! first write, so slots may grow while threads write, without a lock. A slot past the last chunk
//! shares one overflow cell, whose promises count for every slot past the end: the ledger is then
//! late, never early.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const CHUNK: usize = 256;
const CHUNKS: usize = 1024;
/// Slots with a cell of their own: 1024 chunks of 256 are 262,144 pools, 16 KiB of chunk heads per writer.
pub(super) const SLOTS: usize = CHUNK * CHUNKS;

/// The counters of one pool, written by one set of cells.
#[derive(Debug, Default)]
pub(super) struct PoolCell {
    answers: AtomicU64,
    promised_until_ms: AtomicU64,
    pinned_answers: AtomicU64,
    pinned_promised_until_ms: AtomicU64,
}

/// What all writers together say about one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolTotals {
    /// Answers that named this pool, without pins.
    pub answers: u64,
    /// Boot-clock milliseconds at which the last of them expires; 0: none was given.
    pub promised_until_ms: u64,
    /// Answers under a pin.
    pub pinned_answers: u64,
    /// Boot-clock milliseconds at which the last of those expires.
    pub pinned_promised_until_ms: u64,
}

impl PoolTotals {
    /// Adds another writer's counters: counts add up, the later promise wins.
    pub fn merge(&mut self, other: Self) {
        self.answers += other.answers;
        self.promised_until_ms = self.promised_until_ms.max(other.promised_until_ms);
        self.pinned_answers += other.pinned_answers;
        self.pinned_promised_until_ms = self.pinned_promised_until_ms.max(other.pinned_promised_until_ms);
    }
}

impl PoolCell {
    fn totals(&self) -> PoolTotals {
        PoolTotals {
            answers: self.answers.load(Relaxed),
            promised_until_ms: self.promised_until_ms.load(Relaxed),
            pinned_answers: self.pinned_answers.load(Relaxed),
            pinned_promised_until_ms: self.pinned_promised_until_ms.load(Relaxed),
        }
    }

    fn pair(&self, pinned: bool) -> (&AtomicU64, &AtomicU64) {
        if pinned {
            (&self.pinned_answers, &self.pinned_promised_until_ms)
        } else {
            (&self.answers, &self.promised_until_ms)
        }
    }

    /// Counts `answers` and moves the promise forward; the caller is the only writer.
    #[inline]
    pub(super) fn write_alone(&self, pinned: bool, answers: u64, until_ms: u64) {
        let (count, promise) = self.pair(pinned);
        count.store(count.load(Relaxed) + answers, Relaxed);
        if promise.load(Relaxed) < until_ms {
            promise.store(until_ms, Relaxed);
        }
    }

    /// The same for cells with several writers.
    #[inline]
    pub(super) fn write_shared(&self, pinned: bool, answers: u64, until_ms: u64) {
        let (count, promise) = self.pair(pinned);
        count.fetch_add(answers, Relaxed);
        promise.fetch_max(until_ms, Relaxed);
    }
}

/// One writer's cells of all pools.
#[derive(Debug)]
pub(super) struct PoolCells {
    chunks: Box<[OnceLock<Box<[PoolCell; CHUNK]>>]>,
    overflow: PoolCell,
}

impl Default for PoolCells {
    fn default() -> Self {
        Self { chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(), overflow: PoolCell::default() }
    }
}

impl PoolCells {
    /// The cell of `slot`, made if it is the first of its chunk.
    #[inline]
    pub(super) fn cell(&self, slot: u32) -> &PoolCell {
        let slot = slot as usize;
        match self.chunks.get(slot / CHUNK) {
            Some(chunk) => &chunk.get_or_init(|| Box::new(std::array::from_fn(|_| PoolCell::default())))[slot % CHUNK],
            None => &self.overflow,
        }
    }

    /// What is known of `slot`, without making a chunk.
    pub(super) fn totals(&self, slot: u32) -> PoolTotals {
        let slot = slot as usize;
        match self.chunks.get(slot / CHUNK) {
            Some(chunk) => chunk.get().map_or_else(PoolTotals::default, |cells| cells[slot % CHUNK].totals()),
            None => self.overflow.totals(),
        }
    }

    /// Calls `visit` with every slot that has a count or a promise.
    pub(super) fn for_each(&self, mut visit: impl FnMut(u32, PoolTotals)) {
        let cells = self.chunks.iter().enumerate().filter_map(|(i, chunk)| chunk.get().map(|cells| (i, cells)));
        for (i, cells) in cells {
            for (j, cell) in cells.iter().enumerate() {
                let totals = cell.totals();
                if totals != PoolTotals::default() {
                    visit(u32::try_from(i * CHUNK + j).expect("SLOTS fits 32 bits"), totals);
                }
            }
        }
    }
}

const _: () = assert!(SLOTS < u32::MAX as usize);

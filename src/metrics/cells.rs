//! Counters that answering threads write without sharing a cache line with anyone.
//!
//! A UDP worker is the only writer of its [`Cells`] and uses plain loads and stores
//! ([`SoleWriter`]); the tasks of one stream transport share a set ([`SharedWriter`]). Readers
//! add all sets up through the [`Registry`](super::Registry).
//!
//! A promise is written before its answers leave, and again after a send that took long, so the
//! fold never shows an earlier expiry than an answer that a client holds, but for what is between
//! two stores of one batch; control adds its 5 s margin (§4.2) over that.

use super::count::Count;
use super::latency::Latency;
use super::pool_cells::PoolCells;
use super::seats::Seats;
use super::sketch::Seen;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// RCODEs 0 to 23 have a counter each (23 is BADCOOKIE, the last in use); others share the last one.
pub(super) const RCODES: usize = 25;

/// One set of counters. Padded so that two sets never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Cells {
    pub(super) transport: &'static str,
    counts: [AtomicU64; Count::ALL.len()],
    pub(super) responses: [AtomicU64; RCODES],
    pub(super) latency: Latency,
    pub(super) pools: PoolCells,
    pub(super) seats: Seats,
}

/// One answer that named a pool; a batch collects them and writes them in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Which pool the answer named.
    pub slot: u32,
    /// TTL of the answer, seconds.
    pub promise_s: u32,
    /// Whether a pin chose the pool.
    pub pinned: bool,
    /// Who took it, where the switch is watched.
    pub seen: Option<Seen>,
}

impl Cells {
    pub(super) fn new(transport: &'static str) -> Self {
        Self {
            transport,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            responses: std::array::from_fn(|_| AtomicU64::new(0)),
            latency: Latency::default(),
            pools: PoolCells::default(),
            seats: Seats::default(),
        }
    }

    pub(super) fn count(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Relaxed)
    }

    fn response(&self, rcode: u16) -> &AtomicU64 {
        &self.responses[usize::from(rcode).min(RCODES - 1)]
    }
}

/// The boot-clock milliseconds at which an answer given at `now_ms` is forgotten.
#[inline]
fn expiry_ms(now_ms: u64, promise_s: u32) -> u64 {
    now_ms.saturating_add(u64::from(promise_s) * 1000)
}

/// Writes one set of cells from one thread. Not `Clone`, and every write takes `&mut self`.
#[derive(Debug)]
pub struct SoleWriter(pub(super) Arc<Cells>);

impl SoleWriter {
    /// Adds `n` to a counter.
    #[inline]
    pub fn add(&mut self, count: Count, n: u64) {
        bump(&self.0.counts[count as usize], n);
    }

    /// Counts one response.
    #[inline]
    pub fn response(&mut self, rcode: u16) {
        bump(self.0.response(rcode), 1);
    }

    /// `answers` answers took `elapsed_ns` from their arrival here to the end of the send call.
    #[inline]
    pub fn took(&mut self, answers: u64, elapsed_ns: u64) {
        self.0.latency.cells(elapsed_ns, answers, bump);
    }

    /// Counts the answers of pools given at `now_ms` (boot clock) and their promises.
    #[inline]
    pub fn answers(&mut self, now_ms: u64, tallies: &[Tally]) {
        for tally in tallies {
            self.0.pools.cell(tally.slot).write_alone(tally.pinned, 1, expiry_ms(now_ms, tally.promise_s));
            if let Some(seen) = &tally.seen {
                self.0.seats.see(seen);
            }
        }
    }

    /// Moves the promises of answers already counted, because they left as late as `now_ms`.
    pub fn extend_promises(&mut self, now_ms: u64, tallies: &[Tally]) {
        for tally in tallies {
            self.0.pools.cell(tally.slot).write_alone(tally.pinned, 0, expiry_ms(now_ms, tally.promise_s));
        }
    }
}

#[inline]
fn bump(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

/// Writes one set of cells from many tasks.
#[derive(Debug, Clone)]
pub struct SharedWriter(pub(super) Arc<Cells>);

impl SharedWriter {
    /// Adds `n` to a counter.
    pub fn add(&self, count: Count, n: u64) {
        self.0.counts[count as usize].fetch_add(n, Relaxed);
    }

    /// Counts one response.
    pub fn response(&self, rcode: u16) {
        self.0.response(rcode).fetch_add(1, Relaxed);
    }

    /// `answers` answers took `elapsed_ns` from their arrival here to the end of the write.
    pub fn took(&self, answers: u64, elapsed_ns: u64) {
        self.0.latency.cells(elapsed_ns, answers, |cell, n| {
            cell.fetch_add(n, Relaxed);
        });
    }

    /// Counts the answers of pools given at `now_ms` (boot clock) and their promises.
    pub fn answers(&self, now_ms: u64, tallies: &[Tally]) {
        for tally in tallies {
            self.0.pools.cell(tally.slot).write_shared(tally.pinned, 1, expiry_ms(now_ms, tally.promise_s));
            if let Some(seen) = &tally.seen {
                self.0.seats.see(seen);
            }
        }
    }

    /// Moves the promises of answers already counted, because they left as late as `now_ms`.
    pub fn extend_promises(&self, now_ms: u64, tallies: &[Tally]) {
        for tally in tallies {
            self.0.pools.cell(tally.slot).write_shared(tally.pinned, 0, expiry_ms(now_ms, tally.promise_s));
        }
    }
}

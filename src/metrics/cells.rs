//! Counters that answering threads write without sharing a cache line with anyone.
//!
//! A UDP worker is the only writer of its [`Cells`] and uses plain loads and stores
//! ([`SoleWriter`]); the tasks of one stream transport share a set ([`SharedWriter`]). Readers
//! (control each second, `/metrics` on a scrape) add all sets up through the [`Registry`]; they may
//! see one counter of a batch before another, never a value that was not there.
//!
//! A promise is written before its answers leave, and again after a send that took long, so the
//! fold never shows an earlier expiry than an answer that a client holds, but for what is between
//! two stores of one batch; control adds its 5 s margin (§4.2) over that.

use super::latency::{Latency, LatencyTotals};
use super::pool_cells::{PoolCells, PoolTotals};
use super::requests::RequestTotals;
use super::seats::Seats;
use super::sketch::{Seen, Sketched};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// RCODEs 0 to 23 have a counter each (23 is BADCOOKIE, the last in use); others share the last one.
pub const RCODES: usize = 25;

/// What a worker counts besides answers of pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Queries that arrived, whatever became of them.
    Received,
    /// Queries that got silence: too short, QR set, source port 0.
    Dropped,
    /// Queries longer than the receive buffer.
    Oversize,
    /// Replies with TC set.
    Truncated,
    /// Replies not sent because of the rate limit.
    RateLimited,
    /// Replies cut down to TC because of the rate limit.
    Slipped,
    /// Replies over the rate limit that were sent, since it is only told.
    RateNoted,
    /// Replies that the kernel would not take.
    SendFailed,
    /// Receive calls that failed, other than by time-out.
    ReceiveFailed,
    /// Batches lost to a panic: a bug to report.
    Panicked,
    /// Receive calls that returned something: received / batches is the mean fill.
    Batches,
    /// Replies that left as part of a grouped (GSO) message.
    Grouped,
    /// Connections accepted.
    Accepted,
    /// Connections closed at once: their client had too many.
    ClientLimit,
    /// Connections closed at once: all seats were taken, or the server was stopping.
    Refused,
    /// Idle connections closed to make room for new ones.
    Evicted,
    /// Connections closed because a query did not complete in time.
    SlowSender,
    /// Connections closed because a reply was not taken in time.
    SlowReader,
    /// Connections closed because of a length that cannot be a query.
    Malformed,
    /// Connections closed because all of them together held too much unfinished data.
    MemoryLimit,
    /// TLS handshakes that failed or took too long.
    HandshakeFailed,
    /// Messages handed over to those who do transfers and updates.
    Deferred,
    /// Such messages answered SERVFAIL: more of them than can be taken on.
    DeferralsFull,
    /// Connections closed because such a message got no reply, or one that was cut short.
    Unanswered,
}

impl Count {
    /// All of them, with the label each is shown under.
    pub const ALL: [(Self, &'static str); 24] = [
        (Self::Received, "received"),
        (Self::Dropped, "dropped"),
        (Self::Oversize, "oversize"),
        (Self::Truncated, "truncated"),
        (Self::RateLimited, "rate_limited"),
        (Self::Slipped, "slipped"),
        (Self::RateNoted, "rate_noted"),
        (Self::SendFailed, "send_failed"),
        (Self::ReceiveFailed, "receive_failed"),
        (Self::Panicked, "panicked"),
        (Self::Batches, "batches"),
        (Self::Grouped, "grouped"),
        (Self::Accepted, "accepted"),
        (Self::ClientLimit, "client_limit"),
        (Self::Refused, "refused"),
        (Self::Evicted, "evicted"),
        (Self::SlowSender, "slow_sender"),
        (Self::SlowReader, "slow_reader"),
        (Self::Malformed, "malformed"),
        (Self::MemoryLimit, "memory_limit"),
        (Self::HandshakeFailed, "handshake_failed"),
        (Self::Deferred, "deferred"),
        (Self::DeferralsFull, "deferrals_full"),
        (Self::Unanswered, "unanswered"),
    ];
}

/// One set of counters. Padded so that two sets never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Cells {
    transport: &'static str,
    counts: [AtomicU64; Count::ALL.len()],
    responses: [AtomicU64; RCODES],
    latency: Latency,
    pools: PoolCells,
    seats: Seats,
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
    fn new(transport: &'static str) -> Self {
        Self {
            transport,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            responses: std::array::from_fn(|_| AtomicU64::new(0)),
            latency: Latency::default(),
            pools: PoolCells::default(),
            seats: Seats::default(),
        }
    }

    fn count(&self, count: Count) -> u64 {
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
pub struct SoleWriter(Arc<Cells>);

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
pub struct SharedWriter(Arc<Cells>);

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

/// Responses of one transport by RCODE.
pub type Responses = [u64; RCODES];

/// All sets of cells of the process.
#[derive(Debug, Default)]
pub struct Registry {
    sets: Mutex<Vec<Arc<Cells>>>,
    /// Seats that every set has, and sets made later get.
    open_seats: AtomicU16,
    /// Requests of the admin interface.
    requests: Arc<RequestTotals>,
}

impl Registry {
    /// Where requests of the admin interface are counted.
    #[must_use]
    pub fn requests(&self) -> Arc<RequestTotals> {
        self.requests.clone()
    }

    /// A new set with one writer.
    #[must_use]
    pub fn sole_writer(&self, transport: &'static str) -> SoleWriter {
        SoleWriter(self.add(transport))
    }

    /// A new set with many writers.
    #[must_use]
    pub fn shared_writer(&self, transport: &'static str) -> SharedWriter {
        SharedWriter(self.add(transport))
    }

    fn add(&self, transport: &'static str) -> Arc<Cells> {
        let cells = Arc::new(Cells::new(transport));
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        cells.seats.open(self.open_seats.load(Relaxed));
        sets.push(cells.clone());
        cells
    }

    /// Makes the first `count` seats for sketches of watched pools, for every writer.
    pub fn open_seats(&self, count: u16) {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        self.open_seats.fetch_max(count, Relaxed);
        sets.iter().for_each(|set| set.seats.open(count));
    }

    /// What all writers saw at a seat in an epoch.
    #[must_use]
    pub fn fold_seat(&self, seat: u16, epoch: u32) -> Sketched {
        let mut folded = Sketched::default();
        for set in self.sets() {
            set.seats.fold(seat, epoch, &mut folded);
        }
        folded
    }

    fn sets(&self) -> Vec<Arc<Cells>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every pool slot that was ever answered with: sums of counts, latest promises. Slots past the
    /// last cell are not listed; [`Registry::fold_pool`] knows them.
    #[must_use]
    pub fn fold_pools(&self) -> BTreeMap<u32, PoolTotals> {
        let mut folded = BTreeMap::<u32, PoolTotals>::new();
        for set in self.sets() {
            set.pools.for_each(|slot, totals| folded.entry(slot).or_default().merge(totals));
        }
        folded
    }

    /// One pool slot over all writers.
    #[must_use]
    pub fn fold_pool(&self, slot: u32) -> PoolTotals {
        let mut folded = PoolTotals::default();
        for set in self.sets() {
            folded.merge(set.pools.totals(slot));
        }
        folded
    }

    /// Responses by transport and RCODE.
    #[must_use]
    pub fn fold_responses(&self) -> BTreeMap<&'static str, Responses> {
        let mut folded = BTreeMap::<&'static str, Responses>::new();
        for set in self.sets() {
            let sums = folded.entry(set.transport).or_insert([0; RCODES]);
            for (sum, counter) in sums.iter_mut().zip(&set.responses) {
                *sum += counter.load(Relaxed);
            }
        }
        folded
    }

    /// How long answers took, by transport.
    #[must_use]
    pub fn fold_latency(&self) -> BTreeMap<&'static str, LatencyTotals> {
        let mut folded = BTreeMap::<&'static str, LatencyTotals>::new();
        for set in self.sets() {
            folded.entry(set.transport).or_default().merge(&set.latency);
        }
        folded
    }

    /// The sum of one counter over all sets.
    #[must_use]
    pub fn fold_count(&self, count: Count) -> u64 {
        self.sets().iter().map(|set| set.count(count)).sum()
    }

    /// Every counter by transport, in the order of [`Count::ALL`].
    #[must_use]
    pub fn fold_counts(&self) -> BTreeMap<&'static str, [u64; Count::ALL.len()]> {
        let mut folded = BTreeMap::<&'static str, [u64; Count::ALL.len()]>::new();
        for set in self.sets() {
            let sums = folded.entry(set.transport).or_insert([0; Count::ALL.len()]);
            for (sum, (count, _)) in sums.iter_mut().zip(Count::ALL) {
                *sum += set.count(count);
            }
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::pool_cells::SLOTS;

    const ANSWER: Tally = Tally { slot: 700, promise_s: 30, pinned: false, seen: None };

    #[test]
    fn counts_of_several_writers_add_up_and_the_latest_promise_wins() {
        let registry = Registry::default();
        let mut worker = registry.sole_writer("udp");
        let stream = registry.shared_writer("tcp");
        worker.answers(1_000, &[ANSWER, ANSWER]);
        stream.answers(5_000, &[ANSWER, Tally { promise_s: 1, ..ANSWER }]);
        worker.answers(2_000, &[Tally { slot: 3, promise_s: 10, pinned: true, seen: None }]);
        let pools = registry.fold_pools();
        assert_eq!(pools[&700], PoolTotals { answers: 4, promised_until_ms: 35_000, ..PoolTotals::default() });
        assert_eq!(
            pools[&3],
            PoolTotals { pinned_answers: 1, pinned_promised_until_ms: 12_000, ..PoolTotals::default() }
        );
        assert_eq!(pools.len(), 2);
        assert_eq!(registry.fold_pool(700), pools[&700]);
        assert_eq!(registry.fold_pool(4), PoolTotals::default());
    }

    #[test]
    fn a_shorter_promise_never_takes_back_a_longer_one() {
        let registry = Registry::default();
        let mut worker = registry.sole_writer("udp");
        worker.answers(1_000, &[ANSWER]);
        worker.answers(1_500, &[Tally { promise_s: 5, ..ANSWER }]);
        assert_eq!(registry.fold_pool(700).promised_until_ms, 31_000);
    }

    #[test]
    fn a_late_send_moves_the_promise_and_counts_nothing() {
        let registry = Registry::default();
        let mut worker = registry.sole_writer("udp");
        worker.answers(1_000, &[ANSWER]);
        worker.extend_promises(9_000, &[ANSWER]);
        assert_eq!(
            registry.fold_pool(700),
            PoolTotals { answers: 1, promised_until_ms: 39_000, ..PoolTotals::default() }
        );
    }

    #[test]
    fn slots_past_the_last_chunk_share_a_promise_rather_than_lose_it() {
        let registry = Registry::default();
        let mut worker = registry.sole_writer("udp");
        let past = u32::try_from(SLOTS).unwrap() + 5;
        worker.answers(1_000, &[Tally { slot: past, ..ANSWER }]);
        assert_eq!(registry.fold_pool(past).promised_until_ms, 31_000);
        assert_eq!(registry.fold_pool(past + 1).promised_until_ms, 31_000);
        assert_eq!(registry.fold_pool(past - 6).promised_until_ms, 0);
    }

    #[test]
    fn concurrent_tasks_lose_no_count() {
        let registry = Registry::default();
        let writer = registry.shared_writer("tcp");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let writer = writer.clone();
                scope.spawn(move || {
                    for now_ms in 0..1_000 {
                        writer.answers(now_ms, &[ANSWER]);
                        writer.response(0);
                        writer.response(4_000);
                    }
                });
            }
        });
        assert_eq!(registry.fold_pool(700).answers, 4_000);
        assert_eq!(registry.fold_pool(700).promised_until_ms, 30_999);
        let responses = registry.fold_responses();
        assert_eq!((responses["tcp"][0], responses["tcp"][RCODES - 1]), (4_000, 4_000));
    }

    #[test]
    fn only_open_seats_are_written_and_writers_made_later_have_them_too() {
        let registry = Registry::default();
        let mut early = registry.sole_writer("udp");
        let seen = |seat, client| Some(Seen { seat, epoch: 3, client: std::num::NonZeroU64::new(client).unwrap() });
        early.answers(0, &[Tally { seen: seen(1, 9), ..ANSWER }]);
        registry.open_seats(2);
        early.answers(0, &[Tally { seen: seen(1, 9), ..ANSWER }, ANSWER]);
        registry.shared_writer("tcp").answers(0, &[Tally { seen: seen(1, 9), ..ANSWER }]);
        early.answers(0, &[Tally { seen: seen(2, 9), ..ANSWER }, Tally { seen: seen(u16::MAX, 9), ..ANSWER }]);
        assert_eq!((registry.fold_seat(1, 3).answers, registry.fold_seat(1, 3).heavy), (2, vec![(9, 2)]));
        assert_eq!((registry.fold_seat(2, 3).answers, registry.fold_seat(1, 4).answers), (0, 0));
        assert_eq!(registry.fold_pool(ANSWER.slot).answers, 6);
    }

    #[test]
    fn every_counter_has_its_place_in_the_list() {
        for (place, (count, _)) in Count::ALL.iter().enumerate() {
            assert_eq!(*count as usize, place);
        }
    }
}

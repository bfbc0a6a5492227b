//! Every set of cells of the process, added up for those who read.
//!
//! Readers (control each second, `/metrics` on a scrape) may see one counter of a batch before
//! another, never a value that was not there.

use super::cells::{Cells, RCODES, SharedWriter, SoleWriter};
use super::count::Count;
use super::latency::LatencyTotals;
use super::pool_cells::PoolTotals;
use super::requests::RequestTotals;
use super::sketch::Sketched;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

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
    use crate::metrics::{Seen, Tally};

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
}

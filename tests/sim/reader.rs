//! Readers: they answer queries from the snapshot, hold it for a while, and never fall behind a reply.

use crate::dice::Dice;
use crate::truth::{Shared, Truth};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use tidegate::answer::{Asker, Transport, respond};
use tidegate::clock;
use tidegate::metrics::{SharedWriter, Tally};
use tidegate::snapshot::{Snapshot, SnapshotCell};

/// What is asked: every switch, a pin, a miss.
const QUESTIONS: [&[u8]; 5] = [
    b"\x03app\x07example\x04test\0\0\x01\0\x01",
    b"\x02u7\x04chat\x07example\x04test\0\0\x01\0\x01",
    b"\x04flag\x07example\x04test\0\0\x10\0\x01",
    b"\x05green\x03app\x07example\x04test\0\0\x01\0\x01",
    b"\x07example\x04test\0\0\x06\0\x01",
];

/// One reader.
pub(crate) struct Reader {
    pub cell: Arc<SnapshotCell>,
    pub cells: SharedWriter,
    pub truth: Shared,
    pub dice: Dice,
    pub last_number: u64,
}

impl Reader {
    /// Answers until the world is over, on the world's own thread.
    pub(crate) async fn read(mut self) {
        while !self.truth.is_over() {
            let snapshot = self.take();
            for _ in 0..self.dice.below(4) {
                self.answer(&snapshot);
                for _ in 0..self.dice.below(6) {
                    tokio::task::yield_now().await;
                }
                if self.dice.once_in(400) {
                    // Longer than control waits for a reader: the reply then says so.
                    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
                }
            }
            drop(snapshot);
            tokio::time::sleep(std::time::Duration::from_millis(self.dice.below(60))).await;
        }
    }

    /// The same on a thread of its own, by guards as the workers hold them.
    pub(crate) fn read_beside(mut self) {
        while !self.truth.is_over() {
            let cell = self.cell.clone();
            let snapshot = cell.load();
            self.rises(&snapshot);
            for _ in 0..self.dice.below(4) {
                self.answer(&snapshot);
                std::thread::yield_now();
            }
        }
    }

    /// A snapshot to answer from; numbers rise.
    fn take(&mut self) -> Arc<Snapshot> {
        let snapshot = self.cell.load_full();
        self.rises(&snapshot);
        snapshot
    }

    fn rises(&mut self, snapshot: &Snapshot) {
        assert!(snapshot.number >= self.last_number, "snapshot {} came after {}", snapshot.number, self.last_number);
        self.last_number = snapshot.number;
    }

    /// One answer: right, from no older snapshot than a reply allows, and counted.
    fn answer(&mut self, snapshot: &Snapshot) {
        let question = self.dice.pick(&QUESTIONS);
        let mut message = [&b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0"[..], question].concat();
        let len = message.len();
        message.resize(1232, 0);
        let client = [10, 0, u8::try_from(self.dice.below(256)).expect("an octet"), 1].into();
        let asker = Asker { client, transport: Transport::Udp, draw: self.dice.throw() };
        // The worker's order: promise, then send; and here send is the moment that counts.
        let outcome = respond(snapshot, &asker, &mut message, len);
        assert_eq!(outcome.rcode, 0, "an answer failed: {outcome:?}");
        let now = clock::boot_ms();
        if let Some(chosen) = outcome.choice {
            self.cells.answers(
                now,
                &[Tally { slot: chosen.slot.0, promise_s: chosen.promise_s, pinned: chosen.pinned, seen: None }],
            );
            if !chosen.pinned {
                self.truth.promise(chosen.slot.0, now + u64::from(chosen.promise_s) * 1000);
            }
        }
        self.hold_floor(snapshot);
        self.truth.answers.fetch_add(1, SeqCst);
    }

    /// No answer from before a change that a reply called applied.
    fn hold_floor(&self, snapshot: &Snapshot) {
        let floor = Truth::floor(&self.truth);
        assert!(snapshot.revision >= floor, "an answer of revision {} after {floor} was applied", snapshot.revision);
    }
}

//! What goes wrong: the store fails in every way it can, and probes find what they find.

use crate::dice::Dice;
use crate::truth::Shared;
use std::sync::Arc;
use std::time::Duration;
use tidegate::clock;
use tidegate::control::Handle;
use tidegate::health::{ProbeOutcome, ProbeReport, ProbeTarget};
use tidegate::store::MemoryStore;
use tidegate::store::memory::Fault;
use tokio::sync::{mpsc, watch};

/// The faults of a commit.
const FAULTS: [Fault; 4] = [Fault::Full, Fault::Conflict, Fault::Failed, Fault::ReplyLost];

/// Breaks and mends the store.
pub(crate) struct Breaker {
    pub store: Arc<MemoryStore>,
    pub handle: Handle,
    pub truth: Shared,
    pub dice: Dice,
}

impl Breaker {
    /// Until the world is over; leaves the store mended.
    pub(crate) async fn break_things(mut self) {
        while !self.truth.is_over() {
            match self.dice.below(8) {
                0..=3 => self.store.fail_next(*self.dice.pick(&FAULTS)),
                4 => self.store.break_with(*self.dice.pick(&FAULTS)),
                5 => {
                    self.store.stand_on_copy("simulated");
                    tokio::time::sleep(Duration::from_millis(self.dice.below(300))).await;
                    // May be refused: a fault may be waiting for the row it writes into the history.
                    let _ = self.handle.accept_copy(super::caller::who()).await.expect("an answer");
                }
                _ => self.store.mend(),
            }
            tokio::time::sleep(Duration::from_millis(self.dice.below(900))).await;
        }
        self.store.mend();
    }
}

/// Sends what probes find.
pub(crate) struct Prober {
    pub targets: watch::Receiver<Arc<[ProbeTarget]>>,
    pub probes: mpsc::Sender<ProbeReport>,
    pub truth: Shared,
    pub dice: Dice,
}

impl Prober {
    /// Until the world is over; phases of good and of bad health.
    pub(crate) async fn probe(mut self) {
        while !self.truth.is_over() {
            let bad = self.dice.once_in(3);
            let targets = self.targets.borrow().clone();
            for target in targets.iter() {
                let failure = (bad && self.dice.once_in(2)).then(|| "connection refused".to_owned());
                let outcome = ProbeOutcome { failure, latency_us: 900, seen_version: None, certificate_days: None };
                let report =
                    ProbeReport { target_key: target.key().into(), target: target.clone(), outcome, at: clock::now() };
                if self.probes.send(report).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(100 + self.dice.below(200))).await;
        }
    }
}

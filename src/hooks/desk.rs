//! The desk that takes orders: who is called now, and who waits behind whom.
//!
//! Owns the queues and every running call, on one task; never waits for a call.

use super::call::{attempt, delivery_id, receiver};
use super::notification::{Pace, deliver};
use super::totals::HookTotals;
use crate::rollout::{HookAnswer, HookCall, HookKind, HookOrder, HookReport};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;

/// Notifications that wait for one receiver of one switch; the next one drops the oldest.
pub(super) const QUEUE: usize = 256;
/// Notifications that wait in all queues; a body of 2 KiB makes 128 MiB of them at most.
pub(super) const ALL_QUEUES: usize = 65_536;
/// Attempts at a time on one receiver by notifications; a server that hangs holds so many sockets.
const PER_RECEIVER: usize = 32;

/// A queue's name: the switch and the receiver.
type QueueKey = (Arc<str>, Arc<str>);

/// What a running task does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Work {
    /// Delivers the head of a queue.
    Notification(QueueKey, HookKind),
    /// Makes a call that the rollout of a switch waits for, to a URL.
    Waited(Arc<str>, HookCall, String),
}

/// Everything the desk knows.
pub(super) struct Desk {
    reports: mpsc::Sender<HookReport>,
    totals: Arc<HookTotals>,
    pace: Pace,
    /// Notifications behind the one that is being delivered; a queue exists while one is.
    queues: HashMap<QueueKey, VecDeque<HookOrder>>,
    /// How many wait in all queues.
    waiting: usize,
    /// Turns at each receiver that is being notified.
    turns: HashMap<Arc<str>, Arc<Semaphore>>,
    tasks: JoinSet<()>,
    running: HashMap<Id, Work>,
    ending: watch::Sender<bool>,
}

impl Desk {
    /// A desk without orders.
    pub(super) fn new(reports: mpsc::Sender<HookReport>, totals: Arc<HookTotals>, pace: Pace) -> Self {
        Self {
            reports,
            totals,
            pace,
            queues: HashMap::new(),
            waiting: 0,
            turns: HashMap::new(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            ending: watch::channel(false).0,
        }
    }

    /// Takes orders until `shutdown` or the last sender is gone, then finishes within the time it has.
    pub(super) async fn work(mut self, mut orders: mpsc::Receiver<HookOrder>, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                order = orders.recv() => match order {
                    Some(order) => self.take(order),
                    None => break,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
            }
        }
        orders.close();
        while let Ok(order) = orders.try_recv() {
            self.take(order);
        }
        self.ending.send_replace(true);
        let limit = self.pace.at_the_end;
        let finishing = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.ended(ended);
            }
        };
        // What takes longer is counted below.
        let _ = timeout(limit, finishing).await;
        self.give_up_the_rest();
    }

    /// One order.
    fn take(&mut self, order: HookOrder) {
        if let Some(call) = &order.waited {
            let work = Work::Waited(order.switch.clone(), call.clone(), order.hook.url.clone());
            // An equal call is the same call: its answer is on the way.
            if !self.running.values().any(|other| *other == work) {
                let made = wait_for(order, self.reports.clone(), self.totals.clone());
                self.running.insert(self.tasks.spawn(made).id(), work);
            }
            return;
        }
        let key: QueueKey = (order.switch.clone(), receiver(&order.hook.url).into());
        match self.queues.get_mut(&key) {
            None => {
                self.queues.insert(key.clone(), VecDeque::new());
                self.notify(key, order);
            }
            Some(queue) => {
                let full = queue.len() >= QUEUE || self.waiting >= ALL_QUEUES;
                // Where all queues together are full, an empty one drops the order itself.
                queue.push_back(order);
                self.waiting += 1;
                if full && let Some(oldest) = queue.pop_front() {
                    self.waiting -= 1;
                    self.totals.count_dropped(oldest.hook.kind);
                    tracing::warn!(
                        switch = %key.0,
                        receiver = %key.1,
                        hook = oldest.hook.kind.word(),
                        "too many hooks wait for this receiver: the oldest was dropped"
                    );
                }
            }
        }
    }

    /// Starts delivering the head of a queue.
    fn notify(&mut self, key: QueueKey, order: HookOrder) {
        let turns = self.turns.entry(key.1.clone()).or_insert_with(|| Arc::new(Semaphore::new(PER_RECEIVER))).clone();
        let kind = order.hook.kind;
        let delivery = deliver(order, turns, self.totals.clone(), self.pace, self.ending.subscribe());
        self.running.insert(self.tasks.spawn(delivery).id(), Work::Notification(key, kind));
    }

    /// A call has come to its end: whoever waited behind it is next.
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a hook's task broke off");
                error.id()
            }
        };
        let Some(Work::Notification(key, _)) = self.running.remove(&id) else { return };
        if let Some(next) = self.queues.get_mut(&key).and_then(VecDeque::pop_front) {
            self.waiting -= 1;
            self.notify(key, next);
            return;
        }
        self.queues.remove(&key);
        if self.turns.get(&key.1).is_some_and(|turns| Arc::strong_count(turns) == 1) {
            self.turns.remove(&key.1);
        }
    }

    /// Counts what the server's end leaves undone.
    fn give_up_the_rest(&mut self) {
        let mut left = self.waiting;
        self.queues.values().flatten().for_each(|order| self.totals.count_dropped(order.hook.kind));
        for work in self.running.values() {
            if let Work::Notification(_, kind) = work {
                self.totals.count_failed(*kind);
                left += 1;
            }
        }
        if left > 0 {
            tracing::warn!(left, "hooks were left undelivered at the end");
        }
        self.tasks.abort_all();
    }
}

/// Makes a call that a rollout waits for, once, and reports the answer.
async fn wait_for(order: HookOrder, reports: mpsc::Sender<HookReport>, totals: Arc<HookTotals>) {
    let HookOrder { switch, hook, waited, body } = order;
    let Some(call) = waited else { return };
    let outcome = attempt(&hook, &delivery_id(), &body).await;
    match &outcome {
        Ok(()) => totals.count_sent(hook.kind),
        Err(problem) => {
            totals.count_failed(hook.kind);
            tracing::debug!(%switch, hook = hook.kind.word(), problem, "a hook that is waited for was refused or failed");
        }
    }
    // Without control nobody waits any more.
    let _ = reports.send(HookReport { switch, answer: HookAnswer { call, outcome } }).await;
}

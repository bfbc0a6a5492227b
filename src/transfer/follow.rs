//! NOTIFY to secondaries (RFC 1996), and SOA queries that show what serial each of them has come to.
//!
//! One task follows each secondary of each zone while that is behind: it tells, looks, and waits longer each
//! time, up to a minute, for as long as it takes. A newer serial has it begin anew. What is published in
//! one go is told in one go.

use super::Room;
use super::exchange::exchange;
use super::totals::Happened;
use crate::dns::{Name, serial};
use crate::state::{Peer, SecondaryReport};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{self, JoinSet};

/// Exchanges with one secondary at a time.
const AT_A_TIME: usize = 64;

/// Waits between rounds; the last one repeats.
const WAITS_MS: [u64; 11] = [100, 200, 400, 800, 1_500, 3_000, 6_000, 12_000, 20_000, 30_000, 60_000];

/// Rounds that tell a secondary which took no notification yet; later ones tell it each tenth time.
const TELLING_ROUNDS: usize = 5;

/// How long what was published is gathered before it is told.
const GATHER: Duration = Duration::from_millis(20);

/// A zone on a secondary.
type Pair = (Name, Peer);

/// Follows every secondary until `stop` completes.
pub async fn follow(
    room: Arc<Room>,
    mut published: watch::Receiver<u64>,
    reports: mpsc::Sender<SecondaryReport>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let mut following = Following {
        room: Arc::clone(&room),
        reports,
        tasks: JoinSet::new(),
        wanted: HashMap::new(),
        pairs: HashMap::new(),
        permits: Permits::default(),
    };
    let mut settling = JoinSet::new();
    published.mark_changed();
    loop {
        tokio::select! {
            () = &mut stop => return,
            changed = published.changed() => {
                if changed.is_err() {
                    return;
                }
                tokio::time::sleep(GATHER).await;
                room.keep_up();
                for (zone, serial) in room.keeper.take_moved() {
                    for secondary in &room.rules_of(&zone).secondaries {
                        following.want((zone.clone(), secondary.clone()), serial);
                    }
                }
                settle(&room, &mut settling);
            }
            Some(ended) = settling.join_next(), if !settling.is_empty() => match ended {
                Ok(()) => settle(&room, &mut settling),
                Err(error) => tracing::error!(%error, "what changed in a zone could not be worked out"),
            },
            Some(ended) = following.tasks.join_next_with_id(), if !following.tasks.is_empty() => match ended {
                Ok((task, ())) => following.ended(task),
                Err(error) => following.failed(&error),
            },
        }
    }
}

/// Has what changed worked out, unless somebody is at it.
fn settle(room: &Room, settling: &mut JoinSet<()>) {
    if settling.is_empty() && room.keeper.is_unsettled() {
        let keeper = Arc::clone(&room.keeper);
        settling.spawn_blocking(move || keeper.settle());
    }
}

/// Turns to exchange messages with a secondary: of its own, so that one that is silent delays no other.
#[derive(Debug, Default)]
struct Permits(HashMap<SocketAddr, Arc<Semaphore>>);

impl Permits {
    fn of(&mut self, address: SocketAddr) -> Arc<Semaphore> {
        Arc::clone(self.0.entry(address).or_insert_with(|| Arc::new(Semaphore::new(AT_A_TIME))))
    }
}

/// Who is followed at present.
struct Following {
    room: Arc<Room>,
    reports: mpsc::Sender<SecondaryReport>,
    tasks: JoinSet<()>,
    /// The serial each is to show.
    wanted: HashMap<Pair, watch::Sender<u32>>,
    /// Whom each task follows.
    pairs: HashMap<task::Id, Pair>,
    permits: Permits,
}

impl Following {
    /// Has a secondary followed until it shows a serial.
    fn want(&mut self, pair: Pair, serial: u32) {
        if let Some(wanted) = self.wanted.get(&pair) {
            wanted.send_replace(serial);
            return;
        }
        let (wanted, seen) = watch::channel(serial);
        let permits = self.permits.of(pair.1.address);
        self.wanted.insert(pair.clone(), wanted);
        let one = Followed { room: Arc::clone(&self.room), pair: pair.clone(), permits, reports: self.reports.clone() };
        let task = self.tasks.spawn(one.until_it_shows(seen)).id();
        self.pairs.insert(task, pair);
    }

    /// A task came to its end.
    fn ended(&mut self, task: task::Id) {
        let Some(pair) = self.pairs.remove(&task) else { return };
        let Some(missed) = self.wanted.remove(&pair) else { return };
        // A serial that came while the task ended is followed by another one.
        let latest = *missed.borrow();
        if self.room.shown(&pair).is_none_or(|shown| serial::is_newer(latest, shown)) {
            self.want(pair, latest);
        }
    }

    /// A task ended in a panic, a bug of ours: the next serial is followed anew.
    fn failed(&mut self, error: &task::JoinError) {
        tracing::error!(%error, "a secondary is not followed until the next change of its zone");
        if let Some(pair) = self.pairs.remove(&error.id()) {
            self.wanted.remove(&pair);
        }
    }
}

/// A secondary of a zone that is behind.
struct Followed {
    room: Arc<Room>,
    pair: Pair,
    permits: Arc<Semaphore>,
    reports: mpsc::Sender<SecondaryReport>,
}

impl Followed {
    /// Tells and looks until the serial wanted is shown.
    async fn until_it_shows(self, mut wanted: watch::Receiver<u32>) {
        let (mut round, mut took) = (0, false);
        loop {
            let serial = *wanted.borrow_and_update();
            if !took && (round < TELLING_ROUNDS || round % 10 == 0) {
                took = self.tell(serial, round).await;
            }
            let shown = self.look().await;
            if let Some(shown) = shown
                && !serial::is_newer(serial, shown)
                && !wanted.has_changed().unwrap_or(false)
            {
                return;
            }
            let wait = WAITS_MS.get(round).or(WAITS_MS.last()).copied().unwrap_or_default();
            round += 1;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                changed = wanted.changed() => match changed {
                    Ok(()) => (round, took) = (0, false),
                    Err(_) => return,
                },
            }
        }
    }

    /// Sends a notification; whether it was taken.
    async fn tell(&self, serial: u32, round: usize) -> bool {
        let Ok(_permit) = self.permits.acquire().await else { return false };
        let (zone, secondary) = &self.pair;
        let soa = self.room.keeper.history(zone).and_then(|history| history.image.soa());
        let told = exchange(&self.room, zone, secondary, super::exchange::What::Notify(soa.as_deref())).await;
        match told {
            Ok(_) => {
                self.room.parts.totals.count(Happened::Notified);
                tracing::debug!(%zone, secondary = %secondary.address, serial, "notified");
                true
            }
            Err(why) => {
                if round + 1 == TELLING_ROUNDS {
                    self.room.parts.totals.count(Happened::NotifyFailed);
                    if self.room.complaints.may_say(&format!("notify {}", secondary.address)) {
                        tracing::warn!(%zone, secondary = %secondary.address, serial, "a secondary takes no notification: {why}");
                    }
                }
                false
            }
        }
    }

    /// Asks for the serial that the secondary has come to, and reports it.
    async fn look(&self) -> Option<u32> {
        let Ok(_permit) = self.permits.acquire().await else { return None };
        let (zone, secondary) = &self.pair;
        let looked = exchange(&self.room, zone, secondary, super::exchange::What::Serial).await;
        if let Ok(Some(serial)) = &looked {
            self.room.note_shown(&self.pair, *serial);
        }
        let shown = looked.as_ref().ok().copied().flatten();
        let report = SecondaryReport {
            zone: zone.clone(),
            secondary: secondary.clone(),
            shown: looked.and_then(|serial| serial.ok_or_else(|| "it does not serve the zone".to_owned())),
        };
        // The receiver is gone only when the server ends.
        let _ = self.reports.send(report).await;
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secondary_that_holds_all_its_turns_takes_none_of_another() {
        let mut permits = Permits::default();
        let [silent, healthy] = ["192.0.2.1:53", "192.0.2.2:53"].map(|address| address.parse().unwrap());
        let held: Vec<_> = std::iter::from_fn(|| permits.of(silent).try_acquire_owned().ok()).collect();
        assert_eq!(held.len(), AT_A_TIME);
        assert!(permits.of(silent).try_acquire_owned().is_err() && permits.of(healthy).try_acquire_owned().is_ok());
    }
}

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
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// Exchanges at a time.
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
    let mut following: HashMap<Pair, watch::Sender<u32>> = HashMap::new();
    let mut tasks: JoinSet<Pair> = JoinSet::new();
    let permits = Arc::new(Semaphore::new(AT_A_TIME));
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
                        let pair = (zone.clone(), secondary.clone());
                        if let Some(wanted) = following.get(&pair) {
                            wanted.send_replace(serial);
                            continue;
                        }
                        let (wanted, seen) = watch::channel(serial);
                        following.insert(pair.clone(), wanted);
                        let one = Followed { room: Arc::clone(&room), pair, permits: Arc::clone(&permits), reports: reports.clone() };
                        tasks.spawn(one.until_it_shows(seen));
                    }
                }
            }
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                let Ok(pair) = ended else { continue };
                // A serial that came while the task ended is followed by another one.
                let Some(missed) = following.remove(&pair) else { continue };
                let latest = *missed.borrow();
                let shown = room.shown(&pair);
                if shown.is_none_or(|shown| serial::is_newer(latest, shown)) {
                    let (wanted, seen) = watch::channel(latest);
                    following.insert(pair.clone(), wanted);
                    let one = Followed { room: Arc::clone(&room), pair, permits: Arc::clone(&permits), reports: reports.clone() };
                    tasks.spawn(one.until_it_shows(seen));
                }
            }
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
    async fn until_it_shows(self, mut wanted: watch::Receiver<u32>) -> Pair {
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
                return self.pair;
            }
            let wait = WAITS_MS.get(round).or(WAITS_MS.last()).copied().unwrap_or_default();
            round += 1;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                changed = wanted.changed() => match changed {
                    Ok(()) => (round, took) = (0, false),
                    Err(_) => return self.pair,
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

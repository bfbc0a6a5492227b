//! Zones of which this server is a secondary: one task for each asks its primaries and takes what is new.
//!
//! It asks when the SOA record says so (REFRESH; RETRY after a failure), and when a primary tells of a change: that
//! one first. Of several primaries any may be behind: who has nothing new does not keep it from asking the others.
//! A transfer is taken whole or not at all.

mod apply;
mod fetch;
mod incoming;
mod notify;

use super::exchange::{What, exchange};
use super::{Happened, Room};
use crate::clock;
use crate::control::CopyReport;
use crate::dns::{Name, RecordType, serial};
use crate::roster;
use crate::state::{Brought, CopyTask, Peer};
use crate::zone::Zone;
use apply::Unfit;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

/// Zones that are asked for at a time.
const AT_A_TIME: usize = 16;

/// The shortest and longest wait until primaries are asked again, whatever the SOA record says.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Waits until a zone that never came is asked for again; the last one repeats.
const FIRST_WAITS_S: [u64; 7] = [1, 2, 4, 8, 15, 30, 60];

/// The shortest time between two looks at a zone, however often its primaries tell of changes.
const GATHER: Duration = Duration::from_millis(200);

/// The zones that are copies, by apex: their primaries, and what wakes their tasks.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<Name, Arc<Waking>>>);

/// The primaries of a zone, and what wakes its task.
#[derive(Debug)]
struct Waking {
    primaries: Arc<[Peer]>,
    wake: Notify,
    /// Who told of a change last, until it is asked.
    told_by: Mutex<Option<Peer>>,
}

impl Waking {
    fn told_by(&self) -> MutexGuard<'_, Option<Peer>> {
        self.told_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A primary tells of a change.
    fn told(&self, primary: &Peer) {
        *self.told_by() = Some(primary.clone());
        self.wake.notify_one();
    }

    /// The primaries in the order in which they are asked.
    fn in_turn(&self) -> Vec<&Peer> {
        let teller = self.told_by().take();
        let mut in_turn: Vec<&Peer> = self.primaries.iter().collect();
        in_turn.sort_by_key(|primary| teller.as_ref() != Some(*primary));
        in_turn
    }
}

/// A zone that is known, until dropped.
struct Knowing<'k> {
    known: &'k Known,
    zone: Name,
    waking: Arc<Waking>,
}

impl Known {
    fn zones(&self) -> MutexGuard<'_, HashMap<Name, Arc<Waking>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a zone, if it is a copy.
    fn known(&self, zone: &Name) -> Option<Arc<Waking>> {
        self.zones().get(zone).cloned()
    }

    fn know(&self, zone: &Name, primaries: &Arc<[Peer]>) -> Knowing<'_> {
        let primaries = Arc::clone(primaries);
        let waking = Arc::new(Waking { primaries, wake: Notify::new(), told_by: Mutex::default() });
        self.zones().insert(zone.clone(), Arc::clone(&waking));
        Knowing { known: self, zone: zone.clone(), waking }
    }
}

impl Drop for Knowing<'_> {
    fn drop(&mut self) {
        // With other primaries its next task may have begun already.
        let mut zones = self.known.zones();
        if zones.get(&self.zone).is_some_and(|waking| Arc::ptr_eq(waking, &self.waking)) {
            zones.remove(&self.zone);
        }
    }
}

/// Keeps copies of the zones wanted until `stop` completes.
pub async fn keep_copies(
    room: Arc<Room>,
    wanted: watch::Receiver<Arc<[CopyTask]>>,
    reports: mpsc::Sender<CopyReport>,
    stop: impl Future<Output = ()>,
) {
    let permits = Arc::new(Semaphore::new(AT_A_TIME));
    roster::follow(wanted, reports, stop, |CopyTask { zone, primaries }, reports| {
        Kept { room: Arc::clone(&room), zone, primaries, permits: Arc::clone(&permits), reports }.keep()
    })
    .await;
}

/// A zone whose copy is kept.
struct Kept {
    room: Arc<Room>,
    zone: Name,
    primaries: Arc<[Peer]>,
    permits: Arc<Semaphore>,
    reports: mpsc::Sender<CopyReport>,
}

impl Kept {
    /// Asks whenever it is time.
    async fn keep(self) {
        let knowing = self.room.copies.know(&self.zone, &self.primaries);
        let mut failures = 0;
        loop {
            let brought = self.ask(&knowing.waking).await;
            if let Brought::Nothing(why) = &brought {
                failures += 1;
                self.room.parts.totals.count(Happened::CopyFailed);
                if self.room.complaints.may_say(&format!("copy {}", self.zone)) {
                    tracing::warn!(zone = %self.zone, "no primary gives the zone: {why}");
                }
            } else {
                failures = 0;
            }
            let before = self.held_serial();
            self.report(brought).await;
            if self.primaries.len() > 1 && self.held_serial() != before {
                // A newer one was taken; another primary may have one that is newer still.
                knowing.waking.wake.notify_one();
            }
            tokio::select! {
                () = tokio::time::sleep(self.wait(failures)) => {}
                () = knowing.waking.wake.notified() => tokio::time::sleep(GATHER).await,
            }
        }
    }

    /// How long until the primaries are asked again.
    fn wait(&self, failures: usize) -> Duration {
        let held = self.held();
        let seconds = match held.as_ref().and_then(|zone| zone.soa()) {
            Some(soa) if failures > 0 => soa.retry(),
            Some(soa) => soa.refresh(),
            None => {
                let at = failures.saturating_sub(1).min(FIRST_WAITS_S.len() - 1);
                return Duration::from_secs(FIRST_WAITS_S.get(at).copied().unwrap_or_default());
            }
        };
        let wait = Duration::from_secs(seconds.into()).clamp(SHORTEST, LONGEST);
        // Up to a tenth earlier: zones that came together are not all asked for together.
        let earlier = u32::try_from(clock::random_u64() % 100).unwrap_or_default();
        wait * (1000 - earlier) / 1000
    }

    /// What is served of the zone, unless it is closed.
    fn held(&self) -> Option<Arc<Zone>> {
        let snapshot = self.room.parts.snapshots.load();
        snapshot.zones.of_apex(&self.zone).filter(|zone| zone.soa().is_some()).map(Arc::clone)
    }

    /// Its serial.
    fn held_serial(&self) -> Option<u32> {
        self.held().as_deref().and_then(Zone::soa).map(crate::zone::Soa::file_serial)
    }

    /// Tells control, and waits until what was brought is served.
    async fn report(&self, brought: Brought) {
        let (done, served) = oneshot::channel();
        let report = CopyReport { zone: self.zone.clone(), brought, done };
        // Errors mean that the server ends.
        if self.reports.send(report).await.is_ok() {
            let _ = served.await;
        }
    }

    /// Asks the primaries in turn until one has something new.
    async fn ask(&self, waking: &Waking) -> Brought {
        let Ok(_permit) = self.permits.acquire().await else { return Brought::Nothing("the server ends".to_owned()) };
        let held = self.held();
        let (mut whys, mut is_confirmed) = (Vec::new(), false);
        for primary in waking.in_turn() {
            match self.ask_one(primary, held.as_ref()).await {
                Ok(Brought::Confirmed) => is_confirmed = true,
                Ok(brought) => return brought,
                Err(why) => whys.push(format!("{}: {why}", primary.address)),
            }
        }
        if is_confirmed {
            self.room.parts.totals.count(Happened::CopyConfirmed);
            return Brought::Confirmed;
        }
        Brought::Nothing(whys.join("; "))
    }

    /// Asks one of them.
    async fn ask_one(&self, primary: &Peer, held: Option<&Arc<Zone>>) -> Result<Brought, String> {
        let Self { room, zone, .. } = self;
        let theirs = exchange(room, zone, primary, What::Serial).await?.ok_or("it does not have the zone")?;
        let soa = held.and_then(|held| held.rrset_of(zone, RecordType::SOA)).map(|soa| soa.wire.to_vec());
        if let Some(ours) = soa.as_deref().and_then(serial::of_soa) {
            if ours == theirs {
                return Ok(Brought::Confirmed);
            }
            if !serial::is_newer(theirs, ours) {
                return Err(format!("its serial {theirs} is older than {ours}, which is held here"));
            }
        }
        let from = primary.address.to_string();
        if let (Some(held), Some(soa)) = (held, &soa) {
            match self.changes(primary, held, soa, &from).await {
                Ok(brought) => return Ok(brought),
                Err(why) => {
                    tracing::info!(%zone, primary = from, "changes were not taken, the whole zone is asked for: {why}");
                }
            }
        }
        let brought = fetch::fetch(room, zone, primary, None).await?;
        let incoming::Sent::Whole(records) = brought else { return Err("it does not send the zone".to_owned()) };
        let apex = zone.clone();
        let zone = judged(move || apply::whole(&apex, &records, &from)).await?;
        self.taken(zone, primary, Happened::CopyWhole)
    }

    /// Asks for changes; what comes may be the whole zone all the same.
    async fn changes(&self, primary: &Peer, held: &Arc<Zone>, soa: &[u8], from: &str) -> Result<Brought, String> {
        let (apex, held, from) = (self.zone.clone(), Arc::clone(held), from.to_owned());
        match fetch::fetch(&self.room, &self.zone, primary, Some(soa)).await? {
            incoming::Sent::Nothing => Err("it has none, though its serial is newer".to_owned()),
            incoming::Sent::Whole(records) => {
                let zone = judged(move || apply::whole(&apex, &records, &from)).await?;
                self.taken(zone, primary, Happened::CopyWhole)
            }
            incoming::Sent::Changes(steps) => {
                let zone = judged(move || apply::changed(&held, &steps, &from)).await?;
                self.taken(zone, primary, Happened::CopyChanged)
            }
        }
    }

    /// A zone that was taken, if it is newer than what is held.
    fn taken(&self, zone: Zone, primary: &Peer, happened: Happened) -> Result<Brought, String> {
        let theirs = zone.soa().map(crate::zone::Soa::file_serial).unwrap_or_default();
        let ours = self.held_serial();
        if let Some(ours) = ours.filter(|ours| !serial::is_newer(theirs, *ours)) {
            return Err(format!("it sends serial {theirs}, which is no newer than {ours}, which is held here"));
        }
        self.room.parts.totals.count(happened);
        tracing::info!(zone = %self.zone, primary = %primary.address, serial = theirs, form = happened.word(), "a zone was taken from its primary");
        Ok(Brought::Version(Arc::new(zone)))
    }
}

/// Judges and compiles what came, on a thread of its own: it may be large.
async fn judged(work: impl FnOnce() -> Result<Zone, Unfit> + Send + 'static) -> Result<Zone, String> {
    let judged = tokio::task::spawn_blocking(work).await;
    judged.map_err(|error| format!("judging the transfer failed: {error}"))?.map_err(|unfit| unfit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_told_of_a_change_is_asked_first_and_once() {
        let peer = |text: &str| Peer { address: text.parse().unwrap(), key: None };
        let [a, b, c] = ["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"].map(peer);
        let primaries = Arc::from([a.clone(), b.clone(), c.clone()]);
        let waking = Waking { primaries, wake: Notify::new(), told_by: Mutex::default() };
        waking.told(&b);
        assert_eq!(waking.in_turn(), [&b, &a, &c]);
        assert_eq!(waking.in_turn(), [&a, &b, &c]);
    }
}

//! From stored state and files to a running control task.

use super::arrivals::Arrivals;
use super::copies::CopyReport;
use super::event::Event;
use super::handle::Handle;
use super::observe::Watch;
use super::secondaries::Secondaries;
use super::slots::SlotTable;
use super::stored::{Adopted, desired_from};
use super::task::{Control, Inherited, Inputs, Loader};
use crate::clock;
use crate::dns::Name;
use crate::drain::{Ledger, PoolFacts, v1 as drain_v1};
use crate::health::{IdleReport, IdleTask, ProbeReport, ProbeTarget};
use crate::metrics::Registry;
use crate::moment::Moment;
use crate::rollout::{EvidenceReport, EvidenceTask, HookOrder, HookReport, Intake};
use crate::snapshot::{Settings, Snapshot, SnapshotCell};
use crate::state::{
    Catalogue, CopyTask, Definitions, Desired, Observed, Rejection, SecondaryReport, SetKey, TransferRules,
    TransferTable, initial_serials, v1,
};
use crate::steering::{DiscoveryReport, DiscoveryTask, GeoReport};
use crate::store::{Commit, EditRow, Loaded, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// A change this much older than the ledger's last heartbeat is in that ledger, which is saved each second.
const LEDGER_LAG_MS: u64 = 10_000;

/// What a start needs.
pub struct Start {
    /// The files, checked.
    pub definitions: Arc<Definitions>,
    /// Server-wide answers.
    pub settings: Settings,
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// The workers' cells.
    pub cells: Arc<Registry>,
    /// Reads the files again.
    pub loader: Loader,
    /// Who may take zones that do not say it themselves, and their secondaries.
    pub transfers: Arc<TransferRules>,
    /// Called when much memory was freed, for whoever can give it back to the system.
    pub freed: fn(),
}

/// A running control task and the ends that lead to it.
pub struct Started {
    /// For those who ask.
    pub handle: Handle,
    /// For shutdown.
    pub events: mpsc::Sender<Event>,
    /// For what probes bring back.
    pub probes: mpsc::Sender<ProbeReport>,
    /// For idle readings.
    pub idle: mpsc::Sender<IdleReport>,
    /// For replaced databases of networks.
    pub geo: mpsc::Sender<GeoReport>,
    /// For what queries of rollouts bring back.
    pub evidence: mpsc::Sender<EvidenceReport>,
    /// Which queries to ask.
    pub evidence_wanted: watch::Receiver<Arc<[EvidenceTask]>>,
    /// Which hooks to call.
    pub hook_orders: mpsc::Receiver<HookOrder>,
    /// For what is looked up in DNS.
    pub discovery: mpsc::Sender<DiscoveryReport>,
    /// Which pools' members to look up.
    pub discovery_wanted: watch::Receiver<Arc<[DiscoveryTask]>>,
    /// For what called hooks answer.
    pub hook_reports: mpsc::Sender<HookReport>,
    /// For what secondaries show.
    pub secondaries: mpsc::Sender<SecondaryReport>,
    /// For what primaries bring.
    pub copies: mpsc::Sender<CopyReport>,
    /// Which zones to keep copies of.
    pub copies_wanted: watch::Receiver<Arc<[CopyTask]>>,
    /// Who may take which zone.
    pub transfers: watch::Receiver<Arc<TransferTable>>,
    /// The number of the snapshot that was published last.
    pub published: watch::Receiver<u64>,
    /// What to probe.
    pub targets: watch::Receiver<Arc<[ProbeTarget]>>,
    /// Which idle readings to take.
    pub idle_wanted: watch::Receiver<Arc<[IdleTask]>>,
    /// Whether every probe has had a first outcome.
    pub first_round: watch::Receiver<bool>,
    /// What queries read.
    pub snapshots: Arc<SnapshotCell>,
    /// What the start found out of the ordinary, each a sentence.
    pub notes: Vec<String>,
    /// Ends after [`Event::Shutdown`].
    pub task: JoinHandle<()>,
}

/// Why control did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Stored state of one switch cannot be read.
    #[error("the stored state of switch `{switch}` cannot be used: {source}")]
    Decode {
        /// The switch.
        switch: String,
        /// Why.
        source: v1::DecodeError,
    },
    /// A stored edit of a zone cannot be read.
    #[error("the stored update of {owner} cannot be used: {source}")]
    DecodeEdit {
        /// Whose.
        owner: Name,
        /// Why.
        source: v1::DecodeError,
    },
    /// Files and state do not fit.
    #[error("{0}")]
    Rejected(#[from] Rejection),
}

impl Start {
    /// Loads state, compiles the first snapshot, and starts the task.
    ///
    /// # Errors
    /// [`StartError`], when serving would be wrong.
    pub async fn run(self) -> Result<Started, StartError> {
        let now = clock::now();
        let loaded = self.store.load().await?;
        let Adopted { mut desired, notes, ended } = desired_from(&loaded, self.definitions.clone())?;
        desired.copies = super::copies::kept(&loaded, &desired.definitions);
        self.first_commit(&mut desired, ended).await?;
        let (asks_in, asks) = mpsc::channel(256);
        let (events_in, events) = mpsc::channel(256);
        let (probes_in, probes) = mpsc::channel(1024);
        let (idle_in, idle) = mpsc::channel(64);
        let (evidence_in, evidence) = mpsc::channel(256);
        let (hook_reports, hooks) = mpsc::channel(64);
        let (secondaries_in, secondaries) = mpsc::channel(64);
        let (copies_in, copies) = mpsc::channel(64);
        let (copies_wanted, copies_out) = watch::channel(Arc::from([]));
        let (published, published_out) = watch::channel(0);
        let table = Arc::new(TransferTable::of_zones(&self.transfers, &desired.definitions));
        let (transfers, transfers_out) = watch::channel(table);
        let (hook_orders, orders_out) = mpsc::channel(1024);
        let (discovery_in, discovery) = mpsc::channel(64);
        let (discovery_wanted, discovery_out) = watch::channel(Arc::from([]));
        let (evidence_wanted, evidence_out) = watch::channel(Arc::from([]));
        let snapshots = Arc::new(SnapshotCell::new(Arc::new(Snapshot {
            settings: Arc::new(self.settings.clone()),
            ..Snapshot::default()
        })));
        let (geo_in, geo) = mpsc::channel(4);
        let happenings = super::happenings::Happenings::starting_at(clock::unix_ms());
        let (targets, targets_out) = watch::channel(Arc::from([]));
        let (idle_wanted, idle_out) = watch::channel(Arc::from([]));
        let (first_round, first_round_out) = watch::channel(false);
        let control = Control {
            desired,
            observed: Observed::default(),
            catalogue: Catalogue::default(),
            live: Vec::new(),
            slots: SlotTable::default(),
            watch: Watch::default(),
            ledger: Ledger::start(None, &clock::boot_id(), now, &[], false),
            inherited: None,
            idle: HashMap::new(),
            tokens: loaded.tokens.clone(),
            condition: self.store.condition(),
            store_errors: 0,
            in_doubt: false,
            last_published: None,
            store: self.store,
            cells: self.cells,
            snapshots: snapshots.clone(),
            loader: self.loader,
            freed: self.freed,
            started: now,
            timed: BTreeSet::new(),
            unwell: BTreeSet::new(),
            last_health_publication: None,
            prepared_ready: HashMap::new(),
            start_notes: notes.clone(),
            geo_reports: 0,
            geo_trouble: None,
            saving: None,
            last_prune_ms: now.boot_ms,
            events: events_in.clone(),
            happenings: happenings.clone(),
            targets,
            idle_wanted,
            first_round,
            releases: BTreeMap::new(),
            watches: super::shares::Watches::default(),
            recent: super::recent::Recent::default(),
            trials: super::trials::Trials::default(),
            intake: Intake::default(),
            evidence_wanted,
            hook_orders,
            arrivals: Arrivals::default(),
            discovery_wanted,
            published,
            copies_wanted,
            secondaries: Secondaries::new(self.transfers, transfers),
        };
        let control = control.pick_up(&loaded, now);
        let handle = Handle::new(asks_in, happenings, snapshots.clone());
        let inputs = Inputs { asks, events, probes, idle, geo, evidence, hooks, discovery, secondaries, copies };
        let task = tokio::spawn(control.run(inputs));
        Ok(Started {
            handle,
            events: events_in,
            probes: probes_in,
            idle: idle_in,
            geo: geo_in,
            evidence: evidence_in,
            evidence_wanted: evidence_out,
            hook_orders: orders_out,
            hook_reports,
            discovery: discovery_in,
            discovery_wanted: discovery_out,
            secondaries: secondaries_in,
            copies: copies_in,
            copies_wanted: copies_out,
            transfers: transfers_out,
            published: published_out,
            targets: targets_out,
            idle_wanted: idle_out,
            first_round: first_round_out,
            snapshots,
            notes,
            task,
        })
    }

    /// Serves every zone with a serial newer than the last (§3.4). A store that takes no commits now
    /// (copy, full disk) is no reason not to answer. Edits that were dropped are forgotten with it: they would come
    /// back with other files.
    async fn first_commit(&self, desired: &mut Desired, ended: Vec<(Name, SetKey)>) -> Result<(), StartError> {
        let serials = initial_serials(desired)?;
        let forgotten = |(zone, (owner, rtype))| EditRow { zone, owner, rtype, body: None };
        let commit = Commit {
            expected: desired.revision,
            revision: desired.revision,
            serials: serials.clone(),
            edits: ended.into_iter().map(forgotten).collect(),
            ..Commit::default()
        };
        match self.store.commit(commit).await {
            Ok(()) => {}
            Err(error @ (StoreError::OnCopy { .. } | StoreError::Full { .. })) => {
                tracing::error!(%error, "the first serials could not be stored; answering all the same");
            }
            Err(error) => return Err(error.into()),
        }
        desired.serials.extend(serials);
        Ok(())
    }
}

impl Control {
    /// Restores health and promises, and publishes the first snapshot.
    fn pick_up(mut self, loaded: &Loaded, now: Moment) -> Self {
        let saved: BTreeMap<String, String> = loaded.seen.iter().flat_map(|seen| seen.health.iter().cloned()).collect();
        self.catalogue = Catalogue::build(&self.desired);
        self.slots.extend(&self.catalogue);
        self.watch.rebuild(&self.catalogue, &self.desired, &saved, now);
        self.watch.judge_all(&mut self.observed);
        self.watch.recall_proven(&mut self.observed);
        self.first_round.send_replace(self.watch.round_complete());
        self.inherited = Some(inherited(loaded, &self.desired));
        self.ledger = self.inherit(now);
        self.trials = super::trials::Trials::restore(loaded.seen.as_ref().map_or(&[], |seen| &seen.trials));
        self.publish_all(now);
        self.follow_rollouts(None);
        self.follow_all_guests();
        self.follow_copies();
        self
    }

    /// The ledger of a process that begins to answer at `now`.
    fn inherit(&self, now: Moment) -> Ledger {
        let Some(Inherited { image, recent }) = self.inherited.clone() else { return self.ledger.clone() };
        let count = u32::try_from(self.catalogue.switches.len()).expect("fewer than 2^32 switches");
        let facts: Vec<(Arc<str>, Vec<PoolFacts>)> = (0..count)
            .map(|index| {
                let name = self.switch_at(index).name.clone();
                let mut facts = match self.live.get(index as usize) {
                    Some(live) => self.facts_of(index, live),
                    None => self.facts_of(index, &self.compile(index, now)),
                };
                for pool in &mut facts {
                    pool.answered |= recent.contains(&(name.clone(), pool.pool.clone()));
                }
                (name, facts)
            })
            .collect();
        Ledger::start(image, &clock::boot_id(), now, &facts, false)
    }

    /// Begins to count promises: the sockets open now, so the time without answers ends now.
    pub(super) fn begin_promises(&mut self, now: Moment) {
        self.ledger = self.inherit(now);
        let recent = self.inherited.take().map(|inherited| inherited.recent).unwrap_or_default();
        // Their pools count as answered until a view is settled that says otherwise.
        let recent: BTreeSet<u32> = recent.iter().filter_map(|(switch, _)| self.catalogue.index_of(switch)).collect();
        let count = u32::try_from(self.live.len()).expect("fewer than 2^32 switches");
        let changed = |index: &u32| {
            let live = self.compile(*index, now);
            recent.contains(index) || live.fallback_in_use || !live.agrees_with(&self.live[*index as usize])
        };
        let touched: Vec<u32> = (0..count).filter(changed).collect();
        for index in &touched {
            // Not told before anybody was answered.
            self.live[*index as usize].fallback_in_use = false;
        }
        // The ledger is a new one: it has to know what every secondary may hold.
        (0..count).for_each(|index| self.carry(index, now));
        self.publish(&touched, &[], now);
        self.freed_much();
    }

    /// Has freed memory given back, on a thread that nobody waits for.
    pub(super) fn freed_much(&self) {
        let freed = self.freed;
        tokio::task::spawn_blocking(freed);
    }
}

/// What the last process promised. A ledger that is unreadable counts every pool as answered until
/// now: late, never early.
fn inherited(loaded: &Loaded, desired: &Desired) -> Inherited {
    let first_start = loaded.revision == 0 && loaded.serials.is_empty();
    let text = loaded.seen.as_ref().map(|seen| seen.ledger.as_str()).filter(|text| !text.is_empty());
    let rows = || loaded.seen.iter().flat_map(|seen| seen.promises.iter().map(|(_, text)| text.as_str()));
    let image = match text.map(|text| drain_v1::Image::from_text(text)?.with_rows(rows())) {
        Some(Ok(image)) => Some(image),
        Some(Err(error)) => {
            tracing::error!(%error, "every pool counts as answered until now");
            Some(drain_v1::Image::lost())
        }
        None if first_start => None,
        None => Some(drain_v1::Image::lost()),
    };
    let boot_id = clock::boot_id();
    let seen_by_image = |state: &crate::state::SwitchState| {
        let changed = state.changed_at.map_or(0, |at| at.boot_ms.saturating_add(LEDGER_LAG_MS));
        image.as_ref().is_some_and(|image| {
            image.boot_id == boot_id && u64::try_from(image.beat_boot_ms).is_ok_and(|beat| beat > changed)
        })
    };
    let unseen = desired.switches.iter().filter(|(_, state)| !seen_by_image(state));
    let recent =
        unseen.flat_map(|(name, state)| state.recent.iter().map(|pool| (name.clone(), pool.clone()))).collect();
    Inherited { image, recent }
}

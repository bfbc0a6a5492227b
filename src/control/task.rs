//! The control task: takes events in order, owns all mutable state.

use super::arrivals::Arrivals;
use super::copies::CopyReport;
use super::event::{Event, LoadedFiles};
use super::handle::{Ask, Caller, Refused, Reloading, Replied};
use super::observe::Watch;
use super::publish::Live;
use super::recent::Recent;
use super::releases::Release;
use super::report::What;
use super::secondaries::Secondaries;
use super::shares::Watches;
use super::slots::SlotTable;
use crate::clock;
use crate::drain::Ledger;
use crate::health::{IdleReport, IdleTask, IdleTrack, ProbeReport, ProbeTarget};
use crate::metrics::Registry;
use crate::moment::Moment;
use crate::rollout::{EvidenceReport, EvidenceTask, HookOrder, HookReport, Intake};
use crate::snapshot::{SnapshotCell, Superseded};
use crate::state::{Catalogue, Command, CopyTask, Definitions, Desired, Observed, Request, SecondaryReport};
use crate::steering::{DiscoveryReport, DiscoveryTask, GeoReport};
use crate::store::{AuditRow, Commit, Condition, Store, StoreError, TokenRow};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Reads the files again: what they say, or every problem as text.
pub type Loader = Arc<dyn Fn() -> Result<Loaded, Vec<String>> + Send + Sync>;

/// What was read for a reload.
pub struct Loaded {
    /// What is to be defined.
    pub definitions: Arc<Definitions>,
    /// Puts in force what else was read; called when the reload has been accepted, and never for a dry run.
    pub accepted: Box<dyn FnOnce() + Send>,
}

impl From<Arc<Definitions>> for Loaded {
    /// Nothing else was read.
    fn from(definitions: Arc<Definitions>) -> Self {
        Self { definitions, accepted: Box::new(|| ()) }
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("definitions", &self.definitions).finish_non_exhaustive()
    }
}

/// How long a reply waits for the last reader of an older snapshot (§3.3).
pub(super) const APPLY_LIMIT: Duration = Duration::from_secs(1);

/// The ledger a process starts from; kept until it answers, since only then does the time end in
/// which nobody did.
#[derive(Debug, Clone)]
pub(super) struct Inherited {
    /// `None`: a first start.
    pub(super) image: Option<crate::drain::v1::Image>,
    /// Pools that had weight in changes the image may not have seen.
    pub(super) recent: BTreeSet<(Arc<str>, Arc<str>)>,
}

/// Where events come from, in the order they are looked at.
pub(super) struct Inputs {
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) probes: mpsc::Receiver<ProbeReport>,
    pub(super) idle: mpsc::Receiver<IdleReport>,
    pub(super) geo: mpsc::Receiver<GeoReport>,
    pub(super) evidence: mpsc::Receiver<EvidenceReport>,
    pub(super) hooks: mpsc::Receiver<HookReport>,
    pub(super) discovery: mpsc::Receiver<DiscoveryReport>,
    pub(super) secondaries: mpsc::Receiver<SecondaryReport>,
    pub(super) copies: mpsc::Receiver<CopyReport>,
}

/// Everything the control task owns.
pub(super) struct Control {
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) catalogue: Catalogue,
    pub(super) live: Vec<Live>,
    pub(super) slots: SlotTable,
    pub(super) watch: Watch,
    pub(super) ledger: Ledger,
    /// What the last process promised, until this one begins to answer.
    pub(super) inherited: Option<Inherited>,
    pub(super) idle: HashMap<(Arc<str>, Arc<str>), IdleTrack>,
    pub(super) tokens: Vec<TokenRow>,
    pub(super) store: Arc<dyn Store>,
    pub(super) cells: Arc<Registry>,
    pub(super) snapshots: Arc<SnapshotCell>,
    pub(super) loader: Loader,
    /// Has freed memory given back.
    pub(super) freed: fn(),
    pub(super) started: Moment,
    /// Switches whose view changes with time alone: prepared, draining, held.
    pub(super) timed: BTreeSet<u32>,
    /// Switches whose health changed since the last health publication.
    pub(super) unwell: BTreeSet<u32>,
    pub(super) last_health_publication: Option<u64>,
    /// When every answer older than a switch's `prepare` is gone, boot clock.
    pub(super) prepared_ready: HashMap<Arc<str>, u64>,
    pub(super) condition: Condition,
    /// A commit's outcome is not known.
    pub(super) in_doubt: bool,
    /// The last publication.
    pub(super) last_published: Option<Superseded>,
    /// Store operations that failed.
    pub(super) store_errors: u64,
    /// What the start found out of the ordinary.
    pub(super) start_notes: Vec<String>,
    /// Replacements of databases reported since the start.
    pub(super) geo_reports: u64,
    /// Why newer databases are not used.
    pub(super) geo_trouble: Option<String>,
    pub(super) saving: Option<tokio::task::JoinHandle<()>>,
    pub(super) last_prune_ms: u64,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) happenings: super::happenings::Happenings,
    pub(super) targets: watch::Sender<Arc<[ProbeTarget]>>,
    pub(super) idle_wanted: watch::Sender<Arc<[IdleTask]>>,
    pub(super) first_round: watch::Sender<bool>,
    /// The rollouts that run.
    pub(super) releases: BTreeMap<Arc<str>, Release>,
    /// The switches whose clients are sketched.
    pub(super) watches: Watches,
    /// The last minutes of switches that are answered.
    pub(super) recent: Recent,
    /// A/B tests that are kept for their reports.
    pub(super) trials: super::trials::Trials,
    /// The door of samples.
    pub(super) intake: Intake,
    pub(super) evidence_wanted: watch::Sender<Arc<[EvidenceTask]>>,
    pub(super) hook_orders: mpsc::Sender<HookOrder>,
    /// Members that come by themselves.
    pub(super) arrivals: Arrivals,
    pub(super) discovery_wanted: watch::Sender<Arc<[DiscoveryTask]>>,
    /// The number of the snapshot that was published last, for those who follow.
    pub(super) published: watch::Sender<u64>,
    /// Who may take zones, and who does.
    pub(super) secondaries: Secondaries,
    /// Which zones to keep copies of.
    pub(super) copies_wanted: watch::Sender<Arc<[CopyTask]>>,
}

impl Control {
    /// Handles events until shutdown. Each source has a channel of its own and all take turns: a flood
    /// of probe outcomes never keeps an operator waiting, nor the other way round.
    pub(super) async fn run(mut self, mut inputs: Inputs) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                Some(ask) = inputs.asks.recv() => Event::Ask(ask),
                Some(event) = inputs.events.recv() => event,
                _ = ticks.tick() => Event::Tick,
                Some(report) = inputs.probes.recv() => Event::Probed(report),
                Some(report) = inputs.idle.recv() => Event::IdleRead(report),
                Some(report) = inputs.geo.recv() => Event::GeoReplaced(report),
                Some(report) = inputs.evidence.recv() => Event::EvidenceRead(report),
                Some(report) = inputs.hooks.recv() => Event::HookAnswered(report),
                Some(report) = inputs.discovery.recv() => Event::Discovered(report),
                Some(report) = inputs.secondaries.recv() => Event::SecondaryShown(report),
                Some(report) = inputs.copies.recv() => Event::CopyBrought(report),
            };
            if let Event::Shutdown(done) = event {
                self.fold_all();
                self.ledger.close();
                self.save(true).await;
                // Whoever asked may have given up waiting; ending is right either way.
                let _ = done.send(());
                return;
            }
            self.handle(event).await;
        }
    }

    /// One event.
    async fn handle(&mut self, event: Event) {
        match event {
            Event::Ask(ask) => self.answer(ask).await,
            Event::Probed(probed) => self.probed(&probed).await,
            Event::IdleRead(read) => self.idle_read(read),
            Event::GeoReplaced(report) => self.geo_reported(report),
            Event::GeoSearched(searched) => self.geo_searched(*searched, clock::now()).await,
            Event::EvidenceRead(read) => self.evidence_read(&read),
            Event::HookAnswered(report) => self.hook_answered(report).await,
            Event::Discovered(report) => self.discovered(report, clock::now()).await,
            Event::SecondaryShown(report) => self.secondary_shown(report),
            Event::CopyBrought(report) => self.copy_brought(report, clock::now()),
            Event::Loaded(loaded) => self.loaded(*loaded).await,
            Event::Quiet { view, touched } => self.quiet(view, touched.as_deref()),
            Event::Answering(done) => {
                let now = clock::now();
                self.begin_promises(now);
                // The first states are noted before anything can change them: a drain that begins within
                // the first second is told too.
                self.tell_drain_changes(now);
                // An error means nobody waits for it any more.
                let _ = done.send(());
            }
            Event::Tick => self.tick().await,
            Event::Shutdown(_) => unreachable!("handled by run"),
        }
    }

    /// One ask. A reply nobody waits for any more is dropped: the change stands either way.
    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Change(asked, reply) => self.change(*asked, reply).await,
            Ask::Reload(reloading, reply) => self.load_files(*reloading, reply),
            Ask::Status(reply) => drop(reply.send(self.status())),
            Ask::Switch(name, reply) => drop(reply.send(self.switch_view_by_name(&name))),
            Ask::Recent(name, reply) => drop(reply.send(self.recent_view(&name, clock::now()))),
            Ask::Report(name, reply) => drop(reply.send(self.trial_report(&name))),
            Ask::Drain { switch, pool, release_warm, reply } => {
                drop(reply.send(self.drain_view(&switch, &pool, release_warm)));
            }
            Ask::Samples { switch, samples, reply } => drop(reply.send(self.samples(&switch, samples))),
            Ask::History(query, reply) => {
                let store = self.store.clone();
                tokio::spawn(async move { drop(reply.send(store.history(query).await)) });
            }
            Ask::Updates(query, reply) => drop(reply.send(self.updates(&query))),
            Ask::Tokens(reply) => drop(reply.send(self.tokens.clone())),
            Ask::PutToken(token, reply) => {
                let outcome = self.store.put_token((*token).clone()).await;
                if outcome.is_ok() {
                    self.tokens.retain(|row| row.id != token.id);
                    self.tokens.push(*token);
                }
                drop(reply.send(outcome));
            }
            Ask::RemoveToken(id, reply) => {
                let outcome = self.store.remove_token(&id).await;
                if outcome.is_ok() {
                    self.tokens.retain(|row| row.id != id);
                }
                drop(reply.send(outcome));
            }
            Ask::Backup(to, reply) => {
                let store = self.store.clone();
                tokio::spawn(async move { drop(reply.send(store.backup(&to).await)) });
            }
            Ask::AcceptCopy(caller, reply) => {
                let outcome = self.accept_copy(&caller).await;
                drop(reply.send(outcome));
            }
        }
    }

    /// Makes the checked copy the state, and says so in its audit.
    async fn accept_copy(&mut self, caller: &Caller) -> Result<(), StoreError> {
        self.store.accept_copy().await?;
        tracing::warn!(who = caller.name, from = caller.from, "the checked copy was confirmed as the state");
        let revision = self.desired.revision + 1;
        let row = AuditRow {
            revision,
            at_unix_ms: clock::unix_ms(),
            who: caller.name.clone(),
            from: caller.from.clone(),
            verb: "accept-copy".to_owned(),
            switch: None,
            reason: None,
            forced: false,
            before: serde_json::Value::Null,
            after: serde_json::Value::Null,
        };
        let commit = Commit { expected: self.desired.revision, revision, audit: vec![row], ..Commit::default() };
        if let Err(error) = self.store.commit(commit).await {
            self.store_errors += 1;
            self.doubt(&error).await;
            self.watch_condition();
            return Err(error);
        }
        self.desired.revision = revision;
        self.publish(&[], &[], clock::now());
        self.watch_condition();
        Ok(())
    }

    /// Reads the files on a thread of its own; the outcome comes back as an event.
    fn load_files(&self, reloading: Reloading, reply: oneshot::Sender<Result<Replied, Refused>>) {
        let (loader, events, geo_reports) = (self.loader.clone(), self.events.clone(), self.geo_reports);
        tokio::spawn(async move {
            let outcome = tokio::task::spawn_blocking(move || loader()).await;
            let outcome = outcome.unwrap_or_else(|panic| Err(vec![format!("reading the files failed: {panic}")]));
            // The receiver is gone only when the server ends.
            let _ = events.send(Event::Loaded(Box::new(LoadedFiles { reloading, outcome, geo_reports, reply }))).await;
        });
    }

    /// Applies freshly read files.
    async fn loaded(&mut self, loaded: LoadedFiles) {
        let LoadedFiles { reloading, outcome, geo_reports, reply } = loaded;
        if geo_reports != self.geo_reports {
            // A database was replaced meanwhile: what was read may be older than what is in use.
            return self.load_files(reloading, reply);
        }
        match outcome {
            Err(problems) => {
                tracing::warn!(problems = problems.len(), "reload refused, nothing changed");
                drop(reply.send(Err(Refused::Files(problems))));
            }
            Ok(Loaded { definitions, accepted }) => {
                self.geo_trouble = None;
                let Caller { name, .. } = &reloading.caller;
                let request = Request {
                    command: Command::Reload(definitions),
                    reason: reloading.reason,
                    force: reloading.force,
                    if_match: None,
                    by: name.clone(),
                };
                let dry_run = reloading.dry_run;
                let asked = super::Asked { request, dry_run, caller: reloading.caller, idempotency: None };
                let (changed, change) = oneshot::channel();
                self.change(asked, changed).await;
                tokio::spawn(async move {
                    // No reply: the server ends.
                    let Ok(outcome) = change.await else { return };
                    if outcome.is_ok() && !dry_run {
                        accepted();
                    }
                    // Whoever asked may have left.
                    drop(reply.send(outcome));
                });
            }
        }
    }

    /// Takes in a probe's outcome; a changed verdict is published at most once a second.
    async fn probed(&mut self, probed: &ProbeReport) {
        self.probe_evidence(probed);
        let moved = self.watch.probed(probed, &mut self.observed);
        self.note_moved(moved);
        if !*self.first_round.borrow() && self.watch.round_complete() {
            self.first_round.send_replace(true);
        }
        self.publish_health_if_due().await;
    }

    /// Takes in an idle reading: the baseline while the pool serves, evidence afterwards.
    fn idle_read(&mut self, read: IdleReport) {
        let Some((_, switch)) = self.desired.definitions.switch(&read.switch) else { return };
        let Some((at, pool)) = switch.pool(&read.pool) else { return };
        let Some(reading) = pool.idle.as_ref().or(switch.idle.as_ref()).cloned() else { return };
        let serving = self.has_traffic(switch, at);
        let track = self.idle.entry((read.switch, read.pool)).or_default();
        if serving {
            track.learn(&read.value, read.at);
        } else {
            track.observe(&reading, &read.value, read.at);
        }
    }

    /// Tells everybody who listens.
    pub(super) fn happen(&mut self, what: What) {
        let happening = self.happenings.tell(super::view::rfc3339(clock::unix_ms()), what);
        self.notify_of(&happening);
    }
}

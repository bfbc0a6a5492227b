//! The composition root: builds the rooms, joins them with channels, and ends them in order.
//!
//! Nothing is decided here. Everything is bound before anything answers, and nothing answers before
//! every member was probed once (bounded by the probes' own time limits).

mod certificates;
mod gauges;
mod guards;
#[cfg(feature = "otel")]
pub mod traces;

use crate::admin::{self, AdminContext};
use crate::config::{self, ServerConfig, TransferConfig};
use crate::control::event::Event;
use crate::control::{Caller, Handle, Loaded, Loader, Reloading, Start, StartError, Started};
use crate::geo::{GeoFiles, GeoFilesError};
use crate::health::ProbeTarget;
use crate::hooks::HookTotals;
use crate::metrics::Registry;
use crate::server::{self, BindError, Bound, Certificate, CertificateError, Encrypted, Listening, StreamLimits};
use crate::snapshot::Settings;
use crate::state::{CatalogTaken, Definitions, with_catalog};
use crate::store::{Store, StoreError};
use crate::transfer::{self, TransferTotals};
use crate::{discovery, evidence, geo, hooks, probe};
use certificates::Certificates;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use certificates::judge as judge_certificates;

/// The longest a start waits for the first round of probes.
const FIRST_ROUND_LIMIT: Duration = Duration::from_secs(30);

/// Open files wanted: connections, probes and sockets of a busy server.
const OPEN_FILES: u64 = 65_536;

/// A server that answers.
pub struct Running {
    /// The way to the control task.
    pub handle: Handle,
    /// Where DNS is answered over UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// Where DNS is answered over HTTPS.
    pub doh: Vec<SocketAddr>,
    /// Where DNS is answered over TLS.
    pub dot: Vec<SocketAddr>,
    /// Where DNS is answered over QUIC.
    pub doq: Vec<SocketAddr>,
    /// Where operators are answered.
    pub admin: SocketAddr,
    /// The file with the first token, when this start wrote one.
    pub first_token: Option<PathBuf>,
    listening: Listening,
    stop: watch::Sender<bool>,
    admin_task: JoinHandle<Result<(), admin::ServeError>>,
    workers: Vec<JoinHandle<()>>,
    events: mpsc::Sender<Event>,
    control: JoinHandle<()>,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The zone files, or the server's file, are not valid.
    #[error("{0}")]
    Files(#[from] config::Problems),
    /// A database of networks.
    #[error("{0}")]
    Geo(#[from] GeoFilesError),
    /// State and files do not make a start.
    #[error("{0}")]
    Start(#[from] StartError),
    /// The state store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A DNS address cannot be bound.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// The admin address cannot be bound.
    #[error("cannot listen on {address} for the admin interface: {source}; choose another with --admin")]
    AdminBind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The first token cannot be written.
    #[error("{0}")]
    Token(#[from] admin::tokens::BootstrapError),
    /// Threads or sockets ran out.
    #[error("the system refused a thread or socket: {0}")]
    System(#[from] std::io::Error),
    /// The catalog of zones has the name of one.
    #[error("{0}")]
    Catalog(#[from] CatalogTaken),
    /// Certificates of an encrypted transport.
    #[error("{}", certificates::with_cause(.0))]
    Tls(#[from] CertificateError),
    /// Control ended while starting.
    #[error("the control task ended while starting; the log says why")]
    ControlEnded,
}

/// Has the process keep no more memory than it uses. To be called before any thread is started.
pub fn spare_memory() {
    server::spare_memory();
}

/// Starts everything, and returns once queries are answered.
///
/// # Errors
/// [`AppError`]; nothing is left running then.
pub async fn start(config: &ServerConfig, store: Arc<dyn Store>) -> Result<Running, AppError> {
    probe::install_crypto();
    if let Err(error) = rlimit::increase_nofile_limit(OPEN_FILES) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    let files = GeoFiles { country: config.geo.country.clone(), asn: config.geo.asn.clone() };
    let look = files.look();
    let announcement = config.announcement();
    let loaded = config::load_zones_with(&config.zones, &files.load()?, announcement.as_ref(), Some(&config.keys))?;
    let definitions = listed(loaded.definitions, &config.transfer)?;
    server::return_free_memory();
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let certificates = Certificates::load(config)?;
    let (desk, deferred) = server::desk();
    let mut settings = server_settings(config, &certificates)?;
    settings.desk = Some(desk);
    let cookies = guards::Cookies::open(config.cookies, &store).await?;
    settings.cookies = cookies.as_ref().map(guards::Cookies::offer);
    let tap = config.dnstap.as_ref().map(guards::tap);
    settings.tap = tap.as_ref().map(|tap| tap.tap.clone());
    let bound = Bound::bind(settings)?;
    let exposure = certificates.exposure(config)?;
    let admin_listener = TcpListener::bind(config.admin.listen)
        .await
        .map_err(|source| AppError::AdminBind { address: config.admin.listen, source })?;
    let cells = Arc::new(Registry::default());
    let answers = &config.answers;
    let settings = Settings::new(answers.version.as_deref(), answers.id_server.as_deref(), answers.ecs_from.clone())
        .with_idle(Duration::from_millis(config.limits.tcp_idle_ms));
    let start = Start {
        definitions: Arc::new(definitions),
        settings,
        store,
        cells: cells.clone(),
        loader: loader(config, certificates.clone(), files.clone()),
        transfers: Arc::new(config.transfer.rules.clone()),
        freed: server::return_free_memory,
    };
    let mut started = start.run().await?;
    let (stop, stopped) = watch::channel(false);
    let mut workers = spawn_observers(&started, &stopped);
    workers.push(tokio::spawn(geo::watch(files, look, started.geo.clone(), until(stopped.clone()))));
    workers.push(tokio::spawn(certificates.clone().watch(until(stopped.clone()))));
    first_round(&mut started).await;
    begin_promises(&started).await?;
    workers.push(tokio::spawn(discovery::run(
        started.discovery_wanted.clone(),
        started.discovery.clone(),
        until(stopped.clone()),
    )));
    let hook_totals = Arc::new(HookTotals::default());
    workers.push(tokio::spawn(evidence::queries::run(
        started.evidence_wanted.clone(),
        started.evidence.clone(),
        until(stopped.clone()),
    )));
    workers.push(tokio::spawn(hooks::run(
        started.hook_orders,
        started.hook_reports,
        hook_totals.clone(),
        until(stopped.clone()),
    )));
    if let Some(cookies) = cookies {
        workers.push(tokio::spawn(cookies.keep(until(stopped.clone()))));
    }
    let taps = tap.map(|tap| tap.spawn(&mut workers, until(stopped.clone())));
    let transfer_totals = Arc::new(TransferTotals::default());
    let room = transfer::Room::new(transfer::Parts {
        keys: Arc::new(config.keys.clone()),
        rules: started.transfers.clone(),
        updates: config.updates.clone(),
        control: started.handle.clone(),
        snapshots: started.snapshots.clone(),
        writer: cells.shared_writer("signed"),
        sources: config.listen.iter().map(SocketAddr::ip).collect(),
        totals: transfer_totals.clone(),
    });
    let room = Arc::new(room);
    workers.push(tokio::spawn(transfer::follow(
        room.clone(),
        started.published.clone(),
        started.secondaries.clone(),
        until(stopped.clone()),
    )));
    workers.push(tokio::spawn(transfer::keep_copies(
        room.clone(),
        started.copies_wanted.clone(),
        started.copies.clone(),
        until(stopped.clone()),
    )));
    workers.push(tokio::spawn(transfer::run(room, deferred, until(stopped.clone()))));
    let listening = bound.start(&started.snapshots, &cells)?;
    let first_token = admin::tokens::bootstrap(&started.handle, &config.state).await?;
    let admin = admin_listener.local_addr()?;
    let started_s = crate::clock::unix_ms() / 1000;
    let requests = cells.requests();
    let fixed = gauges::Fixed { cells, hooks: hook_totals, transfers: transfer_totals, taps, certificates, started_s };
    let metrics = gauges::metrics_text(started.handle.clone(), fixed, listening.connection_gauge());
    let context =
        AdminContext::new(started.handle.clone(), metrics, requests).await.map_err(|_| AppError::ControlEnded)?;
    let admin_task = tokio::spawn(admin::serve(admin_listener, context, exposure, until(stopped)));
    Ok(Running {
        handle: started.handle,
        dns: listening.addresses().to_vec(),
        doh: listening.https_addresses().to_vec(),
        dot: listening.tls_addresses().to_vec(),
        doq: listening.quic_addresses().to_vec(),
        admin,
        first_token,
        listening,
        stop,
        admin_task,
        workers,
        events: started.events,
        control: started.task,
    })
}

impl Running {
    /// Reloads the files on behalf of the machine's owner (SIGHUP).
    pub async fn reload(&self) {
        let caller = Caller { name: "file".to_owned(), ..Caller::default() };
        match self.handle.reload(Reloading { caller, ..Reloading::default() }).await {
            Ok(replied) => {
                tracing::info!(revision = replied.revision, changed = replied.changed, "files reloaded");
                replied.notes.iter().for_each(|note| tracing::warn!("{note}"));
            }
            Err(crate::control::Refused::Files(problems)) => {
                problems.iter().for_each(|problem| tracing::error!("{problem}"));
            }
            Err(refused) => tracing::error!(%refused, "reload refused"),
        }
    }

    /// Ends in order: operators first, then queries, then what was observed is saved.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        match self.admin_task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the admin interface ended badly"),
            Err(error) => tracing::error!(%error, "the admin interface ended badly"),
        }
        self.listening.shutdown().await;
        for worker in self.workers {
            if let Err(error) = worker.await {
                tracing::error!(%error, "an observer ended badly");
            }
        }
        let (done, saved) = oneshot::channel();
        if self.events.send(Event::Shutdown(done)).await.is_ok() {
            // An error means the task is gone already; joining it says why.
            let _ = saved.await;
        }
        if let Err(error) = self.control.await {
            tracing::error!(%error, "the control task ended badly");
        }
    }
}

/// What to listen on, from the server's file and flags.
fn server_settings(config: &ServerConfig, certificates: &Certificates) -> Result<server::Settings, CertificateError> {
    let encrypted = |name: &str, listen: &[SocketAddr]| {
        let config = certificates.named(name).map(Certificate::server_config).transpose()?;
        Ok::<_, CertificateError>(config.map(|config| Encrypted { addresses: listen.to_vec(), config }))
    };
    let mut https = None;
    if let Some(doh) = &config.doh {
        https = encrypted("doh", &doh.listen)?.map(|encrypted| server::Https {
            encrypted,
            path: doh.path.clone(),
            http3: doh.h3,
        });
    }
    let tls = config.dot.as_ref().map_or(Ok(None), |dot| encrypted("dot", &dot.listen))?;
    let quic = config.doq.as_ref().map_or(Ok(None), |doq| encrypted("doq", &doq.listen))?;
    let defaults = server::Settings::default();
    Ok(server::Settings {
        addresses: config.listen.clone(),
        workers: config.limits.udp_workers.unwrap_or(defaults.workers),
        limits: StreamLimits {
            connections: config.limits.tcp_total,
            per_client: config.limits.tcp_per_client,
            idle: Duration::from_millis(config.limits.tcp_idle_ms),
            ..StreamLimits::default()
        },
        rate_limit: guards::rate_limit(&config.rate),
        tls,
        https,
        quic,
        ..defaults
    })
}

/// The zones, with the catalog that lists them, where one is wanted.
fn listed(definitions: Definitions, transfer: &TransferConfig) -> Result<Definitions, CatalogTaken> {
    match &transfer.catalog {
        Some(name) => with_catalog(&definitions, name, &Arc::new(transfer.rules.clone())),
        None => Ok(definitions),
    }
}

/// Starts probing and idle readings.
fn spawn_observers(started: &Started, stopped: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let probes = probe::run(started.targets.clone(), started.probes.clone(), until(stopped.clone()));
    let readings = evidence::idle::run(started.idle_wanted.clone(), started.idle.clone(), until(stopped.clone()));
    vec![in_the_background(probes), tokio::spawn(readings)]
}

/// Runs work on a thread of its own that stands back behind those that answer: thousands of probes a
/// second would otherwise be felt in the latency of answers.
fn in_the_background(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        server::stand_back();
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(work),
            Err(error) => tracing::error!(%error, "there is no thread for the probes: health stays as it is"),
        }
    })
}

/// Waits for the first outcome of every probe, for as long as the slowest of them may take.
async fn first_round(started: &mut Started) {
    let slowest = started.targets.borrow().iter().map(round_limit).max().unwrap_or_default();
    let limit = slowest.min(FIRST_ROUND_LIMIT);
    let complete = started.first_round.wait_for(|complete| *complete);
    if tokio::time::timeout(limit, complete).await.is_err() {
        tracing::warn!(?limit, "not every member answered its first probe in time; answering with what is known");
    }
}

/// Has the drain ledger count from here on.
async fn begin_promises(started: &Started) -> Result<(), AppError> {
    let (done, begun) = oneshot::channel();
    started.events.send(Event::Answering(done)).await.map_err(|_| AppError::ControlEnded)?;
    begun.await.map_err(|_| AppError::ControlEnded)
}

/// The spread of first probes plus one attempt.
fn round_limit(target: &ProbeTarget) -> Duration {
    Duration::from_millis(target.monitor.timeout_ms.saturating_add(1000))
}

/// Completes when `stopped` becomes true, or its sender is gone.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means the sender is gone, which is as good a reason to stop.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Reads the zone files, the databases and the certificates again: for reloads, which put the certificates in
/// force when they are accepted. On a thread of its own, which stands back behind the threads that answer, as do
/// those it starts.
fn loader(config: &ServerConfig, certificates: Certificates, geo: GeoFiles) -> Loader {
    let (zones, keys, transfer) = (config.zones.clone(), config.keys.clone(), config.transfer.clone());
    let announcement = config.announcement();
    Arc::new(move || {
        let databases = geo.load().map_err(|error| vec![error.to_string()])?;
        let read = || {
            server::stand_back();
            config::load_zones_with(&zones, &databases, announcement.as_ref(), Some(&keys))
        };
        let loaded = std::thread::scope(|scope| scope.spawn(read).join())
            .map_err(|_| vec!["reading the files ended in a panic: a bug to report".to_owned()])?
            .map_err(|problems| problems.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let definitions = listed(loaded.definitions, &transfer).map_err(|error| vec![error.to_string()])?;
        let fresh = certificates.read().map_err(|error| vec![certificates::with_cause(&error)])?;
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(Loaded { definitions: Arc::new(definitions), accepted: Box::new(|| fresh.put()) })
    })
}

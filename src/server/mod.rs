//! Sockets: what comes in from resolvers and goes back to them.
//!
//! [`Bound::bind`] takes every address or none; [`Bound::start`] begins to answer from a
//! [`SnapshotCell`] and counts in cells of the [`Registry`]; [`Listening::shutdown`] answers what
//! has arrived and ends. UDP runs on own threads (`udp`), streams on the caller's tokio runtime
//! (`stream`, `https`, `quic`). This room cannot reach the control plane, so no packet waits for it.

mod bind;
mod certificate;
mod deferred;
mod https;
mod inherited;
mod quic;
mod rate_limit;
mod reencode;
mod stream;
mod tap;
#[cfg(test)]
mod tests;
mod udp;

pub use bind::{BindError, Kind};
pub use certificate::{Certificate, CertificateError, CertificateLook};
pub use deferred::{Deferred, Desk, Gone, ReplyHandle, desk};
pub use rate_limit::RateLimit;
pub use stream::table::StreamLimits;
pub use tap::{Copies, Exchange, Tap, TapTotals, tap};
pub(crate) use udp::{return_free_memory, spare_memory, stand_back};

use crate::answer::Chosen;
use crate::clock;
use crate::dns::cookie::Cookies;
use crate::metrics::{Registry, Seen, Tally};
use crate::snapshot::SnapshotCell;
use arc_swap::ArcSwap;
use bind::BoundAddress;
use inherited::Inherited;
use rate_limit::summary;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use stream::table::Table;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

/// How long a stopping server waits for connections to finish what they were asked.
const GRACE: Duration = Duration::from_secs(5);

/// How long it waits for the last QUIC packets to leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// Open files kept for sockets, probes, the store and operators.
const OTHER_FILES: u64 = 512;

/// What to listen on, and the limits.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses for UDP and TCP, one port for both; port 0 finds a free one.
    pub addresses: Vec<SocketAddr>,
    /// UDP threads per address.
    pub workers: usize,
    /// Limits of all connections together.
    pub limits: StreamLimits,
    /// Response rate limiting of UDP; `None`: off.
    pub rate_limit: Option<RateLimit>,
    /// DNS cookies; `None`: none are given. Servers behind one address share their secrets.
    pub cookies: Option<CookieOffer>,
    /// DNS over TLS, if it is offered (RFC 7858).
    pub tls: Option<Encrypted>,
    /// DNS over HTTPS, if it is offered (RFC 8484).
    pub https: Option<Https>,
    /// DNS over QUIC, if it is offered (RFC 9250).
    pub quic: Option<Encrypted>,
    /// Who takes updates, notifications, transfers and signed queries; `None`: nobody, and they are refused.
    pub desk: Option<Desk>,
    /// Takes copies of queries and replies; `None`: nobody watches.
    pub tap: Option<Tap>,
    /// Share the addresses with a predecessor that still answers.
    pub takeover: bool,
}

/// What server cookies are made with (RFC 9018 §5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieSecrets {
    /// Makes cookies, and accepts them.
    pub secret: [u8; 16],
    /// Accepts cookies made before the last change.
    pub previous: Option<[u8; 16]>,
}

impl CookieSecrets {
    /// A fresh secret: cookies of an earlier start are not accepted, which costs their owners nothing
    /// but the rate limit's favour.
    #[must_use]
    pub fn random() -> Self {
        let mut secret = [0; 16];
        clock::random_bytes(&mut secret);
        Self { secret, previous: None }
    }

    /// The next: a fresh secret, and cookies of the one before are still accepted.
    #[must_use]
    pub fn rolled(self) -> Self {
        Self { previous: Some(self.secret), ..Self::random() }
    }
}

/// Cookies as they are offered: workers read the secrets in force once a second, without a lock.
#[derive(Debug, Clone)]
pub struct CookieOffer {
    secrets: Arc<ArcSwap<CookieSecrets>>,
    required: bool,
}

impl CookieOffer {
    /// Offers cookies; `required`: clients that know of cookies need one of ours for a datagram.
    #[must_use]
    pub fn new(secrets: CookieSecrets, required: bool) -> Self {
        Self { secrets: Arc::new(ArcSwap::from_pointee(secrets)), required }
    }

    /// Puts other secrets in force, within a second.
    pub fn replace(&self, secrets: CookieSecrets) {
        self.secrets.store(Arc::new(secrets));
    }

    /// As the answer path takes them, at the time of now.
    fn at_present(&self) -> Cookies {
        // Cookies count seconds modulo 2^32 (RFC 9018 §4.3).
        let now_s = u32::try_from((clock::unix_ms() / 1000) & u64::from(u32::MAX)).unwrap_or(0);
        let CookieSecrets { secret, previous } = **self.secrets.load();
        Cookies { secret, previous, now_s, required: self.required }
    }
}

impl fmt::Debug for CookieSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecrets")
    }
}

/// Addresses of an encrypted transport, and its certificate.
#[derive(Debug, Clone)]
pub struct Encrypted {
    /// Addresses to listen on.
    pub addresses: Vec<SocketAddr>,
    /// Certificate chain and key; ALPN is set by this room.
    pub config: Arc<rustls::ServerConfig>,
}

/// DNS over HTTPS.
#[derive(Debug, Clone)]
pub struct Https {
    /// Addresses and certificate.
    pub encrypted: Encrypted,
    /// The path of queries, such as `/dns-query`.
    pub path: String,
    /// Whether the same addresses are to speak HTTP/3 over UDP.
    pub http3: bool,
}

impl Default for Settings {
    /// No address, one worker per core, product limits, cookies with a fresh secret.
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            limits: StreamLimits::default(),
            rate_limit: Some(RateLimit::default()),
            cookies: Some(CookieOffer::new(CookieSecrets::random(), false)),
            tls: None,
            https: None,
            quic: None,
            desk: None,
            tap: None,
            takeover: false,
        }
    }
}

/// What is counted of an answer.
#[inline]
pub(crate) fn tally(chosen: &Chosen) -> Tally {
    let seen = chosen.seen.map(|seen| Seen { seat: seen.seat, epoch: seen.epoch, client: seen.client });
    Tally { slot: chosen.slot.0, promise_s: chosen.promise_s, pinned: chosen.pinned, seen }
}

/// Sockets that are bound and do not answer yet.
#[derive(Debug)]
pub struct Bound {
    plain: Vec<BoundAddress>,
    tls: Vec<TcpListener>,
    https: Vec<TcpListener>,
    quic: Vec<UdpSocket>,
    http3: Vec<UdpSocket>,
    settings: Settings,
}

/// A server that answers, until [`Listening::shutdown`].
#[derive(Debug)]
pub struct Listening {
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    https_addresses: Vec<SocketAddr>,
    quic_addresses: Vec<SocketAddr>,
    endpoints: Vec<quinn::Endpoint>,
    stop_workers: Arc<AtomicBool>,
    stop_listeners: watch::Sender<bool>,
    table: Arc<Table>,
    workers: Vec<JoinHandle<()>>,
    listeners: tokio::task::JoinSet<()>,
}

impl Bound {
    /// Binds every address of `settings`, or none; sockets passed by systemd are used where they fit.
    ///
    /// # Errors
    /// The first address that cannot be bound, with a remedy.
    pub fn bind(settings: Settings) -> Result<Self, BindError> {
        Self::bind_with(settings, Inherited::from_environment())
    }

    fn bind_with(settings: Settings, mut inherited: Inherited) -> Result<Self, BindError> {
        let (workers, takeover) = (settings.workers.max(1), settings.takeover);
        let bind = |address: &SocketAddr| bind::bind_plain(*address, workers, takeover, &mut inherited);
        let plain = settings.addresses.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        let mut encrypted = |offer: Option<&Encrypted>, kind| {
            let addresses = offer.into_iter().flat_map(|offer| &offer.addresses);
            addresses
                .map(|address| bind::bind_encrypted(*address, kind, takeover, &mut inherited))
                .collect::<Result<Vec<_>, _>>()
        };
        let tls = encrypted(settings.tls.as_ref(), Kind::Tls)?;
        let https = encrypted(settings.https.as_ref().map(|https| &https.encrypted), Kind::Https)?;
        let quic = settings.quic.iter().flat_map(|quic| &quic.addresses);
        let quic = quic
            .map(|address| bind::bind_quic(*address, Kind::Quic, takeover, &mut inherited))
            .collect::<Result<Vec<_>, _>>()?;
        let mut http3 = Vec::new();
        if let Some(Https { encrypted: Encrypted { addresses, .. }, http3: true, .. }) = &settings.https {
            for (listener, address) in https.iter().zip(addresses) {
                // Port 0 has found a port by here, which is the same for both.
                let address = listener.local_addr().unwrap_or(*address);
                http3.push(bind::bind_quic(address, Kind::Http3, takeover, &mut inherited)?);
            }
        }
        Ok(Self { plain, tls, https, quic, http3, settings })
    }

    /// The addresses of UDP and TCP, with the ports that were found.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.plain.iter().map(|bound| bound.address).collect()
    }

    /// Starts to answer. Must be called within a tokio runtime, which runs the stream transports.
    ///
    /// # Errors
    /// When the system refuses a thread or the runtime a socket.
    pub fn start(self, cell: &Arc<SnapshotCell>, registry: &Registry) -> io::Result<Listening> {
        let limits = fit(self.settings.limits, rlimit::Resource::NOFILE.get_soft()?);
        let (stop_listeners, stop) = watch::channel(false);
        let local =
            |listeners: &[TcpListener]| listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>();
        let mut listening = Listening {
            addresses: self.addresses(),
            tls_addresses: local(&self.tls)?,
            https_addresses: local(&self.https)?,
            quic_addresses: self.quic.iter().map(UdpSocket::local_addr).collect::<io::Result<_>>()?,
            endpoints: Vec::new(),
            stop_workers: Arc::default(),
            stop_listeners,
            table: Table::new(limits),
            workers: Vec::new(),
            listeners: tokio::task::JoinSet::new(),
        };
        let cookies = self.settings.cookies;
        let (notes, noted) = mpsc::channel(summary::WAITING);
        listening.listeners.spawn(summary::tell(noted, stop.clone()));
        let table = Arc::clone(&listening.table);
        let mut tcp = Vec::new();
        for bound in self.plain {
            let with_local = bound.address.ip().is_unspecified();
            for socket in bound.udp {
                let writer = registry.sole_writer("udp");
                let desk = self.settings.desk.clone();
                let policy = udp::Policy {
                    rate_limit: self.settings.rate_limit.clone(),
                    cookies: cookies.clone(),
                    notes: notes.clone(),
                    desk,
                    tap: self.settings.tap.clone().zip(socket.local_addr().ok()),
                };
                let (cell, stop) = (Arc::clone(cell), Arc::clone(&listening.stop_workers));
                let worker = udp::Worker::new(socket, with_local, cell, stop, writer, policy);
                listening.workers.push(std::thread::Builder::new().name("udp".to_owned()).spawn(|| worker.run())?);
            }
            tcp.push(bound.tcp);
        }
        let service = |protocol, name, tls| stream::Service {
            protocol,
            cell: Arc::clone(cell),
            writer: registry.shared_writer(name),
            table: Arc::clone(&table),
            cookies: cookies.clone(),
            desk: self.settings.desk.clone(),
            tap: self.settings.tap.clone(),
            tls,
        };
        let tcp_service = service(stream::Protocol::Tcp, "tcp", None);
        let tls_service =
            self.settings.tls.map(|tls| service(stream::Protocol::Tls, "tls", Some(acceptor(&tls.config, &[b"dot"]))));
        listening.accept(tcp, tcp_service, &stop)?;
        if let Some(tls) = tls_service {
            listening.accept(self.tls, tls, &stop)?;
        }
        if let Some(Https { encrypted, path, .. }) = self.settings.https {
            let path: Arc<str> = path.into();
            let alternative = self.http3.first().and_then(|socket| alternative(socket.local_addr().ok()?.port()));
            let acceptor = acceptor(&encrypted.config, &[b"h2", b"http/1.1"]);
            let protocol = stream::Protocol::Https { path: path.clone(), alternative };
            listening.accept(self.https, service(protocol, "https", Some(acceptor)), &stop)?;
            let protocol = stream::Protocol::Https { path, alternative: None };
            listening.accept_quic(self.http3, &encrypted.config, service(protocol, "h3", None), &stop)?;
        }
        if let Some(quic) = self.settings.quic {
            listening.accept_quic(self.quic, &quic.config, service(stream::Protocol::Quic, "quic", None), &stop)?;
        }
        Ok(listening)
    }
}

/// As many connections as open files allow, with [`OTHER_FILES`] left for everything else: clients
/// must not be able to take the last one from probes, the store or the admin interface.
fn fit(limits: StreamLimits, open_files: u64) -> StreamLimits {
    let room = usize::try_from(open_files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    // The table lets a quarter more in while those asked to leave go.
    let connections = limits.connections.min((room / 5 * 4).max(1));
    if connections < limits.connections {
        tracing::warn!(
            wanted = limits.connections,
            connections,
            "the limit of open files allows fewer connections; raise it (LimitNOFILE= in systemd)"
        );
    }
    StreamLimits { connections, ..limits }
}

/// What a response over TCP says of HTTP/3 at a port (RFC 7838).
fn alternative(port: u16) -> Option<axum::http::HeaderValue> {
    format!("h3=\":{port}\"; ma=86400").parse().ok()
}

/// The same certificate, offered for these protocols (ALPN).
fn acceptor(config: &rustls::ServerConfig, protocols: &[&[u8]]) -> TlsAcceptor {
    let mut config = config.clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

impl Listening {
    fn accept(
        &mut self,
        listeners: Vec<TcpListener>,
        service: stream::Service,
        stop: &watch::Receiver<bool>,
    ) -> io::Result<()> {
        let service = Arc::new(service);
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            self.listeners.spawn(stream::accept(listener, Arc::clone(&service), stop.clone()));
        }
        Ok(())
    }

    fn accept_quic(
        &mut self,
        sockets: Vec<UdpSocket>,
        tls: &rustls::ServerConfig,
        service: stream::Service,
        stop: &watch::Receiver<bool>,
    ) -> io::Result<()> {
        let service = Arc::new(service);
        for socket in sockets {
            let endpoint = quic::endpoint(socket, tls, &service)?;
            self.endpoints.push(endpoint.clone());
            self.listeners.spawn(quic::accept(endpoint, Arc::clone(&service), stop.clone()));
        }
        Ok(())
    }

    /// The addresses of UDP and TCP, with the ports that were found.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses of DNS over TLS.
    #[must_use]
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// The addresses of DNS over HTTPS.
    #[must_use]
    pub fn https_addresses(&self) -> &[SocketAddr] {
        &self.https_addresses
    }

    /// The addresses of DNS over QUIC.
    #[must_use]
    pub fn quic_addresses(&self) -> &[SocketAddr] {
        &self.quic_addresses
    }

    /// Connections open at the moment, over all stream transports.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.table.open()
    }

    /// [`Listening::connections`] for those who ask later.
    pub fn connection_gauge(&self) -> Arc<dyn Fn() -> usize + Send + Sync> {
        let table = Arc::clone(&self.table);
        Arc::new(move || table.open())
    }

    /// Answers what has arrived, closes every socket and ends; at most a few seconds.
    pub async fn shutdown(mut self) {
        self.stop_workers.store(true, Relaxed);
        self.stop_listeners.send_replace(true);
        while self.listeners.join_next().await.is_some() {}
        self.table.close();
        // What is still open after the grace ends with the runtime.
        let _ = tokio::time::timeout(GRACE, self.table.emptied()).await;
        for endpoint in std::mem::take(&mut self.endpoints) {
            // The last packets say that connections are closed; who misses them finds out by silence.
            let _ = tokio::time::timeout(FAREWELL, endpoint.wait_idle()).await;
        }
        let workers = std::mem::take(&mut self.workers);
        let joined =
            tokio::task::spawn_blocking(move || workers.into_iter().map(JoinHandle::join).all(|ended| ended.is_ok()));
        if !joined.await.unwrap_or(false) {
            tracing::error!("a UDP worker ended by a panic");
        }
    }
}

impl Drop for Listening {
    /// Workers of a server that is dropped without a shutdown end by themselves.
    fn drop(&mut self) {
        self.stop_workers.store(true, Relaxed);
        self.stop_listeners.send_replace(true);
        self.table.close();
    }
}

//! Sockets: what comes in from resolvers and goes back to them.
//!
//! [`Bound::bind`] takes every address or none; [`Bound::start`] begins to answer from a
//! [`SnapshotCell`] and counts in cells of the [`Registry`]; [`Listening::shutdown`] answers what
//! has arrived and ends. UDP runs on own threads (`udp`), streams on the caller's tokio runtime
//! (`stream`, `https`, `quic`). This room cannot reach the control plane, so no packet waits for it.

mod bind;
mod certificate;
mod cookies;
mod deferred;
mod https;
mod inherited;
mod listening;
mod quic;
mod rate_limit;
mod reencode;
mod settings;
mod stream;
mod tap;
#[cfg(test)]
mod tests;
mod udp;

pub use bind::{BindError, Kind};
pub use certificate::{Certificate, CertificateError, CertificateLook, FreshCertificate};
pub use cookies::{CookieOffer, CookieSecrets};
pub use deferred::{Deferred, Desk, Gone, ReplyHandle, desk};
pub use listening::Listening;
pub use rate_limit::RateLimit;
pub use settings::{Encrypted, Https, Settings};
pub use stream::table::StreamLimits;
pub use tap::{Copies, Exchange, Tap, TapTotals, tap};
pub(crate) use udp::{return_free_memory, spare_memory, stand_back};

use crate::answer::Chosen;
use crate::metrics::{Registry, Seen, Tally};
use crate::snapshot::SnapshotCell;
use bind::BoundAddress;
use inherited::Inherited;
use rate_limit::summary;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use stream::table::Table;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

/// Open files kept for sockets, probes, the store and operators.
const OTHER_FILES: u64 = 512;

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
            let acceptor = acceptor(&encrypted.config, &[b"h2", b"http/1.1"]);
            let protocol = stream::Protocol::Https { path: path.clone(), http3: !self.http3.is_empty() };
            listening.accept(self.https, service(protocol, "https", Some(acceptor)), &stop)?;
            let protocol = stream::Protocol::Https { path, http3: true };
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

/// The same certificate, offered for these protocols (ALPN).
fn acceptor(config: &rustls::ServerConfig, protocols: &[&[u8]]) -> TlsAcceptor {
    let mut config = config.clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

//! Stream transports: DNS over TCP (RFC 7766) and TLS (RFC 7858), and the seats of HTTPS and QUIC.
//!
//! [`accept`] takes connections from one listener until told to stop; each becomes a task that
//! runs a [`connection::Conversation`] (or HTTP's). Limits live in [`table`], buffers in [`scratch`]. A flood
//! of connections costs a seat each and is answered by closing, never by a log line.

mod connection;
mod handed_over;
mod scratch;
pub(super) mod table;

use super::tap::{Copies, Tap};
use super::{CookieOffer, Desk, https};
use crate::answer::Transport;
use crate::clock::{self, Draws};
use crate::dns::cookie::Cookies;
use crate::metrics::{Count, SharedWriter};
use crate::snapshot::SnapshotCell;
use connection::{Conversation, Ended};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use table::{Refusal, Seat, Table};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Pause after an accept error such as "too many open files", so that it cannot spin.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

thread_local! {
    static DRAWS: RefCell<Draws> = RefCell::new(Draws::seeded());
}

/// What is spoken over a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Tls,
    Https {
        /// The path of queries.
        path: Arc<str>,
        /// Whether the same ports speak HTTP/3.
        http3: bool,
    },
    Quic,
}

impl Protocol {
    pub(super) fn transport(&self) -> Transport {
        match self {
            Self::Tcp => Transport::Tcp,
            Self::Tls => Transport::Tls,
            Self::Https { .. } => Transport::Https,
            Self::Quic => Transport::Quic,
        }
    }
}

/// What the connections of one transport share.
pub(super) struct Service {
    pub(super) protocol: Protocol,
    pub(super) cell: Arc<SnapshotCell>,
    pub(super) writer: SharedWriter,
    pub(super) table: Arc<Table>,
    pub(super) cookies: Option<CookieOffer>,
    /// Who takes what is not answered here; HTTPS hands nothing over.
    pub(super) desk: Option<Desk>,
    pub(super) tap: Option<Tap>,
    /// `None`: plain TCP, or QUIC, which brings its own.
    pub(super) tls: Option<TlsAcceptor>,
}

impl Service {
    /// Cookies at the time of now.
    pub(super) fn cookies(&self) -> Option<Cookies> {
        self.cookies.as_ref().map(CookieOffer::at_present)
    }

    /// A copy of a query, if somebody watches and it is one of the sample.
    pub(super) fn copy_query(&self, client: SocketAddr, query: &[u8]) -> Option<Copies> {
        let tap = self.tap.as_ref()?;
        let drawn = DRAWS.with_borrow_mut(|draws| tap.draws(draws));
        let mut copies = drawn.then(|| Copies::new(self.protocol.transport()))?;
        copies.query(client, None, query).then_some(copies)
    }

    /// Hands a copied query over, with its reply if there is one.
    pub(super) fn hand_over_copies(&self, copies: Option<Copies>, reply: &[u8]) {
        let (Some(tap), Some(mut copies)) = (&self.tap, copies) else { return };
        if !reply.is_empty() {
            copies.reply(0, reply);
        }
        tap.hand_over(copies);
    }

    /// A fresh random number, from this thread's stream.
    pub(super) fn draw(&self) -> u64 {
        DRAWS.with_borrow_mut(Draws::next_draw)
    }
}

/// Accepts until `stop` turns true, then takes what is already queued and ends.
pub(super) async fn accept(listener: TcpListener, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => admit(stream, client, &service),
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => {
                service.writer.add(Count::ReceiveFailed, 1);
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
    // A connection that the kernel completed before the listener closes would be reset.
    while let Some(Ok((stream, client))) = queued(&listener).await {
        admit(stream, client, &service);
    }
}

async fn queued(listener: &TcpListener) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match listener.poll_accept(cx) {
            std::task::Poll::Ready(accepted) => Some(accepted),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

/// Errors of the connection that was about to be accepted (accept(2)), not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

fn admit(stream: TcpStream, client: SocketAddr, service: &Arc<Service>) {
    let writer = &service.writer;
    writer.add(Count::Accepted, 1);
    match service.table.admit(client.ip(), clock::boot_ms()) {
        Ok((seat, evicted)) => {
            writer.add(Count::Evicted, evicted as u64);
            let service = Arc::clone(service);
            tokio::spawn(serve(stream, client, service, seat));
        }
        Err(Refusal::Client) => writer.add(Count::ClientLimit, 1),
        Err(Refusal::Full | Refusal::Stopping) => writer.add(Count::Refused, 1),
    }
}

async fn serve(stream: TcpStream, client: SocketAddr, service: Arc<Service>, seat: Seat) {
    let ended = match service.tls.clone() {
        None => Conversation::new(stream, client, &service, &seat).run().await,
        // Boxed, so that a plain connection does not carry the room of an encrypted one.
        Some(acceptor) => return Box::pin(serve_encrypted(acceptor, stream, client, service, seat)).await,
    };
    count_end(&service, ended);
}

async fn serve_encrypted(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    client: SocketAddr,
    service: Arc<Service>,
    seat: Seat,
) {
    let port = stream.local_addr().ok().map(|local| local.port());
    let Ok(Ok(stream)) = timeout(service.table.limits().query, acceptor.accept(stream)).await else {
        return service.writer.add(Count::HandshakeFailed, 1);
    };
    match service.protocol.clone() {
        Protocol::Https { path, http3 } => {
            let alternative = port.filter(|_| http3).and_then(https::alternative);
            https::converse(stream, client, path, alternative, service, seat).await;
        }
        Protocol::Tcp | Protocol::Tls | Protocol::Quic => {
            let ended = Conversation::new(stream, client, &service, &seat).run().await;
            count_end(&service, ended);
        }
    }
}

fn count_end(service: &Service, ended: Ended) {
    if let Some(count) = ended.count() {
        service.writer.add(count, 1);
    }
}

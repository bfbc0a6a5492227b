//! QUIC: connections, their limits, and what is spoken over them: DNS itself (RFC 9250, [`doq`]) or HTTP/3
//! ([`http3`]).
//!
//! QUIC is quinn's, because hickory-server's listeners do one handshake at a time, know no limit of
//! connections or clients, and hand over no connection that could be counted. Seats, idle times and held
//! bytes are those of the other stream transports. While many handshakes are unfinished, an address has to
//! prove itself first (RFC 9000 §8.1.2), so that forged ones take nobody's seat. There is no 0-RTT:
//! nothing is answered that could be a replay.
//!
//! A path that has gone silent ends its connection after [`SILENCE`], sooner than the margin of the drain
//! ledger: an answer that is lost is not sent again after its promise.

mod doq;
mod http3;
mod metered;

use super::stream::Service;
use super::stream::table::{Refusal, Seat};
use super::{https, stream};
use crate::clock;
use crate::metrics::Count;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, TransportConfig};
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Requests of one connection at a time.
const STREAMS: u32 = 64;
/// Requests over HTTP/3 of a connection, after which its client is asked to make a new one: h3 keeps the
/// number of each stream that broke before its headers had come.
pub(super) const REQUESTS: usize = 1_000;
/// Streams in one direction that HTTP/3 needs (control and QPACK), and some it may reserve (RFC 9114 §6.2).
const ONE_WAY_STREAMS: u32 = 8;
/// Bytes a stream may send before they are read: a whole query of the largest size with its length.
const STREAM_WINDOW: u32 = 66 << 10;
/// Bytes a connection may send before they are read.
const WINDOW: u32 = 128 << 10;
/// Bytes of answers that a connection may owe.
const SEND_WINDOW: u64 = 256 << 10;
/// How often a quiet connection is asked for a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// How long a connection may give none.
const SILENCE: Duration = Duration::from_secs(3);
/// The drain ledger's margin: an answer must not be sent again that long after it was first sent.
const MARGIN: Duration = Duration::from_secs(5);
/// Unfinished handshakes from which on an address has to prove itself.
const UNPROVEN: usize = 16;

// The last packet heard may come just before a sign of life is asked for, which restarts the clock.
const _: () = assert!(SILENCE.as_secs() + SIGN_OF_LIFE.as_secs() < MARGIN.as_secs());

/// Speaks QUIC over a socket, for what the service speaks.
pub(super) fn endpoint(socket: UdpSocket, tls: &rustls::ServerConfig, service: &Service) -> io::Result<Endpoint> {
    let (protocol, one_way): (&[u8], u32) = match service.protocol {
        stream::Protocol::Https { .. } => (b"h3", ONE_WAY_STREAMS),
        _ => (b"doq", 0),
    };
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls.max_early_data_size = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(STREAMS.into())
        .max_concurrent_uni_streams(one_way.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(WINDOW.into())
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(SIGN_OF_LIFE))
        .max_idle_timeout(Some(SILENCE.try_into().map_err(io::Error::other)?));
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}

/// Accepts until `stop` turns true; from then on [`refuse`] has the newcomers.
pub(super) async fn accept(endpoint: Endpoint, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let handshakes = Arc::new(AtomicUsize::new(0));
    loop {
        let incoming = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        admit(incoming, &service, &handshakes);
    }
}

/// Refuses newcomers, those that wait included, for as long as it runs.
pub(super) async fn refuse(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        incoming.refuse();
    }
}

fn admit(incoming: Incoming, service: &Arc<Service>, handshakes: &Arc<AtomicUsize>) {
    if handshakes.load(Relaxed) >= UNPROVEN && incoming.may_retry() {
        // It may only fail for one that has proven itself.
        let _ = incoming.retry();
        return;
    }
    let writer = &service.writer;
    writer.add(Count::Accepted, 1);
    match service.table.admit(incoming.remote_address().ip(), clock::boot_ms()) {
        Ok((seat, evicted)) => {
            writer.add(Count::Evicted, evicted as u64);
            let handshake = Handshake::begin(handshakes);
            tokio::spawn(serve(incoming, Arc::clone(service), seat, handshake));
        }
        Err(refusal) => {
            writer.add(if refusal == Refusal::Client { Count::ClientLimit } else { Count::Refused }, 1);
            incoming.refuse();
        }
    }
}

async fn serve(incoming: Incoming, service: Arc<Service>, seat: Seat, handshake: Handshake) {
    let connecting = async { incoming.accept()?.await };
    let Ok(Ok(connection)) = timeout(service.table.limits().query, connecting).await else {
        return service.writer.add(Count::HandshakeFailed, 1);
    };
    drop(handshake);
    match service.protocol.clone() {
        stream::Protocol::Https { path, .. } => http3::converse(connection, path, service, seat).await,
        _ => doq::converse(connection, service, seat).await,
    }
}

/// An unfinished handshake, counted until dropped.
struct Handshake(Arc<AtomicUsize>);

impl Handshake {
    fn begin(handshakes: &Arc<AtomicUsize>) -> Self {
        handshakes.fetch_add(1, Relaxed);
        Self(Arc::clone(handshakes))
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

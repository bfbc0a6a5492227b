//! The listener of the admin interface: connections with limits, TLS where asked for, a clean end.
//!
//! Slow or silent clients are cut off: a header must arrive within 10 s, a handshake within 5 s.

use super::context::AdminContext;
use arc_swap::ArcSwap;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections held at once; more wait in the kernel's queue.
pub(super) const CONNECTIONS: usize = 256;

/// Connections of one client held at once, unless it is this machine: one stranger cannot take all.
const CONNECTIONS_OF_ONE: usize = 64;

/// Time for a request's header, and for the next request on a kept connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for running requests to finish at shutdown.
const FAREWELL: Duration = Duration::from_secs(5);

/// The address a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// How the interface may be reached.
#[derive(Debug, Clone)]
pub enum Exposure {
    /// Without TLS; refused on an address other than loopback.
    Loopback,
    /// Without TLS wherever it listens: the operator spelled `insecure` out.
    Insecure,
    /// With TLS, and client certificates when the configuration asks for them; a handshake takes what is in
    /// force at its moment.
    Tls(Arc<ArcSwap<rustls::ServerConfig>>),
}

impl Exposure {
    /// Passes unless tokens would travel in the clear without the operator's word.
    fn permits(&self, address: SocketAddr) -> Result<(), ServeError> {
        if matches!(self, Self::Loopback) && !address.ip().is_loopback() {
            return Err(ServeError::Exposed(address));
        }
        Ok(())
    }
}

/// Why the interface does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Plain HTTP on an address others can reach.
    #[error(
        "the admin interface would listen on {0} without TLS, where anybody on the way could read tokens: give it a certificate, listen on 127.0.0.1, or spell out `insecure = true`"
    )]
    Exposed(SocketAddr),
    /// The socket has no address.
    #[error("the admin socket is unusable: {0}")]
    Socket(#[from] std::io::Error),
}

/// Serves until `shutdown` completes; returns when running requests have had time to finish.
///
/// # Errors
/// [`ServeError`] before the first connection; none after.
pub async fn serve(
    listener: TcpListener,
    context: AdminContext,
    exposure: Exposure,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    exposure.permits(address)?;
    let router = super::router(context.clone(), address.ip().is_loopback());
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let crowd = Crowd::default();
    let mut connections = JoinSet::new();
    let (stop, stopped) = watch::channel(false);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let permit = tokio::select! {
            () = &mut shutdown => break,
            permit = Arc::clone(&room).acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = crowd.enter(peer.ip()) else { continue };
                let (router, exposure, stopped) = (router.clone(), exposure.clone(), stopped.clone());
                connections.spawn(async move {
                    let _held = (permit, place);
                    connection(stream, peer, router, exposure, stopped).await;
                });
            }
            // Out of descriptors or an aborted handshake: others may still come.
            Err(error) => {
                tracing::warn!(%error, "cannot accept an admin connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    context.stop();
    stop.send_replace(true);
    let all_done = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all_done).await.is_err() {
        tracing::warn!("admin connections were still busy and are cut off");
    }
    Ok(())
}

/// How many connections each client holds: an IPv4 address, or an IPv6 /64.
#[derive(Debug, Clone, Default)]
struct Crowd(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// Who has an address: one IPv4 address, or the /64 of an IPv6 address.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Crowd {
    /// A place for one more connection of this address, if it has not too many.
    fn enter(&self, address: IpAddr) -> Option<Place> {
        let client = client_of(address);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(client).or_insert(0);
        if *count >= CONNECTIONS_OF_ONE && !address.to_canonical().is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place { crowd: self.clone(), client })
    }
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
struct Place {
    crowd: Crowd,
    client: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.client);
            }
        }
    }
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    exposure: Exposure,
    stopped: watch::Receiver<bool>,
) {
    // Without this a peer that vanished holds its place until the next write fails.
    let keepalive =
        socket2::TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    let socket = socket2::SockRef::from(&stream);
    if let Err(error) =
        socket.set_tcp_keepalive(&keepalive).and_then(|()| socket.set_tcp_user_timeout(Some(Duration::from_secs(60))))
    {
        tracing::debug!(%error, "socket options not taken");
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "socket options not taken");
    }
    let router = router.layer(Extension(Peer(peer)));
    match exposure {
        Exposure::Loopback | Exposure::Insecure => speak(stream, router, stopped).await,
        Exposure::Tls(config) => {
            let handshake = tokio_rustls::TlsAcceptor::from(config.load_full()).accept(stream);
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
                Ok(Ok(stream)) => speak(stream, router, stopped).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            }
        }
    }
}

/// HTTP/1.1 on a stream (detecting HTTP/2 would wait without limit for the first bytes), ending gracefully when told to.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 * 1024).max_headers(64);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        result = serving.as_mut() => Some(result),
        // An error means the server is gone, which is as good a reason to end.
        () = async { stopped.wait_for(|stop| *stop).await.map_or((), drop) } => None,
    };
    let result = match ended {
        Some(result) => result,
        None => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "admin connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stranger_cannot_take_every_place() {
        let crowd = Crowd::default();
        let (stranger, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut places: Vec<_> = (0..CONNECTIONS_OF_ONE).map(|_| crowd.enter(stranger).expect("a place")).collect();
        assert!(crowd.enter(stranger).is_none());
        assert!(crowd.enter(other).is_some());
        places.pop();
        assert!(crowd.enter(stranger).is_some());
        drop(places);
        assert!(crowd.0.lock().unwrap().is_empty());
        let below = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]);
        let places: Vec<_> = (1..=64).map(|host| crowd.enter(below(host)).unwrap()).collect();
        assert!(places.len() == CONNECTIONS_OF_ONE && crowd.enter(below(0xffff)).is_none());
        assert!(crowd.enter("2001:db8:0:2::1".parse().unwrap()).is_some());
        drop(places);
        let local = "::ffff:127.0.0.1".parse().unwrap();
        let many: Vec<_> = (0..2 * CONNECTIONS_OF_ONE).filter_map(|_| crowd.enter(local)).collect();
        assert_eq!(many.len(), 2 * CONNECTIONS_OF_ONE);
    }

    #[test]
    fn plain_http_off_loopback_is_refused_unless_spelled_out() {
        let permits = |exposure: Exposure, address: &str| exposure.permits(address.parse().unwrap()).is_ok();
        assert!(permits(Exposure::Loopback, "127.0.0.1:8053"));
        assert!(permits(Exposure::Loopback, "[::1]:8053"));
        for reachable in ["0.0.0.0:8053", "[::]:8053", "192.0.2.1:8053"] {
            assert!(!permits(Exposure::Loopback, reachable));
            assert!(permits(Exposure::Insecure, reachable));
        }
    }
}

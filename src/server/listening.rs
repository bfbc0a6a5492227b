//! A server that answers: its addresses, its connections, and how it ends.

use super::stream::table::Table;
use super::{quic, stream};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// How long a stopping server waits for connections to finish what they were asked.
const GRACE: Duration = Duration::from_secs(5);

/// How long it waits for the last QUIC packets to leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// A server that answers, until [`Listening::shutdown`].
#[derive(Debug)]
pub struct Listening {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) tls_addresses: Vec<SocketAddr>,
    pub(super) https_addresses: Vec<SocketAddr>,
    pub(super) quic_addresses: Vec<SocketAddr>,
    pub(super) endpoints: Vec<quinn::Endpoint>,
    pub(super) stop_workers: Arc<AtomicBool>,
    pub(super) stop_listeners: watch::Sender<bool>,
    pub(super) table: Arc<Table>,
    pub(super) workers: Vec<JoinHandle<()>>,
    pub(super) listeners: tokio::task::JoinSet<()>,
}

impl Listening {
    pub(super) fn accept(
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

    pub(super) fn accept_quic(
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
        // Ends when it is dropped, with this shutdown.
        let _refusing: tokio::task::JoinSet<()> = self.endpoints.iter().cloned().map(quic::refuse).collect();
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

//! Servers that behave and misbehave on purpose, for tests: loopback, port 0.

use crate::health::{HttpCheck, Monitor, MonitorKind, ProbeTarget};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a responder has seen.
#[derive(Default)]
pub(crate) struct Log {
    /// Connections accepted.
    pub(crate) connections: AtomicUsize,
    /// Request heads (and bodies that came with them).
    pub(crate) requests: Mutex<Vec<String>>,
}

impl Log {
    pub(crate) fn last_request(&self) -> String {
        self.requests.lock().unwrap().last().cloned().expect("a request came")
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Accepts connections for ever and hands each to `manner`.
pub(crate) async fn serve<F>(manner: impl Fn(TcpStream, Arc<Log>) -> F + Send + 'static) -> (u16, Arc<Log>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let log = Arc::new(Log::default());
    let shared = log.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(manner(stream, shared.clone()));
        }
    });
    (port, log)
}

/// Answers every request with `reply` and closes.
pub(crate) async fn says(reply: impl Into<Vec<u8>>) -> (u16, Arc<Log>) {
    let reply: Arc<[u8]> = reply.into().into();
    serve(move |stream, log| say(stream, log, reply.clone())).await
}

/// Reads a request, answers, closes properly.
pub(crate) async fn say(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: Arc<Log>, reply: Arc<[u8]>) {
    hear(&mut stream, &log).await;
    let _ = stream.write_all(&reply).await;
    let _ = stream.shutdown().await;
    // Unread bytes would turn the close into a reset.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Reads one request head and the body that its length announces.
pub(crate) async fn hear(stream: &mut (impl AsyncRead + Unpin), log: &Log) {
    let mut heard = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                log.requests.lock().unwrap().push(text);
                return;
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => heard.extend_from_slice(&piece[..length]),
        }
    }
}

/// An ordinary reply.
pub(crate) fn reply(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// An `http` check of this URL with nothing special.
pub(crate) fn check(url: &str) -> HttpCheck {
    HttpCheck {
        url: url.to_owned(),
        method: "GET".into(),
        headers: vec![],
        body: None,
        host: None,
        status: vec![(200, 299)],
        body_regex: None,
        json: None,
        max_latency_ms: None,
        version_at: None,
        verify: true,
        ca_pem: None,
        min_days: None,
        http2: false,
        redirects: 0,
    }
}

/// A target on loopback.
pub(crate) fn target(kind: MonitorKind, timeout: Duration) -> ProbeTarget {
    let monitor = Monitor {
        name: "test".into(),
        kind,
        interval_ms: 2000,
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap(),
        fall: 3,
        rise: 5,
        window: None,
        manual_resume: false,
    };
    ProbeTarget { address: IpAddr::V4(Ipv4Addr::LOCALHOST), monitor: Arc::new(monitor), expect_version: None }
}

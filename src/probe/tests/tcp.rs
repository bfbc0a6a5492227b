//! TCP probes.

use super::{HASTY, PATIENT, probe};
use crate::health::{MonitorKind, ProbeTarget};
use crate::probe::responder::{serve, target};
use std::future::pending;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn tcp(port: u16, send: Option<&str>, expect: Option<&str>, timeout: Duration) -> ProbeTarget {
    target(MonitorKind::Tcp { port, send: send.map(str::to_owned), expect: expect.map(str::to_owned) }, timeout)
}

/// Says `pieces` one by one after hearing anything at all, then hangs.
async fn redis(pieces: &'static [&'static str]) -> u16 {
    let manner = move |mut stream: tokio::net::TcpStream, _| async move {
        let _ = stream.read(&mut [0; 64]).await;
        for piece in pieces {
            let _ = stream.write_all(piece.as_bytes()).await;
            tokio::task::yield_now().await;
        }
        pending::<()>().await;
    };
    serve(manner).await.0
}

#[tokio::test]
async fn an_open_port_passes_and_a_closed_one_does_not() {
    let port = redis(&[]).await;
    assert_eq!(probe(&tcp(port, None, None, PATIENT)).await.failure, None);
    assert_eq!(probe(&tcp(port, None, Some(""), PATIENT)).await.failure, None);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap().port();
    drop(listener);
    let failure = probe(&tcp(closed, None, None, PATIENT)).await.failure.unwrap();
    assert_eq!(failure, format!("connection refused connecting to port {closed}"));
}

#[tokio::test]
async fn an_expected_word_may_come_in_pieces() {
    let port = redis(&["+PO", "NG\r\n"]).await;
    assert_eq!(probe(&tcp(port, Some("PING\r\n"), Some("+PONG"), PATIENT)).await.failure, None);
}

#[tokio::test]
async fn another_word_or_none_fails() {
    let port = redis(&["-LOADING\r\n"]).await;
    let failure = probe(&tcp(port, Some("PING\r\n"), Some("+PONG"), HASTY)).await.failure.unwrap();
    assert_eq!(failure, "timed out after 200 ms waiting for \"+PONG\"");

    let (port, _) = serve(|mut stream, _| async move {
        let _ = stream.write_all(b"-ERR go away\r\n").await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let failure = probe(&tcp(port, None, Some("+PONG"), PATIENT)).await.failure.unwrap();
    assert_eq!(failure, "said \"-ERR go away\\r\\n\", wanted \"+PONG\"");
}

#[tokio::test]
async fn a_flood_is_read_to_64_kib_and_no_further() {
    let (port, _) = serve(|mut stream, _| async move { while stream.write_all(&[b'x'; 4096]).await.is_ok() {} }).await;
    let failure = probe(&tcp(port, None, Some("needle"), PATIENT)).await.failure.unwrap();
    assert!(failure.starts_with("said \"xxx"), "{failure}");
}

//! gRPC probes against servers that misbehave; a real health server stands in the black-box tests.

use super::{HASTY, PATIENT, probe};
use crate::health::{GrpcCheck, MonitorKind, Trust};
use crate::probe::responder::{reply, serve, target};
use std::future::pending;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn failure_of(port: u16, tls: bool, timeout: Duration) -> String {
    let tls = tls.then_some(Trust { verify: false, ca_pem: None, min_days: None });
    let check = GrpcCheck { port, service: String::new(), host: None, tls };
    let outcome = probe(&target(MonitorKind::Grpc(Box::new(check)), timeout)).await;
    outcome.failure.expect("the probe fails")
}

#[tokio::test]
async fn a_port_where_nobody_listens_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert_eq!(failure_of(port, false, PATIENT).await, format!("connection refused connecting to port {port}"));
}

#[tokio::test]
async fn a_server_that_hangs_times_out() {
    let (port, _) = serve(|stream, _| async move {
        let _held = stream;
        pending::<()>().await;
    })
    .await;
    assert_eq!(failure_of(port, false, HASTY).await, "timed out after 200 ms waiting for the reply");
    assert_eq!(failure_of(port, true, HASTY).await, "timed out after 200 ms in the TLS handshake");
}

#[tokio::test]
async fn a_server_of_http_1_or_without_tls_is_told_apart() {
    let (port, _) = serve(|mut stream, _| async move {
        let _ = stream.write_all(&reply(400, "", "what?")).await;
        let _ = stream.shutdown().await;
        // Unread bytes would turn the close into a reset.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let failure = failure_of(port, false, PATIENT).await;
    assert!(failure.starts_with("HTTP failed") || failure.starts_with("connection"), "{failure}");
    assert_eq!(failure_of(port, true, PATIENT).await, "the server does not speak TLS on this port");
}

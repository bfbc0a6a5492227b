//! HTTP probes against servers that misbehave: bounded in time and memory, and said in words.

use super::{HASTY, PATIENT, failure_of, probe_http};
use crate::health::HttpCheck;
use crate::probe::responder::{check, hear, reply, says, serve};
use std::future::pending;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

fn at(port: u16) -> HttpCheck {
    check(&format!("http://{{address}}:{port}/"))
}

#[tokio::test]
async fn a_server_that_accepts_and_hangs_times_out() {
    let (port, _) = serve(|stream, _| async move {
        let _held = stream;
        pending::<()>().await;
    })
    .await;
    assert_eq!(failure_of(at(port), HASTY).await, "timed out after 200 ms waiting for the reply");
    let over_h2 = HttpCheck { http2: true, ..at(port) };
    assert_eq!(failure_of(over_h2, HASTY).await, "timed out after 200 ms waiting for the reply");
    let over_tls = HttpCheck { verify: false, ..check(&format!("https://{{address}}:{port}/")) };
    assert_eq!(failure_of(over_tls, HASTY).await, "timed out after 200 ms in the TLS handshake");
}

#[tokio::test]
async fn a_server_that_hangs_after_its_headers_times_out_reading() {
    let (port, _) = serve(|mut stream, log| async move {
        hear(&mut stream, &log).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
        pending::<()>().await;
    })
    .await;
    assert_eq!(failure_of(at(port), HASTY).await, "timed out after 200 ms reading the reply");
}

#[tokio::test]
async fn a_slow_drip_does_not_extend_the_time_limit() {
    let (port, _) = serve(|mut stream, log| async move {
        hear(&mut stream, &log).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(failure_of(at(port), HASTY).await, "timed out after 200 ms reading the reply");
}

#[tokio::test]
async fn a_reset_says_so() {
    let (port, _) = serve(|mut stream, log| async move {
        hear(&mut stream, &log).await;
        // Lingering for no time turns the close into a reset.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    assert_eq!(failure_of(at(port), PATIENT).await, "connection reset waiting for the reply");
}

#[tokio::test]
async fn closing_without_or_inside_a_reply_says_so() {
    let (port, _) = says("").await;
    assert_eq!(failure_of(at(port), PATIENT).await, "connection closed waiting for the reply");
    let (port, _) = says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    let failure = failure_of(at(port), PATIENT).await;
    assert!(failure.starts_with("connection closed "), "{failure}");
}

#[tokio::test]
async fn garbage_is_not_http() {
    let (port, _) = says("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
    let failure = failure_of(at(port), PATIENT).await;
    assert!(failure.starts_with("the reply is not HTTP: "), "{failure}");
    let over_tls = HttpCheck { verify: false, ..check(&format!("https://{{address}}:{port}/")) };
    let (port, _) = serve(|mut stream, _| async move {
        let _ = stream.write_all(b"220 smtp.example.test ready\r\n").await;
        pending::<()>().await;
    })
    .await;
    let over_tls = HttpCheck { url: format!("https://{{address}}:{port}/"), ..over_tls };
    assert_eq!(failure_of(over_tls, PATIENT).await, "the server does not speak TLS on this port");
}

#[tokio::test]
async fn http2_asked_of_a_server_that_does_not_speak_it_says_so() {
    let (port, _) = says("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await;
    let over_h2 = HttpCheck { http2: true, ..at(port) };
    let failure = failure_of(over_h2, PATIENT).await;
    assert_eq!(failure, "HTTP failed waiting for the reply: connection error detected: frame with invalid size");
}

#[tokio::test]
async fn an_endless_body_is_read_to_64_kib_and_no_further() {
    let (port, _) = serve(|mut stream, log| async move {
        hear(&mut stream, &log).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
        while stream.write_all(&chunk).await.is_ok() {}
    })
    .await;
    assert_eq!(probe_http(at(port), PATIENT).await.failure, None);
    let json = HttpCheck { json: Some(("/a".into(), "b".into())), ..at(port) };
    assert!(failure_of(json, PATIENT).await.contains("larger than 64 KiB"));
}

#[tokio::test]
async fn endless_headers_are_cut_off() {
    let (port, _) = serve(|mut stream, log| async move {
        hear(&mut stream, &log).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(format!("x: {}\r\n", "y".repeat(8000)).as_bytes()).await.is_ok() {}
    })
    .await;
    assert_eq!(failure_of(at(port), PATIENT).await, "the reply's headers are too large");
}

#[tokio::test]
async fn too_many_headers_are_cut_off() {
    let (port, _) = says(reply(200, &"x: y\r\n".repeat(5000), "")).await;
    assert_eq!(failure_of(at(port), PATIENT).await, "the reply's headers are too large");
}

#[tokio::test]
async fn interim_replies_without_end_time_out() {
    let (port, _) = serve(|mut stream, log| async move {
        hear(&mut stream, &log).await;
        while stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(failure_of(at(port), HASTY).await, "timed out after 200 ms waiting for the reply");
}

#[tokio::test]
async fn a_redirect_loop_ends_at_the_limit() {
    let (port, log) = says(reply(302, "location: /\r\n", "")).await;
    let follow = HttpCheck { redirects: 3, ..at(port) };
    assert_eq!(failure_of(follow, PATIENT).await, "more than 3 redirects");
    assert_eq!(log.connections(), 4);
}

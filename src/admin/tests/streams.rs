//! Server-sent events, and the end of the server.

use super::fake::{LIMIT, Running, start};
use crate::control::report::What;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

async fn subscribe(running: &Running, token: &str) -> Lines<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let request =
        format!("GET /v1/events HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\nLast-Event-ID: 4\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    until(&mut lines, "event: connected").await;
    assert!(until(&mut lines, "data: ").await.contains("\"last_seen\":4"));
    lines
}

/// The next line that begins like this.
async fn until(lines: &mut Lines<BufReader<TcpStream>>, start: &str) -> String {
    let search = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the stream goes on");
            if line.starts_with(start) {
                return line;
            }
        }
    };
    tokio::time::timeout(LIMIT, search).await.unwrap_or_else(|_| panic!("no line begins with {start}"))
}

fn tell(running: &Running, switch: &str) -> u64 {
    let what = What::Fallback { switch: switch.to_owned(), in_use: true };
    running.events.tell("2026-01-01T00:00:00Z".into(), what).id
}

#[tokio::test]
async fn happenings_arrive_with_their_number_and_kind() {
    let running = start().await;
    let mut lines = subscribe(&running, &running.viewer).await;
    assert_eq!(tell(&running, "model"), 5);
    until(&mut lines, "event: fallback").await;
    assert_eq!(until(&mut lines, "id: ").await, "id: 5");
    assert!(until(&mut lines, "data: ").await.contains("\"in_use\":true"));
}

#[tokio::test]
async fn a_scoped_reader_sees_its_switches_only() {
    let running = start().await;
    let mut lines = subscribe(&running, &running.scoped).await;
    tell(&running, "other");
    tell(&running, "model");
    assert_eq!(until(&mut lines, "id: ").await, "id: 6");
}

#[tokio::test]
async fn a_scoped_reader_is_told_its_part_of_a_change_to_several() {
    let running = start().await;
    let mut lines = subscribe(&running, &running.scoped).await;
    let mut everything = subscribe(&running, &running.viewer).await;
    let switches = vec!["other".to_owned(), "model".to_owned()];
    let what = What::Changed { verb: "flip".into(), who: "ci".into(), revision: 12, switches, reason: None };
    running.events.tell("2026-01-01T00:00:00Z".into(), what);
    let told = until(&mut lines, "data: ").await;
    assert!(told.contains("[\"model\"]") && !told.contains("other"), "{told}");
    let told = until(&mut everything, "data: ").await;
    assert!(told.contains("[\"other\",\"model\"]"), "{told}");
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let running = start().await;
    let mut lines = subscribe(&running, &running.viewer).await;
    tell(&running, "model");
    assert_eq!(until(&mut lines, "id: ").await, "id: 5");
    let id = running.viewer.split('_').nth(1).unwrap();
    let revoked = running.ask(&running.admin, &format!("DELETE /v1/tokens/{id}"), &[], "").await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    tell(&running, "model");
    let rest = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            assert!(!line.starts_with("id: "), "an event for a token that was revoked: {line}");
        }
    };
    tokio::time::timeout(LIMIT, rest).await.expect("the stream ends");
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_how_far() {
    let running = start().await;
    let mut lines = subscribe(&running, &running.viewer).await;
    // One thread runs this test: none of these is read before the last is sent.
    for _ in 0..3000 {
        tell(&running, "model");
    }
    until(&mut lines, "event: lagged").await;
    assert!(until(&mut lines, "data: ").await.contains("\"missed\":"));
    let id = until(&mut lines, "id: ").await;
    assert!(id.strip_prefix("id: ").unwrap().parse::<u64>().unwrap() > 5, "{id}");
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_what_it_missed() {
    let running = start().await;
    for switch in ["model", "other", "model"] {
        tell(&running, switch);
    }
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let token = &running.scoped;
    let request =
        format!("GET /v1/events HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\nLast-Event-ID: 5\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let greeting = until(&mut lines, "data: ").await;
    assert!(greeting.contains("\"replayed\":1") && greeting.contains("\"missed\":false"), "{greeting}");
    assert_eq!(until(&mut lines, "id: ").await, "id: 7");
    tell(&running, "model");
    assert_eq!(until(&mut lines, "id: ").await, "id: 8");
}

#[tokio::test]
async fn shutdown_ends_open_streams_and_returns() {
    let mut running = start().await;
    let mut lines = subscribe(&running, &running.viewer).await;
    running.stop();
    let drained = async { while lines.next_line().await.is_ok_and(|line| line.is_some()) {} };
    tokio::time::timeout(LIMIT, drained).await.expect("the stream ends");
    tokio::time::timeout(LIMIT, &mut running.served).await.expect("the server returns").unwrap();
}

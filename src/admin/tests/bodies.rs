//! Requests that are wrong, too large or too slow.

use super::fake::{LIMIT, start};
use crate::admin::incoming::BODY_LIMIT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn bad_json_is_422_with_the_place() {
    let running = start().await;
    for (body, field) in [
        ("{", None),
        ("", None),
        (r#"{"to":"green","forse":true}"#, Some("forse")),
        (r#"{"reason":"x"}"#, Some("to")),
        ("[]", None),
        ("\u{0}", None),
    ] {
        let reply = running.post("/v1/switches/model/flip", body).await;
        assert_eq!((reply.status, reply.header("content-type")), (422, Some("application/problem+json")), "{body}");
        assert_eq!(reply.json()["field"].as_str(), field, "{body}");
        assert!(reply.json()["line"].is_number());
    }
    assert!(running.commands().is_empty());
}

#[tokio::test]
async fn wrong_query_parameters_are_422() {
    let running = start().await;
    for (path, field) in [
        ("/v1/history?limt=3", "limt"),
        ("/v1/history?limit=0", "limit"),
        ("/v1/history?limit=501", "limit"),
        ("/v1/history?limit=x", "limit"),
        ("/v1/history?limit=3&before=-1", "before"),
        ("/v1/history?bogus=1", "bogus"),
        ("/v1/history?limit=1&limit=2", "limit"),
        ("/v1/explain", "owner"),
        ("/v1/explain?owner=a..b", "owner"),
        ("/v1/explain?owner=a.test&client=1.2.3.4/99", "client"),
    ] {
        let reply = running.ask(&running.viewer, &format!("GET {path}"), &[], "").await;
        assert_eq!((reply.status, reply.header("content-type")), (422, Some("application/problem+json")), "{path}");
        assert_eq!(reply.json()["field"].as_str(), Some(field), "{path}: {}", reply.text);
    }
}

#[tokio::test]
async fn names_and_texts_that_are_none_are_problems() {
    let running = start().await;
    let path = running.ask(&running.operator, "GET /v1/switches/%ff", &[], "").await;
    assert_eq!((path.status, path.header("content-type")), (422, Some("application/problem+json")), "{path:?}");
    let reason = running.post("/v1/switches/model/undo", r#"{"reason":"a\nforged line"}"#).await;
    assert_eq!((reason.status, reason.json()["field"].as_str()), (422, Some("reason")));
    let version = running.post("/v1/switches/model/expect-version", r#"{"pool":"green","version":"\u001b[2J"}"#).await;
    assert_eq!((version.status, version.json()["field"].as_str()), (422, Some("version")));
    assert!(running.commands().is_empty());
}

#[tokio::test]
async fn a_name_outside_every_zone_is_not_explained() {
    let running = start().await;
    assert_eq!(running.ask(&running.viewer, "GET /v1/explain?owner=model.example.test", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_body_past_the_limit_is_413_however_it_is_sent() {
    let running = start().await;
    let huge = format!(r#"{{"to":"{}"}}"#, "x".repeat(BODY_LIMIT));
    let reply = running.post("/v1/switches/model/flip", &huge).await;
    assert_eq!((reply.status, reply.json()["type"].as_str()), (413, Some("urn:tidegate:problem:body-too-large")));
    let chunked = format!(
        "POST /v1/switches/model/flip HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{huge}\r\n0\r\n\r\n",
        running.operator,
        huge.len()
    );
    assert_eq!(running.raw(chunked.as_bytes()).await.status, 413);
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_problems_too() {
    let running = start().await;
    for (line, status) in [
        // The page itself is at `/`; other paths beside it are problems.
        ("GET /index.html", 404),
        ("GET /dashboard/nothing.js", 404),
        ("POST /", 405),
        ("GET /v1", 404),
        ("GET /v1/nothing", 404),
        ("GET /v1/switches/model/flip", 405),
        ("POST /v1/status", 405),
        ("PUT /metrics", 405),
    ] {
        let reply = running.ask(&running.admin, line, &[], "").await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (status, Some("application/problem+json")),
            "{line}: {reply:?}"
        );
        assert_eq!(reply.header("allow").is_some(), status == 405, "{line}");
    }
}

#[tokio::test]
async fn hostile_heads_are_refused_and_the_server_lives() {
    let running = start().await;
    let many: String = (0..200).map(|index| format!("X-{index}: 1\r\n")).collect();
    for head in [
        format!("GET /healthz HTTP/1.1\r\nHost: t\r\n{many}\r\n"),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)),
        "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(),
    ] {
        let reply = running.raw(head.as_bytes()).await;
        assert!((400..500).contains(&reply.status) || reply.status == 0, "{reply:?}");
    }
    assert_eq!(running.ask("", "GET /healthz", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_slow_body_and_a_slow_head_are_cut_off() {
    let running = start().await;
    let slow = |text: String| async move {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut reply = String::new();
        tokio::time::timeout(LIMIT, stream.read_to_string(&mut reply)).await.expect("cut off").unwrap();
        reply
    };
    let body = format!(
        "POST /v1/switches/model/undo HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: 10\r\n\r\n{{",
        running.operator
    );
    let (slow_body, slow_head) = tokio::join!(slow(body), slow("GET /healthz HTT".to_owned()));
    assert!(slow_body.starts_with("HTTP/1.1 408"), "{slow_body}");
    assert!(slow_head.is_empty() || slow_head.starts_with("HTTP/1.1 408"), "{slow_head}");
}

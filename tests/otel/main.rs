//! Traces of admin requests at a collector of the test's own (feature `otel`): real OTLP over HTTP from a real server.

// Tests bound what they wait for by their own clock.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs, unreachable_pub)]

#[allow(dead_code)] // shared with `it`, which uses the rest
#[path = "../it/harness.rs"]
mod harness;
mod otlp;

use harness::{Server, UNWATCHED, eventually, own_address};
use otlp::{Collector, Span};
use serde_json::json;

/// The caller's trace and span, as W3C Trace Context writes them.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A server that sends traces there; it hands a batch over after this many milliseconds, or at its end.
async fn serving(collector: &str, delay_ms: &str) -> Server {
    let mut server = Server::prepare(&[("example.test.toml", UNWATCHED)], &[]);
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
        ("OTEL_BSP_SCHEDULE_DELAY", delay_ms),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"),
    ] {
        server.environment.push((name.to_owned(), value.to_owned()));
    }
    server.spawn();
    server.ready().await;
    server
}

fn span<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_a_span_below_its_caller_and_the_end_of_the_server_sends_what_is_left() {
    let collector = Collector::start();
    // Ten minutes: within this test only the end of the server sends.
    let mut server = serving(&collector.url, "600000").await;
    let body = json!({ "to": "green", "force": true, "reason": "a release" });
    let headers = [("traceparent", PARENT), ("X-Request-Id", "deploy-2041")];
    let (status, reply) = server.api_with("POST", "/v1/switches/model/flip", Some(body), &headers).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(server.api("GET", "/v1/switches/nobody", None).await.0, 404);
    assert!(collector.batches().is_empty(), "nothing is due yet");
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    let batches = collector.batches();
    let resource = &batches.first().expect("a batch").resource;
    assert_eq!(resource["service.name"], "tidegate");
    assert_eq!(resource["deployment.environment"], "test");
    let spans = collector.spans();
    let flip = span(&spans, "POST /v1/switches/{switch}/flip");
    assert_eq!(flip.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(flip.parent_span_id, "b7ad6b7169203331");
    assert_eq!((flip.kind, flip.attributes["http.response.status_code"].as_str()), (2, "200"), "kind 2 is a server");
    assert_eq!(flip.attributes["tidegate.request_id"], "deploy-2041");
    assert_eq!(flip.attributes["url.path"], "/v1/switches/model/flip");
    let other = span(&spans, "GET /v1/switches/{switch}");
    assert_eq!(other.attributes["http.response.status_code"], "404");
    assert!(other.parent_span_id.is_empty() && other.trace_id != flip.trace_id, "a trace of its own: {other:?}");
    assert!(!server.log().contains("otel.name"), "spans are no lines of the log: {}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_come_by_themselves() {
    let collector = Collector::start();
    let server = serving(&collector.url, "100").await;
    assert_eq!(server.api("GET", "/v1/status", None).await.0, 200);
    eventually("the span", || async {
        collector.spans().iter().any(|span| span.name == "GET /v1/status").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_holds_up_neither_requests_nor_the_end() {
    // Nobody listens there.
    let mut server = serving(&format!("http://{}:4318", own_address()), "100").await;
    for _ in 0..20 {
        assert_eq!(server.api("GET", "/v1/status", None).await.0, 200);
    }
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
}

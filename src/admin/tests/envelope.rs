//! What every exchange has: an id, a problem with its place, no caching, no other origins.

use super::fake::start;

#[tokio::test]
async fn every_reply_carries_an_id_and_may_not_be_cached() {
    let running = start().await;
    let given = running.ask(&running.viewer, "GET /v1/status", &["X-Request-Id: ci-7"], "").await;
    assert_eq!(
        (given.status, given.header("x-request-id"), given.header("cache-control")),
        (200, Some("ci-7"), Some("no-store"))
    );
    for (line, status) in
        [("GET /nowhere", 404), ("GET /v1/nowhere", 404), ("PATCH /v1/status", 405), ("DELETE /healthz", 405)]
    {
        let reply = running.ask(&running.viewer, line, &["X-Request-Id: ci-8"], "").await;
        assert_eq!((reply.status, &reply.json()["request_id"]), (status, &"ci-8".into()), "{line}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{line}");
        assert_eq!(reply.header("allow").is_some(), status == 405, "{line}: {}", reply.head);
    }
    let made = running.ask("", "GET /healthz", &[], "").await;
    assert_eq!(made.header("x-request-id").map(str::len), Some(16));
}

#[tokio::test]
async fn a_change_is_asked_for_with_the_id_of_its_request() {
    let running = start().await;
    let headers = ["X-Request-Id: deploy-1", "Content-Type: application/json"];
    let reply = running.ask(&running.operator, "POST /v1/switches/model/undo", &headers, "{}").await;
    assert_eq!((reply.status, running.last().caller.request_id.as_str()), (200, "deploy-1"), "{}", reply.text);
}

#[tokio::test]
async fn types_are_negotiated_and_faults_have_a_place() {
    let running = start().await;
    let line = "POST /v1/switches/model/flip";
    let status =
        |headers: &'static [&'static str], body: &'static str| running.ask(&running.operator, line, headers, body);
    assert_eq!(status(&["Accept: text/html"], "{}").await.status, 406);
    assert_eq!(status(&["Content-Type: text/plain"], "{}").await.status, 415);
    assert_eq!(status(&["Content-Type: application/merge-patch+json"], r#"{"to":"green"}"#).await.status, 200);
    let wrong = status(&[], r#"{"to":7}"#).await;
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["pointer"]), (422, &"/to".into()));
    let stale = status(&["If-Match: soon"], r#"{"to":"green"}"#).await;
    assert_eq!((stale.status, &stale.json()["errors"][0]["header"]), (422, &"If-Match".into()));
}

#[tokio::test]
async fn other_origins_get_no_permission() {
    let running = start().await;
    let headers = ["Origin: https://elsewhere.test", "Access-Control-Request-Method: POST"];
    for line in ["OPTIONS /v1/flip", "GET /v1/status", "GET /v1/openapi.json"] {
        let reply = running.ask("", line, &headers, "").await;
        assert!(!reply.head.to_ascii_lowercase().contains("access-control-"), "{}", reply.head);
        assert_eq!(reply.status == 200, line.ends_with("openapi.json"), "{line}: {}", reply.status);
    }
}

#[tokio::test]
async fn a_look_at_the_head_has_no_body() {
    let running = start().await;
    let reply = running.ask(&running.viewer, "HEAD /v1/switches", &[], "").await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    assert!(reply.header("etag").is_some());
}

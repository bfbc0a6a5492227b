//! Who gets in, and how far.

use super::fake::start;
use crate::admin::auth::Role;
use crate::admin::throttle::WRONG_TOKENS;
use crate::admin::tokens::{FIRST_TOKEN_FILE, bootstrap, mint};

/// Every route under /v1, with a method it takes.
const ROUTES: [&str; 21] = [
    "GET /v1/status",
    "GET /v1/switches",
    "GET /v1/switches/model",
    "POST /v1/switches/model/flip",
    "POST /v1/switches/model/set-weights",
    "POST /v1/switches/model/undo",
    "POST /v1/switches/model/prepare",
    "POST /v1/switches/model/reset",
    "POST /v1/switches/model/overrides",
    "POST /v1/switches/model/expect-version",
    "GET /v1/switches/model/drain/green",
    "POST /v1/flip",
    "GET /v1/explain?owner=model.example.test",
    "GET /v1/history",
    "GET /v1/events",
    "POST /v1/reload",
    "POST /v1/backup",
    "POST /v1/accept-copy",
    "GET /v1/tokens",
    "POST /v1/tokens",
    "DELETE /v1/tokens/x",
];

#[tokio::test]
async fn nothing_under_v1_is_open_without_a_token() {
    let running = start().await;
    for route in ROUTES.into_iter().chain(["GET /v1/nothing-here"]) {
        let reply = running.ask("", route, &[], "").await;
        let expected = if running.memory.lock().unwrap().asked.is_empty() {
            [401, 429]
        } else {
            panic!("{route} changed something")
        };
        assert!(expected.contains(&reply.status), "{route}: {reply:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_repeated_ones_are_told_to_wait_while_good_tokens_pass() {
    let running = start().await;
    let first = running.ask("", "GET /v1/status", &[], "").await;
    assert_eq!((first.status, first.header("content-type")), (401, Some("application/problem+json")));
    assert!(first.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
    assert_eq!(first.json()["type"], "urn:tidegate:problem:token-missing");
    for _ in 0..WRONG_TOKENS {
        running.ask("tg_00_00", "GET /v1/status", &[], "").await;
    }
    let throttled = running.ask("tg_00_00", "GET /v1/status", &[], "").await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("60")));
    assert_eq!(running.ask(&running.viewer, "GET /v1/status", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_viewer_looks_and_changes_nothing() {
    let running = start().await;
    assert_eq!(running.ask(&running.viewer, "GET /v1/switches", &[], "").await.status, 200);
    let reply = running.ask(&running.viewer, "POST /v1/switches/model/flip", &[], r#"{"to":"green"}"#).await;
    assert_eq!((reply.status, reply.json()["needed_role"].as_str()), (403, Some("operator")));
    let several = running.ask(&running.viewer, "POST /v1/flip", &[], r#"{"switches":[]}"#).await;
    assert_eq!(several.status, 403);
    assert!(running.commands().is_empty());
}

#[tokio::test]
async fn operators_do_not_manage_tokens_or_backups() {
    let running = start().await;
    for route in
        ["GET /v1/tokens", "POST /v1/tokens", "DELETE /v1/tokens/wall", "POST /v1/backup", "POST /v1/accept-copy"]
    {
        let reply = running.ask(&running.operator, route, &[], "{}").await;
        assert_eq!((reply.status, reply.json()["needed_role"].as_str()), (403, Some("admin")), "{route}");
    }
}

#[tokio::test]
async fn a_scoped_token_sees_and_changes_its_switch_only() {
    let running = start().await;
    let list = running.ask(&running.scoped, "GET /v1/switches", &[], "").await.json();
    assert_eq!(list["switches"].as_array().map(Vec::len), Some(1));
    assert_eq!(running.ask(&running.scoped, "POST /v1/switches/model/undo", &[], "").await.status, 200);
    let other = running.ask(&running.scoped, "POST /v1/switches/other/undo", &[], "").await;
    assert_eq!((other.status, other.json()["type"].as_str()), (403, Some("urn:tidegate:problem:out-of-scope")));
    let both = r#"{"switches":[{"switch":"model","to":"green"},{"switch":"other","to":"green"}]}"#;
    assert_eq!(running.ask(&running.scoped, "POST /v1/flip", &[], both).await.status, 403);
    assert_eq!(running.ask(&running.scoped, "POST /v1/reload", &[], "").await.status, 403);
    assert_eq!(running.commands().len(), 1);
}

#[tokio::test]
async fn tokens_are_made_used_listed_without_secrets_and_revoked() {
    let running = start().await;
    let body = r#"{"name":"ci","role":"operator","switches":["model"],"expires_in":"90d"}"#;
    let made = running.ask(&running.admin, "POST /v1/tokens", &[], body).await;
    assert_eq!(made.status, 201);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(running.ask(&token, "POST /v1/switches/model/undo", &[], "").await.status, 200);
    assert_eq!(running.ask(&running.admin, "POST /v1/tokens", &[], body).await.status, 409, "names are unique");
    let list = running.ask(&running.admin, "GET /v1/tokens", &[], "").await.text;
    let secret = token.rsplit('_').next().unwrap();
    assert!(list.contains("\"ci\"") && !list.contains(secret) && !list.contains("hash"), "{list}");
    assert_eq!(running.ask(&running.admin, "DELETE /v1/tokens/ci", &[], "").await.status, 200);
    assert_eq!(running.ask(&token, "GET /v1/status", &[], "").await.status, 401);
    assert_eq!(running.ask(&running.admin, "DELETE /v1/tokens/ci", &[], "").await.status, 404);
    let unknown = running
        .ask(&running.admin, "POST /v1/tokens", &[], r#"{"name":"x","role":"viewer","switches":["nope"]}"#)
        .await;
    assert_eq!((unknown.status, unknown.json()["field"].as_str()), (422, Some("switches")));
}

#[tokio::test]
async fn the_last_admin_token_stays() {
    let running = start().await;
    assert_eq!(running.ask(&running.admin, "DELETE /v1/tokens/root", &[], "").await.status, 409);
    assert_eq!(running.ask(&running.admin, "GET /v1/tokens", &[], "").await.status, 200);
}

#[tokio::test]
async fn an_admin_token_that_has_expired_is_none() {
    let running = start().await;
    let expired = |name: &str| {
        let (row, _) = mint(name, Role::Admin, Vec::new(), Some(1));
        crate::store::TokenRow { created_unix_ms: 1, expires_unix_ms: Some(2), ..row }
    };
    running.memory.lock().unwrap().tokens.push(expired("old"));
    let last = running.ask(&running.admin, "DELETE /v1/tokens/root", &[], "").await;
    assert_eq!((last.status, last.json()["guard"].as_str()), (409, Some("last-admin")));
    assert_eq!(running.ask(&running.admin, "DELETE /v1/tokens/old", &[], "").await.status, 200);
    let body = r#"{"name":"never","role":"viewer","expires_in":"0s"}"#;
    let never = running.ask(&running.admin, "POST /v1/tokens", &[], body).await;
    assert_eq!((never.status, never.json()["field"].as_str()), (422, Some("expires_in")));
    // A start makes a new first token where all have expired, under a name of its own, and none otherwise.
    let state = std::env::temp_dir().join(format!("tidegate-first-token-{}", std::process::id()));
    std::fs::create_dir_all(&state).unwrap();
    let file = state.join(FIRST_TOKEN_FILE);
    std::fs::write(&file, "tg_of_long_ago").unwrap();
    assert_eq!(bootstrap(&running.handle, &state).await.unwrap(), None);
    running.memory.lock().unwrap().tokens = vec![expired("first"), expired("x")];
    assert_eq!(bootstrap(&running.handle, &state).await.unwrap().as_ref(), Some(&file));
    let (made, written) = {
        let memory = running.memory.lock().unwrap();
        (memory.tokens.last().unwrap().clone(), std::fs::read_to_string(&file).unwrap())
    };
    assert_eq!((made.name.as_str(), made.role.as_str(), made.expires_unix_ms), ("first-2", "admin", None));
    assert!(written.starts_with(&format!("tg_{}_", made.id)));
    assert_eq!(bootstrap(&running.handle, &state).await.unwrap(), None);
    std::fs::remove_dir_all(&state).unwrap();
}

#[tokio::test]
async fn on_loopback_metrics_and_health_need_no_token() {
    let running = start().await;
    let text = running.ask("", "GET /metrics", &[], "").await;
    assert_eq!((text.status, text.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let open = running.ask("", "GET /metrics", &["Accept: application/openmetrics-text; version=1.0.0"], "").await;
    assert!(open.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    assert_eq!(running.ask("", "GET /healthz", &[], "").await.status, 200);
    assert_eq!(running.ask("", "GET /readyz", &[], "").await.status, 503, "no snapshot is published");
}

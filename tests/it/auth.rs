//! Who may do what over HTTP, and how requests that are not right are turned away (§7.1).

use crate::harness::{Server, UNWATCHED, eventually, http};
use crate::pair::{CALM, Pair, accepted, refused};
use crate::switches::token;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// A request with this `Authorization` header, or none.
async fn ask(
    server: &Server,
    authorization: Option<&str>,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let mut request = http().request(method.parse().unwrap(), format!("http://{}{path}", server.admin));
    if let Some(text) = authorization {
        request = request.header("Authorization", text);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let reply = request.send().await.expect("a reply");
    let (status, kind) = (reply.status().as_u16(), reply.headers().get("content-type").cloned());
    if status >= 400 {
        assert_eq!(kind.expect("a content type"), "application/problem+json");
    }
    (status, reply.json().await.unwrap_or(Value::Null))
}

/// As [`ask`] with a bearer token.
pub async fn with(server: &Server, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    ask(server, Some(&format!("Bearer {token}")), method, path, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_under_v1_is_shown_or_changed_without_a_good_token() {
    let pair = Pair::start().await;
    let good = pair.server.token();
    let (public, _) = good.rsplit_once('_').unwrap();
    let forged = format!("Bearer {public}_{}", "0".repeat(48));
    let paths = [
        ("GET", "/v1/status"),
        ("GET", "/v1/switches"),
        ("GET", "/v1/history"),
        ("GET", "/v1/updates"),
        ("GET", "/v1/tokens"),
        ("GET", "/v1/events"),
        ("GET", "/v1/nothing-here"),
        ("POST", "/v1/switches/model/flip"),
        ("POST", "/v1/reload"),
        ("POST", "/v1/tokens"),
        ("DELETE", "/v1/tokens/first"),
    ];
    for (method, path) in paths {
        refused(ask(&pair.server, None, method, path, None).await, 401, "token-missing");
    }
    refused(ask(&pair.server, Some("Basic Zmlyc3Q6"), "GET", "/v1/status", None).await, 401, "token-missing");
    refused(ask(&pair.server, Some("Bearer tg_"), "GET", "/v1/status", None).await, 401, "token-malformed");
    refused(
        ask(&pair.server, Some(&forged), "POST", "/v1/switches/model/flip", Some(json!({ "to": "green" }))).await,
        401,
        "token-wrong",
    );
    refused(ask(&pair.server, Some("Bearer tg_ffffffffff_00"), "GET", "/v1/status", None).await, 401, "token-wrong");
    let reply = http().get(format!("http://{}/v1/status", pair.server.admin)).send().await.unwrap();
    assert!(reply.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    assert_eq!(reply.headers()["cache-control"], "no-store");
    assert!(pair.answers(&pair.blue));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_is_slowed_and_a_good_token_never_is() {
    let pair = Pair::start().await;
    let mut last = (0, Value::Null);
    for _ in 0..25 {
        last = with(&pair.server, "tg_aaaaaaaaaa_bb", "GET", "/v1/status", None).await;
    }
    refused(last, 429, "too-many-wrong-tokens");
    accepted(pair.server.api("GET", "/v1/status", None).await);
    pair.flip("green").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_token_is_in_a_file_that_only_its_owner_reads_and_in_no_log() {
    let mut server = Server::start(&[("example.test.toml", UNWATCHED)]).await;
    let file = server.state().join("admin-token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        std::fs::metadata(server.state()).unwrap().permissions().mode() & 0o077,
        0,
        "the state folder is its owner's"
    );
    let first = server.token();
    let secret = first.rsplit_once('_').unwrap().1.to_owned();
    assert_eq!(secret.len(), 48);
    let second = token(&server, "second", "admin", &[]).await;
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    assert_eq!(server.token(), first, "a second start makes no second first token");
    accepted(with(&server, &second, "GET", "/v1/tokens", None).await);
    assert!(!server.log().contains(&secret) && server.log().contains("admin-token"));
    for entry in std::fs::read_dir(server.state()).unwrap() {
        let path = entry.unwrap().path();
        if path != file && path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(
                !bytes.windows(secret.len()).any(|piece| piece == secret.as_bytes()),
                "{} holds the secret",
                path.display()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_allow_what_they_say_and_refusals_name_the_role_needed() {
    let pair = Pair::start().await;
    let server = &pair.server;
    let viewer = token(server, "screen", "viewer", &[]).await;
    let operator = token(server, "oncall", "operator", &[]).await;
    let member = token(server, "gpu-7", "member", &[]).await;
    for path in [
        "/v1/status",
        "/v1/switches",
        "/v1/switches/model",
        "/v1/history",
        "/v1/updates",
        "/v1/switches/model/drain/blue",
        "/v1/explain?owner=model.example.test",
    ] {
        for looking in [&viewer, &operator] {
            accepted(with(server, looking, "GET", path, None).await);
        }
        refused(with(server, &member, "GET", path, None).await, 403, "wrong-role");
    }
    for verb in ["flip", "set-weights", "undo", "prepare", "reset", "overrides", "expect-version"] {
        let reply =
            with(server, &viewer, "POST", &format!("/v1/switches/model/{verb}"), Some(json!({ "to": "green" }))).await;
        assert_eq!(reply.1["needed_role"], "operator", "{verb}");
        let detail = refused(reply, 403, "wrong-role");
        assert!(detail.contains("operator") && detail.contains("viewer"), "{detail}");
    }
    refused(with(server, &viewer, "POST", "/v1/flip", Some(json!({ "switches": [] }))).await, 403, "wrong-role");
    refused(with(server, &viewer, "POST", "/v1/reload", None).await, 403, "wrong-role");
    refused(
        with(server, &member, "POST", "/v1/switches/model/flip", Some(json!({ "to": "green" }))).await,
        403,
        "wrong-role",
    );
    for (method, path) in [
        ("GET", "/v1/tokens"),
        ("POST", "/v1/tokens"),
        ("DELETE", "/v1/tokens/screen"),
        ("POST", "/v1/backup"),
        ("POST", "/v1/accept-copy"),
    ] {
        let body = (method == "POST").then(|| json!({}));
        let reply = with(server, &operator, method, path, body).await;
        assert_eq!(reply.1["needed_role"], "admin", "{path}");
        refused(reply, 403, "wrong-role");
    }
    accepted(with(server, &operator, "POST", "/v1/switches/model/flip", Some(json!({ "to": "green" }))).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_limited_to_switches_reaches_no_others() {
    let zone = UNWATCHED.replace("192.0.2.10", "192.0.2.11")
        + &UNWATCHED
            .split_once("[switch.model]")
            .unwrap()
            .1
            .replace("model", "other")
            .replace("owners", "[switch.other]\nowners");
    let server = Server::start(&[("example.test.toml", &zone)]).await;
    let model = token(&server, "model-team", "admin", &["model"]).await;
    let force = json!({ "to": "green", "force": true, "reason": "no monitors here" });
    let list = accepted(with(&server, &model, "GET", "/v1/switches", None).await);
    assert_eq!(list["switches"].as_array().unwrap().len(), 1);
    let status = accepted(with(&server, &model, "GET", "/v1/status", None).await);
    assert_eq!(status["switches"].as_array().unwrap().len(), 1);
    for switch in ["model", "other"] {
        let down = json!({ "pool": "blue", "hold": "force-down", "for": "1h", "force": true, "reason": "test" });
        accepted(server.api("POST", &format!("/v1/switches/{switch}/overrides"), Some(down)).await);
    }
    let alarms =
        |status: &Value| status["alarms"].as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = alarms(&accepted(server.api("GET", "/v1/status", None).await));
    let own = alarms(&accepted(with(&server, &model, "GET", "/v1/status", None).await));
    let about = |alarms: &[String], switch: &str| alarms.iter().filter(|alarm| alarm.contains(switch)).count();
    assert!(about(&all, "switch other") > 0 && about(&all, "switch model") > 0, "{all:?}");
    assert!(about(&own, "other") == 0 && about(&own, "switch model") == about(&all, "switch model"), "{own:?}");
    for (method, path, body) in [
        ("GET", "/v1/switches/other", None),
        ("GET", "/v1/switches/nowhere", None),
        ("GET", "/v1/switches/other/drain/blue", None),
        ("GET", "/v1/history?switch=other", None),
        ("GET", "/v1/updates", None),
        ("GET", "/v1/explain?owner=other.example.test", None),
        ("POST", "/v1/switches/other/flip", Some(force.clone())),
        (
            "POST",
            "/v1/flip",
            Some(
                json!({ "switches": [{ "switch": "model", "to": "green" }, { "switch": "other", "to": "green" }], "force": true, "reason": "r" }),
            ),
        ),
        ("POST", "/v1/reload", None),
        ("GET", "/v1/tokens", None),
        ("POST", "/v1/backup", Some(json!({ "to": "/tmp/never-written" }))),
    ] {
        refused(with(&server, &model, method, path, body).await, 403, "out-of-scope");
    }
    accepted(with(&server, &model, "POST", "/v1/switches/model/flip", Some(force.clone())).await);
    accepted(server.api("POST", "/v1/switches/other/flip", Some(force)).await);
    let rows = accepted(with(&server, &model, "GET", "/v1/history", None).await);
    assert!(rows["rows"].as_array().unwrap().iter().all(|row| row["switch"] == "model"), "{rows}");
    refused(
        server.api("POST", "/v1/tokens", Some(json!({ "name": "x", "role": "viewer", "switches": ["none"] }))).await,
        422,
        "invalid-request",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_and_revoked_tokens_let_nobody_in_and_the_last_admin_stays() {
    let mut server = Server::start(&[("example.test.toml", UNWATCHED)]).await;
    let body = json!({ "name": "brief", "role": "viewer", "expires_in": "1s" });
    let (status, made) = server.api("POST", "/v1/tokens", Some(body)).await;
    assert_eq!(status, 201);
    let brief = made["token"].as_str().unwrap().to_owned();
    let seen = eventually("the token expires", || async {
        let reply = with(&server, &brief, "GET", "/v1/status", None).await;
        (reply.0 == 401).then_some(reply)
    })
    .await;
    let detail = refused(seen, 401, "token-expired");
    assert!(detail.contains("token create"), "{detail}");
    let leaver = token(&server, "leaver", "admin", &[]).await;
    accepted(with(&server, &leaver, "GET", "/v1/status", None).await);
    refused(
        server.api("POST", "/v1/tokens", Some(json!({ "name": "leaver", "role": "viewer" }))).await,
        409,
        "name-taken",
    );
    accepted(server.api("DELETE", "/v1/tokens/leaver", None).await);
    refused(with(&server, &leaver, "GET", "/v1/status", None).await, 401, "token-wrong");
    refused(server.api("DELETE", "/v1/tokens/leaver", None).await, 404, "unknown-token");
    refused(server.api("DELETE", "/v1/tokens/first", None).await, 409, "last-admin");
    server.kill9();
    server.restart().await;
    refused(with(&server, &leaver, "GET", "/v1/status", None).await, 401, "token-wrong");
    refused(with(&server, &brief, "GET", "/v1/status", None).await, 401, "token-expired");
    let listed = accepted(server.api("GET", "/v1/tokens", None).await);
    let brief = listed["tokens"].as_array().unwrap().iter().find(|token| token["name"] == "brief");
    assert!(!listed.to_string().contains("hash") && brief.is_some_and(|token| token["expired"] == true), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_ask_for_metrics_and_health_without_a_token_on_loopback() {
    let pair = Pair::start().await;
    pair.answer();
    let fetch = |path: &str, accept: &str| {
        http().get(format!("http://{}{path}", pair.server.admin)).header("Accept", accept).send()
    };
    for path in ["/healthz", "/readyz"] {
        assert_eq!(fetch(path, "*/*").await.unwrap().status(), 200);
    }
    let plain = fetch("/metrics", "*/*").await.unwrap();
    assert!(plain.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let plain = plain.text().await.unwrap();
    let open = fetch("/metrics", "application/openmetrics-text; version=1.0.0").await.unwrap();
    assert!(open.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let open = open.text().await.unwrap();
    assert!(open.trim_end().ends_with("# EOF") && !plain.contains("# EOF"));
    for text in [&plain, &open] {
        assert!(text.contains("switch=\"model\"") && text.contains("pool=\"blue\""), "{text}");
    }
    refused(ask(&pair.server, None, "GET", "/index.html", None).await, 404, "no-such-path");
    refused(ask(&pair.server, None, "POST", "/metrics", None).await, 405, "wrong-method");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_not_right_are_named_and_change_nothing() {
    let pair = Pair::start().await;
    let url = format!("http://{}/v1/switches/model/flip", pair.server.admin);
    let post = |body: Vec<u8>| {
        let request = http().post(&url).bearer_auth(pair.server.token()).body(body);
        async move {
            let reply = request.send().await.expect("a reply");
            assert_eq!(
                reply.headers()["content-type"],
                if reply.status() == 200 { "application/json" } else { "application/problem+json" }
            );
            (reply.status().as_u16(), reply.json::<Value>().await.expect("JSON"))
        }
    };
    let unknown = post(br#"{"to":"green","forse":true}"#.to_vec()).await;
    assert_eq!(unknown.1["field"], "forse");
    refused(unknown, 422, "invalid-request");
    let missing = post(b"{}".to_vec()).await;
    assert_eq!(missing.1["field"], "to");
    refused(missing, 422, "invalid-request");
    for broken in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"\"green\"",
        br#"{"to":1}"#,
        br#"{"to":"green"} trailing"#,
        b"\xff\xfe",
        br#"{"to":"green","to":"blue"}"#,
    ] {
        let (status, body) = post(broken.to_vec()).await;
        assert!(status == 400 || status == 422, "{}: {status} {body}", String::from_utf8_lossy(broken));
    }
    let deep = [vec![b'['; 30_000], vec![b']'; 30_000]].concat();
    refused(post(deep).await, 422, "invalid-request");
    let large = format!("{{\"to\":\"green\",\"reason\":\"{}\"}}", "x".repeat(70_000));
    refused(post(large.into_bytes()).await, 413, "body-too-large");
    // The same without a length: the body comes in pieces.
    let pieces = (0..100).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024]));
    let endless = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let reply = http().post(&url).bearer_auth(pair.server.token()).body(endless).send().await.unwrap();
    assert_eq!(reply.status(), 413);
    refused(pair.server.api("GET", "/v1/history?limit=0", None).await, 422, "invalid-request");
    refused(pair.server.api("GET", "/v1/history?limits=5", None).await, 422, "invalid-request");
    refused(pair.server.api("GET", "/v1/explain?client=192.0.2.1", None).await, 422, "invalid-request");
    refused(
        pair.server.api("PUT", "/v1/switches/model/flip", Some(json!({ "to": "green" }))).await,
        405,
        "wrong-method",
    );
    assert!(pair.answers(&pair.blue));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_odd_clients_are_cut_off_while_others_are_served() {
    let pair = Pair::with("min_interval = \"0s\"", CALM).await;
    let admin = pair.server.admin;
    let begun = Instant::now();
    let slow: Vec<_> = [&b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: "[..], b"", b"G"]
        .into_iter()
        .map(|start| {
            let start = start.to_vec();
            tokio::task::spawn_blocking(move || {
                let mut stream = TcpStream::connect(admin).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
                stream.write_all(&start).unwrap();
                let mut reply = Vec::new();
                stream.read_to_end(&mut reply).map(|_| String::from_utf8_lossy(&reply).into_owned())
            })
        })
        .collect();
    let odd = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
        let _ = stream.write_all(&[b"GET / HTTP/1.1\r\n".to_vec(), vec![b'a'; 200_000]].concat());
        let mut reply = Vec::new();
        // Cut off with a reset is as good as an answer.
        let _ = stream.read_to_end(&mut reply);
    });
    let stalled = tokio::task::spawn_blocking({
        let token = pair.server.token();
        move || {
            let mut stream = TcpStream::connect(admin).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
            let head =
                "POST /v1/switches/model/flip HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nAuthorization: Bearer";
            stream.write_all(format!("{head} {token}\r\n\r\n{{\"to\":\"blue\"").as_bytes()).unwrap();
            let mut reply = [0; 4096];
            let len = stream.read(&mut reply).expect("an answer within the limit");
            String::from_utf8_lossy(&reply[..len]).into_owned()
        }
    });
    pair.flip("green").await;
    let reply = stalled.await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 408") && reply.contains("body-too-slow"), "{reply}");
    for client in slow {
        let reply = client.await.unwrap().expect("closed by the server within the limit");
        assert!(!reply.contains("200 OK"), "{reply}");
    }
    odd.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(24));
    pair.flip("blue").await;
}

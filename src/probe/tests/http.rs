//! HTTP probes against servers that behave.

use super::{PATIENT, failure_of, probe, probe_http};
use crate::health::{HttpCheck, MonitorKind};
use crate::probe::responder::{check, hear, reply, says, serve, target};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

fn at(port: u16, path: &str) -> HttpCheck {
    check(&format!("http://{{address}}:{port}{path}"))
}

#[tokio::test]
async fn a_good_reply_passes_with_its_latency() {
    let (port, log) = says(reply(200, "", "ok")).await;
    let outcome = probe_http(at(port, "/health?deep=1"), PATIENT).await;
    assert_eq!(outcome.failure, None);
    assert!(outcome.latency_us > 0);
    let request = log.last_request().to_lowercase();
    assert!(request.starts_with("get /health?deep=1 http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{request}");
    assert!(request.contains("connection: close\r\n"), "{request}");
}

#[tokio::test]
async fn host_is_apart_from_the_address() {
    let (port, log) = says(reply(200, "", "ok")).await;
    let named = HttpCheck { host: Some("app.example.test".into()), ..at(port, "/") };
    assert_eq!(probe_http(named, PATIENT).await.failure, None);
    assert!(log.last_request().contains("host: app.example.test\r\n"));
    let in_url = check(&format!("http://app.example.test:{port}/"));
    assert_eq!(probe_http(in_url, PATIENT).await.failure, None);
    assert!(log.last_request().contains(&format!("host: app.example.test:{port}\r\n")));
}

#[tokio::test]
async fn a_deep_probe_posts_its_sample_and_checks_the_answer() {
    let (port, log) = says(reply(200, "", r#"{"choices":[{"text":"4"}],"model":"v2"}"#)).await;
    let deep = HttpCheck {
        method: "POST".into(),
        body: Some(r#"{"prompt":"2+2="}"#.into()),
        headers: vec![("Authorization".into(), "Bearer x".into())],
        json: Some(("/choices/0/text".into(), "4".into())),
        version_at: Some("/model".into()),
        ..at(port, "/v1/completions")
    };
    let outcome = probe_http(deep, PATIENT).await;
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.seen_version.as_deref(), Some("v2"));
    let request = log.last_request();
    assert!(request.starts_with("POST /v1/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"prompt\":\"2+2=\"}"), "{request}");
    assert!(request.contains("authorization: Bearer x\r\n"), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
}

#[tokio::test]
async fn the_target_says_which_version_is_right() {
    let (port, _) = says(reply(200, "", r#"{"model":"v1"}"#)).await;
    let version = HttpCheck { version_at: Some("/model".into()), ..at(port, "/") };
    let mut green = target(MonitorKind::Http(Box::new(version)), PATIENT);
    green.expect_version = Some(Arc::from("v2"));
    assert_eq!(probe(&green).await.failure.as_deref(), Some("shows version v1, expected v2"));
    green.expect_version = Some(Arc::from("v1"));
    assert_eq!(probe(&green).await.failure, None);
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert_eq!(failure_of(at(port, "/"), PATIENT).await, format!("connection refused connecting to port {port}"));
}

#[tokio::test]
async fn redirects_are_not_followed_unless_asked_for() {
    let (port, log) = says(reply(302, "location: /else\r\n", "")).await;
    assert_eq!(failure_of(at(port, "/"), PATIENT).await, "status 302, wanted 200-299");
    assert_eq!(log.connections(), 1);
}

#[tokio::test]
async fn redirects_asked_for_are_followed_on_the_member_only() {
    let (port, log) = serve(|mut stream, log| async move {
        hear(&mut stream, &log).await;
        let there = log.last_request().starts_with("GET /there ");
        let answer = if there { reply(200, "", "ok") } else { reply(302, "location: there\r\n", "") };
        let _ = stream.write_all(&answer).await;
    })
    .await;
    let follow = HttpCheck { redirects: 1, method: "POST".into(), body: Some("{}".into()), ..at(port, "/here") };
    assert_eq!(probe_http(follow, PATIENT).await.failure, None);
    assert_eq!(log.connections(), 2);

    let (port, _) = says(reply(302, "location: http://169.254.169.254/latest\r\n", "")).await;
    let away = HttpCheck { redirects: 3, ..at(port, "/") };
    let failure = failure_of(away, PATIENT).await;
    assert_eq!(failure, "redirects to http://169.254.169.254/latest, which is not this member");
}

#[tokio::test]
async fn a_body_cut_at_64_kib_is_still_searched() {
    let long = format!("{}needle{}", "x".repeat(60_000), "x".repeat(60_000));
    let (port, _) = says(reply(200, "", &long)).await;
    let search = |regex: &str| HttpCheck { body_regex: Some(regex.into()), ..at(port, "/") };
    assert_eq!(probe_http(search("needle"), PATIENT).await.failure, None);
    let failure = failure_of(search("absent"), PATIENT).await;
    assert_eq!(failure, "the first 64 KiB of the body does not match absent");
}

#[tokio::test]
async fn a_monitor_that_cannot_be_carried_out_fails_with_the_remedy() {
    let bad = HttpCheck { body_regex: Some("(".into()), ..at(1, "/") };
    assert!(failure_of(bad, PATIENT).await.starts_with("the body expression is not usable: "));
    let bad = HttpCheck { ca_pem: Some("no pem".into()), ..check("https://{address}/") };
    assert_eq!(failure_of(bad, PATIENT).await, "ca holds no certificate");
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken_when_asked_for() {
    let (port, _) = serve(|stream, _| async move {
        let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
            let shown = format!("{:?} {}", request.version(), request.uri());
            Ok::<_, std::convert::Infallible>(hyper::Response::new(http_body_util::Full::<bytes::Bytes>::from(shown)))
        });
        let executor = hyper_util::rt::TokioExecutor::new();
        let io = hyper_util::rt::TokioIo::new(stream);
        let _ = hyper::server::conn::http2::Builder::new(executor).serve_connection(io, service).await;
    })
    .await;
    let shown = "^HTTP/2.0 http://app.example.test/a\\?b=1$".to_owned();
    let over_h2 =
        HttpCheck { http2: true, host: Some("app.example.test".into()), body_regex: Some(shown), ..at(port, "/a?b=1") };
    assert_eq!(probe_http(over_h2, PATIENT).await.failure, None);
    let failure = failure_of(at(port, "/"), PATIENT).await;
    assert!(failure.starts_with("the reply is not HTTP: "), "{failure}");
}

#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    let (proxy_port, proxy) = says(reply(200, "", "from the proxy")).await;
    let (port, _) = says(reply(200, "", "from the member")).await;
    let proxy_url = format!("http://127.0.0.1:{proxy_port}");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "probe::tests::http::child_probes_the_member", "--ignored", "--quiet"]);
    child.env("TIDEGATE_TEST_PORT", port.to_string()).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, &proxy_url);
    }
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
#[ignore = "runs in a child process with proxy variables set"]
async fn child_probes_the_member() {
    let port: u16 = std::env::var("TIDEGATE_TEST_PORT").unwrap().parse().unwrap();
    let from_member = HttpCheck { body_regex: Some("from the member".into()), ..at(port, "/") };
    assert_eq!(probe_http(from_member, PATIENT).await.failure, None);
}

//! Whoever comes has its own probes to pass, also under a name that was there (§2.5).

use super::*;

/// What the pin of blue gets: its healthy members, nobody when it is not eligible.
fn pinned(server: &Server) -> Vec<String> {
    let mut got = server.short(&["A", "blue.crew.example.test"]);
    got.sort();
    got
}

fn texts(backends: &[&Backend]) -> Vec<String> {
    let mut texts: Vec<String> = backends.iter().map(|backend| backend.address.to_string()).collect();
    texts.sort();
    texts
}

async fn is(server: &Server, id: &str, health: &str) {
    eventually(&format!("{id} is {health}"), || async {
        (member(server, "blue", id).await["health"] == health).then_some(())
    })
    .await;
}

/// A server whose probes look for the version, with `m1`, `m2` and so on up in blue.
async fn with_members(backends: &[&Backend]) -> (Server, String) {
    let version = r#"expect_version = "/version", "#;
    let zone =
        zone(OPEN).replace("interval = \"1s\"", &format!("{version}interval = \"1s\"")).replace("fall = 3", "fall = 1");
    let server = Server::start(&[("example.test.toml", &zone)]).await;
    let token = token(&server, "gpu", "member", &[]).await;
    for (n, backend) in (1..).zip(backends) {
        let id = format!("m{n}");
        accepted(register(&server, &token, "blue", &id, at(backend)).await);
        is(&server, &id, "up").await;
    }
    (server, token)
}

fn at(backend: &Backend) -> Value {
    json!({ "address": backend.address, "ttl": "1m" })
}

fn ailing() -> Backend {
    let backend = Backend::start("v1");
    backend.behave(|manner| manner.status = 503);
    backend
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_that_always_have_the_same_key_renew_and_register_anew() {
    let server = start().await;
    let body = json!({ "address": "127.9.9.9", "ttl": "10s" });
    let beat = || async {
        let headers = [("Idempotency-Key", "node-1")];
        accepted(server.api_with("PUT", &path("green", "a"), Some(body.clone()), &headers).await)
    };
    let left = || async { member(&server, "green", "a").await["origin"]["expires_in_ms"].as_u64() };
    assert_eq!(beat().await["changed"], true);
    let before = eventually("some of its time is gone", || async { left().await.filter(|left| *left < 6_000) }).await;
    beat().await;
    let renewed = left().await.expect("it is there");
    assert!(renewed > before, "{before} ms, then {renewed} ms");
    eventually("it has ended", || async { member(&server, "green", "a").await.is_null().then_some(()) }).await;
    beat().await;
    assert!(left().await.is_some(), "it is registered again");
    // Another body under the same key is still refused, and one that came elsewhere since is left alone.
    let other = json!({ "address": "127.9.9.8" });
    let headers = [("Idempotency-Key", "node-1")];
    refused(
        server.api_with("PUT", &path("green", "a"), Some(other.clone()), &headers).await,
        422,
        "idempotency-key-reused",
    );
    accepted(server.api("PUT", &path("green", "a"), Some(other)).await);
    beat().await;
    assert_eq!(member(&server, "green", "a").await["addresses"], json!(["127.9.9.8"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_again_elsewhere_or_with_another_version_is_new() {
    let [one, two, three] = [(); 3].map(|()| Backend::start("v1"));
    let [sick, ill, down] = [(); 3].map(|()| ailing());
    let (server, token) = with_members(&[&one, &two, &three]).await;
    eventually("all are in", || async { (pinned(&server) == texts(&[&one, &two, &three])).then_some(()) }).await;
    accepted(register(&server, &token, "blue", "m1", at(&sick)).await);
    assert_eq!(pinned(&server), texts(&[&two, &three]), "m1 was not probed at its new address");
    accepted(register(&server, &token, "blue", "m2", at(&ill)).await);
    assert_eq!(pinned(&server), texts(&[&three]));
    // They were never up there, and count for nothing.
    for id in ["m1", "m2"] {
        is(&server, id, "down").await;
        assert_eq!(pinned(&server), texts(&[&three]));
    }
    accepted(register(&server, &token, "blue", "m1", at(&one)).await);
    eventually("m1 is back in", || async { (pinned(&server) == texts(&[&one, &three])).then_some(()) }).await;
    accepted(with(&server, &token, "DELETE", &path("blue", "m1"), None).await);
    accepted(register(&server, &token, "blue", "m1", at(&down)).await);
    assert_eq!(pinned(&server), texts(&[&three]));
    accepted(register(&server, &token, "blue", "m2", at(&two)).await);
    eventually("m2 is back in", || async { (pinned(&server) == texts(&[&two, &three])).then_some(()) }).await;
    let other = json!({ "address": two.address, "ttl": "1m", "version": "v2" });
    accepted(register(&server, &token, "blue", "m2", other).await);
    assert_eq!(pinned(&server), texts(&[&three]), "m2 does not show v2");
    two.behave(|manner| manner.version = "v2".to_owned());
    eventually("m2 shows it", || async { (pinned(&server) == texts(&[&two, &three])).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_knows_which_members_were_up_before_they_went_down() {
    let [one, two, three] = [(); 3].map(|()| Backend::start("v1"));
    let (mut server, token) = with_members(&[&one, &two, &three]).await;
    for (id, backend) in [("m2", &two), ("m3", &three)] {
        backend.behave(|manner| manner.status = 503);
        is(&server, id, "down").await;
    }
    let blue = || async { switch(&server).await["pools"][0].clone() };
    eventually("1 of 3 are too few", || async { (blue().await["eligible"] == false).then_some(()) }).await;
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    let seen = switch(&server).await["pools"][0].clone();
    assert_eq!(seen["eligible"], false, "{seen:#}");
    // One that never was up still counts for nothing after a start.
    two.behave(|manner| manner.status = 200);
    is(&server, "m2", "up").await;
    accepted(with(&server, &token, "DELETE", &path("blue", "m3"), None).await);
    accepted(register(&server, &token, "blue", "m3", at(&ailing())).await);
    is(&server, "m3", "down").await;
    two.behave(|manner| manner.status = 503);
    is(&server, "m2", "down").await;
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    let seen = switch(&server).await["pools"][0].clone();
    assert_eq!(seen["eligible"], true, "1 of 2, and m3 is new: {seen:#}");
}

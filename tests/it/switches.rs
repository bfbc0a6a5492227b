//! Flips, splits, undo, prepare, versions and reset, as a client and a resolver see them (§1.5, §3).

mod callers;

use crate::harness::{Server, eventually, http};
use crate::pair::{CALM, Pair, accepted, guarded, refused};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flip_moves_every_owner_at_once_and_the_reply_proves_it() {
    let pair = Pair::start().await;
    let (before, serial) = (pair.revision().await, pair.serial());
    assert!(pair.answers(&pair.blue));
    let reply = pair.flip("green").await;
    assert_eq!(reply["changed"], true);
    assert_eq!(reply["applied"], true);
    assert_eq!(reply["revision"], before + 1);
    assert_eq!(reply["switches"][0]["before"], json!({ "blue": 10000, "green": 0 }));
    assert_eq!(reply["switches"][0]["after"], json!({ "blue": 0, "green": 10000 }));
    assert!(reply["old_answers_expire_at"].is_string(), "{reply}");
    let left = reply["old_answers_expire_in_ms"].as_u64().expect("old answers");
    assert!((25_000..=30_000).contains(&left), "blue was answered with a TTL of 30 s a moment ago: {left}");
    for owner in ["model.example.test", "also.example.test", "MODEL.Example.TEST"] {
        for transport in ["+notcp", "+tcp"] {
            assert_eq!(
                pair.server.short(&[transport, "A", owner]),
                [pair.green.address.to_string()],
                "{owner} {transport}"
            );
        }
    }
    assert_eq!(reply["serials"]["example.test."], pair.serial());
    assert!(pair.serial() > serial);
    // Pins ignore weights.
    assert_eq!(pair.server.short(&["A", "blue.model.example.test"]), [pair.blue.address.to_string()]);
    assert_eq!(pair.server.short(&["A", "green.model.example.test"]), [pair.green.address.to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_nothing_makes_no_revision_and_no_serial() {
    let pair = Pair::start().await;
    // Answers that are out keep the drain, and so the TTL, as it is for the length of the test.
    pair.answer();
    pair.flip("green").await;
    let (revision, serial, rows) = (pair.revision().await, pair.serial(), history(&pair.server, "").await.len());
    let nothing = [
        ("flip", json!({ "to": "green" })),
        ("flip", json!({ "to": "green", "prepare": true })),
        ("set-weights", json!({ "weights": { "green": 10000 } })),
        ("set-weights", json!({ "weights": { "green": "100%" } })),
        ("expect-version", json!({ "pool": "blue", "version": null })),
    ];
    for (verb, body) in nothing {
        let reply = accepted(pair.post(verb, body.clone()).await);
        assert_eq!(
            (&reply["changed"], &reply["revision"]),
            (&json!(false), &json!(revision)),
            "{verb} {body}: {reply}"
        );
    }
    assert_eq!((pair.revision().await, pair.serial(), history(&pair.server, "").await.len()), (revision, serial, rows));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let pair = Pair::start().await;
    let (revision, serial) = (pair.revision().await, pair.serial());
    let reply = accepted(pair.post("flip", json!({ "to": "green", "dry_run": true })).await);
    assert_eq!(reply["dry_run"], true);
    assert_eq!(reply["switches"][0]["after"], json!({ "blue": 0, "green": 10000 }));
    for (verb, body) in [
        ("set-weights", json!({ "weights": { "green": "10%" }, "dry_run": true })),
        ("prepare", json!({ "dry_run": true })),
        ("expect-version", json!({ "pool": "green", "version": "v9", "dry_run": true })),
        (
            "overrides",
            json!({ "pool": "green", "hold": "force-down", "for": "1h", "reason": "trial", "dry_run": true }),
        ),
    ] {
        assert_eq!(accepted(pair.post(verb, body).await)["dry_run"], true, "{verb}");
    }
    assert_eq!((pair.revision().await, pair.serial(), pair.ttl()), (revision, serial, 30));
    assert!(pair.answers(&pair.blue));
    assert!(history(&pair.server, "").await.is_empty());
    // A dry run holds the same guards.
    refused(pair.post("flip", json!({ "to": "red", "dry_run": true })).await, 404, "unknown-pool");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undo_returns_at_once_and_undo_of_undo_goes_there_again() {
    let pair = Pair::with("min_interval = \"1h\"", CALM).await;
    guarded(pair.post("undo", json!({})).await, "nothing-to-undo", false);
    accepted(pair.post("set-weights", json!({ "weights": { "blue": 9000, "green": 1000 } })).await);
    for (blue, green) in [(10000, 0), (9000, 1000), (10000, 0)] {
        let reply = accepted(pair.post("undo", json!({})).await);
        assert_eq!(reply["switches"][0]["after"], json!({ "blue": blue, "green": green }));
        assert_eq!(pair.weights().await, split(blue, green));
    }
    let verbs: Vec<_> = history(&pair.server, "").await.iter().map(|row| row["verb"].clone()).collect();
    assert_eq!(verbs, ["undo", "undo", "undo", "set-weights"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn splits_are_weights_or_percentages_and_land_exactly() {
    let pair = Pair::start().await;
    for (weights, blue, green) in [
        (json!({ "green": "10%" }), 9000, 1000),
        (json!({ "green": "0.01%" }), 9999, 1),
        (json!({ "blue": "33.33%" }), 3333, 6667),
        (json!({ "blue": "50%", "green": "50%" }), 5000, 5000),
        (json!({ "green": 1 }), 5000, 1),
        (json!({ "green": "25%" }), 7500, 2500),
        (json!({ "blue": 1, "green": 2 }), 1, 2),
        (json!({ "blue": 0 }), 0, 2),
        (json!({ "blue": "0%" }), 0, 10000),
        (json!({ "blue": "100%" }), 10000, 0),
        (json!({ "green": "100.00%" }), 0, 10000),
    ] {
        accepted(pair.post("set-weights", json!({ "weights": weights })).await);
        assert_eq!(pair.weights().await, split(blue, green), "{weights}");
    }
    // Zero is exactly zero.
    for _ in 0..50 {
        assert!(pair.answers(&pair.green));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_pools_share_the_rest_in_their_old_ratio() {
    let zone = r#"
[zone]
ns = ["ns1.example.test"]
[switch.model]
owners = ["model.example.test"]
min_interval = "0s"
[switch.model.pool.a]
members = ["192.0.2.1"]
weight = 6000
[switch.model.pool.b]
members = ["192.0.2.2"]
weight = 3000
[switch.model.pool.c]
members = ["192.0.2.3"]
weight = 1000
"#;
    let server = Server::start(&[("example.test.toml", zone)]).await;
    for (weights, expected) in [
        (json!({ "c": "40%" }), json!({ "a": 4000, "b": 2000, "c": 4000 })),
        (json!({ "c": "0.01%" }), json!({ "a": 6666, "b": 3333, "c": 1 })),
        (json!({ "a": "0%", "b": "50%" }), json!({ "a": 0, "b": 5000, "c": 5000 })),
        (json!({ "a": "33.34%" }), json!({ "a": 3334, "b": 3333, "c": 3333 })),
    ] {
        let body = json!({ "weights": weights, "force": true, "reason": "no monitors here" });
        let reply = accepted(server.api("POST", "/v1/switches/model/set-weights", Some(body)).await);
        let after = &reply["switches"][0]["after"];
        assert_eq!(after, &expected, "{weights}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepare_lowers_the_ttl_and_an_unused_one_lapses() {
    let pair = Pair::with("min_interval = \"0s\"\nprepare = \"3s\"", CALM).await;
    assert_eq!(pair.ttl(), 30);
    let reply = accepted(pair.post("prepare", json!({ "reason": "release" })).await);
    assert_eq!(pair.ttl(), 10);
    assert_eq!(reply["switches"][0]["ttl_s"], 10);
    let left = reply["old_answers_expire_in_ms"].as_u64().expect("answers of 30 s are out");
    assert!((25_000..=30_000).contains(&left), "{left}");
    let view = pair.view().await;
    assert!(view["prepared_until"].is_string() && view["prepared_in_ms"].as_u64().is_some_and(|ms| ms > 0), "{view}");
    assert!(pair.answers(&pair.blue));
    let serial = pair.serial();
    eventually("the preparation lapses", || async { (pair.ttl() == 30).then_some(()) }).await;
    assert!(pair.serial() > serial, "answers changed, so the serial must move");
    assert!(pair.view().await["prepared_until"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_flip_waits_for_longer_lived_answers_and_the_ttl_rises_after_the_drain() {
    let pair = Pair::with("min_interval = \"0s\"\nttl = \"6s\"\nfast_ttl = \"5s\"\ntail = \"0s\"", CALM).await;
    assert_eq!(pair.ttl(), 6);
    let client = http();
    let url = format!("http://{}/v1/switches/model/flip", pair.server.admin);
    let begun = std::time::Instant::now();
    let asked = client
        .post(url)
        .bearer_auth(pair.server.token())
        .header("Idempotency-Key", "release-8")
        .json(&json!({ "to": "green", "prepare": true }))
        .send();
    let flipping = tokio::spawn(asked);
    eventually("the TTL is low", || async { (pair.ttl() == 5).then_some(()) }).await;
    assert!(pair.answers(&pair.blue), "nothing moves while longer-lived answers are out");
    let reply: Value = flipping.await.unwrap().unwrap().json().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(5_900), "answers of 6 s were out");
    assert_eq!(reply["changed"], true, "{reply}");
    assert!(reply["old_answers_expire_in_ms"].as_u64().is_some_and(|ms| ms <= 5_000), "{reply}");
    assert!(pair.answers(&pair.green));
    assert_eq!(pair.ttl(), 5, "low while the old side drains, so that undo is fast");
    // A retry of it after all is undone neither prepares nor flips.
    accepted(pair.post("undo", json!({})).await);
    let revision = pair.revision().await;
    let key = [("Idempotency-Key", "release-8")];
    let path = "/v1/switches/model/flip";
    let again = pair.server.api_with("POST", path, Some(json!({ "to": "green", "prepare": true })), &key).await;
    assert_eq!(accepted(again)["replayed"], true);
    let other =
        pair.server.api_with("POST", path, Some(json!({ "to": "green", "prepare": true, "reason": "x" })), &key);
    refused(other.await, 422, "idempotency-key-reused");
    assert_eq!(pair.revision().await, revision);
    accepted(pair.post("undo", json!({})).await);
    eventually("the TTL is steady again", || async { (pair.ttl() == 6).then_some(()) }).await;
    assert_eq!(pair.pool("blue").await["drain"]["state"], "drained");
    let verbs: Vec<_> = history(&pair.server, "").await.iter().map(|row| row["verb"].clone()).collect();
    assert_eq!(verbs, ["undo", "undo", "flip", "prepare"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_set_at_run_time_must_be_shown_before_the_pool_counts() {
    let pair =
        Pair::with("min_interval = \"0s\"", r#"interval = "250ms", timeout = "250ms", fall = 2, rise = 2"#).await;
    accepted(pair.post("expect-version", json!({ "pool": "green", "version": "v3" })).await);
    pair.down("green").await;
    let detail = guarded(pair.post("flip", json!({ "to": "green" })).await, "not-eligible", true);
    assert!(detail.contains("green") && detail.contains("model"), "{detail}");
    eventually("the reason names both versions", || async {
        let why = pair.pool("green").await["why"].as_str().unwrap_or_default().to_owned();
        (why.contains("v2") && why.contains("v3")).then_some(())
    })
    .await;
    pair.green.behave(|manner| manner.version = "v3".to_owned());
    pair.up("green").await;
    pair.flip("green").await;
    // A pool with weight keeps the version it is known to show, unless forced.
    guarded(pair.post("expect-version", json!({ "pool": "green", "version": "v4" })).await, "pool-has-weight", true);
    assert_eq!(pair.pool("green").await["expect_version"], "v3");
    assert!(pair.view().await["differs"].to_string().contains("v3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reset_returns_to_the_files_and_undo_still_comes_back() {
    let pair = Pair::start().await;
    let untouched = accepted(pair.post("reset", json!({})).await);
    assert_eq!(untouched["changed"], false);
    pair.flip("green").await;
    let hold = json!({ "pool": "blue", "hold": "force-up", "for": "1h", "reason": "held" });
    accepted(pair.post("overrides", hold).await);
    accepted(pair.post("expect-version", json!({ "pool": "blue", "version": "v1" })).await);
    assert!(!pair.view().await["differs"].as_array().unwrap().is_empty());
    accepted(pair.post("reset", json!({ "reason": "back to the files" })).await);
    assert_eq!(pair.weights().await, split(10000, 0));
    assert!(pair.answers(&pair.blue));
    let view = pair.view().await;
    assert_eq!(view["differs"], json!([]));
    assert!(pair.pool("blue").await["hold"].is_null());
    accepted(pair.post("undo", json!({})).await);
    assert!(pair.answers(&pair.green));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preparing_again_or_after_a_crash_does_not_make_it_ready_sooner() {
    let mut pair = Pair::start().await;
    let left = |view: serde_json::Value| view["prepared_in_ms"].as_u64().expect("prepared");
    pair.answer();
    accepted(pair.post("prepare", json!({})).await);
    accepted(pair.post("prepare", json!({})).await);
    assert!(left(pair.view().await) > 15_000, "answers of 30 s are out");
    pair.server.kill9();
    pair.server.restart().await;
    assert_eq!(pair.ttl(), 10, "prepared still");
    assert!(left(pair.view().await) > 15_000, "answers of 30 s may have been given until the crash");
}

/// Rows of the audit, newest first.
pub async fn history(server: &Server, query: &str) -> Vec<Value> {
    accepted(server.api("GET", &format!("/v1/history{query}"), None).await)["rows"].as_array().expect("rows").clone()
}

/// Makes a token and returns its text.
pub async fn token(server: &Server, name: &str, role: &str, switches: &[&str]) -> String {
    let body = json!({ "name": name, "role": role, "switches": switches });
    let (status, made) = server.api("POST", "/v1/tokens", Some(body)).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().expect("a token").to_owned()
}

/// Weights of the two pools.
fn split(blue: u64, green: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("blue".to_owned(), blue), ("green".to_owned(), green)])
}

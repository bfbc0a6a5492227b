//! Every rejection of `src/state/command.rs`, provoked over HTTP: status, guard, sentence (§3.2).

use crate::backend::Backend;
use crate::harness::{Server, eventually};
use crate::pair::{CALM, LIVELY, Pair, accepted, guarded, member, refused};
use crate::switches::history;
use serde_json::json;

/// Two switches in one zone over one pair of backends, and one switch that nothing watches.
fn crowded(blue: &Backend, green: &Backend, zone_options: &str) -> String {
    let (b, g) = (member(blue), member(green));
    let watched = |name: &str| {
        format!(
            r#"
[switch.{name}]
owners = ["{name}.example.test"]
min_interval = "0s"
monitor = {{ http = "http://{{address}}:8080/health", {CALM} }}
[switch.{name}.pool.blue]
members = [{b}]
weight = 10000
[switch.{name}.pool.green]
members = [{g}]
weight = 0
"#
        )
    };
    format!(
        r#"[zone]
ns = ["ns1.example.test"]
{zone_options}
{}{}
[switch.plain]
owners = ["plain.example.test"]
min_interval = "0s"
[switch.plain.pool.blue]
members = ["192.0.2.10"]
weight = 10000
[switch.plain.pool.green]
members = ["192.0.2.20"]
weight = 0
"#,
        watched("one"),
        watched("two")
    )
}

/// A crowded server, its pools up.
async fn crowd(zone_options: &str) -> (Server, Backend, Backend) {
    let (blue, green) = (Backend::start("v1"), Backend::start("v2"));
    let server = Server::start(&[("example.test.toml", &crowded(&blue, &green, zone_options))]).await;
    eventually("all pools are eligible", || async {
        let status = server.api("GET", "/v1/switches", None).await.1;
        let pools =
            status["switches"].as_array()?.iter().flat_map(|switch| switch["pools"].as_array().into_iter().flatten());
        pools.into_iter().all(|pool| pool["eligible"] == true).then_some(())
    })
    .await;
    (server, blue, green)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_not_there_are_404_and_near_ones_are_named() {
    let pair = Pair::start().await;
    let flip = |switch: &str, to: &str| (format!("/v1/switches/{switch}/flip"), json!({ "to": to }));
    let (path, body) = flip("modle", "green");
    let reply = pair.server.api("POST", &path, Some(body)).await;
    assert_eq!(reply.1["known"], json!(["model"]));
    let detail = refused(reply, 404, "unknown-switch");
    assert!(detail.contains("modle") && detail.contains("`model`"), "{detail}");
    let detail = refused(pair.post("flip", json!({ "to": "gren" })).await, 404, "unknown-pool");
    assert!(detail.contains("`model`") && detail.contains("`green`"), "{detail}");
    refused(pair.post("set-weights", json!({ "weights": { "red": 1 } })).await, 404, "unknown-pool");
    refused(pair.post("set-weights", json!({ "weights": { "red": "10%" } })).await, 404, "unknown-pool");
    refused(pair.post("expect-version", json!({ "pool": "red", "version": "v1" })).await, 404, "unknown-pool");
    let hold = |member: &str| json!({ "pool": "green", "member": member, "hold": "force-down", "for": "5m", "reason": "disk" });
    let detail = refused(pair.post("overrides", hold("192.0.2.99")).await, 404, "unknown-member");
    assert!(detail.contains(&pair.green.address.to_string()), "{detail}");
    let detail = refused(pair.post("overrides", json!({ "pool": "green", "hold": "none" })).await, 404, "no-override");
    assert!(detail.contains("green"), "{detail}");
    for path in ["/v1/switches/nope", "/v1/switches/nope/drain/blue"] {
        refused(pair.server.api("GET", path, None).await, 404, "unknown-switch");
    }
    refused(pair.server.api("GET", "/v1/switches/model/drain/nope", None).await, 404, "unknown-pool");
    // Force does not invent names.
    refused(pair.post("flip", json!({ "to": "red", "force": true, "reason": "now" })).await, 404, "unknown-pool");
    assert!(history(&pair.server, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_that_cannot_be_are_422_and_name_the_field() {
    let pair = Pair::start().await;
    for (weights, slug) in [
        (json!({ "green": 10001 }), "weight-out-of-range"),
        (json!({ "green": 4294967295_u32 }), "weight-out-of-range"),
        (json!({ "blue": 0 }), "weights-sum-to-zero"),
        (json!({ "blue": 0, "green": 0 }), "weights-sum-to-zero"),
        (json!({ "blue": "50%", "green": "40%" }), "percent-sum"),
        (json!({ "blue": "60%", "green": "60%" }), "percent-sum"),
        (json!({ "blue": "0%", "green": "0%" }), "percent-sum"),
        (json!({ "green": -1 }), "invalid-request"),
        (json!({ "green": 1.5 }), "invalid-request"),
        (json!({ "green": "101%" }), "invalid-request"),
        (json!({ "green": "10.001%" }), "invalid-request"),
        (json!({ "green": "ten" }), "invalid-request"),
        (json!({ "green": null }), "invalid-request"),
        (json!({ "blue": 1, "green": "10%" }), "invalid-request"),
        (json!({}), "invalid-request"),
    ] {
        for force in [false, true] {
            let body = json!({ "weights": weights, "force": force, "reason": "as asked" });
            refused(pair.post("set-weights", body).await, 422, slug);
        }
    }
    let reply = pair.post("set-weights", json!({ "weights": { "green": 10001 } })).await;
    assert_eq!(reply.1["field"], "weights");
    assert!(reply.1["detail"].as_str().is_some_and(|detail| detail.contains("green") && detail.contains("0 to 10000")));
    let sum = refused(
        pair.post("set-weights", json!({ "weights": { "blue": "50%", "green": "40.25%" } })).await,
        422,
        "percent-sum",
    );
    assert!(sum.contains("90.25"), "{sum}");
    assert!(pair.answers(&pair.blue));
    assert!(history(&pair.server, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_too_soon_says_how_long_to_wait_and_can_be_forced() {
    let pair = Pair::with("min_interval = \"1h\"", CALM).await;
    pair.flip("green").await;
    let reply = pair.post("flip", json!({ "to": "blue" })).await;
    assert!(reply.1["wait_ms"].as_u64().is_some_and(|ms| (3_500_000..=3_600_000).contains(&ms)), "{}", reply.1);
    let detail = guarded(reply, "too-soon", true);
    assert!(detail.contains("model") && detail.contains("min_interval"), "{detail}");
    guarded(pair.post("set-weights", json!({ "weights": { "blue": "1%" } })).await, "too-soon", true);
    guarded(pair.post("reset", json!({})).await, "too-soon", true);
    // What does not move weight is not held up.
    accepted(pair.post("prepare", json!({})).await);
    accepted(pair.post("flip", json!({ "to": "green" })).await);
    accepted(pair.post("flip", json!({ "to": "blue", "force": true, "reason": "customers call" })).await);
    assert!(pair.answers(&pair.blue));
    assert_eq!(history(&pair.server, "").await[0]["forced"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn force_needs_a_reason() {
    let pair = Pair::start().await;
    for body in [json!({ "to": "green", "force": true }), json!({ "to": "green", "force": true, "reason": "  " })] {
        let reply = pair.post("flip", body).await;
        assert_eq!(reply.1["field"], "reason");
        refused(reply, 422, "missing-reason");
    }
    let hold = json!({ "pool": "green", "hold": "force-down", "for": "1h" });
    refused(pair.post("overrides", hold).await, 422, "missing-reason");
    refused(pair.server.api("POST", "/v1/reload", Some(json!({ "force": true }))).await, 422, "missing-reason");
    let long = json!({ "to": "green", "reason": "x".repeat(1001) });
    assert_eq!(refused(pair.post("flip", long).await, 422, "invalid-request"), "a reason has at most 1000 bytes");
    assert!(pair.answers(&pair.blue));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_down_gets_no_weight_unless_forced() {
    let pair = Pair::with("min_interval = \"0s\"", LIVELY).await;
    pair.green.behave(|manner| manner.status = 503);
    pair.down("green").await;
    let detail = guarded(pair.post("flip", json!({ "to": "green" })).await, "not-eligible", true);
    assert!(
        detail.contains("green") && detail.contains(&pair.green.address.to_string()) && detail.contains("503"),
        "{detail}"
    );
    assert!(detail.contains("force"), "the sentence says what can be done: {detail}");
    guarded(pair.post("set-weights", json!({ "weights": { "green": "1%" } })).await, "not-eligible", true);
    accepted(pair.post("flip", json!({ "to": "green", "force": true, "reason": "the probe is wrong" })).await);
    assert!(pair.answers(&pair.green), "the fallback is the pool that has the weight");
    // undo skips the interval, not the health of where it goes.
    pair.blue.behave(|manner| manner.status = 503);
    pair.down("blue").await;
    guarded(pair.post("undo", json!({})).await, "not-eligible", true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_without_monitor_needs_force() {
    let (server, _blue, _green) = crowd("").await;
    let flip = |body| server.api("POST", "/v1/switches/plain/flip", Some(body));
    let detail = guarded(flip(json!({ "to": "green" })).await, "unmonitored", true);
    assert!(detail.contains("green") && detail.contains("plain") && detail.contains("force"), "{detail}");
    accepted(flip(json!({ "to": "green", "force": true, "reason": "checked by hand" })).await);
    assert_eq!(server.short(&["A", "plain.example.test"]), ["192.0.2.20"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_eligible_pool_with_weight_is_kept_also_against_overrides() {
    let pair = Pair::with("min_interval = \"0s\"", LIVELY).await;
    let hold = |pool: &str, member: Option<&str>, force: bool| json!({ "pool": pool, "member": member, "hold": "force-down", "for": "1h", "reason": "maintenance", "force": force });
    let detail = guarded(pair.post("overrides", hold("blue", None, false)).await, "no-eligible-weight", true);
    assert!(detail.contains("model"), "{detail}");
    let blue = pair.blue.address.to_string();
    guarded(pair.post("overrides", hold("blue", Some(&blue), false)).await, "no-eligible-weight", true);
    // A pool without weight may be held down, and then gets none.
    accepted(pair.post("overrides", hold("green", None, false)).await);
    guarded(pair.post("flip", json!({ "to": "green" })).await, "not-eligible", true);
    // With weight on both, one of the two may go, the other not.
    accepted(pair.post("overrides", json!({ "pool": "green", "hold": "none" })).await);
    accepted(pair.post("set-weights", json!({ "weights": { "green": "50%" } })).await);
    accepted(pair.post("overrides", hold("green", None, false)).await);
    guarded(pair.post("overrides", hold("blue", None, false)).await, "no-eligible-weight", true);
    // Taking the weight of the eligible one away would give it all to the one that is held down.
    guarded(pair.post("set-weights", json!({ "weights": { "blue": 0 } })).await, "not-eligible", true);
    assert!(pair.answers(&pair.blue));
    accepted(pair.post("overrides", hold("blue", None, true)).await);
    assert_eq!(pair.view().await["fallback_in_use"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_needs_a_length_between_one_minute_and_three_days() {
    let pair = Pair::start().await;
    for lasts in [None, Some("59s"), Some("73h"), Some("0s"), Some("72h 1ms")] {
        let body = json!({ "pool": "green", "hold": "force-up", "for": lasts, "reason": "demo" });
        let reply = pair.post("overrides", body).await;
        assert_eq!(reply.1["field"], "for");
        refused(reply, 422, "override-duration");
    }
    refused(
        pair.post("overrides", json!({ "pool": "green", "hold": "force-up", "for": "soon", "reason": "demo" })).await,
        422,
        "invalid-request",
    );
    refused(
        pair.post("overrides", json!({ "pool": "green", "hold": "sideways", "for": "1h", "reason": "demo" })).await,
        422,
        "invalid-request",
    );
    for lasts in ["1m", "72h"] {
        accepted(
            pair.post("overrides", json!({ "pool": "green", "hold": "force-up", "for": lasts, "reason": "demo" }))
                .await,
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_switches_flip_all_or_none() {
    let (server, _blue, _green) = crowd("").await;
    let flip = |body| server.api("POST", "/v1/flip", Some(body));
    let both =
        |second: &str| json!({ "switches": [{ "switch": "one", "to": "green" }, { "switch": second, "to": "green" }] });
    guarded(flip(both("plain")).await, "unmonitored", true);
    refused(flip(both("none")).await, 404, "unknown-switch");
    let detail = refused(flip(both("one")).await, 422, "named-twice");
    assert!(detail.contains("one"), "{detail}");
    refused(flip(json!({ "switches": [] })).await, 422, "nothing-named");
    assert!(history(&server, "").await.is_empty());
    assert_eq!(server.short(&["A", "one.example.test"]), server.short(&["A", "blue.one.example.test"]));
    let reply = accepted(flip(both("two")).await);
    assert_eq!(reply["switches"].as_array().unwrap().len(), 2);
    for name in ["one", "two"] {
        assert_eq!(
            server.short(&["A", &format!("{name}.example.test")]),
            server.short(&["A", &format!("green.{name}.example.test")])
        );
    }
    let rows = history(&server, "").await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["revision"], rows[1]["revision"]);
    // One of them there already: the other moves.
    accepted(server.api("POST", "/v1/switches/one/undo", None).await);
    let reply = accepted(flip(both("two")).await);
    assert_eq!(reply["switches"].as_array().unwrap().len(), 1, "{reply}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_switches_of_a_zone_move_at_once_than_it_allows() {
    let (server, _blue, _green) = crowd("max_moving = 1").await;
    let flip = |switch: &str, body| {
        let path = format!("/v1/switches/{switch}/flip");
        let server = &server;
        async move { server.api("POST", &path, Some(body)).await }
    };
    let both = json!({ "switches": [{ "switch": "one", "to": "green" }, { "switch": "two", "to": "green" }] });
    guarded(server.api("POST", "/v1/flip", Some(both)).await, "too-many-moving", true);
    server.short(&["A", "one.example.test"]);
    accepted(flip("one", json!({ "to": "green" })).await);
    // At once, not only when the next second has looked.
    let detail = guarded(flip("two", json!({ "to": "green" })).await, "too-many-moving", true);
    assert!(detail.contains("example.test") && detail.contains("one") && detail.contains("force"), "{detail}");
    // The one that moves may go on moving, and undo is never held up.
    accepted(flip("one", json!({ "to": "blue" })).await);
    accepted(server.api("POST", "/v1/switches/one/undo", None).await);
    accepted(flip("two", json!({ "to": "green", "force": true, "reason": "both belong together" })).await);
    guarded(flip("two", json!({ "to": "blue" })).await, "too-many-moving", true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preparation_counts_as_moving() {
    let (server, _blue, _green) = crowd("max_moving = 1").await;
    accepted(server.api("POST", "/v1/switches/one/prepare", None).await);
    guarded(server.api("POST", "/v1/switches/two/flip", Some(json!({ "to": "green" }))).await, "too-many-moving", true);
    accepted(server.api("POST", "/v1/switches/one/flip", Some(json!({ "to": "green" }))).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_nothing_that_serves_away_and_no_serial_back() {
    let pair = Pair::start().await;
    pair.flip("green").await;
    let zone = |text: &str| pair.server.folder.write("zones/example.test.toml", text);
    let other = crate::pair::zone(&member(&pair.blue), &member(&pair.green), "", CALM);
    let reload = || pair.server.api("POST", "/v1/reload", None);
    zone(&other.replace("pool.green", "pool.teal"));
    let detail = guarded(reload().await, "removes-serving", true);
    assert!(detail.contains("green") && detail.contains("model") && detail.contains("force"), "{detail}");
    zone(&other.replace("switch.model", "switch.other"));
    let detail = guarded(reload().await, "removes-serving", true);
    assert!(detail.contains("model"), "{detail}");
    zone(&other.replace("ns = [", "serial = 4000000000\nns = ["));
    let detail = guarded(reload().await, "serial-jump", false);
    assert!(detail.contains("4000000000"), "{detail}");
    assert!(pair.answers(&pair.green));
}

#[test]
fn every_rejection_there_is_is_provoked_here() {
    let source = include_str!("../../src/state/command/rejection.rs");
    let slugs: Vec<&str> = source.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(slugs.len() >= 20, "{slugs:?}");
    let tests = [
        include_str!("guards.rs"),
        include_str!("switches.rs"),
        include_str!("switches/callers.rs"),
        include_str!("rollouts.rs"),
        include_str!("members.rs"),
        include_str!("experiments.rs"),
    ]
    .concat();
    // An update comes over DNS and is refused there, by RCODE: `updates` provokes each.
    let over_http = slugs.iter().filter(|slug| **slug != "update-refused");
    let missing: Vec<_> = over_http
        .filter(|slug| !tests.contains(&format!("\"{slug}\"")) && !tests.contains(&format!(":{slug}\"")))
        .collect();
    assert!(missing.is_empty(), "not provoked over HTTP: {missing:?}");
}

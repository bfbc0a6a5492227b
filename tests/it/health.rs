//! Health as operators and resolvers see it, over real backends on addresses of their own (§2, §1.9).

use crate::backend::{Backend, PORT};
use crate::harness::{LIMIT, Server, eventually, http};
use crate::pair::{CALM, LIVELY, Pair, accepted, guarded, member, refused, zone};
use serde_json::{Value, json};
use std::time::Duration;

/// The only member of a pool.
async fn first_member(pair: &Pair, pool: &str) -> Value {
    pair.pool(pool).await["members"][0].clone()
}

/// Probes of a member since the start: passed, failed.
async fn counts(pair: &Pair, pool: &str) -> (u64, u64) {
    let member = first_member(pair, pool).await;
    (member["probes_passed"].as_u64().unwrap(), member["probes_failed"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_failures_take_a_member_down_and_five_successes_bring_it_back() {
    let pair = Pair::with("min_interval = \"0s\"", LIVELY).await;
    assert_eq!(counts(&pair, "green").await.1, 0);
    pair.green.behave(|manner| manner.status = 500);
    pair.down("green").await;
    let (passed_when_down, failed) = counts(&pair, "green").await;
    assert!((3..=4).contains(&failed), "down after 3 failures, seen after {failed}");
    let member = first_member(&pair, "green").await;
    assert_eq!(member["health"], "down");
    assert!(member["failure"].as_str().is_some_and(|why| why.contains("500")), "{member}");
    assert!(member["since"].is_string());
    pair.green.behave(|manner| manner.status = 200);
    pair.up("green").await;
    let (passed, _) = counts(&pair, "green").await;
    let successes = passed - passed_when_down;
    assert!((5..=6).contains(&successes), "up after 5 successes, seen after {successes}");
    assert_eq!(first_member(&pair, "green").await["failure"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_failures_in_a_row_take_nobody_down() {
    let pair = Pair::with("min_interval = \"0s\"", LIVELY).await;
    for _ in 0..2 {
        let (passed, failed) = counts(&pair, "green").await;
        pair.green.behave(|manner| manner.status = 500);
        let now = eventually("a failure or two", || async {
            let (_, now) = counts(&pair, "green").await;
            (now > failed).then_some(now)
        })
        .await;
        pair.green.behave(|manner| manner.status = 200);
        eventually("a success", || async { (counts(&pair, "green").await.0 > passed).then_some(()) }).await;
        if now - failed < 3 {
            assert_eq!(pair.pool("green").await["eligible"], true);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_shows_the_wrong_model_never_counts_as_ready() {
    let pair = Pair::with("min_interval = \"0s\"", LIVELY).await;
    // The idle side comes up with the old model: 200, and wrong.
    pair.green.behave(|manner| manner.version = "v1".to_owned());
    pair.down("green").await;
    let member = first_member(&pair, "green").await;
    assert_eq!(member["seen_version"], "v1");
    let why = member["failure"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains("v1") && why.contains("v2"), "{why}");
    let detail = guarded(pair.post("flip", json!({ "to": "green" })).await, "not-eligible", true);
    assert!(detail.contains("v1") && detail.contains("v2"), "{detail}");
    for wrong in ["", "v2 ", "V2", "v22", "null"] {
        let (_, failed) = counts(&pair, "green").await;
        pair.green.behave(|manner| manner.version = wrong.to_owned());
        eventually("three more failures", || async { (counts(&pair, "green").await.1 >= failed + 3).then_some(()) })
            .await;
        assert_eq!(pair.pool("green").await["eligible"], false, "{wrong:?} counted as v2");
    }
    // An open port, an empty list, something that is no JSON: not ready either.
    pair.green.behave(|manner| manner.version = "v2\"}]<".to_owned());
    let (_, failed) = counts(&pair, "green").await;
    eventually("three more failures", || async { (counts(&pair, "green").await.1 >= failed + 3).then_some(()) }).await;
    assert_eq!(pair.pool("green").await["eligible"], false);
    pair.green.behave(|manner| manner.version = "v2".to_owned());
    pair.up("green").await;
    pair.flip("green").await;
    // The serving side mixed up takes its pool out of service, loudly.
    pair.green.behave(|manner| manner.version = "v1".to_owned());
    pair.down("green").await;
    let status = accepted(pair.server.api("GET", "/v1/status", None).await);
    assert!(status["alarms"].to_string().contains("green"), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_slowness_and_a_closed_port_are_all_down() {
    let pair = Pair::with("min_interval = \"0s\"", LIVELY).await;
    for (what, delay) in [("hangs up", None), ("is slow", Some(Duration::from_millis(600)))] {
        pair.green.behave(|manner| match delay {
            Some(delay) => manner.delay = delay,
            None => manner.dead = true,
        });
        pair.down("green").await;
        let why = pair.pool("green").await["why"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains(&pair.green.address.to_string()) && why.contains("0 of 1"), "{what}: {why}");
        pair.green.behave(|manner| {
            manner.dead = false;
            manner.delay = Duration::ZERO;
        });
        pair.up("green").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_holds_and_the_measured_state_stands_beside_it() {
    let pair = Pair::with("min_interval = \"0s\"", LIVELY).await;
    let hold = |hold: &str| json!({ "pool": "green", "hold": hold, "for": "1h", "reason": "GPU swap" });
    accepted(pair.post("overrides", hold("force-down")).await);
    let pool = pair.pool("green").await;
    assert_eq!((&pool["eligible"], &pool["members"][0]["health"]), (&json!(false), &json!("up")), "{pool}");
    assert_eq!((&pool["hold"]["kind"], &pool["hold"]["reason"]), (&json!("force-down"), &json!("GPU swap")), "{pool}");
    assert!(pool["why"].as_str().is_some_and(|why| why.contains("GPU swap")));
    // A pin honours health, and a hold is health.
    assert!(pair.server.short(&["A", "green.model.example.test"]).is_empty());
    pair.green.behave(|manner| manner.status = 500);
    accepted(pair.post("overrides", hold("force-up")).await);
    eventually("the measured state goes on", || async {
        (first_member(&pair, "green").await["health"] == "down").then_some(())
    })
    .await;
    let pool = pair.pool("green").await;
    assert_eq!((&pool["eligible"], &pool["hold"]["kind"]), (&json!(true), &json!("force-up")), "{pool}");
    pair.flip("green").await;
    assert!(pair.answers(&pair.green));
    // Clearing it would leave nobody: refused, as for any override.
    guarded(pair.post("overrides", json!({ "pool": "green", "hold": "none" })).await, "no-eligible-weight", true);
    let history = crate::switches::history(&pair.server, "").await;
    assert_eq!(history.iter().filter(|row| row["verb"] == "override").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_lapses_by_itself_and_the_measured_state_counts_again() {
    let pair = Pair::with("min_interval = \"0s\"", LIVELY).await;
    // A minute is the shortest that is taken.
    let hold = |lasts: &str| json!({ "pool": "green", "hold": "force-down", "for": lasts, "reason": "a look" });
    refused(pair.post("overrides", hold("59s")).await, 422, "override-duration");
    let placed = std::time::Instant::now();
    accepted(pair.post("overrides", hold("1m")).await);
    assert_eq!(pair.pool("green").await["hold"]["kind"], "force-down");
    guarded(pair.post("flip", json!({ "to": "green" })).await, "not-eligible", true);
    // Twice what a condition may take otherwise: the minute itself, and room for a busy machine.
    let lapsed = loop {
        let pool = pair.pool("green").await;
        if pool["eligible"] == true {
            break pool;
        }
        assert!(placed.elapsed() < 2 * LIMIT + Duration::from_secs(60), "it has not lapsed: {pool}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(placed.elapsed() >= Duration::from_secs(59), "it lapsed early: {:?}", placed.elapsed());
    assert_eq!(lapsed["hold"], serde_json::Value::Null, "{lapsed}");
    pair.flip("green").await;
    assert!(pair.answers(&pair.green));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_monitor_takes_nobody_out_before_it_has_spoken() {
    let pair = Pair::with("min_interval = \"0s\"", LIVELY).await;
    for backend in [&pair.blue, &pair.green] {
        backend.behave(|manner| manner.delay = Duration::from_millis(400));
    }
    let zone = |probes: &str| zone(&member(&pair.blue), &member(&pair.green), "min_interval = \"0s\"", probes);
    pair.server.folder.write("zones/example.test.toml", &zone(r#"interval = "700ms", timeout = "600ms""#));
    accepted(pair.server.api("POST", "/v1/reload", Some(json!({}))).await);
    let blue = pair.pool("blue").await;
    assert_eq!((&blue["eligible"], &blue["members"][0]["health"]), (&json!(true), &json!("up")), "{blue}");
    // The first word of the new one decides.
    pair.green.behave(|manner| manner.status = 500);
    pair.server.folder.write("zones/example.test.toml", &zone(r#"interval = "1s", timeout = "600ms", fall = 100"#));
    accepted(pair.server.api("POST", "/v1/reload", Some(json!({}))).await);
    pair.down("green").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_latched_member_stays_down_until_somebody_says_so() {
    let latched = r#"interval = "250ms", timeout = "250ms", fall = 2, rise = 1, manual_resume = true"#;
    let mut pair = Pair::with("min_interval = \"0s\"", latched).await;
    pair.green.behave(|manner| manner.status = 500);
    pair.down("green").await;
    pair.green.behave(|manner| manner.status = 200);
    let (passed, _) = counts(&pair, "green").await;
    eventually("it passes again", || async { (counts(&pair, "green").await.0 >= passed + 8).then_some(()) }).await;
    assert_eq!(pair.pool("green").await["eligible"], false, "down until an operator looked");
    guarded(pair.post("flip", json!({ "to": "green" })).await, "not-eligible", true);
    // A crash does not count as having looked.
    pair.server.kill9();
    pair.server.restart().await;
    eventually("it passes again", || async { (counts(&pair, "green").await.0 >= 2).then_some(()) }).await;
    assert_eq!(pair.pool("green").await["eligible"], false);
    accepted(
        pair.post("overrides", json!({ "pool": "green", "hold": "force-up", "for": "1m", "reason": "looked" })).await,
    );
    accepted(pair.post("overrides", json!({ "pool": "green", "hold": "none" })).await);
    pair.up("green").await;
    // A reset does as well, though there is nothing else to take back.
    pair.green.behave(|manner| manner.status = 500);
    pair.down("green").await;
    pair.green.behave(|manner| manner.status = 200);
    eventually("it says what it waits for", || async {
        let failure = pair.pool("green").await["members"][0]["failure"].clone();
        failure.as_str().is_some_and(|why| why.contains("waits for an operator")).then_some(())
    })
    .await;
    accepted(pair.post("reset", json!({})).await);
    pair.up("green").await;
    pair.flip("green").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_member_leaves_the_answers_and_half_of_the_weight_keeps_the_pool() {
    let backends: Vec<Backend> = (0..4).map(|_| Backend::start("v1")).collect();
    let members: Vec<String> = backends.iter().map(member).collect();
    let zone = format!(
        r#"[zone]
ns = ["ns1.example.test"]
[switch.model]
owners = ["model.example.test"]
min_interval = "0s"
monitor = {{ http = "http://{{address}}:{PORT}/health", {LIVELY} }}
[switch.model.pool.blue]
members = [{}]
weight = 10000
[switch.model.pool.green]
members = [{}]
weight = 0
"#,
        members[..3].join(", "),
        members[3]
    );
    let server = Server::start(&[("example.test.toml", &zone)]).await;
    let answer = || {
        let mut lines = server.short(&["A", "model.example.test"]);
        lines.sort();
        lines
    };
    let expect = |which: &[usize]| {
        let mut lines: Vec<String> = which.iter().map(|at| backends[*at].address.to_string()).collect();
        lines.sort();
        lines
    };
    assert_eq!(answer(), expect(&[0, 1, 2]));
    backends[1].behave(|manner| manner.status = 500);
    eventually("the lost member leaves", || async { (answer() == expect(&[0, 2])).then_some(()) }).await;
    let serial = crate::pair::serial_of(&server);
    // One of three is less than half: the pool is not eligible, and the fallback answers all of it.
    backends[2].behave(|manner| manner.status = 500);
    let status = eventually("the fallback is in use", || async {
        let status = server.api("GET", "/v1/status", None).await.1;
        (status["switches"][0]["fallback_in_use"] == true).then_some(status)
    })
    .await;
    assert_eq!(answer(), expect(&[0, 1, 2]), "last-active: the pool that has weight, health ignored");
    let alarms = status["alarms"].to_string();
    assert!(alarms.contains("model") && alarms.contains("fallback"), "{alarms}");
    assert!(crate::pair::serial_of(&server) > serial, "answers changed, so the serial must move");
    let metrics = http().get(format!("http://{}/metrics", server.admin)).send().await.unwrap().text().await.unwrap();
    let line =
        metrics.lines().find(|line| line.contains("fallback") && !line.starts_with('#') && line.contains("model"));
    assert!(line.is_some_and(|line| line.ends_with(" 1") || line.ends_with(" 1.0")), "{line:?} in {metrics}");
    assert!(server.log().contains("fallback"), "loud in the log too:\n{}", server.log());
    for at in [1, 2] {
        backends[at].behave(|manner| manner.status = 200);
    }
    eventually("all is well again", || async {
        let status = server.api("GET", "/v1/status", None).await.1;
        (status["alarms"] == json!([]) && answer() == expect(&[0, 1, 2])).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_to_standby_spills_into_the_healthy_idle_pool() {
    let pair = Pair::with("min_interval = \"0s\"\nfallback = \"standby\"", LIVELY).await;
    pair.blue.behave(|manner| manner.dead = true);
    eventually("green answers", || async { pair.answers(&pair.green).then_some(()) }).await;
    assert_eq!(pair.weights().await["green"], 0, "weights are desired state; health does not touch them");
    let drain = pair.server.api("GET", "/v1/switches/model/drain/green", None).await.1;
    assert_eq!(drain["safe_to_close"], false, "{drain}");
    pair.blue.behave(|manner| manner.dead = false);
    eventually("blue answers again", || async { pair.answers(&pair.blue).then_some(()) }).await;
    let drain = pair.server.api("GET", "/v1/switches/model/drain/green", None).await.1;
    assert_eq!(drain["safe_to_close"], false, "green was answered a moment ago: {drain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_its_age_survive_a_restart_and_answer_at_once() {
    let mut pair = Pair::with("min_interval = \"0s\"\nfallback = \"nodata\"", LIVELY).await;
    pair.green.behave(|manner| manner.status = 500);
    pair.down("green").await;
    let before = first_member(&pair, "green").await;
    assert_eq!(pair.server.stop().await, Some(0));
    // Nobody is there to be probed in time, and probes are slow: what is known must do.
    for backend in [&pair.blue, &pair.green] {
        backend.behave(|manner| manner.delay = Duration::from_secs(20));
    }
    pair.rewrite("min_interval = \"0s\"\nfallback = \"nodata\"", CALM.replace("2s", "30s").as_str());
    pair.rewrite("min_interval = \"0s\"\nfallback = \"nodata\"", LIVELY);
    let begun = std::time::Instant::now();
    pair.server.restart().await;
    assert!(begun.elapsed() < Duration::from_secs(15), "a restart does not wait for probes");
    assert!(pair.answers(&pair.blue), "blue was up, and is answered from that");
    let after = first_member(&pair, "green").await;
    assert_eq!((&after["health"], &after["since"]), (&before["health"], &before["since"]), "{after}");
    guarded(pair.post("flip", json!({ "to": "green" })).await, "not-eligible", true);
    // And checked again: what is not there any more is found out.
    pair.down("blue").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_first_start_a_whole_round_of_probes_ends_before_anybody_is_answered() {
    let (blue, green) = (Backend::start("v1"), Backend::start("v1"));
    green.behave(|manner| manner.delay = Duration::from_millis(700));
    let zone = crate::pair::zone(
        &member(&blue),
        &member(&green),
        "min_interval = \"0s\"",
        r#"interval = "5s", timeout = "2s""#,
    );
    let mut server = Server::prepare(&[("example.test.toml", &zone)], &[]);
    server.spawn();
    // The first answer that comes must already know that green shows the wrong model.
    let first = eventually("a first answer", || async {
        let lines = server.dig(&["+noall", "+comments", "+time=1", "+tries=1", "A", "green.model.example.test"]);
        lines.contains("status:").then_some(lines)
    })
    .await;
    assert!(first.contains("NOERROR") && first.contains("ANSWER: 0"), "{first}");
    assert_eq!(server.short(&["A", "model.example.test"]), [blue.address.to_string()]);
    server.ready().await;
    assert!(blue.asked() >= 1 && green.asked() >= 1);
}

//! May the old side be closed? The verdict, watched by a resolver that keeps what it was told (§4).
//!
//! The resolver asks all the time and keeps every answer for its TTL. The verdict is early if it says
//! `safe_to_close` while the resolver still holds an answer that names the pool, whatever was done to
//! the switch or the server in between.

mod clock;
mod load;
mod resolver;

use crate::flips::full;
use crate::harness::{Server, eventually};
use crate::pair::{accepted, serial_of};
use resolver::Resolver;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// TTL of 5 s always, so that drains end within a test; nothing watches the pools.
fn zone(switches: &[&str], options: &str) -> String {
    let mut text = "[zone]\nns = [\"ns1.example.test\"]\n".to_owned();
    for (at, name) in switches.iter().enumerate() {
        text += &format!(
            r#"
[switch.{name}]
owners = ["{name}.example.test"]
policy = "random"
min_interval = "0s"
ttl = "5s"
fast_ttl = "5s"
{options}
[switch.{name}.pool.blue]
members = ["192.0.2.{}"]
weight = 10000
[switch.{name}.pool.green]
members = ["192.0.2.{}"]
weight = 0
"#,
            at * 10 + 1,
            at * 10 + 2
        );
    }
    text
}

/// The address of a pool of the switch at this place of [`zone`].
fn member_of(at: usize, pool: &str) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, (at * 10 + if pool == "blue" { 1 } else { 2 }) as u8)
}

async fn verdict(server: &Server, switch: &str, pool: &str) -> Value {
    accepted(server.api("GET", &format!("/v1/switches/{switch}/drain/{pool}"), None).await)
}

/// The verdicts on all pools, none of them early.
async fn look(server: &Server, resolver: &Resolver, switches: &[&str]) -> HashMap<(String, String), Value> {
    let mut seen = HashMap::new();
    for (at, switch) in switches.iter().enumerate() {
        for pool in ["blue", "green"] {
            let report = verdict(server, switch, pool).await;
            let held = resolver.holds(member_of(at, pool));
            assert!(
                report["safe_to_close"] == false || held.is_none(),
                "early by {held:?}: {switch}/{pool} {report}\n{}",
                server.log()
            );
            assert_eq!(report["safe_to_close"] == true, report["state"] == "drained", "{report}");
            assert!(!report["reasons"].as_array().unwrap().is_empty(), "{report}");
            assert_eq!(report["members"][0]["safe_to_close"], report["safe_to_close"], "{report}");
            seen.insert(((*switch).to_owned(), pool.to_owned()), report);
        }
    }
    seen
}

/// Looks again and again.
async fn look_for(server: &Server, resolver: &Resolver, switches: &[&str], how_long: Duration) {
    let until = Instant::now() + how_long;
    while Instant::now() < until {
        look(server, resolver, switches).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn change(server: &Server, switch: &str, verb: &str, body: Value) {
    let mut body = body;
    body["force"] = json!(true);
    body["reason"] = json!("no monitors here");
    accepted(server.api("POST", &format!("/v1/switches/{switch}/{verb}"), Some(body)).await);
}

fn state<'v>(seen: &'v HashMap<(String, String), Value>, switch: &str, pool: &str) -> &'v str {
    seen[&(switch.to_owned(), pool.to_owned())]["state"].as_str().unwrap()
}

/// Looks until the verdict on a pool allows closing it.
async fn until_drained(server: &Server, resolver: &Resolver, switches: &[&str], which: &[(&str, &str)]) {
    eventually(&format!("{which:?} drained"), || async {
        let seen = look(server, resolver, switches).await;
        which.iter().all(|(switch, pool)| state(&seen, switch, pool) == "drained").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_verdict_is_never_early_through_flips_undos_crashes_and_restarts() {
    let names = ["a", "b", "c", "d", "e"];
    let mut server = Server::start(&[("example.test.toml", &zone(&names, "tail = \"0s\""))]).await;
    let resolver = Resolver::start(server.dns, &names);
    for at in 0..names.len() {
        resolver.has(member_of(at, "blue")).await;
    }
    let seen = look(&server, &resolver, &names).await;
    assert!(
        names.iter().all(|name| state(&seen, name, "blue") == "serving" && state(&seen, name, "green") == "drained"),
        "{seen:?}"
    );
    // One by one, so that their clocks differ.
    for name in names {
        change(&server, name, "flip", json!({ "to": "green" })).await;
        look(&server, &resolver, &names).await;
    }
    let blues: Vec<(&str, &str)> = names.iter().map(|name| (*name, "blue")).collect();
    until_drained(&server, &resolver, &names, &blues).await;
    // What a crash must not forget is on disk within a second or two.
    look_for(&server, &resolver, &names, Duration::from_secs(3)).await;
    // Back, back and forth at once, a moment of weight, a preparation; one stays as it is.
    change(&server, "a", "flip", json!({ "to": "blue" })).await;
    change(&server, "b", "undo", json!({})).await;
    resolver.has(member_of(1, "blue")).await;
    change(&server, "b", "undo", json!({})).await;
    change(&server, "d", "prepare", json!({})).await;
    look(&server, &resolver, &names).await;
    // Weight for less than the second between two saves, then a crash: nothing on disk but the changes.
    change(&server, "c", "set-weights", json!({ "weights": { "blue": "50%" } })).await;
    resolver.has(member_of(2, "blue")).await;
    change(&server, "c", "set-weights", json!({ "weights": { "blue": "0%" } })).await;
    server.kill9();
    server.restart().await;
    let seen = look(&server, &resolver, &names).await;
    assert_ne!(state(&seen, "c", "blue"), "drained", "it was answered just before the crash: {seen:?}");
    assert_ne!(state(&seen, "b", "blue"), "drained");
    assert_eq!(state(&seen, "e", "blue"), "drained", "what had drained before the crash has drained: {seen:?}");
    let left = |seen: &HashMap<(String, String), Value>| {
        seen[&("c".to_owned(), "blue".to_owned())]["remaining_ms"].as_u64().unwrap()
    };
    assert!(left(&seen) > 55_000, "resolvers may have served stale while nobody answered: {seen:?}");
    // An ordered restart does not forget either.
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    let seen = look(&server, &resolver, &names).await;
    assert!(left(&seen) > 50_000, "{seen:?}");
    assert_eq!(state(&seen, "e", "blue"), "drained");
    look_for(&server, &resolver, &names, Duration::from_secs(if full() { 60 } else { 8 })).await;
    if full() {
        until_drained(&server, &resolver, &names, &[("a", "green"), ("b", "blue"), ("c", "blue"), ("e", "blue")]).await;
    }
    assert!(resolver.answers.load(Ordering::Relaxed) > 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_at_random_the_verdict_is_never_early() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut server = Server::start(&[("example.test.toml", &zone(&names, "tail = \"1s\""))]).await;
    let resolver = Resolver::start(server.dns, &names);
    let mut draws = tidegate::clock::Draws::seeded();
    let mut draw = move |below: u64| draws.next_draw() % below;
    let (until, mut serial) = (Instant::now() + Duration::from_secs(if full() { 300 } else { 20 }), 0);
    while Instant::now() < until {
        // Three of the switches are left alone for a while, so that some drains come to their end.
        let window = until.saturating_duration_since(Instant::now()).as_secs() / 16 % 2;
        let name = names[(window * 3 + draw(3)) as usize];
        match draw(60) {
            0 => change(&server, name, "flip", json!({ "to": "green" })).await,
            1 => change(&server, name, "flip", json!({ "to": "blue" })).await,
            2 => {
                change(&server, name, "set-weights", json!({ "weights": { "green": format!("{}%", draw(101)) } }))
                    .await;
            }
            3 => change(&server, name, "reset", json!({})).await,
            4 => change(&server, name, "prepare", json!({})).await,
            5 => {
                accepted(server.api("POST", "/v1/reload", None).await);
            }
            6 if full() && draw(4) == 0 => {
                server.kill9();
                server.restart().await;
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        look(&server, &resolver, &names).await;
        let now = serial_of(&server);
        assert!(now >= serial, "the serial went back from {serial} to {now}");
        serial = now;
    }
    // And each drain comes to its end, unless a crash has made it wait longer than this test does.
    if !full() {
        for name in names {
            change(&server, name, "flip", json!({ "to": "green" })).await;
        }
        let blues: Vec<(&str, &str)> = names.iter().map(|name| (*name, "blue")).collect();
        until_drained(&server, &resolver, &names, &blues).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_with_weight_or_a_rule_is_refused_with_the_reason() {
    let rule = "[[switch.a.rule]]\nname = \"beta\"\nnetworks = [\"203.0.113.0/24\"]\npool = \"green\"\n";
    let server = Server::start(&[("example.test.toml", &(zone(&["a"], "tail = \"0s\"") + rule))]).await;
    for (pool, word) in [("blue", "weight"), ("green", "rule")] {
        let report = verdict(&server, "a", pool).await;
        assert_eq!(
            (&report["state"], &report["safe_to_close"], &report["remaining_ms"]),
            (&json!("serving"), &json!(false), &Value::Null),
            "{report}"
        );
        assert!(report["reasons"].to_string().contains(word), "{report}");
        let output = server.cli(&["drain", "a", pool]);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
        let waiting = server.cli(&["drain", "a", pool, "--wait"]);
        assert_eq!(waiting.status.code(), Some(1), "waiting for a pool that serves would never end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_follow_in_order_and_the_command_waits_for_the_end() {
    let server = Server::start(&[("example.test.toml", &zone(&["a"], "tail = \"12s\""))]).await;
    server.short(&["A", "a.example.test"]);
    change(&server, "a", "flip", json!({ "to": "green" })).await;
    let begun = Instant::now();
    let mut seen: Vec<String> = Vec::new();
    let waiting = {
        let (address, token) = (format!("http://{}", server.admin), server.token());
        tokio::task::spawn_blocking(move || {
            let mut command = std::process::Command::new(crate::harness::PROGRAM);
            command
                .args(["drain", "a", "blue", "--wait"])
                .env("TIDEGATE_ADDRESS", address)
                .env("TIDEGATE_TOKEN", token);
            command.output().expect("the client runs")
        })
    };
    loop {
        let report = verdict(&server, "a", "blue").await;
        let state = report["state"].as_str().unwrap().to_owned();
        if seen.last() != Some(&state) {
            seen.push(state.clone());
        }
        if state == "drained" {
            assert_eq!(
                (&report["verified"], &report["safe_to_close"]),
                (&json!(false), &json!(true)),
                "no idle reading: {report}"
            );
            break;
        }
        assert!(report["remaining_ms"].as_u64().is_some_and(|left| left <= 17_000), "{report}");
        assert!(begun.elapsed() < Duration::from_secs(40), "{report}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // 5 s of TTL, then 12 s of tail; the 5 s of slack lie within the tail.
    assert!(begun.elapsed() >= Duration::from_millis(16_500), "{:?}", begun.elapsed());
    assert_eq!(seen, ["draining", "dns-drained", "drained"], "the tail is over within the first minute");
    let output = waiting.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let unverified = server.cli(&["drain", "a", "blue", "--verified"]);
    assert_eq!(unverified.status.code(), Some(1), "no idle reading has confirmed it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_another_switch_names_stays_until_both_let_go() {
    let text = zone(&["a", "b"], "tail = \"0s\"").replace("192.0.2.11", "192.0.2.1");
    let server = Server::start(&[("example.test.toml", &text)]).await;
    server.short(&["A", "a.example.test"]);
    server.short(&["A", "b.example.test"]);
    change(&server, "a", "flip", json!({ "to": "green" })).await;
    let report = eventually("a's side has drained", || async {
        let report = verdict(&server, "a", "blue").await;
        (report["state"] == "drained").then_some(report)
    })
    .await;
    let member = &report["members"][0];
    assert_eq!(member["safe_to_close"], false, "b answers 192.0.2.1 as well: {report}");
    assert!(member["reasons"].to_string().contains("b/blue"), "{report}");
    server.short(&["A", "b.example.test"]);
    let begun = Instant::now();
    change(&server, "b", "flip", json!({ "to": "green" })).await;
    eventually("both have let go", || async {
        (verdict(&server, "a", "blue").await["members"][0]["safe_to_close"] == true).then_some(())
    })
    .await;
    assert!(begun.elapsed() >= Duration::from_secs(4), "b's answers were out: {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_removed_from_the_files_keeps_its_promises() {
    let two = zone(&["a"], "tail = \"0s\"").replace("[\"192.0.2.1\"]", "[\"192.0.2.1\", \"192.0.2.3\"]");
    let server = Server::start(&[("example.test.toml", &two)]).await;
    server.short(&["A", "a.example.test"]);
    server.folder.write("zones/example.test.toml", &zone(&["a"], "tail = \"0s\""));
    accepted(server.api("POST", "/v1/reload", None).await);
    assert_eq!(server.short(&["A", "a.example.test"]), ["192.0.2.1"]);
    // The same address comes back under another switch: its old promises still count.
    server.folder.write(
        "zones/example.test.toml",
        &(zone(&["a"], "tail = \"0s\"")
            + &zone(&["a", "b"], "tail = \"0s\"")
                .split_once("[switch.b]")
                .map(|(_, b)| format!("[switch.b]{b}"))
                .unwrap()
                .replace("192.0.2.12", "192.0.2.3")),
    );
    accepted(server.api("POST", "/v1/reload", None).await);
    let report = verdict(&server, "b", "green").await;
    assert_eq!(
        (&report["state"], &report["members"][0]["safe_to_close"]),
        (&json!("drained"), &json!(false)),
        "{report}"
    );
    assert!(report["members"][0]["reasons"].to_string().contains("a/blue"), "{report}");
    eventually("the promises are over", || async {
        (verdict(&server, "b", "green").await["members"][0]["safe_to_close"] == true).then_some(())
    })
    .await;
}

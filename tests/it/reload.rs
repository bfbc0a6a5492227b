//! Reloads: all or nothing, every problem with its place, run-time state kept, nobody disturbed (§1.10).

use crate::harness::{Server, UNWATCHED, eventually};
use crate::pair::{CALM, Pair, accepted, guarded, member, refused, serial_of};
use serde_json::json;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A zone that needs no backends.
fn plain(extra: &str) -> String {
    format!("{UNWATCHED}{extra}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_applies_everything_and_moves_the_serial_of_changed_zones_only() {
    let other = plain("").replace("example.test", "example.org").replace("switch.model", "switch.org");
    let server = Server::start(&[("example.test.toml", &plain("")), ("example.org.toml", &other)]).await;
    let org = || server.short(&["SOA", "example.org"]);
    let (before, org_before) = (serial_of(&server), org());
    let nothing = accepted(server.api("POST", "/v1/reload", None).await);
    assert_eq!((&nothing["changed"], serial_of(&server)), (&json!(false), before));
    server.folder.write("zones/example.test.toml", &plain("[switch.second]\nowners = [\"second.example.test\"]\n[switch.second.pool.only]\nmembers = [\"192.0.2.99\"]\nweight = 1\n").replace("192.0.2.10", "192.0.2.11"));
    let planned = accepted(server.api("POST", "/v1/reload", Some(json!({ "dry_run": true }))).await);
    assert_eq!(planned["changed"], true);
    assert_eq!(server.short(&["A", "model.example.test"]), ["192.0.2.10"], "a dry run changes nothing");
    let reply = accepted(server.api("POST", "/v1/reload", Some(json!({ "reason": "new address" }))).await);
    assert_eq!(reply["changed"], true);
    assert_eq!(server.short(&["A", "model.example.test"]), ["192.0.2.11"]);
    assert_eq!(server.short(&["A", "second.example.test"]), ["192.0.2.99"]);
    assert!(serial_of(&server) > before);
    assert_eq!(org(), org_before);
    let rows = crate::switches::history(&server, "").await;
    assert_eq!(
        (&rows[0]["verb"], &rows[0]["who"], &rows[0]["reason"]),
        (&json!("reload"), &json!("first"), &json!("new address"))
    );
    // The file's own serial is taken when it is larger.
    server.folder.write("zones/example.test.toml", &plain("").replace("ns = [", "serial = 2026010100\nns = ["));
    accepted(server.api("POST", "/v1/reload", Some(json!({ "force": true, "reason": "second was a trial" }))).await);
    assert_eq!(serial_of(&server), 2_026_010_100);
    // And an older one never takes it back.
    server.folder.write("zones/example.test.toml", &plain("").replace("ns = [", "serial = 7\nns = ["));
    accepted(server.api("POST", "/v1/reload", None).await);
    assert_eq!(serial_of(&server), 2_026_010_101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_reloads_and_one_with_errors_leaves_everything_as_it_was() {
    let server = Server::start(&[("example.test.toml", &plain(""))]).await;
    server.folder.write("zones/example.test.toml", &plain("").replace("192.0.2.10", "192.0.2.12"));
    server.signal("HUP");
    eventually("the new address", || async {
        (server.short(&["A", "model.example.test"]) == ["192.0.2.12"]).then_some(())
    })
    .await;
    assert_eq!(crate::switches::history(&server, "").await[0]["who"], "file");
    server.folder.write("zones/example.test.toml", "[zone]\nns = 5\n");
    server.signal("HUP");
    eventually("the log names the place", || async { server.log().contains("example.test.toml:2:").then_some(()) })
        .await;
    assert_eq!(server.short(&["A", "model.example.test"]), ["192.0.2.12"]);
    assert_eq!(crate::switches::history(&server, "").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_problem_of_every_file_is_listed_with_its_place_and_nothing_changes() {
    let server = Server::start(&[("example.test.toml", &plain("")), ("example.org.zone", MASTER)]).await;
    let serial = serial_of(&server);
    // A good edit beside bad ones must not slip in.
    server.folder.write(
        "zones/example.test.toml",
        &plain("").replace("192.0.2.10", "192.0.2.13").replace("weight = 0", "wieght = 0"),
    );
    server
        .folder
        .write("zones/example.org.zone", &MASTER.replace("www A 192.0.2.1", "www A 192.0.2.1\nbad A not-an-address"));
    server.folder.write(
        "zones/example.net.toml",
        &plain("")
            .replace("example.test", "example.net")
            .replace("switch.model", "switch.net")
            .replace("192.0.2.10", "192.0.2.300"),
    );
    let (status, body) = server.api("POST", "/v1/reload", None).await;
    refused((status, body.clone()), 422, "invalid-files");
    let problems: Vec<&str> = body["problems"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let find = |words: &[&str]| problems.iter().any(|text| words.iter().all(|word| text.contains(word)));
    assert!(find(&["example.net.toml:7:", "192.0.2.300", "^"]), "{problems:#?}");
    assert!(find(&["example.test.toml:11:1", "wieght", "weight", "^"]), "{problems:#?}");
    assert!(find(&["example.org.zone:5:", "not-an-address"]), "{problems:#?}");
    assert_eq!(serial_of(&server), serial);
    assert_eq!(server.short(&["A", "model.example.test"]), ["192.0.2.10"]);
    assert!(server.dig(&["A", "model.example.net"]).contains("REFUSED"));
    assert!(crate::switches::history(&server, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_set_at_run_time_stays_and_each_hidden_edit_is_named() {
    let pair = Pair::start().await;
    pair.flip("green").await;
    accepted(pair.post("expect-version", json!({ "pool": "blue", "version": "v1" })).await);
    let zone =
        crate::pair::zone(&member(&pair.blue), &member(&pair.green), "min_interval = \"0s\"\nttl = \"60s\"", CALM);
    pair.server
        .folder
        .write("zones/example.test.toml", &zone.replace("weight = 0", "weight = 2000").replace("\"v1\"", "\"v9\""));
    let reply = accepted(pair.server.api("POST", "/v1/reload", None).await);
    let notes = reply["notes"].to_string();
    assert!(
        notes.contains("model") && notes.contains("2000") && notes.contains("not applied") && notes.contains("reset"),
        "{notes}"
    );
    assert!(notes.contains("blue") && notes.contains("v9") && notes.contains("v1"), "{notes}");
    assert!(pair.answers(&pair.green));
    assert_eq!(pair.weights().await["green"], 10000);
    let differs = pair.view().await["differs"].to_string();
    assert!(differs.contains("2000"), "{differs}");
    // A restart keeps it as well, and reset takes the files'.
    let mut pair = pair;
    pair.server.kill9();
    pair.server.restart().await;
    assert!(pair.answers(&pair.green));
    accepted(pair.post("reset", json!({ "force": true, "reason": "blue now expects v9" })).await);
    assert_eq!(pair.weights().await["green"], 2000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_with_weight_is_only_removed_with_force() {
    let server = Server::start(&[("example.test.toml", &plain(""))]).await;
    let without_blue = plain("")
        .replace("[switch.model.pool.blue]\nmembers = [\"192.0.2.10\"]\nweight = 10000\n", "")
        .replace("weight = 0", "weight = 1");
    server.folder.write("zones/example.test.toml", &without_blue);
    guarded(server.api("POST", "/v1/reload", None).await, "removes-serving", true);
    server.signal("HUP");
    eventually("the log says so", || async { server.log().contains("would remove pool `blue`").then_some(()) }).await;
    assert_eq!(server.short(&["A", "model.example.test"]), ["192.0.2.10"]);
    accepted(server.api("POST", "/v1/reload", Some(json!({ "force": true, "reason": "blue burnt down" }))).await);
    assert_eq!(server.short(&["A", "model.example.test"]), ["192.0.2.20"]);
    assert_eq!(crate::switches::history(&server, "").await[0]["forced"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_change_under_load_without_a_single_failure() {
    let server = Server::start(&[("example.test.toml", &plain("")), ("example.org.zone", MASTER)]).await;
    let (stop, asked, wrong) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = ["model.example.test", "www.example.org", "nope.example.org", "green.model.example.test"]
        .into_iter()
        .map(|name| {
            let (stop, asked, wrong, dns) = (stop.clone(), asked.clone(), wrong.clone(), server.dns);
            std::thread::spawn(move || {
                let socket = UdpSocket::bind((dns.ip(), 0)).unwrap();
                socket.connect(dns).unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let query = crate::flips::query(7, name);
                let mut reply = [0; 1500];
                while !stop.load(Ordering::Relaxed) {
                    socket.send(&query).unwrap();
                    let len = socket.recv(&mut reply).expect("an answer to every query");
                    let expected = if name.starts_with("nope") { 3 } else { 0 };
                    if len < 12 || reply[3] & 0x0f != expected {
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..15_u32 {
        let before = asked.load(Ordering::Relaxed);
        let text = plain(&format!(
            "[switch.s{round}]\nowners = [\"s{round}.example.test\"]\n[switch.s{round}.pool.p]\nmembers = [\"192.0.2.77\"]\nweight = 1\n"
        ));
        server.folder.write("zones/example.test.toml", &text);
        server.folder.write("zones/example.org.zone", &format!("{MASTER}extra{round} A 192.0.2.9\n"));
        let force = (round > 0).then(|| json!({ "force": true, "reason": "the switch of the last round goes" }));
        let reply = accepted(server.api("POST", "/v1/reload", force).await);
        assert_eq!(reply["applied"], true, "{reply}");
        assert_eq!(server.short(&["A", &format!("s{round}.example.test")]), ["192.0.2.77"]);
        eventually("queries go on", || async { (asked.load(Ordering::Relaxed) > before).then_some(()) }).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("a client that was always answered");
    }
    assert_eq!(wrong.load(Ordering::Relaxed), 0, "of {} answers", asked.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flips_and_reloads_at_once_lose_nothing_of_each_other() {
    let server = Server::start(&[("example.test.toml", &plain(""))]).await;
    for round in 0..15_u32 {
        let (to, last) = if round % 2 == 0 { ("green", 20) } else { ("blue", 10) };
        let shift = 100 + round;
        let text = plain("").replace("192.0.2.10", &format!("192.0.{shift}.10"));
        server.folder.write("zones/example.test.toml", &text.replace("192.0.2.20", &format!("192.0.{shift}.20")));
        let body = json!({ "to": to, "force": true, "reason": "no monitors here" });
        let (flip, reload) = tokio::join!(
            server.api("POST", "/v1/switches/model/flip", Some(body)),
            server.api("POST", "/v1/reload", None)
        );
        let (flip, reload) = (accepted(flip), accepted(reload));
        assert_eq!((&flip["changed"], &reload["changed"]), (&json!(true), &json!(true)));
        assert_ne!(flip["revision"], reload["revision"]);
        assert_eq!(server.short(&["A", "model.example.test"]), [format!("192.0.{shift}.{last}")], "round {round}");
    }
    assert_eq!(crate::switches::history(&server, "").await.len(), 30);
}

/// A static zone.
const MASTER: &str = "@ 3600 SOA ns1 hostmaster 1 3600 900 604800 300\n@ NS ns1\nns1 A 127.0.0.1\nwww A 192.0.2.1\n";

//! The delegation as it is in the world: a parent zone with NS and glue, Unbound between clients and
//! Tidegate, every host in a network namespace of its own, port 53 everywhere.
//!
//! These tests need root. They fail, and say so, where namespaces are not permitted.

use crate::lab::{
    BLUE, CLIENTS, GREEN, Lab, NETWORKS, PARENT, RESOLVERS, Reply, TIDE, TTL_S, client, resolver, resolver_source,
};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const MODEL: &str = "model.models.example.";
const TTL: Duration = Duration::from_secs(TTL_S as u64);
/// Unbound counts whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Asks the n-th resolver from the first client.
fn through(lab: &Lab, n: u8, question: &[&str]) -> Reply {
    lab.ask_from(CLIENTS, client(1), resolver(n), question)
}

/// A change that must be accepted and applied.
fn change(lab: &Lab, path: &str, body: &Value) -> Value {
    let replied = lab.api("POST", path, Some(body));
    assert_eq!(replied["applied"], true, "{replied}");
    replied
}

fn set_weights(lab: &Lab, blue: u16, green: u16) -> Value {
    let body = json!({ "weights": { "blue": blue, "green": green }, "force": true, "reason": "a test of the split" });
    change(lab, "/v1/switches/model/set-weights", &body)
}

/// Asks until `done`, and returns that reply with the moments before and after each question.
fn poll(mut ask: impl FnMut() -> Reply, mut done: impl FnMut(&Reply, Instant, Instant) -> bool) -> Reply {
    let begun = Instant::now();
    loop {
        let before = Instant::now();
        let reply = ask();
        if done(&reply, before, Instant::now()) {
            return reply;
        }
        assert!(begun.elapsed() < 5 * TTL, "it never changed: {reply:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_parent_refers_to_tidegate_and_unbound_follows() {
    let mut lab = Lab::start();
    let referral = lab.ask_from(CLIENTS, client(1), PARENT, &["+norecurse", MODEL, "A"]);
    assert!(referral.answer.is_empty() && !referral.flags.contains(&"aa".to_owned()), "{referral:?}");
    assert_eq!((referral.authority[0].owner.as_str(), referral.authority[0].rtype.as_str()), ("models.example.", "NS"));
    assert_eq!(referral.additional[0].data, TIDE.to_string(), "glue");

    lab.start_resolver(1, "iterator", &[]);
    // A resolver of the suspicious kind: letters of random case, every referral path checked, TCP only.
    lab.start_resolver(2, "iterator", &["use-caps-for-id: yes", "harden-referral-path: yes", "tcp-upstream: yes"]);
    for n in [1, 2] {
        let reply = through(&lab, n, &[MODEL, "A"]);
        assert_eq!(reply.address(), BLUE);
        assert!(reply.flags.contains(&"ra".to_owned()) && !reply.flags.contains(&"aa".to_owned()), "{reply:?}");
        assert!(reply.answer[0].ttl_s <= TTL_S, "{reply:?}");
        assert_eq!(through(&lab, n, &["green.model.models.example.", "A"]).address(), GREEN, "the pin");
        assert_eq!(through(&lab, n, &["models.example.", "NS"]).answer[0].data, "ns1.models.example.");
    }
}

#[test]
fn a_flip_reaches_a_resolver_when_its_cache_lets_go_and_no_later() {
    let mut lab = Lab::start();
    lab.start_resolver(1, "iterator", &[]);
    let soa = ["models.example.", "SOA"];
    let serial = lab.ask_from(CLIENTS, client(1), TIDE, &soa).serial();
    assert_eq!(through(&lab, 1, &soa).serial(), serial);
    // The resolver's answer is fetched anew between these two moments.
    let asked = Instant::now();
    assert_eq!(through(&lab, 1, &[MODEL, "A"]).address(), BLUE);

    let replied = change(&lab, "/v1/switches/model/flip", &json!({ "to": "green", "reason": "the new model" }));
    let flipped = Instant::now();
    assert_eq!(lab.ask_from(CLIENTS, client(1), TIDE, &[MODEL, "A"]).address(), GREEN, "the server itself, at once");
    let new_serial = replied["serials"]["models.example."].as_u64().expect("a serial");
    assert!(new_serial > serial, "{replied}");
    assert_eq!(lab.ask_from(CLIENTS, client(1), TIDE, &soa).serial(), new_serial);
    let promised = Duration::from_millis(replied["old_answers_expire_in_ms"].as_u64().expect("a bound"));

    poll(
        || through(&lab, 1, &[MODEL, "A"]),
        |reply, before, after| {
            let address = reply.address();
            if address == BLUE {
                assert!(before <= flipped + TTL + SECOND, "blue longer than one TTL after the flip: {reply:?}");
                assert!(before <= flipped + promised + SECOND, "blue after the moment the flip's reply named");
            } else {
                assert!(after + SECOND >= asked + TTL, "green while the resolver held blue: {reply:?}");
            }
            address == GREEN
        },
    );
    poll(|| through(&lab, 1, &soa), |reply, _, _| reply.serial() == new_serial);

    let undone = change(&lab, "/v1/switches/model/undo", &json!({ "reason": "back" }));
    poll(|| through(&lab, 1, &[MODEL, "A"]), |reply, _, _| reply.address() == BLUE);
    assert!(undone["serials"]["models.example."].as_u64() > Some(new_serial), "{undone}");
}

#[test]
fn clients_stay_with_their_pool_behind_a_resolver_that_sends_their_network() {
    let mut lab = Lab::start();
    lab.start_resolver(
        1,
        "subnetcache iterator",
        &[&format!("send-client-subnet: {TIDE}"), "max-client-subnet-ipv4: 24"],
    );
    set_weights(&lab, 5000, 5000);
    let pools = |lab: &Lab| -> Vec<Ipv4Addr> {
        (1..=NETWORKS).map(|n| lab.ask_from(CLIENTS, client(n), resolver(1), &[MODEL, "A"]).address()).collect()
    };
    let at_half = pools(&lab);
    let greens = at_half.iter().filter(|address| **address == GREEN).count();
    assert!((8..=24).contains(&greens), "half of {NETWORKS} clients: {at_half:?}");
    for (n, address) in (1..).zip(&at_half) {
        let subnet = format!("+subnet={}/24", client(n));
        assert_eq!(
            lab.ask_from(RESOLVERS, resolver_source(2), TIDE, &[&subnet, MODEL, "A"]).address(),
            *address,
            "client {n}"
        );
    }
    assert_eq!(pools(&lab), at_half, "asked again");

    set_weights(&lab, 2000, 8000);
    let expected: Vec<Ipv4Addr> = (1..=NETWORKS)
        .map(|n| {
            lab.ask_from(RESOLVERS, resolver_source(2), TIDE, &[&format!("+subnet={}/24", client(n)), MODEL, "A"])
                .address()
        })
        .collect();
    for (n, (before, after)) in at_half.iter().zip(&expected).enumerate() {
        assert!(*before == BLUE || *after == GREEN, "client {} moved out of the pool that grew", n + 1);
    }
    assert!(expected.iter().filter(|address| **address == GREEN).count() > greens, "{expected:?}");
    // Each client's answer changes by itself when its own entry of the cache has run out.
    for (n, address) in (1..).zip(&expected) {
        poll(
            || lab.ask_from(CLIENTS, client(n), resolver(1), &[MODEL, "A"]),
            |reply, _, _| reply.address() == *address,
        );
    }
}

#[test]
fn weights_are_seen_through_the_caches_of_many_resolvers() {
    let mut lab = Lab::start();
    let pools = |lab: &Lab| -> Vec<Ipv4Addr> {
        (1..=NETWORKS).map(|n| lab.ask_from(RESOLVERS, resolver_source(n), TIDE, &[MODEL, "A"]).address()).collect()
    };
    let greens = |pools: &[Ipv4Addr]| pools.iter().filter(|address| **address == GREEN).count();
    assert_eq!(greens(&pools(&lab)), 0, "zero is exactly zero");
    set_weights(&lab, 7500, 2500);
    let quarter = pools(&lab);
    assert!((2..=15).contains(&greens(&quarter)), "a quarter of {NETWORKS}: {quarter:?}");
    set_weights(&lab, 2500, 7500);
    let most = pools(&lab);
    assert!((17..=30).contains(&greens(&most)), "three quarters of {NETWORKS}: {most:?}");
    assert!(
        quarter.iter().zip(&most).all(|(before, after)| *before == BLUE || *after == GREEN),
        "nobody leaves the pool that grew"
    );

    // One resolver of each side: all of its clients share what its own network gets.
    let of = |wanted: Ipv4Addr| (1..=4).find(|n| most[usize::from(*n) - 1] == wanted);
    let chosen: Vec<(u8, Ipv4Addr)> =
        [BLUE, GREEN].into_iter().filter_map(|pool| of(pool).map(|n| (n, pool))).collect();
    assert_eq!(chosen.len(), 2, "the first four resolvers see both pools: {most:?}");
    for (n, pool) in chosen {
        lab.start_resolver(n, "iterator", &[]);
        for source in [client(1), client(2), client(3)] {
            assert_eq!(lab.ask_from(CLIENTS, source, resolver(n), &[MODEL, "A"]).address(), pool, "resolver {n}");
        }
    }
    set_weights(&lab, 10000, 0);
    assert_eq!(greens(&pools(&lab)), 0, "and zero again");
}

#[test]
fn absence_is_cached_for_as_long_as_the_soa_says() {
    let mut lab = Lab::start();
    lab.start_resolver(1, "iterator", &[]);
    let nodata = through(&lab, 1, &[MODEL, "AAAA"]);
    assert_eq!(
        (nodata.status.as_str(), nodata.answer.len(), nodata.authority[0].rtype.as_str()),
        ("NOERROR", 0, "SOA")
    );
    assert!(nodata.authority[0].ttl_s <= TTL_S, "{nodata:?}");

    let late = ["late.models.example.", "A"];
    let asked = Instant::now();
    let nxdomain = through(&lab, 1, &late);
    assert_eq!((nxdomain.status.as_str(), nxdomain.authority[0].owner.as_str()), ("NXDOMAIN", "models.example."));
    assert!(nxdomain.authority[0].ttl_s <= TTL_S, "{nxdomain:?}");
    lab.write_zone(&format!("late {TTL_S} IN A {GREEN}"));
    let replied = change(&lab, "/v1/reload", &json!({ "reason": "a new name" }));
    assert!(replied["serials"]["models.example."].is_u64(), "{replied}");
    let added = Instant::now();
    assert_eq!(lab.ask_from(CLIENTS, client(1), TIDE, &late).address(), GREEN);
    poll(
        || through(&lab, 1, &late),
        |reply, before, after| {
            if reply.status == "NXDOMAIN" {
                assert!(before <= added + TTL + SECOND, "absent for longer than its TTL: {reply:?}");
                return false;
            }
            assert!(after + SECOND >= asked + TTL, "the resolver forgot too early: {reply:?}");
            reply.address() == GREEN
        },
    );
}

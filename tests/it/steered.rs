//! What a switch answers (product §1): pins, fallback, explanations, and how many members.

use crate::wire::*;
use crate::world::{Client, world};
use std::collections::BTreeSet;

#[test]
fn a_pin_ignores_weights_and_rules() {
    for (qname, address) in [("blue.app.example.test", "192.0.2.10"), ("green.app.example.test", "192.0.2.20")] {
        assert_eq!(world().ask(qname, A).answer, [format!("{qname}. 30 IN A {address}")]);
        let office = world().udp(&edns_query(qname, A, 1232, &subnet(1, 24, 0, &[198, 51, 100])));
        assert_eq!(office.rdata("A"), [address]);
    }
    assert_eq!(world().ask("green.app.example.test", AAAA).rdata("AAAA"), ["2001:db8::20"]);
    assert_eq!(world().ask("on.flag.example.test", TXT).rdata("TXT"), ["on"]);
    assert_eq!(world().ask("red.app.example.test", A).rcode, NXDOMAIN, "there is no such pool");
}

#[test]
fn a_pool_that_failed_gets_nobody() {
    for source in 0..32 {
        let client = Client::from_ipv4([127, 230, source, 1].into(), world().v4);
        let reply = Reply::read(&client.udp(&query("half-down.example.test", A)));
        assert_eq!(reply.rdata("A"), ["192.0.2.14"], "127.230.{source}.1");
    }
    for user in 0..32 {
        assert_eq!(
            world().udp(&query(&format!("user-{user}.half-down-users.example.test"), A)).rdata("A"),
            ["192.0.2.14"]
        );
    }
}

#[test]
fn nobody_eligible_is_never_servfail() {
    for (qname, address) in [
        ("last-active.example.test", "127.9.9.1"),
        ("standby.example.test", "192.0.2.24"),
        ("named.example.test", "127.9.9.7"),
    ] {
        assert_eq!(world().udp(&query(qname, A)).rdata("A"), [address], "{qname}");
    }
    assert_eq!(world().ask("nodata.example.test", A).shape(), (NOERROR, "QR AA", [0, 1, 0]));
    let client = Client::new(world().v4);
    let all: BTreeSet<String> =
        (0..64).flat_map(|_| Reply::read(&client.udp(&query("all.example.test", A))).rdata("A")).collect();
    assert!(!all.is_empty() && all.iter().all(|address| ["127.9.9.4", "127.9.9.5"].contains(&&**address)), "{all:?}");
}

#[test]
fn eight_of_many_members_are_answered_in_a_window_that_rotates() {
    let client = Client::new(world().v4);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let members: Vec<u8> = Reply::read(&client.udp(&query("many.example.test", A)))
            .rdata("A")
            .iter()
            .map(|address| address.rsplit('.').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(members.len(), 8);
        let missing: Vec<u8> = (201..=210).filter(|member| !members.contains(member)).collect();
        let [first, second] = missing[..] else { panic!("{members:?} repeats one") };
        assert!(
            second - first == 1 || (first, second) == (201, 210),
            "the two that are left out are neighbours: {missing:?}"
        );
        seen.extend(members);
    }
    assert_eq!(seen.len(), 10, "every member has its turn");
}

#[test]
fn an_explanation_says_which_pool_and_why() {
    let client = Client::new(world().v6);
    let text = |options: &[u8]| {
        Reply::read(&client.udp(&edns_query("_explain.app.example.test", TXT, 1232, options))).rdata("TXT").join("\n")
    };
    let plain = text(&[]);
    assert!(plain.contains("pool=blue"), "{plain}");
    let office = text(&subnet(1, 24, 0, &[198, 51, 100]));
    assert!(office.contains("pool=green") && office.contains("office"), "{office}");
    let label = world().ask("u7._explain.users.example.test", TXT).rdata("TXT").join("\n");
    assert!(label.contains("pool=green") && label.contains("u7"), "{label}");
    let reply = Reply::read(&client.udp(&edns_query("_explain.app.example.test", TXT, 1232, &[])));
    assert!(
        reply.answer.iter().all(|line| line.starts_with("_explain.app.example.test. 5 IN TXT ")),
        "{:?}",
        reply.answer
    );
}

#[test]
fn an_explanation_agrees_with_the_answer() {
    let client = Client::new(world().v6);
    for third in 0..32 {
        let option = subnet(1, 24, 0, &[198, 18, third]);
        let answer = Reply::read(&client.udp(&edns_query("app.example.test", A, 1232, &option)));
        let explanation = Reply::read(&client.udp(&edns_query("_explain.app.example.test", TXT, 1232, &option)));
        let pool = if answer.rdata("A") == ["192.0.2.20"] { "pool=green" } else { "pool=blue" };
        assert!(explanation.rdata("TXT").join("\n").contains(pool), "{explanation:?}");
        assert_eq!(answer.opt.unwrap().subnet, explanation.opt.unwrap().subnet, "and holds for the same clients");
    }
}

//! Steered names: pools, pins, aliases, subnets, negative answers, `_explain` (product §1, §6.1).

use super::*;
use crate::steering::Rule;

/// The draw and client of most tests; the addresses of the answer.
fn addresses(snapshot: &Snapshot, name: &str, qtype: RecordType) -> Vec<String> {
    ask(snapshot, name, qtype).answer.iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn the_pool_with_the_weight_is_answered_and_its_promise_reported() {
    let mut bench = blue_and_green();
    let blue = world(&[bench.clone()]);
    assert_eq!(ask(&blue, "app.example.test", RecordType::A).answer, ["app.example.test. 30 IN A 192.0.2.10"]);
    assert_eq!(addresses(&blue, "App.Example.test", RecordType::AAAA), ["2001:db8::10"]);
    let (outcome, _) = send(&blue, &udp(), &query("app.example.test", RecordType::A));
    let expected = Chosen { slot: PoolSlot(0), promise_s: 30, pinned: false, by_fallback: false, seen: None };
    assert_eq!((outcome.choice, outcome.kind), (Some(expected), Kind::Answer));
    bench.weights = vec![0, 1];
    let green = blue.with_changes(2, 2, &[(0, bench.compile(0))], &[]);
    assert_eq!(addresses(&green, "app.example.test", RecordType::A), ["192.0.2.20"]);
    assert_eq!(send(&green, &udp(), &query("app.example.test", RecordType::A)).0.choice.unwrap().slot, PoolSlot(1));
}

#[test]
fn a_type_the_pool_lacks_is_nodata_with_the_ttl_of_the_switch() {
    let mut bench = blue_and_green();
    bench.weights = vec![0, 1];
    let reply = ask(&world(&[bench]), "app.example.test", RecordType::AAAA);
    assert_eq!((reply.rcode, reply.answer.len(), reply.authority), (0, 0, soa(30)));
    let reply = ask(&world(&[blue_and_green()]), "app.example.test", RecordType::HTTPS);
    assert_eq!((reply.rcode, reply.authority), (0, soa(30)), "no pool has the type");
    let (outcome, _) = send(&world(&[blue_and_green()]), &udp(), &query("app.example.test", RecordType::HTTPS));
    assert_eq!((outcome.choice, outcome.kind), (None, Kind::NoData), "nothing is promised");
}

#[test]
fn static_types_stand_beside_the_pools() {
    let world = world(&[blue_and_green()]);
    let reply = ask(&world, "app.example.test", RecordType::MX);
    assert_eq!(reply.answer, ["app.example.test. 3600 IN MX 10 mail.example.test."]);
}

#[test]
fn names_around_a_steered_name_are_ordinary() {
    let world = world(&[blue_and_green()]);
    assert_eq!(ask(&world, "other.app.example.test", RecordType::A).rcode, 3);
    assert_eq!(ask(&world, "users.example.test", RecordType::A).rcode, 0, "an empty non-terminal");
}

#[test]
fn a_pin_answers_its_pool_only_while_it_is_eligible() {
    let mut bench = blue_and_green();
    let (outcome, reply) = send(&world(&[bench.clone()]), &udp(), &query("green.app.example.test", RecordType::A));
    assert!(outcome.choice.unwrap().pinned);
    assert_eq!(Decoded::read(&reply).unwrap().answer, ["green.app.example.test. 30 IN A 192.0.2.20"]);
    bench.eligible[1] = false;
    let down = world(&[bench]);
    let reply = ask_bytes(&down, &edns_query("green.app.example.test", RecordType::A, 1232, &[]));
    assert_eq!((reply.rcode, reply.answer.len(), reply.authority), (0, 0, soa(30)));
    assert_eq!(reply.opt.unwrap().error, Some(14), "Not Ready (RFC 8914 §4.15)");
    assert_eq!(ask(&down, "green.app.example.test", RecordType::A).opt, None, "no EDNS, no extended error");
    assert_eq!(addresses(&down, "blue.app.example.test", RecordType::A), ["192.0.2.10"]);
}

#[test]
fn the_fallback_is_reported() {
    let mut bench = blue_and_green();
    bench.eligible = vec![false, false];
    bench.definition.fallback = Fallback::Pool("green".into());
    let (outcome, reply) = send(&world(&[bench.clone()]), &udp(), &query("app.example.test", RecordType::A));
    assert!(outcome.choice.unwrap().by_fallback);
    assert!(Decoded::read(&reply).unwrap().answer[0].ends_with("192.0.2.20"));
    bench.definition.fallback = Fallback::NoData;
    let reply = ask(&world(&[bench]), "app.example.test", RecordType::A);
    assert_eq!((reply.rcode, reply.authority), (0, soa(30)), "never SERVFAIL");
}

#[test]
fn the_leftmost_label_is_the_client_of_a_wildcard_owner() {
    let mut bench = blue_and_green();
    bench.definition.rules = vec![Rule {
        name: "testers".into(),
        matches: RuleMatch::Labels(vec!["u7".into()]),
        target: RuleTarget::Pool("green".into()),
    }];
    let world = world(&[bench]);
    assert_eq!(addresses(&world, "u1.users.example.test", RecordType::A), ["192.0.2.10"]);
    assert_eq!(addresses(&world, "U7.users.example.test", RecordType::A), ["192.0.2.20"]);
    assert_eq!(addresses(&world, "u7.any.depth.users.example.test", RecordType::A), ["192.0.2.20"]);
    assert_eq!(
        addresses(&world, "u1.green.users.example.test", RecordType::A),
        ["192.0.2.20"],
        "the pin of a wildcard"
    );
    assert_eq!(addresses(&world, "green.users.example.test", RecordType::A), ["192.0.2.20"]);
    assert_eq!(ask(&world, "u1.blue.users.example.test", RecordType::A).answer.len(), 1);
}

#[test]
fn rfc7871_7_2_1_the_scope_covers_the_rule_that_decided() {
    let mut bench = blue_and_green();
    bench.definition.rules = vec![Rule {
        name: "office".into(),
        matches: RuleMatch::Networks(vec!["198.51.0.0/16".parse().unwrap()]),
        target: RuleTarget::Pool("green".into()),
    }];
    let world = world(&[bench]);
    let ask = |name: &str, address: &[u8]| {
        let source = u8::try_from(address.len() * 8).unwrap();
        let reply = ask_bytes(&world, &edns_query(name, RecordType::A, 1232, &subnet_option(1, source, address)));
        (reply.answer[0].rsplit(' ').next().unwrap().to_owned(), reply.opt.unwrap().subnet.unwrap().1)
    };
    assert_eq!(ask("app.example.test", &[198, 51, 100]), ("192.0.2.20".to_owned(), 16));
    let (address, scope) = ask("app.example.test", &[203, 0, 113]);
    assert_eq!(address, "192.0.2.10");
    assert!(scope > 0, "another network is answered otherwise");
    assert_eq!(ask("to-steered.example.test", &[198, 51, 100]).1, 16, "behind an alias too");
    assert_eq!(ask("green.app.example.test", &[203, 0, 113]).1, 0, "a pin is the same for everybody");
}

#[test]
fn an_alias_to_a_steered_name_is_followed() {
    let reply = ask(&world(&[blue_and_green()]), "to-steered.example.test", RecordType::A);
    assert_eq!(
        reply.answer,
        ["to-steered.example.test. 3600 IN CNAME app.example.test.", "app.example.test. 30 IN A 192.0.2.10"]
    );
    let (outcome, _) = send(&world(&[blue_and_green()]), &udp(), &query("to-steered.example.test", RecordType::A));
    assert_eq!(outcome.choice.unwrap().slot, PoolSlot(0));
}

#[test]
fn a_pool_may_be_an_alias() {
    let world = world(&[aliases("www.example.test", "outside.elsewhere.test")]);
    let reply = ask(&world, "app.example.test", RecordType::A);
    assert_eq!(reply.answer[0], "app.example.test. 30 IN CNAME www.example.test.");
    assert_eq!(reply.answer.len(), 3);
    let any = ask(&world, "app.example.test", RecordType::ANY);
    assert_eq!(any.answer, ["app.example.test. 30 IN CNAME www.example.test."]);
    let pin = ask(&world, "green.app.example.test", RecordType::A);
    assert_eq!(pin.answer, ["green.app.example.test. 30 IN CNAME outside.elsewhere.test."]);
    let (outcome, _) = send(&world, &udp(), &query("app.example.test", RecordType::A));
    assert_eq!(outcome.choice.unwrap().promise_s, 3630, "the target's own TTL counts");
}

#[test]
fn an_answer_promises_one_pool_only() {
    let world = world(&[blue_and_green(), aliases("app.example.test", "app.example.test")]);
    let (outcome, reply) = send(&world, &udp(), &query("moved.example.test", RecordType::A));
    assert_eq!(Decoded::read(&reply).unwrap().answer, ["moved.example.test. 30 IN CNAME app.example.test."]);
    assert_eq!(outcome.choice.unwrap().slot, PoolSlot(10));
}

#[test]
fn a_truncated_answer_promises_nothing() {
    let mut bench = blue_and_green();
    let rdata = vec![b'x'; 250];
    let text = [&[250u8][..], &rdata].concat().into_boxed_slice();
    bench.definition.pools[0].records = vec![Rrset { rtype: RecordType::TXT, ttl: 30, rdatas: vec![text; 3] }];
    let (outcome, reply) = send(&world(&[bench]), &udp(), &query("app.example.test", RecordType::TXT));
    assert_eq!((outcome.choice, outcome.truncated, reply.len()), (None, true, 34));
}

#[test]
fn steered_addresses_never_appear_beside_an_answer() {
    let mut bench = blue_and_green();
    bench.definition.pools[0].records = vec![names(RecordType::MX, &[0, 10], &["app.example.test"])];
    let reply = ask(&world(&[bench]), "app.example.test", RecordType::MX);
    assert_eq!((reply.answer.len(), reply.additional.len()), (1, 0));
}

#[test]
fn explain_tells_listed_networks_why() {
    let world = world(&[blue_and_green()]);
    let reply = ask_bytes(&world, &edns_query("_explain.app.example.test", RecordType::TXT, 1232, &[]));
    assert!(
        reply.answer[0].starts_with("_explain.app.example.test. 5 IN TXT switch=app pool=blue"),
        "{:?}",
        reply.answer
    );
    assert_eq!((reply.rcode, &*reply.flags), (0, "QR AA RD"));
    let nodata = ask(&world, "_explain.app.example.test", RecordType::A);
    assert_eq!((nodata.rcode, nodata.authority), (0, soa(30)));
    let label = ask_bytes(&world, &edns_query("u9._explain.users.example.test", RecordType::TXT, 1232, &[]));
    assert!(label.answer.iter().any(|line| line.contains("label u9")), "{:?}", label.answer);
    let stranger = Asker { client: "198.51.100.9".parse().unwrap(), ..udp() };
    let wire = edns_query("_explain.app.example.test", RecordType::TXT, 1232, &[]);
    let refused = Decoded::read(&send(&world, &stranger, &wire).1).unwrap();
    assert_eq!((refused.rcode, refused.answer.len(), refused.opt.unwrap().error), (5, 0, Some(18)));
}

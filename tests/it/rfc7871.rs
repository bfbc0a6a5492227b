//! RFC 7871: the client subnet, and for whom an answer holds.

use crate::wire::*;
use crate::world::{Client, world};

/// The addresses answered, and the option in the reply.
fn asked(qname: &str, option: &[u8]) -> (Vec<String>, String) {
    let reply = world().ask_edns(qname, A, option);
    assert_eq!(reply.rcode, NOERROR, "{qname}");
    (reply.rdata("A"), reply.opt.unwrap().subnet.unwrap_or_default())
}

fn one(address: &str, option: &str) -> (Vec<String>, String) {
    (vec![address.to_owned()], option.to_owned())
}

#[test]
fn rfc7871_7_2_1_a_static_answer_holds_for_everybody() {
    let v4 = subnet(1, 24, 0, &[198, 51, 100]);
    assert_eq!(asked("www.example.test", &v4).1, "198.51.100.0/24/0");
    assert_eq!(asked("mail.example.test", &subnet(2, 56, 0, &[0x20, 1, 0x0d, 0xb8, 0, 5, 0])).1, "2001:db8:5::/56/0");
    for qname in ["nothing.example.test", "www.deleg.example.test", "elsewhere.test"] {
        let reply = world().ask_edns(qname, A, &v4);
        assert_eq!(reply.opt.unwrap().subnet.as_deref(), Some("198.51.100.0/24/0"), "{qname}");
    }
}

#[test]
fn an_answer_that_is_the_same_for_everybody_has_scope_0() {
    let flag = world().ask_edns("flag.example.test", TXT, &subnet(1, 24, 0, &[192, 0, 2]));
    assert_eq!(
        (flag.rdata("TXT"), flag.opt.unwrap().subnet.unwrap()),
        (vec!["off".to_owned()], "192.0.2.0/24/0".to_owned())
    );
    assert_eq!(
        asked("green.app.example.test", &subnet(1, 24, 0, &[192, 0, 2])),
        one("192.0.2.20", "192.0.2.0/24/0"),
        "a pin"
    );
    assert_eq!(
        asked("u7.users.example.test", &subnet(1, 24, 0, &[192, 0, 2])),
        one("192.0.2.23", "192.0.2.0/24/0"),
        "by label"
    );
}

#[test]
fn a_rule_by_network_answers_with_the_scope_of_the_rule() {
    assert_eq!(asked("app.example.test", &subnet(1, 24, 0, &[198, 51, 100])), one("192.0.2.20", "198.51.100.0/24/24"));
    assert_eq!(
        asked("app.example.test", &subnet(1, 32, 0, &[198, 51, 100, 7])),
        one("192.0.2.20", "198.51.100.7/32/24")
    );
    assert_eq!(asked("app.example.test", &subnet(1, 24, 0, &[203, 0, 113])), one("192.0.2.20", "203.0.113.0/24/16"));
    assert_eq!(
        asked("app.example.test", &subnet(2, 56, 0, &[0x20, 1, 0x0d, 0xb8, 0, 5, 1])),
        one("192.0.2.20", "2001:db8:5:100::/56/48")
    );
    assert_eq!(
        asked("to-steered.example.test", &subnet(1, 24, 0, &[203, 0, 113])).1,
        "203.0.113.0/24/16",
        "behind an alias too"
    );
}

#[test]
fn the_rest_has_the_shortest_scope_without_the_rule() {
    let (address, option) = asked("app.example.test", &subnet(1, 24, 0, &[10, 1, 2]));
    assert_eq!(address, ["192.0.2.10"]);
    let scope: u8 = option.rsplit('/').next().unwrap().parse().unwrap();
    // Of the rules only 127.240/16 begins with the same bit, 0, and its next one differs.
    assert_eq!(scope, 2, "{option}");
    let (address, option) = asked("app.example.test", &subnet(1, 24, 0, &[198, 51, 101]));
    assert_eq!((address, option), one("192.0.2.10", "198.51.101.0/24/24"), "the neighbour of the rule");
}

#[test]
fn a_scope_is_never_longer_than_the_source() {
    // Within 203.0.0.0/16, and around 198.51.100.0/24: a shorter source gets no longer scope.
    assert_eq!(asked("app.example.test", &subnet(1, 18, 0, &[203, 0, 64])), one("192.0.2.20", "203.0.64.0/18/16"));
    let (_, option) = asked("app.example.test", &subnet(1, 16, 0, &[198, 51]));
    assert_eq!(option, "198.51.0.0/16/16");
    let (_, option) = asked("half.example.test", &subnet(1, 16, 0, &[198, 51]));
    assert_eq!(option, "198.51.0.0/16/16");
}

#[test]
fn a_sticky_answer_holds_for_the_network_it_is_keyed_by() {
    let mut sides = std::collections::BTreeSet::new();
    for third in 0..32 {
        let (address, option) = asked("half.example.test", &subnet(1, 24, 0, &[198, 18, third]));
        assert_eq!(option, format!("198.18.{third}.0/24/24"));
        for host in [1, 200] {
            let (again, option) = asked("half.example.test", &subnet(1, 32, 0, &[198, 18, third, host]));
            assert_eq!((again, option), (address.clone(), format!("198.18.{third}.{host}/32/24")), "one key, one side");
        }
        sides.extend(address);
    }
    assert_eq!(sides.len(), 2, "{sides:?}");
    let (_, option) = asked("half.example.test", &subnet(2, 64, 0, &[0x20, 1, 0x0d, 0xb8, 0, 9, 1, 2]));
    assert_eq!(option, "2001:db8:9:102::/64/56");
}

#[test]
fn a_sticky_client_gets_every_type_from_one_pool() {
    for third in 0..32 {
        let option = subnet(1, 24, 0, &[198, 18, third]);
        let answers = [A, AAAA, HTTPS].map(|qtype| world().udp(&edns_query("half.example.test", qtype, 1232, &option)));
        let blue = answers[0].rdata("A") == ["192.0.2.11"];
        assert_eq!(answers[1].rdata("AAAA"), [if blue { "2001:db8::11" } else { "2001:db8::21" }]);
        let target = if blue { "blue-target" } else { "green-target" };
        assert!(answers[2].rdata("HTTPS")[0].contains(target), "{:?}", answers[2].answer);
        assert!(answers.iter().all(|reply| reply.additional.is_empty()), "steered addresses never stand in ADDITIONAL");
    }
}

#[test]
fn a_draw_for_each_query_depends_on_no_network() {
    let client = Client::new(world().v4);
    let mut sides = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let reply =
            Reply::read(&client.udp(&edns_query("dice.example.test", A, 1232, &subnet(1, 24, 0, &[192, 0, 2]))));
        assert_eq!(reply.opt.as_ref().unwrap().subnet.as_deref(), Some("192.0.2.0/24/0"));
        sides.extend(reply.rdata("A"));
    }
    // 64 equal draws in a row: once in 2^63 runs.
    assert_eq!(sides.len(), 2, "{sides:?}");
}

#[test]
fn rfc7871_7_1_2_a_slash_0_hides_the_client_and_counts_as_not_sent() {
    let client = Client::from_ipv4([127, 240, 0, 1].into(), world().v4);
    for option in [subnet(1, 0, 0, &[]), subnet(2, 0, 0, &[])] {
        let reply = Reply::read(&client.udp(&edns_query("app.example.test", A, 1232, &option)));
        assert_eq!(reply.rdata("A"), ["192.0.2.20"], "the resolver's own network has a rule");
        let echoed = reply.opt.unwrap().subnet.unwrap();
        assert!(echoed.ends_with("/0/0"), "{echoed}");
    }
    // Family 0, as dig sends it; hickory-proto cannot read that, so the octets are compared.
    let option = subnet(0, 0, 0, &[]);
    let wire = client.udp(&edns_query("app.example.test", A, 1232, &option));
    assert!(wire.ends_with(&[&opt(1232, 0, &[])[..9], &[0, 8], &option].concat()), "{wire:02x?}");
    assert!(wire.windows(4).any(|octets| octets == [192, 0, 2, 20]));
}

#[test]
fn without_the_option_the_resolver_is_the_client() {
    let ask = |source: [u8; 4]| {
        Reply::read(&Client::from_ipv4(source.into(), world().v4).udp(&edns_query("app.example.test", A, 1232, &[])))
    };
    let office = ask([127, 240, 3, 4]);
    assert_eq!((office.rdata("A"), office.opt.unwrap().subnet), (vec!["192.0.2.20".to_owned()], None));
    assert_eq!(ask([127, 241, 3, 4]).rdata("A"), ["192.0.2.10"]);
}

#[test]
fn the_subnet_wins_over_the_resolver() {
    let client = Client::from_ipv4([127, 240, 0, 2].into(), world().v4);
    let reply = Reply::read(&client.udp(&edns_query("app.example.test", A, 1232, &subnet(1, 24, 0, &[10, 1, 2]))));
    assert_eq!(reply.rdata("A"), ["192.0.2.10"]);
}

#[test]
fn rfc7871_7_1_2_a_malformed_subnet_is_a_format_error() {
    let bad = [
        ("too many octets", subnet(1, 24, 0, &[192, 0, 2, 0])),
        ("too few octets", subnet(1, 24, 0, &[192, 0])),
        ("bits beyond the prefix", subnet(1, 23, 0, &[192, 0, 3])),
        ("a scope in a query", subnet(1, 24, 24, &[192, 0, 2])),
        ("an IPv4 prefix of 33", subnet(1, 33, 0, &[192, 0, 2, 1, 0])),
        ("an IPv6 prefix of 129", subnet(2, 129, 0, &[0; 17])),
        ("an unknown family", subnet(3, 8, 0, &[1])),
        ("no address family at all", option(8, &[])),
        ("half a family", option(8, &[0, 1, 24])),
        ("two of them", subnet(1, 24, 0, &[192, 0, 2]).repeat(2)),
    ];
    for (what, option) in bad {
        let reply = world().ask_edns("app.example.test", A, &option);
        assert_eq!((reply.rcode, reply.answer.len(), reply.opt.is_some()), (FORMERR, 0, true), "{what}");
    }
}

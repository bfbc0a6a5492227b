//! Several zones on one server: one below the other, one without a master file, and what class CH tells.

use crate::wire::*;
use crate::world::world;

#[test]
fn the_longest_apex_answers() {
    let host = world().ask("host.child.example.test", A);
    assert_eq!((host.shape(), host.rdata("A")), ((NOERROR, "QR AA", [1, 0, 0]), vec!["198.51.100.1".to_owned()]));
    let missing = world().ask("nothing.child.example.test", A);
    assert_eq!(missing.rcode, NXDOMAIN);
    assert!(missing.authority[0].starts_with("child.example.test. 60 IN SOA"), "{:?}", missing.authority);
    let apex = world().ask("child.example.test", NS);
    assert_eq!((&*apex.flags, apex.answer.len()), ("QR AA", 1), "no referral to ourselves");
    // A name that only looks as if it were below.
    assert_eq!(world().ask("xchild.example.test", A).authority[0].split(' ').next(), Some("example.test."));
}

#[test]
fn each_zone_has_a_serial_of_its_own() {
    let serial = |zone: &str| world().ask(zone, SOA).answer[0].split(' ').nth(6).unwrap().parse::<u32>().unwrap();
    assert!(serial("example.test") >= 2_026_010_100);
    assert!((5..2_026_010_100).contains(&serial("child.example.test")));
}

#[test]
fn an_apex_is_steered_beside_its_soa_and_ns() {
    let reply = world().ask("steered.test", A);
    assert_eq!(reply.answer, ["steered.test. 20 IN A 192.0.2.15"]);
    assert_eq!(world().ask("www.steered.test", A).rdata("A"), ["192.0.2.15"]);
    assert_eq!(world().ask("steered.test", NS).rdata("NS"), ["ns1.steered.test."]);
    assert_eq!(world().ask("steered.test", SOA).rdata("SOA").len(), 1);
    assert_eq!(world().ask("ns1.steered.test", A).rdata("A"), ["192.0.2.53"]);
    assert_eq!(world().ask("green.steered.test", A).rdata("A"), ["192.0.2.25"], "the pin of the apex");
    assert_eq!(world().ask("green.www.steered.test", A).rdata("A"), ["192.0.2.25"]);
}

#[test]
fn static_types_stand_beside_the_types_of_pools() {
    assert_eq!(world().ask("app.example.test", MX).rdata("MX"), ["10 mail.example.test."]);
    assert_eq!(world().ask("app.example.test", HTTPS).rdata("HTTPS").len(), 1);
}

/// A CH TXT query.
fn chaos(qname: &str, qtype: u16) -> Reply {
    world().ask_bytes(&[header(5, 0, [1, 0, 0, 0]), question(qname, qtype, 3)].concat())
}

#[test]
fn rfc4892_class_ch_tells_what_the_operator_wants_told() {
    for (qname, text) in [
        ("version.bind", "tidegate under test"),
        ("VERSION.server", "tidegate under test"),
        ("id.server", "node-1"),
        ("hostname.bind", "node-1"),
    ] {
        let reply = chaos(qname, TXT);
        assert_eq!((reply.rcode, reply.answer.len()), (NOERROR, 1), "{qname}");
        assert!(reply.answer[0].ends_with(&format!(" 0 CH TXT {text}")), "{:?}", reply.answer);
    }
    for (qname, qtype) in [("authors.bind", TXT), ("version.bind", A), ("www.example.test", TXT), ("", TXT)] {
        assert_eq!(chaos(qname, qtype).shape(), (REFUSED, "QR", [0, 0, 0]), "{qname}");
    }
}

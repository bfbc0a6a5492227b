//! RFC 4592: wildcards and empty non-terminals, and wildcards that a switch steers.

use crate::wire::*;
use crate::world::{Client, world};
use std::collections::BTreeMap;

#[test]
fn rfc4592_2_2_2_a_name_with_names_below_it_exists() {
    for qname in
        ["ent.example.test", "b.ent.example.test", "_tcp.example.test", "wild.example.test", "users.example.test"]
    {
        assert_eq!(world().ask(qname, TXT).shape(), (NOERROR, "QR AA", [0, 1, 0]), "{qname}");
    }
    assert_eq!(world().ask("c.ent.example.test", TXT).rcode, NXDOMAIN);
}

#[test]
fn rfc4592_3_3_1_a_wildcard_covers_what_does_not_exist_at_any_depth() {
    for qname in ["x.wild.example.test", "x.y.z.wild.example.test", "*.wild.example.test", "*.x.wild.example.test"] {
        assert_eq!(world().ask(qname, A).answer, [format!("{qname}. 3600 IN A 192.0.2.7")]);
    }
    assert_eq!(world().ask("x.wild.example.test", MX).shape(), (NOERROR, "QR AA", [0, 1, 0]));
}

#[test]
fn rfc4592_2_2_1_a_name_that_exists_shields_itself_and_what_is_below_it() {
    assert_eq!(world().ask("sub.wild.example.test", A).shape(), (NOERROR, "QR AA", [0, 1, 0]));
    assert_eq!(world().ask("sub.wild.example.test", TXT).rdata("TXT"), ["own"]);
    assert_eq!(world().ask("x.sub.wild.example.test", A).rcode, NXDOMAIN);
}

#[test]
fn a_steered_wildcard_chooses_by_label_whoever_asks() {
    let mut sides: BTreeMap<String, usize> = BTreeMap::new();
    for user in 0..64 {
        let qname = format!("user-{user}.users.example.test");
        let side = world().ask(&qname, A).rdata("A");
        assert_eq!(side.len(), 1);
        let elsewhere = Reply::read(&Client::from_ipv4([127, 240, 1, 1].into(), world().v4).udp(&query(&qname, A)));
        assert_eq!(elsewhere.rdata("A"), side, "another resolver");
        let subnet = world().udp(&edns_query(&qname, A, 1232, &subnet(1, 24, 0, &[203, 0, 113])));
        assert_eq!(subnet.rdata("A"), side, "another client network");
        *sides.entry(side[0].clone()).or_default() += 1;
    }
    let [("192.0.2.13", blue), ("192.0.2.23", green)] =
        sides.iter().map(|(side, count)| (side.as_str(), *count)).collect::<Vec<_>>()[..]
    else {
        panic!("{sides:?}")
    };
    // Half each of 64: 16 is four deviations away; the labels are fixed, so this never flickers.
    assert!(blue > 16 && green > 16, "{sides:?}");
}

#[test]
fn rules_by_label_decide_before_weights() {
    for qname in [
        "u7.users.example.test",
        "U7.users.example.test",
        "test-1.users.example.test",
        "test-.users.example.test",
        "u7.at.any.depth.users.example.test",
    ] {
        assert_eq!(world().ask(qname, A).rdata("A"), ["192.0.2.23"], "{qname}");
    }
}

#[test]
fn the_pins_of_a_wildcard_answer_below_and_at_their_own_name() {
    for (qname, address) in [
        ("green.users.example.test", "192.0.2.23"),
        ("u1.green.users.example.test", "192.0.2.23"),
        ("a.b.green.users.example.test", "192.0.2.23"),
        ("blue.users.example.test", "192.0.2.13"),
        ("u7.blue.users.example.test", "192.0.2.13"),
    ] {
        assert_eq!(world().ask(qname, A).rdata("A"), [address], "{qname}");
    }
}

//! RFC 9471 and RFC 1034 §4.2.1: referrals with the glue they need.

use crate::wire::*;
use crate::world::world;

#[test]
fn rfc1034_4_3_2_below_a_cut_another_server_is_named() {
    for (qname, qtype) in [
        ("deleg.example.test", NS),
        ("deleg.example.test", A),
        ("www.deleg.example.test", A),
        ("a.b.c.deleg.example.test", ANY),
        ("deleg.example.test", SOA),
    ] {
        let reply = world().ask(qname, qtype);
        assert_eq!((reply.rcode, &*reply.flags, reply.answer.len()), (NOERROR, "QR", 0), "{qname}: no AA");
        assert_eq!(
            reply.authority.iter().map(|line| line.split(' ').nth(3).unwrap()).collect::<Vec<_>>(),
            ["DS", "NS", "NS"],
            "{qname}"
        );
    }
}

#[test]
fn rfc9471_3_1_glue_of_servers_below_the_cut_is_there() {
    let reply = world().ask("www.deleg.example.test", A);
    for line in [
        "ns.deleg.example.test. 3600 IN A 192.0.2.100",
        "ns.deleg.example.test. 3600 IN AAAA 2001:db8::100",
        "ns1.example.test. 3600 IN A 192.0.2.53",
        "ns1.example.test. 3600 IN AAAA 2001:db8::53",
    ] {
        assert!(reply.additional.contains(&line.to_owned()), "{line} of {:?}", reply.additional);
    }
    assert_eq!(reply.additional.len(), 4);
}

#[test]
fn servers_elsewhere_have_no_glue_here() {
    let reply = world().ask("www.outside.example.test", A);
    assert_eq!(reply.shape(), (NOERROR, "QR", [0, 1, 0]));
}

#[test]
fn rfc9471_3_1_glue_that_does_not_fit_sets_tc() {
    // The 12 names fit, their addresses do not.
    let cut = world().udp(&edns_query("x.glued.example.test", A, 1232, &[]));
    assert_eq!((&*cut.flags, cut.opt.is_some()), ("QR TC", true));
    let whole = world().tcp(&edns_query("x.glued.example.test", A, 1232, &[]));
    assert_eq!(whole.shape(), (NOERROR, "QR", [0, 12, 12]));
    // Not even the names fit.
    let cut = world().udp(&edns_query("x.crowded.example.test", A, 1232, &[]));
    assert_eq!((&*cut.flags, cut.authority.len()), ("QR TC", 0));
    let whole = world().tcp(&query("x.crowded.example.test", A));
    assert_eq!(whole.shape(), (NOERROR, "QR", [0, 40, 40]));
}

#[test]
fn rfc4035_3_1_4_1_ds_of_a_zone_served_here_too_is_asked_of_the_parent() {
    let reply = world().ask("child.example.test", DS);
    assert_eq!(reply.shape(), (NOERROR, "QR AA", [0, 1, 0]));
    assert!(reply.authority[0].starts_with("example.test. "), "{:?}", reply.authority);
}

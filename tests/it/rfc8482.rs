//! RFC 8482: ANY is answered small, and the same over every transport.

use crate::wire::*;
use crate::world::world;

#[test]
fn rfc8482_4_2_any_of_a_name_with_data_is_a_hinfo_that_says_why() {
    for qname in ["example.test", "www.example.test", "large.example.test", "x.wild.example.test", "steered.test"] {
        let reply = world().ask(qname, ANY);
        assert_eq!((reply.rcode, reply.answer.len()), (NOERROR, 1), "{qname}");
        assert!(reply.answer[0].contains(" IN HINFO RFC8482"), "{:?}", reply.answer);
    }
}

#[test]
fn any_of_a_steered_name_names_no_pool() {
    for qname in ["app.example.test", "u1.users.example.test", "green.app.example.test", "many.example.test"] {
        let reply = world().ask(qname, ANY);
        assert_eq!((reply.rcode, reply.rdata("HINFO").len(), reply.answer.len()), (NOERROR, 1, 1), "{qname}");
    }
}

#[test]
fn a_real_hinfo_and_an_alias_are_told_as_they_are() {
    assert_eq!(world().ask("hinfo.example.test", ANY).rdata("HINFO"), ["real one"]);
    assert_eq!(world().ask("alias.example.test", ANY).rdata("CNAME"), ["www.example.test."]);
    assert_eq!(world().ask("moved.example.test", ANY).rdata("CNAME"), ["www.example.test."]);
}

#[test]
fn any_of_nothing_is_an_ordinary_denial() {
    assert_eq!(world().ask("nothing.example.test", ANY).shape(), (NXDOMAIN, "QR AA", [0, 1, 0]));
    assert_eq!(world().ask("ent.example.test", ANY).shape(), (NOERROR, "QR AA", [0, 1, 0]));
}

#[test]
fn the_answer_to_any_amplifies_nothing() {
    let asked = edns_query("huge.example.test", ANY, 4096, &[]);
    let reply = world().udp(&asked);
    assert!(reply.len < 2 * asked.len() && !reply.flags.contains("TC"), "{} octets", reply.len);
}

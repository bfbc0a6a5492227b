//! RFC 8914: extended errors say what an RCODE cannot.

use crate::wire::*;
use crate::world::{Client, world};

#[test]
fn rfc8914_4_21_a_name_outside_our_zones_is_not_authoritative() {
    let reply = world().ask_edns("www.elsewhere.test", A, &[]);
    assert_eq!((reply.rcode, reply.opt.unwrap().error), (REFUSED, Some(20)));
}

#[test]
fn rfc8914_4_15_a_pin_of_a_failed_pool_is_not_ready() {
    for qname in [
        "green.half-down.example.test",
        "green.half-down-users.example.test",
        "u1.green.half-down-users.example.test",
        "blue.last-active.example.test",
    ] {
        let reply = world().ask_edns(qname, A, &[]);
        assert_eq!(reply.shape(), (NOERROR, "QR AA", [0, 1, 0]), "{qname}");
        assert_eq!(reply.opt.unwrap().error, Some(14), "{qname}");
        assert_eq!(world().ask(qname, A).opt, None, "nothing extended without EDNS");
    }
    let ready = world().ask_edns("blue.half-down.example.test", A, &[]);
    assert_eq!((ready.rdata("A"), ready.opt.unwrap().error), (vec!["192.0.2.14".to_owned()], None));
}

#[test]
fn rfc8914_4_19_an_explanation_is_prohibited_to_networks_that_are_not_listed() {
    let asked = edns_query("_explain.app.example.test", TXT, 1232, &[]);
    let refused = Reply::read(&Client::from_ipv4([127, 249, 0, 1].into(), world().v4).udp(&asked));
    assert_eq!((refused.rcode, refused.answer.len(), refused.opt.unwrap().error), (REFUSED, 0, Some(18)));
    let allowed = Reply::read(&Client::from_ipv4([127, 250, 0, 1].into(), world().v4).udp(&asked));
    assert_eq!((allowed.rcode, allowed.opt.unwrap().error), (NOERROR, None));
    // Whose subnet is sent does not matter: it is the resolver that asks.
    let forged = edns_query("_explain.app.example.test", TXT, 1232, &subnet(1, 24, 0, &[127, 250, 0]));
    assert_eq!(Reply::read(&Client::from_ipv4([127, 249, 0, 1].into(), world().v4).udp(&forged)).rcode, REFUSED);
}

#[test]
fn ordinary_answers_carry_no_extended_error() {
    for (qname, qtype) in
        [("www.example.test", A), ("nothing.example.test", A), ("app.example.test", A), ("www.deleg.example.test", A)]
    {
        let reply = world().ask_edns(qname, qtype, &[]);
        assert_eq!(reply.opt.unwrap().codes, [0u16; 0], "{qname}");
    }
}

//! RFC 2181: record sets, and which server speaks for a name.

use crate::wire::*;
use crate::world::world;

#[test]
fn rfc2181_5_2_a_set_has_one_ttl_and_5_no_record_twice() {
    let reply = world().ask("uneven.example.test", A);
    assert_eq!(reply.answer, ["uneven.example.test. 30 IN A 192.0.2.31", "uneven.example.test. 30 IN A 192.0.2.32"]);
}

#[test]
fn rfc2181_9_a_set_is_answered_whole_or_not_at_all() {
    // 40 records of 16 octets do not fit 512; the reply says TC and carries none of them.
    let reply = world().udp(&query("medium.example.test", A));
    assert_eq!(reply.shape(), (NOERROR, "QR AA TC", [0, 0, 0]));
    assert_eq!(world().tcp(&query("medium.example.test", A)).answer.len(), 40);
}

#[test]
fn rfc2181_10_1_an_alias_is_followed_and_itself_told_once() {
    let alias = world().ask("alias.example.test", A);
    assert_eq!(alias.rdata("CNAME"), ["www.example.test."]);
    assert_eq!(alias.rdata("A"), ["192.0.2.1", "192.0.2.2"]);
    let itself = world().ask("alias.example.test", CNAME);
    assert_eq!(itself.answer, ["alias.example.test. 3600 IN CNAME www.example.test."]);
}

#[test]
fn rfc2181_6_1_what_lies_below_a_cut_is_the_childs() {
    let parent = world().ask("deleg.example.test", DS);
    assert_eq!((parent.answer.len(), &*parent.flags), (1, "QR AA"), "DS stays with the parent (RFC 4035 §3.1.4.1)");
    let below = world().ask("www.deleg.example.test", A);
    assert_eq!((below.answer.len(), &*below.flags), (0, "QR"), "glue is no answer");
}

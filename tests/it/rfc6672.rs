//! RFC 6672: whole subtrees under another name.

use crate::wire::*;
use crate::world::{Client, world};

/// DNAME.
const DNAME: u16 = 39;
/// A name exists that should not, or would be too long.
const YXDOMAIN: u16 = 6;

#[test]
fn rfc6672_3_1_a_name_below_is_answered_with_the_dname_and_the_alias_it_makes() {
    let reply = world().ask("www.old.example.test", A);
    assert_eq!(reply.shape(), (NOERROR, "QR AA", [3, 0, 0]));
    assert_eq!(reply.rdata("DNAME").len(), 1);
    assert_eq!(reply.rdata("CNAME"), ["www.new.example.test."]);
    assert_eq!(reply.rdata("A"), ["192.0.2.61"]);
    let missing = world().ask("nothing.old.example.test", A);
    assert_eq!((missing.rcode, missing.answer.len(), missing.authority.len()), (NXDOMAIN, 2, 1));
}

#[test]
fn rfc6672_2_3_the_owner_itself_is_not_redirected() {
    assert_eq!(world().ask("old.example.test", TXT).rdata("TXT").len(), 1);
    let wire = Client::new(world().v4).udp(&query("old.example.test", DNAME));
    assert!(wire.ends_with(&[&[0, 18][..], &name("new.example.test")].concat()), "{wire:02x?}");
    assert_eq!(world().ask("old.example.test", A).shape(), (NOERROR, "QR AA", [0, 1, 0]));
}

#[test]
fn rfc6672_2_2_a_name_that_grows_too_long_is_yxdomain() {
    let label = "a".repeat(63);
    let longest =
        |below: &str| format!("{label}.{label}.{label}.{}.{below}.example.test", "b".repeat(47 - below.len()));
    assert_eq!(world().ask_edns(&longest("old"), A, &[]).rcode, NXDOMAIN, "as long as before");
    let grown = world().ask_edns(&longest("short"), A, &[]);
    assert_eq!((grown.rcode, grown.answer.len(), grown.rdata("DNAME").len()), (YXDOMAIN, 1, 1));
    assert_eq!(world().ask_edns(&longest("steered-users"), A, &[]).rdata("A").len(), 1, "shorter than before");
}

#[test]
fn a_redirected_name_may_lead_into_a_switch() {
    assert_eq!(world().ask("app.old.example.test", A).rdata("A"), ["192.0.2.10"]);
    assert_eq!(world().ask("u7.steered-users.example.test", A).rdata("A"), ["192.0.2.23"], "the label is the target's");
}

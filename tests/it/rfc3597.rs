//! RFC 3597: types this program does not know.

use crate::wire::*;
use crate::world::{Client, world};

#[test]
fn rfc3597_5_an_unknown_type_is_served_as_it_was_written() {
    let wire = Client::new(world().v4).udp(&query("raw.example.test", 731));
    assert!(
        wire.ends_with(&[0x02, 0xdb, 0, 1, 0, 0, 0x0e, 0x10, 0, 6, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45]),
        "{wire:02x?}"
    );
    assert_eq!(world().ask("raw.example.test", 731).answer.len(), 1);
}

#[test]
fn an_unknown_type_may_have_no_rdata_at_all() {
    let wire = Client::new(world().v4).udp(&query("raw.example.test", 65_280));
    assert!(wire.ends_with(&[0xff, 0, 0, 1, 0, 0, 0x0e, 0x10, 0, 0]), "{wire:02x?}");
}

#[test]
fn rfc3597_5_a_known_type_may_be_written_in_the_generic_form() {
    assert_eq!(world().ask("generic.example.test", A).rdata("A"), ["192.0.2.99"]);
}

#[test]
fn rfc8906_3_1_2_an_unknown_type_at_a_name_that_exists_is_nodata() {
    for qtype in [1000u16, 61_000, 65_534] {
        assert_eq!(world().ask("www.example.test", qtype).shape(), (NOERROR, "QR AA", [0, 1, 0]), "TYPE{qtype}");
        assert_eq!(world().ask("app.example.test", qtype).shape(), (NOERROR, "QR AA", [0, 1, 0]), "TYPE{qtype}");
        assert_eq!(world().ask("nothing.example.test", qtype).rcode, NXDOMAIN);
    }
}

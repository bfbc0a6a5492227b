//! RFC 6891: the OPT record, message sizes and truncation.

use crate::wire::*;
use crate::world::{Client, World, world};

/// A query for every kind of reply there is.
fn one_of_each() -> Vec<(&'static str, Vec<u8>)> {
    let mut notify = query("example.test", SOA);
    notify[2] |= 4 << 3;
    vec![
        ("answer", query("www.example.test", A)),
        ("steered answer", query("app.example.test", A)),
        ("alias", query("chain1.example.test", A)),
        ("NODATA", query("www.example.test", TXT)),
        ("NXDOMAIN", query("nothing.example.test", A)),
        ("referral", query("www.deleg.example.test", A)),
        ("refused name", query("www.elsewhere.test", A)),
        ("refused class", [header(1, 0, [1, 0, 0, 0]), question("www.example.test", A, 4)].concat()),
        ("CHAOS", [header(1, 0, [1, 0, 0, 0]), question("version.bind", TXT, 3)].concat()),
        ("refused type", query("example.test", 252)),
        ("unknown opcode", notify),
        ("ANY", query("www.example.test", ANY)),
    ]
}

#[test]
fn rfc6891_6_1_1_every_reply_to_an_edns_query_carries_one_opt() {
    for (kind, asked) in one_of_each() {
        let reply = world().ask_bytes(&with_additional(asked, &opt(1400, 0, &[])));
        let found = reply.opt.unwrap_or_else(|| panic!("{kind}: no OPT"));
        assert_eq!((found.payload, found.version, found.dnssec_ok, found.other_flags), (1232, 0, false, 0), "{kind}");
    }
}

#[test]
fn rfc6891_7_a_query_without_opt_gets_none() {
    for (kind, asked) in one_of_each() {
        assert_eq!(world().ask_bytes(&asked).opt, None, "{kind}");
    }
}

#[test]
fn rfc3225_3_do_is_copied_and_other_flags_are_cleared() {
    let asked = with_additional(query("www.example.test", A), &opt(1232, 0x0000_ffff, &[]));
    let found = world().ask_bytes(&asked).opt.unwrap();
    assert_eq!((found.dnssec_ok, found.other_flags), (true, 0));
}

#[test]
fn rfc6891_6_1_3_another_version_is_badvers_and_nothing_is_answered() {
    for version in [1u32, 2, 255] {
        // Options of a version nobody knows are not even looked at.
        for options in [&[][..], &option(65_001, b"x"), &subnet(9, 200, 7, &[1])] {
            let asked = with_additional(query("www.example.test", A), &opt(1232, version << 16 | 0x8000, options));
            let reply = world().ask_bytes(&asked);
            assert_eq!((reply.rcode, reply.answer.len(), reply.authority.len()), (BADVERS, 0, 0), "version {version}");
            let found = reply.opt.unwrap();
            assert_eq!((found.version, found.payload, found.dnssec_ok), (0, 1232, true));
            let wire = Client::new(world().v4).udp(&asked);
            assert_eq!(wire[3] & 0x0f, 0, "BADVERS is 0 in the header and 1 in OPT");
        }
    }
}

#[test]
fn rfc6891_6_1_1_two_opts_are_a_format_error() {
    let record = opt(1232, 0, &[]);
    let asked = with_additional(with_additional(query("www.example.test", A), &record), &record);
    let reply = world().ask_bytes(&asked);
    assert_eq!((reply.rcode, reply.answer.len()), (FORMERR, 0));
    assert!(reply.opt.is_some());
}

#[test]
fn rfc6891_6_1_2_an_opt_below_a_name_is_a_format_error() {
    let named = [name("x"), opt(1232, 0, &[])[1..].to_vec()].concat();
    assert_eq!(world().ask_bytes(&with_additional(query("www.example.test", A), &named)).rcode, FORMERR);
}

#[test]
fn an_opt_in_another_section_is_a_format_error() {
    for section in [6, 8] {
        let mut asked = [query("www.example.test", A), opt(1232, 0, &[])].concat();
        asked[section + 1] = 1;
        assert_eq!(world().ask_bytes(&asked).rcode, FORMERR);
    }
}

#[test]
fn an_option_that_is_longer_than_opt_is_a_format_error() {
    for options in [&[0u8][..], &[0, 10, 0], &[0, 10, 0, 8, 1, 2, 3], &[0xff, 0xff, 0xff, 0xff]] {
        let reply = world().ask_edns("www.example.test", A, options);
        assert_eq!((reply.rcode, reply.answer.len(), reply.opt.is_some()), (FORMERR, 0, true), "{options:02x?}");
    }
}

#[test]
fn an_opt_that_promises_more_than_the_packet_has_is_a_format_error() {
    let whole = edns_query("www.example.test", A, 1232, &subnet(1, 24, 0, &[192, 0, 2]));
    for len in query("www.example.test", A).len()..whole.len() {
        assert_eq!(world().udp(&whole[..len]).rcode, FORMERR, "{len} octets");
    }
}

#[test]
fn other_additional_records_of_a_query_are_passed_over() {
    let record = [name("x.example.test"), vec![0, 16, 0, 1, 0, 0, 0, 9, 0, 2, 1, b'x']].concat();
    let before = with_additional(with_additional(query("www.example.test", A), &record), &opt(1232, 0, &[]));
    let behind = with_additional(edns_query("www.example.test", A, 1232, &[]), &record);
    for asked in [before, behind] {
        let reply = world().ask_bytes(&asked);
        assert_eq!((reply.rcode, reply.answer.len(), reply.opt.is_some()), (NOERROR, 2, true));
    }
}

/// Asks over UDP for 40 addresses (674 octets without OPT).
fn medium(world: &World, payload: u16) -> Reply {
    world.udp(&edns_query("medium.example.test", A, payload, &[]))
}

#[test]
fn rfc6891_6_2_3_the_announced_size_is_honoured() {
    let plain = world().udp(&query("medium.example.test", A));
    assert_eq!((&*plain.flags, plain.answer.len()), ("QR AA TC", 0), "512 without EDNS");
    // 12 header, 25 question, 40 x 16 answer, 11 OPT.
    let needed = 12 + 25 + 40 * 16 + 11;
    let fits = medium(world(), needed);
    assert_eq!((&*fits.flags, fits.answer.len(), fits.len), ("QR AA", 40, usize::from(needed)));
    for payload in [needed - 1, 600, 512] {
        let cut = medium(world(), payload);
        assert_eq!((&*cut.flags, cut.answer.len(), cut.opt.is_some()), ("QR AA TC", 0, true), "{payload}");
    }
}

#[test]
fn rfc6891_6_2_3_sizes_below_512_mean_512() {
    for payload in [0, 1, 100, 511] {
        let reply = world().udp(&edns_query("www.example.test", A, payload, &[]));
        assert_eq!((&*reply.flags, reply.answer.len()), ("QR AA", 2), "{payload}");
        assert_eq!(medium(world(), payload).flags, "QR AA TC");
    }
}

#[test]
fn no_datagram_is_larger_than_1232_octets() {
    for payload in [1232, 1233, 4096, 65_535] {
        for (qname, qtype) in [
            ("large.example.test", A),
            ("huge.example.test", TXT),
            ("crowded.example.test", A),
            ("glued.example.test", A),
        ] {
            let reply = world().udp(&edns_query(qname, qtype, payload, &[]));
            assert!(reply.flags.contains("TC") && reply.len <= 1232, "{qname}: {} {}", reply.flags, reply.len);
            assert!(reply.opt.is_some() && reply.answer.is_empty() && reply.question.len() == 1, "{reply:?}");
        }
    }
}

#[test]
fn what_was_truncated_is_whole_over_tcp() {
    for (qname, qtype, records) in
        [("medium.example.test", A, 40), ("large.example.test", A, 100), ("huge.example.test", TXT, 250)]
    {
        for asked in [query(qname, qtype), edns_query(qname, qtype, 512, &[])] {
            let reply = world().tcp(&asked);
            assert_eq!((&*reply.flags, reply.answer.len()), ("QR AA", records), "{qname}");
            assert!(reply.answer.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
    assert!(world().tcp(&query("huge.example.test", TXT)).len > 0x4000, "beyond the reach of compression pointers");
}

#[test]
fn a_truncated_reply_keeps_the_subnet_and_do() {
    let asked = with_additional(query("large.example.test", A), &opt(1232, 0x8000, &subnet(1, 24, 0, &[192, 0, 2])));
    let reply = world().udp(&asked);
    let found = reply.opt.unwrap();
    assert!(reply.flags.contains("TC") && found.dnssec_ok);
    assert_eq!(found.subnet.as_deref(), Some("192.0.2.0/24/0"));
}

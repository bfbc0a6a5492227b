//! Header, question, EDNS and subnets: RFC 1035, 2181, 6891, 7871, 8482, 8906, 9619.

use super::*;
use crate::dns::Subnet;
use crate::dns::decoded::DecodedOpt;

#[test]
fn rfc1035_4_1_1_a_reply_or_a_stump_is_met_with_silence() {
    let world = world(&[]);
    let mut reply = query("www.example.test", RecordType::A);
    reply[2] |= 0x80;
    assert_eq!(send(&world, &udp(), &reply).0, Outcome::SILENCE);
    for len in 0..12 {
        assert_eq!(send(&world, &udp(), &query("www.example.test", RecordType::A)[..len]).0.len, 0);
    }
}

#[test]
fn rfc1035_4_1_1_an_answer_is_authoritative_copies_rd_and_never_offers_recursion() {
    let world = world(&[]);
    let reply = ask(&world, "www.example.test", RecordType::A);
    assert_eq!((reply.id, &*reply.flags, reply.rcode), (0xabcd, "QR AA RD", 0));
    assert_eq!(reply.answer, ["www.example.test. 300 IN A 192.0.2.1", "www.example.test. 300 IN A 192.0.2.2"]);
    assert!(reply.authority.is_empty() && reply.additional.is_empty() && reply.opt.is_none());
    let mut flags = query("www.example.test", RecordType::A);
    (flags[2], flags[3]) = (0x06, 0xff); // AA, TC; RA, Z, AD, CD and an RCODE
    assert_eq!(ask_bytes(&world, &flags).flags, "QR AA");
}

#[test]
fn rfc1035_4_1_1_other_opcodes_are_not_implemented() {
    for opcode in 1..16u8 {
        let mut wire = query("www.example.test", RecordType::A);
        wire[2] = opcode << 3 | 1;
        let (outcome, reply) = send(&world(&[]), &udp(), &wire);
        assert_eq!(
            (outcome.rcode, reply[2], reply.len()),
            (4, 0x80 | opcode << 3 | 1, wire.len()),
            "the question is echoed"
        );
    }
    let (outcome, reply) = send(&world(&[]), &udp(), b"\0\x01\x28\0\0\0\0\0\0\0\0\0");
    assert_eq!((outcome.rcode, reply), (4, b"\0\x01\xa8\x04\0\0\0\0\0\0\0\0".to_vec()));
}

#[test]
fn rfc9619_4_exactly_one_question_is_asked() {
    for count in [0, 2, 0xff] {
        let mut wire = query("www.example.test", RecordType::A);
        wire[5] = count;
        let (outcome, reply) = send(&world(&[]), &udp(), &wire);
        assert_eq!((outcome.rcode, outcome.kind), (1, Kind::Error));
        assert_eq!(reply, b"\xab\xcd\x81\x01\0\0\0\0\0\0\0\0");
    }
}

#[test]
fn what_cannot_be_read_is_a_format_error() {
    let world = world(&[]);
    let whole = query("www.example.test", RecordType::A);
    for len in 12..whole.len() {
        assert_eq!(send(&world, &udp(), &whole[..len]).0.rcode, 1, "cut at {len}");
    }
    let mut compressed = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x03www\xc0\x0c\0\x01\0\x01".to_vec();
    assert_eq!(send(&world, &udp(), &compressed).0.rcode, 1, "a question is not compressed");
    compressed[12] = 0x41;
    assert_eq!(send(&world, &udp(), &compressed).0.rcode, 1, "extended labels are obsolete (RFC 6891 §5)");
    for counter in [7, 9] {
        let mut wire = whole.clone();
        wire[counter] = 1;
        assert_eq!(ask_bytes(&world, &wire).rcode, 1, "a query brings no answer or authority");
    }
    let mut missing = whole.clone();
    missing[11] = 1;
    assert_eq!(ask_bytes(&world, &missing).rcode, 1, "an additional record is announced and missing");
    let trailing = [whole, b"garbage".to_vec()].concat();
    assert_eq!(ask_bytes(&world, &trailing).rcode, 0, "octets behind the message are tolerated");
}

#[test]
fn the_case_of_the_question_comes_back_and_owners_have_it() {
    let world = world(&[]);
    let (_, reply) = send(&world, &udp(), &query("wWw.ExAmPlE.tEsT", RecordType::AAAA));
    assert_eq!(reply[12..30], *b"\x03wWw\x07ExAmPlE\x04tEsT\0");
    assert_eq!(reply[34..36], [0xc0, 12], "the owner points at the question");
    assert_eq!(Decoded::read(&reply).unwrap().answer, ["wWw.ExAmPlE.tEsT. 3600 IN AAAA 2001:db8::1"]);
}

#[test]
fn names_outside_our_zones_are_refused_without_data() {
    let world = world(&[]);
    for name in ["www.elsewhere.test", "test", ".", "anexample.test"] {
        let reply = ask_bytes(&world, &edns_query(name, RecordType::A, 1232, &[]));
        assert_eq!((reply.rcode, &*reply.flags, reply.question.len()), (5, "QR RD", 1), "{name}");
        assert!(reply.answer.is_empty() && reply.authority.is_empty() && reply.additional.is_empty());
        assert_eq!(reply.opt.unwrap().error, Some(20), "Not Authoritative (RFC 8914 §4.21)");
    }
}

#[test]
fn rfc1035_3_2_5_other_classes_are_refused_and_any_class_is_not_authoritative() {
    let world = world(&[]);
    let with_class = |name, qtype, class: u16| {
        let mut wire = query(name, qtype);
        let at = wire.len() - 2;
        wire[at..].copy_from_slice(&class.to_be_bytes());
        ask_bytes(&world, &wire)
    };
    assert_eq!(with_class("www.example.test", RecordType::A, 4).rcode, 5);
    let any = with_class("www.example.test", RecordType::A, 255);
    assert_eq!((any.answer.len(), &*any.flags), (2, "QR RD"));
    let version = with_class("VERSION.bind", RecordType::TXT, 3);
    assert_eq!((version.rcode, version.answer), (0, vec!["VERSION.bind. 0 CH TXT tidegate".to_owned()]));
    assert_eq!(with_class("version.server", RecordType::TXT, 3).answer.len(), 1);
    assert_eq!(with_class("id.server", RecordType::TXT, 3).rcode, 5, "not configured");
    assert_eq!(with_class("version.bind", RecordType::A, 3).rcode, 5);
    assert_eq!(with_class("www.example.test", RecordType::TXT, 3).rcode, 5);
}

#[test]
fn meta_types_are_never_answered_with_data() {
    let world = world(&[]);
    for (qtype, rcode) in [(252, 5), (251, 5), (253, 4), (254, 4), (249, 4), (250, 4), (41, 1), (0, 1)] {
        let reply = ask(&world, "example.test", RecordType(qtype));
        assert_eq!((reply.rcode, reply.answer.len(), reply.authority.len()), (rcode, 0, 0), "type {qtype}");
    }
    let mut ixfr = query("example.test", RecordType::IXFR);
    ixfr[9] = 1;
    ixfr.extend_from_slice(b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x16\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(ask_bytes(&world, &ixfr).rcode, 5, "an IXFR query carries a SOA (RFC 1995 §3)");
}

#[test]
fn rfc8906_3_1_unknown_types_are_nodata_where_the_name_exists() {
    let world = world(&[]);
    let reply = ask(&world, "www.example.test", RecordType(1000));
    assert_eq!((reply.rcode, reply.authority), (0, soa(300)));
    assert_eq!(ask(&world, "type65280.example.test", RecordType(65280)).answer.len(), 1, "RFC 3597 §3");
}

#[test]
fn rfc8482_4_any_is_answered_with_hinfo_and_nothing_else() {
    let world = world(&[blue_and_green()]);
    for name in ["www", "app", "blue.app", "x.wild", "u1.users"] {
        let reply = ask(&world, &format!("{name}.example.test"), RecordType::ANY);
        assert_eq!(reply.answer, [format!("{name}.example.test. 3600 IN HINFO RFC8482 ")]);
        assert_eq!(reply.rcode, 0);
    }
    assert!(ask(&world, "hinfo.example.test", RecordType::ANY).answer[0].ends_with("HINFO real one"));
    assert!(ask(&world, "alias.example.test", RecordType::ANY).answer[0].contains("CNAME"), "§4.1: an alias stays one");
    assert_eq!(ask(&world, "ent.example.test", RecordType::ANY).answer.len(), 0);
    assert_eq!(ask(&world, "nothing.example.test", RecordType::ANY).rcode, 3);
}

#[test]
fn rfc6891_6_1_1_every_reply_to_edns_has_opt_and_no_other_does() {
    let world = world(&[]);
    for (name, qtype) in
        [("www.example.test", 1), ("nothing.example.test", 1), ("www.elsewhere.test", 1), ("example.test", 252)]
    {
        let reply = ask_bytes(&world, &edns_query(name, RecordType(qtype), 4096, &[]));
        let opt = reply.opt.unwrap();
        assert_eq!((opt.payload, opt.version, opt.dnssec_ok, opt.subnet), (1232, 0, false, None));
        assert_eq!(ask(&world, name, RecordType(qtype)).opt, None);
    }
    let reply = ask_bytes(&world, &with_opt(query("www.example.test", RecordType::A), 1232, [0, 0, 0xff, 0xff], &[]));
    let expected = DecodedOpt { payload: 1232, version: 0, dnssec_ok: true, subnet: None, error: None };
    assert_eq!(reply.opt, Some(expected), "DO is copied (RFC 3225 §3), Z is not");
}

#[test]
fn rfc6891_6_1_1_two_opt_records_are_a_format_error() {
    let twice = with_opt(edns_query("www.example.test", RecordType::A, 1232, &[]), 1232, [0; 4], &[]);
    let reply = ask_bytes(&world(&[]), &twice);
    assert_eq!((reply.rcode, reply.opt.is_some(), reply.answer.len()), (1, true, 0));
}

#[test]
fn rfc6891_6_1_2_the_owner_of_opt_is_the_root() {
    let mut wire = query("www.example.test", RecordType::A);
    wire[11] = 1;
    wire.extend_from_slice(b"\x01a\0\0\x29\x04\xd0\0\0\0\0\0\0");
    assert_eq!(ask_bytes(&world(&[]), &wire).rcode, 1);
    wire.truncate(wire.len() - 13);
    wire.extend_from_slice(b"\xc0\x0c\0\x29\x04\xd0\0\0\0\0\0\0");
    assert_eq!(ask_bytes(&world(&[]), &wire).rcode, 1);
}

#[test]
fn rfc6891_6_1_3_other_versions_are_told_ours() {
    let wire = with_opt(query("www.example.test", RecordType::A), 1232, [0, 1, 0x80, 0], b"\0\x08\0\x04bad!");
    let reply = ask_bytes(&world(&[]), &wire);
    assert_eq!((reply.rcode, reply.answer.len(), reply.question.len()), (16, 0, 1));
    assert_eq!((reply.opt.as_ref().unwrap().version, reply.opt.unwrap().dnssec_ok), (0, true));
}

#[test]
fn rfc6891_7_a_malformed_option_is_a_format_error_with_opt() {
    let reply = ask_bytes(&world(&[]), &edns_query("www.example.test", RecordType::A, 1232, b"\0\x0a\0\x09short"));
    assert_eq!((reply.rcode, reply.opt.is_some()), (1, true));
    let unknown = edns_query("www.example.test", RecordType::A, 1232, b"\xfd\xe9\0\x03abc\0\x03\0\0");
    assert_eq!(ask_bytes(&world(&[]), &unknown).answer.len(), 2, "unknown options are ignored (RFC 8906 §3.2.3)");
}

#[test]
fn rfc7873_5_2_a_client_with_a_cookie_gets_ours_and_is_known_by_it_next_time() {
    let world = world(&[]);
    let cookies = Cookies { secret: [3; 16], previous: None, now_s: 1_000_000, required: false };
    let send = |option: &[u8]| {
        let wire = edns_query(
            "www.example.test",
            RecordType::A,
            1232,
            &[&[0, 10, 0, u8::try_from(option.len()).unwrap()], option].concat(),
        );
        let mut buffer = [wire.clone(), vec![0; 1232]].concat();
        let outcome = respond_with(&world, &udp(), Some(&cookies), &mut buffer, wire.len());
        (outcome, buffer[..outcome.len].to_vec())
    };
    let (outcome, reply) = send(b"clientck");
    assert!(!outcome.knows_us);
    let (before, cookie) = reply.split_at(reply.len() - 24);
    assert!(before.ends_with(&[0, 10, 0, 24]) && cookie.starts_with(b"clientck"));
    assert!(send(cookie).0.knows_us);
    assert!(!send(&[cookie, b"longer"].concat()).0.knows_us, "a cookie of another make");
    assert_eq!(send(b"short").0.rcode, 1, "RFC 7873 §5.2.2");
    let wire = edns_query("www.example.test", RecordType::A, 1232, b"\0\x0a\0\x08clientck");
    assert_eq!(
        super::send(&world, &udp(), &wire).1.len(),
        query("www.example.test", RecordType::A).len() + 32 + 11,
        "no secrets, no cookies"
    );
}

#[test]
fn rfc5001_2_2_the_identifier_is_told_who_asks_for_it() {
    let mut world = world(&[]);
    let wire = edns_query("www.example.test", RecordType::A, 1232, &[0, 3, 0, 0]);
    let plain = send(&world, &udp(), &wire).1.len();
    world.settings = Arc::new(Settings::new(None, Some("ns1-a"), Vec::new()));
    let reply = send(&world, &udp(), &wire).1;
    assert!(reply.len() == plain + 9 && reply.ends_with(b"\0\x03\0\x05ns1-a"));
    assert_eq!(send(&world, &udp(), &edns_query("www.example.test", RecordType::A, 1232, &[])).1.len(), plain);
}

#[test]
fn rfc7830_4_padded_queries_over_encryption_get_padded_replies() {
    let world = world(&[]);
    let wire = edns_query("www.example.test", RecordType::A, 1232, &[0, 12, 0, 2, 0, 0]);
    let len = |transport| send(&world, &Asker { transport, ..udp() }, &wire).1.len();
    assert_eq!((len(Transport::Tls), len(Transport::Https), len(Transport::Quic)), (468, 468, 468));
    assert_eq!((len(Transport::Udp), len(Transport::Tcp)), (77, 77));
    let bare = edns_query("www.example.test", RecordType::A, 1232, &[]);
    assert_eq!(send(&world, &Asker { transport: Transport::Tls, ..udp() }, &bare).1.len(), 77);
}

#[test]
fn other_additional_records_are_stepped_over() {
    let mut wire = query("www.example.test", RecordType::A);
    wire[11] = 1;
    wire.extend_from_slice(b"\x01a\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x7f\0\0\x01");
    let reply = ask_bytes(&world(&[]), &with_opt(wire, 1232, [0; 4], &[]));
    assert_eq!((reply.rcode, reply.answer.len(), reply.opt.is_some()), (0, 2, true));
}

#[test]
fn rfc7871_7_2_1_a_subnet_is_echoed_with_the_scope_of_the_answer() {
    let world = world(&[]);
    let ask = |option: Vec<u8>| ask_bytes(&world, &edns_query("www.example.test", RecordType::A, 1232, &option));
    let v4 = ask(subnet_option(1, 24, &[198, 51, 100]));
    let subnet = Subnet { address: "198.51.100.0".parse().unwrap(), source: 24 };
    assert_eq!(v4.opt.unwrap().subnet, Some((subnet, 0)), "static answers are the same for everybody");
    let v6 = ask(subnet_option(2, 56, &[0x20, 1, 0xd, 0xb8, 0, 0, 0]));
    assert_eq!(v6.opt.unwrap().subnet, Some((Subnet { address: "2001:db8::".parse().unwrap(), source: 56 }, 0)));
    let none = ask(subnet_option(1, 0, &[]));
    assert_eq!(none.opt.unwrap().subnet, Some((Subnet { address: "0.0.0.0".parse().unwrap(), source: 0 }, 0)));
    let dig = edns_query("www.example.test", RecordType::A, 1232, &subnet_option(0, 0, &[]));
    assert!(send(&world, &udp(), &dig).1.ends_with(b"\0\x08\0\x04\0\0\0\0"), "family 0 with a /0 is echoed as it came");
}

#[test]
fn rfc7871_7_1_2_a_malformed_subnet_is_a_format_error() {
    let world = world(&[]);
    for option in [subnet_option(1, 24, &[1, 2]), subnet_option(1, 20, &[1, 2, 0xff]), subnet_option(9, 8, &[1])] {
        let reply = ask_bytes(&world, &edns_query("www.example.test", RecordType::A, 1232, &option));
        assert_eq!((reply.rcode, reply.opt.unwrap().subnet), (1, None));
    }
}

#[test]
fn rfc7871_12_1_only_listed_resolvers_have_their_subnets_believed() {
    let mut world = world(&[]);
    world.settings = Arc::new(Settings::new(None, None, vec!["203.0.113.0/24".parse().unwrap()]));
    let wire = edns_query("www.example.test", RecordType::A, 1232, &subnet_option(1, 24, &[198, 51, 100]));
    assert_eq!(ask_bytes(&world, &wire).opt.unwrap().subnet, None);
    let listed = Asker { client: "203.0.113.5".parse().unwrap(), ..udp() };
    assert!(Decoded::read(&send(&world, &listed, &wire).1).unwrap().opt.unwrap().subnet.is_some());
}

/// A zone with one name of `count` TXT records, 100 octets each.
fn wide_world(count: usize) -> Snapshot {
    let records: String = (0..count).map(|n| format!("wide IN TXT \"{n:087}\"\n")).collect();
    let text = format!(
        "$TTL 60\n@ IN SOA ns1 h 1 1 1 1 60\n@ IN NS ns1\nns1 IN A 192.0.2.1\nto-wide IN CNAME wide\n{records}"
    );
    let zones = Arc::new(ZoneSet::build(vec![zone("example.test", &text, &[])]));
    Snapshot { zones, serials: Chunked::new(&[1]), ..Snapshot::default() }
}

#[test]
fn rfc2181_9_what_does_not_fit_is_left_out_whole_with_tc_and_opt_stays() {
    let world = wide_world(12);
    let reply = ask_bytes(&world, &edns_query("wide.example.test", RecordType::TXT, 4096, &[]));
    assert_eq!(
        (&*reply.flags, reply.answer.len(), reply.opt.is_some()),
        ("QR AA TC RD", 0, true),
        "1232 octets at most"
    );
    let alias = ask_bytes(&world, &edns_query("to-wide.example.test", RecordType::TXT, 4096, &[]));
    assert_eq!((&*alias.flags, alias.answer.len()), ("QR AA TC RD", 1), "the alias fits");
    let (outcome, reply) = send(&world, &tcp(), &query("wide.example.test", RecordType::TXT));
    assert_eq!((outcome.truncated, Decoded::read(&reply).unwrap().answer.len()), (false, 12));
}

#[test]
fn rfc6891_6_2_5_a_reply_is_as_long_as_the_client_takes_between_512_and_1232() {
    let len = |world: &Snapshot, wire: &[u8]| {
        let (outcome, reply) = send(world, &udp(), wire);
        (outcome.truncated, reply.len())
    };
    let (four, eleven) = (wide_world(4), wide_world(11));
    assert_eq!(len(&four, &query("wide.example.test", RecordType::TXT)), (false, 435));
    for (payload, fits) in [(0, false), (512, false), (1145, false), (1146, true), (65535, true)] {
        let wire = edns_query("wide.example.test", RecordType::TXT, payload, &[]);
        assert_eq!(len(&eleven, &wire), (!fits, if fits { 1146 } else { 46 }), "payload {payload}");
    }
    let (outcome, _) = send(&wide_world(700), &tcp(), &query("wide.example.test", RecordType::TXT));
    assert!(outcome.truncated, "a stream carries at most 65535 octets");
}

//! RFC 1034 and RFC 1035: headers, questions, and names as they come.

use crate::wire::*;
use crate::world::{Client, Stream, world};

#[test]
fn rfc1035_4_1_1_an_answer_is_authoritative_and_never_offers_recursion() {
    let reply = world().ask("www.example.test", A);
    assert_eq!(reply.shape(), (NOERROR, "QR AA", [2, 0, 0]));
    assert_eq!(reply.question, ["www.example.test. IN A"]);
    assert_eq!(reply.answer, ["www.example.test. 300 IN A 192.0.2.1", "www.example.test. 300 IN A 192.0.2.2"]);
}

#[test]
fn rfc1035_4_1_1_rd_is_copied_and_the_other_flags_are_not() {
    let mut asked = query("www.example.test", A);
    asked[2] |= 0x01;
    assert_eq!(world().ask_bytes(&asked).flags, "QR AA RD");
    // AA, TC, RA and Z mean nothing in a query; CD is cleared in an authoritative answer (RFC 4035 §3.1.6).
    asked[2] |= 0x06;
    asked[3] |= 0xf0;
    let reply = world().ask_bytes(&asked);
    assert_eq!((reply.rcode, &*reply.flags), (NOERROR, "QR AA RD"));
}

#[test]
fn rfc1035_4_1_1_the_id_is_echoed() {
    for id in [0u16, 1, 0x7fff, 0x8000, 0xffff] {
        let mut asked = query("www.example.test", A);
        asked[..2].copy_from_slice(&id.to_be_bytes());
        assert_eq!(world().ask_bytes(&asked).id, id);
    }
}

#[test]
fn rfc1035_2_3_3_names_are_compared_without_case_and_the_question_keeps_its_own() {
    for spelling in ["WWW.example.TEST", "wWw.ExAmPlE.tEsT"] {
        let wire = Client::new(world().v4).udp(&query(spelling, A));
        assert_eq!(wire[12..12 + spelling.len() + 2], name(spelling), "octet by octet");
        let reply = world().ask(spelling, A);
        assert_eq!(reply.rcode, NOERROR);
        assert_eq!(reply.answer.len(), 2);
        assert!(reply.answer[0].starts_with(spelling), "{:?}", reply.answer);
    }
    for spelling in ["APP.Example.test", "U7.USERS.example.test", "Green.APP.example.test", "X.Wild.Example.Test"] {
        let reply = world().ask(spelling, A);
        assert_eq!((reply.rcode, reply.answer.len(), &*reply.question[0]), (NOERROR, 1, &*format!("{spelling}. IN A")));
    }
    assert_eq!(world().ask("mixed.example.test", TXT).rdata("TXT"), ["Case of Data"], "RDATA keeps its case");
}

#[test]
fn rfc1035_4_1_1_a_response_is_met_with_silence() {
    let client = Client::new(world().v4);
    let mut response = query("www.example.test", A);
    response[2] |= 0x80;
    assert!(client.meets_silence(&response));
    // Even one that could not be read: an error would be a reflection (and to a peer like us, a loop).
    for malformed in [&response[..12], &response[..20], &[&header(1, 0x8000, [9, 9, 9, 9])[..], &[0xff; 30]].concat()] {
        assert!(client.meets_silence(malformed), "{malformed:02x?}");
    }
    let reply = client.udp(&query("www.example.test", A));
    assert!(client.meets_silence(&reply), "one of our own replies");
    let mut stream = Stream::new(world().v4);
    stream.write(&framed(&response));
    assert_eq!(
        Reply::read(&stream.ask(&query("www.example.test", A))).rcode,
        NOERROR,
        "over TCP the next reply is the next query's"
    );
}

#[test]
fn a_packet_shorter_than_a_header_is_met_with_silence() {
    let client = Client::new(world().v4);
    let asked = query("www.example.test", A);
    for len in 0..12 {
        assert!(client.meets_silence(&asked[..len]), "{len} octets");
    }
}

#[test]
fn rfc1035_4_1_2_a_question_that_ends_early_is_a_format_error() {
    let client = Client::new(world().v4);
    let asked = query("www.example.test", A);
    for len in 12..asked.len() {
        let reply = Reply::read(&client.udp(&asked[..len]));
        assert_eq!((reply.rcode, reply.id, reply.question.len()), (FORMERR, 0x1234, 0), "{len} octets");
    }
}

#[test]
fn rfc1035_4_1_4_a_question_does_not_point_anywhere() {
    let client = Client::new(world().v4);
    let asked = |qname: &[u8]| [&header(7, 0, [1, 0, 0, 0]), qname, &[0, 1, 0, 1]].concat();
    let names: [&[u8]; 6] = [
        &[0xc0, 12],                      // itself
        &[0xc0, 0],                       // the header
        &[3, b'w', b'w', b'w', 0xc0, 12], // a loop through a label
        &[0xc0, 200],                     // beyond the end
        &[0x40, 1, 2],                    // reserved label types
        &[0x80, 1, 2],
    ];
    for qname in names {
        let reply = Reply::read(&client.udp(&asked(qname)));
        assert_eq!((reply.rcode, reply.answer.len()), (FORMERR, 0), "{qname:02x?}");
    }
}

#[test]
fn rfc1035_2_3_4_names_up_to_255_octets_and_labels_up_to_63_are_asked_for() {
    let label = "a".repeat(63);
    // 3 x 64 + 49 + 14 octets with the lengths and the root: 255.
    let longest = format!("{label}.{label}.{label}.{}.example.test", "b".repeat(48));
    assert_eq!(name(&longest).len(), 255);
    let reply = world().ask(&longest, A);
    assert_eq!((reply.rcode, reply.authority.len()), (NXDOMAIN, 1));
    let wild = format!("{label}.{label}.{label}.{}.wild.example.test", "b".repeat(43));
    assert_eq!((name(&wild).len(), world().ask(&wild, A).answer.len()), (255, 1));
    let too_long = format!("{label}.{label}.{label}.{}.example.test", "b".repeat(49));
    assert_eq!(world().ask(&too_long, A).rcode, FORMERR);
    let label_of_64 = [&header(7, 0, [1, 0, 0, 0])[..], &[64], &[b'a'; 64], &[0, 0, 1, 0, 1]].concat();
    assert_eq!(world().ask_bytes(&label_of_64).rcode, FORMERR);
}

#[test]
fn labels_may_hold_any_octet() {
    let strange =
        [&header(7, 0, [1, 0, 0, 0])[..], &[5, 0, b'.', 0xff, b' ', b'\\'], &name("wild.example.test"), &[0, 1, 0, 1]]
            .concat();
    let wire = Client::new(world().v4).udp(&strange);
    let reply = Reply::read(&wire);
    assert_eq!((reply.rcode, reply.answer.len()), (NOERROR, 1), "the wildcard covers it");
    assert_eq!(wire[12..18], strange[12..18]);
}

#[test]
fn rfc1035_3_2_4_a_class_we_do_not_serve_is_refused() {
    for class in [2u16, 4, 254, 0, 65_535] {
        let asked = [header(3, 0, [1, 0, 0, 0]), question("www.example.test", A, class)].concat();
        let reply = world().ask_bytes(&asked);
        assert_eq!((reply.rcode, reply.answer.len()), (REFUSED, 0), "class {class}");
        assert!(!reply.flags.contains("AA"), "class {class}");
    }
}

#[test]
fn rfc1035_6_2_class_any_is_answered_without_authority() {
    let asked = [header(3, 0, [1, 0, 0, 0]), question("www.example.test", A, 255)].concat();
    let reply = world().ask_bytes(&asked);
    assert_eq!(reply.shape(), (NOERROR, "QR", [2, 0, 0]));
}

#[test]
fn names_outside_our_zones_are_refused() {
    for qname in
        ["", "test", "elsewhere.test", "www.elsewhere.test", "xexample.test", "example.test.org", "example", "com"]
    {
        let reply = world().ask(qname, A);
        assert_eq!(reply.shape(), (REFUSED, "QR", [0, 0, 0]), "{qname}");
    }
}

#[test]
fn rfc1034_4_3_2_an_rrset_is_answered_whole_in_its_type_alone() {
    let apex = world().ask("example.test", NS);
    assert_eq!(
        apex.answer,
        ["example.test. 3600 IN NS ns.elsewhere.test.", "example.test. 3600 IN NS ns1.example.test."]
    );
    assert_eq!(world().ask("example.test", MX).rdata("MX"), ["10 mail.example.test."]);
    assert_eq!(world().ask("_sip._tcp.example.test", SRV).rdata("SRV"), ["0 0 5060 www.example.test."]);
    assert_eq!(world().ask("www.example.test", AAAA).rdata("AAAA"), ["2001:db8::1"]);
}

#[test]
fn rfc1035_3_3_14_a_txt_record_keeps_its_strings_apart() {
    let wire = Client::new(world().v4).udp(&query("text.example.test", TXT));
    assert!(wire.ends_with(b"\x00\x09\x03one\x03two\x00"), "{wire:02x?}");
}

#[test]
fn octets_behind_a_query_do_not_come_back() {
    let trailing = [query("www.example.test", A), vec![0xee; 40]].concat();
    let wire = Client::new(world().v4).udp(&trailing);
    assert!(!wire.windows(4).any(|four| four == [0xee; 4]));
    Reply::read(&wire);
}

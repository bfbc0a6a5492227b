//! RFC 8906: what others ask of a server that has not heard of something; and RFC 9619: how many questions.

use crate::wire::*;
use crate::world::{Client, world};

#[test]
fn rfc8906_3_1_3_an_unknown_opcode_is_not_implemented() {
    // NOTIFY and UPDATE are known, see below.
    for opcode in (1..16u8).filter(|opcode| ![4, 5].contains(opcode)) {
        let mut asked = query("www.example.test", A);
        asked[2] |= opcode << 3;
        let reply = world().ask_bytes(&asked);
        assert_eq!((reply.rcode, reply.opcode, reply.answer.len()), (NOTIMP, opcode, 0), "opcode {opcode}");
        assert!(!reply.flags.contains("AA"));
        let mut empty = header(9, u16::from(opcode) << 11, [0; 4]);
        let reply = world().ask_bytes(&empty);
        assert_eq!((reply.rcode, reply.id), (NOTIMP, 9), "opcode {opcode} without a question");
        empty[11] = 1;
        empty.extend_from_slice(&opt(1232, 0, &[]));
        let reply = world().ask_bytes(&empty);
        assert_eq!((reply.rcode, reply.opt.is_some()), (NOTIMP, true));
    }
}

#[test]
fn rfc8906_3_1_3_a_known_opcode_is_replied_to_by_what_is_asked() {
    for (opcode, rcode) in [(4, 9), (5, REFUSED)] {
        let mut asked = query("example.test", SOA);
        asked[2] |= opcode << 3;
        let reply = world().ask_bytes(&asked);
        assert_eq!((reply.rcode, reply.opcode, reply.answer.len()), (rcode, opcode, 0), "opcode {opcode}");
        assert!(!reply.flags.contains("AA"));
        let mut empty = header(9, u16::from(opcode) << 11, [0; 4]);
        empty[11] = 1;
        empty.extend_from_slice(&opt(1232, 0, &[]));
        let reply = world().ask_bytes(&empty);
        assert_eq!((reply.id, reply.opcode, reply.opt.is_some()), (9, opcode, true));
        assert!([FORMERR, REFUSED].contains(&reply.rcode), "{}", reply.rcode);
    }
}

#[test]
fn rfc8906_3_1_4_the_z_bit_is_ignored_and_not_returned() {
    let mut asked = query("www.example.test", A);
    asked[3] |= 0x40;
    let wire = Client::new(world().v4).udp(&asked);
    assert_eq!(wire[3] & 0x70, 0);
    assert_eq!(Reply::read(&wire).answer.len(), 2);
}

#[test]
fn rfc8906_3_2_3_an_unknown_option_is_ignored_and_not_returned() {
    for options in [
        option(65_001, &[]),
        option(65_001, &[7; 500]),
        [option(3, &[]), option(65_001, b"x"), option(12, &[0; 64])].concat(),
        option(10, &[1, 2, 3, 4, 5, 6, 7, 8]),
        option(0, &[]),
    ] {
        let reply = world().ask_edns("www.example.test", A, &options);
        assert_eq!((reply.rcode, reply.answer.len()), (NOERROR, 2));
        assert!(reply.opt.unwrap().codes.iter().all(|code| ![0, 65_001].contains(code)));
    }
}

#[test]
fn rfc8906_3_2_5_an_unknown_version_with_unknown_options_is_badvers() {
    let asked = with_additional(query("www.example.test", A), &opt(1232, 0x0064_0000, &option(65_001, b"x")));
    let reply = world().ask_bytes(&asked);
    assert_eq!((reply.rcode, reply.opt.unwrap().version), (BADVERS, 0));
}

#[test]
fn queries_that_carry_records_they_should_not_are_format_errors() {
    let record = [name("www.example.test"), vec![0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4]].concat();
    for count_at in [7, 9] {
        let mut asked = [query("www.example.test", A), record.clone()].concat();
        asked[count_at] = 1;
        let reply = world().ask_bytes(&asked);
        assert_eq!((reply.rcode, reply.answer.len()), (FORMERR, 0));
    }
}

#[test]
fn counts_that_lie_are_format_errors() {
    for counts in [[1, 0, 0, 1], [1, 0, 0, 0xffff], [1, 0xffff, 0xffff, 0xffff], [0xffff, 0, 0, 0]] {
        let asked = [header(5, 0, counts), question("www.example.test", A, 1)].concat();
        assert_eq!(world().ask_bytes(&asked).rcode, FORMERR, "{counts:?}");
    }
}

#[test]
fn rfc9619_4_a_query_has_one_question() {
    let none = header(5, 0, [0, 0, 0, 0]);
    let two =
        [header(5, 0, [2, 0, 0, 0]), question("www.example.test", A, 1), question("mail.example.test", A, 1)].concat();
    let same =
        [header(5, 0, [2, 0, 0, 0]), question("www.example.test", A, 1), question("www.example.test", A, 1)].concat();
    for asked in [none, two, same] {
        let reply = world().ask_bytes(&asked);
        assert_eq!((reply.rcode, reply.id, reply.question.len(), reply.answer.len()), (FORMERR, 5, 0, 0));
    }
}

#[test]
fn rfc6891_6_1_1_a_query_without_a_question_gets_an_opt_for_its_opt() {
    let reply = world().ask_bytes(&with_additional(header(5, 0, [0; 4]), &opt(1232, 0x8000, &[])));
    assert_eq!((reply.rcode, reply.opt.map(|opt| opt.dnssec_ok)), (FORMERR, Some(true)));
}

#[test]
fn rfc7873_5_4_a_query_without_a_question_may_ask_for_a_cookie() {
    let asked = with_additional(header(5, 0, [0; 4]), &opt(1232, 0, &option(10, b"8 octets")));
    let reply = world().ask_bytes(&asked);
    let codes = reply.opt.as_ref().map(|opt| opt.codes.clone());
    assert_eq!((reply.rcode, reply.id, codes), (NOERROR, 5, Some(vec![10])));
    // Header, OPT, and one option: the client's 8 octets and 16 of ours (RFC 9018 §4).
    assert_eq!(reply.len, 12 + 11 + 4 + 24);
}

#[test]
fn types_that_are_no_data_are_not_looked_up() {
    for (qtype, rcode) in [
        (251u16, REFUSED),
        (252, REFUSED),
        (OPT, FORMERR),
        (0, FORMERR),
        (253, NOTIMP),
        (254, NOTIMP),
        (249, NOTIMP),
        (250, NOTIMP),
    ] {
        let reply = world().ask("example.test", qtype);
        assert_eq!((reply.rcode, reply.answer.len()), (rcode, 0), "TYPE{qtype}");
    }
}

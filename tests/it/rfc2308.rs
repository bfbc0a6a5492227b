//! RFC 2308: negative answers, and the TTL of those a switch decides (product §1.8).

use crate::wire::*;
use crate::world::world;

/// The TTL of the one SOA in the authority section, which belongs to `apex`.
fn soa_ttl(reply: &Reply, apex: &str) -> u32 {
    let [line] = &reply.authority[..] else { panic!("one SOA in {reply:?}") };
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!((words[0], words[3]), (&*format!("{apex}."), "SOA"), "{line}");
    words[1].parse().unwrap()
}

#[test]
fn rfc2308_2_1_nxdomain_carries_the_soa_with_the_smaller_of_ttl_and_minimum() {
    for (qname, qtype) in [
        ("nothing.example.test", A),
        ("a.b.c.nothing.example.test", TXT),
        ("x.www.example.test", A),
        ("nothing.example.test", ANY),
    ] {
        let reply = world().ask(qname, qtype);
        assert_eq!(reply.shape(), (NXDOMAIN, "QR AA", [0, 1, 0]), "{qname}");
        assert_eq!(soa_ttl(&reply, "example.test"), 300, "SOA TTL 7200, MINIMUM 300");
    }
}

#[test]
fn rfc2308_2_2_nodata_carries_the_soa_and_says_noerror() {
    for (qname, qtype) in
        [("mail.example.test", AAAA), ("www.example.test", TXT), ("example.test", A), ("ns1.example.test", 64_000)]
    {
        let reply = world().ask(qname, qtype);
        assert_eq!(reply.shape(), (NOERROR, "QR AA", [0, 1, 0]), "{qname}");
        assert_eq!(soa_ttl(&reply, "example.test"), 300);
    }
}

#[test]
fn the_soa_itself_keeps_its_own_ttl_and_all_its_numbers() {
    let reply = world().ask("example.test", SOA);
    let [line] = &reply.answer[..] else { panic!("{reply:?}") };
    assert!(line.starts_with("example.test. 7200 IN SOA ns1.example.test. hostmaster.example.test. "), "{line}");
    assert!(line.ends_with(" 7200 900 1209600 300"), "{line}");
    let serial: u32 = line.split(' ').nth(6).unwrap().parse().unwrap();
    assert!(serial >= 2_026_010_100, "{line}");
}

#[test]
fn every_answer_of_a_zone_shows_the_same_serial() {
    let asked = world().ask("example.test", SOA).answer[0].split(' ').nth(6).unwrap().to_owned();
    for (qname, qtype) in [("nothing.example.test", A), ("mail.example.test", AAAA), ("app.example.test", TXT)] {
        assert_eq!(world().ask(qname, qtype).authority[0].split(' ').nth(6), Some(&*asked), "{qname}");
    }
}

#[test]
fn a_type_that_no_pool_has_is_denied_for_no_longer_than_the_switchs_ttl() {
    let app = world().ask("app.example.test", TXT);
    assert_eq!((app.shape(), soa_ttl(&app, "example.test")), ((NOERROR, "QR AA", [0, 1, 0]), 30));
    let flag = world().ask("flag.example.test", A);
    assert_eq!((flag.rcode, soa_ttl(&flag, "example.test")), (NOERROR, 45));
    let user = world().ask("u1.users.example.test", AAAA);
    assert_eq!((user.rcode, soa_ttl(&user, "example.test")), (NOERROR, 30));
    let apex = world().ask("steered.test", AAAA);
    assert_eq!((apex.rcode, soa_ttl(&apex, "steered.test")), (NOERROR, 20));
}

#[test]
fn pins_and_explanations_deny_for_no_longer_than_the_switchs_ttl() {
    for (qname, ttl) in [
        ("blue.app.example.test", 30),
        ("green.app.example.test", 30),
        ("_explain.app.example.test", 30),
        ("on.flag.example.test", 45),
        ("green.users.example.test", 30),
        ("u1.green.users.example.test", 30),
    ] {
        let reply = if qname.starts_with('_') {
            Reply::read(&crate::world::Client::new(world().v6).udp(&query(qname, MX)))
        } else {
            world().ask(qname, MX)
        };
        assert_eq!((reply.rcode, soa_ttl(&reply, "example.test")), (NOERROR, ttl), "{qname}");
    }
}

#[test]
fn a_zone_without_a_master_file_has_a_soa_of_its_table() {
    let reply = world().ask("nothing.steered.test", A);
    assert_eq!((reply.rcode, soa_ttl(&reply, "steered.test")), (NXDOMAIN, 120));
    assert!(reply.authority[0].contains(" ns1.steered.test. hostmaster.steered.test. "), "{:?}", reply.authority);
}

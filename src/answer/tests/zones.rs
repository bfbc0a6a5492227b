//! Static names: RFC 1034, 2308, 4592, 6604 and aliases between zones.

use super::*;

#[test]
fn rfc1034_4_3_2_an_rrset_is_answered_whole() {
    let world = world(&[]);
    assert_eq!(ask(&world, "example.test", RecordType::NS).answer.len(), 2);
    assert_eq!(ask(&world, "example.test", RecordType::MX).answer, ["example.test. 3600 IN MX 10 mail.example.test."]);
    assert!(ask(&world, "mixed.example.test", RecordType::TXT).answer[0].ends_with("TXT Case"), "RDATA keeps its case");
    let srv = ask(&world, "_sip._tcp.example.test", RecordType::SRV);
    assert_eq!(srv.answer, ["_sip._tcp.example.test. 3600 IN SRV 0 0 5060 www.example.test."]);
}

#[test]
fn the_soa_shows_the_serial_of_the_snapshot_and_its_own_ttl() {
    let world = world(&[]);
    let reply = ask(&world, "EXAMPLE.test", RecordType::SOA);
    assert_eq!(
        reply.answer,
        [soa(7200)[0]
            .replace("example.test. 7200", "EXAMPLE.test. 7200")
            .replace("ns1.example", "ns1.EXAMPLE")
            .replace("hostmaster.example", "hostmaster.EXAMPLE")]
    );
    let flipped = world.with_changes(2, 2, &[], &[(0, 99)]);
    assert!(ask(&flipped, "example.test", RecordType::SOA).answer[0].contains(" 99 7200 900 "));
    assert!(ask(&flipped, "nothing.example.test", RecordType::A).authority[0].contains(" 99 7200 900 "));
    let second = ask(&world, "second.test", RecordType::SOA);
    assert_eq!(second.answer, ["second.test. 60 IN SOA ns1.example.test. hostmaster.example.test. 5 1 1 1 60"]);
}

#[test]
fn rfc2308_2_2_nodata_and_nxdomain_carry_the_soa_with_the_negative_ttl() {
    let world = world(&[]);
    let nodata = ask(&world, "mail.example.test", RecordType::AAAA);
    assert_eq!((nodata.rcode, &*nodata.flags, nodata.answer.len(), nodata.authority), (0, "QR AA RD", 0, soa(300)));
    let missing = ask(&world, "a.nothing.example.test", RecordType::A);
    assert_eq!((missing.rcode, &*missing.flags, missing.answer.len(), missing.authority), (3, "QR AA RD", 0, soa(300)));
    let (outcome, _) = send(&world, &udp(), &query("nothing.example.test", RecordType::A));
    assert_eq!((outcome.kind, outcome.zone, outcome.qtype), (Kind::NxDomain, Some(0), RecordType::A));
}

#[test]
fn rfc4592_2_2_2_a_name_with_names_below_it_exists() {
    let world = world(&[]);
    for name in
        ["ent.example.test", "b.ent.example.test", "_tcp.example.test", "wild.example.test", "users.example.test"]
    {
        let switches = world.with_changes(1, 1, &[], &[]);
        let reply = ask(&switches, name, RecordType::TXT);
        let expected = if name.starts_with("users") { 3 } else { 0 };
        assert_eq!((reply.rcode, reply.authority), (expected, soa(300)), "{name}");
    }
    assert_eq!(ask(&world, "c.ent.example.test", RecordType::TXT).rcode, 3);
}

#[test]
fn rfc4592_3_3_a_wildcard_covers_what_does_not_exist() {
    let world = world(&[]);
    for name in ["x.wild.example.test", "X.y.z.Wild.example.test", "*.wild.example.test"] {
        assert_eq!(ask(&world, name, RecordType::A).answer, [format!("{name}. 3600 IN A 192.0.2.7")]);
    }
    assert_eq!(ask(&world, "x.wild.example.test", RecordType::MX).rcode, 0);
    assert_eq!(ask(&world, "sub.wild.example.test", RecordType::A).answer.len(), 0, "an existing name is its own");
    assert_eq!(ask(&world, "x.sub.wild.example.test", RecordType::A).rcode, 3, "and shields what is below it");
    let alias = ask(&world, "x.aliases.example.test", RecordType::A);
    assert_eq!(alias.answer.len(), 3);
    assert_eq!(alias.answer[0], "x.aliases.example.test. 3600 IN CNAME www.example.test.");
}

#[test]
fn rfc1034_3_6_2_aliases_are_followed_within_our_zones() {
    let world = world(&[]);
    let reply = ask(&world, "chain1.example.test", RecordType::A);
    assert_eq!(
        reply.answer,
        [
            "chain1.example.test. 3600 IN CNAME chain2.example.test.",
            "chain2.example.test. 3600 IN CNAME www.example.test.",
            "www.example.test. 300 IN A 192.0.2.1",
            "www.example.test. 300 IN A 192.0.2.2",
        ]
    );
    assert_eq!(
        ask(&world, "chain1.example.test", RecordType::CNAME).answer.len(),
        1,
        "not when the alias is asked for"
    );
    let across = ask(&world, "to-second.example.test", RecordType::A);
    assert_eq!(across.answer[1], "host.second.test. 60 IN A 198.51.100.1");
    let outward = ask(&world, "outward.example.test", RecordType::A);
    assert_eq!((outward.rcode, outward.answer.len(), outward.authority.len()), (0, 1, 0));
}

#[test]
fn a_loop_of_aliases_ends() {
    let reply = ask(&world(&[]), "loop1.example.test", RecordType::A);
    assert_eq!((reply.rcode, reply.answer.len()), (0, 2));
    let chain: String = (0..20).map(|n| format!("c{n} IN CNAME c{}\n", n + 1)).collect();
    let text = format!("$TTL 60\n@ IN SOA ns1 h 1 1 1 1 60\n@ IN NS ns1\nns1 IN A 192.0.2.1\n{chain}");
    let zones = Arc::new(ZoneSet::build(vec![zone("example.test", &text, &[])]));
    let long = Snapshot { zones, ..Snapshot::default() };
    assert_eq!(ask(&long, "c0.example.test", RecordType::A).answer.len(), 8);
}

#[test]
fn rfc6604_3_the_rcode_and_the_soa_speak_of_the_last_name() {
    let world = world(&[]);
    let nothing = ask(&world, "to-nothing.example.test", RecordType::A);
    assert_eq!((nothing.rcode, nothing.answer.len(), nothing.authority), (3, 1, soa(300)));
    let nodata = ask(&world, "to-nodata.example.test", RecordType::AAAA);
    assert_eq!((nodata.rcode, nodata.answer.len(), nodata.authority), (0, 1, soa(300)));
}

#[test]
fn rfc6672_3_1_names_below_a_dname_are_aliases() {
    let world = world(&[]);
    let reply = ask(&world, "Host.old.example.test", RecordType::A);
    assert!(reply.answer[0].starts_with("old.example.test. 3600 IN DNAME "), "{:?}", reply.answer);
    assert_eq!(
        reply.answer[1..],
        ["Host.old.example.test. 3600 IN CNAME host.new.example.test.", "host.new.example.test. 3600 IN A 192.0.2.61"]
    );
    assert_eq!((reply.rcode, &*reply.flags), (0, "QR AA RD"));
    assert_eq!(ask(&world, "old.example.test", RecordType::A).answer.len(), 1, "the owner itself is not redirected");
    assert_eq!(ask(&world, "old.example.test", RecordType::DNAME).answer.len(), 1);
    let missing = ask(&world, "a.b.old.example.test", RecordType::A);
    assert_eq!((missing.rcode, missing.answer.len(), missing.authority), (3, 2, soa(300)));
    let outward = ask(&world, "x.away.example.test", RecordType::A);
    assert_eq!((outward.rcode, outward.answer[1].ends_with("CNAME x.elsewhere.test.")), (0, true));
}

#[test]
fn rfc6672_2_2_a_redirection_to_too_long_a_name_is_yxdomain() {
    let text = format!("@ 60 IN SOA a b 1 1 1 1 60\n@ 60 IN NS a\nx 60 IN DNAME {0}.{0}.{0}\n", "y".repeat(60));
    let zones = Arc::new(ZoneSet::build(vec![zone("example.test", &text, &[])]));
    let world = Snapshot { zones, ..Snapshot::default() };
    let reply = ask(&world, &format!("{}.x.example.test", "z".repeat(60)), RecordType::A);
    assert_eq!((reply.rcode, reply.answer.len()), (6, 1));
    assert_eq!(ask(&world, "z.x.example.test", RecordType::CNAME).answer.len(), 2);
}

#[test]
fn rfc2181_5_an_rrset_has_one_ttl_and_no_record_twice() {
    let text = "@ 60 IN SOA ns1 h 1 1 1 1 60\n@ 60 IN NS ns1\nns1 90 IN A 192.0.2.1\nns1 30 IN A 192.0.2.2\nns1 60 IN A 192.0.2.1\n";
    let zones = Arc::new(ZoneSet::build(vec![zone("example.test", text, &[])]));
    let reply = ask(&Snapshot { zones, ..Snapshot::default() }, "ns1.example.test", RecordType::A);
    assert_eq!(reply.answer, ["ns1.example.test. 30 IN A 192.0.2.1", "ns1.example.test. 30 IN A 192.0.2.2"]);
}

#[test]
fn the_longest_apex_wins() {
    let world = world(&[]);
    let (outcome, _) = send(&world, &udp(), &query("x.signed.deleg.example.test", RecordType::A));
    assert_eq!((outcome.kind, outcome.zone), (Kind::NxDomain, Some(2)));
}

#[test]
fn a_zone_may_be_the_root() {
    let zones = Arc::new(ZoneSet::build(vec![zone(
        ".",
        "@ 60 IN SOA a. b. 1 1 1 1 60\n@ 60 IN NS a.\na. 60 IN A 192.0.2.1\n",
        &[],
    )]));
    let world = Snapshot { zones, ..Snapshot::default() };
    assert_eq!(ask(&world, "a", RecordType::A).answer, ["a. 60 IN A 192.0.2.1"]);
    assert_eq!(ask(&world, ".", RecordType::SOA).answer, [". 60 IN SOA a. b. 1 1 1 1 60"]);
    assert_eq!((ask(&world, "b.c", RecordType::A).rcode, ask(&world, ".", RecordType::NS).answer.len()), (3, 1));
}

//! Delegations: RFC 1034 §4.3.2 step 3b, RFC 4035 §3.1.4.1, RFC 9471.

use super::*;

#[test]
fn rfc1034_4_3_2_names_below_a_cut_are_referred_without_aa() {
    let world = world(&[]);
    for (name, qtype) in [
        ("deleg.example.test", RecordType::A),
        ("deleg.example.test", RecordType::NS),
        ("deleg.example.test", RecordType::SOA),
        ("www.deleg.example.test", RecordType::A),
        ("ns.deleg.example.test", RecordType::A),
        ("a.b.c.deleg.example.test", RecordType::ANY),
    ] {
        let reply = ask(&world, name, qtype);
        assert_eq!((reply.rcode, &*reply.flags, reply.answer.len()), (0, "QR RD", 0), "{name}");
        assert_eq!(reply.authority.len(), 3);
        assert_eq!(reply.authority[0], "deleg.example.test. 3600 IN NS ns.deleg.example.test.");
        assert_eq!(reply.authority[1], "deleg.example.test. 3600 IN NS ns1.example.test.");
        assert!(reply.authority[2].starts_with("deleg.example.test. 3600 IN DS "), "{:?}", reply.authority);
        assert_eq!(
            reply.additional,
            [
                "ns.deleg.example.test. 3600 IN A 192.0.2.100",
                "ns.deleg.example.test. 3600 IN AAAA 2001:db8::100",
                "ns1.example.test. 3600 IN A 192.0.2.53",
            ]
        );
    }
}

#[test]
fn rfc4035_3_1_4_1_ds_belongs_to_the_parent() {
    let world = world(&[]);
    let at_cut = ask(&world, "deleg.example.test", RecordType::DS);
    assert_eq!((&*at_cut.flags, at_cut.answer.len(), at_cut.authority.len()), ("QR AA RD", 1, 0));
    let at_apex = ask(&world, "example.test", RecordType::DS);
    assert_eq!((at_apex.rcode, at_apex.answer.len(), at_apex.authority), (0, 0, soa(300)), "the parent is not ours");
    let child = ask(&world, "signed.deleg.example.test", RecordType::DS);
    assert_eq!(child.authority.len(), 3, "the parent is ours, but the name lies below its cut");
    let zones = vec![
        zone(
            "example.test",
            "@ 60 IN SOA a b 1 1 1 1 60\n@ 60 IN NS a\nsub 60 IN NS a\nsub 60 IN DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000",
            &[],
        ),
        zone("sub.example.test", "@ 60 IN SOA a b 1 1 1 1 60\n@ 60 IN NS a", &[]),
    ];
    let both = Snapshot { zones: Arc::new(ZoneSet::build(zones)), ..Snapshot::default() };
    assert_eq!(ask(&both, "sub.example.test", RecordType::DS).answer.len(), 1);
    assert_eq!(ask(&both, "sub.example.test", RecordType::SOA).answer.len(), 1);
}

#[test]
fn a_referral_behind_an_alias_keeps_aa_for_the_alias() {
    let reply = ask(&world(&[]), "to-delegated.example.test", RecordType::A);
    assert_eq!((&*reply.flags, reply.answer.len(), reply.authority.len()), ("QR AA RD", 1, 3));
    assert_eq!(reply.authority[0], "deleg.example.test. 3600 IN NS ns.deleg.example.test.");
}

/// A delegation to `count` servers below the cut and as many beside it.
fn delegating(count: usize) -> Snapshot {
    let mut text = "$TTL 60\n@ IN SOA ns1 h 1 1 1 1 60\n@ IN NS ns1\nns1 IN A 192.0.2.1\n".to_owned();
    for n in 0..count {
        text += &format!(
            "sub IN NS a{n}.sub\nsub IN NS b{n}\na{n}.sub IN AAAA 2001:db8::a:{n}\nb{n} IN AAAA 2001:db8::b:{n}\n"
        );
    }
    Snapshot { zones: Arc::new(ZoneSet::build(vec![zone("example.test", &text, &[])])), ..Snapshot::default() }
}

#[test]
fn rfc9471_3_1_glue_below_the_cut_is_whole_or_tc_is_set() {
    let reply = |count: usize, payload: u16| {
        let wire = edns_query("www.sub.example.test", RecordType::A, payload, &[]);
        ask_bytes(&delegating(count), &wire)
    };
    let all = reply(2, 512);
    assert_eq!((all.additional.len(), all.flags.contains("TC")), (4, false));
    let some = reply(5, 512);
    assert_eq!(
        (some.authority.len(), some.flags.contains("TC")),
        (10, true),
        "the servers fit, their addresses do not"
    );
    let beside = reply(4, 512);
    assert!(
        !beside.flags.contains("TC") && (4..8).contains(&beside.additional.len()),
        "only addresses beside the cut are left out"
    );
    assert!(beside.additional[..4].iter().all(|line| line.contains(".sub.example.test. ")));
}

#[test]
fn wildcards_do_not_reach_below_a_cut_and_cuts_hide_what_is_below_them() {
    let text = "$TTL 60\n@ IN SOA a h 1 1 1 1 60\n@ IN NS a\na IN A 192.0.2.1\nsub IN NS a\n*.sub IN A 192.0.2.2\ninner.sub IN NS a\nx.inner.sub IN A 192.0.2.3\n";
    let world =
        Snapshot { zones: Arc::new(ZoneSet::build(vec![zone("example.test", text, &[])])), ..Snapshot::default() };
    for name in ["y.sub.example.test", "inner.sub.example.test", "x.inner.sub.example.test", "*.sub.example.test"] {
        let reply = ask(&world, name, RecordType::A);
        assert_eq!(
            (reply.answer.len(), &*reply.authority[0]),
            (0, "sub.example.test. 60 IN NS a.example.test."),
            "{name}"
        );
    }
}

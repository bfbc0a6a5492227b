//! The example zone of RFC 4592 §2.2.1, with every answer the text derives from it.

use super::*;

fn example() -> Zone {
    let records: Vec<_> = [
        ("example", RecordType::SOA),
        ("example", RecordType::NS),
        ("*.example", RecordType::TXT),
        ("*.example", RecordType::MX),
        ("sub.*.example", RecordType::TXT),
        ("host1.example", RecordType::A),
        ("_ssh._tcp.host1.example", RecordType::SRV),
        ("_ssh._tcp.host2.example", RecordType::SRV),
        ("subdel.example", RecordType::NS),
    ]
    .iter()
    .map(|(owner, rtype)| (name(owner), *rtype, b"\x02ns\x07example\x03com\0".to_vec()))
    .collect();
    zone(&name("example"), &records, &[])
}

#[test]
fn rfc4592_2_2_1_queries_answered_by_synthesis() {
    let zone = example();
    let ask = |text: &str, qtype| matches!(lookup(&zone, &qname(&name(text)), qtype), Found::Hit(rrset) if rrset.rtype == qtype);
    assert!(ask("host3.example", RecordType::MX));
    assert!(ask("foo.bar.example", RecordType::TXT));
    assert!(matches!(lookup(&zone, &qname(&name("host3.example")), RecordType::A), Found::NoData));
}

#[test]
fn rfc4592_2_2_1_queries_not_answered_by_synthesis() {
    let zone = example();
    let qname = |text: &str| qname(&name(text));
    assert!(matches!(lookup(&zone, &qname("host1.example"), RecordType::MX), Found::NoData));
    assert!(matches!(lookup(&zone, &qname("sub.*.example"), RecordType::MX), Found::NoData));
    assert!(matches!(lookup(&zone, &qname("_telnet._tcp.host1.example"), RecordType::SRV), Found::NxDomain));
    assert!(matches!(lookup(&zone, &qname("host.subdel.example"), RecordType::A), Found::Referral(_)));
    assert!(matches!(lookup(&zone, &qname("ghost.*.example"), RecordType::MX), Found::NxDomain));
}

#[test]
fn rfc4592_4_a_wildcard_is_itself_a_name_and_ns_at_it_is_no_cut() {
    let apex = name("example");
    let records = [
        (name("*.a.example"), RecordType::NS, b"\x01x\0".to_vec()),
        (name("x.*.b.example"), RecordType::A, vec![1, 2, 3, 4]),
    ];
    let zone = zone(&apex, &records, &[]);
    let qname = |text: &str| qname(&name(text));
    assert!(matches!(lookup(&zone, &qname("y.a.example"), RecordType::NS), Found::Hit(_)));
    assert!(matches!(lookup(&zone, &qname("*.a.example"), RecordType::A), Found::NoData));
    assert!(
        matches!(lookup(&zone, &qname("y.b.example"), RecordType::A), Found::NoData),
        "an empty wildcard covers with nothing"
    );
}

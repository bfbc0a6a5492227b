//! Compiled zones against a plain reading of the RFCs.

mod differential;
mod patched;
mod reference;
mod rfc4592;

use super::*;
use crate::dns::{Name, Qname, RecordType};
use std::sync::Arc;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn qname(name: &Name) -> Qname {
    let mut qname = Qname::default();
    qname.set(name.wire()).unwrap();
    qname
}

/// Looks a name up the way a query does.
fn lookup<'z>(zone: &'z Zone, qname: &Qname, qtype: RecordType) -> Found<'z> {
    zone.lookup(qname, qname.suffix_hash(0), qtype)
}

/// A zone of records written as (owner, type, RDATA).
fn zone(apex: &Name, records: &[(Name, RecordType, Vec<u8>)], steered: &[(Name, SteerId)]) -> Zone {
    let mut text = ZoneText::default();
    let file = text.add_file("test.zone".into());
    for (owner, rtype, rdata) in records {
        text.push(owner, *rtype, 60, rdata, LineRef { file, line: 1 });
    }
    Zone::build(apex, &text, steered)
}

#[test]
fn the_zone_with_the_longest_apex_is_found_whatever_the_order() {
    let apexes = ["test", "b.a.test", "a.test", "x", "sub.b.a.test", "."];
    for count in 1..=apexes.len() {
        let zones = apexes[..count].iter().map(|apex| Arc::new(zone(&name(apex), &[], &[]))).collect();
        let set = ZoneSet::build(zones);
        for asked in
            ["test", "a.test", "b.a.test", "c.b.a.test", "x.y", "y.x", ".", "deep.sub.b.a.test", "testa", "ab.a.test"]
        {
            let asked = name(asked);
            let expected = apexes[..count]
                .iter()
                .map(|apex| name(apex))
                .filter(|apex| asked.is_within(apex))
                .max_by_key(Name::label_count);
            let qname = qname(&asked);
            let found = set.find(&qname);
            assert_eq!(found.map(|f| f.zone.apex().clone()), expected, "{asked}");
            if let Some(found) = found {
                assert_eq!(found.hash, qname.suffix_hash(0));
                assert_eq!(set.zones()[found.index as usize].apex(), found.zone.apex());
            }
        }
    }
}

#[test]
fn many_names_are_all_found_and_no_others() {
    let apex = name("example.test");
    let owners: Vec<Name> = (0..20_000).map(|n| apex.child(format!("h{n}").as_bytes()).unwrap()).collect();
    let records: Vec<_> =
        (0u32..).zip(&owners).map(|(n, owner)| (owner.clone(), RecordType::A, n.to_be_bytes().to_vec())).collect();
    let zone = zone(&apex, &records, &[]);
    for (owner, _, rdata) in &records {
        let Found::Hit(rrset) = lookup(&zone, &qname(owner), RecordType::A) else { panic!("{owner}") };
        assert_eq!((rrset.rdatas().collect::<Vec<_>>(), rrset.ttl()), (vec![&rdata[..]], 60));
    }
    for n in 20_000..40_000 {
        let missing = apex.child(format!("h{n}").as_bytes()).unwrap();
        assert!(matches!(lookup(&zone, &qname(&missing), RecordType::A), Found::NxDomain));
    }
    assert!(zone.memory_octets() < 60 * owners.len(), "{} octets per name", zone.memory_octets() / owners.len());
}

#[test]
fn a_record_outside_the_zone_is_left_out() {
    let records = [(name("www.other.test"), RecordType::A, vec![1, 2, 3, 4])];
    let zone = zone(&name("example.test"), &records, &[(name("x.other.test"), SteerId(1))]);
    assert_eq!(zone.arena.len(), Zone::build(&name("example.test"), &ZoneText::default(), &[]).arena.len());
}

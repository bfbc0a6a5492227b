//! A changed copy of a zone is what building it would have made.

use super::reference::plain;
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Sets = BTreeMap<(Name, RecordType), BTreeSet<Vec<u8>>>;

const TYPES: [RecordType; 6] =
    [RecordType::A, RecordType::TXT, RecordType::AAAA, RecordType::CNAME, RecordType::NS, RecordType::DNAME];

fn built(apex: &Name, sets: &Sets, steered: &[(Name, SteerId)]) -> Zone {
    let records = sets.iter().flat_map(|((owner, rtype), set)| set.iter().map(|r| (owner.clone(), *rtype, r.clone())));
    zone(apex, &records.collect::<Vec<_>>(), steered)
}

fn change<'a>(owner: &'a Name, rtype: RecordType, set: &BTreeSet<Vec<u8>>) -> SetChange<'a> {
    SetChange::new(owner, rtype, 60, set.iter().map(|rdata| &**rdata))
}

/// The flags of a name and its sets.
type Plainly = (u8, Vec<(RecordType, u16, BTreeSet<Vec<u8>>)>);

/// Every name with what it has; the order in which nodes stand does not count.
fn nodes(zone: &Zone) -> BTreeMap<Vec<u8>, Plainly> {
    let sets = |node: &Node<'_>| {
        node.rrsets().map(|set| (set.rtype, set.count, set.rdatas().map(<[u8]>::to_vec).collect())).collect()
    };
    let nodes: Vec<_> = zone.nodes().map(|node| (node.name.to_vec(), (node.flags, sets(&node)))).collect();
    let by_name: BTreeMap<_, _> = nodes.iter().cloned().collect();
    assert_eq!(nodes.len(), by_name.len(), "a name stands twice");
    by_name
}

fn relative() -> impl Strategy<Value = Vec<&'static str>> {
    vec(prop::sample::select(vec!["a", "a", "b", "b", "c", "*"]), 0..4)
}

fn below(apex: &Name, labels: &[&str]) -> Name {
    labels.iter().rev().fold(apex.clone(), |name, label| name.child(label.as_bytes()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn changed_and_built_zones_are_alike_step_by_step(
        apex in prop::sample::select(vec!["example.test", "."]),
        records in vec((relative(), 0usize..6, relative()), 0..12),
        steered in vec(relative(), 0..2),
        steps in vec(vec((relative(), 0usize..6, vec(relative(), 0..3)), 1..4), 1..6),
        asked in vec((relative(), 0usize..6), 1..30),
    ) {
        let apex = name(apex);
        let wire = |labels: &Vec<&str>| below(&apex, labels).wire().to_vec();
        let mut sets = Sets::new();
        for (owner, rtype, target) in &records {
            sets.entry((below(&apex, owner), TYPES[*rtype])).or_default().insert(wire(target));
        }
        let steered: Vec<_> = (0u32..).zip(&steered).map(|(id, owner)| (below(&apex, owner), SteerId(id))).collect();
        let mut served = built(&apex, &sets, &steered);
        for step in &steps {
            let mut changed = Sets::new();
            for (owner, rtype, targets) in step {
                changed.insert((below(&apex, owner), TYPES[*rtype]), targets.iter().map(wire).collect());
            }
            sets.extend(changed.clone());
            let changes: Vec<_> = changed.iter().map(|((owner, rtype), set)| change(owner, *rtype, set)).collect();
            let anew = built(&apex, &sets, &steered);
            served = match served.patched(&changes) {
                Some(patched) => {
                    prop_assert_eq!(nodes(&patched), nodes(&anew));
                    for name in asked.iter().map(|(labels, _)| labels).chain(step.iter().map(|(owner, ..)| owner)) {
                        for rtype in TYPES {
                            let qname = qname(&below(&apex, name));
                            let [one, other] = [&patched, &anew].map(|zone| plain(zone, &lookup(zone, &qname, rtype)));
                            prop_assert_eq!(one, other, "{:?} {}", name, rtype);
                        }
                    }
                    patched
                }
                None => anew,
            };
        }
    }
}

#[test]
fn a_large_zone_takes_what_acme_and_others_do_without_being_built() {
    let apex = name("example.test");
    let host = |n: u32| apex.child(format!("h{n}").as_bytes()).unwrap();
    let set = |octets: &[u8]| BTreeSet::from([octets.to_vec()]);
    let mut sets: Sets = (0..5_000).map(|n| ((host(n), RecordType::A), set(&n.to_be_bytes()))).collect();
    sets.insert((name("*.wild.example.test"), RecordType::A), set(&[9; 4]));
    let before = built(&apex, &sets, &[]);
    let mut served = built(&apex, &sets, &[]);
    let mut take = |owner: &Name, rtype, rdatas: BTreeSet<Vec<u8>>| {
        let patched = served.patched(&[change(owner, rtype, &rdatas)]).expect("plain data of a zone with room");
        sets.insert((owner.clone(), rtype), rdatas);
        assert_eq!(nodes(&patched), nodes(&built(&apex, &sets, &[])));
        served = patched;
    };
    for n in 0..40 {
        let challenge = name(&format!("_acme-challenge.deep.er.h{n}.example.test"));
        take(&challenge, RecordType::TXT, set(b"\x05token"));
        take(&challenge, RecordType::TXT, BTreeSet::new());
        take(&host(n), RecordType::A, BTreeSet::from([vec![1; 4], vec![2; 4]]));
    }
    take(&host(7), RecordType::A, BTreeSet::new());
    assert!(served.node_of(&host(7)).is_none() && before.node_of(&host(7)).is_some(), "what is served stays");
    for n in 8..5_000 {
        assert!(matches!(lookup(&served, &qname(&host(n)), RecordType::A), Found::Hit(_)), "{n}");
    }
}

#[test]
fn where_more_than_plain_data_has_a_part_the_zone_is_built() {
    let apex = name("example.test");
    let records = [
        ("example.test", RecordType::NS),
        ("child.example.test", RecordType::NS),
        ("ns.child.example.test", RecordType::A),
        ("moved.example.test", RecordType::DNAME),
        ("*.wild.example.test", RecordType::A),
        ("a.example.test", RecordType::A),
    ];
    let records: Vec<_> = records.map(|(owner, rtype)| (name(owner), rtype, b"\x01x\0".to_vec())).into();
    let switch = [(name("app.example.test"), SteerId(0))];
    let served = zone(&apex, &records, &switch);
    let one = BTreeSet::from([b"\x01y\0".to_vec()]);
    let patched = |owner: &str, rtype| served.patched(&[change(&name(owner), rtype, &one)]).is_some();
    for (owner, rtype) in [
        ("example.test", RecordType::TXT),
        ("other.test", RecordType::TXT),
        ("child.example.test", RecordType::DS),
        ("ns.child.example.test", RecordType::A),
        ("new.child.example.test", RecordType::A),
        ("new.moved.example.test", RecordType::A),
        ("moved.example.test", RecordType::A),
        ("*.wild.example.test", RecordType::A),
        ("a.*.wild.example.test", RecordType::A),
        ("app.example.test", RecordType::TXT),
        ("a.example.test", RecordType::NS),
        ("a.example.test", RecordType::DNAME),
    ] {
        assert!(!patched(owner, rtype), "{owner} {rtype}");
    }
    for owner in ["a.example.test", "new.a.example.test", "b.wild.example.test", "below.app.example.test"] {
        assert!(patched(owner, RecordType::TXT), "{owner}");
    }
}

#[test]
fn what_is_lost_by_changes_is_bounded() {
    let apex = name("example.test");
    let owner = name("a.example.test");
    let records: Vec<_> = (0..100).map(|n| (apex.child(&[b'a', n]).unwrap(), RecordType::A, vec![1; 4])).collect();
    let mut served = zone(&apex, &records, &[]);
    let mut built = 0;
    for n in 0..1_000u32 {
        let set = BTreeSet::from([n.to_be_bytes().to_vec()]);
        served = served.patched(&[change(&owner, RecordType::A, &set)]).unwrap_or_else(|| {
            built += 1;
            let mut records = records.clone();
            records.push((owner.clone(), RecordType::A, n.to_be_bytes().to_vec()));
            zone(&apex, &records, &[])
        });
        assert!(served.lost <= served.arena.len() / 4);
    }
    assert!((1..200).contains(&built), "{built} times");
}

//! Random small zones: the compiled lookup and the reference agree on every name near them.

use super::reference::{Reference, plain};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Few labels, so that names meet: the wildcard among them.
fn relative() -> impl Strategy<Value = Vec<&'static str>> {
    vec(prop::sample::select(vec!["a", "b", "c", "*"]), 0..5)
}

fn below(apex: &Name, labels: &[&str]) -> Name {
    labels.iter().rev().fold(apex.clone(), |name, label| name.child(label.as_bytes()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn the_compiled_lookup_agrees_with_the_reference(
        apex in prop::sample::select(vec!["example.test", ".", "a"]),
        records in vec((relative(), 0usize..9, relative()), 0..14),
        steered in vec(relative(), 0..3),
        questions in vec((relative(), 0usize..10), 1..30),
    ) {
        let types = [
            RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::CNAME, RecordType::NS, RecordType::NS, RecordType::DS,
            RecordType::A, RecordType::DNAME, RecordType::ANY,
        ];
        let apex = name(apex);
        let records: Vec<_> = records.iter()
            .map(|(owner, rtype, target)| (below(&apex, owner), types[*rtype], below(&apex, target).wire().to_vec()))
            .collect();
        let steered: Vec<_> = (0u32..).zip(&steered).map(|(id, owner)| (below(&apex, owner), SteerId(id))).collect();
        let compiled = zone(&apex, &records, &steered);
        let reference = Reference { apex: &apex, records: &records, steered: &steered };
        for (labels, qtype) in &questions {
            let (asked, qtype) = (below(&apex, labels), types[*qtype]);
            let found = plain(&compiled, &lookup(&compiled, &qname(&asked), qtype));
            prop_assert_eq!(found, reference.lookup(&asked, qtype), "{} {}", asked, qtype);
        }
    }
}

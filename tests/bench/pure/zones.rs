//! From a master file to a zone, and looking names up in it.

use crate::world;
use divan::{Bencher, black_box};
use tidegate::dns::{Qname, RecordType, query};
use tidegate::zone::{Found, Zone, ZoneSet};

/// Records of the zone that is read.
const RECORDS: usize = 10_000;

#[divan::bench]
fn read_master_file_of_10_000_records(bencher: Bencher<'_, '_>) {
    let text = world::master_file(RECORDS);
    assert!(world::read_master(&text).len() > RECORDS);
    bencher.bench_local(|| world::read_master(black_box(&text)));
}

#[divan::bench]
fn build_zone_of_10_000_records(bencher: Bencher<'_, '_>) {
    let (apex, text) = (world::name("example.test"), world::read_master(&world::master_file(RECORDS)));
    bencher.bench_local(|| Zone::build(&apex, black_box(&text), &[]));
}

fn looking_up(bencher: Bencher<'_, '_>, name: &str, expected: impl Fn(&Found<'_>) -> bool) {
    let zone = Zone::build(&world::name("example.test"), &world::read_master(&world::master_file(RECORDS)), &[]);
    let zones = ZoneSet::build(vec![zone.into()]);
    let wire = world::query(name, RecordType::A, None);
    let (mut qname, mut edns) = (Qname::default(), None);
    query::read(&wire, wire.len(), &mut qname, &mut edns).unwrap();
    let look = || {
        let located = zones.find(black_box(&qname)).unwrap();
        located.zone.lookup(&qname, located.hash, RecordType::A)
    };
    assert!(expected(&look()));
    bencher.bench_local(look);
}

#[divan::bench]
fn look_up_name(bencher: Bencher<'_, '_>) {
    looking_up(bencher, "h7777.example.test", |found| matches!(found, Found::Hit(_)));
}

#[divan::bench]
fn look_up_name_that_does_not_exist(bencher: Bencher<'_, '_>) {
    looking_up(bencher, "a.b.absent.example.test", |found| matches!(found, Found::NxDomain));
}

//! From query octets to reply octets: reading, whole answers, the sticky choice by itself.
//!
//! A reply is written over its query, so each run copies the query into the buffer first.

use crate::world;
use divan::{Bencher, black_box};
use std::net::IpAddr;
use tidegate::answer::{Kind, respond};
use tidegate::dns::edns::UDP_PAYLOAD;
use tidegate::dns::{Qname, RecordType, Subnet, query};
use tidegate::steering::{Client, Policy};

/// The client subnet of the queries that carry one.
const SUBNET: [u8; 3] = [203, 0, 113];

/// A different draw for each run, far from the one before.
fn next_draw(draw: &mut u64) -> u64 {
    *draw = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
    *draw
}

fn reading(bencher: Bencher<'_, '_>, subnet: Option<[u8; 3]>) {
    let wire = world::query("h7.example.test", RecordType::A, subnet);
    let (mut qname, mut edns) = (Qname::default(), None);
    assert!(query::read(&wire, wire.len(), &mut qname, &mut edns).is_some());
    assert_eq!(edns.as_ref().is_some_and(|edns| edns.subnet.is_some()), subnet.is_some());
    bencher.bench_local(|| {
        edns = None;
        query::read(black_box(&wire), wire.len(), &mut qname, &mut edns)
    });
}

#[divan::bench]
fn read_a_query(bencher: Bencher<'_, '_>) {
    reading(bencher, None);
}

#[divan::bench]
fn read_a_query_with_client_subnet(bencher: Bencher<'_, '_>) {
    reading(bencher, Some(SUBNET));
}

fn answering(bencher: Bencher<'_, '_>, name: &str, subnet: Option<[u8; 3]>, kind: Kind, steered: bool) {
    let snapshot = world::snapshot();
    let wire = world::query(name, RecordType::A, subnet);
    let mut buffer = vec![0; UDP_PAYLOAD.into()];
    let mut draw = 0;
    let mut answer = || {
        buffer[..wire.len()].copy_from_slice(&wire);
        respond(&snapshot, &world::asker(next_draw(&mut draw)), &mut buffer, wire.len())
    };
    let outcome = answer();
    assert_eq!((outcome.kind, outcome.choice.is_some()), (kind, steered), "{outcome:?}");
    bencher.bench_local(answer);
}

#[divan::bench]
fn answer_static(bencher: Bencher<'_, '_>) {
    answering(bencher, "h7.example.test", None, Kind::Answer, false);
}

#[divan::bench]
fn answer_weighted(bencher: Bencher<'_, '_>) {
    answering(bencher, "random.example.test", None, Kind::Answer, true);
}

#[divan::bench]
fn answer_sticky(bencher: Bencher<'_, '_>) {
    answering(bencher, "sticky.example.test", None, Kind::Answer, true);
}

#[divan::bench]
fn answer_sticky_with_client_subnet(bencher: Bencher<'_, '_>) {
    answering(bencher, "sticky.example.test", Some(SUBNET), Kind::Answer, true);
}

#[divan::bench]
fn answer_name_that_does_not_exist(bencher: Bencher<'_, '_>) {
    answering(bencher, "absent.example.test", None, Kind::NxDomain, false);
}

#[divan::bench]
fn sticky_choice(bencher: Bencher<'_, '_>) {
    let switch = world::compile(world::switch("sticky", Policy::Sticky), 0);
    let address = IpAddr::from([198, 51, 100, 7]);
    let mut third = 0u8;
    let mut choose = || {
        third = third.wrapping_add(1);
        let subnet = Subnet { address: IpAddr::from([203, 0, third, 0]), source: 24 };
        switch.choose(&Client { address, subnet: Some(subnet), label: None }, 0)
    };
    let pools: Vec<_> = (0..=u8::MAX).filter_map(|_| choose().pool).collect();
    assert!(pools.contains(&0) && pools.contains(&1), "both pools have weight");
    bencher.bench_local(choose);
}

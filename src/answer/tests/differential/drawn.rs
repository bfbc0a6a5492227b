//! What is drawn: names that meet, records, clients, and switches with rules.

use super::super::*;
use super::TTL_S;
use crate::steering::Rule;
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Few labels, so that names meet: the wildcard among them.
pub(super) fn relative() -> impl Strategy<Value = Vec<&'static str>> {
    vec(prop::sample::select(vec!["a", "b", "c", "*"]), 0..4)
}

pub(super) fn below(apex: &Name, labels: &[&str]) -> Name {
    labels.iter().rev().fold(apex.clone(), |name, label| name.child(label.as_bytes()).unwrap())
}

pub(super) const TYPES: [RecordType; 7] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::NS,
    RecordType::DNAME,
    RecordType::A,
];

/// Static records: no name twice with an alias, one redirection a name.
pub(super) fn records(
    apex: &Name,
    drawn: &[(Vec<&'static str>, usize, Vec<&'static str>, u8)],
) -> Vec<(Name, RecordType, Vec<u8>, String)> {
    let mut records: Vec<(Name, RecordType, Vec<u8>, String)> = Vec::new();
    for (owner, rtype, target, number) in drawn {
        let (owner, rtype, target) = (below(apex, owner), TYPES[*rtype], below(apex, target));
        let alone = matches!(rtype, RecordType::CNAME | RecordType::DNAME);
        let has_alias = records.iter().any(|r| r.0 == owner && r.1 == RecordType::CNAME);
        let beside = records.iter().any(|r| r.0 == owner && (rtype == RecordType::CNAME || r.1 == rtype && alone));
        if has_alias || beside || owner == *apex && !matches!(rtype, RecordType::A | RecordType::TXT) {
            continue;
        }
        let (wire, text) = match rtype {
            RecordType::A => (vec![192, 0, 2, *number], format!("192.0.2.{number}")),
            RecordType::AAAA => {
                let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x1000 + u16::from(*number));
                (address.octets().to_vec(), address.to_string())
            }
            RecordType::TXT => (vec![1, b'a' + number % 26], char::from(b'a' + number % 26).to_string()),
            _ => (target.wire().to_vec(), target.to_string()),
        };
        if !records.iter().any(|r| r.0 == owner && r.1 == rtype && r.2 == wire) {
            records.push((owner, rtype, wire, text));
        }
    }
    records
}

/// The address with all bits from `len` on taken from `other`, and none behind `source`.
pub(super) fn mixed(address: IpAddr, other: u128, len: u8, source: u8) -> IpAddr {
    let keep = |width: u8, bits: u128, len: u8| if len == 0 { 0 } else { bits & !0u128 << (width - len.min(width)) };
    let mix = |width: u8, bits: u128| keep(width, keep(width, bits, len) | (other & !keep(width, !0, len)), source);
    match address {
        IpAddr::V4(v4) => {
            Ipv4Addr::from(u32::try_from(mix(32, u32::from(v4).into()) & u128::from(u32::MAX)).unwrap()).into()
        }
        IpAddr::V6(v6) => Ipv6Addr::from(mix(128, v6.into())).into(),
    }
}

/// Addresses that rules' networks hold and others.
pub(super) fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u32..4, any::<u32>())
            .prop_map(|(high, low)| IpAddr::from(Ipv4Addr::from(10 << 24 | high << 22 | low & 0x3f_ffff))),
        (0u128..4, any::<u128>()).prop_map(|(high, low)| {
            IpAddr::from(Ipv6Addr::from(0x2001_0db8 << 96 | high << 94 | low & ((1 << 94) - 1)))
        }),
    ]
}

/// The switch: two or three pools, perhaps one an alias, with rules by network.
pub(super) fn bench() -> impl Strategy<Value = Bench> {
    let rule = (address(), 0u8..=40, 0usize..3);
    let policy = prop::sample::select(vec![Policy::Sticky, Policy::Fixed, Policy::Random, Policy::Failover]);
    (vec((0u16..5, any::<bool>(), 0usize..4), 2..4), vec(rule, 0..4), policy).prop_map(|(drawn, rules, policy)| {
        let aliases = drawn.iter().all(|(_, _, kind)| *kind == 3);
        let make = |(at, (_, _, kind)): (usize, &(u16, bool, usize))| {
            let addresses =
                [format!("198.51.100.{at}"), format!("2001:db8::{:x}", at + 1), format!("198.51.100.10{at}")];
            let name = format!("p{at}");
            if aliases {
                let mut pool = pool(&name, &[]);
                pool.records = vec![names(
                    RecordType::CNAME,
                    &[],
                    &[["a.example.test", "x.elsewhere.test", "b.example.test"][at]],
                )];
                return pool;
            }
            let of: Vec<&str> = addresses[..=(*kind).min(2)].iter().map(String::as_str).collect();
            pool(&name, &of)
        };
        let mut bench = switch(drawn.iter().enumerate().map(make).collect());
        bench.definition.ttl_s = TTL_S;
        bench.definition.policy = policy;
        let count = drawn.len();
        bench.definition.rules = (0..)
            .zip(rules)
            .map(|(at, (address, len, pool)): (usize, _)| {
                let network = IpNet::new(address, len.min(if address.is_ipv4() { 32 } else { 40 })).unwrap().trunc();
                let target = RuleTarget::Pool(format!("p{}", pool % count).into());
                Rule { name: format!("r{at}").into(), matches: RuleMatch::Networks(vec![network]), target }
            })
            .collect();
        bench.weights = drawn.iter().map(|(weight, ..)| *weight).collect();
        bench.eligible = drawn.iter().map(|(_, eligible, _)| *eligible).collect();
        bench
    })
}

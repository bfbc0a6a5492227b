//! Random zones, switches and queries: what `respond` sends, as hickory-proto reads it, is what a plain
//! and slow reference made from the same records and definitions says.
//!
//! The reference walks lists by RFC 1034 §4.3.2, RFC 4592 and RFC 6672, and chooses pools by real
//! logarithms, running sums and the longest matching network. It shares no code with the answer path.

mod drawn;
mod reference;

use super::*;
use crate::zone::ZoneText;
use drawn::{TYPES, address, below, bench, mixed, records, relative};
use proptest::collection::vec;
use proptest::prelude::*;
use reference::{From, Model, Said};
use std::net::IpAddr;

const TTL_S: u32 = 60;
const MINIMUM_S: u32 = 20;

/// The snapshot of a model.
fn publish(model: &Model) -> Snapshot {
    let mut text = ZoneText::default();
    let ns = model.apex.child(b"ns1").unwrap();
    let soa = [ns.wire(), ns.wire(), &1u32.to_be_bytes(), &[0; 12], &MINIMUM_S.to_be_bytes()].concat();
    text.push(&model.apex, RecordType::SOA, TTL_S, &soa, Default::default());
    for (owner, rtype, rdata, _) in &model.records {
        text.push(owner, *rtype, TTL_S, rdata, Default::default());
    }
    let steered: Vec<_> = model.steered.iter().map(|s| s.0.clone()).zip((0..).map(SteerId)).collect();
    let zone = Arc::new(Zone::build(&model.apex, &text, &steered));
    let owner =
        |(_, role, wildcard): &(Name, OwnerRole, bool)| SteeredOwner { switch: 0, role: *role, wildcard: *wildcard };
    Snapshot {
        zones: Arc::new(ZoneSet::build(vec![zone])),
        serials: Chunked::new(&[1]),
        owners: model.steered.iter().map(owner).collect(),
        switches: Chunked::new(&[model.bench.compile(0)]),
        ..Snapshot::default()
    }
}

/// Sends a query; the answer as lines, the scope, and whether there was room for it.
fn send_to(snapshot: &Snapshot, qname: &Name, qtype: RecordType, from: &From, edns: bool) -> (Said, Option<u8>, bool) {
    let option = from.subnet.map_or_else(Vec::new, |(address, source)| {
        let octets = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        subnet_option(if address.is_ipv4() { 1 } else { 2 }, source, &octets[..usize::from(source).div_ceil(8)])
    });
    let name = qname.to_string();
    let wire = if edns { edns_query(&name, qtype, 1232, &option) } else { query(&name, qtype) };
    let asker = Asker { client: from.resolver, transport: Transport::Udp, draw: from.draw };
    let (_, reply) = send(snapshot, &asker, &wire);
    let decoded = Decoded::read(&reply).unwrap();
    assert_eq!(decoded.opt.is_some(), edns, "an OPT record answers one and nothing else");
    let short = |line: &String| line.split(' ').take(4).collect::<Vec<_>>().join(" ");
    // hickory-proto has no text for DNAME; the alias made of it shows its target.
    let shown = |line: &String| if line.contains(" IN DNAME ") { short(line) } else { line.clone() };
    let mut answer: Vec<String> = decoded.answer.iter().map(shown).collect();
    answer.sort();
    let mut authority: Vec<String> = decoded.authority.iter().map(short).collect();
    authority.sort();
    let scope = decoded.opt.and_then(|opt| opt.subnet).map(|(_, scope)| scope);
    let said = Said { rcode: decoded.rcode, aa: decoded.flags.contains("AA"), answer, authority };
    (said, scope, !decoded.flags.contains("TC"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn replies_are_what_a_plain_reference_says(
        drawn in vec((relative(), 0usize..TYPES.len(), relative(), any::<u8>()), 0..14),
        bench in bench(),
        owner in relative(),
        questions in vec((relative(), 0usize..6, prop::option::of(0usize..4), address(), prop::option::of((address(), 0u8..=56)), any::<u64>(), any::<u128>()), 1..24),
    ) {
        let apex: Name = "example.test".parse().unwrap();
        let mut records = records(&apex, &drawn);
        let owner = if owner.iter().skip(1).any(|label| *label == "*") { apex.child(b"s").unwrap() } else { below(&apex, &owner) };
        let wildcard = owner.is_wildcard();
        let base = if wildcard { owner.parent().unwrap() } else { owner.clone() };
        let mut steered = vec![(owner, OwnerRole::Owner, wildcard)];
        for (at, pool) in bench.definition.pools.iter().enumerate() {
            steered.push((base.child(pool.name.as_bytes()).unwrap(), OwnerRole::Pin(u16::try_from(at).unwrap()), false));
        }
        // What the checks of a configuration refuse: data beside an alias, cuts at or above steered names.
        records.retain(|(name, rtype, ..)| !steered.iter().any(|(s, ..)| {
            let cuts = matches!(*rtype, RecordType::NS | RecordType::DNAME) && s.is_within(name);
            cuts || s == name && *rtype != RecordType::TXT
        }) || name == &apex && *rtype == RecordType::TXT);
        let model = Model { apex: apex.clone(), records, bench, steered };
        let snapshot = publish(&model);
        for (labels, qtype, at_steered, resolver, subnet, draw, other) in questions {
            let qname = at_steered.and_then(|at| model.steered.get(at)).map_or_else(|| below(&apex, &labels), |s| s.0.clone());
            let qtype = [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::CNAME, RecordType::A, RecordType::MX][qtype];
            let width = |address: &IpAddr| if address.is_ipv4() { 32 } else { 128 };
            let subnet = subnet.map(|(a, source)| (mixed(a, 0, source.min(width(&a)), source.min(width(&a))), source.min(width(&a))));
            let from = From { resolver, subnet, draw, among_equals: 0 };
            let edns = subnet.is_some() || draw & 1 == 1;
            let (said, scope, fits) = send_to(&snapshot, &qname, qtype, &from, edns);
            // Long chains fill 512 octets; with EDNS there is room for all.
            prop_assert!(fits || !edns);
            if !fits {
                continue;
            }
            let expected = model.says(&qname, qtype, &from);
            let as_good = (1..3).any(|n| said == model.says(&qname, qtype, &From { among_equals: n, ..from }));
            prop_assert!(said == expected || as_good, "{qname} {qtype} {from:?}
{said:?}
{expected:?}");
            prop_assert_eq!(scope.is_some(), subnet.is_some());
            if let (Some((address, source)), Some(scope)) = (subnet, scope) {
                prop_assert!(scope <= source);
                // Whoever shares the scope's bits gets the same: that is what a cache makes of it. Scope 0 speaks for all.
                let same_family = mixed(address, other, scope, source);
                let sibling = From { subnet: Some((same_family, source)), ..from };
                let (again, ..) = send_to(&snapshot, &qname, qtype, &sibling, true);
                prop_assert_eq!(&said, &again, "{} {} {:?} scope {}", qname, qtype, sibling, scope);
            }
        }
    }
}

//! No cached answer is ever wrong for a client it covers (§1.7, RFC 7871 §7.3.1).

use super::geography::{by_country, databases};
use super::*;
use crate::dns::Subnet;
use proptest::prelude::*;

/// Address bits that vary: the first three octets' low ones, so that /24 and rules both matter.
fn address(small: u32) -> u32 {
    // 8 bits spread over bits 31..28 and 11..8.
    (small >> 4) << 28 | (small & 15) << 8
}

fn masked(address: u32, source: u8) -> u32 {
    if source == 0 { 0 } else { address & u32::MAX << (32 - u32::from(source)) }
}

fn subnet(address: u32, source: u8) -> Client<'static> {
    let subnet = Subnet { address: Ipv4Addr::from(masked(address, source)).into(), source };
    Client { address: "192.0.2.53".parse().unwrap(), subnet: Some(subnet), label: None }
}

/// Countries and systems of the small space; neighbours have one country, and systems cross borders.
fn small_world() -> GeoDatabases {
    databases(
        &[
            ("16.0.0.0/5", "DE"),
            ("24.0.0.0/6", "DE"),
            ("28.0.4.0/22", "FR"),
            ("128.0.0.0/2", "JP"),
            ("2001:db8::/29", "DE"),
        ],
        &[("16.0.8.0/21", 1), ("144.0.0.0/4", 2), ("16.0.0.0/22", 3), ("2001:db8::/33", 1)],
    )
}

/// A rule over a prefix of the small space, or over IPv6.
fn rule() -> impl Strategy<Value = (RuleMatch, RuleTarget)> {
    let v4 =
        (0u32..256, 0u8..=32).prop_map(|(small, len)| format!("{}/{len}", Ipv4Addr::from(masked(address(small), len))));
    let text = prop_oneof![8 => v4, 1 => Just("2001:db8::/32".to_owned()), 1 => Just("::/0".to_owned())];
    let target = prop_oneof![
        Just(to_pool("p0")),
        Just(to_pool("p1")),
        Just(to_pool("p2")),
        Just(RuleTarget::Weights(vec![("p0".into(), 1), ("p2".into(), 3)])),
    ];
    let matches = prop_oneof![
        6 => text.prop_map(|text| networks(&[&text])),
        2 => Just(by_country(&["DE"])),
        1 => Just(by_country(&["FR", "JP"])),
        2 => Just(RuleMatch::Asns(vec![1, 2])),
    ];
    (matches, target)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_answer_is_right_for_every_client_its_scope_covers(
        rules in proptest::collection::vec(rule(), 0..6), weights in prop_oneof![Just([1u16, 0, 0]), Just([1, 1, 0]), Just([5, 1, 1])],
        ineligible in 0usize..6, policy in prop_oneof![Just(Policy::Sticky), Just(Policy::Failover)],
        capped in proptest::option::of(0usize..3)
    ) {
        let mut bench = Bench::new(policy, &weights);
        for (matches, target) in rules {
            bench = bench.rule("r", matches, target);
        }
        if let Some(eligible) = bench.eligible.get_mut(ineligible) {
            *eligible = false;
        }
        bench.capped = capped;
        bench = bench.with_geo(&small_world());
        let compiled = bench.compile();
        let by_address: Vec<_> = (0..256).map(|small| compiled.choose(&subnet(address(small), 32), 0).pool).collect();
        let v6 = compiled.choose(&Client { subnet: Some(Subnet { address: "2001:db8::".parse().unwrap(), source: 56 }), ..from("::1") }, 0);
        for small in 0..256 {
            for source in [1, 2, 3, 4, 5, 16, 20, 21, 22, 23, 24, 28, 32] {
                let choice = compiled.choose(&subnet(address(small), source), 0);
                prop_assert!(choice.scope <= source);
                if choice.scope == source {
                    // The whole source prefix is one cache entry; resolvers ask no finer question.
                    continue;
                }
                for other in (0..256).filter(|other| masked(address(*other), choice.scope) == masked(address(small), choice.scope)) {
                    prop_assert_eq!(by_address[other as usize], choice.pool, "{} cached for /{}", Ipv4Addr::from(address(other)), choice.scope);
                }
                if choice.scope == 0 {
                    prop_assert_eq!(choice.pool, v6.pool, "scope 0 also covers IPv6");
                }
            }
        }
    }

    #[test]
    fn an_ipv6_answer_is_right_for_the_mapped_ipv4_clients_its_scope_covers(
        rules in proptest::collection::vec(rule(), 0..4), small in 0u32..256, weights in prop_oneof![Just([1u16, 0, 0]), Just([5, 1, 1])]
    ) {
        let mut bench = Bench::new(Policy::Sticky, &weights);
        for (matches, target) in rules {
            bench = bench.rule("r", matches, target);
        }
        let compiled = bench.with_geo(&small_world()).compile();
        let mapped: std::net::Ipv6Addr = Ipv4Addr::from(address(small)).to_ipv6_mapped();
        let ask = |address: std::net::Ipv6Addr, source: u8| {
            let bits = u128::from(address) & u128::MAX << (128 - u32::from(source));
            compiled.choose(&Client { subnet: Some(Subnet { address: std::net::Ipv6Addr::from(bits).into(), source }), ..from("::1") }, 0)
        };
        let own = ask(mapped, 128);
        prop_assert_eq!(own.pool, compiled.choose(&subnet(address(small), 32), 0).pool);
        for asked in ["2001:db8::", "8000::", "::1", "::fffe:0:0", "1::"] {
            let asked: std::net::Ipv6Addr = asked.parse().unwrap();
            let choice = ask(asked, 128);
            let cut = |address: std::net::Ipv6Addr| if choice.scope == 0 { 0 } else { u128::from(address) >> (128 - u32::from(choice.scope)) };
            if cut(asked) == cut(mapped) {
                prop_assert_eq!(own.pool, choice.pool, "{} at scope {} covers {}", asked, choice.scope, mapped);
            }
        }
    }
}

#[test]
fn scope_is_0_only_where_everybody_gets_the_same() {
    let same = Bench::new(Policy::Sticky, &[1, 0]).compile();
    assert_eq!(same.choose(&subnet(address(9), 24), 0).scope, 0);
    let v6_differs = Bench::new(Policy::Sticky, &[1, 0]).rule("six", networks(&["::/0"]), to_pool("p1")).compile();
    assert_eq!(v6_differs.choose(&subnet(address(9), 24), 0).scope, 1);
    let sticky = Bench::new(Policy::Sticky, &[1, 1]).compile();
    assert_eq!(sticky.choose(&subnet(address(9), 24), 0).scope, 24);
    assert_eq!(sticky.choose(&subnet(address(9), 20), 0).scope, 20);
    let v6 = Client { subnet: Some(Subnet { address: "2001:db8::".parse().unwrap(), source: 64 }), ..from("::1") };
    assert_eq!(sticky.choose(&v6, 0).scope, 56);
    let random = Bench::new(Policy::Random, &[1, 1]).compile();
    assert_eq!(random.choose(&subnet(address(9), 24), 0).scope, 0);
}

#[test]
fn a_label_key_contributes_nothing_but_network_rules_still_do() {
    let bench = Bench::new(Policy::Sticky, &[1, 1]);
    let labelled = Client { label: Some(b"u1"), ..subnet(address(0x10), 24) };
    assert_eq!(bench.compile().choose(&labelled, 0).scope, 0);
    let bench = bench.rule("lab", networks(&["16.0.0.0/4"]), to_pool("p1")).rule(
        "u2",
        RuleMatch::Labels(vec!["u2".into()]),
        to_pool("p0"),
    );
    assert_eq!(bench.compile().choose(&labelled, 0).scope, 4);
    assert_eq!(bench.compile().choose(&Client { label: Some(b"u2"), ..labelled }, 0).scope, 0);
}

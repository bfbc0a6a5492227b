//! Rules before weights, and what is answered when nobody is eligible (§1.7, §1.9).

use super::*;

fn chosen(bench: &Bench, client: &Client<'_>) -> (Option<usize>, bool) {
    let choice = bench.compile().choose(client, 0);
    (choice.pool, choice.by_fallback)
}

/// All pools that anybody gets.
fn answered(bench: &Bench) -> Vec<usize> {
    let compiled = bench.compile();
    let mut pools: Vec<usize> = (0..200).filter_map(|n| compiled.choose(&nth(n), 0).pool).collect();
    pools.sort_unstable();
    pools.dedup();
    pools
}

#[test]
fn with_nobody_eligible_the_pools_that_last_had_weight_are_answered_with_all_members() {
    let mut bench = Bench::new(Policy::Sticky, &[100, 0, 100]);
    bench.eligible = vec![false; 3];
    bench.last_active = vec![0, 2];
    assert_eq!(answered(&bench), [0, 2]);
    let compiled = bench.compile();
    assert!(compiled.choose(&nth(0), 0).by_fallback);
    assert_eq!(compiled.pools[0].set(crate::dns::RecordType::A).unwrap().records.count(), 1);
}

#[test]
fn a_standby_is_answered_only_while_healthy() {
    let mut bench = Bench::new(Policy::Sticky, &[100, 0, 0]);
    bench.definition.fallback = Fallback::Standby;
    bench.eligible = vec![false, false, true];
    bench.last_active = vec![0];
    assert_eq!(chosen(&bench, &nth(1)), (Some(2), true));
    bench.eligible[2] = false;
    assert_eq!(chosen(&bench, &nth(1)), (Some(0), true));
}

#[test]
fn without_a_healthy_standby_the_pools_that_last_had_weight_are_answered_by_weight() {
    let mut bench = Bench::new(Policy::Random, &[9900, 100, 0]);
    bench.definition.fallback = Fallback::Standby;
    bench.eligible = vec![false; 3];
    bench.last_active = vec![0, 1];
    assert_eq!(bench.compile().choose(&nth(1), u64::MAX / 100 * 98).pool, Some(0));
    assert_eq!(bench.compile().choose(&nth(1), u64::MAX / 1000 * 995).pool, Some(1));
}

#[test]
fn the_other_fallbacks_mean_what_they_say() {
    let mut bench = Bench::new(Policy::Sticky, &[100, 0, 0]);
    bench.eligible = vec![false; 3];
    bench.definition.fallback = Fallback::All;
    assert_eq!(answered(&bench), [0, 1, 2]);
    bench.definition.fallback = Fallback::Pool("p1".into());
    assert_eq!(chosen(&bench, &nth(1)), (Some(1), true));
    bench.definition.fallback = Fallback::NoData;
    assert_eq!(chosen(&bench, &nth(1)), (None, true));
}

#[test]
fn healthy_members_are_answered_alone_while_their_pool_is_eligible() {
    let mut bench = Bench::new(Policy::Sticky, &[100]);
    let mut second = bench.definition.pools[0].members[0].clone();
    second.ipv4 = Some(Ipv4Addr::new(192, 0, 2, 99));
    let members = [&bench.definition.pools[0].members[..], &[second]].concat();
    bench.definition.pools[0].members = members.into();
    let definition = Arc::new(bench.definition.clone());
    let count = |eligible: bool| {
        let health = vec![MemberHealth { eligible: true }, MemberHealth { eligible: false }];
        let compiled = compile(&SwitchInput {
            definition: &definition,
            networks: None,
            ttl_s: 30,
            ttl_cause: "",
            weights: &[100],
            salt: "",
            pools: vec![PoolInput { slot: PoolSlot(0), health, eligible, why: None }],
            last_active: vec![0],
            capped: None,
            target_ttl: &|_| None,
        });
        compiled.pools[0].set(crate::dns::RecordType::A).unwrap().records.count()
    };
    assert_eq!((count(true), count(false)), (1, 2));
}

#[test]
fn the_most_specific_rule_wins_and_labels_come_before_networks() {
    let bench = Bench::new(Policy::Sticky, &[100, 0, 0, 0])
        .rule("office", networks(&["10.0.0.0/8"]), to_pool("p1"))
        .rule("lab", networks(&["10.1.0.0/16", "2001:db8::/32"]), to_pool("p2"))
        .rule("testers", RuleMatch::Labels(vec!["u7".into()]), to_pool("p3"))
        .rule("bots", RuleMatch::LabelPrefixes(vec!["bot-".into()]), to_pool("p2"));
    assert_eq!(chosen(&bench, &from("10.2.0.1")), (Some(1), false));
    assert_eq!(chosen(&bench, &from("10.1.0.1")), (Some(2), false));
    assert_eq!(chosen(&bench, &from("2001:db8::1")), (Some(2), false));
    assert_eq!(chosen(&bench, &from("11.0.0.1")), (Some(0), false));
    let labelled = |label: &'static str| Client { label: Some(label.as_bytes()), ..from("10.1.0.1") };
    assert_eq!(chosen(&bench, &labelled("u7")), (Some(3), false));
    assert_eq!(chosen(&bench, &labelled("bot-9")), (Some(2), false));
    assert_eq!(chosen(&bench, &labelled("u8")), (Some(2), false));
}

#[test]
fn a_rule_without_an_eligible_pool_leaves_its_clients_to_the_weights() {
    let mut bench = Bench::new(Policy::Sticky, &[100, 0]).rule("lab", networks(&["10.0.0.0/8"]), to_pool("p1"));
    bench.eligible = vec![true, false];
    assert_eq!(chosen(&bench, &from("10.0.0.1")), (Some(0), false));
    bench.eligible = vec![false, false];
    bench.last_active = vec![0];
    assert_eq!(chosen(&bench, &from("10.0.0.1")), (Some(0), true));
    bench.eligible = vec![false, true];
    assert_eq!(chosen(&bench, &from("10.0.0.1")), (Some(1), false));
    assert_eq!(chosen(&bench, &from("11.0.0.1")), (Some(0), true));
}

#[test]
fn a_rule_may_bring_weights_of_its_own() {
    let target = RuleTarget::Weights(vec![("p2".into(), 1), ("p1".into(), 1), ("p0".into(), 0)]);
    let bench = Bench::new(Policy::Sticky, &[100, 0, 0]).rule("lab", networks(&["0.0.0.0/0"]), target);
    assert_eq!(answered(&bench), [1, 2]);
}

#[test]
fn the_pools_that_could_be_answered_are_those_of_weights_rules_and_fallback() {
    let mut bench = Bench::new(Policy::Sticky, &[100, 0, 0, 0]).rule("lab", networks(&["10.0.0.0/8"]), to_pool("p1"));
    let could = |bench: &Bench| may_be_answered(&bench.definition, &bench.weights, &[0]);
    assert_eq!(could(&bench), [true, true, false, false]);
    bench.definition.fallback = Fallback::Pool("p3".into());
    assert_eq!(could(&bench), [true, true, false, true]);
    bench.definition.fallback = Fallback::Standby;
    assert_eq!(could(&bench), [true; 4]);
    assert_eq!(named_by_rules(&bench.definition), [false, true, false, false]);
}

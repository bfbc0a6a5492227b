//! Health never spills users into a canary (§5.3).

use super::*;
use crate::dns::Subnet;
use proptest::prelude::*;

/// The dice of one test: each client asks with a draw of its own.
fn draw(n: u32) -> u64 {
    u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Which of many clients get the pool, and which get an answer by the fallback.
fn clients_of(bench: &Bench, pool: usize) -> Vec<bool> {
    let compiled = bench.compile();
    (0..300).map(|n| compiled.choose(&nth(n), draw(n)).pool == Some(pool)).collect()
}

/// A switch with a canary, whose health is not in question, and others that may fall out.
fn switch() -> impl Strategy<Value = (Bench, usize)> {
    let weight = prop_oneof![1 => Just(0u16), 4 => 1u16..=100, 2 => 1u16..=10_000];
    let policy = prop_oneof![Just(Policy::Sticky), Just(Policy::Random), Just(Policy::Failover), Just(Policy::Fixed)];
    let fallback = prop_oneof![
        Just(Fallback::LastActive),
        Just(Fallback::Standby),
        Just(Fallback::All),
        (0usize..5).prop_map(|at| Fallback::Pool(format!("p{at}").into())),
        Just(Fallback::NoData),
    ];
    let rule = (0u32..4, proptest::collection::vec((0usize..5, 0u16..4), 1..4));
    (
        proptest::collection::vec((weight, any::<bool>()), 2..6),
        0usize..6,
        policy,
        fallback,
        proptest::collection::vec(rule, 0..3),
    )
        .prop_filter("another pool has weight", |(pools, capped, ..)| {
            pools.iter().enumerate().any(|(at, (weight, _))| at != capped % pools.len() && *weight > 0)
        })
        .prop_map(|(pools, capped, policy, fallback, rules)| {
            let (weights, eligible): (Vec<u16>, Vec<bool>) = pools.into_iter().unzip();
            let capped = capped % weights.len();
            let mut bench = Bench::new(policy, &weights);
            bench.definition.fallback = match fallback {
                Fallback::Pool(name) if bench.definition.pool(&name).is_none() => Fallback::Pool("p0".into()),
                other => other,
            };
            for (block, targets) in rules {
                let count = weights.len();
                let target = match targets[..] {
                    [(pool, _)] => to_pool(&format!("p{}", pool % count)),
                    _ => RuleTarget::Weights(
                        targets
                            .iter()
                            .take(count)
                            .enumerate()
                            .map(|(at, (_, weight))| (format!("p{at}").into(), *weight))
                            .collect(),
                    ),
                };
                // Clients stand in 0.0.0.0/16 and 0.1.0.0/16.
                let network = format!("0.0.{}.0/18", block * 64);
                bench = bench.rule("r", networks(&[&network]), target);
            }
            bench.last_active = (0..weights.len()).filter(|at| weights[*at] > 0).collect();
            bench.eligible = eligible;
            bench.capped = Some(capped);
            (bench, capped)
        })
}

proptest! {
    #[test]
    fn a_healthy_canary_keeps_the_clients_it_has_when_all_are_healthy((mut bench, capped) in switch()) {
        bench.eligible[capped] = true;
        let ill = clients_of(&bench, capped);
        bench.eligible.fill(true);
        prop_assert_eq!(&ill, &clients_of(&bench, capped));
        bench.capped = None;
        prop_assert_eq!(ill, clients_of(&bench, capped), "and those it has without the cap");
    }

    #[test]
    fn a_canary_never_gains_a_client_when_others_lose_health((mut bench, capped) in switch(), lost in 0usize..6) {
        let before = clients_of(&bench, capped);
        let lost = lost % bench.weights.len();
        if lost != capped {
            bench.eligible[lost] = false;
        }
        let after = clients_of(&bench, capped);
        prop_assert!(before.iter().zip(&after).all(|(before, after)| *before || !after));
    }

    #[test]
    fn clients_of_a_healthy_pool_stay_and_nobody_gets_a_dead_pool_beside_a_healthy_one((mut bench, capped) in switch()) {
        bench.definition.rules.clear();
        bench.definition.policy = Policy::Sticky;
        let ill = bench.compile();
        let eligible = std::mem::replace(&mut bench.eligible, vec![true; bench.weights.len()]);
        let well = bench.compile();
        let other = (0..eligible.len()).any(|at| at != capped && eligible[at] && bench.weights[at] > 0);
        for n in 0..300 {
            let (home, got) = (well.choose(&nth(n), 0).pool.unwrap(), ill.choose(&nth(n), 0));
            if eligible[home] {
                prop_assert_eq!((got.pool, got.by_fallback), (Some(home), false));
            } else if other {
                prop_assert!(got.pool.is_some_and(|at| at != capped && eligible[at] && bench.weights[at] > 0) && !got.by_fallback);
            } else {
                prop_assert!(got.by_fallback, "and the switch says so: {}", ill.fallback_in_use());
                prop_assert!(ill.fallback_in_use());
                if bench.definition.fallback == Fallback::LastActive && home != capped {
                    prop_assert_eq!(got.pool, Some(home), "the dead pool answers for itself");
                }
            }
        }
    }

    #[test]
    fn the_fallback_is_in_use_exactly_when_it_may_decide_for_some_client((bench, _) in switch()) {
        let compiled = bench.compile();
        let decided = (0..300).any(|n| compiled.choose(&nth(n), draw(n)).by_fallback);
        prop_assert!(!decided || compiled.fallback_in_use());
        let may = may_be_answered(&bench.definition, &bench.weights, &bench.last_active);
        for n in 0..300 {
            if let Some(pool) = compiled.choose(&nth(n), draw(n)).pool {
                prop_assert!(may[pool], "p{} is answered unannounced", pool);
            }
        }
    }

    #[test]
    fn what_is_told_is_what_is_answered((bench, capped) in switch()) {
        let compiled = bench.compile();
        let limit = format!("pool p{capped} gets no more than its share");
        for n in 0..50 {
            let (told, choice) = (compiled.explain(&nth(n), draw(n)), compiled.choose(&nth(n), draw(n)));
            prop_assert_eq!(&told.pool, &choice.pool.map(|at| format!("p{at}")));
            let fell = (0..bench.weights.len()).any(|at| at != capped && bench.weights[at] > 0 && !bench.eligible[at]);
            prop_assert_eq!(told.why.contains(&limit), fell, "{}", told.why);
        }
    }
}

/// Blue is dead in the middle of a 10 % step of green; grey stands by without weight.
fn in_the_middle_of_a_step(policy: Policy) -> Bench {
    let mut bench = Bench::new(policy, &[9000, 1000, 0]);
    bench.eligible = vec![false, true, true];
    bench.last_active = vec![0, 1];
    bench.capped = Some(1);
    bench
}

/// Answers per pool, and without one, of 10,000 clients or draws.
fn spread(bench: &Bench) -> [u32; 4] {
    let compiled = bench.compile();
    let mut hits = [0; 4];
    for n in 0..10_000 {
        hits[compiled.choose(&nth(n), draw(n)).pool.unwrap_or(3)] += 1;
    }
    hits
}

#[test]
fn with_the_stable_pool_dead_a_canary_at_10_percent_still_gets_10_percent() {
    for policy in [Policy::Sticky, Policy::Random] {
        let mut bench = in_the_middle_of_a_step(policy);
        let tenth = spread(&bench)[1];
        assert!((f64::from(tenth) - 1000.0).abs() <= 4.0 * (10_000.0f64 * 0.1 * 0.9).sqrt(), "{tenth}");
        let others = 10_000 - tenth;
        assert_eq!(spread(&bench), [others, tenth, 0, 0], "the dead pool answers for itself");
        bench.definition.fallback = Fallback::Standby;
        assert_eq!(spread(&bench), [0, tenth, others, 0]);
        bench.definition.fallback = Fallback::Pool("p2".into());
        assert_eq!(spread(&bench), [0, tenth, others, 0]);
        bench.definition.fallback = Fallback::Pool("p1".into());
        assert_eq!(spread(&bench), [others, tenth, 0, 0]);
        bench.definition.fallback = Fallback::NoData;
        assert_eq!(spread(&bench), [0, tenth, 0, others]);
        bench.definition.fallback = Fallback::All;
        let [blue, green, grey, none] = spread(&bench);
        assert_eq!((green, blue + grey, none), (tenth, others, 0));
        assert!(blue.abs_diff(grey) < 500, "{blue} and {grey} as equals");
    }
}

#[test]
fn other_pools_with_weight_take_over_by_their_weights() {
    for policy in [Policy::Sticky, Policy::Random] {
        let mut bench = Bench::new(policy, &[6000, 1000, 1000, 2000]);
        bench.capped = Some(1);
        let [_, tenth, ..] = spread(&bench);
        bench.eligible[0] = false;
        let [blue, green, small, large] = spread(&bench);
        assert_eq!((blue, green), (0, tenth));
        let off = (f64::from(small) - f64::from(10_000 - tenth) / 3.0).abs();
        assert!(off <= 4.0 * (9000.0f64 * 2.0 / 9.0).sqrt(), "{small} and {large}");
    }
}

#[test]
fn a_canary_that_falls_out_itself_leaves_its_share_to_the_others() {
    let mut bench = in_the_middle_of_a_step(Policy::Sticky);
    bench.eligible = vec![true, false, true];
    assert_eq!(spread(&bench), [10_000, 0, 0, 0]);
    assert!(!bench.compile().fallback_in_use());
}

#[test]
fn under_failover_a_canary_is_not_the_next_one() {
    let mut bench = Bench::new(Policy::Failover, &[1, 1, 1]);
    bench.last_active = vec![0, 1, 2];
    bench.capped = Some(1);
    bench.eligible = vec![false, true, true];
    assert_eq!(spread(&bench), [0, 0, 10_000, 0]);
    bench.eligible[2] = false;
    assert_eq!(spread(&bench), [10_000, 0, 0, 0]);
    bench.capped = Some(0);
    bench.eligible = vec![true, false, false];
    assert_eq!(spread(&bench), [10_000, 0, 0, 0], "the first in order keeps everybody");
}

#[test]
fn a_canary_that_has_all_the_weight_is_not_bounded() {
    let mut bench = Bench::new(Policy::Sticky, &[0, 10_000]);
    bench.capped = Some(1);
    bench.eligible = vec![false, true];
    assert_eq!(bench.compile().capped, None);
    assert_eq!(spread(&bench), [0, 10_000, 0, 0]);
}

#[test]
fn the_scope_of_a_capped_choice_is_that_of_the_key() {
    let compiled = in_the_middle_of_a_step(Policy::Sticky).compile();
    let subnet = Subnet { address: "198.51.100.0".parse().unwrap(), source: 24 };
    assert_eq!(compiled.choose(&Client { subnet: Some(subnet), ..from("192.0.2.53") }, 0).scope, 24);
    let compiled = in_the_middle_of_a_step(Policy::Random).compile();
    assert_eq!(compiled.choose(&Client { subnet: Some(subnet), ..from("192.0.2.53") }, 0).scope, 0);
}

#[test]
fn a_bounded_pool_is_told_in_words() {
    let bench = in_the_middle_of_a_step(Policy::Sticky);
    let compiled = bench.compile();
    let (inside, outside): (Vec<u32>, Vec<u32>) = (0..100).partition(|n| compiled.choose(&nth(*n), 0).pool == Some(1));
    let told = compiled.explain(&nth(inside[0]), 0);
    let end = "; pool p1 gets no more than its share, standing in for no other";
    assert_eq!(told.why, format!("lowest score for {} under salt model{end}", told.key));
    let told = compiled.explain(&nth(outside[0]), 0);
    let start =
        "no pool but p1 with weight is eligible; the fallback is the pools that last had weight, health ignored";
    assert_eq!(told.why, format!("{start}{end}"));
    assert!(told.by_fallback && told.pools[0].score < told.pools[1].score, "the dead pool drew this client");
}

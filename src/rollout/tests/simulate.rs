//! What simulations promise: the same seed gives the same figures, shares go to the weights, and
//! nobody leaves the canary as it grows.

use super::*;
use crate::rollout::population::{Population, Resolver};
use crate::rollout::simulate::{Setup, Simulation, SimulationError, simulate};
use crate::steering::{GeoNetworks, NetworkRules, Policy, Rule, RuleMatch, RuleTarget, Switch};
use proptest::prelude::*;

fn switch(policy: Policy) -> Arc<Switch> {
    Arc::new(Switch::of_pools("model", policy, &[("blue", WHOLE), ("green", 0)]))
}

fn plan(steps: &[u16]) -> Plan {
    let mut plan = Plan::default_of(PlanKind::Canary);
    let step = |weight: &u16| Step { weight: *weight, hold_ms: Some(600_000), gates: None, pause: false };
    plan.steps = steps.iter().map(step).collect();
    plan
}

fn played(switch: &Arc<Switch>, plan: &Plan, population: &Population, seed: u64, repetitions: u32) -> Simulation {
    let networks = Arc::new(NetworkRules::new(&switch.rules, &GeoNetworks::default()));
    let setup = Setup {
        switch,
        networks: Some(&networks),
        stable: &"blue".into(),
        canary: &"green".into(),
        plan,
        ttl_s: 10,
        population,
        salt: Some("model"),
        seed,
        repetitions,
    };
    simulate(&setup).expect("a plan that moves weight")
}

#[test]
fn many_equal_resolvers_get_the_weights_as_shares() {
    let population = Population::zipf(5_000, 0.0, 50_000.0).unwrap();
    for policy in [Policy::Sticky, Policy::Random] {
        let seen = played(&switch(policy), &plan(&[100, 1_000, 5_000, WHOLE]), &population, 1, 8);
        assert!((seen.effective_resolvers - 5_000.0).abs() < 1e-6);
        for step in &seen.steps {
            for share in [step.answers.mean, step.expected] {
                assert!((share - step.target).abs() < 0.005, "{policy:?}: {step:?}");
            }
            assert!((step.requests.mean - step.expected_requests).abs() < 0.005, "{policy:?}: {step:?}");
            assert!(step.requests.mean <= step.target + 0.005 && step.nobody < 1e-12);
        }
    }
}

#[test]
fn the_deviation_of_the_formula_is_the_one_that_is_seen() {
    for (policy, exponent) in [(Policy::Sticky, 0.0), (Policy::Sticky, 1.0), (Policy::Random, 1.0)] {
        let population = Population::zipf(200, exponent, 400.0).unwrap();
        let seen = played(&switch(policy), &plan(&[2_000]), &population, 3, 400);
        let step = &seen.steps[0];
        let ratio = step.requests.sd / step.expected_deviation;
        assert!((0.8..1.25).contains(&ratio), "{policy:?} {exponent}: {step:?}");
        let off = (step.requests.mean - step.expected_requests).abs();
        assert!(off <= 4.0 * step.expected_deviation / 20.0, "{policy:?} {exponent}: {step:?}");
    }
}

#[test]
fn a_step_that_nobody_sees_is_known_as_such() {
    let population = Population::zipf(20, 0.0, 200.0).unwrap();
    let seen = played(&switch(Policy::Sticky), &plan(&[100]), &population, 5, 600);
    let step = &seen.steps[0];
    assert!((step.nobody - 0.99f64.powi(20)).abs() < 1e-9, "{step:?}");
    assert!((step.nobody_seen - step.nobody).abs() < 0.06, "{step:?}");
    // A fresh draw for each of about 1200 answers leaves nobody out.
    let random = played(&switch(Policy::Random), &plan(&[100]), &population, 5, 50);
    assert!(random.steps[0].nobody < 1e-4 && random.steps[0].nobody_seen == 0.0, "{:?}", random.steps[0]);
}

#[test]
fn rules_come_before_the_shares() {
    let mut definition = Switch::of_pools("model", Policy::Sticky, &[("blue", WHOLE), ("green", 0)]);
    definition.rules = vec![Rule {
        name: "stay".into(),
        matches: RuleMatch::Networks(vec!["192.0.2.0/24".parse().unwrap()]),
        target: RuleTarget::Pool("blue".into()),
    }];
    let resolver = |address: &str| Resolver { address: address.parse().unwrap(), qps: 5.0 };
    let population = Population::new(vec![resolver("192.0.2.1"), resolver("198.51.100.1")]).unwrap();
    let seen = played(&Arc::new(definition), &plan(&[5_000, WHOLE]), &population, 9, 200);
    assert!((seen.steps[0].expected - 0.25).abs() < 1e-9, "{:?}", seen.steps[0]);
    assert!((seen.steps[0].requests.mean - 0.25).abs() < 0.05, "{:?}", seen.steps[0]);
    assert_eq!(seen.steps[1].clients.mean, 0.5);
}

#[test]
fn old_answers_keep_users_for_their_ttl_and_the_tail_follows() {
    let population = Population::zipf(100, 0.0, 10_000.0).unwrap();
    let mut plan = plan(&[WHOLE]);
    plan.steps[0].hold_ms = Some(120_000);
    let seen = played(&switch(Policy::Sticky), &plan, &population, 2, 20);
    // 100 requests a second behind each cache of 10 s: on average half a TTL of a hold of 120 s.
    assert!((seen.steps[0].expected_requests - (1.0 - 5.0 / 120.0)).abs() < 0.001, "{:?}", seen.steps[0]);
    assert_eq!((seen.drain.dns_drained_ms, seen.drain.drained_ms), (15_000, 910_000));
}

#[test]
fn what_moves_no_weight_is_refused() {
    let population = Population::zipf(10, 1.0, 10.0).unwrap();
    let refused = |policy, plan: &Plan, repetitions| {
        let (switch, blue, green) = (switch(policy), "blue".into(), "green".into());
        let setup = Setup {
            switch: &switch,
            networks: None,
            stable: &blue,
            canary: &green,
            plan,
            ttl_s: 10,
            population: &population,
            salt: None,
            seed: 1,
            repetitions,
        };
        simulate(&setup).unwrap_err()
    };
    assert_eq!(refused(Policy::Sticky, &Plan::default_of(PlanKind::Rolling), 1), SimulationError::Rolling);
    assert_eq!(refused(Policy::Failover, &plan(&[WHOLE]), 1), SimulationError::Policy);
    assert!(matches!(refused(Policy::Sticky, &plan(&[WHOLE]), u32::MAX), SimulationError::Work(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_seed_repeats_every_figure_and_another_seed_does_not(
        seed in any::<u64>(), n in 20u32..60, exponent in 0.0f64..2.0, random in any::<bool>()
    ) {
        let population = Population::zipf(n, exponent, 100.0).unwrap();
        let switch = switch(if random { Policy::Random } else { Policy::Sticky });
        let plan = plan(&[1_000, 5_000]);
        let first = played(&switch, &plan, &population, seed, 3);
        prop_assert_eq!(&first, &played(&switch, &plan, &population, seed, 3));
        let other = played(&switch, &plan, &population, seed ^ 1, 3);
        prop_assert_ne!(first.steps, other.steps);
    }

    #[test]
    fn raising_the_share_only_moves_clients_in(
        mut steps in proptest::collection::vec(1u16..=WHOLE, 2..5), clients in proptest::collection::vec(any::<u32>(), 1..40), seed in any::<u64>()
    ) {
        steps.sort_unstable();
        steps.dedup();
        // Each client alone: its share per step is 0 or 1 and never falls.
        for client in clients {
            let resolver = Resolver { address: std::net::Ipv4Addr::from(client).into(), qps: 1.0 };
            let population = Population::new(vec![resolver]).unwrap();
            let seen = played(&switch(Policy::Sticky), &plan(&steps), &population, seed, 1);
            let shares: Vec<f64> = seen.steps.iter().filter_map(|step| step.with_salt).collect();
            prop_assert!(shares.iter().all(|share| *share == 0.0 || *share == 1.0), "{:?}", shares);
            prop_assert!(shares.is_sorted(), "{:?}", shares);
        }
    }
}

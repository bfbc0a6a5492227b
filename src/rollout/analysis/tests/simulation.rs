//! Promises over many seeded rollouts, through the gates' own code: a look every 30 s of 15 minutes.

use super::dice::Dice;
use super::*;
use crate::rollout::gate::{Spending, Verdict};
use crate::stats::mixture::Mixture;

const LOOKS: u32 = 30;

/// One step: traffic per look of each side, and how both sides behave.
struct World {
    gates: Vec<Gate>,
    /// Requests of the canary and of the other side between two looks.
    traffic: (u32, u32),
    /// Error rates.
    errors: (f64, f64),
    /// What the canary's latencies are multiplied with.
    slower: f64,
}

impl World {
    /// In how many of `runs` a gate fails within the hold.
    fn alarms(&self, runs: u64, wanted: &str) -> u64 {
        (0..runs).filter(|seed| self.fails(Dice::new(*seed), wanted)).count() as u64
    }

    fn fails(&self, mut dice: Dice, wanted: &str) -> bool {
        let (mut analyst, mut evidence) = (Analyst::paced(LOOKS), Evidence::default());
        let metrics: Vec<&str> = self.gates.iter().map(|gate| &*gate.metric.name).collect();
        (0..LOOKS).any(|_| {
            for (pool, n, errors, slower) in
                [("green", self.traffic.0, self.errors.0, self.slower), ("blue", self.traffic.1, self.errors.1, 1.0)]
            {
                if metrics.contains(&"errors") {
                    add(&mut evidence, "errors", pool, counts(dice.hits(n, errors), n));
                }
                if metrics.contains(&"latency") {
                    // Log-normal: the long right tail that latencies have.
                    let drawn = (0..n).map(|_| slower * 40.0 * (0.5 * dice.normal()).exp()).collect::<Vec<_>>();
                    add(&mut evidence, "latency", pool, values(drawn));
                }
            }
            let verdicts = look(&mut analyst, &self.gates, &evidence);
            verdicts.iter().any(|verdict| verdict.verdict == Verdict::Fail && verdict.gate.starts_with(wanted))
        })
    }
}

fn errors() -> Gate {
    comparison("errors", Statistic::Rate, Margin::Absolute(0.01))
}

fn latency(statistic: Statistic) -> Gate {
    comparison("latency", statistic, Margin::Relative(0.2))
}

#[test]
fn without_a_difference_all_gates_together_raise_hardly_any_alarm() {
    let mut p95 = latency(Statistic::Quantile(0.95));
    p95.name = "latency-p95".into();
    let gates = vec![errors(), latency(Statistic::Mean), p95];
    let world = World { gates, traffic: (4, 12), errors: (0.01, 0.01), slower: 1.0 };
    let alarms = world.alarms(2_000, "");
    assert!(alarms <= 100, "{alarms} of 2,000");
}

#[test]
fn at_exactly_the_margin_each_gate_keeps_its_five_percent() {
    for (traffic, errors_of) in [((20, 20), (0.02, 0.01)), ((5, 95), (0.011, 0.001)), ((20, 80), (0.06, 0.05))] {
        let world = World { gates: vec![errors()], traffic, errors: errors_of, slower: 1.0 };
        let alarms = world.alarms(2_000, "errors");
        assert!(alarms <= 100, "{alarms} of 2,000 with {traffic:?} and {errors_of:?}");
    }
    let world = World { gates: vec![latency(Statistic::Mean)], traffic: (5, 15), errors: (0.0, 0.0), slower: 1.2 };
    let alarms = world.alarms(2_000, "latency");
    assert!(alarms <= 100, "{alarms} of 2,000 means");
}

#[test]
fn quantiles_and_ranks_keep_their_promise_at_the_margin_too() {
    let mut ranks = latency(Statistic::Mean);
    if let Check::Compare { test, .. } = &mut ranks.check {
        *test = Test::MannWhitney;
    }
    for (gate, runs) in [(latency(Statistic::Quantile(0.95)), 100), (ranks, 100)] {
        let world = World { gates: vec![gate], traffic: (10, 20), errors: (0.0, 0.0), slower: 1.2 };
        let alarms = world.alarms(runs, "latency");
        assert!(alarms * 20 <= runs, "{alarms} of {runs}");
    }
}

#[test]
fn planned_looks_keep_their_promise_at_the_margin() {
    for spending in [Spending::ObrienFleming, Spending::Pocock] {
        let mut gate = errors();
        if let Check::Compare { sequential, .. } = &mut gate.check {
            *sequential = Sequential::Planned { looks: 5, spending };
        }
        let world = World { gates: vec![gate], traffic: (40, 40), errors: (0.06, 0.05), slower: 1.0 };
        let alarms = world.alarms(200, "errors");
        // Three standard deviations of the simulation above 5 %.
        assert!(alarms <= 19, "{alarms} of 200 by {spending:?}");
    }
}

#[test]
fn an_error_rate_that_is_promised_to_be_seen_is_seen() {
    let (n, stable, margin) = (20 * LOOKS, 0.01, 0.01);
    // What the last look alone proves in four of five cases.
    let variance = |p: f64| (p * (1.0 - p) + stable * (1.0 - stable)) / f64::from(n);
    let mixture = Mixture::of_variance(margin * margin).unwrap();
    let seen_at = |p: f64| p - stable - margin - mixture.reach(variance(p), 0.05).unwrap() - 0.842 * variance(p).sqrt();
    let canary = (1..500).map(|i| f64::from(i) / 1_000.0).find(|p| seen_at(*p) > 0.0).unwrap();
    let world = World { gates: vec![errors()], traffic: (20, 20), errors: (canary, stable), slower: 1.0 };
    let seen = world.alarms(500, "errors");
    assert!(seen >= 400, "{seen} of 500 at {canary}");
}

#[test]
fn a_slow_canary_is_seen_by_mean_quantile_and_rank() {
    let mut ranks = latency(Statistic::Mean);
    if let Check::Compare { test, .. } = &mut ranks.check {
        *test = Test::MannWhitney;
    }
    for gate in [latency(Statistic::Mean), latency(Statistic::Quantile(0.95)), ranks] {
        let world = World { gates: vec![gate.clone()], traffic: (20, 20), errors: (0.0, 0.0), slower: 1.8 };
        let seen = world.alarms(30, "latency");
        assert!(seen >= 27, "{seen} of 30 by {:?}", gate.check);
    }
}

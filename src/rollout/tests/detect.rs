//! What a plan can see, against what its gates do see in simulation.

use crate::rollout::detect::{StepReach, Traffic, reach};
use crate::rollout::gate::{Check, Gate, Margin, Metric, MetricSource, Sequential, Spending, Statistic, Test, Worse};
use crate::rollout::{Analyst, Evidence, Look, Plan, PlanKind, SampleValue, Verdict};
use std::sync::Arc;

fn gate(name: &str, statistic: Statistic, margin: Margin, sequential: Sequential) -> Gate {
    Gate {
        name: name.into(),
        metric: Metric { name: name.into(), source: MetricSource::Pushed, worse: Worse::Up },
        check: Check::Compare { statistic, margin, test: Test::Auto, sequential, alpha: 0.05 },
        min_samples: None,
    }
}

fn plan(gates: Vec<Gate>) -> Plan {
    Plan { gates, ..Plan::default_of(PlanKind::Canary) }
}

fn traffic(requests_per_s: f64) -> Traffic {
    Traffic { requests_per_s, probes_per_s: (1.0, 1.0), rate: 0.01, variation: 0.5 }
}

fn errors() -> Gate {
    gate("errors", Statistic::Rate, Margin::Absolute(0.01), Sequential::AlwaysValid)
}

#[test]
fn a_step_that_nobody_meets_says_so_before_it_starts() {
    let steps = reach(&plan(vec![errors()]), 10, &traffic(1.0));
    // 1 % of one request a second over 510 s of evidence.
    assert_eq!((steps[0].weight, steps[0].evidence_ms, steps[0].gates[0].samples.0), (100, 510_000, 5));
    assert!(!steps[0].gates[0].enough && steps[0].gates[0].sees.is_none());
    assert!(steps[0].gates[0].line.contains("5 and 504 samples, and it needs 100"), "{}", steps[0].gates[0].line);
    // The last step has no hold: nothing looks.
    assert!(steps[3].gates.is_empty());
}

#[test]
fn more_traffic_and_larger_steps_see_smaller_differences() {
    let seen = |steps: &[StepReach], step: usize| steps[step].gates[0].sees.unwrap();
    let (some, more) =
        (reach(&plan(vec![errors()]), 10, &traffic(30.0)), reach(&plan(vec![errors()]), 10, &traffic(300.0)));
    assert!(seen(&some, 0) > seen(&some, 1) && seen(&some, 1) > seen(&some, 2));
    for step in 0..3 {
        assert!(seen(&some, step) > seen(&more, step) && seen(&more, step) > 0.02);
    }
    // Alpha is shared: a second comparison makes the first one see less.
    let latency = gate("latency", Statistic::Mean, Margin::Relative(0.2), Sequential::AlwaysValid);
    let shared = reach(&plan(vec![errors(), latency]), 10, &traffic(30.0));
    assert!(seen(&shared, 0) > seen(&some, 0));
    assert!(shared[0].gates[1].sees.unwrap() > 1.2);
}

#[test]
fn every_statistic_is_told_in_its_own_words() {
    let planned = Sequential::Planned { looks: 5, spending: Spending::ObrienFleming };
    let gates = vec![
        gate("errors", Statistic::Rate, Margin::Absolute(0.01), planned),
        gate("latency", Statistic::Mean, Margin::Relative(0.2), planned),
        gate("p95", Statistic::Quantile(0.95), Margin::Relative(0.2), Sequential::AlwaysValid),
        gate("tokens", Statistic::Mean, Margin::Absolute(3.0), Sequential::AlwaysValid),
    ];
    let steps = reach(&plan(gates), 10, &traffic(100.0));
    let lines: Vec<&str> = steps[1].gates.iter().map(|gate| gate.line.as_str()).collect();
    for (line, part) in
        lines.iter().zip(["show a rate of", "times the other side's", "beyond the limit", "cannot be said"])
    {
        assert!(line.contains(part), "{line}");
    }
}

/// Rollouts of one step in which a canary with this error rate is caught.
fn caught(rate: f64, per_look: (u32, u32), looks: u32, runs: u64) -> u64 {
    let gates = [errors()];
    let (metric, green, blue): (Arc<str>, Arc<str>, Arc<str>) = ("errors".into(), "green".into(), "blue".into());
    let run = |seed: u64| {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut hits = |n: u32, rate: f64| {
            (0..n)
                .filter(|_| {
                    // Marsaglia's xorshift64*.
                    state ^= state >> 12;
                    state ^= state << 25;
                    state ^= state >> 27;
                    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64 <= rate
                })
                .count() as f64
        };
        let (mut analyst, mut evidence) = (Analyst::default(), Evidence::default());
        (0..looks).any(|_| {
            for (pool, n, rate) in [(&green, per_look.0, rate), (&blue, per_look.1, 0.01)] {
                let value = SampleValue::Count { count: hits(n, rate), total: f64::from(n) };
                assert!(evidence.add(&metric, pool, value));
            }
            let look = Look {
                gates: &gates,
                evidence: &evidence,
                canary: "green",
                other: "blue",
                alone: false,
                source_errors: 4,
            };
            analyst.look(&look)[0].verdict == Verdict::Fail
        })
    };
    (0..runs).filter(|seed| run(*seed)).count() as u64
}

#[test]
fn what_a_plan_promises_to_see_its_gates_do_see() {
    let steps = reach(&plan(vec![errors()]), 10, &traffic(20.0));
    let step = &steps[1].gates[0];
    // 10 % of 20 requests a second for 510 s: 60 and 540 in each of 17 looks.
    assert_eq!(step.samples, (1_020, 9_180));
    let seen = caught(step.sees.unwrap(), (60, 540), 17, 200);
    assert!((150..=200).contains(&seen), "{seen} of 200 at {:?}", step.sees);
    let smaller = caught(0.01 + 0.01, (60, 540), 17, 200);
    assert!(smaller <= 10, "{smaller} of 200 at the margin");
}

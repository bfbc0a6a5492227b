//! What one gate says of given evidence.

use super::*;
use crate::rollout::gate::{Spending, Verdict};
use proptest::prelude::*;

fn rates(canary: (u32, u32), other: (u32, u32)) -> Evidence {
    let mut evidence = Evidence::default();
    add(&mut evidence, "errors", "green", counts(canary.0, canary.1));
    add(&mut evidence, "errors", "blue", counts(other.0, other.1));
    evidence
}

/// Values spread evenly around a centre.
fn spread(n: u32, centre: f64, width: f64) -> Vec<SampleValue> {
    values((0..n).map(|i| centre + width * (f64::from(i % 21) / 10.0 - 1.0)))
}

fn latencies(canary: Vec<SampleValue>, other: Vec<SampleValue>) -> Evidence {
    let mut evidence = Evidence::default();
    add(&mut evidence, "latency", "green", canary);
    add(&mut evidence, "latency", "blue", other);
    evidence
}

fn first(gate: &Gate, evidence: &Evidence) -> GateVerdict {
    look(&mut Analyst::default(), std::slice::from_ref(gate), evidence).remove(0)
}

#[test]
fn no_evidence_is_never_a_pass() {
    let gates = [
        limit("errors", Statistic::Rate, 0.01),
        comparison("errors", Statistic::Rate, Margin::Absolute(0.01)),
        comparison("latency", Statistic::Mean, Margin::Relative(0.2)),
        comparison("latency", Statistic::Quantile(0.95), Margin::Relative(0.2)),
    ];
    for gate in &gates {
        let verdict = first(gate, &Evidence::default());
        assert_eq!(verdict.verdict, Verdict::Inconclusive, "{}", verdict.line);
        assert!(verdict.line.contains("nothing was measured on green"), "{}", verdict.line);
    }
    let mut half = Evidence::default();
    add(&mut half, "errors", "green", counts(0, 500));
    let verdict = first(&gates[1], &half);
    assert_eq!(verdict.verdict, Verdict::Inconclusive);
    assert!(verdict.line.contains("nothing was measured on blue"), "{}", verdict.line);
}

#[test]
fn too_few_samples_hold_by_kind() {
    let many = || spread(200, 50.0, 5.0);
    let compare = |statistic| comparison("latency", statistic, Margin::Relative(0.2));
    for (gate, least) in [(compare(Statistic::Mean), 30), (compare(Statistic::Quantile(0.95)), 50)] {
        let below = first(&gate, &latencies(spread(least - 1, 50.0, 5.0), many()));
        assert_eq!(below.verdict, Verdict::Inconclusive, "{}", below.line);
        let enough = first(&gate, &latencies(spread(least, 50.0, 5.0), many()));
        assert_eq!(enough.verdict, Verdict::Pass, "{}", enough.line);
    }
    let gate = comparison("errors", Statistic::Rate, Margin::Absolute(0.01));
    assert_eq!(first(&gate, &rates((0, 99), (0, 500))).verdict, Verdict::Inconclusive);
    assert_eq!(first(&gate, &rates((0, 100), (0, 500))).verdict, Verdict::Pass);
    let own = Gate { min_samples: Some(300), ..gate };
    assert_eq!(first(&own, &rates((0, 100), (0, 500))).verdict, Verdict::Inconclusive);
}

#[test]
fn a_limit_fails_after_two_looks_in_a_row_beyond_it() {
    let gate = [limit("errors", Statistic::Rate, 0.01)];
    let (good, bad) = (rates((1, 200), (0, 1)), rates((5, 200), (0, 1)));
    let mut analyst = Analyst::default();
    let said: Vec<Verdict> =
        [&bad, &good, &bad, &bad].iter().map(|evidence| look(&mut analyst, &gate, evidence)[0].verdict).collect();
    assert_eq!(said, [Verdict::Inconclusive, Verdict::Pass, Verdict::Inconclusive, Verdict::Fail]);
    let line = look(&mut analyst, &gate, &bad)[0].line.clone();
    assert_eq!(
        line,
        "errors: fail: rate 2.5 %, 95 % 1.072 % to 5.718 %, at most 1 % (200 samples); beyond the limit 3 looks in a row"
    );
}

#[test]
fn a_limit_from_below_holds_throughput_up() {
    let mut gate = limit("latency", Statistic::Mean, 40.0);
    gate.metric.worse = Worse::Down;
    let mut analyst = Analyst::default();
    let slow = latencies(spread(60, 35.0, 2.0), Vec::new());
    look(&mut analyst, std::slice::from_ref(&gate), &slow);
    assert_eq!(look(&mut analyst, std::slice::from_ref(&gate), &slow)[0].verdict, Verdict::Fail);
    assert_eq!(first(&gate, &latencies(spread(60, 45.0, 2.0), Vec::new())).verdict, Verdict::Pass);
}

#[test]
fn a_comparison_says_all_that_it_rests_on_in_one_line() {
    let gate = comparison("errors", Statistic::Rate, Margin::Absolute(0.01));
    let verdict = first(&gate, &rates((80, 1_000), (10, 1_000)));
    assert_eq!(verdict.verdict, Verdict::Fail);
    assert!(verdict.line.starts_with("errors: fail: rate 8 % against 1 %: +7 %, 95 % "), "{}", verdict.line);
    for part in ["allowed +1 %", "h 0.3", "(1000 and 1000 samples)", "proven worse by more than 1 %"] {
        assert!(verdict.line.contains(part), "{part} is not in {}", verdict.line);
    }
    assert!(!verdict.line.contains('\n'));
    assert_eq!((verdict.canary, verdict.stable, verdict.samples), (Some(0.08), Some(0.01), (1_000, 1_000)));
    assert!((verdict.effect.unwrap() - 0.07).abs() < 1e-12);
    let (low, high) = verdict.interval.unwrap();
    assert!(low > 0.01 && high < 0.13, "{low} {high}");
}

#[test]
fn what_is_worse_depends_on_the_direction() {
    let mut gate = comparison("latency", Statistic::Mean, Margin::Relative(0.1));
    let faster = latencies(spread(400, 60.0, 5.0), spread(400, 50.0, 5.0));
    assert_eq!(first(&gate, &faster).verdict, Verdict::Fail);
    gate.metric.worse = Worse::Down;
    assert_eq!(first(&gate, &faster).verdict, Verdict::Pass);
    let slower = latencies(spread(400, 40.0, 5.0), spread(400, 50.0, 5.0));
    assert_eq!(first(&gate, &slower).verdict, Verdict::Fail);
    let mut accuracy = comparison("errors", Statistic::Rate, Margin::Absolute(0.02));
    accuracy.metric.worse = Worse::Down;
    assert_eq!(first(&accuracy, &rates((850, 1_000), (950, 1_000))).verdict, Verdict::Fail);
    assert_eq!(first(&accuracy, &rates((950, 1_000), (850, 1_000))).verdict, Verdict::Pass);
    for statistic in [Statistic::Quantile(0.95), Statistic::Quantile(0.5)] {
        let mut gate = comparison("latency", statistic, Margin::Relative(0.1));
        assert_eq!(first(&gate, &faster).verdict, Verdict::Fail);
        gate.metric.worse = Worse::Down;
        assert_eq!(first(&gate, &faster).verdict, Verdict::Pass);
        assert_eq!(first(&gate, &slower).verdict, Verdict::Fail);
    }
}

#[test]
fn every_test_sees_a_clear_regression_and_lets_equals_pass() {
    for test in [Test::Auto, Test::Welch, Test::Pooled, Test::MannWhitney] {
        for planned in [None, Some(Spending::Pocock), Some(Spending::ObrienFleming)] {
            let mut gate = comparison("latency", Statistic::Mean, Margin::Relative(0.2));
            let Check::Compare { test: by, sequential, .. } = &mut gate.check else { unreachable!("a comparison") };
            *by = test;
            if let Some(spending) = planned {
                *sequential = Sequential::Planned { looks: 1, spending };
            }
            let verdict = first(&gate, &latencies(spread(300, 75.0, 10.0), spread(300, 50.0, 10.0)));
            assert_eq!(verdict.verdict, Verdict::Fail, "{test:?} {planned:?}: {}", verdict.line);
            let verdict = first(&gate, &latencies(spread(300, 50.0, 10.0), spread(300, 50.0, 10.0)));
            assert_eq!(verdict.verdict, Verdict::Pass, "{test:?} {planned:?}: {}", verdict.line);
        }
    }
}

#[test]
fn planned_looks_are_spread_over_the_hold_and_the_gate_waits_for_the_last() {
    let mut gate = comparison("errors", Statistic::Rate, Margin::Absolute(0.01));
    let Check::Compare { sequential, .. } = &mut gate.check else { unreachable!("a comparison") };
    *sequential = Sequential::Planned { looks: 3, spending: Spending::ObrienFleming };
    let fine = rates((10, 1_000), (10, 1_000));
    let mut analyst = Analyst::paced(7);
    let said: Vec<Verdict> = (0..8).map(|_| look(&mut analyst, &[gate.clone()], &fine)[0].verdict).collect();
    assert_eq!(said[..6], [Verdict::Inconclusive; 6]);
    assert_eq!(said[6..], [Verdict::Pass; 2]);
    // Bad at the first planned look, the third of nine, and so from then on.
    let bad = rates((300, 1_000), (10, 1_000));
    let mut analyst = Analyst::paced(9);
    let said: Vec<Verdict> = (0..4).map(|_| look(&mut analyst, &[gate.clone()], &bad)[0].verdict).collect();
    assert_eq!(said, [Verdict::Inconclusive, Verdict::Inconclusive, Verdict::Fail, Verdict::Fail]);
}

#[test]
fn a_source_that_keeps_failing_holds_even_what_looked_good() {
    let mut evidence = rates((0, 1_000), (0, 1_000));
    let gate = comparison("errors", Statistic::Rate, Margin::Absolute(0.01));
    for failures in 1..=5 {
        evidence.source_answered(&"errors".into(), Err("connection refused".to_owned()));
        let verdict = first(&gate, &evidence);
        let expected = if failures < 4 { Verdict::Pass } else { Verdict::Inconclusive };
        assert_eq!(verdict.verdict, expected, "{failures}: {}", verdict.line);
        assert!(failures < 4 || verdict.line.contains("connection refused"), "{}", verdict.line);
    }
    evidence.source_answered(&"errors".into(), Ok(()));
    assert_eq!(first(&gate, &evidence).verdict, Verdict::Pass);
}

#[test]
fn figures_that_never_vary_are_judged_by_the_margin_two_looks_in_a_row() {
    let gate = [comparison("latency", Statistic::Mean, Margin::Relative(0.2))];
    let flat = |n: u32, at: f64| values((0..n).map(|_| at));
    let mut analyst = Analyst::default();
    let worse = latencies(flat(50, 70.0), flat(50, 50.0));
    let said: Vec<Verdict> = (0..2).map(|_| look(&mut analyst, &gate, &worse)[0].verdict).collect();
    assert_eq!(said, [Verdict::Inconclusive, Verdict::Fail]);
    assert_eq!(first(&gate[0], &latencies(flat(50, 55.0), flat(50, 50.0))).verdict, Verdict::Pass);
}

#[test]
fn a_canary_with_all_the_traffic_has_nobody_to_be_compared_with() {
    let evidence = rates((90, 1_000), (0, 1));
    let gates = [comparison("errors", Statistic::Rate, Margin::Absolute(0.01)), limit("errors", Statistic::Rate, 0.01)];
    let seen =
        Look { gates: &gates, evidence: &evidence, canary: "green", other: "blue", alone: true, source_errors: 4 };
    let mut analyst = Analyst::default();
    analyst.look(&seen);
    let verdicts = analyst.look(&seen);
    assert_eq!(verdicts[0].verdict, Verdict::Pass);
    assert!(verdicts[0].line.contains("all the traffic"), "{}", verdicts[0].line);
    assert_eq!(verdicts[1].verdict, Verdict::Fail);
}

#[test]
fn numbers_where_counts_are_wanted_hold() {
    let gate = comparison("latency", Statistic::Rate, Margin::Absolute(0.01));
    let verdict = first(&gate, &latencies(spread(200, 50.0, 5.0), spread(200, 50.0, 5.0)));
    assert_eq!(verdict.verdict, Verdict::Inconclusive);
    assert!(verdict.line.contains("counts"), "{}", verdict.line);
}

#[test]
fn what_was_proven_once_stays_proven() {
    let gate = [comparison("errors", Statistic::Rate, Margin::Absolute(0.01))];
    let mut analyst = Analyst::default();
    assert_eq!(look(&mut analyst, &gate, &rates((80, 1_000), (10, 1_000)))[0].verdict, Verdict::Fail);
    assert_eq!(look(&mut analyst, &gate, &rates((80, 9_000), (90, 9_000)))[0].verdict, Verdict::Fail);
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![any::<u64>().prop_map(f64::from_bits), -1e15f64..1e15, Just(0.0), Just(f64::NAN), Just(f64::INFINITY)]
}

fn any_sample() -> impl Strategy<Value = SampleValue> {
    prop_oneof![
        any_float().prop_map(SampleValue::Value),
        (any_float(), any_float()).prop_map(|(count, total)| SampleValue::Count { count, total }),
    ]
}

proptest! {
    #[test]
    fn nonsense_is_never_a_pass_and_never_a_panic(
        canary in prop::collection::vec(any_sample(), 0..40),
        other in prop::collection::vec(any_sample(), 0..40),
        q in any_float(), margin in any_float(), alpha in any_float(), rate in any::<bool>(), down in any::<bool>(),
    ) {
        let statistic = if rate { Statistic::Rate } else { Statistic::Quantile(q) };
        let mut gate = comparison("m", statistic, Margin::Relative(margin));
        gate.min_samples = Some(1);
        gate.metric.worse = if down { Worse::Down } else { Worse::Up };
        if let Check::Compare { alpha: set, .. } = &mut gate.check {
            *set = alpha;
        }
        let mut evidence = Evidence::default();
        for (pool, samples) in [("green", &canary), ("blue", &other)] {
            for sample in samples {
                // Refused where the kind changes.
                let _ = evidence.add(&"m".into(), &pool.into(), *sample);
            }
        }
        let verdict = first(&gate, &evidence);
        let figures = [verdict.canary, verdict.stable];
        if verdict.verdict == Verdict::Pass {
            prop_assert!(figures.iter().all(|figure| figure.is_some_and(f64::is_finite)), "{}", verdict.line);
        }
        let mut limited = limit("m", statistic, margin);
        limited.min_samples = Some(1);
        let verdict = first(&limited, &evidence);
        if verdict.verdict == Verdict::Pass {
            prop_assert!(verdict.canary.is_some_and(f64::is_finite), "{}", verdict.line);
        }
    }
}

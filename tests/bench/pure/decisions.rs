//! What the control task decides by: flips, promises, gates.

use crate::world;
use divan::{Bencher, black_box};
use std::sync::Arc;
use tidegate::drain::{DrainState, Ledger, PoolFacts, PoolKey, VerdictInput};
use tidegate::moment::Moment;
use tidegate::rollout::{
    Analyst, Check, Evidence, Gate, Look, Margin, Metric, MetricSource, SampleValue, Sequential, Statistic, Test,
    Verdict, Worse,
};
use tidegate::state::{Command, Definitions, Desired, FlipTarget, Observed, Request, ZoneDefinition, apply};
use tidegate::steering::Policy;

/// Switches of the world that is flipped in.
const SWITCHES: usize = 1_000;

const NOW: Moment = Moment { boot_ms: 3_600_000, unix_ms: 1_800_000_000_000 };

#[divan::bench]
fn apply_flip_of_one_switch_of_1_000(bencher: Bencher<'_, '_>) {
    let switches = (0..SWITCHES).map(|n| Arc::new(world::switch(&format!("s{n:04}"), Policy::Sticky))).collect();
    let text = world::read_master(&world::master_file(0));
    let zone = ZoneDefinition::compile(world::name("example.test"), &text, 7, switches, None);
    let definitions = Arc::new(Definitions::new(vec![Arc::new(zone)]));
    let desired = Desired { definitions, ..Desired::default() };
    let observed = Observed::default();
    let request = Request {
        command: Command::Flip(vec![FlipTarget { switch: "s0500".to_owned(), to: "green".to_owned() }]),
        // Members without monitors take a flip by force only.
        reason: Some("measured".to_owned()),
        force: true,
        if_match: None,
        by: "ada".to_owned(),
    };
    let flip = || apply(black_box(&desired), &observed, black_box(&request), NOW);
    let change = flip().unwrap();
    assert_eq!((change.revision, change.switches.len()), (1, 1));
    bencher.bench_local(flip);
}

/// A thousand switches that answer blue; green has no weight.
fn ledger() -> Ledger {
    let facts = |pool: &str, answered| PoolFacts {
        pool: pool.into(),
        answered,
        may_answer: answered,
        promise_ms: 30_000,
        tail_ms: 900_000,
        members: world::switch("s", Policy::Sticky).pools[0].members.clone(),
    };
    let switches: Vec<(Arc<str>, Vec<PoolFacts>)> =
        (0..SWITCHES).map(|n| (key(n, "blue").switch, vec![facts("blue", true), facts("green", false)])).collect();
    Ledger::start(None, "boot", NOW, &switches, false)
}

fn key(n: usize, pool: &str) -> PoolKey {
    PoolKey { switch: format!("s{n:04}").into(), pool: pool.into() }
}

#[divan::bench]
fn drain_fold_of_one_pool_of_2_000(bencher: Bencher<'_, '_>) {
    let (mut ledger, blue) = (ledger(), key(500, "blue"));
    // So many rows are unsaved after a start; afterwards few are.
    drop(ledger.take_unsaved());
    let mut until_ms = NOW.boot_ms;
    bencher.bench_local(|| {
        until_ms += 1_000;
        ledger.fold(&blue, until_ms, false);
    });
}

#[divan::bench]
fn drain_verdict_on_one_pool_of_2_000(bencher: Bencher<'_, '_>) {
    let (mut ledger, green) = (ledger(), key(500, "green"));
    ledger.fold(&green, NOW.boot_ms + 30_000, false);
    let input = VerdictInput::of_promises(&green);
    let judge = || ledger.verdict(black_box(&input), NOW.plus_ms(10_000));
    assert_eq!(judge().state, DrainState::Draining);
    bencher.bench_local(judge);
}

/// A comparison of pushed samples at 5 %, looked at as often as one likes.
fn comparison(statistic: Statistic, margin: Margin) -> Gate {
    Gate {
        name: "m".into(),
        metric: Metric { name: "m".into(), source: MetricSource::Pushed, worse: Worse::Up },
        check: Check::Compare { statistic, margin, test: Test::Auto, sequential: Sequential::AlwaysValid, alpha: 0.05 },
        min_samples: None,
    }
}

fn looking(bencher: Bencher<'_, '_>, gate: Gate, sample: impl Fn(u32) -> SampleValue) {
    let mut evidence = Evidence::default();
    for pool in ["blue", "green"] {
        for n in 0..4_000 {
            assert!(evidence.add(&"m".into(), &pool.into(), sample(n)));
        }
    }
    let gates = [gate];
    let look =
        Look { gates: &gates, evidence: &evidence, canary: "green", other: "blue", alone: false, source_errors: 4 };
    assert_eq!(Analyst::default().look(&look)[0].verdict, Verdict::Pass);
    bencher.bench_local(|| Analyst::default().look(black_box(&look)));
}

#[divan::bench]
fn gate_look_at_rates(bencher: Bencher<'_, '_>) {
    looking(bencher, comparison(Statistic::Rate, Margin::Absolute(0.01)), |n| SampleValue::Count {
        count: f64::from(n % 100 / 99),
        total: 1.0,
    });
}

#[divan::bench]
fn gate_look_at_means(bencher: Bencher<'_, '_>) {
    looking(bencher, comparison(Statistic::Mean, Margin::Relative(0.2)), |n| SampleValue::Value(latency(n)));
}

#[divan::bench]
fn gate_look_at_p95_of_4_000_values(bencher: Bencher<'_, '_>) {
    looking(bencher, comparison(Statistic::Quantile(0.95), Margin::Relative(0.2)), |n| SampleValue::Value(latency(n)));
}

/// Milliseconds between 20 and 120, in no order.
fn latency(n: u32) -> f64 {
    20.0 + f64::from(n.wrapping_mul(2_654_435_761) % 1_000) / 10.0
}

//! Gates at work: single verdicts, and the promises held to by long simulations.

mod dice;
mod simulation;
mod verdicts;

use super::{Analyst, Look};
use crate::rollout::evidence::{Evidence, SampleValue};
use crate::rollout::gate::{
    Check, Gate, GateVerdict, Margin, Metric, MetricSource, Sequential, Statistic, Test, Worse,
};
use std::sync::Arc;

/// A comparison at 5 %, always valid.
fn comparison(name: &str, statistic: Statistic, margin: Margin) -> Gate {
    Gate {
        name: name.into(),
        metric: Metric { name: name.into(), source: MetricSource::Pushed, worse: Worse::Up },
        check: Check::Compare { statistic, margin, test: Test::Auto, sequential: Sequential::AlwaysValid, alpha: 0.05 },
        min_samples: None,
    }
}

fn limit(name: &str, statistic: Statistic, bound: f64) -> Gate {
    Gate { check: Check::Limit { statistic, bound, looks: 2 }, ..comparison(name, statistic, Margin::Absolute(1.0)) }
}

/// Evidence with one pool's values or counts of a metric added.
fn add(evidence: &mut Evidence, metric: &str, pool: &str, values: impl IntoIterator<Item = SampleValue>) {
    let (metric, pool): (Arc<str>, Arc<str>) = (metric.into(), pool.into());
    for value in values {
        assert!(evidence.add(&metric, &pool, value), "the evidence has room");
    }
}

fn counts(count: u32, total: u32) -> [SampleValue; 1] {
    [SampleValue::Count { count: f64::from(count), total: f64::from(total) }]
}

fn values(values: impl IntoIterator<Item = f64>) -> Vec<SampleValue> {
    values.into_iter().map(SampleValue::Value).collect()
}

fn look(analyst: &mut Analyst, gates: &[Gate], evidence: &Evidence) -> Vec<GateVerdict> {
    let verdicts =
        analyst.look(&Look { gates, evidence, canary: "green", other: "blue", alone: false, source_errors: 4 });
    assert_eq!(verdicts.len(), gates.len());
    verdicts
}

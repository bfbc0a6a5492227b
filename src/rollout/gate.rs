//! What a step must pass, and what a look says about it (§5.4, §5.5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One condition on one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// Names it in verdicts.
    pub name: Arc<str>,
    /// What is looked at.
    pub metric: Metric,
    /// What it must satisfy.
    pub check: Check,
    /// Samples of each side before it says anything; `None`: 100 for rates, 50 for the U test and
    /// quantiles, 30 for means.
    pub min_samples: Option<u64>,
}

/// A series of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name; pushed samples carry it.
    pub name: Arc<str>,
    /// Where it comes from.
    pub source: MetricSource,
    /// Which way is worse.
    pub worse: Worse,
}

/// Where a metric comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricSource {
    /// Failed probes by all probes of a pool's members.
    ProbeErrors,
    /// Latency of passed probes, milliseconds.
    ProbeLatency,
    /// Samples sent to the API.
    Pushed,
    /// A Prometheus query per look and pool, with `{pool}`, `{switch}`, `{version}` and `{addresses}`
    /// (members, joined by `|`) filled in. With `total` it is a rate: both give counts since the last look.
    Prometheus {
        /// PromQL for the value, or for the count.
        query: Arc<str>,
        /// PromQL for the total that `query` counts in.
        total: Option<Arc<str>>,
    },
}

/// Which direction of a metric is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Worse {
    /// Larger is worse: errors, latency.
    Up,
    /// Smaller is worse: throughput, accuracy.
    Down,
}

/// What a metric must satisfy.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// The canary alone stays on the good side of a bound.
    Limit {
        /// What of the series is compared.
        statistic: Statistic,
        /// Not to be crossed in the worse direction.
        bound: f64,
        /// Looks in a row beyond it that fail (2).
        looks: u32,
    },
    /// The canary is not proven worse than the stable pool (or the baseline) by more than a margin.
    Compare {
        /// What of the series is compared.
        statistic: Statistic,
        /// How much worse is still accepted.
        margin: Margin,
        /// How it is tested.
        test: Test,
        /// How repeated looks are paid for.
        sequential: Sequential,
        /// Chance of a false alarm over the whole hold (0.05).
        alpha: f64,
    },
}

/// What of a series is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// The arithmetic mean of values.
    Mean,
    /// A quantile of values, 0 to 1.
    Quantile(f64),
    /// Count by total.
    Rate,
}

/// How much worse is still accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// As a share of the other side's estimate: 0.2 is 1.2 times.
    Relative(f64),
    /// In the metric's own unit.
    Absolute(f64),
}

/// How two sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// By the kind of series and statistic: Welch for means, z or Fisher for rates, exceedances for quantiles.
    Auto,
    /// Two-sample t with unequal variances.
    Welch,
    /// Two-sample t with a pooled variance.
    Pooled,
    /// Mann-Whitney U.
    MannWhitney,
}

/// How repeated looks are paid for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sequential {
    /// mSPRT: valid however often one looks.
    AlwaysValid,
    /// Group-sequential limits for looks that are planned.
    Planned {
        /// How many.
        looks: u32,
        /// How the error is spent over them.
        spending: Spending,
    },
}

/// How a planned series of looks spends its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Spending {
    /// Little early, most at the end.
    ObrienFleming,
    /// About the same at each look.
    Pocock,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Enough evidence, and nothing against it.
    Pass,
    /// Proven worse than allowed.
    Fail,
    /// Not enough evidence to say.
    Inconclusive,
}

/// One gate at one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateVerdict {
    /// The gate.
    pub gate: String,
    /// What it says.
    pub verdict: Verdict,
    /// The canary's estimate.
    pub canary: Option<f64>,
    /// The other side's, in a comparison.
    pub stable: Option<f64>,
    /// Canary minus stable, or canary minus bound.
    pub effect: Option<f64>,
    /// The interval of `effect` (of the canary's estimate for a limit).
    pub interval: Option<(f64, f64)>,
    /// Samples of the canary and of the other side.
    pub samples: (u64, u64),
    /// The verdict in one line.
    pub line: String,
}

//! Gates and metrics as they are written.

use super::scalar::Portion;
use crate::rollout::gate::{Spending, Test, Worse};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One gate. With `max` or `min` it is a hard limit of the canary; else a comparison with the stable
/// pool, or the baseline, within `margin`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GateForm {
    /// Names it in verdicts; the metric and statistic when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `probe_errors`, `probe_latency_ms`, one of `metrics`, or the name of pushed samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// `mean`, `rate`, or a quantile such as `p95`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
    /// Fails above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Bound>,
    /// Fails below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Bound>,
    /// Looks in a row beyond a limit that fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looks: Option<u32>,
    /// How much worse than the other side is accepted: `"20%"` of its estimate, or a number in the
    /// metric's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<Bound>,
    /// `auto`, `welch`, `pooled` or `mann-whitney`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Test>,
    /// Looks that are planned instead of always-valid ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned: Option<SequentialForm>,
    /// Chance of a false alarm over the whole hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Which way is worse, where the metric does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worse: Option<Worse>,
    /// Samples of each side before it says anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<u64>,
}

/// A number in the metric's unit, or a percentage in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Bound {
    /// In the metric's unit.
    Number(f64),
    /// A share.
    Percent(Portion),
}

/// Reads a [`Bound`].
struct BoundVisitor;

impl Visitor<'_> for BoundVisitor {
    type Value = Bound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a percentage in quotes such as \"20%\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bound, E> {
        Portion::deserialize(text.into_deserializer()).map(Bound::Percent)
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Bound, E> {
        f64::deserialize(n.into_deserializer()).map(Bound::Number)
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Bound, E> {
        f64::deserialize(n.into_deserializer()).map(Bound::Number)
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Bound, E> {
        Ok(Bound::Number(n))
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BoundVisitor)
    }
}

/// Where a metric comes from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetricForm {
    /// PromQL with `{pool}`, `{switch}`, `{version}`, `{addresses}`; pushed samples when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// PromQL for the total that `query` counts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<String>,
    /// Pushed counts within totals (a rate), instead of values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<bool>,
    /// `up` (default) or `down`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worse: Option<Worse>,
}

/// `{ looks = 5, spending = "pocock" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SequentialForm {
    /// How many looks.
    pub looks: u32,
    /// `obrien-fleming` (default) or `pocock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spending: Option<Spending>,
}

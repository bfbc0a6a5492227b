//! What a rollout is to do: steps, holds, gates and the figures around them (§5.1).

use super::WHOLE;
use super::gate::{Check, Gate, Margin, Metric, MetricSource, Sequential, Statistic, Test, Worse};
use super::hook::{Hook, HookKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The shapes of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanKind {
    /// Weight moves in steps.
    Canary,
    /// All weight at once, with gates before (through pins) and after.
    BlueGreen,
    /// One pool, member by member, with a hook for the update.
    Rolling,
}

/// A plan, checked, with defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its shape.
    pub kind: PlanKind,
    /// Rising; the last one is the whole. Empty in a rolling plan.
    pub steps: Vec<Step>,
    /// What every step must pass, unless it has gates of its own.
    pub gates: Vec<Gate>,
    /// What must pass before a blue/green switch.
    pub before: Vec<Gate>,
    /// How long the gates before are judged, milliseconds (120 s).
    pub before_hold_ms: u64,
    /// How long each member is judged after its update, milliseconds (rolling; 120 s).
    pub member_hold_ms: u64,
    /// A pool that gets the same share as the canary, to be compared with instead of the stable one.
    pub baseline: Option<Arc<str>>,
    /// Time between looks, milliseconds (30 s).
    pub look_every_ms: u64,
    /// Time from a new weight to the first evidence that counts, milliseconds; `None`: [`Plan::settle_ms`].
    pub settle: Option<u64>,
    /// The shortest hold, milliseconds; `None`: [`Plan::hold_floor_ms`].
    pub min_hold: Option<u64>,
    /// How long past the hold a step may wait for evidence, milliseconds (600 s).
    pub deadline_ms: u64,
    /// Errors of a source in a row that are told as an alarm (4).
    pub source_errors: u32,
    /// Failures in a row of a `pre-*` hook that fail the rollout (3).
    pub hook_failures: u32,
    /// How long nobody's answer is waited for, milliseconds (24 h).
    pub abandon_ms: u64,
    /// How long the old side is kept for `undo`, milliseconds (1 h).
    pub warm_ms: u64,
    /// Whether the canary may get more than its step when the stable pool fails (no).
    pub spill: bool,
    /// Whether the next weight is suggested by Thompson sampling (no); never followed by itself.
    pub advisor: bool,
    /// Where the queries of its metrics are asked.
    pub prometheus: Option<PrometheusSource>,
    /// Who is called, and when.
    pub hooks: Vec<Hook>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The canary's share, hundredths of a percent.
    pub weight: u16,
    /// How long it is watched, milliseconds; `None` (the last step only): promoted at once.
    pub hold_ms: Option<u64>,
    /// Instead of the plan's gates.
    pub gates: Option<Vec<Gate>>,
    /// Wait for a person before the next step.
    pub pause: bool,
}

/// A Prometheus server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusSource {
    /// `http(s)://host:port` with any path before `/api/v1/query`.
    pub url: String,
    /// A file on the server that holds a bearer token, read at each use.
    pub bearer_file: Option<String>,
    /// A file with the CA certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<String>,
    /// Of one query, milliseconds (10 s).
    pub timeout_ms: u64,
}

/// The default shares of a canary, hundredths of a percent, with their holds in milliseconds.
pub const DEFAULT_STEPS: [(u16, Option<u64>); 4] =
    [(100, Some(600_000)), (1_000, Some(600_000)), (5_000, Some(900_000)), (super::WHOLE, None)];

impl Plan {
    /// The default plan of a kind (§5.1, §5.5).
    #[must_use]
    pub fn default_of(kind: PlanKind) -> Self {
        let step = |(weight, hold_ms)| Step { weight, hold_ms, gates: None, pause: false };
        let steps = match kind {
            PlanKind::Canary => DEFAULT_STEPS.into_iter().map(step).collect(),
            PlanKind::BlueGreen => vec![step((super::WHOLE, Some(600_000)))],
            PlanKind::Rolling => Vec::new(),
        };
        Self {
            kind,
            steps,
            gates: default_gates(),
            before: if kind == PlanKind::BlueGreen { vec![default_error_gate()] } else { Vec::new() },
            before_hold_ms: 120_000,
            member_hold_ms: 120_000,
            baseline: None,
            look_every_ms: 30_000,
            settle: None,
            min_hold: None,
            deadline_ms: 600_000,
            source_errors: 4,
            hook_failures: 3,
            abandon_ms: 86_400_000,
            warm_ms: 3_600_000,
            spill: false,
            advisor: false,
            prometheus: None,
            hooks: Vec::new(),
        }
    }

    /// Time from a new weight to the first evidence that counts: TTL + 60 s, at least 90 s, since
    /// until then most clients still hold the old answer.
    #[must_use]
    pub fn settle_ms(&self, ttl_s: u32) -> u64 {
        self.settle.unwrap_or_else(|| (u64::from(ttl_s) * 1000 + 60_000).max(90_000))
    }

    /// The shortest hold that can show anything: two TTLs, at least 120 s.
    #[must_use]
    pub fn hold_floor_ms(&self, ttl_s: u32) -> u64 {
        self.min_hold.unwrap_or_else(|| (u64::from(ttl_s) * 2000).max(120_000))
    }

    /// How long a step holds, given the TTL in force.
    #[must_use]
    pub fn hold_ms(&self, step: &Step, ttl_s: u32) -> Option<u64> {
        step.hold_ms.map(|hold| hold.max(self.hold_floor_ms(ttl_s)))
    }

    /// The weights of these pools when the canary has `share`: the baseline, if there is one, gets as
    /// much while that is possible, the stable pool the rest.
    #[must_use]
    pub fn split<'a>(
        &self,
        pools: impl IntoIterator<Item = &'a Arc<str>>,
        stable: &Arc<str>,
        canary: &Arc<str>,
        share: u16,
    ) -> BTreeMap<Arc<str>, u16> {
        let baseline = self.baseline.as_ref().filter(|_| share <= WHOLE / 2).map_or(0, |_| share);
        let weight = |pool: &Arc<str>| {
            if pool == canary {
                share
            } else if Some(pool) == self.baseline.as_ref() {
                baseline
            } else if pool == stable {
                WHOLE - share - baseline
            } else {
                0
            }
        };
        pools.into_iter().map(|pool| (pool.clone(), weight(pool))).collect()
    }

    /// Whether somebody is called at this point.
    #[must_use]
    pub fn has_hook(&self, kind: HookKind) -> bool {
        self.hooks.iter().any(|hook| hook.kind == kind)
    }

    /// Every metric the plan's gates look at, once.
    #[must_use]
    pub fn metrics(&self) -> Vec<&Metric> {
        let of_steps = self.steps.iter().filter_map(|step| step.gates.as_ref()).flatten();
        let mut metrics: Vec<&Metric> =
            self.gates.iter().chain(&self.before).chain(of_steps).map(|gate| &gate.metric).collect();
        metrics.sort_by(|a, b| a.name.cmp(&b.name));
        metrics.dedup_by(|a, b| a.name == b.name);
        metrics
    }
}

/// The gates of a plan that names none (§5.5): probes are the evidence.
#[must_use]
pub fn default_gates() -> Vec<Gate> {
    let latency = Gate {
        name: "probe-latency-p95".into(),
        metric: Metric { name: "probe_latency_ms".into(), source: MetricSource::ProbeLatency, worse: Worse::Up },
        check: Check::Compare {
            statistic: Statistic::Quantile(0.95),
            margin: Margin::Relative(0.2),
            test: Test::Auto,
            sequential: Sequential::AlwaysValid,
            alpha: 0.05,
        },
        min_samples: None,
    };
    vec![default_error_gate(), latency]
}

/// At most 1 % of the canary's probes fail.
fn default_error_gate() -> Gate {
    Gate {
        name: "probe-errors".into(),
        metric: Metric { name: "probe_errors".into(), source: MetricSource::ProbeErrors, worse: Worse::Up },
        check: Check::Limit { statistic: Statistic::Rate, bound: 0.01, looks: 2 },
        min_samples: None,
    }
}

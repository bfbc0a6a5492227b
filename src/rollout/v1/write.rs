//! A plan written out in full, for the disk and for whoever asks what is running.

use super::gate::{Bound, GateForm, MetricForm, SequentialForm};
use super::{HookForm, Length, PlanForm, PrometheusForm, StepForm, StepTable, percent_of};
use crate::rollout::gate::{Check, Gate, Margin, MetricSource, Sequential, Statistic};
use crate::rollout::plan::{Plan, PlanKind, Step};
use crate::rollout::v1::Portion;
use std::collections::BTreeMap;

impl PlanForm {
    /// Everything a plan says, defaults included.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let length = |ms| Some(Length(ms));
        Self {
            kind: Some(plan.kind),
            steps: (plan.kind != PlanKind::Rolling).then(|| plan.steps.iter().map(step).collect()),
            hold: None,
            gates: Some(plan.gates.iter().map(gate).collect()),
            before: (plan.kind == PlanKind::BlueGreen).then(|| plan.before.iter().map(gate).collect()),
            before_hold: length(plan.before_hold_ms),
            member_hold: length(plan.member_hold_ms),
            baseline: plan.baseline.as_deref().map(str::to_owned),
            look_every: length(plan.look_every_ms),
            settle: plan.settle.map(Length),
            min_hold: plan.min_hold.map(Length),
            deadline: length(plan.deadline_ms),
            source_errors: Some(plan.source_errors),
            hook_failures: Some(plan.hook_failures),
            abandon: length(plan.abandon_ms),
            warm: length(plan.warm_ms),
            spill: Some(plan.spill),
            advisor: Some(plan.advisor),
            metrics: Some(metrics(plan)),
            prometheus: plan.prometheus.as_ref().map(|source| PrometheusForm {
                url: source.url.clone(),
                bearer_file: source.bearer_file.clone(),
                ca_file: source.ca_file.clone(),
                timeout: length(source.timeout_ms),
            }),
            hooks: Some(
                plan.hooks
                    .iter()
                    .map(|hook| HookForm {
                        on: hook.kind,
                        url: hook.url.clone(),
                        secret_file: hook.secret_file.clone(),
                        timeout: length(hook.timeout_ms),
                        retries: Some(hook.retries),
                    })
                    .collect(),
            ),
        }
    }
}

/// A step as a table.
fn step(step: &Step) -> StepForm {
    StepForm::Table(StepTable {
        weight: percent_of(step.weight),
        hold: step.hold_ms.map(Length),
        gates: step.gates.as_ref().map(|gates| gates.iter().map(gate).collect()),
        pause: Some(step.pause),
    })
}

/// The metrics that are not the probes' own. Gates over counts ask for a rate.
fn metrics(plan: &Plan) -> BTreeMap<String, MetricForm> {
    let of_steps = plan.steps.iter().filter_map(|step| step.gates.as_ref()).flatten();
    let gates = plan.gates.iter().chain(&plan.before).chain(of_steps);
    let mut forms: BTreeMap<String, MetricForm> = BTreeMap::new();
    for gate in gates {
        let form = match &gate.metric.source {
            MetricSource::ProbeErrors | MetricSource::ProbeLatency => continue,
            MetricSource::Pushed => MetricForm { worse: Some(gate.metric.worse), ..MetricForm::default() },
            MetricSource::Prometheus { query, total } => MetricForm {
                query: Some(query.to_string()),
                total: total.as_deref().map(str::to_owned),
                rate: None,
                worse: Some(gate.metric.worse),
            },
        };
        forms.entry(gate.metric.name.to_string()).or_insert(form);
    }
    forms
}

/// A gate in full.
fn gate(gate: &Gate) -> GateForm {
    let statistic = match &gate.check {
        Check::Limit { statistic, .. } | Check::Compare { statistic, .. } => match statistic {
            Statistic::Mean => "mean".to_owned(),
            Statistic::Rate => "rate".to_owned(),
            Statistic::Quantile(q) => format!("p{}", q * 100.0),
        },
    };
    let form = GateForm {
        name: Some(gate.name.to_string()),
        metric: Some(gate.metric.name.to_string()),
        statistic: Some(statistic),
        min_samples: gate.min_samples,
        ..GateForm::default()
    };
    match &gate.check {
        Check::Limit { bound, looks, .. } => {
            let bound = Some(Bound::Number(*bound));
            let (max, min) = match gate.metric.worse {
                crate::rollout::Worse::Up => (bound, None),
                crate::rollout::Worse::Down => (None, bound),
            };
            GateForm { max, min, looks: Some(*looks), ..form }
        }
        Check::Compare { margin, test, sequential, alpha, .. } => GateForm {
            margin: Some(match margin {
                Margin::Relative(share) => Bound::Percent(Portion(*share)),
                Margin::Absolute(size) => Bound::Number(*size),
            }),
            test: Some(*test),
            planned: match sequential {
                Sequential::AlwaysValid => None,
                Sequential::Planned { looks, spending } => {
                    Some(SequentialForm { looks: *looks, spending: Some(*spending) })
                }
            },
            alpha: Some(*alpha),
            worse: Some(gate.metric.worse),
            ..form
        },
    }
}

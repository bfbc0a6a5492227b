//! From the written form to a plan, with every fault named.

mod gates;
mod outside;

use super::{Length, PlanForm, StepForm, StepTable};
use crate::rollout::gate::{Metric, MetricSource};
use crate::rollout::plan::{Plan, PlanKind, Step, default_gates};
use crate::rollout::problem::PlanProblem;
use crate::rollout::{WHOLE, percent};
use std::sync::Arc;

/// The longest of the times: a month, milliseconds.
const MAX_MS: u64 = 2_678_400_000;

/// More steps or gates than this are no plan that anybody follows.
const MAX_LIST: usize = 100;

/// What a plan is checked against.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckContext<'a> {
    /// The pools of the switch.
    pub pools: &'a [&'a str],
    /// A plan that came in a call names no URLs and no files of the server; it takes them from here.
    pub from_call: Option<&'a Plan>,
}

impl PlanForm {
    /// The plan, with defaults filled in.
    ///
    /// # Errors
    /// Every fault, in the order of the form.
    pub fn check(&self, context: &CheckContext<'_>) -> Result<Plan, Vec<PlanProblem>> {
        let mut checking = Checking { form: self, problems: Vec::new() };
        let plan = checking.plan(context);
        if checking.problems.is_empty() { Ok(plan) } else { Err(checking.problems) }
    }
}

/// One check under way.
struct Checking<'a> {
    form: &'a PlanForm,
    problems: Vec<PlanProblem>,
}

impl Checking<'_> {
    fn refuse(&mut self, path: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(PlanProblem::new(path, message, remedy));
    }

    /// A length of time, not zero and at most a month.
    fn time(&mut self, path: &str, given: Option<Length>, default: u64) -> u64 {
        let Some(Length(ms)) = given else { return default };
        if ms == 0 {
            let message = format!("`{path}` of 0 would take a step on no evidence at all");
            self.refuse(path, message, "write a length of time such as \"30s\", or leave it out");
        } else if ms > MAX_MS {
            self.refuse(path, "longer than a month", "write at most \"31days\"");
        }
        ms
    }

    fn plan(&mut self, context: &CheckContext<'_>) -> Plan {
        let form = self.form;
        let kind = form.kind.unwrap_or(PlanKind::Canary);
        let base = Plan::default_of(kind);
        let gates = match &form.gates {
            Some(gates) => self.gates("gates", gates),
            None => default_gates(),
        };
        let before = form.before.as_ref().map(|gates| self.gates("before", gates));
        if before.is_some() && kind != PlanKind::BlueGreen {
            self.refuse("before", "only a blue-green plan has gates before the switch", "use `gates`");
        }
        let optional =
            |checking: &mut Self, path: &str, given: Option<Length>| given.map(|_| checking.time(path, given, 0));
        let plan = Plan {
            kind,
            steps: self.steps(kind, &base),
            gates,
            before: before.unwrap_or(base.before),
            before_hold_ms: self.time("before_hold", form.before_hold, base.before_hold_ms),
            member_hold_ms: self.time("member_hold", form.member_hold, base.member_hold_ms),
            baseline: self.baseline(context),
            look_every_ms: self.time("look_every", form.look_every, base.look_every_ms),
            settle: optional(self, "settle", form.settle),
            min_hold: optional(self, "min_hold", form.min_hold),
            deadline_ms: self.time("deadline", form.deadline, base.deadline_ms),
            source_errors: self.count("source_errors", form.source_errors, base.source_errors),
            hook_failures: self.count("hook_failures", form.hook_failures, base.hook_failures),
            abandon_ms: self.time("abandon", form.abandon, base.abandon_ms),
            warm_ms: self.time("warm", form.warm, base.warm_ms),
            spill: form.spill.unwrap_or(base.spill),
            advisor: form.advisor.unwrap_or(base.advisor),
            prometheus: self.prometheus(context),
            hooks: self.hooks(context),
        };
        let asks = |metric: &&Metric| matches!(metric.source, MetricSource::Prometheus { .. });
        if plan.prometheus.is_none()
            && let Some(metric) = plan.metrics().into_iter().find(asks)
        {
            let path = format!("metrics.{}", metric.name);
            self.refuse(
                path,
                "a query needs a server to ask",
                "add `prometheus = { url = \"http://...\" }` to the switch's rollout",
            );
        }
        plan
    }

    fn count(&mut self, path: &str, given: Option<u32>, default: u32) -> u32 {
        if given == Some(0) {
            self.refuse(path, format!("`{path}` must be at least 1"), "");
        }
        given.unwrap_or(default)
    }

    fn baseline(&mut self, context: &CheckContext<'_>) -> Option<Arc<str>> {
        let name = self.form.baseline.as_deref()?;
        if !context.pools.contains(&name) {
            let known = context.pools.join(", ");
            self.refuse("baseline", format!("the switch has no pool `{name}`"), format!("its pools are {known}"));
        }
        Some(name.into())
    }

    fn steps(&mut self, kind: PlanKind, base: &Plan) -> Vec<Step> {
        let default_hold = self.form.hold.map(|_| self.time("hold", self.form.hold, 0));
        let Some(forms) = &self.form.steps else {
            let hold = |step: &Step| step.hold_ms.map(|own| default_hold.unwrap_or(own));
            return base.steps.iter().map(|step| Step { hold_ms: hold(step), ..step.clone() }).collect();
        };
        if kind == PlanKind::Rolling {
            self.refuse("steps", "a rolling plan goes member by member and has no steps", "leave `steps` out");
        }
        if forms.is_empty() || forms.len() > MAX_LIST {
            self.refuse(
                "steps",
                format!("a plan has 1 to {MAX_LIST} steps"),
                "write shares such as [\"10%\", \"50%\", \"100%\"]",
            );
        }
        if kind == PlanKind::BlueGreen && forms.len() > 1 {
            self.refuse("steps", "a blue-green plan has one step, to 100 %", "use `kind = \"canary\"` for more");
        }
        let mut steps: Vec<Step> = Vec::new();
        for (at, form) in forms.iter().enumerate() {
            let step = self.step(at, form, at + 1 == forms.len(), kind, default_hold);
            if let Some(last) = steps.last().filter(|last| step.weight <= last.weight && step.weight > 0) {
                let message = format!(
                    "the weights must rise: {} % does not come after {} %",
                    percent(step.weight),
                    percent(last.weight)
                );
                self.refuse(format!("steps[{at}].weight"), message, "put the steps in rising order");
            }
            steps.push(step);
        }
        if steps.last().is_some_and(|last| last.weight != WHOLE) {
            let at = steps.len() - 1;
            self.refuse(
                format!("steps[{at}].weight"),
                "the last step must be 100 %: a rollout ends with one pool",
                "add \"100%\"",
            );
        }
        steps
    }

    fn step(&mut self, at: usize, form: &StepForm, last: bool, kind: PlanKind, default_hold: Option<u64>) -> Step {
        let plain;
        let table = match form {
            StepForm::Table(table) => table,
            StepForm::Share(weight) => {
                plain = StepTable { weight: *weight, hold: None, gates: None, pause: None };
                &plain
            }
        };
        let path = |key: &str| format!("steps[{at}].{key}");
        let weight = table.weight.hundredths().filter(|weight| *weight > 0).unwrap_or_else(|| {
            let message = format!(
                "{} is no step: a share is above 0 % and at most 100 %, with at most two decimals",
                table.weight
            );
            self.refuse(path("weight"), message, "write a percentage such as \"10%\"");
            0
        });
        let own = table.hold.map(|_| self.time(&path("hold"), table.hold, 0));
        // The whole needs no hold, since promotion keeps the old side warm; a blue-green switch has its gates after it.
        let hold_ms = match own.or(default_hold.filter(|_| !last || kind == PlanKind::BlueGreen)) {
            Some(ms) => Some(ms),
            None if last && kind == PlanKind::Canary => None,
            None => Some(600_000),
        };
        Step {
            weight,
            hold_ms,
            gates: table.gates.as_ref().map(|gates| self.gates(&path("gates"), gates)),
            pause: table.pause.unwrap_or(false),
        }
    }
}

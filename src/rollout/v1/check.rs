//! From the written form to a plan, with every fault named.

use super::gate::{Bound, GateForm};
use super::{HookForm, Length, PlanForm, Portion, StepForm, StepTable};
use crate::rollout::gate::{Check, Gate, Margin, Metric, MetricSource, Sequential, Spending, Statistic, Test, Worse};
use crate::rollout::hook::Hook;
use crate::rollout::plan::{Plan, PlanKind, PrometheusSource, Step, default_gates};
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

    fn gates(&mut self, path: &str, forms: &[GateForm]) -> Vec<Gate> {
        if forms.len() > MAX_LIST {
            self.refuse(path, format!("more than {MAX_LIST} gates"), "");
        }
        let mut gates: Vec<Gate> = Vec::new();
        for (at, form) in forms.iter().enumerate() {
            let path = format!("{path}[{at}]");
            let Some(gate) = self.gate(&path, form) else { continue };
            if gates.iter().any(|other| other.name == gate.name) {
                self.refuse(
                    format!("{path}.name"),
                    format!("two gates are named `{}`", gate.name),
                    "give each a `name` of its own",
                );
            }
            gates.push(gate);
        }
        gates
    }

    fn gate(&mut self, path: &str, form: &GateForm) -> Option<Gate> {
        let Some(name) = form.metric.as_deref().filter(|name| !name.is_empty()) else {
            self.refuse(path, "the gate names no metric", "add `metric`, such as \"probe_errors\"");
            return None;
        };
        let mut metric = self.metric(name);
        if let Some(worse) = form.worse {
            metric.worse = worse;
        }
        let statistic = self.statistic(path, form, &metric);
        let check = match (form.max, form.min) {
            (Some(_), Some(_)) => {
                self.refuse(path, "a gate has `max` or `min`, not both", "make two gates of it");
                return None;
            }
            (Some(bound), None) | (None, Some(bound)) => {
                metric.worse = if form.max.is_some() { Worse::Up } else { Worse::Down };
                for (key, given) in [
                    ("margin", form.margin.is_some()),
                    ("test", form.test.is_some()),
                    ("planned", form.planned.is_some()),
                    ("alpha", form.alpha.is_some()),
                ] {
                    if given {
                        self.refuse(
                            format!("{path}.{key}"),
                            format!("`{key}` belongs to a comparison, and this gate is a limit"),
                            "make a gate of its own for the comparison",
                        );
                    }
                }
                let key = if form.max.is_some() { "max" } else { "min" };
                let looks = self.count(&format!("{path}.looks"), form.looks, 2);
                Check::Limit { statistic, bound: self.number(&format!("{path}.{key}"), bound), looks }
            }
            (None, None) => self.comparison(path, form, statistic),
        };
        let shown = match statistic {
            Statistic::Mean => "mean".to_owned(),
            Statistic::Rate => "rate".to_owned(),
            Statistic::Quantile(q) => format!("p{}", q * 100.0),
        };
        let gate_name = form.name.clone().unwrap_or_else(|| format!("{name}-{shown}"));
        Some(Gate { name: gate_name.as_str().into(), metric, check, min_samples: form.min_samples })
    }

    fn comparison(&mut self, path: &str, form: &GateForm, statistic: Statistic) -> Check {
        if form.looks.is_some() {
            self.refuse(
                format!("{path}.looks"),
                "`looks` belongs to a limit",
                "use `planned = { looks = 5 }` for planned looks",
            );
        }
        let alpha = form.alpha.unwrap_or(0.05);
        if !(alpha > 0.0 && alpha < 0.5) {
            self.refuse(
                format!("{path}.alpha"),
                format!("{alpha} is no chance of a false alarm"),
                "write a number such as 0.05",
            );
        }
        let margin = match form.margin {
            None if statistic == Statistic::Rate => Margin::Absolute(0.01),
            None => Margin::Relative(0.2),
            // Of a rate, percent are percentage points; of anything else, a share of the other side.
            Some(Bound::Percent(Portion(share))) if statistic == Statistic::Rate => Margin::Absolute(share),
            Some(Bound::Percent(Portion(share))) => Margin::Relative(share),
            Some(Bound::Number(number)) => Margin::Absolute(number),
        };
        let (Margin::Relative(size) | Margin::Absolute(size)) = margin;
        if !(size.is_finite() && size > 0.0) {
            let remedy = "write what is still accepted, such as \"20%\"; the test needs an effect to look for";
            self.refuse(format!("{path}.margin"), "a margin is a number above 0", remedy);
        }
        let sequential = match form.planned {
            None => Sequential::AlwaysValid,
            Some(planned) => {
                let looks = self.count(&format!("{path}.planned.looks"), Some(planned.looks), 1);
                if looks > 100 {
                    self.refuse(
                        format!("{path}.planned.looks"),
                        "more than 100 looks are not planned looks",
                        "leave `planned` out",
                    );
                }
                Sequential::Planned { looks, spending: planned.spending.unwrap_or(Spending::ObrienFleming) }
            }
        };
        Check::Compare { statistic, margin, test: form.test.unwrap_or(Test::Auto), sequential, alpha }
    }

    fn number(&mut self, path: &str, bound: Bound) -> f64 {
        let number = match bound {
            Bound::Number(number) => number,
            Bound::Percent(Portion(share)) => share,
        };
        if !number.is_finite() {
            self.refuse(path, "a limit is a finite number", "");
        }
        number
    }

    fn statistic(&mut self, path: &str, form: &GateForm, metric: &Metric) -> Statistic {
        let rate = match &metric.source {
            MetricSource::ProbeErrors => true,
            MetricSource::Prometheus { total, .. } => total.is_some(),
            MetricSource::ProbeLatency => false,
            MetricSource::Pushed => {
                let form = self.form.metrics.as_ref().and_then(|metrics| metrics.get(&*metric.name));
                form.and_then(|form| form.rate).unwrap_or(false)
            }
        };
        let statistic = match form.statistic.as_deref() {
            None if rate => Statistic::Rate,
            None | Some("mean") => Statistic::Mean,
            Some("rate") => Statistic::Rate,
            Some("median") => Statistic::Quantile(0.5),
            Some(text) => {
                let quantile =
                    text.strip_prefix('p').and_then(|n| n.parse::<f64>().ok()).map(|n| (n * 1e7).round() / 1e9);
                quantile.filter(|q| *q > 0.0 && *q < 1.0).map_or_else(
                    || {
                        self.refuse(
                            format!("{path}.statistic"),
                            format!("`{text}` is no statistic"),
                            "write mean, rate, median or a quantile such as p95",
                        );
                        Statistic::Mean
                    },
                    Statistic::Quantile,
                )
            }
        };
        let known_kind = !matches!(metric.source, MetricSource::Pushed);
        if known_kind && rate != (statistic == Statistic::Rate) {
            let remedy = if rate { "write rate" } else { "write mean or a quantile such as p95" };
            self.refuse(format!("{path}.statistic"), format!("`{}` does not have that statistic", metric.name), remedy);
        }
        statistic
    }

    fn metric(&mut self, name: &str) -> Metric {
        let source = match name {
            "probe_errors" => MetricSource::ProbeErrors,
            "probe_latency_ms" => MetricSource::ProbeLatency,
            _ => MetricSource::Pushed,
        };
        let Some(form) = self.form.metrics.as_ref().and_then(|metrics| metrics.get(name)) else {
            return Metric { name: name.into(), source, worse: Worse::Up };
        };
        let path = format!("metrics.{name}");
        if source != MetricSource::Pushed {
            self.refuse(&*path, format!("`{name}` is measured by the probes"), "give the metric another name");
        }
        if form.total.is_some() && form.query.is_none() {
            self.refuse(format!("{path}.total"), "a total needs the `query` that counts within it", "");
        }
        let source = form.query.as_ref().map_or(source, |query| MetricSource::Prometheus {
            query: query.as_str().into(),
            total: form.total.as_deref().map(Into::into),
        });
        Metric { name: name.into(), source, worse: form.worse.unwrap_or(Worse::Up) }
    }

    fn prometheus(&mut self, context: &CheckContext<'_>) -> Option<PrometheusSource> {
        if let Some(files) = context.from_call {
            if self.form.prometheus.is_some() {
                self.refuse(
                    "prometheus",
                    "a call names no server to ask: its token would go wherever the call says",
                    "put it into the zone's file",
                );
            }
            return files.prometheus.clone();
        }
        let form = self.form.prometheus.as_ref()?;
        self.url("prometheus.url", &form.url);
        Some(PrometheusSource {
            url: form.url.trim_end_matches('/').to_owned(),
            bearer_file: form.bearer_file.clone(),
            ca_file: form.ca_file.clone(),
            timeout_ms: self.time("prometheus.timeout", form.timeout, 10_000),
        })
    }

    fn hooks(&mut self, context: &CheckContext<'_>) -> Vec<Hook> {
        if let Some(files) = context.from_call {
            if self.form.hooks.is_some() {
                self.refuse(
                    "hooks",
                    "a call names no hooks: their secrets are files of the server",
                    "put them into the zone's file",
                );
            }
            return files.hooks.clone();
        }
        let forms = self.form.hooks.as_deref().unwrap_or_default();
        forms.iter().enumerate().map(|(at, form)| self.hook(&format!("hooks[{at}]"), form)).collect()
    }

    fn hook(&mut self, path: &str, form: &HookForm) -> Hook {
        self.url(&format!("{path}.url"), &form.url);
        Hook {
            kind: form.on,
            url: form.url.clone(),
            secret_file: form.secret_file.clone(),
            timeout_ms: self.time(&format!("{path}.timeout"), form.timeout, 10_000),
            retries: form.retries.unwrap_or(5).min(100),
        }
    }

    fn url(&mut self, path: &str, url: &str) {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
        if host.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.refuse(
                path,
                format!("`{url}` is no URL that could be called"),
                "write http://HOST[:PORT]/PATH or https://...",
            );
        }
    }
}

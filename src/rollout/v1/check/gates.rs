//! Gates: a metric, how it is summed up, and the limit or comparison it must pass.

use super::{Checking, MAX_LIST};
use crate::rollout::gate::{Check, Gate, Margin, Metric, MetricSource, Sequential, Spending, Statistic, Test, Worse};
use crate::rollout::v1::{Bound, GateForm, Portion};

impl Checking<'_> {
    pub(super) fn gates(&mut self, path: &str, forms: &[GateForm]) -> Vec<Gate> {
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
}

//! Verdicts as one line of text.

use super::finding::Finding;
use crate::rollout::gate::{Check, Gate, GateVerdict, Margin, Statistic, Verdict, Worse};

/// What a gate concluded at one look.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conclusion {
    pub verdict: Verdict,
    /// Figures, where there are any.
    pub finding: Option<Finding>,
    /// Samples of the canary and of the other side.
    pub samples: (u64, u64),
    /// Why it says so.
    pub reason: String,
}

impl Conclusion {
    /// Nothing can be said.
    pub(super) fn open(samples: (u64, u64), reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Inconclusive, finding: None, samples, reason: reason.into() }
    }

    /// The verdict with its line.
    pub(super) fn told(self, gate: &Gate) -> GateVerdict {
        let word = match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Inconclusive => "hold",
        };
        let figures = self.finding.as_ref().map_or(String::new(), |finding| {
            format!("{} ({}); ", figures(gate, finding), counted(self.samples, finding.other.is_some()))
        });
        let finding = self.finding.unwrap_or_default();
        GateVerdict {
            gate: gate.name.to_string(),
            verdict: self.verdict,
            canary: finding.canary,
            stable: finding.other,
            effect: finding.effect,
            interval: finding.interval,
            samples: self.samples,
            line: format!("{}: {word}: {figures}{}", gate.name, self.reason),
        }
    }
}

/// `p95 41.2 against 40.1: +1.1, 95 % -0.4 to 2.6, allowed +8.02, ratio 1.027`.
fn figures(gate: &Gate, finding: &Finding) -> String {
    let statistic = statistic(&gate.check);
    let unit = |value: f64| shown(statistic, value);
    let canary = finding.canary.map_or("nothing".to_owned(), unit);
    let interval = finding.interval.map_or(String::new(), |(low, high)| {
        format!(", {} % {} to {}", figure(finding.confidence * 100.0), unit(low), unit(high))
    });
    let name = named(statistic);
    match (&gate.check, finding.other) {
        (Check::Limit { bound, .. }, _) => {
            let most = if gate.metric.worse == Worse::Up { "at most" } else { "at least" };
            format!("{name} {canary}{interval}, {most} {}", unit(*bound))
        }
        (Check::Compare { .. }, Some(other)) => {
            let signed = |value: f64| if value < 0.0 { unit(value) } else { format!("+{}", unit(value)) };
            let effect = finding.effect.map_or(String::new(), |effect| format!(": {}", signed(effect)));
            let allowed = finding.allowed.map_or(String::new(), |allowed| format!(", allowed {}", signed(allowed)));
            let size = finding.size.as_ref().map_or(String::new(), |size| format!(", {size}"));
            format!("{name} {canary} against {}{effect}{interval}{allowed}{size}", unit(other))
        }
        (Check::Compare { .. }, None) => format!("{name} {canary}{interval}"),
    }
}

fn counted((canary, other): (u64, u64), both: bool) -> String {
    if both { format!("{canary} and {other} samples") } else { format!("{canary} samples") }
}

/// The statistic a gate looks at.
pub(super) fn statistic(check: &Check) -> Statistic {
    match check {
        Check::Limit { statistic, .. } | Check::Compare { statistic, .. } => *statistic,
    }
}

fn named(statistic: Statistic) -> String {
    match statistic {
        Statistic::Mean => "mean".to_owned(),
        Statistic::Rate => "rate".to_owned(),
        Statistic::Quantile(q) => format!("p{}", figure(q * 100.0)),
    }
}

fn shown(statistic: Statistic, value: f64) -> String {
    match statistic {
        Statistic::Rate => format!("{} %", figure(value * 100.0)),
        _ => figure(value),
    }
}

/// The margin as it was written.
pub(super) fn margin(margin: Margin, statistic: Statistic) -> String {
    match margin {
        Margin::Relative(share) => format!("{} % of the other side's", figure(share * 100.0)),
        Margin::Absolute(value) => shown(statistic, value),
    }
}

/// A number with four digits that count.
#[must_use]
pub fn figure(value: f64) -> String {
    let scientific = format!("{value:.3e}");
    let Some(exponent) = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok()) else {
        return value.to_string();
    };
    if value != 0.0 && !(-5..7).contains(&exponent) {
        return scientific;
    }
    let decimals = usize::try_from(3 - exponent).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (12.375, "12.38"),
            (-0.012_345_6, "-0.01235"),
            (95.0, "95"),
            (123_456.7, "123457"),
            (3e-9, "3.000e-9"),
            (2.5e12, "2.500e12"),
            (100.0, "100"),
        ] {
            assert_eq!(figure(value), text);
        }
    }
}

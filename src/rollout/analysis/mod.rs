//! Evidence and gates to verdicts, look by look (§5.4, §5.5).
//!
//! Missing evidence is never a pass: no data, too few samples, a source that fails and numbers that
//! are none leave a gate inconclusive. A comparison passes when there are enough samples and nothing is
//! proven; its chance of a false alarm is shared by all comparisons of the stage. Samples are taken as
//! independent: a metric whose samples hang together should be pushed as one value per interval of time.

mod compare;
mod finding;
mod limit;
mod proof;
mod words;

#[cfg(test)]
mod tests;

pub(super) use finding::least_samples;
pub use words::figure;

use super::evidence::Evidence;
use super::gate::{Check, Gate, GateVerdict, Verdict};
use crate::stats::mixture::AlwaysValid;
use compare::Question;
use std::collections::BTreeMap;
use std::sync::Arc;
use words::Conclusion;

/// What the intervals of limits promise.
const CONFIDENCE: f64 = 0.95;

/// What one look sees.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The gates of the stage in force.
    pub gates: &'a [Gate],
    /// What was measured since the stage's settle window.
    pub evidence: &'a Evidence,
    /// The pool that is released.
    pub canary: &'a str,
    /// The pool it is compared with: the baseline, else the stable one.
    pub other: &'a str,
    /// Whether the other side has no traffic (the canary has everything): comparisons then say so and pass.
    pub alone: bool,
    /// Errors of a source in a row from which on it counts as failing.
    pub source_errors: u32,
}

/// Looks at one stage, from its first look to its last; a new stage begins with a new one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Analyst {
    /// What is remembered of each gate.
    gates: BTreeMap<Arc<str>, Memory>,
    /// Looks so far.
    looks: u32,
    /// Looks that the hold has room for, where that is known.
    expected: Option<u32>,
}

/// What a gate remembers between looks.
#[derive(Debug, Clone, PartialEq, Default)]
struct Memory {
    /// Looks in a row beyond a limit.
    beyond: u32,
    /// The effect worth seeing, as it was at the first look.
    tau: Option<f64>,
    /// The least p value of any look.
    p: AlwaysValid,
    /// Planned looks that were made, as shares of all.
    made: Vec<f64>,
    /// Whether a planned look proved the canary worse.
    proven: bool,
}

impl Analyst {
    /// One that spreads planned looks over a hold with room for so many looks. Without that, the first
    /// looks are the planned ones.
    #[must_use]
    pub fn paced(expected: u32) -> Self {
        Self { expected: Some(expected.max(1)), ..Self::default() }
    }

    /// Judges every gate.
    pub fn look(&mut self, look: &Look<'_>) -> Vec<GateVerdict> {
        self.looks = self.looks.saturating_add(1);
        let comparisons = look.gates.iter().filter(|gate| matches!(gate.check, Check::Compare { .. })).count();
        let shared_by = comparisons.max(1) as f64;
        let (made, expected) = (self.looks, self.expected);
        // Of `looks` planned ones, those that should have been made by now.
        let due = |looks: u32| {
            let room = u64::from(expected.unwrap_or(looks).max(1));
            let due = u64::from(made) * u64::from(looks) / room;
            u32::try_from(due.min(u64::from(looks))).unwrap_or(looks)
        };
        look.gates
            .iter()
            .map(|gate| {
                let memory = self.gates.entry(gate.name.clone()).or_default();
                judge(gate, look, shared_by, memory, due).told(gate)
            })
            .collect()
    }
}

fn judge(gate: &Gate, look: &Look<'_>, shared_by: f64, memory: &mut Memory, due: impl Fn(u32) -> u32) -> Conclusion {
    let failing = look
        .evidence
        .source(&gate.metric.name)
        .filter(|source| source.errors_in_a_row > 0 && source.errors_in_a_row >= look.source_errors);
    if let Some(source) = failing {
        let why = source.error.as_deref().unwrap_or("no reason given");
        let text = format!("its source failed {} times in a row: {why}", source.errors_in_a_row);
        return Conclusion::open((0, 0), text);
    }
    match gate.check {
        Check::Limit { statistic, bound, looks } => limit::judge(gate, look, (statistic, bound, looks), memory),
        Check::Compare { .. } if look.alone => Conclusion {
            verdict: Verdict::Pass,
            finding: None,
            samples: (finding::samples(look.evidence, &gate.metric.name, look.canary), 0),
            reason: "nothing to compare with: the canary has all the traffic".to_owned(),
        },
        Check::Compare { statistic, margin, test, sequential, alpha } => {
            let question = Question { statistic, margin, test, sequential, alpha: alpha / shared_by };
            compare::judge(gate, look, &question, memory, due)
        }
    }
}

//! Where judging code puts what it finds: refusals and warnings, each at its span.

use super::problem::{Problem, Source};
use std::ops::Range;

/// What is wrong, and what is only worth a thought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Nothing is loaded while there is one.
    pub(super) problems: Vec<Problem>,
    /// Said by `check` and at load, and nothing else.
    pub(super) warnings: Vec<Problem>,
}

impl Findings {
    /// Takes over what was found elsewhere.
    pub(super) fn append(&mut self, mut other: Self) {
        self.problems.append(&mut other.problems);
        self.warnings.append(&mut other.warnings);
    }
}

/// One file under judgement.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// The file.
    pub(super) source: &'a Source,
    /// What was found so far.
    pub(super) findings: &'a mut Findings,
}

impl Scope<'_> {
    /// Notes a problem.
    pub(super) fn refuse(&mut self, span: &Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        let remedy = Some(remedy.into()).filter(|text| !text.is_empty());
        self.findings.problems.push(self.source.problem(span, message, remedy));
    }

    /// Notes a warning.
    pub(super) fn warn(&mut self, span: &Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        let remedy = Some(remedy.into()).filter(|text| !text.is_empty());
        self.findings.warnings.push(self.source.problem(span, message, remedy));
    }
}

//! What is wrong with a plan, with the place in it.

use std::fmt;

/// One fault of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanProblem {
    /// Where: keys and indexes from the plan's top, such as `steps[2].hold`.
    pub path: String,
    /// What is wrong, a sentence without a final stop.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

impl PlanProblem {
    /// Joins the three.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

impl std::error::Error for PlanProblem {}

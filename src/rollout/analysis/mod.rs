//! Evidence and gates to verdicts, look by look (§5.4, §5.5).
//!
//! Missing evidence is never a pass: no data, too few samples, a source that fails and numbers that
//! are none leave a gate inconclusive.

use super::evidence::Evidence;
use super::gate::Gate;

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

//! What happened in a rollout, bounded, for people and for the dashboard.

use super::gate::GateVerdict;
use super::{Phase, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Entries kept; the oldest but the first give way.
pub const KEPT: usize = 200;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// When, wall clock, milliseconds.
    pub at_unix_ms: u64,
    /// The phase it led to.
    pub phase: Phase,
    /// The stage it led to.
    pub stage: Stage,
    /// The step, from 0.
    pub step: usize,
    /// The canary's share from here on, hundredths of a percent.
    pub share: u16,
    /// What happened, a sentence.
    pub what: String,
    /// The verdicts it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<GateVerdict>,
}

/// Entries, oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Timeline(Vec<Entry>);

impl Timeline {
    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) {
        if self.0.len() >= KEPT {
            self.0.remove(1);
        }
        self.0.push(entry);
    }

    /// Oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The latest.
    #[must_use]
    pub fn last(&self) -> Option<&Entry> {
        self.0.last()
    }
}

//! How the store is, put together from what its parts met last; each part mends its own entry.

use crate::store::{Condition, StoreError};
use std::sync::{Mutex, PoisonError};

/// A part of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// `state.db`.
    State = 0,
    /// `state.copy.db`.
    Copy = 1,
    /// `seen.db`.
    Seen = 2,
    /// The reserve for a full disk.
    Reserve = 3,
}

const NAMES: [&str; 4] = ["state file", "checked copy", "record of what was seen", "reserve"];

/// The last outcome of each part.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    on_copy: Option<String>,
    troubles: [Option<Condition>; 4],
}

impl Conditions {
    /// Records how a part fares: `None` when well. Says so in the log when it changes.
    pub(super) fn note(&self, part: Part, trouble: Option<Condition>) {
        let name = NAMES[part as usize];
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut inner.troubles[part as usize];
        if *last == trouble {
            return;
        }
        match &trouble {
            None => tracing::info!(part = name, "the store is well again"),
            Some(Condition::Failing { why }) => tracing::error!(part = name, why, "the store fails"),
            Some(_) => tracing::error!(part = name, "the store is short of disk space"),
        }
        *last = trouble;
    }

    /// Records an outcome of a part.
    pub(super) fn outcome<T>(&self, part: Part, result: &Result<T, StoreError>) {
        match result {
            Ok(_) => self.note(part, None),
            Err(StoreError::Full { .. }) => self.note(part, Some(Condition::Full)),
            Err(StoreError::Conflict { .. } | StoreError::OnCopy { .. }) => {}
            Err(other) => {
                self.note(part, Some(Condition::Failing { why: format!("{}: {other}", NAMES[part as usize]) }));
            }
        }
    }

    /// Records that the copy stands in for the state file, or no longer does.
    pub(super) fn note_on_copy(&self, why: Option<String>) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).on_copy = why;
    }

    /// What was wrong with the state file, while its copy stands in.
    pub(super) fn on_copy(&self) -> Option<String> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).on_copy.clone()
    }

    /// Whether a part is unwell.
    pub(super) fn ails(&self, part: Part) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).troubles[part as usize].is_some()
    }

    /// The worst of them, in the contract's words.
    pub(super) fn condition(&self) -> Condition {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &inner.on_copy {
            return Condition::OnCopy { why: why.clone() };
        }
        inner.troubles.iter().flatten().next().cloned().unwrap_or(Condition::Ok)
    }
}

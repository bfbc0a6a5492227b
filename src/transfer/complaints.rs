//! Log lines about clients, each kind at most once a minute: a client must not be able to fill a disk.

use crate::clock;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long the same complaint is not said again, milliseconds.
const QUIET_MS: u64 = 60_000;

/// Kinds that are remembered; with more of them, none is said until the oldest are forgotten.
const KINDS: usize = 64;

/// When each complaint was last said.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<HashMap<String, u64>>);

impl Complaints {
    /// Whether this one may be said.
    pub(super) fn may_say(&self, kind: &str) -> bool {
        let now = clock::boot_ms();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(kind).is_some_and(|at| now < at + QUIET_MS) {
            return false;
        }
        if said.len() >= KINDS {
            said.retain(|_, at| now < *at + QUIET_MS);
        }
        said.len() < KINDS && said.insert(kind.to_owned(), now).is_none_or(|at| now >= at + QUIET_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_said_once_and_so_many_kinds_at_most() {
        let complaints = Complaints::default();
        assert!(complaints.may_say("a") && !complaints.may_say("a") && complaints.may_say("b"));
        let said = (0..1000).filter(|n| complaints.may_say(&n.to_string())).count();
        assert_eq!(said, KINDS - 2);
    }
}

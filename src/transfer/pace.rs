//! How many updates a key may send: each is decided by the one writer there is, stored, and has its zone compiled anew.

use crate::dns::Name;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Updates of one key in a second, for as long as it likes.
pub(super) const PER_S: u64 = 10;

/// Updates of one key at once, when it has been quiet.
pub(super) const BURST: u64 = 100;

/// What one update takes of the time, milliseconds.
const STEP_MS: u64 = 1_000 / PER_S;

/// Until when each key has used up its share, boot clock. Only keys that may update something are asked about, so there
/// are no more than the server's file names.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<Name, u64>>);

impl Pace {
    /// Whether a key may send one more now.
    pub(super) fn allows(&self, key: &Name, now_boot_ms: u64) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = used.entry(key.clone()).or_default();
        let next = (*until).max(now_boot_ms) + STEP_MS;
        let allowed = next <= now_boot_ms + BURST * STEP_MS;
        if allowed {
            *until = next;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_burst_and_then_so_many_a_second_and_takes_nothing_from_others() {
        let (pace, busy, quiet): (_, Name, Name) = (Pace::default(), "busy.".parse().unwrap(), "q.".parse().unwrap());
        let taken = |at: u64, tries: u64| (0..tries).filter(|_| pace.allows(&busy, at)).count() as u64;
        assert_eq!(taken(5_000, 500), BURST);
        assert_eq!(taken(6_000, 500), PER_S);
        assert!(pace.allows(&quiet, 6_000));
        assert_eq!(taken(60_000, 500), BURST, "after a pause as at first");
    }
}

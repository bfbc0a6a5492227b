//! Signed requests that were seen before: the same signature is the same request, sent again by its sender or by
//! somebody who listened (RFC 8945 §5.2.3 leaves five minutes for it). What it changed once it does not change twice.
//!
//! What changed something is known after a start, too: its signature is committed with the change. What was refused is
//! not, so requests signed before the start are not taken; signatures have whole seconds, and one of the very second
//! of the start, or by a clock that is ahead, cannot be told from a new one.

use crate::dns::Rcode;
use crate::dns::edns::ExtendedError;
use crate::dns::tsig::FUDGE_S;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Requests that are remembered: a hundred a second for as long as one could be repeated.
const REMEMBERED: usize = 65_536;

/// What a request got: an RCODE, and what is said beside it.
pub(super) type Said = (Rcode, Option<ExtendedError>);

/// Signatures, when each was made, and what its request got.
type Known = HashMap<Box<[u8]>, (u64, Option<Said>)>;

/// A request that has not come before, or what became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is new, and taken note of.
    First,
    /// It is being decided: its reply is on the way.
    InHand,
    /// It was replied to with this.
    Answered(Said),
    /// It was signed before the start.
    Stale,
    /// Too many to remember came in ten minutes.
    TooMany,
}

/// The requests that could be repeated.
#[derive(Debug)]
pub(super) struct Repeats {
    since_s: u64,
    known: Mutex<Known>,
}

impl Repeats {
    /// Knows nothing, at the start.
    pub(super) fn since(now_s: u64) -> Self {
        Self { since_s: now_s, known: Mutex::default() }
    }

    /// Takes note of a request by its signature and when that was made.
    pub(super) fn see(&self, (mac, signed_s): (&[u8], u64), now_s: u64) -> Seen {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, said)) = known.get(mac) {
            return said.map_or(Seen::InHand, Seen::Answered);
        }
        if signed_s < self.since_s {
            return Seen::Stale;
        }
        if known.len() >= REMEMBERED {
            // Later than this a signature is too old to be taken at all.
            known.retain(|_, (signed_s, _)| signed_s.saturating_add(u64::from(FUDGE_S)) >= now_s);
            if known.len() >= REMEMBERED {
                return Seen::TooMany;
            }
        }
        known.insert(mac.into(), (signed_s, None));
        Seen::First
    }

    /// Takes note of what it got.
    pub(super) fn answered(&self, mac: &[u8], said: Said) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, remembered)) = known.get_mut(mac) {
            *remembered = Some(said);
        }
    }

    /// Forgets a request that changed nothing and may come again: it could not be kept.
    pub(super) fn forget(&self, mac: &[u8]) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(mac);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_first_once_and_then_what_it_was() {
        let repeats = Repeats::since(1000);
        assert_eq!(repeats.see((b"one", 1000), 1001), Seen::First);
        assert_eq!(repeats.see((b"one", 1000), 1002), Seen::InHand);
        repeats.answered(b"one", (Rcode::NOERROR, None));
        assert_eq!(repeats.see((b"one", 1000), 1300), Seen::Answered((Rcode::NOERROR, None)));
        assert_eq!(repeats.see((b"two", 999), 1002), Seen::Stale);
        assert_eq!(repeats.see((b"three", 1001), 1002), Seen::First);
        repeats.forget(b"three");
        assert_eq!(repeats.see((b"three", 1001), 1002), Seen::First);
    }

    #[test]
    fn so_many_are_remembered_and_those_too_old_to_be_taken_make_room() {
        let repeats = Repeats::since(0);
        let mark = |n: usize| u64::try_from(n).unwrap().to_be_bytes();
        for n in 0..REMEMBERED {
            assert_eq!(repeats.see((&mark(n), 10), 10), Seen::First);
        }
        assert_eq!(repeats.see((b"more", 20), 20), Seen::TooMany);
        assert_eq!(repeats.see((&mark(7), 10), 20), Seen::InHand, "none is forgotten for it");
        assert_eq!(repeats.see((b"more", 311), 311), Seen::First);
        assert_eq!(repeats.known.lock().unwrap().len(), 1);
    }
}

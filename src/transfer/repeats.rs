//! Signed requests that were seen before: the same signature is the same request, sent again by its sender or by
//! somebody who listened (RFC 8945 §5.2.3 leaves five minutes for it). What it changed once it does not change twice.
//!
//! What changed something is known after a start, too: its signature is committed with the change. What was refused is
//! not, so requests signed before the start are not taken; signatures have whole seconds, and one of the very second
//! of the start, or by a clock that is ahead, cannot be told from a new one.

use super::pace::{BURST, PER_S};
use crate::dns::edns::ExtendedError;
use crate::dns::tsig::FUDGE_S;
use crate::dns::{Name, Rcode};
use crate::moment::Moment;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Requests of one key that are remembered: more than it may send for as long as one could be repeated. Each key has
/// places of its own, so that none takes those of others.
const REMEMBERED: usize = 8_192;

// A clock may be ahead by as much as another is behind.
const _: () =
    assert!(BURST + PER_S * 2 * FUDGE_S as u64 <= REMEMBERED as u64, "a key may send no more than is remembered of it");

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
    /// When this process started, boot clock: the wall clock may be set meanwhile.
    since_boot_ms: u64,
    known: Mutex<HashMap<Name, Known>>,
}

impl Repeats {
    /// Knows nothing, at the start.
    pub(super) fn since(now: Moment) -> Self {
        Self { since_boot_ms: now.boot_ms, known: Mutex::default() }
    }

    /// Takes note of a request by its key, its signature and when that was made.
    pub(super) fn see(&self, key: &Name, (mac, signed_s): (&[u8], u64), now: Moment) -> Seen {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(key.clone()).or_default();
        if let Some((_, said)) = known.get(mac) {
            return said.map_or(Seen::InHand, Seen::Answered);
        }
        // As the wall clock of now has it, by which the signature was found to be timely.
        let since_ms = now.unix_ms.saturating_sub(now.boot_ms.saturating_sub(self.since_boot_ms));
        if signed_s < since_ms / 1000 {
            return Seen::Stale;
        }
        if known.len() >= REMEMBERED {
            // Later than this a signature is too old to be taken at all.
            known.retain(|_, (signed_s, _)| signed_s.saturating_add(u64::from(FUDGE_S)) >= now.unix_ms / 1000);
            if known.len() >= REMEMBERED {
                return Seen::TooMany;
            }
        }
        known.insert(mac.into(), (signed_s, None));
        Seen::First
    }

    /// Takes note of what it got.
    pub(super) fn answered(&self, key: &Name, mac: &[u8], said: Said) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, remembered)) = known.get_mut(key).and_then(|known| known.get_mut(mac)) {
            *remembered = Some(said);
        }
    }

    /// Forgets a request that changed nothing and may come again: it could not be kept.
    pub(super) fn forget(&self, key: &Name, mac: &[u8]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_mut(key).and_then(|known| known.remove(mac));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many seconds since 1970, on a machine that runs since 900 s.
    fn at(unix_s: u64) -> Moment {
        Moment { boot_ms: (unix_s - 900) * 1000, unix_ms: unix_s * 1000 }
    }

    fn key(name: &str) -> Name {
        name.parse().unwrap()
    }

    #[test]
    fn a_request_is_first_once_and_then_what_it_was() {
        let (repeats, k) = (Repeats::since(at(1000)), key("k."));
        assert_eq!(repeats.see(&k, (b"one", 1000), at(1001)), Seen::First);
        assert_eq!(repeats.see(&k, (b"one", 1000), at(1002)), Seen::InHand);
        repeats.answered(&k, b"one", (Rcode::NOERROR, None));
        assert_eq!(repeats.see(&k, (b"one", 1000), at(1300)), Seen::Answered((Rcode::NOERROR, None)));
        assert_eq!(repeats.see(&k, (b"two", 999), at(1002)), Seen::Stale);
        assert_eq!(repeats.see(&k, (b"three", 1001), at(1002)), Seen::First);
        repeats.forget(&k, b"three");
        assert_eq!(repeats.see(&k, (b"three", 1001), at(1002)), Seen::First);
    }

    #[test]
    fn so_many_are_remembered_of_a_key_and_those_too_old_to_be_taken_make_room() {
        let (repeats, k) = (Repeats::since(at(1000)), key("k."));
        let mark = |n: usize| u64::try_from(n).unwrap().to_be_bytes();
        for n in 0..REMEMBERED {
            assert_eq!(repeats.see(&k, (&mark(n), 1010), at(1010)), Seen::First);
        }
        assert_eq!(repeats.see(&k, (b"more", 1020), at(1020)), Seen::TooMany);
        assert_eq!(repeats.see(&k, (&mark(7), 1010), at(1020)), Seen::InHand, "none is forgotten for it");
        assert_eq!(repeats.see(&key("l."), (b"more", 1020), at(1020)), Seen::First, "another key has its own places");
        assert_eq!(repeats.see(&k, (b"more", 1311), at(1311)), Seen::First);
        assert_eq!(repeats.known.lock().unwrap()[&k].len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_after_the_start_makes_no_request_stale() {
        let (repeats, k) = (Repeats::since(at(1_000_000)), key("k."));
        // Ten seconds on, an hour less on the wall.
        let now = Moment { boot_ms: at(1_000_010).boot_ms, unix_ms: at(996_400).unix_ms };
        assert_eq!(repeats.see(&k, (b"one", 996_400), now), Seen::First);
        assert_eq!(repeats.see(&k, (b"two", 996_380), now), Seen::Stale, "before the start, by the clock of now");
    }
}

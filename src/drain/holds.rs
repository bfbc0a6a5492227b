//! What secondaries may still answer (§4.2): a pool that a zone's transfers no longer hold is let go when each
//! secondary has shown a serial at least as new, plus the TTL; of a silent one, when its copy has expired.
//!
//! A hold is saved until it ends. What was carried is not: at a start every pool that has not drained and
//! is not carried counts as having been, late rather than early.

use super::ledger::{Ledger, PoolKey, signed};
use super::rows::SwitchRows;
use crate::dns::serial;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Added to the time in which a copy expires: a secondary may have looked for the last time just after the change.
const EXPIRE_SLACK_MS: u64 = 60_000;

/// What a published view of a switch means to secondaries.
#[derive(Debug, Clone, Copy)]
pub struct Carried<'a> {
    /// The zone it belongs to.
    pub zone: &'a str,
    /// The serial from which on transfers are so.
    pub serial: u32,
    /// After how long without us a copy expires (SOA EXPIRE), milliseconds.
    pub expire_ms: u64,
    /// Who has copies.
    pub secondaries: &'a [String],
    /// The switch.
    pub switch: &'a Arc<str>,
    /// The pool that is transferred, and the longest promise of its answers, milliseconds.
    pub pool: Option<(&'a Arc<str>, u64)>,
}

/// A pool that some secondary may still answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The pool.
    #[serde(flatten)]
    pub key: PoolKey,
    /// The zone.
    pub zone: String,
    /// A copy with this serial, or a newer one, no longer holds it.
    pub serial: u32,
    /// When the serial was published, boot clock.
    pub since: i64,
    /// A copy expires so long after, milliseconds.
    pub expire_ms: u64,
    /// The longest promise of its answers, milliseconds.
    pub promise_ms: u64,
    /// Who has not shown the serial.
    pub waiting: BTreeSet<String>,
}

/// What transfers hold of each switch, and what they held before and may still be answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Holds {
    carried: BTreeMap<Arc<str>, Option<(Arc<str>, u64)>>,
    pub(super) holds: Vec<Hold>,
}

impl Ledger {
    /// Takes note of what transfers hold of a switch from a serial on.
    pub fn carry(&mut self, view: &Carried<'_>, now_boot_ms: u64) {
        if view.secondaries.is_empty() {
            self.holds.carried.remove(view.switch);
            return;
        }
        let now = signed(now_boot_ms);
        let is_carried = |pool: &Arc<str>| view.pool.is_some_and(|(carried, _)| carried == pool);
        let left: Vec<(Arc<str>, u64)> = match self.holds.carried.get(view.switch) {
            Some(before) => before.iter().filter(|(pool, _)| !is_carried(pool)).cloned().collect(),
            None => {
                let rows = self.switches.get(view.switch);
                let entries = rows.into_iter().flat_map(SwitchRows::iter);
                let may_be = entries.filter(|entry| !is_carried(&entry.pool) && !entry.bound.is_over(now));
                may_be.map(|entry| (Arc::clone(&entry.pool), entry.bound.promise_ms)).collect()
            }
        };
        for (pool, promise_ms) in left {
            self.hold(PoolKey { switch: Arc::clone(view.switch), pool }, promise_ms, view, now);
        }
        let before = self.holds.carried.get(view.switch).cloned().flatten();
        let carried = view.pool.map(|(pool, promise_ms)| {
            // A copy may still have the longer TTL of before.
            let longest = before.filter(|(known, _)| known == pool).map_or(0, |(_, known_ms)| known_ms);
            (Arc::clone(pool), promise_ms.max(longest))
        });
        if let Some((pool, _)) = &carried {
            self.holds.holds.retain(|hold| hold.key.switch != *view.switch || hold.key.pool != *pool);
        }
        self.holds.carried.insert(Arc::clone(view.switch), carried);
    }

    fn hold(&mut self, key: PoolKey, promise_ms: u64, view: &Carried<'_>, since: i64) {
        // What is waited for already is waited for longer.
        let longest = self.holds.holds.iter().filter(|hold| hold.key == key).map(|hold| hold.promise_ms).max();
        self.holds.holds.retain(|hold| hold.key != key);
        self.holds.holds.push(Hold {
            key,
            zone: view.zone.to_owned(),
            serial: view.serial,
            since,
            expire_ms: view.expire_ms.saturating_add(EXPIRE_SLACK_MS),
            promise_ms: promise_ms.max(longest.unwrap_or(0)),
            waiting: view.secondaries.iter().cloned().collect(),
        });
    }

    /// A secondary shows a serial: what its copy no longer holds may be cached for one promise more.
    pub fn secondary_shows(&mut self, zone: &str, secondary: &str, shown: u32, now_boot_ms: u64) {
        let now = signed(now_boot_ms);
        let mut until = Vec::new();
        for hold in self.holds.holds.iter_mut().filter(|hold| hold.zone == zone) {
            if !serial::is_newer(hold.serial, shown) && hold.waiting.remove(secondary) {
                until.push((hold.key.clone(), now.saturating_add(signed(hold.promise_ms))));
            }
        }
        self.holds.holds.retain(|hold| !hold.waiting.is_empty());
        self.promise_for_others(until);
    }

    /// Lets go of copies that have expired.
    pub fn expire_copies(&mut self, now_boot_ms: u64) {
        let now = signed(now_boot_ms);
        let mut until = Vec::new();
        self.holds.holds.retain(|hold| {
            let expired = hold.since.saturating_add(signed(hold.expire_ms));
            if now >= expired {
                until.push((hold.key.clone(), expired.saturating_add(signed(hold.promise_ms))));
            }
            now < expired
        });
        self.promise_for_others(until);
    }

    /// Counts what others answered until a moment.
    fn promise_for_others(&mut self, until: Vec<(PoolKey, i64)>) {
        for (key, until) in until {
            if until > 0 {
                self.fold(&key, until.unsigned_abs(), false);
            }
        }
    }

    /// Which secondaries hold a pool, in words.
    #[must_use]
    pub fn held_by(&self, key: &PoolKey) -> Vec<String> {
        let of_pool = self.holds.holds.iter().filter(|hold| hold.key == *key);
        let words = |hold: &Hold| {
            let waiting: Vec<&str> = hold.waiting.iter().map(String::as_str).collect();
            format!(
                "secondaries of {} may still answer it, having shown no serial from {} on: {}; a silent one is waited for until its copy has expired",
                hold.zone,
                hold.serial,
                waiting.join(", ")
            )
        };
        of_pool.map(words).collect()
    }
}

//! What a ledger may still believe after a crash, a reboot or a standstill (§4.1, §4.2).
//!
//! Same boot: bounds stand. Another boot: its clock started anew and nobody knows how long the machine
//! was down, so each outstanding promise starts again in full. Either way, pools that could be
//! answered in the last durable view count as answered until now, and whatever had not drained yet
//! waits for resolvers that served stale meanwhile (RFC 8767). What had drained stays drained.

use super::ledger::{Ledger, PoolFacts, signed};
use super::rows::{Bound, Entry, SwitchRows};
use super::{STALE_MS, v1};
use crate::moment::Moment;
use std::collections::HashSet;
use std::sync::Arc;

/// How an old process's clock relates to this one's.
struct Passage {
    /// Whether both read the same boot clock.
    same_boot: bool,
    /// The old process's last sign of life, on its clock.
    beat: i64,
    /// This clock.
    now: i64,
}

impl Ledger {
    /// Picks up after the last process: its image, and the pools of the last durable revision.
    ///
    /// To be called when this process begins to answer. No image means a first start: nobody was ever
    /// answered. Where there was one and it is not to be had, or is older than the state (a restored
    /// backup), pass [`v1::Image::lost`]. `continuous`: the old process answered until this one took
    /// over its sockets.
    #[must_use]
    pub fn start(
        image: Option<v1::Image>,
        boot_id: &str,
        now: Moment,
        switches: &[(Arc<str>, Vec<PoolFacts>)],
        continuous: bool,
    ) -> Self {
        let now = signed(now.boot_ms);
        let lost = image.as_ref().is_some_and(|image| image.lost);
        let crashed = image.as_ref().is_some_and(|image| !image.clean);
        let first = image.is_none();
        let mut ledger = match image {
            Some(image) => take_over(image, boot_id, now, continuous),
            None => Self::empty(boot_id, now),
        };
        for (switch, pools) in switches {
            let rows = ledger.switches.entry(Arc::clone(switch)).or_default();
            rows.reserve(pools.iter().map(|facts| &facts.pool));
            for facts in pools {
                let entry = rows.entry(&facts.pool);
                entry.bound.tail_ms = facts.tail_ms;
                let assumed = facts.answered || (crashed && facts.may_answer) || lost;
                if assumed && !first {
                    entry.bound.promise_ms = entry.bound.promise_ms.max(facts.promise_ms);
                    entry.bound.extend(now.saturating_add(signed(entry.bound.promise_ms)));
                    if !continuous {
                        entry.bound.restart(now);
                    }
                }
            }
        }
        for (switch, pools) in switches {
            // View 0 is what this process begins with; the first announcement has a higher number.
            ledger.announce(0, switch, pools);
        }
        let known: HashSet<&str> = switches.iter().map(|(switch, _)| &**switch).collect();
        ledger.announce_removed(0, |name| known.contains(name));
        ledger.settle(0);
        ledger.save_all();
        ledger
    }

    /// Restarts the clocks of what had not drained at the last heartbeat: nobody was answered since.
    pub(super) fn restart_clocks(&mut self, now: i64) {
        let beat = self.beat;
        for entry in self.switches.values_mut().flat_map(SwitchRows::iter_mut) {
            entry.restart_clocks(beat, now);
        }
    }
}

/// The ledger of an image, on this process's clock.
fn take_over(image: v1::Image, boot_id: &str, now: i64, continuous: bool) -> Ledger {
    let passage =
        Passage { same_boot: image.boot_id == boot_id && boot_id != "unknown", beat: image.beat_boot_ms, now };
    let mut ledger = image.into_ledger();
    for entry in ledger.switches.values_mut().flat_map(SwitchRows::iter_mut) {
        let was_over = entry.bound.is_over(passage.beat);
        let open = entry.open_in.take().is_some();
        entry.answered_in = None;
        passage.carry(&mut entry.bound);
        let mut pins = Bound { until: entry.pins_until(), ..entry.bound };
        passage.carry(&mut pins);
        entry.set_pins_until(pins.until);
        if open {
            entry.bound.extend(now.saturating_add(signed(entry.bound.promise_ms)));
        }
        entry.map_left(|bound| passage.carried(bound, continuous));
        if !continuous && (open || !was_over) {
            entry.bound.restart(now);
        }
    }
    if !passage.same_boot {
        // Nobody knows how long the machine was down: copies expire from now on, in full.
        ledger.holds.holds.iter_mut().for_each(|hold| hold.since = now);
    }
    ledger.boot_id = boot_id.to_owned();
    ledger.beat = now;
    ledger
}

impl Passage {
    /// Moves a bound to this process's clock, never nearer than it can have been.
    fn carry(&self, bound: &mut Bound) {
        if self.same_boot {
            return;
        }
        bound.until = bound.until.map(|until| {
            let remaining = until.saturating_sub(self.beat);
            let remaining = if remaining > 0 { remaining.max(signed(bound.promise_ms)) } else { remaining };
            self.now.saturating_add(remaining)
        });
    }

    /// The same for a member that left, with its wait for stale answers.
    fn carried(&self, mut bound: Bound, continuous: bool) -> Bound {
        let was_over = bound.is_over(self.beat);
        self.carry(&mut bound);
        if !continuous && !was_over {
            bound.restart(self.now);
        }
        bound
    }
}

impl Entry {
    /// See [`Ledger::restart_clocks`].
    fn restart_clocks(&mut self, beat: i64, now: i64) {
        self.map_left(|bound| bound.restarted(beat, now));
        self.bound = self.bound.restarted(beat, now);
    }
}

impl Bound {
    /// Counts as promised when answers began again: resolvers may have served stale until then.
    fn restart(&mut self, now: i64) {
        if self.until.is_some() {
            self.extend(now.saturating_add(signed(self.promise_ms.max(STALE_MS))));
        }
    }

    /// Restarts unless all was over at the last heartbeat.
    fn restarted(mut self, beat: i64, now: i64) -> Self {
        if !self.is_over(beat) {
            self.restart(now);
        }
        self
    }
}

//! What the last minutes looked like: answers and probe latency of each pool, for charts.
//!
//! A switch is kept while it is answered or looked at, one row every 10 s for 15 minutes. The numbers
//! of all switches together are bounded; a switch that finds no room is not kept, and says so.

use super::report::{RecentSample, RecentView};
use super::task::Control;
use super::view::rfc3339;
use crate::moment::Moment;
use crate::state::{MemberKey, Rejection};
use crate::steering::Switch;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Between two rows of one switch, seconds. Each second looks at a tenth of the catalogue: of 100,000
/// switches that is 10,000 a second, a few milliseconds.
const EVERY_S: u32 = 10;

/// Rows kept of one switch: 15 minutes.
const ROWS: usize = 90;

/// Rows of the shares in an overview: 5 minutes.
const OVERVIEW_ROWS: usize = 30;

/// Numbers kept for all switches together, 4 bytes each: 1,000,000 are 4 MB, enough for 3,700 switches
/// of two pools (2 pools * 2 numbers * 90 rows, and a time a row).
const NUMBERS: usize = 1_000_000;

/// A latency nobody measured.
const NONE: u32 = u32::MAX;

/// The switches that are kept.
#[derive(Debug, Default)]
pub(super) struct Recent {
    tracks: HashMap<Arc<str>, Track>,
    /// Numbers the tracks may grow to.
    reserved: usize,
    /// Which tenth of the catalogue comes next.
    turn: u32,
}

/// One switch's rows.
#[derive(Debug)]
struct Track {
    pools: usize,
    /// Answers of each pool since the start, when last looked at.
    totals: Vec<u64>,
    /// When that was, boot clock.
    looked_ms: u64,
    /// When it was last answered or asked about, boot clock.
    used_ms: u64,
    rows: VecDeque<Row>,
}

/// What happened between two looks.
#[derive(Debug)]
struct Row {
    /// When it ended, wall clock.
    at_unix_ms: u64,
    /// How long it was.
    span_ms: u32,
    /// Answers of each pool, then the mean latency of each pool's last probes in microseconds.
    numbers: Box<[u32]>,
}

/// What one look sees of a switch, pool by pool.
#[derive(Debug)]
struct Look {
    totals: Vec<u64>,
    latency_us: Vec<u32>,
    now: Moment,
}

impl Track {
    fn new(look: &Look) -> Self {
        Self {
            pools: look.totals.len(),
            totals: look.totals.clone(),
            looked_ms: look.now.boot_ms,
            used_ms: look.now.boot_ms,
            rows: VecDeque::new(),
        }
    }

    /// Adds a row.
    fn add(&mut self, look: Look) {
        let answers = look.totals.iter().zip(&self.totals).map(|(now, before)| now.saturating_sub(*before));
        let mut numbers: Vec<u32> = answers.map(|count| u32::try_from(count).unwrap_or(u32::MAX)).collect();
        if numbers.iter().any(|count| *count > 0) {
            self.used_ms = look.now.boot_ms;
        }
        numbers.extend(&look.latency_us);
        let span_ms = u32::try_from(look.now.boot_ms.saturating_sub(self.looked_ms)).unwrap_or(u32::MAX);
        if self.rows.len() == ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back(Row { at_unix_ms: look.now.unix_ms, span_ms, numbers: numbers.into() });
        self.totals = look.totals;
        self.looked_ms = look.now.boot_ms;
    }

    /// Whether nothing was seen of it for as long as rows are kept.
    fn is_idle(&self, now: Moment) -> bool {
        let kept_ms = u64::from(EVERY_S) * 1000 * u64::try_from(ROWS).unwrap_or(u64::MAX);
        now.boot_ms.saturating_sub(self.used_ms) > kept_ms
    }
}

impl Recent {
    /// Makes room for a switch; false when there is none.
    fn begin(&mut self, name: &Arc<str>, look: &Look) -> bool {
        let cost = cost(look.totals.len());
        if self.tracks.contains_key(name) || self.reserved + cost > NUMBERS {
            return self.tracks.contains_key(name);
        }
        self.reserved += cost;
        self.tracks.insert(name.clone(), Track::new(look));
        true
    }

    fn end(&mut self, name: &str) {
        if let Some(track) = self.tracks.remove(name) {
            self.reserved -= cost(track.pools);
        }
    }

    /// Answers of one pool in the last 5 minutes.
    pub(super) fn answers(&self, switch: &str, at: usize) -> Option<u64> {
        let track = self.tracks.get(switch)?;
        let rows = track.rows.iter().rev().take(OVERVIEW_ROWS);
        Some(rows.filter_map(|row| row.numbers.get(at)).map(|count| u64::from(*count)).sum())
    }
}

/// Numbers a switch with so many pools may take: counts and latencies, and three for each row's times.
const fn cost(pools: usize) -> usize {
    ROWS * (2 * pools + 3)
}

impl Control {
    /// Looks at a tenth of the switches.
    pub(super) fn look_at_recent(&mut self, now: Moment) {
        let first = self.recent.turn;
        self.recent.turn = (first + 1) % EVERY_S;
        let count = u32::try_from(self.live.len()).unwrap_or(u32::MAX);
        for index in (first..count).step_by(EVERY_S as usize) {
            let switch = self.switch_at(index).clone();
            let pools = self.recent.tracks.get(&switch.name).map(|track| track.pools);
            if pools.is_some_and(|pools| pools != switch.pools.len()) {
                self.recent.end(&switch.name);
            }
            let Some(track) = self.recent.tracks.get_mut(&switch.name) else {
                if self.is_answered(&switch, now) {
                    let look = self.glance(&switch, now);
                    self.recent.begin(&switch.name, &look);
                }
                continue;
            };
            if track.is_idle(now) {
                self.recent.end(&switch.name);
                continue;
            }
            let look = self.glance(&switch, now);
            if let Some(track) = self.recent.tracks.get_mut(&switch.name) {
                track.add(look);
            }
        }
        if first == 0 {
            self.forget_removed();
        }
    }

    /// Gives back the room of switches that a reload removed.
    fn forget_removed(&mut self) {
        let gone: Vec<Arc<str>> =
            self.recent.tracks.keys().filter(|name| self.catalogue.index_of(name).is_none()).cloned().collect();
        for name in gone {
            self.recent.end(&name);
        }
    }

    /// Whether caches hold an answer of it, which means that somebody asked a moment ago.
    fn is_answered(&self, switch: &Switch, now: Moment) -> bool {
        switch.pools.iter().any(|pool| {
            let slot = self.slots.of(&switch.name, &pool.name).0;
            self.cells.fold_pool(slot).promised_until_ms > now.boot_ms
        })
    }

    /// One look at a switch.
    fn glance(&self, switch: &Switch, now: Moment) -> Look {
        let total = |pool: &Arc<str>| self.cells.fold_pool(self.slots.of(&switch.name, pool).0).answers;
        let latency_us = switch.pools.iter().map(|pool| {
            let seen = pool
                .members
                .iter()
                .filter_map(|member| self.watch.last_seen(&MemberKey::new(switch, pool, member)).latency_us);
            let (sum, count) = seen.fold((0, 0), |(sum, count), latency| (sum + latency, count + 1));
            u64::checked_div(sum, count).map_or(NONE, |mean| u32::try_from(mean).unwrap_or(NONE))
        });
        Look {
            totals: switch.pools.iter().map(|pool| total(&pool.name)).collect(),
            latency_us: latency_us.collect(),
            now,
        }
    }

    /// The last 15 minutes of a switch; begins to keep them when nobody had asked for it before.
    pub(super) fn recent_view(&mut self, name: &str, now: Moment) -> Result<RecentView, Rejection> {
        let index = self.catalogue.index_of(name);
        let index = index.ok_or_else(|| crate::state::apply::unknown_switch(&self.desired, name))?;
        let switch = self.switch_at(index).clone();
        let look = self.glance(&switch, now);
        let kept = self.recent.begin(&switch.name, &look);
        let track = self.recent.tracks.get_mut(&switch.name);
        let samples = track.map(|track| {
            track.used_ms = now.boot_ms;
            track.rows.iter().map(|row| sample(row, track.pools)).collect()
        });
        Ok(RecentView {
            switch: name.to_owned(),
            every_s: EVERY_S,
            kept,
            pools: switch.pools.iter().map(|pool| pool.name.to_string()).collect(),
            samples: samples.unwrap_or_default(),
        })
    }
}

/// A row as it is shown.
fn sample(row: &Row, pools: usize) -> RecentSample {
    let (answers, latency) = row.numbers.split_at(pools.min(row.numbers.len()));
    RecentSample {
        at: rfc3339(row.at_unix_ms),
        span_ms: row.span_ms,
        answers: answers.to_vec(),
        latency_us: latency.iter().map(|latency| (*latency != NONE).then_some(*latency)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(boot_ms: u64, totals: &[u64]) -> Look {
        let now = Moment { boot_ms, unix_ms: boot_ms };
        Look { totals: totals.to_vec(), latency_us: vec![NONE; totals.len()], now }
    }

    #[test]
    fn rows_hold_differences_and_the_oldest_gives_way() {
        let mut recent = Recent::default();
        let name: Arc<str> = "model".into();
        assert!(recent.begin(&name, &look(0, &[1_000, 0])));
        let track = recent.tracks.get_mut(&name).unwrap();
        for n in 1..=200 {
            track.add(look(n * 10_000, &[1_000 + 3 * n, n]));
        }
        assert_eq!(track.rows.len(), ROWS);
        let last = sample(track.rows.back().unwrap(), 2);
        assert_eq!((last.answers, last.latency_us, last.span_ms), (vec![3, 1], vec![None, None], 10_000));
        assert_eq!((recent.answers("model", 0), recent.answers("model", 1)), (Some(90), Some(30)));
        assert_eq!(recent.answers("other", 0), None);
    }

    #[test]
    fn all_switches_together_stay_below_the_bound_and_room_is_given_back() {
        let mut recent = Recent::default();
        let begun = (0..20_000).filter(|n| recent.begin(&format!("s{n}").into(), &look(0, &[0, 0]))).count();
        assert_eq!(begun, NUMBERS / cost(2));
        assert!(recent.reserved <= NUMBERS);
        recent.end("s7");
        assert!(recent.begin(&"late".into(), &look(0, &[0, 0])));
        assert!(!recent.begin(&"later".into(), &look(0, &[0, 0])));
    }

    #[test]
    fn a_switch_nobody_asks_for_or_about_is_idle_after_a_quarter_of_an_hour() {
        let mut track = Track::new(&look(0, &[5]));
        track.add(look(10_000, &[6]));
        track.add(look(20_000, &[6]));
        assert!(!track.is_idle(Moment { boot_ms: 910_000, unix_ms: 0 }));
        assert!(track.is_idle(Moment { boot_ms: 910_001, unix_ms: 0 }));
    }
}

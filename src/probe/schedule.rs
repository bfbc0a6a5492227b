//! Which probe is due when: a timer queue over targets that come and go.
//!
//! Time and draws are arguments or come from the stream it was made with; it never sleeps.

use super::plan::{Plan, Plans};
use crate::clock::Draws;
use crate::health::ProbeTarget;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// First probes of new targets are spread over at most this, so that a first round ends soon.
const FIRST_SPREAD: Duration = Duration::from_millis(250);

/// No target is probed more often than this, whatever its monitor says.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// A probe to start.
pub(super) struct Job {
    /// Names it in [`Schedule::finish`].
    pub(super) id: u64,
    /// What to probe.
    pub(super) target: ProbeTarget,
    /// Its monitor, prepared.
    pub(super) plan: Arc<Plan>,
}

/// A target on the schedule.
struct Entry {
    key: Arc<str>,
    target: ProbeTarget,
    plan: Arc<Plan>,
    /// When to probe next, once the attempt under way has ended.
    next: Instant,
}

/// The timer queue. A target is either queued or in flight, never both: attempts do not overlap.
pub(super) struct Schedule {
    entries: HashMap<u64, Entry>,
    by_key: HashMap<Arc<str>, u64>,
    /// Entries of targets that have left are dropped when they fall due.
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    plans: Plans,
    draws: Draws,
    last_id: u64,
}

impl Schedule {
    /// An empty schedule with its stream of draws.
    pub(super) fn new(draws: Draws) -> Self {
        Self {
            entries: HashMap::new(),
            by_key: HashMap::new(),
            queue: BinaryHeap::new(),
            plans: Plans::default(),
            draws,
            last_id: 0,
        }
    }

    /// Takes over a new list: targets that stay keep their turn, identical ones count once.
    pub(super) fn replace(&mut self, targets: &[ProbeTarget], now: Instant) {
        let mut by_key = HashMap::with_capacity(targets.len());
        for target in targets {
            let (fingerprint, plan) = self.plans.plan(&target.monitor);
            let key: Arc<str> = target.key_with(&fingerprint).into();
            if by_key.contains_key(&key) {
                continue;
            }
            let id = self.by_key.remove(&key).unwrap_or_else(|| self.add(key.clone(), target, plan, now));
            by_key.insert(key, id);
        }
        for gone in self.by_key.values() {
            self.entries.remove(gone);
        }
        self.by_key = by_key;
        self.plans.forget_unused();
    }

    /// The next probe that is due, the longest waiting first.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Job> {
        loop {
            let Reverse((due, id)) = *self.queue.peek()?;
            if due > now {
                return None;
            }
            self.queue.pop();
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let interval = Duration::from_millis(entry.target.monitor.interval_ms).max(SHORTEST_INTERVAL);
            entry.next = now + jittered(interval, self.draws.next_draw());
            return Some(Job { id, target: entry.target.clone(), plan: entry.plan.clone() });
        }
    }

    /// When to look again; `None` with nothing queued.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((due, _))| *due)
    }

    /// An attempt has ended: queues the next one, and names the target unless it has left.
    pub(super) fn finish(&mut self, id: u64, now: Instant) -> Option<(Arc<str>, ProbeTarget)> {
        let entry = self.entries.get(&id)?;
        self.queue.push(Reverse((entry.next.max(now), id)));
        Some((entry.key.clone(), entry.target.clone()))
    }

    fn add(&mut self, key: Arc<str>, target: &ProbeTarget, plan: Arc<Plan>, now: Instant) -> u64 {
        self.last_id += 1;
        let spread = Duration::from_millis(target.monitor.interval_ms).min(FIRST_SPREAD);
        let first = now + part_of(spread, self.draws.next_draw());
        self.entries.insert(self.last_id, Entry { key, target: target.clone(), plan, next: first });
        self.queue.push(Reverse((first, self.last_id)));
        self.last_id
    }
}

/// `interval` give or take 10 %.
fn jittered(interval: Duration, draw: u64) -> Duration {
    interval - interval / 10 + part_of(interval / 5, draw)
}

/// A part of `whole`, evenly by the draw.
fn part_of(whole: Duration, draw: u64) -> Duration {
    let micros = u64::try_from(whole.as_micros()).unwrap_or(u64::MAX / 2);
    Duration::from_micros(draw % (micros + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Monitor, MonitorKind};
    use std::net::IpAddr;

    fn target(last_octet: u8) -> ProbeTarget {
        let kind = MonitorKind::Tcp { port: 80, send: None, expect: None };
        let (interval_ms, timeout_ms, name) = (2000, 1000, "tcp".to_owned());
        let monitor =
            Monitor { name, kind, interval_ms, timeout_ms, fall: 3, rise: 5, window: None, manual_resume: false };
        ProbeTarget { address: IpAddr::from([192, 0, 2, last_octet]), monitor: Arc::new(monitor), expect_version: None }
    }

    /// Runs the schedule without sleeping: (milliseconds, target key) of each start until `until_ms`.
    fn play(schedule: &mut Schedule, start: Instant, from: Instant, until_ms: u64) -> Vec<(u128, Arc<str>)> {
        let mut started = Vec::new();
        let mut now = from;
        while let Some(due) = schedule.next_due().filter(|due| *due <= start + Duration::from_millis(until_ms)) {
            now = now.max(due);
            while let Some(job) = schedule.take_due(now) {
                let (key, _) = schedule.finish(job.id, now).unwrap();
                started.push(((now - start).as_millis(), key));
            }
        }
        started
    }

    #[tokio::test(start_paused = true)]
    async fn every_target_is_first_probed_within_a_quarter_second_and_then_on_its_interval() {
        let mut schedule = Schedule::new(Draws::seeded());
        let start = Instant::now();
        let targets: Vec<_> = (1..=50).map(target).collect();
        schedule.replace(&targets, start);
        let started = play(&mut schedule, start, start, 20_000);
        for target in &targets {
            let key = target.key();
            let times: Vec<u128> = started.iter().filter(|(_, k)| **k == *key).map(|(at, _)| *at).collect();
            assert!(times[0] <= 250, "{times:?}");
            for pair in times.windows(2) {
                assert!((1799..=2201).contains(&(pair[1] - pair[0])), "{times:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn identical_targets_are_probed_once() {
        let mut schedule = Schedule::new(Draws::seeded());
        let start = Instant::now();
        schedule.replace(&[target(1), target(1), target(2)], start);
        assert_eq!(play(&mut schedule, start, start, 250).len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_list_keeps_the_turn_of_targets_that_stay() {
        let mut schedule = Schedule::new(Draws::seeded());
        let start = Instant::now();
        schedule.replace(&[target(1), target(2)], start);
        play(&mut schedule, start, start, 300);
        let (due_before, later) = (schedule.next_due().unwrap(), start + Duration::from_millis(300));
        for _ in 0..20 {
            schedule.replace(&[target(2), target(1)], later);
        }
        assert_eq!(schedule.next_due(), Some(due_before));
        assert_eq!(schedule.queue.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_left_is_neither_probed_nor_reported() {
        let mut schedule = Schedule::new(Draws::seeded());
        let start = Instant::now();
        schedule.replace(&[target(1)], start);
        let job = schedule.take_due(start + FIRST_SPREAD).unwrap();
        schedule.replace(&[target(2)], start);
        assert!(schedule.finish(job.id, start).is_none());
        let started = play(&mut schedule, start, start, 10_000);
        assert!(started.iter().all(|(_, key)| **key == *target(2).key()));
        assert!(schedule.entries.len() == 1 && schedule.queue.len() == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_on_a_target_do_not_overlap() {
        let mut schedule = Schedule::new(Draws::seeded());
        let start = Instant::now();
        schedule.replace(&[target(1)], start);
        let job = schedule.take_due(start + FIRST_SPREAD).unwrap();
        let much_later = start + Duration::from_secs(60);
        assert!(schedule.take_due(much_later).is_none());
        schedule.finish(job.id, much_later);
        assert!(schedule.take_due(much_later).is_some());
    }
}

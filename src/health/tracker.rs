//! One probe target's verdict, from its outcomes in order (§2.2).
//!
//! ```text
//!            first outcome passed                 fall failures in a row, or k of the last n
//!  Unknown ------------------------> Up ---------------------------------------------------> Down
//!     |                              ^                                                        |
//!     |                              +-- rise successes in a row, or fewer than k of n failed -+
//!     +--- first outcome failed -------------------------------------------------------------> Down
//! ```
//!
//! With `manual_resume` the way back up stays shut until [`Tracker::resume`].

use super::{Health, Monitor, ProbeOutcome};
use crate::moment::Moment;
use std::collections::VecDeque;

/// The longest window kept, outcomes; larger ones are cut to it.
pub const LONGEST_WINDOW: usize = 1024;

/// A change of verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The verdict until now.
    pub from: Health,
    /// The new verdict.
    pub to: Health,
    /// When the deciding outcome came.
    pub at: Moment,
}

/// The running judgement on one probe target.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tracker {
    /// The judgement.
    pub(super) verdict: Health,
    /// Since when; `None` before the first outcome.
    pub(super) since: Option<Moment>,
    /// Failures in a row, the last outcome included.
    pub(super) failures: u32,
    /// Successes in a row, the last outcome included.
    pub(super) successes: u32,
    /// The last `n` outcomes (true: passed), oldest first; empty when the monitor counts rows.
    pub(super) window: VecDeque<bool>,
    /// Down under `manual_resume`, and nobody has resumed it.
    pub(super) latched: bool,
    /// It has been Up, or took over from probes that had: a restart must know it from one that never was.
    pub(super) was_up: bool,
    /// The last outcome and when it came.
    pub(super) last: Option<(ProbeOutcome, Moment)>,
}

impl Tracker {
    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Up by what other probes of the same server said until now; its own first outcome decides.
    #[must_use]
    pub fn trusting(since: Option<Moment>) -> Self {
        Self { verdict: Health::Up, since, was_up: true, ..Self::default() }
    }

    /// Takes one outcome in; a transition when it changes the verdict.
    pub fn observe(&mut self, monitor: &Monitor, outcome: &ProbeOutcome, now: Moment) -> Option<Transition> {
        let passed = outcome.passed();
        let is_first = self.last.is_none();
        self.last = Some((outcome.clone(), now));
        if passed {
            self.successes = self.successes.saturating_add(1);
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.successes = 0;
        }
        self.remember(monitor, passed);
        let to = match self.verdict {
            Health::Unknown if passed => Health::Up,
            Health::Unknown => Health::Down,
            Health::Up if self.fell(monitor) || is_first && !passed => Health::Down,
            Health::Down if !self.latched && self.rose(monitor) => Health::Up,
            unchanged => unchanged,
        };
        self.turn(to, monitor, now)
    }

    /// An operator lets a latched target come up again: at once when its outcomes already suffice,
    /// else as soon as they do.
    pub fn resume(&mut self, monitor: &Monitor, now: Moment) -> Option<Transition> {
        self.latched = false;
        if self.verdict == Health::Down && self.rose(monitor) { self.turn(Health::Up, monitor, now) } else { None }
    }

    /// The judgement.
    #[must_use]
    pub fn verdict(&self) -> Health {
        self.verdict
    }

    /// Since when it stands; `None` while Unknown.
    #[must_use]
    pub fn since(&self) -> Option<Moment> {
        self.since
    }

    /// The last outcome, with its moment.
    #[must_use]
    pub fn last(&self) -> Option<(&ProbeOutcome, Moment)> {
        self.last.as_ref().map(|(outcome, at)| (outcome, *at))
    }

    /// Failures and successes in a row; one of them is 0.
    #[must_use]
    pub fn rows(&self) -> (u32, u32) {
        (self.failures, self.successes)
    }

    /// Whether it has been Up, or took over from probes that had.
    #[must_use]
    pub fn was_up(&self) -> bool {
        self.was_up
    }

    /// It takes over from probes that have been Up; whether that is news.
    pub fn inherit_up(&mut self) -> bool {
        !std::mem::replace(&mut self.was_up, true)
    }

    /// Whether it waits for an operator (`manual_resume`).
    #[must_use]
    pub fn is_latched(&self) -> bool {
        self.latched
    }

    fn remember(&mut self, monitor: &Monitor, passed: bool) {
        let Some((_, n)) = window_of(monitor) else {
            self.window.clear();
            return;
        };
        self.window.push_back(passed);
        while self.window.len() > n {
            self.window.pop_front();
        }
    }

    fn fell(&self, monitor: &Monitor) -> bool {
        match window_of(monitor) {
            Some((k, _)) => self.failed_in_window() >= k,
            None => self.failures >= monitor.fall.max(1),
        }
    }

    /// A window speaks for Up only when it is full: "fewer than k of n" says nothing about three.
    fn rose(&self, monitor: &Monitor) -> bool {
        match window_of(monitor) {
            Some((k, n)) => self.window.len() >= n && self.failed_in_window() < k,
            None => self.successes >= monitor.rise.max(1),
        }
    }

    fn failed_in_window(&self) -> usize {
        self.window.iter().filter(|passed| !**passed).count()
    }

    fn turn(&mut self, to: Health, monitor: &Monitor, now: Moment) -> Option<Transition> {
        let from = self.verdict;
        if from == to {
            return None;
        }
        self.verdict = to;
        self.was_up |= to == Health::Up;
        self.since = Some(now);
        self.latched = to == Health::Down && monitor.manual_resume;
        Some(Transition { from, to, at: now })
    }
}

/// (k, n) of the monitor, brought into sense: 1 <= k <= n <= [`LONGEST_WINDOW`].
fn window_of(monitor: &Monitor) -> Option<(usize, usize)> {
    let (k, n) = monitor.window?;
    let n = usize::try_from(n).unwrap_or(LONGEST_WINDOW).clamp(1, LONGEST_WINDOW);
    Some((usize::try_from(k).unwrap_or(n).clamp(1, n), n))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::health::MonitorKind;
    use proptest::prelude::*;

    pub(in crate::health) fn monitor(fall: u32, rise: u32, window: Option<(u32, u32)>, manual_resume: bool) -> Monitor {
        Monitor {
            name: "tcp".into(),
            kind: MonitorKind::Tcp { port: 80, send: None, expect: None },
            interval_ms: 2000,
            timeout_ms: 1000,
            fall,
            rise,
            window,
            manual_resume,
        }
    }

    pub(in crate::health) fn outcome(passed: bool) -> ProbeOutcome {
        let failure = (!passed).then(|| "connection refused".to_owned());
        ProbeOutcome { failure, latency_us: 500, seen_version: None, certificate_days: None }
    }

    pub(in crate::health) fn at(index: usize) -> Moment {
        let ms = 2000 * index as u64;
        Moment { boot_ms: 10_000, unix_ms: 1_000_000 }.plus_ms(ms)
    }

    fn verdicts(monitor: &Monitor, outcomes: &[bool]) -> Vec<Health> {
        let mut tracker = Tracker::new();
        let observe = |(index, passed): (usize, &bool)| {
            let before = tracker.verdict();
            let transition = tracker.observe(monitor, &outcome(*passed), at(index));
            assert_eq!(transition.is_some(), before != tracker.verdict());
            tracker.verdict()
        };
        outcomes.iter().enumerate().map(observe).collect()
    }

    /// The same rules, read from the whole history each time.
    fn reference(monitor: &Monitor, outcomes: &[bool]) -> Vec<Health> {
        let mut verdicts: Vec<Health> = Vec::new();
        for end in 1..=outcomes.len() {
            let seen = &outcomes[..end];
            let row = |of: bool| seen.iter().rev().take_while(|passed| **passed == of).count();
            let (fell, rose) = match monitor.window {
                None => (row(false) >= monitor.fall as usize, row(true) >= monitor.rise as usize),
                Some((k, n)) => {
                    let recent = &seen[end.saturating_sub(n as usize)..];
                    let failed = recent.iter().filter(|passed| !**passed).count();
                    (failed >= k as usize, recent.len() == n as usize && failed < k as usize)
                }
            };
            let before = verdicts.last().copied().unwrap_or(Health::Unknown);
            verdicts.push(match before {
                Health::Unknown => [Health::Down, Health::Up][usize::from(seen[0])],
                Health::Up if fell => Health::Down,
                Health::Down if rose && !monitor.manual_resume => Health::Up,
                unchanged => unchanged,
            });
        }
        verdicts
    }

    #[test]
    fn the_first_outcome_decides() {
        assert_eq!(verdicts(&monitor(3, 5, None, false), &[true]), [Health::Up]);
        assert_eq!(verdicts(&monitor(3, 5, None, false), &[false]), [Health::Down]);
        assert_eq!(verdicts(&monitor(3, 5, Some((3, 5)), false), &[false]), [Health::Down]);
    }

    #[test]
    fn three_failures_in_a_row_take_it_down_and_two_do_not() {
        use Health::{Down, Up};
        let rows = monitor(3, 5, None, false);
        assert_eq!(verdicts(&rows, &[true, false, false, true, false, false, false]), [Up, Up, Up, Up, Up, Up, Down]);
    }

    #[test]
    fn five_successes_in_a_row_bring_it_up() {
        use Health::{Down, Up};
        let rows = monitor(3, 5, None, false);
        let outcomes = [false, true, true, true, true, false, true, true, true, true, true];
        assert_eq!(verdicts(&rows, &outcomes), [Down, Down, Down, Down, Down, Down, Down, Down, Down, Down, Up]);
    }

    #[test]
    fn what_other_probes_said_holds_until_the_first_outcome() {
        let patient = monitor(3, 2, None, false);
        for passed in [true, false] {
            let mut tracker = Tracker::trusting(Some(at(0)));
            assert_eq!((tracker.verdict(), tracker.since()), (Health::Up, Some(at(0))));
            tracker.observe(&patient, &outcome(passed), at(1));
            assert_eq!(tracker.verdict(), if passed { Health::Up } else { Health::Down });
        }
        let mut tracker = Tracker::trusting(None);
        tracker.observe(&patient, &outcome(true), at(1));
        assert_eq!(tracker.observe(&patient, &outcome(false), at(2)), None, "from the second on they count as ever");
    }

    #[test]
    fn manual_resume_keeps_it_down_until_an_operator_speaks() {
        let latched = monitor(1, 2, None, true);
        let mut tracker = Tracker::new();
        tracker.observe(&latched, &outcome(true), at(0));
        tracker.observe(&latched, &outcome(false), at(1));
        for index in 2..10 {
            assert_eq!(tracker.observe(&latched, &outcome(true), at(index)), None);
        }
        assert!(tracker.is_latched());
        let up = tracker.resume(&latched, at(10));
        assert_eq!(up, Some(Transition { from: Health::Down, to: Health::Up, at: at(10) }));
    }

    #[test]
    fn resuming_a_target_that_still_fails_waits_for_its_row_of_successes() {
        let latched = monitor(1, 2, None, true);
        let mut tracker = Tracker::new();
        tracker.observe(&latched, &outcome(false), at(0));
        assert_eq!(tracker.resume(&latched, at(1)), None);
        assert_eq!(tracker.observe(&latched, &outcome(true), at(2)), None);
        assert_eq!(tracker.observe(&latched, &outcome(true), at(3)).map(|t| t.to), Some(Health::Up));
    }

    #[test]
    fn the_last_outcome_is_kept_with_its_moment() {
        let mut tracker = Tracker::new();
        tracker.observe(&monitor(3, 5, None, false), &outcome(true), at(0));
        tracker.observe(&monitor(3, 5, None, false), &outcome(false), at(1));
        assert_eq!(tracker.last(), Some((&outcome(false), at(1))));
        assert_eq!(tracker.since(), Some(at(0)));
    }

    #[test]
    fn senseless_windows_are_brought_into_sense() {
        for window in [(0, 0), (9, 3), (0, 5), (u32::MAX, u32::MAX)] {
            verdicts(&monitor(0, 0, Some(window), false), &[true, false, true, false]);
        }
    }

    proptest! {
        #[test]
        fn rows_and_windows_agree_with_a_reference_that_reads_the_whole_history(
            fall in 1_u32..6, rise in 1_u32..6, manual in any::<bool>(),
            window in proptest::option::of((1_u32..7).prop_flat_map(|n| (1..=n, Just(n)))),
            outcomes in proptest::collection::vec(any::<bool>(), 0..80),
        ) {
            let monitor = monitor(fall, rise, window, manual);
            prop_assert_eq!(verdicts(&monitor, &outcomes), reference(&monitor, &outcomes));
        }

        #[test]
        fn the_verdict_never_flaps_inside_the_rows(
            fall in 1_u32..6, rise in 1_u32..6,
            outcomes in proptest::collection::vec(any::<bool>(), 1..120),
        ) {
            let seen = verdicts(&monitor(fall, rise, None, false), &outcomes);
            let turns: Vec<usize> = (1..seen.len()).filter(|i| seen[*i] != seen[i - 1]).collect();
            for pair in turns.windows(2) {
                let needed = if seen[pair[1]] == Health::Down { fall } else { rise };
                prop_assert!(pair[1] - pair[0] >= needed as usize);
            }
        }
    }
}

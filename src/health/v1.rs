//! How health is kept on disk, version 1: what survives a restart (§2.2).
//!
//! Moments are stored on the wall clock, since the boot clock starts anew with the machine; they are
//! brought back to both clocks on restore, so that a verdict's age goes on. Restored verdicts count
//! at once, and the next outcomes go on from the stored rows.

use super::{Health, IdleTrack, ProbeOutcome, Tracker};
use crate::moment::Moment;
use serde::{Deserialize, Serialize};

/// The version that texts of this module carry.
const VERSION: u32 = 1;

/// Why a stored text cannot be used. Whoever reads it starts that target as Unknown, and says so.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not this module's JSON.
    #[error("a stored health record cannot be read")]
    Form(#[from] serde_json::Error),
    /// Written by another version of the program.
    #[error("a stored health record has version {0}, this program reads {VERSION}")]
    Version(u32),
}

/// A tracker as the text that the store keeps under its target's key.
#[must_use]
pub fn write(tracker: &Tracker) -> String {
    serde_json::to_string(&HealthRecord::from(tracker)).expect("a record is plain data")
}

/// The tracker that [`write()`] wrote, its moments on the clocks of `now`.
///
/// # Errors
/// [`RecordError`] when the text is not of this version.
pub fn read(text: &str, now: Moment) -> Result<Tracker, RecordError> {
    let record: HealthRecord = serde_json::from_str(text)?;
    if record.version == VERSION { Ok(record.restore(now)) } else { Err(RecordError::Version(record.version)) }
}

/// One target's record; its key is stored beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthRecord {
    /// Of the form; [`read`] refuses others.
    pub version: u32,
    /// The judgement.
    pub verdict: Health,
    /// Since when, milliseconds since 1970.
    pub since_unix_ms: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
    /// Successes in a row.
    pub successes: u32,
    /// The window's outcomes, oldest first: `+` passed, `-` failed.
    #[serde(default)]
    pub window: String,
    /// Waits for an operator.
    #[serde(default)]
    pub latched: bool,
    /// It is not Up, but has been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_up: bool,
    /// The last outcome.
    #[serde(default)]
    pub last: Option<ProbeOutcome>,
    /// When it came, milliseconds since 1970.
    #[serde(default)]
    pub last_unix_ms: Option<u64>,
}

/// An idle track's record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdleRecord {
    /// The reading before the switch.
    pub baseline: Option<f64>,
    /// Readings in a row at or below the floor.
    pub in_a_row: u32,
}

impl From<&Tracker> for HealthRecord {
    fn from(tracker: &Tracker) -> Self {
        Self {
            version: VERSION,
            verdict: tracker.verdict,
            since_unix_ms: tracker.since.map(|at| at.unix_ms),
            failures: tracker.failures,
            successes: tracker.successes,
            window: tracker.window.iter().map(|passed| if *passed { '+' } else { '-' }).collect(),
            latched: tracker.latched,
            was_up: tracker.was_up && tracker.verdict != Health::Up,
            last: tracker.last.as_ref().map(|(outcome, _)| outcome.clone()),
            last_unix_ms: tracker.last.as_ref().map(|(_, at)| at.unix_ms),
        }
    }
}

impl HealthRecord {
    /// The tracker as it was, its moments on the clocks of `now`.
    #[must_use]
    pub fn restore(&self, now: Moment) -> Tracker {
        Tracker {
            verdict: self.verdict,
            since: self.since_unix_ms.map(|unix_ms| rebase(unix_ms, now)),
            failures: self.failures,
            successes: self.successes,
            window: self.window.chars().take(super::tracker::LONGEST_WINDOW).map(|c| c == '+').collect(),
            latched: self.latched,
            was_up: self.was_up || self.verdict == Health::Up,
            last: self.last.clone().zip(self.last_unix_ms.map(|unix_ms| rebase(unix_ms, now))),
        }
    }
}

impl From<&IdleTrack> for IdleRecord {
    fn from(track: &IdleTrack) -> Self {
        Self { baseline: track.baseline, in_a_row: track.in_a_row }
    }
}

impl IdleRecord {
    /// The track as it was; the last reading itself is not kept.
    #[must_use]
    pub fn restore(&self) -> IdleTrack {
        IdleTrack { baseline: self.baseline, in_a_row: self.in_a_row, last: None }
    }
}

/// A stored wall-clock time on both clocks. One in the future (the clock was set back) counts as now;
/// one before this boot has the boot's beginning.
fn rebase(unix_ms: u64, now: Moment) -> Moment {
    let age_ms = now.unix_ms.saturating_sub(unix_ms);
    Moment { boot_ms: now.boot_ms.saturating_sub(age_ms), unix_ms: unix_ms.min(now.unix_ms) }
}

#[cfg(test)]
mod tests {
    use super::super::tracker::tests::{at, monitor, outcome};
    use super::*;
    use proptest::prelude::*;

    fn through_disk(tracker: &Tracker, now: Moment) -> Tracker {
        read(&write(tracker), now).unwrap()
    }

    #[test]
    fn one_that_went_down_is_told_from_one_that_never_was_up() {
        let monitor = monitor(1, 5, None, false);
        let (mut fallen, mut new) = (Tracker::new(), Tracker::new());
        fallen.observe(&monitor, &outcome(true), at(0));
        for tracker in [&mut fallen, &mut new] {
            tracker.observe(&monitor, &outcome(false), at(1));
        }
        assert_eq!((fallen.verdict(), new.verdict()), (Health::Down, Health::Down));
        assert_eq!((through_disk(&fallen, at(2)).was_up(), through_disk(&new, at(2)).was_up()), (true, false));
    }

    #[test]
    fn a_verdict_and_its_age_survive_a_reboot() {
        let mut tracker = Tracker::new();
        tracker.observe(&monitor(3, 5, None, false), &outcome(true), Moment { boot_ms: 900_000, unix_ms: 5_000_000 });
        let rebooted = Moment { boot_ms: 20_000, unix_ms: 5_060_000 };
        let restored = through_disk(&tracker, rebooted);
        assert_eq!(restored.verdict(), Health::Up);
        assert_eq!(restored.since(), Some(Moment { boot_ms: 0, unix_ms: 5_000_000 }));
    }

    #[test]
    fn a_wall_clock_set_back_makes_the_age_zero_and_not_huge() {
        let mut tracker = Tracker::new();
        tracker.observe(&monitor(3, 5, None, false), &outcome(true), Moment { boot_ms: 900_000, unix_ms: 5_000_000 });
        let now = Moment { boot_ms: 901_000, unix_ms: 4_000_000 };
        assert_eq!(through_disk(&tracker, now).since(), Some(now));
    }

    #[test]
    fn the_stored_form_is_stable() {
        let mut tracker = Tracker::new();
        tracker.observe(&monitor(3, 5, Some((1, 2)), true), &outcome(false), at(0));
        assert_eq!(
            write(&tracker),
            r#"{"version":1,"verdict":"down","since_unix_ms":1000000,"failures":1,"successes":0,"window":"-","latched":true,"last":{"failure":"connection refused","latency_us":500,"seen_version":null,"certificate_days":null},"last_unix_ms":1000000}"#
        );
    }

    #[test]
    fn texts_of_other_versions_and_nonsense_are_refused() {
        let text = write(&Tracker::new());
        assert!(read(&text, at(0)).is_ok());
        assert!(matches!(read(&text.replace("\"version\":1", "\"version\":2"), at(0)), Err(RecordError::Version(2))));
        assert!(matches!(read("{}", at(0)), Err(RecordError::Form(_))));
        assert!(matches!(read(&text[..20], at(0)), Err(RecordError::Form(_))));
    }

    proptest! {
        #[test]
        fn a_restart_in_the_middle_changes_no_later_verdict(
            outcomes in proptest::collection::vec(any::<bool>(), 1..40), cut in 0_usize..40,
            window in proptest::option::of((1_u32..7).prop_flat_map(|n| (1..=n, Just(n)))), manual in any::<bool>(),
        ) {
            let monitor = monitor(3, 5, window, manual);
            let (mut whole, mut cut_short) = (Tracker::new(), Tracker::new());
            for (index, passed) in outcomes.iter().enumerate() {
                if index == cut {
                    cut_short = through_disk(&cut_short, at(index));
                }
                let expected = whole.observe(&monitor, &outcome(*passed), at(index));
                prop_assert_eq!(cut_short.observe(&monitor, &outcome(*passed), at(index)), expected);
            }
            prop_assert_eq!(cut_short.since().map(|s| s.unix_ms), whole.since().map(|s| s.unix_ms));
            prop_assert_eq!(cut_short.was_up(), whole.was_up());
        }
    }
}

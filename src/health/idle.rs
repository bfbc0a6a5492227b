//! Whether an old side is idle, from its readings in order (§4.2).
//!
//! While the pool serves, readings teach the baseline; afterwards readings at or below the floor
//! count in a row. Whatever is no honest number is never idle.

use super::IdleReading;
use crate::moment::Moment;

/// The default floor as a share of the baseline (0.1 %).
pub const FLOOR_SHARE: f64 = 0.001;

/// The running judgement on one pool's idle readings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IdleTrack {
    /// The reading before the switch, smoothed; `None` when the pool was never read while serving.
    pub baseline: Option<f64>,
    /// Readings in a row at or below the floor.
    pub in_a_row: u32,
    /// The last reading, or why there is none, and when.
    pub last: Option<(Result<f64, String>, Moment)>,
}

impl IdleTrack {
    /// A reading while the pool has weight: moves the baseline a quarter of the way, so that one
    /// odd second does not set the floor.
    pub fn learn(&mut self, value: &Result<f64, String>, at: Moment) {
        self.in_a_row = 0;
        if let Ok(value) = honest(value) {
            self.baseline = Some(self.baseline.map_or(value, |baseline| baseline + (value - baseline) / 4.0));
        }
        self.last = Some((value.clone(), at));
    }

    /// A reading after the switch; whether the old side is idle. A failed one breaks the row.
    pub fn observe(&mut self, reading: &IdleReading, value: &Result<f64, String>, at: Moment) -> bool {
        let below = match (honest(value), self.floor(reading)) {
            (Ok(value), Some(floor)) => value <= floor,
            _ => false,
        };
        self.in_a_row = if below { self.in_a_row.saturating_add(1) } else { 0 };
        self.last = Some((value.clone(), at));
        self.is_idle(reading)
    }

    /// At most this is idle; `None` without a configured floor and without a baseline.
    #[must_use]
    pub fn floor(&self, reading: &IdleReading) -> Option<f64> {
        reading.floor.or_else(|| self.baseline.map(|baseline| baseline * FLOOR_SHARE))
    }

    /// Whether enough readings in a row were at or below the floor.
    #[must_use]
    pub fn is_idle(&self, reading: &IdleReading) -> bool {
        self.in_a_row >= reading.readings.max(1)
    }

    /// Why it is not idle, for people; `None` when it is.
    #[must_use]
    pub fn why_not(&self, reading: &IdleReading) -> Option<String> {
        if self.is_idle(reading) {
            return None;
        }
        let wanted = reading.readings.max(1);
        Some(match (self.last.as_ref().map(|(value, _)| honest(value)), self.floor(reading)) {
            (None, _) => "no idle reading yet".to_owned(),
            (Some(Err(problem)), _) => format!("idle reading failed: {problem}"),
            (Some(Ok(_)), None) => "no reading from before the switch to compare with: set idle.floor".to_owned(),
            (Some(Ok(value)), Some(floor)) if value > floor => {
                format!("still busy: reads {value}, idle is at most {floor}")
            }
            _ => format!("{} of {wanted} readings in a row are idle", self.in_a_row),
        })
    }
}

/// The number, if it is one that can mean load: finite and not negative.
fn honest(value: &Result<f64, String>) -> Result<f64, String> {
    match value {
        Ok(value) if value.is_finite() && *value >= 0.0 => Ok(*value),
        Ok(value) => Err(format!("{value} is no load")),
        Err(problem) => Err(problem.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{IdleSource, Number};
    use proptest::prelude::*;

    fn reading(floor: Option<f64>) -> IdleReading {
        IdleReading {
            source: IdleSource::Url {
                url: "http://{address}/metrics".into(),
                number: Number::Regex("in_flight ([0-9.]+)".into()),
                counter: false,
            },
            floor,
            readings: 3,
            interval_ms: 10_000,
            timeout_ms: 2_000,
        }
    }

    const NOW: Moment = Moment { boot_ms: 1, unix_ms: 1 };

    #[test]
    fn three_readings_in_a_row_at_the_floor_are_idle() {
        let mut track = IdleTrack { baseline: Some(1000.0), ..IdleTrack::default() };
        assert!(!track.observe(&reading(None), &Ok(1.0), NOW));
        assert!(!track.observe(&reading(None), &Ok(0.5), NOW));
        assert_eq!(track.why_not(&reading(None)).as_deref(), Some("2 of 3 readings in a row are idle"));
        assert!(track.observe(&reading(None), &Ok(0.0), NOW));
        assert!(!track.observe(&reading(None), &Ok(1.1), NOW));
        assert_eq!(track.why_not(&reading(None)).as_deref(), Some("still busy: reads 1.1, idle is at most 1"));
    }

    #[test]
    fn a_failed_reading_breaks_the_row() {
        let mut track = IdleTrack::default();
        for _ in 0..2 {
            track.observe(&reading(Some(0.0)), &Ok(0.0), NOW);
        }
        assert!(!track.observe(&reading(Some(0.0)), &Err("connection refused".into()), NOW));
        assert_eq!(track.in_a_row, 0);
    }

    #[test]
    fn without_floor_and_baseline_nothing_is_idle() {
        let mut track = IdleTrack::default();
        for _ in 0..10 {
            assert!(!track.observe(&reading(None), &Ok(0.0), NOW));
        }
        assert!(track.why_not(&reading(None)).is_some_and(|why| why.contains("set idle.floor")));
    }

    #[test]
    fn the_baseline_is_learnt_while_serving_and_bad_numbers_teach_nothing() {
        let mut track = IdleTrack::default();
        track.learn(&Ok(100.0), NOW);
        track.learn(&Ok(200.0), NOW);
        track.learn(&Ok(f64::NAN), NOW);
        track.learn(&Ok(f64::INFINITY), NOW);
        track.learn(&Err("timed out".into()), NOW);
        assert_eq!(track.baseline, Some(125.0));
    }

    proptest! {
        #[test]
        fn what_is_no_load_is_never_idle(bad in prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), -1e9..-1e-9_f64,
        ], floor in proptest::option::of(0.0..1e9_f64)) {
            let mut track = IdleTrack { baseline: Some(1e12), ..IdleTrack::default() };
            for _ in 0..5 {
                prop_assert!(!track.observe(&reading(floor), &Ok(bad), NOW));
            }
        }
    }
}

//! Evidence per metric and pool since the settle window of the step, and what is let in (§5.4).
//!
//! Bounded: a reservoir of values per series, a fixed number of series, a window of sample ids.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

/// Values kept of one series; beyond it each new one replaces a kept one by chance, so that the kept
/// ones stay a fair draw (Vitter 1985, algorithm R).
pub const RESERVOIR: usize = 4096;

/// Series kept of one rollout.
pub const MAX_SERIES: usize = 256;

/// Ids remembered to know a duplicate.
pub const MAX_IDS: usize = 65_536;

/// A sample this far ahead of the server's clock is refused, milliseconds.
pub const FUTURE_MS: u64 = 60_000;

/// One thing that was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric.
    pub metric: Arc<str>,
    /// The pool it was measured on.
    pub pool: Arc<str>,
    /// When, wall clock, milliseconds; `None`: as it arrives.
    pub at_unix_ms: Option<u64>,
    /// The sender's own id for it: a second one with the same id is dropped.
    pub id: Option<String>,
    /// What.
    pub value: SampleValue,
}

/// A value, or a count within a total.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleValue {
    /// One number: a latency, a score.
    Value(f64),
    /// So many of so many: errors of requests.
    Count {
        /// How many.
        count: f64,
        /// Of how many.
        total: f64,
    },
}

/// Everything a step knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    series: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Series>>,
    sources: BTreeMap<Arc<str>, SourceState>,
}

/// One metric of one pool.
#[derive(Debug, Clone, PartialEq)]
pub enum Series {
    /// Numbers.
    Values(Values),
    /// Counts within totals.
    Counts {
        /// Sum of counts.
        count: f64,
        /// Sum of totals.
        total: f64,
    },
}

/// Numbers: their moments, and a fair draw of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    /// How many there were.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared deviations from the mean (Welford 1962).
    pub m2: f64,
    /// At most [`RESERVOIR`] of them.
    pub kept: Vec<f64>,
}

/// How a source of a metric fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceState {
    /// Errors since the last answer.
    pub errors_in_a_row: u32,
    /// The last error.
    pub error: Option<String>,
}

impl Values {
    /// Takes a finite number in.
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        #[allow(clippy::cast_precision_loss)] // exact below 2^53 samples
        let n = self.n as f64;
        let delta = value - self.mean;
        self.mean += delta / n;
        self.m2 += delta * (value - self.mean);
        if self.kept.len() < RESERVOIR {
            self.kept.push(value);
            return;
        }
        // The place is drawn from the count alone: deterministic, and unrelated to the values.
        let place = scatter(self.n) % self.n;
        if let Some(slot) = usize::try_from(place).ok().and_then(|place| self.kept.get_mut(place)) {
            *slot = value;
        }
    }

    /// The unbiased variance; `None` below two values.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss)] // as above
        (self.n >= 2).then(|| self.m2 / (self.n - 1) as f64)
    }
}

/// A well-mixed number from a counter (splitmix64, Steele, Lea and Flood 2014).
const fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Evidence {
    /// Adds what was measured; false when there is no room for another series, or a metric changes its kind.
    pub fn add(&mut self, metric: &Arc<str>, pool: &Arc<str>, value: SampleValue) -> bool {
        let known = self.series.get(metric).is_some_and(|pools| pools.contains_key(pool));
        if !known && self.series.values().map(BTreeMap::len).sum::<usize>() >= MAX_SERIES {
            return false;
        }
        let fresh = || match value {
            SampleValue::Value(_) => Series::Values(Values::default()),
            SampleValue::Count { .. } => Series::Counts { count: 0.0, total: 0.0 },
        };
        let series = self.series.entry(metric.clone()).or_default().entry(pool.clone()).or_insert_with(fresh);
        match (series, value) {
            (Series::Values(values), SampleValue::Value(value)) => values.push(value),
            (Series::Counts { count, total }, SampleValue::Count { count: more, total: of }) => {
                *count += more;
                *total += of;
            }
            _ => return false,
        }
        true
    }

    /// What is known of a metric on a pool.
    #[must_use]
    pub fn series(&self, metric: &str, pool: &str) -> Option<&Series> {
        self.series.get(metric)?.get(pool)
    }

    /// Notes whether a source answered.
    pub fn source_answered(&mut self, metric: &Arc<str>, outcome: Result<(), String>) {
        let state = self.sources.entry(metric.clone()).or_default();
        match outcome {
            Ok(()) => *state = SourceState::default(),
            Err(error) => {
                state.errors_in_a_row = state.errors_in_a_row.saturating_add(1);
                state.error = Some(error);
            }
        }
    }

    /// How the source of a metric fares.
    #[must_use]
    pub fn source(&self, metric: &str) -> Option<&SourceState> {
        self.sources.get(metric)
    }

    /// Forgets what was measured, for a new step; what is known of the sources stays.
    pub fn clear(&mut self) {
        self.series.clear();
    }
}

/// Why a sample was not taken.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Dropped {
    /// Measured before the evidence of this step counts.
    Late,
    /// Dated later than the server's clock allows.
    Future,
    /// Its id was seen before.
    Duplicate,
    /// Not a finite number, a negative count, more counted than there were.
    Absurd,
    /// No running rollout looks at this metric of this pool.
    Unwanted,
    /// No room for another series, or the metric changes its kind.
    NoRoom,
}

/// The door samples come in by.
#[derive(Debug, Clone, Default)]
pub struct Intake {
    ids: HashSet<u64>,
    order: VecDeque<u64>,
    /// How many were dropped, by reason.
    pub dropped: BTreeMap<Dropped, u64>,
    /// How many were taken.
    pub taken: u64,
}

impl Intake {
    /// Judges a sample; evidence counts `since` (wall clock, milliseconds).
    ///
    /// # Errors
    /// Why it is not taken; counted.
    pub fn judge(&mut self, sample: &Sample, since_unix_ms: u64, now_unix_ms: u64) -> Result<(), Dropped> {
        let verdict = self.look(sample, since_unix_ms, now_unix_ms);
        match verdict {
            Ok(()) => self.taken += 1,
            Err(why) => self.count(why),
        }
        verdict
    }

    /// Counts a sample that was dropped elsewhere.
    pub fn count(&mut self, why: Dropped) {
        *self.dropped.entry(why).or_default() += 1;
    }

    fn look(&mut self, sample: &Sample, since_unix_ms: u64, now_unix_ms: u64) -> Result<(), Dropped> {
        if !is_sane(sample.value) {
            return Err(Dropped::Absurd);
        }
        let at = sample.at_unix_ms.unwrap_or(now_unix_ms);
        if at > now_unix_ms.saturating_add(FUTURE_MS) {
            return Err(Dropped::Future);
        }
        if at < since_unix_ms {
            return Err(Dropped::Late);
        }
        let Some(id) = &sample.id else { return Ok(()) };
        let hash = fnv(id.as_bytes());
        if !self.ids.insert(hash) {
            return Err(Dropped::Duplicate);
        }
        self.order.push_back(hash);
        if self.order.len() > MAX_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        Ok(())
    }
}

/// Whether a number could have been measured.
fn is_sane(value: SampleValue) -> bool {
    /// Beyond it sums lose their last digits.
    const LARGEST: f64 = 1e15;
    match value {
        SampleValue::Value(value) => value.is_finite() && value.abs() <= LARGEST,
        SampleValue::Count { count, total } => {
            count.is_finite() && total.is_finite() && count >= 0.0 && total > 0.0 && count <= total && total <= LARGEST
        }
    }
}

/// FNV-1a, 64 bits: ids come from tokens' holders, and a collision only drops a sample.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

//! The ledger's form on disk, version 1: JSON, never the live types.
//!
//! Times are boot-clock milliseconds of the boot named; a member that left keeps its own bound.

use super::holds::Hold;
use super::ledger::{Ledger, MemberFacts};
use super::rows::{Bound, Entry, SwitchRows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

/// A ledger as saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// 1.
    pub version: u32,
    /// The boot whose clock the times are on.
    pub boot_id: String,
    /// The last heartbeat, on that clock.
    pub beat_boot_ms: i64,
    /// Written when the process ended in good order ([`Ledger::close`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clean: bool,
    /// Stands for one that is not to be had: every pool counts as answered until now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// Pools that secondaries may still answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Every pool with something to remember; where the form is saved in parts, those of no part.
    #[serde(default)]
    pub pools: Vec<PoolImage>,
}

/// One pool as saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolImage {
    /// The switch.
    pub switch: Arc<str>,
    /// The pool.
    pub pool: Arc<str>,
    /// Its promises.
    #[serde(flatten)]
    pub bound: BoundImage,
    /// End of the last promise under a pin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins_until: Option<i64>,
    /// Whether a restart has to assume that it was answered to the end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Whom its answers may name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberFacts>,
    /// Members that left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftImage>,
}

/// A member that left, as saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftImage {
    /// Who.
    #[serde(flatten)]
    pub member: MemberFacts,
    /// The pool's promises when it left.
    #[serde(flatten)]
    pub bound: BoundImage,
}

/// Promises as saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundImage {
    /// End of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Length of the longest, milliseconds.
    pub promise_ms: u64,
    /// Watched this long after, milliseconds.
    pub tail_ms: u64,
}

/// A text that is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Not this form at all.
    #[error("the drain ledger on disk cannot be read")]
    Form(#[from] serde_json::Error),
    /// Written by a later version of this program.
    #[error("the drain ledger on disk has version {0}, this program reads version 1")]
    Version(u32),
}

impl Image {
    /// Reads what [`Image::to_text`] wrote.
    ///
    /// # Errors
    /// When the text is something else. Starting from [`Image::lost`] is safe then, and late.
    pub fn from_text(text: &str) -> Result<Self, ImageError> {
        let image: Self = serde_json::from_str(text)?;
        if image.version == 1 { Ok(image) } else { Err(ImageError::Version(image.version)) }
    }

    /// Stands for an image that existed and is not to be had.
    #[must_use]
    pub fn lost() -> Self {
        Self {
            version: 1,
            boot_id: String::new(),
            beat_boot_ms: 0,
            clean: false,
            lost: true,
            holds: Vec::new(),
            pools: Vec::new(),
        }
    }

    /// Adds rows of switches, as [`Ledger::take_unsaved`] gave them.
    ///
    /// # Errors
    /// When a text is something else.
    pub fn with_rows<'t>(mut self, rows: impl IntoIterator<Item = &'t str>) -> Result<Self, ImageError> {
        for text in rows {
            let mut pools: Vec<PoolImage> = serde_json::from_str(text)?;
            self.pools.append(&mut pools);
        }
        Ok(self)
    }

    /// One line of JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a ledger image is plain data")
    }

    /// The form of a ledger.
    pub(super) fn of(ledger: &Ledger) -> Self {
        let pools = ledger.switches.iter().flat_map(|(switch, rows)| rows.images(switch, ledger.closed));
        Self { pools: pools.collect(), ..Self::head_of(ledger) }
    }

    /// The form without the pools.
    pub(super) fn head_of(ledger: &Ledger) -> Self {
        Self {
            version: 1,
            boot_id: ledger.boot_id.clone(),
            beat_boot_ms: ledger.beat,
            clean: ledger.closed,
            lost: false,
            holds: ledger.holds.holds.clone(),
            pools: Vec::new(),
        }
    }

    /// The ledger as the old process had it, on its clock.
    pub(super) fn into_ledger(self) -> Ledger {
        let mut switches: BTreeMap<Arc<str>, SwitchRows> = BTreeMap::new();
        for row in self.pools {
            let entry = switches.entry(row.switch).or_default().entry(&row.pool);
            entry.bound = row.bound.into();
            entry.set_pins_until(row.pins_until);
            entry.open_in = row.open.then_some(NonZeroU64::MIN);
            entry.newest_promise_ms = row.bound.promise_ms;
            entry.set_members(row.members);
            entry.set_left(row.left.into_iter().map(|left| (left.member, left.bound.into())).collect());
        }
        let mut ledger = Ledger::empty(&self.boot_id, self.beat_boot_ms);
        ledger.switches = switches;
        ledger.holds.holds = self.holds;
        ledger
    }
}

/// The rows of one switch: one line of JSON.
pub(super) fn rows_text(switch: &Arc<str>, rows: &SwitchRows, closed: bool) -> String {
    let images: Vec<PoolImage> = rows.images(switch, closed).collect();
    serde_json::to_string(&images).expect("a ledger image is plain data")
}

impl SwitchRows {
    fn images<'r>(&'r self, switch: &'r Arc<str>, closed: bool) -> impl Iterator<Item = PoolImage> + 'r {
        self.iter().map(move |entry| PoolImage::of(switch, entry, closed))
    }
}

impl PoolImage {
    fn of(switch: &Arc<str>, entry: &Entry, closed: bool) -> Self {
        let left =
            |(member, bound): (&MemberFacts, &Bound)| LeftImage { member: member.clone(), bound: (*bound).into() };
        Self {
            switch: Arc::clone(switch),
            pool: Arc::clone(&entry.pool),
            bound: entry.bound.into(),
            pins_until: entry.pins_until(),
            open: if closed { entry.answered_in.is_some() } else { entry.open_in.is_some() },
            members: entry.members().collect(),
            left: entry.left().iter().map(left).collect(),
        }
    }
}

impl From<Bound> for BoundImage {
    fn from(bound: Bound) -> Self {
        Self { until: bound.until, promise_ms: bound.promise_ms, tail_ms: bound.tail_ms }
    }
}

impl From<BoundImage> for Bound {
    fn from(image: BoundImage) -> Self {
        Self { until: image.until, promise_ms: image.promise_ms, tail_ms: image.tail_ms }
    }
}

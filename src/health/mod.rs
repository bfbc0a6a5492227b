//! Probe outcomes to verdicts: fall and rise, windows, quorum of a pool.
//!
//! Pure: outcomes and moments come in, verdicts go out. Never probes, never reads a clock.

pub mod hold;
pub mod idle;
pub mod judgement;
pub mod monitor;
pub mod tracker;
pub mod v1;

pub use hold::{Override, OverrideKind};
pub use idle::IdleTrack;
pub use judgement::{eligible, pool_eligible, worst};
pub use monitor::{GrpcCheck, HttpCheck, IdleReading, IdleSource, Monitor, MonitorKind, Number, Trust};
pub use tracker::{Tracker, Transition};

use crate::moment::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// The judgement on a member, from all its monitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Passed enough.
    Up,
    /// Failed enough.
    Down,
    /// No outcome yet.
    #[default]
    Unknown,
}

/// One thing to probe: identical ones are probed once, whichever switches ask for them (§2.2).
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeTarget {
    /// The address to connect to.
    pub address: IpAddr,
    /// What to do there.
    pub monitor: Arc<Monitor>,
    /// The version the reply must show, when the monitor checks identity.
    pub expect_version: Option<Arc<str>>,
}

impl ProbeTarget {
    /// A stable text that is equal exactly for identical probes; keys health on disk and in memory.
    #[must_use]
    pub fn key(&self) -> String {
        self.key_with(&self.monitor.fingerprint())
    }

    /// [`Self::key`] with the monitor's fingerprint at hand, for those who key thousands of targets
    /// of one monitor.
    #[must_use]
    pub fn key_with(&self, fingerprint: &str) -> String {
        match &self.expect_version {
            Some(version) => format!("{} {version:?} {fingerprint}", self.address),
            None => format!("{} - {fingerprint}", self.address),
        }
    }
}

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeOutcome {
    /// `None`: passed; otherwise what went wrong, in words an operator can act on.
    pub failure: Option<String>,
    /// Time from the first connect to the verdict, microseconds.
    pub latency_us: u64,
    /// The version the reply showed, when the monitor looks for one.
    pub seen_version: Option<String>,
    /// Days the certificate still lasts, when TLS was spoken.
    pub certificate_days: Option<i64>,
}

impl ProbeOutcome {
    /// Whether the attempt found what its monitor wants.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// One attempt's result on its way from `probe` to `control`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeReport {
    /// [`ProbeTarget::key`].
    pub target_key: Arc<str>,
    /// What was probed.
    pub target: ProbeTarget,
    /// What came back.
    pub outcome: ProbeOutcome,
    /// When the verdict on the attempt was known.
    pub at: Moment,
}

/// A pool whose idle reading is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct IdleTask {
    /// The switch.
    pub switch: Arc<str>,
    /// Its pool.
    pub pool: Arc<str>,
    /// What to read.
    pub reading: Arc<IdleReading>,
    /// The members, for `{address}` of a URL and `{addresses}` of a query.
    pub addresses: Arc<[IpAddr]>,
}

/// One reading's result on its way from `evidence` to `control`.
#[derive(Debug, Clone, PartialEq)]
pub struct IdleReport {
    /// The switch.
    pub switch: Arc<str>,
    /// Its pool.
    pub pool: Arc<str>,
    /// The number (per second for a counter), or why there is none.
    pub value: Result<f64, String>,
    /// When it was read.
    pub at: Moment,
}

//! Probe outcomes to verdicts: fall and rise, windows, quorum of a pool.
//!
//! Pure: outcomes and moments come in, verdicts go out. Never probes, never reads a clock.

pub mod monitor;

pub use monitor::{HttpCheck, IdleReading, Monitor, MonitorKind, Number};

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// The judgement on a member, from all its monitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
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
        format!("{} {} {:?}", self.address, self.monitor.fingerprint(), self.expect_version.as_deref().unwrap_or(""))
    }
}

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

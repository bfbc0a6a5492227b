//! What only control knows of one scrape: plain values, filled by `app`.

use super::super::process::ProcessFigures;
use std::sync::Arc;

/// The states of a drain, in order (§4.2).
pub const DRAIN_STATES: [&str; 5] = ["serving", "draining", "dns-drained", "tail", "drained"];

/// What only control knows.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Version of the program.
    pub version: String,
    /// Start of the process, seconds since 1970.
    pub start_time_s: u64,
    /// What the operating system says of the process.
    pub process: Option<ProcessFigures>,
    /// Revision of the desired state that is answered from.
    pub revision: u64,
    /// Views published since the start.
    pub snapshots: u64,
    /// Connections open at the moment.
    pub connections: usize,
    /// Whether the state store can be written.
    pub store_up: bool,
    /// Store operations that failed.
    pub store_errors: u64,
    /// One row per database of networks.
    pub geo: Vec<GeoGauges>,
    /// Whether newer databases are refused.
    pub geo_refused: bool,
    /// What happened in the room of transfers, by label.
    pub transfers: Vec<(&'static str, u64)>,
    /// Copies for dnstap, where that is on.
    pub dnstap: Option<DnstapGauges>,
    /// One row per secondary of a zone.
    pub secondaries: Vec<SecondaryGauges>,
    /// One row per zone that is a copy.
    pub copies: Vec<CopyGauges>,
    /// One row per kind of webhook that was called.
    pub hooks: Vec<HookCounters>,
    /// One row per certificate.
    pub certificates: Vec<CertificateGauges>,
    /// One row per switch.
    pub switches: Vec<SwitchGauges>,
}

/// What became of copies for dnstap.
#[derive(Debug, Clone, Copy, Default)]
pub struct DnstapGauges {
    /// Messages written to the reader.
    pub sent: u64,
    /// Messages lost.
    pub dropped: u64,
    /// Whether a reader is connected.
    pub connected: bool,
}

/// One secondary of a zone.
#[derive(Debug, Clone, Default)]
pub struct SecondaryGauges {
    /// The zone.
    pub zone: String,
    /// Its address.
    pub address: String,
    /// The serial it showed last.
    pub serial: Option<u32>,
    /// How many serials it is behind.
    pub behind: Option<u32>,
}

/// A zone that is a copy.
#[derive(Debug, Clone, Default)]
pub struct CopyGauges {
    /// The zone.
    pub zone: String,
    /// Whether it is served.
    pub served: bool,
    /// When a primary confirmed it last, seconds since 1970; 0: never.
    pub confirmed_s: f64,
    /// Until when it is good, seconds since 1970; 0 while it is not served.
    pub good_until_s: f64,
}

/// One certificate.
#[derive(Debug, Clone, Default)]
pub struct CertificateGauges {
    /// The table of the server's file that names it, such as `dot`.
    pub used_by: &'static str,
    /// The end of its validity, seconds since 1970.
    pub expires_s: u64,
    /// Whether newer files are refused.
    pub refused: bool,
}

/// One database of networks.
#[derive(Debug, Clone, Default)]
pub struct GeoGauges {
    /// `country` or `asn`.
    pub kind: String,
    /// When it was built, seconds since 1970.
    pub built_s: u64,
}

/// One kind of webhook.
#[derive(Debug, Clone, Default)]
pub struct HookCounters {
    /// Such as `on-draining`.
    pub kind: &'static str,
    /// Answered with 2xx.
    pub sent: u64,
    /// Given up.
    pub failed: u64,
    /// Never tried.
    pub dropped: u64,
}

/// One switch.
#[derive(Debug, Clone, Default)]
pub struct SwitchGauges {
    /// Its name.
    pub name: Arc<str>,
    /// Whether the fallback answers.
    pub fallback: bool,
    /// TTL of answers at the moment, seconds.
    pub ttl_s: u32,
    /// The phase of its rollout, if it has one.
    pub rollout_phase: Option<&'static str>,
    /// Its canary's share, where that is measured.
    pub rollout_share: Option<ShareGauges>,
    /// Its pools.
    pub pools: Vec<PoolGauges>,
}

/// A canary's share, as it is measured; shares from 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShareGauges {
    /// Asked for.
    pub target: f64,
    /// Of answers.
    pub answers: Option<f64>,
    /// Of distinct clients.
    pub clients: Option<f64>,
    /// Of requests.
    pub requests: Option<f64>,
    /// How many equal clients would stray as much.
    pub effective: Option<f64>,
    /// The sample-ratio test.
    pub p: Option<f64>,
}

/// One pool.
#[derive(Debug, Clone, Default)]
pub struct PoolGauges {
    /// Its name.
    pub name: Arc<str>,
    /// The slot its answers are counted under.
    pub slot: u32,
    /// Weight in force.
    pub weight: u32,
    /// Whether it may be answered with.
    pub eligible: bool,
    /// One of [`DRAIN_STATES`].
    pub drain_state: &'static str,
    /// Until the last promise has expired, seconds.
    pub drain_remaining_s: f64,
    /// Whether it may be closed.
    pub safe_to_close: bool,
    /// Members that come by themselves; `None` where none may.
    pub guests: Option<GuestGauges>,
    /// Its members.
    pub members: Vec<MemberGauges>,
}

/// Members of a pool that come by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuestGauges {
    /// How many there are.
    pub count: u32,
    /// How many of them are kept without a heartbeat.
    pub stale: u32,
    /// Whether the last look in DNS failed.
    pub discovery_failing: bool,
}

/// One member.
#[derive(Debug, Clone, Default)]
pub struct MemberGauges {
    /// Its name.
    pub name: Arc<str>,
    /// Up, down, or not known yet.
    pub up: Option<bool>,
    /// Probes that passed.
    pub probes_passed: u64,
    /// Probes that failed.
    pub probes_failed: u64,
    /// Duration of the last probe that passed, seconds.
    pub probe_s: Option<f64>,
}

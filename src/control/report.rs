//! What operators see: plain data, the same for the API, the CLI and the dashboard.

use crate::health::{Health, Override};
use crate::rollout::{Entry, GateVerdict};
use crate::store::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use super::alarm::{About, Alarm};
pub use super::rollout_report::{RolloutView, SamplesTaken};
pub use super::zone_report::{CopyView, GeoView, SecondaryView, ZoneView};
pub use crate::drain::DrainReport;

/// Everything there is to see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The state's revision.
    pub revision: u64,
    /// The number of the published snapshot.
    pub snapshot: u64,
    /// When this process started (RFC 3339).
    pub started_at: String,
    /// How the store is.
    pub store: Condition,
    /// Store operations that failed since the start.
    pub store_errors: u64,
    /// What needs attention, worst first, each a sentence.
    pub alarms: Vec<Alarm>,
    /// Apex and served SOA serial.
    pub zones: Vec<ZoneView>,
    /// The databases that rules by country and system go by.
    #[serde(default)]
    pub geo: Vec<GeoView>,
    /// Why newer databases are not used; answers go on by these.
    #[serde(default)]
    pub geo_refused: Option<String>,
    /// Sorted by name.
    pub switches: Vec<SwitchView>,
}

/// One switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchView {
    /// The name.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// The steered names.
    pub owners: Vec<String>,
    /// `sticky`, `random`, `failover` or `fixed`.
    pub policy: crate::steering::Policy,
    /// The TTL of answers, seconds.
    pub ttl_s: u32,
    /// Why it is that.
    pub ttl_cause: String,
    /// The revision that last touched it.
    pub revision: u64,
    /// When its weights last changed (RFC 3339).
    pub changed_at: Option<String>,
    /// The fallback rule, in words.
    pub fallback: String,
    /// The fallback is answering clients: [`SwitchView::fallback_cause`] says why.
    pub fallback_in_use: bool,
    /// While prepared: when it lapses (RFC 3339).
    pub prepared_until: Option<String>,
    /// While prepared: how long until every longer-lived answer is gone, milliseconds.
    pub prepared_in_ms: Option<u64>,
    /// What `undo` would return to.
    pub previous: Option<BTreeMap<String, u16>>,
    /// Where run-time state differs from the files, each a sentence.
    pub differs: Vec<String>,
    /// The rollout that runs, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Box<RolloutView>>,
    /// In the order of the file.
    pub pools: Vec<PoolView>,
}

impl SwitchView {
    /// Why the fallback answers clients, if it does.
    #[must_use]
    pub fn fallback_cause(&self) -> Option<String> {
        let alone = self.pools.iter().find(|pool| pool.weight > 0 && pool.eligible);
        self.fallback_in_use.then(|| match alone {
            None => "no pool with weight is eligible".to_owned(),
            Some(pool) => {
                format!("pool {} gets no more than its share, and no other pool with weight is eligible", pool.name)
            }
        })
    }
}

/// One pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolView {
    /// The name.
    pub name: String,
    /// 0..10000.
    pub weight: u16,
    /// Its weight over the sum, percent with two decimals.
    pub share_percent: f64,
    /// `active` when it has weight, else `standby`.
    pub role: String,
    /// Whether it may be answered.
    pub eligible: bool,
    /// Why it may not, or what holds it, in words.
    pub why: Option<String>,
    /// The version its members must show.
    pub expect_version: Option<String>,
    /// Whether any monitor watches it.
    pub monitored: bool,
    /// An override on the whole pool.
    pub hold: Option<Override>,
    /// Its counting cell; means nothing outside this process.
    #[serde(skip)]
    pub slot: u32,
    /// Answers that named it since the start, pins apart.
    pub answers: u64,
    /// Answers that named it in the last 5 minutes; absent where they are not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_recently: Option<u64>,
    /// Answers under its pin since the start.
    pub pin_answers: u64,
    /// May it be closed?
    pub drain: DrainReport,
    /// How many members may register with it, when any may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_max: Option<u16>,
    /// How looking up its members in DNS goes, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<DiscoveryView>,
    /// Its members.
    pub members: Vec<MemberView>,
}

/// How looking up members in DNS goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiscoveryView {
    /// The name.
    pub name: String,
    /// When it last gave members (RFC 3339).
    pub last_good_at: Option<String>,
    /// Why it does not; the last good members stay.
    pub failure: Option<String>,
}

/// How a member came that the files do not name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OriginView {
    /// It registered.
    Registered {
        /// How long a registration lasts, milliseconds.
        ttl_ms: u64,
        /// How long it still lasts without a heartbeat, milliseconds.
        expires_in_ms: u64,
        /// It is over, and the member stays since its pool would be left with nobody.
        stale: bool,
        /// The token it was made with.
        by: String,
    },
    /// A name in DNS has its address.
    Discovered {
        /// DNS has it no longer, and the member stays until others are healthy, until then at the latest (RFC 3339).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaves_at: Option<String>,
    },
}

/// One member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberView {
    /// The name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Weight inside the pool.
    pub weight: u16,
    /// Measured, whatever holds it.
    pub health: Health,
    /// Whether it is answered.
    pub eligible: bool,
    /// An override on it.
    pub hold: Option<Override>,
    /// Since when the measured health holds (RFC 3339).
    pub since: Option<String>,
    /// What the last failed probe said, while it is not up.
    pub failure: Option<String>,
    /// Latency of the last probe, microseconds.
    pub latency_us: Option<u64>,
    /// Probes that passed since the start.
    pub probes_passed: u64,
    /// Probes that failed since the start.
    pub probes_failed: u64,
    /// The version the last probe saw.
    pub seen_version: Option<String>,
    /// Days its certificate lasts.
    pub certificate_days: Option<i64>,
    /// How it came, when the files do not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginView>,
}

/// The last 15 minutes of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecentView {
    /// The switch.
    pub switch: String,
    /// Seconds from one row to the next.
    pub every_s: u32,
    /// False where too many other switches are kept.
    pub kept: bool,
    /// The pools, in the order of the numbers.
    pub pools: Vec<String>,
    /// Oldest first.
    pub samples: Vec<RecentSample>,
}

/// One row of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecentSample {
    /// When it ended (RFC 3339).
    pub at: String,
    /// How long it was, milliseconds.
    pub span_ms: u32,
    /// Answers of each pool in that time, pins apart.
    pub answers: Vec<u32>,
    /// Mean latency of the last probes of each pool's members, microseconds.
    pub latency_us: Vec<Option<u32>>,
}

/// One pool's drain verdict with its surroundings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrainView {
    /// The switch.
    pub switch: String,
    /// The pool.
    pub pool: String,
    /// The verdict and its reasons.
    #[serde(flatten)]
    pub report: DrainReport,
    /// Member by member: a member may be closed later than its pool when another switch names its address.
    pub members: Vec<MemberDrain>,
}

/// One member's drain verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberDrain {
    /// The member.
    pub member: String,
    /// It has left the pool, or had these addresses before; answers that name them may still be in caches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Whether this member may be closed.
    pub safe_to_close: bool,
    /// Why not, or why so.
    pub reasons: Vec<String>,
}

/// Something that happened, for the event stream; numbered without gaps while the process lives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Happening {
    /// The number.
    pub id: u64,
    /// When (RFC 3339).
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// The kinds of happenings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// An accepted change.
    Changed {
        /// The verb.
        verb: String,
        /// Who asked.
        who: String,
        /// The revision it made.
        revision: u64,
        /// The switches concerned.
        switches: Vec<String>,
        /// The reason given.
        reason: Option<String>,
    },
    /// A member's measured health changed.
    Health {
        /// The switch.
        switch: String,
        /// The pool.
        pool: String,
        /// The member.
        member: String,
        /// From.
        from: Health,
        /// To.
        to: Health,
        /// What the probe said.
        failure: Option<String>,
    },
    /// A pool's eligibility changed.
    Eligible {
        /// The switch.
        switch: String,
        /// The pool.
        pool: String,
        /// Whether it may be answered.
        eligible: bool,
    },
    /// A fallback came into use or went out of it.
    Fallback {
        /// The switch.
        switch: String,
        /// Whether it is in use.
        in_use: bool,
    },
    /// A pool's drain state changed.
    Drain {
        /// The switch.
        switch: String,
        /// The pool.
        pool: String,
        /// The new state.
        state: crate::drain::DrainState,
    },
    /// A rollout went on, or ended.
    Rollout {
        /// The switch.
        switch: String,
        /// The rollout.
        rollout: u64,
        /// What happened.
        #[serde(flatten)]
        entry: Entry,
    },
    /// The gates of a rollout looked at its evidence.
    Looked {
        /// The switch.
        switch: String,
        /// The rollout.
        rollout: u64,
        /// Gate by gate.
        verdicts: Vec<GateVerdict>,
    },
    /// A source of evidence fails.
    Source {
        /// The switch.
        switch: String,
        /// The metric.
        metric: String,
        /// What went wrong.
        error: String,
    },
    /// The store's condition changed.
    Store {
        /// The condition.
        condition: Condition,
    },
}

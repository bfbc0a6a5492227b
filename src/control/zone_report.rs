//! What operators see of zones, their secondaries and primaries, and of the databases of networks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GeoView {
    /// `country` or `asn`.
    pub kind: String,
    /// The file.
    pub file: String,
    /// What it says it is, such as `GeoLite2-Country`.
    pub content: String,
    /// When it was built (RFC 3339).
    pub built_at: String,
    /// The same, seconds since 1970.
    pub built_unix_s: u64,
    /// How long ago that is, seconds.
    pub age_s: u64,
}

/// One zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ZoneView {
    /// The top of the zone.
    pub apex: String,
    /// The served SOA serial.
    pub serial: u32,
    /// The serial the files carry.
    pub file_serial: u32,
    /// Sets that dynamic updates (RFC 2136) put in the place of the files'.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub updated_sets: usize,
    /// Those who are told of its changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondaries: Vec<SecondaryView>,
    /// The copy, where the zone's data come from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<CopyView>,
}

/// Whether there are none.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A secondary of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondaryView {
    /// Where it is told and asked.
    pub address: String,
    /// The serial it showed last; `None`: none since the start.
    pub serial: Option<u32>,
    /// How many steps it is behind the serial that is served.
    pub behind: Option<u32>,
    /// When it showed that (RFC 3339).
    pub shown_at: Option<String>,
    /// Why it does not answer, while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// The copy of a zone whose data come from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CopyView {
    /// Whom it is taken from, in the order they are asked.
    pub primaries: Vec<String>,
    /// `served`, `not-loaded` or `expired`: but for the first, queries get SERVFAIL.
    pub state: String,
    /// When a primary confirmed it last (RFC 3339).
    pub confirmed_at: Option<String>,
    /// The same, milliseconds since 1970.
    pub confirmed_unix_ms: Option<u64>,
    /// Until when it is good without a primary (RFC 3339).
    pub good_until: Option<String>,
    /// The same, milliseconds since 1970.
    pub good_until_unix_ms: Option<u64>,
    /// Why no primary confirmed it the last time they were asked.
    pub trouble: Option<String>,
}

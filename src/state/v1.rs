//! Persisted form of run-time state, version 1: JSON text per switch.
//!
//! Formats on disk are frozen here; live types may change freely. A row of a newer version is
//! refused by name, so that an older program never half-reads newer state.

use super::{EditedSet, Guest, Hold, Lease, Origin, Split, SwitchState};
use crate::dns::message::read_name;
use crate::dns::{Name, RecordType};
use crate::health::Override;
use crate::moment::Moment;
use crate::rollout::record::{RecordError, RolloutV1};
use crate::steering::{Given, Member};
use crate::zone::{LineRef, Zone, ZoneText};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// The version number rows carry.
pub const VERSION: u32 = 1;

/// The version a kept copy of a zone begins with.
const COPY_VERSION: u8 = 1;

/// Why a stored text is not a switch state.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer program.
    #[error(
        "the state was written in format {found}, and this program knows up to {VERSION}: run the newer tidegate, or restore a backup made by this one"
    )]
    Newer {
        /// Its version.
        found: u32,
    },
    /// Not the JSON it should be.
    #[error("stored state cannot be read")]
    Malformed(#[from] serde_json::Error),
    /// RDATA that is not base64.
    #[error("a stored record cannot be read")]
    Base64(#[source] base64::DecodeError),
    /// A rollout that cannot be gone on with.
    #[error("{0}")]
    Rollout(#[from] RecordError),
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    v: u32,
    #[serde(flatten)]
    body: serde_json::Value,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct SwitchV1 {
    weights: Option<Split>,
    file_weights: Option<Split>,
    previous: Option<Split>,
    versions: BTreeMap<Arc<str>, String>,
    holds: Vec<HoldV1>,
    prepared_until_unix_ms: Option<u64>,
    salt: Option<String>,
    recent: Vec<Arc<str>>,
    changed_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<RolloutV1>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    guests: Vec<GuestV1>,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct GuestV1 {
    pool: Arc<str>,
    ipv4: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
    weight: u16,
    /// Absent: found in DNS.
    registered: Option<RegisteredV1>,
    /// Of one that DNS no longer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaves_unix_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct RegisteredV1 {
    id: String,
    version: Option<String>,
    ttl_ms: u64,
    by: String,
    stale: bool,
}

impl GuestV1 {
    fn of(guest: &Guest) -> Self {
        let member = &guest.member;
        let registered = guest.lease().map(|lease| RegisteredV1 {
            id: member.name().into_owned(),
            version: member.expect_version().map(str::to_owned),
            ttl_ms: lease.ttl_ms,
            by: lease.by.clone(),
            stale: lease.stale,
        });
        let leaves_unix_ms = match guest.origin {
            Origin::Discovered { leaves_unix_ms } => leaves_unix_ms,
            Origin::Registered(_) => None,
        };
        let (ipv4, ipv6, weight) = (member.ipv4, member.ipv6, member.weight);
        Self { pool: guest.pool.clone(), ipv4, ipv6, weight, registered, leaves_unix_ms }
    }

    fn restore(self) -> Guest {
        let (given, origin) = match self.registered {
            None => (Given::default(), Origin::Discovered { leaves_unix_ms: self.leaves_unix_ms }),
            Some(RegisteredV1 { id, version, ttl_ms, by, stale }) => (
                Given { name: Some(id.into()), expect_version: version.map(Into::into) },
                Origin::Registered(Lease { ttl_ms, by, stale }),
            ),
        };
        let mut member = Member::new(self.ipv4, self.ipv6, given);
        member.weight = self.weight;
        Guest { pool: self.pool, member, origin }
    }
}

#[derive(Serialize, Deserialize)]
struct HoldV1 {
    pool: Arc<str>,
    member: Option<Arc<str>>,
    hold: Override,
    by: String,
}

#[derive(Serialize, Deserialize)]
struct EditV1 {
    ttl: u32,
    /// Base64.
    rdatas: Vec<String>,
    at_unix_ms: u64,
    by: String,
}

/// Encodes one edited set of a zone.
#[must_use]
pub fn encode_edit(set: &EditedSet) -> String {
    let rdatas = set.rdatas.iter().map(|rdata| STANDARD.encode(rdata)).collect();
    let form = EditV1 { ttl: set.ttl, rdatas, at_unix_ms: set.at_unix_ms, by: set.by.clone() };
    let body = serde_json::to_value(form).expect("plain data");
    serde_json::to_string(&Envelope { v: VERSION, body }).expect("plain data")
}

/// Decodes one edited set of a zone.
///
/// # Errors
/// When it is of a newer version, or damaged.
pub fn decode_edit(text: &str) -> Result<EditedSet, DecodeError> {
    let envelope: Envelope = serde_json::from_str(text)?;
    if envelope.v > VERSION {
        return Err(DecodeError::Newer { found: envelope.v });
    }
    let form: EditV1 = serde_json::from_value(envelope.body)?;
    let rdata = |text: &String| STANDARD.decode(text).map(Vec::into_boxed_slice).map_err(DecodeError::Base64);
    let rdatas = form.rdatas.iter().map(rdata).collect::<Result<_, _>>()?;
    Ok(EditedSet { ttl: form.ttl, rdatas, at_unix_ms: form.at_unix_ms, by: form.by })
}

/// Encodes a copy of a zone: the version, then owner, type, TTL, length and RDATA of each record, as in messages
/// but for the class and without compression.
#[must_use]
pub fn encode_copy(zone: &Zone) -> Vec<u8> {
    let mut octets = vec![COPY_VERSION];
    for (owner, set) in zone.rrsets() {
        for rdata in set.rdatas() {
            octets.extend_from_slice(owner.wire());
            octets.extend_from_slice(&set.rtype.0.to_be_bytes());
            octets.extend_from_slice(&set.ttl().to_be_bytes());
            octets.extend_from_slice(&u16::try_from(rdata.len()).unwrap_or(u16::MAX).to_be_bytes());
            octets.extend_from_slice(rdata);
        }
    }
    octets
}

/// Decodes a copy of a zone; `None` when it is damaged or of a newer version: its primaries have it still.
#[must_use]
pub fn decode_copy(apex: &Name, octets: &[u8]) -> Option<Zone> {
    let (&version, _) = octets.split_first()?;
    let mut text = ZoneText::default();
    let at = LineRef { file: text.add_file("copy".into()), line: 0 };
    let mut from = 1;
    while from < octets.len() {
        let (owner, fixed) = read_name(octets, from)?;
        let [t0, t1, l0, l1, l2, l3, r0, r1] = *octets.get(fixed..)?.first_chunk::<8>()?;
        let rdata_at = fixed + 8;
        from = rdata_at + usize::from(u16::from_be_bytes([r0, r1]));
        let (rtype, ttl) = (RecordType(u16::from_be_bytes([t0, t1])), u32::from_be_bytes([l0, l1, l2, l3]));
        text.push(&owner, rtype, ttl, octets.get(rdata_at..from)?, at);
    }
    let zone = Zone::build(apex, &text, &[]);
    (version == COPY_VERSION && zone.soa().is_some()).then_some(zone)
}

/// Encodes one switch's state.
#[must_use]
pub fn encode_switch(state: &SwitchState) -> String {
    let form = SwitchV1 {
        weights: state.weights.clone(),
        file_weights: state.file_weights.clone(),
        previous: state.previous.clone(),
        versions: state.versions.clone(),
        holds: state
            .holds
            .iter()
            .map(|h| HoldV1 { pool: h.pool.clone(), member: h.member.clone(), hold: h.hold.clone(), by: h.by.clone() })
            .collect(),
        prepared_until_unix_ms: state.prepared_until_unix_ms,
        salt: state.salt.clone(),
        recent: state.recent.clone(),
        changed_at: state.changed_at,
        rollout: state.rollout.as_ref().map(|rollout| RolloutV1::of(rollout)),
        guests: state.guests.iter().map(GuestV1::of).collect(),
        revision: state.revision,
    };
    let body = serde_json::to_value(form).expect("plain data");
    serde_json::to_string(&Envelope { v: VERSION, body }).expect("plain data")
}

/// Decodes one switch's state.
///
/// # Errors
/// When it is of a newer version, or damaged.
pub fn decode_switch(text: &str) -> Result<SwitchState, DecodeError> {
    let envelope: Envelope = serde_json::from_str(text)?;
    if envelope.v > VERSION {
        return Err(DecodeError::Newer { found: envelope.v });
    }
    let form: SwitchV1 = serde_json::from_value(envelope.body)?;
    Ok(SwitchState {
        weights: form.weights,
        file_weights: form.file_weights,
        previous: form.previous,
        versions: form.versions,
        holds: form
            .holds
            .into_iter()
            .map(|h| Hold { pool: h.pool, member: h.member, hold: h.hold, by: h.by })
            .collect(),
        prepared_until_unix_ms: form.prepared_until_unix_ms,
        salt: form.salt,
        recent: form.recent,
        changed_at: form.changed_at,
        rollout: form.rollout.map(RolloutV1::restore).transpose()?.map(Arc::new),
        guests: form.guests.into_iter().map(GuestV1::restore).collect(),
        revision: form.revision,
    })
}

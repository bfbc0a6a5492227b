//! Static authoritative data: master files in, lookups out.
//!
//! Owns the zone set, the closest-encloser lookup (RFC 1034 §4.3.2, RFC 4592) and the master file
//! scanner (RFC 1035 §5, RFC 3597). A steered owner yields an opaque [`SteerId`]; what it means is
//! decided elsewhere. Never reads a file itself: the caller hands in text.

mod build;
pub mod checks;
mod lookup;
pub mod master;
mod node;
mod patch;
mod problem;
mod set;
mod slots;
mod soa;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use lookup::{Found, GlueRef, Redirect, Referral};
pub use node::{Node, RrsetRef};
pub use patch::SetChange;
pub use problem::ZoneProblem;
pub use set::{Located, ZoneSet};
pub use soa::Soa;
pub use table::{Closed, Probe, Zone};
pub use text::{LineRef, MAX_ZONE_OCTETS, RecordRef, ZoneText};

/// Numbers the steered names of a zone, or of all ([`ZoneSet::steered`]); what they are is opaque to this room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SteerId(pub u32);

/// Where a record or setting was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Place {
    /// The file as the operator named it.
    pub file: std::sync::Arc<str>,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: u32,
    /// Column of the first character, from 1; 0 when the whole line is meant.
    pub column: u32,
    /// Characters to underline; 0 for a single caret.
    pub width: u32,
}

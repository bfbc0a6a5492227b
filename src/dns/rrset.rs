//! Record sets: as defined (type, TTL, RDATA) and as wire ready to be copied into a reply.

use super::RecordType;
use serde::{Deserialize, Serialize};

/// The records of one owner, class IN and type. RDATA is uncompressed wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rrset {
    /// The type.
    #[serde(with = "type_number")]
    pub rtype: RecordType,
    /// Seconds; one for the whole set (RFC 2181 §5.2).
    pub ttl: u32,
    /// Each record's RDATA, without its length.
    pub rdatas: Vec<Box<[u8]>>,
}

/// A type as its number in stored forms.
mod type_number {
    use super::RecordType;
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
    pub(super) fn serialize<S: Serializer>(rtype: &RecordType, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u16(rtype.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<RecordType, D::Error> {
        u16::deserialize(d).map(RecordType)
    }
}

/// An Rrset compiled to wire: every record as `C0 0C, type, IN, TTL, RDLENGTH, RDATA`.
///
/// The owner is a pointer to the question (offset 12), so the same octets serve any owner and any
/// wildcard match. The records stand twice in a row: every rotated window is one slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordList {
    /// The records, then the same records again.
    wire: Box<[u8]>,
    /// Where each record of both runs begins, and the end: `2 * count + 1` offsets.
    starts: Box<[u32]>,
}

impl RecordList {
    /// Compiles an Rrset; `ttl` replaces the set's own.
    #[must_use]
    pub fn compile(rtype: RecordType, ttl: u32, rdatas: &[Box<[u8]>]) -> Self {
        let mut wire = Vec::new();
        let mut starts = Vec::with_capacity(2 * rdatas.len() + 1);
        for rdata in rdatas.iter().chain(rdatas) {
            starts.push(offset(wire.len()));
            push_record(&mut wire, rtype, ttl, rdata);
        }
        starts.push(offset(wire.len()));
        Self { wire: wire.into_boxed_slice(), starts: starts.into_boxed_slice() }
    }

    /// How many records.
    #[must_use]
    pub fn count(&self) -> usize {
        (self.starts.len() - 1) / 2
    }

    /// `len` records beginning with record `first`, wrapping around.
    #[must_use]
    pub fn window(&self, first: usize, len: usize) -> &[u8] {
        let len = len.min(self.count());
        let from = self.starts.get(first).copied().unwrap_or(0);
        let to = self.starts.get(first + len).copied().unwrap_or(from);
        self.wire.get(from as usize..to as usize).unwrap_or(&[])
    }
}

/// Appends one record of class IN owned by the question: `C0 0C, type, IN, TTL, RDLENGTH, RDATA`.
///
/// # Panics
/// When the RDATA is over 65535 octets: parsers refuse it.
pub fn push_record(wire: &mut Vec<u8>, rtype: RecordType, ttl: u32, rdata: &[u8]) {
    wire.extend_from_slice(&[0xc0, 12]);
    wire.extend_from_slice(&rtype.0.to_be_bytes());
    wire.extend_from_slice(&1u16.to_be_bytes());
    wire.extend_from_slice(&ttl.to_be_bytes());
    wire.extend_from_slice(&u16::try_from(rdata.len()).expect("RDATA is at most 65535 octets").to_be_bytes());
    wire.extend_from_slice(rdata);
}

/// Offsets fit 32 bits: a set is at most 65535 records of 65535 octets only in theory, and is refused earlier.
fn offset(len: usize) -> u32 {
    u32::try_from(len).expect("a compiled Rrset is below 4 GiB")
}

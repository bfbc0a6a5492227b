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
/// wildcard match. The records stand twice in a row (a single one once): every rotated window is one slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordList {
    /// The records, then the same records again; behind them, unless all are of one length, the offset
    /// of each of them and of the end, 4 octets each.
    wire: Box<[u8]>,
    count: u32,
    /// The length of each record; 0: they differ.
    stride: u32,
}

impl RecordList {
    /// Compiles an Rrset; `ttl` replaces the set's own.
    #[must_use]
    pub fn compile(rtype: RecordType, ttl: u32, rdatas: &[Box<[u8]>]) -> Self {
        let again = if rdatas.len() > 1 { rdatas } else { &[] };
        let both = || rdatas.iter().chain(again);
        let first = rdatas.first().map_or(0, |rdata| rdata.len());
        let uniform = rdatas.iter().all(|rdata| rdata.len() == first);
        let octets: usize = both().map(|rdata| RECORD_HEAD + rdata.len()).sum();
        let offsets = if uniform { 0 } else { 4 * (2 * rdatas.len() + 1) };
        let mut wire = Vec::with_capacity(octets + offsets);
        both().for_each(|rdata| push_record(&mut wire, rtype, ttl, rdata));
        if !uniform {
            let mut at = 0;
            for len in both().map(|rdata| RECORD_HEAD + rdata.len()).chain([0]) {
                wire.extend_from_slice(&offset(at).to_le_bytes());
                at += len;
            }
        }
        let stride = if uniform { offset(RECORD_HEAD + first) } else { 0 };
        Self { wire: wire.into_boxed_slice(), count: offset(rdatas.len()), stride }
    }

    /// How many records.
    #[must_use]
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// All records, as they stand.
    #[must_use]
    #[inline(always)] // on the way of every query for a steered name
    pub fn all(&self) -> &[u8] {
        if self.stride == 0 {
            return self.window(0, self.count());
        }
        self.wire.get(..self.count() * self.stride as usize).unwrap_or(&[])
    }

    /// `len` records beginning with record `first`, wrapping around.
    #[must_use]
    pub fn window(&self, first: usize, len: usize) -> &[u8] {
        let len = len.min(self.count());
        self.wire.get(self.start(first)..self.start(first + len)).unwrap_or(&[])
    }

    /// Where a record of either run begins.
    fn start(&self, at: usize) -> usize {
        if self.stride > 0 {
            return at * self.stride as usize;
        }
        let offsets = self.wire.len() - 4 * (2 * self.count() + 1);
        let word = self.wire.get(offsets + 4 * at..).and_then(<[u8]>::first_chunk);
        word.map_or(0, |word| u32::from_le_bytes(*word) as usize)
    }
}

/// Octets of a record before its RDATA.
const RECORD_HEAD: usize = 12;

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

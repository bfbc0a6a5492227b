//! The TSIG record as it stands in messages (RFC 8945 §4.2).

use super::FUDGE_S;
use super::mac::{Variables, time_octets};
use crate::dns::message::{Header, Malformed, Record, Records, read_name};
use crate::dns::query::CLASS_ANY;
use crate::dns::{Name, RecordType};

/// The TSIG record of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tsig<'m> {
    /// Where it begins: the message without it ends there.
    pub(super) start: usize,
    /// The name of the key.
    pub(super) key: Name,
    /// The name of the algorithm.
    pub(super) algorithm: Name,
    /// When it was signed, seconds since 1970.
    pub(super) time_s: u64,
    /// How far that may be off, seconds.
    pub(super) fudge_s: u16,
    /// The signature.
    pub(super) mac: &'m [u8],
    /// The id under which it was signed.
    pub(super) original_id: u16,
    /// What went wrong.
    pub(super) error: u16,
    /// With BADTIME: the time of the server.
    pub(super) other: &'m [u8],
    /// Additional records besides it.
    pub(super) additionals: u16,
}

impl<'m> Tsig<'m> {
    /// The TSIG record of a message, if it has one.
    ///
    /// Refuses a second one, one that is not the last record of all (RFC 8945 §5.1), and octets behind it,
    /// which it would not vouch for.
    pub(super) fn of(message: &'m [u8]) -> Result<Option<Self>, Malformed> {
        let mut records = Records::of(message)?;
        let mut found = None;
        for record in records.by_ref() {
            let record = record?;
            if found.is_some() {
                return Err(Malformed);
            }
            if record.rtype == RecordType::TSIG {
                found = Some(record);
            }
        }
        let Some(record) = found else { return Ok(None) };
        if record.section != 3 || records.at() != message.len() {
            return Err(Malformed);
        }
        Self::read(message, record).ok_or(Malformed).map(Some)
    }

    fn read(message: &'m [u8], record: Record) -> Option<Self> {
        if record.class != CLASS_ANY || record.ttl != 0 {
            return None;
        }
        let additionals = Header::read(message)?.counts[3].checked_sub(1)?;
        let (algorithm, at) = read_name(message, record.rdata.start)?;
        let rdata = message.get(at..record.rdata.end)?;
        let ([t0, t1, t2, t3, t4, t5, f0, f1, m0, m1], rest) = rdata.split_first_chunk::<10>()?;
        let (mac, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*m0, *m1])))?;
        let ([i0, i1, e0, e1, o0, o1], other) = rest.split_first_chunk::<6>()?;
        if other.len() != usize::from(u16::from_be_bytes([*o0, *o1])) {
            return None;
        }
        Some(Self {
            start: record.start,
            key: record.owner,
            algorithm,
            time_s: u64::from_be_bytes([0, 0, *t0, *t1, *t2, *t3, *t4, *t5]),
            fudge_s: u16::from_be_bytes([*f0, *f1]),
            mac,
            original_id: u16::from_be_bytes([*i0, *i1]),
            error: u16::from_be_bytes([*e0, *e1]),
            other,
            additionals,
        })
    }

    pub(super) fn variables(&self) -> Variables<'m> {
        Variables { time_s: self.time_s, fudge_s: self.fudge_s, error: self.error, other: self.other }
    }

    /// Whether the clocks are close enough (§5.2.3). A sender may ask for less than is usual and not for more: for as
    /// long as a signature is taken, copies of what it signs are.
    pub(super) fn is_timely(&self, now_unix_s: u64) -> bool {
        now_unix_s.abs_diff(self.time_s) <= u64::from(self.fudge_s.min(FUDGE_S))
    }
}

/// Takes the record off a message that ends with it at `start`.
pub(super) fn strip(message: &mut Vec<u8>, start: usize, additionals: u16) {
    message.truncate(start);
    if let Some(count) = message.get_mut(10..12) {
        count.copy_from_slice(&additionals.to_be_bytes());
    }
}

/// Puts a record behind a message.
pub(super) fn append(message: &mut Vec<u8>, key: &Name, algorithm: &[u8], variables: &Variables<'_>, mac: &[u8]) {
    let Some(header) = Header::read(message) else { return };
    let len = |octets: &[u8]| u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes();
    message.extend_from_slice(key.wire());
    let rdlength = algorithm.len() + 16 + mac.len() + variables.other.len();
    message.extend_from_slice(&[0, 250, 0, 255, 0, 0, 0, 0]);
    message.extend_from_slice(&u16::try_from(rdlength).unwrap_or(u16::MAX).to_be_bytes());
    message.extend_from_slice(algorithm);
    message.extend_from_slice(&time_octets(variables.time_s));
    message.extend_from_slice(&variables.fudge_s.to_be_bytes());
    message.extend_from_slice(&len(mac));
    message.extend_from_slice(mac);
    message.extend_from_slice(&header.id.to_be_bytes());
    message.extend_from_slice(&variables.error.to_be_bytes());
    message.extend_from_slice(&len(variables.other));
    message.extend_from_slice(variables.other);
    if let Some(count) = message.get_mut(10..12) {
        count.copy_from_slice(&(header.counts[3].saturating_add(1)).to_be_bytes());
    }
}

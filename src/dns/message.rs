//! Whole messages, record by record: for what is not answered on the way of an ordinary query.
//!
//! Names are read through their compression (RFC 1035 §4.1.4), whose pointers have to lead backwards, so
//! that no message can loop. Offsets come from packets: nothing is reached for without asking.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::name::MAX_NAME_LEN;
use super::query::HEADER_LEN;
use super::{Name, RecordType};
use std::ops::Range;

/// Octets of a record between its owner and its RDATA.
const FIXED: usize = 10;

/// The header of a message (RFC 1035 §4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Chosen by who asks.
    pub id: u16,
    /// QR, opcode, AA, TC, RD, RA, Z, AD, CD and RCODE, as one number.
    pub flags: u16,
    /// How many questions, answers, authority and additional records (RFC 2136 §2.2 renames them).
    pub counts: [u16; 4],
}

impl Header {
    /// Reads it; `None` when the message is shorter.
    #[must_use]
    pub fn read(message: &[u8]) -> Option<Self> {
        let [i0, i1, f0, f1, q0, q1, an0, an1, ns0, ns1, ar0, ar1] = *message.first_chunk::<HEADER_LEN>()?;
        let pair = |high, low| u16::from_be_bytes([high, low]);
        let counts = [pair(q0, q1), pair(an0, an1), pair(ns0, ns1), pair(ar0, ar1)];
        Some(Self { id: pair(i0, i1), flags: pair(f0, f1), counts })
    }

    /// What is asked for: 0 QUERY, 4 NOTIFY, 5 UPDATE.
    #[must_use]
    pub fn opcode(&self) -> u16 {
        self.flags >> 11 & 0x0f
    }

    /// Whether it is a reply.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// The lower four bits of the RCODE.
    #[must_use]
    pub fn rcode(&self) -> u16 {
        self.flags & 0x0f
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name, in lower case.
    pub name: Name,
    /// The type.
    pub qtype: RecordType,
    /// The class.
    pub qclass: u16,
    /// Where the next thing begins.
    pub end: usize,
}

/// A record where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which section: 1 answer, 2 authority, 3 additional.
    pub section: usize,
    /// Where it begins.
    pub start: usize,
    /// The owner, in lower case.
    pub owner: Name,
    /// The type.
    pub rtype: RecordType,
    /// The class.
    pub class: u16,
    /// The TTL, seconds.
    pub ttl: u32,
    /// Where its RDATA stands in the message; names in it may be compressed.
    pub rdata: Range<usize>,
}

/// The records of a message, in order. An `Err` is the last thing it yields.
#[derive(Debug)]
pub struct Records<'m> {
    message: &'m [u8],
    at: usize,
    left: [u16; 3],
    failed: bool,
}

/// The message ends within a thing, or a name in it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is malformed")]
pub struct Malformed;

/// The question at `at`, usually behind the header.
///
/// # Errors
/// When there is none.
pub fn read_question(message: &[u8], at: usize) -> Result<Question, Malformed> {
    let (name, at) = read_name(message, at).ok_or(Malformed)?;
    let [t0, t1, c0, c1] = *message.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(Malformed)?;
    let (qtype, qclass) = (RecordType(u16::from_be_bytes([t0, t1])), u16::from_be_bytes([c0, c1]));
    Ok(Question { name, qtype, qclass, end: at + 4 })
}

impl<'m> Records<'m> {
    /// Behind the questions of a message.
    ///
    /// # Errors
    /// When there is no header, or the questions cannot be read.
    pub fn of(message: &'m [u8]) -> Result<Self, Malformed> {
        let [questions, left @ ..] = Header::read(message).ok_or(Malformed)?.counts;
        let mut at = HEADER_LEN;
        for _ in 0..questions {
            at = read_question(message, at)?.end;
        }
        Ok(Self { message, at, left, failed: false })
    }

    /// Where the next record begins; the end of the message's records once there is none.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    fn read(&mut self, section: usize) -> Result<Record, Malformed> {
        let (owner, fixed_at) = read_name(self.message, self.at).ok_or(Malformed)?;
        let fixed = self.message.get(fixed_at..).and_then(<[u8]>::first_chunk::<FIXED>).ok_or(Malformed)?;
        let [t0, t1, c0, c1, l0, l1, l2, l3, r0, r1] = *fixed;
        let rdata_at = fixed_at + FIXED;
        let rdata = rdata_at..rdata_at + usize::from(u16::from_be_bytes([r0, r1]));
        if rdata.end > self.message.len() {
            return Err(Malformed);
        }
        let start = std::mem::replace(&mut self.at, rdata.end);
        Ok(Record {
            section,
            start,
            owner,
            rtype: RecordType(u16::from_be_bytes([t0, t1])),
            class: u16::from_be_bytes([c0, c1]),
            ttl: u32::from_be_bytes([l0, l1, l2, l3]),
            rdata,
        })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let (index, left) = self.left.iter_mut().enumerate().find(|(_, left)| **left > 0)?;
        *left -= 1;
        let read = self.read(index + 1);
        self.failed = read.is_err();
        Some(read)
    }
}

/// The name at `at`, and what follows it there; `None` when the octets are no name.
#[must_use]
pub fn read_name(message: &[u8], at: usize) -> Option<(Name, usize)> {
    let mut wire = [0; MAX_NAME_LEN];
    let (mut used, mut from, mut next) = (0, at, None);
    // A pointer has to lead before the labels that it ends.
    let mut bound = at;
    loop {
        let len = *message.get(from)?;
        match len {
            0 => {
                let end = next.unwrap_or(from + 1);
                // What lies behind `used` is zero: the root label.
                return Some((Name::from_wire(wire.get(..=used)?).ok()?, end));
            }
            1..=63 => {
                let label = message.get(from..=from + usize::from(len))?;
                wire.get_mut(used..used + label.len())?.copy_from_slice(label);
                used += label.len();
                from += label.len();
            }
            0xc0.. => {
                let target = usize::from(u16::from_be_bytes([len & 0x3f, *message.get(from + 1)?]));
                next = next.or(Some(from + 2));
                if target >= bound {
                    return None;
                }
                (from, bound) = (target, target);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header for one question and one record in each other section.
    const HEADER: &[u8] = b"\x12\x34\x28\0\0\x01\0\x01\0\x01\0\x01";

    #[test]
    fn records_are_found_through_compressed_names() {
        let mut message = HEADER.to_vec();
        message.extend(b"\x04test\0\0\x06\0\x01");
        message.extend(b"\x01A\xc0\x0c\0\x01\0\xff\0\0\0\x05\0\x04\xc0\0\x02\x01");
        message.extend(b"\xc0\x16\0\x10\0\x01\0\0\0\0\0\0");
        message.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
        let header = Header::read(&message).unwrap();
        assert_eq!((header.opcode(), header.is_reply(), header.counts), (5, false, [1; 4]));
        let mut records = Records::of(&message).unwrap();
        let read: Vec<Record> = records.by_ref().collect::<Result<_, _>>().unwrap();
        assert_eq!(read.iter().map(|r| r.owner.to_string()).collect::<Vec<_>>(), ["a.test.", "a.test.", "."]);
        assert_eq!(read.iter().map(|r| r.section).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(message[read[0].rdata.clone()], [192, 0, 2, 1]);
        assert_eq!((read[0].ttl, read[0].class), (5, 255));
        assert_eq!(records.at(), message.len());
    }

    #[test]
    fn pointers_that_do_not_lead_backwards_are_no_names() {
        assert_eq!(read_name(b"\xc0\0", 0), None);
        assert_eq!(read_name(b"\x01a\xc0\0", 0), None);
        assert_eq!(read_name(b"\xc0\x02\xc0\0", 2), None, "a loop of two");
        assert_eq!(read_name(b"\x01a\0\x01b\xc0\0", 3).unwrap().0.to_string(), "b.a.");
        assert_eq!(read_name(b"\x40", 0), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic_or_a_loop(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(records) = Records::of(&octets) {
                prop_assert!(records.filter_map(Result::ok).all(|record| record.rdata.end <= octets.len()));
            }
        }
    }
}

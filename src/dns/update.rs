//! Dynamic update messages (RFC 2136): what they ask for, read and checked as far as they themselves tell.
//!
//! Whether a prerequisite holds and what a change does to a zone is decided elsewhere.

use super::message::{Header, Malformed, Record, Records, read_question};
use super::query::{CLASS_ANY, CLASS_IN, HEADER_LEN};
use super::{Name, Rcode, RecordType, rdata};

/// The class that stands for "not this" (RFC 2136 §2.4).
const CLASS_NONE: u16 = 254;

/// The section of prerequisites, where answers stand in a reply.
const PREREQUISITES: usize = 1;
/// The section of changes, where authority stands in a reply.
const CHANGES: usize = 2;

/// What an update asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The zone it is for.
    pub zone: Name,
    /// What must hold, all of it.
    pub prerequisites: Vec<Prerequisite>,
    /// What is to change then, in this order.
    pub changes: Vec<Edit>,
}

/// Something that must hold (RFC 2136 §2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prerequisite {
    /// The name owns a record.
    NameInUse(Name),
    /// It owns none.
    NameUnused(Name),
    /// It owns a set of this type.
    SetExists(Name, RecordType),
    /// It owns none of this type.
    SetAbsent(Name, RecordType),
    /// Its set of this type is what all of these together say.
    SetHolds(Name, RecordType, Box<[u8]>),
}

/// One change (RFC 2136 §2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A record is added to its set.
    Add {
        /// The owner.
        owner: Name,
        /// The type.
        rtype: RecordType,
        /// Seconds; of the whole set from here on.
        ttl: u32,
        /// Uncompressed.
        rdata: Box<[u8]>,
    },
    /// A set goes.
    DeleteSet(Name, RecordType),
    /// Every set of a name goes.
    DeleteName(Name),
    /// A record goes from its set.
    DeleteRecord(Name, RecordType, Box<[u8]>),
}

impl Edit {
    /// The name it is about.
    #[must_use]
    pub fn owner(&self) -> &Name {
        match self {
            Self::Add { owner, .. }
            | Self::DeleteSet(owner, _)
            | Self::DeleteName(owner)
            | Self::DeleteRecord(owner, ..) => owner,
        }
    }

    /// The type it is about; `None`: all.
    #[must_use]
    pub fn rtype(&self) -> Option<RecordType> {
        match self {
            Self::Add { rtype, .. } | Self::DeleteSet(_, rtype) | Self::DeleteRecord(_, rtype, _) => Some(*rtype),
            Self::DeleteName(_) => None,
        }
    }
}

impl Update {
    /// Reads a message whose signature was taken off.
    ///
    /// # Errors
    /// FORMERR, or NOTZONE for a name outside the zone (RFC 2136 §3.1 to §3.4.1).
    pub fn read(message: &[u8]) -> Result<Self, Rcode> {
        let malformed = |Malformed| Rcode::FORMERR;
        let header = Header::read(message).ok_or(Rcode::FORMERR)?;
        // RFC 2136 §3.1.1: one zone, named by its SOA.
        if header.counts[0] != 1 {
            return Err(Rcode::FORMERR);
        }
        let zone = read_question(message, HEADER_LEN).map_err(malformed)?;
        if zone.qtype != RecordType::SOA || zone.qclass != CLASS_IN {
            return Err(Rcode::FORMERR);
        }
        let mut update = Self { zone: zone.name, prerequisites: Vec::new(), changes: Vec::new() };
        for record in Records::of(message).map_err(malformed)? {
            let record = record.map_err(malformed)?;
            if !matches!(record.section, PREREQUISITES | CHANGES) {
                continue;
            }
            if !record.owner.is_within(&update.zone) {
                return Err(Rcode::NOTZONE);
            }
            if record.section == PREREQUISITES {
                update.prerequisites.push(prerequisite(message, record).ok_or(Rcode::FORMERR)?);
            } else {
                update.changes.push(edit(message, record).ok_or(Rcode::FORMERR)?);
            }
        }
        Ok(update)
    }
}

/// A record of the first section (RFC 2136 §3.2).
fn prerequisite(message: &[u8], record: Record) -> Option<Prerequisite> {
    let (is_any, is_empty) = (record.rtype == RecordType::ANY, record.rdata.is_empty());
    if record.ttl != 0 {
        return None;
    }
    let Record { owner, rtype, class, .. } = record;
    Some(match class {
        CLASS_ANY if is_empty && is_any => Prerequisite::NameInUse(owner),
        CLASS_NONE if is_empty && is_any => Prerequisite::NameUnused(owner),
        CLASS_ANY if is_empty && !rtype.is_meta() => Prerequisite::SetExists(owner, rtype),
        CLASS_NONE if is_empty && !rtype.is_meta() => Prerequisite::SetAbsent(owner, rtype),
        CLASS_IN if !rtype.is_meta() => {
            Prerequisite::SetHolds(owner, rtype, rdata::expand(rtype, message, record.rdata)?)
        }
        _ => return None,
    })
}

/// A record of the second section (RFC 2136 §3.4.1.3).
fn edit(message: &[u8], record: Record) -> Option<Edit> {
    let is_empty = record.rdata.is_empty();
    let Record { owner, rtype, class, ttl, .. } = record;
    Some(match class {
        CLASS_IN if !rtype.is_meta() => {
            // RFC 2181 §8: a TTL with its first bit set is 0.
            let ttl = if i32::try_from(ttl).is_ok() { ttl } else { 0 };
            Edit::Add { owner, rtype, ttl, rdata: rdata::expand(rtype, message, record.rdata)? }
        }
        CLASS_ANY if ttl == 0 && is_empty && rtype == RecordType::ANY => Edit::DeleteName(owner),
        CLASS_ANY if ttl == 0 && is_empty && !rtype.is_meta() => Edit::DeleteSet(owner, rtype),
        CLASS_NONE if ttl == 0 && !rtype.is_meta() => {
            Edit::DeleteRecord(owner, rtype, rdata::expand(rtype, message, record.rdata)?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record of an update message: owner as a label below the zone, type, class, TTL, RDATA.
    type Line<'a> = (&'a str, u16, u16, u32, &'a [u8]);

    fn message(prerequisites: &[Line<'_>], changes: &[Line<'_>]) -> Vec<u8> {
        let count = |lines: &[Line<'_>]| u8::try_from(lines.len()).unwrap();
        let mut message = vec![0, 1, 0x28, 0, 0, 1, 0, count(prerequisites), 0, count(changes), 0, 0];
        message.extend(b"\x04test\0\0\x06\0\x01");
        for (label, rtype, class, ttl, rdata) in prerequisites.iter().chain(changes) {
            if !label.is_empty() {
                message.push(u8::try_from(label.len()).unwrap());
                message.extend(label.as_bytes());
            }
            message.extend([0xc0, 12]);
            message.extend(rtype.to_be_bytes());
            message.extend(class.to_be_bytes());
            message.extend(ttl.to_be_bytes());
            message.extend(u16::try_from(rdata.len()).unwrap().to_be_bytes());
            message.extend(*rdata);
        }
        message
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn rfc2136_2_4_and_2_5_every_form_is_read() {
        let read = Update::read(&message(
            &[
                ("a", 255, 255, 0, b""),
                ("b", 255, 254, 0, b""),
                ("c", 1, 255, 0, b""),
                ("d", 1, 254, 0, b""),
                ("e", 1, 1, 0, &[1, 2, 3, 4]),
            ],
            &[
                ("f", 5, 1, 60, b"\x01g\xc0\x0c"),
                ("f", 5, 255, 0, b""),
                ("f", 255, 255, 0, b""),
                ("f", 1, 254, 0, &[1, 2, 3, 4]),
            ],
        ))
        .unwrap();
        let octets: Box<[u8]> = Box::new([1, 2, 3, 4]);
        assert_eq!(read.zone, name("test"));
        assert_eq!(
            read.prerequisites,
            [
                Prerequisite::NameInUse(name("a.test")),
                Prerequisite::NameUnused(name("b.test")),
                Prerequisite::SetExists(name("c.test"), RecordType::A),
                Prerequisite::SetAbsent(name("d.test"), RecordType::A),
                Prerequisite::SetHolds(name("e.test"), RecordType::A, octets.clone()),
            ]
        );
        let target =
            Edit::Add { owner: name("f.test"), rtype: RecordType::CNAME, ttl: 60, rdata: name("g.test").wire().into() };
        let deletions = [
            Edit::DeleteSet(name("f.test"), RecordType::CNAME),
            Edit::DeleteName(name("f.test")),
            Edit::DeleteRecord(name("f.test"), RecordType::A, octets),
        ];
        assert_eq!(read.changes[0], target, "a compressed name in RDATA");
        assert_eq!(read.changes[1..], deletions);
    }

    #[test]
    fn rfc2136_3_2_and_3_4_1_what_makes_no_sense_is_formerr() {
        let prerequisites: [Line<'_>; 6] = [
            ("a", 255, 255, 1, b""),
            ("a", 1, 255, 0, b"x"),
            ("a", 1, 3, 0, b""),
            ("a", 1, 1, 0, b"abc"),
            ("a", 252, 255, 0, b""),
            ("a", 255, 1, 0, b""),
        ];
        for line in prerequisites {
            assert_eq!(Update::read(&message(&[line], &[])), Err(Rcode::FORMERR), "{line:?}");
        }
        let changes: [Line<'_>; 7] = [
            ("a", 255, 1, 0, b""),
            ("a", 1, 1, 0, b"abc"),
            ("a", 1, 255, 1, b""),
            ("a", 1, 255, 0, b"x"),
            ("a", 255, 254, 0, b""),
            ("a", 1, 254, 1, &[1, 2, 3, 4]),
            ("a", 1, 3, 0, &[1, 2, 3, 4]),
        ];
        for line in changes {
            assert_eq!(Update::read(&message(&[], &[line])), Err(Rcode::FORMERR), "{line:?}");
        }
    }

    #[test]
    fn rfc2136_3_1_1_one_zone_by_its_soa_and_names_within_it() {
        let good = message(&[], &[("a", 1, 255, 0, b"")]);
        let with = |at: usize, octet: u8| {
            let mut message = good.clone();
            message[at] = octet;
            Update::read(&message)
        };
        assert!(Update::read(&good).is_ok());
        assert_eq!(with(19, 1), Err(Rcode::FORMERR), "not SOA");
        assert_eq!(with(21, 3), Err(Rcode::FORMERR), "not IN");
        assert_eq!(with(5, 0), Err(Rcode::FORMERR), "no zone");
        let mut outside = message(&[], &[]);
        outside[9] = 1;
        outside.extend(b"\x05other\0\0\x01\0\xff\0\0\0\0\0\0");
        assert_eq!(Update::read(&outside), Err(Rcode::NOTZONE));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Update::read(&octets);
            let mut message = message(&[], &[]);
            message[9] = 3;
            message.extend(octets);
            let _ = Update::read(&message);
        }
    }
}

//! Queries: header, question and OPT read in protocol order, guards first.
//!
//! Nothing is allocated and nothing outside the query is looked at. A query that cannot be answered
//! normally still yields a [`Query`]: with the RCODE to send, and as much of it as is worth echoing.

// Lengths and offsets come from packets here: no octet is reached for without asking whether it is there.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::{Edns, Qname, Rcode, RecordType};

/// Octets of the header.
pub const HEADER_LEN: usize = 12;

/// Class IN.
pub const CLASS_IN: u16 = 1;
/// Class CH, in which servers tell who they are.
pub const CLASS_CH: u16 = 3;
/// The query class that means every class.
pub const CLASS_ANY: u16 = 255;

/// A query as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What is asked.
    pub qtype: RecordType,
    /// In which class.
    pub qclass: u16,
    /// Where the question ends: everything before it stands in the reply as it is. [`HEADER_LEN`]
    /// when there is no question worth echoing.
    pub question_end: usize,
    /// The OPT record, if there is one.
    pub edns: Option<Edns>,
    /// NOERROR: to be answered. Otherwise what the reply has to say.
    pub rcode: Rcode,
}

/// The question behind the header: its end, type and class.
#[inline(always)]
fn read_question(buffer: &[u8], len: usize, qname: &mut Qname) -> Option<(usize, RecordType, u16)> {
    let at = qname.read(buffer, HEADER_LEN, len)?;
    let [type_high, type_low, class_high, class_low] = *buffer.get(at..len)?.first_chunk::<4>()?;
    Some((at + 4, RecordType(u16::from_be_bytes([type_high, type_low])), u16::from_be_bytes([class_high, class_low])))
}

impl Query {
    /// Nothing read yet.
    pub const UNREAD: Self =
        Self { qtype: RecordType(0), qclass: 0, question_end: HEADER_LEN, edns: None, rcode: Rcode::NOERROR };

    /// Reads the query in the first `len` octets of its buffer into an unread one; the name goes to
    /// `qname`. `None`: not to be answered at all, because it is shorter than a header or is itself a
    /// reply (QR = 1).
    #[inline(always)] // on the way of every query
    pub fn read(&mut self, buffer: &[u8], len: usize, qname: &mut Qname) -> Option<()> {
        let message = buffer.get(..len)?;
        let [_, _, flags, _, qd_high, qd_low, an_high, an_low, ns_high, ns_low, ar_high, ar_low] =
            *message.first_chunk::<HEADER_LEN>()?;
        if flags & 0x80 != 0 {
            return None;
        }
        let questions = u16::from_be_bytes([qd_high, qd_low]);
        let others = u32::from_be_bytes([an_high, an_low, ns_high, ns_low]);
        let additionals = u16::from_be_bytes([ar_high, ar_low]);
        // RFC 1035 §4.1.1: the opcode; only QUERY is offered on this path.
        if flags & 0x78 != 0 {
            self.rcode = Rcode::NOTIMP;
        }
        if questions != 1 {
            self.read_without_question(message, questions, others, additionals);
            return Some(());
        }
        let Some((end, qtype, qclass)) = read_question(buffer, len, qname) else {
            self.spoil(Rcode::FORMERR);
            return Some(());
        };
        (self.question_end, self.qtype, self.qclass) = (end, qtype, qclass);
        if others != 0 {
            // An IXFR query carries the SOA it has (RFC 1995 §3); it is refused below, not malformed.
            let ixfr = qtype == RecordType::IXFR && others == 1;
            if !ixfr {
                self.spoil(Rcode::FORMERR);
            }
        } else if additionals != 0 {
            self.read_additional(message, additionals);
        }
        Some(())
    }

    /// RFC 9619 §4: a query has one question, or none when it asks for a cookie (RFC 7873 §5.4).
    #[cold]
    fn read_without_question(&mut self, message: &[u8], questions: u16, others: u32, additionals: u16) {
        // What stands behind no question can be read: an OPT record gets one in reply (RFC 6891 §6.1.1).
        if questions == 0 && others == 0 {
            self.read_additional(message, additionals);
        }
        if questions != 0 || self.edns.as_ref().is_none_or(|edns| edns.cookie.is_none()) {
            self.spoil(Rcode::FORMERR);
        }
    }

    /// Records the first problem; a later one does not hide it.
    fn spoil(&mut self, rcode: Rcode) {
        if self.rcode == Rcode::NOERROR {
            self.rcode = rcode;
        }
    }

    /// Walks the additional section for OPT; octets behind the last record are tolerated.
    #[inline(never)]
    fn read_additional(&mut self, message: &[u8], count: u16) {
        let mut rest = message.get(self.question_end..).unwrap_or(&[]);
        for _ in 0..count {
            let Some((is_root, record)) = skip_name(rest) else { return self.spoil(Rcode::FORMERR) };
            let Some(([type_high, type_low, class_high, class_low, ttl @ .., len_high, len_low], tail)) =
                record.split_first_chunk::<10>()
            else {
                return self.spoil(Rcode::FORMERR);
            };
            let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
            let Some((rdata, tail)) = tail.split_at_checked(len) else { return self.spoil(Rcode::FORMERR) };
            rest = tail;
            if u16::from_be_bytes([*type_high, *type_low]) != RecordType::OPT.0 {
                continue;
            }
            // RFC 6891 §6.1.1: one OPT. §6.1.2: its owner is the root.
            if self.edns.is_some() || !is_root {
                return self.spoil(Rcode::FORMERR);
            }
            let edns = self.edns.insert(Edns::default());
            let sound = edns.read(u16::from_be_bytes([*class_high, *class_low]), *ttl, rdata);
            let version = edns.version;
            if sound.is_none() {
                return self.spoil(Rcode::FORMERR);
            }
            // RFC 6891 §6.1.3.
            if version != 0 {
                self.spoil(Rcode::BADVERS);
            }
        }
    }
}

/// Steps over a name that may end in a pointer: whether it was the root, and what follows.
#[inline]
fn skip_name(mut rest: &[u8]) -> Option<(bool, &[u8])> {
    let mut is_root = true;
    loop {
        let (len, tail) = rest.split_first()?;
        match len {
            0 => return Some((is_root, tail)),
            1..=63 => rest = tail.get(usize::from(*len)..)?,
            0xc0.. => return Some((false, tail.get(1..)?)),
            _ => return None,
        }
        is_root = false;
    }
}

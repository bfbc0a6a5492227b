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

/// Stands for NOERROR in [`Query::rcode`] when the query carries a TSIG record: no RCODE of the wire, which
/// have twelve bits. Such queries are told apart where those with an error already are.
pub const SIGNED: Rcode = Rcode(u16::MAX);

/// Opcode of announcements that a zone has changed (RFC 1996).
pub const OPCODE_NOTIFY: u8 = 4;
/// Opcode of dynamic updates (RFC 2136).
pub const OPCODE_UPDATE: u8 = 5;

/// A query as far as it could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// What is asked.
    pub qtype: RecordType,
    /// In which class.
    pub qclass: u16,
    /// Where the question ends: everything before it stands in the reply as it is. [`HEADER_LEN`]
    /// when there is no question worth echoing.
    pub question_end: usize,
    /// NOERROR: to be answered, as is [`SIGNED`]. Otherwise what the reply has to say.
    pub rcode: Rcode,
}

/// Reads the query in the first `len` octets of its buffer; the name goes to `qname`, the OPT record to
/// `edns`. `None`: not to be answered at all, because it is shorter than a header or is itself a reply
/// (QR = 1).
#[must_use]
#[inline(always)] // on the way of every query
pub fn read(buffer: &[u8], len: usize, qname: &mut Qname, edns: &mut Option<Edns>) -> Option<Query> {
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
    let mut rcode = if flags & 0x78 == 0 { Rcode::NOERROR } else { Rcode::NOTIMP };
    let unread = Query { qtype: RecordType(0), qclass: 0, question_end: HEADER_LEN, rcode };
    if questions != 1 {
        let problem = read_without_question(message, questions, others, additionals, edns);
        return Some(Query { rcode: first(rcode, problem), ..unread });
    }
    let Some((question_end, qtype, qclass)) = read_question(buffer, len, qname) else {
        return Some(Query { rcode: first(rcode, Rcode::FORMERR), ..unread });
    };
    if others != 0 {
        // An IXFR query carries the SOA it has (RFC 1995 §3); it is refused below, not malformed.
        if qtype != RecordType::IXFR || others != 1 {
            rcode = first(rcode, Rcode::FORMERR);
        }
    } else if additionals != 0 {
        let rest = message.get(question_end..).unwrap_or(&[]);
        rcode = first(rcode, read_additional(rest, additionals, edns));
    }
    Some(Query { qtype, qclass, question_end, rcode })
}

/// The first problem; a later one does not hide it.
#[inline(always)]
fn first(found: Rcode, next: Rcode) -> Rcode {
    if found == Rcode::NOERROR { next } else { found }
}

/// RFC 9619 §4: a query has one question, or none when it asks for a cookie (RFC 7873 §5.4).
#[cold]
fn read_without_question(
    message: &[u8],
    questions: u16,
    others: u32,
    additionals: u16,
    edns: &mut Option<Edns>,
) -> Rcode {
    let mut problem = Rcode::NOERROR;
    // What stands behind no question can be read: an OPT record gets one in reply (RFC 6891 §6.1.1).
    if questions == 0 && others == 0 {
        problem = read_additional(message.get(HEADER_LEN..).unwrap_or(&[]), additionals, edns);
    }
    let asks = questions == 0 && edns.as_ref().is_some_and(|edns| edns.cookie.is_some());
    if asks { problem } else { first(problem, Rcode::FORMERR) }
}

/// The question behind the header: its end, type and class.
#[inline(always)]
fn read_question(buffer: &[u8], len: usize, qname: &mut Qname) -> Option<(usize, RecordType, u16)> {
    let at = qname.read(buffer, HEADER_LEN, len)?;
    let [type_high, type_low, class_high, class_low] = *buffer.get(at..len)?.first_chunk::<4>()?;
    Some((at + 4, RecordType(u16::from_be_bytes([type_high, type_low])), u16::from_be_bytes([class_high, class_low])))
}

/// Walks the additional section for OPT; octets behind the last record are tolerated. What is wrong
/// with it, or NOERROR.
#[inline(never)]
fn read_additional(mut rest: &[u8], count: u16, edns: &mut Option<Edns>) -> Rcode {
    let mut problem = Rcode::NOERROR;
    for _ in 0..count {
        let Some((is_root, record)) = skip_name(rest) else { return first(problem, Rcode::FORMERR) };
        let Some(([type_high, type_low, class_high, class_low, ttl @ .., len_high, len_low], tail)) =
            record.split_first_chunk::<10>()
        else {
            return first(problem, Rcode::FORMERR);
        };
        let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
        let Some((rdata, tail)) = tail.split_at_checked(len) else { return first(problem, Rcode::FORMERR) };
        rest = tail;
        let rtype = RecordType(u16::from_be_bytes([*type_high, *type_low]));
        if rtype != RecordType::OPT {
            if rtype == RecordType::TSIG {
                problem = first(problem, SIGNED);
            }
            continue;
        }
        // RFC 6891 §6.1.1: one OPT. §6.1.2: its owner is the root.
        if edns.is_some() || !is_root {
            return first(problem, Rcode::FORMERR);
        }
        let opt = edns.insert(Edns::default());
        if opt.read(u16::from_be_bytes([*class_high, *class_low]), *ttl, rdata).is_none() {
            return Rcode::FORMERR;
        }
        // RFC 6891 §6.1.3.
        if opt.version != 0 {
            problem = Rcode::BADVERS;
        }
    }
    problem
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

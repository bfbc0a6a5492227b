//! Queries built octet by octet, and replies as an independent implementation (hickory-proto) reads them.

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

pub const A: u16 = 1;
pub const NS: u16 = 2;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const MX: u16 = 15;
pub const TXT: u16 = 16;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;
pub const OPT: u16 = 41;
pub const DS: u16 = 43;
pub const HTTPS: u16 = 65;
pub const ANY: u16 = 255;

pub const NOERROR: u16 = 0;
pub const FORMERR: u16 = 1;
pub const NXDOMAIN: u16 = 3;
pub const NOTIMP: u16 = 4;
pub const REFUSED: u16 = 5;
pub const BADVERS: u16 = 16;

/// A name in wire form; labels may not hold dots.
pub fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// A question: name, type, class.
pub fn question(qname: &str, qtype: u16, class: u16) -> Vec<u8> {
    [name(qname), qtype.to_be_bytes().to_vec(), class.to_be_bytes().to_vec()].concat()
}

/// A header with RD unset: id, third and fourth octet, counts.
pub fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    [id, flags].into_iter().chain(counts).flat_map(u16::to_be_bytes).collect()
}

/// A query of class IN without EDNS, RD unset.
pub fn query(qname: &str, qtype: u16) -> Vec<u8> {
    [header(0x1234, 0, [1, 0, 0, 0]), question(qname, qtype, 1)].concat()
}

/// An OPT record.
pub fn opt(payload: u16, ttl: u32, options: &[u8]) -> Vec<u8> {
    let len = u16::try_from(options.len()).unwrap();
    [&[0, 0, 41][..], &payload.to_be_bytes(), &ttl.to_be_bytes(), &len.to_be_bytes(), options].concat()
}

/// An EDNS option.
pub fn option(code: u16, value: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

/// The client subnet option (RFC 7871 §6).
pub fn subnet(family: u16, source: u8, scope: u8, address: &[u8]) -> Vec<u8> {
    option(8, &[&family.to_be_bytes()[..], &[source, scope], address].concat())
}

/// Adds an additional record to a message.
pub fn with_additional(mut message: Vec<u8>, record: &[u8]) -> Vec<u8> {
    let count = u16::from_be_bytes([message[10], message[11]]) + 1;
    message[10..12].copy_from_slice(&count.to_be_bytes());
    message.extend_from_slice(record);
    message
}

/// A query with EDNS of version 0.
pub fn edns_query(qname: &str, qtype: u16, payload: u16, options: &[u8]) -> Vec<u8> {
    with_additional(query(qname, qtype), &opt(payload, 0, options))
}

/// A message behind its length (RFC 7766 §8).
pub fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

/// A reply, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub id: u16,
    /// QR, AA, TC, RD, RA, AD, CD that are set, in this order, separated by spaces.
    pub flags: String,
    /// The RCODE, the upper bits of EDNS included.
    pub rcode: u16,
    pub opcode: u8,
    /// `name class type`.
    pub question: Vec<String>,
    /// `name ttl class type rdata`, sorted.
    pub answer: Vec<String>,
    pub authority: Vec<String>,
    pub additional: Vec<String>,
    pub opt: Option<Opt>,
    /// Octets of the message.
    pub len: usize,
}

/// The OPT record of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opt {
    pub payload: u16,
    pub version: u8,
    pub dnssec_ok: bool,
    /// The reserved flag bits, DO excluded.
    pub other_flags: u16,
    /// Codes of all options in order.
    pub codes: Vec<u16>,
    /// `address/source/scope`.
    pub subnet: Option<String>,
    /// INFO-CODE of an extended error (RFC 8914).
    pub error: Option<u16>,
}

impl Reply {
    /// Decodes a message that has to be well-formed to its last octet.
    pub fn read(wire: &[u8]) -> Self {
        Self::try_read(wire).unwrap_or_else(|error| panic!("{error}: {wire:02x?}"))
    }

    /// Decodes a message; fails when it is malformed, is no response, or has octets to spare.
    pub fn try_read(wire: &[u8]) -> Result<Self, String> {
        let mut decoder = BinDecoder::new(wire);
        let message = Message::read(&mut decoder).map_err(|error| error.to_string())?;
        if !decoder.is_empty() {
            return Err(format!("{} octets behind the message", decoder.len()));
        }
        let meta = &message.metadata;
        if meta.message_type != MessageType::Response {
            return Err("not a response".to_owned());
        }
        let flags = [
            (true, "QR"),
            (meta.authoritative, "AA"),
            (meta.truncation, "TC"),
            (meta.recursion_desired, "RD"),
            (meta.recursion_available, "RA"),
            (meta.authentic_data, "AD"),
            (meta.checking_disabled, "CD"),
        ];
        let lines = |records: &[Record]| {
            let mut lines: Vec<String> = records.iter().map(ToString::to_string).collect();
            lines.sort();
            lines
        };
        Ok(Self {
            id: meta.id,
            flags: flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect::<Vec<_>>().join(" "),
            rcode: meta.response_code.into(),
            opcode: wire[2] >> 3 & 0x0f,
            question: message
                .queries
                .iter()
                .map(|q| format!("{} {} {}", q.name(), q.query_class(), q.query_type()))
                .collect(),
            answer: lines(&message.answers),
            authority: lines(&message.authorities),
            additional: lines(&message.additionals),
            opt: message.edns.as_ref().map(|edns| Opt {
                payload: edns.max_payload(),
                version: edns.version(),
                dnssec_ok: edns.flags().dnssec_ok,
                other_flags: edns.flags().z,
                codes: edns.options().as_ref().iter().map(|(code, _)| u16::from(*code)).collect(),
                subnet: match edns.option(EdnsCode::Subnet) {
                    Some(EdnsOption::Subnet(sent)) => {
                        Some(format!("{}/{}/{}", sent.addr(), sent.source_prefix(), sent.scope_prefix()))
                    }
                    _ => None,
                },
                error: match edns.option(EdnsCode::Unknown(15)) {
                    Some(EdnsOption::Unknown(_, octets)) => octets.first_chunk().map(|code| u16::from_be_bytes(*code)),
                    _ => None,
                },
            }),
            len: wire.len(),
        })
    }

    /// The RDATA of the answers of a type, sorted.
    pub fn rdata(&self, rtype: &str) -> Vec<String> {
        let words = |line: &String| -> Option<String> {
            let mut parts = line.splitn(5, ' ');
            (parts.nth(3)? == rtype).then(|| parts.next().unwrap_or_default().to_owned())
        };
        self.answer.iter().filter_map(words).collect()
    }

    /// RCODE, flags, and how many records each section has.
    pub fn shape(&self) -> (u16, &str, [usize; 3]) {
        (self.rcode, &self.flags, [self.answer.len(), self.authority.len(), self.additional.len()])
    }
}

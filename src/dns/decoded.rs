//! Replies as an independent implementation reads them, for tests: every section as lines of text.

use super::edns::Subnet;
use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// A reply, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) id: u16,
    /// QR, AA, TC, RD, RA, AD, CD that are set, in this order, separated by spaces.
    pub(crate) flags: String,
    /// The RCODE, the upper bits of EDNS included.
    pub(crate) rcode: u16,
    /// `name type class`.
    pub(crate) question: Vec<String>,
    /// `name ttl class type rdata`.
    pub(crate) answer: Vec<String>,
    pub(crate) authority: Vec<String>,
    pub(crate) additional: Vec<String>,
    pub(crate) opt: Option<DecodedOpt>,
}

/// The OPT record of a reply, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodedOpt {
    pub(crate) payload: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
    /// The client subnet and its scope.
    pub(crate) subnet: Option<(Subnet, u8)>,
    /// The INFO-CODE of an extended error.
    pub(crate) error: Option<u16>,
}

impl Decoded {
    /// Decodes a message; fails when it is malformed or has octets to spare.
    pub(crate) fn read(wire: &[u8]) -> Result<Self, String> {
        let mut decoder = BinDecoder::new(wire);
        let message = Message::read(&mut decoder).map_err(|e| e.to_string())?;
        if !decoder.is_empty() {
            return Err(format!("{} octets behind the message", decoder.len()));
        }
        let meta = &message.metadata;
        let flags = [
            (matches!(meta.message_type, hickory_proto::op::MessageType::Response), "QR"),
            (meta.authoritative, "AA"),
            (meta.truncation, "TC"),
            (meta.recursion_desired, "RD"),
            (meta.recursion_available, "RA"),
            (meta.authentic_data, "AD"),
            (meta.checking_disabled, "CD"),
        ];
        let lines = |records: &[Record]| records.iter().map(ToString::to_string).collect();
        Ok(Self {
            id: meta.id,
            flags: flags.iter().filter(|f| f.0).map(|f| f.1).collect::<Vec<_>>().join(" "),
            rcode: meta.response_code.into(),
            question: message
                .queries
                .iter()
                .map(|q| format!("{} {} {}", q.name(), q.query_type(), q.query_class()))
                .collect(),
            answer: lines(&message.answers),
            authority: lines(&message.authorities),
            additional: lines(&message.additionals),
            opt: message.edns.as_ref().map(|edns| DecodedOpt {
                payload: edns.max_payload(),
                version: edns.version(),
                dnssec_ok: edns.flags().dnssec_ok,
                subnet: match edns.option(EdnsCode::Subnet) {
                    Some(EdnsOption::Subnet(ecs)) => {
                        Some((Subnet { address: ecs.addr(), source: ecs.source_prefix() }, ecs.scope_prefix()))
                    }
                    _ => None,
                },
                error: match edns.option(EdnsCode::Unknown(15)) {
                    Some(EdnsOption::Unknown(_, octets)) => octets.first_chunk().map(|code| u16::from_be_bytes(*code)),
                    _ => None,
                },
            }),
        })
    }
}

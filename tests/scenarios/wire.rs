//! Queries to bytes, and replies read by an independent decoder.

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use std::net::IpAddr;

/// A reply as scenarios speak of it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub rcode: String,
    /// `type data` apart, with the TTL.
    pub answer: Vec<Line>,
    pub authority: Vec<Line>,
    pub scope: Option<u8>,
    pub error: Option<u16>,
}

/// One record.
#[derive(Debug)]
pub(crate) struct Line {
    pub ttl: u32,
    pub rtype: String,
    pub data: String,
}

/// The bytes of a query with EDNS, and the subnet if there is one.
pub(crate) fn query(name: &str, rtype: u16, subnet: Option<(IpAddr, u8)>) -> Vec<u8> {
    let mut wire = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\x01".to_vec();
    for label in name.trim_end_matches('.').split('.') {
        wire.push(u8::try_from(label.len()).expect("a label of at most 63 octets"));
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire.extend_from_slice(&rtype.to_be_bytes());
    wire.extend_from_slice(&[0, 1]);
    let option = subnet.map_or_else(Vec::new, |(address, source)| subnet_option(address, source));
    wire.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0]);
    wire.extend_from_slice(&u16::try_from(option.len()).expect("a short option").to_be_bytes());
    wire.extend_from_slice(&option);
    wire
}

/// The client subnet option (RFC 7871 §6).
fn subnet_option(address: IpAddr, source: u8) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(v4) => (1u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (2u8, v6.octets().to_vec()),
    };
    let sent = &octets[..usize::from(source).div_ceil(8)];
    let len = u8::try_from(4 + sent.len()).expect("at most 20 octets");
    [&[0, 8, 0, len, 0, family, source, 0], sent].concat()
}

/// The number of a type.
pub(crate) fn type_number(name: &str) -> Result<u16, String> {
    let known: hickory_proto::rr::RecordType = name.parse().map_err(|_| format!("`{name}` is no record type"))?;
    Ok(known.into())
}

/// Reads a reply.
pub(crate) fn read(wire: &[u8]) -> Result<Reply, String> {
    let message = Message::from_vec(wire).map_err(|error| format!("the reply cannot be read: {error}"))?;
    let lines = |records: &[hickory_proto::rr::Record]| {
        records.iter().map(|record| line(&record.to_string())).collect::<Result<Vec<_>, _>>()
    };
    let edns = message.edns.as_ref();
    let scope = edns.and_then(|edns| match edns.option(EdnsCode::Subnet) {
        Some(EdnsOption::Subnet(subnet)) => Some(subnet.scope_prefix()),
        _ => None,
    });
    let error = edns.and_then(|edns| match edns.option(EdnsCode::Unknown(15)) {
        Some(EdnsOption::Unknown(_, octets)) => octets.first_chunk().map(|code| u16::from_be_bytes(*code)),
        _ => None,
    });
    let rcode: u16 = message.metadata.response_code.into();
    let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
    Ok(Reply {
        rcode: names.get(usize::from(rcode)).map_or_else(|| rcode.to_string(), |name| (*name).to_owned()),
        answer: lines(&message.answers)?,
        authority: lines(&message.authorities)?,
        scope,
        error,
    })
}

/// `name ttl class type data`.
fn line(text: &str) -> Result<Line, String> {
    let mut words = text.splitn(5, ' ');
    let mut word = || words.next().ok_or_else(|| format!("a record of fewer than five words: {text}"));
    let (_, ttl, _, rtype, data) = (word()?, word()?, word()?, word()?, word()?);
    Ok(Line {
        ttl: ttl.parse().map_err(|_| format!("no TTL: {text}"))?,
        rtype: rtype.to_owned(),
        data: data.trim_end().to_owned(),
    })
}

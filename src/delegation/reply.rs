//! A reply as far as a delegation is concerned.

use crate::dns::message::{Header, Records, read_name};
use crate::dns::{Name, RecordType, serial};
use std::net::IpAddr;

/// AA and TC among the flags of a header.
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;

/// What a reply says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) rcode: u16,
    pub(super) is_authoritative: bool,
    pub(super) is_truncated: bool,
    /// Whether it carries an OPT record.
    pub(super) has_opt: bool,
    pub(super) records: Vec<Seen>,
}

/// A record of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// 1 answer, 2 authority, 3 additional.
    pub(super) section: usize,
    pub(super) owner: Name,
    pub(super) rtype: RecordType,
    pub(super) data: Data,
}

/// What it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    /// Of NS.
    Server(Name),
    /// Of A and AAAA.
    Address(IpAddr),
    /// Of SOA.
    Serial(u32),
    /// Of another type.
    Other,
}

impl Reply {
    /// Reads a message; `None` when it is malformed.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let header = Header::read(message)?;
        let mut reply = Self {
            rcode: header.rcode(),
            is_authoritative: header.flags & AUTHORITATIVE != 0,
            is_truncated: header.flags & TRUNCATED != 0,
            has_opt: false,
            records: Vec::new(),
        };
        for record in Records::of(message).ok()? {
            let record = record.ok()?;
            if record.rtype == RecordType::OPT {
                reply.has_opt = true;
                continue;
            }
            let rdata = message.get(record.rdata.clone())?;
            let data = match record.rtype {
                RecordType::NS => Data::Server(read_name(message, record.rdata.start)?.0),
                RecordType::SOA => Data::Serial(serial::of_soa(rdata)?),
                rtype => address(rtype, rdata).map_or(Data::Other, Data::Address),
            };
            reply.records.push(Seen { section: record.section, owner: record.owner, rtype: record.rtype, data });
        }
        Some(reply)
    }

    /// The RCODE in words.
    pub(super) fn rcode_word(&self) -> String {
        match self.rcode {
            0 => "NOERROR".to_owned(),
            1 => "FORMERR".to_owned(),
            2 => "SERVFAIL".to_owned(),
            3 => "NXDOMAIN".to_owned(),
            4 => "NOTIMP".to_owned(),
            5 => "REFUSED".to_owned(),
            other => format!("RCODE {other}"),
        }
    }

    /// The names of NS records of an owner in a section.
    pub(super) fn servers<'r>(&'r self, section: usize, owner: &'r Name) -> impl Iterator<Item = &'r Name> {
        self.records.iter().filter_map(move |seen| match &seen.data {
            Data::Server(name) if seen.section == section && seen.owner == *owner => Some(name),
            _ => None,
        })
    }

    /// The serial of the SOA record of an owner among the answers.
    pub(super) fn serial(&self, owner: &Name) -> Option<u32> {
        self.records.iter().find_map(|seen| match seen.data {
            Data::Serial(serial) if seen.section == 1 && seen.owner == *owner => Some(serial),
            _ => None,
        })
    }

    /// Whether an owner has this type among the answers.
    pub(super) fn has(&self, owner: &Name, rtype: RecordType) -> bool {
        self.records.iter().any(|seen| seen.section == 1 && seen.owner == *owner && seen.rtype == rtype)
    }

    /// Addresses in the additional section, with their owners.
    pub(super) fn glue(&self) -> impl Iterator<Item = (&Name, IpAddr)> {
        self.records.iter().filter_map(|seen| match seen.data {
            Data::Address(address) if seen.section == 3 => Some((&seen.owner, address)),
            _ => None,
        })
    }

    /// Addresses among the answers, behind aliases too.
    pub(super) fn addresses_in_answer(&self) -> impl Iterator<Item = IpAddr> {
        self.records.iter().filter_map(|seen| match seen.data {
            Data::Address(address) if seen.section == 1 => Some(address),
            _ => None,
        })
    }
}

/// The address of an A or AAAA record.
pub(super) fn address(rtype: RecordType, rdata: &[u8]) -> Option<IpAddr> {
    match rtype {
        RecordType::A => <[u8; 4]>::try_from(rdata).ok().map(IpAddr::from),
        RecordType::AAAA => <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from),
        _ => None,
    }
}

//! EDNS(0): the OPT record of a query and of a reply (RFC 6891), and the options in it: client subnet
//! (RFC 7871), cookie (RFC 7873), server identifier (RFC 5001), idle time of a connection (RFC 7828), padding
//! (RFC 7830), extended error (RFC 8914).
//!
//! Unknown options are skipped (RFC 6891 §6.1.2, RFC 8906 §4); a malformed one spoils the query
//! (RFC 6891 §7). Knows formats only: whose subnet is believed is decided in `answer`.

// Lengths and offsets come from packets here: no octet is reached for without asking whether it is there.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::cookie::SentCookie;
pub use super::extended_error::ExtendedError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The UDP payload size we announce and never exceed: no fragment on any common path.
pub const UDP_PAYLOAD: u16 = 1232;

/// Octets of an OPT record without options: root owner, type, size, flags, RDLENGTH.
const OPT_LEN: usize = 11;

/// Octets of an option before its value.
const OPTION_HEAD: usize = 4;

/// Replies that are padded are as long as a multiple of this (RFC 8467 §4.1).
pub(super) const PADDED_BLOCK: usize = 468;

/// Option code of the name server identifier (RFC 5001 §2.3).
const OPTION_NSID: u16 = 3;

/// Option code of a cookie (RFC 7873 §4).
const OPTION_COOKIE: u16 = 10;

/// Option code of edns-tcp-keepalive (RFC 7828 §3.1).
const OPTION_KEEPALIVE: u16 = 11;

/// Option code of padding (RFC 7830 §3).
const OPTION_PADDING: u16 = 12;

/// Option code of the client subnet (RFC 7871 §6).
const OPTION_SUBNET: u16 = 8;

/// Option code of an extended error (RFC 8914 §2).
const OPTION_EXTENDED_ERROR: u16 = 15;

/// A client subnet as a resolver sent it (RFC 7871 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    /// The address; bits beyond `source` are zero.
    pub address: IpAddr,
    /// SOURCE PREFIX-LENGTH, at most 32 or 128.
    pub source: u8,
}

/// The OPT record of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edns {
    /// The largest UDP reply the sender takes, as announced.
    pub payload: u16,
    /// VERSION; we speak 0 only.
    pub version: u8,
    /// The DO bit, copied into the reply (RFC 3225 §3).
    pub dnssec_ok: bool,
    /// The client subnet option.
    pub subnet: Option<SentSubnet>,
    /// The cookie option.
    pub cookie: Option<SentCookie>,
    /// Whether the identifier of this server is asked for.
    pub wants_nsid: bool,
    /// Whether the query is padded, so that the reply is to be.
    pub is_padded: bool,
    /// Whether the idle time of the connection is asked for, and if so whether as RFC 7828 §3.1 wants it.
    pub keepalive: Option<Keepalive>,
}

/// An edns-tcp-keepalive option of a query. What it means depends on the transport, which reading does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keepalive {
    /// Without a value, as a client has to send it.
    Asked,
    /// With a value, which only servers send.
    Malformed,
}

/// A client subnet option, with what is needed to echo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentSubnet {
    /// FAMILY as sent: 1, 2, or 0 with a /0 (which `dig +subnet=0` sends).
    family: u16,
    /// The prefix.
    pub subnet: Subnet,
}

/// The OPT record of a reply, before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplyOpt<'a> {
    /// Copied from the query.
    pub dnssec_ok: bool,
    /// The upper eight bits of the RCODE.
    pub rcode_high: u8,
    /// The subnet to echo with the SCOPE PREFIX-LENGTH of this answer (RFC 7871 §7.2.1).
    pub subnet: Option<(SentSubnet, u8)>,
    /// The client's cookie and ours behind it (RFC 7873 §5.2).
    pub cookie: Option<[u8; 24]>,
    /// The identifier of this server.
    pub nsid: Option<&'a [u8]>,
    /// A reason, if there is one to tell.
    pub error: Option<ExtendedError>,
    /// How long the connection may be idle, in units of 100 ms (RFC 7828 §3.1), if that was asked for.
    pub keepalive: Option<u16>,
    /// Whether the message is to be padded, as far as there is room.
    pub padded: bool,
}

impl Edns {
    /// Reads an OPT record from its CLASS, its TTL and its RDATA into an empty one; `None` means malformed.
    #[inline]
    pub fn read(&mut self, class: u16, ttl: [u8; 4], rdata: &[u8]) -> Option<()> {
        let [_, version, flags, _] = ttl;
        (self.payload, self.version, self.dnssec_ok) = (class, version, flags & 0x80 != 0);
        // Options of another version have no meaning we know (RFC 6891 §6.1.3).
        if version == 0 { self.read_options(rdata) } else { Some(()) }
    }

    /// Walks the options; `None`: one is malformed.
    fn read_options(&mut self, mut rest: &[u8]) -> Option<()> {
        while !rest.is_empty() {
            let ([code_high, code_low, len_high, len_low], tail) = rest.split_first_chunk::<4>()?;
            let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
            let (value, tail) = tail.split_at_checked(len)?;
            match u16::from_be_bytes([*code_high, *code_low]) {
                OPTION_SUBNET if self.subnet.is_some() => return None,
                OPTION_SUBNET => self.subnet = Some(SentSubnet::read(value)?),
                // Of several cookies the first counts (RFC 7873 §5.2).
                OPTION_COOKIE if self.cookie.is_none() => self.cookie = Some(SentCookie::read(value)?),
                OPTION_NSID => self.wants_nsid = true,
                OPTION_PADDING => self.is_padded = true,
                OPTION_KEEPALIVE => self.note_keepalive(value),
                _ => {}
            }
            rest = tail;
        }
        Some(())
    }

    /// Keeps what an edns-tcp-keepalive option says; one that is malformed spoils those beside it.
    #[cold]
    fn note_keepalive(&mut self, value: &[u8]) {
        let good = value.is_empty() && self.keepalive != Some(Keepalive::Malformed);
        self.keepalive = Some(if good { Keepalive::Asked } else { Keepalive::Malformed });
    }
}

impl SentSubnet {
    /// Reads the option strictly (RFC 7871 §6, §7.1.2): SCOPE 0, exactly as many octets as the
    /// prefix needs, no bit beyond it.
    fn read(value: &[u8]) -> Option<Self> {
        let ([family_high, family_low, source, scope], octets) = value.split_first_chunk::<4>()?;
        let family = u16::from_be_bytes([*family_high, *family_low]);
        let longest = match family {
            0 => 0,
            1 => 32,
            2 => 128,
            _ => return None,
        };
        if *scope != 0 || *source > longest || octets.len() != prefix_octets(*source) {
            return None;
        }
        if let Some(last) = octets.last().filter(|_| source % 8 != 0)
            && last << (source % 8) != 0
        {
            return None;
        }
        let padded = match octets {
            // A /24, as nearly all of them are: without a call to copy three octets.
            [a, b, c] => [*a, *b, *c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            _ => {
                let mut padded = [0; 16];
                padded.get_mut(..octets.len())?.copy_from_slice(octets);
                padded
            }
        };
        let [a, b, c, d, ..] = padded;
        let address = if family == 2 { Ipv6Addr::from(padded).into() } else { Ipv4Addr::new(a, b, c, d).into() };
        Some(Self { family, subnet: Subnet { address, source: *source } })
    }

    /// Octets of the option in a reply, its code and length included.
    const fn len(&self) -> usize {
        8 + prefix_octets(self.subnet.source)
    }
}

/// How many octets a prefix of this length takes.
const fn prefix_octets(source: u8) -> usize {
    (source as usize).div_ceil(8)
}

impl ReplyOpt<'_> {
    /// Octets this record takes, padding not counted.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        let error = self.error.map_or(0, |error| OPTION_HEAD + 2 + error.text().len());
        let cookie = self.cookie.map_or(0, |cookie| OPTION_HEAD + cookie.len());
        let nsid = self.nsid.map_or(0, |nsid| OPTION_HEAD + nsid.len());
        let keepalive = if self.keepalive.is_some() { OPTION_HEAD + 2 } else { 0 };
        OPT_LEN + self.subnet.as_ref().map_or(0, |(sent, _)| sent.len()) + cookie + nsid + error + keepalive
    }

    /// Always false: the fixed part alone has eleven octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Writes the record to the front of `space`, behind `before` octets of message; returns the octets
    /// used, or `None` when they do not fit.
    #[inline(never)]
    pub fn write(&self, before: usize, space: &mut [u8]) -> Option<usize> {
        let len = self.len() + self.padding(before, space.len());
        let (fixed, mut options) = space.get_mut(..len)?.split_first_chunk_mut::<OPT_LEN>()?;
        let [size_high, size_low] = UDP_PAYLOAD.to_be_bytes();
        let [rdlen_high, rdlen_low] = u16::try_from(len - OPT_LEN).ok()?.to_be_bytes();
        let flags = if self.dnssec_ok { 0x80 } else { 0 };
        *fixed = [0, 0, 41, size_high, size_low, self.rcode_high, 0, flags, 0, rdlen_high, rdlen_low];
        if options.is_empty() {
            return Some(len);
        }
        if let Some((sent, scope)) = &self.subnet {
            let (option, rest) = options.split_at_mut_checked(sent.len())?;
            write_subnet(sent, *scope, option)?;
            options = rest;
        }
        if let Some(cookie) = &self.cookie {
            options = write_option(options, OPTION_COOKIE, cookie)?;
        }
        if let Some(nsid) = self.nsid {
            options = write_option(options, OPTION_NSID, nsid)?;
        }
        if let Some(idle) = self.keepalive {
            options = write_option(options, OPTION_KEEPALIVE, &idle.to_be_bytes())?;
        }
        if let Some(error) = self.error {
            let text = error.text().as_bytes();
            let (option, rest) = options.split_at_mut_checked(OPTION_HEAD + 2 + text.len())?;
            let (head, place) = option.split_first_chunk_mut::<{ OPTION_HEAD + 2 }>()?;
            let [code_high, code_low] = OPTION_EXTENDED_ERROR.to_be_bytes();
            let [len_high, len_low] = u16::try_from(2 + text.len()).ok()?.to_be_bytes();
            *head = [code_high, code_low, len_high, len_low, 0, error.code()];
            place.copy_from_slice(text);
            options = rest;
        }
        if let Some(zeroes) = options.len().checked_sub(OPTION_HEAD) {
            let rest = write_option(options, OPTION_PADDING, &[])?;
            rest.fill(0);
            let head = options.first_chunk_mut::<OPTION_HEAD>()?;
            let [.., len_high, len_low] = head;
            [*len_high, *len_low] = u16::try_from(zeroes).ok()?.to_be_bytes();
        }
        Some(len)
    }

    /// Octets of the padding option: what is missing to a whole block, if there is room for it.
    #[inline]
    fn padding(&self, before: usize, room: usize) -> usize {
        if !self.padded {
            return 0;
        }
        let bare = before + self.len() + OPTION_HEAD;
        let padding = OPTION_HEAD + bare.next_multiple_of(PADDED_BLOCK) - bare;
        if self.len() + padding <= room { padding } else { 0 }
    }
}

/// Writes one option; returns the space behind it.
fn write_option<'m>(space: &'m mut [u8], code: u16, value: &[u8]) -> Option<&'m mut [u8]> {
    let (head, rest) = space.split_first_chunk_mut::<OPTION_HEAD>()?;
    let (target, rest) = rest.split_at_mut_checked(value.len())?;
    let ([code_high, code_low], [len_high, len_low]) =
        (code.to_be_bytes(), u16::try_from(value.len()).ok()?.to_be_bytes());
    *head = [code_high, code_low, len_high, len_low];
    target.copy_from_slice(value);
    Some(rest)
}

/// Echoes FAMILY, SOURCE and ADDRESS, and adds the scope (RFC 7871 §7.2.1).
fn write_subnet(sent: &SentSubnet, scope: u8, option: &mut [u8]) -> Option<()> {
    let (fixed, address) = option.split_first_chunk_mut::<8>()?;
    let [code_high, code_low] = OPTION_SUBNET.to_be_bytes();
    let [len_high, len_low] = u16::try_from(4 + address.len()).ok()?.to_be_bytes();
    let [family_high, family_low] = sent.family.to_be_bytes();
    *fixed = [code_high, code_low, len_high, len_low, family_high, family_low, sent.subnet.source, scope];
    match sent.subnet.address {
        IpAddr::V4(v4) => match address {
            [first, second, third] => [*first, *second, *third, _] = v4.octets(),
            _ => address.copy_from_slice(v4.octets().get(..address.len())?),
        },
        IpAddr::V6(v6) => address.copy_from_slice(v6.octets().get(..address.len())?),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet_option(family: u16, source: u8, scope: u8, address: &[u8]) -> Vec<u8> {
        let len = u16::try_from(4 + address.len()).unwrap().to_be_bytes();
        [&[0, 8], &len[..], &family.to_be_bytes()[..], &[source, scope], address].concat()
    }

    fn read(options: &[u8]) -> Option<Option<SentSubnet>> {
        let mut edns = Edns::default();
        edns.read(1232, [0; 4], options).map(|()| edns.subnet)
    }

    #[test]
    fn rfc7871_6_a_subnet_has_exactly_the_octets_of_its_prefix() {
        let subnet = read(&subnet_option(1, 24, 0, &[192, 0, 2])).unwrap().unwrap().subnet;
        assert_eq!(subnet, Subnet { address: "192.0.2.0".parse().unwrap(), source: 24 });
        let subnet = read(&subnet_option(2, 33, 0, &[0x20, 1, 0xd, 0xb8, 0x80])).unwrap().unwrap().subnet;
        assert_eq!(subnet, Subnet { address: "2001:db8:8000::".parse().unwrap(), source: 33 });
        let subnet = read(&subnet_option(1, 0, 0, &[])).unwrap().unwrap().subnet;
        assert_eq!(subnet, Subnet { address: "0.0.0.0".parse().unwrap(), source: 0 });
        for bad in [
            subnet_option(1, 24, 0, &[192, 0, 2, 0]),
            subnet_option(1, 24, 0, &[192, 0]),
            subnet_option(1, 24, 24, &[192, 0, 2]),
            subnet_option(1, 23, 0, &[192, 0, 3]),
            subnet_option(1, 33, 0, &[192, 0, 2, 1, 0]),
            subnet_option(3, 8, 0, &[1]),
            subnet_option(2, 129, 0, &[0; 17]),
            vec![0, 8, 0, 2, 0, 1],
            subnet_option(1, 24, 0, &[192, 0, 2]).repeat(2),
        ] {
            assert_eq!(read(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn rfc6891_6_1_2_unknown_options_are_skipped_and_overlong_ones_are_malformed() {
        assert_eq!(read(&[0xfd, 0xe9, 0, 3, 1, 2, 3, 0, 11, 0, 0]), Some(None));
        assert_eq!(read(&[0xfd, 0xe9, 0, 4, 1, 2, 3]), None);
        assert_eq!(read(&[0xfd, 0xe9, 0]), None);
    }

    #[test]
    fn a_reply_echoes_the_subnet_and_adds_scope_and_error() {
        let sent = read(&subnet_option(1, 20, 0, &[192, 0, 0x20])).unwrap().unwrap();
        let opt = ReplyOpt {
            dnssec_ok: true,
            rcode_high: 1,
            subnet: Some((sent, 16)),
            error: Some(ExtendedError::NotReady),
            ..ReplyOpt::default()
        };
        let mut space = [0xff; 80];
        assert_eq!(opt.write(40, &mut space), Some(53));
        assert_eq!(opt.len(), 53);
        let expected = [
            &[0, 0, 41, 4, 208, 1, 0, 0x80, 0, 0, 42][..],
            &[0, 8, 0, 7, 0, 1, 20, 16, 192, 0, 0x20],
            &[0, 15, 0, 27, 0, 14],
            b"this pool is not eligible",
        ];
        assert_eq!(space[..53], expected.concat());
        assert_eq!(opt.write(40, &mut space[..52]), None);
    }

    #[test]
    fn rfc8467_4_1_a_padded_message_fills_whole_blocks_while_there_is_room() {
        let opt = ReplyOpt { padded: true, nsid: Some(b"ns1"), ..ReplyOpt::default() };
        let mut space = [0xff; 1000];
        for before in [30, 440, 449, 450, 451, 467, 468, 469] {
            let used = opt.write(before, &mut space).unwrap();
            assert_eq!((before + used) % 468, 0, "{before}");
            let zeroes = used - opt.len() - 4;
            let rdata: Vec<u8> =
                [&b"\0\x03\0\x03ns1\0\x0c"[..], &u16::try_from(zeroes).unwrap().to_be_bytes(), &vec![0; zeroes]]
                    .concat();
            assert_eq!(space[11..used], rdata);
        }
        assert_eq!(opt.write(30, &mut space[..100]), Some(opt.len()), "no room: no padding");
    }
}

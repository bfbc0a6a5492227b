//! Which fields the RDATA of each type has, in wire order.
//!
//! The one place to add a type: presentation form, wire form and checks follow from its row.

use crate::dns::RecordType;

/// How one field is written and how it lies on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An octet as a number.
    U8,
    /// Two octets as a number.
    U16,
    /// Four octets as a number.
    U32,
    /// Four octets as seconds, with units if liked.
    Seconds,
    /// Four octets as `YYYYMMDDHHmmSS` or as seconds since 1970 (RFC 4034 §3.2).
    Moment,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An uncompressed domain name.
    Name,
    /// A type as its mnemonic.
    Type,
    /// A DNSSEC algorithm as a number or mnemonic.
    Algorithm,
    /// A certificate type as a number or mnemonic (RFC 4398 §2.1).
    CertType,
    /// One character string with its length octet.
    Text,
    /// One or more character strings, to the end.
    Texts,
    /// One character string without a length, to the end (RFC 8659 §4.1, RFC 7553 §4.4).
    Tail,
    /// A property tag: letters and digits behind a length octet (RFC 8659 §4.1).
    Tag,
    /// Octets as hexadecimal digits, to the end; spaces allowed.
    Hex,
    /// A length octet and octets as hexadecimal digits, `-` for none (RFC 5155 §3.3).
    Salt,
    /// A length octet and octets as base32hex (RFC 5155 §3.3).
    Hash,
    /// Octets as base64, to the end; spaces allowed.
    Base64,
    /// A type bitmap, to the end (RFC 4034 §4.1.2).
    Types,
    /// This many octets as hexadecimal pairs with hyphens (RFC 7043).
    Eui(u8),
    /// A whole location (RFC 1876).
    Location,
    /// Service parameters, to the end (RFC 9460 §2.1).
    Params,
}

/// A field and what error messages call it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) label: &'static str,
}

/// Writes one row of the table.
macro_rules! fields {
    ($($kind:expr => $label:literal),+ $(,)?) => { Some(&[$(Field { kind: $kind, label: $label }),+]) };
}

/// The fields of a type; `None` when it is written as octets only.
pub(super) fn of(rtype: RecordType) -> Option<&'static [Field]> {
    use Kind::{
        Algorithm, Base64, CertType, Eui, Hash, Hex, Ipv4, Ipv6, Location, Moment, Name, Params, Salt, Seconds, Tag,
        Tail, Text, Texts, Type, Types, U8, U16, U32,
    };
    use RecordType as T;
    match rtype {
        T::A => fields![Ipv4 => "address"],
        T::AAAA => fields![Ipv6 => "address"],
        T::NS => fields![Name => "server"],
        T::CNAME | T::DNAME | T::PTR => fields![Name => "target"],
        T::SOA => fields![
            Name => "primary", Name => "mailbox", U32 => "serial", Seconds => "refresh", Seconds => "retry",
            Seconds => "expire", Seconds => "minimum",
        ],
        T::MX => fields![U16 => "preference", Name => "exchange"],
        T::KX => fields![U16 => "preference", Name => "exchanger"],
        T::AFSDB => fields![U16 => "subtype", Name => "server"],
        T::TXT | T::SPF | T::RESINFO => fields![Texts => "text"],
        T::SRV => fields![U16 => "priority", U16 => "weight", U16 => "port", Name => "target"],
        T::CAA => fields![U8 => "flags", Tag => "tag", Tail => "value"],
        T::HINFO => fields![Text => "cpu", Text => "os"],
        T::RP => fields![Name => "mailbox", Name => "text-owner"],
        T::LOC => fields![Location => "location"],
        T::URI => fields![U16 => "priority", U16 => "weight", Tail => "target"],
        T::NAPTR => fields![
            U16 => "order", U16 => "preference", Text => "flags", Text => "services", Text => "regexp",
            Name => "replacement",
        ],
        T::SSHFP => fields![U8 => "algorithm", U8 => "hash-type", Hex => "fingerprint"],
        T::TLSA | T::SMIMEA => fields![U8 => "usage", U8 => "selector", U8 => "matching-type", Hex => "data"],
        T::DS | T::CDS => fields![U16 => "key-tag", Algorithm => "algorithm", U8 => "digest-type", Hex => "digest"],
        T::DNSKEY | T::CDNSKEY => {
            fields![U16 => "flags", U8 => "protocol", Algorithm => "algorithm", Base64 => "key"]
        }
        T::OPENPGPKEY => fields![Base64 => "key"],
        T::DHCID => fields![Base64 => "data"],
        T::CERT => fields![CertType => "type", U16 => "key-tag", Algorithm => "algorithm", Base64 => "certificate"],
        T::CSYNC => fields![U32 => "serial", U16 => "flags", Types => "types"],
        T::ZONEMD => fields![U32 => "serial", U8 => "scheme", U8 => "hash-algorithm", Hex => "digest"],
        T::SVCB | T::HTTPS => fields![U16 => "priority", Name => "target", Params => "parameters"],
        T::RRSIG => fields![
            Type => "type-covered", Algorithm => "algorithm", U8 => "labels", Seconds => "original-ttl",
            Moment => "expiration", Moment => "inception", U16 => "key-tag", Name => "signer", Base64 => "signature",
        ],
        T::NSEC => fields![Name => "next-owner", Types => "types"],
        T::NSEC3 => fields![
            U8 => "hash-algorithm", U8 => "flags", U16 => "iterations", Salt => "salt", Hash => "next-hash",
            Types => "types",
        ],
        T::NSEC3PARAM => fields![U8 => "hash-algorithm", U8 => "flags", U16 => "iterations", Salt => "salt"],
        T::EUI48 => fields![Eui(6) => "address"],
        T::EUI64 => fields![Eui(8) => "address"],
        _ => None,
    }
}

/// How long a digest must be, and which field says so: (offset of the digest's kind, its start, kind to octets).
pub(super) fn digest_len(rtype: RecordType, wire: &[u8]) -> Option<(usize, usize)> {
    let (kind_at, start) = match rtype {
        RecordType::DS | RecordType::CDS => (3, 4),
        RecordType::TLSA | RecordType::SMIMEA => (2, 3),
        RecordType::SSHFP => (1, 2),
        _ => return None,
    };
    let len = match (rtype, *wire.get(kind_at)?) {
        (RecordType::DS | RecordType::CDS | RecordType::SSHFP, 1) => 20,
        (RecordType::DS | RecordType::CDS | RecordType::SSHFP, 2) | (RecordType::TLSA | RecordType::SMIMEA, 1) => 32,
        (RecordType::DS | RecordType::CDS, 4) => 48,
        (RecordType::TLSA | RecordType::SMIMEA, 2) => 64,
        _ => return None,
    };
    Some((len, wire.len().saturating_sub(start)))
}

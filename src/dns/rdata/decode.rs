//! Wire to presentation form, and checks of wire RDATA against its type's fields.

use super::layout::{self, Kind};
use super::{codes, loc, svcb};
use crate::dns::message::read_name;
use crate::dns::name::MAX_NAME_LEN;
use crate::dns::{Name, RecordType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt::Write as _;

/// One field's octets, and where they begin.
struct Part<'w> {
    kind: Kind,
    at: usize,
    octets: &'w [u8],
}

/// Cuts RDATA into its fields; `None` when it does not fit them.
fn parts(rtype: RecordType, wire: &[u8]) -> Option<Vec<Part<'_>>> {
    let fields = layout::of(rtype)?;
    let mut parts = Vec::with_capacity(fields.len());
    let mut rest = wire;
    for field in fields {
        let at = wire.len() - rest.len();
        let (octets, tail) = rest.split_at_checked(field_len(field.kind, rest)?)?;
        parts.push(Part { kind: field.kind, at, octets });
        rest = tail;
    }
    rest.is_empty().then_some(parts)
}

/// How many octets at the head of `rest` are this field; `None` when they are not one.
fn field_len(kind: Kind, rest: &[u8]) -> Option<usize> {
    let counted = || rest.first().map(|len| usize::from(*len) + 1);
    match kind {
        Kind::U8 | Kind::Algorithm => Some(1),
        Kind::U16 | Kind::Type | Kind::CertType => Some(2),
        Kind::U32 | Kind::Seconds | Kind::Moment | Kind::Ipv4 => Some(4),
        Kind::Ipv6 => Some(16),
        Kind::Name => name_len(rest),
        Kind::Text | Kind::Salt | Kind::Hash => counted(),
        Kind::Tag => {
            let tag = rest.get(1..counted()?)?;
            (!tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric)).then_some(tag.len() + 1)
        }
        Kind::Texts => {
            let mut left = rest;
            while let Some((len, tail)) = left.split_first() {
                left = tail.get(usize::from(*len)..)?;
            }
            (!rest.is_empty()).then_some(rest.len())
        }
        Kind::Hex | Kind::Base64 | Kind::Tail => Some(rest.len()),
        Kind::Types => codes::read_types(rest).map(|_| rest.len()),
        Kind::Eui(len) => Some(usize::from(len)),
        Kind::Location => (rest.first() != Some(&0) || rest.len() == 16).then_some(rest.len()),
        Kind::Params => svcb::params(rest).map(|_| rest.len()),
    }
}

/// The length of the uncompressed name at the head of `wire`.
fn name_len(wire: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match wire.get(at)? {
            0 => return (at < MAX_NAME_LEN).then_some(at + 1),
            len if *len <= 63 => at += 1 + usize::from(*len),
            _ => return None,
        }
    }
}

/// Whether RDATA fits its type's fields.
pub(super) fn is_well_formed(rtype: RecordType, wire: &[u8]) -> bool {
    layout::of(rtype).is_none() || parts(rtype, wire).is_some()
}

/// Brings the names of RDATA to lower case; false when it does not fit its type's fields.
pub(super) fn lower_names(rtype: RecordType, wire: &mut [u8]) -> bool {
    if layout::of(rtype).is_none() {
        return true;
    }
    let Some(parts) = parts(rtype, wire) else { return false };
    let names: Vec<_> = parts.iter().filter(|p| p.kind == Kind::Name).map(|p| p.at..p.at + p.octets.len()).collect();
    for range in names {
        wire.get_mut(range).unwrap_or_default().make_ascii_lowercase();
    }
    true
}

/// RDATA within a message, its names followed through their compression.
pub(super) fn expand(rtype: RecordType, message: &[u8], rdata: std::ops::Range<usize>) -> Option<Box<[u8]>> {
    let Some(fields) = layout::of(rtype) else { return message.get(rdata).map(Into::into) };
    let mut wire = Vec::with_capacity(rdata.len());
    let mut at = rdata.start;
    for field in fields {
        if field.kind == Kind::Name {
            let (name, next) = read_name(message, at)?;
            wire.extend_from_slice(name.wire());
            at = next;
        } else {
            let rest = message.get(at..rdata.end)?;
            let len = field_len(field.kind, rest)?;
            wire.extend_from_slice(rest.get(..len)?);
            at += len;
        }
    }
    (at == rdata.end && wire.len() <= super::MAX_RDATA_LEN).then(|| wire.into_boxed_slice())
}

/// The octets of the last name among the fields.
pub(super) fn last_name(rtype: RecordType, wire: &[u8]) -> Option<&[u8]> {
    parts(rtype, wire)?.into_iter().rev().find(|p| p.kind == Kind::Name).map(|p| p.octets)
}

/// RDATA as octets (RFC 3597 §5).
pub(super) fn octets(wire: &[u8]) -> String {
    let space = if wire.is_empty() { "" } else { " " };
    format!("\\# {}{space}{}", wire.len(), codes::show_hex(wire))
}

/// RDATA in presentation form; `None` when its type has none or it does not fit.
pub(super) fn display(rtype: RecordType, wire: &[u8]) -> Option<String> {
    let mut text = String::new();
    if layout::digest_len(rtype, wire).is_some_and(|(want, got)| want != got) {
        return None;
    }
    for part in parts(rtype, wire)? {
        let at = text.len();
        if at > 0 {
            text.push(' ');
        }
        show(&part, &mut text)?;
        if text.len() == at + 1 && at > 0 {
            text.pop();
        }
    }
    Some(text)
}

/// Appends one field.
fn show(part: &Part<'_>, text: &mut String) -> Option<()> {
    let octets = part.octets;
    let counted = octets.get(1..).unwrap_or_default();
    match part.kind {
        Kind::U8 | Kind::Algorithm => push(text, octets.first()?),
        Kind::U16 | Kind::CertType => push(text, u16::from_be_bytes(octets.try_into().ok()?)),
        Kind::U32 | Kind::Seconds => push(text, u32::from_be_bytes(octets.try_into().ok()?)),
        Kind::Moment => text.push_str(&codes::show_moment(u32::from_be_bytes(octets.try_into().ok()?))),
        Kind::Ipv4 => push(text, std::net::Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
        Kind::Ipv6 => push(text, std::net::Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
        Kind::Name => push(text, Name::from_wire(octets).ok()?),
        Kind::Type => push(text, RecordType(u16::from_be_bytes(octets.try_into().ok()?))),
        Kind::Text => quote(counted, text),
        Kind::Texts => {
            let mut rest = octets;
            while let Some((len, tail)) = rest.split_first() {
                let (string, tail) = tail.split_at_checked(usize::from(*len))?;
                if rest.len() < octets.len() {
                    text.push(' ');
                }
                quote(string, text);
                rest = tail;
            }
        }
        Kind::Tail => quote(octets, text),
        Kind::Tag => text.push_str(std::str::from_utf8(counted).ok()?),
        Kind::Hex | Kind::Base64 if octets.is_empty() => return None,
        Kind::Hex => text.push_str(&codes::show_hex(octets)),
        Kind::Base64 => text.push_str(&BASE64.encode(octets)),
        Kind::Salt if counted.is_empty() => text.push('-'),
        Kind::Salt => text.push_str(&codes::show_hex(counted)),
        Kind::Hash if counted.is_empty() => return None,
        Kind::Hash => text.push_str(&codes::show_base32(counted)),
        Kind::Types => {
            let types: Vec<_> = codes::read_types(octets)?.iter().map(RecordType::to_string).collect();
            text.push_str(&types.join(" "));
        }
        Kind::Eui(_) => {
            let pairs: Vec<_> = octets.iter().map(|o| format!("{o:02x}")).collect();
            text.push_str(&pairs.join("-"));
        }
        Kind::Location => text.push_str(&loc::show(octets)?),
        Kind::Params => text.push_str(&svcb::show(octets)?),
    }
    Some(())
}

/// Appends a value in its own text form.
fn push(text: &mut String, value: impl std::fmt::Display) {
    let _ = write!(text, "{value}");
}

/// Appends a quoted character string.
pub(super) fn quote(octets: &[u8], text: &mut String) {
    text.push('"');
    for octet in octets {
        match octet {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*octet));
            }
            0x20..=0x7e => text.push(char::from(*octet)),
            _ => push(text, format_args!("\\{octet:03}")),
        }
    }
    text.push('"');
}

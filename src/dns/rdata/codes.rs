//! Values that presentation form spells in letters or in another base.
//!
//! Algorithm and certificate mnemonics (RFC 4034 appendix A.1, RFC 4398 §2.1), hexadecimal,
//! base32hex (RFC 4648 §7), type bitmaps (RFC 4034 §4.1.2) and signature times (RFC 4034 §3.2).

use crate::dns::RecordType;

/// DNSSEC algorithms that have a mnemonic.
const ALGORITHMS: &[(&str, u8)] = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// Certificate types that have a mnemonic.
const CERT_TYPES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// The number a mnemonic stands for.
fn by_name<N: Copy>(table: &[(&str, N)], text: &[u8]) -> Option<N> {
    table.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text)).map(|(_, number)| *number)
}

/// A whole number in decimal digits.
pub(super) fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    if text.first().is_none_or(|o| !o.is_ascii_digit()) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A DNSSEC algorithm by number or mnemonic.
pub(super) fn algorithm(text: &[u8]) -> Option<u8> {
    number(text).or_else(|| by_name(ALGORITHMS, text))
}

/// A certificate type by number or mnemonic.
pub(super) fn cert_type(text: &[u8]) -> Option<u16> {
    number(text).or_else(|| by_name(CERT_TYPES, text))
}

/// Appends octets written as hexadecimal digits; digits may be spread over several texts.
pub(super) fn push_hex<'a>(texts: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) -> Option<()> {
    let mut high = None;
    for octet in texts.into_iter().flatten() {
        let digit = match octet {
            b'0'..=b'9' => octet - b'0',
            b'a'..=b'f' => octet - b'a' + 10,
            b'A'..=b'F' => octet - b'A' + 10,
            _ => return None,
        };
        match high.take() {
            Some(first) => out.push(first << 4 | digit),
            None => high = Some(digit),
        }
    }
    high.is_none().then_some(())
}

/// Octets as upper-case hexadecimal digits.
pub(super) fn show_hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02X}");
        text
    })
}

/// Appends octets written as base32hex without padding.
pub(super) fn push_base32(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (mut bits, mut held) = (0u32, 0u32);
    for octet in text {
        let digit = match octet.to_ascii_lowercase() {
            d @ b'0'..=b'9' => d - b'0',
            d @ b'a'..=b'v' => d - b'a' + 10,
            _ => return None,
        };
        bits = (bits << 5 | u32::from(digit)) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    (held < 5 && bits & ((1 << held) - 1) == 0).then_some(())
}

/// Octets as base32hex without padding.
pub(super) fn show_base32(octets: &[u8]) -> String {
    let mut text = String::new();
    let digit = |value: u32| char::from_digit(value & 31, 32).unwrap_or('0');
    let (mut bits, mut held) = (0u32, 0u32);
    for octet in octets {
        bits = (bits << 8 | u32::from(*octet)) & 0xfff;
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(digit(bits >> held));
        }
    }
    if held > 0 {
        text.push(digit(bits << (5 - held)));
    }
    text
}

/// Appends a type bitmap.
pub(super) fn push_types(mut types: Vec<u16>, out: &mut Vec<u8>) {
    types.sort_unstable();
    types.dedup();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut map = [0u8; 32];
        let mut len = 0;
        for rtype in window {
            let [number, low] = rtype.to_be_bytes();
            let octet = low >> 3;
            if len == 0 {
                out.push(number);
            }
            len = octet + 1;
            if let Some(slot) = map.get_mut(usize::from(octet)) {
                *slot |= 0x80 >> (low & 7);
            }
        }
        out.push(len);
        out.extend(map.iter().take(usize::from(len)));
    }
}

/// The types of a bitmap; `None` when it is not one.
pub(super) fn read_types(mut wire: &[u8]) -> Option<Vec<RecordType>> {
    let mut types = Vec::new();
    let mut last = None;
    while let Some((&[window, len], rest)) = wire.split_first_chunk::<2>() {
        if last.is_some_and(|l| l >= window) || len == 0 || len > 32 {
            return None;
        }
        last = Some(window);
        let (map, rest) = rest.split_at_checked(usize::from(len))?;
        if map.last() == Some(&0) {
            return None;
        }
        for (at, octet) in (0u8..).zip(map) {
            let set = (0..8u8).filter(|bit| octet & 0x80 >> bit != 0);
            types.extend(set.map(|bit| RecordType(u16::from_be_bytes([window, at * 8 + bit]))));
        }
        wire = rest;
    }
    wire.is_empty().then_some(types)
}

/// Seconds since 1970 from `YYYYMMDDHHmmSS` or a plain number.
pub(super) fn moment(text: &[u8]) -> Option<u32> {
    if text.len() != 14 {
        return number(text);
    }
    let part = |from: usize, to: usize| text.get(from..to).and_then(number::<u32>);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if !(1970..=2106).contains(&year) || day == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if !(1..=12).contains(&month) || day > month_len(year, month) {
        return None;
    }
    let days = (1970..year).map(year_len).sum::<u32>() + (1..month).map(|m| month_len(year, m)).sum::<u32>() + day - 1;
    days.checked_mul(86_400)?.checked_add(hour * 3_600 + minute * 60 + second)
}

/// Seconds since 1970 as `YYYYMMDDHHmmSS`.
pub(super) fn show_moment(seconds: u32) -> String {
    let (mut days, time) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut month) = (1970, 1);
    while days >= year_len(year) {
        days -= year_len(year);
        year += 1;
    }
    while days >= month_len(year, month) {
        days -= month_len(year, month);
        month += 1;
    }
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}{month:02}{:02}{hour:02}{minute:02}{second:02}", days + 1)
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_len(year: u32) -> u32 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_len(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

//! Service parameters of SVCB and HTTPS (RFC 9460 §2.1, §7, appendix A).

use super::decode::quote;
use super::encode::unescape;
use super::{Token, codes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Keys that have a name (RFC 9460 §14.3.2, RFC 9461, RFC 9540), by number.
const KEYS: [&str; 9] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;

/// Index of the word at fault, what is wrong with it, and the remedy.
type Fault = (usize, Cow<'static, str>, &'static str);

/// One parameter: its key, its value on the wire, and the word it was read from.
struct Param {
    key: u16,
    value: Vec<u8>,
    word: usize,
}

/// The number of a key by name or as `keyNNNNN`.
fn key_number(text: &[u8]) -> Option<u16> {
    if let Some(number) = (0u16..).zip(KEYS).find(|(_, name)| name.as_bytes() == text).map(|(number, _)| number) {
        return Some(number);
    }
    let digits = text.strip_prefix(b"key")?;
    let plain = digits.len() == 1 || digits.first() != Some(&b'0');
    codes::number(digits).filter(|number| plain && *number != u16::MAX)
}

/// The name of a key, `keyNNNNN` where it has none.
fn key_name(key: u16) -> Cow<'static, str> {
    KEYS.get(usize::from(key)).map_or_else(|| format!("key{key}").into(), |name| (*name).into())
}

/// Appends the parameters in ascending order of their keys.
pub(super) fn write_params(words: &[Token<'_>], alias: bool, wire: &mut Vec<u8>) -> Result<(), Fault> {
    if alias && !words.is_empty() {
        return Err((
            0,
            "an alias (priority 0) has no parameters".into(),
            "remove them, or write a priority of 1 or more",
        ));
    }
    let mut params = Vec::with_capacity(words.len());
    for (word, token) in words.iter().enumerate() {
        params.push(param(word, token)?);
    }
    params.sort_by_key(|p| p.key);
    for (first, second) in params.iter().zip(params.iter().skip(1)) {
        if first.key == second.key {
            return Err((second.word, format!("{} stands here twice", key_name(first.key)).into(), "keep one of them"));
        }
    }
    check_keys(&params)?;
    for param in &params {
        let len = u16::try_from(param.value.len())
            .map_err(|_| (param.word, "a value over 65535 octets".into(), "shorten it"))?;
        wire.extend_from_slice(&param.key.to_be_bytes());
        wire.extend_from_slice(&len.to_be_bytes());
        wire.extend_from_slice(&param.value);
    }
    Ok(())
}

/// What one key asks of the others (RFC 9460 §7.1.1, §8).
fn check_keys(params: &[Param]) -> Result<(), Fault> {
    let has = |key: u16| params.iter().any(|p| p.key == key);
    for param in params {
        if param.key == NO_DEFAULT_ALPN && !has(ALPN) {
            return Err((param.word, "no-default-alpn without alpn".into(), "add alpn=..., or remove it"));
        }
        if param.key != MANDATORY {
            continue;
        }
        for pair in param.value.chunks_exact(2) {
            let key = pair.try_into().map_or(0, u16::from_be_bytes);
            if key == MANDATORY || !has(key) {
                let problem = format!("mandatory lists {}, which is not among the parameters", key_name(key));
                return Err((param.word, problem.into(), "add it, or take it off the list"));
            }
        }
    }
    Ok(())
}

/// Reads `key` or `key=value`.
fn param(word: usize, token: &Token<'_>) -> Result<Param, Fault> {
    let equals = token.text.iter().position(|o| *o == b'=').filter(|_| !token.quoted);
    let (name, value) = match equals {
        Some(at) => (token.text.get(..at).unwrap_or_default(), token.text.get(at + 1..)),
        None => (token.text, None),
    };
    let Some(key) = key_number(name).filter(|_| !token.quoted) else {
        let problem = format!("`{}` is no service parameter", token.shown());
        return Err((word, problem.into(), "write key=value with a key such as alpn, port, ipv4hint or key65280"));
    };
    let value = value.unwrap_or_default();
    let inner = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    let mut octets = Vec::new();
    let written = unescape(inner, &mut octets).and_then(|()| value_wire(key, &octets));
    match written {
        Some(value) => Ok(Param { key, value, word }),
        None => Err((word, format!("this is no value of {}", key_name(key)).into(), value_remedy(key))),
    }
}

/// What the value of a key looks like.
fn value_remedy(key: u16) -> &'static str {
    match key {
        MANDATORY => "write keys with commas between: mandatory=alpn,port",
        ALPN => "write protocols with commas between: alpn=h2,h3",
        NO_DEFAULT_ALPN | OHTTP => "write the key alone, it has no value",
        PORT => "write a port up to 65535: port=8443",
        IPV4HINT => "write IPv4 addresses with commas between: ipv4hint=192.0.2.1",
        IPV6HINT => "write IPv6 addresses with commas between: ipv6hint=2001:db8::1",
        ECH => "write it as base64",
        DOHPATH => "write a path with a {?dns} template: dohpath=/dns-query{?dns}",
        _ => "write it as a character string",
    }
}

/// The wire value of a key from its text, escapes resolved once.
fn value_wire(key: u16, text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match key {
        MANDATORY => {
            let mut keys = text.split(|o| *o == b',').map(key_number).collect::<Option<Vec<_>>>()?;
            keys.sort_unstable();
            if keys.windows(2).any(|pair| pair.first() == pair.last()) {
                return None;
            }
            out.extend(keys.iter().flat_map(|k| k.to_be_bytes()));
        }
        ALPN => {
            for item in list_items(text)? {
                out.push(u8::try_from(item.len()).ok().filter(|len| *len > 0)?);
                out.extend_from_slice(&item);
            }
        }
        NO_DEFAULT_ALPN | OHTTP => text.is_empty().then_some(())?,
        PORT => out.extend(codes::number::<u16>(text)?.to_be_bytes()),
        IPV4HINT => {
            for address in text.split(|o| *o == b',') {
                let address: std::net::Ipv4Addr = std::str::from_utf8(address).ok()?.parse().ok()?;
                out.extend(address.octets());
            }
        }
        IPV6HINT => {
            for address in text.split(|o| *o == b',') {
                let address: std::net::Ipv6Addr = std::str::from_utf8(address).ok()?.parse().ok()?;
                out.extend(address.octets());
            }
        }
        ECH => out = BASE64.decode(text).ok().filter(|v| !v.is_empty())?,
        DOHPATH => {
            let path = std::str::from_utf8(text).ok()?;
            (path.starts_with('/') && path.contains("dns")).then_some(())?;
            out.extend_from_slice(text);
        }
        _ => out.extend_from_slice(text),
    }
    Some(out)
}

/// The items of a comma-separated list, `\,` and `\\` resolved (RFC 9460 appendix A.1).
fn list_items(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut items = vec![Vec::new()];
    let mut octets = text.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b',' => items.push(Vec::new()),
            b'\\' => items.last_mut()?.push(*octets.next()?),
            plain => items.last_mut()?.push(*plain),
        }
    }
    Some(items)
}

/// The parameters of wire RDATA; `None` when they are not in ascending order or do not end with it.
pub(super) fn params(mut wire: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut params: Vec<(u16, &[u8])> = Vec::new();
    while let Some((&[k1, k2, l1, l2], rest)) = wire.split_first_chunk::<4>() {
        let key = u16::from_be_bytes([k1, k2]);
        if params.last().is_some_and(|(last, _)| *last >= key) {
            return None;
        }
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l1, l2])))?;
        params.push((key, value));
        wire = rest;
    }
    wire.is_empty().then_some(params)
}

/// Presentation form; `None` when a value does not fit its key.
pub(super) fn show(wire: &[u8]) -> Option<String> {
    let mut text = String::new();
    for (key, value) in params(wire)? {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&key_name(key));
        show_value(key, value, &mut text)?;
    }
    Some(text)
}

/// Appends `=value`, or nothing for a key without one.
fn show_value(key: u16, value: &[u8], text: &mut String) -> Option<()> {
    match key {
        MANDATORY => {
            let keys = value.chunks(2).map(|k| k.try_into().ok().map(|k| key_name(u16::from_be_bytes(k))));
            let keys = keys.collect::<Option<Vec<_>>>().filter(|keys| !keys.is_empty())?;
            let _ = write!(text, "={}", keys.join(","));
        }
        ALPN => {
            let mut list = Vec::new();
            let mut rest = value;
            while let Some((len, tail)) = rest.split_first() {
                let (item, tail) = tail.split_at_checked(usize::from(*len)).filter(|(item, _)| !item.is_empty())?;
                if !list.is_empty() {
                    list.push(b',');
                }
                for octet in item {
                    if matches!(octet, b',' | b'\\') {
                        list.push(b'\\');
                    }
                    list.push(*octet);
                }
                rest = tail;
            }
            (!list.is_empty()).then_some(())?;
            text.push('=');
            quote(&list, text);
        }
        NO_DEFAULT_ALPN | OHTTP => value.is_empty().then_some(())?,
        PORT => {
            let _ = write!(text, "={}", u16::from_be_bytes(value.try_into().ok()?));
        }
        IPV4HINT => {
            show_list(value.chunks(4).map(|a| <[u8; 4]>::try_from(a).ok().map(std::net::Ipv4Addr::from)), text)?;
        }
        IPV6HINT => {
            show_list(value.chunks(16).map(|a| <[u8; 16]>::try_from(a).ok().map(std::net::Ipv6Addr::from)), text)?;
        }
        ECH if value.is_empty() => return None,
        ECH => {
            let _ = write!(text, "={}", BASE64.encode(value));
        }
        _ if value.is_empty() => {}
        _ => {
            text.push('=');
            quote(value, text);
        }
    }
    Some(())
}

/// Appends `=` and the items with commas between; `None` when one is missing or there are none.
fn show_list<T: std::fmt::Display>(items: impl Iterator<Item = Option<T>>, text: &mut String) -> Option<()> {
    let items = items.map(|item| item.map(|i| i.to_string())).collect::<Option<Vec<_>>>()?;
    let _ = write!(text, "={}", items.join(","));
    (!items.is_empty()).then_some(())
}

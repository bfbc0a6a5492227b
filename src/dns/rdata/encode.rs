//! Presentation form to wire, field by field.

use super::layout::{self, Field, Kind};
use super::{MAX_RDATA_LEN, RdataError, Token, codes, decode, loc, svcb};
use crate::dns::lex::parse_seconds;
use crate::dns::{Name, RecordType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::borrow::Cow;

/// Reads the words of one record's RDATA into a buffer.
pub(super) struct Encoder<'e> {
    rtype: RecordType,
    tokens: &'e [Token<'e>],
    /// The first word not read yet.
    next: usize,
    origin: &'e Name,
    pub(super) wire: &'e mut Vec<u8>,
    /// Where this RDATA begins in `wire`.
    start: usize,
}

/// Done, or the word at fault.
pub(super) type Step = Result<(), RdataError>;

impl<'e> Encoder<'e> {
    pub(super) fn new(rtype: RecordType, tokens: &'e [Token<'e>], origin: &'e Name, wire: &'e mut Vec<u8>) -> Self {
        let start = wire.len();
        Self { rtype, tokens, next: 0, origin, wire, start }
    }

    /// Reads every word.
    pub(super) fn run(mut self) -> Step {
        if self.tokens.first().is_some_and(|t| !t.quoted && t.text == b"\\#") {
            return self.octets();
        }
        let Some(fields) = layout::of(self.rtype) else {
            let problem = format!("{} has no text form here", self.rtype);
            return Err(self.fault(0, problem, "write it as `\\# length hexadecimal` (RFC 3597)"));
        };
        for field in fields {
            self.field(*field)?;
        }
        if let Some(extra) = self.tokens.get(self.next) {
            let problem = format!("`{}` is one value too many", extra.shown());
            return Err(self.fault(self.next, problem, self.synopsis()));
        }
        self.check_len()
    }

    /// What is wrong with word `token`, or where it should stand.
    pub(super) fn fault(
        &self,
        token: usize,
        problem: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> RdataError {
        let (at, width) = match self.tokens.get(token) {
            Some(token) => (token.at, token.width()),
            None => (self.tokens.last().map_or(0, Token::end), 0),
        };
        RdataError { token, at, width, problem: problem.into(), remedy: remedy.into() }
    }

    /// `write MX preference exchange`, from the table.
    fn synopsis(&self) -> String {
        let labels = layout::of(self.rtype).unwrap_or_default().iter().map(|f| f.label);
        labels.fold(format!("write `{}", self.rtype), |text, label| text + " " + label) + "`"
    }

    /// The next word and its index.
    fn take(&mut self, label: &str) -> Result<(usize, Token<'e>), RdataError> {
        let Some(token) = self.tokens.get(self.next) else {
            return Err(self.fault(
                self.next,
                format!("the {label} of the {} is missing", self.rtype),
                self.synopsis(),
            ));
        };
        self.next += 1;
        Ok((self.next - 1, *token))
    }

    /// Every word that is left; at least one.
    fn take_rest(&mut self, label: &str) -> Result<(usize, &'e [Token<'e>]), RdataError> {
        let (first, _) = self.take(label)?;
        self.next = self.tokens.len();
        Ok((first, self.tokens.get(first..).unwrap_or_default()))
    }

    /// A word read by `parse`, or the fault that it is not what the field asks for.
    fn value<T>(
        &mut self,
        field: Field,
        what: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, RdataError> {
        let (index, token) = self.take(field.label)?;
        parse(token.text).ok_or_else(|| {
            self.fault(index, format!("`{}` is no {}", token.shown(), field.label), format!("write {what}"))
        })
    }

    fn field(&mut self, field: Field) -> Step {
        match field.kind {
            Kind::U8 => {
                let value: u8 = self.value(field, "a whole number up to 255", codes::number)?;
                self.wire.push(value);
            }
            Kind::U16 => {
                let value: u16 = self.value(field, "a whole number up to 65535", codes::number)?;
                self.wire.extend_from_slice(&value.to_be_bytes());
            }
            Kind::U32 => {
                let value: u32 = self.value(field, "a whole number up to 4294967295", codes::number)?;
                self.wire.extend_from_slice(&value.to_be_bytes());
            }
            Kind::Seconds => {
                let value = self.value(field, "seconds, or a time such as 1h30m", parse_seconds)?;
                self.wire.extend_from_slice(&value.to_be_bytes());
            }
            Kind::Moment => {
                let value = self.value(field, "a time as YYYYMMDDHHmmSS", codes::moment)?;
                self.wire.extend_from_slice(&value.to_be_bytes());
            }
            Kind::Ipv4 => {
                let address = self.value(field, "an IPv4 address such as 192.0.2.1", ipv4)?;
                self.wire.extend_from_slice(&address);
            }
            Kind::Ipv6 => {
                let address = self.value(field, "an IPv6 address such as 2001:db8::1", ipv6)?;
                self.wire.extend_from_slice(&address);
            }
            Kind::Name => return self.name(field),
            Kind::Type => {
                let value = self.value(field, "a record type such as A", RecordType::from_text)?;
                self.wire.extend_from_slice(&value.0.to_be_bytes());
            }
            Kind::Algorithm => {
                let value = self.value(field, "a number up to 255 or a mnemonic such as ED25519", codes::algorithm)?;
                self.wire.push(value);
            }
            Kind::CertType => {
                let value = self.value(field, "a number up to 65535 or a mnemonic such as PKIX", codes::cert_type)?;
                self.wire.extend_from_slice(&value.to_be_bytes());
            }
            _ => return self.wide_field(field),
        }
        Ok(())
    }

    /// The fields of more than one word or of no fixed length.
    fn wide_field(&mut self, field: Field) -> Step {
        match field.kind {
            Kind::Text => {
                let (index, token) = self.take(field.label)?;
                self.text(index, token)
            }
            Kind::Texts => {
                let (first, texts) = self.take_rest(field.label)?;
                (first..).zip(texts).try_for_each(|(index, token)| self.text(index, *token))
            }
            Kind::Tail => {
                let (index, token) = self.take(field.label)?;
                self.characters(index, token.text)
            }
            Kind::Tag => {
                let tag = self.value(field, "letters and digits such as issue", |text| {
                    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_alphanumeric);
                    u8::try_from(text.len()).ok().filter(|_| plain).map(|len| (len, text.to_vec()))
                })?;
                self.wire.push(tag.0);
                self.wire.extend_from_slice(&tag.1);
                Ok(())
            }
            Kind::Hex => {
                let (first, texts) = self.take_rest(field.label)?;
                if codes::push_hex(texts.iter().map(|t| t.text), self.wire).is_none() {
                    return Err(self.fault(
                        first,
                        format!("the {} is not hexadecimal", field.label),
                        "write pairs of 0-9 and a-f",
                    ));
                }
                self.check_digest(first)
            }
            Kind::Base64 => {
                let (first, texts) = self.take_rest(field.label)?;
                let text: Vec<u8> = texts.iter().flat_map(|t| t.text).copied().collect();
                match BASE64.decode(text) {
                    Ok(octets) => self.wire.extend_from_slice(&octets),
                    Err(cause) => {
                        let problem = format!("the {} is not base64 ({cause})", field.label);
                        return Err(self.fault(first, problem, "write it as base64 with its final ="));
                    }
                }
                Ok(())
            }
            Kind::Salt => self.counted(field, "hexadecimal digits, or - for none", |text, out| {
                if text == b"-" { Some(()) } else { codes::push_hex([text], out) }
            }),
            Kind::Hash => self.counted(field, "base32hex digits", codes::push_base32),
            Kind::Eui(len) => {
                let octets = self.value(field, "hexadecimal pairs with hyphens", |text| eui(text, usize::from(len)))?;
                self.wire.extend_from_slice(&octets);
                Ok(())
            }
            Kind::Types => self.types(),
            Kind::Location => {
                let (first, words) = self.take_rest(field.label)?;
                let words: Vec<&[u8]> = words.iter().map(|t| t.text).collect();
                let octets = loc::parse(&words).map_err(|(index, problem)| {
                    self.fault(
                        first + index,
                        problem,
                        "write `51 30 12.748 N 0 7 39.611 W 0m` and if liked three sizes in metres",
                    )
                })?;
                self.wire.extend_from_slice(&octets);
                Ok(())
            }
            Kind::Params => {
                let (first, words) = (self.next, self.tokens.get(self.next..).unwrap_or_default());
                self.next = self.tokens.len();
                let alias = self.wire.get(self.start..self.start + 2) == Some(&[0, 0]);
                svcb::write_params(words, alias, self.wire)
                    .map_err(|(index, problem, remedy)| self.fault(first + index, problem, remedy))
            }
            _ => Ok(()),
        }
    }

    fn name(&mut self, field: Field) -> Step {
        let (index, token) = self.take(field.label)?;
        Name::append_text(token.text, Some(self.origin), self.wire).map(|_| ()).map_err(|cause| {
            let problem = format!("`{}` is no name: {cause}", token.shown());
            self.fault(index, problem, "write a name; one that ends with a dot is complete")
        })
    }

    /// One character string with its length.
    fn text(&mut self, index: usize, token: Token<'_>) -> Step {
        let len_at = self.wire.len();
        self.wire.push(0);
        self.characters(index, token.text)?;
        let len = self.wire.len() - len_at - 1;
        match (u8::try_from(len), self.wire.get_mut(len_at)) {
            (Ok(len), Some(slot)) => {
                *slot = len;
                Ok(())
            }
            _ => Err(self.fault(
                index,
                format!("this string has {len} octets, one may have 255"),
                "split it into several quoted strings",
            )),
        }
    }

    /// The octets of a character string, escapes resolved.
    fn characters(&mut self, index: usize, text: &[u8]) -> Step {
        if !self.tokens.get(index).is_some_and(|t| t.quoted) && has_bare_quote(text) {
            return Err(self.fault(index, "a quote in the middle of a word", "quote the whole string, or write \\\""));
        }
        unescape(text, self.wire).ok_or_else(|| {
            self.fault(index, "bad escape", "follow a backslash by one character or by three digits up to 255")
        })
    }

    /// A length octet and what `push` reads from the next word.
    fn counted(&mut self, field: Field, what: &str, push: impl FnOnce(&[u8], &mut Vec<u8>) -> Option<()>) -> Step {
        let (index, token) = self.take(field.label)?;
        let len_at = self.wire.len();
        self.wire.push(0);
        let read = push(token.text, self.wire);
        match (read, u8::try_from(self.wire.len() - len_at - 1), self.wire.get_mut(len_at)) {
            (Some(()), Ok(len), Some(slot)) => {
                *slot = len;
                Ok(())
            }
            _ => Err(self.fault(
                index,
                format!("`{}` is no {}", token.shown(), field.label),
                format!("write up to 255 octets as {what}"),
            )),
        }
    }

    fn types(&mut self) -> Step {
        let mut types = Vec::new();
        for (index, token) in self.tokens.iter().enumerate().skip(self.next) {
            let Some(rtype) = RecordType::from_text(token.text) else {
                return Err(self.fault(
                    index,
                    format!("`{}` is no record type", token.shown()),
                    "write a mnemonic, or TYPE followed by its number",
                ));
            };
            types.push(rtype.0);
        }
        self.next = self.tokens.len();
        codes::push_types(types, self.wire);
        Ok(())
    }

    /// RDATA written as octets: `\# length hexadecimal` (RFC 3597 §5).
    fn octets(mut self) -> Step {
        self.next = 1;
        let field = Field { kind: Kind::U16, label: "length" };
        let len: u16 = self.value(field, "the number of octets, up to 65535", codes::number)?;
        let texts = self.tokens.get(2..).unwrap_or_default();
        if codes::push_hex(texts.iter().map(|t| t.text), self.wire).is_none() {
            return Err(self.fault(2, "the octets are not hexadecimal", "write pairs of 0-9 and a-f"));
        }
        let got = self.wire.len() - self.start;
        if got != usize::from(len) {
            return Err(self.fault(1, format!("the length says {len} octets, {got} follow"), "correct the length"));
        }
        let lowered = self.wire.get_mut(self.start..).is_some_and(|wire| decode::lower_names(self.rtype, wire));
        if !lowered {
            let problem = format!("these octets are no {}", self.rtype);
            return Err(self.fault(2, problem, "write its fields in wire form, names uncompressed (RFC 3597 §4)"));
        }
        self.check_digest(2)
    }

    /// Digests of a known kind have one length (RFC 4509 §2.2, RFC 6605 §2, RFC 6698 §2.1.3, RFC 4255 §3.1.3).
    fn check_digest(&self, index: usize) -> Step {
        let wire = self.wire.get(self.start..).unwrap_or_default();
        match layout::digest_len(self.rtype, wire) {
            Some((want, got)) if want != got => {
                let problem = format!("a digest of this kind has {want} octets, this one {got}");
                Err(self.fault(index, problem, "copy the whole digest, or correct its kind"))
            }
            _ => Ok(()),
        }
    }

    fn check_len(&self) -> Step {
        let len = self.wire.len() - self.start;
        if len <= MAX_RDATA_LEN {
            return Ok(());
        }
        Err(self.fault(
            0,
            format!("this RDATA has {len} octets, a record may have 65535"),
            "split it into several records",
        ))
    }
}

/// An unescaped quote inside an unquoted word.
fn has_bare_quote(text: &[u8]) -> bool {
    let mut escaped = false;
    text.iter().any(|octet| {
        let bare = *octet == b'"' && !escaped;
        escaped = *octet == b'\\' && !escaped;
        bare
    })
}

/// Appends a character string with `\X` and `\DDD` resolved (RFC 1035 §5.1).
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = text;
    while let Some((&octet, tail)) = rest.split_first() {
        rest = tail;
        if octet != b'\\' {
            out.push(octet);
            continue;
        }
        let (octet, used) = crate::dns::name::unescape(rest).ok()?;
        out.push(octet);
        rest = rest.get(used..)?;
    }
    Some(())
}

fn ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let address: std::net::Ipv4Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.octets())
}

fn ipv6(text: &[u8]) -> Option<[u8; 16]> {
    let address: std::net::Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.octets())
}

/// Pairs of hexadecimal digits with hyphens between.
fn eui(text: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    for pair in text.split(|o| *o == b'-') {
        if pair.len() != 2 {
            return None;
        }
        codes::push_hex([pair], &mut octets)?;
    }
    (octets.len() == len).then_some(octets)
}

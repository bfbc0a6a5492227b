//! One record: owner, TTL and class in either order, type, RDATA (RFC 1035 §5.1).

use super::source::Source;
use super::{MAX_TTL, Owner, Parser, Reported};
use crate::dns::lex::Token;
use crate::dns::name::wire_is_within;
use crate::dns::rdata::write_rdata;
use crate::dns::{Name, RecordType};
use crate::zone::LineRef;

/// What to do about a bad name.
pub(super) const NAME_REMEDY: &str = "write a name; one that ends with a dot is complete, others get the origin";

/// What stands between owner and RDATA.
pub(super) struct Head {
    /// The TTL, if one is written.
    pub(super) ttl: Option<u32>,
    /// The type.
    pub(super) rtype: RecordType,
    /// How many words it took.
    pub(super) words: usize,
}

impl Parser<'_, '_> {
    /// Takes the owner of this and of the indented lines below.
    pub(super) fn set_owner(&mut self, source: &Source<'_>, token: &Token<'_>) -> Result<(), Reported> {
        self.owner.clear();
        self.owner_state = Owner::Refused;
        match Name::append_text(token.text, Some(&self.origin), &mut self.owner) {
            Ok(relative) => {
                if !(relative && self.origin_inside || wire_is_within(&self.owner, self.apex.wire())) {
                    let message = format!("`{}` is outside the zone {}", token.shown(), self.apex);
                    return Err(self.report_token(
                        source,
                        token,
                        message,
                        "move it to its own zone, or complete the name",
                    ));
                }
                self.owner_state = Owner::Known;
                Ok(())
            }
            Err(cause) => {
                let message = format!("`{}` is no name: {cause}", token.shown());
                Err(self.report_token(source, token, message, NAME_REMEDY))
            }
        }
    }

    /// Reads the words behind the owner; `all` are the words of the whole entry.
    pub(super) fn record(
        &mut self,
        source: &Source<'_>,
        all: &[Token<'_>],
        words: &[Token<'_>],
        at: LineRef,
    ) -> Result<(), Reported> {
        let head = self.head(source, all, words)?;
        let values = words.get(head.words..).unwrap_or_default();
        self.rdata.clear();
        if let Err(fault) = write_rdata(head.rtype, values, &self.origin, &mut self.rdata) {
            let (place, width) = match values.get(fault.token) {
                Some(token) => (token.at, token.width()),
                None => (all.last().map_or(0, Token::end), 0),
            };
            return Err(self.report(source, place, width, fault.problem, fault.remedy));
        }
        let first = words.get(head.words - 1).copied().unwrap_or(Token::bare(b""));
        self.keep(source, &first, &head, at)
    }

    /// TTL and class in either order, then the type.
    pub(super) fn head(
        &mut self,
        source: &Source<'_>,
        all: &[Token<'_>],
        words: &[Token<'_>],
    ) -> Result<Head, Reported> {
        let mut ttl = None;
        let mut class_seen = false;
        for (index, token) in words.iter().enumerate() {
            if ttl.is_none() && looks_like_ttl(token.text) {
                ttl = Some(self.ttl(source, token)?);
            } else if let Some(rtype) = RecordType::from_text(token.text) {
                if rtype.is_meta() {
                    let message = format!("{rtype} is a query type: no zone holds it");
                    return Err(self.report_token(source, token, message, "write the type of the data"));
                }
                return Ok(Head { ttl, rtype, words: index + 1 });
            } else if let Some(is_in) = class(token.text).filter(|_| !class_seen) {
                if !is_in {
                    let message = format!("class {} is not served", token.shown());
                    return Err(self.report_token(source, token, message, "write IN, or leave the class out"));
                }
                class_seen = true;
            } else {
                let message = format!("`{}` is no record type", token.shown());
                let remedy = "write a type such as A or TYPE65280; a line without an owner begins with a space";
                return Err(self.report_token(source, token, message, remedy));
            }
        }
        let end = all.last().map_or(0, Token::end);
        Err(self.report(source, end, 0, "the type of the record is missing", "write `owner type data`"))
    }

    /// Adds the record whose RDATA is in the buffer.
    pub(super) fn keep(
        &mut self,
        source: &Source<'_>,
        word: &Token<'_>,
        head: &Head,
        at: LineRef,
    ) -> Result<(), Reported> {
        let minimum = || match (head.rtype, self.rdata.last_chunk::<4>()) {
            (RecordType::SOA, Some(minimum)) => Some(u32::from_be_bytes(*minimum).min(MAX_TTL)),
            _ => None,
        };
        let Some(ttl) = head.ttl.or(self.default_ttl).or(self.last_ttl).or_else(minimum) else {
            let remedy = "write `$TTL 300` above the first record, or a TTL on this one";
            return Err(self.report_token(source, word, "no TTL is known for this record", remedy));
        };
        self.last_ttl = Some(ttl);
        if self.owner_state != Owner::Known {
            return Ok(());
        }
        if !self.has_room(self.owner.len() + self.rdata.len()) {
            return Err(self.report_token(source, word, "the zone is over 4 GiB", "split it at a delegation"));
        }
        self.zone.push_wire(&self.owner, head.rtype, ttl, &self.rdata, at);
        Ok(())
    }
}

/// Whether a word can only be a TTL: no class, type or mnemonic begins with a digit.
fn looks_like_ttl(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit) && text.iter().all(u8::is_ascii_alphanumeric)
}

/// Whether a word is class IN; `None` when it is no class.
fn class(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"IN") {
        return Some(true);
    }
    if [&b"CH"[..], b"HS", b"CS", b"NONE"].iter().any(|other| text.eq_ignore_ascii_case(other)) {
        return Some(false);
    }
    let (prefix, number) = text.split_at_checked(5)?;
    let number: u16 = std::str::from_utf8(number).ok()?.parse().ok()?;
    prefix.eq_ignore_ascii_case(b"CLASS").then_some(number == 1)
}

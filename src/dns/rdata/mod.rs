//! RDATA between presentation form and uncompressed wire.
//!
//! One table says which fields a type's RDATA has (`layout`); reading, writing, checking and
//! finding the name a record points at all walk that table. Types without an entry are written
//! as octets (RFC 3597 §5), which every type may be. Names enter in lower case (RFC 4034 §6.2).

mod codes;
mod decode;
mod encode;
mod layout;
mod loc;
mod svcb;

pub use super::lex::Token;

use super::lex::Lexer;
use super::{Name, RecordType};
use std::borrow::Cow;

/// The most octets one record's RDATA may have: its length is 16 bits wide (RFC 1035 §3.2.1).
pub const MAX_RDATA_LEN: usize = 65_535;

/// Why words are not the RDATA of a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {remedy}")]
pub struct RdataError {
    /// Index of the word at fault; the number of words when one is missing.
    pub token: usize,
    /// Offset of that word, in octets of the text the words were cut from.
    pub at: usize,
    /// Octets of that text to underline; 0 for a single caret.
    pub width: usize,
    /// What is wrong.
    pub problem: Cow<'static, str>,
    /// What to do about it.
    pub remedy: Cow<'static, str>,
}

/// Reads the words behind the type of a record; relative names are completed by `origin`.
///
/// # Errors
/// The first word that is not what its type asks for.
pub fn parse_rdata(rtype: RecordType, tokens: &[Token<'_>], origin: &Name) -> Result<Box<[u8]>, RdataError> {
    let mut wire = Vec::new();
    write_rdata(rtype, tokens, origin, &mut wire)?;
    Ok(wire.into_boxed_slice())
}

/// [`parse_rdata`] to the end of a buffer, which keeps its former contents only.
///
/// # Errors
/// As [`parse_rdata`]; the buffer is then as it was.
pub fn write_rdata(
    rtype: RecordType,
    tokens: &[Token<'_>],
    origin: &Name,
    wire: &mut Vec<u8>,
) -> Result<(), RdataError> {
    let start = wire.len();
    let done = encode::Encoder::new(rtype, tokens, origin, wire).run();
    if done.is_err() {
        wire.truncate(start);
    }
    done
}

/// Reads RDATA from one text, such as a string of a configuration file.
///
/// # Errors
/// As [`parse_rdata`]; `at` counts octets of `text`.
pub fn parse_rdata_text(rtype: RecordType, text: &str, origin: &Name) -> Result<Box<[u8]>, RdataError> {
    let mut lexer = Lexer::new(text.as_bytes());
    let mut tokens = Vec::new();
    if let Some(Err(error)) = lexer.next_entry(&mut tokens) {
        let (problem, remedy) = (error.to_string().into(), error.remedy().into());
        return Err(RdataError { token: tokens.len(), at: error.at(), width: 1, problem, remedy });
    }
    let wire = parse_rdata(rtype, &tokens, origin)?;
    let mut more = Vec::new();
    if lexer.next_entry(&mut more).is_some() {
        return Err(RdataError {
            token: tokens.len(),
            at: more.first().map_or(0, |t| t.at),
            width: more.first().map_or(0, Token::width),
            problem: "the text goes on on another line".into(),
            remedy: "write one record, or hold its lines together with parentheses".into(),
        });
    }
    Ok(wire)
}

/// Presentation form of wire RDATA; octets (RFC 3597 §5) where the type has no other or it does not fit.
#[must_use]
pub fn display_rdata(rtype: RecordType, wire: &[u8]) -> String {
    decode::display(rtype, wire).unwrap_or_else(|| decode::octets(wire))
}

/// Whether wire RDATA has the fields of its type; always true for a type without a layout here.
#[must_use]
pub fn is_well_formed(rtype: RecordType, wire: &[u8]) -> bool {
    decode::is_well_formed(rtype, wire)
}

/// RDATA that stands in a message, uncompressed and with its names in lower case; `None` when it does not fit its
/// type's fields. Names of types without a layout here are octets like any (RFC 3597 §4).
#[must_use]
pub fn expand(rtype: RecordType, message: &[u8], rdata: std::ops::Range<usize>) -> Option<Box<[u8]>> {
    decode::expand(rtype, message, rdata)
}

/// The name a record points at; `None` where the type has none, or it is the root (`.`: "none", RFC 9460 §2.5.2).
#[must_use]
pub fn target_name(rtype: RecordType, wire: &[u8]) -> Option<Name> {
    let pointing = matches!(
        rtype,
        RecordType::CNAME
            | RecordType::NS
            | RecordType::PTR
            | RecordType::DNAME
            | RecordType::MX
            | RecordType::AFSDB
            | RecordType::KX
            | RecordType::SRV
            | RecordType::NAPTR
            | RecordType::SVCB
            | RecordType::HTTPS
    );
    let octets = if pointing { decode::last_name(rtype, wire)? } else { return None };
    Name::from_wire(octets).ok().filter(|name| name.wire().len() > 1)
}

#[cfg(test)]
mod tests;

//! Master files (RFC 1035 §5): text in, [`ZoneText`] out, every problem with its place.
//!
//! Owns the directives `$ORIGIN`, `$INCLUDE` (RFC 1035 §5.1), `$TTL` (RFC 2308 §4) and `$GENERATE`,
//! and the defaults of owner, TTL and class. Never opens a file: the caller's `include` does. What a
//! record says of others (CNAME beside other data, a missing SOA) is `zone::checks`'s.
//!
//! An own scanner, after trial: of a million A records it reads one in 150 ns, `domain` 0.12 in 420,
//! hickory-proto 0.26 in 2700; hickory names no place and lacks RFC 3597, LOC, URI, RP and DNAME;
//! `domain` stops at the first error, its columns stand behind the word, it lacks LOC, URI, CERT.

mod generate;
mod record;
mod source;

use super::{LineRef, MAX_ZONE_OCTETS, ZoneProblem, ZoneText};
use crate::dns::Name;
use crate::dns::lex::{Lexer, Token, parse_seconds};
use source::Source;
use std::fmt;
use std::sync::Arc;

/// The most problems reported of one zone; reading stops behind them.
pub const MAX_ERRORS: usize = 100;
/// How deep `$INCLUDE` may nest.
pub const MAX_INCLUDE_DEPTH: usize = 16;
/// How many files one zone may include.
pub const MAX_INCLUDED_FILES: usize = 1_000;
/// The largest TTL (RFC 2181 §8).
pub const MAX_TTL: u32 = (1 << 31) - 1;

/// One problem of a master file, with the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterFileError {
    /// The place, what is wrong, what to do.
    pub problem: ZoneProblem,
    /// The line of the file.
    pub source_line: String,
}

impl fmt::Display for MasterFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for MasterFileError {}

impl MasterFileError {
    /// The problem with its line and a caret.
    #[must_use]
    pub fn render(&self) -> String {
        self.problem.render(&self.source_line)
    }
}

/// Opens what `$INCLUDE` names: (path as written, file that includes it) to (name for messages, octets).
pub type Include<'i> = dyn FnMut(&str, &str) -> Result<(Arc<str>, Vec<u8>), String> + 'i;

/// Reads a master file whose zone begins at `apex`, which is also the first origin.
///
/// # Errors
/// Every problem found, in the order of the text, up to [`MAX_ERRORS`].
pub fn parse(
    file: &str,
    text: &[u8],
    apex: &Name,
    include: &mut Include<'_>,
) -> Result<ZoneText, Vec<MasterFileError>> {
    let mut parser = Parser {
        zone: ZoneText::default(),
        errors: Vec::new(),
        apex,
        origin: apex.clone(),
        origin_inside: true,
        default_ttl: None,
        last_ttl: None,
        owner: Vec::new(),
        owner_state: Owner::Unknown,
        rdata: Vec::new(),
        include,
        open: Vec::new(),
        included: 0,
    };
    parser.file(file.into(), text);
    if parser.errors.is_empty() { Ok(parser.zone) } else { Err(parser.errors) }
}

/// What an indented line would inherit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// No owner stood yet.
    Unknown,
    /// The last owner was reported; lines that inherit it are read, not kept.
    Refused,
    /// `Parser::owner` holds it.
    Known,
}

/// What is carried from line to line.
struct Parser<'p, 'i> {
    zone: ZoneText,
    errors: Vec<MasterFileError>,
    apex: &'p Name,
    origin: Name,
    /// Whether the origin lies in the zone, so that every relative name does.
    origin_inside: bool,
    /// What `$TTL` said.
    default_ttl: Option<u32>,
    /// The TTL of the record before.
    last_ttl: Option<u32>,
    /// Wire form of the last owner.
    owner: Vec<u8>,
    owner_state: Owner,
    /// Buffer of the RDATA being read.
    rdata: Vec<u8>,
    include: &'p mut Include<'i>,
    /// The files being read, outermost first.
    open: Vec<Arc<str>>,
    included: usize,
}

/// Something reported; the entry it stands in is dropped.
struct Reported;

impl Parser<'_, '_> {
    /// Reads one file to its end or to the limit of problems.
    fn file(&mut self, name: Arc<str>, text: &[u8]) {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let source = Source { index: self.zone.add_file(Arc::clone(&name)), file: Arc::clone(&name), text };
        self.open.push(name);
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        while let Some(entry) = lexer.next_entry(&mut tokens) {
            let kept = match entry {
                Ok(entry) => {
                    let at = LineRef { file: source.index, line: entry.line };
                    self.entry(&source, &tokens, entry.indented, at)
                }
                Err(fault) => {
                    self.owner_state = Owner::Refused;
                    Err(self.report(&source, fault.at(), 1, fault.to_string(), fault.remedy()))
                }
            };
            if kept.is_err() && self.errors.len() >= MAX_ERRORS {
                break;
            }
        }
        self.open.pop();
    }

    /// Keeps a problem with the line it stands on.
    fn report(
        &mut self,
        source: &Source<'_>,
        at: usize,
        width: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Reported {
        if self.errors.len() < MAX_ERRORS {
            let (place, source_line) = source.place(at, width);
            let problem = ZoneProblem { place, message: message.into(), remedy: remedy.into() };
            self.errors.push(MasterFileError { problem, source_line });
        }
        Reported
    }

    /// [`Parser::report`] for a whole word.
    fn report_token(
        &mut self,
        source: &Source<'_>,
        token: &Token<'_>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Reported {
        self.report(source, token.at, token.width(), message, remedy)
    }

    fn entry(
        &mut self,
        source: &Source<'_>,
        tokens: &[Token<'_>],
        indented: bool,
        at: LineRef,
    ) -> Result<(), Reported> {
        let Some((first, rest)) = tokens.split_first() else { return Ok(()) };
        if !first.quoted && first.text.starts_with(b"$") {
            return self.directive(source, first, rest, at);
        }
        if !indented {
            self.set_owner(source, first)?;
            return self.record(source, tokens, rest, at);
        }
        if self.owner_state == Owner::Unknown {
            let remedy = "begin the line with the owner, or with @ for the origin";
            return Err(self.report_token(source, first, "no owner stands before this line", remedy));
        }
        self.record(source, tokens, tokens, at)
    }

    fn directive(
        &mut self,
        source: &Source<'_>,
        word: &Token<'_>,
        values: &[Token<'_>],
        at: LineRef,
    ) -> Result<(), Reported> {
        let most = match word.text.to_ascii_uppercase().as_slice() {
            b"$ORIGIN" | b"$TTL" => 1,
            b"$INCLUDE" => 2,
            b"$GENERATE" => return self.generate(source, word, values, at),
            _ => {
                let message = format!("`{}` is no directive", word.shown());
                let remedy = "write $ORIGIN, $TTL, $INCLUDE or $GENERATE; a name that begins with $ is written \\$";
                return Err(self.report_token(source, word, message, remedy));
            }
        };
        let Some(value) = values.first() else {
            let message = format!("the value of {} is missing", word.shown());
            let remedy = "write `$ORIGIN name`, `$TTL seconds` or `$INCLUDE file [origin]`";
            return Err(self.report(source, word.end(), 0, message, remedy));
        };
        if let Some(extra) = values.get(most) {
            let message = format!("`{}` is one value too many for {}", extra.shown(), word.shown());
            return Err(self.report_token(source, extra, message, "remove it, or put it behind a semicolon"));
        }
        match word.text.to_ascii_uppercase().as_slice() {
            b"$ORIGIN" => {
                let origin = self.name(source, value)?;
                self.set_origin(origin);
                Ok(())
            }
            b"$TTL" => {
                let ttl = self.ttl(source, value)?;
                self.default_ttl = Some(ttl);
                Ok(())
            }
            _ => self.include(source, value, values.get(1)),
        }
    }

    fn set_origin(&mut self, origin: Name) {
        self.origin_inside = origin.is_within(self.apex);
        self.origin = origin;
    }

    /// A name completed by the origin.
    fn name(&mut self, source: &Source<'_>, token: &Token<'_>) -> Result<Name, Reported> {
        Name::parse_bytes(token.text, Some(&self.origin)).map_err(|cause| {
            let message = format!("`{}` is no name: {cause}", token.shown());
            self.report_token(source, token, message, record::NAME_REMEDY)
        })
    }

    fn ttl(&mut self, source: &Source<'_>, token: &Token<'_>) -> Result<u32, Reported> {
        match parse_seconds(token.text) {
            Some(ttl) if ttl <= MAX_TTL => Ok(ttl),
            read => {
                let all_digits = token.text.iter().all(u8::is_ascii_digit);
                let too_long = read.is_some() || all_digits;
                let what = if too_long { "is over the largest TTL (RFC 2181 §8)" } else { "is no TTL" };
                let message = format!("`{}` {what}", token.shown());
                let remedy = "write seconds up to 2147483647, or a time such as 1h30m";
                Err(self.report_token(source, token, message, remedy))
            }
        }
    }

    /// `$INCLUDE`: origin and owner are afterwards what they were (RFC 1035 §5.1); `$TTL` stays in force.
    fn include(&mut self, source: &Source<'_>, path: &Token<'_>, origin: Option<&Token<'_>>) -> Result<(), Reported> {
        let inner = origin.map(|token| self.name(source, token)).transpose()?;
        if self.open.len() > MAX_INCLUDE_DEPTH || self.included >= MAX_INCLUDED_FILES {
            let message =
                format!("more than {MAX_INCLUDE_DEPTH} files inside each other or {MAX_INCLUDED_FILES} in all");
            return Err(self.report_token(source, path, message, "include fewer files"));
        }
        let written = String::from_utf8_lossy(path.text);
        let (file, text) = (self.include)(&written, &source.file).map_err(|cause| {
            let message = format!("`{written}` cannot be included: {cause}");
            self.report_token(source, path, message, "correct the path or make the file readable")
        })?;
        if self.open.contains(&file) {
            let message = format!("`{written}` includes itself");
            return Err(self.report_token(source, path, message, "remove this line"));
        }
        self.included += 1;
        let outer = (self.origin.clone(), self.owner.clone(), self.owner_state);
        if let Some(inner) = inner {
            self.set_origin(inner);
        }
        self.owner_state = Owner::Unknown;
        self.file(file, &text);
        self.set_origin(outer.0);
        (self.owner, self.owner_state) = (outer.1, outer.2);
        if self.errors.len() < MAX_ERRORS { Ok(()) } else { Err(Reported) }
    }

    /// Whether `more` octets still fit the zone.
    fn has_room(&self, more: usize) -> bool {
        self.zone.arena_len() + more <= MAX_ZONE_OCTETS
    }
}

#[cfg(test)]
mod tests;

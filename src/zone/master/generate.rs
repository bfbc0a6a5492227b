//! `$GENERATE start-stop[/step] owner [ttl] [class] type data`: one line, many records.
//!
//! `$` stands for the number, `${offset,width,radix}` for a changed one, `\$` for a dollar sign.
//! Not in an RFC; written as BIND 9 and Knot read it.

use super::source::Source;
use super::{Parser, Reported};
use crate::dns::lex::Token;
use crate::dns::rdata::write_rdata;
use crate::zone::LineRef;
use std::io::Write as _;

/// The most records one directive makes.
pub(super) const MAX_GENERATED: u64 = 65_535;
/// The most digits a number is padded to.
const MAX_WIDTH: usize = 255;

/// The numbers a directive runs through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u32,
    stop: u32,
    step: u32,
}

/// A word cut at its numbers.
struct Template<'t> {
    pieces: Vec<Piece<'t>>,
    /// The word it was read from.
    token: Token<'t>,
}

enum Piece<'t> {
    Literal(&'t [u8]),
    Number { offset: i64, width: usize, radix: Radix },
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Radix {
    Decimal,
    Octal,
    Lower,
    Upper,
    /// Hexadecimal digits backwards with dots between, as reverse names have them.
    Nibbles {
        upper: bool,
    },
}

impl Parser<'_, '_> {
    /// Makes the records of one directive.
    pub(super) fn generate(
        &mut self,
        source: &Source<'_>,
        word: &Token<'_>,
        values: &[Token<'_>],
        at: LineRef,
    ) -> Result<(), Reported> {
        let [range_word, owner_word, words @ ..] = values else {
            let remedy = "write `$GENERATE start-stop[/step] owner type data`";
            let end = values.last().map_or(word.end(), Token::end);
            return Err(self.report(source, end, 0, "the range or the owner is missing", remedy));
        };
        let Some(range) = range(range_word.text) else {
            let message = format!("`{}` is no range of at most {MAX_GENERATED} numbers", range_word.shown());
            return Err(self.report_token(source, range_word, message, "write start-stop or start-stop/step"));
        };
        let head = self.head(source, values, words)?;
        let owner = self.template(source, owner_word)?;
        let data = words.get(head.words..).unwrap_or_default();
        let data = data.iter().map(|token| self.template(source, token)).collect::<Result<Vec<_>, _>>()?;
        let mut buffers = vec![Vec::new(); data.len() + 1];
        for number in (range.start..=range.stop).step_by(range.step as usize) {
            for (template, buffer) in data.iter().chain([&owner]).zip(&mut buffers) {
                if !template.fill(number, buffer) {
                    let message = format!("the offset makes {number} negative");
                    return Err(self.report_token(source, &template.token, message, "begin the range higher"));
                }
            }
            let Some((owner_text, data_texts)) = buffers.split_last() else { return Ok(()) };
            self.set_owner(source, &Token { text: owner_text, at: owner_word.at, quoted: false })?;
            let filled = data.iter().zip(data_texts).map(|(template, text)| Token { text, ..template.token });
            let filled: Vec<Token<'_>> = filled.collect();
            self.rdata.clear();
            if let Err(fault) = write_rdata(head.rtype, &filled, &self.origin, &mut self.rdata) {
                let token = data.get(fault.token).map_or(*owner_word, |template| template.token);
                let message = format!("for {number}: {}", fault.problem);
                return Err(self.report_token(source, &token, message, fault.remedy));
            }
            self.keep(source, word, &head, at)?;
        }
        Ok(())
    }

    fn template<'t>(&mut self, source: &Source<'_>, token: &Token<'t>) -> Result<Template<'t>, Reported> {
        match pieces(token.text) {
            Some(pieces) => Ok(Template { pieces, token: *token }),
            None => {
                let message = format!("`{}` has a bad ${{offset,width,radix}}", token.shown());
                Err(self.report_token(source, token, message, "write `${0,2,d}` with a radix of d, o, x, X, n or N"))
            }
        }
    }
}

/// Reads `start-stop[/step]`.
fn range(text: &[u8]) -> Option<Range> {
    let text = std::str::from_utf8(text).ok()?;
    let (ends, step) = text.split_once('/').unwrap_or((text, "1"));
    let (start, stop) = ends.split_once('-')?;
    let range = Range { start: start.parse().ok()?, stop: stop.parse().ok()?, step: step.parse().ok()? };
    let count = u64::from(range.stop.checked_sub(range.start)?) / u64::from(range.step).max(1) + 1;
    (range.step > 0 && count <= MAX_GENERATED).then_some(range)
}

/// Cuts a word at its numbers; `None` when braces hold no modifier.
fn pieces(text: &[u8]) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.iter().position(|o| matches!(o, b'$' | b'\\')) {
        let (literal, tail) = rest.split_at(at);
        pieces.push(Piece::Literal(literal));
        rest = match tail {
            [b'$', b'$', behind @ ..] => {
                pieces.push(Piece::Literal(b"$"));
                behind
            }
            [b'$', b'{', behind @ ..] => {
                let end = behind.iter().position(|o| *o == b'}')?;
                let (inner, behind) = behind.split_at(end);
                pieces.push(modifier(inner)?);
                behind.get(1..)?
            }
            [b'$', behind @ ..] => {
                pieces.push(Piece::Number { offset: 0, width: 0, radix: Radix::Decimal });
                behind
            }
            _ => {
                let (escape, behind) = tail.split_at(tail.len().min(2));
                pieces.push(Piece::Literal(escape));
                behind
            }
        };
    }
    pieces.push(Piece::Literal(rest));
    Some(pieces)
}

/// Reads `offset[,width[,radix]]`.
fn modifier(text: &[u8]) -> Option<Piece<'_>> {
    let mut parts = std::str::from_utf8(text).ok()?.split(',');
    let offset = parts.next()?.parse::<i32>().ok()?.into();
    let width = parts.next().map_or(Some(0), |w| w.parse().ok().filter(|w| *w <= MAX_WIDTH))?;
    let radix = match parts.next() {
        None | Some("d") => Radix::Decimal,
        Some("o") => Radix::Octal,
        Some("x") => Radix::Lower,
        Some("X") => Radix::Upper,
        Some("n") => Radix::Nibbles { upper: false },
        Some("N") => Radix::Nibbles { upper: true },
        Some(_) => return None,
    };
    parts.next().is_none().then_some(Piece::Number { offset, width, radix })
}

impl Template<'_> {
    /// Writes the word for one number; false when its offset makes it negative.
    fn fill(&self, number: u32, out: &mut Vec<u8>) -> bool {
        out.clear();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => out.extend_from_slice(literal),
                Piece::Number { offset, width, radix } => match u64::try_from(i64::from(number) + offset) {
                    Ok(value) => radix.write(value, *width, out),
                    Err(_) => return false,
                },
            }
        }
        true
    }
}

impl Radix {
    /// Appends `value`, padded with zeros to `width`.
    fn write(self, value: u64, width: usize, out: &mut Vec<u8>) {
        let written = match self {
            Self::Decimal => write!(out, "{value:0width$}"),
            Self::Octal => write!(out, "{value:0width$o}"),
            Self::Lower => write!(out, "{value:0width$x}"),
            Self::Upper => write!(out, "{value:0width$X}"),
            Self::Nibbles { upper } => {
                let digits = format!("{value:0count$x}", count = width.div_ceil(2));
                let digits = if upper { digits.to_ascii_uppercase() } else { digits };
                for (at, digit) in digits.bytes().rev().enumerate() {
                    if at > 0 {
                        out.push(b'.');
                    }
                    out.push(digit);
                }
                Ok(())
            }
        };
        written.expect("writing to memory does not fail");
    }
}

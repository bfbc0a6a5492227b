//! Words of presentation format (RFC 1035 §5.1), cut out of the text without a copy.
//!
//! Knows spaces, comments, quotes, parentheses and line ends; knows no directive and no record.
//! Escapes stay in the words: names and character strings resolve them differently. Offsets count
//! octets; lines and columns are worked out from them only when there is something to report.

use std::borrow::Cow;

/// One word of presentation format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// The characters, escapes unresolved, enclosing quotes removed.
    pub text: &'a [u8],
    /// Offset of the first character (of the opening quote, if quoted) in the text it was cut from.
    pub at: usize,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

impl<'a> Token<'a> {
    /// A word that stands in no file.
    #[must_use]
    pub fn bare(text: &'a [u8]) -> Self {
        Self { text, at: 0, quoted: false }
    }

    /// Octets it takes in the text, quotes included.
    #[must_use]
    pub fn width(&self) -> usize {
        self.text.len() + if self.quoted { 2 } else { 0 }
    }

    /// The offset behind it.
    #[must_use]
    pub fn end(&self) -> usize {
        self.at + self.width()
    }

    /// The word for an error message, cut when it is long.
    #[must_use]
    pub fn shown(&self) -> Cow<'a, str> {
        const SHOWN: usize = 60;
        let Some((head, _)) = self.text.split_at_checked(SHOWN) else { return String::from_utf8_lossy(self.text) };
        Cow::Owned(format!("{}...", String::from_utf8_lossy(head)))
    }
}

/// A quote or parenthesis without its partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LexError {
    /// A quote still open at the end of its line.
    #[error("this quote is not closed on its line")]
    OpenQuote(usize),
    /// A parenthesis still open at the end of the text.
    #[error("this parenthesis is not closed")]
    OpenParenthesis(usize),
    /// A closing parenthesis that closes nothing.
    #[error("this parenthesis closes nothing")]
    StrayParenthesis(usize),
}

impl LexError {
    /// Offset of the character at fault.
    #[must_use]
    pub fn at(self) -> usize {
        match self {
            Self::OpenQuote(at) | Self::OpenParenthesis(at) | Self::StrayParenthesis(at) => at,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::OpenQuote(_) => "close the quote, or write \\\" for a quote that is meant",
            Self::OpenParenthesis(_) => "add `)` behind the last value of the record",
            Self::StrayParenthesis(_) => "remove it, or open it on the record's first line",
        }
    }
}

/// What is known of an entry beside its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The line of its first word, from 1.
    pub line: u32,
    /// Whether that line begins with a space: the owner is the one before (RFC 1035 §5.1).
    pub indented: bool,
}

/// Cuts a text into entries: lines, or several lines held together by parentheses.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl<'a> Lexer<'a> {
    /// Begins at the first line.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// Replaces `tokens` by the words of the next entry that has any; `None` at the end of the text.
    ///
    /// # Errors
    /// The first quote or parenthesis at fault; the next call goes on behind the entry.
    pub fn next_entry(&mut self, tokens: &mut Vec<Token<'a>>) -> Option<Result<Entry, LexError>> {
        tokens.clear();
        let mut open: Option<(usize, u32)> = None;
        let mut fault = None;
        let mut entry = Entry { line: self.line, indented: self.indented() };
        while let Some(&octet) = self.text.get(self.at) {
            match octet {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    if open.is_none() {
                        if !tokens.is_empty() || fault.is_some() {
                            break;
                        }
                        entry = Entry { line: self.line, indented: self.indented() };
                    }
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b';' => self.skip_line(),
                b'(' => {
                    open = Some(open.map_or((self.at, 1), |(at, depth)| (at, depth + 1)));
                    self.at += 1;
                }
                b')' => {
                    match open {
                        Some((at, depth)) => open = (depth > 1).then_some((at, depth - 1)),
                        None => fault = fault.or(Some(LexError::StrayParenthesis(self.at))),
                    }
                    self.at += 1;
                }
                _ => {
                    if tokens.is_empty() {
                        entry.line = self.line;
                    }
                    match if octet == b'"' { self.quoted() } else { self.word() } {
                        Ok(token) => tokens.push(token),
                        Err(error) => fault = fault.or(Some(error)),
                    }
                }
            }
        }
        fault = fault.or(open.map(|(at, _)| LexError::OpenParenthesis(at)));
        match fault {
            Some(error) => Some(Err(error)),
            None if tokens.is_empty() => None,
            None => Some(Ok(entry)),
        }
    }

    fn indented(&self) -> bool {
        matches!(self.text.get(self.at), Some(b' ' | b'\t'))
    }

    /// Goes to the end of the line, not over it.
    fn skip_line(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|o| *o == b'\n').unwrap_or(rest.len());
    }

    /// A word up to a space, comment or parenthesis; quotes inside it (`alpn="h2,h3"`) hide those.
    fn word(&mut self) -> Result<Token<'a>, LexError> {
        let start = self.at;
        while let Some(&octet) = self.text.get(self.at) {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' => break,
                b'"' => {
                    self.quoted()?;
                }
                b'\\' => self.escape(),
                _ => self.at += 1,
            }
        }
        Ok(Token { text: self.text.get(start..self.at).unwrap_or_default(), at: start, quoted: false })
    }

    /// A quoted word; the lexer stands on the opening quote.
    fn quoted(&mut self) -> Result<Token<'a>, LexError> {
        let start = self.at;
        self.at += 1;
        while let Some(&octet) = self.text.get(self.at) {
            match octet {
                b'"' => {
                    let text = self.text.get(start + 1..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(Token { text, at: start, quoted: true });
                }
                b'\\' => self.escape(),
                b'\n' => break,
                _ => self.at += 1,
            }
        }
        Err(LexError::OpenQuote(start))
    }

    /// Steps over a backslash and what it protects, but never over a line end.
    fn escape(&mut self) {
        self.at += 1;
        if self.text.get(self.at).is_some_and(|o| *o != b'\n') {
            self.at += 1;
        }
    }
}

/// Seconds, plain or with the units w, d, h, m and s (`1h30m`).
#[must_use]
pub fn parse_seconds(text: &[u8]) -> Option<u32> {
    let mut total: u32 = 0;
    let mut number: Option<u32> = None;
    for octet in text {
        let unit = match octet {
            b'0'..=b'9' => {
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u32::from(octet - b'0'))?);
                continue;
            }
            b's' | b'S' => 1,
            b'm' | b'M' => 60,
            b'h' | b'H' => 3_600,
            b'd' | b'D' => 86_400,
            b'w' | b'W' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    match number {
        Some(rest) => total.checked_add(rest),
        None if text.is_empty() => None,
        None => Some(total),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Line, indented, words.
    type Read = Result<(u32, bool, Vec<String>), LexError>;

    fn entries(text: &str) -> Vec<Read> {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut tokens = Vec::new();
        let mut out = Vec::new();
        while let Some(entry) = lexer.next_entry(&mut tokens) {
            let words = tokens.iter().map(|t| String::from_utf8_lossy(t.text).into_owned()).collect();
            out.push(entry.map(|e| (e.line, e.indented, words)));
        }
        out
    }

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn an_entry_is_a_line_or_what_parentheses_hold_together() {
        let text = "; nothing\n\na b ;c\n  x (\n y ; (\n) z\r\n";
        assert_eq!(entries(text), [Ok((3, false, words(&["a", "b"]))), Ok((4, true, words(&["x", "y", "z"])))]);
    }

    #[test]
    fn quotes_and_backslashes_hide_what_would_end_a_word() {
        let text = r#"a\ b "c;( d" k="e f"g \;h"#;
        assert_eq!(entries(text), [Ok((1, false, words(&[r"a\ b", "c;( d", r#"k="e f"g"#, r"\;h"])))]);
    }

    #[test]
    fn faults_name_the_character_and_the_next_entry_is_read() {
        assert_eq!(entries("a \"b\nc"), [Err(LexError::OpenQuote(2)), Ok((2, false, words(&["c"])))]);
        assert_eq!(entries("a )\nc"), [Err(LexError::StrayParenthesis(2)), Ok((2, false, words(&["c"])))]);
        assert_eq!(entries("a (b\nc"), [Err(LexError::OpenParenthesis(2))]);
        assert_eq!(entries(")\n"), [Err(LexError::StrayParenthesis(0))]);
    }

    #[test]
    fn seconds_take_units_and_refuse_what_does_not_fit() {
        assert_eq!(parse_seconds(b"1h30m"), Some(5_400));
        assert_eq!(parse_seconds(b"2W"), Some(1_209_600));
        assert_eq!(parse_seconds(b"4294967295"), Some(u32::MAX));
        for bad in ["", "h", "1x", "4294967296", "1hm", "7102w"] {
            assert_eq!(parse_seconds(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut_to_its_end(text in "[ab\\\\\"();\n\r \t]{0,60}") {
            let mut lexer = Lexer::new(text.as_bytes());
            let mut tokens = Vec::new();
            let mut count = 0;
            while lexer.next_entry(&mut tokens).is_some() {
                count += 1;
                prop_assert!(count <= text.len());
                for token in &tokens {
                    let from = token.at + usize::from(token.quoted);
                    prop_assert_eq!(token.text, &text.as_bytes()[from..from + token.text.len()]);
                }
            }
            prop_assert_eq!(lexer.at, text.len());
        }
    }
}

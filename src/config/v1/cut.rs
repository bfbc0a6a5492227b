//! Where a large TOML file may be cut, so that it is read in parts: on every core, one parse tree at a time.
//!
//! A part holds whole switches and is a document by itself. Whatever is out of the ordinary (root
//! keys, quoted or spaced table names, a switch whose tables stand apart, text that ends within a
//! value) is cut nowhere: the whole file is read then, and its problems are told as for any file.

use std::collections::HashSet;
use std::ops::Range;

/// The least a part holds, octets: enough to be worth a thread's turn, small enough as a parse tree.
pub const PART: usize = 64 * 1024;

/// Parts of at least `least` octets that together are the text; a single one when it must be read whole.
#[must_use]
pub fn cut(text: &str, least: usize) -> Vec<Range<usize>> {
    let mut cutter = Cutter { text: text.as_bytes(), at: 0, least, starts: vec![0], group: "", closed: HashSet::new() };
    if text.len() < least.saturating_mul(2) || cutter.run(text).is_none() {
        cutter.starts.truncate(1);
    }
    let ends = cutter.starts.iter().skip(1).copied().chain([text.len()]);
    cutter.starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// A walk through the lines of a text.
struct Cutter<'t> {
    text: &'t [u8],
    /// The next octet.
    at: usize,
    least: usize,
    /// Where parts begin.
    starts: Vec<usize>,
    /// The switch (or `[zone]`) whose tables are being passed; empty before the first.
    group: &'t str,
    /// Groups that have been passed: a table of theirs must not come again.
    closed: HashSet<&'t str>,
}

impl<'t> Cutter<'t> {
    /// Passes every line; `None` when the text must be read whole.
    fn run(&mut self, text: &'t str) -> Option<()> {
        while let Some(octet) = self.peek() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.skip_comment(),
                b'[' => self.header(text)?,
                _ if self.group.is_empty() => return None,
                _ => self.entry()?,
            }
        }
        Some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|octet| octet != b'\n') {
            self.at += 1;
        }
    }

    /// A table's head: perhaps the first of another switch, which may begin a part.
    fn header(&mut self, text: &'t str) -> Option<()> {
        let rest = text.get(self.at..)?;
        let name = rest.trim_start_matches('[');
        let group = match name.strip_prefix("switch.") {
            Some(name) => first_key(name)?,
            // Told apart from a switch of that name by what a key cannot hold.
            None => first_key(name).filter(|key| *key == "zone").map(|_| "[zone]")?,
        };
        if group != self.group {
            if !self.group.is_empty() {
                self.closed.insert(self.group);
            }
            if self.closed.contains(group) {
                return None;
            }
            self.group = group;
            let line = text.get(..self.at)?.rfind('\n').map_or(0, |end| end + 1);
            if self.starts.last().is_some_and(|start| line - start >= self.least) {
                self.starts.push(line);
            }
        }
        self.entry()
    }

    /// Passes one entry with the line it ends on: strings and brackets may go over several.
    fn entry(&mut self) -> Option<()> {
        let mut depth = 0u32;
        while let Some(octet) = self.peek() {
            match octet {
                b'\n' if depth == 0 => return Some(()),
                b'#' => {
                    self.skip_comment();
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.checked_sub(1)?,
                b'"' | b'\'' => {
                    self.string(octet)?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        (depth == 0).then_some(())
    }

    /// Passes a string in any of the four notations.
    fn string(&mut self, quote: u8) -> Option<()> {
        let triple = [quote; 3];
        let long = self.text.get(self.at..)?.starts_with(&triple);
        self.at += if long { 3 } else { 1 };
        loop {
            match self.peek()? {
                b'\\' if quote == b'"' => self.at += 2,
                b'\n' if !long => return None,
                octet if octet == quote && !long => {
                    self.at += 1;
                    return Some(());
                }
                octet if octet == quote && self.text.get(self.at..)?.starts_with(&triple) => {
                    self.at += 3;
                    // Up to two quotes may stand before the closing ones.
                    while self.peek() == Some(quote) {
                        self.at += 1;
                    }
                    return Some(());
                }
                _ => self.at += 1,
            }
        }
    }
}

/// The bare key at the beginning of a table's name, when a dot or the closing bracket follows at once.
fn first_key(name: &str) -> Option<&str> {
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')?;
    let (key, behind) = name.split_at(end);
    (!key.is_empty() && behind.starts_with(['.', ']'])).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts wherever a group begins.
    fn parts(text: &str) -> Vec<&str> {
        cut(text, 1).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn parts_begin_with_a_switch_and_hold_all_its_tables() {
        let text = "# head\n[zone]\nns = \"a\"\n[switch.a]\nttl = 5\n  [switch.a.pool.blue]\nmembers = [\n\"[switch.b]\",\n]\n\n[switch.c]\n";
        assert_eq!(
            parts(text),
            [
                "# head\n",
                "[zone]\nns = \"a\"\n",
                "[switch.a]\nttl = 5\n  [switch.a.pool.blue]\nmembers = [\n\"[switch.b]\",\n]\n\n",
                "[switch.c]\n"
            ]
        );
    }

    #[test]
    fn headers_within_strings_and_lists_are_no_headers() {
        for value in ["\"\"\"\n[switch.x]\n\\\"\"\"\"\"", "'''\n[switch.x]\n'''", "[ # ]\n[\n\"a\"]\n]", "{ a = ']' }"]
        {
            let text = format!("[switch.a]\nsalt = {value}\n[switch.b]\n");
            assert_eq!(parts(&text).len(), 2, "{text}");
        }
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_read_whole() {
        for text in [
            "switch.a.ttl = 5\n[switch.b]\n[switch.c]\n",
            "[switch.a]\n[switch.b]\n[switch.a.pool.x]\n",
            "[switch]\na = 1\n[switch.b]\n[switch.c]\n",
            "[switch.\"a\"]\n[switch.b]\n[switch.c]\n",
            "[ switch.a ]\n[switch.b]\n[switch.c]\n",
            "[switch.a]\nx = \"\"\"\n[switch.b]\n",
            "[switch.a]\nx = [\n[switch.b]\n",
            "[switch.a]\nx = \"\n[switch.b]\n",
            "[switch.a]\nx = ]\n[switch.b]\n",
            "[other]\n[switch.a]\n[switch.b]\n",
            "[zone]\n[switch.a]\n[zone.glue]\n[switch.b]\n",
        ] {
            assert_eq!(parts(text), [text]);
        }
    }

    #[test]
    fn a_short_text_is_one_part() {
        assert_eq!(cut("[switch.a]\n[switch.b]\n", PART).len(), 1);
    }
}

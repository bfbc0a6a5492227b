//! How the CLI shows things to people: pure, from data to text that fits the terminal.

pub(super) mod change;
pub(super) mod compare;
pub(super) mod delegation;
pub(super) mod drain;
pub(super) mod explain;
pub(super) mod happening;
pub(super) mod history;
pub(super) mod plan;
pub(super) mod report;
pub(super) mod rollout;
pub(super) mod simulate;
pub(super) mod status;
pub(super) mod switch;
mod table;
pub(super) mod times;
pub(super) mod tokens;
pub(super) mod updates;

pub(super) use table::{Cell, Table};

use std::collections::BTreeMap;

/// What text means, and so which colour it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// In order.
    Good,
    /// Needs a look.
    Warn,
    /// Broken.
    Bad,
    /// Less important.
    Faint,
    /// A heading.
    Strong,
}

/// A page under way.
#[derive(Debug, Clone)]
pub(super) struct Page {
    text: String,
    colour: bool,
    limit: Option<usize>,
    now_unix_ms: u64,
}

impl Page {
    /// An empty page; `limit` is the width of the terminal, `None` where nobody's terminal is in the way.
    pub(super) fn new(colour: bool, limit: Option<usize>, now_unix_ms: u64) -> Self {
        Self { text: String::new(), colour, limit, now_unix_ms }
    }

    /// The width tables must fit.
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// The width sentences are broken at.
    pub(super) fn width(&self) -> usize {
        self.limit.unwrap_or(WIDTH)
    }

    /// The time it is printed.
    pub(super) fn now_unix_ms(&self) -> u64 {
        self.now_unix_ms
    }

    /// Text in its colour.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        let text = harmless(text);
        let code = match tone {
            _ if text.is_empty() => return text,
            Tone::Plain => return text,
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text }
    }

    /// Adds a line.
    pub(super) fn line(&mut self, tone: Tone, text: &str) {
        let line = self.paint(tone, text);
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Adds a paragraph with a lead on its first line, wrapped and indented below it.
    pub(super) fn paragraph(&mut self, tone: Tone, lead: &str, text: &str) {
        let indent = " ".repeat(columns(lead).min(self.width() / 2));
        let width = self.width().saturating_sub(columns(lead)).max(20);
        for (index, row) in wrap(&harmless(text), width).iter().enumerate() {
            let lead = if index == 0 { lead } else { &indent };
            self.line(tone, &format!("{lead}{row}"));
        }
    }

    /// Adds a table.
    pub(super) fn table(&mut self, table: &Table) {
        let text = table.render(self);
        self.text.push_str(&text);
    }

    /// Adds an empty line, unless the page is empty.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// The width of sentences where no terminal says another.
pub(super) const WIDTH: usize = 80;

/// Columns of a terminal that a text takes.
pub(super) fn columns(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// Without control characters: what members and colleagues wrote must not drive the terminal.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// At most this many columns, the rest cut with an ellipsis.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > most {
            break;
        }
        kept.push(c);
    }
    if most > 0 {
        kept.push('…');
    }
    kept
}

/// Lines behind a lead that may be painted, each broken at spaces to fit `width`; later ones begin at the left.
pub(super) fn folded(painted: &str, lead: &str, text: &str, width: usize) -> String {
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let first = if index == 0 { columns(lead) } else { 0 };
        let broken = wrap(line, width.saturating_sub(first).max(20));
        rows.extend(
            broken.into_iter().enumerate().map(
                |(row, text)| {
                    if index == 0 && row == 0 { format!("{painted} {text}") } else { text }
                },
            ),
        );
    }
    rows.join("\n")
}

/// Rows of at most `width` columns, broken at spaces; a longer word is broken where the row ends.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split_whitespace() {
        for piece in pieces(word, width) {
            let fits = rows.last().is_some_and(|row| row.is_empty() || columns(row) + 1 + columns(&piece) <= width);
            match rows.last_mut() {
                Some(row) if fits => {
                    if !row.is_empty() {
                        row.push(' ');
                    }
                    row.push_str(&piece);
                }
                _ => rows.push(piece),
            }
        }
    }
    rows
}

/// A word in pieces of at most `width` columns.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in word.chars() {
        let wide = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + wide > width {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}

/// `blue 10000 → 0, green 0 → 10000`, changed pools only; all of them when nothing changed.
pub(super) fn split_change(before: &BTreeMap<String, u16>, after: &BTreeMap<String, u16>) -> String {
    let mut parts = Vec::new();
    for (pool, to) in after {
        match before.get(pool) {
            Some(from) if from == to => {}
            Some(from) => parts.push(format!("{pool} {from} → {to}")),
            None => parts.push(format!("{pool} new, {to}")),
        }
    }
    parts.extend(before.keys().filter(|pool| !after.contains_key(*pool)).map(|pool| format!("{pool} gone")));
    if parts.is_empty() { split(after) } else { parts.join(", ") }
}

/// `blue 9000, green 1000`.
pub(super) fn split(weights: &BTreeMap<String, u16>) -> String {
    weights.iter().map(|(pool, weight)| format!("{pool} {weight}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
impl Page {
    /// A page of a pipe.
    pub(super) fn plain(now_unix_ms: u64) -> Self {
        Self::new(false, None, now_unix_ms)
    }

    /// A page with colour.
    pub(super) fn coloured(now_unix_ms: u64) -> Self {
        Self::new(true, None, now_unix_ms)
    }

    /// On a terminal of this width.
    pub(super) fn within(self, width: usize) -> Self {
        Self { limit: Some(width), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let mut page = Page::plain(0);
        page.line(Tone::Bad, "reset \u{1b}[2J\r\u{7}done");
        assert_eq!(page.finish(), "reset \u{fffd}[2J\u{fffd}\u{fffd}done\n");
    }

    #[test]
    fn colour_is_put_on_only_when_wanted() {
        assert_eq!(Page::coloured(0).paint(Tone::Good, "up"), "\u{1b}[32mup\u{1b}[0m");
        assert_eq!(Page::plain(0).paint(Tone::Good, "up"), "up");
    }

    #[test]
    fn paragraphs_wrap_below_their_lead() {
        let mut page = Page::plain(0);
        page.paragraph(Tone::Plain, "note: ", &"word ".repeat(30));
        let text = page.finish();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("      word")), "{text}");
    }

    #[test]
    fn an_error_is_broken_between_words_and_keeps_its_own_lines() {
        let text = folded("error:", "error: ", "one two three four five\nto do it all the same: --force", 27);
        assert_eq!(text, "error: one two three four\nfive\nto do it all the same:\n--force");
    }

    #[test]
    fn a_split_shows_what_changed() {
        let weights = |pairs: &[(&str, u16)]| pairs.iter().map(|(p, w)| ((*p).to_owned(), *w)).collect();
        let before = weights(&[("blue", 10_000), ("green", 0), ("red", 5)]);
        assert_eq!(
            split_change(&before, &weights(&[("blue", 0), ("green", 10_000), ("red", 5)])),
            "blue 10000 → 0, green 0 → 10000"
        );
        assert_eq!(
            split_change(&before, &weights(&[("blue", 10_000), ("new", 0), ("red", 5)])),
            "new new, 0, green gone"
        );
        assert_eq!(split_change(&before, &before), "blue 10000, green 0, red 5");
    }
}

//! What is wrong in a file: the place, the words, the remedy, and how people see it.
//!
//! A [`Source`] turns byte spans of a parsed file into lines and columns; a [`Problem`] carries the
//! line it stands on, so that it can be shown long after the file is gone. Never reads a file.

use crate::zone::Place;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The most characters of a line that are shown.
const MAX_SHOWN: usize = 160;

/// One thing to mend (or, among warnings, to think about).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// What to write instead, when that is known.
    pub remedy: Option<String>,
    /// The text of the line, when there is one to show.
    pub source_line: Option<String>,
}

impl Problem {
    /// A problem of a whole file or folder.
    #[must_use]
    pub fn of_file(file: &str, message: impl Into<String>, remedy: Option<String>) -> Self {
        let place = Place { file: file.into(), ..Place::default() };
        Self { place, message: message.into(), remedy, source_line: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column, width } = &self.place;
        match (line, column) {
            (0, _) => write!(f, "{file}: {}", self.message)?,
            (_, 0) => write!(f, "{file}:{line}: {}", self.message)?,
            _ => write!(f, "{file}:{line}:{column}: {}", self.message)?,
        }
        if let Some(source_line) = &self.source_line {
            write!(f, "\n    {}", underline(&without_secrets(source_line), *column, *width))?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n    remedy: {remedy}")?;
        }
        Ok(())
    }
}

/// A line with the letters and digits of secrets in it masked: problems end on terminals and in logs.
fn without_secrets(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("secret") {
        let (before, found) = rest.split_at(at + "secret".len());
        masked.push_str(before);
        // The key may be misspelt; a file's name is no secret.
        let behind = found.trim_start_matches(|c: char| c.is_alphanumeric() || "_-\"'".contains(c));
        let is_value = behind.trim_start().starts_with('=') && !found.starts_with("_file");
        let end = if is_value { found.find(',').unwrap_or(found.len()) } else { 0 };
        let (value, behind) = found.split_at(end);
        masked.extend(value.chars().map(|c| if c.is_alphanumeric() || "+/".contains(c) { '*' } else { c }));
        rest = behind;
    }
    masked.push_str(rest);
    masked
}

/// The part of a line around its column (from 1; 0: the whole line), and carets below it.
fn underline(line: &str, column: u32, width: u32) -> String {
    let before = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
    let cut = before.saturating_sub(MAX_SHOWN / 2);
    let mark = if cut > 0 { "..." } else { "" };
    // Control characters other than the tab would move the cursor of a terminal.
    let shown: Vec<char> = line
        .chars()
        .skip(cut)
        .take(MAX_SHOWN)
        .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
        .collect();
    let text: String = shown.iter().collect();
    if column == 0 {
        return text;
    }
    let lead = before - cut;
    // A tab keeps its place, or the caret would stand elsewhere than its character.
    let indent: String = (0..lead).map(|at| if shown.get(at) == Some(&'\t') { '\t' } else { ' ' }).collect();
    let room = shown.len().saturating_sub(lead).max(1);
    let carets = "^".repeat(usize::try_from(width).unwrap_or(room).clamp(1, room));
    format!("{mark}{text}\n    {}{indent}{carets}", " ".repeat(mark.len()))
}

/// Why a configuration was not taken: everything that is wrong, in the order of files and lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Sorts by file, then place.
    #[must_use]
    pub fn in_order(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| {
            (&a.place.file, a.place.line, a.place.column).cmp(&(&b.place.file, b.place.line, b.place.column))
        });
        Self(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A file's text with the starts of its lines.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file as the operator named it.
    pub file: Arc<str>,
    /// Everything it says.
    text: Arc<str>,
    /// Byte offset of each line.
    line_starts: Arc<[u32]>,
    /// The part of the text that spans are counted from the beginning of.
    part: Range<usize>,
}

impl Source {
    /// Indexes a text.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| narrow(at).saturating_add(1))).collect();
        Self { file: file.into(), text: text.into(), line_starts, part: 0..text.len() }
    }

    /// A part of the text by itself: spans count from its beginning, places stay those of the file.
    #[must_use]
    pub fn part(&self, part: Range<usize>) -> Self {
        Self { part, ..self.clone() }
    }

    /// Where this part begins in the file.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.part.start
    }

    /// Everything the file, or this part of it, says.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.get(self.part.clone()).unwrap_or("")
    }

    /// The place of a byte range; what reaches beyond its first line is underlined to the line's end.
    #[must_use]
    pub fn place(&self, span: &Range<usize>) -> Place {
        let span = self.part.start + span.start..self.part.start + span.end;
        let (line, start) = self.line_of(span.start);
        let text = self.line_text(line);
        let end = span.end.saturating_sub(start).min(text.len());
        let before = span.start - start;
        let count = |range: Range<usize>| text.get(range).map_or(0, |s| s.chars().count());
        Place {
            file: Arc::clone(&self.file),
            line: narrow(line + 1),
            column: narrow(count(0..before.min(text.len())) + 1),
            width: narrow(count(before.min(end)..end)),
        }
    }

    /// A problem at a byte range.
    #[must_use]
    pub fn problem(&self, span: &Range<usize>, message: impl Into<String>, remedy: Option<String>) -> Problem {
        let line_text = self.line_text(self.line_of(self.part.start + span.start).0).to_owned();
        Problem { place: self.place(span), message: message.into(), remedy, source_line: Some(line_text) }
    }

    /// The text of a line (from 1) without its end.
    #[must_use]
    pub fn line(&self, line: u32) -> Option<&str> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        (index < self.line_starts.len()).then(|| self.line_text(index))
    }

    /// The line (from 0) a byte stands on, and where that line starts.
    fn line_of(&self, at: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start as usize <= at).saturating_sub(1);
        (line, self.start_of(line).unwrap_or(0))
    }

    /// Where a line (from 0) starts.
    fn start_of(&self, line: usize) -> Option<usize> {
        self.line_starts.get(line).map(|start| *start as usize)
    }

    /// The text of a line (from 0) without its end.
    fn line_text(&self, line: usize) -> &str {
        let start = self.start_of(line).unwrap_or(self.text.len());
        let end = self.start_of(line + 1).unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }
}

/// Line and column numbers fit; a file too long for that shows the last number there is.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The known word nearest to a mistyped one, if any is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(d, candidate)| *d <= limit || candidate.starts_with(word) && word.len() > 2)
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, a swap of neighbours counting as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_place_line_caret_and_remedy() {
        let source = Source::new("zones/a.toml", "[zone]\n\tns = \"ö\" # x\n");
        let at = source.text().find("\"ö\"").unwrap();
        let problem = source.problem(&(at..at + 4), "no such name", Some("write another".to_owned()));
        assert_eq!(
            problem.to_string(),
            "zones/a.toml:2:7: no such name\n    \tns = \"ö\" # x\n    \t     ^^^\n    remedy: write another"
        );
    }

    #[test]
    fn secrets_are_masked_and_nothing_else_is() {
        assert_eq!(without_secrets("secret = \"aGk+/==\""), "secret = \"*****==\"");
        assert_eq!(
            without_secrets("k = { secret=\"a\", algorithm = \"b\" }"),
            "k = { secret=\"*\", algorithm = \"b\" }"
        );
        assert_eq!(without_secrets("secret_file = \"a\""), "secret_file = \"a\"");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret_and_holds_no_control_characters() {
        let source = Source::new("f", &format!("{}\u{1b}X{}", "a".repeat(999), "b".repeat(999)));
        let problem = source.problem(&(1000..1001), "m", None).to_string();
        let lines: Vec<&str> = problem.lines().collect();
        assert_eq!(lines[1].chars().nth(lines[2].chars().count() - 1), Some('X'));
        assert!(lines[1].chars().count() < 170 && !problem.contains('\u{1b}'), "{problem}");
    }

    #[test]
    fn a_span_over_several_lines_is_underlined_to_the_end_of_its_first() {
        let source = Source::new("f", "a = [\r\n 1,\n]\n");
        let problem = source.problem(&(4..11), "m", None);
        assert_eq!((problem.place.line, problem.place.column, problem.place.width), (1, 5, 1));
        assert_eq!(problem.source_line.as_deref(), Some("a = ["));
    }

    #[test]
    fn a_span_beyond_the_end_has_a_place_too() {
        let source = Source::new("f", "ab");
        let place = source.place(&(90..95));
        assert_eq!((place.line, place.column, place.width), (1, 3, 0));
    }

    #[test]
    fn the_nearest_word_is_found_only_when_near() {
        assert_eq!(nearest("wieght", ["weight", "members"]), Some("weight"));
        assert_eq!(nearest("member", ["weight", "members"]), Some("members"));
        assert_eq!(nearest("colour", ["weight", "members"]), None);
    }
}

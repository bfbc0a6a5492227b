//! What is wrong with what the operator wrote: the place, a sentence, a remedy, a caret.

use super::Place;
use std::fmt;

/// The most characters of a source line that are shown around the caret.
const SHOWN: usize = 120;

/// Something wrong at a place, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneProblem {
    /// Where.
    pub place: Place,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for ZoneProblem {
    /// `file:line:column: message; remedy`, without the parts the place leaves out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column, .. } = &self.place;
        write!(f, "{file}:")?;
        if *line > 0 {
            write!(f, "{line}:")?;
            if *column > 0 {
                write!(f, "{column}:")?;
            }
        }
        write!(f, " {}", self.message)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

impl ZoneProblem {
    /// The problem with the line it stands on and a caret under the characters meant.
    #[must_use]
    pub fn render(&self, source_line: &str) -> String {
        if self.place.line == 0 || self.place.column == 0 {
            return self.to_string();
        }
        let gutter = self.place.line.to_string();
        let (shown, caret) = underline(source_line, self.place.column as usize, self.place.width as usize);
        let pad = " ".repeat(gutter.len());
        format!("{self}\n{pad} |\n{gutter} | {shown}\n{pad} | {caret}")
    }
}

/// The part of a line around `column` (from 1), and carets under `width` characters of it.
fn underline(line: &str, column: usize, width: usize) -> (String, String) {
    let from = (column - 1).saturating_sub(SHOWN * 2 / 3);
    let cut = if from > 0 { "..." } else { "" };
    let printable = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    let shown: String = line.trim_end_matches(['\r', '\n']).chars().skip(from).take(SHOWN).map(printable).collect();
    let lead: String = shown
        .chars()
        .chain(std::iter::repeat(' '))
        .take(column - 1 - from)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let room = shown.chars().count().saturating_sub(column - 1 - from);
    let carets = "^".repeat(width.min(room).max(1));
    (format!("{cut}{shown}"), format!("{}{lead}{carets}", " ".repeat(cut.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: u32, column: u32, width: u32) -> ZoneProblem {
        let place = Place { file: "a.zone".into(), line, column, width };
        ZoneProblem { place, message: "no".into(), remedy: "yes".into() }
    }

    #[test]
    fn the_caret_stands_under_the_characters_meant() {
        let text = problem(12, 6, 3).render("\ta  b c d\n");
        assert_eq!(text, "a.zone:12:6: no; yes\n   |\n12 | \ta  b c d\n   | \t    ^^^");
        assert!(problem(1, 3, 9).render("ab").ends_with(" |   ^"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let line = format!("{}X{}", "a".repeat(5_000), "b".repeat(5_000));
        let text = problem(1, 5_001, 1).render(&line);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2].chars().nth(lines[3].chars().count() - 1), Some('X'));
        assert!(lines[2].len() < 200);
    }

    #[test]
    fn a_place_without_line_or_column_says_less() {
        assert_eq!(problem(0, 0, 0).to_string(), "a.zone: no; yes");
        assert_eq!(problem(7, 0, 0).render("x"), "a.zone:7: no; yes");
    }
}

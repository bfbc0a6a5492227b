//! Columns that line up and fit the terminal, colours apart from widths.

use super::{Page, Tone, columns, harmless, shorten};

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Cell {
    text: String,
    tone: Tone,
    right: bool,
}

impl Cell {
    /// A field in a tone.
    pub(in crate::cli) fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: harmless(&text.into()), tone, right: false }
    }

    /// A field that stands at the right of its column: a number.
    pub(in crate::cli) fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// What it says.
    pub(in crate::cli) fn text(&self) -> &str {
        &self.text
    }

    /// How it says it.
    pub(in crate::cli) fn tone(&self) -> Tone {
        self.tone
    }

    /// Columns of the terminal it takes.
    fn width(&self) -> usize {
        columns(&self.text)
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(Tone::Plain, text)
    }
}

/// The narrowest a text becomes when room is short.
const NARROWEST: usize = 4;

/// Spaces between two columns.
const GAP: usize = 2;

/// Rows under a heading.
///
/// Where there is a limit no line is longer: columns of text give way, the widest first, and end
/// with an ellipsis. Numbers are never cut while a text can give way.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Table {
    indent: usize,
    rows: Vec<Vec<Cell>>,
    extra: Vec<usize>,
}

impl Table {
    /// A table with a heading, indented.
    pub(in crate::cli) fn new(indent: usize, heading: &[&str]) -> Self {
        let heading = heading.iter().map(|text| Cell::toned(Tone::Faint, *text)).collect();
        Self { indent, rows: vec![heading], extra: Vec::new() }
    }

    /// Shows these columns only on a terminal that has the room, the first ones first.
    pub(in crate::cli) fn where_there_is_room(mut self, columns: &[usize]) -> Self {
        self.extra = columns.to_vec();
        self
    }

    /// Adds a row.
    pub(in crate::cli) fn row(&mut self, row: Vec<Cell>) {
        // A heading stands where its column's fields stand.
        if let Some(heading) = self.rows.first_mut() {
            for (head, cell) in heading.iter_mut().zip(&row) {
                head.right |= cell.right;
            }
        }
        self.rows.push(row);
    }

    /// The text: two spaces between columns, none at the end of lines.
    pub(super) fn render(&self, page: &Page) -> String {
        let natural = self.natural_widths();
        let shown = self.shown(&natural, page.limit());
        let mut widths: Vec<(usize, usize)> =
            shown.iter().map(|index| (*index, natural.get(*index).copied().unwrap_or(0))).collect();
        if let Some(limit) = page.limit() {
            self.fit(&mut widths, limit);
        }
        let mut text = String::new();
        for row in &self.rows {
            text.push_str(&self.line(page, row, &widths));
            text.push('\n');
        }
        text
    }

    /// What each column would take.
    fn natural_widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |index| self.rows.iter().filter_map(|row| row.get(index)).map(Cell::width).max().unwrap_or(0);
        (0..columns).map(width).collect()
    }

    /// The columns there is room for.
    fn shown(&self, natural: &[usize], limit: Option<usize>) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..natural.len()).filter(|index| !self.extra.contains(index)).collect();
        for index in limit.map(|_| self.extra.as_slice()).unwrap_or_default() {
            let mut more = shown.clone();
            more.push(*index);
            more.sort_unstable();
            let widths: Vec<usize> = more.iter().filter_map(|index| natural.get(*index).copied()).collect();
            if limit.is_some_and(|limit| self.taken(&widths) <= limit) {
                shown = more;
            }
        }
        shown
    }

    /// The length of a full line.
    fn taken(&self, widths: &[usize]) -> usize {
        self.indent + widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// Narrows columns of text until a line fits, the widest first.
    fn fit(&self, widths: &mut [(usize, usize)], limit: usize) {
        loop {
            let all: Vec<usize> = widths.iter().map(|(_, width)| *width).collect();
            if self.taken(&all) <= limit {
                return;
            }
            let widest = widths
                .iter_mut()
                .filter(|(index, width)| *width > NARROWEST && !self.is_number(*index))
                .max_by_key(|(_, width)| *width);
            match widest {
                Some((_, width)) => *width -= 1,
                None => return,
            }
        }
    }

    /// Whether a column holds numbers.
    fn is_number(&self, index: usize) -> bool {
        self.rows.first().and_then(|heading| heading.get(index)).is_some_and(|cell| cell.right)
    }

    /// One line.
    fn line(&self, page: &Page, row: &[Cell], widths: &[(usize, usize)]) -> String {
        let cells: Vec<(&Cell, usize)> =
            widths.iter().filter_map(|(index, width)| row.get(*index).map(|cell| (cell, *width))).collect();
        let last = cells.iter().rposition(|(cell, _)| !cell.text.is_empty()).map_or(0, |index| index + 1);
        let (mut line, mut used) = (" ".repeat(self.indent), self.indent);
        for (index, (cell, width)) in cells.iter().enumerate().take(last) {
            // On a terminal narrower than the numbers alone the line ends where the terminal does.
            let room = page.limit().map_or(*width, |limit| limit.saturating_sub(used).min(*width));
            let text = shorten(&cell.text, room);
            let pad = " ".repeat(room.saturating_sub(columns(&text)));
            let painted = page.paint(cell.tone, &text);
            match (cell.right, index + 1 == last) {
                (true, _) => line.push_str(&format!("{pad}{painted}")),
                (false, true) => line.push_str(&painted),
                (false, false) => line.push_str(&format!("{painted}{pad}")),
            }
            used += room;
            if index + 1 < last && page.limit().is_none_or(|limit| used + GAP < limit) {
                line.push_str("  ");
                used += GAP;
            } else if index + 1 < last {
                break;
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_spaces() {
        let mut table = Table::new(1, &["POOL", "WEIGHT", "WHY"]);
        table.row(vec!["blue".into(), Cell::from("10000").right(), "".into()]);
        table.row(vec!["evergreen".into(), Cell::from("0").right(), "down".into()]);
        let page = Page::plain(0);
        assert_eq!(table.render(&page), " POOL       WEIGHT  WHY\n blue        10000\n evergreen       0  down\n");
    }

    #[test]
    fn colour_changes_no_width() {
        let mut table = Table::new(0, &["A", "B"]);
        table.row(vec![Cell::toned(Tone::Good, "up"), "x".into()]);
        assert!(table.render(&Page::coloured(0)).contains("\u{1b}[32mup\u{1b}[0m  x"));
    }

    fn long() -> Table {
        let mut table = Table::new(0, &["NAME", "SHARE", "VERSION", "ANSWERS", "OWNER"]).where_there_is_room(&[4, 3]);
        let words = ["a-switch-with-a-rather-long-name", "12.50%", "2026-11-20-candidate", "1234567", "owner.test."];
        table.row(
            words
                .iter()
                .enumerate()
                .map(|(index, word)| if index % 2 == 1 { Cell::from(*word).right() } else { (*word).into() })
                .collect(),
        );
        table
    }

    #[test]
    fn a_table_fits_every_width_and_cuts_no_number_while_a_text_can_give_way() {
        for width in 1..120 {
            let text = long().render(&Page::plain(0).within(width));
            assert!(text.lines().all(|line| columns(line) <= width), "{width}:\n{text}");
            assert!(width < 18 || text.contains("12.50%"), "{width}:\n{text}");
        }
        let narrow = long().render(&Page::plain(0).within(40));
        assert_eq!(narrow, "NAME              SHARE  VERSION\na-switch-with-…  12.50%  2026-11-20-can…\n");
    }

    #[test]
    fn room_is_used_and_a_pipe_gets_everything_whole() {
        let wide = long().render(&Page::plain(0).within(200));
        assert!(wide.contains("owner.test.") && wide.contains("1234567") && !wide.contains('…'), "{wide}");
        let some = long().render(&Page::plain(0).within(80));
        assert!(
            some.contains("owner.test.") && !some.contains("1234567"),
            "the first extra column comes first: {some}"
        );
        let pipe = long().render(&Page::plain(0));
        assert!(!pipe.contains("owner.test.") && !pipe.contains('…'), "{pipe}");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let mut table = Table::new(0, &["A", "B"]);
        table.row(vec!["\u{84dd}\u{8272}".into(), "x".into()]);
        table.row(vec!["blue".into(), "y".into()]);
        assert_eq!(table.render(&Page::plain(0)), "A     B\n\u{84dd}\u{8272}  x\nblue  y\n");
    }
}

//! Columns that line up, colours apart from widths.

use super::{Page, Tone, harmless};

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

    /// Characters wide.
    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(Tone::Plain, text)
    }
}

/// Rows under a heading.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Table {
    indent: usize,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with a heading, indented.
    pub(in crate::cli) fn new(indent: usize, heading: &[&str]) -> Self {
        let heading = heading.iter().map(|text| Cell::toned(Tone::Faint, *text)).collect();
        Self { indent, rows: vec![heading] }
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
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|index| self.rows.iter().filter_map(|row| row.get(index)).map(Cell::width).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(self.indent);
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |index| index + 1);
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate().take(last) {
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                let painted = page.paint(cell.tone, &cell.text);
                match (cell.right, index + 1 == last) {
                    (true, _) => line.push_str(&format!("{pad}{painted}")),
                    (false, true) => line.push_str(&painted),
                    (false, false) => line.push_str(&format!("{painted}{pad}")),
                }
                if index + 1 < last {
                    line.push_str("  ");
                }
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
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
        let page = Page::new(false, 0);
        assert_eq!(table.render(&page), " POOL       WEIGHT  WHY\n blue        10000\n evergreen       0  down\n");
    }

    #[test]
    fn colour_changes_no_width() {
        let mut table = Table::new(0, &["A", "B"]);
        table.row(vec![Cell::toned(Tone::Good, "up"), "x".into()]);
        assert!(table.render(&Page::new(true, 0)).contains("\u{1b}[32mup\u{1b}[0m  x"));
    }
}

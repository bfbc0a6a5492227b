//! The pages that other verbs print, as lines of a screen: one way to say a thing, two places to see it.

use super::style;
use crate::cli::print::{Page, Tone};
use ratatui::text::{Line, Span};

/// The lines of a page that was made with colour, in the colours of this screen.
pub(super) fn lines(page: Page, colour: bool) -> Vec<Line<'static>> {
    page.finish().lines().map(|line| self::line(line, colour)).collect()
}

/// One line: pieces between the codes that [`Page::paint`] writes; it lets no others through.
fn line(text: &str, colour: bool) -> Line<'static> {
    let mut pieces = text.split('\u{1b}');
    let mut spans = vec![Span::raw(pieces.next().unwrap_or_default().to_owned())];
    for piece in pieces {
        let (code, text) = piece.strip_prefix('[').and_then(|piece| piece.split_once('m')).unwrap_or(("0", piece));
        let tone = match code {
            "32" => Tone::Good,
            "33" => Tone::Warn,
            "31" => Tone::Bad,
            "2" => Tone::Faint,
            "1" => Tone::Strong,
            _ => Tone::Plain,
        };
        spans.push(Span::styled(text.to_owned(), style(tone, colour)));
    }
    spans.retain(|span| !span.content.is_empty());
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::{Color, Style};

    #[test]
    fn every_tone_of_a_page_has_its_style_and_no_code_is_left() {
        let mut page = Page::coloured(0);
        for tone in [Tone::Good, Tone::Warn, Tone::Bad, Tone::Faint, Tone::Strong, Tone::Plain] {
            page.line(tone, "text \u{1b}[2J");
        }
        let lines = lines(page, true);
        for line in &lines {
            assert_eq!(line.to_string(), "text \u{fffd}[2J");
        }
        let first = |at: usize| lines[at].spans[0].style;
        assert_eq!((first(0).fg, first(2).fg, first(5)), (Some(Color::Green), Some(Color::Red), Style::new()));
    }
}

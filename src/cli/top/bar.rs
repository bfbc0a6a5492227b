//! The weights of a switch as one bar: each pool a piece with its name on it, so that colour is never alone.

use super::style;
use crate::admin::report::PoolView;
use crate::cli::print::{Tone, columns, harmless, shorten};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

/// Background and text of the pieces, in the order of the pools.
const COLOURS: [(Color, Color); 5] = [
    (Color::Blue, Color::White),
    (Color::Green, Color::Black),
    (Color::Magenta, Color::White),
    (Color::Cyan, Color::Black),
    (Color::Yellow, Color::Black),
];

/// What fills the pieces where there is no colour, in the order of the pools.
const FILLS: [&str; 5] = ["▓", "░", "▒", "=", "-"];

/// The bar, exactly `width` columns; pools without weight are not on it.
pub(super) fn bar(pools: &[PoolView], width: usize, colour: bool) -> Vec<Span<'static>> {
    let weights: Vec<u64> = pools.iter().map(|pool| u64::from(pool.weight)).collect();
    let names: Vec<String> = pools.iter().map(|pool| harmless(&pool.name)).collect();
    if weights.iter().all(|weight| *weight == 0) {
        return vec![Span::styled(format!("{:width$}", shorten("no weights", width)), style(Tone::Faint, colour))];
    }
    let mut spans = Vec::new();
    for (index, cells) in pieces(&weights, width).into_iter().enumerate().filter(|(_, cells)| *cells > 0) {
        let (Some(name), Some(pool)) = (names.get(index), pools.get(index)) else { continue };
        let label = label(name, &letter(&names, index), pool.share_percent, cells);
        let rest = cells.saturating_sub(columns(&label));
        if colour {
            let (back, text) = COLOURS.get(index % COLOURS.len()).copied().unwrap_or((Color::Reset, Color::Reset));
            let style = Style::new().bg(back).fg(text).add_modifier(Modifier::BOLD);
            spans.push(Span::styled(format!("{label}{}", " ".repeat(rest)), style));
        } else {
            let fill = FILLS.get(index % FILLS.len()).copied().unwrap_or("-");
            spans.push(Span::styled(label, Style::new().add_modifier(Modifier::BOLD)));
            spans.push(Span::raw(fill.repeat(rest)));
        }
    }
    spans
}

/// Columns of each pool: its share of the width, at least one for who has weight (largest remainders first).
fn pieces(weights: &[u64], width: usize) -> Vec<usize> {
    let sum: u64 = weights.iter().sum::<u64>().max(1);
    let wide = u64::try_from(width).unwrap_or(u64::MAX);
    let mut cells: Vec<u64> = weights.iter().map(|weight| (weight * wide / sum).max(u64::from(*weight > 0))).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).filter(|at| weights.get(*at) > Some(&0)).collect();
    by_remainder
        .sort_by_key(|at| std::cmp::Reverse(weights.get(*at).map_or(0, |weight| weight.saturating_mul(wide) % sum)));
    let missing = usize::try_from(wide.saturating_sub(cells.iter().sum())).unwrap_or(0);
    for at in by_remainder.iter().cycle().take(missing) {
        cells.get_mut(*at).into_iter().for_each(|cells| *cells += 1);
    }
    while cells.iter().sum::<u64>() > wide {
        match cells.iter_mut().max() {
            Some(most) if *most > 0 => *most -= 1,
            _ => break,
        }
    }
    cells.into_iter().map(|cells| usize::try_from(cells).unwrap_or(0)).collect()
}

/// The most that is readable in so many columns.
fn label(name: &str, letter: &str, percent: f64, cells: usize) -> String {
    let percent = percent_of(percent);
    let choices = [format!(" {name} {percent} "), format!("{letter} {percent}"), letter.to_owned()];
    choices.into_iter().find(|text| columns(text) <= cells).unwrap_or_else(|| letter.chars().take(cells).collect())
}

/// `90%`, `12.34%`.
pub(super) fn percent_of(percent: f64) -> String {
    let text = format!("{percent:.2}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The shortest beginning of a name that no other name has.
fn letter(names: &[String], index: usize) -> String {
    let Some(name) = names.get(index) else { return String::new() };
    let others = || names.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, name)| name);
    let beginnings = name.char_indices().map(|(at, c)| &name[..at + c.len_utf8()]);
    let unique = beginnings.into_iter().find(|beginning| others().all(|other| !other.starts_with(beginning)));
    unique.unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::switch::samples::model;

    fn drawn(weights: [u16; 2], width: usize) -> String {
        let mut pools = model().pools;
        for (pool, weight) in pools.iter_mut().zip(weights) {
            pool.weight = weight;
            pool.share_percent = f64::from(weight) / 100.0;
        }
        bar(&pools, width, false).iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn every_pool_with_weight_has_a_piece_with_its_name_or_letter() {
        assert_eq!(drawn([9_000, 1_000], 30), " blue 90% ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓g░░");
        assert_eq!(drawn([5_000, 5_000], 24), " blue 50% ▓▓ green 50% ░");
        assert_eq!(drawn([9_999, 1], 20), " blue 99.99% ▓▓▓▓▓▓g");
        assert_eq!(drawn([10_000, 0], 12), " blue 100% ▓");
        assert_eq!(drawn([0, 0], 12), "no weights  ");
    }

    #[test]
    fn a_bar_is_as_wide_as_it_is_told() {
        for width in 2..60 {
            for green in [0, 1, 33, 5_000, 9_967, 9_999, 10_000] {
                assert_eq!(columns(&drawn([10_000 - green, green], width)), width, "{green} in {width}");
            }
        }
    }

    #[test]
    fn letters_tell_pools_apart() {
        let names: Vec<String> = ["blue", "black", "b"].map(str::to_owned).to_vec();
        assert_eq!([0, 1, 2].map(|at| letter(&names, at)), ["blu", "bla", "b"]);
    }
}

//! A comparison for people: what follows, both sides, test by test.

use super::{Cell, Page, Table, Tone};
use crate::cli::compare::{Comparison, Row};
pub(in crate::cli) use crate::rollout::analysis::figure;

/// Shows a comparison.
pub(in crate::cli) fn show(page: &mut Page, comparison: &Comparison) {
    let tone = if comparison.regression { Tone::Bad } else { Tone::Good };
    page.paragraph(tone, "", &comparison.sentence);
    page.gap();
    sides(page, comparison);
    page.gap();
    let percent = format!("{} % INTERVAL", figure((1.0 - comparison.alpha) * 100.0));
    let mut table = Table::new(0, &["TEST", "EFFECT", &percent, "P WORSE", "P", ""]);
    for row in &comparison.tests {
        table.row(test(row));
    }
    page.table(&table);
    page.line(Tone::Faint, "* holds for any number of looks");
    if let Some(chance) = comparison.chance_canary_higher {
        page.line(Tone::Plain, &format!("chance that the canary's share is the higher one: {}", figure(chance)));
    }
    page.gap();
    for warning in &comparison.warnings {
        page.paragraph(Tone::Faint, "note: ", warning);
    }
}

fn sides(page: &mut Page, comparison: &Comparison) {
    let numbers = comparison.sides.iter().any(|side| side.sd.is_some());
    let heading: &[&str] = if numbers {
        &["SIDE", "N", "MEAN", "INTERVAL", "SD", "P50", "P95"]
    } else {
        &["SIDE", "N", "SHARE", "INTERVAL (WILSON)"]
    };
    let mut table = Table::new(0, heading);
    for side in &comparison.sides {
        let mut row = vec![
            Cell::from(side.side),
            Cell::from(side.n.to_string()).right(),
            Cell::from(figure(side.estimate)).right(),
            Cell::from(span(side.interval)),
        ];
        if numbers {
            row.extend([side.sd, side.p50, side.p95].map(|value| Cell::from(maybe(value, figure)).right()));
        }
        table.row(row);
    }
    page.table(&table);
}

fn test(row: &Row) -> Vec<Cell> {
    vec![
        Cell::from(row.test),
        Cell::from(maybe(row.effect, figure)).right(),
        Cell::from(span(row.interval)),
        Cell::from(maybe(row.p_worse, chance)).right(),
        Cell::from(maybe(row.p_two_sided, chance)).right(),
        Cell::toned(Tone::Faint, row.note.clone()),
    ]
}

fn span(interval: Option<(f64, f64)>) -> String {
    interval.map_or(String::new(), |(low, high)| format!("{} to {}", figure(low), figure(high)))
}

fn maybe(value: Option<f64>, show: fn(f64) -> String) -> String {
    value.map_or(String::new(), show)
}

/// A p value: two digits that count.
pub(in crate::cli) fn chance(p: f64) -> String {
    if p >= 0.001 { format!("{p:.4}") } else { format!("{p:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_have_two_digits_that_count() {
        assert_eq!((chance(0.0419), chance(6.2e-4), chance(1.0)), ("0.0419".into(), "6.2e-4".into(), "1.0000".into()));
    }
}

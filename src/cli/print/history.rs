//! The audit as a table, newest first.

use super::{Cell, Page, Table, Tone, split_change, times};
use crate::admin::history::HistoryPage;
use crate::store::AuditRow;
use std::collections::BTreeMap;

/// From this width on a change fits one line.
const ROOM_FOR_A_TABLE: usize = 120;

/// Who changed what, when and why.
pub(in crate::cli) fn show(page: &mut Page, history: &HistoryPage) {
    if history.rows.is_empty() {
        page.line(Tone::Plain, "no changes yet");
        return;
    }
    if page.limit().is_some_and(|limit| limit >= ROOM_FOR_A_TABLE) {
        page.table(&table(page, history));
    } else {
        entries(page, history);
    }
    if let Some(before) = history.next_before {
        page.line(Tone::Faint, &format!("older changes: --before {before}"));
    }
}

/// A line a change, for wide terminals.
fn table(page: &Page, history: &HistoryPage) -> Table {
    let mut table = Table::new(0, &["REVISION", "WHEN", "WHO", "CHANGE", "SWITCH", "WEIGHTS", "REASON", "FROM"])
        .where_there_is_room(&[7]);
    for row in &history.rows {
        let forced = if row.forced { ", forced" } else { "" };
        table.row(vec![
            Cell::toned(Tone::Strong, row.revision.to_string()).right(),
            times::both(row.at_unix_ms, page.now_unix_ms()).into(),
            row.who.as_str().into(),
            format!("{}{forced}", row.verb).into(),
            row.switch.as_deref().unwrap_or("").into(),
            change_of(row).unwrap_or_default().into(),
            Cell::toned(Tone::Faint, row.reason.as_deref().unwrap_or("")),
            Cell::toned(Tone::Faint, row.from.as_str()),
        ]);
    }
    table
}

/// A few lines a change.
fn entries(page: &mut Page, history: &HistoryPage) {
    for row in &history.rows {
        let when = times::both(row.at_unix_ms, page.now_unix_ms());
        let forced = if row.forced { ", forced" } else { "" };
        let switch = row.switch.as_deref().unwrap_or("");
        page.line(Tone::Strong, &format!("{:>5}  {} {switch}{forced}", row.revision, row.verb));
        let from = if row.from.is_empty() { String::new() } else { format!(" from {}", row.from) };
        page.paragraph(Tone::Plain, "       ", &format!("{}{from}, {when}", row.who));
        if let Some(change) = change_of(row) {
            page.paragraph(Tone::Plain, "       ", &change);
        }
        if let Some(reason) = &row.reason {
            page.paragraph(Tone::Faint, "       ", &format!("\u{201c}{reason}\u{201d}"));
        }
    }
}

/// What a row changed, where both sides are weights.
fn change_of(row: &AuditRow) -> Option<String> {
    let read = |value: &serde_json::Value| {
        let weights = value.get("weights").unwrap_or(value);
        serde_json::from_value::<BTreeMap<String, u16>>(weights.clone()).ok().filter(|weights| !weights.is_empty())
    };
    match (read(&row.before), read(&row.after)) {
        (Some(before), Some(after)) if before != after => Some(split_change(&before, &after)),
        _ => None,
    }
}

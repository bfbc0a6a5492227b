//! The sets that dynamic updates changed, as a table.

use super::{Cell, Page, Table, Tone, times};
use crate::admin::updates::{UpdatedSet, UpdatesPage};

/// One row a set; its records side by side.
pub(in crate::cli) fn show(page: &mut Page, updates: &UpdatesPage) {
    if updates.sets.is_empty() {
        page.line(Tone::Plain, "no set is other than the files say by an update");
        return;
    }
    let mut table = Table::new(0, &["ZONE", "NAME", "TYPE", "TTL", "RECORDS", "BY", "WHEN"]).where_there_is_room(&[0]);
    for set in &updates.sets {
        table.row(vec![
            set.zone.as_str().into(),
            Cell::toned(Tone::Strong, set.name.as_str()),
            set.rtype.as_str().into(),
            Cell::from(set.ttl.map_or_else(String::new, |ttl| ttl.to_string())).right(),
            records(set),
            set.by.as_str().into(),
            Cell::toned(Tone::Faint, times::relative(set.at_unix_ms, page.now_unix_ms())),
        ]);
    }
    page.table(&table);
    if let Some(after) = &updates.next_after {
        page.line(Tone::Faint, &format!("more: --after '{after}'"));
    }
}

/// The records, or that there are none any more.
fn records(set: &UpdatedSet) -> Cell {
    match (set.deleted, set.in_files) {
        (false, _) => set.records.join(", ").into(),
        (true, true) => Cell::toned(Tone::Warn, "deleted, though the files have it"),
        (true, false) => Cell::toned(Tone::Faint, "deleted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, records: &[&str], in_files: bool) -> UpdatedSet {
        UpdatedSet {
            zone: "example.test.".into(),
            name: name.into(),
            rtype: "TXT".into(),
            ttl: (!records.is_empty()).then_some(60),
            records: records.iter().map(|record| (*record).to_owned()).collect(),
            deleted: records.is_empty(),
            in_files,
            by: "key acme.".into(),
            at: "1970-01-01T00:00:00Z".into(),
            at_unix_ms: 0,
        }
    }

    fn shown(width: usize, page_of: &UpdatesPage) -> String {
        let mut page = Page::new(false, Some(width), 90_000);
        show(&mut page, page_of);
        page.finish()
    }

    #[test]
    fn a_deleted_set_is_told_apart_from_one_with_records_and_the_next_page_is_named() {
        let sets = vec![set("a.example.test.", &["\"one\"", "\"two\""], false), set("b.example.test.", &[], true)];
        let text = shown(120, &UpdatesPage { sets, next_after: Some("example.test. b.example.test. TXT".into()) });
        assert!(text.contains("a.example.test.  TXT    60  \"one\", \"two\""), "{text}");
        assert!(text.contains("deleted, though the files have it  key acme."), "{text}");
        assert!(text.contains("more: --after 'example.test. b.example.test. TXT'"), "{text}");
    }

    #[test]
    fn long_records_give_way_to_who_and_when() {
        let long = "x".repeat(300);
        let text = shown(80, &UpdatesPage { sets: vec![set("a.example.test.", &[&long], false)], next_after: None });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("acme.") && text.contains("1 min 30 s ago") && text.contains('…'), "{text}");
    }
}

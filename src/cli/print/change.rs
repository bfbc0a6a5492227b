//! The reply to a change.

use super::{Page, Tone, split_change, times};
use crate::admin::Replied;

/// What happened, or would.
pub(in crate::cli) fn show(page: &mut Page, done: &str, replied: &Replied) {
    let revision = replied.revision;
    match (replied.changed, replied.dry_run) {
        (false, _) => page.line(Tone::Plain, &format!("nothing to change: revision {revision} is already as asked")),
        (true, true) => page
            .line(Tone::Warn, &format!("would be {done}; this was a dry run, nothing changed (revision {revision})")),
        (true, false) => page.line(Tone::Good, &format!("{done}, revision {revision}")),
    }
    if replied.replayed {
        page.line(Tone::Faint, "(the first answer to this idempotency key, given again)");
    }
    if replied.changed {
        for split in &replied.switches {
            let change = split_change(&split.before, &split.after);
            page.paragraph(Tone::Plain, "  ", &format!("{}: {change}; TTL {} s", split.switch, split.ttl_s));
        }
        for (zone, serial) in &replied.serials {
            page.line(Tone::Plain, &format!("  {zone} SOA serial {serial}"));
        }
    }
    if replied.changed && !replied.dry_run {
        let waits = replied.old_answers_expire_at.as_ref().filter(|_| replied.old_answers_expire_in_ms != Some(0));
        let text = match waits {
            Some(at) => format!(
                "older answers leave the last cache that honours TTLs {}",
                times::both_of(at, page.now_unix_ms())
            ),
            None => "no cache that honours TTLs holds an older answer".to_owned(),
        };
        page.paragraph(Tone::Plain, "  ", &text);
    }
    if replied.changed && !replied.dry_run && !replied.applied {
        page.paragraph(Tone::Warn, "warning: ", "it is durable, but some workers did not yet answer from it after 1 s");
    }
    for note in &replied.notes {
        page.paragraph(Tone::Warn, "note: ", note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::handle::SplitView;
    use std::collections::BTreeMap;

    fn replied() -> Replied {
        let weights = |blue, green| BTreeMap::from([("blue".to_owned(), blue), ("green".to_owned(), green)]);
        Replied {
            revision: 43,
            changed: true,
            dry_run: false,
            applied: true,
            serials: BTreeMap::from([("example.test.".to_owned(), 2_026_112_004)]),
            old_answers_expire_at: Some("1970-01-01T00:00:30Z".into()),
            old_answers_expire_in_ms: Some(30_000),
            switches: vec![SplitView {
                switch: "model".into(),
                before: weights(10_000, 0),
                after: weights(0, 10_000),
                ttl_s: 10,
            }],
            notes: vec!["weights in example.test.toml were not applied".into()],
            replayed: false,
        }
    }

    fn text(replied: &Replied) -> String {
        let mut page = Page::plain(0);
        show(&mut page, "flipped", replied);
        page.finish()
    }

    #[test]
    fn a_flip_says_what_moved_and_when_the_old_answers_are_gone() {
        assert_eq!(
            text(&replied()),
            "flipped, revision 43\n  model: blue 10000 → 0, green 0 → 10000; TTL 10 s\n  example.test. SOA serial 2026112004\n  older answers leave the last cache that honours TTLs in 30 s\n  (1970-01-01T00:00:30Z)\nnote: weights in example.test.toml were not applied\n"
        );
    }

    #[test]
    fn a_dry_run_and_a_no_op_never_claim_a_change() {
        let dry = text(&Replied { dry_run: true, ..replied() });
        assert!(dry.contains("nothing changed") && !dry.contains("honours TTLs"), "{dry}");
        let same = text(&Replied { changed: false, ..replied() });
        assert!(same.starts_with("nothing to change") && !same.contains("→"), "{same}");
    }

    #[test]
    fn a_change_that_is_not_applied_everywhere_says_so() {
        assert!(text(&Replied { applied: false, ..replied() }).contains("warning: it is durable"));
    }
}

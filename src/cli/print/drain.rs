//! A drain verdict: may the old side be closed?

use super::switch::state_word;
use super::{Page, Tone, times};
use crate::admin::report::{DrainReport, DrainView};
use crate::drain::DrainState;

/// The verdict with its reasons.
pub(in crate::cli) fn show(page: &mut Page, view: &DrainView) {
    let (report, name) = (&view.report, format!("{}/{}", view.switch, view.pool));
    if report.safe_to_close {
        let how = if report.verified {
            "confirmed by the idle reading"
        } else {
            "by time alone, no idle reading confirms it"
        };
        page.paragraph(Tone::Good, "", &format!("{name} may be closed ({how})"));
    } else {
        page.paragraph(Tone::Warn, "", &format!("{name} may not be closed yet: {}", state_word(report.state)));
    }
    for reason in &report.reasons {
        page.paragraph(Tone::Plain, "  - ", reason);
    }
    let now = page.now_unix_ms();
    let dates = [
        ("last cached answer expires", "last cached answer expired", report.last_promise_expires_at_ms),
        ("gone from caches", "gone from caches", report.dns_drained_at_ms),
        ("tail ends", "tail ended", report.tail_ends_at_ms),
        ("kept warm, ends", "kept warm, ended", report.warm_until_ms),
        ("pinned answers expire", "", report.pin_promises_until_ms.filter(|at| *at > now)),
    ];
    for (coming, past, at) in dates {
        if let Some(at) = at {
            let what = if at > now { coming } else { past };
            page.line(Tone::Plain, &format!("  {what} {}", times::both(at, now)));
        }
    }
    for member in view.members.iter().filter(|member| member.left || member.safe_to_close != report.safe_to_close) {
        let verdict = if member.safe_to_close { "may be closed" } else { "may not be closed" };
        let who = match member.left {
            true => format!("{} ({}), which has left,", member.member, member.addresses.join(", ")),
            false => member.member.clone(),
        };
        page.paragraph(Tone::Warn, "  ", &format!("member {who} {verdict}: {}", member.reasons.join("; ")));
    }
}

/// One line of progress while waiting.
pub(in crate::cli) fn progress(view: &DrainView) -> String {
    let name = format!("{}/{}", view.switch, view.pool);
    format!("{name}: {}{}", step(view.report.state), left(&view.report))
}

/// What the state means while one waits.
fn step(state: DrainState) -> &'static str {
    match state {
        DrainState::Serving => "serving",
        DrainState::Draining => "draining, answers naming it may still be cached",
        DrainState::DnsDrained => "dns-drained, gone from caches that honour TTLs",
        DrainState::Tail => "tail, waiting for those that keep answers too long",
        DrainState::Drained => "drained",
    }
}

/// How long it still takes, where that is known.
fn left(report: &DrainReport) -> String {
    match (report.safe_to_close, report.remaining_ms) {
        (true, _) => ", may be closed".to_owned(),
        (false, Some(left)) if left > 0 => format!(", at least {} left", times::span(left.div_ceil(1000) * 1000)),
        (false, _) => report.reasons.first().map_or_else(String::new, |reason| format!(", {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::switch::samples::report;
    use super::*;
    use crate::admin::report::MemberDrain;

    fn view(report: DrainReport) -> DrainView {
        let members = vec![MemberDrain {
            left: false,
            member: "192.0.2.10".into(),
            addresses: vec![],
            safe_to_close: false,
            reasons: vec!["switch web names its address".into()],
        }];
        DrainView { switch: "model".into(), pool: "blue".into(), report, members }
    }

    #[test]
    fn a_verdict_says_yes_or_not_yet_and_why() {
        let text = |report| {
            let mut page = Page::plain(0);
            show(&mut page, &view(report));
            page.finish()
        };
        let not_yet = text(report(DrainState::Draining, Some(25_000)));
        assert!(not_yet.starts_with("model/blue may not be closed yet: draining\n  - answers naming it"), "{not_yet}");
        assert!(!not_yet.contains("member"), "members that agree are not listed: {not_yet}");
        let yes = text(report(DrainState::Drained, None));
        assert!(yes.starts_with("model/blue may be closed (by time alone"), "{yes}");
        assert!(yes.contains("member 192.0.2.10 may not be closed: switch web names its address"), "{yes}");
    }

    #[test]
    fn progress_is_one_line_with_the_time_left() {
        assert_eq!(
            progress(&view(report(DrainState::Tail, Some(61_200)))),
            "model/blue: tail, waiting for those that keep answers too long, at least 1 min 2 s left"
        );
        assert_eq!(progress(&view(report(DrainState::Drained, None))), "model/blue: drained, may be closed");
    }
}

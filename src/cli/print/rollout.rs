//! A rollout: where it stands, what its gates said, what happened.

use super::{Cell, Page, Table, Tone, times};
use crate::admin::report::RolloutView;
use crate::admin::rollouts::RolloutList;
use crate::rollout::share::SRM_ALPHA;
use crate::rollout::{Entry, Phase, Verdict};

/// Entries of the timeline that are shown.
const SHOWN: usize = 12;

/// The rollout of a switch.
pub(in crate::cli) fn show(page: &mut Page, switch: &str, rollout: &RolloutView) {
    show_standing(page, switch, rollout);
    page.gap();
    let skipped = rollout.timeline.len().saturating_sub(SHOWN);
    if skipped > 0 {
        page.line(Tone::Faint, &format!("  ({skipped} earlier)"));
    }
    for happened in rollout.timeline.iter().skip(skipped) {
        page.paragraph(Tone::Plain, "  ", &entry(happened));
    }
}

/// The same without what has happened, for somebody who was told all of it.
pub(in crate::cli) fn show_standing(page: &mut Page, switch: &str, rollout: &RolloutView) {
    let version = rollout.version.as_deref().map_or_else(String::new, |version| format!(" ({version})"));
    page.paragraph(
        Tone::Strong,
        &format!("{switch}  "),
        &format!("{} -> {}{version}, rollout {}", rollout.stable, rollout.canary, rollout.id),
    );
    let now = page.now_unix_ms();
    page.line(tone(rollout.phase), &format!("  {}", standing(rollout)));
    if let Some(waits) = &rollout.waits_for {
        page.paragraph(Tone::Plain, "  waits for ", waits);
    }
    if let Some(until) = &rollout.warm_until {
        page.line(Tone::Plain, &format!("  {} is kept for undo until {}", rollout.stable, times::both_of(until, now)));
    }
    if let Some(share) = &rollout.share {
        let off = share.srm_p.is_some_and(|p| p < SRM_ALPHA);
        page.paragraph(if off { Tone::Warn } else { Tone::Plain }, "  share: ", &share.words);
    }
    if let Some(advice) = &rollout.advice {
        page.paragraph(Tone::Plain, "  advisor: ", advice);
    }
    for (metric, error) in &rollout.failing_sources {
        page.paragraph(Tone::Bad, &format!("  {metric} cannot be read: "), error);
    }
    if !rollout.verdicts.is_empty() {
        page.gap();
        for verdict in &rollout.verdicts {
            let (tone, word) = match verdict.verdict {
                Verdict::Pass => (Tone::Good, "pass"),
                Verdict::Fail => (Tone::Bad, "fail"),
                Verdict::Inconclusive => (Tone::Warn, "open"),
            };
            page.paragraph(tone, &format!("  {word}  "), &verdict.line);
        }
    }
}

/// All rollouts in a table.
pub(in crate::cli) fn list(page: &mut Page, list: &RolloutList) {
    if list.rollouts.is_empty() {
        page.line(Tone::Plain, "no switch has had a rollout");
        return;
    }
    let heading = ["SWITCH", "PHASE", "STEP", "SHARE", "FROM", "TO", "VERSION", "STARTED", "BY", "LAST"];
    let mut table = Table::new(0, &heading).where_there_is_room(&[9, 8]);
    for listed in &list.rollouts {
        let rollout = &listed.rollout;
        table.row(vec![
            Cell::toned(Tone::Strong, listed.switch.as_str()),
            Cell::toned(tone(rollout.phase), rollout.phase.word()),
            Cell::from(format!("{}/{}", rollout.step.min(rollout.steps), rollout.steps)).right(),
            Cell::from(format!("{}%", rollout.share_percent)).right(),
            rollout.stable.as_str().into(),
            rollout.canary.as_str().into(),
            rollout.version.as_deref().unwrap_or("-").into(),
            times::unix_ms(&rollout.started_at)
                .map_or_else(String::new, |at| times::relative(at, page.now_unix_ms()))
                .into(),
            rollout.by.as_str().into(),
            rollout.timeline.last().map_or("", |entry| entry.what.as_str()).into(),
        ]);
    }
    page.table(&table);
}

/// One line that says where it stands.
fn standing(rollout: &RolloutView) -> String {
    let step = match rollout.phase {
        Phase::Progressing | Phase::Paused => {
            format!(", step {} of {} at {} %", rollout.step.min(rollout.steps), rollout.steps, rollout.share_percent)
        }
        _ => String::new(),
    };
    let hold = rollout.hold_ms.map_or_else(String::new, |hold| {
        let settles = if rollout.settles_in_ms > 0 {
            format!(", evidence counts in {}", times::span(rollout.settles_in_ms))
        } else {
            String::new()
        };
        format!(", {} of {}{settles}", times::span(rollout.held_ms.min(hold)), times::span(hold))
    });
    format!("{}{step}{hold}", rollout.phase.word())
}

/// One live line while it is waited for: where it stands within 80 columns, since the end of a line is cut.
pub(in crate::cli) fn progress(switch: &str, rollout: &RolloutView) -> String {
    let bar = bar(rollout.share_percent);
    let word = if rollout.phase == Phase::Progressing { "" } else { rollout.phase.word() };
    let step = match rollout.phase {
        Phase::Progressing | Phase::Paused => {
            format!("step {}/{} at {} %", rollout.step.min(rollout.steps), rollout.steps, rollout.share_percent)
        }
        _ => String::new(),
    };
    let held = rollout.hold_ms.map_or_else(String::new, |hold| {
        format!("{} of {}", times::span(rollout.held_ms.min(hold)), times::span(hold))
    });
    let settles = match (rollout.hold_ms, rollout.settles_in_ms) {
        (Some(_), 1..) => format!("evidence counts in {}", times::span(rollout.settles_in_ms)),
        _ => String::new(),
    };
    let parts = [word, &step, &held, &settles].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let waits = rollout.waits_for.as_deref().map_or_else(String::new, |waits| format!("; waits for {waits}"));
    format!("{switch} {bar} {}{waits}", parts.join(", "))
}

/// A share as ten characters.
fn bar(percent: f64) -> String {
    let filled = (0..10).filter(|mark| f64::from(*mark) * 10.0 < percent).count();
    format!("[{}{}]", "#".repeat(filled), ".".repeat(10 - filled))
}

/// What tells a change from mere time passing.
pub(in crate::cli) fn stage(rollout: &RolloutView) -> String {
    format!("{:?} {:?} {}", rollout.phase, rollout.stage, rollout.step)
}

/// One thing that happened.
pub(in crate::cli) fn entry(entry: &Entry) -> String {
    format!("{}  {}", times::absolute(entry.at_unix_ms), entry.what)
}

/// The colour of a phase.
const fn tone(phase: Phase) -> Tone {
    match phase {
        Phase::Promoted => Tone::Good,
        Phase::Paused => Tone::Warn,
        Phase::Aborted | Phase::Failed => Tone::Bad,
        Phase::Pending | Phase::Progressing => Tone::Plain,
    }
}

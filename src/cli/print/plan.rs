//! A plan for people: how long it takes, what each step shows, what is missing.

use super::compare::figure;
use super::simulate::percent;
use super::{Cell, Page, Table, Tone, times};
use crate::cli::plan::Outlook;
use crate::rollout::PlanKind;

/// Shows what will be.
pub(in crate::cli) fn show(page: &mut Page, outlook: &Outlook) {
    let ahead = &outlook.foresight;
    page.paragraph(
        Tone::Strong,
        &format!("{}  ", outlook.switch),
        &format!("{} -> {}, {}", outlook.stable, outlook.canary, outlook.from),
    );
    if ahead.kind != PlanKind::Rolling {
        page.paragraph(
            Tone::Plain,
            "  ",
            &format!(
                "promoted after {} at the least, {} if every gate waits to its deadline; evidence counts from {} \
                 after each step on; the old side may be closed {} after the last step, and is kept for undo for {}",
                times::span(ahead.least_ms),
                times::span(ahead.most_ms),
                times::span(ahead.settle_ms),
                times::span(ahead.drained_ms),
                times::span(ahead.warm_ms),
            ),
        );
    }
    if !ahead.steps.is_empty() {
        page.gap();
        steps(page, outlook);
        gates(page, outlook);
    }
    for line in &ahead.sourceless {
        page.paragraph(Tone::Bad, "missing: ", line);
    }
    for note in &ahead.notes {
        page.paragraph(Tone::Warn, "note: ", note);
    }
}

fn steps(page: &mut Page, outlook: &Outlook) {
    let wanted = format!("HOLD FOR {}", percent(outlook.effect));
    let mut table = Table::new(0, &["STEP", "HOLD", "CLIENTS", "REQUESTS", "SEES RATE", "SEES MEAN", &wanted]);
    for step in &outlook.foresight.steps {
        let tone = if step.too_small { Tone::Warn } else { Tone::Plain };
        let hold = step.hold_ms.map_or_else(
            || "-".to_owned(),
            |hold| format!("{}{}", times::brief(hold), if step.raised { "*" } else { "" }),
        );
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        table.row(vec![
            Cell::toned(Tone::Strong, percent(step.target)).right(),
            Cell::from(hold).right(),
            Cell::toned(tone, or_none(step.clients.map(figure))).right(),
            Cell::from(figure(step.requests.floor())).right(),
            Cell::from(or_none(step.sees_rate.map(percent))).right(),
            Cell::from(or_none(step.sees_mean.map(|ratio| format!("x {}", figure(ratio))))).right(),
            Cell::from(or_none(step.hold_needed_ms.map(times::brief))).right(),
        ]);
    }
    page.table(&table);
    if outlook.foresight.steps.iter().any(|step| step.raised) {
        page.line(Tone::Faint, "* raised: a shorter hold shows nothing");
    }
    page.paragraph(
        Tone::Faint,
        "",
        "SEES: the error rate, and the mean against the stable side's, that four of five holds prove worse when \
         every request is told, the margin suits, and one may look as often as one likes",
    );
}

/// What the plan's own gates see; steps that see the same are named together.
fn gates(page: &mut Page, outlook: &Outlook) {
    let steps = outlook.foresight.steps.iter().filter(|step| !step.gates.is_empty());
    for step in steps {
        page.gap();
        page.line(Tone::Plain, &format!("at {}:", percent(step.target)));
        for line in &step.gates {
            page.paragraph(Tone::Plain, "  ", line);
        }
    }
    page.gap();
}

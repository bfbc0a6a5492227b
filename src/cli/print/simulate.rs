//! A simulation for people: who asks, what each step shows, how long the old side stays.

use super::compare::figure;
use super::{Cell, Page, Table, Tone, times};
use crate::rollout::simulate::{Simulation, Spread};
use crate::steering::Policy;

/// Below this chance that nobody sees a step it is not worth a colour.
const NOTABLE: f64 = 0.01;

/// Shows a simulation.
pub(in crate::cli) fn show(page: &mut Page, simulation: &Simulation, from: &str) {
    let policy = if simulation.policy == Policy::Random { "random" } else { "sticky" };
    page.paragraph(
        Tone::Strong,
        "",
        &format!(
            "{} resolvers ({} client prefixes, as uneven as {} equal ones), {} requests a second, of which {} \
             reach this server under a TTL of {} s; {from}, {policy}",
            simulation.resolvers,
            simulation.clients,
            figure(simulation.effective_resolvers),
            figure(simulation.requests_per_second),
            figure(simulation.answers_per_second),
            simulation.ttl_s,
        ),
    );
    page.gap();
    let with_salt = simulation.steps.iter().any(|step| step.with_salt.is_some());
    let mut heading = vec!["STEP", "HOLD", "ANSWERS", "CLIENTS", "REQUESTS", "NOBODY"];
    if with_salt {
        heading.push("SALT");
    }
    let mut table = Table::new(0, &heading);
    for step in &simulation.steps {
        let hold = step.hold_ms.map_or_else(|| "-".to_owned(), times::brief);
        let tone = if step.nobody >= NOTABLE { Tone::Warn } else { Tone::Plain };
        let mut row = vec![
            Cell::toned(Tone::Strong, percent(step.target)).right(),
            Cell::from(hold).right(),
            Cell::from(spread(&step.answers)).right(),
            Cell::from(spread(&step.clients)).right(),
            Cell::from(spread(&step.requests)).right(),
            Cell::toned(tone, percent(step.nobody)).right(),
        ];
        row.extend(step.with_salt.map(|share| Cell::from(percent(share)).right()));
        table.row(row);
    }
    page.table(&table);
    page.line(
        Tone::Faint,
        &format!("mean ± standard deviation of {} plays, seed {}", simulation.repetitions, simulation.seed),
    );
    if with_salt {
        page.line(Tone::Faint, "SALT: the share of requests under the salt in force, once old answers are gone");
    }
    advice(page, simulation);
    let drain = &simulation.drain;
    page.gap();
    page.paragraph(
        Tone::Plain,
        "",
        &format!(
            "Promoted after {} if nothing waits. From then on half of the users have moved after {}, the old \
             side's answers have expired after {}, it may be closed after {} (some users stay longer than they \
             should), and is kept for undo for {}.",
            times::span(simulation.until_promoted_ms),
            times::span(drain.half_moved_ms),
            times::span(drain.dns_drained_ms),
            times::span(drain.drained_ms),
            times::span(drain.warm_ms),
        ),
    );
}

/// Which steps are too small, and what helps.
fn advice(page: &mut Page, simulation: &Simulation) {
    for step in simulation.steps.iter().filter(|step| step.nobody >= NOTABLE) {
        page.paragraph(
            Tone::Warn,
            "note: ",
            &format!(
                "in {} of the plays of {} nobody sees the canary at all: take a larger first step, or the policy random",
                percent(step.nobody),
                percent(step.target),
            ),
        );
    }
    let straying =
        simulation.steps.iter().find(|step| step.target < 1.0 && step.expected_deviation > step.target / 2.0);
    if let Some(step) = straying {
        page.paragraph(
            Tone::Warn,
            "note: ",
            &format!(
                "the share of {} strays by {} points (standard deviation), since few resolvers make up most of \
                 the traffic; the share of requests is what it is, whatever the weight says",
                percent(step.target),
                figure(step.expected_deviation * 100.0),
            ),
        );
    }
}

fn spread(spread: &Spread) -> String {
    if spread.sd < 5e-6 {
        return percent(spread.mean);
    }
    format!("{} ± {}", percent(spread.mean), points(spread.sd))
}

/// A share as percent, two digits that count at least.
pub(in crate::cli) fn percent(share: f64) -> String {
    format!("{} %", points(share))
}

fn points(share: f64) -> String {
    let points = share * 100.0;
    match points.abs() {
        large if large >= 10.0 => trimmed(format!("{points:.1}")),
        small if small >= 0.005 || small == 0.0 => trimmed(format!("{points:.2}")),
        _ => "<0.01".to_owned(),
    }
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_as_percent() {
        for (share, text) in
            [(0.0, "0 %"), (0.01, "1 %"), (0.0996, "9.96 %"), (0.5, "50 %"), (1.0, "100 %"), (0.000_01, "<0.01 %")]
        {
            assert_eq!(percent(share), text);
        }
    }
}

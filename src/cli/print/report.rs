//! The report of an A/B test: shares, then each metric, then what it cannot say.

use super::compare::figure;
use super::{Cell, Page, Table, Tone, times};
use crate::rollout::share::SRM_ALPHA;
use crate::rollout::trial::report::{Found, MetricKind, MetricReport, TrialReport};

/// The report.
pub(in crate::cli) fn show(page: &mut Page, report: &TrialReport) {
    let since = times::both_of(&report.since, page.now_unix_ms());
    page.line(Tone::Strong, &format!("{}  A/B test since {since}", report.switch));
    let (tone, kept) = match report.split_kept {
        Some(true) => (Tone::Good, "the split is kept (sample-ratio test of clients)"),
        Some(false) => (Tone::Bad, "THE SPLIT IS NOT KEPT (sample-ratio test of clients)"),
        None => (Tone::Warn, "too few clients to say whether the split is kept"),
    };
    page.line(tone, &format!("  {kept}"));
    page.gap();
    let mut table = Table::new(0, &["POOL", "TARGET", "ANSWERED", "ANSWERS", "CLIENTS", "RATIO TEST"]);
    for pool in &report.pools {
        let share = pool.share.as_ref();
        let clients = share.and_then(|share| share.clients).map_or_else(|| "-".to_owned(), percent);
        let test = share.and_then(|share| share.srm_p);
        table.row(vec![
            Cell::toned(Tone::Strong, pool.pool.as_str()),
            Cell::from(percent(pool.target)).right(),
            Cell::from(pool.answered.map_or_else(|| "-".to_owned(), percent)).right(),
            Cell::from(pool.answers.to_string()).right(),
            Cell::from(clients).right(),
            match test {
                None => "too few".into(),
                Some(p) if p < SRM_ALPHA => Cell::toned(Tone::Bad, format!("off, p {p:.1e}")),
                Some(p) => format!("p {p:.2}").into(),
            },
        ]);
    }
    page.table(&table);
    for metric in &report.metrics {
        page.gap();
        self::metric(page, metric);
    }
    page.gap();
    page.line(Tone::Faint, "WHAT IT CANNOT SAY");
    for limit in &report.cannot_say {
        page.paragraph(Tone::Plain, "- ", limit);
    }
}

/// One metric: each pool, then the verdicts.
fn metric(page: &mut Page, metric: &MetricReport) {
    let kind = match metric.kind {
        MetricKind::Mean => "MEAN",
        MetricKind::Share => "SHARE",
    };
    let heading =
        [metric.metric.as_str(), "SAMPLES", kind, "95 % OF IT", "DIFFERENCE", "95 % ONCE", "95 % ALWAYS", "P"];
    let mut table = Table::new(0, &heading).where_there_is_room(&[7, 5]);
    for estimate in &metric.pools {
        let difference = metric.comparisons.iter().find(|difference| difference.pool == estimate.pool);
        table.row(vec![
            Cell::toned(Tone::Strong, estimate.pool.as_str()),
            Cell::from(estimate.n.to_string()).right(),
            number(estimate.estimate),
            range(estimate.interval),
            difference.map_or_else(|| Cell::from("-").right(), |difference| number(difference.effect)),
            range(difference.and_then(|difference| difference.interval)),
            range(difference.and_then(|difference| difference.always_interval)),
            difference.and_then(|difference| difference.p).map_or_else(|| "-".into(), |p| format!("{p:.3}").into()),
        ]);
    }
    page.table(&table);
    for difference in &metric.comparisons {
        let (tone, word) = match difference.verdict {
            Found::Higher => (Tone::Strong, "higher"),
            Found::Lower => (Tone::Strong, "lower"),
            Found::Open => (Tone::Plain, "open"),
            Found::TooFew => (Tone::Faint, "too few"),
        };
        page.paragraph(tone, &format!("{word}  "), &difference.line);
    }
}

fn number(value: Option<f64>) -> Cell {
    Cell::from(value.map_or_else(|| "-".to_owned(), figure)).right()
}

fn range(interval: Option<(f64, f64)>) -> Cell {
    interval.map_or_else(|| "-".into(), |(low, high)| format!("{} to {}", figure(low), figure(high)).into())
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

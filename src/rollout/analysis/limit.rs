//! Hard limits: the canary alone against a bound, by its estimate, some looks in a row.

use super::finding::{self, Finding, WRONG_KIND, least_samples};
use super::words::Conclusion;
use super::{CONFIDENCE, Look, Memory};
use crate::rollout::evidence::Series;
use crate::rollout::gate::{Gate, Statistic, Test, Verdict, Worse};
use crate::stats::proportion::wilson;
use crate::stats::quantile::{Ordered, quantile};
use crate::stats::{Interval, student};

/// Judges the canary's series against a bound.
pub(super) fn judge(
    gate: &Gate,
    look: &Look<'_>,
    (statistic, bound, looks): (Statistic, f64, u32),
    memory: &mut Memory,
) -> Conclusion {
    let seen = (finding::samples(look.evidence, &gate.metric.name, look.canary), 0);
    let Some(series) = look.evidence.series(&gate.metric.name, look.canary) else {
        return Conclusion::open(seen, format!("nothing was measured on {}", look.canary));
    };
    let least = least_samples(gate, statistic, Test::Auto);
    if seen.0 < least {
        return Conclusion::open(seen, format!("{} of {least} samples", seen.0));
    }
    let (estimate, interval) = match estimated(series, statistic) {
        Ok(found) => found,
        Err(why) => return Conclusion::open(seen, why),
    };
    if !estimate.is_finite() || !bound.is_finite() {
        return Conclusion::open(seen, "the estimate is not a finite number");
    }
    let beyond = match gate.metric.worse {
        Worse::Up => estimate > bound,
        Worse::Down => estimate < bound,
    };
    memory.beyond = if beyond { memory.beyond.saturating_add(1) } else { 0 };
    let (verdict, reason) = match memory.beyond {
        0 => (Verdict::Pass, "within the limit".to_owned()),
        times if times >= looks.max(1) => (Verdict::Fail, format!("beyond the limit {times} looks in a row")),
        times => (Verdict::Inconclusive, format!("beyond the limit, {times} of {looks} looks in a row that fail")),
    };
    let finding = Finding {
        canary: Some(estimate),
        effect: Some(estimate - bound),
        interval: interval.map(|interval| (interval.low, interval.high)),
        confidence: CONFIDENCE,
        ..Finding::default()
    };
    Conclusion { verdict, finding: Some(finding), samples: seen, reason }
}

/// The estimate with its interval, where it has one.
fn estimated(series: &Series, statistic: Statistic) -> Result<(f64, Option<Interval>), String> {
    let alpha = 1.0 - CONFIDENCE;
    match (statistic, series) {
        (Statistic::Rate, Series::Counts { .. }) => {
            let count = finding::count(series)?;
            let share = count.share().map_err(|why| why.to_string())?;
            Ok((share, wilson(count, alpha).ok()))
        }
        (Statistic::Mean, Series::Values(values)) => {
            let moments = finding::moments(values);
            let half_width = moments.sd().ok().filter(|sd| *sd > 0.0).map(|sd| {
                let n = moments.n() as f64;
                student::upper_quantile(alpha / 2.0, n - 1.0) * sd / n.sqrt()
            });
            Ok((moments.mean(), half_width.map(|half_width| Interval::around(moments.mean(), half_width))))
        }
        (Statistic::Quantile(q), Series::Values(values)) => {
            let found = Ordered::of(&values.kept).and_then(|values| quantile(&values, q, alpha));
            let found = found.map_err(|why| why.to_string())?;
            Ok((found.estimate, found.low.zip(found.high).map(|(low, high)| Interval { low, high })))
        }
        _ => Err(WRONG_KIND.to_owned()),
    }
}

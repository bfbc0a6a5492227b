//! Every test and interval of two counts.

use super::{Comparison, Decision, Question, Row, SideReport, ends};
use crate::cli::print::compare::{chance, figure};
use crate::stats::confidence_sequence::AsymptoticSequence;
use crate::stats::fisher::fisher;
use crate::stats::mixture::Mixture;
use crate::stats::power::{Promise, detectable_proportion};
use crate::stats::proportion::wilson;
use crate::stats::proportions::{
    DecidedBy, Proportions, ZTest, newcombe_scaled, proportions, unpooled_variance, wald, z_pooled, z_unpooled,
};
use crate::stats::spending::Sides;
use crate::stats::{Count, Interval, PValues, Undecided, thompson};

/// Compares; an error means that a side is empty.
pub(super) fn compare(canary: Count, stable: Count, question: &Question) -> Result<Comparison, Undecided> {
    let judged = proportions(canary, stable, question.alpha)?;
    let sides = vec![describe("stable", stable, question.alpha)?, describe("canary", canary, question.alpha)?];
    let shown = |test: &'static str, p: Option<PValues>, interval: Option<Interval>, note: String| Row {
        test,
        effect: Some(judged.effect),
        interval: interval.map(ends),
        p_worse: p.map(|p| question.worse_p(p)),
        p_two_sided: p.map(|p| p.two_sided),
        note,
        ..Row::named(test)
    };
    let by_z = |name: &'static str, test: Result<ZTest, Undecided>| match test {
        Ok(test) => Row { statistic: Some(test.z), ..shown(name, Some(test.p), None, String::new()) },
        Err(why) => Row::refused(name, why),
    };
    let tests = vec![
        by_z("pooled z", z_pooled(canary, stable)),
        by_z("unpooled z", z_unpooled(canary, stable)),
        shown("Fisher exact", Some(fisher(canary, stable)?), None, String::new()),
        shown("Newcombe", None, Some(judged.interval), format!("h {}", figure(judged.cohens_h))),
        shown("Wald", None, wald(canary, stable, question.alpha).ok(), String::new()),
        mixture(canary, stable, &judged, question).unwrap_or_else(|why| Row::refused("mSPRT *", why)),
        sequence(canary, stable, &judged, question).unwrap_or_else(|why| Row::refused("sequence *", why)),
    ];
    let decision = decide(canary, stable, &judged, question)?;
    let chance_canary_higher = Some(thompson::chance_greater(canary, stable));
    Ok(Comparison { chance_canary_higher, ..question.conclude(&decision, sides, tests, stable.share()?) })
}

/// The one-sided test of the rule; with a margin, Newcombe's interval against it.
fn decide(canary: Count, stable: Count, judged: &Proportions, question: &Question) -> Result<Decision, Undecided> {
    let share = stable.share()?;
    let (factor, offset) = question.limit(share);
    let name = match judged.by {
        DecidedBy::Z(_) => "Pooled z test",
        DecidedBy::Fisher => "Fisher's exact test (an expected count is under 5)",
    };
    let better = question.better_p(judged.p);
    let improvement = better <= question.alpha;
    let (regression, by) = if question.accepted(share) > 0.0 && factor > 0.0 {
        // One side of an interval at 1 - 2 alpha is a one-sided test at alpha.
        let interval = newcombe_scaled(canary, stable, factor, (2.0 * question.alpha).min(0.999))?;
        let proven = if question.sign() > 0.0 { interval.low > offset } else { interval.high < offset };
        (proven, format!("Newcombe's interval against the margin, one-sided at {}", figure(question.alpha)))
    } else {
        let p = question.worse_p(judged.p);
        let (shown, claim) = if improvement { (better, "better") } else { (p, "worse") };
        (p <= question.alpha, format!("{name}, one-sided for {claim}: p {}", chance(shown)))
    };
    let promise = Promise { alpha: question.alpha, power: 0.8, sides: Sides::Upper };
    // Seen from the other side, a share that falls is a share that rises.
    let from = if question.sign() > 0.0 { share } else { 1.0 - share };
    let least = detectable_proportion(from, canary.total(), stable.total(), promise).ok().flatten();
    Ok(Decision {
        what: "share",
        effect: judged.effect,
        interval: Some(judged.interval),
        regression,
        improvement,
        by,
        detectable: least.map(|least| least - from),
    })
}

fn describe(side: &'static str, count: Count, alpha: f64) -> Result<SideReport, Undecided> {
    Ok(SideReport {
        side,
        n: count.total(),
        estimate: count.share()?,
        interval: Some(ends(wilson(count, alpha)?)),
        sd: None,
        p50: None,
        p95: None,
    })
}

/// Always-valid, with tau the margin, or the stable side's share (at least 1 %) without one.
fn mixture(canary: Count, stable: Count, judged: &Proportions, question: &Question) -> Result<Row, Undecided> {
    let share = stable.share()?;
    let accepted = question.accepted(share);
    let tau = if accepted > 0.0 { accepted } else { share.min(1.0 - share).max(0.01) };
    let v = unpooled_variance(canary, stable)?;
    let mixture = Mixture::of_variance(tau * tau)?;
    let look = mixture.against_margin(question.sign() * judged.effect, v, 0.0)?;
    Ok(Row {
        test: "mSPRT *",
        effect: Some(judged.effect),
        interval: Some(ends(mixture.interval(judged.effect, v, question.alpha)?)),
        p_worse: Some(look.above),
        p_two_sided: Some((-mixture.log_ratio(judged.effect, v)?).exp().min(1.0)),
        note: format!("tau {}", figure(tau)),
        ..Row::named("mSPRT *")
    })
}

fn sequence(canary: Count, stable: Count, judged: &Proportions, question: &Question) -> Result<Row, Undecided> {
    let n = canary.total() + stable.total();
    let v = unpooled_variance(canary, stable)?;
    if v == 0.0 {
        return Err(Undecided::NoVariance { difference: judged.effect });
    }
    let sequence = AsymptoticSequence::tuned(n as f64, question.alpha)?;
    Ok(Row {
        test: "sequence *",
        effect: Some(judged.effect),
        interval: Some(ends(sequence.interval(judged.effect, v.sqrt(), n)?)),
        ..Row::named("sequence *")
    })
}

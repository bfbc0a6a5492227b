//! Every test and interval of two sets of numbers.

use super::{Comparison, Decision, Question, Row, SideReport, ends};
use crate::cli::print::compare::{chance, figure};
use crate::stats::confidence_sequence::AsymptoticSequence;
use crate::stats::mixture::Mixture;
use crate::stats::power::{Promise, detectable_mean};
use crate::stats::quantile::{self, Ordered};
use crate::stats::ranks::mann_whitney;
use crate::stats::spending::Sides;
use crate::stats::t_test::{Spread, TTest, t_test};
use crate::stats::{Interval, Moments, Undecided};

/// Compares; an error means that a side has too few values for anything.
pub(super) fn compare(canary: &[f64], stable: &[f64], question: &Question) -> Result<Comparison, Undecided> {
    let (ours, theirs) = (Moments::of(canary), Moments::of(stable));
    let sides = vec![describe("stable", stable, question.alpha)?, describe("canary", canary, question.alpha)?];
    let test = t_test(&ours, &theirs, Spread::Welch, question.alpha);
    let tests = vec![
        row_of_t("Welch's t", test, question),
        row_of_t("pooled t", t_test(&ours, &theirs, Spread::Pooled, question.alpha), question),
        ranks(canary, stable, question),
        quantiles("p50", 0.5, canary, stable, question),
        quantiles("p95", 0.95, canary, stable, question),
        mixture(&ours, &theirs, question).unwrap_or_else(|why| Row::refused("mSPRT *", why)),
        sequence(test, &ours, &theirs, question).unwrap_or_else(|why| Row::refused("sequence *", why)),
    ];
    let decision = decide(&ours, &theirs, question)?;
    Ok(question.conclude(&decision, sides, tests, theirs.mean()))
}

/// Welch's t test against the margin; without any variance the means themselves.
fn decide(canary: &Moments, stable: &Moments, question: &Question) -> Result<Decision, Undecided> {
    let (factor, offset) = question.limit(stable.mean());
    let effect = canary.mean() - stable.mean();
    let promise = Promise { alpha: question.alpha, power: 0.8, sides: Sides::Upper };
    match t_test(canary, &stable.scaled(factor), Spread::Welch, question.alpha) {
        Ok(limit) => {
            let plain = t_test(canary, stable, Spread::Welch, question.alpha)?;
            let p = question.worse_p(limit.against(offset));
            let better = question.better_p(plain.p);
            let (shown, claim) = if better <= question.alpha { (better, "better") } else { (p, "worse") };
            Ok(Decision {
                what: "mean",
                effect,
                interval: Some(plain.interval),
                regression: p <= question.alpha,
                improvement: better <= question.alpha,
                by: format!("Welch's t test, one-sided for {claim}: p {}", chance(shown)),
                detectable: detectable_mean((canary.sd()?, canary.n()), (stable.sd()?, stable.n()), promise).ok(),
            })
        }
        Err(Undecided::NoVariance { difference }) => Ok(Decision {
            what: "mean",
            effect,
            interval: None,
            regression: question.sign() * (difference - offset) > 0.0,
            improvement: question.sign() * effect < 0.0,
            by: "All values of a side are the same, so no test applies and the means were compared as they are".into(),
            detectable: None,
        }),
        Err(why) => Err(why),
    }
}

fn describe(side: &'static str, values: &[f64], alpha: f64) -> Result<SideReport, Undecided> {
    let (moments, ordered) = (Moments::of(values), Ordered::of(values)?);
    let at = |q: f64| quantile::quantile(&ordered, q, alpha).ok().map(|found| found.estimate);
    let sd = moments.sd()?;
    let half_width =
        crate::stats::student::upper_quantile(alpha / 2.0, moments.n() as f64 - 1.0) * sd / (moments.n() as f64).sqrt();
    let mean = moments.mean();
    Ok(SideReport {
        side,
        n: moments.n(),
        estimate: mean,
        interval: Some(ends(Interval::around(mean, half_width))),
        sd: Some(sd),
        p50: at(0.5),
        p95: at(0.95),
    })
}

fn row_of_t(name: &'static str, test: Result<TTest, Undecided>, question: &Question) -> Row {
    match test {
        Err(why) => Row::refused(name, why),
        Ok(test) => Row {
            test: name,
            effect: Some(test.effect),
            interval: Some(ends(test.interval)),
            p_worse: Some(question.worse_p(test.p)),
            p_two_sided: Some(test.p.two_sided),
            statistic: Some(test.t),
            df: Some(test.df),
            note: format!("d {}", figure(test.cohens_d)),
        },
    }
}

fn ranks(canary: &[f64], stable: &[f64], question: &Question) -> Row {
    let name = "Mann-Whitney";
    match mann_whitney(canary, stable, question.alpha) {
        Err(why) => Row::refused(name, why),
        Ok(test) => Row {
            test: name,
            effect: Some(test.shift),
            interval: Some(ends(test.interval)),
            p_worse: Some(question.worse_p(test.p)),
            p_two_sided: Some(test.p.two_sided),
            statistic: Some(test.u),
            note: format!("CLES {}", figure(test.cles)),
            ..Row::named(name)
        },
    }
}

fn quantiles(name: &'static str, q: f64, canary: &[f64], stable: &[f64], question: &Question) -> Row {
    let compared = Ordered::of(canary)
        .and_then(|canary| Ordered::of(stable).map(|stable| (canary, stable)))
        .and_then(|(canary, stable)| quantile::compare(&canary, &stable, q, 1.0, question.alpha));
    match compared {
        Err(why) => Row::refused(name, why),
        Ok(found) => {
            Row { test: name, effect: Some(found.excess), interval: Some(ends(found.interval)), ..Row::named(name) }
        }
    }
}

/// Always-valid, with tau the margin, or half a standard deviation without one.
fn mixture(canary: &Moments, stable: &Moments, question: &Question) -> Result<Row, Undecided> {
    let accepted = question.accepted(stable.mean());
    let tau = if accepted > 0.0 { accepted } else { 0.5 * stable.sd()?.max(canary.sd()?) };
    let v = canary.variance()? / canary.n() as f64 + stable.variance()? / stable.n() as f64;
    let effect = canary.mean() - stable.mean();
    if v == 0.0 {
        return Err(Undecided::NoVariance { difference: effect });
    }
    let mixture = Mixture::of_variance(tau * tau)?;
    let look = mixture.against_margin(question.sign() * effect, v, 0.0)?;
    Ok(Row {
        test: "mSPRT *",
        effect: Some(effect),
        interval: Some(ends(mixture.interval(effect, v, question.alpha)?)),
        p_worse: Some(look.above),
        p_two_sided: Some((-mixture.log_ratio(effect, v)?).exp().min(1.0)),
        note: format!("tau {}", figure(tau)),
        ..Row::named("mSPRT *")
    })
}

fn sequence(
    test: Result<TTest, Undecided>,
    canary: &Moments,
    stable: &Moments,
    question: &Question,
) -> Result<Row, Undecided> {
    let (test, n) = (test?, canary.n() + stable.n());
    let sequence = AsymptoticSequence::tuned(n as f64, question.alpha)?;
    Ok(Row {
        test: "sequence *",
        effect: Some(test.effect),
        interval: Some(ends(sequence.interval(test.effect, test.standard_error, n)?)),
        ..Row::named("sequence *")
    })
}

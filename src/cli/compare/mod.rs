//! `tidegate compare`: measurements of two sides in, every test and interval out, and what follows.
//!
//! Exit codes: 0 no regression proven, 1 regression proven, 2 usage.

mod counts;
mod input;
mod values;

use super::args::{CompareArgs, WorseArg};
use super::exit::{Exit, Failure};
use super::print::compare::{figure, show};
use super::terminal;
use crate::stats::{Interval, PValues, Undecided};
use input::Side;
use serde::Serialize;

/// What is asked.
#[derive(Debug, Clone, Copy)]
struct Question {
    alpha: f64,
    worse: WorseArg,
    margin: Margin,
}

/// How much worse is still accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Margin {
    /// In the unit of the numbers.
    Absolute(f64),
    /// As a share of the stable side's estimate.
    Relative(f64),
}

/// One test or interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::cli) struct Row {
    /// Its name.
    pub test: &'static str,
    /// Canary minus stable, as this test sees it.
    pub effect: Option<f64>,
    /// The interval of the effect.
    pub interval: Option<(f64, f64)>,
    /// One-sided p value against "no worse".
    pub p_worse: Option<f64>,
    /// Two-sided p value.
    pub p_two_sided: Option<f64>,
    /// t, z or U.
    pub statistic: Option<f64>,
    /// Degrees of freedom of t.
    pub df: Option<f64>,
    /// Effect size or setting; or why there is nothing.
    pub note: String,
}

/// What is known of one side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::cli) struct SideReport {
    /// `stable` or `canary`.
    pub side: &'static str,
    /// Samples.
    pub n: u64,
    /// Mean, or share of hits.
    pub estimate: f64,
    /// Its interval.
    pub interval: Option<(f64, f64)>,
    /// Standard deviation, of numbers.
    pub sd: Option<f64>,
    /// Median, of numbers.
    pub p50: Option<f64>,
    /// 95th percentile, of numbers.
    pub p95: Option<f64>,
}

/// The whole comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::cli) struct Comparison {
    /// Whether the canary is proven worse than allowed.
    pub regression: bool,
    /// Whether it is proven better.
    pub improvement: bool,
    /// What follows, in words.
    pub sentence: String,
    /// What may be wrong with it.
    pub warnings: Vec<String>,
    /// The level of the decision; intervals are at one minus it.
    pub alpha: f64,
    /// `up` or `down`.
    pub worse: &'static str,
    /// The accepted difference in the unit of the numbers, in the worse direction.
    pub margin: f64,
    /// Stable, then canary.
    pub sides: Vec<SideReport>,
    /// Test by test.
    pub tests: Vec<Row>,
    /// Of counts: the chance that the canary's share is the higher one (Beta posteriors, flat priors).
    pub chance_canary_higher: Option<f64>,
}

/// What decided, for the sentence.
struct Decision {
    /// `mean` or `share`.
    what: &'static str,
    effect: f64,
    interval: Option<Interval>,
    regression: bool,
    improvement: bool,
    /// The test with its p value.
    by: String,
    /// What samples of this size can show.
    detectable: Option<f64>,
}

/// Compares.
pub(super) fn run(args: &CompareArgs) -> Result<Exit, Failure> {
    let question = question(args)?;
    let (stable, canary) = (input::read("stable", &args.stable)?, input::read("canary", &args.canary)?);
    let comparison = match (&canary, &stable) {
        (Side::Values(canary), Side::Values(stable)) => values::compare(canary, stable, &question),
        (Side::Count(canary), Side::Count(stable)) => counts::compare(*canary, *stable, &question),
        _ => {
            return Err(Failure::usage(
                "one side is a count and the other a file of numbers: give the same form twice",
            ));
        }
    };
    let comparison =
        comparison.map_err(|why| Failure::usage(format!("nothing can be compared: {why}; give more samples")))?;
    if args.json {
        let text = serde_json::to_string(&comparison).map_err(|error| Failure::failed(error.to_string()))?;
        terminal::print(&format!("{text}\n"));
    } else {
        let mut page = terminal::page();
        show(&mut page, &comparison);
        terminal::print(&page.finish());
    }
    Ok(if comparison.regression { Exit::Failed } else { Exit::Done })
}

fn question(args: &CompareArgs) -> Result<Question, Failure> {
    if !(1e-9..=0.5).contains(&args.alpha) {
        return Err(Failure::usage(format!("--alpha {}: a chance above 0 and at most 0.5", args.alpha)));
    }
    let worse = match (args.lower_is_better, args.higher_is_better) {
        (_, true) => WorseArg::Down,
        (true, _) => WorseArg::Up,
        _ => args.worse,
    };
    let margin = args.margin.as_deref().map_or(Ok(Margin::Absolute(0.0)), margin)?;
    Ok(Question { alpha: args.alpha, worse, margin })
}

fn margin(text: &str) -> Result<Margin, Failure> {
    let (number, percent) = text.trim().strip_suffix('%').map_or((text.trim(), false), |share| (share, true));
    match number.trim().parse::<f64>() {
        Ok(value) if percent && (0.0..=1_000.0).contains(&value) => Ok(Margin::Relative(value / 100.0)),
        Ok(value) if !percent && (0.0..=1e15).contains(&value) => Ok(Margin::Absolute(value)),
        _ => Err(Failure::usage(format!("--margin {text}: a number from 0 on, or a percentage such as 20%"))),
    }
}

impl Question {
    /// 1 if larger is worse, else -1.
    fn sign(&self) -> f64 {
        match self.worse {
            WorseArg::Up => 1.0,
            WorseArg::Down => -1.0,
        }
    }

    /// The limit of the canary as `factor` times the stable side's plus an offset.
    fn limit(&self, stable: f64) -> (f64, f64) {
        match self.margin {
            Margin::Absolute(margin) => (1.0, self.sign() * margin),
            Margin::Relative(share) if stable < 0.0 => (1.0 - self.sign() * share, 0.0),
            Margin::Relative(share) => (1.0 + self.sign() * share, 0.0),
        }
    }

    /// The margin in the unit of the numbers.
    fn accepted(&self, stable: f64) -> f64 {
        match self.margin {
            Margin::Absolute(margin) => margin,
            Margin::Relative(share) => share * stable.abs(),
        }
    }

    /// The p value against "no worse".
    fn worse_p(&self, p: PValues) -> f64 {
        match self.worse {
            WorseArg::Up => p.greater,
            WorseArg::Down => p.less,
        }
    }

    /// The p value against "no better".
    fn better_p(&self, p: PValues) -> f64 {
        match self.worse {
            WorseArg::Up => p.less,
            WorseArg::Down => p.greater,
        }
    }

    /// The comparison with its sentence.
    fn conclude(&self, decision: &Decision, sides: Vec<SideReport>, tests: Vec<Row>, stable: f64) -> Comparison {
        let margin = self.accepted(stable);
        let percent = figure((1.0 - self.alpha) * 100.0);
        let interval = decision.interval.map_or(String::new(), |interval| {
            format!(" ({percent} % interval {} to {})", figure(interval.low), figure(interval.high))
        });
        let size = figure(decision.effect.abs());
        let relation = match decision.effect {
            effect if effect > 0.0 => format!("{size} higher than"),
            effect if effect < 0.0 => format!("{size} lower than"),
            _ => "the same as".to_owned(),
        };
        let found = format!("the canary's {} is {relation} the stable side's{interval}", decision.what);
        let beyond = if margin > 0.0 { format!(" beyond the margin of {}", figure(margin)) } else { String::new() };
        let by = &decision.by;
        let sentence = if decision.regression {
            format!("Regression proven{beyond}: {found}. {by}.")
        } else if decision.improvement {
            format!("No regression proven; the canary is proven better: {found}. {by}.")
        } else {
            let power = decision.detectable.map_or(String::new(), |least| {
                format!(" Samples of this size show a difference of {} in four of five cases.", figure(least))
            });
            format!("No regression proven{beyond}: {found}. {by}. That is no proof that both are the same.{power}")
        };
        Comparison {
            regression: decision.regression,
            improvement: decision.improvement,
            sentence,
            warnings: vec![INDEPENDENCE.to_owned()],
            alpha: self.alpha,
            worse: if self.sign() > 0.0 { "up" } else { "down" },
            margin,
            sides,
            tests,
            chance_canary_higher: None,
        }
    }
}

/// Said with every result (statistics of samples that hang together are too sure of themselves).
const INDEPENDENCE: &str = "All of this takes the samples as independent. Requests behind one resolver or one client, \
and points next to each other in a time series, are not: intervals are then too narrow and p values too small. Raise \
the variance by a design effect, or compare aggregates per interval of time (50 or more).";

impl Row {
    /// A test that could not be done.
    fn refused(test: &'static str, why: Undecided) -> Self {
        let note = match why {
            Undecided::TooFew { needed, .. } => format!("needs {needed} a side"),
            Undecided::NoVariance { .. } => "no variance".to_owned(),
            why => why.to_string(),
        };
        Self { note, ..Self::named(test) }
    }

    /// A test without any figure yet.
    fn named(test: &'static str) -> Self {
        Self {
            test,
            effect: None,
            interval: None,
            p_worse: None,
            p_two_sided: None,
            statistic: None,
            df: None,
            note: String::new(),
        }
    }
}

/// Both ends as they are printed and sent.
fn ends(interval: Interval) -> (f64, f64) {
    (interval.low, interval.high)
}

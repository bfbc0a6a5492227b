//! What an A/B test shows, and what it cannot say.
//!
//! People look at a report whenever they like, so verdicts rest on intervals that hold at every look at once
//! (the asymptotic confidence sequence of `statistics.md`); the usual tests and intervals stand beside them
//! for those who look once. Two-sided: a test under fixed weights asks which is better, not whether one is worse.

use super::{Summary, Trial};
use crate::rollout::analysis::figure;
use crate::rollout::share::{HonestShare, SRM_ALPHA};
use crate::stats::confidence_sequence::AsymptoticSequence;
use crate::stats::proportion::wilson;
use crate::stats::proportions::{least_expected, proportions, unpooled_variance};
use crate::stats::t_test::{Spread, t_test};
use crate::stats::{Count, Interval, Moments, Undecided, student};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The chance to call a difference that is none.
pub const ALPHA: f64 = 0.05;

/// Samples of both pools together at which the intervals are narrowest (`statistics.md`, N*).
const TUNED_FOR: f64 = 5_000.0;

/// The fewest numbers of a pool that are judged (§5.5).
const LEAST_VALUES: u64 = 30;

/// The fewest trials of a pool that are judged (§5.5).
const LEAST_TRIALS: u64 = 100;

/// Where fewer hits or misses are expected on a side, shares are too far from normal for the intervals (§5.5).
const LEAST_EXPECTED: f64 = 5.0;

/// The report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialReport {
    /// The switch.
    pub switch: String,
    /// When the split came into force (RFC 3339): everything is counted from there.
    pub since: String,
    /// Those with weight, the one others are compared with first.
    pub pools: Vec<PoolShare>,
    /// Whether the split is kept: false when some pool's clients say otherwise, absent while too few were seen.
    pub split_kept: Option<bool>,
    /// Metric by metric, sorted by name.
    pub metrics: Vec<MetricReport>,
    /// The chance to call a difference of one comparison that is none.
    pub alpha: f64,
    /// What it cannot say, each a sentence.
    pub cannot_say: Vec<String>,
}

/// What a pool got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolShare {
    /// The pool.
    pub pool: String,
    /// Its weight over the sum, 0 to 1.
    pub target: f64,
    /// Answers that named it.
    pub answers: u64,
    /// Its share of answers, 0 to 1.
    pub answered: Option<f64>,
    /// Clients and the sample-ratio test, since this process began to count them; absent where none is counted.
    pub share: Option<HonestShare>,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricReport {
    /// Its name.
    pub metric: String,
    /// `mean` of numbers, or `share` of counts in totals.
    pub kind: MetricKind,
    /// Pool by pool.
    pub pools: Vec<Estimate>,
    /// Each pool against the first.
    pub comparisons: Vec<Difference>,
}

/// What is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MetricKind {
    /// The mean of numbers.
    Mean,
    /// A share: so many of so many.
    Share,
}

/// A metric on a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The pool.
    pub pool: String,
    /// Numbers, or the total of counts.
    pub n: u64,
    /// The mean or the share.
    pub estimate: Option<f64>,
    /// Its 95 % interval (Student, or Wilson), for one look.
    pub interval: Option<(f64, f64)>,
}

/// A pool against the first one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The pool.
    pub pool: String,
    /// The pool it is compared with.
    pub against: String,
    /// The pool's estimate less the other's.
    pub effect: Option<f64>,
    /// The 95 % interval of `effect` for one look (Welch, or Newcombe).
    pub interval: Option<(f64, f64)>,
    /// The interval that holds at every look; it decides.
    pub always_interval: Option<(f64, f64)>,
    /// The two-sided chance of such an effect without a difference, for one look (Welch; pooled z or Fisher).
    pub p: Option<f64>,
    /// What the interval that holds at every look says.
    pub verdict: Found,
    /// All of it in a sentence.
    pub line: String,
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// The pool is proven to have more.
    Higher,
    /// The pool is proven to have less.
    Lower,
    /// Neither is proven.
    Open,
    /// Too few samples to judge.
    TooFew,
}

/// The report of a test; `shares` has what is known of the clients of each pool, in the order of the file.
#[must_use]
pub fn report(switch: &str, trial: &Trial, since: String, shares: Vec<(String, Option<HonestShare>)>) -> TrialReport {
    let mut pools = pools(trial, shares);
    // The heaviest first; of equals the first in the file.
    pools.sort_by(|a, b| b.target.total_cmp(&a.target));
    let tests: Vec<f64> = pools.iter().filter_map(|pool| pool.share.as_ref()?.srm_p).collect();
    let split_kept = (!tests.is_empty()).then(|| tests.iter().all(|p| *p >= SRM_ALPHA));
    let metrics = trial.series.iter().map(|(name, series)| {
        let of = |pool: &PoolShare| (pool.pool.clone(), series.get(pool.pool.as_str()).copied());
        metric(name, &pools.iter().map(of).collect::<Vec<_>>())
    });
    let metrics: Vec<MetricReport> = metrics.collect();
    let cannot_say = limits(&pools, split_kept, &metrics);
    TrialReport { switch: switch.to_owned(), since, pools, split_kept, metrics, alpha: ALPHA, cannot_say }
}

fn pools(trial: &Trial, shares: Vec<(String, Option<HonestShare>)>) -> Vec<PoolShare> {
    let whole: f64 = trial.split.values().map(|weight| f64::from(*weight)).sum();
    let count = |pool: &str| trial.answers.get(pool).copied().unwrap_or(0);
    let taking_part: Vec<_> = shares.into_iter().filter(|(pool, _)| trial.has(pool)).collect();
    let all: f64 = taking_part.iter().map(|(pool, _)| precise(count(pool))).sum();
    let of = |(pool, share): (String, Option<HonestShare>)| PoolShare {
        target: trial.split.get(pool.as_str()).map_or(0.0, |weight| f64::from(*weight) / whole),
        answers: count(&pool),
        answered: (all > 0.0).then(|| precise(count(&pool)) / all),
        share,
        pool,
    };
    taking_part.into_iter().map(of).collect()
}

fn metric(name: &str, pools: &[(String, Option<Summary>)]) -> MetricReport {
    let shares = pools.iter().any(|(_, summary)| matches!(summary, Some(Summary::Counts { .. })));
    let first = pools.first();
    let comparisons = pools.iter().skip(1).filter_map(|pool| Some(difference(name, pool, first?)));
    MetricReport {
        metric: name.to_owned(),
        kind: if shares { MetricKind::Share } else { MetricKind::Mean },
        pools: pools.iter().map(|(pool, summary)| estimate(pool, summary.as_ref())).collect(),
        comparisons: comparisons.collect(),
    }
}

fn estimate(pool: &str, summary: Option<&Summary>) -> Estimate {
    let pool = pool.to_owned();
    match summary {
        None => Estimate { pool, n: 0, estimate: None, interval: None },
        Some(Summary::Values { n, mean, m2 }) => {
            let spread = Moments::from_squares(*n, *mean, *m2).sd();
            let half =
                spread.map(|sd| student::upper_quantile(ALPHA / 2.0, precise(*n) - 1.0) * sd / precise(*n).sqrt());
            let interval = half.ok().map(|half| ends(Interval::around(*mean, half)));
            Estimate { pool, n: *n, estimate: Some(*mean), interval }
        }
        Some(Summary::Counts { count, total }) => {
            let interval = counted(*count, *total).and_then(|count| wilson(count, ALPHA)).ok().map(ends);
            Estimate { pool, n: whole(*total), estimate: Some(count / total), interval }
        }
    }
}

/// What decides: effect, its standard error, its interval for one look, p, and the samples.
struct Compared {
    effect: f64,
    standard_error: f64,
    interval: Interval,
    p: f64,
    n: u64,
    enough: bool,
}

fn difference(metric: &str, pool: &(String, Option<Summary>), other: &(String, Option<Summary>)) -> Difference {
    let compared = match (&pool.1, &other.1) {
        (Some(ours), Some(theirs)) => compare(ours, theirs),
        _ => Err(Undecided::TooFew { needed: 1, got: 0 }),
    };
    let (name, against) = (pool.0.clone(), other.0.clone());
    let compared = match compared {
        Ok(compared) => compared,
        Err(why) => {
            let line = format!("{metric}: {name} and {against} cannot be compared: {why}");
            let (effect, verdict) = match why {
                Undecided::TooFew { .. } => (None, Found::TooFew),
                // No test can judge it; who reads it can.
                Undecided::NoVariance { difference } if enough_values(&pool.1) && enough_values(&other.1) => {
                    (Some(difference), Found::Open)
                }
                Undecided::NoVariance { difference } => (Some(difference), Found::TooFew),
                _ => (None, Found::Open),
            };
            return Difference {
                pool: name,
                against,
                effect,
                interval: None,
                always_interval: None,
                p: None,
                verdict,
                line,
            };
        }
    };
    let always = AsymptoticSequence::tuned(TUNED_FOR, ALPHA)
        .and_then(|sequence| sequence.interval(compared.effect, compared.standard_error, compared.n))
        .ok();
    let verdict = match always {
        _ if !compared.enough => Found::TooFew,
        Some(always) if always.low > 0.0 => Found::Higher,
        Some(always) if always.high < 0.0 => Found::Lower,
        _ => Found::Open,
    };
    let line = line(metric, &name, &against, compared.effect, always, verdict);
    Difference {
        pool: name,
        against,
        effect: Some(compared.effect),
        interval: Some(ends(compared.interval)),
        always_interval: always.map(ends),
        p: Some(compared.p),
        verdict,
        line,
    }
}

/// Whether a pool has as many numbers as are judged at least.
fn enough_values(summary: &Option<Summary>) -> bool {
    matches!(summary, Some(Summary::Values { n, .. }) if *n >= LEAST_VALUES)
}

fn line(metric: &str, pool: &str, other: &str, effect: f64, always: Option<Interval>, verdict: Found) -> String {
    let range = always.map_or_else(String::new, |always| {
        format!(", between {} and {} however often one looks", signed(always.low), signed(always.high))
    });
    let effect = signed(effect);
    match verdict {
        Found::Higher => format!("{metric}: {pool} is higher than {other} by {effect}{range}"),
        Found::Lower => format!("{metric}: {pool} is lower than {other}, {effect}{range}"),
        Found::Open => format!("{metric}: no difference of {pool} and {other} is proven: {effect}{range}"),
        Found::TooFew => format!(
            "{metric}: too few samples to judge {pool} and {other} (at least {LEAST_VALUES} numbers a pool, or \
             {LEAST_TRIALS} counted with {LEAST_EXPECTED} hits and misses expected): {effect} so far"
        ),
    }
}

fn compare(ours: &Summary, theirs: &Summary) -> Result<Compared, Undecided> {
    match (ours, theirs) {
        (Summary::Values { n, mean, m2 }, Summary::Values { n: m, mean: other, m2: spread }) => {
            let (ours, theirs) = (Moments::from_squares(*n, *mean, *m2), Moments::from_squares(*m, *other, *spread));
            let test = t_test(&ours, &theirs, Spread::Welch, ALPHA)?;
            Ok(Compared {
                effect: test.effect,
                standard_error: test.standard_error,
                interval: test.interval,
                p: test.p.two_sided,
                n: n + m,
                enough: *n.min(m) >= LEAST_VALUES,
            })
        }
        (Summary::Counts { count, total }, Summary::Counts { count: hits, total: of }) => {
            let (ours, theirs) = (counted(*count, *total)?, counted(*hits, *of)?);
            let test = proportions(ours, theirs, ALPHA)?;
            Ok(Compared {
                effect: test.effect,
                standard_error: unpooled_variance(ours, theirs)?.sqrt(),
                interval: test.interval,
                p: test.p.two_sided,
                n: ours.total() + theirs.total(),
                enough: ours.total().min(theirs.total()) >= LEAST_TRIALS
                    && least_expected(ours, theirs)? >= LEAST_EXPECTED,
            })
        }
        _ => Err(Undecided::Setting { name: "kind", wanted: "the same on both pools" }),
    }
}

/// What the numbers leave open, so that nobody reads it into them.
fn limits(pools: &[PoolShare], split_kept: Option<bool>, metrics: &[MetricReport]) -> Vec<String> {
    let mut limits = Vec::new();
    if split_kept == Some(false) {
        limits.push(
            "The split is not what was asked for: the sides differ in whom they got, so no difference below can be \
             put down to the pools"
                .to_owned(),
        );
    }
    if split_kept.is_none() {
        limits.push("Too few clients were seen to say whether the split is kept".to_owned());
    }
    if pools.len() < 2 {
        limits.push("One pool has all the weight: there is nothing to compare".to_owned());
    }
    if metrics.is_empty() {
        limits.push("No samples were pushed (POST /v1/switches/{switch}/samples): only shares are known".to_owned());
    } else {
        limits.push(
            "Each sample counts as independent of the others: where one user sends many, push one number a user, \
             else differences look surer than they are"
                .to_owned(),
        );
        limits.push("Means and shares are compared: medians and tails (p95) are not kept".to_owned());
    }
    let comparisons = metrics.iter().map(|metric| metric.comparisons.len()).sum::<usize>();
    if comparisons > 1 {
        limits.push(format!(
            "Each of {comparisons} comparisons errs at 5 % by itself: choose the one that decides before looking"
        ));
    }
    limits.push(
        "DNS answers are not requests: caches ask once for many users; what users did is known by samples alone"
            .to_owned(),
    );
    limits
}

/// Counts as whole numbers, which they are unless somebody pushes fractions.
fn counted(count: f64, total: f64) -> Result<Count, Undecided> {
    Count::new(whole(count), whole(total))
}

fn ends(interval: Interval) -> (f64, f64) {
    (interval.low, interval.high)
}

/// A difference with its sign.
fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", figure(value)) } else { figure(value) }
}

#[allow(clippy::cast_precision_loss)] // exact below 2^53
fn precise(count: u64) -> f64 {
    count as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, which is what is wanted
fn whole(value: f64) -> u64 {
    value.round() as u64
}

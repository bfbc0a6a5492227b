//! The canary's honest share: what was asked for, and what its side really got (§5.7).
//!
//! Under sticky a client is a canary or is not, so answers of one client are not independent: the
//! sample-ratio test counts clients. Under random each answer is drawn by itself, and answers are
//! counted. Few clients that take most answers make the share of requests stray; by how much, their
//! effective number says: 1 / sum of squared shares (Kish 1965).

use crate::stats::chi_square;
use crate::stats::sample_ratio::sample_ratio;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Below this chance the split is not what was asked for.
pub const SRM_ALPHA: f64 = 0.001;

/// Fewer clients (or answers, under random) on both sides together say nothing.
pub const LEAST: f64 = 20.0;

/// What one side took.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Side {
    /// Answers.
    pub answers: u64,
    /// Distinct clients, about.
    pub clients: f64,
    /// Standard error of `clients` as a share of it.
    pub clients_error: f64,
}

/// What was seen since the weights last moved.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// The released pool.
    pub canary: Side,
    /// All other pools together.
    pub others: Side,
    /// Clients of all pools, each once.
    pub clients: f64,
    /// The answers of the busiest clients.
    pub heavy: Vec<u64>,
    /// Requests of canary and others, where counters are given.
    pub requests: Option<(f64, f64)>,
    /// Whether each answer is drawn by itself (policy `random`).
    pub drawn: bool,
}

/// The canary's share, as asked for and as it is. Shares are from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HonestShare {
    /// Asked for.
    pub target: f64,
    /// Of answers.
    pub answered: Option<f64>,
    /// Of distinct clients.
    pub clients: Option<f64>,
    /// Distinct clients seen on all sides, about.
    pub clients_seen: f64,
    /// How many equally busy clients would make shares stray as much.
    pub effective_resolvers: Option<f64>,
    /// Expected standard deviation of the achieved share.
    pub deviation: Option<f64>,
    /// Of requests, where counters are given.
    pub achieved: Option<f64>,
    /// The chance of a split as far off as this one, if weights are kept; small: something is wrong.
    pub srm_p: Option<f64>,
    /// All of it in a sentence.
    pub words: String,
}

impl HonestShare {
    /// From what was seen under a canary's share of `target`.
    #[must_use]
    pub fn of(target: f64, seen: &Seen) -> Self {
        let answers = (precise(seen.canary.answers), precise(seen.others.answers));
        let clients = (seen.canary.clients, seen.others.clients);
        let effective = effective(answers.0 + answers.1, seen.clients, &seen.heavy);
        let mut share = Self {
            target,
            answered: ratio(answers.0, answers.1),
            clients: ratio(clients.0, clients.1),
            clients_seen: seen.clients,
            effective_resolvers: effective,
            deviation: effective.map(|n| (target * (1.0 - target) / n).sqrt()),
            achieved: seen.requests.and_then(|(canary, others)| ratio(canary, others)),
            srm_p: if seen.drawn { of_answers(target, seen) } else { of_clients(target, seen) },
            words: String::new(),
        };
        share.words = share.sentence(seen.drawn);
        share
    }

    fn sentence(&self, drawn: bool) -> String {
        let (Some(answered), Some(clients)) = (self.answered, self.clients) else {
            return format!("{} asked for; no answer was given since the weights moved", percent(self.target));
        };
        let mut words = format!(
            "{} asked for; {} of answers, {} of {}",
            percent(self.target),
            percent(answered),
            percent(clients),
            if self.clients_seen.round() > 1.0 {
                format!("about {} clients", self.clients_seen.round())
            } else {
                "one client".to_owned()
            }
        );
        if let Some(achieved) = self.achieved {
            words.push_str(&format!(", {} of requests", percent(achieved)));
        }
        if let (Some(effective), Some(deviation)) = (self.effective_resolvers, self.deviation.filter(|_| !drawn)) {
            words.push_str(&format!(
                "; they stray like {}, by {} points",
                match one_digit(effective) {
                    one if one == "1" => "a single one".to_owned(),
                    many => format!("{many} equal ones"),
                },
                one_digit(deviation * 100.0)
            ));
        }
        match self.srm_p {
            Some(p) if p < SRM_ALPHA => words.push_str(&format!("; the split is not what was asked for (p = {p:.1e})")),
            Some(_) => words.push_str("; the split is as asked for"),
            None => words.push_str("; too few to test the split"),
        }
        words
    }
}

/// Sample-ratio test of clients: estimates of their numbers are blurred, and so is the test.
fn of_clients(target: f64, seen: &Seen) -> Option<f64> {
    let (canary, others) = (seen.canary.clients, seen.others.clients);
    let n = canary + others;
    if !(target > 0.0 && target < 1.0 && n >= LEAST) {
        return None;
    }
    let chance = n * target * (1.0 - target);
    let blur = (1.0 - target).powi(2) * (canary * seen.canary.clients_error).powi(2)
        + target.powi(2) * (others * seen.others.clients_error).powi(2);
    let counts = [whole(canary), whole(others)];
    let test = sample_ratio(&counts, &[target, 1.0 - target]).ok()?;
    Some(chi_square::above(test.chi_square * chance / (chance + blur), f64::from(test.df)))
}

/// Sample-ratio test of answers that are drawn one by one.
fn of_answers(target: f64, seen: &Seen) -> Option<f64> {
    let counts = [seen.canary.answers, seen.others.answers];
    let enough = precise(counts[0]) + precise(counts[1]) >= LEAST;
    let inside = target > 0.0 && target < 1.0;
    sample_ratio(&counts, &[target, 1.0 - target]).ok().filter(|_| enough && inside).map(|test| test.p)
}

/// 1 / sum of squared shares: the busiest by their answers, the rest as if they were alike.
fn effective(answers: f64, clients: f64, heavy: &[u64]) -> Option<f64> {
    if answers <= 0.0 {
        return None;
    }
    let named: f64 = heavy.iter().map(|count| precise(*count)).sum();
    let squares: f64 = heavy.iter().map(|count| (precise(*count) / answers).powi(2)).sum();
    let rest = (answers - named).max(0.0) / answers;
    let others = (clients - precise(heavy.len() as u64)).max(1.0);
    Some(1.0 / (squares + rest * rest / others))
}

fn ratio(part: f64, rest: f64) -> Option<f64> {
    (part + rest > 0.0).then(|| part / (part + rest))
}

#[allow(clippy::cast_precision_loss)] // counts below 2^53
fn precise(count: u64) -> f64 {
    count as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, which is what is wanted
fn whole(value: f64) -> u64 {
    value.round() as u64
}

fn percent(share: f64) -> String {
    format!("{} %", one_digit(share * 100.0))
}

/// One digit behind the point, two below one.
fn one_digit(value: f64) -> String {
    let text = if value.abs() < 1.0 { format!("{value:.2}") } else { format!("{value:.1}") };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

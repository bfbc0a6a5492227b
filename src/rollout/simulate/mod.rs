//! What a plan would do to a population: shares per step, how far they stray, time to drain (§5.8).
//!
//! Chooses by the compiled switch itself, so the sticky choice is the one clients will get, bit by
//! bit. Each resolver keeps an answer for the TTL and asks anew at its users' next request, so it
//! asks once in TTL + 1/rate on average (renewal of a cache under Poisson requests: Jung, Berger,
//! Balakrishnan 2003). A repetition draws another salt, other moments and, under `random`, other
//! answers. The same seed gives the same figures.

mod play;

use super::population::Population;
use super::seeded::Seeded;
use super::{Plan, PlanKind, WHOLE};
use crate::steering::{NetworkRules, Policy, Switch};
use play::{Caching, Played, Ready};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The switch; its weights do not matter.
    pub switch: &'a Arc<Switch>,
    /// Whom its rules concern by network, with what databases have for them.
    pub networks: Option<&'a Arc<NetworkRules>>,
    /// The pool that has everything before.
    pub stable: &'a Arc<str>,
    /// The pool that is released.
    pub canary: &'a Arc<str>,
    /// The steps.
    pub plan: &'a Plan,
    /// The TTL while the rollout runs, seconds.
    pub ttl_s: u32,
    /// Who asks.
    pub population: &'a Population,
    /// The salt in force, where the population is the real one.
    pub salt: Option<&'a str>,
    /// Decides all chance.
    pub seed: u64,
    /// How often it is played.
    pub repetitions: u32,
}

/// Why nothing is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    /// Weights of a rolling plan never move.
    #[error("a rolling plan moves no weight: there are no shares to simulate")]
    Rolling,
    /// A policy that does not go by weights, or that no rollout moves.
    #[error("only switches under `sticky` and `random` have rollouts")]
    Policy,
    /// More work than anybody waits for.
    #[error("{0} resolvers, steps and repetitions multiplied are too many: at most 400 million; use fewer repetitions")]
    Work(u64),
}

/// How a figure comes out over the repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation; 0 for a single repetition.
    pub sd: f64,
    /// One repetition in twenty is below.
    pub p5: f64,
    /// One in twenty is above.
    pub p95: f64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepExposure {
    /// From 1.
    pub step: usize,
    /// The canary's weight as a share, 0 to 1: what is asked for.
    pub target: f64,
    /// How long it holds, milliseconds; `None`: the last step, which is promoted at once.
    pub hold_ms: Option<u64>,
    /// Share of answers, from the weights and rules.
    pub expected: f64,
    /// Share of the users' requests over the hold: less while old answers are still cached.
    pub expected_requests: f64,
    /// How far the share of requests strays by the formula: sqrt(w (1 - w) sum p^2) when it is sticky.
    pub expected_deviation: f64,
    /// Simulated share of answers.
    pub answers: Spread,
    /// Simulated share of the client keys that ask.
    pub clients: Spread,
    /// Simulated share of requests over the hold.
    pub requests: Spread,
    /// Chance that nobody is answered with the canary during the hold.
    pub nobody: f64,
    /// Repetitions in which that was so, as a share.
    pub nobody_seen: f64,
    /// Share of requests with the salt in force, once old answers are gone.
    pub with_salt: Option<f64>,
}

/// After the last step, from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Draining {
    /// Half of the requests that can still follow an old answer have moved, milliseconds.
    pub half_moved_ms: u64,
    /// No cache that honours the TTL holds the old side any more, milliseconds.
    pub dns_drained_ms: u64,
    /// The tail is over as well, milliseconds.
    pub drained_ms: u64,
    /// The old side is no longer kept for `undo`, milliseconds.
    pub warm_ms: u64,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Simulation {
    /// Resolvers of the population.
    pub resolvers: usize,
    /// Distinct client keys among them.
    pub clients: u32,
    /// How many equal client keys would stray as much: 1 / sum of squared shares.
    pub effective_resolvers: f64,
    /// Requests by second.
    pub requests_per_second: f64,
    /// Queries by second that reach this server.
    pub answers_per_second: f64,
    /// `sticky` or `random`.
    pub policy: Policy,
    /// The TTL while it runs, seconds.
    pub ttl_s: u32,
    /// The seed.
    pub seed: u64,
    /// How often it was played.
    pub repetitions: u32,
    /// Step by step.
    pub steps: Vec<StepExposure>,
    /// From the start to the last step, milliseconds, when nothing waits.
    pub until_promoted_ms: u64,
    /// After the last step.
    pub drain: Draining,
}

/// Plays a plan.
///
/// # Errors
/// When there is nothing to simulate, or too much.
pub fn simulate(setup: &Setup<'_>) -> Result<Simulation, SimulationError> {
    if setup.plan.kind == PlanKind::Rolling {
        return Err(SimulationError::Rolling);
    }
    if !matches!(setup.switch.policy, Policy::Sticky | Policy::Random) {
        return Err(SimulationError::Policy);
    }
    let population = setup.population;
    let work = (population.resolvers().len() as u64)
        .saturating_mul(setup.plan.steps.len() as u64)
        .saturating_mul(u64::from(setup.repetitions));
    if work > 400_000_000 {
        return Err(SimulationError::Work(work));
    }
    let ready: Vec<Ready> = setup.plan.steps.iter().map(|step| setup.ready(step)).collect();
    let mut played = vec![Vec::with_capacity(setup.repetitions as usize); ready.len()];
    for run in 0..setup.repetitions {
        let mut draws = Seeded::of_run(setup.seed, u64::from(run));
        let salt = format!("simulated {:016x}", draws.draw());
        for (step, outcome) in played.iter_mut().zip(setup.play(&ready, &salt, &mut draws)) {
            step.push(outcome);
        }
    }
    let with_salt = setup.salt.filter(|_| setup.switch.policy == Policy::Sticky).map(|salt| {
        let outcomes = setup.play(&ready, salt, &mut Seeded::new(setup.seed));
        outcomes.into_iter().map(|outcome| outcome.settled).collect::<Vec<_>>()
    });
    let steps = ready.iter().enumerate().map(|(at, step)| {
        let before = at.checked_sub(1).and_then(|before| ready.get(before));
        let outcomes = played.get(at).map_or(&[][..], Vec::as_slice);
        let with_salt = with_salt.as_ref().and_then(|shares| shares.get(at)).copied();
        setup.exposure(at, step, before, outcomes, with_salt)
    });
    let ttl = f64::from(setup.ttl_s);
    let asked = |qps: f64| if qps > 0.0 { 1.0 / (ttl + 1.0 / qps) } else { 0.0 };
    Ok(Simulation {
        resolvers: population.resolvers().len(),
        clients: population.key_count(),
        effective_resolvers: population.effective(),
        requests_per_second: population.qps(),
        answers_per_second: population.resolvers().iter().map(|resolver| asked(resolver.qps)).sum(),
        policy: setup.switch.policy,
        ttl_s: setup.ttl_s,
        seed: setup.seed,
        repetitions: setup.repetitions,
        steps: steps.collect(),
        until_promoted_ms: setup.until_promoted_ms(),
        drain: setup.draining(),
    })
}

impl Setup<'_> {
    /// A step's figures by formula and by play.
    fn exposure(
        &self,
        at: usize,
        step: &Ready,
        before: Option<&Ready>,
        played: &[Played],
        with_salt: Option<f64>,
    ) -> StepExposure {
        let total = self.population.qps();
        let (mut expected, mut of_requests, mut squares) = ((0.0, 0.0), 0.0, 0.0);
        let mut missed_by_key = vec![1.0; self.population.key_count() as usize];
        let sticky = self.switch.policy == Policy::Sticky;
        let people = self.population.resolvers().iter().zip(self.population.keys());
        for (index, (resolver, key)) in people.enumerate() {
            let caching = Caching::of(resolver.qps, step.hold_s, f64::from(self.ttl_s));
            let (chance, was) = (step.chance(index), before.map_or(0.0, |before| before.chance(index)));
            let p = resolver.qps / total;
            expected.0 += caching.asks * caching.answers * chance;
            expected.1 += caching.asks * caching.answers;
            of_requests += p * (chance - (chance - was) * caching.expected_rest_s() / caching.hold_s);
            squares += p * p * chance * (1.0 - chance) / caching.answers.max(1.0);
            if let Some(missed) = missed_by_key.get_mut(*key as usize) {
                // Under sticky only the key's first resolver to ask matters; under random each answer is a try.
                *missed *= if sticky { 1.0 - caching.asks } else { caching.misses(chance) };
            }
        }
        let chances_of_keys = self.chances_of_keys(step);
        if sticky {
            let rates = self.population.rates_by_key();
            squares = rates.iter().zip(&chances_of_keys).map(|(rate, w)| (rate / total).powi(2) * w * (1.0 - w)).sum();
            for (missed, chance) in missed_by_key.iter_mut().zip(&chances_of_keys) {
                *missed = 1.0 - chance * (1.0 - *missed);
            }
        }
        let spread = |figure: fn(&Played) -> f64| Spread::of(played.iter().map(figure).collect());
        StepExposure {
            step: at + 1,
            target: f64::from(step.share) / f64::from(WHOLE),
            hold_ms: self.plan.steps.get(at).and_then(|step| self.plan.hold_ms(step, self.ttl_s)),
            expected: ratio(expected.0, expected.1),
            expected_requests: of_requests,
            expected_deviation: squares.sqrt(),
            answers: spread(|played| played.answers),
            clients: spread(|played| played.clients),
            requests: spread(|played| played.requests),
            nobody: missed_by_key.iter().product(),
            nobody_seen: spread(|played| f64::from(u8::from(played.nobody))).mean,
            with_salt,
        }
    }

    /// The chance of each client key, by its first resolver: rules end at prefixes no longer than keys, mostly.
    fn chances_of_keys(&self, step: &Ready) -> Vec<f64> {
        let mut chances = vec![f64::NAN; self.population.key_count() as usize];
        for (index, key) in self.population.keys().iter().enumerate() {
            if let Some(chance) = chances.get_mut(*key as usize).filter(|chance| chance.is_nan()) {
                *chance = step.chance(index);
            }
        }
        chances
    }

    fn until_promoted_ms(&self) -> u64 {
        let before = if self.plan.before.is_empty() { 0 } else { self.plan.before_hold_ms };
        let last = self.plan.steps.len().saturating_sub(1);
        let steps = self.plan.steps.iter().take(last);
        steps.filter_map(|step| self.plan.hold_ms(step, self.ttl_s)).fold(before, u64::saturating_add)
    }

    fn draining(&self) -> Draining {
        /// Beyond the last promise, as the drain ledger has it.
        const SLACK_MS: u64 = 5_000;
        let ttl_ms = u64::from(self.ttl_s) * 1000;
        Draining {
            // Cached answers end evenly over the TTL.
            half_moved_ms: ttl_ms / 2,
            dns_drained_ms: ttl_ms + SLACK_MS,
            drained_ms: ttl_ms + (u64::from(self.switch.tail_s) * 1000).max(SLACK_MS),
            warm_ms: self.plan.warm_ms,
        }
    }
}

impl Spread {
    #[allow(clippy::cast_precision_loss)] // few repetitions
    fn of(mut values: Vec<f64>) -> Self {
        let n = values.len() as f64;
        if values.is_empty() {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        values.sort_by(f64::total_cmp);
        let at = |per_mille: usize| values.get((values.len() - 1) * per_mille / 1000).copied().unwrap_or(mean);
        let sd = if values.len() < 2 { 0.0 } else { (squares / (n - 1.0)).sqrt() };
        Self { mean, sd, p5: at(50), p95: at(950) }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

//! One repetition: every resolver, step by step, with its cache.

use super::{Setup, ratio};
use crate::rollout::seeded::Seeded;
use crate::rollout::{Step, WHOLE};
use crate::steering::{Client, CompiledSwitch, MemberHealth, Policy, PoolInput, PoolSlot, SwitchInput, compile};

/// One resolver's caching during one hold, in expectation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caching {
    pub(super) hold_s: f64,
    ttl_s: f64,
    /// Chance that it asks at all.
    pub(super) asks: f64,
    /// Answers it takes, if it asks.
    pub(super) answers: f64,
    /// Chance that it holds an answer at a given moment.
    holds: f64,
}

/// A step made ready.
pub(super) struct Ready {
    pub(super) share: u16,
    pub(super) hold_s: f64,
    /// Per resolver: the chance that an answer names the canary; one for all without rules.
    pub(super) chances: Vec<f64>,
}

/// One step of one repetition.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Played {
    pub(super) answers: f64,
    pub(super) clients: f64,
    pub(super) requests: f64,
    pub(super) settled: f64,
    pub(super) nobody: bool,
}

impl Caching {
    pub(super) fn of(qps: f64, hold_s: f64, ttl_s: f64) -> Self {
        if qps <= 0.0 {
            return Self { hold_s, ttl_s, asks: 0.0, answers: 0.0, holds: 0.0 };
        }
        let asks = -(-qps * hold_s).exp_m1();
        let answers = hold_s / (ttl_s + 1.0 / qps) / asks;
        Self { hold_s, ttl_s, asks, answers: answers.max(1.0), holds: qps * ttl_s / (1.0 + qps * ttl_s) }
    }

    /// Expected time on the answer from before the step, seconds.
    pub(super) fn expected_rest_s(&self) -> f64 {
        let rest = if self.hold_s >= self.ttl_s {
            self.ttl_s / 2.0
        } else {
            self.hold_s * (1.0 - self.hold_s / (2.0 * self.ttl_s))
        };
        self.holds * rest
    }

    /// A draw of that time.
    fn rest_s(&self, draws: &mut Seeded) -> f64 {
        let (held, left) = (draws.fraction() < self.holds, draws.fraction() * self.ttl_s);
        if held { left.min(self.hold_s) } else { 0.0 }
    }

    /// Chance that none of its answers names the canary.
    pub(super) fn misses(&self, chance: f64) -> f64 {
        1.0 - self.asks * (1.0 - (1.0 - chance).powf(self.answers))
    }
}

impl Setup<'_> {
    /// The switch as it answers when the canary has this share and everybody is healthy.
    fn compiled(&self, share: u16, salt: &str) -> CompiledSwitch {
        let switch = self.switch;
        let split = self.plan.split(switch.pools.iter().map(|pool| &pool.name), self.stable, self.canary, share);
        let weights: Vec<u16> = switch.pools.iter().map(|pool| split.get(&pool.name).copied().unwrap_or(0)).collect();
        let pools = switch.pools.iter().map(|pool| PoolInput {
            slot: PoolSlot(0),
            health: vec![MemberHealth { eligible: true }; pool.members.len()],
            eligible: true,
            why: None,
        });
        compile(&SwitchInput {
            definition: switch,
            networks: self.networks,
            ttl_s: self.ttl_s,
            ttl_cause: "",
            weights: &weights,
            salt,
            pools: pools.collect(),
            last_active: Vec::new(),
            capped: None,
            target_ttl: &|_| None,
        })
    }

    fn canary_index(&self) -> Option<usize> {
        self.switch.pool(self.canary).map(|(at, _)| at)
    }

    /// A hold as it is judged; a step without one as long as the shortest.
    pub(super) fn hold_s(&self, hold_ms: Option<u64>) -> f64 {
        let ms = hold_ms.unwrap_or_else(|| self.plan.hold_floor_ms(self.ttl_s)).max(1);
        #[allow(clippy::cast_precision_loss)] // a month at most
        let ms = ms as f64;
        ms / 1000.0
    }

    pub(super) fn ready(&self, step: &Step) -> Ready {
        let share = step.weight;
        let hold_s = self.hold_s(self.plan.hold_ms(step, self.ttl_s));
        let whole = f64::from(share) / f64::from(WHOLE);
        if self.switch.rules.is_empty() {
            return Ready { share, hold_s, chances: vec![whole] };
        }
        // Rules come before weights: what a client takes part with is laid open by the switch itself.
        let compiled = self.compiled(share, "");
        let chance = |address| {
            let explained = compiled.explain(&Client { address, subnet: None, label: None }, 0);
            let parts = explained.pools.iter().map(|pool| (&pool.name, f64::from(pool.took_part_with.unwrap_or(0))));
            let sum: f64 = parts.clone().map(|(_, weight)| weight).sum();
            if sum > 0.0 {
                parts.filter(|(name, _)| ***name == **self.canary).map(|(_, weight)| weight).sum::<f64>() / sum
            } else {
                f64::from(u8::from(explained.pool.as_deref() == Some(&**self.canary)))
            }
        };
        let chances = self.population.resolvers().iter().map(|resolver| chance(resolver.address)).collect();
        Ready { share, hold_s, chances }
    }

    /// Every step once, under one salt.
    pub(super) fn play(&self, ready: &[Ready], salt: &str, draws: &mut Seeded) -> Vec<Played> {
        let mut before = vec![false; self.population.resolvers().len()];
        ready.iter().map(|step| self.play_step(step, salt, &mut before, draws)).collect()
    }

    /// One step; `before` tells whose cached answer names the canary, and is brought up to date.
    fn play_step(&self, step: &Ready, salt: &str, before: &mut [bool], draws: &mut Seeded) -> Played {
        let compiled = self.compiled(step.share, salt);
        let sticky = self.switch.policy == Policy::Sticky;
        let canary = self.canary_index();
        let mut keys = vec![(false, false); self.population.key_count() as usize];
        let (mut answers, mut requests, mut settled) = ((0.0, 0.0), (0.0, 0.0), 0.0);
        let people = self.population.resolvers().iter().zip(self.population.keys()).zip(before.iter_mut());
        for (at, ((resolver, key), was)) in people.enumerate() {
            let caching = Caching::of(resolver.qps, step.hold_s, f64::from(self.ttl_s));
            let (asked, rest_s) = (draws.fraction() < caching.asks, caching.rest_s(draws));
            // The share of this resolver's new answers that name the canary, and of how many.
            let (share, taken) = if sticky {
                let client = Client { address: resolver.address, subnet: None, label: None };
                let hit = compiled.choose(&client, 0).pool == canary;
                (f64::from(u8::from(hit)), caching.answers)
            } else {
                let taken = draws.rounded(caching.answers).max(1.0);
                (draws.binomial(taken, step.chance(at)) / taken, taken)
            };
            let old_s = if *was { rest_s } else { 0.0 };
            requests.0 += resolver.qps * (old_s + (step.hold_s - rest_s) * share);
            requests.1 += resolver.qps * step.hold_s;
            settled += resolver.qps * step.hold_s * share;
            if asked {
                answers.0 += taken * share;
                answers.1 += taken;
                if let Some(seen) = keys.get_mut(*key as usize) {
                    *seen = (true, seen.1 || share > 0.0);
                }
            }
            *was = if sticky { share > 0.0 } else { draws.fraction() < share };
        }
        let (asking, hits) = keys
            .iter()
            .fold((0u32, 0u32), |(asking, hits), (asked, hit)| (asking + u32::from(*asked), hits + u32::from(*hit)));
        Played {
            answers: ratio(answers.0, answers.1),
            clients: ratio(f64::from(hits), f64::from(asking)),
            requests: ratio(requests.0, requests.1),
            settled: ratio(settled, requests.1),
            nobody: answers.0 == 0.0,
        }
    }
}

impl Ready {
    pub(super) fn chance(&self, resolver: usize) -> f64 {
        self.chances.get(resolver).or_else(|| self.chances.first()).copied().unwrap_or(0.0)
    }
}

//! From a definition, the weights in force and observed health to a [`CompiledSwitch`].

use super::capped::Capped;
use super::labels::LabelRules;
use super::networks::Ruled;
use super::partition::Outcome;
use super::table::{Method, Table};
use super::{CompiledPool, CompiledSwitch, NetworkRules, PoolIndex, PoolSlot, RuleMatch, RuleTarget, Switch};
use super::{compiled, fallback, set, sticky};
use crate::dns::Name;
use std::sync::Arc;

/// Everything a compiled switch depends on.
pub struct SwitchInput<'a> {
    /// What the operator wrote.
    pub definition: &'a Arc<Switch>,
    /// Whom its rules concern, if any goes by network.
    pub networks: Option<&'a Arc<NetworkRules>>,
    /// The TTL in force, seconds.
    pub ttl_s: u32,
    /// Why it is that, in words for `explain`.
    pub ttl_cause: &'static str,
    /// Weights in force, one per pool.
    pub weights: &'a [u16],
    /// The salt in force.
    pub salt: &'a str,
    /// Health and slots, one per pool.
    pub pools: Vec<PoolInput>,
    /// The pools that last had weight, by index.
    pub last_active: Vec<usize>,
    /// The pool that must not get more than its weight's share, by index: the canary of a running
    /// rollout that does not spill (§5.3).
    pub capped: Option<usize>,
    /// The TTL of the sets at a name, if the name is ours.
    pub target_ttl: &'a dyn Fn(&Name) -> Option<u32>,
}

/// What is known about a pool when its switch is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolInput {
    /// Where its answers are counted.
    pub slot: PoolSlot,
    /// One per member.
    pub health: Vec<MemberHealth>,
    /// Whether health and overrides let it be answered.
    pub eligible: bool,
    /// The override on it, or what keeps it from being eligible, in words for `explain`.
    pub why: Option<String>,
}

/// What is known about a member when its switch is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberHealth {
    /// Healthy, or forced up.
    pub eligible: bool,
}

/// Compiles a switch; health, overrides and weights are settled here, not per query.
#[must_use]
pub fn compile(input: &SwitchInput<'_>) -> CompiledSwitch {
    let definition = input.definition;
    let mut tables = Tables::new(input);
    let (networks, labels) = compile_rules(input, &mut tables);
    let mut list = tables.list.into_iter();
    let main = list.next().expect("the main weights have a table");
    let said = input.pools.iter().any(|pool| pool.why.is_some());
    let pools = compile_pools(input);
    CompiledSwitch {
        definition: Arc::clone(definition),
        ttl_s: input.ttl_s,
        carried: compiled::carried(&pools),
        pools,
        capped: tables.capped,
        stable: None,
        watch: None,
        main,
        others: list.collect(),
        networks,
        labels: (!labels.is_empty()).then(|| Box::new(labels)),
        ttl_cause: input.ttl_cause,
        salt: (input.salt != definition.salt()).then(|| input.salt.into()),
        why: said.then(|| input.pools.iter().map(|pool| pool.why.clone()).collect()),
    }
}

/// Rules by whom they concern; those that cannot be honoured lead to the main weights.
fn compile_rules(input: &SwitchInput<'_>, tables: &mut Tables<'_>) -> (Option<Box<Ruled>>, LabelRules) {
    let (mut labels, mut prefixes) = (Vec::new(), Vec::new());
    let leads: Vec<Outcome> = input.definition.rules.iter().map(|rule| tables.for_rule(&rule.target)).collect();
    for (rule, table) in input.definition.rules.iter().zip(&leads) {
        match &rule.matches {
            RuleMatch::Labels(list) => labels.extend(list.iter().map(|label| (Arc::clone(label), *table))),
            RuleMatch::LabelPrefixes(list) => prefixes.extend(list.iter().map(|prefix| (Arc::clone(prefix), *table))),
            RuleMatch::Networks(_) | RuleMatch::Asns(_) | RuleMatch::Countries(_) => {}
        }
    }
    let networks = input.networks.map(|rules| {
        let by_class = rules.rules().iter().map(|rule| leads.get(*rule).copied().unwrap_or(0));
        let leads = rules.leading_to(std::iter::once(0).chain(by_class).collect());
        Box::new(Ruled { rules: Arc::clone(rules), leads })
    });
    (networks, LabelRules::new(labels, prefixes))
}

fn compile_pools(input: &SwitchInput<'_>) -> Box<[CompiledPool]> {
    let definition = input.definition;
    let compiled = definition.pools.iter().zip(&input.pools).enumerate().map(|(at, (pool, observed))| {
        let wanted =
            |member: usize| !observed.eligible || observed.health.get(member).is_some_and(|health| health.eligible);
        CompiledPool {
            name: Arc::clone(&pool.name),
            slot: observed.slot,
            eligible: observed.eligible,
            weight: input.weights.get(at).copied().unwrap_or(0),
            sets: set::compile(definition, pool, input.ttl_s, &wanted, input.target_ttl),
        }
    });
    compiled.collect()
}

/// The tables made so far; equal ones are made once, so that rules with one outcome share a prefix.
struct Tables<'a> {
    definition: &'a Switch,
    eligible: Vec<bool>,
    names: Vec<&'a str>,
    key: [u64; 2],
    /// As the input has it, unless no other pool has weight: a share that is everything has no bound.
    capped: Option<usize>,
    /// The main weights without the capped pool; the fallback without it when none of them is eligible.
    rest: Table,
    list: Vec<Table>,
}

impl<'a> Tables<'a> {
    /// Makes table 0: the main weights, or the fallback when nobody with weight is eligible.
    fn new(input: &SwitchInput<'a>) -> Self {
        let definition: &'a Switch = input.definition;
        let weights: Vec<(usize, u16)> =
            (0..definition.pools.len()).map(|at| (at, input.weights.get(at).copied().unwrap_or(0))).collect();
        let capped = input.capped.filter(|capped| weights.iter().any(|(at, weight)| at != capped && *weight > 0));
        let mut tables = Self {
            definition,
            eligible: input.pools.iter().map(|pool| pool.eligible).collect(),
            names: definition.pools.iter().map(|pool| &*pool.name).collect(),
            key: sticky::salt_key(input.salt),
            capped,
            rest: Table { method: Method::Nobody, by_fallback: true },
            list: Vec::new(),
        };
        let others = tables.without_capped(tables.may_win(&weights));
        tables.rest = if others.is_empty() {
            let left = fallback::candidates(definition, input.weights, &tables.eligible, &input.last_active, capped);
            tables.table(&left, true)
        } else {
            tables.table(&others, false)
        };
        let main = tables.chosen_by(&weights);
        tables.number_of(main);
        tables
    }

    /// The table a rule leads to: its own, or the main one when none of its pools is eligible.
    fn for_rule(&mut self, target: &RuleTarget) -> Outcome {
        let index = |name: &Arc<str>| self.definition.pool(name).map(|(at, _)| at);
        let mut wanted: Vec<(usize, u16)> = match target {
            RuleTarget::Pool(name) => index(name).map(|at| (at, 1)).into_iter().collect(),
            RuleTarget::Weights(weights) => {
                weights.iter().filter_map(|(name, weight)| Some((index(name)?, *weight))).collect()
            }
        };
        wanted.sort_unstable();
        if wanted.iter().all(|(_, weight)| *weight == 0) {
            return 0;
        }
        let table = self.chosen_by(&wanted);
        self.number_of(table)
    }

    /// The table of these weights: their eligible pools, else what is left of the main ones.
    ///
    /// When another pool than the capped one fell out, the capped one wins the clients it wins
    /// beside it (§5.3), and nobody else.
    fn chosen_by(&self, weights: &[(usize, u16)]) -> Table {
        let winners = self.may_win(weights);
        let capped = self.capped.and_then(|capped| winners.iter().find(|(at, _)| usize::from(*at) == capped));
        let all: Vec<_> = weights.iter().copied().filter(|(_, weight)| *weight > 0).filter_map(indexed).collect();
        let Some((capped, _)) = capped.copied().filter(|_| winners.len() < all.len()) else {
            return if winners.is_empty() { self.rest.clone() } else { self.table(&winners, false) };
        };
        let others = self.without_capped(winners);
        let rest = if others.is_empty() { self.rest.clone() } else { self.table(&others, false) };
        let first = self.table(&all, false);
        match first.method {
            Method::Only(pool) if pool == capped => first,
            Method::Only(_) => rest,
            _ => {
                let capped = Capped { pool: capped, first, rest };
                Table { method: Method::Capped(Box::new(capped)), by_fallback: false }
            }
        }
    }

    /// These candidates but for the capped pool.
    fn without_capped(&self, mut candidates: Vec<(PoolIndex, u16)>) -> Vec<(PoolIndex, u16)> {
        candidates.retain(|(at, _)| self.capped != Some(usize::from(*at)));
        candidates
    }

    /// Those that are eligible and have weight: zero is exactly zero (§1.5).
    fn may_win(&self, weights: &[(usize, u16)]) -> Vec<(PoolIndex, u16)> {
        let eligible = |pool: usize| self.eligible.get(pool).copied().unwrap_or(false);
        let winners = weights.iter().copied().filter(|(pool, weight)| *weight > 0 && eligible(*pool));
        winners.filter_map(indexed).collect()
    }

    fn table(&self, candidates: &[(PoolIndex, u16)], by_fallback: bool) -> Table {
        Table::new(self.definition.policy, candidates, &self.names, self.key, by_fallback)
    }

    /// The number of this table. Beyond 65535 different ones: the main weights.
    fn number_of(&mut self, table: Table) -> Outcome {
        let at = self.list.iter().position(|known| *known == table).unwrap_or_else(|| {
            self.list.push(table);
            self.list.len() - 1
        });
        Outcome::try_from(at).unwrap_or(0)
    }
}

/// A pool's index as tables hold it.
fn indexed((pool, weight): (usize, u16)) -> Option<(PoolIndex, u16)> {
    Some((PoolIndex::try_from(pool).ok()?, weight))
}

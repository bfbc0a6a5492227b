//! Who is answered when no pool is eligible (§1.9). Never SERVFAIL: resolvers cache failures.

use super::{Fallback, PoolIndex, Switch};

/// The fallback's pools with the weights they are chosen by, in the order of the file.
///
/// Weights in force count where they are above 0; pools without take part as equals. A capped pool
/// is left out; where nothing is left, the pools with weight answer for themselves, health ignored.
pub(super) fn candidates(
    definition: &Switch,
    weights: &[u16],
    eligible: &[bool],
    last_active: &[usize],
    capped: Option<usize>,
) -> Vec<(PoolIndex, u16)> {
    let mut named = named_by(definition, weights, eligible, last_active, capped);
    if named.is_empty() && definition.fallback != Fallback::NoData {
        named = with_weight(weights, capped);
    }
    let weighted: Vec<_> = named.iter().copied().filter(|(_, weight)| *weight > 0).collect();
    if weighted.is_empty() || definition.fallback == Fallback::All {
        named.into_iter().map(|(pool, _)| (pool, 1)).collect()
    } else {
        weighted
    }
}

/// Which pools the fallback means, with their weights in force (0 where they have none).
fn named_by(
    definition: &Switch,
    weights: &[u16],
    eligible: &[bool],
    last_active: &[usize],
    capped: Option<usize>,
) -> Vec<(PoolIndex, u16)> {
    let weight = |pool: usize| weights.get(pool).copied().unwrap_or(0);
    let pick = |wanted: &dyn Fn(usize) -> bool| -> Vec<(PoolIndex, u16)> {
        (0..definition.pools.len())
            .filter(|pool| capped != Some(*pool) && wanted(*pool))
            .filter_map(|pool| Some((PoolIndex::try_from(pool).ok()?, weight(pool))))
            .collect()
    };
    let last = || {
        let last = pick(&|pool| last_active.contains(&pool));
        if last.is_empty() { with_weight(weights, capped) } else { last }
    };
    match &definition.fallback {
        Fallback::LastActive => last(),
        Fallback::Standby => {
            let standby = pick(&|pool| weight(pool) == 0 && eligible.get(pool).copied().unwrap_or(false));
            if standby.is_empty() { last() } else { standby }
        }
        Fallback::All => pick(&|_| true),
        Fallback::Pool(name) => pick(&|pool| definition.pools.get(pool).is_some_and(|p| p.name == *name)),
        Fallback::NoData => Vec::new(),
    }
}

/// The pools with weight, but for the capped one.
fn with_weight(weights: &[u16], capped: Option<usize>) -> Vec<(PoolIndex, u16)> {
    let others = weights.iter().enumerate().filter(|(pool, weight)| **weight > 0 && capped != Some(*pool));
    others.filter_map(|(pool, weight)| Some((PoolIndex::try_from(pool).ok()?, *weight))).collect()
}

/// For each pool, whether any answer could name it whatever health does: by weight, rule or fallback.
///
/// What a drain ledger has to assume about the moments before a crash (§4.1).
#[must_use]
pub fn may_be_answered(definition: &Switch, weights: &[u16], last_active: &[usize]) -> Vec<bool> {
    let by_rule = named_by_rules(definition);
    let by_fallback: Vec<bool> = match &definition.fallback {
        // A standby may be any pool at 0, depending on health.
        Fallback::All | Fallback::Standby => vec![true; definition.pools.len()],
        _ => {
            let named = named_by(definition, weights, &[], last_active, None);
            (0..definition.pools.len()).map(|pool| named.iter().any(|(index, _)| usize::from(*index) == pool)).collect()
        }
    };
    (0..definition.pools.len())
        .map(|pool| weights.get(pool).is_some_and(|w| *w > 0) || by_rule[pool] || by_fallback[pool])
        .collect()
}

/// For each pool, whether a rule can give it to somebody: by name, or with a weight above 0.
#[must_use]
pub fn named_by_rules(definition: &Switch) -> Vec<bool> {
    let named = |name: &std::sync::Arc<str>| {
        definition.rules.iter().any(|rule| match &rule.target {
            super::RuleTarget::Pool(pool) => pool == name,
            super::RuleTarget::Weights(weights) => weights.iter().any(|(pool, weight)| pool == name && *weight > 0),
        })
    };
    definition.pools.iter().map(|pool| named(&pool.name)).collect()
}

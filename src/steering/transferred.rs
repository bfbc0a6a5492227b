//! The one pool that plain secondaries carry (§8): they cannot choose per client, and a mixture of pools would
//! turn a canary of one percent into half of what they answer.

use super::{CompiledPool, CompiledSwitch, Policy, PoolIndex, fallback};

impl CompiledSwitch {
    /// The pool a transfer holds: while a rollout runs the stable one, else the heaviest, of those that
    /// may be answered; with `failover` the first. Where none may, what the fallback names decides, health
    /// ignored, as for an answer. Of equals the first in the order of the file. `None`: no records.
    #[must_use]
    pub fn transferred(&self) -> Option<(usize, &CompiledPool)> {
        let may = |at: usize| self.pools.get(at).is_some_and(|pool| pool.eligible);
        let stable = self.stable.map(usize::from).filter(|stable| may(*stable));
        let chosen = stable.or_else(|| self.heaviest_eligible()).or_else(|| self.by_fallback())?;
        Some((chosen, self.pools.get(chosen)?))
    }

    /// The heaviest pool with weight that may be answered, but for a capped one.
    fn heaviest_eligible(&self) -> Option<usize> {
        let pools = self.pools.iter().enumerate();
        let mut may = pools.filter(|(at, pool)| pool.eligible && pool.weight > 0 && self.capped != Some(*at));
        if self.definition.policy == Policy::Failover {
            return may.next().map(|(at, _)| at);
        }
        heaviest(may.map(|(at, pool)| (at, pool.weight)))
    }

    /// The heaviest of the pools that the fallback means.
    fn by_fallback(&self) -> Option<usize> {
        let weights: Vec<u16> = self.pools.iter().map(|pool| pool.weight).collect();
        let eligible: Vec<bool> = self.pools.iter().map(|pool| pool.eligible).collect();
        let active: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0).collect();
        let named: Vec<(PoolIndex, u16)> =
            fallback::candidates(&self.definition, &weights, &eligible, &active, self.capped);
        heaviest(named.into_iter().map(|(at, weight)| (usize::from(at), weight)))
    }
}

/// The first of the heaviest.
fn heaviest(pools: impl Iterator<Item = (usize, u16)>) -> Option<usize> {
    pools.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(at, _)| at)
}

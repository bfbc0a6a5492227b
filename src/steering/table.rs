//! A weight set made ready for choosing: what is left of weights, health and fallback (§1.5, §1.9).
//!
//! The main weights are one table, each rule that can be honoured another. Everything that does not
//! depend on the client is decided here, when the switch is compiled.

use super::capped::Capped;
use super::random::RunningSums;
use super::sticky::{self, Contender};
use super::{ClientKey, Policy, PoolIndex, failover};

/// How a table comes to its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Method {
    /// Nobody may be answered: NODATA.
    Nobody,
    /// The same pool for everybody.
    Only(PoolIndex),
    /// By the client key, among at least two.
    Sticky(Box<[Contender]>),
    /// By the draw, among at least two.
    Random(RunningSums, Box<[PoolIndex]>),
    /// One pool by its share and no more; everybody else by a table without it.
    Capped(Box<Capped>),
}

/// A weight set made ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) method: Method,
    /// Whether the pools are those of the fallback.
    pub(super) by_fallback: bool,
}

impl Table {
    /// Compiles the pools that may be answered, each with its weight, in the order of the file.
    pub(super) fn new(
        policy: Policy,
        candidates: &[(PoolIndex, u16)],
        names: &[&str],
        key: [u64; 2],
        by_fallback: bool,
    ) -> Self {
        let method = match (policy, candidates) {
            (_, []) => Method::Nobody,
            (_, [(only, _)]) => Method::Only(*only),
            (Policy::Failover, several) => failover::choose(several).map_or(Method::Nobody, Method::Only),
            (Policy::Sticky | Policy::Fixed, several) => Method::Sticky(
                several
                    .iter()
                    .map(|&(pool, weight)| {
                        Contender::new(pool, names.get(usize::from(pool)).copied().unwrap_or(""), weight, key)
                    })
                    .collect(),
            ),
            (Policy::Random, several) => match RunningSums::new(several.iter().map(|(_, weight)| (*weight).max(1))) {
                Some(sums) => Method::Random(sums, several.iter().map(|(pool, _)| *pool).collect()),
                None => Method::Nobody,
            },
        };
        Self { method, by_fallback }
    }

    /// Whether the client's address decides, by its key.
    #[inline]
    pub(super) fn is_keyed(&self) -> bool {
        match &self.method {
            Method::Sticky(_) => true,
            Method::Capped(capped) => capped.first.is_keyed(),
            Method::Nobody | Method::Only(_) | Method::Random(..) => false,
        }
    }

    /// Whether some client gets what the fallback decides.
    pub(super) fn reaches_fallback(&self) -> bool {
        match &self.method {
            Method::Capped(capped) => capped.rest.reaches_fallback(),
            _ => self.by_fallback,
        }
    }

    /// The pool that is chosen without regard to who asks (`Some(None)`: nobody); `None` where that counts.
    #[inline(always)]
    pub(super) fn choose_for_all(&self, draw: u64) -> Option<Option<PoolIndex>> {
        match &self.method {
            Method::Nobody => Some(None),
            Method::Only(pool) => Some(Some(*pool)),
            Method::Random(sums, pools) => Some(pools.get(sums.choose(draw)).copied()),
            Method::Sticky(_) | Method::Capped(_) => None,
        }
    }

    /// The pool this client gets, and whether by the fallback.
    #[inline]
    pub(super) fn choose(
        &self,
        key: impl FnOnce() -> ClientKey<'static>,
        label: Option<&[u8]>,
        draw: u64,
    ) -> (Option<PoolIndex>, bool) {
        let pool = match &self.method {
            Method::Sticky(contenders) => match label {
                Some(label) => sticky::choose(contenders, &ClientKey::Label(label)),
                None => sticky::choose(contenders, &key()),
            },
            Method::Capped(capped) => return capped.choose(key(), label, draw),
            Method::Nobody | Method::Only(_) | Method::Random(..) => self.choose_for_all(draw).flatten(),
        };
        (pool, self.by_fallback)
    }
}

//! The first eligible pool in the order of the file (§1.6), for every client alike.
//!
//! The size of a weight means nothing here, but zero is exactly zero (§1.5): a pool at 0 stays out,
//! and is answered only when a rule or the fallback names it.

use super::PoolIndex;

/// The first of the pools that may be answered, given in the order of the file.
pub(super) fn choose(candidates: &[(PoolIndex, u16)]) -> Option<PoolIndex> {
    candidates.iter().map(|(pool, _)| *pool).min()
}

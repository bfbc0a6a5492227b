//! A canary's share while others fall out: health never spills clients into it (§5.3).
//!
//! Two tables in a row. The first holds the capped pool and all others with weight, healthy or not,
//! so that the capped pool wins exactly the clients it wins when all are healthy. Whoever draws
//! another pool is sent on by the second, which does not know the capped one: under the sticky
//! choice that leaves everybody whose pool is eligible where it was, since a winner among many also
//! wins among fewer.

use super::table::Table;
use super::{ClientKey, PoolIndex};

/// A choice in two steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Capped {
    /// The pool that gets no more than its share.
    pub(super) pool: PoolIndex,
    /// All pools with weight, health ignored but for the capped one's.
    pub(super) first: Table,
    /// What is left for those who draw another pool.
    pub(super) rest: Table,
}

impl Capped {
    /// The pool this client gets, and whether by the fallback.
    ///
    /// Kept out of line: while nothing is capped, the packet path has no part of it.
    #[inline(never)]
    pub(super) fn choose(&self, key: ClientKey<'static>, label: Option<&[u8]>, draw: u64) -> (Option<PoolIndex>, bool) {
        match self.first.choose(|| key, label, draw) {
            (Some(pool), _) if pool == self.pool => (Some(pool), false),
            _ => self.rest.choose(|| key, label, redraw(draw)),
        }
    }
}

/// A draw that owes nothing to which pool the first one fell to (the finalizer of SplitMix64).
fn redraw(draw: u64) -> u64 {
    let mixed = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

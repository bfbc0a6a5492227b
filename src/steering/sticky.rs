//! Weighted rendezvous: the same client key gets the same pool while weights and health stand (§1.6).
//!
//! Each pool draws `u` = SipHash-2-4 of (pool name, client key) under a key made from the salt; the
//! lowest `-log2(u)/weight` wins. Quotients are compared as `L1 * w2 < L2 * w1`, exactly and in 64
//! bits (L < 2^38, weights at most 2^14). A pool's score depends on nothing but itself, so raising a
//! weight moves clients only into that pool, and a pool that leaves moves only its own. `fixed`
//! chooses in the same way; what differs is that a rollout never moves it.

use super::log2::negative_log2;
use super::sip::SipState;
use super::{ClientKey, PoolIndex};
use sha2::{Digest, Sha256};

/// A pool that may win, with what its hash has in common for all clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) pool: PoolIndex,
    /// At least 1.
    pub(super) weight: u16,
    state: SipState,
}

/// The 128-bit key a salt stands for: the first half of SHA-256 over a fixed label and the salt.
pub(super) fn salt_key(salt: &str) -> [u64; 2] {
    let digest = Sha256::new().chain_update(b"tidegate sticky 1\0").chain_update(salt).finalize();
    let word = |at: usize| u64::from_le_bytes(digest[at..at + 8].try_into().expect("8 octets"));
    [word(0), word(8)]
}

impl Contender {
    /// Prepares a pool; `weight` 0 counts as 1, for pools that a fallback treats alike.
    pub(super) fn new(pool: PoolIndex, name: &str, weight: u16, key: [u64; 2]) -> Self {
        Self { pool, weight: weight.max(1), state: SipState::keyed(key).absorb_name(name) }
    }

    /// `-log2(u)` of this pool for this client, before the weight divides it.
    #[inline]
    pub(super) fn cost(&self, key: &ClientKey<'_>) -> u64 {
        negative_log2(match *key {
            ClientKey::Prefix { word, octets, .. } => self.state.finish(word, octets),
            ClientKey::Label(label) => self.state.finish_bytes(label),
        })
    }
}

/// The winner; the earlier of two equal ones. `None` only when nobody contends.
#[inline]
pub(super) fn choose(contenders: &[Contender], key: &ClientKey<'_>) -> Option<PoolIndex> {
    let (first, rest) = contenders.split_first()?;
    let (mut winner, mut lowest) = (first, first.cost(key));
    for contender in rest {
        let cost = contender.cost(key);
        if cost * u64::from(winner.weight) < lowest * u64::from(contender.weight) {
            (winner, lowest) = (contender, cost);
        }
    }
    Some(winner.pool)
}

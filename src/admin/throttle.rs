//! Counts wrong tokens per address, so that guessing fills neither the log nor the server's time.
//!
//! A good token is never counted nor held up, so nobody can lock an operator out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Wrong tokens an address may send within [`WINDOW_MS`] before it is told to wait.
pub(super) const WRONG_TOKENS: u32 = 20;

/// How long wrong tokens are remembered, milliseconds.
pub(super) const WINDOW_MS: u64 = 60_000;

/// Addresses remembered at once: 4096 entries of some 50 bytes are 200 KiB.
const ADDRESSES: usize = 4096;

/// Wrong tokens by address.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    seen: Mutex<HashMap<IpAddr, Failures>>,
}

/// What one address did in its window.
#[derive(Debug, Clone, Copy)]
struct Failures {
    began_ms: u64,
    count: u32,
}

impl Throttle {
    /// Counts one more; true when the address has had too many.
    pub(super) fn failed(&self, address: IpAddr, now_ms: u64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= ADDRESSES && !seen.contains_key(&address) {
            seen.retain(|_, failures| now_ms.saturating_sub(failures.began_ms) < WINDOW_MS);
            if seen.len() >= ADDRESSES {
                return true;
            }
        }
        let failures = seen.entry(address).or_insert(Failures { began_ms: now_ms, count: 0 });
        if now_ms.saturating_sub(failures.began_ms) >= WINDOW_MS {
            *failures = Failures { began_ms: now_ms, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
        failures.count > WRONG_TOKENS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_to_wait_after_its_share_and_forgiven_after_the_window() {
        let throttle = Throttle::default();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert!((0..WRONG_TOKENS).all(|_| !throttle.failed(one, 10)));
        assert!(throttle.failed(one, 11));
        assert!(!throttle.failed(other, 11));
        assert!(!throttle.failed(one, 10 + WINDOW_MS));
    }

    #[test]
    fn memory_stays_bounded_whoever_comes() {
        let throttle = Throttle::default();
        for index in 0..10_000_u32 {
            throttle.failed(IpAddr::from(index.to_be_bytes()), 10);
        }
        assert!(throttle.seen.lock().unwrap().len() <= ADDRESSES);
        assert!(!throttle.failed("192.0.2.1".parse().unwrap(), 10 + WINDOW_MS));
    }
}

//! One notification until it is delivered or given up.

use super::call::{attempt, delivery_id};
use super::totals::HookTotals;
use crate::clock;
use crate::rollout::HookOrder;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// How long is waited between attempts, and at the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Before the second attempt; doubled before each one after it.
    pub(super) first: Duration,
    /// No wait is longer.
    pub(super) longest: Duration,
    /// For everything that still waits when the server ends.
    pub(super) at_the_end: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(60), at_the_end: Duration::from_secs(3) }
    }
}

impl Pace {
    /// The wait after attempt number `attempt` (from 0): between half and all of what doubling gives,
    /// so that receivers that come back are not called by all at the same moment.
    fn wait(&self, attempt: u32, draw: u64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(attempt)).min(self.longest);
        #[allow(clippy::cast_precision_loss)] // a draw, not a count
        doubled.mul_f64(0.5 + draw as f64 / u64::MAX as f64 / 2.0)
    }
}

/// Delivers a notification, or gives it up after its last attempt; once `ending`, each has one attempt left.
pub(super) async fn deliver(
    order: HookOrder,
    turns: Arc<Semaphore>,
    totals: Arc<HookTotals>,
    pace: Pace,
    mut ending: watch::Receiver<bool>,
) {
    let hook = &order.hook;
    let delivery = delivery_id();
    let mut problem = String::new();
    for number in 0..=hook.retries {
        let last = *ending.borrow();
        let outcome = {
            let _turn = turns.acquire().await.expect("the semaphore is never closed");
            attempt(hook, &delivery, &order.body).await
        };
        match outcome {
            Ok(()) => {
                totals.count_sent(hook.kind);
                tracing::debug!(switch = %order.switch, hook = hook.kind.word(), delivery, "hook delivered");
                return;
            }
            Err(words) => problem = words,
        }
        if last || number == hook.retries {
            break;
        }
        // Time is up, or the server ends: either way the next attempt is due.
        let _ = timeout(pace.wait(number, clock::random_u64()), ending.wait_for(|ending| *ending)).await;
    }
    totals.count_failed(hook.kind);
    tracing::warn!(
        switch = %order.switch,
        hook = hook.kind.word(),
        receiver = super::call::receiver(&hook.url),
        delivery,
        problem,
        "a hook was given up"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let pace = Pace::default();
        let range = |attempt| (pace.wait(attempt, 0).as_millis(), pace.wait(attempt, u64::MAX).as_millis());
        assert_eq!([range(0), range(1), range(4)], [(500, 1_000), (1_000, 2_000), (8_000, 16_000)]);
        assert_eq!([range(6), range(40)], [(30_000, 60_000); 2]);
    }
}

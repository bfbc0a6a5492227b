//! Webhooks out: whom a rollout or a switch calls, signed and within limits (§4.4, §5.6).
//!
//! Calls a rollout waits for are made at once, one attempt each, and their answer is reported.
//! Notifications wait in one queue per switch and receiver (scheme, host and port), so that a
//! receiver hears of a switch in order and a dead one holds up nobody else; they are tried again
//! with back-off. What to say, and what an answer means, is decided in `rollout` and `control`.
//! Never follows a redirect, never goes through a proxy of the environment.

mod call;
mod desk;
mod notification;
mod signature;
#[cfg(test)]
mod tests;
mod totals;

pub use signature::sign;
pub use totals::{HookCounts, HookTotals};

use crate::rollout::{HookOrder, HookReport};
use desk::Desk;
use notification::Pace;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Makes the calls that are ordered until `shutdown`, or until nobody can order any more; then tries
/// what still waits for a few seconds.
///
/// Taking an order never waits for a call: orders are read as fast as they come, and the oldest
/// notification of a full queue makes room (counted and logged).
pub async fn run(
    orders: mpsc::Receiver<HookOrder>,
    reports: mpsc::Sender<HookReport>,
    totals: Arc<HookTotals>,
    shutdown: impl Future<Output = ()>,
) {
    Desk::new(reports, totals, Pace::default()).work(orders, shutdown).await;
}

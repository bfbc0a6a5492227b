//! Members that are looked up in DNS (§2.5): what Consul and headless services of Kubernetes offer.
//!
//! Each pool's name is asked for on its own cadence. What is not a plain good answer (SERVFAIL,
//! NXDOMAIN, no address, silence, too many) is reported as a failure, and the last good members stay:
//! a resolver in trouble must not empty a pool. Never caches, never recurses, and never looks at what
//! this server answers itself: `config` refuses names in its own zones.

mod ask;
mod look;

use crate::clock;
use crate::roster;
use crate::steering::{DiscoveryReport, DiscoveryTask};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep};

/// Looks at a time: each holds a socket or two and at most 64 KiB of reply.
const LOOKS_AT_ONCE: usize = 16;

/// First looks are spread over this time, milliseconds.
const FIRST_SPREAD_MS: u64 = 250;

/// Looks for the tasks of the list until `shutdown`, or until either channel's other end is gone.
/// Tasks that stay on the list keep their cadence.
pub async fn run(
    tasks: watch::Receiver<Arc<[DiscoveryTask]>>,
    reports: mpsc::Sender<DiscoveryReport>,
    shutdown: impl Future<Output = ()>,
) {
    let turns = Arc::new(Semaphore::new(LOOKS_AT_ONCE));
    roster::follow(tasks, reports, shutdown, |task, reports| repeat(task, reports, turns.clone())).await;
}

/// One task's looks, one after another.
async fn repeat(task: DiscoveryTask, reports: mpsc::Sender<DiscoveryReport>, turns: Arc<Semaphore>) {
    sleep(Duration::from_millis(clock::random_u64() % FIRST_SPREAD_MS)).await;
    loop {
        let begun = Instant::now();
        let outcome = {
            let _turn = turns.acquire().await.expect("the semaphore is never closed");
            look::look(&task.source).await
        };
        if reports.send(DiscoveryReport { task: task.clone(), outcome }).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(task.source.every_ms).saturating_sub(begun.elapsed())).await;
    }
}

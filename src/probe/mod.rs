//! Probing: sends what the monitors ask for, on time, and reports what came back.
//!
//! One task owns the timer queue and starts at most [`MAX_IN_FLIGHT`] attempts at a time; attempts
//! wait in the order they fell due, so nobody starves. Judging outcomes is the business of `health`.
//! Probes connect to the member's address and nowhere else: never through a proxy of the
//! environment, never to where a redirect points.

mod attempt;
mod exchange;
mod grpc;
mod http;
mod icmp;
mod plan;
mod reply;
#[cfg(test)]
mod responder;
mod schedule;
mod tcp;
mod tls;
mod words;

use crate::clock;
use crate::health::{ProbeReport, ProbeTarget};
use attempt::{Attempted, attempt};
use plan::Plan;
use schedule::Schedule;
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

/// Attempts at a time. Each holds one descriptor and, with a hostile peer, about 64 KiB of reply and
/// as much of headers: 1024 x 128 KiB = 128 MiB at the very worst.
pub const MAX_IN_FLIGHT: usize = 1024;

/// At most one log line in this time about trouble of our own.
const TROUBLE_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Makes ring the process's TLS provider. Any number of calls, from anywhere.
pub fn install_crypto() {
    // An error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Probes `targets` until `shutdown`, or until either channel's other end is gone.
///
/// Identical targets are probed once. Over a change of the list, targets that stay keep their
/// cadence; new ones are probed within 250 ms. Trouble of this process (no descriptors left) is
/// logged and never reported as an outcome: it says nothing about the member.
pub async fn run(
    targets: watch::Receiver<Arc<[ProbeTarget]>>,
    reports: mpsc::Sender<ProbeReport>,
    shutdown: impl Future<Output = ()>,
) {
    install_crypto();
    let probe = |target: ProbeTarget, plan: Arc<Plan>| async move { attempt(&target, &plan).await };
    run_with(targets, reports, shutdown, probe).await;
}

/// [`run`] with the attempt as an argument.
async fn run_with<A, F>(
    mut targets: watch::Receiver<Arc<[ProbeTarget]>>,
    reports: mpsc::Sender<ProbeReport>,
    shutdown: impl Future<Output = ()>,
    attempt: A,
) where
    A: Fn(ProbeTarget, Arc<Plan>) -> F,
    F: Future<Output = Attempted> + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    let mut schedule = Schedule::new(clock::Draws::seeded());
    let mut running = JoinSet::new();
    let mut ids = HashMap::new();
    let mut last_trouble: Option<Instant> = None;
    let first = targets.borrow_and_update().clone();
    schedule.replace(&first, Instant::now());
    loop {
        while running.len() < MAX_IN_FLIGHT
            && let Some(job) = schedule.take_due(Instant::now())
        {
            ids.insert(running.spawn(attempt(job.target, job.plan)).id(), job.id);
        }
        let wake = if running.len() < MAX_IN_FLIGHT { schedule.next_due() } else { None };
        tokio::select! {
            () = &mut shutdown => return,
            changed = targets.changed() => {
                if changed.is_err() {
                    return;
                }
                let list = targets.borrow_and_update().clone();
                schedule.replace(&list, Instant::now());
            }
            Some(ended) = running.join_next_with_id() => {
                let (task, attempted) = match ended {
                    Ok((task, attempted)) => (task, attempted),
                    Err(broken) => (broken.id(), Attempted::Ours(format!("a probe broke off: {broken}"))),
                };
                let Some((key, target)) = ids.remove(&task).and_then(|id| schedule.finish(id, Instant::now())) else {
                    continue;
                };
                match attempted {
                    Attempted::Seen(outcome) => {
                        let report = ProbeReport { target_key: key, target, outcome, at: clock::now() };
                        tokio::select! {
                            () = &mut shutdown => return,
                            sent = reports.send(report) => if sent.is_err() { return },
                        }
                    }
                    Attempted::Ours(trouble) => {
                        if last_trouble.is_none_or(|last| last.elapsed() >= TROUBLE_LOG_INTERVAL) {
                            last_trouble = Some(Instant::now());
                            warn!(address = %target.address, %trouble, "cannot probe; health keeps its last verdicts");
                        }
                    }
                }
            }
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
        }
    }
}

#[cfg(test)]
mod tests;

//! Probes against servers on loopback, and the scheduler under paused time.

mod grpc;
mod hostile;
mod http;
mod scheduler;
mod tcp;
mod tls;

use super::attempt::{Attempted, attempt};
use super::plan::Plan;
use super::responder::target;
use super::tls::TlsConfigs;
use crate::health::{HttpCheck, MonitorKind, ProbeOutcome, ProbeTarget};
use std::time::Duration;

/// Long enough that only a hang reaches it.
const PATIENT: Duration = Duration::from_secs(20);
/// For servers that hang: the probe must give up, and say so.
const HASTY: Duration = Duration::from_millis(200);

async fn probe(target: &ProbeTarget) -> ProbeOutcome {
    let plan = Plan::new(&target.monitor, &mut TlsConfigs::default());
    let mut trouble = String::new();
    // A busy build machine may stand still now and then.
    for _ in 0..5 {
        match attempt(target, &plan).await {
            Attempted::Seen(outcome) => return outcome,
            Attempted::Ours(ours) => trouble = ours,
        }
    }
    panic!("trouble of our own: {trouble}");
}

async fn probe_http(check: HttpCheck, timeout: Duration) -> ProbeOutcome {
    probe(&target(MonitorKind::Http(Box::new(check)), timeout)).await
}

async fn failure_of(check: HttpCheck, timeout: Duration) -> String {
    probe_http(check, timeout).await.failure.expect("the probe fails")
}

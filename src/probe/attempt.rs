//! One attempt: carries out a plan against an address, within its time limit.

use super::icmp;
use super::plan::Plan;
use super::words;
use crate::health::{ProbeOutcome, ProbeTarget};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// A time limit noticed this late was noticed by a process that stood still (suspended, starved).
const STALL: Duration = Duration::from_millis(250);

/// What an attempt came to.
#[derive(Debug)]
pub(super) enum Attempted {
    /// A result that says something about the member.
    Seen(ProbeOutcome),
    /// Trouble of this process, which says nothing about the member.
    Ours(String),
}

/// Why an attempt did not pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The member's doing.
    Theirs(String),
    /// Ours: descriptors or memory ran out.
    Ours(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Theirs(text)
    }
}

/// What was seen on the way, kept even when the attempt fails later.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The version the reply shows.
    pub(super) version: Option<String>,
    /// Days the certificate lasts.
    pub(super) certificate_days: Option<i64>,
}

/// The time limit of one attempt, over all its steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    /// Starts now.
    pub(super) fn starting_now(limit_ms: u64) -> Self {
        Self { started: Instant::now(), limit: Duration::from_millis(limit_ms) }
    }

    /// Runs one step; when time runs out, the failure says in which. A timer that fires much too late
    /// means that this process stood still, and then the member may have answered in time.
    pub(super) async fn step<T>(&self, doing: &str, step: impl Future<Output = T>) -> Result<T, Failure> {
        let limit = words::duration(self.limit);
        timeout_at(self.started + self.limit, step).await.map_err(|_| match self.elapsed().saturating_sub(self.limit) {
            late if late > STALL => Failure::Ours(format!("this process stood still for {}", words::duration(late))),
            _ => Failure::Theirs(format!("timed out after {limit} {doing}")),
        })
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Carries out `plan` for `target`.
pub(super) async fn attempt(target: &ProbeTarget, plan: &Plan) -> Attempted {
    let deadline = Deadline::starting_now(target.monitor.timeout_ms);
    let mut seen = Seen::default();
    let result = match plan {
        Plan::Http(plan) => plan.probe(target.address, target.expect_version.as_deref(), &deadline, &mut seen).await,
        Plan::Tcp(plan) => plan.probe(target.address, &deadline).await,
        Plan::Tls(plan) => plan.probe(target.address, &deadline, &mut seen).await,
        Plan::Grpc(plan) => plan.probe(target.address, &deadline, &mut seen).await,
        Plan::Icmp => icmp::probe(target.address, &deadline).await,
        Plan::Broken(why) => Err(Failure::Theirs(why.clone())),
    };
    let failure = match result {
        Ok(()) => None,
        Err(Failure::Theirs(text)) => Some(text),
        Err(Failure::Ours(text)) => return Attempted::Ours(text),
    };
    let latency_us = u64::try_from(deadline.elapsed().as_micros()).unwrap_or(u64::MAX);
    let Seen { version: seen_version, certificate_days } = seen;
    Attempted::Seen(ProbeOutcome { failure, latency_us, seen_version, certificate_days })
}

/// Connects to the member.
pub(super) async fn connect(address: IpAddr, port: u16, deadline: &Deadline) -> Result<TcpStream, Failure> {
    let connecting = format!("connecting to port {port}");
    let stream = deadline.step(&connecting, TcpStream::connect(SocketAddr::new(address, port))).await?;
    let stream = stream.map_err(|problem| words::io_failure(&problem, &connecting))?;
    // Small requests go out at once; where the option cannot be set the probe is merely slower.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

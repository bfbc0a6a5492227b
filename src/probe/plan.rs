//! Monitors prepared for probing: expressions compiled, TLS set up, once for all targets they serve.

use super::grpc::GrpcPlan;
use super::http::HttpPlan;
use super::tcp::TcpPlan;
use super::tls::{TlsConfigs, TlsPlan};
use crate::health::{Monitor, MonitorKind};
use std::collections::HashMap;
use std::sync::Arc;

/// A monitor, prepared.
pub(super) enum Plan {
    /// A request over HTTP or HTTPS.
    Http(Box<HttpPlan>),
    /// A TCP connection.
    Tcp(TcpPlan),
    /// A TLS handshake.
    Tls(TlsPlan),
    /// A call of the gRPC health service.
    Grpc(Box<GrpcPlan>),
    /// An ICMP echo.
    Icmp,
    /// Cannot be carried out, and why: every attempt fails with this.
    Broken(String),
}

/// All plans in use, by the fingerprint of their monitor.
#[derive(Default)]
pub(super) struct Plans {
    plans: HashMap<Arc<str>, Arc<Plan>>,
    /// Fingerprints by monitor, for the length of one list: a fingerprint costs more than a look-up.
    fingerprints: HashMap<usize, Arc<str>>,
    tls: TlsConfigs,
}

impl Plans {
    /// The monitor's fingerprint and plan, made when not at hand. The caller holds the monitors of one
    /// list alive until [`Self::forget_unused`], so their addresses name them.
    pub(super) fn plan(&mut self, monitor: &Arc<Monitor>) -> (Arc<str>, Arc<Plan>) {
        let place = Arc::as_ptr(monitor).addr();
        let fingerprint = self.fingerprints.entry(place).or_insert_with(|| monitor.fingerprint().into()).clone();
        let tls = &mut self.tls;
        let plan = self.plans.entry(fingerprint.clone()).or_insert_with(|| Arc::new(Plan::new(monitor, tls)));
        (fingerprint, plan.clone())
    }

    /// Drops what no target uses any more.
    pub(super) fn forget_unused(&mut self) {
        self.fingerprints.clear();
        self.plans.retain(|_, plan| Arc::strong_count(plan) > 1);
        self.tls.forget_unused();
    }
}

impl Plan {
    /// Prepares a monitor.
    pub(super) fn new(monitor: &Monitor, tls: &mut TlsConfigs) -> Self {
        let plan = match &monitor.kind {
            MonitorKind::Http(check) => HttpPlan::new(check, tls).map(|plan| Self::Http(Box::new(plan))),
            MonitorKind::Tcp { port, send, expect } => {
                Ok(Self::Tcp(TcpPlan::new(*port, send.as_deref(), expect.as_deref())))
            }
            MonitorKind::Tls { port, server_name, verify, ca_pem, min_days } => {
                TlsPlan::new(*port, server_name.as_deref(), *verify, ca_pem.as_deref(), *min_days, tls).map(Self::Tls)
            }
            MonitorKind::Grpc(check) => GrpcPlan::new(check, tls).map(|plan| Self::Grpc(Box::new(plan))),
            MonitorKind::Icmp => Ok(Self::Icmp),
        };
        plan.unwrap_or_else(Self::Broken)
    }
}

//! What to check on a member, and the idle reading of an old side.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What to check, how often, and how much evidence a verdict takes (§2.1, §2.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    /// Short name shown to people: `http`, `deep`, or the operator's own.
    pub name: String,
    /// What is done.
    pub kind: MonitorKind,
    /// Time between probes, milliseconds (2000; deep probes 30000).
    pub interval_ms: u64,
    /// Time limit of one probe, milliseconds (1000; deep probes 10000).
    pub timeout_ms: u64,
    /// Failures in a row that take it down (3; deep probes 2).
    pub fall: u32,
    /// Successes in a row that bring it up (5; deep probes 1).
    pub rise: u32,
    /// Instead of rows: down when `k` of the last `n` failed, up when fewer than `k` of `n` did.
    pub window: Option<(u32, u32)>,
    /// Once down, stays down until an operator says otherwise (a `force-up`, or reset).
    pub manual_resume: bool,
}

/// The protocol of a monitor. `{address}` in URLs stands for the member's address, bracketed for IPv6.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MonitorKind {
    /// A request over HTTP or HTTPS.
    Http(Box<HttpCheck>),
    /// A TCP connection, with an optional exchange.
    Tcp {
        /// The port to connect to.
        port: u16,
        /// Sent after connecting.
        send: Option<String>,
        /// Must stand in the first 64 KiB received.
        expect: Option<String>,
    },
    /// A TLS handshake.
    Tls {
        /// The port to connect to.
        port: u16,
        /// SNI and the name verified; the address when absent.
        server_name: Option<String>,
        /// Whether the chain is verified.
        verify: bool,
        /// A CA bundle (PEM text) instead of the system's.
        ca_pem: Option<String>,
        /// Fails when the certificate lasts fewer days.
        min_days: Option<i64>,
    },
    /// A call of `grpc.health.v1.Health/Check`.
    Grpc(Box<GrpcCheck>),
    /// An ICMP echo (RFC 792, RFC 4443).
    Icmp,
}

/// What a gRPC monitor asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrpcCheck {
    /// The port to connect to.
    pub port: u16,
    /// The service asked about; empty: the server as a whole.
    pub service: String,
    /// `:authority`, SNI and verified name, apart from the address.
    pub host: Option<String>,
    /// Over TLS; absent: HTTP/2 with prior knowledge.
    pub tls: Option<Trust>,
}

/// What is required of a certificate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Whether the chain is verified.
    pub verify: bool,
    /// A CA bundle (PEM text) instead of the system's.
    pub ca_pem: Option<String>,
    /// Fails when the certificate lasts fewer days.
    pub min_days: Option<i64>,
}

/// Everything an HTTP monitor can ask and require.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// With `{address}`; scheme `http` or `https`.
    pub url: String,
    /// GET, HEAD, POST, ...
    pub method: String,
    /// Sent as they are.
    pub headers: Vec<(String, String)>,
    /// Request body: a deep probe's sample inference.
    pub body: Option<String>,
    /// Host header, SNI and verified name, apart from the address.
    pub host: Option<String>,
    /// Accepted status codes, inclusive ranges (200..=299).
    pub status: Vec<(u16, u16)>,
    /// A regular expression that must match within the first 64 KiB.
    pub body_regex: Option<String>,
    /// JSON pointer (RFC 6901) and the value it must equal (strings compared as text).
    pub json: Option<(String, String)>,
    /// Slower than this fails, milliseconds.
    pub max_latency_ms: Option<u64>,
    /// Where the reply names its version: a JSON pointer (`/model`) or `header:X-Model`.
    pub version_at: Option<String>,
    /// Whether the TLS chain is verified.
    pub verify: bool,
    /// A CA bundle (PEM text) instead of the system's.
    pub ca_pem: Option<String>,
    /// Fails when the certificate lasts fewer days.
    pub min_days: Option<i64>,
    /// HTTP/2 with prior knowledge (http) or required by ALPN (https).
    pub http2: bool,
    /// Redirects followed; none unless asked.
    pub redirects: u8,
}

impl Monitor {
    /// A short text that differs whenever two monitors differ (part of a probe's identity). It is a
    /// hash, since headers and bodies may hold secrets and the text ends up on disk and in logs.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let form = serde_json::to_vec(self).expect("a monitor is plain data");
        let hash = Sha256::digest(&form);
        hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this monitor compares a version.
    #[must_use]
    pub fn checks_version(&self) -> bool {
        matches!(&self.kind, MonitorKind::Http(check) if check.version_at.is_some())
    }
}

/// How busy an old side still is (§4.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdleReading {
    /// Where the number comes from.
    pub source: IdleSource,
    /// Idle means at most this, in the number's unit (per second for a counter); absent: 0.1 % of
    /// the reading before the switch.
    pub floor: Option<f64>,
    /// Readings in a row at or below the floor (3).
    pub readings: u32,
    /// Time between readings, milliseconds (10000).
    pub interval_ms: u64,
    /// Time limit of one reading, milliseconds (2000).
    pub timeout_ms: u64,
}

/// Where the number of an idle reading comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum IdleSource {
    /// A URL whose reply holds it.
    Url {
        /// With `{address}`: read from every member and summed; without: read once.
        url: String,
        /// How the number is found in the reply.
        number: Number,
        /// Whether the number is a counter (its rate per second counts) or a gauge.
        counter: bool,
    },
    /// A Prometheus server.
    Prometheus {
        /// `http(s)://host:port` with any path before `/api/v1/query`.
        url: String,
        /// PromQL with `{pool}`, `{switch}` and `{addresses}` (members, joined by `|`).
        query: String,
        /// A file on the server that holds a bearer token, read at each use.
        bearer_file: Option<String>,
        /// A file with the CA certificates (PEM) to trust instead of the system's.
        ca_file: Option<String>,
    },
}

/// Where a number stands in a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Number {
    /// First capture group of a regular expression.
    Regex(String),
    /// JSON pointer (RFC 6901).
    Json(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::ProbeTarget;
    use std::sync::Arc;

    fn monitor(change: impl Fn(&mut Monitor)) -> Monitor {
        let mut monitor = crate::health::tracker::tests::monitor(3, 5, None, false);
        change(&mut monitor);
        monitor
    }

    #[test]
    fn fingerprints_differ_exactly_when_monitors_do() {
        let tcp = |port, send: Option<&str>| MonitorKind::Tcp { port, send: send.map(str::to_owned), expect: None };
        let different = [
            monitor(|_| ()),
            monitor(|m| m.fall = 4),
            monitor(|m| m.window = Some((1, 2))),
            monitor(|m| m.kind = tcp(81, None)),
            monitor(|m| m.kind = tcp(80, Some(""))),
        ];
        let distinct: std::collections::HashSet<_> = different.iter().map(Monitor::fingerprint).collect();
        assert_eq!(distinct.len(), different.len());
        assert_eq!(monitor(|_| ()).fingerprint(), monitor(|_| ()).fingerprint());
    }

    #[test]
    fn keys_tell_targets_apart_and_show_no_secrets() {
        let secret = MonitorKind::Tcp { port: 80, send: Some("AUTH hunter2".into()), expect: None };
        let monitor = Arc::new(monitor(|m| m.kind = secret.clone()));
        let target = |address: &str, version: Option<&str>| {
            let expect_version = version.map(Arc::from);
            ProbeTarget { address: address.parse().unwrap(), monitor: monitor.clone(), expect_version }.key()
        };
        let keys = [
            target("192.0.2.1", None),
            target("192.0.2.2", None),
            target("192.0.2.1", Some("v1")),
            target("192.0.2.1", Some("-")),
            target("192.0.2.1", Some("")),
            target("192.0.2.1", Some("v1\" \"")),
        ];
        assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), keys.len());
        assert!(keys.iter().all(|key| !key.contains("hunter2")));
    }
}

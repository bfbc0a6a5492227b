//! `monitor = { ... }` and `idle = { ... }`.

use super::{Entries, Field, Scalar};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// What to check; exactly one of `http`, `https`, `tcp`, `tls`, `grpc`, `grpcs` and
/// `icmp` says how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorForm {
    /// Shown to people.
    pub name: Field<String>,
    /// A URL with `{address}`.
    pub http: Field<String>,
    /// A URL with `{address}`.
    pub https: Field<String>,
    /// A port.
    pub tcp: Field<i64>,
    /// A port.
    pub tls: Field<i64>,
    /// A port, for HTTP/2 with prior knowledge.
    pub grpc: Field<i64>,
    /// A port, for HTTP/2 over TLS.
    pub grpcs: Field<i64>,
    /// `true`.
    pub icmp: Field<bool>,
    /// Defaults for a sample inference.
    pub deep: Field<bool>,
    /// Time between probes.
    pub interval: Field<Scalar>,
    /// Time limit of a probe.
    pub timeout: Field<Scalar>,
    /// Failures in a row that take it down.
    pub fall: Field<i64>,
    /// Successes in a row that bring it up.
    pub rise: Field<i64>,
    /// `"k/n"`.
    pub window: Field<String>,
    /// Once down, stays down.
    pub manual_resume: Field<bool>,
    /// Request method.
    pub method: Field<String>,
    /// Request headers.
    pub headers: Option<Entries<Spanned<String>>>,
    /// Request body.
    pub body: Field<String>,
    /// Host header, SNI and verified name.
    pub host: Field<String>,
    /// Accepted codes and ranges.
    pub status: Option<Vec<Spanned<Scalar>>>,
    /// Must match within the first 64 KiB.
    pub body_regex: Field<String>,
    /// A JSON pointer and its value.
    pub json: Field<Entries<Spanned<Scalar>>>,
    /// Slower fails.
    pub max_latency: Field<Scalar>,
    /// Where the reply names its version.
    pub expect_version: Field<String>,
    /// Whether the chain is verified.
    pub verify: Field<bool>,
    /// A CA bundle instead of the system's.
    pub ca_file: Field<String>,
    /// Fewer days of the certificate fail.
    pub min_days: Field<i64>,
    /// HTTP/2 only.
    pub http2: Field<bool>,
    /// Redirects followed.
    pub redirects: Field<i64>,
    /// Sent after connecting.
    pub send: Field<String>,
    /// Must be received.
    pub expect: Field<String>,
    /// SNI and verified name of `tls`.
    pub server_name: Field<String>,
    /// The gRPC service asked about.
    pub service: Field<String>,
}

/// How busy an old side still is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdleForm {
    /// With `{address}`: summed over members.
    pub url: Field<String>,
    /// A Prometheus server, instead of `url`.
    pub prometheus: Field<String>,
    /// What it is asked.
    pub query: Field<String>,
    /// A file with a bearer token for it.
    pub bearer_file: Field<String>,
    /// A file with CA certificates for it.
    pub ca_file: Field<String>,
    /// First capture group of a regular expression.
    pub regex: Field<String>,
    /// JSON pointer.
    pub json: Field<String>,
    /// A counter's rate counts.
    pub counter: Field<bool>,
    /// Idle means at most this.
    pub floor: Field<Scalar>,
    /// Readings in a row.
    pub readings: Field<i64>,
    /// Time between readings.
    pub interval: Field<Scalar>,
    /// Time limit of one.
    pub timeout: Field<Scalar>,
}

/// A field that some kinds of monitors have: its key, its place, and those kinds.
type ParticularField = (&'static str, Range<usize>, &'static [&'static str]);

impl MonitorForm {
    /// The fields that say how it checks and are given, by key, with their spans.
    pub fn kinds(&self) -> Vec<(&'static str, Range<usize>)> {
        let spans = [
            ("http", self.http.as_ref().map(Spanned::span)),
            ("https", self.https.as_ref().map(Spanned::span)),
            ("tcp", self.tcp.as_ref().map(Spanned::span)),
            ("tls", self.tls.as_ref().map(Spanned::span)),
            ("grpc", self.grpc.as_ref().map(Spanned::span)),
            ("grpcs", self.grpcs.as_ref().map(Spanned::span)),
            ("icmp", self.icmp.as_ref().map(Spanned::span)),
        ];
        spans.into_iter().filter_map(|(key, span)| span.map(|s| (key, s))).collect()
    }

    /// The fields that are given and belong to some kinds only: key, span, and those kinds.
    pub fn particular_fields(&self) -> Vec<ParticularField> {
        const WEB: &[&str] = &["http", "https"];
        const TCP: &[&str] = &["tcp"];
        const HANDSHAKE: &[&str] = &["tls"];
        const TLS: &[&str] = &["https", "tls", "grpcs"];
        const NAMED: &[&str] = &["http", "https", "grpc", "grpcs"];
        const CALL: &[&str] = &["grpc", "grpcs"];
        let first_key = |entries: &Entries<Spanned<String>>| entries.keys().next().map(Spanned::span);
        let fields = [
            ("deep", self.deep.as_ref().map(Spanned::span), WEB),
            ("method", self.method.as_ref().map(Spanned::span), WEB),
            ("headers", self.headers.as_ref().and_then(first_key), WEB),
            ("body", self.body.as_ref().map(Spanned::span), WEB),
            ("host", self.host.as_ref().map(Spanned::span), NAMED),
            ("status", self.status.as_ref().and_then(|s| s.first()).map(Spanned::span), WEB),
            ("body_regex", self.body_regex.as_ref().map(Spanned::span), WEB),
            ("json", self.json.as_ref().map(Spanned::span), WEB),
            ("max_latency", self.max_latency.as_ref().map(Spanned::span), WEB),
            ("expect_version", self.expect_version.as_ref().map(Spanned::span), WEB),
            ("http2", self.http2.as_ref().map(Spanned::span), WEB),
            ("redirects", self.redirects.as_ref().map(Spanned::span), WEB),
            ("verify", self.verify.as_ref().map(Spanned::span), TLS),
            ("ca_file", self.ca_file.as_ref().map(Spanned::span), TLS),
            ("min_days", self.min_days.as_ref().map(Spanned::span), TLS),
            ("send", self.send.as_ref().map(Spanned::span), TCP),
            ("expect", self.expect.as_ref().map(Spanned::span), TCP),
            ("server_name", self.server_name.as_ref().map(Spanned::span), HANDSHAKE),
            ("service", self.service.as_ref().map(Spanned::span), CALL),
        ];
        fields.into_iter().filter_map(|(key, span, kinds)| span.map(|s| (key, s, kinds))).collect()
    }
}

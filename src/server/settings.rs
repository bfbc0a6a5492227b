//! What a server listens on, and the limits it keeps.

use super::{CookieOffer, CookieSecrets, Desk, RateLimit, StreamLimits, Tap};
use std::net::SocketAddr;
use std::sync::Arc;

/// What to listen on, and the limits.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses for UDP and TCP, one port for both; port 0 finds a free one.
    pub addresses: Vec<SocketAddr>,
    /// UDP threads per address.
    pub workers: usize,
    /// Limits of all connections together.
    pub limits: StreamLimits,
    /// Response rate limiting of UDP; `None`: off.
    pub rate_limit: Option<RateLimit>,
    /// DNS cookies; `None`: none are given. Servers behind one address share their secrets.
    pub cookies: Option<CookieOffer>,
    /// DNS over TLS, if it is offered (RFC 7858).
    pub tls: Option<Encrypted>,
    /// DNS over HTTPS, if it is offered (RFC 8484).
    pub https: Option<Https>,
    /// DNS over QUIC, if it is offered (RFC 9250).
    pub quic: Option<Encrypted>,
    /// Who takes updates, notifications, transfers and signed queries; `None`: nobody, and they are refused.
    pub desk: Option<Desk>,
    /// Takes copies of queries and replies; `None`: nobody watches.
    pub tap: Option<Tap>,
    /// Share the addresses with a predecessor that still answers.
    pub takeover: bool,
}

impl Default for Settings {
    /// No address, one worker per core, product limits, cookies with a fresh secret.
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            limits: StreamLimits::default(),
            rate_limit: Some(RateLimit::default()),
            cookies: Some(CookieOffer::new(CookieSecrets::random(), false)),
            tls: None,
            https: None,
            quic: None,
            desk: None,
            tap: None,
            takeover: false,
        }
    }
}

/// Addresses of an encrypted transport, and its certificate.
#[derive(Debug, Clone)]
pub struct Encrypted {
    /// Addresses to listen on.
    pub addresses: Vec<SocketAddr>,
    /// Certificate chain and key; ALPN is set by this room.
    pub config: Arc<rustls::ServerConfig>,
}

/// DNS over HTTPS.
#[derive(Debug, Clone)]
pub struct Https {
    /// Addresses and certificate.
    pub encrypted: Encrypted,
    /// The path of queries, such as `/dns-query`.
    pub path: String,
    /// Whether the same addresses are to speak HTTP/3 over UDP.
    pub http3: bool,
}

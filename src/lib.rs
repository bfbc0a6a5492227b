//! Tidegate: an authoritative DNS server that moves traffic between blue and green servers while
//! everything keeps running.
//!
//! The data plane ([`server`], [`answer`]) reads one immutable [`snapshot`] per batch of queries and
//! waits for nobody. The control plane ([`control`]) is one task that decides every change and
//! publishes snapshots. Pure rooms take time and dice as arguments; `src/README.md` has the map, and
//! `tests/tidy.rs` holds who may import whom.

pub mod admin;
pub mod answer;
pub mod app;
pub mod ask;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod delegation;
pub mod demo;
pub mod discovery;
pub mod dns;
pub mod dnstap;
pub mod drain;
pub mod evidence;
pub mod geo;
pub mod health;
pub mod hooks;
pub mod metrics;
pub mod moment;
pub mod probe;
pub mod rollout;
pub mod roster;
pub mod server;
pub mod snapshot;
pub mod state;
pub mod stats;
pub mod steering;
pub mod store;
pub mod transfer;
pub mod zone;

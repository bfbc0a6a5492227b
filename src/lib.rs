//! Tidegate: an authoritative DNS server that moves traffic between blue and green.

pub mod admin;
pub mod answer;
pub mod app;
pub mod clock;
pub mod config;
pub mod control;
pub mod dns;
pub mod drain;
pub mod evidence;
pub mod health;
pub mod metrics;
pub mod moment;
pub mod probe;
pub mod server;
pub mod snapshot;
pub mod state;
pub mod steering;
pub mod store;
pub mod zone;

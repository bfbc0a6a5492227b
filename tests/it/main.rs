//! Black-box tests: a real server process, real sockets, real clients; one topic a file.

// Tests read their own clock to bound what they wait for, and print what they measured.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub
)]

mod admin_tls;
mod auth;
mod backend;
mod certificates;
mod cli;
mod compare;
mod copies;
mod daemon;
mod delegation;
mod dig;
mod discovery;
mod dnstap;
mod documents;
mod doh;
mod draining;
mod durability;
mod encrypted;
mod experiments;
mod flips;
mod fuzz;
mod geo;
mod guards;
mod harness;
mod health;
mod hooks;
mod import;
mod islet;
mod lab;
mod logs;
mod members;
#[path = "../../src/steering/tests/mmdb.rs"]
mod mmdb;
mod monitoring;
mod monitors;
mod nasty;
mod pair;
mod parent;
mod pki;
mod printed;
mod prometheus;
mod rate_limit;
mod reckoning;
mod release_metrics;
mod reload;
mod rfc1034;
mod rfc1035;
mod rfc2181;
mod rfc2308;
mod rfc3597;
mod rfc4592;
mod rfc6672;
mod rfc6891;
mod rfc7766;
mod rfc7828;
mod rfc7871;
mod rfc7873;
mod rfc8482;
mod rfc8906;
mod rfc8914;
mod rfc9471;
mod rollouts;
mod rude;
mod scraper;
mod scripts;
mod small_disk;
mod sources;
mod steered;
mod switches;
mod terminal;
mod tmux;
mod top;
mod transfers;
mod tsig;
mod updates;
mod wire;
mod world;
mod zones;

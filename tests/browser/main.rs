//! The dashboard in a real browser: a headless Chromium, a real server, real backends (§6.3).
//!
//! Needs Debian's `chromium` and `chromium-driver`, and npm's `axe-core` in `target/axe`; `tests/run`
//! fetches all of them. Pictures are kept in `target/browser`.

// Tests bound what they wait for by their own clock, and print where pictures are.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub
)]

#[allow(dead_code)] // shared with `it`, which uses the rest
#[path = "../it/backend.rs"]
mod backend;
mod driver;
#[allow(dead_code)]
#[path = "../it/harness.rs"]
mod harness;

mod accessibility;
mod changing;
mod operating;
mod reading;
mod world;

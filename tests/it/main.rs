//! Black-box tests: a real server process, real sockets, real clients; one topic a file.

// Tests read their own clock to bound what they wait for.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

mod harness;

//! What the pure rooms cost, function by function: `cargo bench`, or `cargo bench -- sticky` for some.
//!
//! Each bench checks once, before it is timed, that the call does what its name says. Through sockets,
//! beside other servers and at scale: the package one folder up.

#![allow(clippy::unwrap_used)]

mod answers;
mod decisions;
mod world;
mod zones;

fn main() {
    divan::main();
}

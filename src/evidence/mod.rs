//! Where evidence about pools comes from, besides probes.
//!
//! Owns the sources and their schedule; what the numbers mean is decided in `health`, `drain` and
//! `rollout`. Never reads anything through a proxy of the environment.

pub mod idle;
mod number;
mod source;

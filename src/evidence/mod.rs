//! Where evidence about pools comes from, besides probes and pushed samples.
//!
//! [`idle`] reads how busy an old side still is; [`queries`] asks Prometheus for the metrics of
//! running rollouts. Owns the sources and their schedule; what the numbers mean is decided in
//! `health`, `drain` and `rollout`. Never follows a redirect, never goes through a proxy of the
//! environment.

pub mod idle;
mod number;
mod prometheus;
pub mod queries;
mod source;
mod template;

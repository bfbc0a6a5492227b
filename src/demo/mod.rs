//! `tidegate demo`: a release from blue to green on one machine, without root or configuration.

pub mod context;

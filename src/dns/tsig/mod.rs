//! Transaction signatures (RFC 8945): a message vouched for by a secret that both sides know.
//!
//! A server takes a request apart with [`verify_request`] and signs what it replies with the [`Session`] it
//! got; a client signs with [`sign_request`] and checks replies with what that returned. The algorithms
//! are HMAC with SHA-256, SHA-384 and SHA-512; every message of a stream is signed. Time comes in as
//! seconds since 1970. Never keeps a message, never says a secret.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod client;
mod key;
mod mac;
mod record;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Expecting, ReplyError, sign_request};
pub use key::{Algorithm, Key, KeyRing, UnknownAlgorithm};
pub use server::{Refusal, Session, Verified, verify_request};

/// How far the clocks of both sides may be apart, seconds (RFC 8945 §10).
pub const FUDGE_S: u16 = 300;

/// What a TSIG record says went wrong (RFC 8945 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TsigError(pub u16);

impl TsigError {
    /// The signature is not that of the key.
    pub const BADSIG: Self = Self(16);
    /// No such key here, or not with that algorithm.
    pub const BADKEY: Self = Self(17);
    /// The clocks are too far apart.
    pub const BADTIME: Self = Self(18);
    /// The signature was cut shorter than we take.
    pub const BADTRUNC: Self = Self(22);
}

impl std::fmt::Display for TsigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::BADSIG => f.write_str("BADSIG"),
            Self::BADKEY => f.write_str("BADKEY"),
            Self::BADTIME => f.write_str("BADTIME"),
            Self::BADTRUNC => f.write_str("BADTRUNC"),
            Self(other) => write!(f, "error {other}"),
        }
    }
}

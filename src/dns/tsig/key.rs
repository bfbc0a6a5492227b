//! Keys: a name that both sides call them by, an algorithm, a secret.

use crate::dns::Name;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How signatures are made (RFC 8945 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

impl Algorithm {
    /// All of them, the usual one first.
    pub const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// Its name, as key files have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    /// Octets of a signature, and of a good secret.
    #[must_use]
    pub fn mac_len(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }

    /// Its name in wire form.
    pub(super) fn wire(self) -> &'static [u8] {
        match self {
            Self::HmacSha256 => b"\x0bhmac-sha256\0",
            Self::HmacSha384 => b"\x0bhmac-sha384\0",
            Self::HmacSha512 => b"\x0bhmac-sha512\0",
        }
    }
}

/// The text names no algorithm that is offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an algorithm that is offered: hmac-sha256, hmac-sha384 or hmac-sha512")]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Reads a name such as `hmac-sha256`; case and a final dot do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.trim_end_matches('.').to_ascii_lowercase();
        Self::ALL.into_iter().find(|one| one.word() == plain).ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A key. Its secret is shown by nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// What both sides call it.
    pub name: Name,
    /// How it signs.
    pub algorithm: Algorithm,
    secret: Box<[u8]>,
}

impl Key {
    /// A key of its parts.
    #[must_use]
    pub fn new(name: Name, algorithm: Algorithm, secret: &[u8]) -> Self {
        Self { name, algorithm, secret: secret.into() }
    }

    /// Octets that a signature adds to a message at most.
    #[must_use]
    pub fn signature_len(&self) -> usize {
        // Owner, type to RDLENGTH, algorithm, time to MAC size, MAC, original id to other length, other.
        self.name.wire().len() + 10 + self.algorithm.wire().len() + 10 + self.algorithm.mac_len() + 6 + 6
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {})", self.name, self.algorithm)
    }
}

/// The keys that are known, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRing(BTreeMap<Name, Arc<Key>>);

impl KeyRing {
    /// The key of a name.
    #[must_use]
    pub fn find(&self, name: &Name) -> Option<&Arc<Key>> {
        self.0.get(name)
    }

    /// Adds a key, in the place of one of the same name.
    pub fn insert(&mut self, key: Key) {
        self.0.insert(key.name.clone(), Arc::new(key));
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.0.values()
    }
}

//! What is signed, and the signature over it (RFC 8945 §4.3).

use super::key::{Algorithm, Key};
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384, Sha512};

/// The fields of a TSIG record that are signed with the message (RFC 8945 §4.3.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Variables<'a> {
    /// When it was signed, seconds since 1970; 48 bits of it.
    pub(super) time_s: u64,
    /// How far that may be off, seconds.
    pub(super) fudge_s: u16,
    /// What went wrong.
    pub(super) error: u16,
    /// With BADTIME: the time of the server.
    pub(super) other: &'a [u8],
}

/// A time as 48 bits.
pub(super) fn time_octets(time_s: u64) -> [u8; 6] {
    let [_, _, rest @ ..] = time_s.to_be_bytes();
    rest
}

/// A signature in the making.
#[derive(Clone)]
pub(super) enum Signing {
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl Signing {
    pub(super) fn with(key: &Key) -> Self {
        let any = "HMAC takes keys of any length";
        match key.algorithm {
            Algorithm::HmacSha256 => Self::Sha256(Hmac::new_from_slice(key.secret()).expect(any)),
            Algorithm::HmacSha384 => Self::Sha384(Hmac::new_from_slice(key.secret()).expect(any)),
            Algorithm::HmacSha512 => Self::Sha512(Hmac::new_from_slice(key.secret()).expect(any)),
        }
    }

    pub(super) fn add(&mut self, octets: &[u8]) {
        match self {
            Self::Sha256(mac) => mac.update(octets),
            Self::Sha384(mac) => mac.update(octets),
            Self::Sha512(mac) => mac.update(octets),
        }
    }

    /// An earlier signature, behind its length (§4.3.1).
    pub(super) fn add_earlier(&mut self, mac: &[u8]) {
        // No signature is longer than 64 octets.
        self.add(&u16::try_from(mac.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.add(mac);
    }

    /// A message without its TSIG record, under its original id (§4.3.2).
    pub(super) fn add_message(&mut self, original_id: u16, message: &[u8], additionals: u16) {
        self.add(&original_id.to_be_bytes());
        self.add(message.get(2..10).unwrap_or(&[]));
        self.add(&additionals.to_be_bytes());
        self.add(message.get(12..).unwrap_or(&[]));
    }

    /// The variables of a request, a reply, or the first message of a stream.
    pub(super) fn add_variables(&mut self, key: &Key, variables: &Variables<'_>) {
        self.add(key.name.wire());
        // Class ANY, TTL 0.
        self.add(&[0, 255, 0, 0, 0, 0]);
        self.add(key.algorithm.wire());
        self.add_timers(variables);
        self.add(&variables.error.to_be_bytes());
        self.add(&u16::try_from(variables.other.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.add(variables.other);
    }

    /// All that is signed of the later messages of a stream (§4.3.3.1).
    pub(super) fn add_timers(&mut self, variables: &Variables<'_>) {
        self.add(&time_octets(variables.time_s));
        self.add(&variables.fudge_s.to_be_bytes());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha384(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha512(mac) => mac.finalize().into_bytes().to_vec(),
        }
    }
}

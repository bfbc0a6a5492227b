//! Server cookies as they are offered: the secrets in force, and how they change (RFC 9018).

use crate::clock;
use crate::dns::cookie::Cookies;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;

/// What server cookies are made with (RFC 9018 §5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieSecrets {
    /// Makes cookies, and accepts them.
    pub secret: [u8; 16],
    /// Accepts cookies made before the last change.
    pub previous: Option<[u8; 16]>,
}

impl CookieSecrets {
    /// A fresh secret: cookies of an earlier start are not accepted, which costs their owners nothing
    /// but the rate limit's favour.
    #[must_use]
    pub fn random() -> Self {
        let mut secret = [0; 16];
        clock::random_bytes(&mut secret);
        Self { secret, previous: None }
    }

    /// The next: a fresh secret, and cookies of the one before are still accepted.
    #[must_use]
    pub fn rolled(self) -> Self {
        Self { previous: Some(self.secret), ..Self::random() }
    }
}

impl fmt::Debug for CookieSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecrets")
    }
}

/// Cookies as they are offered: workers read the secrets in force once a second, without a lock.
#[derive(Debug, Clone)]
pub struct CookieOffer {
    secrets: Arc<ArcSwap<CookieSecrets>>,
    required: bool,
}

impl CookieOffer {
    /// Offers cookies; `required`: clients that know of cookies need one of ours for a datagram.
    #[must_use]
    pub fn new(secrets: CookieSecrets, required: bool) -> Self {
        Self { secrets: Arc::new(ArcSwap::from_pointee(secrets)), required }
    }

    /// Puts other secrets in force, within a second.
    pub fn replace(&self, secrets: CookieSecrets) {
        self.secrets.store(Arc::new(secrets));
    }

    /// As the answer path takes them, at the time of now.
    pub(super) fn at_present(&self) -> Cookies {
        // Cookies count seconds modulo 2^32 (RFC 9018 §4.3).
        let now_s = u32::try_from((clock::unix_ms() / 1000) & u64::from(u32::MAX)).unwrap_or(0);
        let CookieSecrets { secret, previous } = **self.secrets.load();
        Cookies { secret, previous, now_s, required: self.required }
    }
}

//! DNS cookies (RFC 7873) in the interoperable form of RFC 9018: who shows one has received from us
//! at this address before.
//!
//! A server cookie is a hash over the client's cookie, a timestamp and the client's address, so nothing
//! is remembered per client and servers that share a secret accept each other's. Reads no clock.

// Lengths and offsets come from packets here: no octet is reached for without asking whether it is there.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::net::IpAddr;

/// How long a cookie is accepted, seconds (RFC 9018 §4.3).
const LIFETIME_S: u32 = 3600;

/// How far ahead another server's clock may be, seconds (RFC 9018 §4.3).
const AHEAD_S: u32 = 300;

/// VERSION and RESERVED of the one form there is (RFC 9018 §4.1, §4.2).
const VERSION: [u8; 4] = [1, 0, 0, 0];

/// A cookie option of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentCookie {
    /// The client's own part.
    pub client: [u8; 8],
    /// Our part, if the client has one of our length; another length is none of ours.
    pub server: Option<[u8; 16]>,
}

/// The secrets of this server, and the time cookies are made and judged at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies {
    /// Makes cookies, and accepts them.
    pub secret: [u8; 16],
    /// Accepts cookies made before the last change of the secret (RFC 9018 §5).
    pub previous: Option<[u8; 16]>,
    /// Seconds since 1970, modulo 2^32.
    pub now_s: u32,
    /// Whether a client that sends cookies has to show one of ours before it gets an answer in a
    /// datagram (RFC 7873 §5.2.3). Those that send none are answered as ever (§5.2.1).
    pub required: bool,
}

impl SentCookie {
    /// Reads the option: 8 octets, or 16 to 40; anything else is malformed (RFC 7873 §5.2.2).
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let (client, server) = value.split_first_chunk::<8>()?;
        if !server.is_empty() && !(8..=32).contains(&server.len()) {
            return None;
        }
        Some(Self { client: *client, server: server.try_into().ok() })
    }
}

impl Cookies {
    /// The server cookie for a client.
    #[must_use]
    pub fn make(&self, client: [u8; 8], address: IpAddr) -> [u8; 16] {
        let made = self.now_s.to_be_bytes();
        let hash = digest(self.secret, client, made, address);
        let mut cookie = [0; 16];
        for (place, octet) in cookie.iter_mut().zip(VERSION.into_iter().chain(made).chain(hash)) {
            *place = octet;
        }
        cookie
    }

    /// Whether a client shows a cookie we made for it, not too long ago.
    #[must_use]
    pub fn accepts(&self, sent: &SentCookie, address: IpAddr) -> bool {
        let Some((version, rest)) = sent.server.as_ref().and_then(|server| server.split_first_chunk::<4>()) else {
            return false;
        };
        let (Some(made), Some(shown)) = (rest.first_chunk::<4>(), rest.last_chunk::<8>()) else { return false };
        // Serial number arithmetic (RFC 1982): the clock may wrap.
        let age = self.now_s.wrapping_sub(u32::from_be_bytes(*made));
        if *version != VERSION || (age > LIFETIME_S && age < AHEAD_S.wrapping_neg()) {
            return false;
        }
        // Compared as one word: no prefix of it takes longer than another.
        let matches =
            |secret| u64::from_le_bytes(digest(secret, sent.client, *made, address)) == u64::from_le_bytes(*shown);
        matches(self.secret) || self.previous.is_some_and(matches)
    }
}

/// SipHash-2-4 over client cookie, version, timestamp and address (RFC 9018 §4.4).
fn digest(secret: [u8; 16], client: [u8; 8], made: [u8; 4], address: IpAddr) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(&secret);
    hasher.write(&client);
    hasher.write(&VERSION);
    hasher.write(&made);
    match address.to_canonical() {
        IpAddr::V4(v4) => hasher.write(&v4.octets()),
        IpAddr::V6(v6) => hasher.write(&v6.octets()),
    }
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(now_s: u32) -> Cookies {
        let secret = 0xe5e9_73e5_a6b2_a43f_48e7_dc84_9e37_bfcf_u128.to_be_bytes();
        Cookies { secret, previous: None, now_s, required: false }
    }

    #[test]
    fn rfc9018_appendix_a_1_a_learned_cookie() {
        let address = "198.51.100.100".parse().unwrap();
        let client = 0x2464_c4ab_cf10_c957_u64.to_be_bytes();
        let made = cookies(1_559_731_985).make(client, address);
        assert_eq!(u128::from_be_bytes(made), 0x0100_0000_5cf7_9f11_1f81_30c3_eee2_9480);
    }

    #[test]
    fn rfc9018_4_3_a_cookie_is_accepted_for_an_hour_from_its_own_address_only() {
        let (here, there): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let made_at = 0u32.wrapping_sub(100);
        let server = cookies(made_at).make([7; 8], here);
        let sent = SentCookie { client: [7; 8], server: Some(server) };
        for (later, accepted) in
            [(0, true), (3600, true), (3601, false), (0u32.wrapping_sub(299), true), (0u32.wrapping_sub(301), false)]
        {
            assert_eq!(cookies(made_at.wrapping_add(later)).accepts(&sent, here), accepted, "{later}");
        }
        assert!(!cookies(made_at).accepts(&sent, there));
        assert!(!cookies(made_at).accepts(&SentCookie { client: [8; 8], ..sent }, here));
        assert!(!cookies(made_at).accepts(&SentCookie { server: None, ..sent }, here));
        assert!(cookies(made_at).accepts(&sent, "::ffff:192.0.2.1".parse().unwrap()), "one address in two forms");
    }

    #[test]
    fn rfc9018_5_the_previous_secret_still_opens() {
        let address = "2001:db8::1".parse().unwrap();
        let old = cookies(1000);
        let sent = SentCookie { client: [1; 8], server: Some(old.make([1; 8], address)) };
        let rolled = Cookies { secret: [9; 16], previous: Some(old.secret), now_s: 1001, required: false };
        assert!(rolled.accepts(&sent, address));
        assert!(!Cookies { previous: None, ..rolled }.accepts(&sent, address));
    }

    #[test]
    fn rfc7873_5_2_2_only_some_lengths_are_cookies() {
        for len in 0..=64 {
            let sound = len == 8 || (16..=40).contains(&len);
            assert_eq!(SentCookie::read(&vec![0; len]).is_some(), sound, "{len}");
        }
    }
}

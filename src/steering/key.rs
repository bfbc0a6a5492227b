//! Whom an answer is for: the client's place in address space and its key (§1.6, RFC 7871).
//!
//! One space for both families: an IPv4 address stands at its IPv4-mapped place (`::ffff:0:0/96`),
//! so that one search serves both and a mapped address is the IPv4 address it means.

use crate::dns::Subnet;
use std::net::IpAddr;
use std::num::NonZeroU64;

/// The first address of `::ffff:0:0/96`.
pub(super) const MAPPED: u128 = 0xffff_0000_0000;

/// Who asks, as far as choosing cares.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The resolver.
    pub address: IpAddr,
    /// The client subnet it sent, if it is believed.
    pub subnet: Option<Subnet>,
    /// The query's leftmost label in lower case; for wildcard owners only.
    pub label: Option<&'a [u8]>,
}

/// What the sticky choice hashes for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientKey<'a> {
    /// A /24 or /56, packed: `octets` significant ones (3 or 7) from the low end of `word`.
    Prefix { word: u64, octets: u8 },
    /// A label of the query.
    Label(&'a [u8]),
}

impl ClientKey<'_> {
    /// A number that stands for the key where keys are counted and not shown (splitmix64's mixer over
    /// the octets); unrelated to the hash that chooses.
    #[inline]
    pub(super) fn fingerprint(&self) -> NonZeroU64 {
        let number = match *self {
            ClientKey::Prefix { word, octets } => mixed(word | u64::from(octets) << 56),
            ClientKey::Label(label) => {
                label.iter().fold(mixed(8 << 56), |so_far, octet| mixed(so_far ^ u64::from(*octet)))
            }
        };
        NonZeroU64::new(number).unwrap_or(NonZeroU64::MAX)
    }
}

/// The mixer of splitmix64 (Steele, Lea and Flood 2014).
#[inline]
const fn mixed(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Client<'_> {
    /// A number per client key (§1.6): clients that are always answered alike have the same one.
    #[must_use]
    pub fn fingerprint(&self) -> NonZeroU64 {
        match self.label {
            Some(label) => ClientKey::Label(label).fingerprint(),
            None => Location::of(self).key().fingerprint(),
        }
    }
}

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    /// The address in the one space.
    pub(super) position: u128,
    /// Bits of the one space in front of the client's own family (96 or 0).
    family_bits: u8,
    /// The source prefix length in the one space; `None` when no subnet was sent.
    source: Option<u8>,
    /// Whether the resolver spoke of the subnet in IPv6, mapped IPv4 included.
    spoken_in_v6: bool,
}

impl Location {
    /// The subnet if one was sent (a /0 counts as none), else the resolver.
    #[inline]
    pub(super) fn of(client: &Client<'_>) -> Self {
        match client.subnet {
            Some(Subnet { address: IpAddr::V4(address), source }) if source > 0 => Self {
                position: MAPPED | u128::from(u32::from(address)),
                family_bits: 96,
                source: Some(source.min(32) + 96),
                spoken_in_v6: false,
            },
            Some(Subnet { address: IpAddr::V6(address), source }) if source > 0 => {
                let position = u128::from(address);
                let mapped = source >= 96 && position >> 32 == MAPPED >> 32;
                Self {
                    position,
                    family_bits: if mapped { 96 } else { 0 },
                    source: Some(source.min(128)),
                    spoken_in_v6: true,
                }
            }
            _ => {
                let position = position_of(client.address);
                let family_bits = if position >> 32 == MAPPED >> 32 { 96 } else { 0 };
                Self { position, family_bits, source: None, spoken_in_v6: false }
            }
        }
    }

    /// The key: the address cut to /24 or /56.
    #[inline]
    pub(super) fn key(&self) -> ClientKey<'static> {
        #[allow(clippy::cast_possible_truncation)] // the cut is what is meant
        if self.family_bits == 96 {
            ClientKey::Prefix { word: u64::from((self.position as u32 >> 8).swap_bytes() >> 8), octets: 3 }
        } else {
            ClientKey::Prefix { word: ((self.position >> 72) as u64).swap_bytes() >> 8, octets: 7 }
        }
    }

    /// The length, in the one space, of the prefix around the client whose clients share its key.
    #[inline]
    pub(super) fn key_len(&self) -> u8 {
        if self.family_bits == 96 {
            96 + 24
        } else if self.position >> 72 == 0 {
            // `::/56` also holds the mapped IPv4 addresses, which have keys of their own.
            96
        } else {
            56
        }
    }

    /// The ECS scope to answer with, when the answer is the same within `len` bits of the one space.
    ///
    /// 0 only for an answer that is the same in all of it; never longer than the source prefix.
    #[inline]
    pub(super) fn scope(&self, len: u8) -> u8 {
        let Some(source) = self.source else { return 0 };
        let capped = len.min(source);
        if capped == 0 || self.spoken_in_v6 { capped } else { capped.saturating_sub(96).max(1) }
    }
}

/// An address's place in the one space.
#[inline]
pub(super) fn position_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => MAPPED | u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl std::fmt::Display for Location {
    /// The key prefix as people write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.family_bits == 96 {
            #[allow(clippy::cast_possible_truncation)] // the low 32 bits are the IPv4 address
            let v4 = std::net::Ipv4Addr::from(self.position as u32 & 0xffff_ff00);
            write!(f, "{v4}/24")
        } else {
            write!(f, "{}/56", std::net::Ipv6Addr::from(self.position >> 72 << 72))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(address: &str, subnet: Option<(&str, u8)>) -> Location {
        let subnet = subnet.map(|(address, source)| Subnet { address: address.parse().unwrap(), source });
        Location::of(&Client { address: address.parse().unwrap(), subnet, label: None })
    }

    #[test]
    fn the_subnet_wins_over_the_resolver_unless_it_is_a_slash_0() {
        assert_eq!(locate("192.0.2.77", Some(("198.51.100.0", 24))).to_string(), "198.51.100.0/24");
        assert_eq!(locate("192.0.2.77", Some(("0.0.0.0", 0))).to_string(), "192.0.2.0/24");
        assert_eq!(locate("2001:db8:1:2ff::1", None).to_string(), "2001:db8:1:200::/56");
    }

    #[test]
    fn keys_hold_the_octets_of_the_prefix_in_order() {
        assert_eq!(locate("1.2.3.4", None).key(), ClientKey::Prefix { word: 0x03_0201, octets: 3 });
        assert_eq!(locate("102:304:506:708::", None).key(), ClientKey::Prefix { word: 0x07_0605_0403_0201, octets: 7 });
    }

    #[test]
    fn mapped_addresses_are_the_ipv4_addresses_they_mean() {
        assert_eq!(locate("::ffff:1.2.3.4", None).key(), locate("1.2.3.4", None).key());
        let mapped = locate("::1", Some(("::ffff:1.2.3.0", 120)));
        assert_eq!(mapped.key(), locate("1.2.3.4", None).key());
        assert_eq!(mapped.scope(mapped.key_len()), 120);
    }

    #[test]
    fn fingerprints_are_equal_for_equal_keys_and_differ_between_families_and_labels() {
        let of = |address: &str, label: Option<&'static [u8]>| {
            Client { address: address.parse().unwrap(), subnet: None, label }.fingerprint()
        };
        assert_eq!(of("192.0.2.1", None), of("192.0.2.200", None));
        assert_eq!(of("192.0.2.1", None), of("::ffff:192.0.2.9", None));
        let different = [
            of("192.0.2.1", None),
            of("192.0.3.1", None),
            of("2001:db8::1", None),
            of("2001:db8:0:100::1", None),
            of("192.0.2.1", Some(b"u1")),
            of("192.0.2.1", Some(b"u2")),
            of("192.0.2.1", Some(b"")),
        ];
        assert_eq!(std::collections::BTreeSet::from(different).len(), different.len());
    }

    #[test]
    fn scopes_stay_within_the_source_and_are_0_only_when_nothing_counts() {
        let v4 = locate("::1", Some(("10.1.0.0", 16)));
        assert_eq!((v4.scope(0), v4.scope(1), v4.scope(96), v4.scope(104), v4.scope(120)), (0, 1, 1, 8, 16));
        let v6 = locate("::1", Some(("2001:db8::", 48)));
        assert_eq!((v6.scope(0), v6.scope(3), v6.scope(56)), (0, 3, 48));
        assert_eq!(locate("10.0.0.1", None).scope(120), 0);
    }
}

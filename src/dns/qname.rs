//! A name being looked up: lower-case wire form on the stack, with label starts and suffix hashes.
//!
//! The hash grows from the root leftwards, one step per label, so one pass over a name yields the
//! hash of every ancestor. Stored names are hashed by the same code when a table is built.

// Lengths and offsets come from packets here: no octet is reached for without asking whether it is there.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::name::MAX_NAME_LEN;

/// The longest name has 127 labels (255 octets, two per label, and the root).
const MAX_LABELS: usize = 127;

/// Places for label starts, the root's included: a power of two, so that an index needs no check.
const LABEL_PLACES: usize = MAX_LABELS + 1;

/// Names are padded so that whole words can be read at any of their octets.
const PADDED_LEN: usize = 256 + 8;

/// The hash of the root name: any odd constant (here from the fraction of pi).
pub const ROOT_HASH: u64 = 0x2436_a088_85a3_08d3;

/// A name in lower-case wire form with the places of its labels.
#[derive(Debug, Clone)]
pub struct Qname {
    /// The wire form, root label included; zeroes behind it are not guaranteed.
    wire: [u8; PADDED_LEN],
    /// Offset of each label's length octet, leftmost first.
    starts: [u8; LABEL_PLACES],
    /// Octets used, the root label included.
    len: u8,
    /// Labels, the root not counted.
    labels: u8,
}

impl Default for Qname {
    /// The root name.
    fn default() -> Self {
        Self { wire: [0; PADDED_LEN], starts: [0; LABEL_PLACES], len: 1, labels: 0 }
    }
}

impl Qname {
    /// Reads an uncompressed name at `at` that ends before `limit`; returns the offset behind it, or
    /// `None` when there is no such name (RFC 1035 §3.1). A compression pointer is not accepted.
    ///
    /// `message` may be longer than `limit`: room behind the name lets it be copied in whole words.
    #[inline]
    pub fn read(&mut self, message: &[u8], at: usize, limit: usize) -> Option<usize> {
        let name = message.get(at..)?;
        let within = name.get(..limit.saturating_sub(at).min(MAX_NAME_LEN)).unwrap_or(name);
        let (mut here, mut labels) = (0u8, 0u8);
        loop {
            let len = *within.get(usize::from(here))?;
            if let Some(start) = self.starts.get_mut(usize::from(labels) % LABEL_PLACES) {
                *start = here;
            }
            if len == 0 {
                break;
            }
            if len > 63 {
                return None;
            }
            here = here.checked_add(len + 1)?;
            labels += 1;
        }
        self.len = here.checked_add(1)?;
        self.labels = labels;
        self.lower(name);
        Some(at + usize::from(self.len))
    }

    /// Takes a name in uncompressed wire form; `None` when it is none.
    pub fn set(&mut self, wire: &[u8]) -> Option<()> {
        self.read(wire, 0, wire.len()).filter(|end| *end == wire.len()).map(|_| ())
    }

    /// Copies the name in lower case. Length octets are below 64 and stay as they are.
    #[inline]
    fn lower(&mut self, name: &[u8]) {
        for index in 0..self.len.div_ceil(8) {
            let at = usize::from(index % 32) * 8;
            let word = match name.get(at..at + 8).and_then(|octets| octets.first_chunk()) {
                Some(octets) => u64::from_le_bytes(*octets),
                None => last_word(name.get(at..).unwrap_or(&[])),
            };
            if let Some(target) = self.wire.get_mut(at..at + 8) {
                target.copy_from_slice(&lower_word(word).to_le_bytes());
            }
        }
    }

    /// The lower-case wire form.
    #[must_use]
    #[inline]
    pub fn wire(&self) -> &[u8] {
        self.wire.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Octets of the wire form.
    #[must_use]
    #[inline]
    pub fn wire_len(&self) -> usize {
        usize::from(self.len)
    }

    /// The wire form without its first `labels` labels.
    #[must_use]
    #[inline]
    pub fn suffix(&self, labels: usize) -> &[u8] {
        self.wire().get(self.start(labels)..).unwrap_or(&[])
    }

    /// Offset of label `index` (from the left) in the wire form; the root's for the last index.
    #[must_use]
    #[inline]
    pub fn start(&self, index: usize) -> usize {
        self.starts.get(index % LABEL_PLACES).copied().map_or(0, usize::from)
    }

    /// How many labels, the root not counted.
    #[must_use]
    #[inline]
    pub fn label_count(&self) -> usize {
        usize::from(self.labels)
    }

    /// The leftmost label; empty for the root.
    #[must_use]
    #[inline]
    pub fn first_label(&self) -> &[u8] {
        self.wire().split_first().and_then(|(len, rest)| rest.get(..usize::from(*len))).unwrap_or(&[])
    }

    /// The hash of this name one label longer than its suffix of hash `above`: label `index` added.
    #[must_use]
    #[inline]
    pub fn add_label(&self, above: u64, index: usize) -> u64 {
        let mut at = self.start(index);
        let end = self.start(index + 1);
        let mut hash = above;
        while at + 8 < end {
            hash = mix(hash, self.word(at));
            at += 8;
        }
        // One to eight octets are left.
        let unused = at.wrapping_sub(end).wrapping_mul(8) % 64;
        mix(hash, self.word(at) & (u64::MAX >> unused))
    }

    /// Whether the `len` octets at `at` are the first ones of `other`, which goes on for a word more.
    #[must_use]
    #[inline]
    pub fn has_at(&self, at: usize, len: usize, other: &[u8]) -> bool {
        let mut done = 0;
        while done + 8 <= len {
            if self.word(at + done) != word_at(other, done) {
                return false;
            }
            done += 8;
        }
        let rest = len - done;
        rest == 0 || (self.word(at + done) ^ word_at(other, done)) << (64 - 8 * rest) == 0
    }

    /// Eight octets of the padded wire form.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        word_at(&self.wire, at % 256)
    }

    /// The hash of the suffix without the first `skip` labels.
    #[must_use]
    pub fn suffix_hash(&self, skip: usize) -> u64 {
        let mut index = self.label_count();
        let mut hash = ROOT_HASH;
        while index > skip {
            index -= 1;
            hash = self.add_label(hash, index);
        }
        hash
    }
}

/// The hash of `*.<name>` from the hash of the name (RFC 4592).
#[must_use]
#[inline]
pub fn wildcard_hash(encloser: u64) -> u64 {
    mix(encloser, u64::from(u16::from_le_bytes([1, b'*'])))
}

/// Eight octets at an offset; zero beyond the end.
#[inline]
fn word_at(octets: &[u8], at: usize) -> u64 {
    octets.get(at..at + 8).and_then(|octets| octets.first_chunk()).map_or(0, |octets| u64::from_le_bytes(*octets))
}

/// Fewer than eight octets as a word.
#[cold]
fn last_word(octets: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(word)
}

/// Eight octets with ASCII capitals in lower case; octets above 127 stay as they are.
#[inline]
fn lower_word(word: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = word & !HIGH;
    // The high bit of an octet: at least `A`; above `Z`.
    let from_a = low + EACH * (0x80 - 0x41);
    let above_z = low + EACH * (0x80 - 0x5b);
    let capital = (from_a ^ above_z) & !word & HIGH;
    word | (capital >> 2)
}

/// One word into the hash: a folded 128-bit product. Tables are filled by operators only, so
/// no secret is needed against chosen collisions.
#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    fold(u128::from(hash ^ word) * u128::from(0x9e37_79b9_7f4a_7c15_u64))
}

/// The high half of a 128-bit number over its low half.
#[inline]
#[allow(clippy::cast_possible_truncation)] // taking the two halves is the point
fn fold(product: u128) -> u64 {
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Name;

    fn qname(text: &str) -> Qname {
        let mut qname = Qname::default();
        qname.set(text.parse::<Name>().unwrap().wire()).unwrap();
        qname
    }

    #[test]
    fn a_name_is_read_in_lower_case_and_no_further() {
        let mut read = Qname::default();
        let message = b"xx\x03wWw\x07ExAmple\x04TeSt\0\0\x01\0\x01";
        assert_eq!(read.read(message, 2, usize::MAX), Some(20));
        assert_eq!(read.wire(), b"\x03www\x07example\x04test\0");
        assert_eq!((read.label_count(), read.first_label(), read.suffix(2)), (3, &b"www"[..], &b"\x04test\0"[..]));
        assert_eq!(read.suffix(3), b"\0");
    }

    #[test]
    fn every_octet_is_lowered_as_ascii() {
        for octet in 0..=255u8 {
            let word = u64::from_le_bytes([octet, b'A', 0x80, octet, b'Z', b'[', b'@', octet]);
            let expected = word.to_le_bytes().map(|o| o.to_ascii_lowercase());
            assert_eq!(lower_word(word).to_le_bytes(), expected, "{octet}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let mut read = Qname::default();
        assert_eq!(read.read(b"\x03ww", 0, usize::MAX), None);
        assert_eq!(read.read(b"\xc0\x0c", 0, usize::MAX), None, "no pointer in a question");
        assert_eq!(read.read(b"\x40", 0, usize::MAX), None);
        let longest: Vec<u8> = [&b"\x3f"[..], &[b'a'; 63]].concat();
        let over = [longest.repeat(3), vec![62], vec![b'b'; 62], vec![0]].concat();
        assert_eq!((over.len(), read.read(&over, 0, usize::MAX)), (256, None));
        let exact = [longest.repeat(3), vec![61], vec![b'b'; 61], vec![0]].concat();
        assert_eq!((exact.len(), read.read(&exact, 0, usize::MAX)), (255, Some(255)));
        let deepest = [b"\x01a".repeat(127), vec![0]].concat();
        assert_eq!(read.read(&deepest, 0, usize::MAX), Some(255));
        assert_eq!(read.label_count(), 127);
    }

    #[test]
    fn the_hash_of_a_suffix_is_the_hash_of_that_name() {
        let (long, short) = (qname("a.very-long-label.example.test"), qname("example.test"));
        assert_eq!(long.suffix_hash(2), short.suffix_hash(0));
        assert_eq!(wildcard_hash(short.suffix_hash(0)), qname("*.example.test").suffix_hash(0));
        assert_ne!(long.suffix_hash(0), long.suffix_hash(1));
        assert_ne!(qname("ab.c").suffix_hash(0), qname("a.bc").suffix_hash(0));
    }

    #[test]
    fn hashes_of_many_similar_names_spread_over_a_table() {
        let mut used = vec![false; 1 << 14];
        for n in 0..4096 {
            used[(qname(&format!("host{n}.example.test")).suffix_hash(0) >> 50) as usize] = true;
        }
        // Thrown at random, 4096 balls into 16384 bins hit about 3625 of them.
        assert!(used.iter().filter(|u| **u).count() > 3500);
    }
}

//! A name being looked up: lower-case wire form with label starts, and the hashes of its ancestors.
//!
//! A hash grows from the end of the name leftwards, one step per eight octets: a longer suffix goes
//! on where a shorter one stopped. Stored names are hashed by the same code when a table is built.

// Lengths and offsets come from packets here: no octet is reached for without asking whether it is there.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::name::MAX_NAME_LEN;

/// Places for label starts, the root's included: the longest name has 127 labels (255 octets, two per
/// label, and the root). A power of two, so that an index needs no check.
const LABEL_PLACES: usize = 128;

/// Octets that are copied and put in lower case together.
const BLOCK: usize = 32;

/// Room for a name in whole blocks.
const NAME_PLACES: usize = 256;

/// Room for whole words to be read at any octet.
const PADDED_LEN: usize = NAME_PLACES + 8;

/// What hashes begin with: any odd constant (here from the fraction of pi).
const HASH_SEED: u64 = 0x2436_a088_85a3_08d3;

/// How far the hash of a name has grown.
#[derive(Debug, Clone, Copy)]
pub struct Hashing {
    hash: u64,
    /// Everything from this offset on is in it.
    begin: usize,
}

/// A name in lower-case wire form with the places of its labels.
#[derive(Debug, Clone)]
pub struct Qname {
    /// The wire form, root label included; zeroes behind it are not guaranteed.
    wire: [u8; PADDED_LEN],
    /// Offset of each label's length octet, leftmost first, the root's last.
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
    /// `message` may be longer than `limit`: room behind the name lets it be copied in whole blocks.
    #[inline(always)] // on the way of every query, where a call costs a tenth of it
    pub fn read(&mut self, message: &[u8], at: usize, limit: usize) -> Option<usize> {
        let octets = message.get(at..)?;
        let block = self.lower_block(octets, 0);
        let (mut here, mut labels) = (0, 0);
        // Most names end within the first block.
        let mut len = 0;
        while let Some(octet) = block.get(here) {
            len = *octet;
            self.begin_label(labels, here);
            if !(1..=63).contains(&len) {
                break;
            }
            here += usize::from(len) + 1;
            labels += 1;
        }
        if here >= BLOCK {
            (here, labels, len) = self.read_further(octets, here, labels);
        }
        let end = at + here + 1;
        if len != 0 || here >= MAX_NAME_LEN || end > limit.min(message.len()) {
            return None;
        }
        (self.len, self.labels) = (octet(here + 1), octet(labels));
        Some(end)
    }

    /// Goes on reading behind the first block: returns where the last label begins, how many there are
    /// before it, and its length.
    #[inline(never)]
    fn read_further(&mut self, octets: &[u8], mut here: usize, mut labels: usize) -> (usize, usize, u8) {
        let mut lowered = BLOCK;
        loop {
            while here >= lowered {
                if lowered == NAME_PLACES {
                    return (here, labels, u8::MAX);
                }
                self.lower_block(octets, lowered);
                lowered += BLOCK;
            }
            let len = self.wire.get(here).copied().unwrap_or(u8::MAX);
            self.begin_label(labels, here);
            if !(1..=63).contains(&len) {
                return (here, labels, len);
            }
            here += usize::from(len) + 1;
            labels += 1;
        }
    }

    /// Notes where a label begins.
    #[inline(always)]
    fn begin_label(&mut self, index: usize, at: usize) {
        if let Some(start) = self.starts.get_mut(index % LABEL_PLACES) {
            *start = octet(at);
        }
    }

    /// [`Qname::read`] off the way of queries.
    #[inline(never)]
    pub fn read_apart(&mut self, message: &[u8], at: usize, limit: usize) -> Option<usize> {
        self.read(message, at, limit)
    }

    /// Takes a name in uncompressed wire form; `None` when it is none.
    pub fn set(&mut self, wire: &[u8]) -> Option<()> {
        self.read_apart(wire, 0, wire.len()).filter(|end| *end == wire.len()).map(|_| ())
    }

    /// Copies the block at `from` in lower case, zeroes behind the end; returns it. Length octets are
    /// below 64 and stay as they are; what would be one and is a capital letter is none in lower case
    /// either.
    #[inline(always)]
    fn lower_block(&mut self, octets: &[u8], from: usize) -> [u8; BLOCK] {
        let block = match octets.get(from..from + BLOCK).and_then(|block| block.first_chunk()) {
            Some(block) => lower_octets(*block),
            None => last_block(octets.get(from..).unwrap_or(&[])),
        };
        if let Some(place) = self.wire.get_mut(from..from + BLOCK).and_then(|place| place.first_chunk_mut()) {
            *place = block;
        }
        block
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
        self.starts.get(index % LABEL_PLACES).map_or(0, |start| usize::from(*start))
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

    /// Where hashing begins: at the end of the name.
    #[must_use]
    #[inline(always)]
    pub fn hashing(&self) -> Hashing {
        Hashing { hash: HASH_SEED, begin: self.wire_len() }
    }

    /// The hash of this name from offset `at` on, which is at most where `hashing` has come to.
    #[inline(always)] // on the way of every query
    pub fn hash_from(&self, hashing: &mut Hashing, at: usize) -> u64 {
        while hashing.begin >= at + 8 {
            hashing.begin -= 8;
            hashing.hash = mix(hashing.hash, self.word(hashing.begin));
        }
        // Fewer than eight octets are left: what stands behind them is shifted out. When none is left
        // a word counts twice, which is as good.
        let left = hashing.begin.wrapping_sub(at);
        mix(hashing.hash, self.word(at) << (left.wrapping_mul(8).wrapping_neg() % 64))
    }

    /// The hash of the name without its first `skip` labels.
    #[must_use]
    pub fn suffix_hash(&self, skip: usize) -> u64 {
        self.hash_from(&mut self.hashing(), self.start(skip))
    }

    /// Whether the octets from `at` on begin with these.
    #[must_use]
    #[inline(always)]
    pub fn has_at(&self, at: usize, octets: &[u8]) -> bool {
        match self.wire.get(at..at + octets.len()) {
            Some(own) => are_equal(own, octets),
            None => false,
        }
    }

    /// Eight octets of the padded wire form.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        word_at(&self.wire, at % 256)
    }
}

/// What the wildcard below a name is filed under, beside its own hash, by the hash of that name
/// (RFC 4592): found without writing its name down.
#[must_use]
#[inline]
pub fn wildcard_hash(encloser: u64) -> u64 {
    mix(encloser, u64::from(b'*'))
}

/// Whether two slices of one length are equal: by words, of which the last may overlap the one before.
#[inline(always)] // `memcmp` costs more than what it compares here
fn are_equal(mut one: &[u8], mut other: &[u8]) -> bool {
    let (Some(end), Some(other_end)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) else {
        return are_equal_short(one, other);
    };
    if u64::from_ne_bytes(*end) != u64::from_ne_bytes(*other_end) {
        return false;
    }
    while one.len() > 8
        && let (Some((word, rest)), Some((other_word, other_rest))) =
            (one.split_first_chunk::<8>(), other.split_first_chunk::<8>())
    {
        if u64::from_ne_bytes(*word) != u64::from_ne_bytes(*other_word) {
            return false;
        }
        (one, other) = (rest, other_rest);
    }
    true
}

/// [`are_equal`] for less than a word.
#[inline(always)]
fn are_equal_short(one: &[u8], other: &[u8]) -> bool {
    if let (Some(begin), Some(end)) = (one.first_chunk::<4>(), one.last_chunk::<4>()) {
        return other.first_chunk() == Some(begin) && other.last_chunk() == Some(end);
    }
    if let (Some(begin), Some(end)) = (one.first_chunk::<2>(), one.last_chunk::<2>()) {
        return other.first_chunk() == Some(begin) && other.last_chunk() == Some(end);
    }
    one.first() == other.first()
}

/// Eight octets at an offset; zero beyond the end.
#[inline]
fn word_at(octets: &[u8], at: usize) -> u64 {
    octets.get(at..at + 8).and_then(|octets| octets.first_chunk()).map_or(0, |octets| u64::from_le_bytes(*octets))
}

/// An offset or a number of labels as it is kept.
#[inline]
#[allow(clippy::cast_possible_truncation)] // names are at most 255 octets
fn octet(number: usize) -> u8 {
    number as u8
}

/// A block in lower case. Held by value: told that nothing else touches it, the compiler works on 16
/// octets at once.
#[inline(always)]
fn lower_octets(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    for octet in &mut block {
        *octet = octet.to_ascii_lowercase();
    }
    block
}

/// Fewer octets than a block in lower case, and zeroes.
#[cold]
fn last_block(octets: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block.iter_mut().zip(octets).for_each(|(to, from)| *to = from.to_ascii_lowercase());
    block
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
    fn every_octet_is_lowered_as_ascii_and_only_within_labels() {
        let all: Vec<u8> = (0..=255u8).collect();
        for octets in all.chunks(63) {
            let len = u8::try_from(octets.len()).unwrap();
            let wire = [&[len], octets, b"\x03Top\0"].concat();
            let mut read = Qname::default();
            read.set(&wire).unwrap();
            let expected = [&[len], &octets.to_ascii_lowercase()[..], b"\x03top\0"].concat();
            assert_eq!(read.wire(), expected);
        }
        let mut read = Qname::default();
        assert_eq!(read.read(&[&[b'A'][..], &[b'a'; 97], &[0]].concat(), 0, usize::MAX), None, "no length");
    }

    #[test]
    fn a_name_that_was_read_before_leaves_nothing_behind() {
        let mut read = qname("a.much-longer-name.with.more.labels.example.test");
        read.set(b"\x01b\0").unwrap();
        let fresh = qname("b");
        assert_eq!((read.wire(), read.label_count()), (fresh.wire(), 1));
        assert_eq!(read.suffix_hash(0), fresh.suffix_hash(0));
        assert_eq!(read.read(b"\x01b\x01", 0, 3), None, "the octets behind are not those of the last name");
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
        assert_ne!(long.suffix_hash(0), long.suffix_hash(1));
        assert_ne!(qname("ab.c").suffix_hash(0), qname("a.bc").suffix_hash(0));
        assert_ne!(wildcard_hash(short.suffix_hash(0)), short.suffix_hash(0));
        let mut growing = long.hashing();
        for skip in (0..=long.label_count()).rev() {
            assert_eq!(long.hash_from(&mut growing, long.start(skip)), long.suffix_hash(skip), "{skip}");
        }
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

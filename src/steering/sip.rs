//! SipHash-2-4 with a head start: the pool's part of the message is absorbed once, when compiled.
//!
//! The message is the pool's name (its length, the name, zeros up to a multiple of 8), then the
//! client key. Behind a /24 or /56 key only the final block is left for the packet path: 6 rounds a
//! pool. The `siphasher` crate, which has no cheap way to resume, is the reference in the tests.

/// The state after whole 8-octet blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SipState {
    v: [u64; 4],
    /// Octets absorbed, modulo 256, in the top octet, where the final block wants it.
    length: u64,
}

impl SipState {
    /// The state under a 128-bit key, nothing absorbed.
    pub(super) fn keyed(key: [u64; 2]) -> Self {
        let v = [
            key[0] ^ 0x736f_6d65_7073_6575,
            key[1] ^ 0x646f_7261_6e64_6f6d,
            key[0] ^ 0x6c79_6765_6e65_7261,
            key[1] ^ 0x7465_6462_7974_6573,
        ];
        Self { v, length: 0 }
    }

    /// Absorbs a name: one octet of length, the name, zeros up to a whole block.
    pub(super) fn absorb_name(mut self, name: &str) -> Self {
        let mut message = Vec::with_capacity(name.len() + 8);
        message.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        message.extend_from_slice(name.as_bytes());
        message.resize(message.len().next_multiple_of(8), 0);
        for block in message.chunks_exact(8) {
            self.absorb(u64::from_le_bytes(block.try_into().expect("chunks of 8")));
        }
        self
    }

    /// The hash, with `tail` (its `octets` low octets, at most 7) as the rest of the message.
    #[inline]
    pub(super) fn finish(mut self, tail: u64, octets: u8) -> u64 {
        let last = tail | self.length.wrapping_add(u64::from(octets) << 56);
        self.compress(last);
        self.v[2] ^= 0xff;
        for _ in 0..4 {
            round(&mut self.v);
        }
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }

    /// The hash, with `rest` of any length as the rest of the message.
    pub(super) fn finish_bytes(mut self, rest: &[u8]) -> u64 {
        let mut blocks = rest.chunks_exact(8);
        for block in &mut blocks {
            self.absorb(u64::from_le_bytes(block.try_into().expect("chunks of 8")));
        }
        let tail = blocks.remainder();
        let word = tail.iter().rev().fold(0, |word, octet| (word << 8) | u64::from(*octet));
        self.finish(word, u8::try_from(tail.len()).expect("less than 8"))
    }

    /// Absorbs one block and counts it.
    fn absorb(&mut self, block: u64) {
        self.length = self.length.wrapping_add(8 << 56);
        self.compress(block);
    }

    #[inline]
    fn compress(&mut self, block: u64) {
        self.v[3] ^= block;
        round(&mut self.v);
        round(&mut self.v);
        self.v[0] ^= block;
    }
}

/// One SipRound.
#[inline]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use siphasher::sip::SipHasher24;

    proptest! {
        #[test]
        fn it_is_siphash_2_4_of_the_padded_name_and_the_rest(
            key in any::<[u64; 2]>(), name in "[a-z0-9-]{1,63}", rest in proptest::collection::vec(any::<u8>(), 0..64)
        ) {
            let mut message = vec![u8::try_from(name.len()).unwrap()];
            message.extend_from_slice(name.as_bytes());
            message.resize(message.len().next_multiple_of(8), 0);
            message.extend_from_slice(&rest);
            let expected = SipHasher24::new_with_keys(key[0], key[1]).hash(&message);
            let state = SipState::keyed(key).absorb_name(&name);
            prop_assert_eq!(state.finish_bytes(&rest), expected);
            if rest.len() < 8 {
                let word = rest.iter().rev().fold(0, |word, octet| (word << 8) | u64::from(*octet));
                prop_assert_eq!(state.finish(word, u8::try_from(rest.len()).unwrap()), expected);
            }
        }
    }
}

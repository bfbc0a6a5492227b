//! Cuts a finished reply down to what tells a client to come back over TCP.
//!
//! Used by response rate limiting: the question and the OPT stay, every other record goes, TC is
//! set. A reply whose bytes do not add up is left alone.

use super::query::HEADER_LEN;

const OPT: u16 = 41;

/// Cuts the reply in `message[..len]` and returns its new length.
#[must_use]
pub fn cut_to_question(message: &mut [u8], len: usize) -> usize {
    cut(message, len).unwrap_or(len)
}

fn cut(message: &mut [u8], len: usize) -> Option<usize> {
    let reply = message.get(..len)?;
    let count = |at: usize| reply.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    let mut at = HEADER_LEN;
    for _ in 0..count(4)? {
        at = skip_name(reply, at)?.checked_add(4)?;
    }
    let question_end = at;
    let records = u32::from(count(6)?) + u32::from(count(8)?) + u32::from(count(10)?);
    let mut opt = None;
    for _ in 0..records {
        let fixed = skip_name(reply, at)?;
        let (rtype, rdata_len) = (count(fixed)?, usize::from(count(fixed + 8)?));
        let end = fixed + 10 + rdata_len;
        if rtype == OPT {
            opt = Some(at..end);
        }
        at = end;
    }
    if at > len || question_end > len {
        return None;
    }
    let additional = u8::from(opt.is_some());
    let new_len = question_end + opt.as_ref().map_or(0, std::ops::Range::len);
    if let Some(opt) = opt {
        message.copy_within(opt, question_end);
    }
    let header = message.first_chunk_mut::<HEADER_LEN>()?;
    header[2] |= 0x02;
    header[6..].copy_from_slice(&[0, 0, 0, 0, 0, additional]);
    Some(new_len)
}

/// The offset behind the name at `at`, which may end in a pointer (RFC 1035 §4.1.4).
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            label => at += 1 + usize::from(label),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reply about `a.` with one A record, and an OPT with one option when asked for.
    fn reply(edns: bool) -> Vec<u8> {
        let mut message = vec![0, 9, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, u8::from(edns)];
        message.extend_from_slice(b"\x01a\0\x00\x01\x00\x01");
        message.extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\xc0\x00\x02\x01");
        if edns {
            message.extend_from_slice(b"\0\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x05\x00\x0f\x00\x01x");
        }
        message
    }

    #[test]
    fn the_question_and_the_opt_stay_and_tc_is_set() {
        let mut message = reply(true);
        let len = message.len();
        let cut = cut_to_question(&mut message, len);
        let mut expected = vec![0, 9, 0x86, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        expected.extend_from_slice(b"\x01a\0\x00\x01\x00\x01");
        expected.extend_from_slice(b"\0\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x05\x00\x0f\x00\x01x");
        assert_eq!(&message[..cut], &expected[..]);
    }

    #[test]
    fn without_edns_only_the_question_stays() {
        let mut message = reply(false);
        let len = message.len();
        assert_eq!(cut_to_question(&mut message, len), 12 + 7);
        assert_eq!(message[6..12], [0; 6]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail_or_grow(mut message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let len = message.len();
            prop_assert!(cut_to_question(&mut message, len) <= len);
        }

        #[test]
        fn a_reply_cut_off_anywhere_is_left_alone(keep in 0usize..50) {
            let mut message = reply(true);
            let keep = keep.min(message.len() - 1);
            let before = message.clone();
            prop_assert_eq!(cut_to_question(&mut message, keep), keep);
            prop_assert_eq!(before, message);
        }
    }
}

//! Vectors made with dnspython 2.9.2, both sides against each other, and every kind of damage.

use super::*;
use crate::dns::Name;
use crate::dns::message::Malformed;
use proptest::prelude::*;
use std::sync::Arc;

const NOW: u64 = 1_700_000_000;

/// A query for app.example.test. SOA, signed by transfer.example. with the octets 1 to 32.
const QUERY: &str = "12340100000100000000000203617070076578616d706c650474657374000006000100002904d0000000000000085472616e73666572074578616d706c650000fa00ff00000000";
const SIGNED: [(Algorithm, &str); 3] = [
    (
        Algorithm::HmacSha256,
        "003d0b686d61632d7368613235360000006553f100012c00201b33bbe54c76769445577c76cd9e5e417f0cd588ed3d6c8ce88a98602b3224bf123400000000",
    ),
    (
        Algorithm::HmacSha384,
        "004d0b686d61632d7368613338340000006553f100012c0030b243b45032983b3a7592c3c5cf823c3fae5b32473e54c2dc6eba07b0e4c2fdfa66246b06c811e932eb5e284d9d87dd87123400000000",
    ),
    (
        Algorithm::HmacSha512,
        "005d0b686d61632d7368613531320000006553f100012c0040a64901da77ffc4a768253441595f082069f2755903323757ddcefd557b6d149bf9e6696d1b2e303921b00551411c31d8441f60afed6d896613f86981da94a91d123400000000",
    ),
];
/// The reply to each, without its TSIG record, and the signatures it was given.
const REPLY: &str = "12348500000100010000000103617070076578616d706c6504746573740000060001c00c000100010000001e0004c00002010000292000000000000000";
const REPLY_MACS: [&str; 3] = [
    "4ae6b64ad255345e5a43df8c05652c84a5cdc45fd9507a3daca239efec97198f",
    "5265a73e8aa9aab3abf87e8de568c5e598bb2a10b079103584536282e24d1a11825e410f7fb2637d81e6cfe86b1ba473",
    "127198677984ae5dac2d108afd34877a5e64acfc24780d81c7800f1bf60101d02f5cb2529fbc22dc01dc2cec646ae1abf45e86461363de29fb5467a0ab98a753",
];
/// Three messages of a stream, which differ in their last address octet, flags 0x8100.
const STREAM_MACS: [&str; 3] = [
    "f318287efd84029651b11adb6300423559ebae84497c7b604a5b3d0344330270",
    "c9304bc63c137be32584567c117a93380df14f38de1760c4d90a6ead7f2294f6",
    "60fc88da9b8389b63b8cb85440e355310d03403678aadaffbbf4adbc7348890e",
];

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn key(algorithm: Algorithm) -> Key {
    Key::new("Transfer.Example.".parse().unwrap(), algorithm, &(1..=32).collect::<Vec<u8>>())
}

fn ring(algorithm: Algorithm) -> KeyRing {
    let mut ring = KeyRing::default();
    ring.insert(key(algorithm));
    ring
}

fn query(algorithm: Algorithm) -> Vec<u8> {
    let (_, rest) = SIGNED.iter().find(|(one, _)| *one == algorithm).unwrap();
    octets(&format!("{QUERY}{rest}"))
}

/// The query as it is without its signature.
fn plain() -> Vec<u8> {
    let mut message = octets(QUERY);
    message.truncate(message.len() - 26);
    message[11] = 1;
    message
}

fn session(algorithm: Algorithm) -> Session {
    match verify_request(&ring(algorithm), &mut query(algorithm), NOW).unwrap() {
        Verified::Signed(session) => session,
        other => panic!("{other:?}"),
    }
}

fn refusal(ring: &KeyRing, message: &[u8], now: u64) -> Refusal {
    match verify_request(ring, &mut message.to_vec(), now).unwrap() {
        Verified::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

/// The signature in a message that ends with a TSIG record without other data.
fn mac_of(message: &[u8], algorithm: Algorithm) -> &[u8] {
    &message[message.len() - 6 - algorithm.mac_len()..message.len() - 6]
}

#[test]
fn rfc8945_requests_of_others_are_verified_and_stripped() {
    for (algorithm, _) in SIGNED {
        let mut message = query(algorithm);
        let verified = verify_request(&ring(algorithm), &mut message, NOW).unwrap();
        assert!(matches!(verified, Verified::Signed(_)), "{verified:?}");
        assert_eq!(message, plain());
    }
    assert!(matches!(verify_request(&ring(Algorithm::HmacSha256), &mut plain(), NOW), Ok(Verified::Unsigned)));
}

#[test]
fn rfc8945_replies_are_signed_as_others_sign_them() {
    for ((algorithm, _), mac) in SIGNED.into_iter().zip(REPLY_MACS) {
        let mut reply = octets(REPLY);
        session(algorithm).sign(&mut reply, NOW);
        assert_eq!(mac_of(&reply, algorithm), octets(mac));
        assert!(reply.len() - octets(REPLY).len() <= key(algorithm).signature_len());
    }
}

#[test]
fn rfc8945_5_3_1_later_messages_of_a_stream_sign_the_earlier_signature_and_timers() {
    let mut session = session(Algorithm::HmacSha256);
    for (mac, last) in STREAM_MACS.iter().zip(1..) {
        let mut message = octets(REPLY);
        message[2] = 0x81;
        let address_at = message.len() - 12;
        message[address_at] = last;
        session.sign(&mut message, NOW);
        assert_eq!(mac_of(&message, Algorithm::HmacSha256), octets(mac));
    }
}

#[test]
fn requests_of_ours_are_signed_as_others_sign_them() {
    for (algorithm, _) in SIGNED {
        let mut message = plain();
        let _ = sign_request(&Arc::new(key(algorithm)), &mut message, NOW);
        assert_eq!(mac_of(&message, algorithm), mac_of(&query(algorithm), algorithm));
    }
}

#[test]
fn rfc8945_5_2_1_an_unknown_key_or_algorithm_is_badkey_without_a_signature() {
    let others = ring(Algorithm::HmacSha512);
    for ring in [KeyRing::default(), others] {
        let refusal = refusal(&ring, &query(Algorithm::HmacSha256), NOW);
        assert_eq!(refusal.error, TsigError::BADKEY);
        let mut reply = plain();
        refusal.sign(&mut reply, NOW);
        assert_eq!(reply[plain().len() + 49..][..2], [0, 0], "no MAC");
        assert_eq!(reply[reply.len() - 6..], [0x12, 0x34, 0, 17, 0, 0]);
    }
}

#[test]
fn rfc8945_5_2_2_every_flipped_bit_that_is_signed_is_badsig() {
    let message = query(Algorithm::HmacSha256);
    let ring = ring(Algorithm::HmacSha256);
    let mac_at = message.len() - 6 - 32;
    for at in [2, 13, 30, mac_at, mac_at + 31, mac_at - 4, mac_at - 10] {
        let mut damaged = message.clone();
        damaged[at] ^= 1;
        assert_eq!(refusal(&ring, &damaged, NOW).error, TsigError::BADSIG, "octet {at}");
    }
    let mut forwarded = message;
    forwarded[0] = 0x77;
    assert!(matches!(verify_request(&ring, &mut forwarded, NOW), Ok(Verified::Signed(_))), "§5.2: another id is fine");
}

#[test]
fn rfc8945_5_2_3_a_late_request_is_badtime_signed_with_our_time_beside() {
    let ring = ring(Algorithm::HmacSha256);
    let message = query(Algorithm::HmacSha256);
    for now in [NOW - 300, NOW + 300] {
        assert!(matches!(verify_request(&ring, &mut message.clone(), now), Ok(Verified::Signed(_))));
    }
    for now in [NOW - 301, NOW + 301, 0, u64::MAX] {
        assert_eq!(refusal(&ring, &message, now).error, TsigError::BADTIME);
    }
    let mut request = plain();
    let mut expecting = sign_request(&Arc::new(key(Algorithm::HmacSha256)), &mut request, NOW);
    let mut reply = plain();
    refusal(&ring, &request, NOW + 1000).sign(&mut reply, NOW + 1000);
    assert_eq!(reply[reply.len() - 6..], [0, 0, 0x65, 0x53, 0xf4, 0xe8], "our time");
    assert_eq!(expecting.verify(&mut reply, NOW), Err(ReplyError::Peer(TsigError::BADTIME)), "and it is signed");
}

#[test]
fn rfc8945_5_2_4_a_cut_signature_is_badtrunc_and_too_short_a_one_is_malformed() {
    let ring = ring(Algorithm::HmacSha256);
    let whole = query(Algorithm::HmacSha256);
    let cut_to = |len: usize| {
        let mac_at = whole.len() - 6 - 32;
        let mut message = whole[..mac_at + len].to_vec();
        message.extend(&whole[whole.len() - 6..]);
        message[mac_at - 1] = u8::try_from(len).unwrap();
        let rdlength_at = octets(QUERY).len() + 1;
        message[rdlength_at] -= u8::try_from(32 - len).unwrap();
        message
    };
    assert_eq!(refusal(&ring, &cut_to(16), NOW).error, TsigError::BADTRUNC);
    assert_eq!(refusal(&ring, &cut_to(31), NOW).error, TsigError::BADTRUNC);
    for len in [0, 9, 15] {
        assert_eq!(verify_request(&ring, &mut cut_to(len), NOW).unwrap_err(), Malformed);
    }
}

#[test]
fn rfc8945_5_1_the_record_stands_alone_and_last() {
    let ring = ring(Algorithm::HmacSha256);
    let message = query(Algorithm::HmacSha256);
    let tsig = &message[plain().len()..];
    let mut twice = [&message[..], tsig].concat();
    twice[11] = 3;
    let mut followed = [&message[..], b"\0\0\x01\0\x01\0\0\0\0\0\0"].concat();
    followed[11] = 3;
    let trailing = [&message[..], b"x"].concat();
    let mut as_answer = message.clone();
    (as_answer[7], as_answer[11]) = (2, 0);
    for mut wrong in [twice, followed, trailing, as_answer] {
        assert_eq!(verify_request(&ring, &mut wrong, NOW).unwrap_err(), Malformed);
    }
}

#[test]
fn a_stream_may_leave_messages_unsigned_but_not_the_first_and_not_a_hundred() {
    let key = Arc::new(key(Algorithm::HmacSha384));
    let mut ring = KeyRing::default();
    ring.insert((*key).clone());
    let mut request = plain();
    let mut expecting = sign_request(&key, &mut request, NOW);
    let Verified::Signed(mut session) = verify_request(&ring, &mut request, NOW).unwrap() else { panic!("signed") };
    assert_eq!(expecting.verify(&mut plain(), NOW), Err(ReplyError::Unsigned));
    let mut first = plain();
    session.sign(&mut first, NOW);
    assert_eq!(expecting.verify(&mut first, NOW), Ok(()));
    assert!(expecting.is_settled() && first == plain());
    for _ in 0..99 {
        assert_eq!(expecting.verify(&mut plain(), NOW), Ok(()));
    }
    assert!(!expecting.is_settled());
    assert_eq!(expecting.verify(&mut plain(), NOW), Err(ReplyError::Unsigned));
}

#[test]
fn secrets_are_shown_by_nothing() {
    let ring = ring(Algorithm::HmacSha256);
    let shown = format!("{ring:?} {:?} {:?}", session(Algorithm::HmacSha256), key(Algorithm::HmacSha512));
    assert!(shown.contains("transfer.example."));
    assert!(!shown.contains("1, 2, 3"), "{shown}");
}

proptest! {
    #[test]
    fn what_one_side_signs_the_other_believes(name in "[a-z]{1,20}(\\.[a-z]{1,20}){0,3}", secret in proptest::collection::vec(any::<u8>(), 1..100), which in 0usize..3, count in 1usize..5, now in 0u64..1 << 40) {
        let key = Arc::new(Key::new(name.parse::<Name>().unwrap(), Algorithm::ALL[which], &secret));
        let mut ring = KeyRing::default();
        ring.insert((*key).clone());
        let mut request = plain();
        let mut expecting = sign_request(&key, &mut request, now);
        prop_assert!(request.len() - plain().len() <= key.signature_len());
        let Ok(Verified::Signed(mut session)) = verify_request(&ring, &mut request, now) else { panic!("not signed") };
        prop_assert_eq!(&request, &plain());
        for _ in 0..count {
            let mut message = plain();
            session.sign(&mut message, now);
            prop_assert_eq!(expecting.verify(&mut message, now), Ok(()));
            prop_assert_eq!(&message, &plain());
        }
    }

    #[test]
    fn damage_is_never_believed(at in 0usize..131, bit in 0u32..8) {
        let ring = ring(Algorithm::HmacSha256);
        let mut message = query(Algorithm::HmacSha256);
        message[at] ^= 1 << bit;
        // The id is not signed, and neither are the original id's copy in it nor the case of names.
        let believed = matches!(verify_request(&ring, &mut message.clone(), NOW), Ok(Verified::Signed(_)));
        let original = query(Algorithm::HmacSha256);
        let same_but_case = original.iter().zip(&message).skip(plain().len()).all(|(a, b)| a.eq_ignore_ascii_case(b));
        prop_assert!(!believed || at < 2 || (at >= plain().len() && same_but_case), "octet {}", at);
    }

    #[test]
    fn any_octets_are_taken_apart_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = verify_request(&ring(Algorithm::HmacSha256), &mut octets.clone(), NOW);
        let mut expecting = sign_request(&Arc::new(key(Algorithm::HmacSha256)), &mut plain(), NOW);
        let _ = expecting.verify(&mut octets.clone(), NOW);
    }
}

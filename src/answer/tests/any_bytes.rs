//! Whatever arrives: an answer within the limit that parses, or silence; never a panic.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::LazyLock;

static WORLD: LazyLock<Snapshot> =
    LazyLock::new(|| world(&[blue_and_green(), aliases("www.example.test", "to-steered.example.test")]));

/// Answers bytes in a buffer of their own and holds the reply against its rules.
fn hold(bytes: &[u8], transport: Transport, draw: u64) -> Result<(), TestCaseError> {
    let asker = Asker { transport, draw, ..udp() };
    let (outcome, reply) = send(&WORLD, &asker, bytes);
    if outcome.len == 0 {
        prop_assert!(bytes.len() < 12 || bytes[2] & 0x80 != 0, "only stumps and replies are met with silence");
        return Ok(());
    }
    let limit = if transport == Transport::Udp { 1232 } else { 65_535 };
    prop_assert!(reply.len() <= limit);
    prop_assert_eq!(&reply[..2], &bytes[..2]);
    prop_assert!(reply[2] & 0x80 != 0 && reply[3] & 0x80 == 0);
    let decoded = Decoded::read(&reply).map_err(|e| TestCaseError::fail(format!("{e}: {reply:02x?}")))?;
    prop_assert_eq!(decoded.rcode, outcome.rcode);
    prop_assert_ne!(decoded.rcode, 2);
    Ok(())
}

/// Labels that hit our zones often enough.
fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "www", "app", "green", "users", "wild", "deleg", "ns", "alias", "chain1", "loop1", "_explain", "*", "ent", "b", "sub",
            "moved", "to-steered", "example", "test", "second", "signed", "old", "host", "away",
        ]).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9-]{1,63}",
    ]
}

fn name() -> impl Strategy<Value = String> {
    (
        vec(label(), 0..4),
        prop::sample::select(vec!["example.test", "EXAMPLE.Test", "second.test", "deleg.example.test", "test"]),
    )
        .prop_map(|(labels, apex)| labels.into_iter().chain([apex.to_owned()]).collect::<Vec<_>>().join("."))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered_or_dropped(bytes in vec(any::<u8>(), 0..600), draw: u64) {
        hold(&bytes, Transport::Udp, draw)?;
    }

    #[test]
    fn any_bytes_behind_a_query_header_are_answered(tail in vec(any::<u8>(), 0..300), counts: [u8; 4]) {
        let header = [0, 7, 0, 0, 0, counts[0] % 3, 0, counts[1] % 2, 0, counts[2] % 2, 0, counts[3] % 4];
        hold(&[&header[..], &tail].concat(), Transport::Tcp, 0)?;
    }

    #[test]
    fn any_question_is_answered_within_its_limit(
        name in name(), qtype in prop_oneof![Just(1u16), Just(28), Just(5), Just(2), Just(6), Just(16), Just(43), Just(255), any::<u16>()],
        payload: u16, options in vec(any::<u8>(), 0..40), with_edns: bool, draw: u64,
    ) {
        let mut wire = query(&name, RecordType(qtype));
        if with_edns {
            wire = with_opt(wire, payload, [0; 4], &options);
        }
        let limit = if with_edns { usize::from(payload.clamp(512, 1232)) } else { 512 };
        prop_assert!(send(&WORLD, &udp(), &wire).1.len() <= limit);
        hold(&wire, Transport::Udp, draw)?;
        hold(&wire, Transport::Tcp, draw)?;
    }

    #[test]
    fn a_mutilated_query_is_answered_or_dropped(name in name(), at in 0usize..80, with: u8, cut in 0usize..90) {
        let mut wire = edns_query(&name, RecordType::A, 1232, &subnet_option(1, 24, &[192, 0, 2]));
        let len = wire.len();
        wire[at % len] = with;
        wire.truncate(cut.max(12).min(len));
        hold(&wire, Transport::Udp, 1)?;
    }

    #[test]
    fn a_buffer_as_small_as_the_query_is_never_overrun(name in name()) {
        let mut wire = edns_query(&name, RecordType::A, 1232, &[]);
        let len = wire.len();
        prop_assert!(respond(&WORLD, &udp(), &mut wire, len).len <= len);
    }
}

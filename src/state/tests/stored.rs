//! The stored form of a switch's state: what is written is read, and newer forms are refused by name.

use super::*;
use crate::health::Override;
use crate::state::v1::{DecodeError, decode_switch, encode_switch};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Arc<str>> {
    "[a-z\u{e9}\"\\\\ ]{1,6}".prop_map(Arc::from)
}

fn split() -> impl Strategy<Value = Split> {
    prop::collection::btree_map(name(), 0..=10_000u16, 0..4)
}

fn moment() -> impl Strategy<Value = Moment> {
    (any::<u64>(), any::<u64>()).prop_map(|(boot_ms, unix_ms)| Moment { boot_ms, unix_ms })
}

fn held() -> impl Strategy<Value = Hold> {
    let kind = prop_oneof![Just(OverrideKind::ForceUp), Just(OverrideKind::ForceDown)];
    (name(), prop::option::of(name()), kind, any::<u64>()).prop_map(|(pool, member, kind, expires_unix_ms)| Hold {
        by: pool.to_string(),
        pool,
        member,
        hold: Override { kind, reason: "why not".to_owned(), expires_unix_ms },
    })
}

fn guest() -> impl Strategy<Value = Guest> {
    let lease = (any::<u64>(), name(), any::<bool>()).prop_map(|(ttl_ms, by, stale)| Lease {
        ttl_ms,
        by: by.to_string(),
        stale,
    });
    let registered = (name(), prop::option::of(name()), lease).prop_map(|(id, version, lease)| {
        let given = Given { name: Some((*id).into()), expect_version: version.map(|version| (*version).into()) };
        (given, Origin::Registered(lease))
    });
    let discovered = proptest::option::of(any::<u64>())
        .prop_map(|leaves_unix_ms| (Given::default(), Origin::Discovered { leaves_unix_ms }));
    let origin = prop_oneof![registered, discovered];
    let (ipv4, ipv6) = (prop::option::of(any::<std::net::Ipv4Addr>()), prop::option::of(any::<std::net::Ipv6Addr>()));
    (name(), ipv4, ipv6, 1..=10_000u16, origin).prop_map(|(pool, ipv4, ipv6, weight, (given, origin))| {
        let mut member = Member::new(ipv4, ipv6, given);
        member.weight = weight;
        Guest { pool, member, origin }
    })
}

prop_compose! {
    fn any_state()(
        weights in prop::option::of(split()),
        file_weights in prop::option::of(split()),
        previous in prop::option::of(split()),
        versions in prop::collection::btree_map(name(), ".{0,8}", 0..3),
        holds in prop::collection::vec(held(), 0..3),
        prepared_until_unix_ms in prop::option::of(any::<u64>()),
        salt in prop::option::of(".{0,8}"),
        recent in prop::collection::vec(name(), 0..3),
        changed_at in prop::option::of(moment()),
        guests in prop::collection::vec(guest(), 0..3),
        revision in any::<u64>(),
    ) -> SwitchState {
        SwitchState { weights, file_weights, previous, versions, holds, prepared_until_unix_ms, salt, recent, changed_at, revision, guests, rollout: None }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(state in any_state()) {
        prop_assert_eq!(decode_switch(&encode_switch(&state)).unwrap(), state);
    }

    #[test]
    fn newer_forms_are_refused_whatever_they_hold(v in 2..u32::MAX, state in any_state()) {
        let newer = encode_switch(&state).replacen("\"v\":1", &format!("\"v\":{v}"), 1);
        let refused = matches!(decode_switch(&newer), Err(DecodeError::Newer { found }) if found == v);
        prop_assert!(refused);
    }

    #[test]
    fn no_text_makes_decoding_panic(text in ".{0,40}") {
        let _ = decode_switch(&text);
    }
}

#[test]
fn damaged_texts_are_malformed() {
    for text in [
        "",
        "{}",
        "[]",
        "null",
        "{\"v\":1,\"weights\":7}",
        "{\"v\":\"1\"}",
        "{\"v\":1,\"weights\":{\"a\":70000}}",
        "{\"v\":-1}",
    ] {
        assert!(matches!(decode_switch(text), Err(DecodeError::Malformed(_))), "{text}");
    }
}

#[test]
fn the_form_of_version_1_is_frozen() {
    let text = r#"{"v":1,"weights":{"blue":0,"green":10000},"file_weights":{"blue":10000,"green":0},"previous":null,"versions":{"green":"v2"},"holds":[{"pool":"blue","member":null,"hold":{"kind":"force-down","reason":"old","expires_unix_ms":9},"by":"ada"}],"prepared_until_unix_ms":null,"salt":null,"recent":["blue"],"changed_at":{"boot_ms":1,"unix_ms":2},"revision":3}"#;
    let state = decode_switch(text).unwrap();
    assert_eq!((state.weights.as_ref().unwrap()["green"], state.revision, state.holds.len()), (10_000, 3, 1));
    assert_eq!(encode_switch(&state), text);
}

#[test]
fn parts_that_an_older_writer_did_not_know_are_empty() {
    assert_eq!(decode_switch(r#"{"v":1}"#).unwrap(), SwitchState::default());
}

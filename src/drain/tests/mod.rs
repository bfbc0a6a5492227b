//! The ledger and its verdicts: single cases here, random worlds in `truth`.

mod holds;
mod truth;

use super::*;
use crate::moment::Moment;
use crate::steering::{Given, Member};
use std::sync::Arc;

fn key(pool: &str) -> PoolKey {
    PoolKey { switch: "model".into(), pool: pool.into() }
}

fn member(last: u8) -> Member {
    let name = Some(format!("m{last}").into());
    Member::new(Some([192, 0, 2, last].into()), None, Given { name, expect_version: None })
}

fn facts(pool: &str, answered: bool, members: &[u8]) -> PoolFacts {
    PoolFacts {
        pool: pool.into(),
        answered,
        may_answer: answered,
        promise_ms: 30_000,
        tail_ms: 900_000,
        members: members.iter().map(|last| member(*last)).collect(),
    }
}

/// Boot clock in seconds; the wall clock is a fixed way ahead.
fn at(s: u64) -> Moment {
    Moment { boot_ms: s * 1000, unix_ms: 1_700_000_000_000 + s * 1000 }
}

fn on_wall(s: u64) -> Option<u64> {
    Some(at(s).unix_ms)
}

fn input(key: &PoolKey) -> VerdictInput<'_> {
    VerdictInput::of_promises(key)
}

fn idle(in_a_row: u32) -> IdleStatus {
    IdleStatus { in_a_row, needed: 3, last_value: Some(0.5), floor: Some(1.0), error: None }
}

/// Blue serves from 100 s, all is flipped to green at 200 s, settled at 201 s; the last answer was at 200 s.
fn flipped() -> Ledger {
    let switch: Arc<str> = "model".into();
    let before = vec![facts("blue", true, &[1, 2]), facts("green", false, &[3])];
    let known = Ledger::start(None, "boot", at(0), &[], false).image();
    let mut ledger = Ledger::start(Some(known), "boot", at(100), &[(switch.clone(), before)], true);
    for s in 100..=200 {
        ledger.heartbeat(s * 1000);
    }
    ledger.announce(1, &switch, &[facts("blue", false, &[1, 2]), facts("green", true, &[3])]);
    ledger.fold(&key("blue"), 230_000, false);
    ledger.heartbeat(201_000);
    ledger.settle(1);
    ledger
}

fn state(ledger: &Ledger, pool: &str, s: u64) -> DrainState {
    ledger.verdict(&input(&key(pool)), at(s)).state
}

#[test]
fn a_pool_goes_through_all_states_in_order() {
    let ledger = flipped();
    for (s, expected) in [
        (201, DrainState::Draining),
        (234, DrainState::Draining),
        (235, DrainState::DnsDrained),
        (294, DrainState::DnsDrained),
        (295, DrainState::Tail),
        (1129, DrainState::Tail),
        (1130, DrainState::Drained),
    ] {
        assert_eq!(state(&ledger, "blue", s), expected, "at {s} s");
    }
    let report = ledger.verdict(&input(&key("blue")), at(240));
    assert_eq!(
        (report.last_promise_expires_at_ms, report.dns_drained_at_ms, report.tail_ends_at_ms),
        (on_wall(230), on_wall(235), on_wall(1130))
    );
    assert_eq!((report.remaining_ms, report.safe_to_close), (Some(890_000), false));
    let report = ledger.verdict(&input(&key("blue")), at(1130));
    assert!(report.safe_to_close && !report.verified);
}

#[test]
fn weight_or_a_rule_means_serving_and_never_safe() {
    let ledger = flipped();
    let blue = key("blue");
    for input in [
        VerdictInput { has_weight: true, ..input(&blue) },
        VerdictInput { has_rule: true, ..input(&blue) },
        VerdictInput { in_rollout: true, ..input(&blue) },
    ] {
        let report = ledger.verdict(&input, at(9999));
        assert_eq!((report.state, report.safe_to_close, report.remaining_ms), (DrainState::Serving, false, None));
        assert_eq!(report.reasons.len(), 1);
    }
    let fallback = VerdictInput { in_fallback_use: true, ..input(&blue) };
    assert_eq!(ledger.verdict(&fallback, at(9999)).state, DrainState::Draining);
    let blocked = ["secondary ns2 has serial 7, 8 is needed".to_owned()];
    let behind = VerdictInput { blocked_by: &blocked, ..input(&blue) };
    assert_eq!(ledger.verdict(&behind, at(9999)).state, DrainState::Draining);
}

#[test]
fn nothing_is_concluded_until_every_worker_has_left_the_old_view() {
    let mut ledger = flipped();
    let switch: Arc<str> = "model".into();
    ledger.announce(2, &switch, &[facts("blue", true, &[1, 2]), facts("green", false, &[3])]);
    ledger.announce(3, &switch, &[facts("blue", false, &[1, 2]), facts("green", true, &[3])]);
    assert_eq!(state(&ledger, "blue", 5000), DrainState::Draining);
    ledger.settle(2);
    assert_eq!(state(&ledger, "blue", 5000), DrainState::Draining);
    ledger.settle(3);
    assert_eq!(state(&ledger, "blue", 5000), DrainState::Drained);
}

#[test]
fn settling_an_old_view_does_not_close_what_a_later_one_opened() {
    let mut ledger = flipped();
    let switch: Arc<str> = "model".into();
    ledger.announce(2, &switch, &[facts("blue", false, &[1, 2]), facts("green", true, &[3])]);
    ledger.announce(3, &switch, &[facts("blue", true, &[1, 2]), facts("green", true, &[3])]);
    ledger.settle(2);
    assert_eq!(state(&ledger, "blue", 5000), DrainState::Draining);
}

#[test]
fn an_idle_reading_holds_the_verdict_and_verifies_it() {
    let ledger = flipped();
    let blue = key("blue");
    let busy = VerdictInput { idle: Some(idle(2)), ..input(&blue) };
    let report = ledger.verdict(&busy, at(2000));
    assert_eq!((report.state, report.safe_to_close, report.remaining_ms), (DrainState::Tail, false, None));
    assert!(report.reasons.iter().any(|reason| reason.contains("2 of 3")));
    let quiet = VerdictInput { idle: Some(idle(3)), ..input(&blue) };
    let report = ledger.verdict(&quiet, at(2000));
    assert!(report.safe_to_close && report.verified);
    assert_eq!(ledger.verdict(&quiet, at(1000)).state, DrainState::Tail);
}

#[test]
fn a_warm_pool_is_drained_but_not_to_be_closed_unless_released() {
    let ledger = flipped();
    let blue = key("blue");
    let warm = VerdictInput { warm_until_unix_ms: on_wall(3800), ..input(&blue) };
    let report = ledger.verdict(&warm, at(2000));
    assert_eq!(
        (report.state, report.safe_to_close, report.remaining_ms),
        (DrainState::Drained, false, Some(1_800_000))
    );
    assert!(ledger.verdict(&VerdictInput { release_warm: true, ..warm.clone() }, at(2000)).safe_to_close);
    assert!(ledger.verdict(&warm, at(3800)).safe_to_close);
}

#[test]
fn pins_are_told_and_hold_nothing() {
    let mut ledger = flipped();
    ledger.fold(&key("blue"), 5_000_000, true);
    let report = ledger.verdict(&input(&key("blue")), at(1130));
    assert_eq!((report.state, report.pin_promises_until_ms), (DrainState::Drained, on_wall(5000)));
}

#[test]
fn a_restart_in_the_same_boot_keeps_bounds_and_waits_for_stale_answers() {
    let ledger = flipped();
    let text = ledger.image().to_text();
    let restarted = |s: u64, continuous: bool| {
        let pools = vec![facts("blue", false, &[1, 2]), facts("green", true, &[3])];
        Ledger::start(Some(v1::Image::from_text(&text).unwrap()), "boot", at(s), &[("model".into(), pools)], continuous)
    };
    assert_eq!(state(&restarted(210, true), "blue", 235), DrainState::DnsDrained);
    let after_crash = restarted(210, false);
    assert_eq!(state(&after_crash, "blue", 274), DrainState::Draining);
    assert_eq!(state(&after_crash, "blue", 275), DrainState::DnsDrained);
    let green = |ledger: &Ledger| ledger.verdict(&input(&key("green")), at(210)).last_promise_expires_at_ms;
    assert_eq!((green(&restarted(210, true)), green(&after_crash)), (on_wall(240), on_wall(270)));
}

#[test]
fn what_had_drained_stays_drained_over_a_restart() {
    let mut ledger = flipped();
    for s in 201..=1200 {
        ledger.heartbeat(s * 1000);
    }
    let pools = vec![facts("blue", false, &[1, 2]), facts("green", true, &[3])];
    let same = Ledger::start(Some(ledger.image()), "boot", at(1300), &[("model".into(), pools.clone())], false);
    assert_eq!(state(&same, "blue", 1300), DrainState::Drained);
    let other = Ledger::start(Some(ledger.image()), "next boot", at(20), &[("model".into(), pools)], false);
    assert_eq!(state(&other, "blue", 20), DrainState::Drained);
}

#[test]
fn another_boot_restarts_outstanding_promises_in_full() {
    let ledger = flipped();
    let pools = vec![facts("blue", false, &[1, 2]), facts("green", true, &[3])];
    let other = Ledger::start(Some(ledger.image()), "next boot", at(7), &[("model".into(), pools.clone())], true);
    assert_eq!(other.verdict(&input(&key("blue")), at(7)).last_promise_expires_at_ms, on_wall(37));
    let unknown = Ledger::start(
        Some(v1::Image { boot_id: "unknown".into(), ..ledger.image() }),
        "unknown",
        at(7),
        &[("model".into(), pools)],
        true,
    );
    assert_eq!(unknown.verdict(&input(&key("blue")), at(7)).last_promise_expires_at_ms, on_wall(37));
}

#[test]
fn a_first_start_owes_nothing_and_a_lost_image_everything() {
    let pools = vec![facts("blue", false, &[1]), facts("green", true, &[3])];
    let start = |image| Ledger::start(image, "boot", at(50), &[("model".into(), pools.clone())], false);
    let first = start(None);
    assert_eq!(first.verdict(&input(&key("green")), at(50)).last_promise_expires_at_ms, None);
    assert_eq!(state(&first, "blue", 50), DrainState::Drained);
    let lost = start(Some(v1::Image::lost()));
    // 60 s, not the TTL of 30 s: resolvers may have served stale while nobody answered.
    assert_eq!(lost.verdict(&input(&key("blue")), at(50)).last_promise_expires_at_ms, on_wall(110));
    assert_eq!(state(&lost, "never defined", 50), DrainState::Drained);
}

#[test]
fn a_pool_only_the_fallback_could_name_is_assumed_answered_after_a_crash_alone() {
    let standby = || vec![facts("blue", true, &[1]), PoolFacts { may_answer: true, ..facts("green", false, &[3]) }];
    let start =
        |image: Option<v1::Image>, s| Ledger::start(image, "boot", at(s), &[("model".into(), standby())], false);
    let mut ledger = start(None, 50);
    let crashed = start(Some(ledger.image()), 51);
    assert_eq!(state(&crashed, "green", 51), DrainState::Draining);
    ledger.close();
    let ended = start(Some(ledger.image()), 51);
    assert_eq!(state(&ended, "green", 51), DrainState::Drained);
    assert_eq!(state(&ended, "blue", 51), DrainState::Draining);
    let again = start(Some(ended.image()), 52);
    assert_eq!(state(&again, "green", 52), DrainState::Draining);
}

#[test]
fn a_switch_that_was_removed_drains_too() {
    let mut ledger = flipped();
    ledger.fold(&key("green"), 260_000, false);
    ledger.announce_removed(2, |_| false);
    assert_eq!(state(&ledger, "green", 9999), DrainState::Draining);
    ledger.settle(2);
    assert_eq!(state(&ledger, "green", 264), DrainState::Draining);
    assert_eq!(state(&ledger, "green", 1160), DrainState::Drained);
    assert_eq!(ledger.member_verdict([192, 0, 2, 3].into(), &[], at(264)).unwrap().state, DrainState::Draining);
}

#[test]
fn a_standstill_restarts_the_clock_at_its_end() {
    let mut ledger = flipped();
    ledger.heartbeat(206_000);
    assert_eq!(state(&ledger, "blue", 235), DrainState::DnsDrained);
    ledger.heartbeat(212_000);
    assert_eq!(ledger.verdict(&input(&key("blue")), at(212)).last_promise_expires_at_ms, on_wall(272));
}

#[test]
fn a_member_is_judged_over_every_pool_that_names_its_address() {
    let mut ledger = flipped();
    let other: Arc<str> = "other".into();
    ledger.announce(2, &other, &[facts("blue", true, &[1])]);
    ledger.settle(2);
    let naming = ledger.pools_naming([192, 0, 2, 1].into());
    assert_eq!(naming.len(), 2);
    let inputs: Vec<_> =
        naming.iter().map(|key| VerdictInput { has_weight: &*key.switch == "other", ..input(key) }).collect();
    let report = ledger.member_verdict([192, 0, 2, 1].into(), &inputs, at(9999)).unwrap();
    assert_eq!((report.state, report.safe_to_close), (DrainState::Serving, false));
    assert!(report.reasons.iter().any(|reason| reason.starts_with("other/blue: ")), "{:?}", report.reasons);
    assert_eq!(ledger.member_verdict([192, 0, 2, 77].into(), &[], at(9999)), None);
}

#[test]
fn a_member_that_left_keeps_the_bound_its_pool_had() {
    let mut ledger = flipped();
    let switch: Arc<str> = "model".into();
    ledger.fold(&key("green"), 240_000, false);
    ledger.announce(2, &switch, &[facts("blue", false, &[1, 2]), facts("green", true, &[4])]);
    ledger.settle(2);
    ledger.fold(&key("green"), 900_000, false);
    let address = [192, 0, 2, 3].into();
    assert_eq!(ledger.pools_naming(address), []);
    let report = ledger.member_verdict(address, &[], at(244)).unwrap();
    assert_eq!((report.state, report.last_promise_expires_at_ms), (DrainState::Draining, on_wall(240)));
    ledger.announce(3, &switch, &[facts("blue", false, &[1, 2])]);
    ledger.settle(3);
    assert_eq!(
        ledger.member_verdict([192, 0, 2, 4].into(), &[], at(244)).unwrap().last_promise_expires_at_ms,
        on_wall(900)
    );
    ledger.forget_drained(2_000_000, |_, pool| pool == "blue");
    assert_eq!(ledger.member_verdict(address, &[], at(2000)), None);
    assert_eq!(ledger.image().pools.len(), 1);
}

#[test]
fn an_image_survives_its_text_and_other_versions_are_refused() {
    let mut ledger = flipped();
    ledger.fold(&key("blue"), 500_000, true);
    ledger.announce(2, &"model".into(), &[facts("blue", false, &[1]), facts("green", true, &[3])]);
    ledger.settle(2);
    let image = ledger.image();
    assert_eq!(v1::Image::from_text(&image.to_text()).unwrap(), image);
    let later = v1::Image { version: 2, ..image }.to_text();
    assert!(matches!(v1::Image::from_text(&later), Err(v1::ImageError::Version(2))));
    assert!(matches!(v1::Image::from_text("{}"), Err(v1::ImageError::Form(_))));
}

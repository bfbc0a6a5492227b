//! The interval between changes and the limit of moving switches (§3.2).

use super::*;

/// A world whose `model` was flipped to green at boot 10 s.
fn flipped_early() -> World {
    let mut world = World::new();
    world.now = Moment { boot_ms: 10_000, unix_ms: 1_800_000_000_000 };
    let change = world.ask(flip("model", "green")).unwrap();
    world.desired.absorb(&change);
    world
}

#[test]
fn a_switch_rests_for_its_interval_after_a_change() {
    let mut world = flipped_early();
    world.later(4_999);
    assert_eq!(
        world.ask(flip("model", "blue")).unwrap_err(),
        Rejection::TooSoon { switch: "model".to_owned(), ago_ms: 4_999, wait_ms: 1 }
    );
    assert!(world.ask_forced(flip("model", "blue")).is_ok());
    assert!(world.ask(flip("flag", "on")).is_ok(), "other switches do not rest with it");
    world.later(1);
    assert!(world.ask(flip("model", "blue")).is_ok());
}

#[test]
fn undo_does_not_rest() {
    let mut world = flipped_early();
    world.later(1);
    assert!(world.ask(undo("model")).is_ok());
}

#[test]
fn the_interval_is_timed_on_the_boot_clock_whatever_the_wall_clock_does() {
    let mut world = flipped_early();
    world.now = Moment { boot_ms: 11_000, unix_ms: world.now.unix_ms + 3_600_000 };
    assert!(matches!(world.ask(flip("model", "blue")), Err(Rejection::TooSoon { ago_ms: 1_000, .. })));
    world.now = Moment { boot_ms: 16_000, unix_ms: 0 };
    assert!(world.ask(flip("model", "blue")).is_ok());
}

#[test]
fn after_a_reboot_the_wall_clock_tells_the_interval() {
    let mut world = flipped_early();
    let changed = world.now.unix_ms;
    world.now = Moment { boot_ms: 2_000, unix_ms: changed + 4_000 };
    assert!(matches!(world.ask(flip("model", "blue")), Err(Rejection::TooSoon { ago_ms: 4_000, wait_ms: 1_000, .. })));
    world.now = Moment { boot_ms: 2_000, unix_ms: changed + 60_000 };
    assert!(world.ask(flip("model", "blue")).is_ok());
}

#[test]
fn preparing_and_overrides_do_not_start_the_interval() {
    let mut world = World::new();
    world.take(prepare("model"));
    assert!(world.ask(flip("model", "green")).is_ok());
    world.take(hold("model", "base", None, Some(OverrideKind::ForceDown)));
    assert!(world.ask(flip("model", "green")).is_ok());
}

/// A zone whose limit is one moving switch.
fn limited() -> World {
    World::of(definitions(|draft| draft.example.max_moving = Some(1)))
}

#[test]
fn no_more_switches_of_a_zone_move_at_once_than_its_limit() {
    let mut world = limited();
    let both = Command::Flip(vec![target("model", "green"), target("flag", "on")]);
    assert!(matches!(world.ask(both.clone()), Err(Rejection::TooManyMoving { moving: 0, limit: 1, .. })));
    assert!(world.ask_forced(both).is_ok());
    world.observed.moving.insert("flag".into());
    let refused = world.ask(flip("model", "green")).unwrap_err();
    assert!(
        matches!(&refused, Rejection::TooManyMoving { moving: 1, limit: 1, names, .. } if names == "flag"),
        "{refused}"
    );
    assert!(world.ask(weights("model", &[("green", 100)])).is_err());
    assert!(world.ask(flip("flag", "on")).is_ok(), "what moves already may move on");
    assert!(world.ask_forced(flip("chat", "new")).is_ok(), "other zones have limits of their own");
}

#[test]
fn undo_ignores_the_limit_of_moving_switches() {
    let mut world = limited();
    world.take(flip("model", "green"));
    world.observed.moving.insert("flag".into());
    assert!(world.ask(undo("model")).is_ok());
    assert!(matches!(world.ask(flip("model", "blue")), Err(Rejection::TooSoon { .. })));
    world.later(MINUTE_MS);
    assert!(matches!(world.ask(flip("model", "blue")), Err(Rejection::TooManyMoving { .. })));
}

#[test]
fn a_reset_that_moves_weight_obeys_interval_and_limit() {
    let mut world = limited();
    world.take(flip("model", "green"));
    assert!(matches!(world.ask(reset("model")), Err(Rejection::TooSoon { .. })));
    world.later(MINUTE_MS);
    world.observed.moving.insert("flag".into());
    assert!(matches!(world.ask(reset("model")), Err(Rejection::TooManyMoving { .. })));
}

//! reset: forgets what was set at run time (§1.10).

use super::*;

#[test]
fn a_reset_returns_to_the_files_and_undo_comes_back_from_it() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    world.take(expect_version("model", "blue", Some("v9")));
    world.take(hold("model", "base", None, Some(OverrideKind::ForceDown)));
    world.take(prepare("model"));
    world.take_forced(reset("model"));
    assert_eq!(world.split("model"), "blue 10000 green 0 base 0");
    let state = world.state("model");
    assert!(
        state.weights.is_none()
            && state.versions.is_empty()
            && state.holds.is_empty()
            && state.prepared_until_unix_ms.is_none()
    );
    world.take(undo("model"));
    assert_eq!(world.split("model"), "blue 0 green 10000 base 0");
}

#[test]
fn a_reset_of_what_was_never_set_changes_nothing() {
    let mut world = World::new();
    assert_eq!(world.ask(reset("model")).unwrap().revision, 0);
    world.take(flip("model", "green"));
    world.take(reset("model"));
    let revision = world.desired.revision;
    world.later(MINUTE_MS);
    assert_eq!(world.ask(reset("model")).unwrap().revision, revision, "the second reset finds nothing to forget");
}

#[test]
fn a_reset_without_a_change_of_weights_keeps_what_undo_returns_to() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    world.take(undo("model"));
    world.take(prepare("model"));
    world.take(reset("model"));
    world.take(undo("model"));
    assert_eq!(world.split("model"), "blue 0 green 10000 base 0");
}

#[test]
fn a_reset_does_not_return_weight_to_a_pool_that_is_down() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    world.set_health("model", "blue", Health::Down);
    world.later(MINUTE_MS);
    assert!(matches!(world.ask(reset("model")), Err(Rejection::NotEligible { .. })));
    assert!(world.ask_forced(reset("model")).is_ok());
}

#[test]
fn a_reset_does_not_take_away_the_override_that_the_last_pool_lives_on() {
    let mut world = World::new();
    world.take(hold("model", "blue", None, Some(OverrideKind::ForceUp)));
    world.set_health("model", "blue", Health::Down);
    world.later(MINUTE_MS);
    assert!(matches!(world.ask(reset("model")), Err(Rejection::NoEligibleWeight { .. })));
    assert!(world.ask_forced(reset("model")).is_ok());
    world.take(flip("model", "green"));
    world.later(MINUTE_MS);
    let refused = world.ask(reset("model"));
    assert!(
        matches!(refused, Err(Rejection::NotEligible { .. })),
        "blue would get its weight back and lose what holds it up"
    );
}

#[test]
fn a_reset_does_not_change_the_version_of_a_pool_that_will_have_weight() {
    let mut world = World::new();
    world.take_forced(expect_version("model", "blue", Some("v9")));
    assert!(matches!(world.ask(reset("model")), Err(Rejection::PoolHasWeight { pool, .. }) if pool == "blue"));
    assert!(world.ask_forced(reset("model")).is_ok());
    let mut world = World::new();
    world.take(expect_version("model", "green", Some("v9")));
    assert!(world.ask(reset("model")).is_ok(), "green has no weight");
}

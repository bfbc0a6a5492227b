//! undo: back to the split before, at once (§3.1, §3.2).

use super::*;

#[test]
fn undo_returns_to_the_split_before_and_undo_of_undo_to_the_one_after() {
    let mut world = World::new();
    world.take(weights("model", &[("blue", 9_000), ("green", 1_000)]));
    world.take(flip("model", "green"));
    world.take(undo("model"));
    assert_eq!(world.split("model"), "blue 9000 green 1000 base 0");
    world.take(undo("model"));
    assert_eq!(world.split("model"), "blue 0 green 10000 base 0");
    assert_eq!(world.desired.revision, 4);
}

#[test]
fn there_is_nothing_to_undo_before_the_first_change() {
    let mut world = World::new();
    let nothing = Rejection::NothingToUndo { switch: "model".to_owned() };
    assert_eq!(world.ask(undo("model")).unwrap_err(), nothing);
    world.take(prepare("model"));
    assert_eq!(world.ask_forced(undo("model")).unwrap_err(), nothing, "a preparation is no change of weights");
}

#[test]
fn undo_does_not_return_to_a_pool_known_to_be_down_unless_forced() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    world.set_health("model", "blue", Health::Down);
    assert!(matches!(world.ask(undo("model")), Err(Rejection::NotEligible { .. })));
    assert!(world.ask_forced(undo("model")).is_ok());
}

#[test]
fn undo_returns_to_a_pool_that_nothing_watches() {
    let mut world = World::new();
    world.take_forced(flip("chat", "new"));
    world.take(undo("chat"));
    assert_eq!(world.split("chat"), "old 9000 new 1000");
}

#[test]
fn undo_after_a_reload_leaves_out_pools_that_are_gone() {
    let mut world = World::new();
    world.take(weights("model", &[("green", 5_000), ("base", 5_000)]));
    world.take(flip("model", "blue"));
    world.take(reload(definitions(|draft| draft.model.pools.truncate(2))));
    world.take(undo("model"));
    assert_eq!(world.split("model"), "blue 10000 green 5000");
}

#[test]
fn there_is_nothing_to_undo_when_every_pool_of_the_old_split_is_gone() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    world.take(reload(definitions(|draft| {
        draft.model.pools.remove(0);
        draft.model.pools[0].weight = 1;
    })));
    assert!(matches!(world.ask_forced(undo("model")), Err(Rejection::NothingToUndo { .. })));
}

#[test]
fn there_is_nothing_to_undo_when_the_old_split_is_the_one_in_force() {
    let mut world = World::new();
    world.take(weights("model", &[("base", 1)]));
    world.take(weights("model", &[("base", 0)]));
    world.take(weights("model", &[("base", 2)]));
    world.take(flip("model", "blue"));
    let text = definitions(|draft| draft.model.pools.truncate(2));
    world.take(reload(text));
    assert!(
        matches!(world.ask(undo("model")), Err(Rejection::NothingToUndo { .. })),
        "base is gone, and blue had the rest"
    );
}

//! flip and set-weights (§3.1, §1.5).

use super::*;

#[test]
fn a_flip_gives_one_pool_everything_and_advances_revision_and_serial_by_one() {
    let mut world = World::new();
    let change = world.take(flip("model", "green"));
    assert_eq!(world.split("model"), "blue 0 green 10000 base 0");
    assert_eq!(world.desired.revision, 1);
    assert_eq!(change.serials, [("example.test".parse().unwrap(), 100)], "the first change serves the file's serial");
    assert_eq!(change.splits.len(), 1);
    let change = world.take(flip("model", "blue"));
    assert_eq!((world.desired.revision, change.serials[0].1), (2, 101));
}

#[test]
fn a_flip_to_the_pool_that_has_everything_changes_nothing() {
    let mut world = World::new();
    assert_eq!(world.ask(flip("model", "blue")).unwrap().revision, 0);
    world.take(weights("model", &[("blue", 0), ("green", 20)]));
    world.set_health("model", "green", Health::Down);
    let change = world.ask(flip("model", "green")).unwrap();
    assert_eq!(change.revision, world.desired.revision, "any weight is everything where no other has one");
    assert!(change.switches.is_empty() && change.serials.is_empty());
}

#[test]
fn several_switches_flip_together_or_not_at_all() {
    let mut world = World::new();
    let both = Command::Flip(vec![target("model", "green"), target("flag", "on")]);
    let change = world.ask(both.clone()).unwrap();
    assert_eq!((change.revision, change.switches.len(), change.serials.len()), (1, 2, 1));
    world.set_health("model", "green", Health::Down);
    assert!(matches!(world.ask(both), Err(Rejection::NotEligible { .. })));
    let across = world.ask_forced(Command::Flip(vec![target("model", "green"), target("chat", "new")])).unwrap();
    assert_eq!(across.serials.len(), 2, "both zones' answers change");
    assert_eq!(across.switches.iter().map(|(_, state)| state.as_ref().unwrap().revision).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn switches_already_there_do_not_hold_up_the_others() {
    let mut world = World::new();
    let change = world.take(Command::Flip(vec![target("model", "blue"), target("flag", "on")]));
    assert_eq!(change.switches.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["flag"]);
}

#[test]
fn set_weights_keeps_the_pools_it_does_not_name() {
    let mut world = World::new();
    world.take(weights("model", &[("green", 500)]));
    assert_eq!(world.split("model"), "blue 10000 green 500 base 0");
    world.take(weights("model", &[("blue", 0)]));
    assert_eq!(world.split("model"), "blue 0 green 500 base 0");
}

#[test]
fn set_weights_to_the_split_in_force_changes_nothing() {
    let world = World::new();
    assert_eq!(world.ask(weights("model", &[("blue", 10_000), ("green", 0)])).unwrap().revision, 0);
    assert_eq!(world.ask(weights("model", &[])).unwrap().revision, 0);
}

#[test]
fn a_change_of_weights_ends_a_preparation_and_remembers_what_it_replaced() {
    let mut world = World::new();
    world.take(prepare("model"));
    assert!(world.state("model").prepared_until_unix_ms.is_some());
    world.take(flip("model", "green"));
    let state = world.state("model");
    assert_eq!(state.prepared_until_unix_ms, None);
    assert_eq!(state.previous.as_ref().unwrap()["blue"], 10_000);
    assert_eq!(state.changed_at, Some(world.now));
    assert_eq!(state.file_weights.as_ref().unwrap()["blue"], 10_000);
}

#[test]
fn pools_that_had_weight_within_seconds_are_recent() {
    let mut world = World::new();
    let recent =
        |world: &World| world.state("model").recent.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    world.take(flip("model", "green"));
    assert_eq!(recent(&world), "blue");
    world.later(2_000);
    let change = world.ask_forced(flip("model", "base")).unwrap();
    world.desired.absorb(&change);
    assert_eq!(recent(&world), "blue green");
    world.take(flip("model", "blue"));
    assert_eq!(recent(&world), "base", "a minute later the ledger has long been saved");
}

#[test]
fn a_preparation_lapses_after_its_time() {
    let mut world = World::new();
    let change = world.take(prepare("model"));
    assert!(change.splits.is_empty());
    assert_eq!(world.state("model").prepared_until_unix_ms, Some(world.now.unix_ms + 3_600_000));
}

//! Reload: state outlives the files, and edits it hides are named (§1.10).

use super::*;
use crate::state::apply::adopt;

#[test]
fn the_same_files_change_nothing() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    assert_eq!(world.ask(reload(definitions(|_| {}))).unwrap().revision, 1);
}

#[test]
fn weights_set_at_run_time_stay_and_the_edit_they_hide_is_named() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    let change = world.take(reload(definitions(|draft| {
        draft.model.pools[0].weight = 9_000;
        draft.model.pools[1].weight = 1_000;
    })));
    assert_eq!(world.split("model"), "blue 0 green 10000 base 0");
    assert_eq!(change.notes.len(), 1);
    assert!(
        change.notes[0].contains("base 0, blue 9000, green 1000") && change.notes[0].contains("tidegate reset model"),
        "{}",
        change.notes[0]
    );
    world.take(reset("model"));
    assert_eq!(world.split("model"), "blue 9000 green 1000 base 0");
}

#[test]
fn weights_never_set_follow_the_files_and_are_reported() {
    let mut world = World::new();
    let edit = |weight: u16| {
        definitions(move |draft| {
            draft.model.pools[0].weight = weight;
            draft.model.pools[1].weight = 10_000 - weight;
        })
    };
    let change = world.take(reload(edit(9_000)));
    assert_eq!(world.split("model"), "blue 9000 green 1000 base 0");
    assert!(change.notes.is_empty());
    assert_eq!(
        (change.splits.len(), change.splits[0].before["blue"], change.splits[0].after["blue"]),
        (1, 10_000, 9_000)
    );
    world.take(prepare("model"));
    let change = world.take(reload(edit(8_000)));
    assert_eq!(world.split("model"), "blue 8000 green 2000 base 0");
    assert_eq!(change.splits.len(), 1, "other run-time state does not hide that weight moved");
}

#[test]
fn weights_of_the_files_pass_the_guards_of_a_move_and_can_be_taken_back() {
    let halves = || {
        definitions(|draft| {
            draft.model.pools[0].weight = 5_000;
            draft.model.pools[1].weight = 5_000;
        })
    };
    let mut world = World::new();
    world.set_health("model", "green", Health::Down);
    assert!(matches!(world.ask(reload(halves())), Err(Rejection::NotEligible { pool, .. }) if pool == "green"));
    let change = world.take_forced(reload(halves()));
    assert!(change.notes[0].starts_with("forced, though pool `green` of switch `model` is not eligible"), "{change:?}");
    assert_eq!(world.split("model"), "blue 5000 green 5000 base 0");
    world.take(undo("model"));
    assert_eq!(world.split("model"), "blue 10000 green 0 base 0");
}

#[test]
fn the_files_do_not_move_weight_under_a_rollout() {
    let mut world = World::new();
    let started = RolloutStart { to: Some("green".to_owned()), ..RolloutStart::default() };
    let verb = RolloutVerb::Start(Box::new(started));
    world.take(Command::Rollout { switch: "model".to_owned(), verb });
    let moved = |draft: &mut Draft| {
        draft.model.pools[0].weight = 0;
        draft.model.pools[1].weight = 10_000;
    };
    assert!(matches!(world.ask(reload(definitions(moved))), Err(Rejection::RolloutRunning { .. })));
    world.take(reload(definitions(|draft| draft.model.pools.push(pool("canary", 0, &["192.0.2.8"])))));
}

#[test]
fn the_files_do_not_change_the_version_of_a_pool_in_service_unless_forced() {
    let mut world = World::new();
    let expecting = |draft: &mut Draft| draft.model.pools[0].expect_version = Some("v9".to_owned());
    assert!(
        matches!(world.ask(reload(definitions(expecting))), Err(Rejection::PoolHasWeight { pool, .. }) if pool == "blue")
    );
    world.take_forced(reload(definitions(expecting)));
    world.take(reload(definitions(|draft| {
        expecting(draft);
        draft.model.pools[1].expect_version = Some("v10".to_owned());
    })));
}

#[test]
fn a_pool_that_is_added_begins_at_0_where_weights_were_set_at_run_time() {
    let added = |draft: &mut Draft| draft.model.pools.push(pool("canary", 5_000, &["192.0.2.8"]));
    let mut world = World::new();
    world.take(reload(definitions(added)));
    assert_eq!(world.split("model"), "blue 10000 green 0 base 0 canary 5000", "files are the initial values");
    let mut world = World::new();
    world.take(flip("model", "green"));
    world.take(reload(definitions(added)));
    assert_eq!(world.split("model"), "blue 0 green 10000 base 0 canary 0");
}

#[test]
fn what_has_weight_is_not_removed_unless_forced() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    let without_green = || definitions(|draft| drop(draft.model.pools.remove(1)));
    let refused = world.ask(reload(without_green())).unwrap_err();
    assert_eq!(refused, Rejection::RemovesServing { what: "pool `green` of switch `model`".to_owned() });
    let without_zone = definitions(|draft| draft.second = None);
    assert_eq!(
        world.ask(reload(without_zone)).unwrap_err(),
        Rejection::RemovesServing { what: "switch `chat`".to_owned() }
    );
    assert!(world.ask(reload(definitions(|draft| drop(draft.model.pools.remove(2))))).is_ok());
    let change = world.take_forced(reload(without_green()));
    assert_eq!(world.split("model"), "blue 10000 base 0", "nothing is left of what was set, so the files decide");
    assert_eq!(change.splits.len(), 1);
    assert_eq!(world.state("model").weights.as_ref().unwrap().values().map(|w| u32::from(*w)).sum::<u32>(), 10_000);
}

#[test]
fn run_time_state_of_a_removed_switch_goes_with_it() {
    let mut world = World::new();
    world.take_forced(flip("chat", "new"));
    let change = world.take_forced(reload(definitions(|draft| draft.second = None)));
    assert!(change.switches.iter().any(|(name, state)| &**name == "chat" && state.is_none()));
    assert!(!world.desired.switches.contains_key("chat"));
}

#[test]
fn versions_and_overrides_of_what_is_gone_are_dropped_and_the_others_stay() {
    let mut world = World::new();
    world.take(expect_version("model", "green", Some("v2")));
    world.take(expect_version("model", "base", Some("v2")));
    world.take(hold("model", "blue", Some("192.0.2.2"), Some(OverrideKind::ForceDown)));
    world.take(hold("model", "base", None, Some(OverrideKind::ForceDown)));
    world.take(hold("model", "green", None, Some(OverrideKind::ForceDown)));
    let change = world.take(reload(definitions(|draft| {
        draft.model.pools.truncate(2);
        draft.model.pools[0].members = draft.model.pools[0].members[..1].into();
    })));
    let state = world.state("model");
    assert_eq!(state.versions.keys().map(|pool| &**pool).collect::<Vec<_>>(), ["green"]);
    assert_eq!(state.holds.iter().map(|h| &*h.pool).collect::<Vec<_>>(), ["green"]);
    assert!(change.notes.iter().any(|note| note.contains("expect_version of the files (none)")), "{:?}", change.notes);
}

#[test]
fn only_zones_that_change_get_a_new_serial() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    let change = world.take(reload(definitions(|draft| draft.chat.ttl_s = 60)));
    assert_eq!(change.serials, [("second.test".parse().unwrap(), 7)]);
    let change = world.take(reload(definitions(|draft| {
        draft.chat.ttl_s = 60;
        draft.example = zone("example.test", 5_000);
    })));
    assert_eq!(change.serials, [("example.test".parse().unwrap(), 5_000)], "the file's is larger");
}

#[test]
fn stored_state_fits_itself_to_the_files_of_a_start() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    let stored = world.state("model").clone();
    let mut notes = Vec::new();
    let same = adopt(&definitions(|_| {}), "model", &stored, Moment::default(), &mut notes).unwrap();
    assert_eq!((same, notes.len()), (stored.clone(), 0));
    let fewer = definitions(|draft| drop(draft.model.pools.remove(1)));
    let kept = adopt(&fewer, "model", &stored, Moment::default(), &mut notes).unwrap();
    assert_eq!(kept.weights.unwrap()["blue"], 10_000, "the pool with all weight is gone: the files decide");
    assert!(notes[0].contains("no longer have pool `green`"), "{notes:?}");
    notes.clear();
    assert_eq!(adopt(&Definitions::default(), "model", &stored, Moment::default(), &mut notes), None);
    assert!(notes[0].contains("no longer have switch `model`"), "{notes:?}");
}

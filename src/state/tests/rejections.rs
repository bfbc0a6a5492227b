//! Every rejection: when it is raised, whether force gets past it, and that it names the remedy.

use super::*;

/// Refused both plainly and by force.
fn never(world: &World, command: &Command) -> Rejection {
    let plain = world.ask(command.clone()).unwrap_err();
    let forced = world.ask_forced(command.clone()).unwrap_err();
    assert_eq!(plain, forced);
    assert!(!plain.forceable(), "{plain}");
    plain
}

/// Refused plainly, and done by force.
fn unless_forced(world: &World, command: &Command) -> Rejection {
    let plain = world.ask(command.clone()).unwrap_err();
    assert!(plain.forceable(), "{plain}");
    assert_eq!(world.ask_forced(command.clone()).unwrap().revision, world.desired.revision + 1);
    plain
}

#[test]
fn names_that_do_not_exist_are_never_forced_and_suggest_those_that_do() {
    let world = World::new();
    for command in [flip("modell", "green"), weights("modell", &[]), undo("modell"), prepare("modell"), reset("modell")]
    {
        let text = never(&world, &command).to_string();
        assert_eq!(text, "there is no switch `modell`; there is `model`");
    }
    for command in [
        flip("model", "gren"),
        weights("model", &[("gren", 1)]),
        percent("model", &[("gren", 1)]),
        expect_version("model", "gren", None),
    ] {
        let text = never(&world, &command).to_string();
        assert_eq!(text, "switch `model` has no pool `gren`; there are `blue`, `green`, `base`");
    }
    let unknown = never(&world, &hold("model", "blue", Some("192.0.2.3"), Some(OverrideKind::ForceUp)));
    assert_eq!(
        unknown.to_string(),
        "pool `blue` of switch `model` has no member `192.0.2.3`; there are `192.0.2.1`, `192.0.2.2`"
    );
    let far = never(&world, &undo("something else")).to_string();
    assert!(far.contains("`chat`") && far.contains("`flag`") && far.contains("`model`"), "{far}");
}

#[test]
fn a_stale_revision_is_refused_before_anything_else() {
    let mut world = World::new();
    world.take(flip("model", "green"));
    for (if_match, command) in [(0, flip("model", "blue")), (2, flip("nothing", "x"))] {
        let stale = Request { if_match: Some(if_match), force: true, ..request(command) };
        assert_eq!(world.decide(&stale).unwrap_err(), Rejection::StaleRevision { asked: if_match, current: 1 });
    }
    world.later(MINUTE_MS);
    assert!(world.decide(&Request { if_match: Some(1), ..request(flip("model", "blue")) }).is_ok());
}

#[test]
fn force_needs_a_reason() {
    let world = World::new();
    for reason in [None, Some(String::new()), Some("  ".to_owned())] {
        let asked = Request { force: true, reason, ..request(flip("model", "green")) };
        assert!(matches!(world.decide(&asked), Err(Rejection::MissingReason { .. })));
    }
    assert!(!Rejection::MissingReason { why: "" }.forceable());
}

#[test]
fn weights_out_of_range_or_of_sum_0_are_never_forced() {
    let world = World::new();
    assert!(matches!(
        never(&world, &weights("model", &[("green", 10_001)])),
        Rejection::WeightOutOfRange { weight: 10_001, .. }
    ));
    assert!(matches!(
        never(&world, &weights("model", &[("green", 65_536)])),
        Rejection::WeightOutOfRange { weight: 65_536, .. }
    ));
    assert!(matches!(never(&world, &weights("model", &[("blue", 0)])), Rejection::WeightsSumToZero { .. }));
}

#[test]
fn a_flip_names_each_switch_once_and_at_least_one() {
    let world = World::new();
    assert_eq!(never(&world, &Command::Flip(Vec::new())), Rejection::NothingNamed);
    let twice = Command::Flip(vec![target("model", "green"), target("flag", "on"), target("model", "base")]);
    assert_eq!(never(&world, &twice), Rejection::NamedTwice { switch: "model".to_owned() });
}

#[test]
fn a_pool_that_is_down_gets_weight_by_force_only() {
    let mut world = World::new();
    world.set_health("model", "green", Health::Down);
    let text = unless_forced(&world, &flip("model", "green")).to_string();
    assert_eq!(
        text,
        "pool `green` of switch `model` is not eligible: 0 of 1 members are healthy; 192.0.2.3: connection refused; \
         heal it, or force with a reason"
    );
    unless_forced(&world, &weights("model", &[("green", 1)]));
    unless_forced(&world, &percent("model", &[("green", 100)]));
    world.set_health("model", "green", Health::Unknown);
    assert!(unless_forced(&world, &flip("model", "green")).to_string().contains("192.0.2.3 was not probed yet"));
}

#[test]
fn a_pool_without_monitors_gets_weight_by_force_only_unless_it_has_no_members() {
    let world = World::new();
    assert!(matches!(unless_forced(&world, &flip("chat", "new")), Rejection::Unmonitored { .. }));
    assert!(world.ask(flip("flag", "on")).is_ok(), "a TXT flag has nothing to probe");
}

#[test]
fn a_pool_without_monitors_gets_a_larger_share_by_force_only() {
    let world = World::new();
    let text = unless_forced(&world, &weights("chat", &[("old", 0)]));
    assert!(matches!(text, Rejection::Unmonitored { .. }), "from 10 % to all, though its number stays 1000");
    assert!(world.ask(weights("model", &[("blue", 5_000)])).is_ok(), "the same share in smaller numbers is no rise");
}

#[test]
fn the_last_eligible_pool_keeps_its_weight_unless_forced() {
    let mut world = World::new();
    world.take(weights("model", &[("green", 5_000)]));
    world.set_health("model", "green", Health::Down);
    world.later(MINUTE_MS);
    let refused = unless_forced(&world, &weights("model", &[("blue", 0)]));
    assert!(matches!(refused, Rejection::NotEligible { .. } | Rejection::NoEligibleWeight { .. }));
    world.set_health("model", "blue", Health::Down);
    let lowered = unless_forced(&world, &weights("model", &[("blue", 5_000), ("green", 1)]));
    assert!(matches!(lowered, Rejection::NotEligible { .. } | Rejection::NoEligibleWeight { .. }));
}

#[test]
fn each_slug_is_its_own() {
    let name = String::new;
    let all = [
        Rejection::UnknownSwitch { name: name(), known: vec![] },
        Rejection::UnknownPool { switch: name(), name: name(), known: vec![] },
        Rejection::UnknownMember { switch: name(), pool: name(), name: name(), known: vec![] },
        Rejection::StaleRevision { asked: 0, current: 1 },
        Rejection::WeightOutOfRange { pool: name(), weight: 1 },
        Rejection::WeightsSumToZero { switch: name() },
        Rejection::PercentSum { hundredths_text: name() },
        Rejection::TooSoon { switch: name(), ago_ms: 0, wait_ms: 0 },
        Rejection::NotEligible { switch: name(), pool: name(), why: name() },
        Rejection::Unmonitored { switch: name(), pool: name() },
        Rejection::NoEligibleWeight { switch: name() },
        Rejection::TooManyMoving { zone: name(), moving: 0, limit: 0, names: name() },
        Rejection::PoolHasWeight { switch: name(), pool: name() },
        Rejection::NothingToUndo { switch: name() },
        Rejection::OverrideDuration { given: name() },
        Rejection::NoOverride { what: name() },
        Rejection::MissingReason { why: "" },
        Rejection::RemovesServing { what: name() },
        Rejection::SerialJump { zone: name(), from: 0, to: 0 },
        Rejection::NamedTwice { switch: name() },
        Rejection::NothingNamed,
    ];
    let slugs: std::collections::BTreeSet<&str> = all.iter().map(Rejection::slug).collect();
    assert_eq!(slugs.len(), all.len());
    let forceable: Vec<&str> = all.iter().filter(|r| r.forceable()).map(Rejection::slug).collect();
    let expected = [
        "too-soon",
        "not-eligible",
        "unmonitored",
        "no-eligible-weight",
        "too-many-moving",
        "pool-has-weight",
        "removes-serving",
    ];
    assert_eq!(forceable, expected);
}

//! Overrides, eligibility of pools, and the interlock between them (§2.3, §2.4, §3.2).

use super::*;
use crate::steering::Given;

/// The same members, the first of them with a name.
fn first_named(members: &[Member]) -> Arc<[Member]> {
    let given = Given { name: Some("first".into()), expect_version: None };
    let first = Member::new(members[0].ipv4, members[0].ipv6, given);
    [&[first], &members[1..]].concat().into()
}
use crate::state::observed::{hold_on, pool_status};

fn status(world: &World, pool: &str) -> PoolStatus {
    let switch = world.switch("model");
    let (_, pool) = switch.pool(pool).unwrap();
    pool_status(&world.desired, &world.observed, &switch, pool, world.now.unix_ms)
}

#[test]
fn an_override_lasts_1_minute_to_72_hours_and_needs_a_reason() {
    let world = World::new();
    let lasting = |for_ms| Command::Override {
        switch: "model".to_owned(),
        pool: "green".to_owned(),
        member: None,
        hold: Some(OverrideKind::ForceDown),
        for_ms,
    };
    for (for_ms, fits) in [
        (None, false),
        (Some(59_999), false),
        (Some(60_000), true),
        (Some(259_200_000), true),
        (Some(259_200_001), false),
    ] {
        let outcome = world.ask(lasting(for_ms));
        assert_eq!(outcome.is_ok(), fits, "{for_ms:?}");
        assert!(fits || matches!(outcome, Err(Rejection::OverrideDuration { .. })));
    }
    for reason in [None, Some(" ".to_owned())] {
        let asked = Request { reason, ..request(lasting(Some(60_000))) };
        assert!(matches!(world.decide(&asked), Err(Rejection::MissingReason { .. })));
    }
}

#[test]
fn a_pool_forced_down_is_not_eligible_until_the_override_ends() {
    let mut world = World::new();
    world.take(hold("model", "green", None, Some(OverrideKind::ForceDown)));
    assert_eq!(status(&world, "green").why.as_deref(), Some("forced down: because"));
    assert!(matches!(world.ask(flip("model", "green")), Err(Rejection::NotEligible { .. })));
    world.later(60 * MINUTE_MS);
    assert!(status(&world, "green").eligible);
    assert_eq!(hold_on(&world.desired, "model", "green", None, world.now.unix_ms), None);
}

#[test]
fn an_override_replaces_the_one_before_and_is_cleared_once() {
    let mut world = World::new();
    world.take(hold("model", "green", None, Some(OverrideKind::ForceDown)));
    world.take(hold("model", "green", None, Some(OverrideKind::ForceUp)));
    assert_eq!(world.state("model").holds.len(), 1);
    assert_eq!(world.state("model").holds[0].by, "ada");
    world.take(hold("model", "green", None, None));
    assert!(world.state("model").holds.is_empty());
    assert!(matches!(world.ask_forced(hold("model", "green", None, None)), Err(Rejection::NoOverride { .. })));
}

#[test]
fn members_are_found_by_name_and_by_address_and_held_apart_from_their_pool() {
    let mut world =
        World::of(definitions(|draft| draft.model.pools[0].members = first_named(&draft.model.pools[0].members)));
    world.set_health("model", "blue", Health::Up);
    world.take(hold("model", "blue", Some("192.0.2.1"), Some(OverrideKind::ForceDown)));
    assert_eq!(world.state("model").holds[0].member.as_deref(), Some("first"));
    let blue = status(&world, "blue");
    assert_eq!((blue.members, blue.eligible), (vec![false, true], true), "half of the member weight is enough");
    assert!(matches!(world.ask(hold("model", "blue", None, None)), Err(Rejection::NoOverride { .. })));
    world.take(hold("model", "blue", Some("first"), None));
    assert_eq!(status(&world, "blue").members, [true, true]);
}

#[test]
fn a_pool_forced_up_answers_its_healthy_members_or_all_when_none_is() {
    let mut world = World::new();
    world.take(hold("model", "blue", None, Some(OverrideKind::ForceUp)));
    let switch = world.switch("model");
    let down = Seen { health: Health::Down, failure: None };
    world.observed.members.insert(MemberKey::new(&switch, &switch.pools[0], &switch.pools[0].members[0]), down);
    assert_eq!(status(&world, "blue").members, [false, true]);
    world.set_health("model", "blue", Health::Down);
    let blue = status(&world, "blue");
    assert_eq!(
        (blue.members, blue.eligible, blue.why.as_deref()),
        (vec![true, true], true, Some("forced up: because"))
    );
}

#[test]
fn a_pool_is_eligible_while_half_of_its_member_weight_is() {
    let mut world = World::of(definitions(|draft| Arc::make_mut(&mut draft.model.pools[0].members)[1].weight = 3));
    let switch = world.switch("model");
    let key = |at: usize| MemberKey::new(&switch, &switch.pools[0], &switch.pools[0].members[at]);
    world.observed.members.insert(key(0), Seen { health: Health::Down, failure: None });
    assert!(status(&world, "blue").eligible, "3 of 4 are left");
    world.observed.members.insert(key(0), Seen { health: Health::Up, failure: None });
    world.observed.members.insert(key(1), Seen { health: Health::Down, failure: None });
    let blue = status(&world, "blue");
    assert_eq!((blue.eligible, blue.why.as_deref()), (false, Some("1 of 2 members are healthy; 192.0.2.2 is down")));
    world.take_forced(hold("model", "blue", Some("192.0.2.1"), Some(OverrideKind::ForceDown)));
    assert_eq!(status(&world, "blue").why.as_deref(), Some("0 of 2 members are healthy; 192.0.2.1 is forced down"));
}

#[test]
fn the_last_eligible_pool_with_weight_is_not_forced_down_by_accident() {
    let mut world = World::new();
    let last = hold("model", "blue", None, Some(OverrideKind::ForceDown));
    assert_eq!(world.ask(last.clone()).unwrap_err(), Rejection::NoEligibleWeight { switch: "model".to_owned() });
    assert!(world.ask_forced(last.clone()).is_ok());
    world.take(weights("model", &[("green", 1)]));
    assert!(world.ask(last.clone()).is_ok(), "green keeps the switch alive");
    world.set_health("model", "green", Health::Down);
    assert!(matches!(world.ask(last.clone()), Err(Rejection::NoEligibleWeight { .. })));
    world.set_health("model", "blue", Health::Down);
    assert!(world.ask(last).is_ok(), "nothing is lost that was there");
}

#[test]
fn one_member_too_many_forced_down_counts_like_its_pool() {
    let mut world = World::new();
    world.take(hold("model", "blue", Some("192.0.2.1"), Some(OverrideKind::ForceDown)));
    let second = hold("model", "blue", Some("192.0.2.2"), Some(OverrideKind::ForceDown));
    assert!(matches!(world.ask(second), Err(Rejection::NoEligibleWeight { .. })));
}

#[test]
fn clearing_the_override_that_holds_the_last_pool_up_needs_force() {
    let mut world = World::new();
    world.take(hold("model", "blue", None, Some(OverrideKind::ForceUp)));
    world.set_health("model", "blue", Health::Down);
    assert!(matches!(world.ask(hold("model", "blue", None, None)), Err(Rejection::NoEligibleWeight { .. })));
    assert!(world.ask_forced(hold("model", "blue", None, None)).is_ok());
}

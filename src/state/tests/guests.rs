//! Members that come by themselves: what may register, what its end does, what a reload leaves.

use super::*;
use crate::state::observed::pool_status;
use crate::steering::Register;
use std::net::IpAddr;

/// The usual world where blue (all weight) and green take up to two registrations.
fn world() -> World {
    World::of(definitions(open))
}

fn open(draft: &mut Draft) {
    for pool in &mut draft.model.pools {
        pool.register = (&*pool.name != "base").then(register);
    }
}

fn register() -> Register {
    Register { max: 2, networks: vec!["10.0.0.0/8".parse().unwrap()], ttl_max_ms: 60_000 }
}

fn registration(id: &str, address: &str) -> Registration {
    Registration { id: id.into(), ipv4: address.parse().ok(), ipv6: None, weight: 1, version: None, ttl_ms: 30_000 }
}

fn come(pool: &str, id: &str, address: &str) -> Command {
    let member = registration(id, address);
    Command::Register { switch: "model".into(), pool: pool.into(), member, from: None }
}

fn expire(over: &[(&str, &str)]) -> Command {
    let over = over.iter().map(|(pool, id)| ((*pool).into(), (*id).into())).collect();
    Command::Expire { switch: "model".into(), over }
}

fn members(world: &World, pool: &str) -> Vec<String> {
    let switch = world.switch("model");
    switch.pool(pool).unwrap().1.members.iter().map(|member| member.name().into_owned()).collect()
}

fn stale(world: &World) -> Vec<String> {
    let guests = world.state("model").guests.iter().filter(|guest| guest.lease().is_some_and(|lease| lease.stale));
    guests.map(|guest| guest.member.name().into_owned()).collect()
}

fn eligible(world: &World, pool: &str) -> bool {
    let switch = world.switch("model");
    let (_, pool) = switch.pool(pool).unwrap();
    pool_status(&world.desired, &world.observed, &switch, pool, world.now.unix_ms).eligible
}

fn set_member(world: &mut World, pool: &str, id: &str, health: Health) {
    let key = MemberKey { switch: "model".into(), pool: pool.into(), member: id.into() };
    if health == Health::Up {
        world.observed.proven.insert(key.clone());
    }
    world.observed.members.insert(key, Seen { health, failure: None });
}

#[test]
fn a_member_stands_behind_those_of_the_files_and_a_heartbeat_changes_nothing() {
    let mut world = world();
    let change = world.take(come("blue", "a", "10.0.0.1"));
    assert_eq!(change.serials.len(), 1);
    assert_eq!(members(&world, "blue"), ["192.0.2.1", "192.0.2.2", "a"]);
    let again = world.ask(come("blue", "a", "10.0.0.1")).unwrap();
    assert_eq!(again.revision, world.desired.revision);
    let moved = world.take(come("blue", "a", "10.0.0.2"));
    assert_eq!((moved.switches.len(), members(&world, "blue").len()), (1, 3));
    // What the files say is still known, and a reload of the same changes nothing.
    assert_eq!(world.desired.definitions.written("model").unwrap().pools[0].members.len(), 2);
    let same = world.ask(reload(definitions(open))).unwrap();
    assert_eq!(same.revision, world.desired.revision);
}

#[test]
fn what_never_was_up_does_not_count_against_its_pool() {
    let mut world = world();
    world.set_health("model", "blue", Health::Down);
    set_member(&mut world, "blue", "192.0.2.1", Health::Up);
    world.take(come("blue", "a", "10.0.0.1"));
    world.take(come("blue", "b", "10.0.0.2"));
    assert!(eligible(&world, "blue"), "1 of 2: the two that came were never up");
    set_member(&mut world, "blue", "a", Health::Down);
    assert!(eligible(&world, "blue"));
    for id in ["a", "b"] {
        set_member(&mut world, "blue", id, Health::Up);
        set_member(&mut world, "blue", id, Health::Down);
    }
    assert!(!eligible(&world, "blue"), "1 of 4");
}

#[test]
fn refusals_name_what_is_wrong() {
    let mut world = world();
    let slug = |world: &World, command: Command| world.ask(command).unwrap_err().slug();
    assert_eq!(slug(&world, come("base", "a", "10.0.0.1")), "no-registration");
    assert_eq!(slug(&world, come("blue", "192.0.2.1", "192.0.2.1")), "bad-registration");
    assert_eq!(slug(&world, come("blue", "a", "192.0.2.1")), "bad-registration");
    assert_eq!(slug(&world, come("blue", "..", "10.0.0.1")), "bad-registration");
    assert_eq!(slug(&world, come("blue", ".", "10.0.0.1")), "bad-registration");
    let from = |address: &str| Command::Register {
        switch: "model".into(),
        pool: "blue".into(),
        member: registration("a", "10.0.0.1"),
        from: Some(address.parse::<IpAddr>().unwrap()),
    };
    assert_eq!(slug(&world, from("192.0.2.7")), "caller-network");
    assert!(world.ask(from("10.9.9.9")).is_ok());
    assert!(world.ask(from("::ffff:10.9.9.9")).is_ok(), "a dual-stack socket's way to say 10.9.9.9");
    world.take(come("blue", "a", "10.0.0.1"));
    assert_eq!(slug(&world, come("blue", "b", "10.0.0.1")), "address-taken");
    let noted = world.ask(come("green", "b", "10.0.0.1")).unwrap();
    assert!(noted.notes[0].contains("also in pool `blue`"), "{:?}", noted.notes);
    world.take(come("blue", "b", "10.0.0.2"));
    assert_eq!(slug(&world, come("blue", "c", "10.0.0.3")), "pool-full");
}

#[test]
fn the_end_of_registrations_leaves_a_pool_with_weight_somebody() {
    let mut world = World::of(definitions(|draft| {
        open(draft);
        draft.model.pools[0].members = Arc::from([]);
    }));
    world.take(come("blue", "a", "10.0.0.1"));
    world.take(come("blue", "b", "10.0.0.2"));
    set_member(&mut world, "blue", "a", Health::Up);
    set_member(&mut world, "blue", "b", Health::Down);
    // The healthy one is over, the other is down: nobody healthy would be left.
    world.take(expire(&[("blue", "a")]));
    assert_eq!((members(&world, "blue"), stale(&world)), (vec!["a".to_owned(), "b".to_owned()], vec!["a".to_owned()]));
    let again = world.ask(expire(&[("blue", "a")])).unwrap();
    assert_eq!(again.revision, world.desired.revision, "told once");
    // A heartbeat makes it a member like others again.
    world.take(come("blue", "a", "10.0.0.1"));
    assert_eq!(stale(&world), [""; 0]);
    // Once the other is up, it may go.
    set_member(&mut world, "blue", "b", Health::Up);
    world.take(expire(&[("blue", "a")]));
    assert_eq!(members(&world, "blue"), ["b"]);
    // Down as it may be, the last one stays.
    set_member(&mut world, "blue", "b", Health::Down);
    world.take(expire(&[("blue", "b")]));
    assert_eq!((members(&world, "blue"), stale(&world)), (vec!["b".to_owned()], vec!["b".to_owned()]));
    // A pool that nobody is answered from may be left with nobody.
    world.take(come("green", "g", "10.0.0.9"));
    world.take(expire(&[("green", "g")]));
    assert_eq!(members(&world, "green"), ["192.0.2.3"]);
}

#[test]
fn a_reload_keeps_who_may_stay_and_says_who_goes() {
    let mut world = world();
    world.take(come("blue", "a", "10.0.0.1"));
    world.take(come("green", "g", "10.0.0.2"));
    world.take(hold("model", "blue", Some("a"), Some(OverrideKind::ForceUp)));
    let change = world.take(reload(definitions(|draft| {
        open(draft);
        draft.model.pools[1].register = None;
        draft.model.ttl_s = 20;
    })));
    assert_eq!(change.notes.len(), 1);
    assert!(change.notes[0].contains("member `g` goes: the files no longer let"), "{:?}", change.notes);
    assert_eq!((members(&world, "blue").len(), members(&world, "green").len()), (3, 1));
    assert_eq!(world.state("model").holds.len(), 1);
    // Resetting forgets what operators set, not who came.
    world.take(reset("model"));
    assert_eq!(members(&world, "blue").len(), 3);
}

#[test]
fn what_dns_has_replaces_what_it_had_and_nothing_else() {
    let mut world = world();
    let found = |addresses: &[&str]| Command::Discovered {
        switch: "model".into(),
        pool: "green".into(),
        members: pool("x", 0, addresses).members.to_vec(),
    };
    world.take(come("green", "g", "10.0.0.2"));
    world.take(found(&["10.1.0.1", "10.1.0.2"]));
    assert_eq!(members(&world, "green"), ["192.0.2.3", "g", "10.1.0.1", "10.1.0.2"]);
    assert_eq!(world.ask(found(&["10.1.0.1", "10.1.0.2"])).unwrap().revision, world.desired.revision);
    // Members of other origins are not found twice.
    world.take(found(&["10.1.0.2", "10.0.0.2", "192.0.2.3"]));
    assert_eq!(members(&world, "green"), ["192.0.2.3", "g", "10.1.0.2"]);
}

fn leave(pool: &str, id: &str) -> Command {
    Command::Unregister { switch: "model".into(), pool: pool.into(), id: id.into() }
}

/// Blue has no member of the files, takes four, and is monitored.
fn bare() -> World {
    World::of(definitions(|draft| {
        open(draft);
        draft.model.pools[0].members = Arc::from([]);
        draft.model.pools[0].register = Some(Register { max: 4, ..register() });
    }))
}

#[test]
fn expiry_leaves_a_pool_with_weight_eligible() {
    let mut world = bare();
    for (n, id) in (1..).zip(["a", "b", "c", "d"]) {
        world.take(come("blue", id, &format!("10.0.0.{n}")));
        set_member(&mut world, "blue", id, Health::Up);
    }
    for id in ["c", "d"] {
        set_member(&mut world, "blue", id, Health::Down);
    }
    assert!(eligible(&world, "blue"), "2 of 4");
    world.take(expire(&[("blue", "a")]));
    assert!(eligible(&world, "blue"), "1 of 3 would not be");
    assert_eq!((members(&world, "blue").len(), stale(&world)), (4, vec!["a".to_owned()]));
    // The silence of one that is down takes nothing away.
    world.take(expire(&[("blue", "c")]));
    assert_eq!(members(&world, "blue"), ["a", "b", "d"]);
    world.take(expire(&[("blue", "a")]));
    assert_eq!(members(&world, "blue"), ["b", "d"]);
    assert!(eligible(&world, "blue"));
}

#[test]
fn the_last_member_of_a_pool_with_weight_does_not_leave_unless_forced_though_it_is_down() {
    let mut world = bare();
    world.take(come("blue", "a", "10.0.0.1"));
    for health in [Health::Unknown, Health::Up, Health::Down] {
        set_member(&mut world, "blue", "a", health);
        assert_eq!(world.ask(leave("blue", "a")).unwrap_err().slug(), "last-member", "{health:?}");
    }
    world.take(come("blue", "b", "10.0.0.2"));
    world.take(leave("blue", "a"));
    world.take_forced(leave("blue", "b"));
    assert_eq!(members(&world, "blue"), [""; 0]);
}

#[test]
fn forced_down_stays_so_while_a_member_is_away_and_forced_up_does_not() {
    let mut world = world();
    let guest_held = |world: &World| {
        let switch = world.switch("model");
        let (_, blue) = switch.pool("blue").unwrap();
        let at = blue.members.iter().position(|member| member.name() == "a").unwrap();
        let status = pool_status(&world.desired, &world.observed, &switch, blue, world.now.unix_ms);
        !status.members[at]
    };
    let came = |world: &mut World, address: &str| {
        let change = world.take(come("blue", "a", address));
        set_member(world, "blue", "a", Health::Up);
        change
    };
    came(&mut world, "10.0.0.1");
    world.take(hold("model", "blue", Some("a"), Some(OverrideKind::ForceDown)));
    let change = world.take(leave("blue", "a"));
    assert!(change.notes[0].contains("forced down"), "{:?}", change.notes);
    // Neither a reload nor an override elsewhere forgets it.
    world.take(reload(definitions(|draft| {
        open(draft);
        draft.model.ttl_s = 20;
    })));
    world.take(hold("model", "green", None, Some(OverrideKind::ForceDown)));
    came(&mut world, "10.0.0.1");
    assert!(guest_held(&world));
    came(&mut world, "10.0.0.2");
    assert!(guest_held(&world));
    world.take(expire(&[("blue", "a")]));
    assert_eq!(members(&world, "blue").len(), 2);
    came(&mut world, "10.0.0.2");
    assert!(guest_held(&world));
    // It can be cleared while its member is away, and is forgotten once it has ended.
    world.take(leave("blue", "a"));
    let mut cleared = world.clone();
    cleared.take(hold("model", "blue", Some("a"), None));
    assert!(cleared.state("model").holds.iter().all(|hold| hold.member.is_none()));
    world.later(61 * MINUTE_MS).take(hold("model", "green", None, None));
    assert_eq!(world.state("model").holds.len(), 0);
    // Forced up was the server that was there.
    came(&mut world, "10.0.0.1");
    world.take(hold("model", "blue", Some("a"), Some(OverrideKind::ForceUp)));
    let mut gone = world.clone();
    gone.take(leave("blue", "a"));
    assert_eq!(gone.state("model").holds.len(), 0);
    let change = came(&mut world, "10.0.0.2");
    assert!(change.notes[0].contains("has ended"), "{:?}", change.notes);
    assert_eq!(world.state("model").holds.len(), 0);
}

#[test]
fn who_leaves_dns_stays_until_somebody_else_is_healthy() {
    let mut world = bare();
    let found = |addresses: &[&str]| Command::Discovered {
        switch: "model".into(),
        pool: "blue".into(),
        members: pool("x", 0, addresses).members.to_vec(),
    };
    let leaving = |world: &World| {
        let guests = world.state("model").guests.iter().filter(|guest| guest.is_leaving());
        guests.map(|guest| guest.member.name().into_owned()).collect::<Vec<_>>()
    };
    world.take(found(&["10.1.0.1", "10.1.0.2"]));
    for id in ["10.1.0.1", "10.1.0.2"] {
        set_member(&mut world, "blue", id, Health::Up);
    }
    // One of them is still there and up: nobody is missed.
    world.take(found(&["10.1.0.2", "10.1.0.3"]));
    assert_eq!(members(&world, "blue"), ["10.1.0.2", "10.1.0.3"]);
    // All others, none of them healthy yet.
    world.take(found(&["10.1.0.7", "10.1.0.8"]));
    assert_eq!(members(&world, "blue"), ["10.1.0.7", "10.1.0.8", "10.1.0.2"]);
    assert_eq!(leaving(&world), ["10.1.0.2"]);
    assert!(eligible(&world, "blue"));
    let again = world.ask(found(&["10.1.0.7", "10.1.0.8"])).unwrap();
    assert_eq!(again.revision, world.desired.revision, "told once");
    // It may come back.
    let mut back = world.clone();
    back.take(found(&["10.1.0.2"]));
    assert_eq!((members(&back, "blue"), leaving(&back)), (vec!["10.1.0.2".to_owned()], vec![]));
    // It goes with its health, with its time, and when somebody else is healthy.
    let (mut down, mut late) = (world.clone(), world.clone());
    set_member(&mut down, "blue", "10.1.0.2", Health::Down);
    set_member(&mut world, "blue", "10.1.0.8", Health::Up);
    late.later(super::super::apply::guests::LEAVING_MS);
    for mut world in [down, late, world] {
        world.take(found(&["10.1.0.7", "10.1.0.8"]));
        assert_eq!(members(&world, "blue"), ["10.1.0.7", "10.1.0.8"]);
    }
    // Where nobody is answered nobody stays.
    let mut idle = bare();
    idle.take(weights("model", &[("green", 10_000), ("blue", 0)]));
    idle.take(found(&["10.1.0.1"]));
    set_member(&mut idle, "blue", "10.1.0.1", Health::Up);
    idle.take(found(&["10.1.0.2"]));
    assert_eq!(members(&idle, "blue"), ["10.1.0.2"]);
}

//! From state and health to what queries read: weights, health, TTL and its cause (§1.8).

use super::*;
use crate::state::compile::{ttl_cause, ttl_s};
use crate::steering::PoolSlot;

fn compiled(world: &World, cause: TtlCause) -> Compilation {
    let catalogue = Catalogue::build(&world.desired);
    let switch = world.switch("model");
    let slot = |name: &str| PoolSlot(u32::try_from(switch.pool(name).unwrap().0).unwrap());
    compile_switch(&world.desired, &world.observed, &catalogue, &switch, &slot, cause, world.now)
}

#[test]
fn the_weights_in_force_and_the_health_seen_are_compiled() {
    let mut world = World::new();
    world.take(weights("model", &[("green", 500)]));
    world.set_health("model", "green", Health::Down);
    let Compilation { switch, pools } = compiled(&world, TtlCause::Steady);
    let told: Vec<(u16, bool, u32)> = switch.pools.iter().map(|p| (p.weight, p.eligible, p.slot.0)).collect();
    assert_eq!(told, [(10_000, true, 0), (500, false, 1), (0, true, 2)]);
    assert_eq!((switch.ttl_s, pools[1].eligible), (30, false));
}

#[test]
fn a_preparation_lowers_the_ttl_before_a_drain_does_and_both_end() {
    let mut world = World::new();
    let cause = |world: &World, draining| ttl_cause(&world.desired, &world.switch("model"), draining, world.now);
    assert_eq!(cause(&world, false), TtlCause::Steady);
    assert_eq!(cause(&world, true), TtlCause::Draining);
    world.take(prepare("model"));
    assert_eq!(cause(&world, true), TtlCause::Prepared);
    world.later(3_599_999);
    assert_eq!(cause(&world, false), TtlCause::Prepared);
    world.later(1);
    assert_eq!(cause(&world, false), TtlCause::Steady, "an unused preparation lapses");
}

#[test]
fn the_low_ttl_is_never_above_the_steady_one() {
    let mut switch = switch("model", "model.example.test", Vec::new());
    assert_eq!(
        [TtlCause::Steady, TtlCause::Prepared, TtlCause::Draining].map(|cause| ttl_s(&switch, cause)),
        [30, 10, 10]
    );
    switch.ttl_s = 7;
    assert_eq!(ttl_s(&switch, TtlCause::Prepared), 7);
}

#[test]
fn the_salt_is_the_name_unless_the_files_or_a_reshuffle_say_another() {
    let clients = |world: &World| -> Vec<Option<usize>> {
        let switch = compiled(world, TtlCause::Steady).switch;
        let client = |n: u8| crate::steering::Client { address: [10, 0, n, 1].into(), subnet: None, label: None };
        (0..64).map(|n| switch.choose(&client(n), 0).pool).collect()
    };
    let world = |salt: Option<&str>| {
        let mut world = World::of(definitions(|draft| draft.model.salt = salt.map(str::to_owned)));
        world.take(weights("model", &[("blue", 5_000), ("green", 5_000)]));
        world
    };
    let plain = world(None);
    assert_eq!(clients(&plain), clients(&world(Some("model"))));
    let other = world(Some("other"));
    assert_ne!(clients(&plain), clients(&other));
    let mut reshuffled = world(Some("other"));
    reshuffled.desired.switches.get_mut("model").unwrap().salt = Some("model".to_owned());
    assert_eq!(clients(&plain), clients(&reshuffled));
}

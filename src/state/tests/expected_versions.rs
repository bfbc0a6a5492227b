//! expect-version: per release, and never on a pool with weight unless forced (§1.2).

use super::*;

#[test]
fn a_version_set_at_run_time_goes_before_the_files() {
    let mut world = World::of(definitions(|draft| draft.model.pools[1].expect_version = Some("v1".to_owned())));
    let version = |world: &World| {
        let switch = world.switch("model");
        world.desired.expect_version("model", &switch.pools[1]).map(str::to_owned)
    };
    assert_eq!(version(&world).as_deref(), Some("v1"));
    world.take(expect_version("model", "green", Some("v2")));
    assert_eq!(version(&world).as_deref(), Some("v2"));
    let again = world.ask(expect_version("model", "green", Some("v2"))).unwrap();
    assert_eq!(again.revision, world.desired.revision);
    world.take(expect_version("model", "green", None));
    assert_eq!(version(&world).as_deref(), Some("v1"));
}

#[test]
fn a_pool_with_weight_keeps_its_version_unless_forced() {
    let world = World::of(definitions(|draft| draft.model.pools[0].expect_version = Some("v1".to_owned())));
    let refused = world.ask(expect_version("model", "blue", Some("v2"))).unwrap_err();
    assert_eq!(refused, Rejection::PoolHasWeight { switch: "model".to_owned(), pool: "blue".to_owned() });
    assert!(world.ask_forced(expect_version("model", "blue", Some("v2"))).is_ok());
    assert!(
        world.ask(expect_version("model", "blue", Some("v1"))).is_ok(),
        "what it shows already takes nothing out of service"
    );
}

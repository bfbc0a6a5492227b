//! Rollouts in the desired state: who may move weights while one runs, and what is kept (§5.2, §5.3).

use super::*;
use crate::rollout::v1::PlanForm;
use crate::rollout::{Judgement, Phase, Refusal, Signals};

fn rollout(switch: &str, verb: RolloutVerb) -> Command {
    Command::Rollout { switch: switch.to_owned(), verb }
}

fn start(to: &str) -> Command {
    let asked = RolloutStart { to: Some(to.to_owned()), ..RolloutStart::default() };
    rollout("model", RolloutVerb::Start(Box::new(asked)))
}

fn tick() -> Command {
    let signals =
        Signals { stable: Ok(()), canary: Ok(()), ttl_s: 10, judgement: Judgement::NotYet, members: Vec::new() };
    rollout("model", RolloutVerb::Tick(Box::new(signals)))
}

/// A rollout at its first step of 1 %.
fn at_one_percent() -> World {
    let mut world = World::new();
    world.take(start("green"));
    world.take(tick());
    world.take(tick());
    assert_eq!(world.split("model"), "blue 9900 green 100 base 0");
    world
}

fn phase(world: &World) -> Phase {
    world.desired.rollout("model").unwrap().phase
}

#[test]
fn nothing_else_moves_weights_while_one_runs_and_force_aborts_it_first() {
    let world = at_one_percent();
    for command in [flip("model", "green"), weights("model", &[("blue", 1)]), undo("model"), reset("model")] {
        assert!(
            matches!(world.ask(command.clone()), Err(Rejection::RolloutRunning { .. })),
            "{command:?} moved the weights of a rollout"
        );
    }
    let mut forced = at_one_percent();
    forced.take_forced(flip("model", "green"));
    assert_eq!((phase(&forced), forced.split("model")), (Phase::Aborted, "blue 0 green 10000 base 0".to_owned()));
}

#[test]
fn abort_gives_everything_back_without_interval_or_health() {
    let mut world = at_one_percent();
    world.set_health("model", "blue", Health::Down);
    let change = world.ask(rollout("model", RolloutVerb::Abort)).unwrap();
    world.desired.absorb(&change);
    assert_eq!((phase(&world), world.split("model")), (Phase::Aborted, "blue 10000 green 0 base 0".to_owned()));
    assert_eq!(change.serials.len(), 1);
    let again = world.ask(rollout("model", RolloutVerb::Abort));
    assert_eq!(again.unwrap().revision, world.desired.revision, "a second abort changes nothing");
}

#[test]
fn undo_after_a_promotion_returns_to_what_served_before_the_rollout() {
    let mut world = at_one_percent();
    world.take(rollout("model", RolloutVerb::Promote { full: true }));
    assert_eq!((phase(&world), world.split("model")), (Phase::Promoted, "blue 0 green 10000 base 0".to_owned()));
    world.take(undo("model"));
    assert_eq!(world.split("model"), "blue 10000 green 0 base 0");
    assert!(
        matches!(
            world.ask(rollout("model", RolloutVerb::Abort)),
            Err(Rejection::RolloutRefused { refusal: Refusal::NotRunning { .. }, .. })
        ),
        "there is nothing left to abort"
    );
}

#[test]
fn a_start_needs_a_watched_canary_one_stable_pool_and_a_policy_that_weighs() {
    let mut world = World::new();
    let chat = RolloutStart { to: Some("new".to_owned()), ..RolloutStart::default() };
    let unwatched = world.ask(rollout("chat", RolloutVerb::Start(Box::new(chat))));
    assert!(matches!(unwatched, Err(Rejection::Unmonitored { .. })));
    assert!(matches!(
        world.ask(start("blue")),
        Err(Rejection::RolloutRefused { refusal: Refusal::AlreadyStable { .. }, .. })
    ));
    assert!(matches!(
        world.ask(rollout("model", RolloutVerb::Start(Box::default()))),
        Err(Rejection::WhichPool { .. })
    ));
    assert!(matches!(world.ask(rollout("model", RolloutVerb::Pause)), Err(Rejection::NoRollout { .. })));
    world.take(weights("model", &[("green", 1_000)]));
    assert!(matches!(world.ask(start("green")), Err(Rejection::RolloutRefused { refusal: Refusal::NoStable, .. })));
    let mut fixed = World::of(definitions(|draft| draft.model.policy = Policy::Fixed));
    fixed.later(MINUTE_MS);
    assert!(matches!(fixed.ask(start("green")), Err(Rejection::RolloutPolicy { .. })));
}

#[test]
fn a_plan_in_the_call_is_judged_and_a_second_rollout_is_refused() {
    let mut world = World::new();
    let plan: PlanForm = serde_json::from_str(r#"{"steps":["50%","20%","100%"]}"#).unwrap();
    let asked = RolloutStart { to: Some("green".to_owned()), plan: Some(plan), ..RolloutStart::default() };
    let refused = world.ask(rollout("model", RolloutVerb::Start(Box::new(asked)))).unwrap_err();
    assert!(refused.to_string().contains("steps[1].weight"), "{refused}");
    world.take(start("green"));
    assert!(matches!(
        world.ask(start("green")),
        Err(Rejection::RolloutRefused { refusal: Refusal::Running { .. }, .. })
    ));
}

#[test]
fn the_version_of_the_start_is_what_the_canary_must_show() {
    let mut world = World::new();
    let asked = RolloutStart {
        to: Some("green".to_owned()),
        version: Some("v9".to_owned()),
        reshuffle: Some("salt-1".to_owned()),
        plan: None,
    };
    world.take(rollout("model", RolloutVerb::Start(Box::new(asked))));
    let switch = world.switch("model");
    let (_, green) = switch.pool("green").unwrap();
    assert_eq!(world.desired.expect_version("model", green), Some("v9"));
    assert_eq!(world.state("model").salt.as_deref(), Some("salt-1"));
}

#[test]
fn a_tick_that_changes_nothing_makes_no_revision() {
    let world = at_one_percent();
    assert_eq!(world.ask(tick()).unwrap().revision, world.desired.revision);
}

#[test]
fn a_reload_does_not_take_a_pool_out_of_a_rollout() {
    let world = at_one_percent();
    let without = definitions(|draft| draft.model.pools.retain(|pool| &*pool.name != "green"));
    let refused = world.ask(Command::Reload(Arc::new(without))).unwrap_err();
    assert!(refused.to_string().contains("which is in a rollout"), "{refused}");
}

#[test]
fn a_stored_rollout_goes_on_where_it_was() {
    let world = at_one_percent();
    let text = v1::encode_switch(world.state("model"));
    assert_eq!(&v1::decode_switch(&text).unwrap(), world.state("model"));
}

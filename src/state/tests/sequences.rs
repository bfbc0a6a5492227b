//! Random commands against random definitions: what holds whatever happens.

use super::*;
use crate::dns::serial::is_newer;
use crate::state::serials::current;
use proptest::prelude::*;

const SWITCHES: [&str; 4] = ["model", "flag", "chat", "nothing"];
const POOLS: [&str; 8] = ["blue", "green", "base", "off", "on", "old", "new", "none"];

/// One step of a sequence.
#[derive(Debug, Clone)]
enum Step {
    Ask { command: Asked, force: bool, stale: bool },
    Later(u64),
    Health { switch: usize, pool: usize, health: Health },
    Moving(Vec<usize>),
}

/// A command in small numbers, so that it shrinks well.
#[derive(Debug, Clone)]
enum Asked {
    Flip(Vec<(usize, usize)>),
    Weights(usize, Vec<(usize, u32)>),
    Percent(usize, Vec<(usize, u32)>),
    Undo(usize),
    Prepare(usize),
    Override(usize, usize, Option<OverrideKind>, bool),
    Version(usize, usize, Option<u8>),
    Reset(usize),
    Reload(Files),
}

/// What varies between files.
#[derive(Debug, Clone)]
struct Files {
    serials: (u32, u32),
    weights: [u16; 3],
    pools: usize,
    second: bool,
    monitored: bool,
    max_moving: Option<u32>,
    min_interval_ms: u64,
}

fn files() -> impl Strategy<Value = Files> {
    let serial = prop_oneof![0..50u32, Just(2_000_000_000), Just(u32::MAX - 1), any::<u32>()];
    let serials = (serial.clone(), serial);
    (
        serials,
        [1..=10_000u16, 0..=10_000u16, 0..=1u16],
        1..=3usize,
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0..3u32),
        prop_oneof![Just(0u64), Just(5_000)],
    )
        .prop_map(|(serials, weights, pools, second, monitored, max_moving, min_interval_ms)| Files {
            serials,
            weights,
            pools,
            second,
            monitored,
            max_moving,
            min_interval_ms,
        })
}

impl Files {
    fn build(&self) -> Definitions {
        definitions(|draft| {
            draft.example = zone("example.test", self.serials.0);
            draft.example.max_moving = self.max_moving;
            draft.model.min_interval_ms = self.min_interval_ms;
            for (pool, weight) in draft.model.pools.iter_mut().zip(self.weights) {
                pool.weight = weight;
            }
            draft.model.pools.truncate(self.pools);
            if !self.monitored {
                draft.model.monitors.clear();
            }
            draft.second = self.second.then(|| zone("second.test", self.serials.1));
        })
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let (s, p) = (0..SWITCHES.len(), 0..POOLS.len());
    let few = |top: u32| prop::collection::vec((0..POOLS.len(), prop_oneof![Just(0), 0..=top]), 0..4);
    let kind = prop::option::of(prop_oneof![Just(OverrideKind::ForceUp), Just(OverrideKind::ForceDown)]);
    prop_oneof![
        5 => prop::collection::vec((s.clone(), p.clone()), 0..3).prop_map(Asked::Flip),
        3 => (s.clone(), few(10_002)).prop_map(|(s, w)| Asked::Weights(s, w)),
        3 => (s.clone(), few(10_002)).prop_map(|(s, w)| Asked::Percent(s, w)),
        3 => s.clone().prop_map(Asked::Undo),
        1 => s.clone().prop_map(Asked::Prepare),
        2 => (s.clone(), p.clone(), kind, any::<bool>()).prop_map(|(s, p, k, m)| Asked::Override(s, p, k, m)),
        1 => (s.clone(), p, prop::option::of(0..2u8)).prop_map(|(s, p, v)| Asked::Version(s, p, v)),
        1 => s.prop_map(Asked::Reset),
        1 => files().prop_map(Asked::Reload),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (asked(), any::<bool>(), prop::bool::weighted(0.05)).prop_map(|(command, force, stale)| Step::Ask { command, force, stale }),
        2 => prop_oneof![0..10_000u64, Just(3_600_000)].prop_map(Step::Later),
        2 => (0..3usize, 0..POOLS.len(), prop_oneof![Just(Health::Up), Just(Health::Down), Just(Health::Unknown)])
            .prop_map(|(switch, pool, health)| Step::Health { switch, pool, health }),
        1 => prop::collection::vec(0..3usize, 0..3).prop_map(Step::Moving),
    ]
}

impl Asked {
    fn command(&self) -> Command {
        let many = |list: &[(usize, u32)]| list.iter().map(|(p, w)| (POOLS[*p], *w)).collect::<Vec<_>>();
        match self {
            Self::Flip(targets) => {
                Command::Flip(targets.iter().map(|(s, p)| target(SWITCHES[*s], POOLS[*p])).collect())
            }
            Self::Weights(s, given) => weights(SWITCHES[*s], &many(given)),
            Self::Percent(s, given) => percent(SWITCHES[*s], &many(given)),
            Self::Undo(s) => undo(SWITCHES[*s]),
            Self::Prepare(s) => prepare(SWITCHES[*s]),
            Self::Override(s, p, kind, member) => hold(SWITCHES[*s], POOLS[*p], member.then_some("192.0.2.1"), *kind),
            Self::Version(s, p, version) => {
                expect_version(SWITCHES[*s], POOLS[*p], version.map(|v| format!("v{v}")).as_deref())
            }
            Self::Reset(s) => reset(SWITCHES[*s]),
            Self::Reload(files) => reload(files.build()),
        }
    }
}

/// Everything that queries and people see of a state.
fn seen(desired: &Desired) -> String {
    format!("{} {:?} {:?}", desired.revision, desired.switches, desired.serials)
}

/// Takes one request, and holds the invariants around it.
fn hold_invariants(world: &mut World, asked: &Request) -> Result<(), TestCaseError> {
    let before = world.desired.clone();
    let outcome = world.decide(asked);
    prop_assert_eq!(seen(&before), seen(&world.desired), "deciding changes nothing");
    let change = match outcome {
        Err(rejection) => {
            prop_assert!(!asked.force || !rejection.forceable(), "force did not get past: {}", rejection);
            return Ok(());
        }
        Ok(change) => change,
    };
    world.desired.absorb(&change);
    if change.revision == before.revision {
        prop_assert_eq!(seen(&before), seen(&world.desired), "no new revision, and yet a change");
        return Ok(());
    }
    prop_assert_eq!(change.revision, before.revision + 1);
    for zone in &world.desired.definitions.zones {
        let (Some(last), now) = (before.serials.get(&zone.apex), current(&world.desired, zone)) else { continue };
        prop_assert!(now == *last || is_newer(now, *last), "{} went from {} to {}", zone.apex, last, now);
    }
    for switch in world.switches() {
        let split = world.desired.split(&switch);
        prop_assert!(split.values().any(|weight| *weight > 0), "{} has no weight: {:?}", switch.name, split);
        let stored = world.desired.switches.get(&switch.name);
        prop_assert!(stored.is_none_or(|s| s.revision <= change.revision));
        let told = change.splits.iter().find(|told| told.switch == switch.name);
        let old = before.definitions.switch(&switch.name).map(|(_, old)| before.split(old));
        if old.is_some_and(|old| old != split) {
            prop_assert!(told.is_some_and(|told| told.after == split), "{} moved untold", switch.name);
        }
    }
    for (_, state) in &change.switches {
        prop_assert!(state.as_ref().is_none_or(|state| state.revision == change.revision));
    }
    let again = Request { if_match: None, ..asked.clone() };
    if matches!(asked.command, Command::Flip(_)) {
        let second = world.decide(&again);
        prop_assert_eq!(second.map(|c| c.revision), Ok(change.revision), "the same flip again is no second revision");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_asked_the_state_stays_whole(first in files(), steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::of(first.build());
        for step in steps {
            match step {
                Step::Later(ms) => drop(world.later(ms)),
                Step::Moving(names) => world.observed.moving = names.into_iter().map(|at| SWITCHES[at].into()).collect(),
                Step::Health { switch, pool, health } => {
                    let found = world.desired.definitions.switch(SWITCHES[switch]).is_some_and(|(_, s)| s.pool(POOLS[pool]).is_some());
                    if found {
                        world.set_health(SWITCHES[switch], POOLS[pool], health);
                    }
                }
                Step::Ask { command, force, stale } => {
                    let if_match = Some(world.desired.revision + u64::from(stale));
                    let asked = Request { force, if_match, ..request(command.command()) };
                    hold_invariants(&mut world, &asked)?;
                }
            }
        }
    }
}

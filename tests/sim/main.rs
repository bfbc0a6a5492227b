//! Seeded worlds: the real control task over the memory store, with faults, readers and rude callers.
//!
//! Most worlds run on one thread in paused time, where a deadlock shows at once; a few run in real
//! time with readers on threads of their own. A failure names its seed: `TIDEGATE_SEED=n` repeats that
//! world alone, `TIDEGATE_FULL=1` runs many more. The clock of promises and intervals is the
//! machine's, so nothing here depends on how much of it passes.

// A failing world says how to repeat it.
#![allow(clippy::print_stderr)]

mod caller;
mod chaos;
mod dice;
mod directed;
mod files;
mod reader;
mod truth;
mod world;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// How many worlds in an ordinary run, and with `TIDEGATE_FULL=1`.
const WORLDS: (u64, u64) = (30, 3_000);

/// How many of the real-time worlds.
const REAL_WORLDS: (u64, u64) = (2, 40);

/// Virtual time in which a world must have ended: control waits for readers at most a second a change.
const LIMIT: Duration = Duration::from_secs(3_600);

fn seeds(count: (u64, u64)) -> Vec<u64> {
    if let Ok(seed) = std::env::var("TIDEGATE_SEED") {
        return vec![seed.parse().expect("TIDEGATE_SEED is a number")];
    }
    let full = std::env::var("TIDEGATE_FULL").is_ok_and(|value| value == "1");
    (0..if full { count.1 } else { count.0 }).collect()
}

/// Runs a world; a panic inside is reported with the seed that repeats it.
fn with_seed(seed: u64, test: &str, world: impl FnOnce()) {
    // What went wrong was told when it did.
    let held = std::panic::catch_unwind(AssertUnwindSafe(world)).is_ok();
    assert!(held, "repeat with: TIDEGATE_SEED={seed} cargo test --test sim {test}");
}

#[test]
fn in_every_world_changes_are_whole_durable_and_seen_by_all_readers() {
    for seed in seeds(WORLDS) {
        with_seed(seed, "in_every_world", || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime");
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                tokio::time::timeout(LIMIT, world::live(seed)).await.expect("no world stands still");
            });
        });
    }
}

#[test]
fn readers_on_threads_of_their_own_never_answer_from_before_a_reply() {
    let seeds = seeds(REAL_WORLDS);
    let worlds: Vec<_> = seeds
        .into_iter()
        .map(|seed| {
            std::thread::spawn(move || {
                with_seed(seed, "readers_on_threads", || {
                    let runtime = tokio::runtime::Builder::new_multi_thread()
                        .worker_threads(2)
                        .enable_all()
                        .build()
                        .expect("a runtime");
                    runtime.block_on(async move {
                        tokio::time::timeout(Duration::from_secs(120), world::live_beside_threads(seed))
                            .await
                            .expect("no world stands still");
                    });
                });
            })
        })
        .collect();
    for world in worlds {
        world.join().expect("a world in which all invariants hold");
    }
}

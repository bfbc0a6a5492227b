//! SOA serials never go back (§3.4, RFC 1982).

use super::*;
use crate::dns::serial::is_newer;
use crate::state::serials::{advance, current};
use proptest::prelude::*;

/// State whose last serial of `example.test` was this, under files with that one.
fn state(last: Option<u32>, file: u32) -> Desired {
    let definitions = definitions(|draft| draft.example = zone("example.test", file));
    let apex: Name = "example.test".parse().unwrap();
    let serials = last.map(|serial| (apex, serial)).into_iter().collect();
    Desired { definitions: Arc::new(definitions), serials, ..Desired::default() }
}

fn next(last: u32, file: u32) -> u32 {
    let desired = state(Some(last), file);
    advance(&desired, &desired.definitions.zones[0])
}

#[test]
fn the_larger_of_the_files_serial_and_the_last_plus_1_is_served() {
    assert_eq!(next(10, 10), 11);
    assert_eq!(next(10, 11), 11);
    assert_eq!(next(10, 2_026_112_001), 2_026_112_001);
    assert_eq!(next(2_026_112_005, 2_026_112_001), 2_026_112_006);
    assert_eq!(next(u32::MAX, u32::MAX), 0);
    assert_eq!(next(u32::MAX - 1, 3), 3, "3 comes after the largest serial");
    let fresh = state(None, 42);
    assert_eq!(advance(&fresh, &fresh.definitions.zones[0]), 42);
    assert_eq!(current(&fresh, &fresh.definitions.zones[0]), 42);
}

#[test]
fn a_file_that_jumps_over_half_the_circle_is_refused_at_reload_and_never_forced() {
    let mut world = World::of(definitions(|draft| draft.example = zone("example.test", 5)));
    let to = |serial: u32| reload(definitions(move |draft| draft.example = zone("example.test", serial)));
    let refused = world.ask_forced(to(2_147_483_653)).unwrap_err();
    assert_eq!(refused, Rejection::SerialJump { zone: "example.test.".to_owned(), from: 5, to: 2_147_483_653 });
    world.take(to(2_147_483_652));
    assert_eq!(world.desired.serials[&"example.test".parse::<Name>().unwrap()], 2_147_483_652);
    world.take(to(5));
    assert_eq!(
        world.desired.serials[&"example.test".parse::<Name>().unwrap()],
        2_147_483_653,
        "a file that goes back does not take the serial back"
    );
}

#[test]
fn a_start_serves_a_newer_serial_than_the_last_and_refuses_a_jump() {
    let serials = |last, file| initial_serials(&state(Some(last), file)).map(|serials| serials[0].1);
    assert_eq!(serials(10, 10).unwrap(), 11);
    assert_eq!(serials(10, 500).unwrap(), 500);
    assert!(matches!(serials(10, 3_000_000_000), Err(Rejection::SerialJump { from: 10, .. })));
}

#[test]
fn a_counter_that_ran_over_the_end_is_no_jump_of_the_file() {
    let last = initial_serials(&state(Some(3), u32::MAX - 2)).map(|serials| serials[0].1);
    assert_eq!(last.unwrap(), 4, "the file stands where it stood, six steps behind");
}

proptest! {
    #[test]
    fn the_next_serial_is_always_newer(last: u32, file: u32) {
        prop_assert!(is_newer(next(last, file), last));
    }

    #[test]
    fn a_start_refuses_or_moves_on(last: u32, file: u32) {
        if let Ok(serials) = initial_serials(&state(Some(last), file)) {
            prop_assert!(is_newer(serials[0].1, last));
        }
    }
}

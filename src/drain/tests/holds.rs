//! Pools that secondaries may still answer: never let go early, whoever is silent, whatever restarts.

use super::*;
use crate::drain::Carried;

const EXPIRE_MS: u64 = 1_000_000;

fn seconds(s: u64) -> Moment {
    Moment { boot_ms: s * 1000, unix_ms: 1_700_000_000_000 + s * 1000 }
}

fn carried<'a>(serial: u32, switch: &'a Arc<str>, pool: &'a Arc<str>, secondaries: &'a [String]) -> Carried<'a> {
    Carried { zone: "example.test.", serial, expire_ms: EXPIRE_MS, secondaries, switch, pool: Some((pool, 30_000)) }
}

fn held(ledger: &Ledger, switch: &Arc<str>, pool: &Arc<str>) -> bool {
    !ledger.held_by(&PoolKey { switch: switch.clone(), pool: pool.clone() }).is_empty()
}

#[test]
fn a_pool_is_held_until_each_secondary_has_shown_the_serial_and_one_ttl_has_passed() {
    let (switch, blue, green): (Arc<str>, Arc<str>, Arc<str>) = ("app".into(), "blue".into(), "green".into());
    let both = ["192.0.2.1:53".to_owned(), "192.0.2.2:53".to_owned()];
    let mut ledger = Ledger::start(None, "boot", seconds(10), &[], false);
    ledger.carry(&carried(7, &switch, &blue, &both), 10_000);
    assert!(!held(&ledger, &switch, &blue));
    ledger.carry(&carried(8, &switch, &green, &both), 100_000);
    assert!(held(&ledger, &switch, &blue) && !held(&ledger, &switch, &green));
    ledger.secondary_shows("example.test.", &both[0], 8, 101_000);
    ledger.secondary_shows("example.test.", &both[1], 7, 102_000);
    ledger.secondary_shows("other.test.", &both[1], 9, 103_000);
    assert!(held(&ledger, &switch, &blue));
    assert!(ledger.held_by(&PoolKey { switch: switch.clone(), pool: blue.clone() })[0].contains("192.0.2.2:53"));
    ledger.secondary_shows("example.test.", &both[1], 9, 200_000);
    assert!(!held(&ledger, &switch, &blue));
    let key = PoolKey { switch: switch.clone(), pool: blue.clone() };
    assert_eq!(ledger.entry(&key).unwrap().bound.until, Some(230_000), "what it answered just before");
}

#[test]
fn a_silent_secondary_holds_until_its_copy_has_expired_and_one_ttl_more() {
    let (switch, blue, green): (Arc<str>, Arc<str>, Arc<str>) = ("app".into(), "blue".into(), "green".into());
    let one = ["192.0.2.1:53".to_owned()];
    let mut ledger = Ledger::start(None, "boot", seconds(10), &[], false);
    ledger.carry(&carried(7, &switch, &blue, &one), 10_000);
    ledger.carry(&carried(8, &switch, &green, &one), 100_000);
    ledger.expire_copies(100_000 + EXPIRE_MS + 59_999);
    assert!(held(&ledger, &switch, &blue));
    ledger.expire_copies(100_000 + EXPIRE_MS + 60_000);
    assert!(!held(&ledger, &switch, &blue));
    let key = PoolKey { switch: switch.clone(), pool: blue.clone() };
    assert_eq!(ledger.entry(&key).unwrap().bound.until, Some(100_000 + 1_000_000 + 60_000 + 30_000));
}

#[test]
fn a_hold_outlives_restart_and_reboot_and_ends_when_the_pool_is_carried_again() {
    let (switch, blue, green): (Arc<str>, Arc<str>, Arc<str>) = ("app".into(), "blue".into(), "green".into());
    let one = ["192.0.2.1:53".to_owned()];
    let mut ledger = Ledger::start(None, "boot", seconds(10), &[], false);
    ledger.carry(&carried(7, &switch, &blue, &one), 10_000);
    ledger.carry(&carried(8, &switch, &green, &one), 100_000);
    let text = ledger.image().to_text();
    for (boot, expires_ms) in [("boot", 1_160_000), ("another", 5_000 + 1_060_000)] {
        let image = v1::Image::from_text(&text).unwrap();
        let mut again = Ledger::start(Some(image), boot, seconds(5), &[], false);
        again.carry(&carried(9, &switch, &green, &one), 5_000);
        assert!(held(&again, &switch, &blue), "{boot}");
        again.expire_copies(expires_ms - 1);
        assert!(held(&again, &switch, &blue), "{boot}");
        let mut shown = again.clone();
        shown.secondary_shows("example.test.", &one[0], 9, 6_000);
        assert!(!held(&shown, &switch, &blue), "{boot}");
        again.carry(&carried(10, &switch, &blue, &one), 7_000);
        assert!(!held(&again, &switch, &blue) && held(&again, &switch, &green), "{boot}");
    }
}

#[test]
fn after_a_start_what_has_not_drained_counts_as_carried_before() {
    let (switch, blue, green): (Arc<str>, Arc<str>, Arc<str>) = ("app".into(), "blue".into(), "green".into());
    let one = ["192.0.2.1:53".to_owned()];
    let key = PoolKey { switch: switch.clone(), pool: blue.clone() };
    let mut ledger = Ledger::start(None, "boot", seconds(10), &[], false);
    ledger.fold(&key, 90_000, false);
    ledger.carry(&carried(9, &switch, &green, &one), 80_000);
    assert!(held(&ledger, &switch, &blue), "its change may be what a crash forgot");
    let mut long_ago = Ledger::start(None, "boot", seconds(10), &[], false);
    long_ago.fold(&key, 90_000, false);
    long_ago.carry(&carried(9, &switch, &green, &one), 3_000_000);
    assert!(!held(&long_ago, &switch, &blue));
}

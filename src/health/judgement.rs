//! From verdicts to eligibility: a member's monitors, an operator's hold, a pool's quorum (§2.2, §2.3).

use super::{Health, Override, OverrideKind};

/// What several monitors say together: the worst wins (Down, then Unknown, then Up). A member
/// without monitors is Up: nothing speaks against it.
#[must_use]
pub fn worst(verdicts: impl IntoIterator<Item = Health>) -> Health {
    let badness = |health: &Health| match health {
        Health::Up => 0,
        Health::Unknown => 1,
        Health::Down => 2,
    };
    verdicts.into_iter().max_by_key(badness).unwrap_or(Health::Up)
}

/// Whether a member (or pool) may be answered: healthy, or forced up. `hold` is one still in force.
#[must_use]
pub fn eligible(measured: Health, hold: Option<&Override>) -> bool {
    match hold.map(|hold| hold.kind) {
        Some(OverrideKind::ForceUp) => true,
        Some(OverrideKind::ForceDown) => false,
        None => measured == Health::Up,
    }
}

/// Whether members with at least `min_healthy` (1/10000) of the pool's member weight are eligible.
///
/// `members` are (weight, eligible). A pool without members is eligible: it answers other records.
/// A pool with members always needs one of them, even at `min_healthy` 0.
#[must_use]
pub fn pool_eligible(members: impl IntoIterator<Item = (u16, bool)>, min_healthy: u16) -> bool {
    let (mut total, mut healthy) = (0_u64, 0_u64);
    for (weight, is_eligible) in members {
        total += u64::from(weight);
        healthy += if is_eligible { u64::from(weight) } else { 0 };
    }
    total == 0 || (healthy > 0 && healthy * 10_000 >= total * u64::from(min_healthy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(kind: OverrideKind) -> Override {
        Override { kind, reason: "test".into(), expires_unix_ms: u64::MAX }
    }

    #[test]
    fn the_worst_monitor_decides() {
        use Health::{Down, Unknown, Up};
        assert_eq!(worst([Up, Up]), Up);
        assert_eq!(worst([Up, Unknown]), Unknown);
        assert_eq!(worst([Unknown, Down, Up]), Down);
    }

    #[test]
    fn a_member_without_monitors_is_eligible() {
        assert!(eligible(worst([]), None));
    }

    #[test]
    fn only_up_is_eligible_unless_an_operator_holds_it() {
        for health in [Health::Up, Health::Down, Health::Unknown] {
            assert_eq!(eligible(health, None), health == Health::Up);
            assert!(eligible(health, Some(&hold(OverrideKind::ForceUp))));
            assert!(!eligible(health, Some(&hold(OverrideKind::ForceDown))));
        }
    }

    #[test]
    fn a_pool_needs_its_share_of_member_weight() {
        assert!(pool_eligible([(1, true), (1, false)], 5_000));
        assert!(!pool_eligible([(1, true), (1, false), (1, false)], 5_000));
        assert!(pool_eligible([(9, true), (1, false)], 9_000));
        assert!(!pool_eligible([(9, true), (1, false)], 9_001));
        assert!(!pool_eligible([(1, false)], 0));
        assert!(pool_eligible([(1, true), (9_999, false)], 1));
        assert!(pool_eligible([], 5_000));
    }
}

//! Percentages with two decimals: the pools not named share the rest in their old ratio (§1.5).

use super::*;
use proptest::prelude::*;

/// A world whose only interesting switch has pools `p0`, `p1`, ... with these weights, unhealthy ones none.
fn pools(old: &[u16]) -> World {
    World::of(definitions(|draft| {
        draft.model.pools =
            old.iter().enumerate().map(|(at, weight)| pool(&format!("p{at}"), *weight, &["192.0.2.9"])).collect();
    }))
}

/// The weights after percentages are set by force, or the rejection.
fn after(old: &[u16], given: &[(&str, u32)]) -> Result<Vec<u16>, Rejection> {
    let mut world = pools(old);
    let change = world.ask_forced(percent("model", given))?;
    world.desired.absorb(&change);
    let switch = world.switch("model");
    let split = world.desired.split(&switch);
    Ok(switch.pools.iter().map(|pool| split[&pool.name]).collect())
}

#[test]
fn one_percentage_alone_leaves_the_rest_in_its_old_ratio() {
    assert_eq!(after(&[10_000, 0], &[("p1", 1_000)]).unwrap(), [9_000, 1_000]);
    assert_eq!(after(&[3, 0, 1], &[("p1", 1_000)]).unwrap(), [6_750, 1_000, 2_250]);
    assert_eq!(after(&[1, 1, 1], &[("p1", 0)]).unwrap(), [5_000, 0, 5_000]);
}

#[test]
fn the_remainder_goes_to_the_largest_fractions() {
    assert_eq!(after(&[1, 1, 1, 0], &[("p3", 0)]).unwrap(), [3_334, 3_333, 3_333, 0]);
    assert_eq!(after(&[2, 1, 0], &[("p2", 1)]).unwrap(), [6_666, 3_333, 1]);
    assert_eq!(after(&[5, 2, 0], &[("p2", 1)]).unwrap(), [7_142, 2_857, 1]);
}

#[test]
fn all_pools_named_must_sum_to_100_percent() {
    assert_eq!(after(&[1, 1], &[("p0", 2_500), ("p1", 7_500)]).unwrap(), [2_500, 7_500]);
    let short = after(&[1, 1], &[("p0", 2_500), ("p1", 7_499)]).unwrap_err();
    assert_eq!(short, Rejection::PercentSum { hundredths_text: "99.99".to_owned() });
    let long = after(&[1, 1, 1], &[("p0", 9_000), ("p1", 1_001)]).unwrap_err();
    assert_eq!(long, Rejection::PercentSum { hundredths_text: "100.01".to_owned() });
    let huge = after(&[1, 1], &[("p0", u32::MAX)]).unwrap_err();
    assert!(matches!(huge, Rejection::PercentSum { .. }));
    assert!(!huge.forceable());
}

#[test]
fn a_pool_at_0_gets_the_rest_only_when_it_is_the_only_other() {
    assert_eq!(after(&[10_000, 0], &[("p0", 9_000)]).unwrap(), [9_000, 1_000]);
    let ambiguous = after(&[10_000, 0, 0], &[("p0", 9_000)]).unwrap_err();
    assert_eq!(
        ambiguous,
        Rejection::PercentSum { hundredths_text: "90.00".to_owned() },
        "nothing says who is to get the rest"
    );
    assert_eq!(after(&[9_000, 1_000, 0], &[("p0", 10_000)]).unwrap(), [10_000, 0, 0]);
}

proptest! {
    #[test]
    fn percentages_always_sum_to_100_keep_the_ratio_and_leave_zeros(
        old in prop::collection::vec(prop_oneof![2 => Just(0u16), 5 => 1..=10_000u16], 1..6),
        given in prop::collection::btree_map(0usize..6, 0..=10_000u32, 1..4),
    ) {
        prop_assume!(old.iter().any(|weight| *weight > 0));
        let given: Vec<(String, u32)> = given.into_iter().filter(|(at, _)| *at < old.len()).map(|(at, share)| (format!("p{at}"), share)).collect();
        let named: Vec<(&str, u32)> = given.iter().map(|(pool, share)| (pool.as_str(), *share)).collect();
        let Ok(new) = after(&old, &named) else { return Ok(()) };
        if pools(&old).ask_forced(percent("model", &named)).unwrap().revision == 0 {
            return Ok(());
        }
        prop_assert_eq!(new.iter().map(|weight| u32::from(*weight)).sum::<u32>(), 10_000);
        let is_named = |at: usize| named.iter().any(|(pool, _)| *pool == format!("p{at}"));
        let others: Vec<usize> = (0..old.len()).filter(|at| !is_named(*at)).collect();
        let rest: u64 = others.iter().map(|at| u64::from(new[*at])).sum();
        let total: u64 = others.iter().map(|at| u64::from(old[*at])).sum();
        for (pool, share) in &named {
            let at: usize = pool[1..].parse().unwrap();
            prop_assert_eq!(u32::from(new[at]), *share);
        }
        for at in others.iter().copied().filter(|_| total > 0) {
            let exact = rest * u64::from(old[at]);
            let got = u64::from(new[at]) * total;
            prop_assert!(got.abs_diff(exact) < total, "p{at}: {} of {rest} for {} of {total}", new[at], old[at]);
            prop_assert!(old[at] > 0 || new[at] == 0);
        }
        if total == 0 && rest > 0 {
            prop_assert_eq!(others.len(), 1);
        }
    }
}

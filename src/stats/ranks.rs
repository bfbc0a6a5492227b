//! Mann-Whitney U with what goes with it: common-language effect size and Hodges-Lehmann shift.
//!
//! Small samples without ties are judged by the exact distribution, others by the normal one with ties and
//! continuity corrected. The interval of the shift inverts the corrected z: it holds every shift that the
//! test would not reject. Differences are never stored: the k-th of n1 n2 is found by bisecting the floats.

use super::{Interval, PValues, Undecided, finite, level, normal, place, whole};

/// The exact distribution is used up to this many values on both sides together.
const MOST_EXACT: usize = 50;

/// The outcome of a U test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankTest {
    /// Pairs in which the canary's value is greater, ties counted half.
    pub u: f64,
    /// Standard deviation of U if there is no difference, ties considered.
    pub sigma: f64,
    /// By the rule: exact where possible, else with continuity correction.
    pub p: PValues,
    /// By the exact distribution, for small samples without ties.
    pub exact: Option<PValues>,
    /// Normal statistic with continuity correction, towards zero.
    pub z: f64,
    /// By the normal distribution with continuity correction.
    pub corrected: PValues,
    /// Normal statistic without correction.
    pub z_uncorrected: f64,
    /// By the normal distribution without correction.
    pub uncorrected: PValues,
    /// Chance that a canary's value exceeds a stable one's, ties counted half.
    pub cles: f64,
    /// Hodges-Lehmann shift: the median of all differences canary minus stable.
    pub shift: f64,
    /// Interval of the shift at `1 - alpha`.
    pub interval: Interval,
}

/// U alone, for looks that need nothing else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankSum {
    /// Pairs in which the canary's value is greater, ties counted half.
    pub u: f64,
    /// Standard deviation of U if there is no difference, ties considered.
    pub sigma: f64,
    /// Chance that a canary's value exceeds a stable one's, ties counted half.
    pub cles: f64,
}

/// Counts the pairs in which the canary's value is greater; `NoVariance` if all values are the same.
pub fn rank_sum(canary: &[f64], stable: &[f64]) -> Result<RankSum, Undecided> {
    let (ours, theirs) = (sorted(canary)?, sorted(stable)?);
    let (u, ties) = count_pairs(&ours, &theirs);
    let pairs = ours.len() as f64 * theirs.len() as f64;
    let sigma = sigma(ours.len(), theirs.len(), ties);
    if sigma == 0.0 {
        return Err(Undecided::NoVariance { difference: 0.0 });
    }
    Ok(RankSum { u, sigma, cles: u / pairs })
}

/// The standard deviation of U, given the sum of t^3 - t over groups of tied values.
fn sigma(n1: usize, n2: usize, ties: f64) -> f64 {
    let (n1, n2) = (n1 as f64, n2 as f64);
    let all = n1 + n2;
    (n1 * n2 / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)))).max(0.0).sqrt()
}

/// Compares two samples by ranks.
pub fn mann_whitney(canary: &[f64], stable: &[f64], alpha: f64) -> Result<RankTest, Undecided> {
    let critical = normal::critical(level(alpha)?);
    let (ours, theirs) = (sorted(canary)?, sorted(stable)?);
    let (n1, n2) = (ours.len() as f64, theirs.len() as f64);
    let (u, ties) = count_pairs(&ours, &theirs);
    let mean = n1 * n2 / 2.0;
    let sigma = sigma(ours.len(), theirs.len(), ties);
    let shift = middle_difference(&ours, &theirs)?;
    if sigma == 0.0 {
        return Err(Undecided::NoVariance { difference: shift });
    }
    let gap = u - mean;
    let corrected = PValues {
        two_sided: (2.0 * normal::above((gap.abs() - 0.5) / sigma)).min(1.0),
        greater: normal::above((gap - 0.5) / sigma),
        less: normal::above((-gap - 0.5) / sigma),
    };
    let exact = (ties == 0.0 && ours.len() + theirs.len() <= MOST_EXACT)
        .then(|| exact_p(ours.len(), theirs.len(), place(whole(u))));
    let untied = (n1 * n2 * (n1 + n2 + 1.0) / 12.0).sqrt();
    let least = whole((mean - 0.5 - critical * untied).ceil()).max(1);
    let pairs = (ours.len() as u64) * (theirs.len() as u64);
    let interval =
        Interval { low: difference(&ours, &theirs, least)?, high: difference(&ours, &theirs, pairs + 1 - least)? };
    Ok(RankTest {
        u,
        sigma,
        p: exact.unwrap_or(corrected),
        exact,
        z: gap.signum() * (gap.abs() - 0.5).max(0.0) / sigma,
        corrected,
        z_uncorrected: gap / sigma,
        uncorrected: PValues::of_z(gap / sigma),
        cles: u / (n1 * n2),
        shift,
        interval,
    })
}

/// The values in order; `TooFew` under two, `NotFinite` with a NaN or infinity.
pub(super) fn sorted(values: &[f64]) -> Result<Vec<f64>, Undecided> {
    if values.len() < 2 {
        return Err(Undecided::TooFew { needed: 2, got: values.len() as u64 });
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Undecided::NotFinite);
    }
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    Ok(values)
}

/// U of the first side, and the sum of t^3 - t over groups of tied values.
fn count_pairs(ours: &[f64], theirs: &[f64]) -> (f64, f64) {
    let (mut i, mut j, mut u, mut ties) = (0, 0, 0.0, 0.0);
    while let Some(value) = smallest(ours.get(i), theirs.get(j)) {
        let same = |side: &[f64]| side.iter().take_while(|v| **v == value).count();
        let (a, b) = (same(ours.get(i..).unwrap_or_default()), same(theirs.get(j..).unwrap_or_default()));
        u += a as f64 * (j as f64 + b as f64 / 2.0);
        let tied = (a + b) as f64;
        ties += tied * tied * tied - tied;
        i += a;
        j += b;
    }
    (u, ties)
}

fn smallest(a: Option<&f64>, b: Option<&f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(*b)),
        (a, b) => a.or(b).copied(),
    }
}

/// From the number of arrangements that give each U: the Gaussian binomial coefficients.
fn exact_p(n1: usize, n2: usize, u: usize) -> PValues {
    let most = n1 * n2;
    let mut ways = vec![0.0; most + 1];
    ways[0] = 1.0;
    for i in 1..=n1 {
        for at in (n2 + i..=most).rev() {
            ways[at] -= ways[at - n2 - i];
        }
        for at in i..=most {
            ways[at] += ways[at - i];
        }
    }
    let all: f64 = ways.iter().sum();
    let less = ways.iter().take(u + 1).sum::<f64>() / all;
    let greater = ways.iter().skip(u).sum::<f64>() / all;
    PValues { two_sided: (2.0 * less.min(greater)).min(1.0), greater, less }
}

/// The median of all differences.
fn middle_difference(ours: &[f64], theirs: &[f64]) -> Result<f64, Undecided> {
    let pairs = (ours.len() as u64) * (theirs.len() as u64);
    let (low, high) = (difference(ours, theirs, pairs.div_ceil(2))?, difference(ours, theirs, pairs / 2 + 1)?);
    finite(low / 2.0 + high / 2.0)
}

/// The `rank`-th smallest difference of a value of ours and one of theirs, counted from 1.
fn difference(ours: &[f64], theirs: &[f64], rank: u64) -> Result<f64, Undecided> {
    let (mut low, mut high) = (i64::MIN, i64::MAX);
    while low < high {
        let middle = low + (high.wrapping_sub(low) as u64 / 2) as i64;
        if count_up_to(ours, theirs, from_order(middle)) >= rank {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    // Zero before adding: the order of floats tells -0 from 0.
    finite(from_order(low) + 0.0)
}

/// How many differences are at most `limit`; NaN as a limit is beyond all.
fn count_up_to(ours: &[f64], theirs: &[f64], limit: f64) -> u64 {
    if limit.is_nan() {
        return if limit.is_sign_negative() { 0 } else { u64::MAX };
    }
    let (mut from, mut count) = (0, 0u64);
    for value in ours {
        // The greater our value, the further up theirs must start for the difference to stay small.
        while theirs.get(from).is_some_and(|other| value - other > limit) {
            from += 1;
        }
        count += (theirs.len() - from) as u64;
    }
    count
}

/// The float at a place in the total order of all floats.
fn from_order(order: i64) -> f64 {
    let bits = if order < 0 { order ^ i64::MAX } else { order };
    f64::from_bits(bits.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn selected_differences_are_those_of_the_sorted_list(
            ours in prop::collection::vec(-50i32..50, 2..20), theirs in prop::collection::vec(-50i32..50, 2..20)
        ) {
            let floats = |values: &[i32]| sorted(&values.iter().map(|v| f64::from(*v) / 4.0).collect::<Vec<_>>()).unwrap();
            let (ours, theirs) = (floats(&ours), floats(&theirs));
            let mut all: Vec<f64> = ours.iter().flat_map(|a| theirs.iter().map(move |b| a - b)).collect();
            all.sort_by(f64::total_cmp);
            for (index, expected) in all.iter().enumerate() {
                prop_assert_eq!(difference(&ours, &theirs, index as u64 + 1).unwrap(), *expected);
            }
        }

        #[test]
        fn u_counts_pairs(ours in prop::collection::vec(0i32..9, 2..20), theirs in prop::collection::vec(0i32..9, 2..20)) {
            let floats = |values: &[i32]| sorted(&values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()).unwrap();
            let (ours, theirs) = (floats(&ours), floats(&theirs));
            let half = |a: &f64, b: &f64| if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
            let u: f64 = ours.iter().flat_map(|a| theirs.iter().map(move |b| half(a, b))).sum();
            prop_assert_eq!(count_pairs(&ours, &theirs).0, u);
        }
    }
}

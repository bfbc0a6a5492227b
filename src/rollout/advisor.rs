//! An advisor that may suggest the next weight by Thompson sampling (§5.9): off unless asked for.
//!
//! The canary's share is the chance, by draws from both posteriors, that it succeeds more often. Never
//! outside the current step, never under 1 %, and never in place of a gate.

use super::{Gate, Look, Rollout, Series, WHOLE, Worse, elapsed_ms, percent};
use crate::moment::Moment;
use crate::stats::{Count, thompson};

/// The least share that is suggested, hundredths of a percent.
pub const LEAST_SHARE: u16 = 100;

/// Samples of each side before anything is suggested.
pub const LEAST_SAMPLES: u64 = 100;

/// Time between two suggestions, milliseconds.
pub const EVERY_MS: u64 = 900_000;

/// Pairs of draws that a suggestion rests on at least.
pub const LEAST_DRAWS: usize = 100;

/// What is suggested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Advice {
    /// The canary's share, hundredths of a percent, inside the step.
    pub share: u16,
    /// The chance that the canary succeeds more often than the stable pool.
    pub better: f64,
}

/// Why nothing is suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAdvice {
    /// Too few samples on one side.
    #[error("{got} samples on one side; a suggestion needs {LEAST_SAMPLES} on each")]
    TooFew {
        /// On the side that has fewer.
        got: u64,
    },
    /// The step leaves no room: it is under 1 %, or no step is in force.
    #[error("the step in force leaves no room for a suggestion")]
    NoRoom,
    /// Too few random numbers were given.
    #[error("a suggestion needs {LEAST_DRAWS} pairs of draws")]
    TooFewDraws,
}

/// Whether a suggestion is due.
#[must_use]
pub fn is_due(last: Option<Moment>, now: Moment) -> bool {
    last.is_none_or(|last| elapsed_ms(last, now) >= EVERY_MS)
}

/// Suggests a share for the step in force, from successes of both sides and random numbers.
///
/// # Errors
/// Why nothing is suggested.
pub fn suggest(rollout: &Rollout, canary: Count, stable: Count, draws: &[u64]) -> Result<Advice, NoAdvice> {
    within(rollout.share(), canary, stable, draws)
}

/// What is suggested from the first gate over counts, in words, or why nothing is; `None` where no gate
/// counts both sides.
#[must_use]
pub fn advise(rollout: &Rollout, look: &Look<'_>, draws: &[u64]) -> Option<Result<String, NoAdvice>> {
    let counted = |gate: &Gate, pool: &str| match look.evidence.series(&gate.metric.name, pool) {
        Some(Series::Counts { count, total }) => successes(gate.metric.worse, *count, *total),
        _ => None,
    };
    let both = |gate: &Gate| Some((counted(gate, look.canary)?, counted(gate, look.other)?));
    let (canary, other) = look.gates.iter().find_map(both)?;
    let words = |advice: Advice| {
        let (share, better) = (percent(advice.share), advice.better * 100.0);
        format!(
            "{share} % for {}, which does better with a chance of {better:.1} % (a suggestion only)",
            rollout.canary
        )
    };
    Some(suggest(rollout, canary, other, draws).map(words))
}

/// Successes of so many: what does not count against a side.
fn successes(worse: Worse, count: f64, total: f64) -> Option<Count> {
    let good = if worse == Worse::Up { total - count } else { count };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // sums of checked samples, below 2^53
    let whole = |number: f64| number.round().max(0.0) as u64;
    Count::new(whole(good), whole(total)).ok()
}

/// The same for a step's share.
fn within(step: u16, canary: Count, stable: Count, draws: &[u64]) -> Result<Advice, NoAdvice> {
    if step < LEAST_SHARE {
        return Err(NoAdvice::NoRoom);
    }
    let got = canary.total().min(stable.total());
    if got < LEAST_SAMPLES {
        return Err(NoAdvice::TooFew { got });
    }
    let pairs = draws.chunks_exact(2);
    if pairs.len() < LEAST_DRAWS {
        return Err(NoAdvice::TooFewDraws);
    }
    let all = pairs.len();
    let won = pairs
        .filter(|pair| matches!(pair, [one, two] if thompson::draw(canary, *one) > thompson::draw(stable, *two)))
        .count();
    let better = won as f64 / all as f64;
    let share = u16::try_from(won * usize::from(WHOLE) / all).unwrap_or(WHOLE);
    Ok(Advice { share: share.clamp(LEAST_SHARE, step), better })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers without a pattern (SplitMix64, Steele, Lea, Flood 2014).
    fn draws(n: u64) -> Vec<u64> {
        (1..=n)
            .map(|i| {
                let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            })
            .collect()
    }

    fn count(hits: u64, total: u64) -> Count {
        Count::new(hits, total).unwrap()
    }

    #[test]
    fn what_counts_against_a_side_is_no_success() {
        assert_eq!(successes(Worse::Up, 3.0, 100.0), Some(count(97, 100)));
        assert_eq!(successes(Worse::Down, 3.4, 99.6), Some(count(3, 100)));
    }

    #[test]
    fn a_clearly_better_canary_gets_the_whole_step_and_a_worse_one_the_least() {
        let (good, bad) = (count(990, 1_000), count(900, 1_000));
        let up = within(1_000, good, bad, &draws(400)).unwrap();
        assert_eq!((up.share, up.better), (1_000, 1.0));
        let down = within(1_000, bad, good, &draws(400)).unwrap();
        assert_eq!((down.share, down.better), (LEAST_SHARE, 0.0));
    }

    #[test]
    fn the_share_is_the_chance_to_be_better() {
        let advice = within(WHOLE, count(97, 100), count(95, 100), &draws(4_000)).unwrap();
        assert!((advice.better - 0.751).abs() < 0.03, "{advice:?}");
        assert!((f64::from(advice.share) / 10_000.0 - advice.better).abs() < 1e-3);
    }

    #[test]
    fn without_samples_draws_or_room_nothing_is_suggested() {
        let enough = count(100, 100);
        assert_eq!(within(1_000, count(99, 99), enough, &draws(400)), Err(NoAdvice::TooFew { got: 99 }));
        assert_eq!(within(99, enough, enough, &draws(400)), Err(NoAdvice::NoRoom));
        assert_eq!(within(1_000, enough, enough, &draws(199)), Err(NoAdvice::TooFewDraws));
    }

    #[test]
    fn a_suggestion_is_due_every_quarter_of_an_hour() {
        let then = Moment { boot_ms: 5_000, unix_ms: 5_000 };
        assert!(is_due(None, then));
        assert!(!is_due(Some(then), then.plus_ms(EVERY_MS - 1)));
        assert!(is_due(Some(then), then.plus_ms(EVERY_MS)));
    }

    proptest! {
        #[test]
        fn a_suggestion_never_leaves_the_step(
            step in LEAST_SHARE..=WHOLE, a in 0u64..400, b in 0u64..400, of in 400u64..500, seed in any::<u64>(),
        ) {
            let numbers: Vec<u64> = draws(200).into_iter().map(|draw| draw ^ seed).collect();
            let advice = within(step, count(a, of), count(b, of), &numbers).unwrap();
            prop_assert!((LEAST_SHARE..=step).contains(&advice.share));
        }
    }
}

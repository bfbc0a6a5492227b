//! Fisher's exact test of two proportions, for counts too small for a normal approximation.
//!
//! Given both totals and all hits, the canary's hits are hypergeometric. The two-sided p adds every
//! outcome that is not likelier than the one seen (with the customary slack of 1e-7).

use super::beta::mass;
use super::{Count, PValues, Undecided};

/// Slack within which two outcomes count as equally likely.
const SLACK: f64 = 1.0 + 1e-7;

/// The hits of one side, when the hits of both together are known.
struct Hypergeometric {
    canary: u64,
    stable: u64,
    hits: u64,
}

/// How surprising these counts are if both sides have the same rate.
pub fn fisher(canary: Count, stable: Count) -> Result<PValues, Undecided> {
    canary.share()?;
    stable.share()?;
    let seen = canary.hits();
    let law = Hypergeometric { canary: canary.total(), stable: stable.total(), hits: canary.hits() + stable.hits() };
    let (first, last, mode) = (law.first(), law.last(), law.mode());
    let at_seen = law.chance(seen);
    let greater = if seen > mode { law.sum_up(seen) } else { 1.0 - law.sum_down_before(seen) };
    let less = if seen < mode { law.sum_down(seen) } else { 1.0 - law.sum_up_after(seen) };
    let two_sided = if law.chance(mode) <= at_seen * SLACK {
        1.0
    } else if seen > mode {
        law.sum_up(seen) + law.last_within(first, mode, at_seen * SLACK).map_or(0.0, |x| law.sum_down(x))
    } else {
        law.sum_down(seen) + law.first_within(mode, last, at_seen * SLACK).map_or(0.0, |x| law.sum_up(x))
    };
    let share = |p: f64| p.clamp(0.0, 1.0);
    Ok(PValues { two_sided: share(two_sided), greater: share(greater), less: share(less) })
}

impl Hypergeometric {
    fn first(&self) -> u64 {
        self.hits.saturating_sub(self.stable)
    }

    fn last(&self) -> u64 {
        self.hits.min(self.canary)
    }

    fn mode(&self) -> u64 {
        let product = u128::from(self.hits + 1) * u128::from(self.canary + 1);
        let mode = product / u128::from(self.canary + self.stable + 2);
        u64::try_from(mode).unwrap_or(u64::MAX).clamp(self.first(), self.last())
    }

    /// The chance of exactly `x`, as binomial masses: b(x; canary) b(hits - x; stable) / b(hits; all).
    fn chance(&self, x: u64) -> f64 {
        let all = (self.canary + self.stable) as f64;
        let p = self.hits as f64 / all;
        let q = (self.canary + self.stable - self.hits) as f64 / all;
        let of = |hits: u64, total: u64| mass(hits as f64, (total - hits) as f64, p, q);
        of(x, self.canary) * of(self.hits - x, self.stable) / of(self.hits, self.canary + self.stable)
    }

    /// Chance of `x + 1` over chance of `x`.
    fn ratio_up(&self, x: u64) -> f64 {
        let (canary_left, hits_left) = ((self.canary - x) as f64, (self.hits - x) as f64);
        let stable_missed = (self.stable + x + 1 - self.hits) as f64;
        canary_left * hits_left / ((x + 1) as f64 * stable_missed)
    }

    /// The chance of `from` or more.
    fn sum_up(&self, from: u64) -> f64 {
        let mut term = self.chance(from);
        let mut sum = term;
        for x in from..self.last() {
            term *= self.ratio_up(x);
            sum += term;
            if term <= sum * 1e-18 && self.ratio_up(x) < 1.0 {
                break;
            }
        }
        sum
    }

    /// The chance of `from` or fewer.
    fn sum_down(&self, from: u64) -> f64 {
        let mut term = self.chance(from);
        let mut sum = term;
        for x in (self.first()..from).rev() {
            term /= self.ratio_up(x);
            sum += term;
            if term <= sum * 1e-18 && self.ratio_up(x) > 1.0 {
                break;
            }
        }
        sum
    }

    fn sum_down_before(&self, x: u64) -> f64 {
        if x <= self.first() { 0.0 } else { self.sum_down(x - 1) }
    }

    fn sum_up_after(&self, x: u64) -> f64 {
        if x >= self.last() { 0.0 } else { self.sum_up(x + 1) }
    }

    /// The last outcome below the mode that is not likelier than `chance`; masses rise up to the mode.
    fn last_within(&self, first: u64, mode: u64, chance: f64) -> Option<u64> {
        if self.chance(first) > chance {
            return None;
        }
        let (mut inside, mut outside) = (first, mode);
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            if self.chance(middle) <= chance {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        Some(inside)
    }

    /// The first outcome above the mode that is not likelier than `chance`; masses fall from the mode.
    fn first_within(&self, mode: u64, last: u64, chance: f64) -> Option<u64> {
        if self.chance(last) > chance {
            return None;
        }
        let (mut outside, mut inside) = (mode, last);
        while inside - outside > 1 {
            let middle = outside + (inside - outside) / 2;
            if self.chance(middle) <= chance {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        Some(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tails_are_the_sums_of_all_outcomes(a in 1u64..40, b in 1u64..40, x in 0u64..40, y in 0u64..40) {
            let (canary, stable) = (Count::new(x.min(a), a).unwrap(), Count::new(y.min(b), b).unwrap());
            let p = fisher(canary, stable).unwrap();
            let law = Hypergeometric { canary: a, stable: b, hits: canary.hits() + stable.hits() };
            let chances: Vec<(u64, f64)> = (law.first()..=law.last()).map(|x| (x, law.chance(x))).collect();
            let sum = |keep: &dyn Fn(u64, f64) -> bool| -> f64 {
                chances.iter().filter(|(x, c)| keep(*x, *c)).map(|(_, c)| c).sum()
            };
            let seen = law.chance(canary.hits());
            prop_assert!((sum(&|_, _| true) - 1.0).abs() < 1e-12);
            prop_assert!((p.greater - sum(&|x, _| x >= canary.hits())).abs() < 1e-12);
            prop_assert!((p.less - sum(&|x, _| x <= canary.hits())).abs() < 1e-12);
            prop_assert!((p.two_sided - sum(&|_, c| c <= seen * SLACK)).abs() < 1e-9);
        }
    }

    #[test]
    fn millions_are_summed_too() {
        let p = fisher(Count::new(10_300, 1_000_000).unwrap(), Count::new(990_000, 99_000_000).unwrap()).unwrap();
        assert!(p.greater > 1e-3 && p.greater < 2e-3, "{p:?}");
    }
}

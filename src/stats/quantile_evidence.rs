//! Always-valid evidence that one quantile exceeds a multiple of another, for any shape of the data.
//!
//! If the stable side's quantile were x, a share of at least 1 - q of its values would be at or above x,
//! and if the canary is within the factor, at most 1 - q of its values would be above factor times x. Each
//! claim is a Bernoulli rate, tested by a mixture over the rates that contradict it
//! ([`rate_evidence`](super::rate_evidence)): the ratio's mean is at most 1 at any number of looks, exactly, however few samples. The
//! sides are independent, so the ratios multiply; x is not known, so the least favourable x counts, found by
//! splitting the cell with the smallest lower bound until it holds no further value.

use super::quantile::Ordered;
use super::rate_evidence::RateMixture;
use super::{Undecided, finite, open_unit, place, positive, whole};

/// Cells of x that are split before their lower bound is taken for the answer.
const MOST_SPLITS: u32 = 400;

/// The values of x between two places; evidence within is at least `stable` and `canary` together.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// The place it begins at, counted from 1; 0 is before all.
    from: usize,
    /// The place it ends before; one more than there are: never.
    to: usize,
    /// The stable side's evidence at its beginning, the least within.
    stable: f64,
    /// The canary's evidence just before its end, the least within.
    canary: f64,
}

/// ln of the evidence against "the canary's `q` quantile is at most `factor` times the stable side's, and
/// `offset`": reject at level alpha once it reaches ln(1 / alpha), at whichever look.
pub fn log_evidence_above(
    canary: &Ordered,
    stable: &Ordered,
    q: f64,
    (factor, offset): (f64, f64),
) -> Result<f64, Undecided> {
    let (q, factor, offset) = (open_unit("quantile", q)?, positive("factor", factor)?, finite(offset)?);
    let mixture = RateMixture::around(1.0 - q);
    if !is_suspicious(canary, stable, q, (factor, offset)) {
        return Ok(0.0);
    }
    let places = places(canary, stable, factor, offset);
    // Rising x: the canary's evidence falls, the stable side's rises.
    let canary_before = |place: usize| {
        let left = places.get(place - 1).map_or(0, |x| canary.at_or_above(x * factor + offset));
        mixture.above(left, canary.n())
    };
    let stable_at = |place: usize| {
        let left = place.checked_sub(1).and_then(|index| places.get(index)).map(|x| stable.at_or_above(*x));
        mixture.below(left.unwrap_or(stable.n()), stable.n())
    };
    let end = places.len() + 1;
    let mut cells = vec![Cell { from: 0, to: end, stable: stable_at(0), canary: canary_before(end) }];
    for _ in 0..MOST_SPLITS {
        let Some(least) = (0..cells.len()).min_by(|a, b| cells[*a].bound().total_cmp(&cells[*b].bound())) else {
            break;
        };
        let Cell { from, to, stable, canary } = cells[least];
        if to - from <= 1 {
            break;
        }
        let middle = from + (to - from) / 2;
        cells[least] = Cell { from, to: middle, stable, canary: canary_before(middle) };
        cells.push(Cell { from: middle, to, stable: stable_at(middle), canary });
    }
    finite(cells.iter().map(Cell::bound).fold(f64::INFINITY, f64::min))
}

impl Cell {
    fn bound(&self) -> f64 {
        self.stable + self.canary
    }
}

/// Places of x at which a count changes, in order.
fn places(canary: &Ordered, stable: &Ordered, factor: f64, offset: f64) -> Vec<f64> {
    let mut places: Vec<f64> =
        canary.values().iter().map(|value| (value - offset) / factor).chain(stable.values().iter().copied()).collect();
    places.sort_unstable_by(f64::total_cmp);
    places.dedup();
    places
}

/// Whether the canary's estimate is beyond its limit at all; else there is no evidence to look for.
fn is_suspicious(canary: &Ordered, stable: &Ordered, q: f64, (factor, offset): (f64, f64)) -> bool {
    let rank = whole((stable.n() as f64 * q).ceil()).clamp(1, stable.n());
    let estimate = stable.values().get(place(rank - 1)).copied().unwrap_or(f64::INFINITY);
    let above = canary.at_or_above(factor * estimate + offset) as f64;
    above > (1.0 - q) * canary.n() as f64
}

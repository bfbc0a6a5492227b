//! Whatever comes in, out comes a finite answer or a reason; never a panic, a NaN or an endless loop.

use super::super::confidence_sequence::AsymptoticSequence;
use super::super::fisher::fisher;
use super::super::mixture::Mixture;
use super::super::power::{self, Promise};
use super::super::proportion::{clopper_pearson, wald, wilson};
use super::super::quantile::{Ordered, compare, quantile};
use super::super::quantile_evidence::log_evidence_above;
use super::super::ranks::mann_whitney;
use super::super::sample_ratio::sample_ratio;
use super::super::spending::{Sides, Spending};
use super::super::sprt::{Increments, Sprt};
use super::super::t_test::{Spread, t_test};
use super::super::{Count, Interval, Moments, PValues, Undecided, proportions, rate_evidence, thompson};
use proptest::prelude::*;

/// Any bits at all, and often the values that usually hurt.
fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.05,
            0.5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            1e-160,
            1e160,
            1.0 + f64::EPSILON,
        ]),
        -1e3f64..1e3,
    ]
}

fn floats() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![prop::collection::vec(float(), 0..12), prop::collection::vec(-1e3f64..1e3, 0..60)]
}

fn some_count() -> impl Strategy<Value = Count> {
    prop_oneof![(0u64..50, 0u64..50), (0u64..1 << 20, 0u64..1 << 20), (0u64..40, (1u64 << 30)..(1u64 << 40))]
        .prop_map(|(a, b)| Count::new(a.min(b), a.max(b)).expect("ordered"))
}

fn sound_p(p: PValues) -> bool {
    [p.two_sided, p.greater, p.less].iter().all(|p| (0.0..=1.0).contains(p))
}

fn sound(interval: Interval) -> bool {
    interval.low.is_finite() && interval.high.is_finite() && interval.low <= interval.high
}

fn ok_and<T>(result: Result<T, Undecided>, check: impl Fn(T) -> bool) -> bool {
    result.map_or(true, check)
}

/// `prop_assert!` puts its argument into a format string, which braces break.
#[track_caller]
fn held(sound: bool) {
    assert!(sound, "an answer that makes no sense");
}

proptest! {
    #[test]
    fn means_and_ranks(a in floats(), b in floats(), alpha in float()) {
        for spread in [Spread::Welch, Spread::Pooled] {
            held(ok_and(t_test(&Moments::of(&a), &Moments::of(&b), spread, alpha), |t| {
                t.t.is_finite() && t.df > 0.0 && sound_p(t.p) && sound(t.interval) && t.cohens_d.is_finite()
            }));
        }
        held(ok_and(mann_whitney(&a, &b, alpha), |r| {
            sound_p(r.p) && sound(r.interval) && r.shift.is_finite() && (0.0..=1.0).contains(&r.cles) && !r.z.is_nan()
        }));
        let merged = Moments::of(&a).merge(&Moments::of(&b));
        prop_assert_eq!(merged.n(), (a.len() + b.len()) as u64);
        held(ok_and(merged.variance(), |v| v >= 0.0 && v.is_finite()));
    }

    #[test]
    fn summaries(n in any::<u64>(), mean in float(), sd in float(), alpha in float()) {
        let (one, two) = (Moments::from_summary(n, mean, sd), Moments::from_summary(30, 1.0, 2.0));
        held(ok_and(t_test(&one, &two, Spread::Welch, alpha), |t| sound_p(t.p) && sound(t.interval)));
    }

    #[test]
    fn counts(a in some_count(), b in some_count(), alpha in float()) {
        for interval in [wald(a, alpha), wilson(a, alpha), clopper_pearson(a, alpha), proportions::newcombe(a, b, alpha)] {
            held(ok_and(interval, sound));
        }
        held(ok_and(wilson(a, 0.05), |i| i.contains(a.share().expect("judged"))));
        held(ok_and(proportions::proportions(a, b, alpha), |d| sound_p(d.p) && sound(d.interval)));
        held(ok_and(fisher(a, b), sound_p));
        held(ok_and(rate_evidence::log_evidence_above(a, b, 1.0, alpha), |log| !log.is_nan()));
        prop_assert!((0.0..=1.0).contains(&thompson::draw(a, alpha.to_bits())));
    }

    #[test]
    fn looks(d in float(), v in float(), tau2 in float(), margin in float(), alpha in float(), n in any::<u64>()) {
        if let Ok(mixture) = Mixture::of_variance(tau2) {
            held(ok_and(mixture.log_ratio(d, v), f64::is_finite));
            held(ok_and(mixture.half_width(v, alpha), |w| w.is_finite() && w >= 0.0));
            held(ok_and(mixture.reach(v, alpha), |w| w.is_finite() && w >= 0.0));
            held(ok_and(mixture.against_margin(d, v, margin), |look| {
                (0.0..=1.0).contains(&look.above) && (0.0..=1.0).contains(&look.within)
            }));
        }
        held(ok_and(AsymptoticSequence::tuned(tau2, alpha).and_then(|s| s.multiplier(n)), f64::is_finite));
        held(ok_and(Sprt::new(alpha, d), |s| s.upper.is_finite() && s.lower.is_finite()));
        held(ok_and(Increments::between(alpha, d), |s| s.hit.is_finite() && s.miss.is_finite()));
    }

    #[test]
    fn plans(a in float(), b in float(), share in float(), alpha in float(), target in float(), n in any::<u64>()) {
        let promise = Promise { alpha, power: target, sides: Sides::Upper };
        held(ok_and(power::for_proportions(a, b, share, promise), |s| s.total <= Count::MOST));
        held(ok_and(power::for_means(a, b, share, 0.1, promise), |s| s.total <= Count::MOST));
        held(ok_and(power::detectable_mean((a, n), (b, n), promise), f64::is_finite));
        held(ok_and(power::detectable_proportion(a, n, 40, promise), |p| p.is_none_or(|p| (a..=1.0).contains(&p))));
        held(ok_and(power::power(a, b, promise), |p| (0.0..=1.0).contains(&p)));
        held(ok_and(sample_ratio(&[n, 3], &[a, b]), |s| (0.0..=1.0).contains(&s.p)));
    }

    #[test]
    fn planned_looks(shares in prop::collection::vec(float(), 0..5), alpha in float()) {
        held(ok_and(Spending::Pocock.limits(Sides::Two, alpha, &shares), |l| l.iter().all(|z| *z >= 0.0)));
    }

    #[test]
    fn quantiles(a in floats(), b in floats(), q in float(), factor in float(), alpha in float()) {
        let (Ok(a), Ok(b)) = (Ordered::of(&a), Ordered::of(&b)) else { return Ok(()) };
        for q in [q, 0.95] {
            held(ok_and(quantile(&a, q, alpha), |found| found.estimate.is_finite()));
            held(ok_and(compare(&a, &b, q, factor, alpha), |found| sound(found.interval)));
            held(ok_and(log_evidence_above(&a, &b, q, (factor, alpha)), |log| !log.is_nan()));
        }
    }
}

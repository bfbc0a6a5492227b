//! A test from its first sample to its report.

use super::report::{Found, TrialReport, report};
use super::*;
use crate::rollout::share::{HonestShare, Seen, Side};

fn trial() -> Trial {
    Trial::begin(BTreeMap::from([("a".into(), 5_000), ("b".into(), 5_000), ("idle".into(), 0)]), 1_000)
}

fn take(trial: &mut Trial, metric: &str, pool: &str, value: SampleValue) -> Result<(), Dropped> {
    trial.take(&metric.into(), &pool.into(), value, MAX_SERIES)
}

fn share(ours: f64, theirs: f64) -> Option<HonestShare> {
    let side = |clients: f64| Side { answers: 100, clients, clients_error: 0.0 };
    let seen = Seen { canary: side(ours), others: side(theirs), clients: ours + theirs, ..Seen::default() };
    Some(HonestShare::of(0.5, &seen))
}

fn reported(trial: &Trial, a: f64, b: f64) -> TrialReport {
    let shares = vec![("a".to_owned(), share(a, b)), ("b".to_owned(), share(b, a)), ("idle".to_owned(), None)];
    report("model", trial, "1970-01-01T00:00:01Z".into(), shares)
}

#[test]
fn means_are_compared_as_welch_does_and_judged_by_the_interval_that_holds_at_every_look() {
    let mut trial = trial();
    // SciPy: ttest_ind([1..40 step 1], [x + 12 for x in ...], equal_var=False).
    for n in 0..40 {
        take(&mut trial, "latency", "a", SampleValue::Value(f64::from(n))).unwrap();
        take(&mut trial, "latency", "b", SampleValue::Value(f64::from(n) + 12.0)).unwrap();
    }
    let report = reported(&trial, 500.0, 500.0);
    let found = &report.metrics[0].comparisons[0];
    assert_eq!((found.pool.as_str(), found.against.as_str()), ("b", "a"));
    assert!((found.effect.unwrap() - 12.0).abs() < 1e-12);
    // Variance of 0..39 is 136.6667; standard error sqrt(2 * 136.6667 / 40) = 2.614065; t quantile (78) 1.990847.
    let (low, high) = found.interval.unwrap();
    assert!((low - (12.0 - 1.990_847 * 2.614_065)).abs() < 1e-4 && (high - 17.204_2).abs() < 1e-3, "{low} {high}");
    let (always_low, _) = found.always_interval.unwrap();
    assert!(always_low < low, "looking often costs width");
    // At n = 80 of a sequence tuned for 5000 the multiplier is above 12 / 2.61: not yet proven.
    assert_eq!(found.verdict, Found::Open, "{found:?}");
    for n in 0..400 {
        take(&mut trial, "latency", "a", SampleValue::Value(f64::from(n % 40))).unwrap();
        take(&mut trial, "latency", "b", SampleValue::Value(f64::from(n % 40) + 12.0)).unwrap();
    }
    let found = &reported(&trial, 500.0, 500.0).metrics[0].comparisons[0];
    assert_eq!(found.verdict, Found::Higher, "{found:?}");
    assert!(found.line.starts_with("latency: b is higher than a by +12"), "{}", found.line);
}

#[test]
fn shares_are_compared_and_small_numbers_are_not_judged() {
    let mut trial = trial();
    let counted = |count, total| SampleValue::Count { count, total };
    take(&mut trial, "clicks", "a", counted(3.0, 60.0)).unwrap();
    take(&mut trial, "clicks", "b", counted(9.0, 60.0)).unwrap();
    assert_eq!(reported(&trial, 9.0, 9.0).metrics[0].comparisons[0].verdict, Found::TooFew);
    take(&mut trial, "clicks", "a", counted(997.0, 19_940.0)).unwrap();
    take(&mut trial, "clicks", "b", counted(1_391.0, 19_940.0)).unwrap();
    let report = reported(&trial, 9.0, 9.0);
    let found = &report.metrics[0].comparisons[0];
    assert_eq!((found.verdict, report.split_kept), (Found::Higher, None));
    assert!((found.effect.unwrap() - 0.02).abs() < 1e-12 && found.p.unwrap() < 1e-12);
    assert!(report.cannot_say.iter().any(|limit| limit.starts_with("Too few clients")), "{report:?}");
}

#[test]
fn numbers_that_never_differ_within_a_pool_are_not_called_too_few() {
    let mut trial = trial();
    let give = |count: u32, trial: &mut Trial| {
        for _ in 0..count {
            take(trial, "m", "a", SampleValue::Value(0.0)).unwrap();
            take(trial, "m", "b", SampleValue::Value(1.0)).unwrap();
        }
    };
    give(2, &mut trial);
    assert_eq!(reported(&trial, 9.0, 9.0).metrics[0].comparisons[0].verdict, Found::TooFew);
    give(10_000, &mut trial);
    let report = reported(&trial, 9.0, 9.0);
    let found = &report.metrics[0].comparisons[0];
    assert_eq!((found.verdict, found.effect, found.p), (Found::Open, Some(1.0), None));
    assert!(found.line.contains("no variance"), "{}", found.line);
}

#[test]
fn equal_pools_are_rarely_called_different_however_often_one_looks() {
    // Two pools with the same numbers in another order: 500 looks.
    let mut trial = trial();
    for n in 0..5_000_u32 {
        let (x, y) = (n.wrapping_mul(2_654_435_761) >> 8, n.wrapping_mul(2_246_822_519) >> 8);
        take(&mut trial, "m", "a", SampleValue::Value(f64::from(x % 1_000))).unwrap();
        take(&mut trial, "m", "b", SampleValue::Value(f64::from(y % 1_000))).unwrap();
        if n % 10 == 9 {
            let verdict = reported(&trial, 9.0, 9.0).metrics[0].comparisons[0].verdict;
            assert!(matches!(verdict, Found::Open | Found::TooFew), "look at {n}: {verdict:?}");
        }
    }
}

#[test]
fn a_split_that_is_not_kept_is_said_first() {
    let report = reported(&trial(), 700.0, 300.0);
    assert_eq!(report.split_kept, Some(false));
    assert!(report.cannot_say[0].starts_with("The split is not what was asked for"), "{:?}", report.cannot_say);
    assert_eq!(reported(&trial(), 505.0, 495.0).split_kept, Some(true));
}

#[test]
fn pools_that_take_no_part_changes_of_kind_and_too_many_series_are_refused() {
    let mut trial = trial();
    assert_eq!(take(&mut trial, "m", "idle", SampleValue::Value(1.0)), Err(Dropped::Unwanted));
    assert_eq!(take(&mut trial, "m", "nobody", SampleValue::Value(1.0)), Err(Dropped::Unwanted));
    take(&mut trial, "m", "a", SampleValue::Value(1.0)).unwrap();
    let count = SampleValue::Count { count: 1.0, total: 2.0 };
    assert_eq!(take(&mut trial, "m", "b", count), Err(Dropped::NoRoom), "not on the other pool either");
    for n in 1..MAX_SERIES {
        take(&mut trial, &format!("m{n}"), "a", count).unwrap();
    }
    assert_eq!(take(&mut trial, "one-more", "a", count), Err(Dropped::NoRoom));
    assert_eq!(trial.take(&"m".into(), &"b".into(), SampleValue::Value(1.0), 0), Err(Dropped::NoRoom));
    assert_eq!(trial.take(&"m".into(), &"a".into(), SampleValue::Value(1.0), 0), Ok(()));
}

#[test]
fn a_test_comes_back_from_its_text() {
    let mut trial = trial();
    take(&mut trial, "m", "a", SampleValue::Value(0.1)).unwrap();
    take(&mut trial, "c", "b", SampleValue::Count { count: 1.0, total: 3.0 }).unwrap();
    trial.answered(&"a".into(), 7);
    assert_eq!(v1::of_text(&v1::to_text(&trial)), Ok(trial));
    assert!(v1::of_text("{").is_err());
}

//! Right answers (SciPy 1.17.1), to every digit they were given with; nonsense; and long runs of looks.

mod dice;
mod long_runs;
mod means;
mod nonsense;
mod planning;
mod proportions;
mod quantiles;
mod ranks;
mod sequential;

use super::{Count, Interval};

/// The canary or stable side of a vector, as `hits/total`.
fn count(text: &str) -> Count {
    let (hits, total) = text.split_once('/').expect("hits/total");
    Count::new(hits.parse().unwrap(), total.parse().unwrap()).unwrap()
}

/// Holds a value to the digits of the expected one: half a unit of the last, and a little for its rounding.
#[track_caller]
fn is(actual: f64, expected: &str) {
    let wanted: f64 = expected.parse().unwrap();
    let (mantissa, exponent) = expected.split_once('e').unwrap_or((expected, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, tail)| tail.len());
    let unit = 10f64.powi(exponent.parse::<i32>().unwrap() - i32::try_from(decimals).unwrap());
    assert!((actual - wanted).abs() <= 0.505 * unit, "{actual:e} is not {expected}");
}

#[track_caller]
fn spans(actual: Interval, low: &str, high: &str) {
    is(actual.low, low);
    is(actual.high, high);
}

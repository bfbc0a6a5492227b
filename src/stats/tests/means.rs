//! Vectors of the t tests.

use super::super::t_test::{Spread, t_test};
use super::super::{Moments, Undecided, student};
use super::{is, spans};

const CANARY: [f64; 8] = [131.0, 129.0, 140.0, 128.0, 135.0, 150.0, 133.0, 138.0];
const STABLE: [f64; 8] = [120.0, 118.0, 125.0, 130.0, 122.0, 119.0, 127.0, 124.0];

#[test]
fn summaries_give_pooled_and_welch() {
    let cases = [
        (
            (100, 50.0, 10.0),
            (100, 45.0, 8.0),
            ["3.9043440472", "198", "1.2951951e-4"],
            ["3.9043440472", "188.8978433598", "1.3140504e-4"],
        ),
        (
            (30, 120.0, 15.0),
            (20, 128.0, 25.0),
            ["-1.4154427791", "48", "0.1633945046"],
            ["-1.2851509262", "28.1520017013", "0.2092125194"],
        ),
        (
            (12, 210.0, 20.0),
            (8, 240.0, 60.0),
            ["-1.6208106080", "18", "0.1224440862"],
            ["-1.3645764784", "8.0473468373", "0.2093190384"],
        ),
        ((5, 0.0, 1.0), (5, 0.0, 1.0), ["0", "8", "1"], ["0", "8", "1"]),
    ];
    for ((n1, m1, s1), (n2, m2, s2), pooled, welch) in cases {
        let (first, second) = (Moments::from_summary(n1, m1, s1), Moments::from_summary(n2, m2, s2));
        for (spread, [t, df, p]) in [(Spread::Pooled, pooled), (Spread::Welch, welch)] {
            let test = t_test(&first, &second, spread, 0.05).unwrap();
            is(test.t, t);
            is(test.df, df);
            is(test.p.two_sided, p);
        }
    }
}

#[test]
fn the_first_case_has_its_intervals_and_effect_size() {
    let (first, second) = (Moments::from_summary(100, 50.0, 10.0), Moments::from_summary(100, 45.0, 8.0));
    let pooled = t_test(&first, &second, Spread::Pooled, 0.05).unwrap();
    let welch = t_test(&first, &second, Spread::Welch, 0.05).unwrap();
    is(pooled.standard_error, "1.2806248475");
    spans(pooled.interval, "2.4745854182", "7.5254145818");
    spans(welch.interval, "2.4738369245", "7.5261630755");
    is(welch.p.greater, "6.570252e-5");
    is(1.0 - welch.p.less, "6.570252e-5");
    is(welch.cohens_d, "0.5522");
}

#[test]
fn raw_values_give_both_tests() {
    let (canary, stable) = (Moments::of(&CANARY), Moments::of(&STABLE));
    is(stable.mean(), "123.125");
    is(canary.mean(), "135.5");
    is(stable.sd().unwrap(), "4.1554611228");
    is(canary.sd().unwrap(), "7.1912645421");
    let welch = t_test(&canary, &stable, Spread::Welch, 0.05).unwrap();
    is(-welch.t, "-4.2142651867");
    is(welch.df, "11.2057978493");
    is(welch.p.two_sided, "1.3929123079e-3");
    spans(welch.interval, "5.9263584282", "18.8236415718");
    is(welch.cohens_d, "2.1071");
    let pooled = t_test(&canary, &stable, Spread::Pooled, 0.05).unwrap();
    is(pooled.df, "14");
    is(pooled.p.two_sided, "8.66192596e-4");
}

#[test]
fn the_distribution_itself_is_right() {
    is(student::upper_quantile(0.025, 1.0), "12.7062047362");
    is(student::upper_quantile(0.025, 30.0), "2.0422724563");
    is(student::upper_quantile(0.05, 10.0), "1.8124611228");
    is(student::upper_quantile(0.025, 198.0), "1.9720174778");
    is(student::outside(2.0, 10.0), "0.0733880348");
    is(student::outside(1.0, 1.0), "0.5");
    is(student::outside(0.5, 2.5), "0.6576979199");
}

#[test]
fn what_cannot_be_tested_says_why() {
    let flat = |n: u64, mean: f64| Moments::from_summary(n, mean, 0.0);
    let test = |a: &Moments, b: &Moments| t_test(a, b, Spread::Welch, 0.05);
    assert_eq!(test(&flat(9, 3.0), &flat(9, 3.0)), Err(Undecided::NoVariance { difference: 0.0 }));
    assert_eq!(test(&flat(9, 5.0), &flat(9, 3.0)), Err(Undecided::NoVariance { difference: 2.0 }));
    let one = Moments::of(&[4.0]);
    assert_eq!(test(&one, &flat(9, 3.0)), Err(Undecided::TooFew { needed: 2, got: 1 }));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(test(&Moments::of(&[1.0, bad, 2.0, 3.0]), &Moments::of(&STABLE)), Err(Undecided::NotFinite));
    }
    // One flat side is enough spread for Welch.
    assert!(test(&flat(9, 5.0), &Moments::of(&STABLE)).is_ok());
}

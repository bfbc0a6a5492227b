//! Vectors of the U test.

use super::super::Undecided;
use super::super::ranks::mann_whitney;
use super::{is, spans};

const A: [f64; 8] = [120.0, 118.0, 125.0, 130.0, 122.0, 119.0, 127.0, 124.0];
const B: [f64; 8] = [131.0, 129.0, 140.0, 128.0, 135.0, 150.0, 133.0, 138.0];

#[test]
fn small_samples_without_ties_are_exact() {
    let test = mann_whitney(&B, &A, 0.05).unwrap();
    is(test.u, "62");
    is(mann_whitney(&A, &B, 0.05).unwrap().u, "2");
    is(test.exact.unwrap().two_sided, "6.216006216e-4");
    assert_eq!(test.p, test.exact.unwrap());
    is(test.corrected.two_sided, "1.947527586e-3");
    is(test.uncorrected.two_sided, "1.629186297e-3");
    is(test.cles, "0.96875");
    is(test.shift, "11.0");
    spans(test.interval, "6.0", "19.0");
    spans(mann_whitney(&B, &A, 0.02).unwrap().interval, "4.0", "20.0");
}

#[test]
fn ties_widen_nothing_and_are_counted_half() {
    let a = [1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0];
    let b = [2.0, 4.0, 5.0, 5.0, 6.0, 6.0, 7.0, 8.0];
    let test = mann_whitney(&a, &b, 0.05).unwrap();
    is(test.u, "12.5");
    is(test.sigma, "9.3380940239");
    is(test.z, "-2.0346764502");
    is(test.corrected.two_sided, "0.0418834393");
    is(test.z_uncorrected, "-2.0882205673");
    is(test.uncorrected.two_sided, "0.0367779429");
    assert_eq!((test.exact, test.p), (None, test.corrected));
    is(mann_whitney(&b, &a, 0.05).unwrap().cles, "0.8046875");
}

#[test]
fn exact_tails_overlap_in_the_value_seen() {
    let test = mann_whitney(&[1.0, 4.0, 6.0], &[2.0, 3.0, 5.0, 7.0], 0.05).unwrap();
    let exact = test.exact.unwrap();
    // U = 5: of 35 arrangements 4 give it, and U = 7 mirrors it.
    assert!((exact.greater + exact.less - 1.0 - 4.0 / 35.0).abs() < 1e-12, "{exact:?}");
}

#[test]
fn all_values_alike_are_no_test() {
    assert_eq!(mann_whitney(&[3.0; 9], &[3.0; 7], 0.05), Err(Undecided::NoVariance { difference: 0.0 }));
    assert_eq!(mann_whitney(&[3.0], &B, 0.05), Err(Undecided::TooFew { needed: 2, got: 1 }));
    assert_eq!(mann_whitney(&[3.0, f64::NAN], &B, 0.05), Err(Undecided::NotFinite));
}

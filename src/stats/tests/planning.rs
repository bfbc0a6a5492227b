//! Vectors of sample ratio, sample size and Thompson sampling.

use super::super::power::{
    Promise, SampleSize, clean_samples, detectable_mean, detectable_proportion, for_half_width, for_means,
    for_proportions, power,
};
use super::super::sample_ratio::sample_ratio;
use super::super::spending::Sides;
use super::super::{Undecided, thompson};
use super::dice::Dice;
use super::{count, is};

const USUAL: Promise = Promise { alpha: 0.05, power: 0.8, sides: Sides::Two };

#[test]
fn sample_ratios() {
    let test = sample_ratio(&[9_000, 1_000], &[90.0, 10.0]).unwrap();
    assert_eq!((test.chi_square, test.p, test.df), (0.0, 1.0, 1));
    let test = sample_ratio(&[8_800, 1_200], &[90.0, 10.0]).unwrap();
    is(test.chi_square, "44.4444444");
    is(test.p, "2.6168e-11");
    let test = sample_ratio(&[4_900, 5_100], &[50.0, 50.0]).unwrap();
    is(test.chi_square, "4.0");
    is(test.p, "0.0455002639");
    assert_eq!(sample_ratio(&[0, 0], &[1.0, 1.0]), Err(Undecided::TooFew { needed: 1, got: 0 }));
}

#[test]
fn samples_for_a_difference_of_proportions() {
    for (stable, canary, each) in
        [(0.01, 0.02, 2_316), (0.01, 0.03, 766), (0.01, 0.05, 282), (0.001, 0.01, 1_057), (0.05, 0.06, 8_155)]
    {
        let size = for_proportions(canary, stable, 0.5, USUAL).unwrap();
        assert_eq!((size.canary, size.stable), (each, each));
    }
    for (share, total, on_canary) in [(0.01, 57_297, 573), (0.10, 5_926, 593), (0.50, 1_531, 766)] {
        let SampleSize { canary, total: all, .. } = for_proportions(0.03, 0.01, share, USUAL).unwrap();
        assert_eq!((all, canary), (total, on_canary));
    }
    assert_eq!(clean_samples(0.01, 0.05).unwrap(), 299);
    assert_eq!(for_half_width(0.1, 0.016, 0.05).unwrap(), 1_351);
}

#[test]
fn what_can_be_detected_needs_the_samples_at_hand() {
    let found = detectable_proportion(0.01, 766, 766, USUAL).unwrap().unwrap();
    assert!((found - 0.03).abs() < 2e-5, "{found}");
    let found = detectable_proportion(0.01, 573, 56_724, USUAL).unwrap().unwrap();
    assert!((found - 0.03).abs() < 2e-5, "{found}");
    assert_eq!(detectable_proportion(0.5, 2, 2, USUAL).unwrap(), None);
    let effect = detectable_mean((20.0, 63), (20.0, 63), USUAL).unwrap();
    assert!((for_means(20.0, 20.0, effect, 0.5, USUAL).unwrap().canary) == 63);
    let se = (2.0 * 400.0 / 63.0f64).sqrt();
    assert!((power(effect, se, USUAL).unwrap() - 0.8).abs() < 1e-9);
}

#[test]
fn which_rate_is_greater() {
    for (blue, green, chance) in [
        ("990/1000", "970/1000", "0.0006490238"),
        ("95/100", "97/100", "0.7511037737"),
        ("10/10", "10/10", "0.5"),
        ("495/500", "499/500", "0.9381555911"),
    ] {
        is(thompson::chance_greater(count(green), count(blue)), chance);
        assert!(
            (thompson::chance_greater(count(blue), count(green)) - 1.0 + chance.parse::<f64>().unwrap()).abs() < 1e-9
        );
    }
    assert!((thompson::chance_greater(count("0/0"), count("0/0")) - 0.5).abs() < 1e-12);
    let many = thompson::chance_greater(count("990000000/1000000000"), count("989990000/1000000000"));
    assert!(many > 0.98 && many < 0.99, "{many}");
}

#[test]
fn draws_follow_the_posterior() {
    let mut dice = Dice::new(7);
    let (green, blue) = (count("97/100"), count("95/100"));
    let wins = (0..1_000).filter(|_| thompson::draw(green, dice.next()) > thompson::draw(blue, dice.next())).count();
    assert!((700..800).contains(&wins), "{wins} of 1,000; 751 are expected");
    assert!(thompson::draw(green, 0) > 0.0 && thompson::draw(green, u64::MAX) < 1.0);
    assert_eq!(thompson::draw(green, 42 << 40), thompson::draw(green, 42 << 40));
}

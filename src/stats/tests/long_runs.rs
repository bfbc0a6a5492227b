//! The promise of always-valid looks, held to by simulation: a look every 30 s of a hold of 15 minutes.

use super::super::mixture::Mixture;
use super::super::power::{Promise, power};
use super::super::proportions::unpooled_variance;
use super::super::spending::Sides;
use super::super::{Count, Moments};
use super::dice::Dice;

const LOOKS: u64 = 30;
const RUNS: u64 = 2_000;

/// In how many runs a look at a difference of means says "proven above the margin".
fn alarms_of_means(runs: u64, per_look: u64, shift: f64, margin: f64) -> u64 {
    let mixture = Mixture::of_variance(margin * margin).unwrap();
    let run = |seed: u64| {
        let mut dice = Dice::new(seed);
        let (mut canary, mut stable) = (Moments::default(), Moments::default());
        (0..LOOKS).any(|_| {
            for _ in 0..per_look {
                canary.push(100.0 + shift + 20.0 * dice.normal());
                stable.push(100.0 + 20.0 * dice.normal());
            }
            let v = canary.variance().unwrap() / canary.n() as f64 + stable.variance().unwrap() / stable.n() as f64;
            let look = mixture.against_margin(canary.mean() - stable.mean(), v, margin).unwrap();
            canary.n() >= 30 && look.above <= 0.05
        })
    };
    (0..runs).filter(|seed| run(*seed)).count() as u64
}

/// The same of proportions, with nothing added to the margin.
fn alarms_of_rates(runs: u64, per_look: u64, rates: (f64, f64), tau: f64) -> u64 {
    let mixture = Mixture::of_variance(tau * tau).unwrap();
    let run = |seed: u64| {
        let mut dice = Dice::new(seed);
        let (mut canary, mut stable, mut total) = (0, 0, 0);
        (0..LOOKS).any(|_| {
            canary += dice.hits(per_look, rates.0);
            stable += dice.hits(per_look, rates.1);
            total += per_look;
            let (c, s) = (Count::new(canary, total).unwrap(), Count::new(stable, total).unwrap());
            let (d, v) = (c.share().unwrap() - s.share().unwrap(), unpooled_variance(c, s).unwrap());
            // Both sides together give the two-sided answer, at the same promise.
            mixture.log_ratio(d, v).is_ok_and(|log| total >= 100 && log >= 20f64.ln())
        })
    };
    (0..runs).filter(|seed| run(*seed)).count() as u64
}

#[test]
fn without_a_difference_at_most_one_run_in_twenty_raises_a_false_alarm() {
    let means = alarms_of_means(RUNS, 10, 0.0, 5.0);
    assert!(means <= RUNS / 20, "{means} of {RUNS}");
    let rates = alarms_of_rates(RUNS, 20, (0.05, 0.05), 0.02);
    assert!(rates <= RUNS / 20, "{rates} of {RUNS}");
}

#[test]
fn a_difference_of_exactly_the_margin_is_no_alarm_either() {
    let alarms = alarms_of_means(RUNS, 10, 5.0, 5.0);
    assert!(alarms <= RUNS / 20, "{alarms} of {RUNS}");
}

#[test]
fn a_difference_of_the_size_that_the_plan_names_is_seen_as_often_as_promised() {
    let mixture = Mixture::of_variance(25.0).unwrap();
    // The last look alone: effect, less what is needed to prove it, in standard errors.
    let v: f64 = 2.0 * 400.0 / 300.0;
    let needed = mixture.reach(v, 0.05).unwrap();
    let effect = 5.0 + needed + 0.841_621 * v.sqrt();
    let promised = power(effect - 5.0 - needed, v.sqrt(), Promise { alpha: 0.5, power: 0.8, sides: Sides::Upper });
    assert!((promised.unwrap() - 0.8).abs() < 1e-6);
    let seen = alarms_of_means(1_000, 10, effect, 5.0);
    assert!(seen >= 800, "{seen} of 1,000");
}

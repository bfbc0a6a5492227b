//! Comparisons of p95: what they promise about shapes that are nothing like normal.

use super::super::quantile::{Ordered, compare};
use super::super::quantile_evidence::log_evidence_above;
use super::dice::Dice;

/// Latencies of one side: log-normal, in milliseconds.
fn latencies(dice: &mut Dice, n: usize, factor: f64) -> Vec<f64> {
    (0..n).map(|_| factor * 40.0 * (0.5 * dice.normal()).exp()).collect()
}

/// In how many of `runs` a comparison says "worse".
fn alarms(runs: u64, n: usize, factor: f64, says: impl Fn(&Ordered, &Ordered) -> bool) -> usize {
    (0..runs)
        .filter(|seed| {
            let mut dice = Dice::new(*seed);
            let (canary, stable) = (latencies(&mut dice, n, factor), latencies(&mut dice, 2 * n, 1.0));
            says(&Ordered::of(&canary).unwrap(), &Ordered::of(&stable).unwrap())
        })
        .count()
}

#[test]
fn a_fixed_comparison_keeps_its_promise_at_the_edge_and_sees_what_is_beyond() {
    let says = |c: &Ordered, s: &Ordered| compare(c, s, 0.95, 1.2, 0.10).unwrap().interval.low > 0.0;
    let at_the_edge = alarms(400, 300, 1.2, says);
    assert!(at_the_edge <= 32, "{at_the_edge} of 400 at the edge; 20 are promised on one side");
    let beyond = alarms(200, 300, 1.8, says);
    assert!(beyond >= 180, "{beyond} of 200");
}

#[test]
fn always_valid_evidence_keeps_its_promise_at_every_look_and_sees_what_is_beyond() {
    let looks = |dice: &mut Dice, factor: f64, most: usize| {
        let (mut canary, mut stable) = (Vec::new(), Vec::new());
        (0..most).any(|_| {
            canary.extend(latencies(dice, 50, factor));
            stable.extend(latencies(dice, 50, 1.0));
            let (c, s) = (Ordered::of(&canary).unwrap(), Ordered::of(&stable).unwrap());
            log_evidence_above(&c, &s, 0.95, (1.2, 0.0)).unwrap() >= 20f64.ln()
        })
    };
    let at_the_edge = (0..150).filter(|seed| looks(&mut Dice::new(*seed), 1.2, 12)).count();
    assert!(at_the_edge <= 8, "{at_the_edge} of 150 at the edge; 7.5 are promised");
    let beyond = (0..60).filter(|seed| looks(&mut Dice::new(*seed), 2.0, 24)).count();
    assert!(beyond >= 54, "{beyond} of 60 saw a doubled p95");
}

#[test]
fn a_canary_of_equal_or_better_latency_is_never_close_to_proof() {
    let mut dice = Dice::new(3);
    let (canary, stable) = (latencies(&mut dice, 400, 1.0), latencies(&mut dice, 400, 1.0));
    let (c, s) = (Ordered::of(&canary).unwrap(), Ordered::of(&stable).unwrap());
    assert!(log_evidence_above(&c, &s, 0.95, (1.2, 0.0)).unwrap() <= 0.0);
}

//! Vectors of everything that may be looked at more than once.

use super::super::confidence_sequence::AsymptoticSequence;
use super::super::mixture::{AlwaysValid, Mixture};
use super::super::proportions::unpooled_variance;
use super::super::spending::{Classic, Sides, Spending, crossing_chance, equally_spaced};
use super::super::sprt::{Increments, Sprt, Standing};
use super::super::{Undecided, normal};
use super::{count, is, spans};

#[test]
fn sprt_limits_and_increments() {
    for (alpha, beta, upper, lower) in [
        (0.05, 0.20, "2.7725887222", "-1.5581446180"),
        (0.05, 0.10, "2.8903717579", "-2.2512917986"),
        (0.01, 0.10, "4.4998096703", "-2.2925347571"),
    ] {
        let test = Sprt::new(alpha, beta).unwrap();
        is(test.upper, upper);
        is(test.lower, lower);
    }
    let step = Increments::between(0.01, 0.03).unwrap();
    is(step.hit, "1.0986122887");
    is(step.miss, "-0.020408872");
    let test = Sprt::new(0.05, 0.20).unwrap();
    assert_eq!(test.standing(step.after(count("3/3"))), Standing::Alternative);
    assert_eq!(test.standing(step.after(count("2/3"))), Standing::Open);
    assert_eq!(test.standing(step.after(count("0/77"))), Standing::Null);
}

#[test]
fn mixtures_of_means() {
    for (d, tau2, ratio, p, half_width) in [
        (5.0, 25.0, "316.9909417", "0.0031546643", "3.9169322511"),
        (5.0, 1.0, "14.1407598550", "0.0707175576", "5.2916814392"),
        (2.0, 25.0, "0.7792513079", "1", "3.9169322511"),
        (0.0, 25.0, "0.2481160244", "1", "3.9169322511"),
    ] {
        let mixture = Mixture::of_variance(tau2).unwrap();
        let log_ratio = mixture.log_ratio(d, 1.64).unwrap();
        is(log_ratio.exp(), ratio);
        is(AlwaysValid::default().look(log_ratio), p);
        is(mixture.half_width(1.64, 0.05).unwrap(), half_width);
    }
    is(normal::critical(0.05) * 1.64f64.sqrt(), "2.5099785788");
}

#[test]
fn mixtures_of_proportions() {
    let (canary, stable) = (count("30/1000"), count("10/1000"));
    let v = unpooled_variance(canary, stable).unwrap();
    for (tau2, ratio, p, low, high) in [
        (1e-4, "21.1978564", "0.0471745813", "0.0001583", "0.0398417"),
        (4e-4, "31.8856281", "0.0313620919", "0.0010244", "0.0389756"),
        (2.5e-3, "19.3260126", "0.0517437312", "-0.0000678", "0.0400678"),
    ] {
        let mixture = Mixture::of_variance(tau2).unwrap();
        let log_ratio = mixture.log_ratio(0.02, v).unwrap();
        is(log_ratio.exp(), ratio);
        is(AlwaysValid::default().look(log_ratio), p);
        spans(mixture.interval(0.02, v, 0.05).unwrap(), low, high);
    }
}

#[test]
fn an_always_valid_p_never_rises_again() {
    let mut p = AlwaysValid::default();
    assert_eq!((p.p(), p.look(-3.0)), (1.0, 1.0));
    let low = p.look(4.0);
    assert_eq!((p.look(1.0), p.look(f64::NAN), p.p()), (low, low, low));
}

#[test]
fn a_margin_is_proven_on_one_side_at_most() {
    let mixture = Mixture::of_variance(1e-4).unwrap();
    let look = mixture.against_margin(0.05, 1e-5, 0.01).unwrap();
    assert!(look.above < 1e-9 && look.within == 1.0);
    let look = mixture.against_margin(-0.03, 1e-5, 0.01).unwrap();
    assert!(look.above == 1.0 && look.within < 1e-9);
    assert_eq!(mixture.against_margin(0.05, 0.0, 0.01), Err(Undecided::NoVariance { difference: 0.05 - 0.01 }));
}

#[test]
fn confidence_sequences() {
    let sequence = AsymptoticSequence::tuned(5_000.0, 0.05).unwrap();
    is(sequence.rho(), "0.0398400668");
    for (n, multiplier) in [
        (200, "5.0999599699"),
        (1_000, "3.3638877258"),
        (2_000, "3.1237790917"),
        (5_000, "3.0352089904"),
        (20_000, "3.1271141437"),
    ] {
        is(sequence.multiplier(n).unwrap(), multiplier);
    }
    let se = unpooled_variance(count("30/1000"), count("10/1000")).unwrap().sqrt();
    spans(sequence.interval(0.02, se, 2_000).unwrap(), "0.000492006", "0.0395079942");
    spans(sequence.interval(5.0, 1.64f64.sqrt(), 200).unwrap(), "-1.5311", "11.5311");
    let sequence = AsymptoticSequence::tuned(200.0, 0.05).unwrap();
    is(sequence.rho(), "0.1992003339");
    spans(sequence.interval(5.0, 1.64f64.sqrt(), 200).unwrap(), "1.1130359", "8.8869641");
}

#[test]
fn peeking_costs_what_it_costs() {
    for (looks, percent) in
        [(1, "5.00"), (2, "8.31"), (3, "10.73"), (4, "12.62"), (5, "14.17"), (10, "19.34"), (20, "24.79")]
    {
        let limits = vec![normal::critical(0.05); looks];
        is(100.0 * crossing_chance(Sides::Two, &limits, &equally_spaced(looks)).unwrap(), percent);
    }
}

#[test]
fn classic_limits() {
    for (looks, pocock, last) in [
        (1, "1.960", "1.960"),
        (2, "2.1783", "1.977"),
        (3, "2.2895", "2.004"),
        (4, "2.3613", "2.024"),
        (5, "2.4132", "2.040"),
        (10, "2.5550", "2.0865"),
        (20, "2.6720", "2.1257"),
    ] {
        is(Classic::Pocock.limits(looks, 0.05).unwrap()[0], pocock);
        is(Classic::ObrienFleming.limits(looks, 0.05).unwrap()[looks - 1], last);
    }
    for limits in [
        &["2.797", "1.977"][..],
        &["3.471", "2.454", "2.004"],
        &["4.049", "2.863", "2.337", "2.024"],
        &["4.562", "3.226", "2.634", "2.281", "2.040"],
    ] {
        let computed = Classic::ObrienFleming.limits(limits.len(), 0.05).unwrap();
        computed.iter().zip(limits).for_each(|(limit, expected)| is(*limit, expected));
    }
}

#[test]
fn spending_functions_and_their_limits() {
    for (spending, spent) in [
        (Spending::ObrienFleming, ["8.8575e-5", "0.0055746", "0.0236251", "0.05"]),
        (Spending::Pocock, ["0.0178687", "0.0310057", "0.041399", "0.05"]),
    ] {
        for (t, expected) in [0.25, 0.5, 0.75, 1.0].into_iter().zip(spent) {
            is(spending.spent(0.05, t), expected);
        }
    }
    for (spending, limits) in [
        (Spending::ObrienFleming, &["3.3948", "2.4067", "2.0152"][..]),
        (Spending::ObrienFleming, &["3.9199", "2.7740", "2.2982", "2.0426"]),
        (Spending::ObrienFleming, &["4.3826", "3.0997", "2.5534", "2.2538", "2.0635"]),
        (Spending::Pocock, &["2.2794", "2.2949", "2.2959"]),
        (Spending::Pocock, &["2.4380", "2.4268", "2.4102", "2.3966", "2.3860"]),
        (Spending::ObrienFlemingPerSide, &["3.7103", "2.5114", "1.9930"]),
        (Spending::ObrienFlemingPerSide, &["4.8769", "3.3570", "2.6803", "2.2898", "2.0310"]),
    ] {
        let computed = spending.limits(Sides::Two, 0.05, &equally_spaced(limits.len())).unwrap();
        computed.iter().zip(limits).for_each(|(limit, expected)| is(*limit, expected));
    }
}

#[test]
fn limits_spend_exactly_alpha_at_uneven_looks_and_on_one_side() {
    let shares = [0.1, 0.15, 0.6, 0.9, 1.0];
    for spending in [Spending::ObrienFleming, Spending::ObrienFlemingPerSide, Spending::Pocock] {
        for sides in [Sides::Two, Sides::Upper] {
            let limits = spending.limits(sides, 0.05, &shares).unwrap();
            let spent = crossing_chance(sides, &limits, &shares).unwrap();
            assert!((spent - 0.05).abs() < 1e-9, "{spending:?} {sides:?}: {limits:?} spend {spent}");
        }
    }
    assert_eq!(Spending::ObrienFleming.limits(Sides::Two, 0.05, &[0.002]).unwrap(), [f64::INFINITY]);
}

//! Vectors of one and two proportions.

use super::super::fisher::fisher;
use super::super::proportion::{clopper_pearson, wald, wilson};
use super::super::proportions::{self, DecidedBy, newcombe, proportions, z_pooled, z_unpooled};
use super::super::{Count, Undecided};
use super::{count, is, spans};

#[test]
fn two_proportions_by_every_method() {
    let cases = [
        (
            "30/1000",
            "10/1000",
            [
                "3.1943828250",
                "0.0014013016",
                "3.2025630761",
                "0.0013621047",
                "0.0077600",
                "0.0322400",
                "0.0078193",
                "0.0333087",
                "0.0020083",
            ],
        ),
        (
            "15/500",
            "50/5000",
            [
                "3.9457075443",
                "7.956468e-5",
                "2.5781246066",
                "0.0099338169",
                "0.0047954",
                "0.0352046",
                "0.0078456",
                "0.0390562",
                "0.0005560",
            ],
        ),
        (
            "56/70",
            "48/80",
            [
                "2.6501719513",
                "0.0080450814",
                "2.7509212216",
                "0.0059427933",
                "0.0575049",
                "0.3424951",
                "0.0524315",
                "0.3338727",
                "0.0125211",
            ],
        ),
        (
            "2/100",
            "100/9900",
            [
                "0.9802450723",
                "0.3269651608",
                "0.7052559322",
                "0.4806509793",
                "-0.0176111",
                "0.0374091",
                "-0.0047603",
                "0.0599427",
                "0.2716481",
            ],
        ),
        (
            "120/1000",
            "100/1000",
            [
                "1.4293008498",
                "0.1529177819",
                "1.4300313895",
                "0.1527080102",
                "-0.0074115",
                "0.0474115",
                "-0.0074922",
                "0.0475507",
                "0.1744071",
            ],
        ),
        (
            "5/100",
            "0/100",
            [
                "2.2645540683",
                "0.0235400583",
                "2.2941573387",
                "0.0217814628",
                "0.0072836",
                "0.0927164",
                "0.0033279",
                "0.1117505",
                "0.0593832",
            ],
        ),
    ];
    for (canary, stable, [z, p, uz, up, wald_low, wald_high, low, high, exact]) in cases {
        let (canary, stable) = (count(canary), count(stable));
        let pooled = z_pooled(canary, stable).unwrap();
        is(pooled.z, z);
        is(pooled.p.two_sided, p);
        let unpooled = z_unpooled(canary, stable).unwrap();
        is(unpooled.z, uz);
        is(unpooled.p.two_sided, up);
        spans(proportions::wald(canary, stable, 0.05).unwrap(), wald_low, wald_high);
        spans(newcombe(canary, stable, 0.05).unwrap(), low, high);
        is(fisher(canary, stable).unwrap().two_sided, exact);
    }
}

#[test]
fn the_rule_picks_fisher_below_five_expected() {
    let judged = proportions(count("5/100"), count("0/100"), 0.05).unwrap();
    assert_eq!(judged.by, DecidedBy::Fisher);
    is(judged.p.two_sided, "0.0593832");
    let judged = proportions(count("2/100"), count("100/9900"), 0.05).unwrap();
    assert_eq!(judged.by, DecidedBy::Fisher);
    // Expected counts of exactly 5 are enough.
    let judged = proportions(count("7/100"), count("3/100"), 0.05).unwrap();
    assert!(matches!(judged.by, DecidedBy::Z(test) if test.p == judged.p));
    let judged = proportions(count("30/1000"), count("10/1000"), 0.05).unwrap();
    is(judged.p.two_sided, "0.0014013016");
    spans(judged.interval, "0.0078193", "0.0333087");
    assert!((judged.effect - 0.02).abs() < 1e-15);
    // No hits at all: nothing differs, and nobody divides by zero.
    let judged = proportions(count("0/100"), count("0/100"), 0.05).unwrap();
    assert_eq!((judged.by, judged.p.two_sided, judged.p.greater), (DecidedBy::Fisher, 1.0, 1.0));
}

#[test]
fn one_proportion_by_every_interval() {
    let cases = [
        ("100/1000", ["0.0814061490", "0.1185938510", "0.0829094436", "0.1201519632", "0.0821053", "0.1202879"]),
        ("0/20", ["0", "0", "0", "0.1611251581", "0", "0.1684335"]),
        ("0/1000", ["0", "0", "0", "0.0038267585", "0", "0.0036821"]),
        ("1/29", ["-0.0319267", "0.1008922", "0.0061132", "0.1717552", "0.0008726", "0.1776443"]),
        ("1/1000", ["-0.0009590", "0.0029590", "0.0001765464", "0.0056425586", "0.0000253", "0.0055589"]),
        ("3/300", ["-0.0012591", "0.0212591", "0.0034066", "0.0289835", "0.0020670", "0.0289445"]),
        ("15/148", ["0.0527300", "0.1499727", "0.0623864", "0.1604872", "0.0578440", "0.1616505"]),
        ("81/263", ["0.2521901", "0.3637795", "0.2552885", "0.3662096", "0.2527367", "0.3676219"]),
        ("29/29", ["1", "1", "0.8830302", "1", "0.8805551", "1"]),
        ("5/10", ["0.1901025", "0.8098975", "0.2365931", "0.7634069", "0.1870860", "0.8129140"]),
    ];
    for (text, [wald_low, wald_high, wilson_low, wilson_high, exact_low, exact_high]) in cases {
        let count = count(text);
        spans(wald(count, 0.05).unwrap(), wald_low, wald_high);
        spans(wilson(count, 0.05).unwrap(), wilson_low, wilson_high);
        spans(clopper_pearson(count, 0.05).unwrap(), exact_low, exact_high);
    }
    spans(wald(count("100/1000"), 0.10).unwrap(), "0.0843955", "0.1156045");
}

#[test]
fn what_is_no_proportion_is_refused() {
    assert_eq!(Count::new(3, 2), Err(Undecided::MoreHitsThanTotal { hits: 3, total: 2 }));
    assert!(matches!(Count::new(0, u64::MAX), Err(Undecided::TooMany { .. })));
    let empty = count("0/0");
    assert_eq!(wilson(empty, 0.05), Err(Undecided::TooFew { needed: 1, got: 0 }));
    assert_eq!(proportions(empty, count("1/2"), 0.05).unwrap_err(), Undecided::TooFew { needed: 1, got: 0 });
    assert_eq!(z_pooled(count("0/9"), count("0/9")).unwrap_err(), Undecided::NoVariance { difference: 0.0 });
    assert_eq!(z_unpooled(count("9/9"), count("0/9")).unwrap_err(), Undecided::NoVariance { difference: 1.0 });
}

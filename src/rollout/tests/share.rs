//! What the honest share says of skewed and of broken splits.

use crate::rollout::share::{HonestShare, LEAST, SRM_ALPHA, Seen, Side};
use proptest::prelude::*;

fn side(answers: u64, clients: f64) -> Side {
    Side { answers, clients, clients_error: 0.0 }
}

fn seen(canary: Side, others: Side, heavy: Vec<u64>) -> Seen {
    let clients = canary.clients + others.clients;
    Seen { canary, others, clients, heavy, requests: None, drawn: false }
}

#[test]
fn a_split_as_asked_for_passes_and_one_that_is_not_is_told() {
    let fine = HonestShare::of(0.1, &seen(side(1_050, 104.0), side(9_000, 896.0), Vec::new()));
    assert!(fine.srm_p.is_some_and(|p| p > 0.5), "{fine:?}");
    assert!(fine.words.ends_with("the split is as asked for"), "{}", fine.words);
    let off = HonestShare::of(0.1, &seen(side(3_000, 300.0), side(7_000, 700.0), Vec::new()));
    assert!(off.srm_p.is_some_and(|p| p < SRM_ALPHA), "{off:?}");
    assert!(off.words.contains("the split is not what was asked for"), "{}", off.words);
    assert_eq!((off.answered, off.clients), (Some(0.3), Some(0.3)));
}

#[test]
fn blurred_numbers_of_clients_raise_no_false_alarm() {
    let blurred = |clients: f64| Side { answers: 0, clients, clients_error: 0.0163 };
    // 100,000 clients: 2 standard errors of the sketch are 30 of the split.
    let share = HonestShare::of(0.5, &seen(blurred(51_500.0), blurred(48_500.0), Vec::new()));
    assert!(share.srm_p.is_some_and(|p| p > 0.01), "{share:?}");
    let exact = HonestShare::of(0.5, &seen(side(0, 51_500.0), side(0, 48_500.0), Vec::new()));
    assert!(exact.srm_p.is_some_and(|p| p < 1e-6), "{exact:?}");
}

#[test]
fn answers_are_tested_when_each_is_drawn_by_itself() {
    // Under random every client meets both sides.
    let both = Seen {
        canary: side(1_020, 500.0),
        others: side(8_980, 500.0),
        clients: 500.0,
        heavy: Vec::new(),
        requests: Some((90.0, 910.0)),
        drawn: true,
    };
    let share = HonestShare::of(0.1, &both);
    assert!(share.srm_p.is_some_and(|p| p > 0.3), "{share:?}");
    assert_eq!(share.achieved, Some(0.09));
    let as_if_sticky = HonestShare::of(0.1, &Seen { drawn: false, ..both });
    assert!(as_if_sticky.srm_p.is_some_and(|p| p < SRM_ALPHA));
}

#[test]
fn a_busy_client_makes_the_share_stray() {
    let even = HonestShare::of(0.1, &seen(side(100, 10.0), side(900, 90.0), vec![10; 64]));
    assert!(even.effective_resolvers.is_some_and(|n| (n - 100.0).abs() < 1e-6), "{even:?}");
    assert!(even.deviation.is_some_and(|sd| (sd - 0.03).abs() < 1e-9));
    let skewed = HonestShare::of(0.1, &seen(side(10, 10.0), side(990, 90.0), vec![900]));
    assert!(skewed.effective_resolvers.is_some_and(|n| n < 1.25), "{skewed:?}");
    assert!(skewed.deviation.is_some_and(|sd| sd > 0.26), "{skewed:?}");
}

#[test]
fn too_little_says_nothing() {
    let none = HonestShare::of(0.1, &Seen::default());
    assert_eq!((none.answered, none.clients, none.effective_resolvers, none.srm_p), (None, None, None, None));
    assert!(none.words.contains("no answer"), "{}", none.words);
    let few = HonestShare::of(0.1, &seen(side(1, 1.0), side(9, LEAST - 2.0), Vec::new()));
    assert_eq!(few.srm_p, None);
    let whole = HonestShare::of(1.0, &seen(side(100, 50.0), side(0, 0.0), Vec::new()));
    assert_eq!((whole.srm_p, whole.answered), (None, Some(1.0)));
}

proptest! {
    #[test]
    fn figures_are_finite_and_shares_stay_within_0_and_1(
        target in 0.0f64..=1.0, a in 0u64..1_000_000, b in 0u64..1_000_000, c in 0.0f64..1e6, d in 0.0f64..1e6,
        heavy in proptest::collection::vec(0u64..100_000, 0..64), drawn in any::<bool>()
    ) {
        let share = HonestShare::of(target, &Seen { drawn, ..seen(side(a, c), side(b, d), heavy) });
        for figure in [share.answered, share.clients, share.srm_p].into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&figure), "{:?}", share);
        }
        for figure in [share.effective_resolvers, share.deviation].into_iter().flatten() {
            prop_assert!(figure.is_finite() && figure >= 0.0, "{:?}", share);
        }
    }
}

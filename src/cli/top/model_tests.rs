//! What the live view does with news and keys.

use super::*;
use crate::cli::print::switch::samples::status;

fn at(boot_ms: u64) -> Moment {
    Moment { boot_ms, unix_ms: 100_000 + boot_ms }
}

fn model() -> Model {
    Model::new("http://127.0.0.1:8053".into(), status(), None, at(0))
}

fn changed(id: u64) -> News {
    let what = What::Changed {
        verb: "flip".into(),
        who: "first".into(),
        revision: 43,
        switches: vec!["model".into()],
        reason: None,
    };
    News::Happened(Box::new(Happening { id, at: "1970-01-01T00:01:39Z".into(), what }))
}

#[test]
fn the_status_is_read_on_time_soon_after_an_event_and_once_at_a_time() {
    let mut model = model();
    assert_eq!(model.asks(at(1_999)), []);
    assert_eq!(model.asks(at(2_000)), [Ask::Status]);
    model.hear(changed(1), at(2_001));
    assert_eq!(model.asks(at(60_000)), [], "one is on its way");
    model.hear(News::Status(Box::new(status()), 5), at(60_000));
    model.hear(changed(2), at(60_100));
    assert_eq!(model.asks(at(60_299)), []);
    assert_eq!(model.asks(at(60_300)), [Ask::Status]);
}

#[test]
fn a_slow_server_is_asked_less_often() {
    let mut model = model();
    model.hear(News::Status(Box::new(status()), 3_000), at(10_000));
    assert_eq!(model.asks(at(39_999)), []);
    assert!(!model.is_stale(at(40_000)));
    assert_eq!(model.asks(at(40_000)), [Ask::Status]);
}

#[test]
fn what_cannot_be_read_is_stale_until_it_can() {
    let mut model = model();
    assert!(!model.is_stale(at(8_000)) && model.is_stale(at(8_001)));
    model.hear(News::Status(Box::new(status()), 1), at(9_000));
    assert!(!model.is_stale(at(9_000)));
    model.hear(News::Unread("no route".into()), at(9_001));
    assert!(model.is_stale(at(9_001)));
    assert_eq!(model.asks(at(11_001)), [Ask::Status], "it is tried again");
}

#[test]
fn keys_walk_the_rows_open_one_and_come_back() {
    let mut model = model();
    let press = |model: &mut Model, key| assert!(model.press(key, 10, at(0)));
    press(&mut model, Key::Down);
    press(&mut model, Key::Down);
    assert_eq!(model.chosen_at(), 1, "the last row");
    press(&mut model, Key::Enter);
    assert_eq!(model.asks(at(0)), [Ask::History("a-switch-with-a-rather-long-name".into())]);
    press(&mut model, Key::End);
    model.hold_within(7);
    assert_eq!(model.view, View::Switch(7));
    press(&mut model, Key::Escape);
    assert_eq!((model.view, model.chosen_at()), (View::Overview, 1));
    assert!(!model.press(Key::Char('q'), 10, at(0)));
}

#[test]
fn a_filter_takes_letters_that_are_keys_elsewhere() {
    let mut model = model();
    for c in "/RATHER".chars() {
        assert!(model.press(Key::Char(c), 10, at(0)));
    }
    assert_eq!(model.shown().len(), 1);
    assert!(model.press(Key::Char('q'), 10, at(0)));
    assert!(model.shown().is_empty() && model.chosen().is_none());
    assert!(model.press(Key::Escape, 10, at(0)));
    assert_eq!(model.shown().len(), 2);
    assert!(!model.press(Key::Interrupt, 10, at(0)));
}

#[test]
fn a_switch_that_is_removed_while_it_is_looked_at_is_not_taken_for_another() {
    let mut model = Model::new(String::new(), status(), Some("model".into()), at(0));
    assert_eq!(model.chosen().map(|switch| switch.name.as_str()), Some("model"));
    let mut fewer = status();
    fewer.switches.remove(0);
    model.hear(News::Status(Box::new(fewer), 1), at(1));
    assert!(model.chosen().is_none());
}

#[test]
fn changes_of_the_switch_in_view_are_read_again() {
    let mut model = Model::new(String::new(), status(), Some("model".into()), at(0));
    assert_eq!(model.asks(at(0)), [Ask::History("model".into())]);
    model.hear(changed(1), at(1));
    assert_eq!(model.asks(at(1)), [Ask::History("model".into())]);
    assert!((0..200).all(|id| {
        model.hear(changed(id), at(1));
        model.happened.len() <= KEPT
    }));
}

//! The screen as ratatui's test backend sees it.

use super::*;
use crate::admin::report::{Happening, SwitchView, What};
use crate::cli::print::switch::samples::status;
use crate::cli::top::keys::Key;
use crate::cli::top::model::News;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::Color;

const NOW: Moment = Moment { boot_ms: 1_000, unix_ms: 101_000 };

fn model() -> Model {
    let mut model = Model::new("http://127.0.0.1:8053".into(), status(), None, Moment { boot_ms: 0, ..NOW });
    model.hear(News::Linked, NOW);
    for switch in &mut model.status.switches {
        for (pool, (percent, answers)) in switch.pools.iter_mut().zip([(90.0, 912), (10.0, 88)]) {
            pool.share_percent = percent;
            pool.weight = if percent > 50.0 { 9_000 } else { 1_000 };
            pool.answers_recently = Some(answers);
        }
        switch.pools[1].drain.last_promise_expires_at_ms = Some(125_000);
    }
    model
}

/// The screen as text, without the empty ends of lines, and what keys go by.
fn screen_of(model: &Model, width: u16, height: u16, colour: bool) -> (String, Drawn, Terminal<TestBackend>) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut drawn = Drawn::default();
    terminal.draw(|frame| drawn = draw(frame, model, colour, NOW)).unwrap();
    let rows = terminal.backend().buffer().content().chunks(usize::from(width));
    let text = rows.map(|row| {
        let row: String = row.iter().map(Cell::symbol).collect();
        format!("{}\n", row.replace('\u{a0}', " ").trim_end())
    });
    (text.collect(), drawn, terminal)
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    screen_of(model, width, height, false).0
}

#[test]
fn eighty_columns_give_each_switch_two_lines() {
    let expected = "\
tidegate 0.1.0  revision 42  2 switches  http://127.0.0.1:8053   live  00:01:41Z
! green is down
  SWITCH                      WEIGHTS
▶ model                        blue 90% ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓g 10%
▌   blue 1/1, green 0/1 not ready · green draining 24s · got green 8.8% of 10%
  a-switch-with-a-rather-lo…   blue 90% ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓g 10%
    blue 1/1, green 0/1 not ready · green draining 24s · got green 8.8% of 10%


↑↓ choose  Enter open  / filter  r read now  q leave
";
    assert_eq!(screen(&model(), 80, 10), expected);
}

#[test]
fn two_hundred_columns_give_each_switch_one_line_of_columns() {
    let text = screen(&model(), 200, 8);
    let row = text.lines().find(|line| line.starts_with("▶ model")).unwrap();
    for fact in
        [" blue 90% ▓▓▓", "g 10%░░░", "blue 1/1, green 0/1 not ready", "green 8.8% of 10%", "green draining 24s"]
    {
        assert!(row.contains(fact), "{fact}:\n{text}");
    }
    assert!(text.contains("ANSWERED (5 MIN)") && text.contains("a-switch-with-a-rather-long-name"), "{text}");
}

#[test]
fn the_chosen_row_opens_in_full_and_scrolls_to_its_end() {
    let mut model = model();
    model.press(Key::Enter, 10, NOW);
    let text = screen(&model, 80, 40);
    for fact in ["model  model.example.test.", "192.0.2.20", "green/192.0.2.20: HTTP 503: loading", "1.2ms", "Esc back"]
    {
        assert!(text.contains(fact), "{fact}:\n{text}");
    }
    let (_, drawn, _) = screen_of(&model, 80, 12, false);
    assert!(drawn.last_line > 0);
    model.press(Key::End, drawn.page, NOW);
    model.hold_within(drawn.last_line);
    let text = screen(&model, 80, 12);
    assert!(text.contains("HTTP 503: loading") && !text.contains("model.example.test."), "{text}");
}

#[test]
fn what_is_no_longer_so_is_said_to_be_so() {
    let mut model = model();
    model.hear(News::Cut("cannot reach tidegate\nat http://127.0.0.1:8053".into()), NOW);
    assert!(screen(&model, 80, 12).contains("no events, reconnecting"));
    model.hear(News::Unread("cannot reach tidegate at http://127.0.0.1:8053".into()), NOW);
    let text = screen(&model, 80, 12);
    assert!(text.contains("DISCONNECTED, shown as of 1s ago"), "{text}");
    assert!(text.contains("! cannot reach tidegate at http://127.0.0.1:8053"), "{text}");
    model.hear(News::Linked, NOW);
    model.hear(News::Status(Box::new(status()), 3), NOW);
    assert!(screen(&model, 80, 12).contains("  live  "));
}

#[test]
fn many_switches_come_in_pages_and_the_heading_says_which() {
    let mut model = model();
    let one = model.status.switches[0].clone();
    model.status.switches = (0..100).map(|n| SwitchView { name: format!("s{n:03}"), ..one.clone() }).collect();
    let text = screen(&model, 80, 24);
    assert!(text.contains("1-10 of 100"), "{text}");
    model.press(Key::End, 10, NOW);
    let text = screen(&model, 80, 24);
    assert!(text.contains("91-100 of 100") && text.contains("▶ s099"), "{text}");
}

#[test]
fn happenings_are_told_at_the_foot() {
    let mut model = model();
    let what = What::Eligible { switch: "model".into(), pool: "green".into(), eligible: true };
    model.hear(News::Happened(Box::new(Happening { id: 1, at: "1970-01-01T00:01:41Z".into(), what })), NOW);
    assert!(screen(&model, 80, 24).contains("00:01:41Z  model: green is ready"));
    assert!(!screen(&model, 80, 12).contains("green is ready"), "no room");
}

#[test]
fn without_colour_no_cell_has_one_and_with_colour_pools_have_theirs() {
    let colours = |colour| {
        let (_, _, terminal) = screen_of(&model(), 80, 24, colour);
        let cells = terminal.backend().buffer().content().to_vec();
        cells.into_iter().flat_map(|cell| [cell.fg, cell.bg]).filter(|colour| *colour != Color::Reset).count()
    };
    assert_eq!(colours(false), 0);
    assert!(colours(true) > 50);
}

#[test]
fn no_size_of_a_terminal_is_too_small_or_too_large() {
    let mut model = model();
    for view in 0..2 {
        for (width, height) in [(1, 1), (3, 2), (12, 5), (39, 9), (80, 3), (129, 60), (130, 60), (300, 4), (500, 200)] {
            screen(&model, width, height);
        }
        assert!(view == 1 || model.press(Key::Enter, 10, NOW));
    }
    model.status.switches.clear();
    assert!(screen(&model, 80, 10).contains("model is not there"));
    model.press(Key::Escape, 1, NOW);
    assert!(screen(&model, 80, 10).contains("no switches"));
}

#[test]
fn what_members_say_never_drives_the_terminal() {
    let mut model = model();
    model.status.alarms = vec!["bad \u{1b}[2J\u{7} thing".to_owned().into()];
    model.status.switches[0].name = "mo\u{1b}del".into();
    model.status.switches[0].pools[0].name = "bl\u{1b}ue".into();
    let (text, _, _) = screen_of(&model, 80, 24, true);
    assert!(!text.contains('\u{1b}') && text.contains("\u{fffd}[2J"), "{text}");
}

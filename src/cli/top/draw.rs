//! The screen. Pure: a model and a moment make cells of a buffer; the terminal shows them elsewhere.

use super::facts::{self, Fact};
use super::model::{Link, Model, View};
use super::{bar, painted, style};
use crate::admin::report::SwitchView;
use crate::cli::print::{self, Page, Tone, columns, harmless, shorten, times};
use crate::moment::Moment;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// From this width on a switch takes one line, below it two.
const WIDE: usize = 130;

/// From this height on the foot says what happened.
const ROOM_FOR_EVENTS: u16 = 18;

/// Happenings at the foot of the overview.
const EVENTS: u16 = 4;

/// Alarms that are shown before they are only counted.
const ALARMS: usize = 3;

/// What was drawn, as far as keys depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Drawn {
    /// Rows or lines of a page.
    pub page: usize,
    /// The first line of the last page of a switch.
    pub last_line: usize,
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, colour: bool, now: Moment) -> Drawn {
    let alarms = alarms(model, usize::from(frame.area().width), colour);
    let events = match model.view {
        View::Overview if frame.area().height >= ROOM_FOR_EVENTS && !model.happened.is_empty() => EVENTS + 1,
        _ => 0,
    };
    let rows = [
        Constraint::Length(1),
        Constraint::Length(u16::try_from(alarms.len()).unwrap_or(u16::MAX)),
        Constraint::Min(1),
        Constraint::Length(events),
        Constraint::Length(1),
    ];
    let [head, alarm, body, foot, keys] = Layout::vertical(rows).areas(frame.area());
    header(frame, head, model, colour, now);
    frame.render_widget(Paragraph::new(alarms), alarm);
    let drawn = match model.view {
        View::Overview => overview(frame, body, model, colour, now),
        View::Switch(line) => switch(frame, body, (model, line), colour, now),
    };
    happenings(frame, foot, model, colour);
    frame.render_widget(Paragraph::new(key_line(model)).style(style(Tone::Faint, colour)), keys);
    drawn
}

/// Which server, which revision, and whether what is shown is so.
fn header(frame: &mut Frame<'_>, area: Rect, model: &Model, colour: bool, now: Moment) {
    let state = connection(model, now);
    let clock = times::absolute(now.unix_ms);
    let clock = clock.get(11..).unwrap_or_default();
    let right = Line::from(vec![Span::styled(state.1, style(state.0, colour)), Span::raw(format!("  {clock}"))]);
    let width = u16::try_from(right.width()).unwrap_or(u16::MAX).min(area.width);
    let [left_area, right_area] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(area);
    let status = &model.status;
    let mut left = vec![Span::styled(format!("tidegate {}", status.version), style(Tone::Strong, colour))];
    let count = status.switches.len();
    let switches = if count == 1 { "1 switch".to_owned() } else { format!("{count} switches") };
    left.push(Span::raw(format!("  revision {}  {switches}  {}", status.revision, model.address)));
    let left = cut(left, usize::from(left_area.width).saturating_sub(2));
    frame.render_widget(Paragraph::new(Line::from(left)), left_area);
    frame.render_widget(Paragraph::new(right).alignment(Alignment::Right), right_area);
}

/// `live`, or what is wrong with what is shown.
fn connection(model: &Model, now: Moment) -> Fact {
    let age = times::brief(model.age_ms(now));
    match (&model.link, model.is_stale(now)) {
        (Link::Cut(_), true) => (Tone::Bad, format!("DISCONNECTED, shown as of {age} ago")),
        (_, true) => (Tone::Bad, format!("STALE, shown as of {age} ago")),
        (Link::Cut(_), false) => (Tone::Warn, "no events, reconnecting".to_owned()),
        (Link::Coming, false) => (Tone::Faint, "connecting".to_owned()),
        (Link::Live, false) => (Tone::Good, "live".to_owned()),
    }
}

/// What needs attention, worst first; why the server does not answer before all.
fn alarms(model: &Model, width: usize, colour: bool) -> Vec<Line<'static>> {
    let cut_off = match &model.link {
        Link::Cut(why) => Some(why),
        Link::Coming | Link::Live => None,
    };
    let told = model.status.alarms.iter().map(|alarm| &alarm.text);
    let alarms: Vec<&String> = model.unread.as_ref().or(cut_off).into_iter().chain(told).collect();
    let mut lines: Vec<Line<'static>> = alarms
        .iter()
        .take(ALARMS)
        .map(|alarm| {
            let text = harmless(&alarm.replace('\n', " "));
            Line::styled(shorten(&format!("! {text}"), width), style(Tone::Bad, colour))
        })
        .collect();
    if alarms.len() > ALARMS {
        let more = format!("! and {} more: tidegate status", alarms.len() - ALARMS);
        lines.push(Line::styled(shorten(&more, width), style(Tone::Bad, colour)));
    }
    lines
}

/// Every switch, a page of them around the chosen one.
fn overview(frame: &mut Frame<'_>, area: Rect, model: &Model, colour: bool, now: Moment) -> Drawn {
    let shown = model.shown();
    let width = usize::from(area.width);
    let height = if width >= WIDE { 1 } else { 2 };
    let page = (usize::from(area.height).saturating_sub(1) / height).max(1);
    let first = model.chosen_at() / page * page;
    let rows: Vec<&SwitchView> = shown.iter().skip(first).take(page).copied().collect();
    let mut lines = if shown.is_empty() {
        let none = if model.filter.is_empty() { "no switches" } else { "no switch has this in its name or owners" };
        vec![Line::raw(none)]
    } else if width >= WIDE {
        wide(&rows, width, colour, model.age_ms(now))
    } else {
        narrow(&rows, width, colour, model.age_ms(now))
    };
    let chosen = (model.chosen_at() - first) * height + 1;
    for line in lines.iter_mut().skip(chosen).take(height) {
        line.style = line.style.add_modifier(Modifier::BOLD);
        if let Some(mark) = line.spans.first_mut() {
            let sign = if mark.content.starts_with(MARK) { "▌ " } else { "▶ " };
            *mark = Span::styled(sign, style(Tone::Strong, colour));
        }
    }
    if shown.len() > page {
        let place = format!("  {}-{} of {}", first + 1, first + rows.len(), shown.len());
        lines.first_mut().into_iter().for_each(|heading| heading.push_span(Span::raw(place.clone())));
    }
    frame.render_widget(Paragraph::new(lines), area);
    Drawn { page, last_line: 0 }
}

/// Begins each line; the chosen one has another sign.
const NO_MARK: &str = "  ";

/// Begins the second line of a switch.
const MARK: &str = "\u{a0} ";

/// Two lines a switch: name and weights, and below them the rest.
fn narrow(rows: &[&SwitchView], width: usize, colour: bool, age_ms: u64) -> Vec<Line<'static>> {
    let names = widest(rows.iter().map(|switch| harmless(&switch.name)), width / 3).max(8);
    let faint = style(Tone::Faint, colour);
    let mut lines = vec![Line::styled(format!("  {:names$}  WEIGHTS", "SWITCH"), faint)];
    for switch in rows {
        let mut first = vec![Span::raw(NO_MARK), name(switch, names, colour), Span::raw("  ")];
        first.extend(bar::bar(&switch.pools, width.saturating_sub(names + 5), colour));
        lines.push(Line::from(first));
        let mut second = Vec::new();
        for (lead, facts) in [
            ("", facts::health(switch)),
            ("", facts::drain(switch, age_ms)),
            ("", facts::rollout(switch)),
            ("got ", facts::answered(switch)),
        ] {
            if !facts.is_empty() {
                second.push(Span::styled(format!("{}{lead}", if second.is_empty() { "" } else { " · " }), faint));
                second.extend(spans(facts, colour));
            }
        }
        let mut line = vec![Span::raw(MARK), Span::raw("  ")];
        line.extend(cut(second, width.saturating_sub(5)));
        lines.push(Line::from(line));
    }
    lines
}

/// One line a switch, in columns.
fn wide(rows: &[&SwitchView], width: usize, colour: bool, age_ms: u64) -> Vec<Line<'static>> {
    let names = widest(rows.iter().map(|switch| harmless(&switch.name)), width / 6).max(8);
    let cells: Vec<[Vec<Span<'static>>; 4]> = rows
        .iter()
        .map(|switch| {
            [facts::health(switch), facts::answered(switch), facts::drain(switch, age_ms), facts::rollout(switch)]
                .map(|facts| spans(facts, colour))
        })
        .collect();
    let headings = ["UP", "ANSWERED (5 MIN)", "DRAIN", "ROLLOUT"];
    let mut widths = [0; 4];
    for (at, (taken, heading)) in widths.iter_mut().zip(headings).enumerate() {
        let longest = cells.iter().filter_map(|row| row.get(at)).map(|spans| length(spans)).max().unwrap_or(0);
        *taken = longest.clamp(columns(heading), (width - names) / 5);
    }
    let bar_width = width.saturating_sub(names + widths.iter().sum::<usize>() + 2 + 2 * 5);
    let mut heading = format!("  {:names$}  {:bar_width$}", "SWITCH", "WEIGHTS");
    for (text, width) in headings.iter().zip(widths) {
        heading.push_str(&format!("  {text:width$}"));
    }
    let mut lines = vec![Line::styled(heading.trim_end().to_owned(), style(Tone::Faint, colour))];
    for (switch, cells) in rows.iter().zip(cells) {
        let mut line = vec![Span::raw(NO_MARK), name(switch, names, colour), Span::raw("  ")];
        line.extend(bar::bar(&switch.pools, bar_width, colour));
        for (cell, width) in cells.into_iter().zip(widths) {
            let cell = cut(cell, width);
            let rest = width.saturating_sub(length(&cell));
            line.push(Span::raw("  "));
            line.extend(cell);
            line.push(Span::raw(" ".repeat(rest)));
        }
        lines.push(Line::from(line));
    }
    lines
}

/// A switch's name in its column.
fn name(switch: &SwitchView, width: usize, colour: bool) -> Span<'static> {
    let name = shorten(&harmless(&switch.name), width);
    let rest = width.saturating_sub(columns(&name));
    Span::styled(format!("{name}{}", " ".repeat(rest)), style(Tone::Strong, colour))
}

/// The widest of these, at most `most`.
fn widest(texts: impl Iterator<Item = String>, most: usize) -> usize {
    texts.map(|text| columns(&text)).max().unwrap_or(0).min(most)
}

/// Facts with commas between.
fn spans(facts: Vec<Fact>, colour: bool) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for (tone, text) in facts {
        if !spans.is_empty() {
            spans.push(Span::raw(", "));
        }
        spans.push(Span::styled(text, style(tone, colour)));
    }
    spans
}

/// Columns of some pieces.
fn length(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| columns(&span.content)).sum()
}

/// Pieces that take at most `width` columns.
fn cut(spans: Vec<Span<'static>>, width: usize) -> Vec<Span<'static>> {
    if length(&spans) <= width {
        return spans;
    }
    let mut kept = Vec::new();
    let mut left = width;
    for span in spans {
        let taken = columns(&span.content);
        if taken >= left {
            // The last piece ends in an ellipsis even where it would just fit, since more came after it.
            kept.push(Span::styled(shorten(&format!("{}…", span.content), left), span.style));
            break;
        }
        left -= taken;
        kept.push(span);
    }
    kept
}

/// One switch in full, as `status`, `rollout status` and `history` print it.
fn switch(frame: &mut Frame<'_>, area: Rect, (model, line): (&Model, usize), colour: bool, now: Moment) -> Drawn {
    let width = usize::from(area.width);
    let mut lines = Vec::new();
    match model.chosen() {
        None => lines.push(Line::raw(format!(
            "{} is not there: it was removed, or never was. Esc goes back",
            harmless(model.chosen_name().unwrap_or("the switch"))
        ))),
        Some(switch) => {
            lines.push(Line::from(bar::bar(&switch.pools, width, colour)));
            let mut answered = vec![Span::styled("answered (5 min): ", style(Tone::Faint, colour))];
            answered.extend(spans(facts::answered(switch), colour));
            lines.push(Line::from(cut(answered, width)));
            lines.extend(painted::lines(in_full(model, switch, width, now), colour));
        }
    }
    let height = usize::from(area.height);
    let last_line = lines.len().saturating_sub(height);
    let first = line.min(last_line);
    let page: Vec<Line<'static>> = lines.into_iter().skip(first).take(height).collect();
    frame.render_widget(Paragraph::new(page), area);
    Drawn { page: height.saturating_sub(1).max(1), last_line }
}

/// Switch, rollout and changes on one page; its clocks stand as they were read.
fn in_full(model: &Model, switch: &SwitchView, width: usize, now: Moment) -> Page {
    let mut page = Page::new(true, Some(width), now.unix_ms);
    print::switch::show(&mut page, switch);
    if let Some(rollout) = &switch.rollout {
        page.gap();
        page.line(Tone::Faint, "ROLLOUT");
        print::rollout::show(&mut page, &switch.name, rollout);
    }
    if let Some((_, history)) = model.history.as_ref().filter(|(name, _)| *name == switch.name) {
        page.gap();
        page.line(Tone::Faint, "RECENT CHANGES");
        print::history::show(&mut page, history);
    }
    page
}

/// The last things that happened, the newest last.
fn happenings(frame: &mut Frame<'_>, area: Rect, model: &Model, colour: bool) {
    let Some(room) = usize::from(area.height).checked_sub(1) else { return };
    let width = usize::from(area.width);
    let mut lines = vec![Line::styled("HAPPENED", style(Tone::Faint, colour))];
    let skipped = model.happened.len().saturating_sub(room);
    for happening in model.happened.iter().skip(skipped) {
        let (tone, text) = print::happening::words(happening);
        lines.push(Line::styled(shorten(&text, width), style(tone, colour)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// What keys do.
fn key_line(model: &Model) -> String {
    match model.view {
        _ if model.typing => format!("filter: {}_   Enter keep  Esc all switches", harmless(&model.filter)),
        View::Overview if model.filter.is_empty() => "↑↓ choose  Enter open  / filter  r read now  q leave".to_owned(),
        View::Overview => format!("↑↓ choose  Enter open  / filter ({})  Esc all  q leave", harmless(&model.filter)),
        View::Switch(_) => "↑↓ PgUp PgDn scroll  Esc back  r read now  q leave".to_owned(),
    }
}

/// The style of a tone; without colour weight alone.
pub(super) fn tone_style(tone: Tone, colour: bool) -> Style {
    use ratatui::style::Color;
    let plain = Style::new();
    match (tone, colour) {
        (Tone::Plain, _) => plain,
        (Tone::Good, true) => plain.fg(Color::Green),
        (Tone::Warn, true) => plain.fg(Color::Yellow),
        (Tone::Bad, true) => plain.fg(Color::Red),
        (Tone::Good | Tone::Warn, false) => plain,
        (Tone::Bad, false) | (Tone::Strong, _) => plain.add_modifier(Modifier::BOLD),
        (Tone::Faint, _) => plain.add_modifier(Modifier::DIM),
    }
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;

//! What the live view knows and where the person is in it. Pure: news, keys and moments are arguments.

use super::keys::Key;
use crate::admin::history::HistoryPage;
use crate::admin::report::{Happening, Status, SwitchView, What};
use crate::moment::Moment;
use std::collections::VecDeque;

/// Between two readings of the status while events tell what happens: counters and clocks move all the time.
const READ_EVERY_MS: u64 = 2_000;

/// A reading that takes long is not asked for more often than this many times its own length.
const READ_SHARE: u64 = 10;

/// After an event the status is read this much later, since changes come in bunches.
const SETTLE_MS: u64 = 200;

/// A status older than this is called stale.
const STALE_MS: u64 = 8_000;

/// Happenings kept for the foot of the overview.
const KEPT: usize = 50;

/// What came from the server.
#[derive(Debug)]
pub(super) enum News {
    /// The status, and how long it took to come.
    Status(Box<Status>, u64),
    /// It could not be read.
    Unread(String),
    /// The last changes of a switch.
    History(String, Box<HistoryPage>),
    /// The stream of events is there, or goes on after a gap.
    Linked,
    /// Something happened.
    Happened(Box<Happening>),
    /// The stream is gone; why.
    Cut(String),
}

/// What is wanted of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// The status.
    Status,
    /// The last changes of this switch.
    History(String),
}

/// The stream of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// Not there yet.
    Coming,
    /// There.
    Live,
    /// Gone; why.
    Cut(String),
}

/// What is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Every switch.
    Overview,
    /// The chosen one, from this line on.
    Switch(usize),
}

/// Everything.
#[derive(Debug)]
pub(super) struct Model {
    /// The server's address.
    pub address: String,
    /// The last status.
    pub status: Status,
    /// The stream of events.
    pub link: Link,
    /// Why the status could not be read the last time it was tried.
    pub unread: Option<String>,
    /// What is on the screen.
    pub view: View,
    /// Only switches with this in their names or owners.
    pub filter: String,
    /// Whether keys go into the filter.
    pub typing: bool,
    /// What happened, oldest first.
    pub happened: VecDeque<Happening>,
    /// The last changes of a switch.
    pub history: Option<(String, HistoryPage)>,
    /// The chosen switch.
    chosen: Option<String>,
    /// When the status came, boot clock.
    read_ms: u64,
    /// How long it took.
    took_ms: u64,
    /// When it is to be read again; `None` while it is being read.
    due_ms: Option<u64>,
    /// A switch whose changes are to be read.
    history_due: Option<String>,
}

impl Model {
    /// The view as it opens, on one switch if one is named.
    pub(super) fn new(address: String, status: Status, switch: Option<String>, now: Moment) -> Self {
        let view = if switch.is_some() { View::Switch(0) } else { View::Overview };
        Self {
            address,
            status,
            link: Link::Coming,
            unread: None,
            view,
            filter: String::new(),
            typing: false,
            happened: VecDeque::new(),
            history: None,
            history_due: switch.clone(),
            chosen: switch,
            read_ms: now.boot_ms,
            took_ms: 0,
            due_ms: Some(now.boot_ms + READ_EVERY_MS),
        }
    }

    /// The switches that pass the filter.
    pub(super) fn shown(&self) -> Vec<&SwitchView> {
        let wanted = self.filter.to_lowercase();
        let passes = |switch: &&SwitchView| {
            switch.name.to_lowercase().contains(&wanted) || switch.owners.iter().any(|owner| owner.contains(&wanted))
        };
        self.status.switches.iter().filter(passes).collect()
    }

    /// Where the chosen switch is among the shown ones; the first when it is not.
    pub(super) fn chosen_at(&self) -> usize {
        let chosen = |name: &String| self.shown().iter().position(|switch| switch.name == *name);
        self.chosen.as_ref().and_then(chosen).unwrap_or(0)
    }

    /// The chosen switch; none while nothing is shown, or when it went away while it was looked at.
    pub(super) fn chosen(&self) -> Option<&SwitchView> {
        match (self.view, &self.chosen) {
            (View::Switch(_), Some(name)) => self.status.switches.iter().find(|switch| switch.name == *name),
            _ => self.shown().get(self.chosen_at()).copied(),
        }
    }

    /// The name of the chosen switch.
    pub(super) fn chosen_name(&self) -> Option<&str> {
        self.chosen.as_deref()
    }

    /// How old the status is.
    pub(super) fn age_ms(&self, now: Moment) -> u64 {
        now.boot_ms.saturating_sub(self.read_ms)
    }

    /// Whether what is shown may no longer be so.
    pub(super) fn is_stale(&self, now: Moment) -> bool {
        let patience = STALE_MS.max(self.took_ms.saturating_mul(READ_SHARE + 2));
        self.age_ms(now) > patience || self.unread.is_some()
    }

    /// Takes what came from the server.
    pub(super) fn hear(&mut self, news: News, now: Moment) {
        match news {
            News::Status(status, took_ms) => {
                self.status = *status;
                self.unread = None;
                self.read_ms = now.boot_ms;
                self.took_ms = took_ms;
                self.due_ms = Some(now.boot_ms + READ_EVERY_MS.max(took_ms.saturating_mul(READ_SHARE)));
            }
            News::Unread(why) => {
                self.unread = Some(why);
                self.due_ms = Some(now.boot_ms + READ_EVERY_MS);
            }
            News::History(switch, page) => self.history = Some((switch, *page)),
            News::Linked => {
                self.link = Link::Live;
                self.read_soon(now);
                self.history_due = self.looked_at();
            }
            News::Happened(happening) => {
                if let What::Changed { switches, .. } = &happening.what
                    && self.looked_at().is_some_and(|name| switches.contains(&name))
                {
                    self.history_due = self.looked_at();
                }
                if self.happened.len() == KEPT {
                    self.happened.pop_front();
                }
                self.happened.push_back(*happening);
                self.read_soon(now);
            }
            News::Cut(why) => self.link = Link::Cut(why),
        }
    }

    /// Reads the status soon, unless that is so already or it takes long.
    fn read_soon(&mut self, now: Moment) {
        let soon = now.boot_ms + SETTLE_MS.max(self.took_ms);
        self.due_ms = self.due_ms.map(|due| due.min(soon));
    }

    /// What is to be asked now; each is handed out once.
    pub(super) fn asks(&mut self, now: Moment) -> Vec<Ask> {
        let mut asks: Vec<Ask> = self.history_due.take().map(Ask::History).into_iter().collect();
        if self.due_ms.is_some_and(|due| due <= now.boot_ms) {
            self.due_ms = None;
            asks.push(Ask::Status);
        }
        asks
    }

    /// The name of the switch that is looked at in full.
    fn looked_at(&self) -> Option<String> {
        self.chosen.clone().filter(|_| matches!(self.view, View::Switch(_)))
    }

    /// Does what a key says; `false` ends the view. `page` is how many rows or lines the screen shows.
    pub(super) fn press(&mut self, key: Key, page: usize, now: Moment) -> bool {
        if self.typing {
            return self.press_in_filter(key);
        }
        match key {
            Key::Interrupt | Key::Char('q') => return false,
            Key::Char('r') => self.due_ms = self.due_ms.map(|_| now.boot_ms),
            Key::Char('/') if self.view == View::Overview => self.typing = true,
            Key::Enter | Key::Right => self.open(),
            Key::Escape | Key::Left | Key::Backspace => self.back(),
            Key::Up | Key::Char('k') => self.go(|at| at.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.go(|at| at + 1),
            Key::PageUp => self.go(|at| at.saturating_sub(page)),
            Key::PageDown | Key::Char(' ') => self.go(|at| at + page),
            Key::Home | Key::Char('g') => self.go(|_| 0),
            Key::End | Key::Char('G') => self.go(|_| usize::MAX),
            Key::Char(_) => {}
        }
        true
    }

    /// The same while the filter is typed.
    fn press_in_filter(&mut self, key: Key) -> bool {
        match key {
            Key::Interrupt => return false,
            Key::Char(c) => self.filter.push(c),
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Escape => {
                self.filter.clear();
                self.typing = false;
            }
            Key::Enter => self.typing = false,
            Key::Up => self.go(|at| at.saturating_sub(1)),
            Key::Down => self.go(|at| at + 1),
            _ => {}
        }
        true
    }

    /// Opens the chosen switch.
    fn open(&mut self) {
        let Some(name) = self.chosen().map(|switch| switch.name.clone()).filter(|_| self.view == View::Overview) else {
            return;
        };
        self.chosen = Some(name.clone());
        self.history_due = Some(name);
        self.view = View::Switch(0);
    }

    /// Back to the overview; there, back to all switches.
    fn back(&mut self) {
        if self.view == View::Overview {
            self.filter.clear();
        }
        self.view = View::Overview;
    }

    /// Moves within what is shown.
    fn go(&mut self, to: impl Fn(usize) -> usize) {
        if let View::Switch(line) = self.view {
            self.view = View::Switch(to(line));
            return;
        }
        let last = self.shown().len().saturating_sub(1);
        let at = to(self.chosen_at()).min(last);
        let name = self.shown().get(at).map(|switch| switch.name.clone());
        self.chosen = name.or_else(|| self.chosen.take());
    }

    /// Keeps within the lines there are; drawing knows how many.
    pub(super) fn hold_within(&mut self, last_line: usize) {
        if let View::Switch(line) = self.view {
            self.view = View::Switch(line.min(last_line));
        }
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;

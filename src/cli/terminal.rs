//! Standard output and error: colour only where somebody looks, and no panic when nobody does.

use super::print::Page;
use std::io::{IsTerminal, Write};

/// A page for standard output.
pub(super) fn page() -> Page {
    Page::new(std::io::stdout().is_terminal() && colour_wanted(), crate::clock::unix_ms())
}

/// Whether the surroundings allow colour (<https://no-color.org>).
fn colour_wanted() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Prints to standard output; a reader that went away (`| head`) is no error.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says on standard error what went wrong.
pub(super) fn complain(sentence: &str) {
    let painted =
        if std::io::stderr().is_terminal() && colour_wanted() { "\u{1b}[31merror:\u{1b}[0m" } else { "error:" };
    remark(&format!("{painted} {}", clean(sentence)));
}

/// Says something beside the answer.
pub(super) fn remark(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A sentence without control characters, its own line breaks kept.
fn clean(sentence: &str) -> String {
    sentence.lines().map(super::print::harmless).collect::<Vec<_>>().join("\n")
}

/// Progress on standard error: one live line on a terminal, else a line per change.
#[derive(Debug)]
pub(super) struct Progress {
    live: bool,
    shown: Option<String>,
}

impl Progress {
    /// Nothing shown yet.
    pub(super) fn new() -> Self {
        Self { live: std::io::stderr().is_terminal(), shown: None }
    }

    /// Shows a line; `stage` tells a change from mere time passing.
    pub(super) fn show(&mut self, stage: &str, line: &str) {
        let line = super::print::harmless(line);
        if self.live {
            let cut = super::print::shorten(&line, super::print::WIDTH - 1);
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K{cut}");
            let _ = std::io::stderr().flush();
        } else if self.shown.as_deref() != Some(stage) {
            remark(&line);
        }
        self.shown = Some(stage.to_owned());
    }

    /// Leaves the live line.
    pub(super) fn finish(&mut self) {
        if self.live && self.shown.take().is_some() {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

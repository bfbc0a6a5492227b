//! Standard output and error: colour only where somebody looks, and no panic when nobody does.

use super::print::Page;
use clap::ColorChoice;
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What `--color` said; unset means `auto`.
static COLOUR: OnceLock<ColorChoice> = OnceLock::new();

/// Takes `--color` for everything this process prints from here on.
pub(super) fn use_colour(choice: ColorChoice) {
    // A second call could only come from a test in the same process.
    let _ = COLOUR.set(choice);
}

/// A page for standard output.
pub(super) fn page() -> Page {
    let out = std::io::stdout();
    Page::new(coloured(&out), limit(&out), crate::clock::unix_ms())
}

/// Whether a person looks at standard output and types into standard input.
pub(super) fn is_interactive() -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
}

/// Whether standard output has colour.
pub(super) fn has_colour() -> bool {
    coloured(&std::io::stdout())
}

/// Whether what goes there has colour (<https://no-color.org>).
fn coloured(stream: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match COLOUR.get().copied().unwrap_or(ColorChoice::Auto) {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            stream.is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// The width that is to be kept to: the terminal's own, or `COLUMNS`; none in a pipe, where nothing
/// may get lost.
fn limit(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let own = stream.is_terminal().then(|| terminal_size::terminal_size_of(stream)).flatten();
    let own = own.map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
    let said = || std::env::var("COLUMNS").ok()?.trim().parse::<usize>().ok().filter(|width| *width > 0);
    own.or_else(said).or_else(|| stream.is_terminal().then_some(super::print::WIDTH))
}

/// Whether something that was printed got lost, on a full disk for one.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints to standard output; a reader that went away (`| head`) is no error, any other loss is told once.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        complain(&format!("cannot write to standard output: {error}; what was asked for is done all the same"));
    }
}

/// Whether all that was printed arrived, or nobody wanted it.
pub(super) fn printed_all() -> bool {
    !LOST.load(Ordering::Relaxed)
}

/// Says on standard error what went wrong.
pub(super) fn complain(sentence: &str) {
    let err = std::io::stderr();
    let painted = if coloured(&err) { "\u{1b}[31merror:\u{1b}[0m" } else { "error:" };
    let sentence = clean(sentence);
    // Words stay whole on a terminal; a log gets the sentence on one line. Carets stay below their characters.
    match limit(&err).filter(|_| err.is_terminal() && !sentence.contains('^')) {
        Some(width) => remark(&super::print::folded(painted, "error: ", &sentence, width)),
        None => remark(&format!("{painted} {sentence}")),
    }
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
            let width = limit(&std::io::stderr()).unwrap_or(super::print::WIDTH);
            let cut = super::print::shorten(&line, width.saturating_sub(1));
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

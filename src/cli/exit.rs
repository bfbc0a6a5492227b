//! How a command ends: an exit code that scripts rely on, and a sentence for people (§6.4).

use std::process::ExitCode;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Done,
    /// 1: refused or failed.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: it took longer than allowed.
    TimedOut,
    /// 4: no server there.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::TimedOut => 3,
            Exit::Unreachable => 4,
        })
    }
}

/// Why a command did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong and what to do.
    pub sentence: String,
    /// The body to print under `--json`.
    pub body: Option<String>,
    /// Whether the answer was printed before it failed, so that `--json` says nothing more.
    pub printed: bool,
}

impl Failure {
    /// A failure with this exit code.
    #[must_use]
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into(), body: None, printed: false }
    }

    /// The same, after the answer was printed.
    #[must_use]
    pub fn after_the_answer(self) -> Self {
        Self { printed: true, ..self }
    }

    /// What a program reads: the server's own problem, or one of the same form (RFC 9457).
    #[must_use]
    pub fn as_json(&self) -> Option<String> {
        if self.printed {
            return None;
        }
        let (slug, title) = match self.exit {
            Exit::Done => ("done", "Done"),
            Exit::Failed => ("failed", "Failed"),
            Exit::Usage => ("usage", "Wrong usage"),
            Exit::TimedOut => ("timed-out", "Timed out"),
            Exit::Unreachable => ("unreachable", "Unreachable"),
        };
        let own = || {
            let kind = format!("urn:tidegate:problem:{slug}");
            serde_json::json!({ "type": kind, "title": title, "detail": self.sentence }).to_string()
        };
        Some(self.body.clone().unwrap_or_else(own))
    }

    /// Exit code 1.
    #[must_use]
    pub fn failed(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Failed, sentence)
    }

    /// Exit code 2.
    #[must_use]
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, sentence)
    }
}

//! What can go wrong below the store's contract, before it is put in the caller's words.

use std::io::ErrorKind;

/// A failure with its cause still in hand.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another revision is current.
    Conflict { expected: u64, current: u64 },
    /// The request contradicts itself.
    Refused(String),
    /// The file is not what was written.
    Damaged(String),
    /// SQLite's own failure.
    Sql(rusqlite::Error),
    /// A file operation beside SQLite failed.
    Io { what: String, source: std::io::Error },
}

/// How a failure points at the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// It says that there is none left.
    Gone,
    /// It may be the disk: SQLite reports a used-up quota as an I/O error.
    Unclear,
    /// Something else.
    Fine,
}

impl Fault {
    /// A failed file operation; `what` completes "cannot ...".
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Whether the disk is full.
    pub(super) fn space(&self) -> Space {
        match self {
            Self::Io { source, .. } if is_full(source) => Space::Gone,
            Self::Sql(err) => match err.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => Space::Gone,
                Some(rusqlite::ErrorCode::SystemIoFailure | rusqlite::ErrorCode::CannotOpen) => Space::Unclear,
                _ => Space::Fine,
            },
            _ => Space::Fine,
        }
    }
}

/// Whether the operating system says that no space (or quota) is left.
pub(super) fn is_full(err: &std::io::Error) -> bool {
    matches!(err.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

impl From<rusqlite::Error> for Fault {
    fn from(err: rusqlite::Error) -> Self {
        Self::Sql(err)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict { expected, current } => write!(f, "at revision {current}, not {expected}"),
            Self::Refused(why) | Self::Damaged(why) => f.write_str(why),
            Self::Sql(err) => match err.sqlite_error() {
                Some(code) => write!(f, "{err} (SQLite code {})", code.extended_code),
                None => write!(f, "{err}"),
            },
            Self::Io { what, source } => write!(f, "cannot {what}: {source}"),
        }
    }
}

//! The note a running demo leaves, so that the other verbs find it without flags.
//!
//! It is the demo's own file, readable by its user only, removed at exit; one whose process is gone
//! is ignored and removed. No other file of the user is ever touched.

use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where a demo is, and how to get in.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DemoContext {
    /// The demo's process.
    pub pid: u32,
    /// When that process started, in the kernel's ticks: another process of the same number has another.
    pub started: u64,
    /// The admin interface.
    pub address: String,
    /// An admin token.
    pub token: String,
}

impl std::fmt::Debug for DemoContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemoContext").field("pid", &self.pid).field("address", &self.address).finish_non_exhaustive()
    }
}

impl DemoContext {
    /// The context of this process.
    #[must_use]
    pub fn of_this_process(address: String, token: String) -> Self {
        let pid = std::process::id();
        Self { pid, started: start_of(pid).unwrap_or_default(), address, token }
    }

    /// The demo that runs, if one does.
    #[must_use]
    pub fn running() -> Option<Self> {
        Self::running_at(&file()?)
    }

    /// As [`DemoContext::running`], from this file.
    fn running_at(path: &Path) -> Option<Self> {
        let about = std::fs::symlink_metadata(path).ok()?;
        let mine = std::fs::metadata("/proc/self").ok()?.uid();
        if !about.is_file() || about.uid() != mine || about.mode() & 0o077 != 0 {
            return None;
        }
        let context: Option<Self> = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok();
        let alive = context.filter(|context| context.started != 0 && start_of(context.pid) == Some(context.started));
        if alive.is_none() {
            // Left by a demo that could not clean up; that it cannot be removed harms nobody.
            let _ = std::fs::remove_file(path);
        }
        alive
    }

    /// Leaves the note; `None` when another demo's is there already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn leave(&self, path: &Path) -> std::io::Result<Option<Note>> {
        if Self::running_at(path).is_some() {
            return Ok(None);
        }
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(None),
            opened => opened?,
        };
        let note = Note { path: path.to_owned() };
        file.write_all(serde_json::to_string(self)?.as_bytes())?;
        Ok(Some(note))
    }
}

/// A note that is there; removed when dropped.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
}

impl Drop for Note {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the demo's note");
        }
    }
}

/// Where the note is: `$XDG_STATE_HOME/tidegate/demo.json`.
#[must_use]
pub fn file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = state.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))?;
    Some(state.join("tidegate/demo.json"))
}

/// When a process started (field 22 of `/proc/<pid>/stat`); `None` when there is no such process.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name in parentheses may itself hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tidegate-note-{name}-{}/demo.json", std::process::id()))
    }

    #[test]
    fn a_note_is_private_found_and_removed_with_its_demo() {
        let path = place("found");
        let context = DemoContext::of_this_process("http://127.0.0.1:1".into(), "tg_a_b".into());
        let note = context.leave(&path).unwrap().expect("nothing was there");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(DemoContext::running_at(&path), Some(context.clone()));
        assert!(context.leave(&path).unwrap().is_none(), "a running demo's note stays");
        drop(note);
        assert!(!path.exists());
        std::fs::remove_dir(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_note_whose_process_is_gone_is_ignored_and_removed() {
        let path = place("stale");
        let mut context = DemoContext::of_this_process("http://127.0.0.1:1".into(), "tg_a_b".into());
        context.started += 1;
        let note = context.leave(&path).unwrap();
        assert_eq!(DemoContext::running_at(&path), None);
        assert!(!path.exists());
        std::mem::forget(note);
        std::fs::remove_dir(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_note_that_others_could_read_is_not_trusted() {
        let path = place("open");
        let context = DemoContext::of_this_process("http://127.0.0.1:1".into(), "tg_a_b".into());
        let note = context.leave(&path).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(DemoContext::running_at(&path), None);
        drop(note);
        std::fs::remove_dir(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn the_note_never_prints_its_token() {
        assert!(!format!("{:?}", DemoContext::of_this_process(String::new(), "tg_a_b".into())).contains("tg_a"));
    }
}

//! Tests of the SQLite store on real files.

mod basics;
mod crash;
mod damage;
mod disk;
mod restore;

use super::SqliteStore;
use crate::store::{Store, suite};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of one test, removed at its end.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidegate-store-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A state folder inside.
    fn folder(&self) -> PathBuf {
        self.0.join("state")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder).unwrap()
}

/// A store with `commits` commits, closed again.
async fn filled(folder: &Path, commits: u64) {
    let store = open(folder);
    let from = store.load().await.unwrap().revision;
    for expected in from..from + commits {
        store.commit(suite::step(expected)).await.unwrap();
    }
}

/// Names in a folder that contain `part`.
fn names(folder: &Path, part: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.contains(part));
    names.sort();
    names
}

//! Tests of the whole room: folders of files in, definitions or rendered problems out.

mod copies;
mod files;
mod messages;
mod plans;
mod random;
mod server;
mod warnings;

use super::{Loaded, load_zones};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes away with the test.
pub(super) struct TestFolder(PathBuf);

impl TestFolder {
    /// A folder with these files.
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidegate-config-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What loading says is wrong, with the folder's path cut out of it.
    pub(super) fn problems(&self) -> String {
        match load_zones(&self.0) {
            Ok(_) => String::new(),
            Err(problems) => self.without_path(&problems.to_string()),
        }
    }

    pub(super) fn without_path(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        // A folder left behind in the temporary folder fails no test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Loads one zone, `example.test`, from a TOML.
pub(super) fn load(toml: &str) -> Loaded {
    let folder = TestFolder::with(&[("example.test.toml", toml)]);
    load_zones(folder.path()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is wrong with one zone's TOML.
pub(super) fn problems_of(toml: &str) -> String {
    TestFolder::with(&[("example.test.toml", toml)]).problems()
}

/// The warnings of one zone's TOML.
pub(super) fn warnings_of(toml: &str) -> String {
    let texts: Vec<String> = load(toml).warnings.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

/// A zone table that gives no cause for complaint.
pub(super) const ZONE: &str = "[zone]\nns = [\"ns1.example.net\"]\n";

/// A switch with two pools, and `more` in its own table.
pub(super) fn switch(more: &str) -> String {
    format!(
        "{ZONE}[switch.app]\nowners = [\"app.example.test\"]\nmonitor = {{ tcp = 80 }}\n{more}\n\
         [switch.app.pool.blue]\nmembers = [\"192.0.2.10\"]\nweight = 10000\n\
         [switch.app.pool.green]\nmembers = [\"192.0.2.20\"]\nweight = 0\n"
    )
}

//! A folder of zone files that goes away with the scenario.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tidegate::state::Definitions;

/// A folder of zone files that goes away with the scenario.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidegate-scenario-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    /// Writes files; an empty text removes one.
    pub(super) fn change(&self, files: &BTreeMap<String, String>) -> Result<(), String> {
        for (name, text) in files {
            let path = self.0.join(name);
            let done = if text.is_empty() { std::fs::remove_file(path) } else { std::fs::write(path, text) };
            done.map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    }

    pub(super) fn load(&self) -> Result<Arc<Definitions>, String> {
        tidegate::config::load_zones(&self.0)
            .map(|loaded| Arc::new(loaded.definitions))
            .map_err(|problems| format!("the files are not valid\n{problems}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder left behind in the temporary folder fails no scenario.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

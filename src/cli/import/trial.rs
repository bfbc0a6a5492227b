//! A folder in which new files are checked together with those that are there already.

use crate::config::{self, Problem};
use std::path::{Path, PathBuf};

/// The folder, removed again.
pub(super) struct Trial {
    path: PathBuf,
    /// Where the files will be.
    out: PathBuf,
}

/// What `check` says, with the places the files will have.
pub(super) struct Findings {
    /// What keeps the files from being served.
    pub problems: Vec<String>,
    /// What is worth a thought.
    pub warnings: Vec<String>,
}

impl Trial {
    /// A folder in `within` that has everything `out` has.
    pub(super) fn new(within: &Path, out: &Path) -> std::io::Result<Self> {
        let path = within.join(format!(".tidegate-import-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        let trial = Self { path, out: out.to_owned() };
        for entry in std::fs::read_dir(out).into_iter().flatten() {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let (original, link) = (std::path::absolute(entry.path())?, trial.path.join(entry.file_name()));
            // A hard link is a file of this folder, which `$INCLUDE` insists on; it cannot be had everywhere.
            if !entry.file_type()?.is_file() || std::fs::hard_link(&original, &link).is_err() {
                std::os::unix::fs::symlink(&original, &link)?;
            }
        }
        Ok(trial)
    }

    /// Where a file stands for the check.
    pub(super) fn file(&self, path: &Path) -> PathBuf {
        self.path.join(path.file_name().unwrap_or_default())
    }

    /// Checks everything in it.
    pub(super) fn check(&self) -> Findings {
        let report = config::check(&self.path);
        let (here, there) = (self.path.display().to_string(), self.out.display().to_string());
        let problems = report.problems.iter().map(|problem: &Problem| problem.to_string().replace(&here, &there));
        let warnings = report.warnings.into_iter().map(|warning| warning.message.replace(&here, &there));
        Findings { problems: problems.collect(), warnings: warnings.collect() }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // It holds nothing that is not in the dump or in the folder beside it.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

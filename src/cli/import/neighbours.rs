//! The switches of the zone files that are in the folder already: a server knows switches by name alone.

use crate::cli::exit::Failure;
use std::collections::BTreeSet;
use std::path::Path;

/// The largest file that is looked into; `check` has the same limit for what a server reads.
const FILE_LIMIT: u64 = 256 << 20;

/// Their names; none where there is no folder yet.
///
/// # Errors
/// A folder or file that cannot be read.
pub(super) fn switches(folder: &Path) -> Result<BTreeSet<String>, Failure> {
    let failed =
        |path: &Path, error: std::io::Error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(failed(folder, error)),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        let is_settings = path.extension().is_some_and(|extension| extension == "toml");
        let small = std::fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= FILE_LIMIT);
        if !is_settings || !small {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
        // What is no TOML defines no switch, and `check` says so.
        let Ok(file) = toml::from_str::<toml::Table>(&text) else { continue };
        if let Some(switches) = file.get("switch").and_then(toml::Value::as_table) {
            names.extend(switches.keys().cloned());
        }
    }
    Ok(names)
}

//! The folder of zone files: which files make which zone, and reading them.
//!
//! Everything read is read through here. `$INCLUDE` never leaves the folder: absolute paths, `..`
//! and symbolic links that lead out are refused.

use super::findings::Findings;
use super::problem::{Problem, nearest};
use crate::dns::Name;
use crate::dns::tsig::KeyRing;
use crate::steering::GeoDatabases;
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The largest file that is read, octets: larger is a mistake, not a zone (offsets are 32 bits wide).
const MAX_FILE: u64 = u32::MAX as u64;

/// A folder of zone files.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    /// As the operator named it.
    path: PathBuf,
    /// The databases that rules can go by.
    pub(super) geo: GeoDatabases,
    /// The keys of the server's file, where that is known.
    pub(super) keys: Option<KeyRing>,
}

/// The files of one zone; at least one of them is there.
#[derive(Debug, Clone)]
pub(super) struct ZoneFiles {
    /// The top of the zone, from the files' name.
    pub(super) apex: Name,
    /// `<apex>.zone`.
    pub(super) master: Option<PathBuf>,
    /// `<apex>.toml`.
    pub(super) settings: Option<PathBuf>,
}

impl ZoneFiles {
    /// The file that stands for the zone in messages.
    pub(super) fn display(&self) -> String {
        self.settings.as_ref().or(self.master.as_ref()).map_or_else(String::new, |path| path.display().to_string())
    }
}

impl Folder {
    /// A folder by its path.
    pub(super) fn new(path: &Path, geo: &GeoDatabases, keys: Option<&KeyRing>) -> Self {
        Self { path: path.to_owned(), geo: geo.clone(), keys: keys.cloned() }
    }

    /// The zones of the folder, sorted by apex.
    pub(super) fn zones(&self, findings: &mut Findings) -> Vec<ZoneFiles> {
        let shown = self.path.display().to_string();
        let mut paths: Vec<PathBuf> =
            match std::fs::read_dir(&self.path).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect()) {
                Ok(paths) => paths,
                Err(error) => {
                    let remedy = "name the folder of the zone files with --zones or `zones = \"...\"`".to_owned();
                    findings.problems.push(Problem::of_file(
                        &shown,
                        format!("can't read the folder: {error}"),
                        Some(remedy),
                    ));
                    return Vec::new();
                }
            };
        paths.sort();
        let mut zones: BTreeMap<Name, ZoneFiles> = BTreeMap::new();
        for path in paths {
            add_file(path, &mut zones, findings);
        }
        zones.into_values().collect()
    }

    /// The path of a file named by the operator; relative ones start at the folder.
    pub(super) fn beside(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// The same, so that it means one file in every folder the server is started in.
    pub(super) fn absolute(&self, file: &str) -> String {
        let path = self.beside(file);
        std::path::absolute(&path).unwrap_or(path).display().to_string()
    }

    /// A text file named by the operator.
    pub(super) fn read_beside(&self, file: &str) -> io::Result<String> {
        String::from_utf8(read_limited(&self.beside(file))?)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
    }

    /// What `$INCLUDE` names: the file as messages show it, and its octets.
    pub(super) fn include(&self, file: &str) -> Result<(Arc<str>, Vec<u8>), String> {
        let relative = Path::new(file);
        if relative.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(format!("`{file}` leads out of the folder of the zone files"));
        }
        let path = self.path.join(relative);
        let inside = path.canonicalize().and_then(|real| Ok(real.starts_with(self.path.canonicalize()?)));
        if !inside.map_err(|e| format!("can't read `{}`: {e}", path.display()))? {
            return Err(format!("`{file}` leads out of the folder of the zone files by a link"));
        }
        let bytes = read_limited(&path).map_err(|e| format!("can't read `{}`: {e}", path.display()))?;
        Ok((path.display().to_string().into(), bytes))
    }
}

/// Sorts one path of the folder into the zones; what is no zone file is passed over.
fn add_file(path: PathBuf, zones: &mut BTreeMap<Name, ZoneFiles>, findings: &mut Findings) {
    let Some((stem, kind)) = path.file_stem().and_then(|s| s.to_str()).zip(path.extension().and_then(|e| e.to_str()))
    else {
        return;
    };
    let is_master = match kind {
        "zone" => true,
        "toml" => false,
        _ => {
            if nearest(kind, ["zone", "toml"]).is_some() {
                let message = format!("not read: its name ends in `.{kind}`");
                findings.warnings.push(Problem::of_file(
                    &path.display().to_string(),
                    message,
                    Some("end it in `.zone` or `.toml`".to_owned()),
                ));
            }
            return;
        }
    };
    if stem.starts_with('.') || !path.is_file() {
        return;
    }
    let apex = match stem.parse::<Name>() {
        Ok(apex) => apex,
        Err(error) => {
            let message = format!("`{stem}` is no zone name: {error}");
            findings.problems.push(Problem::of_file(
                &path.display().to_string(),
                message,
                Some("name the file after its zone".to_owned()),
            ));
            return;
        }
    };
    let files = zones.entry(apex.clone()).or_insert_with(|| ZoneFiles { apex, master: None, settings: None });
    let slot = if is_master { &mut files.master } else { &mut files.settings };
    if let Some(first) = slot {
        let message = format!("the same zone as `{}`", first.display());
        findings.problems.push(Problem::of_file(
            &path.display().to_string(),
            message,
            Some("remove one of the two files".to_owned()),
        ));
        return;
    }
    *slot = Some(path);
}

/// Reads a whole file unless it is too large to be meant.
pub(super) fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.len() > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is over 4 GiB"));
    }
    std::fs::read(path)
}

//! Files of networks by country and autonomous system: reads them, and notices when they are replaced.
//!
//! A file counts as replaced when its inode, size or time of change is another than before, and as
//! whole when two looks in a row find the same: whoever writes one in place is not disturbed. Never
//! decides what the networks mean.

use crate::steering::{GeoDatabase, GeoDatabases, GeoError, GeoKind, GeoReport};
use std::fs::Metadata;
use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The largest database that is read, octets; the largest sold are about half of it.
const MAX_FILE: u64 = 1 << 30;

/// The files the operator named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeoFiles {
    /// By country.
    pub country: Option<PathBuf>,
    /// By autonomous system.
    pub asn: Option<PathBuf>,
}

/// What tells one version of the files from another; no entry: the file is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look(Vec<Option<[i128; 4]>>);

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoFilesError {
    /// A file cannot be read.
    #[error("cannot read the {kind} database {}: {source}; put it there, or remove `{kind}` under `[geo]`", .file.display())]
    Read {
        /// What it should be about.
        kind: GeoKind,
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no database to go by.
    #[error(transparent)]
    Unusable(#[from] GeoError),
}

impl GeoFiles {
    /// Reads and verifies every file.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn load(&self) -> Result<GeoDatabases, GeoFilesError> {
        let load = |kind, file: &Option<PathBuf>| file.as_deref().map(|file| load(kind, file)).transpose();
        Ok(GeoDatabases { country: load(GeoKind::Country, &self.country)?, asn: load(GeoKind::Asn, &self.asn)? })
    }

    /// Looks at the files without reading them.
    #[must_use]
    pub fn look(&self) -> Look {
        Look(
            self.country
                .iter()
                .chain(&self.asn)
                .map(|file| std::fs::metadata(file).ok().map(|metadata| mark(&metadata)))
                .collect(),
        )
    }
}

/// Reads a file.
fn load(kind: GeoKind, file: &Path) -> Result<Arc<GeoDatabase>, GeoFilesError> {
    let fail = |source| GeoFilesError::Read { kind, file: file.to_owned(), source };
    if std::fs::metadata(file).map_err(fail)?.len() > MAX_FILE {
        return Err(fail(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is over 1 GiB")));
    }
    let bytes = std::fs::read(file).map_err(fail)?;
    Ok(Arc::new(GeoDatabase::read(kind, &file.display().to_string(), bytes)?))
}

fn mark(metadata: &Metadata) -> [i128; 4] {
    let [inode, size] = [metadata.ino(), metadata.size()].map(i128::from);
    let [seconds, nanoseconds] = [metadata.mtime(), metadata.mtime_nsec()].map(i128::from);
    [inode, size, seconds, nanoseconds]
}

/// Reports every replacement of the files, until told to end; `known` is the version in force.
pub async fn watch(files: GeoFiles, known: Look, reports: mpsc::Sender<GeoReport>, until: impl Future<Output = ()>) {
    if files != GeoFiles::default() {
        tokio::select! {
            () = report_changes(&files, known, &reports) => {}
            () = until => {}
        }
    }
}

/// Looks again and again; ends when nobody listens any more.
async fn report_changes(files: &GeoFiles, mut known: Look, reports: &mpsc::Sender<GeoReport>) {
    let mut last = known.clone();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let looker = files.clone();
        let Ok(look) = tokio::task::spawn_blocking(move || looker.look()).await else { continue };
        let settled = look == last;
        last = look;
        if !settled || last == known {
            continue;
        }
        known = last.clone();
        let loader = files.clone();
        let loaded = tokio::task::spawn_blocking(move || loader.load()).await;
        let report = match loaded {
            Ok(loaded) => loaded.map_err(|error| error.to_string()),
            Err(panic) => Err(format!("reading the databases failed: {panic}")),
        };
        if reports.send(report).await.is_err() {
            return;
        }
    }
}

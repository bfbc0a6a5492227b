//! The state folder: its files, who may read them, and the lock that keeps a second server out.

use super::fault::{Fault, Space, is_full};
use crate::store::StoreError;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Desired state, audit, tokens.
pub(super) const STATE: &str = "state.db";
/// The checked copy that follows each commit.
pub(super) const COPY: &str = "state.copy.db";
/// What was observed, saved each second.
pub(super) const SEEN: &str = "seen.db";
/// Ends the name of a file that is still being made.
const UNFINISHED: &str = ".new";
/// What SQLite keeps beside a database file.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// How much is written to find out whether there is space, bytes: more than one usual commit.
const PROBE_LEN: usize = 64 * 1024;
/// How often the lock is tried before it counts as taken.
const LOCK_TRIES: u32 = 50;
/// The pause between two of them: one second in all.
const BETWEEN_LOCK_TRIES: Duration = Duration::from_millis(20);

/// The state folder, locked for as long as the value lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Creates the folder where needed (0700) and takes its lock.
    pub(super) fn lock(path: &Path) -> Result<Self, StoreError> {
        let failed = |what: &str, err: std::io::Error| match is_full(&err) {
            true => StoreError::Full { path: path.to_owned() },
            false => StoreError::Failed(format!("cannot {what} {}: {err}", path.display())),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|err| failed("create the state folder", err))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join("lock"));
        let lock = lock.map_err(|err| failed("open the lock file of", err))?;
        adopt(path, &lock).map_err(|err| failed("give the lock file to the owner of", err))?;
        if !try_lock_for_a_moment(&lock).map_err(|err| failed("lock", err))? {
            return Err(StoreError::Locked { path: path.to_owned() });
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder.sweep().map_err(|fault| folder.explain(fault))?;
        Ok(folder)
    }

    /// The path of one of its files.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes what an interrupted start, backup or restore left half made.
    fn sweep(&self) -> Result<(), Fault> {
        for name in [STATE, COPY, SEEN] {
            remove_database(&self.unfinished(name))?;
        }
        remove(&self.file("space"))
    }

    /// The path a new version of a file is made under.
    pub(super) fn unfinished(&self, name: &str) -> PathBuf {
        self.file(&format!("{name}{UNFINISHED}"))
    }

    /// Creates an empty file that only this user may read, for SQLite to fill.
    pub(super) fn begin(&self, name: &str) -> Result<PathBuf, Fault> {
        let path = self.unfinished(name);
        remove_database(&path)?;
        self.create(&path)?;
        Ok(path)
    }

    /// Creates a file with mode 0600 that belongs to whom the folder belongs: a restore run as root
    /// must not leave files that the server cannot read.
    pub(super) fn create(&self, path: &Path) -> Result<File, Fault> {
        let file = create_private(path)?;
        adopt(&self.path, &file).map_err(Fault::io(format!("give {} to the owner of its folder", path.display())))?;
        Ok(file)
    }

    /// Puts the finished file in its place, durably; what SQLite kept beside the old one must not
    /// meet the new one.
    pub(super) fn finish(&self, name: &str) -> Result<(), Fault> {
        sync_file(&self.unfinished(name))?;
        for companion in COMPANIONS {
            remove(&self.file(&format!("{name}{companion}")))?;
        }
        self.sync()?;
        fs::rename(self.unfinished(name), self.file(name)).map_err(Fault::io(format!("put {name} in place")))?;
        self.sync()
    }

    /// Moves a database and its companions out of the way, under `<name>.<label>`; none of them
    /// need exist. Returns the new place of the file itself if there was one.
    pub(super) fn set_aside(&self, name: &str, label: &str) -> Result<Option<PathBuf>, Fault> {
        let mut kept = None;
        for companion in [""].iter().chain(&COMPANIONS) {
            let from = self.file(&format!("{name}{companion}"));
            let to = self.file(&format!("{name}.{label}{companion}"));
            match fs::rename(&from, &to) {
                Ok(()) if companion.is_empty() => kept = Some(to),
                Ok(()) => {}
                Err(err) if err.kind() == ErrorKind::NotFound => {}
                Err(err) => return Err(Fault::io(format!("set {} aside", from.display()))(err)),
            }
        }
        self.sync()?;
        Ok(kept)
    }

    /// Makes the folder's entries durable.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        sync_folder(&self.path)
    }

    /// Whether 64 KiB can be written.
    pub(super) fn has_space(&self) -> Result<(), Fault> {
        let path = self.file("space");
        let written = self.create(&path).and_then(|mut file| {
            file.write_all(&[0; PROBE_LEN])
                .and_then(|()| file.sync_all())
                .map_err(Fault::io(format!("write {}", path.display())))
        });
        remove(&path)?;
        written
    }

    /// Says a fault in the store's words.
    pub(super) fn explain(&self, fault: Fault) -> StoreError {
        let full = match fault.space() {
            Space::Gone => true,
            Space::Unclear => self.has_space().is_err_and(|probe| probe.space() == Space::Gone),
            Space::Fine => false,
        };
        match fault {
            _ if full => StoreError::Full { path: self.path.clone() },
            Fault::Conflict { expected, current } => StoreError::Conflict { expected, current },
            Fault::Damaged(why) => StoreError::Failed(format!(
                "{} holds damaged rows ({why}): restart to check it against its copy",
                self.path.display()
            )),
            other => StoreError::Failed(other.to_string()),
        }
    }
}

/// Takes the lock, or tells that another process has it. It is tried for a moment: a server that is
/// ending, or a child it is just starting, may still hold it.
fn try_lock_for_a_moment(lock: &File) -> std::io::Result<bool> {
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_LOCK_TRIES),
            Err(TryLockError::Error(err)) => return Err(err),
        }
    }
    Ok(false)
}

/// Creates a file with mode 0600.
pub(super) fn create_private(path: &Path) -> Result<File, Fault> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.map_err(Fault::io(format!("create {}", path.display())))
}

/// Gives a file made by root to the owner of its folder.
fn adopt(folder: &Path, file: &File) -> std::io::Result<()> {
    let (theirs, ours) = (fs::metadata(folder)?, file.metadata()?);
    if ours.uid() == 0 && theirs.uid() != 0 {
        std::os::unix::fs::fchown(file, Some(theirs.uid()), Some(theirs.gid()))?;
    }
    Ok(())
}

/// Takes read access from others where a file came with it (a copy made by hand).
pub(super) fn make_private(path: &Path) -> Result<(), Fault> {
    let wrong = |err| Fault::io(format!("restrict {} to its owner", path.display()))(err);
    let mode = fs::metadata(path).map_err(wrong)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(wrong)?;
    }
    Ok(())
}

/// Makes a file's contents durable.
pub(super) fn sync_file(path: &Path) -> Result<(), Fault> {
    File::open(path).and_then(|file| file.sync_all()).map_err(Fault::io(format!("sync {}", path.display())))
}

/// Makes a folder's entries durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), Fault> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(Fault::io(format!("sync the folder {}", path.display())))
}

/// Removes a file that need not exist.
pub(super) fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != ErrorKind::NotFound => Err(Fault::io(format!("remove {}", path.display()))(err)),
        _ => Ok(()),
    }
}

/// Removes a database file and what SQLite keeps beside it.
pub(super) fn remove_database(path: &Path) -> Result<(), Fault> {
    for companion in [""].iter().chain(&COMPANIONS) {
        let mut name = path.as_os_str().to_owned();
        name.push(companion);
        remove(Path::new(&name))?;
    }
    Ok(())
}

/// The length of a file; `None` when there is none.
pub(super) fn len_of(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|meta| meta.len())
}

/// The path of what SQLite keeps beside a database file.
pub(super) fn beside(path: &Path, companion: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(companion);
    PathBuf::from(name)
}

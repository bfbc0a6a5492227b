//! Backups: one compact, consistent file, readable by its owner only, put in place whole.

use super::fault::{Fault, Space};
use super::folder::{beside, create_private, remove_database, sync_file, sync_folder};
use super::schema;
use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// Backs up a state file that other connections go on using.
pub(super) fn from_file(state: &Path, to: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(state, flags).map_err(|err| said(to, &err.into()))?;
    write(&conn, to)
}

/// Backs up an open state file.
pub(super) fn write(conn: &Connection, to: &Path) -> Result<(), StoreError> {
    let unfinished = beside(to, ".new");
    let written = copy(conn, &unfinished, to);
    if written.is_err() {
        // The first failure is the one to tell; what is left behind is replaced by the next backup.
        remove_database(&unfinished)
            .unwrap_or_else(|fault| tracing::warn!(%fault, "an unfinished backup stays behind"));
    }
    written.map_err(|fault| said(to, &fault))
}

fn copy(conn: &Connection, unfinished: &Path, to: &Path) -> Result<(), Fault> {
    if to.is_dir() {
        return Err(Fault::Refused("it is a folder: name a file in it".to_owned()));
    }
    remove_database(unfinished)?;
    create_private(unfinished)?;
    schema::vacuum_into(conn, unfinished)?;
    sync_file(unfinished)?;
    std::fs::rename(unfinished, to).map_err(Fault::io(format!("put {} in place", to.display())))?;
    let folder =
        to.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    sync_folder(&folder)
}

fn said(to: &Path, fault: &Fault) -> StoreError {
    match fault.space() {
        Space::Gone => StoreError::Failed(format!(
            "no space left for the backup {}: free some, or name another place",
            to.display()
        )),
        _ => StoreError::Failed(format!("cannot back up to {}: {fault}", to.display())),
    }
}

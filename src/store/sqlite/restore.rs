//! Bringing a backup back, with the server stopped: the past returns, but no number is used twice.
//!
//! Revision and SOA serials go on from the larger of backup and present state (RFC 1982), so that no
//! secondary misses the change and no `If-Match` of before fits by accident. Tokens come from the
//! backup. The audit keeps the rows of both. Remembered replies are forgotten: they tell of changes
//! that the restore took back.

use super::fault::Fault;
use super::folder::{COPY, Folder, STATE, beside, len_of};
use super::read::{self, Mark};
use super::rows;
use super::schema::{self, Found, STATE_KIND, Sharing};
use super::write;
use crate::clock;
use crate::dns::Name;
use crate::dns::serial::newest;
use crate::store::{AuditRow, StoreError};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who restores, for the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The operator's name.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// The revision of the backup.
    pub backup_revision: u64,
    /// The revision before; `None` when there was no state, or none that could be read.
    pub previous_revision: Option<u64>,
    /// The revision from here on: greater than both.
    pub revision: u64,
    /// Switches with run-time state.
    pub switches: usize,
    /// The serial of each zone from here on.
    pub serials: Vec<(Name, u32)>,
    /// API tokens in force from here on: those of the backup.
    pub tokens: usize,
    /// Where the state of before was put.
    pub replaced: Option<PathBuf>,
    /// Why the state of before could not be read whole; its serials may then have been higher, and
    /// each secondary must be checked by hand.
    pub unread: Option<String>,
}

/// What the folder holds before the restore.
#[derive(Debug, Default)]
struct Present {
    mark: Option<Mark>,
    serials: Vec<(Name, u32)>,
    audit: Vec<AuditRow>,
    unread: Option<String>,
}

/// Replaces the state in `folder` by the backup `from`. The server must be stopped.
///
/// # Errors
/// `Locked` while a server runs, `Newer` for a backup of a newer format, `Failed` for a file that is
/// no usable backup; the state is then as it was.
pub fn restore(folder: &Path, from: &Path, options: &RestoreOptions) -> Result<RestoreReport, StoreError> {
    let folder = Folder::lock(folder)?;
    let mut backup = take_in(&folder, from)?;
    let present = look(&folder);
    let report = merge(&mut backup, present, options).and_then(|report| schema::close(backup).map(|()| report));
    let mut report = report.map_err(|fault| folder.explain(fault))?;
    report.replaced = exchange(&folder).map_err(|fault| folder.explain(fault))?;
    Ok(report)
}

/// Copies the backup into the folder and checks it there.
fn take_in(folder: &Folder, from: &Path) -> Result<Connection, StoreError> {
    let unusable = |why: String| StoreError::Failed(format!("{} is no usable backup: {why}", from.display()));
    if len_of(&beside(from, "-wal")).is_some_and(|len| len > 0) {
        return Err(unusable(
            "a -wal file stands beside it, so it is a database in use: make one with `tidegate backup`".to_owned(),
        ));
    }
    if from.is_dir() {
        return Err(unusable("it is a folder".to_owned()));
    }
    let mut source = std::fs::File::open(from).map_err(|err| unusable(err.to_string()))?;
    let begun = folder.begin(STATE).and_then(|path| Ok((folder.create(&path)?, path)));
    let (mut target, path) = begun.map_err(|fault| folder.explain(fault))?;
    let copied = std::io::copy(&mut source, &mut target).and_then(|_| target.sync_all());
    copied.map_err(|err| folder.explain(Fault::io(format!("copy {}", from.display()))(err)))?;
    match schema::find(folder, &path, &STATE_KIND, Sharing::Alone) {
        Ok(Found::Good(conn)) => Ok(conn),
        Ok(Found::Damaged(why)) => Err(unusable(why)),
        Ok(Found::Missing) => Err(unusable("it vanished".to_owned())),
        Err(StoreError::Newer { found, known, .. }) => Err(StoreError::Newer { path: from.to_owned(), found, known }),
        Err(err) => Err(err),
    }
}

/// Reads the present state as far as it can be read, from the state file and its copy.
fn look(folder: &Folder) -> Present {
    let mut present = Present::default();
    for (name, sharing) in [(STATE, Sharing::Shared), (COPY, Sharing::Alone)] {
        let path = folder.file(name);
        let found = schema::find(folder, &path, &STATE_KIND, sharing);
        let read = match found {
            Ok(Found::Missing) => continue,
            Ok(Found::Good(conn)) => look_into(&conn, &mut present).map_err(|fault| fault.to_string()),
            Ok(Found::Damaged(why)) => salvage(&path, &mut present, why),
            Err(err) => salvage(&path, &mut present, err.to_string()),
        };
        if let Err(why) = read {
            present.unread.get_or_insert(format!("{name}: {why}"));
        }
    }
    present
}

/// Takes what rows still match their sums from a file that failed its check.
fn salvage(path: &Path, present: &mut Present, why: String) -> Result<(), String> {
    if let Err(fault) = schema::connect(path, Sharing::Alone).and_then(|conn| look_into(&conn, present)) {
        tracing::warn!(%fault, path = %path.display(), "the state of before could not be read to its end");
    }
    Err(why)
}

fn look_into(conn: &Connection, present: &mut Present) -> Result<(), Fault> {
    let mark = read::mark(conn)?;
    let known = present.mark.get_or_insert(mark);
    *known = Mark { revision: known.revision.max(mark.revision), change: known.change.max(mark.change) };
    present.serials.extend(read::serials(conn)?);
    let mut audit = Vec::new();
    rows::read(conn, &rows::AUDIT, |row| {
        audit.push(read::audit(row)?);
        Ok(())
    })?;
    present.audit.extend(audit);
    Ok(())
}

/// Carries the numbers and the audit of the present into the backup.
fn merge(backup: &mut Connection, present: Present, options: &RestoreOptions) -> Result<RestoreReport, Fault> {
    let tx = backup.transaction()?;
    let loaded = read::state(&tx)?;
    let theirs = read::mark(&tx)?;
    let ours = present.mark.unwrap_or(Mark { revision: 0, change: 0 });
    let mark = Mark { revision: theirs.revision.max(ours.revision) + 1, change: theirs.change.max(ours.change) + 1 };
    let mut serials: BTreeMap<Name, u32> = BTreeMap::new();
    for (zone, serial) in loaded.serials.into_iter().chain(present.serials) {
        serials.entry(zone).and_modify(|known| *known = newest(serial, *known)).or_insert(serial);
    }
    let serials: Vec<(Name, u32)> = serials.into_iter().map(|(zone, serial)| (zone, serial.wrapping_add(1))).collect();
    write::put_serials(&tx, &serials)?;
    write::put_mark(&tx, mark)?;
    merge_audit(&tx, present.audit)?;
    let row = AuditRow {
        revision: mark.revision,
        at_unix_ms: clock::unix_ms(),
        who: options.who.clone(),
        from: String::new(),
        verb: "restore".to_owned(),
        switch: None,
        reason: options.reason.clone(),
        forced: false,
        before: serde_json::json!({ "revision": present.mark.map(|mark| mark.revision) }),
        after: serde_json::json!({ "revision": mark.revision, "backup_revision": theirs.revision }),
    };
    write::put_audit(&tx, &[row])?;
    tx.execute("DELETE FROM idempotency", [])?;
    tx.commit()?;
    Ok(RestoreReport {
        backup_revision: theirs.revision,
        previous_revision: present.mark.map(|mark| mark.revision),
        revision: mark.revision,
        switches: loaded.switches.len(),
        serials,
        tokens: loaded.tokens.len(),
        replaced: None,
        unread: present.unread,
    })
}

/// Adds the audit rows the backup does not have.
fn merge_audit(tx: &Connection, present: Vec<AuditRow>) -> Result<(), Fault> {
    // A row's place in the history and its content: both files of a folder hold the same rows.
    let identity = |row: &AuditRow| serde_json::to_string(row).expect("an audit row is JSON");
    let mut known = std::collections::HashSet::new();
    rows::read(tx, &rows::AUDIT, |row| {
        known.insert(identity(&read::audit(row)?));
        Ok(())
    })?;
    let missing: Vec<AuditRow> = present.into_iter().filter(|row| known.insert(identity(row))).collect();
    write::put_audit(tx, &missing)?;
    Ok(())
}

/// Puts the merged backup in place. Until the last rename the copy of before stands for the state.
fn exchange(folder: &Folder) -> Result<Option<PathBuf>, Fault> {
    let label = format!("replaced-{}", clock::unix_ms() / 1000);
    let replaced = folder.set_aside(STATE, &label)?;
    folder.finish(STATE)?;
    folder.set_aside(COPY, &label)?;
    Ok(replaced)
}

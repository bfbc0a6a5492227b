//! Files and their format: tables, settings of a connection, creation, and the check at start.

use super::fault::Fault;
use super::folder::{Folder, len_of, make_private};
use super::rows::{self, Table};
use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// The format this program writes (`PRAGMA user_version`).
pub(super) const FORMAT: u32 = 4;

/// Longer than a person's `sqlite3` query holds the file, shorter than an operator's patience.
const BUSY: Duration = Duration::from_secs(2);

/// A kind of file: what marks it, what it holds.
#[derive(Debug)]
pub(super) struct Kind {
    /// `PRAGMA application_id`.
    application: i32,
    tables: &'static [&'static Table],
    /// What each later format added to the first, which `ddl` makes.
    upgrades: &'static [(u32, &'static str)],
    ddl: &'static str,
}

/// Format 2: the secret of DNS cookies, edited sets of zones.
const COOKIES_AND_EDITS: &str = "
CREATE TABLE IF NOT EXISTS cookie (
    id INTEGER PRIMARY KEY CHECK (id = 1), secret TEXT NOT NULL, previous TEXT, made_unix_ms INTEGER NOT NULL,
    sum INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS edit (
    zone TEXT NOT NULL, owner TEXT NOT NULL, rtype INTEGER NOT NULL, body TEXT NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (zone, owner, rtype)) STRICT, WITHOUT ROWID;
";

/// Format 3: what is kept of A/B tests.
const TRIALS: &str = "
CREATE TABLE IF NOT EXISTS trial (
    switch TEXT PRIMARY KEY, body TEXT NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// Format 4: copies of zones. When they were confirmed is written far more often than they are.
const COPIES: &str = "
CREATE TABLE IF NOT EXISTS copy (
    zone TEXT PRIMARY KEY, body BLOB NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS confirmed (
    zone TEXT PRIMARY KEY, at_unix_ms INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// `state.db` and its copy.
pub(super) const STATE_KIND: Kind = Kind {
    application: 0x5469_6465, // "Tide"
    tables: &[
        &rows::META,
        &rows::SWITCH,
        &rows::SERIAL,
        &rows::EDIT,
        &rows::AUDIT,
        &rows::IDEMPOTENCY,
        &rows::TOKEN,
        &rows::COOKIE,
    ],
    upgrades: &[(2, COOKIES_AND_EDITS)],
    ddl: "
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, change INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE TABLE switch (name TEXT PRIMARY KEY, body TEXT NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE serial (zone TEXT PRIMARY KEY, serial INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY, revision INTEGER NOT NULL, at_unix_ms INTEGER NOT NULL, who TEXT NOT NULL,
    from_address TEXT NOT NULL, verb TEXT NOT NULL, switch TEXT, reason TEXT, forced INTEGER NOT NULL,
    before TEXT NOT NULL, after TEXT NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE INDEX audit_revision ON audit (revision, seq);
CREATE INDEX audit_switch ON audit (switch, revision, seq);
CREATE INDEX audit_age ON audit (at_unix_ms);
CREATE TABLE idempotency (
    token TEXT NOT NULL, key TEXT NOT NULL, request_hash TEXT NOT NULL, reply TEXT NOT NULL, at_unix_ms INTEGER NOT NULL,
    sum INTEGER NOT NULL, PRIMARY KEY (token, key)) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (at_unix_ms);
CREATE TABLE token (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, role TEXT NOT NULL, switches TEXT NOT NULL,
    created_unix_ms INTEGER NOT NULL, expires_unix_ms INTEGER, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
",
};

/// `seen.db`.
pub(super) const SEEN_KIND: Kind = Kind {
    application: 0x5469_6453, // "TidS"
    tables: &[&rows::LEDGER, &rows::PROMISES, &rows::HEALTH, &rows::TRIALS, &rows::COPIES, &rows::CONFIRMED],
    upgrades: &[(3, TRIALS), (4, COPIES)],
    ddl: "
CREATE TABLE seen_ledger (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE TABLE promises (switch TEXT PRIMARY KEY, body TEXT NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE health (target TEXT PRIMARY KEY, body TEXT NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
",
};

/// Who else may open the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Others may read it: people with `sqlite3`, our own backup.
    Shared,
    /// Nobody; SQLite then needs no `-shm` file, which a full disk could refuse it.
    Alone,
}

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Missing,
    /// A file that passed every check.
    Good(Connection),
    /// A file that did not.
    Damaged(String),
}

/// Opens a database for writing: WAL, one fsync per commit, nothing taken on trust.
pub(super) fn connect(path: &Path, sharing: Sharing) -> Result<Connection, Fault> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    if sharing == Sharing::Alone {
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::Refused(format!(
            "{} is on a file system without write-ahead logs (mode {mode})",
            path.display()
        )));
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    // Checkpoints run between commits, not inside one.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

/// Makes an empty database and puts it in place whole: a power cut leaves all of it or none.
pub(super) fn create(folder: &Folder, name: &str, kind: &Kind) -> Result<(), Fault> {
    let path = folder.begin(name)?;
    let mut conn = connect(&path, Sharing::Alone)?;
    let tx = conn.transaction()?;
    tx.execute_batch(kind.ddl)?;
    upgrade(&tx, kind, 1)?;
    if kind.application == STATE_KIND.application {
        rows::put(&tx, &rows::META, [vec![rows::number(1), rows::number(0), rows::number(0)]])?;
    }
    tx.pragma_update(None, "application_id", kind.application)?;
    tx.pragma_update(None, "user_version", FORMAT)?;
    tx.commit()?;
    close(conn)?;
    folder.finish(name)
}

/// Closes a connection, which folds its write-ahead log into the file.
pub(super) fn close(conn: Connection) -> Result<(), Fault> {
    conn.close().map_err(|(_, err)| Fault::Sql(err))
}

/// Looks at what stands at `path` and checks all of it.
///
/// # Errors
/// `Newer`, a full disk, and a file of another user: none says that the file is damaged.
pub(super) fn find(folder: &Folder, path: &Path, kind: &Kind, sharing: Sharing) -> Result<Found, StoreError> {
    match len_of(path) {
        None if len_of(&super::folder::beside(path, "-wal")).is_some_and(|len| len > 0) => {
            return Ok(Found::Damaged("the file is missing, but its -wal is there".to_owned()));
        }
        None => return Ok(Found::Missing),
        Some(0) => return Ok(Found::Damaged("the file is empty".to_owned())),
        Some(_) => {}
    }
    if let Err(err) = File::options().read(true).write(true).open(path)
        && matches!(err.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
    {
        let why = format!(
            "cannot open {}: {err}: the user that runs the server must own the files of its state folder",
            path.display()
        );
        return Err(StoreError::Failed(why));
    }
    match open_and_check(path, kind, sharing) {
        Ok(Ok(conn)) => Ok(Found::Good(conn)),
        Ok(Err(found)) => Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT }),
        Err(fault) => {
            let text = fault.to_string();
            match folder.explain(fault) {
                full @ StoreError::Full { .. } => Err(full),
                _ => Ok(Found::Damaged(text)),
            }
        }
    }
}

/// The open file, or the number of its newer format.
fn open_and_check(path: &Path, kind: &Kind, sharing: Sharing) -> Result<Result<Connection, u32>, Fault> {
    make_private(path)?;
    let mut conn = connect(path, sharing)?;
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != kind.application {
        return Err(Fault::Damaged("it is not a state file of tidegate".to_owned()));
    }
    let format: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format > FORMAT {
        return Ok(Err(format));
    }
    if format == 0 {
        return Err(Fault::Damaged("it has no format number".to_owned()));
    }
    if format < FORMAT {
        let tx = conn.transaction()?;
        upgrade(&tx, kind, format)?;
        tx.pragma_update(None, "user_version", FORMAT)?;
        tx.commit()?;
    }
    check(&conn, kind)?;
    Ok(Ok(conn))
}

/// Adds what formats after `format` have.
fn upgrade(conn: &Connection, kind: &Kind, format: u32) -> Result<(), Fault> {
    for (_, ddl) in kind.upgrades.iter().filter(|(since, _)| *since > format) {
        conn.execute_batch(ddl)?;
    }
    Ok(())
}

/// Checks structure (`quick_check`) and every row's sum.
pub(super) fn check(conn: &Connection, kind: &Kind) -> Result<(), Fault> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Fault::Damaged(verdict));
    }
    for table in kind.tables {
        rows::read(conn, table, |_| Ok(()))?;
    }
    Ok(())
}

/// Writes a compact copy of an open database to a new version of `name`, checks it, and puts it in place.
pub(super) fn copy_into(folder: &Folder, conn: &Connection, name: &str) -> Result<(), Fault> {
    let path = folder.begin(name)?;
    vacuum_into(conn, &path)?;
    let copied = connect(&path, Sharing::Alone)?;
    check(&copied, &STATE_KIND)?;
    close(copied)?;
    folder.finish(name)
}

/// `VACUUM INTO` a file that exists and is empty.
pub(super) fn vacuum_into(conn: &Connection, path: &Path) -> Result<(), Fault> {
    let target = path.to_str().ok_or_else(|| Fault::Refused(format!("{} is not UTF-8", path.display())))?;
    conn.execute("VACUUM INTO ?1", [target])?;
    Ok(())
}

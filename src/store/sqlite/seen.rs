//! The thread that saves what was observed, in a file of its own: no commit ever waits for it.
//!
//! Losing the file is safe: it is set aside and begun anew, and a start without it counts every pool
//! as answered until then.

use super::conditions::{Conditions, Part};
use super::fault::Fault;
use super::folder::{Folder, SEEN};
use super::rows::{self, number, text};
use super::schema::{self, Found, SEEN_KIND, Sharing};
use super::{copies, read, writer::Reply};
use crate::clock;
use crate::store::{CopyRow, Seen, StoreError};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Log pages between two checkpoints, 4 KiB each: 1 MiB.
const PAGES_PER_CHECKPOINT: u32 = 256;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Job {
    Load(Reply<(Option<Seen>, Vec<CopyRow>)>),
    Save(Seen, Reply<()>),
    KeepCopy(CopyRow, Reply<()>),
    ConfirmCopy(String, u64, Reply<()>),
    KeepCopiesOf(HashSet<String>, Reply<()>),
}

/// The owner of `seen.db`.
#[derive(Debug)]
pub(super) struct Keeper {
    folder: Arc<Folder>,
    conditions: Arc<Conditions>,
    conn: Option<Connection>,
    /// What is not on disk yet: a save that fails loses nothing, the next one carries it.
    unsaved: Unsaved,
}

/// Rows by key, `None` for those that are gone.
type Changes = BTreeMap<String, Option<String>>;

/// Rows that the next save writes.
#[derive(Debug, Default)]
struct Unsaved {
    promises: Changes,
    health: Changes,
    trials: Changes,
}

impl Keeper {
    /// Opens the file if it can; a failure is shown by the store's condition and tried again at each save.
    pub(super) fn open(folder: Arc<Folder>, conditions: Arc<Conditions>) -> Result<Self, StoreError> {
        let mut keeper = Self { folder, conditions, conn: None, unsaved: Unsaved::default() };
        match keeper.connection().map(|_| ()) {
            Err(newer @ StoreError::Newer { .. }) => return Err(newer),
            result => keeper.conditions.outcome(Part::Seen, &result),
        }
        Ok(keeper)
    }

    /// Works until every sender is gone.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            // A caller that went away does not want the reply; what was asked is done all the same.
            match job {
                Job::Load(reply) => drop(reply.send(self.load())),
                Job::Save(seen, reply) => drop(reply.send(self.save(seen))),
                Job::KeepCopy(copy, reply) => drop(reply.send(self.write(|conn| copies::keep(conn, &copy)))),
                Job::ConfirmCopy(zone, at, reply) => {
                    drop(reply.send(self.write(|conn| copies::confirm(conn, &zone, at))));
                }
                Job::KeepCopiesOf(zones, reply) => drop(reply.send(self.write(|conn| copies::keep_of(conn, &zones)))),
            }
        }
    }

    fn load(&mut self) -> Result<(Option<Seen>, Vec<CopyRow>), StoreError> {
        let Some(conn) = &self.conn else { return Ok((None, Vec::new())) };
        let both = read::seen(conn).and_then(|seen| Ok((seen, read::copies(conn)?)));
        both.map_err(|fault| self.folder.explain(fault))
    }

    fn save(&mut self, seen: Seen) -> Result<(), StoreError> {
        let promises = &mut self.unsaved.promises;
        promises.extend(seen.promises.into_iter().map(|(switch, body)| (switch, Some(body))));
        promises.extend(seen.promises_gone.into_iter().map(|switch| (switch, None)));
        let health = &mut self.unsaved.health;
        health.extend(seen.health.into_iter().map(|(target, body)| (target, Some(body))));
        health.extend(seen.health_gone.into_iter().map(|target| (target, None)));
        let trials = &mut self.unsaved.trials;
        trials.extend(seen.trials.into_iter().map(|(switch, body)| (switch, Some(body))));
        trials.extend(seen.trials_gone.into_iter().map(|switch| (switch, None)));
        let unsaved = std::mem::take(&mut self.unsaved);
        let result = self.write(|conn| put(conn, &seen.ledger, &unsaved));
        if result.is_err() {
            self.unsaved = unsaved;
        }
        result
    }

    /// Writes something; after a failure the file is opened anew.
    fn write(&mut self, write: impl FnOnce(&mut Connection) -> Result<(), Fault>) -> Result<(), StoreError> {
        let result = match self.connection() {
            Ok(conn) => write(conn).map_err(|fault| self.folder.explain(fault)),
            Err(err) => Err(err),
        };
        if matches!(result, Err(StoreError::Failed(_))) {
            self.conn = None;
        }
        self.conditions.outcome(Part::Seen, &result);
        result
    }

    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => open(&self.folder)?,
        };
        Ok(self.conn.insert(conn))
    }
}

fn open(folder: &Folder) -> Result<Connection, StoreError> {
    let path = folder.file(SEEN);
    let said = |fault: Fault| folder.explain(fault);
    let conn = match schema::find(folder, &path, &SEEN_KIND, Sharing::Alone)? {
        Found::Good(conn) => conn,
        found => {
            if let Found::Damaged(why) = found {
                let kept = folder.set_aside(SEEN, &format!("damaged-{}", clock::unix_ms() / 1000)).map_err(said)?;
                tracing::error!(why, ?kept, "the record of what was seen is damaged and begins anew");
            }
            schema::create(folder, SEEN, &SEEN_KIND).map_err(said)?;
            schema::connect(&path, Sharing::Alone).map_err(said)?
        }
    };
    conn.pragma_update(None, "wal_autocheckpoint", PAGES_PER_CHECKPOINT).map_err(|err| said(err.into()))?;
    Ok(conn)
}

fn put(conn: &mut Connection, ledger: &str, unsaved: &Unsaved) -> Result<(), Fault> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    rows::put(&tx, &rows::LEDGER, [vec![number(1), text(ledger)]])?;
    let changed =
        [(&rows::PROMISES, &unsaved.promises), (&rows::HEALTH, &unsaved.health), (&rows::TRIALS, &unsaved.trials)];
    for (table, changes) in changed {
        let present = changes.iter().filter_map(|(key, body)| Some(vec![text(key), text(body.as_deref()?)]));
        rows::put(&tx, table, present)?;
        let mut delete = tx.prepare_cached(&format!("DELETE FROM {} WHERE {} = ?1", table.name, table.columns[0]))?;
        for (key, _) in changes.iter().filter(|(_, body)| body.is_none()) {
            delete.execute([key])?;
        }
    }
    tx.commit()?;
    Ok(())
}

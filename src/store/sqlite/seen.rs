//! The thread that saves what was observed, in a file of its own: no commit ever waits for it.
//!
//! Losing the file is safe: it is set aside and begun anew, and a start without it counts every pool
//! as answered until then.

use super::conditions::{Conditions, Part};
use super::fault::Fault;
use super::folder::{Folder, SEEN};
use super::rows::{self, number, text};
use super::schema::{self, Found, SEEN_KIND, Sharing};
use super::{read, writer::Reply};
use crate::clock;
use crate::store::{Seen, StoreError};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Log pages between two checkpoints, 4 KiB each: 1 MiB.
const PAGES_PER_CHECKPOINT: u32 = 256;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Job {
    Load(Reply<Option<Seen>>),
    Save(Seen, Reply<()>),
}

/// The owner of `seen.db`.
#[derive(Debug)]
pub(super) struct Keeper {
    folder: Arc<Folder>,
    conditions: Arc<Conditions>,
    conn: Option<Connection>,
    /// Health not on disk yet, `None` for targets that are gone: a save that fails loses nothing, the
    /// next one carries it.
    unsaved: BTreeMap<String, Option<String>>,
}

impl Keeper {
    /// Opens the file if it can; a failure is shown by the store's condition and tried again at each save.
    pub(super) fn open(folder: Arc<Folder>, conditions: Arc<Conditions>) -> Result<Self, StoreError> {
        let mut keeper = Self { folder, conditions, conn: None, unsaved: BTreeMap::new() };
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
            }
        }
    }

    fn load(&mut self) -> Result<Option<Seen>, StoreError> {
        match &self.conn {
            Some(conn) => read::seen(conn).map_err(|fault| self.folder.explain(fault)),
            None => Ok(None),
        }
    }

    fn save(&mut self, seen: Seen) -> Result<(), StoreError> {
        self.unsaved.extend(seen.health.into_iter().map(|(target, body)| (target, Some(body))));
        self.unsaved.extend(seen.health_gone.into_iter().map(|target| (target, None)));
        let unsaved = std::mem::take(&mut self.unsaved);
        let result = match self.connection() {
            Ok(conn) => put(conn, &seen.ledger, &unsaved).map_err(|fault| self.folder.explain(fault)),
            Err(err) => Err(err),
        };
        if result.is_err() {
            self.unsaved = unsaved;
        }
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

fn put(conn: &mut Connection, ledger: &str, health: &BTreeMap<String, Option<String>>) -> Result<(), Fault> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    rows::put(&tx, &rows::LEDGER, [vec![number(1), text(ledger)]])?;
    let present = health.iter().filter_map(|(target, body)| Some(vec![text(target), text(body.as_deref()?)]));
    rows::put(&tx, &rows::HEALTH, present)?;
    let mut delete = tx.prepare_cached("DELETE FROM health WHERE target = ?1")?;
    for (target, _) in health.iter().filter(|(_, body)| body.is_none()) {
        delete.execute([target])?;
    }
    drop(delete);
    tx.commit()?;
    Ok(())
}

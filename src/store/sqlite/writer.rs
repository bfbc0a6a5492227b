//! The thread that owns the state file and its copy: one job at a time, in the order they came.
//!
//! A write is answered when it is durable in the state file; the copy follows before the next job.
//! Checkpoints, the reserve and a lagging copy are looked after between jobs, never inside a commit.

use super::conditions::{Conditions, Part};
use super::fault::Fault;
use super::folder::{Folder, STATE};
use super::read::{self, Mark};
use super::reserve::Reserve;
use super::schema::{self, Sharing};
use super::start::{self, Started};
use super::write::{self, Applied, Write};
use crate::clock;
use crate::store::{AuditRow, Condition, CookieRow, HistoryQuery, IdempotencyRow, Loaded, StoreError};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Writes between two checkpoints: about 2 MiB of log at the size of a usual commit.
const WRITES_PER_CHECKPOINT: u32 = 64;

/// Ticks (about one a second) between two attempts to mend what a full disk spoilt.
const TICKS_PER_ATTEMPT: u32 = 5;

/// More commits than the copy can lack (one after a crash, a few when it failed): revision and
/// serials skip this many when it takes over, so that none is used twice.
const COPY_MARGIN: u32 = 100;
const _: () = assert!(COPY_MARGIN < 1 << 31, "a serial may only move forward (RFC 1982)");

/// Where the reply to a job goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Job {
    Load(Reply<Loaded>),
    Write {
        write: Write,
        may_use_reserve: bool,
        reply: Reply<usize>,
    },
    History(HistoryQuery, Reply<Vec<AuditRow>>),
    Recall {
        token: String,
        key: String,
        now_unix_ms: u64,
        reply: Reply<Option<IdempotencyRow>>,
    },
    /// The secrets of DNS cookies.
    Cookies(Reply<Option<CookieRow>>),
    /// A backup of a file that nobody can read beside this thread.
    Backup(PathBuf, Reply<()>),
    AcceptCopy(Reply<()>),
    /// Something is unwell: see whether it can be mended.
    Mend,
}

/// The owner of the files.
#[derive(Debug)]
pub(super) struct Writer {
    folder: Arc<Folder>,
    conditions: Arc<Conditions>,
    reserve: Reserve,
    active: Connection,
    copy: Option<Connection>,
    on_copy: Option<String>,
    /// Whether a second connection can read beside `active`.
    pub(super) shared: bool,
    since_checkpoint: u32,
    ticks: u32,
}

impl Writer {
    /// Opens the files.
    pub(super) fn open(folder: Arc<Folder>, conditions: Arc<Conditions>) -> Result<Self, StoreError> {
        let reserve = Reserve::new(&folder);
        let Started { active, copy, on_copy, shared } = start::start(&folder, &reserve)?;
        conditions.outcome(Part::Copy, &copy);
        if let Some(why) = &on_copy {
            tracing::error!(
                why,
                "the state file is damaged: serving from its checked copy, changes are refused until confirmed"
            );
        }
        conditions.note_on_copy(on_copy.clone());
        let copy = copy.unwrap_or(None);
        let writer = Self { folder, conditions, reserve, active, copy, on_copy, shared, since_checkpoint: 0, ticks: 0 };
        writer.refill_reserve();
        Ok(writer)
    }

    /// Works until every sender is gone.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            self.take(job);
        }
    }

    fn take(&mut self, job: Job) {
        // A caller that went away does not want the reply; what was asked is done all the same.
        match job {
            Job::Load(reply) => drop(reply.send(self.load())),
            Job::Write { write, may_use_reserve, reply } => {
                let result = self.write(&write, may_use_reserve);
                let applied = result.as_ref().ok().copied();
                drop(reply.send(result.map(|applied| applied.rows)));
                if let Some(applied) = applied.filter(|applied| applied.rows > 0) {
                    self.follow(&write, applied.mark, may_use_reserve);
                    self.checkpoint_when_due();
                }
            }
            Job::History(query, reply) => drop(reply.send(self.said(read::history(&self.active, &query)))),
            Job::Recall { token, key, now_unix_ms, reply } => {
                drop(reply.send(self.said(read::recall(&self.active, &token, &key, now_unix_ms))));
            }
            Job::Cookies(reply) => drop(reply.send(self.said(read::cookies(&self.active)))),
            Job::Backup(to, reply) => drop(reply.send(super::backup::write(&self.active, &to))),
            Job::AcceptCopy(reply) => drop(reply.send(self.accept_copy())),
            Job::Mend => self.mend(),
        }
    }

    fn said<T>(&self, result: Result<T, Fault>) -> Result<T, StoreError> {
        result.map_err(|fault| self.folder.explain(fault))
    }

    fn load(&self) -> Result<Loaded, StoreError> {
        let mut loaded = self.said(read::state(&self.active))?;
        if self.on_copy.is_some() {
            advance(&mut loaded);
        }
        Ok(loaded)
    }

    /// Makes a write durable in the state file, or refuses it whole.
    fn write(&mut self, write: &Write, may_use_reserve: bool) -> Result<Applied, StoreError> {
        if let Some(why) = &self.on_copy {
            return Err(StoreError::OnCopy { why: why.clone() });
        }
        let mut gave = false;
        loop {
            let result = write::apply(&mut self.active, write);
            let result = self.said(result);
            if matches!(result, Err(StoreError::Full { .. })) && may_use_reserve && self.said(self.reserve.give())? {
                self.conditions.note(Part::Reserve, Some(Condition::Full));
                gave = true;
                continue;
            }
            if matches!(result, Err(StoreError::Failed(_))) {
                self.bury();
            }
            if gave && result.is_ok() {
                self.conditions.note(Part::State, Some(Condition::Full));
            } else {
                self.conditions.outcome(Part::State, &result);
            }
            return result;
        }
    }

    /// After a failed fsync the refused commit may stand whole in the log, and a restart would find
    /// it: an empty transaction in its place makes the refusal true.
    fn bury(&self) {
        if let Err(err) = self.active.pragma_update(None, "user_version", schema::FORMAT) {
            tracing::warn!(%err, "could not overwrite a refused commit in the log");
        }
    }

    /// Lets the copy do the same.
    fn follow(&mut self, write: &Write, mark: Mark, may_use_reserve: bool) {
        let Some(copy) = &mut self.copy else { return };
        let result = loop {
            let result = write::apply(copy, write).and_then(|applied| {
                let behind = || Fault::Damaged(format!("it stands at {:?}, the state file at {mark:?}", applied.mark));
                if applied.mark == mark { Ok(()) } else { Err(behind()) }
            });
            let result = result.map_err(|fault| self.folder.explain(fault));
            if matches!(result, Err(StoreError::Full { .. })) && may_use_reserve && self.reserve.give().unwrap_or(false)
            {
                continue;
            }
            break result;
        };
        if result.is_err() {
            self.copy = None;
        }
        self.conditions.outcome(Part::Copy, &result);
    }

    /// Folds the logs into their files now and then; a failure only lets the log grow.
    fn checkpoint_when_due(&mut self) {
        self.since_checkpoint += 1;
        if self.since_checkpoint < WRITES_PER_CHECKPOINT {
            return;
        }
        self.since_checkpoint = 0;
        for conn in std::iter::once(&self.active).chain(&self.copy) {
            if let Err(err) = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
                tracing::warn!(%err, "a checkpoint failed; the log grows until the next one");
            }
        }
    }

    /// Looks after what is unwell, seldom enough that a full disk is not kept busy by it.
    fn mend(&mut self) {
        self.ticks += 1;
        if self.ticks % TICKS_PER_ATTEMPT != 1 {
            return;
        }
        if self.conditions.ails(Part::State) && self.on_copy.is_none() {
            let probed = self
                .folder
                .has_space()
                .and_then(|()| Ok(self.active.pragma_update(None, "user_version", schema::FORMAT)?));
            self.conditions.outcome(Part::State, &self.said(probed));
        }
        if self.conditions.ails(Part::Reserve) {
            self.refill_reserve();
        }
        if self.conditions.ails(Part::Copy) && self.on_copy.is_none() {
            self.renew_copy();
        }
    }

    fn refill_reserve(&self) {
        if !self.reserve.is_whole() {
            self.conditions.outcome(Part::Reserve, &self.said(self.reserve.refill(&self.folder)));
        }
    }

    fn renew_copy(&mut self) {
        self.copy = None;
        let result = self.said(start::renew_copy(&self.folder, &self.active));
        self.conditions.outcome(Part::Copy, &result);
        self.copy = result.ok();
    }

    /// The copy becomes the state file; the damaged one is kept beside it.
    fn accept_copy(&mut self) -> Result<(), StoreError> {
        if self.on_copy.is_none() {
            return Ok(());
        }
        let replaced = self.replace_state();
        self.active = self.said(replaced)?;
        self.on_copy = None;
        self.conditions.note_on_copy(None);
        self.renew_copy();
        Ok(())
    }

    fn replace_state(&self) -> Result<Connection, Fault> {
        let path = self.folder.begin(STATE)?;
        schema::vacuum_into(&self.active, &path)?;
        let conn = schema::connect(&path, Sharing::Alone)?;
        let mut loaded = read::state(&conn)?;
        let change = read::mark(&conn)?.change + u64::from(COPY_MARGIN);
        advance(&mut loaded);
        write::put_serials(&conn, &loaded.serials)?;
        write::put_mark(&conn, Mark { revision: loaded.revision, change })?;
        schema::check(&conn, &schema::STATE_KIND)?;
        schema::close(conn)?;
        let kept = self.folder.set_aside(STATE, &format!("damaged-{}", clock::unix_ms() / 1000))?;
        self.folder.finish(STATE)?;
        tracing::warn!(damaged = ?kept, revision = loaded.revision, "the checked copy became the state file");
        schema::connect(&self.folder.file(STATE), Sharing::Shared)
    }
}

/// Skips what the state file may have held beyond its copy.
fn advance(loaded: &mut Loaded) {
    loaded.revision += u64::from(COPY_MARGIN);
    for (_, serial) in &mut loaded.serials {
        *serial = serial.wrapping_add(COPY_MARGIN);
    }
}

//! The store of one node: SQLite files in a folder, owned by two threads.
//!
//! `state.db` holds what is wanted (one fsync per commit), `state.copy.db` follows it, `seen.db`
//! holds what was observed, `reserve` keeps space for a full disk, `lock` keeps a second server out.
//! Never served from: a start reads everything once. The files are ordinary SQLite 3.37 or newer,
//! open to `sqlite3` while the server runs.

mod backup;
mod conditions;
mod copies;
mod fault;
mod folder;
mod read;
mod reserve;
mod restore;
mod rows;
mod schema;
mod seen;
mod start;
mod write;
mod writer;

#[cfg(test)]
mod tests;

pub use restore::{RestoreOptions, RestoreReport, restore};

use self::conditions::{Conditions, Part};
use self::folder::Folder;
use self::write::Write;
use self::writer::Job;
use super::{
    AuditRow, Commit, Condition, CookieRow, CopyRow, HistoryQuery, IdempotencyRow, Loaded, Seen, Store, StoreError,
    TokenRow,
};
use crate::dns::Name;
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait; senders beyond that wait themselves.
const QUEUE_LEN: usize = 64;

/// The SQLite store. Dropping it ends its threads, closes its files and frees the folder.
#[derive(Debug)]
pub struct SqliteStore {
    folder: Arc<Folder>,
    conditions: Arc<Conditions>,
    /// Present until dropped.
    writer: Option<mpsc::Sender<Job>>,
    /// Present until dropped.
    keeper: Option<mpsc::Sender<seen::Job>>,
    threads: Vec<JoinHandle<()>>,
    /// Whether a backup can be read beside the writer.
    shared: bool,
}

impl SqliteStore {
    /// Opens the state folder, creating it (0700) where needed. Blocks while the files are checked.
    ///
    /// # Errors
    /// `Locked`, `Newer`, `BothDamaged`; `Full` or `Failed` when a new store cannot be made. A damaged
    /// state file with a good copy is no error: [`Store::condition`] says so.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let folder = Arc::new(Folder::lock(folder)?);
        let conditions = Arc::new(Conditions::default());
        let writer = writer::Writer::open(folder.clone(), conditions.clone())?;
        let shared = writer.shared;
        let keeper = seen::Keeper::open(folder.clone(), conditions.clone())?;
        let (to_writer, jobs) = mpsc::channel(QUEUE_LEN);
        let (to_keeper, saves) = mpsc::channel(QUEUE_LEN);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
            spawned.map_err(|err| StoreError::Failed(format!("cannot start the thread {name}: {err}")))
        };
        let threads = vec![
            spawn("store", Box::new(move || writer.run(jobs)))?,
            spawn("store-seen", Box::new(move || keeper.run(saves)))?,
        ];
        Ok(Self { folder, conditions, writer: Some(to_writer), keeper: Some(to_keeper), threads, shared })
    }

    async fn ask<T>(&self, job: impl FnOnce(writer::Reply<T>) -> Job + Send) -> Result<T, StoreError> {
        send(self.writer.as_ref(), job).await
    }

    async fn write(&self, write: Write, may_use_reserve: bool) -> Result<usize, StoreError> {
        self.ask(|reply| Job::Write { write, may_use_reserve, reply }).await
    }

    /// Lets the writer see to what is unwell, without waiting for it.
    fn tick(&self) {
        let ails = [Part::State, Part::Copy, Part::Reserve].iter().any(|part| self.conditions.ails(*part));
        if let Some(writer) = self.writer.as_ref().filter(|_| ails)
            && let Err(err) = writer.try_send(Job::Mend)
        {
            tracing::debug!(%err, "the store is busy; mending waits for the next second");
        }
    }
}

/// Sends a job and waits for its reply.
async fn send<J, T>(
    to: Option<&mpsc::Sender<J>>,
    job: impl FnOnce(writer::Reply<T>) -> J + Send,
) -> Result<T, StoreError> {
    let ended = || StoreError::Failed("its thread has ended".to_owned());
    let (reply, answer) = oneshot::channel();
    to.ok_or_else(ended)?.send(job(reply)).await.map_err(|_| ended())?;
    answer.await.map_err(|_| ended())?
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.writer = None;
        self.keeper = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let mut loaded = self.ask(Job::Load).await?;
        (loaded.seen, loaded.copies) = send(self.keeper.as_ref(), seen::Job::Load).await?;
        Ok(loaded)
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        if commit.revision < commit.expected {
            return Err(StoreError::Failed(super::backwards(&commit)));
        }
        let may_use_reserve = commit.may_use_reserve;
        self.write(Write::Commit(Box::new(commit)), may_use_reserve).await.map(|_| ())
    }

    async fn save_seen(&self, seen: Seen) -> Result<(), StoreError> {
        self.tick();
        send(self.keeper.as_ref(), |reply| seen::Job::Save(seen, reply)).await
    }

    async fn keep_copy(&self, copy: CopyRow) -> Result<(), StoreError> {
        send(self.keeper.as_ref(), |reply| seen::Job::KeepCopy(copy, reply)).await
    }

    async fn confirm_copy(&self, zone: &Name, confirmed_unix_ms: u64) -> Result<(), StoreError> {
        let zone = zone.to_string();
        send(self.keeper.as_ref(), |reply| seen::Job::ConfirmCopy(zone, confirmed_unix_ms, reply)).await
    }

    async fn keep_copies_of(&self, zones: &[Name]) -> Result<(), StoreError> {
        let zones = zones.iter().map(ToString::to_string).collect();
        send(self.keeper.as_ref(), |reply| seen::Job::KeepCopiesOf(zones, reply)).await
    }

    async fn history(&self, query: HistoryQuery) -> Result<Vec<AuditRow>, StoreError> {
        self.ask(|reply| Job::History(query, reply)).await
    }

    async fn recall(&self, token: &str, key: &str, now_unix_ms: u64) -> Result<Option<IdempotencyRow>, StoreError> {
        let (token, key) = (token.to_owned(), key.to_owned());
        self.ask(|reply| Job::Recall { token, key, now_unix_ms, reply }).await
    }

    async fn put_token(&self, token: TokenRow) -> Result<(), StoreError> {
        self.write(Write::PutToken(token), false).await.map(|_| ())
    }

    async fn remove_token(&self, id: &str) -> Result<bool, StoreError> {
        self.write(Write::RemoveToken(id.to_owned()), true).await.map(|rows| rows > 0)
    }

    async fn cookie_secrets(&self) -> Result<Option<CookieRow>, StoreError> {
        self.ask(Job::Cookies).await
    }

    async fn put_cookie_secrets(&self, secrets: CookieRow) -> Result<(), StoreError> {
        self.write(Write::PutCookies(secrets), false).await.map(|_| ())
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let to = to.to_owned();
        if !self.shared {
            return self.ask(|reply| Job::Backup(to, reply)).await;
        }
        let state = self.folder.file(folder::STATE);
        let work = tokio::task::spawn_blocking(move || backup::from_file(&state, &to));
        work.await.unwrap_or_else(|err| Err(StoreError::Failed(format!("the backup was cut short: {err}"))))
    }

    async fn prune(&self, now_unix_ms: u64) -> Result<(), StoreError> {
        self.tick();
        if self.conditions.on_copy().is_some() {
            return Ok(());
        }
        while self.write(Write::Prune { now_unix_ms }, false).await? > 0 {}
        Ok(())
    }

    fn condition(&self) -> Condition {
        self.conditions.condition()
    }

    async fn accept_copy(&self) -> Result<(), StoreError> {
        self.ask(Job::AcceptCopy).await
    }
}

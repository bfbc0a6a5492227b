//! What other rooms may ask of the control task, and what they get back.

use super::happenings::{Happenings, Resumed};
use super::report::{DrainView, RecentView, SamplesTaken, Status, SwitchView};
use super::updates::{UpdatesPage, UpdatesQuery};
use crate::rollout::Sample;
use crate::rollout::trial::report::TrialReport;
use crate::snapshot::Snapshot;
use crate::state::{Rejection, Request};
use crate::store::{AuditRow, HistoryQuery, StoreError, TokenRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// A change asked for, with who asks and how.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The command and its guards.
    pub request: Request,
    /// Decide and answer what would change, but change nothing.
    pub dry_run: bool,
    /// Who asks.
    pub caller: Caller,
    /// A retry with the same key gets the first reply again.
    pub idempotency: Option<IdempotencyKey>,
}

/// Who asks, for the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The token's public id; empty for the server itself.
    pub token_id: String,
    /// The token's name.
    pub name: String,
    /// The address it came from; empty when local.
    pub from: String,
    /// The request's id, for the log; empty for the server itself.
    pub request_id: String,
}

/// A reload asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloading {
    /// Who asks.
    pub caller: Caller,
    /// Why; needed with `force`.
    pub reason: Option<String>,
    /// Also what the guards refuse, such as to remove a pool that has weight.
    pub force: bool,
    /// Only say what would change.
    pub dry_run: bool,
}

/// The caller's own key for one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key as sent.
    pub key: String,
    /// Hash of method, path and body.
    pub request_hash: String,
}

/// The reply to an accepted change (the API's 200 body).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replied {
    /// The revision it made, or the current one when nothing changed.
    pub revision: u64,
    /// Whether anything changed.
    pub changed: bool,
    /// Whether it was only asked what would change.
    #[serde(default)]
    pub dry_run: bool,
    /// Every worker and stream of this node answers from it. False after 1 s without.
    pub applied: bool,
    /// The SOA serial that zones whose answers changed carry from here on.
    pub serials: BTreeMap<String, u32>,
    /// When the last answer given before the change leaves every cache that honours TTLs (RFC 3339).
    pub old_answers_expire_at: Option<String>,
    /// The same, milliseconds from now.
    pub old_answers_expire_in_ms: Option<u64>,
    /// Per switch: weights before and after.
    pub switches: Vec<SplitView>,
    /// What the operator should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The first reply to the same idempotency key, given again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

/// One switch's split before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitView {
    /// The switch.
    pub switch: String,
    /// Pool and weight before.
    pub before: BTreeMap<String, u16>,
    /// Pool and weight after.
    pub after: BTreeMap<String, u16>,
    /// The TTL of answers after the change, seconds.
    pub ttl_s: u32,
}

/// Why a change did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A guard, a bad name, a stale revision.
    #[error("{0}")]
    Rejected(#[from] Rejection),
    /// The store did not take it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The idempotency key was used with another request.
    #[error("this Idempotency-Key was used for another request in the last 24 hours: use a new key for a new change")]
    KeyReused,
    /// The files are not valid; each problem with its place.
    #[error("{} problem(s) in the files; nothing was changed", .0.len())]
    Files(Vec<String>),
    /// The server is on its way down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl Refused {
    /// Whether it is certain that nothing was changed. A commit that failed may have happened all the same, and so may
    /// one whose reply was lost in a shutdown.
    #[must_use]
    pub fn changed_nothing(&self) -> bool {
        !matches!(self, Self::Store(StoreError::Failed(_) | StoreError::Conflict { .. }) | Self::ShuttingDown)
    }
}

/// A question or change on its way to the control task.
#[derive(Debug)]
pub enum Ask {
    /// A change.
    Change(Box<Asked>, oneshot::Sender<Result<Replied, Refused>>),
    /// Read the files again and apply them.
    Reload(Box<Reloading>, oneshot::Sender<Result<Replied, Refused>>),
    /// Everything there is to see.
    Status(oneshot::Sender<Status>),
    /// One switch.
    Switch(String, oneshot::Sender<Result<SwitchView, Rejection>>),
    /// One switch's last minutes.
    Recent(String, oneshot::Sender<Result<RecentView, Rejection>>),
    /// What a switch's A/B test shows.
    Report(String, oneshot::Sender<Result<TrialReport, Rejection>>),
    /// One pool's drain verdict.
    Drain {
        /// The switch.
        switch: String,
        /// The pool.
        pool: String,
        /// Ignore that it is kept warm.
        release_warm: bool,
        /// The answer.
        reply: oneshot::Sender<Result<DrainView, Rejection>>,
    },
    /// Evidence for a rollout.
    Samples {
        /// The switch.
        switch: String,
        /// What was measured.
        samples: Vec<Sample>,
        /// What became of it.
        reply: oneshot::Sender<Result<SamplesTaken, Refused>>,
    },
    /// Audit rows.
    History(HistoryQuery, oneshot::Sender<Result<Vec<AuditRow>, StoreError>>),
    /// Sets that dynamic updates changed.
    Updates(Box<UpdatesQuery>, oneshot::Sender<UpdatesPage>),
    /// The API tokens.
    Tokens(oneshot::Sender<Vec<TokenRow>>),
    /// Adds or replaces a token.
    PutToken(Box<TokenRow>, oneshot::Sender<Result<(), StoreError>>),
    /// Removes a token by id; false when there was none.
    RemoveToken(String, oneshot::Sender<Result<bool, StoreError>>),
    /// Writes a backup to a path on the server.
    Backup(PathBuf, oneshot::Sender<Result<(), StoreError>>),
    /// Confirms that the checked copy becomes the state.
    AcceptCopy(Caller, oneshot::Sender<Result<(), StoreError>>),
}

/// The way to the control task; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    asks: mpsc::Sender<Ask>,
    happenings: Happenings,
    snapshots: Arc<crate::snapshot::SnapshotCell>,
}

impl Handle {
    /// Joins the ends the control task was started with.
    #[must_use]
    pub fn new(asks: mpsc::Sender<Ask>, happenings: Happenings, snapshots: Arc<crate::snapshot::SnapshotCell>) -> Self {
        Self { asks, happenings, snapshots }
    }

    /// Asks for a change; answered when it is durable and applied.
    ///
    /// # Errors
    /// [`Refused`], with the sentence for the person who asked.
    pub async fn change(&self, asked: Asked) -> Result<Replied, Refused> {
        self.ask(|reply| Ask::Change(Box::new(asked), reply)).await.unwrap_or(Err(Refused::ShuttingDown))
    }

    /// Reads the files again; all valid, or nothing changes.
    ///
    /// # Errors
    /// [`Refused::Files`] lists every problem.
    pub async fn reload(&self, reloading: Reloading) -> Result<Replied, Refused> {
        self.ask(|reply| Ask::Reload(Box::new(reloading), reply)).await.unwrap_or(Err(Refused::ShuttingDown))
    }

    /// Everything there is to see; `None` while shutting down (as for the others below).
    pub async fn status(&self) -> Option<Status> {
        self.ask(Ask::Status).await
    }

    /// One switch.
    pub async fn switch(&self, name: &str) -> Option<Result<SwitchView, Rejection>> {
        self.ask(|reply| Ask::Switch(name.to_owned(), reply)).await
    }

    /// One switch's last minutes.
    pub async fn recent(&self, name: &str) -> Option<Result<RecentView, Rejection>> {
        self.ask(|reply| Ask::Recent(name.to_owned(), reply)).await
    }

    /// What a switch's A/B test shows.
    pub async fn report(&self, name: &str) -> Option<Result<TrialReport, Rejection>> {
        self.ask(|reply| Ask::Report(name.to_owned(), reply)).await
    }

    /// One pool's drain verdict.
    pub async fn drain(&self, switch: &str, pool: &str, release_warm: bool) -> Option<Result<DrainView, Rejection>> {
        let (switch, pool) = (switch.to_owned(), pool.to_owned());
        self.ask(|reply| Ask::Drain { switch, pool, release_warm, reply }).await
    }

    /// Hands in evidence for a rollout.
    ///
    /// # Errors
    /// An unknown switch.
    pub async fn samples(&self, switch: &str, samples: Vec<Sample>) -> Result<SamplesTaken, Refused> {
        let switch = switch.to_owned();
        self.ask(|reply| Ask::Samples { switch, samples, reply }).await.unwrap_or(Err(Refused::ShuttingDown))
    }

    /// Audit rows, newest first.
    pub async fn history(&self, query: HistoryQuery) -> Option<Result<Vec<AuditRow>, StoreError>> {
        self.ask(|reply| Ask::History(query, reply)).await
    }

    /// Sets that dynamic updates changed, a page of them.
    pub async fn updates(&self, query: UpdatesQuery) -> Option<UpdatesPage> {
        self.ask(|reply| Ask::Updates(Box::new(query), reply)).await
    }

    /// The API tokens (hashes, not secrets).
    pub async fn tokens(&self) -> Option<Vec<TokenRow>> {
        self.ask(Ask::Tokens).await
    }

    /// Adds or replaces a token.
    pub async fn put_token(&self, token: TokenRow) -> Option<Result<(), StoreError>> {
        self.ask(|reply| Ask::PutToken(Box::new(token), reply)).await
    }

    /// Removes a token.
    pub async fn remove_token(&self, id: &str) -> Option<Result<bool, StoreError>> {
        self.ask(|reply| Ask::RemoveToken(id.to_owned(), reply)).await
    }

    /// Writes a consistent backup on the server's disk.
    pub async fn backup(&self, to: PathBuf) -> Option<Result<(), StoreError>> {
        self.ask(|reply| Ask::Backup(to, reply)).await
    }

    /// Confirms that the checked copy becomes the state (§7.4).
    pub async fn accept_copy(&self, caller: Caller) -> Option<Result<(), StoreError>> {
        self.ask(|reply| Ask::AcceptCopy(caller, reply)).await
    }

    /// What happened after `last_seen`, and what happens from here on.
    #[must_use]
    pub fn happenings(&self, last_seen: Option<u64>) -> Resumed {
        self.happenings.listen(last_seen)
    }

    /// The view queries read at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.load_full()
    }

    /// Sends one ask and waits for its answer.
    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(make(reply)).await.ok()?;
        answer.await.ok()
    }
}

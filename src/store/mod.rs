//! Where desired state lives: SQLite for one node, memory for tests; etcd for many comes beside them.
//!
//! A commit is durable before it returns, or it did not happen. Nothing on the packet road ever
//! waits for this room.

pub mod memory;
pub mod sqlite;

#[cfg(test)]
mod suite;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

use crate::dns::{Name, RecordType};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything a start needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The last committed revision; 0 in a new store.
    pub revision: u64,
    /// Switch name and its state in `state::v1` text.
    pub switches: Vec<(String, String)>,
    /// Last SOA serial per zone.
    pub serials: Vec<(Name, u32)>,
    /// Edited sets of zones.
    pub edits: Vec<EditRow>,
    /// The last image saved by [`Store::save_seen`].
    pub seen: Option<Seen>,
    /// API tokens.
    pub tokens: Vec<TokenRow>,
    /// Copies of zones.
    pub copies: Vec<CopyRow>,
}

/// One atomic change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Commit {
    /// The revision it was decided on; another one in the store refuses it.
    pub expected: u64,
    /// The revision it makes; equal to `expected` when only serials move (health).
    pub revision: u64,
    /// Switch name and its new state in `state::v1` text; `None` deletes it.
    pub switches: Vec<(String, Option<String>)>,
    /// New SOA serials.
    pub serials: Vec<(Name, u32)>,
    /// Edited sets of zones.
    pub edits: Vec<EditRow>,
    /// Audit rows, one per accepted change.
    pub audit: Vec<AuditRow>,
    /// The reply to remember for a retry with the same key.
    pub idempotency: Option<IdempotencyRow>,
    /// `undo` and `abort` may use the reserved space of a full disk (§7.4).
    pub may_use_reserve: bool,
}

/// One set of a zone that was edited at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditRow {
    /// The zone.
    pub zone: Name,
    /// The owner.
    pub owner: Name,
    /// The type.
    pub rtype: RecordType,
    /// The set in `state::v1` text; `None` deletes the row.
    pub body: Option<String>,
}

/// One accepted change, as kept for 400 days (§3.6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRow {
    /// The revision it made.
    pub revision: u64,
    /// Wall clock, milliseconds.
    pub at_unix_ms: u64,
    /// The token's name, `file` for a reload by signal, or `tidegate` for what the server did itself.
    pub who: String,
    /// The address it came from; empty when local.
    pub from: String,
    /// The verb: `flip`, `set-weights`, ...
    pub verb: String,
    /// The switch, where one is concerned.
    pub switch: Option<String>,
    /// The reason given.
    pub reason: Option<String>,
    /// Whether guards were overridden.
    pub forced: bool,
    /// What it was before.
    pub before: serde_json::Value,
    /// What it is after.
    pub after: serde_json::Value,
}

/// A remembered reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdempotencyRow {
    /// The token it belongs to.
    pub token: String,
    /// The caller's key.
    pub key: String,
    /// Hash of method, path and body: another one under the same key is refused.
    pub request_hash: String,
    /// The reply, as JSON text.
    pub reply: String,
    /// Wall clock, milliseconds; kept 24 h.
    pub at_unix_ms: u64,
}

/// What was observed, saved each second: small texts whose form their rooms own. Of promises and
/// health, all on load, and on save those that changed: a second must not cost the catalogue's size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// `drain::v1` text of the ledger's head, the heartbeat.
    pub ledger: String,
    /// Switch and `drain::v1` text of its promises.
    pub promises: Vec<(String, String)>,
    /// Switches without promises to remember any more (save only).
    pub promises_gone: Vec<String>,
    /// Probe target key and `health::v1` text.
    pub health: Vec<(String, String)>,
    /// Probe target keys that are gone (save only).
    pub health_gone: Vec<String>,
    /// Switch and `rollout::trial::v1` text of its A/B test.
    pub trials: Vec<(String, String)>,
    /// Switches whose test is over (save only).
    pub trials_gone: Vec<String>,
}

/// A zone as its primary gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRow {
    /// The zone.
    pub zone: Name,
    /// Its records in `state::v1` form.
    pub body: Vec<u8>,
    /// When a primary confirmed it last, wall clock, milliseconds.
    pub confirmed_unix_ms: u64,
}

/// One API token; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenRow {
    /// Public id (the first part of the token text).
    pub id: String,
    /// The operator's name for it; stands in the audit.
    pub name: String,
    /// SHA-256 of the secret part, hex.
    pub hash: String,
    /// `viewer`, `operator`, `admin` or `member`.
    pub role: String,
    /// Switches it is limited to; empty: all.
    pub switches: Vec<String>,
    /// Wall clock, milliseconds.
    pub created_unix_ms: u64,
    /// Wall clock, milliseconds; `None`: never.
    pub expires_unix_ms: Option<u64>,
}

/// What DNS cookies are made with; nodes that share a store accept each other's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CookieRow {
    /// Makes cookies: 32 hexadecimal digits.
    pub secret: String,
    /// The one before, which is still accepted.
    pub previous: Option<String>,
    /// Wall clock, milliseconds.
    pub made_unix_ms: u64,
}

/// Which audit rows are asked for, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryQuery {
    /// Of this switch only.
    pub switch: Option<String>,
    /// Only rows with a smaller revision (the next page).
    pub before_revision: Option<u64>,
    /// At most this many (1 to 500), rounded up to whole revisions: a change of several switches
    /// is one revision with several rows, and the next page begins below a revision.
    pub limit: u32,
}

/// How long audit rows are kept, milliseconds: 400 days (§3.6).
pub const AUDIT_KEPT_MS: u64 = 400 * 24 * 3600 * 1000;

/// How long replies are remembered, milliseconds: 24 hours (§3.6).
pub const REPLIES_KEPT_MS: u64 = 24 * 3600 * 1000;

/// The most audit rows one page is asked for.
pub const HISTORY_PAGE_MAX: u32 = 500;

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Condition {
    /// Takes commits.
    Ok,
    /// Started from the checked copy because the state file is damaged; refuses commits until an
    /// operator confirms (§7.4).
    OnCopy {
        /// What was wrong with the state file.
        why: String,
    },
    /// The disk is full; `undo` and `abort` still work from the reserve.
    Full,
    /// The last commit failed.
    Failing {
        /// How.
        why: String,
    },
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another revision is current.
    #[error("the store is at revision {current}, the change was decided on {expected}")]
    Conflict {
        /// What the change expected.
        expected: u64,
        /// What the store has.
        current: u64,
    },
    /// No space left (HTTP 507).
    #[error("the disk that holds {path} is full: free some space; undo and abort still work")]
    Full {
        /// The state folder.
        path: PathBuf,
    },
    /// Running on the checked copy until confirmed.
    #[error(
        "the state file was damaged ({why}) and the server runs on its checked copy: look at `tidegate status`, then confirm with `tidegate restore --accept-copy`"
    )]
    OnCopy {
        /// What was wrong.
        why: String,
    },
    /// Written by a newer program.
    #[error(
        "{path} was written by a newer tidegate (format {found}, this one knows {known}): run the newer program, or restore a backup made by this one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// State file and copy are both unusable.
    #[error(
        "{path} is damaged ({why}) and so is its copy ({copy_why}): restore a backup with `tidegate restore FILE`; nothing is served rather than an empty zone"
    )]
    BothDamaged {
        /// The state file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What is wrong with the copy.
        copy_why: String,
    },
    /// Another process holds the state folder.
    #[error("{path} is in use by another tidegate: stop that one first")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Anything else; worth a retry later (HTTP 503).
    #[error("the state store failed: {0}")]
    Failed(String),
}

/// Where desired state lives.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads everything, once, at start.
    async fn load(&self) -> Result<Loaded, StoreError>;
    /// Makes a change durable, or refuses it whole.
    async fn commit(&self, commit: Commit) -> Result<(), StoreError>;
    /// Saves what was observed (each second).
    async fn save_seen(&self, seen: Seen) -> Result<(), StoreError>;
    /// Keeps a copy of a zone, in place of an earlier one.
    async fn keep_copy(&self, copy: CopyRow) -> Result<(), StoreError>;
    /// Keeps when a primary confirmed the copy last.
    async fn confirm_copy(&self, zone: &Name, confirmed_unix_ms: u64) -> Result<(), StoreError>;
    /// Forgets the copies of all zones but these.
    async fn keep_copies_of(&self, zones: &[Name]) -> Result<(), StoreError>;
    /// Audit rows, newest first.
    async fn history(&self, query: HistoryQuery) -> Result<Vec<AuditRow>, StoreError>;
    /// The reply remembered for a key, if it is not older than 24 h at `now_unix_ms`.
    async fn recall(&self, token: &str, key: &str, now_unix_ms: u64) -> Result<Option<IdempotencyRow>, StoreError>;
    /// Adds or replaces a token.
    async fn put_token(&self, token: TokenRow) -> Result<(), StoreError>;
    /// Removes a token; false when there was none.
    async fn remove_token(&self, id: &str) -> Result<bool, StoreError>;
    /// The secrets of DNS cookies, if there are any yet.
    async fn cookie_secrets(&self) -> Result<Option<CookieRow>, StoreError>;
    /// Replaces the secrets of DNS cookies.
    async fn put_cookie_secrets(&self, secrets: CookieRow) -> Result<(), StoreError>;
    /// Writes a consistent backup file.
    async fn backup(&self, to: &Path) -> Result<(), StoreError>;
    /// Deletes audit rows and remembered replies past their time.
    async fn prune(&self, now_unix_ms: u64) -> Result<(), StoreError>;
    /// How it is.
    fn condition(&self) -> Condition;
    /// Ends [`Condition::OnCopy`]: the copy becomes the state file.
    async fn accept_copy(&self) -> Result<(), StoreError>;
}

/// The text of a refused commit that would take the revision back: a fault of the caller.
fn backwards(commit: &Commit) -> String {
    format!("a commit may not take the revision back from {} to {}", commit.expected, commit.revision)
}

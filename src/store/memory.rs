//! The store of tests and simulations: everything in memory, failures on request.
//!
//! Complete: keeps the same promises as the durable stores as long as the value lives, so a
//! "restart" is a second `load`. Never touches a disk except for `backup`.

use super::{
    AUDIT_KEPT_MS, AuditRow, Commit, Condition, CookieRow, CopyRow, EditRow, HISTORY_PAGE_MAX, HistoryQuery,
    IdempotencyRow, Loaded, REPLIES_KEPT_MS, Seen, Store, StoreError, TokenRow,
};
use crate::dns::{Name, RecordType};
use async_trait::async_trait;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a commit shall suffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Refused: no space; a commit that may use the reserve passes.
    Full,
    /// Refused as if another node had moved the revision.
    Conflict,
    /// Refused: the store is away.
    Failed,
    /// Made, but the caller hears that it failed (a reply lost on the way).
    ReplyLost,
}

/// Desired state in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    revision: u64,
    switches: BTreeMap<String, String>,
    serials: BTreeMap<Name, u32>,
    edits: BTreeMap<(Name, Name, RecordType), String>,
    audit: Vec<AuditRow>,
    replies: BTreeMap<(String, String), IdempotencyRow>,
    tokens: BTreeMap<String, TokenRow>,
    cookies: Option<CookieRow>,
    ledger: Option<String>,
    promises: BTreeMap<String, String>,
    health: BTreeMap<String, String>,
    trials: BTreeMap<String, String>,
    copies: BTreeMap<Name, CopyRow>,
    /// Faults of the coming commits, one each.
    next: VecDeque<Fault>,
    /// A fault of every commit until mended.
    standing: Option<Fault>,
    condition: Option<Condition>,
    commits: u64,
}

impl MemoryStore {
    /// An empty store at revision 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next commit suffer `fault`; called several times, the faults queue up.
    pub fn fail_next(&self, fault: Fault) {
        self.inner().next.push_back(fault);
    }

    /// Lets every commit suffer `fault` until [`MemoryStore::mend`].
    pub fn break_with(&self, fault: Fault) {
        self.inner().standing = Some(fault);
    }

    /// Ends all faults.
    pub fn mend(&self) {
        let mut inner = self.inner();
        inner.standing = None;
        inner.next.clear();
        inner.condition = None;
    }

    /// Lets the store stand as if it had started from its checked copy.
    pub fn stand_on_copy(&self, why: &str) {
        self.inner().condition = Some(Condition::OnCopy { why: why.to_owned() });
    }

    /// How many commits were made.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.inner().commits
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Refuses what may not be written while an operator has not confirmed the copy.
    fn writable(&self) -> Result<(), StoreError> {
        match &self.condition {
            Some(Condition::OnCopy { why }) => Err(StoreError::OnCopy { why: why.clone() }),
            _ => Ok(()),
        }
    }

    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        self.writable()?;
        let fault = self.next.pop_front().or(self.standing);
        match fault {
            Some(Fault::Full) => {
                self.condition = Some(Condition::Full);
                if !commit.may_use_reserve {
                    return Err(StoreError::Full { path: PathBuf::from("memory") });
                }
            }
            Some(Fault::Conflict) => {
                return Err(StoreError::Conflict { expected: commit.expected, current: self.revision + 1 });
            }
            Some(Fault::Failed) => {
                let why = "the store is away".to_owned();
                self.condition = Some(Condition::Failing { why: why.clone() });
                return Err(StoreError::Failed(why));
            }
            Some(Fault::ReplyLost) | None => {}
        }
        if commit.expected != self.revision {
            return Err(StoreError::Conflict { expected: commit.expected, current: self.revision });
        }
        if commit.revision < commit.expected {
            return Err(StoreError::Failed(super::backwards(&commit)));
        }
        self.keep(commit);
        if fault.is_none() {
            self.condition = None;
        }
        if fault == Some(Fault::ReplyLost) { Err(StoreError::Failed("the reply was lost".to_owned())) } else { Ok(()) }
    }

    fn keep(&mut self, commit: Commit) {
        self.revision = commit.revision;
        self.commits += 1;
        for (switch, state) in commit.switches {
            match state {
                Some(text) => self.switches.insert(switch, text),
                None => self.switches.remove(&switch),
            };
        }
        self.serials.extend(commit.serials);
        for EditRow { zone, owner, rtype, body } in commit.edits {
            match body {
                Some(body) => self.edits.insert((zone, owner, rtype), body),
                None => self.edits.remove(&(zone, owner, rtype)),
            };
        }
        self.audit.extend(commit.audit);
        if let Some(row) = commit.idempotency {
            self.replies.insert((row.token.clone(), row.key.clone()), row);
        }
    }

    fn history(&self, query: &HistoryQuery) -> Vec<AuditRow> {
        let limit = usize::try_from(query.limit.clamp(1, HISTORY_PAGE_MAX)).unwrap_or(usize::MAX);
        let mut rows: Vec<AuditRow> = Vec::new();
        let below = query.before_revision.unwrap_or(u64::MAX);
        let mut found: Vec<(usize, &AuditRow)> =
            self.audit.iter().enumerate().filter(|(_, row)| row.revision < below).collect();
        found.retain(|(_, row)| query.switch.is_none() || row.switch == query.switch);
        found.sort_by_key(|(at, row)| std::cmp::Reverse((row.revision, *at)));
        for (_, row) in found {
            if rows.len() >= limit && rows.last().is_some_and(|last| last.revision != row.revision) {
                break;
            }
            rows.push(row.clone());
        }
        rows
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let inner = self.inner();
        let edits = inner.edits.clone().into_iter().map(|((zone, owner, rtype), body)| EditRow {
            zone,
            owner,
            rtype,
            body: Some(body),
        });
        let health: Vec<(String, String)> = inner.health.clone().into_iter().collect();
        let promises: Vec<(String, String)> = inner.promises.clone().into_iter().collect();
        let trials: Vec<(String, String)> = inner.trials.clone().into_iter().collect();
        Ok(Loaded {
            revision: inner.revision,
            switches: inner.switches.clone().into_iter().collect(),
            serials: inner.serials.clone().into_iter().collect(),
            edits: edits.collect(),
            seen: inner.ledger.clone().map(|ledger| Seen { ledger, promises, health, trials, ..Seen::default() }),
            copies: inner.copies.values().cloned().collect(),
            tokens: inner.tokens.values().cloned().collect(),
        })
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.inner().commit(commit)
    }

    async fn save_seen(&self, seen: Seen) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.ledger = Some(seen.ledger);
        inner.promises.extend(seen.promises);
        for switch in seen.promises_gone {
            inner.promises.remove(&switch);
        }
        inner.trials.extend(seen.trials);
        for switch in seen.trials_gone {
            inner.trials.remove(&switch);
        }
        inner.health.extend(seen.health);
        for key in seen.health_gone {
            inner.health.remove(&key);
        }
        Ok(())
    }

    async fn keep_copy(&self, copy: CopyRow) -> Result<(), StoreError> {
        self.inner().copies.insert(copy.zone.clone(), copy);
        Ok(())
    }

    async fn confirm_copy(&self, zone: &Name, confirmed_unix_ms: u64) -> Result<(), StoreError> {
        if let Some(copy) = self.inner().copies.get_mut(zone) {
            copy.confirmed_unix_ms = confirmed_unix_ms;
        }
        Ok(())
    }

    async fn keep_copies_of(&self, zones: &[Name]) -> Result<(), StoreError> {
        self.inner().copies.retain(|zone, _| zones.contains(zone));
        Ok(())
    }

    async fn history(&self, query: HistoryQuery) -> Result<Vec<AuditRow>, StoreError> {
        Ok(self.inner().history(&query))
    }

    async fn recall(&self, token: &str, key: &str, now_unix_ms: u64) -> Result<Option<IdempotencyRow>, StoreError> {
        let inner = self.inner();
        let row = inner.replies.get(&(token.to_owned(), key.to_owned()));
        Ok(row.filter(|row| now_unix_ms.saturating_sub(row.at_unix_ms) <= REPLIES_KEPT_MS).cloned())
    }

    async fn put_token(&self, token: TokenRow) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.writable()?;
        inner.tokens.insert(token.id.clone(), token);
        Ok(())
    }

    async fn remove_token(&self, id: &str) -> Result<bool, StoreError> {
        let mut inner = self.inner();
        inner.writable()?;
        Ok(inner.tokens.remove(id).is_some())
    }

    async fn cookie_secrets(&self) -> Result<Option<CookieRow>, StoreError> {
        Ok(self.inner().cookies.clone())
    }

    async fn put_cookie_secrets(&self, secrets: CookieRow) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.writable()?;
        inner.cookies = Some(secrets);
        Ok(())
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let loaded = self.load().await?;
        let text = serde_json::json!({ "revision": loaded.revision, "switches": loaded.switches, "serials": loaded.serials, "tokens": loaded.tokens });
        std::fs::write(to, text.to_string())
            .map_err(|err| StoreError::Failed(format!("cannot write {}: {err}", to.display())))
    }

    async fn prune(&self, now_unix_ms: u64) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.audit.retain(|row| now_unix_ms.saturating_sub(row.at_unix_ms) <= AUDIT_KEPT_MS);
        inner.replies.retain(|_, row| now_unix_ms.saturating_sub(row.at_unix_ms) <= REPLIES_KEPT_MS);
        Ok(())
    }

    fn condition(&self) -> Condition {
        self.inner().condition.clone().unwrap_or(Condition::Ok)
    }

    async fn accept_copy(&self) -> Result<(), StoreError> {
        let mut inner = self.inner();
        if matches!(inner.condition, Some(Condition::OnCopy { .. })) {
            inner.condition = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite;

    #[tokio::test]
    async fn the_memory_store_keeps_every_promise_of_the_suite() {
        suite::run(MemoryStore::new).await;
    }

    #[tokio::test]
    async fn a_fault_refuses_the_commit_whole_and_a_lost_reply_does_not() {
        let store = MemoryStore::new();
        store.fail_next(Fault::Full);
        assert!(matches!(store.commit(suite::step(0)).await, Err(StoreError::Full { .. })));
        assert_eq!((store.load().await.unwrap().revision, store.condition()), (0, Condition::Full));
        store.fail_next(Fault::Full);
        let undo = Commit { may_use_reserve: true, ..suite::step(0) };
        store.commit(undo).await.unwrap();
        store.commit(suite::step(1)).await.unwrap();
        assert_eq!(store.condition(), Condition::Ok);
        store.fail_next(Fault::ReplyLost);
        assert!(store.commit(suite::step(2)).await.is_err());
        assert_eq!(store.load().await.unwrap().revision, 3);
    }

    #[tokio::test]
    async fn on_its_copy_it_refuses_changes_until_accepted() {
        let store = MemoryStore::new();
        store.stand_on_copy("test");
        assert!(matches!(store.commit(suite::step(0)).await, Err(StoreError::OnCopy { .. })));
        store.accept_copy().await.unwrap();
        store.commit(suite::step(0)).await.unwrap();
    }
}

//! What every store must do, written once and run against each of them.

use super::{
    AUDIT_KEPT_MS, AuditRow, Commit, Condition, CookieRow, CopyRow, EditRow, HistoryQuery, IdempotencyRow,
    REPLIES_KEPT_MS, Seen, Store, StoreError, TokenRow,
};
use crate::dns::{Name, RecordType};
use serde_json::json;

/// The commit that follows revision `expected`: switch `model`, zone `example.test`, one audit row.
pub(super) fn step(expected: u64) -> Commit {
    let revision = expected + 1;
    Commit {
        expected,
        revision,
        switches: vec![("model".to_owned(), Some(format!("state {revision}")))],
        serials: vec![(zone("example.test"), u32::try_from(revision).unwrap())],
        audit: vec![audit(revision, "model")],
        ..Commit::default()
    }
}

pub(super) fn audit(revision: u64, switch: &str) -> AuditRow {
    AuditRow {
        revision,
        at_unix_ms: 1_000 * revision,
        who: "ops".to_owned(),
        from: "192.0.2.1".to_owned(),
        verb: "flip".to_owned(),
        switch: Some(switch.to_owned()),
        reason: Some("a release".to_owned()),
        forced: revision % 2 == 1,
        before: json!({ "blue": 10000, "green": 0 }),
        after: json!({ "blue": 0, "green": 10000 }),
    }
}

pub(super) fn token(id: &str) -> TokenRow {
    TokenRow {
        id: id.to_owned(),
        name: "ci".to_owned(),
        hash: "00".repeat(32),
        role: "operator".to_owned(),
        switches: vec!["model".to_owned()],
        created_unix_ms: 5,
        expires_unix_ms: None,
    }
}

pub(super) fn zone(name: &str) -> Name {
    name.parse().unwrap()
}

/// An edited set of `example.test`, or its end.
pub(super) fn edit(owner: &str, body: Option<&str>) -> EditRow {
    EditRow { zone: zone("example.test"), owner: zone(owner), rtype: RecordType::TXT, body: body.map(str::to_owned) }
}

fn reply(key: &str, at_unix_ms: u64) -> IdempotencyRow {
    IdempotencyRow {
        token: "t1".to_owned(),
        key: key.to_owned(),
        request_hash: "abc".to_owned(),
        reply: r#"{"revision":1}"#.to_owned(),
        at_unix_ms,
    }
}

/// Runs all of it, each part on a store of its own.
pub(super) async fn run<S: Store>(mut new: impl FnMut() -> S) {
    a_new_store_is_empty(&new()).await;
    what_is_committed_is_loaded(&new()).await;
    a_stale_commit_is_refused_whole(&new()).await;
    serials_may_move_alone(&new()).await;
    edited_sets_come_and_go(&new()).await;
    replies_are_remembered_for_a_day(&new()).await;
    history_pages_newest_first(&new()).await;
    a_page_never_splits_a_revision(&new()).await;
    tokens_come_and_go(&new()).await;
    cookie_secrets_are_replaced(&new()).await;
    copies_of_zones_are_replaced_confirmed_and_forgotten(&new()).await;
    what_was_seen_is_merged(&new()).await;
    old_rows_are_pruned(&new()).await;
    of_many_commits_on_one_revision_one_wins(&std::sync::Arc::new(new())).await;
}

async fn a_new_store_is_empty(store: &impl Store) {
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded, super::Loaded::default());
    assert_eq!(store.condition(), Condition::Ok);
    assert!(store.history(HistoryQuery { limit: 10, ..HistoryQuery::default() }).await.unwrap().is_empty());
}

async fn what_is_committed_is_loaded(store: &impl Store) {
    store.commit(step(0)).await.unwrap();
    let mut second = step(1);
    second.switches.push(("other".to_owned(), Some("x\u{0}y \"quoted\" é".to_owned())));
    second.serials.push((zone("other.test"), u32::MAX));
    store.commit(second).await.unwrap();
    let mut third = step(2);
    third.switches = vec![("model".to_owned(), None)];
    store.commit(third).await.unwrap();
    let mut loaded = store.load().await.unwrap();
    loaded.serials.sort();
    assert_eq!(loaded.revision, 3);
    assert_eq!(loaded.switches, [("other".to_owned(), "x\u{0}y \"quoted\" é".to_owned())]);
    assert_eq!(loaded.serials, [(zone("other.test"), u32::MAX), (zone("example.test"), 3)]);
}

async fn a_stale_commit_is_refused_whole(store: &impl Store) {
    store.commit(step(0)).await.unwrap();
    let before = store.load().await.unwrap();
    let mut stale = step(0);
    stale.switches.push(("other".to_owned(), Some("never".to_owned())));
    stale.idempotency = Some(reply("k", 1));
    match store.commit(stale).await {
        Err(StoreError::Conflict { expected: 0, current: 1 }) => {}
        other => panic!("a conflict was expected: {other:?}"),
    }
    assert!(
        store.commit(Commit { expected: 1, revision: 0, ..Commit::default() }).await.is_err(),
        "revisions never go back"
    );
    assert_eq!(store.load().await.unwrap(), before);
    assert_eq!(store.recall("t1", "k", 1).await.unwrap(), None);
    assert_eq!(store.history(HistoryQuery { limit: 10, ..HistoryQuery::default() }).await.unwrap().len(), 1);
    assert_eq!(store.condition(), Condition::Ok, "a conflict is no failure of the store");
}

async fn serials_may_move_alone(store: &impl Store) {
    store.commit(step(0)).await.unwrap();
    let health = Commit { expected: 1, revision: 1, serials: vec![(zone("example.test"), 77)], ..Commit::default() };
    store.commit(health).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.revision, loaded.serials), (1, vec![(zone("example.test"), 77)]));
    store.commit(step(1)).await.unwrap();
}

async fn edited_sets_come_and_go(store: &impl Store) {
    let two = vec![edit("a.example.test", Some("one")), edit("\\.b.example.test", Some("two"))];
    store.commit(Commit { edits: two, ..step(0) }).await.unwrap();
    let next =
        vec![edit("a.example.test", Some("other")), edit("\\.b.example.test", None), edit("c.example.test", None)];
    store.commit(Commit { edits: next, ..step(1) }).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.revision, loaded.edits), (2, vec![edit("a.example.test", Some("other"))]));
}

async fn replies_are_remembered_for_a_day(store: &impl Store) {
    let mut commit = step(0);
    commit.idempotency = Some(reply("k", 1_000));
    store.commit(commit).await.unwrap();
    assert_eq!(store.recall("t1", "k", 1_000 + REPLIES_KEPT_MS).await.unwrap(), Some(reply("k", 1_000)));
    assert_eq!(store.recall("t1", "k", 1_001 + REPLIES_KEPT_MS).await.unwrap(), None, "too old");
    assert_eq!(store.recall("t2", "k", 1_000).await.unwrap(), None, "another token's key");
    assert_eq!(store.recall("t1", "K", 1_000).await.unwrap(), None, "another key");
    let mut again = step(1);
    again.idempotency = Some(reply("k", 9_000 + REPLIES_KEPT_MS));
    store.commit(again).await.unwrap();
    let kept = store.recall("t1", "k", 9_000 + REPLIES_KEPT_MS).await.unwrap().unwrap();
    assert_eq!(kept.at_unix_ms, 9_000 + REPLIES_KEPT_MS, "an expired key may be used again");
}

async fn history_pages_newest_first(store: &impl Store) {
    for expected in 0..7 {
        let mut commit = step(expected);
        commit.audit = vec![audit(expected + 1, if expected % 2 == 0 { "model" } else { "other" })];
        store.commit(commit).await.unwrap();
    }
    let all = store.history(HistoryQuery { limit: 500, ..HistoryQuery::default() }).await.unwrap();
    assert_eq!(all.iter().map(|row| row.revision).collect::<Vec<_>>(), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(all[6], audit(1, "model"));
    let first = HistoryQuery { switch: Some("model".to_owned()), before_revision: None, limit: 2 };
    let page = store.history(first.clone()).await.unwrap();
    assert_eq!(page.iter().map(|row| row.revision).collect::<Vec<_>>(), [7, 5]);
    let page = store.history(HistoryQuery { before_revision: Some(5), ..first }).await.unwrap();
    assert_eq!(page.iter().map(|row| row.revision).collect::<Vec<_>>(), [3, 1]);
    let none = HistoryQuery { switch: Some("absent".to_owned()), before_revision: None, limit: 2 };
    assert!(store.history(none).await.unwrap().is_empty());
}

async fn a_page_never_splits_a_revision(store: &impl Store) {
    for expected in 0..3 {
        let mut commit = step(expected);
        commit.audit = ["a", "b", "c"].map(|switch| audit(expected + 1, switch)).to_vec();
        store.commit(commit).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut below = None;
    loop {
        let page = store.history(HistoryQuery { switch: None, before_revision: below, limit: 2 }).await.unwrap();
        let Some(last) = page.last() else { break };
        below = Some(last.revision);
        seen.extend(page.iter().map(|row| (row.revision, row.switch.clone().unwrap())));
    }
    let wanted: Vec<(u64, String)> =
        [3, 2, 1].iter().flat_map(|r| ["c", "b", "a"].map(|s| (*r, s.to_owned()))).collect();
    assert_eq!(seen, wanted);
}

async fn cookie_secrets_are_replaced(store: &impl Store) {
    assert_eq!(store.cookie_secrets().await.unwrap(), None);
    for (secret, previous) in [("aa", None), ("bb", Some("aa"))] {
        let row = CookieRow { secret: secret.to_owned(), previous: previous.map(str::to_owned), made_unix_ms: 7 };
        store.put_cookie_secrets(row.clone()).await.unwrap();
        assert_eq!(store.cookie_secrets().await.unwrap(), Some(row));
    }
}

async fn copies_of_zones_are_replaced_confirmed_and_forgotten(store: &impl Store) {
    let copy = |zone: &str, body: &[u8], confirmed_unix_ms| CopyRow {
        zone: zone.parse().unwrap(),
        body: body.to_vec(),
        confirmed_unix_ms,
    };
    for row in [copy("a.test.", b"old", 1), copy("b.test.", b"\0other", 2), copy("a.test.", b"new", 3)] {
        store.keep_copy(row).await.unwrap();
    }
    store.confirm_copy(&"b.test.".parse().unwrap(), 9).await.unwrap();
    let kept = async || store.load().await.unwrap().copies;
    assert_eq!(kept().await, [copy("a.test.", b"new", 3), copy("b.test.", b"\0other", 9)]);
    store.keep_copies_of(&["b.test.".parse().unwrap()]).await.unwrap();
    assert_eq!(kept().await, [copy("b.test.", b"\0other", 9)]);
}

async fn tokens_come_and_go(store: &impl Store) {
    store.put_token(token("b")).await.unwrap();
    store.put_token(token("a")).await.unwrap();
    let changed = TokenRow { role: "viewer".to_owned(), expires_unix_ms: Some(9), switches: vec![], ..token("b") };
    store.put_token(changed.clone()).await.unwrap();
    assert_eq!(store.load().await.unwrap().tokens, [token("a"), changed]);
    assert!(store.remove_token("a").await.unwrap());
    assert!(!store.remove_token("a").await.unwrap());
    assert_eq!(store.load().await.unwrap().tokens.len(), 1);
    store.commit(step(0)).await.unwrap();
}

async fn what_was_seen_is_merged(store: &impl Store) {
    let pair = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    let first = Seen {
        ledger: "one".to_owned(),
        promises: vec![pair("old", "[1]"), pair("web", "[1]")],
        health: vec![pair("a", "up"), pair("b", "up")],
        trials: vec![pair("over", "{}"), pair("test", "{1}")],
        ..Seen::default()
    };
    store.save_seen(first).await.unwrap();
    let second = Seen {
        ledger: "two".to_owned(),
        promises: vec![pair("api", "[2]"), pair("web", "[2]")],
        promises_gone: vec!["old".to_owned()],
        health: vec![pair("b", "down"), pair("c", "up")],
        health_gone: vec!["a".to_owned()],
        trials: vec![pair("test", "{2}")],
        trials_gone: vec!["over".to_owned()],
    };
    store.save_seen(second).await.unwrap();
    let seen = store.load().await.unwrap().seen.unwrap();
    assert_eq!(seen.ledger, "two");
    assert_eq!(seen.promises, [pair("api", "[2]"), pair("web", "[2]")]);
    assert_eq!(seen.health, [pair("b", "down"), pair("c", "up")]);
    assert_eq!(seen.trials, [pair("test", "{2}")]);
    assert!(seen.trials_gone.is_empty() && seen.health_gone.is_empty() && seen.promises_gone.is_empty());
}

async fn old_rows_are_pruned(store: &impl Store) {
    for expected in 0..3 {
        let mut commit = step(expected);
        commit.idempotency = Some(reply(&format!("k{expected}"), 1_000 * (expected + 1)));
        store.commit(commit).await.unwrap();
    }
    store.prune(2_000 + AUDIT_KEPT_MS).await.unwrap();
    let rows = store.history(HistoryQuery { limit: 10, ..HistoryQuery::default() }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.revision).collect::<Vec<_>>(), [3, 2], "exactly 400 days old is kept");
    assert_eq!(store.recall("t1", "k2", 3_000).await.unwrap(), None);
    assert_eq!(store.load().await.unwrap().revision, 3, "pruning changes no state");
    store.commit(step(3)).await.unwrap();
}

async fn of_many_commits_on_one_revision_one_wins<S: Store>(store: &std::sync::Arc<S>) {
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        racers.spawn(async move { store.commit(step(0)).await });
    }
    let results = racers.join_all().await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(
        results.iter().filter_map(|r| r.as_ref().err()).all(|e| matches!(e, StoreError::Conflict { current: 1, .. }))
    );
    assert_eq!(store.load().await.unwrap().revision, 1);
}

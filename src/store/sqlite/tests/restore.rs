//! Backups and how they come back.

use super::{Scratch, filled, names, open};
use crate::store::sqlite::{RestoreOptions, restore};
use crate::store::{Commit, Condition, HistoryQuery, IdempotencyRow, Store, StoreError, suite};
use std::fs;
use std::path::PathBuf;

fn options() -> RestoreOptions {
    RestoreOptions { who: "ops".to_owned(), reason: Some("a bad day".to_owned()) }
}

/// A folder at revision 5 with a backup of revision 2.
async fn with_backup(scratch: &Scratch) -> PathBuf {
    let to = scratch.0.join("backup.db");
    filled(&scratch.folder(), 2).await;
    let store = open(&scratch.folder());
    store.put_token(suite::token("old")).await.unwrap();
    store.backup(&to).await.unwrap();
    store.backup(&to).await.unwrap();
    store.remove_token("old").await.unwrap();
    store.put_token(suite::token("new")).await.unwrap();
    drop(store);
    filled(&scratch.folder(), 3).await;
    to
}

#[tokio::test]
async fn a_restore_brings_back_the_state_and_moves_every_number_on() {
    let scratch = Scratch::new();
    let backup = with_backup(&scratch).await;
    let store = open(&scratch.folder());
    assert!(matches!(restore(&scratch.folder(), &backup, &options()), Err(StoreError::Locked { .. })));
    let reply = IdempotencyRow {
        token: "t".to_owned(),
        key: "k".to_owned(),
        request_hash: "h".to_owned(),
        reply: "{}".to_owned(),
        at_unix_ms: 1,
    };
    let other = vec![(suite::zone("other.test"), u32::MAX)];
    store
        .commit(Commit { expected: 5, revision: 5, serials: other, idempotency: Some(reply), ..Commit::default() })
        .await
        .unwrap();
    drop(store);

    let report = restore(&scratch.folder(), &backup, &options()).unwrap();
    assert_eq!((report.backup_revision, report.previous_revision, report.revision), (2, Some(5), 6));
    assert_eq!(report.serials, [(suite::zone("other.test"), 0), (suite::zone("example.test"), 6)]);
    assert_eq!((report.switches, report.tokens, report.unread.clone()), (1, 1, None));
    assert!(report.replaced.unwrap().exists());

    let store = open(&scratch.folder());
    assert_eq!(store.condition(), Condition::Ok);
    let mut loaded = store.load().await.unwrap();
    loaded.serials.sort();
    assert_eq!((loaded.revision, loaded.serials), (6, report.serials));
    assert_eq!(loaded.switches, [("model".to_owned(), "state 2".to_owned())]);
    assert_eq!(loaded.tokens, [suite::token("old")]);
    assert_eq!(store.recall("t", "k", 1).await.unwrap(), None, "its change was taken back");
    let history = store.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap();
    assert_eq!(history.iter().map(|row| row.revision).collect::<Vec<_>>(), [6, 5, 4, 3, 2, 1], "the audit has no gap");
    assert_eq!((history[0].verb.as_str(), history[0].who.as_str()), ("restore", "ops"));
    store.commit(suite::step(6)).await.unwrap();
}

#[tokio::test]
async fn a_restore_into_an_empty_folder_goes_on_from_the_backup() {
    let scratch = Scratch::new();
    let backup = with_backup(&scratch).await;
    let fresh = scratch.0.join("fresh");
    let report = restore(&fresh, &backup, &options()).unwrap();
    assert_eq!((report.previous_revision, report.revision, report.replaced), (None, 3, None));
    assert_eq!(report.serials, [(suite::zone("example.test"), 3)]);
    let store = open(&fresh);
    assert_eq!((store.condition(), store.load().await.unwrap().revision), (Condition::Ok, 3));
}

#[tokio::test]
async fn a_restore_over_damaged_files_keeps_what_numbers_it_can_read() {
    let scratch = Scratch::new();
    let backup = with_backup(&scratch).await;
    fs::write(scratch.file("state.db"), vec![7; 9000]).unwrap();
    let report = restore(&scratch.folder(), &backup, &options()).unwrap();
    assert_eq!((report.previous_revision, report.revision), (Some(5), 6), "the copy tells");
    assert!(report.unread.unwrap().contains("state.db"));
    assert_eq!(report.serials, [(suite::zone("example.test"), 6)]);

    fs::write(scratch.file("state.db"), vec![7; 9000]).unwrap();
    fs::write(scratch.file("state.copy.db"), vec![7; 9000]).unwrap();
    let report = restore(&scratch.folder(), &backup, &options()).unwrap();
    assert_eq!((report.previous_revision, report.revision), (None, 3));
    assert!(report.unread.is_some());
    assert_eq!(open(&scratch.folder()).load().await.unwrap().revision, 3);
}

#[tokio::test]
async fn what_is_no_backup_is_refused_and_the_state_stays() {
    let scratch = Scratch::new();
    let backup = with_backup(&scratch).await;
    let newer = scratch.0.join("newer.db");
    fs::copy(&backup, &newer).unwrap();
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 9).unwrap();
    match restore(&scratch.folder(), &newer, &options()) {
        Err(StoreError::Newer { found: 9, path, .. }) => assert_eq!(path, newer),
        other => panic!("{other:?}"),
    }
    let noise = scratch.0.join("noise");
    fs::write(&noise, "not a database, but long enough to be read as one".repeat(100)).unwrap();
    for bad in [noise, scratch.0.join("absent"), scratch.0.clone()] {
        match restore(&scratch.folder(), &bad, &options()) {
            Err(StoreError::Failed(why)) => assert!(why.contains("is no usable backup"), "{why}"),
            other => panic!("{}: {other:?}", bad.display()),
        }
    }
    let store = open(&scratch.folder());
    assert_eq!((store.condition(), store.load().await.unwrap().revision), (Condition::Ok, 5));
    assert!(names(&scratch.folder(), "replaced").is_empty());
}

#[tokio::test]
async fn a_backup_that_cannot_be_written_says_so_and_leaves_nothing() {
    let scratch = Scratch::new();
    filled(&scratch.folder(), 1).await;
    let store = open(&scratch.folder());
    for to in [scratch.0.join("absent/backup.db"), scratch.0.clone()] {
        match store.backup(&to).await {
            Err(StoreError::Failed(why)) => assert!(why.contains(&to.display().to_string()), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.condition(), Condition::Ok);
    assert!(names(&scratch.0, ".new").is_empty());
}

//! What a store does on a good day: restarts, permissions, the lock, readers beside it.

use super::{Scratch, filled, names, open};
use crate::store::sqlite::{RestoreOptions, SqliteStore, restore};
use crate::store::{Commit, Condition, HistoryQuery, Seen, Store, StoreError, suite};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[tokio::test]
async fn the_sqlite_store_keeps_every_promise_of_the_suite() {
    let scratch = Scratch::new();
    let mut count = 0;
    suite::run(|| {
        count += 1;
        open(&scratch.0.join(count.to_string()))
    })
    .await;
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let scratch = Scratch::new();
    let store = open(&scratch.folder());
    store.commit(suite::step(0)).await.unwrap();
    store.put_token(suite::token("a")).await.unwrap();
    let seen = Seen { ledger: "l".to_owned(), health: vec![("a".to_owned(), "up".to_owned())], ..Seen::default() };
    store.save_seen(seen).await.unwrap();
    let before = store.load().await.unwrap();
    let history = store.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap();
    drop(store);
    let store = open(&scratch.folder());
    assert_eq!(store.load().await.unwrap(), before);
    assert_eq!(store.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap(), history);
    assert_eq!(store.condition(), Condition::Ok);
}

#[tokio::test]
async fn folder_and_files_are_for_their_owner_only() {
    let scratch = Scratch::new();
    let store = open(&scratch.folder());
    store.commit(suite::step(0)).await.unwrap();
    store.save_seen(Seen::default()).await.unwrap();
    store.backup(&scratch.file("backup.db")).await.unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(scratch.folder()), 0o700);
    let files = names(&scratch.folder(), "");
    for name in ["backup.db", "lock", "reserve", "seen.db", "state.copy.db", "state.db", "state.db-wal"] {
        assert!(files.iter().any(|file| file == name), "{name} is missing in {files:?}");
    }
    for name in files {
        assert_eq!(mode(scratch.file(&name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_second_server_is_kept_out_until_the_first_ends() {
    let scratch = Scratch::new();
    let first = open(&scratch.folder());
    assert!(matches!(SqliteStore::open(&scratch.folder()), Err(StoreError::Locked { .. })));
    first.commit(suite::step(0)).await.unwrap();
    drop(first);
    assert_eq!(open(&scratch.folder()).load().await.unwrap().revision, 1);
}

#[tokio::test]
async fn a_newer_format_is_refused_by_number_and_left_alone() {
    let scratch = Scratch::new();
    filled(&scratch.folder(), 1).await;
    let conn = rusqlite::Connection::open(scratch.file("state.db")).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    match SqliteStore::open(&scratch.folder()) {
        Err(StoreError::Newer { found: 99, known: 4, path }) => assert_eq!(path, scratch.file("state.db")),
        other => panic!("a newer format must be refused: {other:?}"),
    }
    assert!(names(&scratch.folder(), "damaged").is_empty());
}

#[tokio::test]
async fn a_state_of_the_first_format_gains_what_later_ones_have() {
    let scratch = Scratch::new();
    filled(&scratch.folder(), 3).await;
    for name in ["state.db", "state.copy.db"] {
        let conn = rusqlite::Connection::open(scratch.file(name)).unwrap();
        conn.execute_batch("DROP TABLE edit; PRAGMA user_version = 1;").unwrap();
    }
    let store = open(&scratch.folder());
    assert_eq!((store.condition(), store.load().await.unwrap().revision), (Condition::Ok, 3));
    let edit = suite::edit("www.example.test", Some("kept"));
    store.commit(Commit { edits: vec![edit.clone()], ..suite::step(3) }).await.unwrap();
    drop(store);
    assert_eq!(open(&scratch.folder()).load().await.unwrap().edits, [edit]);
}

#[tokio::test]
async fn others_may_read_the_state_while_it_is_in_use() {
    let scratch = Scratch::new();
    let store = open(&scratch.folder());
    store.commit(suite::step(0)).await.unwrap();
    let conn =
        rusqlite::Connection::open_with_flags(scratch.file("state.db"), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap();
    let revision: u32 = conn.query_row("SELECT revision FROM meta", [], |row| row.get(0)).unwrap();
    assert_eq!(revision, 1);
    store.commit(suite::step(1)).await.unwrap();
}

#[tokio::test]
async fn five_thousand_health_rows_are_saved_in_one_go() {
    let scratch = Scratch::new();
    let store = open(&scratch.folder());
    for round in 0..3 {
        let health = (0..5000).map(|target| (format!("target {target}"), format!("round {round}"))).collect();
        store.save_seen(Seen { ledger: format!("round {round}"), health, ..Seen::default() }).await.unwrap();
        store.commit(suite::step(round)).await.unwrap();
    }
    drop(store);
    let seen = open(&scratch.folder()).load().await.unwrap().seen.unwrap();
    assert_eq!((seen.health.len(), seen.ledger.as_str()), (5000, "round 2"));
    assert!(seen.health.iter().all(|(_, text)| text == "round 2"));
}

#[tokio::test]
async fn logs_are_folded_into_their_files_while_running() {
    let scratch = Scratch::new();
    let store = open(&scratch.folder());
    for expected in 0..400 {
        store.commit(suite::step(expected)).await.unwrap();
    }
    let log = std::fs::metadata(scratch.file("state.db-wal")).unwrap().len();
    assert!(log < 4 << 20, "the log grew to {log} bytes");
    assert!(std::fs::metadata(scratch.file("state.db")).unwrap().len() > 40_000);
}

#[tokio::test]
async fn pruning_reaches_rows_beyond_one_batch_and_the_copy_follows() {
    let scratch = Scratch::new();
    let store = open(&scratch.folder());
    let mut big = suite::step(0);
    big.audit = (0..2500).map(|_| suite::audit(1, "model")).collect();
    store.commit(big).await.unwrap();
    store.prune(crate::store::AUDIT_KEPT_MS * 2).await.unwrap();
    assert!(store.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap().is_empty());
    assert_eq!(store.condition(), Condition::Ok);
    drop(store);
    let count = |name: &str| -> u32 {
        let conn = rusqlite::Connection::open(scratch.file(name)).unwrap();
        conn.query_row("SELECT (SELECT count(*) FROM audit) * 1000 + change FROM meta", [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("state.db"), count("state.copy.db")), (4, 4), "no rows left, one commit and three batches");
}

#[tokio::test]
async fn files_made_by_root_belong_to_the_owner_of_the_folder() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.folder()).unwrap();
    let chown = std::os::unix::fs::chown(scratch.folder(), Some(12_345), Some(12_345));
    assert!(chown.is_ok(), "this test gives a folder away and must run as root: {chown:?}");
    let backup = scratch.0.join("backup.db");
    let store = open(&scratch.folder());
    store.commit(suite::step(0)).await.unwrap();
    store.backup(&backup).await.unwrap();
    drop(store);
    restore(&scratch.folder(), &backup, &RestoreOptions::default()).unwrap();
    let store = open(&scratch.folder());
    store.commit(suite::step(2)).await.unwrap();
    store.save_seen(Seen::default()).await.unwrap();
    for name in names(&scratch.folder(), "") {
        assert_eq!(std::fs::metadata(scratch.file(&name)).unwrap().uid(), 12_345, "{name}");
    }
}

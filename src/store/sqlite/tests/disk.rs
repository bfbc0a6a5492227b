//! A full disk, a real one: refusals, the reserve, recovery.

use super::{Scratch, open};
use crate::store::sqlite::SqliteStore;
use crate::store::{Commit, Condition, Seen, Store, StoreError, suite};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A small disk of its own, in memory; needs the right to mount (tests run as root).
struct Disk {
    scratch: Scratch,
}

impl Disk {
    fn new(mebibytes: u32) -> Self {
        let scratch = Scratch::new();
        let size = format!("size={mebibytes}m,mode=0700");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tidegate-test"]).arg(&scratch.0).output().unwrap();
        let said = String::from_utf8_lossy(&mount.stderr);
        assert!(
            mount.status.success(),
            "this test mounts a small tmpfs and must run as root with CAP_SYS_ADMIN: {said}"
        );
        Self { scratch }
    }

    fn folder(&self) -> PathBuf {
        self.scratch.folder()
    }

    /// Takes the last free byte.
    fn fill(&self) {
        let mut file = fs::File::options().create(true).append(true).open(self.scratch.0.join("filler")).unwrap();
        for len in [1 << 20, 4096, 1] {
            while file.write_all(&vec![1; len]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.scratch.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.scratch.0).status();
    }
}

fn undo(expected: u64) -> Commit {
    Commit { may_use_reserve: true, ..suite::step(expected) }
}

fn reserve_len(folder: &Path) -> u64 {
    fs::metadata(folder.join("reserve")).map_or(0, |meta| meta.len())
}

/// Lets the store's seconds pass until it is well.
async fn until_well(store: &SqliteStore) {
    let wait = async {
        while store.condition() != Condition::Ok {
            store.save_seen(Seen { ledger: "tick".to_owned(), ..Seen::default() }).await.unwrap();
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
    assert!(waited.is_ok(), "the store did not recover: {:?}", store.condition());
}

/// Commits until the disk is full; returns the refusal.
async fn until_full(disk: &Disk, store: &SqliteStore, revision: &mut u64) -> StoreError {
    for _ in 0..100 {
        disk.fill();
        match store.commit(suite::step(*revision)).await {
            Ok(()) => *revision += 1,
            Err(err) => return err,
        }
    }
    panic!("the disk never became full");
}

#[tokio::test]
async fn a_full_disk_refuses_changes_lets_undo_through_and_recovers() {
    let disk = Disk::new(20);
    let store = open(&disk.folder());
    store.commit(suite::step(0)).await.unwrap();
    let mut revision = 1;
    let refused = until_full(&disk, &store, &mut revision).await;
    assert!(matches!(&refused, StoreError::Full { path } if *path == disk.folder()), "{refused:?}");
    assert_eq!(store.condition(), Condition::Full);
    assert_eq!(store.load().await.unwrap().revision, revision, "a refused commit leaves nothing");
    assert!(matches!(store.put_token(suite::token("a")).await, Err(StoreError::Full { .. })));

    for _ in 0..10 {
        store.commit(undo(revision)).await.unwrap();
        revision += 1;
        disk.fill();
    }
    assert!(reserve_len(&disk.folder()) < 4 << 20);
    assert_eq!(store.condition(), Condition::Full);
    let refused = until_full(&disk, &store, &mut revision).await;
    assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
    drop(store);

    let store = open(&disk.folder());
    disk.fill();
    let health = vec![("target".to_owned(), "up ".repeat(3000))];
    let unsaved = store.save_seen(Seen { ledger: "full".to_owned(), health, ..Seen::default() }).await;
    assert!(matches!(unsaved, Err(StoreError::Full { .. })), "{unsaved:?}");
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.revision, loaded.switches[0].1.clone()), (revision, format!("state {revision}")));
    assert_eq!(store.condition(), Condition::Full, "a restart on a full disk serves and says so");
    store.commit(undo(revision)).await.unwrap();
    revision += 1;

    disk.free();
    until_well(&store).await;
    assert_eq!(reserve_len(&disk.folder()), 4 << 20);
    let seen = store.load().await.unwrap().seen.unwrap();
    assert_eq!(seen.health.len(), 1, "health that could not be saved was saved with the next image");
    store.commit(suite::step(revision)).await.unwrap();
    drop(store);
    fs::remove_file(disk.folder().join("state.db")).unwrap();
    let copy = open(&disk.folder()).load().await.unwrap();
    assert_eq!(copy.switches[0].1, format!("state {}", revision + 1), "the copy was brought up to date");
}

#[tokio::test]
async fn a_start_on_a_disk_filled_after_a_crash_still_serves() {
    let disk = Disk::new(20);
    let store = open(&disk.folder());
    for expected in 0..5 {
        store.commit(suite::step(expected)).await.unwrap();
    }
    store.save_seen(Seen { ledger: "l".to_owned(), ..Seen::default() }).await.unwrap();
    // What a crash leaves: files and logs, but no index of the logs and no reserve.
    let crashed = disk.scratch.0.join("crashed");
    fs::create_dir(&crashed).unwrap();
    for name in ["state.db", "state.db-wal", "state.copy.db", "state.copy.db-wal", "seen.db", "seen.db-wal"] {
        fs::copy(disk.folder().join(name), crashed.join(name)).unwrap();
    }
    fs::write(crashed.join("lock"), "").unwrap();
    disk.fill();
    let after = open(&crashed);
    assert_eq!(after.condition(), Condition::Full);
    let loaded = after.load().await.unwrap();
    assert_eq!((loaded.revision, loaded.seen.map(|seen| seen.ledger)), (5, Some("l".to_owned())));
    drop(store);
    disk.free();
    after.backup(&disk.scratch.0.join("backup")).await.unwrap();
    until_well(&after).await;
    after.commit(suite::step(5)).await.unwrap();
}

#[tokio::test]
async fn a_first_start_on_a_full_disk_says_what_is_wrong() {
    let disk = Disk::new(1);
    fs::create_dir(disk.folder()).unwrap();
    disk.fill();
    match SqliteStore::open(&disk.folder()) {
        Err(StoreError::Full { path }) => assert_eq!(path, disk.folder()),
        other => panic!("{other:?}"),
    }
    disk.free();
}

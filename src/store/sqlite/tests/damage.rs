//! Files spoilt in every way we could think of: served from the copy, or not at all.

use super::{Scratch, filled, names, open};
use crate::dns::serial::is_newer;
use crate::store::sqlite::SqliteStore;
use crate::store::{Commit, Condition, HistoryQuery, Store, StoreError, suite};
use std::fs;
use std::path::Path;

/// Changes a stored text without SQLite noticing.
fn flip_a_letter(path: &Path, text: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> =
        bytes.windows(text.len()).enumerate().filter(|(_, w)| *w == text).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "{} holds no `{}`", path.display(), String::from_utf8_lossy(text));
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(path, bytes).unwrap();
}

/// Each way to spoil a state file.
fn spoil(how: &str, path: &Path) {
    match how {
        "letter" => flip_a_letter(path, b"state 3"),
        "cut" => fs::File::options().write(true).open(path).unwrap().set_len(5000).unwrap(),
        "empty" => drop(fs::File::create(path).unwrap()),
        "noise" => fs::write(path, vec![0x5a; 50_000]).unwrap(),
        "header" => {
            let mut bytes = fs::read(path).unwrap();
            bytes[..100].fill(0);
            fs::write(path, bytes).unwrap();
        }
        "missing" => fs::remove_file(path).unwrap(),
        "zeroed page" => {
            let mut bytes = fs::read(path).unwrap();
            bytes[8192..12288].fill(0);
            fs::write(path, bytes).unwrap();
        }
        other => panic!("{other}?"),
    }
}

const WAYS: [&str; 7] = ["letter", "cut", "empty", "noise", "header", "missing", "zeroed page"];

#[tokio::test]
async fn a_damaged_state_file_is_replaced_by_its_copy_once_confirmed() {
    for how in WAYS {
        let scratch = Scratch::new();
        filled(&scratch.folder(), 3).await;
        spoil(how, &scratch.file("state.db"));
        let store = open(&scratch.folder());
        assert!(matches!(store.condition(), Condition::OnCopy { .. }), "{how}: {:?}", store.condition());
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.switches, [("model".to_owned(), "state 3".to_owned())], "{how}");
        assert!(loaded.revision > 3 && is_newer(loaded.serials[0].1, 3), "{how}: {loaded:?}");
        for refused in [store.commit(suite::step(loaded.revision)).await, store.put_token(suite::token("a")).await] {
            assert!(matches!(refused, Err(StoreError::OnCopy { .. })), "{how}: {refused:?}");
        }
        store.prune(1).await.unwrap();
        assert_eq!(store.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap().len(), 3);
        store.backup(&scratch.0.join("backup.db")).await.unwrap();
        drop(store);

        let store = open(&scratch.folder());
        assert!(matches!(store.condition(), Condition::OnCopy { .. }), "{how}: a restart is no confirmation");
        assert_eq!(store.load().await.unwrap(), loaded, "{how}: the same numbers after each restart");
        store.accept_copy().await.unwrap();
        assert_eq!(store.condition(), Condition::Ok, "{how}");
        assert_eq!(store.load().await.unwrap(), loaded, "{how}: confirming changes nothing that is served");
        let next = Commit { serials: vec![], ..suite::step(loaded.revision) };
        store.commit(next).await.unwrap();
        drop(store);
        assert_eq!(names(&scratch.folder(), "state.db.damaged-").is_empty(), how == "missing", "{how}");
        let store = open(&scratch.folder());
        assert_eq!(store.condition(), Condition::Ok, "{how}");
        assert_eq!(store.load().await.unwrap().revision, loaded.revision + 1, "{how}");
    }
}

#[tokio::test]
async fn a_damaged_copy_is_made_anew() {
    for how in WAYS {
        let scratch = Scratch::new();
        filled(&scratch.folder(), 3).await;
        spoil(how, &scratch.file("state.copy.db"));
        filled(&scratch.folder(), 1).await;
        fs::remove_file(scratch.file("state.db")).unwrap();
        let store = open(&scratch.folder());
        assert_eq!(store.load().await.unwrap().switches, [("model".to_owned(), "state 4".to_owned())], "{how}");
    }
}

#[tokio::test]
async fn nothing_is_served_when_both_are_damaged() {
    for how in WAYS {
        let scratch = Scratch::new();
        filled(&scratch.folder(), 3).await;
        spoil(how, &scratch.file("state.db"));
        spoil("letter", &scratch.file("state.copy.db"));
        match SqliteStore::open(&scratch.folder()) {
            Err(StoreError::BothDamaged { copy_why, .. }) => {
                assert!(copy_why.contains("checksum"), "{how}: {copy_why}");
            }
            other => panic!("{how}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_state_file_that_lost_its_log_is_noticed() {
    let scratch = Scratch::new();
    filled(&scratch.folder(), 2).await;
    let store = open(&scratch.folder());
    store.commit(suite::step(2)).await.unwrap();
    store.commit(suite::step(3)).await.unwrap();
    store.history(HistoryQuery { limit: 1, ..HistoryQuery::default() }).await.unwrap();
    // What a power cut would leave, without the log of the state file.
    let other = scratch.0.join("other");
    fs::create_dir(&other).unwrap();
    for name in ["state.db", "state.copy.db", "state.copy.db-wal"] {
        fs::copy(scratch.file(name), other.join(name)).unwrap();
    }
    let after = open(&other);
    match after.condition() {
        Condition::OnCopy { why } => assert!(why.contains("revision 2") && why.contains("revision 4"), "{why}"),
        other => panic!("the lost end was not noticed: {other:?}"),
    }
    assert_eq!(after.load().await.unwrap().switches, [("model".to_owned(), "state 4".to_owned())]);
    after.accept_copy().await.unwrap();
    assert_eq!(after.condition(), Condition::Ok);
}

#[tokio::test]
async fn a_copy_that_lags_behind_is_brought_up_to_date() {
    let scratch = Scratch::new();
    filled(&scratch.folder(), 2).await;
    let old = fs::read(scratch.file("state.copy.db")).unwrap();
    filled(&scratch.folder(), 1).await;
    fs::write(scratch.file("state.copy.db"), old).unwrap();
    let store = open(&scratch.folder());
    assert_eq!((store.condition(), store.load().await.unwrap().revision), (Condition::Ok, 3));
    drop(store);
    fs::remove_file(scratch.file("state.db")).unwrap();
    assert_eq!(open(&scratch.folder()).load().await.unwrap().switches, [("model".to_owned(), "state 3".to_owned())]);
}

#[tokio::test]
async fn a_creation_cut_short_begins_again() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.folder()).unwrap();
    fs::write(scratch.file("state.db.new"), b"half").unwrap();
    assert_eq!(open(&scratch.folder()).load().await.unwrap().revision, 0);
    fs::remove_file(scratch.file("state.copy.db")).unwrap();
    fs::write(scratch.file("state.copy.db.new"), b"half").unwrap();
    let store = open(&scratch.folder());
    assert_eq!(store.condition(), Condition::Ok);
    assert!(names(&scratch.folder(), ".new").is_empty());
}

#[tokio::test]
async fn a_log_without_its_file_is_no_new_store() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.folder()).unwrap();
    fs::write(scratch.file("state.db-wal"), b"something was here").unwrap();
    assert!(matches!(SqliteStore::open(&scratch.folder()), Err(StoreError::BothDamaged { .. })));
}

#[tokio::test]
async fn a_damaged_record_of_what_was_seen_begins_anew() {
    let scratch = Scratch::new();
    filled(&scratch.folder(), 1).await;
    let store = open(&scratch.folder());
    let seen = crate::store::Seen { ledger: "promises".to_owned(), ..Default::default() };
    store.save_seen(seen.clone()).await.unwrap();
    drop(store);
    flip_a_letter(&scratch.file("seen.db"), b"promises");
    let store = open(&scratch.folder());
    assert_eq!(store.load().await.unwrap().seen, None);
    assert_eq!(names(&scratch.folder(), "seen.db.damaged-").len(), 1);
    store.save_seen(seen.clone()).await.unwrap();
    assert_eq!(store.load().await.unwrap().seen, Some(seen));
}

#[tokio::test]
async fn one_flipped_byte_anywhere_never_changes_what_is_served() {
    let scratch = Scratch::new();
    let store = open(&scratch.folder());
    let mut commit = suite::step(0);
    commit.switches.extend((0..12).map(|n| (format!("switch {n}"), Some(format!("{n} ").repeat(300)))));
    store.commit(commit).await.unwrap();
    store.put_token(suite::token("a")).await.unwrap();
    drop(store);
    let (file, bytes) = (scratch.file("state.db"), fs::read(scratch.file("state.db")).unwrap());
    let copy = fs::read(scratch.file("state.copy.db")).unwrap();
    let sound = open(&scratch.folder()).load().await.unwrap();
    let (mut from_copy, mut refused) = (0, 0);
    // The first 100 bytes are SQLite's header: each of them; then every 331st.
    let places: Vec<usize> = (0..100).chain((100..bytes.len()).step_by(331)).collect();
    for at in &places {
        for name in names(&scratch.folder(), "state.") {
            fs::remove_file(scratch.file(&name)).unwrap();
        }
        let mut spoilt = bytes.clone();
        spoilt[*at] ^= 0x24;
        fs::write(&file, spoilt).unwrap();
        fs::write(scratch.file("state.copy.db"), &copy).unwrap();
        let store = match SqliteStore::open(&scratch.folder()) {
            Ok(store) => store,
            Err(StoreError::Newer { .. }) if (60..64).contains(at) => {
                refused += 1;
                continue;
            }
            Err(err) => panic!("byte {at}: {err}"),
        };
        let loaded = store.load().await.unwrap();
        assert_eq!((&loaded.switches, &loaded.tokens), (&sound.switches, &sound.tokens), "byte {at}");
        match store.condition() {
            Condition::Ok => assert_eq!(loaded, sound, "byte {at}"),
            Condition::OnCopy { .. } => from_copy += 1,
            other => panic!("byte {at}: {other:?}"),
        }
    }
    assert!(from_copy > places.len() / 4, "only {from_copy} of {} flips were noticed", places.len());
    assert!(refused > 0, "the format number was not looked at");
}

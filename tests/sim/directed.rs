//! Faults that worlds have shown, each told as a short story of its own.

use crate::caller::who;
use crate::files;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tidegate::control::event::Event;
use tidegate::control::{Asked, Handle, IdempotencyKey, Loaded, Loader, Refused, Reloading, Replied, Start};
use tidegate::metrics::Registry;
use tidegate::snapshot::Settings;
use tidegate::state::{Command, Definitions, FlipTarget, Rejection, Request};
use tidegate::store::memory::Fault;
use tidegate::store::{MemoryStore, Store, StoreError};
use tokio::sync::oneshot;

/// A control task that answers, on a fresh store.
async fn running(store: &Arc<MemoryStore>, definitions: Arc<Definitions>) -> Handle {
    running_with(store, definitions, files::loader(1)).await
}

/// The same, with files of its own.
async fn running_with(store: &Arc<MemoryStore>, definitions: Arc<Definitions>, loader: Loader) -> Handle {
    let start = Start {
        definitions,
        settings: Settings::default(),
        store: store.clone(),
        cells: Arc::new(Registry::default()),
        loader,
        transfers: std::sync::Arc::default(),
        freed: || {},
    };
    let started = start.run().await.expect("a start");
    let (done, answering) = oneshot::channel();
    started.events.send(Event::Answering(done)).await.expect("a control task");
    answering.await.expect("counted promises");
    started.handle
}

async fn flip(handle: &Handle, switch: &str, to: &str, key: Option<&str>, force: bool) -> Result<Replied, Refused> {
    let command = Command::Flip(vec![FlipTarget { switch: switch.to_owned(), to: to.to_owned() }]);
    let request = Request { command, reason: Some("test".to_owned()), force, if_match: None, by: "test".to_owned() };
    let idempotency = key.map(|key| IdempotencyKey { key: key.to_owned(), request_hash: format!("{switch} {to}") });
    handle.change(Asked { request, dry_run: false, caller: who(), idempotency }).await
}

async fn weight(handle: &Handle, switch: &str, pool: &str) -> u16 {
    let view = handle.switch(switch).await.expect("an answer").expect("a switch");
    view.pools.iter().find(|p| p.name == pool).expect("a pool").weight
}

#[tokio::test]
async fn a_commit_whose_reply_was_lost_is_taken_over_and_changes_go_on() {
    let store = Arc::new(MemoryStore::new());
    let handle = running(&store, files::version(0)).await;
    store.fail_next(Fault::ReplyLost);
    let lost = flip(&handle, "flag", "on", Some("k"), false).await;
    assert!(matches!(lost, Err(Refused::Store(StoreError::Failed(_)))), "{lost:?}");
    assert_eq!(
        (handle.snapshot().revision, weight(&handle, "flag", "on").await),
        (1, 10_000),
        "it was stored, so it is served"
    );
    let again = flip(&handle, "flag", "on", Some("k"), false).await.expect("the first reply");
    assert_eq!((again.revision, again.replayed, again.applied), (1, true, true));
    let next = flip(&handle, "flag", "off", None, true).await.expect("a change after the doubt");
    assert_eq!((next.revision, store.load().await.expect("state").revision), (2, 2));
}

#[tokio::test]
async fn what_a_reload_read_beside_the_zones_is_in_force_when_it_is_accepted_and_not_before() {
    let store = Arc::new(MemoryStore::new());
    let put = Arc::new(AtomicUsize::new(0));
    let counted = put.clone();
    let loader: Loader = Arc::new(move || {
        let counted = counted.clone();
        let accepted = Box::new(move || {
            counted.fetch_add(1, Relaxed);
        });
        Ok(Loaded { definitions: files::version(1), accepted })
    });
    let handle = running_with(&store, files::version(0), loader).await;
    let reload = async |dry_run| {
        let reloading = Reloading { caller: who(), dry_run, ..Reloading::default() };
        handle.reload(reloading).await
    };
    reload(true).await.expect("a dry run");
    assert_eq!(put.load(Relaxed), 0);
    store.fail_next(Fault::Conflict);
    assert!(reload(false).await.is_err());
    assert_eq!(put.load(Relaxed), 0);
    reload(false).await.expect("a reload");
    assert_eq!(put.load(Relaxed), 1);
}

#[tokio::test]
async fn a_conflict_leaves_everything_as_it_was() {
    let store = Arc::new(MemoryStore::new());
    let handle = running(&store, files::version(0)).await;
    store.fail_next(Fault::Conflict);
    assert!(matches!(flip(&handle, "flag", "on", None, false).await, Err(Refused::Store(StoreError::Conflict { .. }))));
    assert_eq!((handle.snapshot().revision, weight(&handle, "flag", "on").await), (0, 0));
    assert_eq!(flip(&handle, "flag", "on", None, false).await.expect("a change").revision, 1);
}

#[tokio::test]
async fn a_reply_that_nothing_changed_is_given_again_and_changes_nothing_later() {
    let store = Arc::new(MemoryStore::new());
    let handle = running(&store, files::version(0)).await;
    let first = flip(&handle, "flag", "off", Some("k"), true).await.expect("nothing to do");
    assert!(!first.changed && first.applied && !first.replayed);
    flip(&handle, "flag", "on", None, true).await.expect("a change");
    let again = flip(&handle, "flag", "off", Some("k"), true).await.expect("the first reply");
    assert_eq!((again.revision, again.changed, again.replayed), (first.revision, false, true));
    assert_eq!(weight(&handle, "flag", "on").await, 10_000);
    let rows = store.history(tidegate::store::HistoryQuery { limit: 10, ..Default::default() }).await.expect("rows");
    assert_eq!(rows.len(), 1, "what changed nothing is not in the history");
}

#[tokio::test]
async fn a_switch_counts_as_moving_from_its_flip_on() {
    let store = Arc::new(MemoryStore::new());
    let mut zones = files::version(0).zones.clone();
    let mut zone = zones[0].as_ref().clone();
    zone.max_moving = Some(1);
    zone.switches.retain(|switch| &*switch.name == "flag");
    let mut twin = zone.switches[0].as_ref().clone();
    twin.name = "twin".into();
    twin.owners = vec!["twin.example.test".parse().expect("a name")];
    zone.switches.push(Arc::new(twin));
    zones[0] = Arc::new(zone);
    let handle = running(&store, Arc::new(Definitions::new(zones))).await;
    // Held like a worker would in the middle of a batch: answers of the old side are still on their way.
    let held = handle.snapshot();
    flip(&handle, "flag", "on", None, false).await.expect("the first flip");
    let second = flip(&handle, "twin", "on", None, false).await;
    assert!(matches!(&second, Err(Refused::Rejected(Rejection::TooManyMoving { moving: 1, .. }))), "{second:?}");
    drop(held);
}

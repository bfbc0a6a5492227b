//! One world: a store that outlives processes, a few processes one after the other, roles around each.

use crate::caller::{Caller, who};
use crate::chaos::{Breaker, Prober};
use crate::dice::Dice;
use crate::files;
use crate::reader::Reader;
use crate::truth::Shared;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tidegate::control::event::Event;
use tidegate::control::{Asked, Handle, Start, Started};
use tidegate::dns::serial::is_newer;
use tidegate::metrics::Registry;
use tidegate::snapshot::Settings;
use tidegate::state::{Command, FlipTarget, Request};
use tidegate::store::{HistoryQuery, MemoryStore, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A world in paused time, everything on one thread.
pub(crate) async fn live(seed: u64) {
    let store = Arc::new(MemoryStore::new());
    let mut dice = Dice::of(seed, 1);
    let mut before = None;
    for life in 0..=dice.below(3) {
        let cells = Arc::new(Registry::default());
        let truth: Shared = Arc::default();
        let mut started = start(&store, &cells, seed ^ (life << 32)).await;
        check_start(&store, &started, before.as_ref()).await;
        let readers: Vec<JoinHandle<()>> = (0..3)
            .map(|role| {
                tokio::task::spawn_local(
                    reader(&started, &cells, &truth, Dice::of(seed, 10 + role + 100 * life)).read(),
                )
            })
            .collect();
        act(&store, &mut started, &truth, seed, life).await;
        settle(&store, &started.handle, &truth).await;
        truth.over.store(true, SeqCst);
        for reader in readers {
            reader.await.expect("a reader that ends well");
        }
        before = Some(seen(&started.handle).await);
        end(started, dice.once_in(2)).await;
        truth.forget_slots();
    }
}

/// A world in real time, its readers on threads of their own.
pub(crate) async fn live_beside_threads(seed: u64) {
    let store = Arc::new(MemoryStore::new());
    let cells = Arc::new(Registry::default());
    let truth: Shared = Arc::default();
    let mut started = start(&store, &cells, seed).await;
    let readers: Vec<_> = (0..2)
        .map(|role| {
            let reader = reader(&started, &cells, &truth, Dice::of(seed, 10 + role));
            std::thread::spawn(move || reader.read_beside())
        })
        .collect();
    act(&store, &mut started, &truth, seed, 0).await;
    settle(&store, &started.handle, &truth).await;
    truth.over.store(true, SeqCst);
    for reader in readers {
        reader.join().expect("a reader that ends well");
    }
    end(started, false).await;
}

async fn start(store: &Arc<MemoryStore>, cells: &Arc<Registry>, seed: u64) -> Started {
    let start = Start {
        definitions: files::version(0),
        settings: Settings::default(),
        store: store.clone(),
        cells: cells.clone(),
        loader: files::loader(seed),
        transfers: std::sync::Arc::default(),
        freed: || {},
    };
    let started = start.run().await.expect("a start on a store that works");
    let (done, answering) = oneshot::channel();
    started.events.send(Event::Answering(done)).await.expect("a control task");
    answering.await.expect("counted promises");
    started
}

fn reader(started: &Started, cells: &Arc<Registry>, truth: &Shared, dice: Dice) -> Reader {
    Reader {
        cell: started.snapshots.clone(),
        cells: cells.shared_writer("sim"),
        truth: truth.clone(),
        dice,
        last_number: 0,
    }
}

/// The middle of a life: callers at work while things break.
async fn act(store: &Arc<MemoryStore>, started: &mut Started, truth: &Shared, seed: u64, life: u64) {
    let role = |number: u64| Dice::of(seed, 20 + number + 100 * life);
    let handle = &started.handle;
    let breaker = Breaker { store: store.clone(), handle: handle.clone(), truth: truth.clone(), dice: role(0) };
    let prober = Prober {
        targets: started.targets.clone(),
        probes: started.probes.clone(),
        truth: truth.clone(),
        dice: role(1),
    };
    let stop: Shared = truth.clone();
    let breaking = tokio::spawn(breaker.break_things());
    let probing = tokio::spawn(prober.probe());
    let callers: Vec<_> = (2..5)
        .map(|number| Caller {
            handle: handle.clone(),
            store: store.clone(),
            truth: stop.clone(),
            dice: role(number),
            steps: 14,
        })
        .map(|caller| tokio::spawn(caller.call()))
        .collect();
    for caller in callers {
        caller.await.expect("a caller without complaints");
    }
    breaking.abort();
    // Cancelled is how it ends; anything else is its own panic.
    assert!(breaking.await.is_err_and(|error| error.is_cancelled()), "the breaker met something impossible");
    probing.abort();
    assert!(probing.await.is_err_and(|error| error.is_cancelled()), "the prober met something impossible");
    assert!(!started.task.is_finished(), "the control task ended");
}

/// After all faults: changes work again, answers went on, and every reply is in the history.
async fn settle(store: &Arc<MemoryStore>, handle: &Handle, truth: &Shared) {
    store.mend();
    store.accept_copy().await.expect("a copy that is accepted");
    let answers = truth.answers.load(SeqCst);
    let mut outcome = None;
    for to in ["on", "off", "on"] {
        let request = Request {
            command: flip("flag", to),
            reason: Some("the end".to_owned()),
            force: true,
            if_match: None,
            by: "sim".to_owned(),
        };
        let asked = Asked { request, dry_run: false, caller: who(), idempotency: None };
        let replied =
            handle.change(asked).await.unwrap_or_else(|refused| panic!("a mended store still refuses: {refused}"));
        truth.replied(None, &replied);
        outcome = Some(replied);
    }
    let revision = outcome.expect("three flips").revision;
    let stored = store.load().await.expect("the memory store reads");
    assert_eq!(stored.revision, revision, "the store holds what the last reply says");
    assert_eq!(seen(handle).await.revision, revision);
    let rows = store.history(HistoryQuery { limit: 500, ..HistoryQuery::default() }).await.expect("rows");
    for made in truth.made() {
        assert!(rows.iter().any(|row| row.revision == made), "revision {made} was replied and is not in the history");
    }
    let mut looks = 0;
    while truth.answers.load(SeqCst) < answers + 50 {
        looks += 1;
        assert!(looks < 4_000, "the readers do not answer any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn flip(switch: &str, to: &str) -> Command {
    Command::Flip(vec![FlipTarget { switch: switch.to_owned(), to: to.to_owned() }])
}

/// What an operator would find the same after a restart.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    revision: u64,
    weights: BTreeMap<String, Vec<(String, u16)>>,
    serials: BTreeMap<String, u32>,
}

async fn seen(handle: &Handle) -> Seen {
    let status = handle.status().await.expect("a status");
    let weights = |view: &tidegate::control::report::SwitchView| {
        view.pools.iter().filter(|p| p.weight > 0).map(|p| (p.name.clone(), p.weight)).collect()
    };
    Seen {
        revision: status.revision,
        weights: status.switches.iter().map(|view| (view.name.clone(), weights(view))).collect(),
        serials: status.zones.iter().map(|zone| (zone.apex.clone(), zone.serial)).collect(),
    }
}

/// A process knows everything that was acknowledged before it, and its serials are newer.
async fn check_start(store: &Arc<MemoryStore>, started: &Started, before: Option<&Seen>) {
    let stored = store.load().await.expect("the memory store reads");
    let now = seen(&started.handle).await;
    assert_eq!(now.revision, stored.revision);
    let Some(before) = before else { return };
    assert_eq!(now.revision, before.revision);
    for (zone, serial) in &now.serials {
        assert!(is_newer(*serial, before.serials[zone]), "{zone} went from {} to {serial}", before.serials[zone]);
    }
    // The weights of `flag` were set last; others may differ where reloads had changed the files.
    assert_eq!(now.weights["flag"], before.weights["flag"]);
}

/// In good order, or killed.
async fn end(started: Started, killed: bool) {
    if killed {
        started.task.abort();
        assert!(started.task.await.is_err_and(|error| error.is_cancelled()), "the control task had ended by itself");
        return;
    }
    let (done, ended) = oneshot::channel();
    started.events.send(Event::Shutdown(done)).await.expect("a control task");
    ended.await.expect("an ordered end");
    started.task.await.expect("a control task that ends well");
}

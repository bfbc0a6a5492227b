//! Calls to servers on loopback: signed, in order, tried again, and held up by nobody.

use super::desk::{Desk, QUEUE};
use super::notification::Pace;
use super::*;
use crate::rollout::{Hook, HookCall, HookKind};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes.
const PATIENT: Duration = Duration::from_secs(30);

/// A request as a receiver saw it.
#[derive(Debug, Clone)]
struct Heard {
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} in {self:?}")).to_str().unwrap()
    }
}

/// What a receiver answers to the request of this number.
type Manner = dyn Fn(u64, &Heard) -> Reaction + Send + Sync;

/// An answer, or none for ever.
enum Reaction {
    Says(StatusCode, String),
    Hangs,
}

fn fine(_: u64, _: &Heard) -> Reaction {
    Reaction::Says(StatusCode::NO_CONTENT, String::new())
}

/// A receiver: its port, and what it heard, in order.
async fn receiver(
    manner: impl Fn(u64, &Heard) -> Reaction + Send + Sync + 'static,
) -> (u16, mpsc::UnboundedReceiver<Heard>) {
    struct Ear {
        heard: mpsc::UnboundedSender<Heard>,
        count: std::sync::atomic::AtomicU64,
        manner: Box<Manner>,
    }
    async fn listen(State(ear): State<Arc<Ear>>, uri: Uri, headers: HeaderMap, body: String) -> Response {
        let heard = Heard { path: uri.path().to_owned(), headers, body };
        let number = ear.count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let reaction = (ear.manner)(number, &heard);
        let _ = ear.heard.send(heard);
        match reaction {
            Reaction::Says(status, text) if status.is_redirection() => (status, [("location", text)]).into_response(),
            Reaction::Says(status, text) => (status, text).into_response(),
            Reaction::Hangs => std::future::pending().await,
        }
    }
    let (heard, hearing) = mpsc::unbounded_channel();
    let ear = Ear { heard, count: 0.into(), manner: Box::new(manner) };
    let routes = Router::new().fallback(listen).with_state(Arc::new(ear));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (port, hearing)
}

/// A desk at work.
struct Bench {
    orders: mpsc::Sender<HookOrder>,
    reports: mpsc::Receiver<HookReport>,
    totals: Arc<HookTotals>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Bench {
    fn new() -> Self {
        Self::with(Pace { first: Duration::from_millis(20), longest: Duration::from_millis(100), at_the_end: PATIENT })
    }

    fn with(pace: Pace) -> Self {
        let (orders, taken) = mpsc::channel(8);
        let (report, reports) = mpsc::channel(8);
        let (stop, stopped) = oneshot::channel();
        let totals = Arc::new(HookTotals::default());
        let desk = Desk::new(report, totals.clone(), pace);
        let running = tokio::spawn(desk.work(taken, async { _ = stopped.await }));
        Self { orders, reports, totals, stop: Some(stop), running }
    }

    async fn order(&self, order: HookOrder) {
        timeout(PATIENT, self.orders.send(order)).await.expect("orders are taken at once").unwrap();
    }

    /// The outcome of a call that is waited for.
    async fn answer(&mut self) -> Result<(), String> {
        timeout(PATIENT, self.reports.recv()).await.expect("a report comes").unwrap().answer.outcome
    }

    /// Ends the desk, and the counts of a kind then.
    async fn end(mut self, kind: HookKind) -> (u64, u64, u64) {
        drop(self.stop.take());
        timeout(PATIENT, self.running).await.expect("it ends").unwrap();
        let counts = self.totals.counts().into_iter().find(|counts| counts.kind == kind).unwrap();
        (counts.sent, counts.failed, counts.dropped)
    }
}

fn hook(kind: HookKind, port: u16) -> Hook {
    Hook { kind, url: format!("http://127.0.0.1:{port}/hook"), secret_file: None, timeout_ms: 20_000, retries: 5 }
}

fn notification(switch: &str, hook: Hook, body: &str) -> HookOrder {
    HookOrder { switch: switch.into(), hook, waited: None, body: body.into() }
}

fn waited(switch: &str, hook: Hook, step: usize) -> HookOrder {
    let call = HookCall { rollout: 7, kind: hook.kind, step, member: None };
    HookOrder { switch: switch.into(), hook, waited: Some(call), body: "{}".into() }
}

async fn next(heard: &mut mpsc::UnboundedReceiver<Heard>) -> Heard {
    timeout(PATIENT, heard.recv()).await.expect("a call comes").unwrap()
}

/// A port nobody listens on.
async fn closed_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port()
}

/// HMAC-SHA256 as RFC 2104 writes it down, by nothing but the hash.
fn hmac(secret: &[u8], text: &[u8]) -> String {
    assert!(secret.len() <= 64);
    let padded = |pad: u8| (0..64).map(|at| secret.get(at).copied().unwrap_or(0) ^ pad).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file with a secret, gone with the test.
struct SecretFile(std::path::PathBuf);

impl SecretFile {
    fn with(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-hooks-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_call_says_what_it_is_and_is_signed() {
    let (port, mut heard) = receiver(fine).await;
    let secret = SecretFile::with("signed", "  a secret \n");
    let mut bench = Bench::new();
    let signed = Hook { secret_file: Some(secret.0.display().to_string()), ..hook(HookKind::OnDraining, port) };
    let body = r#"{"switch":"model","pool":"blue"}"#;
    bench.order(notification("model", signed.clone(), body)).await;
    let first = next(&mut heard).await;
    assert_eq!((first.path.as_str(), first.body.as_str()), ("/hook", body));
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.header("tidegate-event"), "on-draining");
    let stamp = first.header("tidegate-timestamp");
    let now_s = crate::clock::unix_ms() / 1000;
    assert!(stamp.parse::<u64>().is_ok_and(|stamp| stamp <= now_s && stamp + 60 > now_s), "{stamp}");
    let code = hmac(b"a secret", format!("{stamp}.{body}").as_bytes());
    assert_eq!(first.header("tidegate-signature"), format!("sha256={code}"));

    bench.order(waited("model", Hook { secret_file: None, ..hook(HookKind::PreStep, port) }, 0)).await;
    assert_eq!(bench.answer().await, Ok(()));
    let second = next(&mut heard).await;
    assert_eq!(second.headers.get("tidegate-signature"), None);
    assert_ne!(first.header("tidegate-delivery"), second.header("tidegate-delivery"));
    assert_eq!(bench.end(HookKind::OnDraining).await, (1, 0, 0));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_a_failed_call() {
    let (port, mut heard) = receiver(fine).await;
    let mut bench = Bench::new();
    let secret = |file: &str| Hook { secret_file: Some(file.to_owned()), ..hook(HookKind::ConfirmStep, port) };
    bench.order(waited("model", secret("/nowhere/secret"), 0)).await;
    let problem = bench.answer().await.unwrap_err();
    assert!(problem.starts_with("can't read the secret file /nowhere/secret: No such file"), "{problem}");
    let empty = SecretFile::with("empty", " \n");
    bench.order(waited("model", secret(&empty.0.display().to_string()), 1)).await;
    assert!(bench.answer().await.unwrap_err().ends_with("-empty is empty"));
    assert!(heard.try_recv().is_err(), "nothing was sent unsigned");
    assert_eq!(bench.end(HookKind::ConfirmStep).await, (0, 2, 0));
}

#[tokio::test]
async fn a_notification_is_tried_again_under_its_name_until_it_is_taken() {
    let (port, mut heard) = receiver(|number, _| match number {
        0 => Reaction::Says(StatusCode::INTERNAL_SERVER_ERROR, "not yet".into()),
        1 => Reaction::Says(StatusCode::FOUND, "http://127.0.0.1:1/".into()),
        _ => Reaction::Says(StatusCode::OK, String::new()),
    })
    .await;
    let bench = Bench::new();
    bench.order(notification("model", hook(HookKind::Event, port), "1")).await;
    bench.order(notification("model", hook(HookKind::Event, port), "2")).await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        let call = next(&mut heard).await;
        calls.push((call.body.clone(), call.header("tidegate-delivery").to_owned()));
    }
    let bodies: Vec<&str> = calls.iter().map(|(body, _)| body.as_str()).collect();
    assert_eq!(bodies, ["1", "1", "1", "2"]);
    assert!(calls[0].1 == calls[1].1 && calls[1].1 == calls[2].1 && calls[2].1 != calls[3].1, "{calls:?}");
    assert_eq!(bench.end(HookKind::Event).await, (2, 0, 0));
}

#[tokio::test]
async fn a_notification_nobody_takes_is_given_up_and_the_next_has_its_turn() {
    let (port, mut heard) = receiver(|_, heard| match heard.body.as_str() {
        "bad" => Reaction::Says(StatusCode::BAD_REQUEST, String::new()),
        _ => Reaction::Says(StatusCode::OK, String::new()),
    })
    .await;
    let bench = Bench::new();
    bench.order(notification("model", Hook { retries: 2, ..hook(HookKind::Event, port) }, "bad")).await;
    bench.order(notification("model", hook(HookKind::Event, port), "good")).await;
    for expected in ["bad", "bad", "bad", "good"] {
        assert_eq!(next(&mut heard).await.body, expected);
    }
    assert_eq!(bench.end(HookKind::Event).await, (1, 1, 0));
}

#[tokio::test]
async fn notifications_of_one_switch_arrive_in_order() {
    let (port, mut heard) = receiver(|number, _| match number % 3 {
        1 => Reaction::Says(StatusCode::SERVICE_UNAVAILABLE, String::new()),
        _ => Reaction::Says(StatusCode::OK, String::new()),
    })
    .await;
    let bench = Bench::new();
    for n in 0..20 {
        // Kinds and paths differ; the receiver is the same.
        let kind = if n % 2 == 0 { HookKind::Event } else { HookKind::OnDrained };
        let hook = Hook { url: format!("http://127.0.0.1:{port}/{n}"), ..hook(kind, port) };
        bench.order(notification("model", hook, &n.to_string())).await;
    }
    let mut arrived: Vec<u32> = Vec::new();
    while arrived.last() != Some(&19) {
        arrived.push(next(&mut heard).await.body.parse().unwrap());
    }
    arrived.dedup();
    assert_eq!(arrived, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other_switch_and_no_call_that_is_waited_for() {
    let (hanging, mut stuck) = receiver(|_, heard| match heard.header("tidegate-event") {
        "event" => Reaction::Hangs,
        _ => Reaction::Says(StatusCode::OK, String::new()),
    })
    .await;
    let (good, mut heard) = receiver(fine).await;
    let mut bench = Bench::new();
    let minute = Hook { timeout_ms: 60_000, ..hook(HookKind::Event, hanging) };
    for n in 0..10 {
        bench.order(notification("model", minute.clone(), &n.to_string())).await;
    }
    assert_eq!(next(&mut stuck).await.body, "0");
    // Another receiver of the switch, another switch with the same receiver, and a call that is waited for.
    bench.order(notification("model", hook(HookKind::OnDrained, good), "model")).await;
    assert_eq!(next(&mut heard).await.body, "model");
    bench.order(notification("other", hook(HookKind::OnDrained, hanging), "other")).await;
    assert_eq!(next(&mut stuck).await.body, "other");
    bench.order(waited("model", hook(HookKind::PreStart, hanging), 0)).await;
    assert_eq!(bench.answer().await, Ok(()));
    bench.running.abort();
}

#[tokio::test]
async fn a_call_that_is_waited_for_has_one_attempt_and_says_what_came() {
    let long = "x".repeat(100_000);
    let (port, mut heard) = receiver(move |_, heard| match heard.path.as_str() {
        "/no" => Reaction::Says(StatusCode::CONFLICT, "the index\n\tis  not built\u{7}".into()),
        "/long" => Reaction::Says(StatusCode::SERVICE_UNAVAILABLE, long.clone()),
        "/moved" => Reaction::Says(StatusCode::TEMPORARY_REDIRECT, "/".into()),
        _ => Reaction::Hangs,
    })
    .await;
    let mut bench = Bench::new();
    let closed = closed_port().await;
    let to = |path: &str| Hook { url: format!("http://127.0.0.1:{port}{path}"), ..hook(HookKind::PreStep, port) };
    let cases = [
        (to("/no"), "status 409, wanted 200-299: the index is not built\u{fffd}".to_owned()),
        (to("/long"), format!("status 503, wanted 200-299: {} ...", "x".repeat(500))),
        (to("/moved"), "status 307, wanted 200-299, and redirects are not followed".to_owned()),
        (Hook { timeout_ms: 200, ..to("/hangs") }, "no answer within 200 ms".to_owned()),
        (hook(HookKind::PreStep, closed), "connection refused".to_owned()),
        (Hook { url: "http://".into(), ..to("/") }, "the URL is not usable: empty host".to_owned()),
    ];
    for (step, (hook, expected)) in cases.into_iter().enumerate() {
        bench.order(waited("model", hook, step)).await;
        assert_eq!(bench.answer().await, Err(expected));
    }
    let mut attempts = 0;
    while heard.try_recv().is_ok() {
        attempts += 1;
    }
    assert_eq!(attempts, 4, "one each for those that connect");
    assert_eq!(bench.end(HookKind::PreStep).await, (0, 6, 0));
}

#[tokio::test]
async fn equal_calls_under_way_are_one_call() {
    let (port, mut heard) = receiver(|number, _| match number {
        0 => Reaction::Hangs,
        _ => Reaction::Says(StatusCode::OK, String::new()),
    })
    .await;
    let mut bench = Bench::new();
    let slow = Hook { timeout_ms: 500, ..hook(HookKind::ConfirmStep, port) };
    for _ in 0..3 {
        bench.order(waited("model", slow.clone(), 1)).await;
    }
    assert_eq!(bench.answer().await, Err("no answer within 500 ms".into()));
    bench.order(waited("model", slow, 1)).await;
    assert_eq!(bench.answer().await, Ok(()));
    next(&mut heard).await;
    next(&mut heard).await;
    assert!(heard.try_recv().is_err() && bench.reports.try_recv().is_err());
}

#[tokio::test]
async fn a_full_queue_drops_its_oldest() {
    let (port, mut heard) = receiver(|_, heard| match heard.body.as_str() {
        "0" => Reaction::Hangs,
        _ => Reaction::Says(StatusCode::OK, String::new()),
    })
    .await;
    let mut bench = Bench::new();
    let first = Hook { timeout_ms: 2_000, retries: 0, ..hook(HookKind::Event, port) };
    bench.order(notification("model", first, "0")).await;
    next(&mut heard).await;
    for n in 1..=QUEUE + 10 {
        bench.order(notification("model", hook(HookKind::Event, port), &n.to_string())).await;
    }
    // A waited-for call is taken after them, so all of them are in the queue when it is answered.
    bench.order(waited("model", hook(HookKind::PreStep, port), 0)).await;
    assert_eq!(bench.answer().await, Ok(()));
    let mut arrived: Vec<usize> = Vec::new();
    while arrived.last() != Some(&(QUEUE + 10)) {
        arrived.extend(next(&mut heard).await.body.parse::<usize>().ok());
    }
    assert_eq!(arrived, (11..=QUEUE + 10).collect::<Vec<_>>());
    assert_eq!(bench.end(HookKind::Event).await, (QUEUE as u64, 1, 10));
}

#[tokio::test]
async fn the_end_tries_what_waits_and_counts_what_is_left() {
    let (port, mut heard) = receiver(|number, _| match number {
        0 => Reaction::Says(StatusCode::SERVICE_UNAVAILABLE, String::new()),
        _ => Reaction::Says(StatusCode::OK, String::new()),
    })
    .await;
    let hour = Duration::from_secs(3600);
    let bench = Bench::with(Pace { first: hour, longest: hour, at_the_end: PATIENT });
    for n in 0..3 {
        bench.order(notification("model", hook(HookKind::Event, port), &n.to_string())).await;
    }
    assert_eq!(next(&mut heard).await.body, "0");
    assert_eq!(bench.end(HookKind::Event).await, (3, 0, 0));

    let (port, mut heard) = receiver(|_, _| Reaction::Hangs).await;
    let bench = Bench::with(Pace { first: hour, longest: hour, at_the_end: Duration::from_millis(50) });
    for n in 0..3 {
        bench.order(notification("model", hook(HookKind::Event, port), &n.to_string())).await;
    }
    next(&mut heard).await;
    assert_eq!(bench.end(HookKind::Event).await, (0, 1, 2));
}

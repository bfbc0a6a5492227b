//! The scheduler: with fake attempts under paused time, and with a few hundred real ones.

use super::PATIENT;
use crate::health::{MonitorKind, ProbeOutcome, ProbeTarget};
use crate::probe::attempt::Attempted;
use crate::probe::plan::Plan;
use crate::probe::responder::{check, reply, says, target};
use crate::probe::{MAX_IN_FLIGHT, ProbeReport, run, run_with};
use std::collections::HashSet;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

fn targets(count: u32) -> Arc<[ProbeTarget]> {
    let model = target(MonitorKind::Tcp { port: 80, send: None, expect: None }, Duration::from_secs(1));
    let address = |index: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + index));
    (0..count).map(|index| ProbeTarget { address: address(index), ..model.clone() }).collect()
}

fn passed() -> Attempted {
    Attempted::Seen(ProbeOutcome { failure: None, latency_us: 1, seen_version: None, certificate_days: None })
}

/// Starts the scheduler; attempts take `takes` of paused time.
fn start(
    list: Arc<[ProbeTarget]>,
    takes: Duration,
) -> (watch::Sender<Arc<[ProbeTarget]>>, mpsc::Receiver<ProbeReport>) {
    let (list_sender, list) = watch::channel(list);
    let (report_sender, reports) = mpsc::channel(64);
    let attempt = move |_: ProbeTarget, _: Arc<Plan>| async move {
        sleep(takes).await;
        passed()
    };
    tokio::spawn(run_with(list, report_sender, pending(), attempt));
    (list_sender, reports)
}

#[tokio::test(start_paused = true)]
async fn a_first_full_round_of_5000_members_ends_within_a_second() {
    let (_list, mut reports) = start(targets(5000), Duration::from_millis(20));
    let begun = Instant::now();
    let mut seen = HashSet::new();
    while seen.len() < 5000 {
        seen.insert(reports.recv().await.unwrap().target_key);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn members_that_hang_do_not_starve_the_others() {
    let list = targets(3000);
    let (_list, list) = watch::channel(list);
    let (report_sender, mut reports) = mpsc::channel(64);
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (running_too, most_too) = (running.clone(), most.clone());
    let attempt = move |target: ProbeTarget, _: Arc<Plan>| {
        let (running, most) = (running_too.clone(), most_too.clone());
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let hangs = matches!(target.address, IpAddr::V4(v4) if v4.octets()[3] % 2 == 0);
            sleep(if hangs { Duration::from_secs(1) } else { Duration::from_millis(5) }).await;
            running.fetch_sub(1, Ordering::SeqCst);
            passed()
        }
    };
    tokio::spawn(run_with(list, report_sender, pending(), attempt));
    let mut rounds = std::collections::HashMap::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        *rounds.entry(reports.recv().await.unwrap().target_key).or_insert(0_u32) += 1;
    }
    assert_eq!(rounds.len(), 3000);
    assert!(rounds.values().all(|count| *count >= 5), "{:?}", rounds.values().min());
    assert!(most.load(Ordering::SeqCst) <= MAX_IN_FLIGHT);
}

#[tokio::test(start_paused = true)]
async fn a_changed_list_takes_effect_without_a_restart() {
    let all = targets(10);
    let (list, mut reports) = start(all[..5].into(), Duration::from_millis(5));
    for _ in 0..10 {
        reports.recv().await.unwrap();
    }
    list.send(all[4..].into()).unwrap();
    let gone: HashSet<String> = all[..4].iter().map(ProbeTarget::key).collect();
    let (mut seen, begun) = (HashSet::new(), Instant::now());
    while begun.elapsed() < Duration::from_secs(10) {
        let report = reports.recv().await.unwrap();
        if begun.elapsed() > Duration::from_millis(50) {
            assert!(!gone.contains(&*report.target_key));
            seen.insert(report.target_key);
        }
    }
    assert_eq!(seen.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn trouble_of_our_own_and_broken_attempts_report_nothing_and_are_tried_again() {
    let (_list, list) = watch::channel(targets(1));
    let (report_sender, mut reports) = mpsc::channel(64);
    let tries = Arc::new(AtomicUsize::new(0));
    let attempt = move |_: ProbeTarget, _: Arc<Plan>| {
        let try_number = tries.fetch_add(1, Ordering::SeqCst);
        async move {
            match try_number {
                0 => Attempted::Ours("no descriptors".into()),
                1 => panic!("broken on purpose"),
                _ => passed(),
            }
        }
    };
    let begun = Instant::now();
    tokio::spawn(run_with(list, report_sender, pending(), attempt));
    reports.recv().await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(3));
}

#[tokio::test]
async fn shutdown_ends_it_even_when_nobody_takes_reports() {
    let (_list, list) = watch::channel(targets(100));
    let (report_sender, _reports) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(run_with(list, report_sender, async { _ = stopped.await }, |_, _| async { passed() }));
    stop.send(()).unwrap();
    timeout(PATIENT, ended).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn two_hundred_targets_of_several_switches_are_probed_over_real_sockets() {
    let (port, log) = says(reply(200, "", r#"{"model":"v1"}"#)).await;
    let monitor = |path: &str| {
        let mut check = check(&format!("http://{{address}}:{port}{path}"));
        check.version_at = Some("/model".into());
        target(MonitorKind::Http(Box::new(check)), PATIENT)
    };
    // Two switches with a monitor each over the same hundred loopback addresses, listed twice.
    let of = |path: &str| {
        let model = monitor(path);
        (1..=100).map(move |octet| ProbeTarget { address: IpAddr::from([127, 0, 0, octet]), ..model.clone() })
    };
    let list: Vec<ProbeTarget> = of("/blue").chain(of("/green")).chain(of("/blue")).collect();
    // Only 127.0.0.1 listens: the others are refused, which is an outcome as well.
    let (_list, list) = watch::channel(Arc::from(list));
    let (report_sender, mut reports) = mpsc::channel(64);
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(run(list, report_sender, async { _ = stopped.await }));
    let mut seen = HashSet::new();
    while seen.len() < 200 {
        let report = timeout(PATIENT, reports.recv()).await.expect("reports come").unwrap();
        assert_eq!(*report.target_key, *report.target.key());
        let listens = report.target.address == IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(report.outcome.passed(), listens, "{:?}", report.outcome);
        seen.insert(report.target_key);
    }
    assert!(log.connections() >= 2);
    stop.send(()).unwrap();
    timeout(PATIENT, running).await.expect("it ends").unwrap();
}

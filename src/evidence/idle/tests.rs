//! Idle readings from servers on loopback.

use super::*;
use crate::health::{IdleReading, Number};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const PATIENT: Duration = Duration::from_secs(20);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Answers each request with what `body` says for its number.
async fn serve(body: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (count, body) = (Arc::new(AtomicU64::new(0)), Arc::new(body));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (count, body) = (count.clone(), body.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|four| four == b"\r\n\r\n")
                    && stream.read_buf(&mut head).await.is_ok_and(|n| n > 0)
                {}
                let _ = stream.write_all(&body(count.fetch_add(1, Ordering::SeqCst))).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    port
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

fn reading(url: String, counter: bool) -> IdleReading {
    let number = Number::Regex(r"(?m)^load (\S+)".into());
    of(IdleSource::Url { url, number, counter })
}

fn of(source: IdleSource) -> IdleReading {
    IdleReading { source, floor: None, readings: 3, interval_ms: 250, timeout_ms: 10_000 }
}

/// Reads once.
async fn read(reading: &IdleReading, addresses: &[IpAddr]) -> Result<f64, String> {
    super::read(&task("blue", reading.clone(), addresses)).await
}

fn task(pool: &str, reading: IdleReading, addresses: &[IpAddr]) -> IdleTask {
    IdleTask { switch: "model".into(), pool: pool.into(), reading: Arc::new(reading), addresses: addresses.into() }
}

#[tokio::test]
async fn a_gauge_is_summed_over_members_or_read_once() {
    let port = serve(|_| ok("load 2.5\n")).await;
    // The same loopback server stands in for two members.
    let members = reading(format!("http://{{address}}:{port}/metrics"), false);
    assert_eq!(read(&members, &[LOCAL, LOCAL]).await, Ok(5.0));
    let once = reading(format!("http://127.0.0.1:{port}/metrics"), false);
    assert_eq!(read(&once, &[LOCAL, LOCAL]).await, Ok(2.5));
    assert_eq!(read(&members, &[]).await, Err("the pool has no members to read".into()));
}

#[tokio::test]
async fn a_counter_is_read_twice_and_divided_by_time() {
    let port = serve(|n| ok(&format!("load {}\n", 1000 * (n + 1)))).await;
    let rate = read(&reading(format!("http://{{address}}:{port}/"), true), &[LOCAL]).await.unwrap();
    // A thousand counts over at least a quarter of a second.
    assert!(rate > 0.0 && rate <= 4000.0, "{rate}");
}

#[test]
fn a_counter_that_fell_counts_from_zero() {
    assert_eq!(rate(100.0, 300.0, Duration::from_secs(10)), Some(20.0));
    assert_eq!(rate(100.0, 50.0, Duration::from_secs(10)), Some(5.0));
    assert_eq!(rate(100.0, 100.0, Duration::from_secs(10)), Some(0.0));
    assert_eq!(rate(100.0, 300.0, Duration::ZERO), None);
}

#[tokio::test]
async fn one_member_that_cannot_be_read_makes_the_reading_an_error() {
    let port = serve(|_| ok("load 0\n")).await;
    let two = reading(format!("http://{{address}}:{port}/"), false);
    let closed = IpAddr::from([127, 0, 0, 2]);
    assert_eq!(read(&two, &[LOCAL, closed]).await, Err("127.0.0.2: connection refused".into()));
}

#[tokio::test]
async fn errors_are_said_in_words() {
    let port = serve(|_| b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let away = reading(format!("http://{{address}}:{port}/"), false);
    assert_eq!(read(&away, &[LOCAL]).await, Err("127.0.0.1: status 503, wanted 200-299".into()));

    let port = serve(|_| ok("load NaN\n")).await;
    let no_load = reading(format!("http://127.0.0.1:{port}/"), false);
    assert_eq!(read(&no_load, &[]).await, Err("reads NaN, which is no load".into()));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let hangs =
        IdleReading { timeout_ms: 200, ..reading(format!("http://{}/", listener.local_addr().unwrap()), false) };
    assert_eq!(read(&hangs, &[]).await, Err("timed out after 200 ms".into()));
}

#[tokio::test]
async fn a_giant_reply_is_refused() {
    let port = serve(|_| ok(&"x".repeat(5 * 1024 * 1024))).await;
    let giant = reading(format!("http://127.0.0.1:{port}/"), false);
    assert_eq!(read(&giant, &[]).await, Err("the reply is larger than 4 MiB".into()));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let port =
        serve(|_| b"HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let elsewhere = reading(format!("http://127.0.0.1:{port}/"), false);
    assert_eq!(read(&elsewhere, &[]).await, Err("status 302, wanted 200-299".into()));
}

#[tokio::test]
async fn a_prometheus_server_is_asked_about_the_pool() {
    let vector = |value: &str| {
        ok(&format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[1,"{value}"]}}]}}}}"#
        ))
    };
    let answers = [vector("0.25"), vector("-1"), ok("{}")];
    let port = serve(move |n| answers[usize::try_from(n).unwrap().min(2)].clone()).await;
    let asks = of(IdleSource::Prometheus {
        url: format!("http://127.0.0.1:{port}/"),
        query: "sum(in_flight{instance=~\"({addresses}):.*\"})".into(),
        bearer_file: None,
        ca_file: None,
    });
    assert_eq!(read(&asks, &[LOCAL]).await, Ok(0.25));
    assert_eq!(read(&asks, &[LOCAL]).await, Err("reads -1, which is no load".into()));
    let problem = read(&asks, &[LOCAL]).await.unwrap_err();
    assert!(problem.contains("not that of a Prometheus server"), "{problem}");
    let problem = read(&asks, &[]).await.unwrap_err();
    assert!(problem.contains("pool blue has no members"), "{problem}");
}

#[tokio::test]
async fn the_task_reports_each_pool_until_it_leaves_the_list() {
    let port = serve(|_| ok("load 1\n")).await;
    let blue = task("blue", reading(format!("http://{{address}}:{port}/"), false), &[LOCAL]);
    let green = task("green", reading("http://{address}:bad/".into(), false), &[LOCAL]);
    let (list, tasks) = watch::channel(Arc::from([blue, green.clone()]));
    let (report_sender, mut reports) = mpsc::channel(8);
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(run(tasks, report_sender, async { _ = stopped.await }));
    let (mut blues, mut greens) = (0, 0);
    while blues < 3 || greens < 3 {
        let report = timeout(PATIENT, reports.recv()).await.expect("reports come").unwrap();
        match &*report.pool {
            "blue" => {
                assert_eq!(report.value, Ok(1.0));
                blues += 1;
            }
            _ => {
                assert!(report.value.is_err_and(|problem| problem.contains("is not usable")));
                greens += 1;
            }
        }
    }
    list.send(Arc::from([green])).unwrap();
    // One blue report may be on its way; after some greens none can be.
    let mut greens = 0;
    while greens < 10 {
        let report = timeout(PATIENT, reports.recv()).await.expect("reports come").unwrap();
        if greens > 5 {
            assert_eq!(&*report.pool, "green");
        }
        greens += u32::from(&*report.pool == "green");
    }
    stop.send(()).unwrap();
    timeout(PATIENT, running).await.expect("it ends").unwrap();
}

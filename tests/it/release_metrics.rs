//! Releases decided by a real Prometheus that scrapes both sides: a canary with twice the errors, or
//! with too little CPU left, goes back by itself; a good one is promoted (§5.4, §5.5).

use crate::harness::{eventually, own_address};
use crate::pair::{CALM, Pair, accepted};
use crate::scraper::Prometheus;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests that a side has answered between two scrapes.
const REQUESTS: u64 = 40;

/// One side's metrics.
#[derive(Default)]
struct Side {
    /// Of [`REQUESTS`], how many fail.
    failing: AtomicU64,
    /// CPU in use, percent.
    cpu: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
}

impl Side {
    /// Shows what it counts at an address of its own, port 9100, for as long as the process lives.
    fn export(self: &Arc<Self>) -> Ipv4Addr {
        let address = own_address();
        let listener = TcpListener::bind((address, 9100)).expect("an address of its own");
        let side = self.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut piece = [0; 4096];
                let _ = stream.read(&mut piece);
                let requests = side.requests.fetch_add(REQUESTS, Ordering::SeqCst) + REQUESTS;
                let failing = side.failing.load(Ordering::SeqCst);
                let errors = side.errors.fetch_add(failing, Ordering::SeqCst) + failing;
                let cpu = side.cpu.load(Ordering::SeqCst);
                let body = format!(
                    "# TYPE http_requests_total counter\nhttp_requests_total {requests}\n\
                     # TYPE http_errors_total counter\nhttp_errors_total {errors}\n\
                     # TYPE cpu_percent gauge\ncpu_percent {cpu}\n\
                     # TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1000000\n"
                );
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes());
            }
        });
        address
    }
}

/// Scrapes both sides.
fn scraping(blue: Ipv4Addr, green: Ipv4Addr) -> Prometheus {
    let target = |pool: &str, at: Ipv4Addr| format!("  - targets: ['{at}:9100']\n    labels: {{pool: {pool}}}\n");
    let jobs = format!("- job_name: sides\n  static_configs:\n{}{}", target("blue", blue), target("green", green));
    Prometheus::start(own_address(), "250ms", &jobs)
}

/// Two steps of some seconds, judged by errors, CPU and memory.
fn plan(prometheus: &Prometheus) -> String {
    format!(
        r#"min_interval = "0s"
rollout = {{ steps = ["30%", "100%"], hold = "8s", min_hold = "2s", settle = "1s", look_every = "500ms", deadline = "20s", prometheus = {{ url = "{}", timeout = "5s" }}, metrics = {{ errors = {{ query = 'sum(increase(http_errors_total{{pool="{{pool}}"}}[2s]))', total = 'sum(increase(http_requests_total{{pool="{{pool}}"}}[2s]))' }}, cpu = {{ query = 'max(cpu_percent{{pool="{{pool}}"}})' }}, memory = {{ query = 'max(process_resident_memory_bytes{{pool="{{pool}}"}})' }} }}, gates = [{{ metric = "errors", margin = "3%" }}, {{ metric = "cpu", max = 80, min_samples = 3 }}, {{ metric = "memory", max = 2000000000, min_samples = 3 }}] }}"#,
        prometheus.url
    )
}

async fn released(pair: &Pair) -> Value {
    accepted(pair.post("rollout", json!({ "to": "green" })).await);
    eventually("the rollout ends", || async {
        let view = accepted(pair.server.api("GET", "/v1/switches/model/rollout", None).await);
        (!["pending", "progressing"].contains(&view["phase"].as_str()?)).then_some(view)
    })
    .await
}

fn last(view: &Value) -> &str {
    view["timeline"].as_array().and_then(|entries| entries.last()).and_then(|e| e["what"].as_str()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twice_the_errors_or_too_little_cpu_go_back_and_a_good_release_is_promoted() {
    let (blue, green) = (Arc::new(Side::default()), Arc::new(Side::default()));
    blue.failing.store(4, Ordering::SeqCst);
    green.failing.store(8, Ordering::SeqCst);
    let prometheus = scraping(blue.export(), green.export());
    let pair = Pair::with(&plan(&prometheus), CALM).await;

    let twice = released(&pair).await;
    assert_eq!(twice["phase"], "failed", "{twice}");
    assert!(last(&twice).contains("errors"), "{}", last(&twice));
    assert!(pair.answers(&pair.blue));

    green.failing.store(4, Ordering::SeqCst);
    green.cpu.store(95, Ordering::SeqCst);
    let hot = released(&pair).await;
    assert_eq!(hot["phase"], "failed", "{hot}");
    assert!(last(&hot).contains("cpu"), "{}", last(&hot));

    green.cpu.store(40, Ordering::SeqCst);
    let good = released(&pair).await;
    assert_eq!(good["phase"], "promoted", "{good}");
    assert!(pair.answers(&pair.green));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_that_is_away_or_answers_nothing_holds_the_rollout_and_alarms() {
    let (blue, green) = (Arc::new(Side::default()), Arc::new(Side::default()));
    let mut prometheus = scraping(blue.export(), green.export());
    prometheus.stop();
    let pair = Pair::with(&plan(&prometheus).replace("\"20s\"", "\"2s\""), CALM).await;
    let held = released(&pair).await;
    assert_eq!((held["phase"].as_str(), held["share_percent"].as_f64()), (Some("paused"), Some(30.0)), "{held}");
    assert!(held["failing_sources"]["errors"].is_string(), "{held}");
    let status = accepted(pair.server.api("GET", "/v1/status", None).await);
    let alarms = status["alarms"].to_string();
    assert!(alarms.contains("cannot be read"), "{alarms}");
}

//! Evidence and idle readings through a real Prometheus that scrapes a small real exporter.

use crate::harness::{eventually, own_address};
use crate::pair::{CALM, Pair, accepted};
use crate::scraper::Prometheus;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tidegate::evidence::queries;
use tidegate::rollout::{
    Check, EvidencePool, EvidenceReport, EvidenceTask, Gate, Metric, MetricSource, Plan, PlanKind, PrometheusSource,
    SampleValue, Statistic, Worse,
};
use tokio::sync::{mpsc, watch};

/// A version that tries to leave the string it stands in.
const ODD_VERSION: &str = r#"v2"} or vector(9) or x{y="\'`"#;

/// An exporter and the Prometheus that scrapes it; both go with the test (the exporter's thread with its process).
struct Monitored {
    address: Ipv4Addr,
    /// What `running` reads of each pool.
    running: Arc<AtomicU64>,
    prometheus: Prometheus,
}

impl Monitored {
    fn start() -> Self {
        let address = own_address();
        let running = Arc::new(AtomicU64::new(0));
        export(address, running.clone());
        let jobs = format!("- job_name: pools\n  static_configs:\n  - targets: ['{address}:9100']\n");
        Self { address, running, prometheus: Prometheus::start(address, "200ms", &jobs) }
    }
}

/// Shows metrics of two pools; each scrape sees ten requests more, one of them failed.
fn export(address: Ipv4Addr, running: Arc<AtomicU64>) {
    let listener = TcpListener::bind((address, 9100)).expect("an address of its own");
    let scrapes = Mutex::new(0_u64);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            let mut piece = [0; 1024];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(0) | Err(_) => break,
                    Ok(len) => request.extend_from_slice(&piece[..len]),
                }
            }
            let count = {
                let mut scrapes = scrapes.lock().expect("no panic");
                *scrapes += 1;
                *scrapes
            };
            let version = ODD_VERSION.replace('\\', "\\\\").replace('"', "\\\"");
            let body = format!(
                "# TYPE load gauge\nload{{pool=\"blue\",version=\"v1\"}} 0.25\nload{{pool=\"green\",version=\"{version}\"}} 0.75\n\
                 # TYPE requests_total counter\nrequests_total{{pool=\"green\"}} {}\n\
                 # TYPE errors_total counter\nerrors_total{{pool=\"green\"}} {}\n\
                 # TYPE running gauge\nrunning{{pool=\"blue\",switch=\"model\"}} {}\n",
                count * 10,
                count,
                running.load(Ordering::SeqCst),
            );
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
}

fn gate(name: &str, query: &str, total: Option<&str>) -> Gate {
    let source = MetricSource::Prometheus { query: query.into(), total: total.map(Into::into) };
    let metric = Metric { name: name.into(), source, worse: Worse::Up };
    let check = Check::Limit { statistic: Statistic::Mean, bound: 1.0, looks: 2 };
    Gate { name: name.into(), metric, check, min_samples: None }
}

fn task(monitored: &Monitored, gates: Vec<Gate>) -> EvidenceTask {
    let source =
        PrometheusSource { url: monitored.prometheus.url.clone(), bearer_file: None, ca_file: None, timeout_ms: 5_000 };
    let plan = Plan { gates, prometheus: Some(source), look_every_ms: 200, ..Plan::default_of(PlanKind::Canary) };
    let green = EvidencePool {
        pool: "green".into(),
        version: Some(ODD_VERSION.to_owned()),
        addresses: vec![IpAddr::V4(monitored.address), "192.0.2.20".parse().unwrap()],
    };
    EvidenceTask { switch: "model".into(), rollout: 1, plan: Arc::new(plan), pools: Arc::from([green]) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_of_a_rollout_are_read_from_a_real_prometheus() {
    let monitored = Monitored::start();
    let gates = vec![
        gate("load", "load{pool=\"{pool}\",version=\"{version}\",instance=~\"({addresses}):.*\"}", None),
        gate("quoted", "load{pool='{pool}',version='{version}'}", None),
        gate("errors", "sum(errors_total{pool=\"{pool}\"})", Some("sum(requests_total{pool=\"{pool}\"})")),
        gate("rate", "sum(rate(requests_total[2s]))", None),
        gate("scalar", "scalar(load{pool=\"{pool}\"}) * 2", None),
        gate("broken", "sum(load", None),
        gate("several", "load", None),
        gate("absent", "load{pool=\"{switch}\"}", None),
        gate("nan", "vector(0) / 0", None),
        gate("range", "load[5m]", None),
    ];
    let (_list, wanted) = watch::channel(Arc::from([task(&monitored, gates)]));
    let (sender, mut reports) = mpsc::channel(64);
    tokio::spawn(queries::run(wanted, sender, std::future::pending()));
    let latest: Mutex<HashMap<String, Result<SampleValue, String>>> = Mutex::default();
    let collecting = async {
        while let Some(EvidenceReport { metric, outcome, .. }) = reports.recv().await {
            latest.lock().unwrap().insert(metric.to_string(), outcome);
        }
    };
    let is = |metric: &str, outcome: Result<SampleValue, &str>| match (latest.lock().unwrap().get(metric), outcome) {
        (Some(Ok(seen)), Ok(value)) => *seen == value,
        (Some(Err(seen)), Err(part)) => seen.contains(part),
        _ => false,
    };
    let value = |number| Ok(SampleValue::Value(number));
    let told = Mutex::new(String::new());
    let complete = eventually("every metric is read as it should be", || async {
        let seen = latest.lock().unwrap().clone();
        let rate = matches!(seen.get("rate"), Some(Ok(SampleValue::Value(rate))) if *rate > 5.0);
        let errors = matches!(seen.get("errors"), Some(Ok(SampleValue::Count { count, total })) if *total >= 20.0 && (count * 10.0 - total).abs() <= 10.0);
        let all = is("load", value(0.75))
            && is("quoted", value(0.75))
            && is("scalar", value(1.5))
            && is("broken", Err("status 400: bad_data: invalid parameter \"query\""))
            && is("several", Err("the query gives 2 series"))
            && is("absent", Err("no data"))
            && is("nan", Err("the query gives NaN"))
            && is("range", Err("the query gives a matrix"));
        if !(all && rate && errors) {
            let shown = format!("{seen:?}\n{}", monitored.prometheus.log());
            if std::mem::replace(&mut *told.lock().unwrap(), shown.clone()) != shown {
                println!("{shown}");
            }
        }
        (all && rate && errors).then_some(())
    });
    tokio::select! {
        () = complete => {}
        () = collecting => panic!("the room ended"),
    }
}

async fn verdict(pair: &Pair) -> Value {
    accepted(pair.server.api("GET", "/v1/switches/model/drain/blue", None).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_side_is_idle_when_a_real_prometheus_says_so() {
    let monitored = Monitored::start();
    monitored.running.store(5, Ordering::SeqCst);
    let pair = Pair::with(
        &format!(
            "min_interval = \"0s\"\nttl = \"5s\"\nfast_ttl = \"5s\"\ntail = \"0s\"\n\
             idle = {{ prometheus = \"{}\", query = 'sum(running{{pool=\"{{pool}}\",switch=\"{{switch}}\"}})', floor = 1, interval = \"1s\" }}",
            monitored.prometheus.url
        ),
        CALM,
    )
    .await;
    pair.flip("green").await;
    let report = eventually("promises are over, and the load is read", || async {
        let report = verdict(&pair).await;
        assert_eq!(report["safe_to_close"], false, "five requests are running: {report}");
        (report["state"] == "tail" && report["idle"]["last_value"] == json!(5.0)).then_some(report)
    })
    .await;
    assert_eq!(report["idle"]["in_a_row"], 0, "{report}");
    monitored.running.store(1, Ordering::SeqCst);
    let report = eventually("idle", || async {
        let report = verdict(&pair).await;
        (report["safe_to_close"] == true).then_some(report)
    })
    .await;
    assert_eq!((&report["state"], &report["verified"]), (&json!("drained"), &json!(true)), "{report}");
}

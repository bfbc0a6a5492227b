//! Metrics from servers on loopback that answer as Prometheus does, and as it does not.

use super::*;
use crate::rollout::{Check, Gate, Plan, PlanKind, Statistic, Worse};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

const PATIENT: Duration = Duration::from_secs(30);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a server says to a query; `None`: nothing, ever.
type Manner = dyn Fn(&str, &HeaderMap) -> Option<(StatusCode, String)> + Send + Sync;

/// A server that answers `POST /api/v1/query` below `/prom`.
async fn server(
    manner: impl Fn(&str, &HeaderMap) -> Option<(StatusCode, String)> + Send + Sync + 'static,
) -> PrometheusSource {
    async fn query(State(manner): State<Arc<Manner>>, headers: HeaderMap, body: String) -> Response {
        assert_eq!(headers.get("content-type").unwrap(), "application/x-www-form-urlencoded");
        let carrier = reqwest::Url::parse(&format!("form:?{body}")).unwrap();
        let fields: HashMap<String, String> = carrier.query_pairs().into_owned().collect();
        assert!(fields["timeout"].ends_with("ms"), "{body}");
        match manner(&fields["query"], &headers) {
            Some((status, text)) => (status, text).into_response(),
            None => std::future::pending().await,
        }
    }
    let manner: Arc<Manner> = Arc::new(manner);
    let routes = Router::new().route("/prom/api/v1/query", post(query)).with_state(manner);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/prom", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    PrometheusSource { url, bearer_file: None, ca_file: None, timeout_ms: 10_000 }
}

fn vector(values: &[&str]) -> Option<(StatusCode, String)> {
    let samples: Vec<_> =
        values.iter().map(|value| format!(r#"{{"metric":{{"i":"x"}},"value":[1.5,"{value}"]}}"#)).collect();
    ok("vector", &format!("[{}]", samples.join(",")))
}

fn ok(kind: &str, result: &str) -> Option<(StatusCode, String)> {
    let text = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}},"warnings":["w"]}}"#);
    Some((StatusCode::OK, text))
}

/// A metric asked by `query`, and by `total`.
fn metric(name: &str, query: &str, total: Option<&str>) -> Gate {
    let source = MetricSource::Prometheus { query: query.into(), total: total.map(Into::into) };
    let metric = Metric { name: name.into(), source, worse: Worse::Up };
    let check = Check::Limit { statistic: Statistic::Mean, bound: 1.0, looks: 2 };
    Gate { name: name.into(), metric, check, min_samples: None }
}

fn task(switch: &str, source: &PrometheusSource, gates: Vec<Gate>) -> EvidenceTask {
    let plan =
        Plan { gates, prometheus: Some(source.clone()), look_every_ms: 100, ..Plan::default_of(PlanKind::Canary) };
    let pool = |name: &str, version: Option<&str>| EvidencePool {
        pool: name.into(),
        version: version.map(str::to_owned),
        addresses: vec![LOCAL],
    };
    let pools = Arc::from([pool("green", Some("v2")), pool("blue", None)]);
    EvidenceTask { switch: switch.into(), rollout: 7, plan: Arc::new(plan), pools }
}

/// A running room.
struct Room {
    list: watch::Sender<Arc<[EvidenceTask]>>,
    reports: mpsc::Receiver<EvidenceReport>,
    _stop: oneshot::Sender<()>,
}

impl Room {
    fn with(tasks: Vec<EvidenceTask>) -> Self {
        let (list, wanted) = watch::channel(Arc::from(tasks));
        let (sender, reports) = mpsc::channel(64);
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(run(wanted, sender, async { _ = stopped.await }));
        Self { list, reports, _stop: stop }
    }

    async fn next(&mut self) -> EvidenceReport {
        timeout(PATIENT, self.reports.recv()).await.expect("a report comes").unwrap()
    }
}

/// What the canary's pool is reported to be when `query` (and `total`) are asked.
async fn measured(source: &PrometheusSource, query: &str, total: Option<&str>) -> Result<SampleValue, String> {
    let mut room = Room::with(vec![task("model", source, vec![metric("m", query, total)])]);
    loop {
        let report = room.next().await;
        if &*report.pool == "green" {
            return report.outcome;
        }
    }
}

#[tokio::test]
async fn every_metric_of_every_pool_is_reported_at_each_look() {
    let source = server(|query, _| match query {
        r#"cpu{pool="green",s='model',i=~"127.0.0.1:.*"}"# => vector(&["0.5"]),
        r#"cpu{pool="blue",s='model',i=~"127.0.0.1:.*"}"# => ok("scalar", r#"[1,"1e3"]"#),
        "bad{green}" => vector(&["3"]),
        "bad{blue}" => vector(&["0"]),
        "all" => vector(&["200"]),
        "seen{v=\"v2\"}" => vector(&["7"]),
        other => panic!("{other}"),
    })
    .await;
    let gates = vec![
        metric("cpu", r#"cpu{pool="{pool}",s='{switch}',i=~"{addresses}:.*"}"#, None),
        metric("errors", "bad{{pool}}", Some("all")),
        metric("seen", "seen{v=\"{version}\"}", None),
    ];
    let mut room = Room::with(vec![task("model", &source, gates)]);
    let mut seen: HashMap<(String, String), u32> = HashMap::new();
    while seen.len() < 6 || seen.values().any(|times| *times < 3) {
        let report = room.next().await;
        assert_eq!((&*report.switch, report.rollout), ("model", 7));
        let expected = match (&*report.metric, &*report.pool) {
            ("cpu", "green") => Ok(SampleValue::Value(0.5)),
            ("cpu", "blue") => Ok(SampleValue::Value(1000.0)),
            ("errors", "green") => Ok(SampleValue::Count { count: 3.0, total: 200.0 }),
            ("errors", "blue") => Ok(SampleValue::Count { count: 0.0, total: 200.0 }),
            ("seen", "green") => Ok(SampleValue::Value(7.0)),
            ("seen", "blue") => Err("the query needs {version}, and pool blue expects none".to_owned()),
            other => panic!("{other:?}"),
        };
        assert_eq!(report.outcome, expected);
        *seen.entry((report.metric.to_string(), report.pool.to_string())).or_default() += 1;
    }
}

#[tokio::test]
async fn what_is_no_single_number_is_an_error_in_words() {
    let source = server(|query, _| match query {
        "none" => vector(&[]),
        "three" => vector(&["1", "2", "3"]),
        "nan" => vector(&["NaN"]),
        "inf" => vector(&["+Inf"]),
        "word" => vector(&["many"]),
        "matrix" => ok("matrix", "[]"),
        "histogram" => ok("vector", r#"[{"metric":{},"histogram":[1,{}]}]"#),
        "hollow" => ok("vector", "[{}]"),
        "other" => Some((StatusCode::OK, "<html>".into())),
        "empty" => Some((StatusCode::OK, r#"{"status":"success"}"#.into())),
        "parse" => Some((
            StatusCode::BAD_REQUEST,
            r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error"}"#
                .into(),
        )),
        "soft" => Some((StatusCode::OK, r#"{"status":"error","errorType":"timeout","error":"too long"}"#.into())),
        "proxy" => Some((StatusCode::BAD_GATEWAY, "<html>\n  upstream\tis away".into())),
        "silent" => Some((StatusCode::UNAUTHORIZED, String::new())),
        "moved" => Some((StatusCode::FOUND, String::new())),
        "large" => Some((StatusCode::OK, "x".repeat(5 * 1024 * 1024))),
        _ => vector(&["5"]),
    })
    .await;
    for (query, expected) in [
        ("none", "no data: the query gives no series"),
        ("three", "the query gives 3 series, wanted one: put sum() or avg() around it"),
        ("nan", "the query gives NaN, which is no measurement"),
        ("inf", "the query gives +Inf, which is no measurement"),
        ("word", "the query gives \"many\", which is no number"),
        ("matrix", "the query gives a matrix, wanted one number of now"),
        ("histogram", "the query gives a histogram, wanted a number"),
        ("hollow", "a sample without a value"),
        ("other", "the reply is not that of a Prometheus server: expected value"),
        ("empty", "it holds no data"),
        ("parse", "status 400: bad_data: invalid parameter \"query\": 1:5: parse error"),
        ("soft", "timeout: too long"),
        ("proxy", "status 502, wanted 200-299: <html> upstream is away"),
        ("silent", "status 401, wanted 200-299"),
        ("moved", "status 302, and redirects are not followed"),
        ("large", "the reply is larger than 4 MiB"),
        ("m{v=\"{version}\"} and {version", "5"),
    ] {
        let outcome = measured(&source, query, None).await;
        let said = outcome.map_or_else(
            |problem| problem,
            |value| match value {
                SampleValue::Value(value) => value.to_string(),
                SampleValue::Count { .. } => panic!("{query}"),
            },
        );
        assert!(said.starts_with(expected) || said.contains(expected) && expected.len() > 5, "{query}: {said}");
    }
    assert_eq!(measured(&source, "5", Some("none")).await.unwrap_err().split(':').next(), Some("the total"));
}

#[tokio::test]
async fn a_count_stays_within_its_total() {
    let source = server(|query, _| vector(&[query])).await;
    let count = |count, total| Ok(SampleValue::Count { count, total });
    assert_eq!(measured(&source, "5", Some("5")).await, count(5.0, 5.0));
    assert_eq!(measured(&source, "0", Some("0")).await, count(0.0, 0.0));
    for (query, total) in [("6", "5"), ("-1", "5"), ("-2", "-1")] {
        let problem = measured(&source, query, Some(total)).await.unwrap_err();
        assert!(problem.starts_with(&format!("counts {query} of {total}, which can't be")), "{problem}");
    }
}

#[tokio::test]
async fn the_token_is_read_at_each_use() {
    let source = server(|_, headers| match headers.get("authorization").and_then(|value| value.to_str().ok()) {
        Some(value) => vector(&[value.strip_prefix("Bearer ").unwrap()]),
        None => vector(&["0"]),
    })
    .await;
    let path = std::env::temp_dir().join(format!("tidegate-token-{}", std::process::id()));
    let source = PrometheusSource { bearer_file: Some(path.display().to_string()), ..source };
    for (text, expected) in [("1\n", 1.0), (" 22 ", 22.0)] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(measured(&source, "q", None).await, Ok(SampleValue::Value(expected)));
    }
    for text in ["two words", "", "caf\u{e9}"] {
        std::fs::write(&path, text).unwrap();
        assert!(measured(&source, "q", None).await.unwrap_err().ends_with("holds no token"), "{text}");
    }
    std::fs::remove_file(&path).unwrap();
    let problem = measured(&source, "q", None).await.unwrap_err();
    assert!(problem.starts_with("can't read the token file ") && problem.contains("No such file"), "{problem}");
}

#[tokio::test]
async fn a_server_that_hangs_or_refuses_times_out_and_delays_no_other_switch() {
    let hangs = PrometheusSource { timeout_ms: 300, ..server(|_, _| None).await };
    let good = server(|_, _| vector(&["1"])).await;
    let refuses = PrometheusSource { url: "http://127.0.0.1:1".into(), ..good.clone() };
    let long = PrometheusSource { timeout_ms: 3_600_000, ..hangs.clone() };
    let gate = || vec![metric("m", "q", None)];
    let mut room = Room::with(vec![
        task("hangs", &hangs, gate()),
        task("long", &long, gate()),
        task("refuses", &refuses, gate()),
        task("good", &good, gate()),
    ]);
    let mut times: HashMap<String, u32> = HashMap::new();
    while ["hangs", "refuses", "good"].iter().any(|switch| times.get(*switch).copied().unwrap_or(0) < 6) {
        let report = room.next().await;
        let expected = match &*report.switch {
            "hangs" => Err("timed out after 300 ms".to_owned()),
            "refuses" => Err("connection refused".to_owned()),
            "good" => Ok(SampleValue::Value(1.0)),
            other => panic!("{other} has an answer"),
        };
        assert_eq!(report.outcome, expected);
        *times.entry(report.switch.to_string()).or_default() += 1;
    }
}

#[tokio::test]
async fn a_rollout_that_leaves_the_list_is_asked_about_no_more_and_one_that_changes_keeps_its_cadence() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let source = server(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        vector(&["1"])
    })
    .await;
    let hourly = |pools: &[&str]| {
        let mut task = task("slow", &source, vec![metric("m", "q", None)]);
        task.plan = Arc::new(Plan { look_every_ms: 3_600_000, ..(*task.plan).clone() });
        task.pools = task.pools.iter().filter(|pool| pools.contains(&&*pool.pool)).cloned().collect();
        task
    };
    let mut room = Room::with(vec![hourly(&["green"])]);
    assert_eq!(&*room.next().await.switch, "slow");
    // New pools are asked about at the next look, which is an hour away.
    let quick = task("quick", &source, vec![metric("m", "q", None)]);
    room.list.send(Arc::from([hourly(&["green", "blue"]), quick])).unwrap();
    for _ in 0..6 {
        assert_eq!(&*room.next().await.switch, "quick");
    }
    room.list.send(Arc::from([])).unwrap();
    // Reports on their way arrive; after them there is silence, which only a look at the count shows.
    while let Ok(Some(_)) = timeout(Duration::from_millis(500), room.reports.recv()).await {}
    let before = asked.load(Ordering::SeqCst);
    assert!(timeout(Duration::from_millis(500), room.reports.recv()).await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn an_own_ca_is_trusted_and_no_other() {
    crate::probe::install_crypto();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().signed_by(&own, &issuer).unwrap();
    let der = PrivateKeyDer::try_from(own.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut heard = Vec::new();
                while !heard.ends_with(b"ms") && stream.read_buf(&mut heard).await.is_ok_and(|n| n > 0) {}
                let (_, body) = vector(&["4"]).unwrap();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    let path = std::env::temp_dir().join(format!("tidegate-ca-{}.pem", std::process::id()));
    std::fs::write(&path, pem).unwrap();
    let source = |ca: Option<&std::path::Path>| PrometheusSource {
        url: format!("https://127.0.0.1:{port}"),
        bearer_file: None,
        ca_file: ca.map(|path| path.display().to_string()),
        timeout_ms: 10_000,
    };
    assert_eq!(measured(&source(Some(&path)), "q", None).await, Ok(SampleValue::Value(4.0)));
    let problem = measured(&source(None), "q", None).await.unwrap_err();
    assert!(problem.starts_with("cannot connect: "), "{problem}");
    std::fs::write(&path, "no certificate").unwrap();
    let problem = measured(&source(Some(&path)), "q", None).await.unwrap_err();
    assert!(problem.contains("the CA file"), "{problem}");
    std::fs::remove_file(&path).unwrap();
}

//! What is shipped for monitoring, held against a live server: metrics, alert rules, the dashboard.

use crate::harness::{Folder, LIMIT, eventually, http};
use crate::pair::{CALM, OWNER, Pair, accepted};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// A file of `deploy`.
fn shipped(name: &str) -> String {
    format!("{}/deploy/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs promtool and wants it to be content.
fn promtool(arguments: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (Debian: prometheus)");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
}

#[test]
fn the_alert_rules_are_valid_and_pass_their_own_tests() {
    promtool(&["check", "rules", &shipped("prometheus/alerts.yml")], "");
    promtool(&["test", "rules", &shipped("prometheus/alerts.test.yml")], "");
}

#[test]
fn every_alert_has_a_test_and_stands_on_the_page() {
    let read = |name: &str| std::fs::read_to_string(shipped(&format!("prometheus/{name}"))).expect("a shipped file");
    let (rules, tests, page) = (read("alerts.yml"), read("alerts.test.yml"), read("README.md"));
    let named: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let listed: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `Tidegate")?.split('`').next()).collect();
    assert!(named.len() >= 12 && listed.len() == named.len(), "{named:?}\n{listed:?}");
    for alert in named {
        assert!(page.contains(&format!("| `{alert}` | ")), "the page does not list {alert}");
        let fires = format!("alertname: {alert}\n        exp_alerts:\n          - exp_labels");
        assert!(tests.contains(&fires), "no test has {alert} fire");
    }
}

/// A Prometheus that scrapes one server as job `tidegate`.
struct Prometheus {
    child: Child,
    url: String,
    folder: Folder,
}

impl Prometheus {
    fn scraping(pair: &Pair) -> Self {
        let folder = Folder::new("monitoring");
        folder.write(
            "prometheus.yml",
            &format!(
                "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n- job_name: tidegate\n  \
                 static_configs:\n  - targets: ['{}']\n",
                pair.server.admin
            ),
        );
        let address = format!("{}:9090", pair.server.admin.ip());
        let log = std::fs::File::create(folder.path().join("log")).expect("a log file");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus is installed (Debian: prometheus)");
        Self { child, url: format!("http://{address}"), folder }
    }

    /// The rows of a query; `None` while it gives none.
    async fn rows(&self, query: &str) -> Option<Vec<Value>> {
        let url = reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.url), [("query", query)]).ok()?;
        let reply = http().get(url).send().await.ok()?;
        let mut reply: Value = reply.json().await.ok()?;
        let Value::Array(rows) = reply["data"]["result"].take() else { panic!("{query}: {reply}") };
        (!rows.is_empty()).then_some(rows)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_the_dashboard_gives_data_from_a_live_server() {
    let pair = Pair::with("min_interval = \"0s\"", CALM).await;
    pair.flip("green").await;
    pair.flip("blue").await;
    let body = json!({ "to": "green", "reason": "a rollout to look at" });
    accepted(pair.server.api("POST", "/v1/switches/model/rollout", Some(body)).await);
    let prometheus = Prometheus::scraping(&pair);
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(shipped("grafana/tidegate.json")).expect("the dashboard"))
            .expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let queries: Vec<&str> = targets.map(|target| target["expr"].as_str().expect("a query")).collect();
    assert!(queries.len() > 15, "{queries:?}");
    for query in queries {
        let plain = query.replace("$job", ".*").replace("$switch", ".*").replace("$__rate_interval", "30s");
        assert!(!plain.contains('$'), "a variable is not known here: {plain}");
        eventually(&format!("rows of {query}"), || async {
            // Answers go on while it is scraped, so that rates have something to show.
            pair.server.short(&[OWNER, "A"]);
            let rows = prometheus.rows(&plain).await?;
            rows.iter().any(|row| row["value"][1] != "NaN").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_finds_nothing_wrong_with_the_metrics_of_a_live_server() {
    let pair = Pair::start().await;
    pair.flip("green").await;
    pair.server.short(&[OWNER, "A"]);
    let request = http().get(format!("http://{}/metrics", pair.server.admin)).timeout(LIMIT);
    let reply = request.header("Accept", "text/plain").send().await.expect("metrics");
    assert!(reply.headers()["content-type"].to_str().expect("text").starts_with("text/plain; version=0.0.4"));
    let text = reply.text().await.expect("text");
    let counted = "tidegate_admin_request_duration_seconds_count{method=\"POST\",route=\"/v1/switches/{switch}/flip\",status=\"200\"} 1";
    assert!(text.lines().any(|line| line == counted), "{counted} is missing in\n{text}");
    promtool(&["check", "metrics"], &text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_change_is_one_line_of_the_log_with_the_id_of_its_request_and_queries_are_none() {
    let pair = Pair::start().await;
    let before = pair.server.log();
    for _ in 0..20 {
        pair.server.short(&[OWNER, "A"]);
        pair.server.short(&["nowhere.example.test", "A"]);
    }
    let body = json!({ "to": "green", "reason": "release 42" });
    accepted(
        pair.server.api_with("POST", "/v1/switches/model/flip", Some(body), &[("X-Request-Id", "deploy-2041")]).await,
    );
    let log = pair.server.log();
    let new = log.strip_prefix(&before).expect("a log only grows");
    let lines: Vec<&str> = new.lines().filter(|line| line.contains("change accepted")).collect();
    assert!(matches!(lines[..], [line] if line.contains("deploy-2041") && line.contains("release 42")), "{new}");
    assert!(!new.contains("nowhere"), "a query was logged: {new}");
}

//! Feature flags as TXT, read by the documented client, and an A/B test from its answers and samples to its report.

use crate::harness::{Server, eventually};
use serde_json::{Value, json};
use std::process::Command;

/// The shipped example.
const ZONE: &str = include_str!("../../zones/flags.example.toml");

/// The page that teaches it.
const PAGE: &str = include_str!("../../deploy/experiments.md");

async fn server() -> Server {
    Server::start(&[("flags.example.toml", ZONE)]).await
}

/// What the documented shell function prints for this user.
fn flag(server: &Server, name: &str, user: &str, default: &str) -> String {
    let begin = PAGE.find("```sh\n").expect("a shell example") + "```sh\n".len();
    let script = PAGE[begin..].split("```").next().expect("its end");
    let function = script.rsplit_once("flag search").expect("its example call").0;
    let call = format!("{function}\nflag \"$1\" \"$2\" \"$3\"\n");
    let place = format!("@{} -p {}", server.dns.ip(), server.dns.port());
    let output =
        Command::new("sh").args(["-c", &call, "sh", name, user, default]).env("DNS_SERVER", place).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn report(server: &Server) -> Value {
    let (status, report) = server.api("GET", "/v1/switches/ranking/report", None).await;
    assert_eq!(status, 200, "{report}");
    report
}

/// Pushes what 400 users of each pool did: b clicks more often, and both take as long.
async fn push(server: &Server) {
    for pool in ["a", "b"] {
        let samples: Vec<Value> = (0..400)
            .flat_map(|n: u32| {
                let clicked = n % 10 < if pool == "a" { 1 } else { 4 };
                [
                    json!({"metric": "clicked", "pool": pool, "count": u8::from(clicked), "total": 1,
                        "id": format!("{pool}-{n}")}),
                    json!({"metric": "seconds", "pool": pool, "value": f64::from(n * 7 % 31)}),
                ]
            })
            .collect();
        let (status, taken) =
            server.api("POST", "/v1/switches/ranking/samples", Some(json!({ "samples": samples }))).await;
        assert_eq!((status, &taken["taken"]), (200, &json!(800)), "{taken}");
    }
}

#[tokio::test]
async fn a_flag_is_read_by_label_as_the_page_says_and_stays_on_while_its_weight_grows() {
    let server = server().await;
    let users: Vec<String> = (0..60).map(|n| format!("user-{n}@example.org")).collect();
    let read = || users.iter().map(|user| flag(&server, "search.flags.example", user, "none")).collect::<Vec<_>>();
    let before = read();
    assert!(before.iter().all(|value| value == "on" || value == "off"), "{before:?}");
    let half = json!({ "weights": { "off": 5000, "on": 5000 }, "force": true, "reason": "half of them" });
    assert_eq!(server.api("POST", "/v1/switches/search/set-weights", Some(half)).await.0, 200);
    let after = read();
    let count = |values: &[String]| values.iter().filter(|value| *value == "on").count();
    assert!(before.iter().zip(&after).all(|(before, after)| before == "off" || after == "on"));
    assert!(count(&before) < count(&after) && count(&after) < 50, "{} {}", count(&before), count(&after));
    assert_eq!(server.short(&["tester-7.search.flags.example", "TXT"]), ["\"on\""], "testers always have it");
    assert_eq!(flag(&server, "no-such.flags.example", "alice", "off"), "off", "no answer is the default");
}

#[tokio::test]
async fn a_test_under_fixed_weights_ends_in_a_report_that_outlives_a_restart() {
    let mut server = server().await;
    for user in 0..200 {
        let value = server.short(&[&format!("u{user}.ranking.flags.example"), "TXT"]);
        assert!(value == ["\"a\""] || value == ["\"b\""], "{value:?}");
    }
    push(&server).await;
    let found = report(&server).await;
    let answers = |report: &Value| {
        report["pools"].as_array().unwrap().iter().map(|pool| pool["answers"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(answers(&found), 200, "{found}");
    assert_eq!((&found["split_kept"], &found["pools"][0]["target"]), (&json!(true), &json!(0.5)), "{found}");
    let clients = found["pools"][0]["share"]["clients_seen"].as_f64().unwrap();
    assert!((180.0..220.0).contains(&clients), "each user is a client: {found}");
    let [clicked, seconds] = found["metrics"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&clicked["metric"], &clicked["kind"]), (&json!("clicked"), &json!("share")));
    assert_eq!(clicked["comparisons"][0]["verdict"], "higher", "{clicked}");
    let effect = clicked["comparisons"][0]["effect"].as_f64().unwrap();
    assert!((effect - 0.3).abs() < 1e-9, "{effect}");
    assert_eq!((&seconds["kind"], &seconds["comparisons"][0]["verdict"]), (&json!("mean"), &json!("open")));

    // A sample that was sent before is not counted again; a pool that takes no part is not wanted.
    let again = json!({ "samples": [{"metric": "clicked", "pool": "a", "count": 1, "total": 1, "id": "a-1"},
        {"metric": "clicked", "pool": "c", "count": 1, "total": 1}] });
    let (_, taken) = server.api("POST", "/v1/switches/ranking/samples", Some(again)).await;
    assert_eq!(taken, json!({"taken": 0, "dropped": {"duplicate": 1, "unwanted": 1}}));

    let text = server.cli(&["report", "ranking"]);
    let text = String::from_utf8(text.stdout).unwrap();
    for fact in [
        "A/B test since",
        "the split is kept",
        "TARGET",
        "50.00%",
        "higher  clicked: b is higher than a by +0.3",
        "WHAT IT CANNOT SAY",
    ] {
        assert!(text.contains(fact), "{fact}:\n{text}");
    }

    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    let kept = report(&server).await;
    assert_eq!((&kept["since"], &kept["metrics"], answers(&kept)), (&found["since"], &found["metrics"], 200));

    // The same shares in other numbers are the same test; another split is another, which is told.
    let weights = async |a: u16, b: u16| {
        let split = json!({ "weights": { "a": a, "b": b }, "force": true, "reason": "b is good" });
        let (status, told) = server.api("POST", "/v1/switches/ranking/set-weights", Some(split)).await;
        assert_eq!(status, 200, "{told}");
        told["notes"].to_string()
    };
    assert!(!weights(1, 1).await.contains("A/B test"));
    assert_eq!(report(&server).await["metrics"], found["metrics"]);
    let told = weights(9000, 1000).await;
    assert!(told.contains("the A/B test of switch `ranking` since") && told.contains("ends"), "{told}");
    let anew = report(&server).await;
    assert_eq!((&anew["metrics"], answers(&anew)), (&json!([]), 0), "{anew}");
    assert!(anew["cannot_say"][0].as_str().unwrap().starts_with("Too few clients"), "{anew}");
}

#[tokio::test]
async fn what_was_measured_survives_a_crash_but_for_the_last_second() {
    let mut server = server().await;
    push(&server).await;
    let found = report(&server).await;
    let saved = |server: &Server| {
        let path = server.state().join("seen.db");
        std::fs::metadata(path.with_extension("db-wal")).map(|meta| meta.modified().unwrap()).ok()
    };
    let before = saved(&server);
    // Two saves after the push: the first may have begun before it.
    let between = eventually("a save", || async { saved(&server).filter(|now| Some(*now) != before) }).await;
    eventually("another save", || async { saved(&server).filter(|now| *now != between) }).await;
    server.kill9();
    server.restart().await;
    assert_eq!(report(&server).await["metrics"], found["metrics"]);
}

#[tokio::test]
async fn a_switch_without_a_test_says_so() {
    let server = server().await;
    let (status, problem) = server.api("GET", "/v1/switches/search/report", None).await;
    assert_eq!((status, problem["type"].as_str()), (404, Some("urn:tidegate:problem:no-trial")), "{problem}");
    let output = server.cli(&["report", "rankin"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is `ranking`"), "{output:?}");
}

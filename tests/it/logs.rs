//! What happens leaves one structured line each in the JSON log, with the fields that `deploy/README.md` lists.

use crate::backend::Backend;
use crate::harness::{Server, UNWATCHED, eventually};
use crate::pair::{LIVELY, accepted, member, zone};
use crate::small_disk::SmallDisk;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The lines of the log; each must be JSON with the fields of every line.
fn lines(server: &Server) -> Vec<Value> {
    let log = server.log();
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "message", "target"] {
            assert!(line[field].is_string(), "no {field} in {line}");
        }
        line
    };
    log.lines().map(read).collect()
}

/// The lines with this message.
fn said(server: &Server, message: &str) -> Vec<Value> {
    lines(server).into_iter().filter(|line| line["message"] == message).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flip_a_health_change_and_a_refused_reload_are_one_line_each() {
    let (blue, green) = (Backend::start("v1"), Backend::start("v2"));
    let text = zone(&member(&blue), &member(&green), "min_interval = \"0s\"", LIVELY);
    let server = Server::start_configured(&[("example.test.toml", &text)], "[log]\nformat = \"json\"\n").await;
    let body = json!({ "to": "green", "reason": "release 42", "force": true });
    accepted(server.api_with("POST", "/v1/switches/model/flip", Some(body), &[("X-Request-Id", "deploy-2041")]).await);
    let flips = said(&server, "change accepted");
    let [flip] = &flips[..] else { panic!("one line, not {flips:?}") };
    assert_eq!(
        (&flip["level"], &flip["verb"], &flip["who"]),
        (&json!("INFO"), &json!("flip"), &json!("first")),
        "{flip}"
    );
    assert_eq!((&flip["reason"], &flip["forced"]), (&json!("release 42"), &json!(true)), "{flip}");
    assert_eq!((&flip["revision"], &flip["request_id"]), (&json!(1), &json!("deploy-2041")), "{flip}");
    assert!(flip["from"] == "127.0.0.1" && flip["switches"] == json!("[\"model\"]"), "{flip}");

    let address = blue.address.to_string();
    drop(blue);
    let down = eventually("the line of a member that is down", || async {
        said(&server, "health changed").into_iter().find(|line| line["pool"] == "blue" && line["to"] == "Down")
    })
    .await;
    assert_eq!((&down["switch"], &down["level"]), (&json!("model"), &json!("INFO")), "{down}");
    assert!(down["from"] == "Up" && down["member"].is_string() && down["failure"].is_string(), "{address}: {down}");
    let again =
        said(&server, "health changed").into_iter().filter(|line| line["pool"] == "blue" && line["to"] == "Down");
    assert_eq!(again.count(), 1);

    server.folder.write("zones/example.test.toml", "[zone]\nnonsense = 1\n");
    assert_eq!(server.api("POST", "/v1/reload", None).await.0, 422);
    let refused = said(&server, "reload refused, nothing changed");
    assert!(matches!(&refused[..], [line] if line["level"] == "WARN" && line["problems"].is_number()), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_is_one_line() {
    let mut server = Server::prepare(&[("example.test.toml", UNWATCHED)], &[]);
    server.configure("[log]\nformat = \"json\"\n");
    let disk = SmallDisk::mount(&server.state(), "12m");
    server.spawn();
    server.ready().await;
    let round = AtomicUsize::new(0);
    eventually("a change is refused", || async {
        disk.fill();
        let to = if round.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { "green" } else { "blue" };
        let body = json!({ "to": to, "force": true, "reason": "test" });
        (server.api("POST", "/v1/switches/model/flip", Some(body)).await.0 == 507).then_some(())
    })
    .await;
    let line = eventually("the line of the store", || async {
        said(&server, "the store is short of disk space").into_iter().next()
    })
    .await;
    assert!(line["level"] == "ERROR" && line["part"].is_string(), "{line}");
    let parts: Vec<Value> =
        said(&server, "the store is short of disk space").into_iter().map(|line| line["part"].clone()).collect();
    assert_eq!(parts.iter().filter(|part| **part == line["part"]).count(), 1, "one line a part: {parts:?}");
}

//! Files that somebody damaged, removed or made with a newer program.

use super::{address, answer, flip, start};
use crate::harness::{Server, eventually};
use crate::pair::{accepted, refused, serial_of};
use serde_json::{Value, json};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What may happen to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Overwrite,
    Truncate,
    Empty,
    Remove,
}

/// Damages a database and removes what SQLite keeps beside it.
fn damage(path: &Path, how: Damage) {
    let len = std::fs::metadata(path).expect("a database").len();
    let open = || std::fs::OpenOptions::new().write(true).open(path).expect("a database");
    match how {
        Damage::Overwrite => {
            let mut file = open();
            for page in 0..len / 4096 {
                file.seek(SeekFrom::Start(page * 4096 + 8)).unwrap();
                file.write_all(&[0xa5; 600]).unwrap();
            }
        }
        Damage::Truncate => open().set_len(len / 2).unwrap(),
        Damage::Empty => open().set_len(0).unwrap(),
        Damage::Remove => std::fs::remove_file(path).unwrap(),
    }
    for companion in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(PathBuf::from(format!("{}{companion}", path.display())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_state_file_is_replaced_by_its_copy_once_somebody_confirms() {
    for how in [Damage::Overwrite, Damage::Truncate, Damage::Empty, Damage::Remove] {
        let mut server = start().await;
        accepted(flip(&server, "green").await);
        let serial = serial_of(&server);
        assert_eq!(server.stop().await, Some(0));
        damage(&server.state().join("state.db"), how);
        server.restart().await;
        assert_eq!(answer(&server), [address("green")], "{how:?}: what was acknowledged is answered");
        assert!(serial_of(&server) >= serial, "{how:?}");
        let status = accepted(server.api("GET", "/v1/status", None).await);
        assert_eq!(status["store"]["state"], "on-copy", "{how:?}: {status}");
        assert!(status["alarms"][0].as_str().is_some_and(|alarm| alarm.contains("accept-copy")), "{how:?}: {status}");
        let detail = refused(flip(&server, "blue").await, 503, "on-copy");
        assert!(detail.contains("restore --accept-copy"), "{how:?}: {detail}");
        let undo = json!({ "force": true, "reason": "r" });
        refused(server.api("POST", "/v1/switches/model/undo", Some(undo)).await, 503, "on-copy");
        assert_eq!(answer(&server), [address("green")]);
        // A restart without an answer from anybody changes nothing of that.
        server.kill9();
        server.restart().await;
        assert_eq!(answer(&server), [address("green")], "{how:?}");
        refused(flip(&server, "blue").await, 503, "on-copy");
        // Somebody confirms, by the command that the sentence names.
        let output = server.cli(&["restore", "--accept-copy"]);
        assert!(output.status.success(), "{how:?}: {}", String::from_utf8_lossy(&output.stderr));
        accepted(flip(&server, "blue").await);
        let status = accepted(server.api("GET", "/v1/status", None).await);
        assert_eq!((&status["store"]["state"], &status["alarms"]), (&json!("ok"), &json!([])), "{how:?}");
        server.kill9();
        server.restart().await;
        assert_eq!(answer(&server), [address("blue")], "{how:?}");
        assert_eq!(accepted(server.api("GET", "/v1/status", None).await)["store"]["state"], "ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_record_of_what_was_seen_a_server_assumes_the_worst() {
    let state_of = |report: (u16, Value)| accepted(report)["state"].clone();
    for how in [Damage::Overwrite, Damage::Empty, Damage::Remove] {
        let mut server = start().await;
        accepted(flip(&server, "green").await);
        accepted(flip(&server, "blue").await);
        let green = "/v1/switches/model/drain/green";
        eventually("nobody was ever answered", || async {
            (state_of(server.api("GET", green, None).await) == "drained").then_some(())
        })
        .await;
        assert_eq!(server.stop().await, Some(0));
        damage(&server.state().join("seen.db"), how);
        server.restart().await;
        assert_eq!(answer(&server), [address("blue")], "{how:?}");
        assert_eq!(state_of(server.api("GET", green, None).await), "draining", "{how:?}: who knows whom it was told");
        accepted(flip(&server, "green").await);
        assert_eq!(answer(&server), [address("green")], "{how:?}");
    }
}

/// Starts the server's command and returns exit code and everything it said.
fn failed_start(server: &Server) -> (Option<i32>, String) {
    let mut child =
        server.command().stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it started: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_state_and_copy_both_bad_nothing_is_served_rather_than_something_wrong() {
    let mut server = start().await;
    accepted(flip(&server, "green").await);
    assert_eq!(server.stop().await, Some(0));
    damage(&server.state().join("state.db"), Damage::Overwrite);
    damage(&server.state().join("state.copy.db"), Damage::Truncate);
    let (code, said) = failed_start(&server);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("state.db") && said.contains("copy") && said.contains("tidegate restore"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_file_of_a_newer_program_is_left_alone() {
    let mut server = start().await;
    accepted(flip(&server, "green").await);
    assert_eq!(server.stop().await, Some(0));
    let path = server.state().join("state.db");
    let newer =
        |format: u32| rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", format).unwrap();
    newer(999);
    let (code, said) = failed_start(&server);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("newer tidegate") && said.contains("999") && said.contains("restore"), "{said}");
    newer(1);
    server.restart().await;
    assert_eq!(answer(&server), [address("green")]);
}

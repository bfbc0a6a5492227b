//! What was acknowledged stays: kill -9, damaged files, full disks, backups (§3.4, §7.4).

mod damage;
mod full_disk;

use crate::flips::full;
use crate::harness::{Server, UNWATCHED, eventually, http};
use crate::pair::{accepted, refused, serial_of};
use crate::switches::history;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

async fn start() -> Server {
    Server::start(&[("example.test.toml", UNWATCHED)]).await
}

async fn flip(server: &Server, to: &str) -> (u16, Value) {
    server.api("POST", "/v1/switches/model/flip", Some(body(to))).await
}

fn body(to: &str) -> Value {
    json!({ "to": to, "force": true, "reason": "no monitors here" })
}

fn answer(server: &Server) -> Vec<String> {
    server.short(&["A", "model.example.test"])
}

fn address(pool: &str) -> &'static str {
    if pool == "green" { "192.0.2.20" } else { "192.0.2.10" }
}

/// What the client of one round knows.
#[derive(Default)]
struct Known {
    /// Revision, serial and pool of the last flip that was acknowledged.
    acknowledged: Option<(u64, u64, &'static str)>,
    /// The pool of the flip on its way, if one is.
    asked: Option<&'static str>,
}

/// Posts flips one after another until the server is gone.
async fn flip_on(url: String, token: String, client: reqwest::Client, known: Arc<Mutex<Known>>, mut to: &'static str) {
    loop {
        known.lock().unwrap().asked = Some(to);
        let Ok(reply) = client.post(&url).bearer_auth(&token).json(&body(to)).send().await else { return };
        let Ok(body) = reply.json::<Value>().await else { return };
        assert_eq!(body["changed"], true, "{body}");
        let (revision, serial) =
            (body["revision"].as_u64().unwrap(), body["serials"]["example.test."].as_u64().unwrap());
        *known.lock().unwrap() = Known { acknowledged: Some((revision, serial, to)), asked: None };
        to = if to == "green" { "blue" } else { "green" };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_flip_is_there_after_kill_nine_at_any_moment() {
    let mut server = start().await;
    let (client, url) = (http(), format!("http://{}/v1/switches/model/flip", server.admin));
    let (mut pool, mut revision, mut serial) = ("blue", 0, u64::from(serial_of(&server)));
    let (mut acknowledged, mut unknown) = (0, 0);
    for round in 0..if full() { 200 } else { 25 } {
        let known = Arc::new(Mutex::new(Known::default()));
        let next = if pool == "green" { "blue" } else { "green" };
        let posting = tokio::spawn(flip_on(url.clone(), server.token(), client.clone(), known.clone(), next));
        let pause = tidegate::clock::random_u64() % 120_000;
        tokio::time::sleep(Duration::from_micros(pause)).await;
        server.kill9();
        posting.await.expect("the client only ends with the server");
        if round % 4 == 0 {
            // Also while it picks up what the last one left.
            server.spawn();
            tokio::time::sleep(Duration::from_micros(tidegate::clock::random_u64() % 150_000)).await;
            server.kill9();
        }
        server.restart().await;
        let known = std::mem::take(&mut *known.lock().unwrap());
        let (floor, serial_floor, last) = known.acknowledged.unwrap_or((revision, serial, pool));
        acknowledged += floor - revision;
        let status = accepted(server.api("GET", "/v1/status", None).await);
        let now = status["revision"].as_u64().unwrap();
        let pause = format!("round {round}, killed after {pause} us");
        assert!(
            now == floor || (now == floor + 1 && known.asked.is_some()),
            "{pause}: revision {now}, acknowledged {floor}"
        );
        // A change that was decided when the server went down may be there, whole, or not.
        pool = if now == floor { last } else { known.asked.expect("checked above") };
        unknown += u32::from(now != floor);
        assert_eq!(answer(&server), [address(pool)], "{pause}");
        let served = u64::from(serial_of(&server));
        assert!(served > serial_floor, "{pause}: serial {served} after {serial_floor}");
        let rows = history(&server, "?limit=1").await;
        assert_eq!(
            rows.first().map_or(0, |row| row["revision"].as_u64().unwrap()),
            now,
            "{pause}: the audit is part of the change"
        );
        assert_eq!(status["store"]["state"], "ok", "{pause}: {status}");
        (revision, serial) = (now, served);
    }
    assert!(acknowledged > 0, "no flip was ever acknowledged");
    println!("{acknowledged} flips acknowledged and found again, {unknown} without a reply found as well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serials_never_go_back_whatever_happens() {
    let mut server = start().await;
    let mut last = serial_of(&server);
    let mut moved = |server: &Server, what: &str, must_move: bool| {
        let now = serial_of(server);
        assert!(now > last || (now == last && !must_move), "{what}: from {last} to {now}");
        last = now;
    };
    accepted(flip(&server, "green").await);
    moved(&server, "flip", true);
    accepted(
        server
            .api(
                "POST",
                "/v1/switches/model/set-weights",
                Some(json!({ "weights": { "blue": "10%" }, "force": true, "reason": "r" })),
            )
            .await,
    );
    moved(&server, "set-weights", true);
    accepted(server.api("POST", "/v1/switches/model/prepare", None).await);
    moved(&server, "prepare", true);
    accepted(server.api("POST", "/v1/switches/model/undo", Some(json!({ "force": true, "reason": "r" }))).await);
    moved(&server, "undo", true);
    let backup = server.folder.path().join("backup.db");
    accepted(server.api("POST", "/v1/backup", Some(json!({ "to": backup }))).await);
    server.folder.write("zones/example.test.toml", &UNWATCHED.replace("192.0.2.10", "192.0.2.11"));
    accepted(server.api("POST", "/v1/reload", None).await);
    moved(&server, "reload", true);
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    moved(&server, "restart", false);
    accepted(flip(&server, "blue").await);
    accepted(flip(&server, "green").await);
    moved(&server, "two flips", true);
    server.kill9();
    server.restart().await;
    moved(&server, "kill -9", false);
    server.kill9();
    restore(&server, &backup);
    server.restart().await;
    moved(&server, "restore", true);
    // While the server is away the files get an older serial, then a newer one.
    server.kill9();
    server.folder.write("zones/example.test.toml", &UNWATCHED.replace("ns = [", "serial = 1\nns = ["));
    server.restart().await;
    moved(&server, "an older serial in the files", false);
    server.kill9();
    server.folder.write("zones/example.test.toml", &UNWATCHED.replace("ns = [", "serial = 2026120100\nns = ["));
    server.restart().await;
    moved(&server, "a newer serial in the files", true);
    assert!(serial_of(&server) >= 2_026_120_100);
}

/// Restores a backup with the server stopped.
fn restore(server: &Server, backup: &Path) -> Value {
    let state = server.state();
    let arguments =
        ["restore", backup.to_str().unwrap(), "--state", state.to_str().unwrap(), "--reason", "rehearsal", "--json"];
    let output = Command::new(crate::harness::PROGRAM).args(arguments).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_comes_back_and_no_number_is_used_twice() {
    let mut server = start().await;
    accepted(flip(&server, "green").await);
    let kept = crate::switches::token(&server, "kept", "viewer", &[]).await;
    let path = server.folder.path().join("copies/one.db");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    accepted(server.api("POST", "/v1/backup", Some(json!({ "to": path }))).await);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "a backup holds token hashes");
    refused(server.api("POST", "/v1/backup", Some(json!({ "to": path }))).await, 409, "file-exists");
    refused(server.api("POST", "/v1/backup", Some(json!({ "to": "relative.db" }))).await, 422, "invalid-request");
    for to in ["blue", "green", "blue"] {
        accepted(flip(&server, to).await);
    }
    let (revision, serial) =
        (accepted(server.api("GET", "/v1/status", None).await)["revision"].as_u64().unwrap(), serial_of(&server));
    let busy = Command::new(crate::harness::PROGRAM)
        .args(["restore", path.to_str().unwrap(), "--state", server.state().to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(busy.status.code(), Some(1), "a running server's state is not replaced");
    assert!(String::from_utf8_lossy(&busy.stderr).contains("in use"), "{}", String::from_utf8_lossy(&busy.stderr));
    assert_eq!(server.stop().await, Some(0));
    let report = restore(&server, &path);
    server.restart().await;
    assert_eq!(answer(&server), [address("green")], "the split of the backup");
    let status = accepted(server.api("GET", "/v1/status", None).await);
    let restored = status["revision"].as_u64().unwrap();
    assert!(restored > revision && report["revision"] == restored, "{restored} after {revision}");
    assert!(serial_of(&server) > serial);
    let reply = http().get(format!("http://{}/v1/status", server.admin)).bearer_auth(kept).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let rows = history(&server, "").await;
    assert!(rows.iter().filter(|row| row["verb"] == "flip").count() == 4, "the audit keeps the rows of both: {rows:?}");
    assert!(
        rows[0]["verb"].as_str().is_some_and(|verb| verb.contains("restore")) && rows[0]["reason"] == "rehearsal",
        "{}",
        rows[0]
    );
    accepted(flip(&server, "blue").await);
}

/// Revision of a database file that has been checked whole.
fn checked_revision(path: &Path) -> u64 {
    let database = rusqlite::Connection::open(path).expect("a database");
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(sound, "ok", "{}", path.display());
    let revision: i64 =
        database.query_row("SELECT coalesce(max(revision), 0) FROM audit", [], |row| row.get(0)).expect("the audit");
    revision.try_into().expect("revisions start at 0")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_changes_go_on_is_one_moment_of_them() {
    let mut server = start().await;
    let known = Arc::new(Mutex::new(Known::default()));
    let url = format!("http://{}/v1/switches/model/flip", server.admin);
    let posting = tokio::spawn(flip_on(url, server.token(), http(), known.clone(), "green"));
    let acknowledged = || known.lock().unwrap().acknowledged.map_or(0, |(revision, ..)| revision);
    for number in 0..5 {
        let path = server.folder.path().join(format!("backup-{number}.db"));
        let before =
            eventually("a flip or two", || async { Some(acknowledged()).filter(|now| *now > number * 2) }).await;
        accepted(server.api("POST", "/v1/backup", Some(json!({ "to": path }))).await);
        let after = acknowledged() + 1;
        let held = checked_revision(&path);
        assert!((before..=after).contains(&held), "backup {number} holds {held}, not {before} to {after}");
    }
    server.kill9();
    posting.await.expect("the client only ends with the server");
    restore(&server, &server.folder.path().join("backup-2.db"));
    server.restart().await;
    let pool = if checked_revision(&server.folder.path().join("backup-2.db")) % 2 == 1 { "green" } else { "blue" };
    assert_eq!(answer(&server), [address(pool)], "flips alternate, so the revision says where the traffic was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_state_is_refused_and_the_first_goes_on() {
    let server = start().await;
    let second = Server::prepare(&[("example.test.toml", UNWATCHED)], &[]);
    let mut command = Command::new(crate::harness::PROGRAM);
    command.args(["serve", "--listen", &second.dns.to_string(), "--admin", &second.admin.to_string()]);
    command.arg("--zones").arg(second.folder.path().join("zones")).arg("--state").arg(server.state());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by another tidegate"), "{said}");
    accepted(flip(&server, "green").await);
    assert_eq!(answer(&server), [address("green")]);
}

//! A full disk takes no changes, but answers go on, and so do undos.

use super::{address, answer, flip};
use crate::harness::{Server, UNWATCHED, eventually};
use crate::pair::{accepted, refused, serial_of};
use crate::small_disk::SmallDisk;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_changes_but_answers_and_undoes() {
    let mut server = Server::prepare(&[("example.test.toml", UNWATCHED)], &[]);
    let disk = SmallDisk::mount(&server.state(), "12m");
    server.spawn();
    server.ready().await;
    accepted(flip(&server, "green").await);
    let serial = serial_of(&server);
    // What SQLite has at hand may take a change or two more.
    let refusal = eventually("a change is refused", || async {
        disk.fill();
        let to = if answer(&server) == [address("green")] { "blue" } else { "green" };
        let reply = flip(&server, to).await;
        (reply.0 != 200).then_some(reply)
    })
    .await;
    let detail = refused(refusal, 507, "disk-full");
    assert!(detail.contains(server.state().to_str().unwrap()) && detail.contains("undo"), "{detail}");
    let before = answer(&server);
    let status = accepted(server.api("GET", "/v1/status", None).await);
    assert!(status["alarms"].to_string().contains("full"), "{status}");
    // The reserve carries many undos, while somebody else takes every byte that comes free.
    for round in 0..4 {
        disk.fill();
        let undone =
            server.api("POST", "/v1/switches/model/undo", Some(json!({ "force": true, "reason": "back" }))).await;
        assert_eq!(undone.0, 200, "undo {round} on a full disk: {}", undone.1);
        assert_ne!(answer(&server), before, "undo {round} moved the traffic");
        let again =
            server.api("POST", "/v1/switches/model/undo", Some(json!({ "force": true, "reason": "and again" }))).await;
        assert_eq!(again.0, 200, "{}", again.1);
        assert_eq!(answer(&server), before);
    }
    assert!(serial_of(&server) > serial);
    // A restart on the full disk serves what was acknowledged.
    disk.fill();
    server.kill9();
    server.restart().await;
    assert_eq!(answer(&server), before);
    disk.free();
    eventually("changes are taken again", || async {
        let to = if before == [address("green")] { "blue" } else { "green" };
        (flip(&server, to).await.0 == 200).then_some(())
    })
    .await;
    assert_ne!(answer(&server), before);
    eventually("the store is well", || async {
        (accepted(server.api("GET", "/v1/status", None).await)["store"]["state"] == "ok").then_some(())
    })
    .await;
    server.kill9();
}

//! What several callers may rely on: keys and revisions, one order of changes, the history, the events.

use super::{history, token};
use crate::harness::{Server, http};
use crate::pair::{Pair, accepted, guarded, refused};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_gives_the_first_reply_again() {
    let pair = Pair::start().await;
    let key = [("Idempotency-Key", "release-7")];
    let path = "/v1/switches/model/flip";
    // Answers that are out keep the drain, and so the TTL, as it is for the length of the test.
    pair.answer();
    let first = accepted(pair.server.api_with("POST", path, Some(json!({ "to": "green" })), &key).await);
    pair.answer();
    pair.flip("blue").await;
    let (revision, serial) = (pair.revision().await, pair.serial());
    let again = accepted(pair.server.api_with("POST", path, Some(json!({ "to": "green" })), &key).await);
    assert_eq!(again["replayed"], true);
    assert_eq!(
        (&again["revision"], &again["serials"], &again["switches"]),
        (&first["revision"], &first["serials"], &first["switches"])
    );
    assert_eq!((pair.revision().await, pair.serial()), (revision, serial), "a replay changes nothing");
    assert!(pair.answers(&pair.blue));
    refused(
        pair.server.api_with("POST", path, Some(json!({ "to": "blue" })), &key).await,
        422,
        "idempotency-key-reused",
    );
    refused(
        pair.server.api_with("POST", "/v1/switches/model/undo", Some(json!({ "to": "green" })), &key).await,
        422,
        "invalid-request",
    );
    refused(
        pair.server.api_with("POST", "/v1/switches/model/undo", Some(json!({})), &key).await,
        422,
        "idempotency-key-reused",
    );
    // Another token may use the same words.
    let other = token(&pair.server, "other", "operator", &[]).await;
    let reply = http()
        .post(format!("http://{}{path}", pair.server.admin))
        .bearer_auth(other)
        .header("Idempotency-Key", "release-7");
    let reply: Value = reply.json(&json!({ "to": "green" })).send().await.unwrap().json().await.unwrap();
    assert_eq!((&reply["changed"], &reply["replayed"]), (&json!(true), &Value::Null), "{reply}");
    refused(
        pair.server
            .api_with("POST", path, Some(json!({ "to": "blue" })), &[("Idempotency-Key", &"k".repeat(256))])
            .await,
        422,
        "invalid-request",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_sent_many_times_at_once_changes_once() {
    let pair = Pair::start().await;
    let before = pair.revision().await;
    for round in 0..5_u32 {
        let to = if round % 2 == 0 { "green" } else { "blue" };
        let key = format!("round-{round}");
        let sent = (0..4).map(|_| {
            let key = [("Idempotency-Key", key.as_str())];
            let server = &pair.server;
            async move {
                accepted(server.api_with("POST", "/v1/switches/model/flip", Some(json!({ "to": to })), &key).await)
            }
        });
        let replies = futures_util::future::join_all(sent).await;
        assert_eq!(replies.iter().filter(|reply| reply["replayed"] != true).count(), 1, "{replies:?}");
        assert!(replies.iter().all(|reply| reply["revision"] == before + u64::from(round) + 1), "{replies:?}");
    }
    assert_eq!(history(&pair.server, "").await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_revision_is_refused_even_with_force() {
    let pair = Pair::start().await;
    let seen = pair.revision().await;
    let etag = http()
        .get(format!("http://{}/v1/switches", pair.server.admin))
        .bearer_auth(pair.server.token())
        .send()
        .await
        .unwrap();
    assert_eq!(etag.headers()["etag"], format!("\"{seen}\""));
    let path = "/v1/switches/model/flip";
    let matching = format!("\"{seen}\"");
    accepted(pair.server.api_with("POST", path, Some(json!({ "to": "green" })), &[("If-Match", &matching)]).await);
    for body in
        [json!({ "to": "blue" }), json!({ "to": "blue", "force": true, "reason": "now" }), json!({ "to": "green" })]
    {
        let reply = pair.server.api_with("POST", path, Some(body), &[("If-Match", &matching)]).await;
        assert_eq!(reply.1["revision"], seen + 1);
        let detail = refused(reply, 412, "stale-revision");
        assert!(detail.contains(&seen.to_string()) && detail.contains("status"), "{detail}");
    }
    assert!(pair.answers(&pair.green));
    accepted(pair.server.api_with("POST", path, Some(json!({ "to": "blue" })), &[("If-Match", "*")]).await);
    refused(
        pair.server.api_with("POST", path, Some(json!({ "to": "blue" })), &[("If-Match", "twelve")]).await,
        422,
        "invalid-request",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flips_from_two_clients_at_once_serialise_and_never_mix() {
    let pair = Pair::start().await;
    let mut last = pair.revision().await;
    for _ in 0..20 {
        let (green, blue) =
            tokio::join!(pair.post("flip", json!({ "to": "green" })), pair.post("flip", json!({ "to": "blue" })));
        let replies = [accepted(green), accepted(blue)];
        let mut made: Vec<u64> =
            replies.iter().filter(|r| r["changed"] == true).map(|r| r["revision"].as_u64().unwrap()).collect();
        made.sort_unstable();
        let expected: Vec<u64> = (last + 1..=last + made.len() as u64).collect();
        assert_eq!(made, expected, "{replies:?}");
        last += made.len() as u64;
        let winner = replies.iter().rfind(|reply| reply["revision"] == last).expect("a last one");
        let after = &winner["switches"][0]["after"];
        if after.is_object() {
            assert_eq!(json!(pair.weights().await), *after);
        }
        let answer = pair.answer();
        assert!(answer == [pair.blue.address.to_string()] || answer == [pair.green.address.to_string()], "{answer:?}");
    }
    // With the revision both saw, exactly one of two wins.
    for round in 0..10 {
        let seen = format!("\"{}\"", pair.revision().await);
        let guard = [("If-Match", seen.as_str())];
        let to = |blue: bool| {
            if blue {
                json!({ "weights": { "blue": 5000 + round, "green": 1 } })
            } else {
                json!({ "weights": { "blue": 1, "green": 5000 + round } })
            }
        };
        let path = "/v1/switches/model/set-weights";
        let (a, b) = tokio::join!(
            pair.server.api_with("POST", path, Some(to(true)), &guard),
            pair.server.api_with("POST", path, Some(to(false)), &guard)
        );
        let mut statuses = [a.0, b.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{a:?} {b:?}");
        let winner = if a.0 == 200 { a.1 } else { b.1 };
        assert_eq!(json!(pair.weights().await), winner["switches"][0]["after"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_leaves_one_row_with_who_from_where_when_and_why() {
    let pair = Pair::start().await;
    let someone = token(&pair.server, "night-shift", "operator", &["model"]).await;
    let url = |verb: &str| format!("http://{}/v1/switches/model/{verb}", pair.server.admin);
    let flip = http().post(url("flip")).bearer_auth(&someone).json(&json!({ "to": "green", "reason": "v2 is proven" }));
    assert_eq!(flip.send().await.unwrap().status(), 200);
    accepted(pair.post("flip", json!({ "to": "blue", "force": true, "reason": "v2 is slow" })).await);
    accepted(pair.post("prepare", json!({})).await);
    guarded(pair.post("expect-version", json!({ "pool": "blue", "version": "v7" })).await, "pool-has-weight", true);
    let rows = history(&pair.server, "?switch=model").await;
    assert_eq!(rows.len(), 3, "refused changes leave none: {rows:?}");
    let (prepare, back, there) = (&rows[0], &rows[1], &rows[2]);
    assert_eq!(
        (&there["who"], &there["verb"], &there["reason"], &there["forced"]),
        (&json!("night-shift"), &json!("flip"), &json!("v2 is proven"), &json!(false))
    );
    assert_eq!((&back["who"], &back["reason"], &back["forced"]), (&json!("first"), &json!("v2 is slow"), &json!(true)));
    assert_eq!((&prepare["verb"], &prepare["reason"]), (&json!("prepare"), &Value::Null));
    assert_eq!(there["from"], "127.0.0.1");
    assert_eq!(there["before"]["weights"], json!({ "blue": 10000, "green": 0 }));
    assert_eq!(there["after"]["weights"], json!({ "blue": 0, "green": 10000 }));
    let revisions: Vec<u64> = rows.iter().map(|row| row["revision"].as_u64().unwrap()).collect();
    assert!(revisions.windows(2).all(|pair| pair[0] == pair[1] + 1), "{revisions:?}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(rows.iter().all(|row| row["at_unix_ms"].as_u64().is_some_and(|at| at <= now && now - at < 60_000)));
    let page = accepted(pair.server.api("GET", "/v1/history?limit=2", None).await);
    assert_eq!(page["rows"].as_array().unwrap().len(), 2);
    let next = history(&pair.server, &format!("?limit=2&before={}", page["next_before"])).await;
    assert_eq!(next.len(), 1);
    assert_eq!(next[0], rows[2]);
    refused(pair.server.api("GET", "/v1/history?switch=none", None).await, 404, "unknown-switch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_questions_never_see_half_a_change() {
    let pair = Pair::start().await;
    let seen = |server: &Server| server.short(&["A", "model.example.test"]);
    for to in ["green", "blue", "green", "blue"] {
        let expected = if to == "green" { pair.green.address } else { pair.blue.address };
        pair.flip(to).await;
        assert_eq!(seen(&pair.server), [expected.to_string()]);
        let explained =
            accepted(pair.server.api("GET", "/v1/explain?owner=model.example.test&client=192.0.2.1", None).await);
        assert_eq!(explained["pool"], to, "{explained}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_listens_hears_of_every_change_in_order() {
    let pair = Pair::start().await;
    let url = format!("http://{}/v1/events", pair.server.admin);
    let mut stream = http().get(url).bearer_auth(pair.server.token()).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut heard = String::new();
    while !heard.contains("event: connected") {
        heard += &String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("a greeting"));
    }
    for to in ["green", "blue"] {
        pair.flip(to).await;
    }
    while heard.matches("event: changed").count() < 2 {
        heard += &String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("an open stream"));
    }
    let data = heard.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| data.contains("\"changed\""));
    let revisions: Vec<u64> =
        data.map(|data| serde_json::from_str::<Value>(data).unwrap()["revision"].as_u64().unwrap()).collect();
    assert_eq!(revisions.len(), 2, "{heard}");
    assert_eq!(revisions[1], revisions[0] + 1);
}

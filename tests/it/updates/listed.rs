//! `GET /v1/updates` and `tidegate updates`: what updates changed, by whom and when, a page at a time.

use super::{nsupdate, server};
use crate::harness::Server;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

async fn sets(server: &Server, query: &str) -> Vec<Value> {
    let (status, page) = server.api("GET", &format!("/v1/updates{query}"), None).await;
    assert_eq!(status, 200, "{page}");
    page["sets"].as_array().unwrap().clone()
}

fn unix_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_updated_set_is_listed_with_its_records_its_key_and_its_time_also_after_kill_9() {
    let mut server = server().await;
    assert!(sets(&server, "").await.is_empty());
    let before = unix_ms();
    let change = "update add _acme-challenge.www.example.test 60 TXT \"one two\"\n\
                  update add _acme-challenge.www.example.test 60 TXT three";
    assert_eq!(nsupdate(&server, "acme.", false, change), "");
    assert_eq!(nsupdate(&server, "all.", false, "update delete www.example.test A"), "");
    let after = unix_ms();
    let listed = sets(&server, "").await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    let of = |rtype: &str| listed.iter().find(|set| set["type"] == rtype).unwrap();
    let (challenge, gone) = (of("TXT"), of("A"));
    let challenge_of = |key: &str| challenge[key].clone();
    assert_eq!(
        ["zone", "name", "type", "by"].map(challenge_of),
        ["example.test.", "_acme-challenge.www.example.test.", "TXT", "key acme."].map(Value::from)
    );
    assert_eq!(
        (&challenge["ttl"], &challenge["deleted"], &challenge["in_files"]),
        (&60.into(), &false.into(), &false.into())
    );
    let mut records: Vec<&str> =
        challenge["records"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    records.sort_unstable();
    assert_eq!(records, ["\"one two\"", "\"three\""]);
    let at = challenge["at_unix_ms"].as_u64().unwrap();
    assert!((before..=after).contains(&at), "{before} {at} {after}");
    assert_eq!((&gone["name"], &gone["type"], &gone["ttl"]), (&"www.example.test.".into(), &"A".into(), &Value::Null));
    assert_eq!((&gone["deleted"], &gone["in_files"], &gone["by"]), (&true.into(), &true.into(), &"key all.".into()));
    server.kill9();
    server.spawn();
    server.ready().await;
    assert_eq!(sets(&server, "").await, listed);
    // What is as the files say again is no updated set any more.
    assert_eq!(nsupdate(&server, "all.", false, "update add www.example.test 300 A 192.0.2.1"), "");
    assert_eq!(&sets(&server, "").await, std::slice::from_ref(challenge));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_a_gap_and_can_be_limited_to_a_name() {
    let server = server().await;
    let change: Vec<String> = (0..7).map(|n| format!("update add n{n}.example.test 60 A 192.0.2.{n}")).collect();
    assert_eq!(nsupdate(&server, "all.", false, &change.join("\n")), "");
    let all: Vec<Value> = sets(&server, "").await.iter().map(|set| set["name"].clone()).collect();
    assert_eq!(all.len(), 7);
    let (mut seen, mut query) = (Vec::new(), "?limit=3".to_owned());
    for sizes in [3, 3, 1] {
        let (status, page) = server.api("GET", &format!("/v1/updates{query}"), None).await;
        let sets = page["sets"].as_array().unwrap();
        assert_eq!((status, sets.len()), (200, sizes), "{page}");
        seen.extend(sets.iter().map(|set| set["name"].clone()));
        let after = page["next_after"].as_str().unwrap_or_default().replace(' ', "%20");
        assert_eq!(after.is_empty(), sizes == 1, "the last page names no next one: {page}");
        query = format!("?limit=3&after={after}");
    }
    assert_eq!(seen, all);
    assert_eq!(sets(&server, "?name=N3.example.test").await.len(), 1);
    assert_eq!(sets(&server, "?zone=example.test&limit=7").await.len(), 7);
    assert!(sets(&server, "?zone=other.test").await.is_empty());
    for (query, field) in [("limit=0", "limit"), ("limit=501", "limit"), ("after=x", "after"), ("name=a..b", "name")] {
        let (status, problem) = server.api("GET", &format!("/v1/updates?{query}"), None).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
    }
    let printed = server.cli(&["updates", "--limit", "2"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("n0.example.test.  A      60  192.0.2.0  key all."), "{text}");
    assert!(text.contains("more: --after 'example.test. n1.example.test. A'"), "{text}");
    let rest = server.cli(&["updates", "--after", "example.test. n1.example.test. A", "--json"]);
    let rest: Value = serde_json::from_slice(&rest.stdout).unwrap();
    assert_eq!((rest["sets"].as_array().unwrap().len(), &rest["sets"][0]["name"]), (5, &"n2.example.test.".into()));
}

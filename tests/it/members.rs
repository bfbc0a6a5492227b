//! Members that register themselves, over HTTP and as resolvers see them (§2.5).

mod newcomers;

use crate::auth::with;
use crate::backend::Backend;
use crate::harness::{Server, eventually, own_address};
use crate::pair::{accepted, guarded, refused};
use crate::switches::token;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// The steered name.
const OWNER: &str = "crew.example.test";

/// Pools `blue` (all weight) and `green` take registrations, `closed` does not.
fn zone(register: &str) -> String {
    format!(
        r#"[zone]
ns = ["ns1.example.test"]
[switch.crew]
owners = ["{OWNER}"]
min_interval = "0s"
ttl = 5
tail = "0s"
monitor = {{ http = "http://{{address}}:8080/health", interval = "1s", timeout = "1s", fall = 3, rise = 1 }}
[switch.crew.pool.blue]
{register}
weight = 10000
[switch.crew.pool.green]
{register}
[switch.crew.pool.closed]
members = ["192.0.2.99"]
[switch.other]
owners = ["other.example.test"]
[switch.other.pool.one]
register = {{ max = 2, networks = ["127.0.0.0/8"] }}
weight = 10000
[switch.other.pool.two]
register = {{ max = 2, networks = ["127.0.0.0/8"] }}
members = [{{ name = "fixed", ipv4 = "192.0.2.98" }}]
"#
    )
}

const OPEN: &str = r#"register = { max = 3, networks = ["127.0.0.0/8", "10.0.0.0/8"], ttl_max = "1m" }"#;

async fn start() -> Server {
    Server::start(&[("example.test.toml", &zone(OPEN))]).await
}

fn path(pool: &str, id: &str) -> String {
    format!("/v1/switches/crew/pools/{pool}/members/{id}")
}

async fn register(server: &Server, token: &str, pool: &str, id: &str, body: Value) -> (u16, Value) {
    with(server, token, "PUT", &path(pool, id), Some(body)).await
}

/// The switch as it is shown.
async fn switch(server: &Server) -> Value {
    accepted(server.api("GET", "/v1/switches/crew", None).await)
}

/// The member of a pool by name; null when it is not there.
async fn member(server: &Server, pool: &str, id: &str) -> Value {
    let switch = switch(server).await;
    let pool = switch["pools"].as_array().unwrap().iter().find(|p| p["name"] == pool).unwrap();
    pool["members"].as_array().unwrap().iter().find(|m| m["name"] == id).cloned().unwrap_or(Value::Null)
}

async fn answers(server: &Server, addresses: &[Ipv4Addr]) {
    let mut wanted: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    wanted.sort();
    eventually(&format!("answers {wanted:?}"), || async {
        let mut got = server.short(&["A", OWNER]);
        got.sort();
        (got == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_is_answered_once_its_probes_pass_and_leaves_when_it_says_so() {
    let server = start().await;
    let token = token(&server, "gpu", "member", &["crew"]).await;
    assert!(server.short(&["A", OWNER]).is_empty());
    assert_eq!(switch(&server).await["pools"][0]["why"], "no member has come yet");
    let (one, two) = (Backend::start("v1"), Backend::start("v1"));
    let body = json!({ "address": one.address, "ttl": "1m" });
    let told = accepted(register(&server, &token, "blue", "gpu-1", body.clone()).await);
    assert_eq!(
        (&told["changed"], &told["ttl_ms"], &told["renew_within_ms"]),
        (&json!(true), &json!(60_000), &json!(20_000))
    );
    answers(&server, &[one.address]).await;
    // The fallback may have answered so far: nobody else has weight.
    eventually("gpu-1 is up and in", || async {
        let is_in = switch(&server).await["pools"][0]["eligible"] == true;
        (is_in && member(&server, "blue", "gpu-1").await["health"] == "up").then_some(())
    })
    .await;
    // The same again is a heartbeat: no revision, no audit row.
    let revision = told["revision"].clone();
    let told = accepted(register(&server, &token, "blue", "gpu-1", body).await);
    assert_eq!((&told["changed"], &told["revision"]), (&json!(false), &revision));
    // One that never passes a probe is never counted, and does not take its pool out of service.
    let dead = own_address();
    accepted(
        register(&server, &token, "blue", "dead", json!({ "address": [dead], "ttl": "1m", "weight": 10000 })).await,
    );
    eventually("dead is down", || async { (member(&server, "blue", "dead").await["health"] == "down").then_some(()) })
        .await;
    let seen = switch(&server).await;
    assert_eq!(seen["pools"][0]["eligible"], true, "{seen:#}");
    answers(&server, &[one.address]).await;
    accepted(register(&server, &token, "blue", "gpu-2", json!({ "address": two.address, "ttl": "1m" })).await);
    answers(&server, &[one.address, two.address]).await;
    let row = &crate::switches::history(&server, "?limit=1").await[0];
    assert_eq!((&row["verb"], &row["who"]), (&json!("register"), &json!("gpu")), "{row}");
    assert_eq!(row["reason"], format!("blue: gpu-2 at {}", two.address));
    // What left is drained like others: not safe to close before the answers that name it are gone.
    let told = accepted(with(&server, &token, "DELETE", &path("blue", "gpu-1"), None).await);
    assert!(told["old_answers_expire_in_ms"].as_u64().is_some_and(|left| left > 0), "{told}");
    let drain = accepted(server.api("GET", "/v1/switches/crew/drain/blue", None).await);
    let of = |id: &str| drain["members"].as_array().unwrap().iter().find(|member| member["member"] == id).cloned();
    let gone = of("gpu-1").expect("who left is still watched");
    assert_eq!((&gone["left"], &gone["safe_to_close"]), (&json!(true), &json!(false)), "{gone}");
    assert_eq!(gone["addresses"], json!([one.address]));
    assert_eq!(of("gpu-2").unwrap()["left"], Value::Null);
    let printed = String::from_utf8(server.cli(&["drain", "crew", "blue"]).stdout).unwrap();
    let printed = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(printed.contains(&format!("gpu-1 ({}), which has left, may not be closed", one.address)), "{printed}");
    answers(&server, &[two.address]).await;
    refused(with(&server, &token, "DELETE", &path("blue", "gpu-1"), None).await, 404, "unknown-member");
    // The last healthy one stays, unless somebody who may insist does.
    let detail = guarded(with(&server, &token, "DELETE", &path("blue", "gpu-2"), None).await, "last-member", true);
    assert!(detail.contains("gpu-2"), "{detail}");
    let force = json!({ "force": true, "reason": "moved" });
    refused(with(&server, &token, "DELETE", &path("blue", "gpu-2"), Some(force.clone())).await, 403, "wrong-role");
    accepted(server.api("DELETE", &path("blue", "gpu-2"), Some(force)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_falls_silent_goes_and_the_last_one_stays_marked_stale() {
    let server = start().await;
    let token = token(&server, "gpu", "member", &[]).await;
    let (one, two) = (Backend::start("v1"), Backend::start("v1"));
    accepted(register(&server, &token, "blue", "steady", json!({ "address": one.address, "ttl": "5s" })).await);
    answers(&server, &[one.address]).await;
    accepted(register(&server, &token, "blue", "silent", json!({ "address": two.address, "ttl": "5s" })).await);
    // Beyond the first time of life of both, one goes on.
    eventually("the silent one is gone", || async {
        accepted(register(&server, &token, "blue", "steady", json!({ "address": one.address, "ttl": "5s" })).await);
        member(&server, "blue", "silent").await.is_null().then_some(())
    })
    .await;
    answers(&server, &[one.address]).await;
    let stale = eventually("the last one is stale", || async {
        let member = member(&server, "blue", "steady").await;
        (member["origin"]["stale"] == true).then_some(member)
    })
    .await;
    assert_eq!((&stale["eligible"], &stale["origin"]["expires_in_ms"]), (&json!(true), &json!(0)), "{stale}");
    answers(&server, &[one.address]).await;
    let status = accepted(server.api("GET", "/v1/status", None).await);
    assert!(status["alarms"].to_string().contains("no heartbeat of steady"), "{}", status["alarms"]);
    assert!(server.log().contains("marked stale"));
    let metrics = reqwest::get(format!("http://{}/metrics", server.admin)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"tidegate_pool_stale_members{switch="crew",pool="blue"} 1"#), "{metrics}");
    // Another one that is healthy relieves it.
    accepted(register(&server, &token, "blue", "fresh", json!({ "address": two.address, "ttl": "1m" })).await);
    answers(&server, &[two.address]).await;
    assert!(member(&server, "blue", "steady").await.is_null());
    let reasons: Vec<Value> =
        crate::switches::history(&server, "").await.iter().map(|row| row["verb"].clone()).collect();
    assert!(reasons.contains(&json!("expire")), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_survive_kill_9_and_reload_and_nobody_is_dropped_for_our_absence() {
    let mut server = start().await;
    let token = token(&server, "gpu", "member", &[]).await;
    let (one, two) = (Backend::start("v1"), Backend::start("v1"));
    accepted(register(&server, &token, "blue", "a", json!({ "address": one.address, "ttl": "5s" })).await);
    accepted(register(&server, &token, "blue", "b", json!({ "address": two.address, "ttl": "1m", "weight": 2 })).await);
    answers(&server, &[one.address, two.address]).await;
    server.kill9();
    // Longer than its time of life: the process was away, not the member.
    tokio::time::sleep(std::time::Duration::from_millis(5_500)).await;
    server.restart().await;
    let shown = member(&server, "blue", "a").await;
    assert!(shown["origin"]["expires_in_ms"].as_u64().is_some_and(|left| left > 2_000), "{shown}");
    assert_eq!(member(&server, "blue", "b").await["weight"], 2);
    answers(&server, &[one.address, two.address]).await;
    // A reload that says the same, or more, leaves them.
    server.folder.write("zones/example.test.toml", &zone(OPEN).replace("ttl = 5", "ttl = 6"));
    accepted(server.api("POST", "/v1/reload", None).await);
    assert_eq!(member(&server, "blue", "b").await["weight"], 2);
    // Then its time is over as everywhere.
    eventually("a is gone", || async { member(&server, "blue", "a").await.is_null().then_some(()) }).await;
    answers(&server, &[two.address]).await;
    // A file that has it as its own takes it over, and says so.
    let own = format!("members = [\"{}\"]", two.address);
    server.folder.write("zones/example.test.toml", &zone(OPEN).replacen(OPEN, &format!("{OPEN}\n{own}"), 1));
    let told = accepted(server.api("POST", "/v1/reload", None).await);
    assert!(told["notes"].to_string().contains("member `b` goes: the files have it"), "{told}");
    assert_eq!(member(&server, "blue", &two.address.to_string()).await.get("origin"), None);
    answers(&server, &[two.address]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_that_are_not_right_are_refused_in_words() {
    let server = start().await;
    let member = token(&server, "gpu", "member", &[]).await;
    let elsewhere = token(&server, "else", "member", &["other"]).await;
    let viewer = token(&server, "eye", "viewer", &[]).await;
    let good = || json!({ "address": "127.9.9.9" });
    let ask = |token: &str, pool: &str, id: &str, body: Value| {
        let (token, pool, id) = (token.to_owned(), pool.to_owned(), id.to_owned());
        let server = &server;
        async move { register(server, &token, &pool, &id, body).await }
    };
    refused(ask(&viewer, "blue", "a", good()).await, 403, "wrong-role");
    refused(ask(&elsewhere, "blue", "a", good()).await, 403, "out-of-scope");
    refused(ask(&member, "red", "a", good()).await, 404, "unknown-pool");
    guarded(ask(&member, "closed", "a", good()).await, "no-registration", false);
    for (id, body, field) in [
        ("a%20b", good(), "id"),
        ("a%2F..%2Fb", good(), "id"),
        ("%0d%0ax", good(), "id"),
        (&*"x".repeat(64), good(), "id"),
        ("127.1.1.1", good(), "id"),
        ("a", json!({ "address": [] }), "address"),
        ("a", json!({ "address": "127.0.0.1:80" }), "address"),
        ("a", json!({ "address": ["127.0.0.1", "127.0.0.2"] }), "address"),
        ("a", json!({ "address": "8.8.8.8" }), "address"),
        ("a", json!({ "address": "0.0.0.0" }), "address"),
        ("a", json!({ "address": "255.255.255.255" }), "address"),
        ("a", json!({ "address": "::ffff:127.0.0.1" }), "address"),
        ("a", json!({ "address": "127.0.0.1", "weight": 0 }), "weight"),
        ("a", json!({ "address": "127.0.0.1", "weight": 10001 }), "weight"),
        ("a", json!({ "address": "127.0.0.1", "ttl": "4s" }), "ttl"),
        ("a", json!({ "address": "127.0.0.1", "ttl": "2m" }), "ttl"),
        ("a", json!({ "address": "127.0.0.1", "version": "\u{1b}[31m" }), "version"),
        ("a", json!({ "address": "127.0.0.1", "wieght": 3 }), "wieght"),
    ] {
        let (status, problem) = ask(&member, "blue", id, body.clone()).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{id} {body}: {problem}");
    }
    let escape = json!({ "address": "127.0.0.1", "version": "\u{1b}[31m" });
    refused(ask(&member, "blue", "a", escape).await, 422, "bad-registration");
    let fixed = "/v1/switches/other/pools/two/members/fixed";
    let (_, problem) = with(&server, &elsewhere, "PUT", fixed, Some(good())).await;
    assert_eq!(problem["type"], format!("urn:tidegate:problem:{}", "member-of-files"), "{problem}");
    // Up to the maximum, each address once.
    for n in 1..=3 {
        accepted(ask(&member, "blue", &format!("m{n}"), json!({ "address": format!("127.9.9.{n}") })).await);
    }
    guarded(ask(&member, "blue", "m4", json!({ "address": "127.9.9.4" })).await, "pool-full", false);
    guarded(ask(&member, "blue", "m5", json!({ "address": "127.9.9.1" })).await, "address-taken", false);
    let told = accepted(ask(&member, "green", "g1", json!({ "address": "127.9.9.1" })).await);
    assert!(told["notes"][0].as_str().is_some_and(|note| note.contains("also in pool `blue`")), "{told}");
    // A token of role member registers, and does nothing else.
    refused(with(&server, &member, "GET", "/v1/status", None).await, 403, "wrong-role");
    refused(
        with(&server, &member, "POST", "/v1/switches/crew/flip", Some(json!({ "to": "green" }))).await,
        403,
        "wrong-role",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_register_from_allowed_networks_only_and_operators_from_anywhere() {
    let far = OPEN.replace("127.0.0.0/8", "10.9.0.0/16");
    let server = Server::start(&[("example.test.toml", &zone(&far))]).await;
    let member = token(&server, "gpu", "member", &[]).await;
    let body = json!({ "address": "10.0.0.7" });
    let detail = refused(register(&server, &member, "blue", "a", body.clone()).await, 403, "caller-network");
    assert!(detail.contains("10.9.0.0/16") && detail.contains("127."), "{detail}");
    accepted(server.api("PUT", &path("blue", "a"), Some(body)).await);
    let shown = server.cli(&["member", "list", "crew"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("1 of at most 3 are registered") && shown.contains("10.0.0.7"), "{shown}");
    let done = server.cli(&["member", "register", "crew", "blue", "b", "--ip", "10.0.0.8", "--ttl", "10s"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let gone = server.cli(&["member", "remove", "crew", "blue", "b"]);
    assert_eq!(gone.status.code(), Some(0), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_registrars_at_once_never_pass_the_maximum() {
    let server = start().await;
    let member = token(&server, "gpu", "member", &[]).await;
    let tries = (1..=12).map(|n| {
        let (server, member) = (&server, &member);
        async move {
            let (status, _) =
                register(server, member, "blue", &format!("m{n}"), json!({ "address": format!("10.0.1.{n}") })).await;
            status
        }
    });
    let mut outcomes = futures_util::future::join_all(tries).await;
    outcomes.sort_unstable();
    assert_eq!(outcomes, [[200; 3].as_slice(), &[409; 9]].concat());
    assert_eq!(switch(&server).await["pools"][0]["members"].as_array().unwrap().len(), 3);
    // Two that register one id at once leave one member.
    let same = |octet: u8| register(&server, &member, "green", "twin", json!({ "address": format!("10.0.2.{octet}") }));
    let (first, second) = tokio::join!(same(1), same(2));
    accepted(first);
    accepted(second);
    assert_eq!(switch(&server).await["pools"][1]["members"].as_array().unwrap().len(), 1);
}

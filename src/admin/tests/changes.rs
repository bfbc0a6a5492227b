//! From bodies and headers to commands.

use super::fake::start;
use crate::health::OverrideKind;
use crate::state::{Command, FlipTarget, Rejection, WeightChange};
use std::collections::BTreeMap;

fn target(switch: &str, to: &str) -> FlipTarget {
    FlipTarget { switch: switch.into(), to: to.into() }
}

#[tokio::test]
async fn a_flip_carries_who_why_and_its_guards() {
    let running = start().await;
    let body = r#"{"to":"green","reason":" v2 is good ","force":true}"#;
    let reply = running
        .ask(&running.operator, "POST /v1/switches/model/flip", &["If-Match: \"11\"", "Idempotency-Key: k1"], body)
        .await;
    assert_eq!(
        (reply.status, reply.json()["revision"].as_u64(), reply.json()["applied"].as_bool()),
        (200, Some(12), Some(true))
    );
    assert_eq!(reply.json()["serials"]["example.test."], 7);
    let asked = running.last();
    assert_eq!(asked.request.command, Command::Flip(vec![target("model", "green")]));
    assert_eq!(
        (asked.request.reason.as_deref(), asked.request.force, asked.request.if_match),
        (Some("v2 is good"), true, Some(11))
    );
    assert_eq!(
        (asked.request.by.as_str(), asked.caller.name.as_str(), asked.caller.from.as_str()),
        ("deploy", "deploy", "127.0.0.1")
    );
    assert_eq!(asked.idempotency.as_ref().map(|key| key.key.as_str()), Some("k1"));
}

#[tokio::test]
async fn the_request_hash_tells_bodies_and_paths_apart() {
    let running = start().await;
    let hash = async |path: &str, body: &str| {
        running.ask(&running.operator, &format!("POST {path}"), &["Idempotency-Key: k"], body).await;
        running.last().idempotency.unwrap().request_hash
    };
    let first = hash("/v1/switches/model/undo", "{}").await;
    assert_eq!(hash("/v1/switches/model/undo", "{}").await, first);
    assert_ne!(hash("/v1/switches/model/undo", "").await, first);
    assert_ne!(hash("/v1/switches/other/undo", "{}").await, first);
    assert_ne!(hash("/v1/switches/model/prepare", "{}").await, first);
}

#[tokio::test]
async fn every_verb_becomes_its_command() {
    let running = start().await;
    let switch = || "model".to_owned();
    let split = |weights: &[(&str, u32)]| {
        weights.iter().map(|(pool, weight)| ((*pool).to_owned(), *weight)).collect::<BTreeMap<_, _>>()
    };
    let hold = |member: Option<&str>, hold, for_ms| Command::Override {
        switch: switch(),
        pool: "green".into(),
        member: member.map(Into::into),
        hold,
        for_ms,
    };
    let version = |version: Option<&str>| Command::ExpectVersion {
        switch: switch(),
        pool: "green".into(),
        version: version.map(Into::into),
    };
    let cases = [
        (
            "set-weights",
            r#"{"weights":{"blue":9000,"green":1000}}"#,
            Command::SetWeights {
                switch: switch(),
                weights: WeightChange::Weights(split(&[("blue", 9000), ("green", 1000)])),
            },
        ),
        (
            "set-weights",
            r#"{"weights":{"green":"12.5%"}}"#,
            Command::SetWeights { switch: switch(), weights: WeightChange::Percent(split(&[("green", 1250)])) },
        ),
        ("undo", "", Command::Undo { switch: switch() }),
        ("prepare", "{}", Command::Prepare { switch: switch() }),
        ("reset", r#"{"reason":"files are right"}"#, Command::Reset { switch: switch() }),
        (
            "overrides",
            r#"{"pool":"green","hold":"force-down","for":"2h","reason":"disk"}"#,
            hold(None, Some(OverrideKind::ForceDown), Some(7_200_000)),
        ),
        (
            "overrides",
            r#"{"pool":"green","member":"192.0.2.20","hold":"force-up","for":"90s","reason":"probe"}"#,
            hold(Some("192.0.2.20"), Some(OverrideKind::ForceUp), Some(90_000)),
        ),
        ("overrides", r#"{"pool":"green","hold":"none"}"#, hold(None, None, None)),
        ("expect-version", r#"{"pool":"green","version":"v2"}"#, version(Some("v2"))),
        ("expect-version", r#"{"pool":"green","version":null}"#, version(None)),
    ];
    for (verb, body, command) in cases {
        let reply = running.post(&format!("/v1/switches/model/{verb}"), body).await;
        assert_eq!(reply.status, 200, "{verb} {body}: {reply:?}");
        assert_eq!(running.last().request.command, command, "{verb} {body}");
    }
    let wrong = [
        ("set-weights", r#"{"weights":{}}"#, "weights"),
        ("set-weights", r#"{"weights":{"a":1,"b":"5%"}}"#, "weights"),
        ("overrides", r#"{"pool":"g","hold":"none","for":"soon"}"#, "for"),
        ("expect-version", r#"{"pool":"g","version":""}"#, "version"),
    ];
    for (verb, body, field) in wrong {
        let reply = running.post(&format!("/v1/switches/model/{verb}"), body).await;
        assert_eq!((reply.status, reply.json()["field"].as_str()), (422, Some(field)), "{verb} {body}");
    }
}

#[tokio::test]
async fn several_switches_flip_in_one_command() {
    let running = start().await;
    let reply = running
        .post("/v1/flip", r#"{"switches":[{"switch":"model","to":"green"},{"switch":"other","to":"blue"}]}"#)
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(running.last().request.command, Command::Flip(vec![target("model", "green"), target("other", "blue")]));
}

#[tokio::test]
async fn a_refusal_says_which_guard_and_whether_force_would_do() {
    let running = start().await;
    running.memory.lock().unwrap().refuse =
        Some(Rejection::TooSoon { switch: "model".into(), ago_ms: 1200, wait_ms: 3800 });
    let reply = running.post("/v1/switches/model/flip", r#"{"to":"green"}"#).await;
    let body = reply.json();
    assert_eq!((reply.status, reply.header("retry-after")), (409, Some("4")));
    assert_eq!(
        (&body["guard"], &body["forceable"], &body["wait_ms"]),
        (&"too-soon".into(), &true.into(), &3800.into())
    );
}

#[tokio::test]
async fn a_prepared_flip_fails_early_or_waits_and_then_flips_on_its_own_revision() {
    let running = start().await;
    running.memory.lock().unwrap().refuse =
        Some(Rejection::Unmonitored { switch: "model".into(), pool: "green".into() });
    let body = r#"{"to":"green","prepare":true}"#;
    assert_eq!(running.post("/v1/switches/model/flip", body).await.status, 409);
    let flip = Command::Flip(vec![target("model", "green")]);
    assert_eq!(running.commands(), [(flip.clone(), true)]);
    {
        let mut memory = running.memory.lock().unwrap();
        memory.refuse = None;
        memory.asked.clear();
        memory.prepared_in_ms = vec![Some(60), Some(30), Some(0)];
    }
    let reply = running
        .ask(&running.operator, "POST /v1/switches/model/flip", &["If-Match: 11", "Idempotency-Key: k"], body)
        .await;
    assert_eq!(reply.status, 200);
    let prepare = Command::Prepare { switch: "model".into() };
    assert_eq!(running.commands(), [(flip.clone(), true), (prepare, false), (flip, false)]);
    let last = running.last();
    assert_eq!(last.request.if_match, Some(13), "the revision its own preparation made");
    assert!(last.idempotency.is_some());
    let keyed: Vec<bool> =
        running.memory.lock().unwrap().asked.iter().map(|asked| asked.idempotency.is_some()).collect();
    assert_eq!(keyed, [true, false, true], "the dry run sees a key that was used, the preparation spends none");
}

#[tokio::test]
async fn a_preparation_that_was_reset_meanwhile_stops_the_flip() {
    let running = start().await;
    running.memory.lock().unwrap().prepared_in_ms = vec![Some(10), None];
    let reply = running.post("/v1/switches/model/flip", r#"{"to":"green","prepare":true}"#).await;
    assert_eq!((reply.status, reply.json()["guard"].as_str()), (409, Some("no-longer-prepared")));
}

#[tokio::test]
async fn a_flip_sent_again_while_it_waits_gets_the_reply_of_the_first() {
    let running = start().await;
    {
        let mut memory = running.memory.lock().unwrap();
        (memory.prepared_in_ms, memory.flips_meanwhile) = (vec![Some(10), None], Some("k".to_owned()));
    }
    let ask = async |key: &str| {
        let body = r#"{"to":"green","prepare":true}"#;
        running.ask(&running.operator, "POST /v1/switches/model/flip", &[key], body).await
    };
    let again = ask("Idempotency-Key: k").await;
    assert_eq!((again.status, &again.json()["replayed"]), (200, &true.into()), "{again:?}");
    // Another key's flip tells nothing of this one.
    let other = ask("Idempotency-Key: other").await;
    assert_eq!((other.status, other.json()["guard"].as_str()), (409, Some("no-longer-prepared")));
}

#[tokio::test]
async fn reads_carry_the_revision_as_etag_and_unknown_names_are_404() {
    let running = start().await;
    assert_eq!(running.ask(&running.viewer, "GET /v1/status", &[], "").await.header("etag"), Some("\"11\""));
    assert_eq!(running.ask(&running.viewer, "GET /v1/switches", &[], "").await.header("etag"), Some("\"11\""));
    assert!(running.ask(&running.viewer, "GET /v1/switches/model", &[], "").await.header("etag").is_some());
    let unknown = running.ask(&running.viewer, "GET /v1/switches/modell", &[], "").await;
    assert_eq!((unknown.status, &unknown.json()["known"][0]), (404, &"model".into()));
    assert_eq!(running.ask(&running.viewer, "GET /v1/switches/model/drain/x", &[], "").await.status, 404);
}

#[tokio::test]
async fn files_with_problems_are_listed_and_guards_that_would_do_nothing_refused() {
    let running = start().await;
    let reply = running.post("/v1/reload", "").await;
    assert_eq!((reply.status, &reply.json()["problems"][0]), (422, &"a.toml:3:1: no".into()));
    assert_eq!(running.ask(&running.operator, "POST /v1/reload", &["If-Match: 3"], "").await.status, 422);
}

#[tokio::test]
async fn a_backup_goes_to_a_new_absolute_path() {
    let running = start().await;
    let ask = async |body: &str| running.ask(&running.admin, "POST /v1/backup", &[], body).await.status;
    assert_eq!(ask(r#"{"to":"state.bak"}"#).await, 422);
    assert_eq!(ask(r#"{"to":"/etc/hostname"}"#).await, 409);
    assert_eq!(ask(r#"{"to":"/no-such-folder/state.bak"}"#).await, 200);
}

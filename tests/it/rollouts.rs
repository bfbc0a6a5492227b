//! Rollouts, as operators, resolvers and a CI job see them (§5).

use crate::harness::{Server, eventually};
use crate::pair::{CALM, LIVELY, Pair, accepted, guarded, refused};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A plan in a hurry: pushed errors decide, at most 5 % of them.
const HURRIED: &str = r#"min_interval = "0s"
rollout = { steps = ["10%", "50%", "100%"], hold = "2s", min_hold = "1s", settle = "200ms", look_every = "200ms", deadline = "60s", metrics = { errors = { rate = true } }, gates = [{ metric = "errors", max = "5%" }] }"#;

/// The same, judged by nothing: it walks by time alone.
const UNJUDGED: &str = r#"min_interval = "0s"
rollout = { steps = ["10%", "50%", "100%"], hold = "1500ms", min_hold = "1s", settle = "100ms", look_every = "200ms", gates = [] }"#;

/// The same, but it waits for a person at 10 %.
const WAITING: &str = r#"min_interval = "0s"
rollout = { steps = [{ weight = "10%", hold = "1s", pause = true }, "100%"], min_hold = "1s", settle = "100ms", look_every = "200ms", gates = [] }"#;

impl Pair {
    async fn start_rollout(&self) -> Value {
        accepted(self.post("rollout", json!({ "to": "green" })).await)
    }

    async fn rollout(&self) -> Value {
        accepted(self.server.api("GET", "/v1/switches/model/rollout", None).await)
    }

    async fn reaches(&self, phase: &str) -> Value {
        eventually(&format!("the rollout is {phase}"), || async {
            let view = self.rollout().await;
            (view["phase"] == phase).then_some(view)
        })
        .await
    }

    async fn share(&self, percent: f64) {
        eventually(&format!("{percent} % on the canary"), || async {
            (self.rollout().await["share_percent"].as_f64() == Some(percent)).then_some(())
        })
        .await;
    }

    /// Pushes errors of both pools until the rollout ends.
    async fn push_until_it_ends(&self, canary_errors: u32) -> Value {
        eventually("the rollout ends", || async {
            let sample =
                |pool: &str, count: u32| json!({ "metric": "errors", "pool": pool, "count": count, "total": 200 });
            let body = json!({ "samples": [sample("blue", 2), sample("green", canary_errors)] });
            accepted(self.post("samples", body).await);
            let view = self.rollout().await;
            ["promoted", "failed", "paused", "aborted"].contains(&view["phase"].as_str()?).then_some(view)
        })
        .await
    }

    /// Which of these client subnets get green.
    fn green_clients(&self) -> BTreeSet<u8> {
        let asked = |subnet: u8| {
            let option = format!("+subnet=198.51.{subnet}.0/24");
            self.server.short(&[&option, "A", crate::pair::OWNER])
        };
        (0..150).filter(|subnet| asked(*subnet) == [self.green.address.to_string()]).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_walks_its_steps_and_the_old_side_is_kept_warm() {
    let pair = Pair::with(UNJUDGED, CALM).await;
    assert_eq!(pair.ttl(), 30);
    let reply = pair.start_rollout().await;
    assert_eq!((&reply["changed"], &reply["applied"]), (&json!(true), &json!(true)));
    pair.share(10.0).await;
    assert_eq!(pair.ttl(), 10, "low while a rollout runs");
    let ended = pair.reaches("promoted").await;
    assert!(pair.answers(&pair.green));
    let shares: Vec<f64> = ended["timeline"].as_array().unwrap().iter().filter_map(|e| e["share"].as_f64()).collect();
    assert!([1_000.0, 5_000.0, 10_000.0].iter().all(|share| shares.contains(share)), "{ended}");
    let drain = accepted(pair.server.api("GET", "/v1/switches/model/drain/blue", None).await);
    assert_eq!(drain["safe_to_close"], false);
    assert!(ended["warm_until"].is_string(), "{ended}");
    assert!(drain["warm_until_ms"].is_u64(), "{drain}");
    // Undo needs no analysis, and goes back to what served before the rollout.
    accepted(pair.post("undo", json!({})).await);
    assert!(pair.answers(&pair.blue));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_share_of_clients_is_measured_while_a_step_is_in_force() {
    let pair = Pair::with(WAITING, CALM).await;
    pair.start_rollout().await;
    pair.share(10.0).await;
    let green = f64::from(u32::try_from(pair.green_clients().len()).expect("few"));
    let share = pair.rollout().await["share"].clone();
    let figure = |name: &str| share[name].as_f64().unwrap_or_else(|| panic!("no {name}: {share}"));
    assert!((figure("clients_seen") - 150.0).abs() < 6.0, "{share}");
    assert!((figure("clients") - green / 150.0).abs() < 0.02, "{green} of 150: {share}");
    assert!((figure("answered") - green / 150.0).abs() < 0.02, "{green} of 150: {share}");
    assert!((100.0..=156.0).contains(&figure("effective_resolvers")), "{share}");
    assert!(figure("srm_p") > 0.001 && figure("target") == 0.1, "{share}");
    let words = share["words"].as_str().expect("words");
    assert!(words.starts_with("10 % asked for") && words.ends_with("the split is as asked for"), "{words}");
    let metrics = crate::geo::metrics(&pair.server).await;
    assert!(metrics.contains("tidegate_rollout_share_ratio{switch=\"model\",of=\"target\"} 0.1"), "{metrics}");
    assert!(metrics.contains("tidegate_rollout_effective_clients{switch=\"model\"}"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushed_errors_beyond_the_limit_send_everybody_back() {
    let pair = Pair::with(HURRIED, CALM).await;
    pair.start_rollout().await;
    let ended = pair.push_until_it_ends(40).await;
    assert_eq!(ended["phase"], "failed", "{ended}");
    assert!(pair.answers(&pair.blue));
    assert_eq!(pair.weights().await["green"], 0);
    let last = ended["timeline"].as_array().unwrap().last().unwrap();
    assert!(last["what"].as_str().unwrap().contains("errors"), "{last}");
    assert_eq!(last["verdicts"][0]["verdict"], "fail", "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_whose_errors_stay_low_is_promoted() {
    let pair = Pair::with(HURRIED, CALM).await;
    pair.start_rollout().await;
    let ended = pair.push_until_it_ends(2).await;
    assert_eq!(ended["phase"], "promoted", "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_advisor_suggests_within_the_step_and_moves_nothing() {
    let advised = HURRIED.replace("steps =", "advisor = true, steps =").replace("\"2s\"", "\"30s\"");
    let pair = Pair::with(&advised, CALM).await;
    pair.start_rollout().await;
    let said = eventually("the advisor has enough to go by", || async {
        let sample = |pool: &str, count: u32| json!({ "metric": "errors", "pool": pool, "count": count, "total": 200 });
        accepted(pair.post("samples", json!({ "samples": [sample("blue", 20), sample("green", 0)] })).await);
        let said = pair.rollout().await["advice"].as_str()?.to_owned();
        said.contains("for green").then_some(said)
    })
    .await;
    assert!(said.starts_with("10 %") && said.contains("a suggestion only"), "{said}");
    assert_eq!(pair.weights().await["green"], 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metric_that_nobody_sends_never_takes_a_step_and_waits_for_a_person() {
    let pair = Pair::with(&HURRIED.replace("60s", "2s"), CALM).await;
    pair.start_rollout().await;
    let paused = pair.reaches("paused").await;
    assert_eq!(paused["share_percent"], 10.0, "{paused}");
    assert!(paused["paused"].as_str().unwrap().contains("cannot tell"), "{paused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_else_moves_the_weights_while_one_runs() {
    let pair = Pair::with(WAITING, CALM).await;
    pair.start_rollout().await;
    pair.reaches("paused").await;
    for (verb, body) in [
        ("flip", json!({ "to": "green" })),
        ("set-weights", json!({ "weights": { "green": "50%" } })),
        ("undo", json!({})),
        ("reset", json!({})),
    ] {
        guarded(pair.post(verb, body).await, "rollout-running", true);
    }
    guarded(pair.post("rollout", json!({ "to": "green" })).await, "rollout-refused", false);
    let forced = json!({ "to": "green", "force": true, "reason": "now" });
    accepted(pair.post("flip", forced).await);
    assert_eq!(pair.rollout().await["phase"], "aborted");
    assert!(pair.answers(&pair.green));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abort_gives_everything_back_at_once() {
    let pair = Pair::with(WAITING, CALM).await;
    pair.start_rollout().await;
    pair.reaches("paused").await;
    assert_eq!(pair.weights().await["green"], 1_000);
    let reply = accepted(pair.post("rollout/abort", json!({ "reason": "users complain" })).await);
    assert_eq!(reply["applied"], true);
    assert!(pair.answers(&pair.blue));
    let rollout = pair.rollout().await;
    assert_eq!(rollout["phase"], "aborted");
    assert!(
        rollout["timeline"].as_array().unwrap().last().unwrap()["what"].as_str().unwrap().contains("users complain")
    );
    accepted(pair.post("rollout/retry", json!({})).await);
    assert_eq!(pair.rollout().await["phase"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_never_spills_users_into_a_canary() {
    let pair = Pair::with(WAITING, LIVELY).await;
    pair.start_rollout().await;
    pair.reaches("paused").await;
    let before = pair.green_clients();
    assert!((3..40).contains(&before.len()), "about a tenth of 150: {}", before.len());
    pair.blue.behave(|manner| manner.dead = true);
    pair.down("blue").await;
    assert_eq!(pair.green_clients(), before, "the very same clients, with the stable pool dead");
    let explained =
        accepted(pair.server.api("GET", "/v1/explain?owner=model.example.test&client=198.51.100.0/24", None).await);
    assert!(explained.is_object(), "{explained}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stable_pool_that_dies_in_a_step_pauses_the_rollout() {
    let pair = Pair::with(&UNJUDGED.replace("1500ms", "20s"), LIVELY).await;
    pair.start_rollout().await;
    pair.share(10.0).await;
    pair.blue.behave(|manner| manner.dead = true);
    let paused = pair.reaches("paused").await;
    assert_eq!(paused["share_percent"], 10.0);
    assert!(paused["paused"].as_str().unwrap().contains("not eligible"), "{paused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_dies_in_a_step_goes_back_by_itself() {
    let pair = Pair::with(&UNJUDGED.replace("1500ms", "20s"), LIVELY).await;
    pair.start_rollout().await;
    pair.share(10.0).await;
    pair.green.behave(|manner| manner.dead = true);
    let failed = pair.reaches("failed").await;
    assert_eq!(failed["share_percent"], 0.0);
    assert!(pair.answers(&pair.blue));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_the_version_it_names() {
    let pair = Pair::with(UNJUDGED, LIVELY).await;
    accepted(pair.post("rollout", json!({ "to": "green", "version": "v3" })).await);
    pair.down("green").await;
    let waiting = pair.rollout().await;
    assert_eq!(waiting["phase"], "pending");
    assert!(waiting["waits_for"].as_str().unwrap().contains("green"), "{waiting}");
    pair.green.behave(|manner| manner.version = "v3".to_owned());
    pair.reaches("promoted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_rolled_out_is_refused_with_what_to_do() {
    let pair = Pair::with("min_interval = \"0s\"", CALM).await;
    for verb in ["pause", "resume", "promote", "abort", "retry"] {
        refused(pair.post(&format!("rollout/{verb}"), json!({})).await, 404, "no-rollout");
    }
    refused(pair.server.api("GET", "/v1/switches/model/rollout", None).await, 404, "no-rollout");
    accepted(pair.post("set-weights", json!({ "weights": { "green": "50%" } })).await);
    let said = refused(pair.post("rollout", json!({})).await, 422, "which-pool");
    assert!(said.contains("name one"), "{said}");
    let said = guarded(pair.post("rollout", json!({ "to": "green" })).await, "rollout-refused", false);
    assert!(said.contains("one pool with all the weight"), "{said}");
    accepted(pair.post("flip", json!({ "to": "blue" })).await);
    pair.rewrite("min_interval = \"0s\"\npolicy = \"fixed\"", CALM);
    accepted(pair.server.api("POST", "/v1/reload", None).await);
    let said = guarded(pair.post("rollout", json!({ "to": "green" })).await, "rollout-policy", false);
    assert!(said.contains("fixed"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_plans_and_bad_samples_are_refused_with_their_place() {
    let pair = Pair::with(UNJUDGED, CALM).await;
    for (plan, part) in [
        (json!({ "steps": ["50%", "10%", "100%"] }), "steps[1].weight"),
        (json!({ "steps": [{ "weight": "10%", "hold": 0 }, "100%"] }), "steps[0].hold"),
        (json!({ "prometheus": { "url": "http://192.0.2.1" } }), "prometheus"),
    ] {
        let said = refused(pair.post("rollout", json!({ "to": "green", "plan": plan })).await, 422, "bad-plan");
        assert!(said.contains(part), "{said}");
    }
    let (status, body) = pair.post("samples", json!({ "samples": [{ "metric": "x", "pool": "green" }] })).await;
    assert_eq!(status, 422, "{body}");
    assert!(body["detail"].as_str().unwrap().contains("samples[0].value"), "{body}");
    let unwanted = json!({ "samples": [{ "metric": "x", "pool": "green", "value": 1 }] });
    assert_eq!(accepted(pair.post("samples", unwanted).await), json!({ "taken": 0, "dropped": { "unwanted": 1 } }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_double_future_and_absurd_samples_are_counted_and_not_taken() {
    let pair = Pair::with(HURRIED, CALM).await;
    pair.start_rollout().await;
    pair.share(10.0).await;
    let taken = eventually("the settle window has passed", || async {
        let sample = |id: &str, extra: Value| {
            let mut sample = json!({ "metric": "errors", "pool": "green", "count": 0, "total": 1, "id": id });
            sample.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            sample
        };
        let number = pair.server.log().len();
        let samples = [
            sample(&format!("a{number}"), json!({})),
            sample(&format!("a{number}"), json!({})),
            sample("b", json!({ "at": "2001-01-01T00:00:00Z" })),
            sample("c", json!({ "at": "2101-01-01T00:00:00Z" })),
            sample("d", json!({ "count": 2 })),
            sample("e", json!({ "metric": "other" })),
        ];
        let reply = accepted(pair.post("samples", json!({ "samples": samples })).await);
        (reply["taken"] == 1).then_some(reply)
    })
    .await;
    let dropped = json!({ "late": 1, "future": 1, "duplicate": 1, "absurd": 1, "unwanted": 1 });
    assert_eq!(taken["dropped"], dropped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_in_every_phase_resumes_where_it_was() {
    let mut pair = Pair::with(&UNJUDGED.replace("1500ms", "2s"), CALM).await;
    pair.start_rollout().await;
    let mut seen = BTreeSet::new();
    let allowed = [0.0, 10.0, 50.0, 100.0];
    let place = |view: &Value| format!("{} {} {}", view["phase"], view["stage"], view["share_percent"]);
    for _ in 0..20 {
        let before = eventually("the rollout goes on", || async {
            let view = pair.rollout().await;
            (!seen.contains(&place(&view))).then_some(view)
        })
        .await;
        seen.insert(place(&before));
        pair.server.kill9();
        pair.server.restart().await;
        let after = pair.rollout().await;
        assert_eq!(after["id"], before["id"]);
        let share = after["share_percent"].as_f64().unwrap();
        assert!(allowed.contains(&share), "{share} % is no step");
        assert!(share >= before["share_percent"].as_f64().unwrap(), "a step was lost: {before} {after}");
        let weights = pair.weights().await;
        assert!(allowed.iter().any(|share| share * 100.0 == weights["green"] as f64), "{weights:?}");
        if after["phase"] == "promoted" {
            break;
        }
    }
    assert_eq!(pair.reaches("promoted").await["share_percent"], 100.0);
    assert!(seen.len() >= 4, "killed in too few places: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_waits_and_its_exit_codes_tell_the_end() {
    let pair = Pair::with(UNJUDGED, CALM).await;
    let run = |server: &Server, arguments: &[&str]| {
        let output = server.cli(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    };
    let (code, text) = run(&pair.server, &["rollout", "start", "model", "--to", "green", "--wait", "--reason", "v2"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.matches("step 2 of 3: 50 %").count() == 1 && text.contains("promoted"), "told once: {text}");
    let (code, text) = run(&pair.server, &["rollout", "abort", "model"]);
    assert_eq!(code, 0, "a promotion that is kept warm can be taken back: {text}");
    let (code, text) = run(&pair.server, &["rollout", "status", "model", "--wait"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("aborted"), "{text}");
    let (code, text) = run(
        &pair.server,
        &["rollout", "start", "model", "--steps", "10%,100%", "--hold", "1h", "--wait", "--timeout", "2s"],
    );
    assert_eq!(code, 3, "{text}");
    let (code, text) = run(&pair.server, &["rollout", "pause", "model"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = run(&pair.server, &["rollout", "status", "model", "--wait", "--fail-on-pause"]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = run(&pair.server, &["rollout", "list"]);
    assert!(code == 0 && text.contains("model") && text.contains("paused"), "{text}");
    let (code, text) = run(&pair.server, &["rollout", "promote", "model", "--full", "--reason", "sure"]);
    assert_eq!(code, 0, "{text}");
    assert!(pair.answers(&pair.green));
    let (code, text) = run(&pair.server, &["rollout", "undo", "model"]);
    assert_eq!(code, 0, "{text}");
    assert!(pair.answers(&pair.blue));
    let (code, text) = run(&pair.server, &["rollout", "history", "model"]);
    assert!(code == 0 && text.contains("rollout-start") && text.contains("rollout-step"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_release_script_of_a_ci_job_promotes_what_is_good_and_goes_back_from_what_is_not() {
    let pair = Pair::with(UNJUDGED, LIVELY).await;
    let release = |limit: &str| {
        let program = std::path::Path::new(crate::harness::PROGRAM).parent().expect("a folder").display().to_string();
        let mut command = std::process::Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/release.sh"));
        command.args(["model", "green", "v3"]).env("LOAD_TIMEOUT", limit);
        command.env("PATH", format!("{program}:{}", std::env::var("PATH").unwrap_or_default()));
        command.env("TIDEGATE_ADDRESS", format!("http://{}", pair.server.admin));
        command.env("TIDEGATE_TOKEN", pair.server.token());
        let output = command.output().expect("the script runs (it needs jq)");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = tokio::task::block_in_place(|| release("2"));
    assert_eq!(code, Some(3), "green still shows v2: {said}");
    assert!(pair.answers(&pair.blue));
    pair.green.behave(|manner| manner.version = "v3".to_owned());
    let (code, said) = tokio::task::block_in_place(|| release("20"));
    assert_eq!(code, Some(0), "{said}");
    assert!(pair.answers(&pair.green));
    accepted(pair.post("undo", json!({})).await);
    let bad = json!({ "steps": [{ "weight": "10%", "hold": "1s", "pause": true }, "100%"], "min_hold": "1s", "settle": "100ms", "look_every": "200ms", "gates": [] });
    let zone = format!("min_interval = \"0s\"\nrollout = {}", inline(&bad));
    pair.rewrite(&zone, LIVELY);
    accepted(pair.server.api("POST", "/v1/reload", None).await);
    let (code, said) = tokio::task::block_in_place(|| release("20"));
    assert_eq!(code, Some(1), "a job cannot resume what waits for a person: {said}");
    assert_eq!(pair.rollout().await["phase"], "aborted");
    assert!(pair.answers(&pair.blue));
}

/// JSON as a TOML inline table.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let parts: Vec<String> = entries.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", parts.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

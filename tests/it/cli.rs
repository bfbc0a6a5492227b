//! The commands against a real server: what they print, and exit codes that scripts rely on (§6.4).

use crate::harness::{Folder, PROGRAM, Server, eventually};
use crate::printed::{code, err, json, out};
use std::process::{Command, Output, Stdio};

/// Two switches without monitors: flipping them needs `--force`.
const ZONE: &str = r#"
[zone]
ns = ["ns1.example.test"]
glue = { "ns1.example.test" = ["192.0.2.53"] }

[switch.model]
owners = ["model.example.test"]
min_interval = "0s"
pool.blue = { members = ["192.0.2.10"], weight = 10000 }
pool.green = { members = ["192.0.2.20"], weight = 0 }

[switch.users]
owners = ["*.app.example.test"]
min_interval = "0s"
pool.blue = { members = ["192.0.2.30"], weight = 5000 }
pool.green = { members = ["192.0.2.40"], weight = 5000 }
"#;

async fn server() -> Server {
    Server::start(&[("example.test.toml", ZONE)]).await
}

/// Runs the program far from any server's settings.
fn alone(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().stdin(Stdio::null()).output().expect("the program runs")
}

const FORCE: [&str; 3] = ["--force", "--reason", "no monitors here"];

fn forced<'a>(words: &[&'a str]) -> Vec<&'a str> {
    words.iter().copied().chain(FORCE).collect()
}

#[tokio::test]
async fn a_flip_an_undo_and_a_split_exit_0_and_say_what_they_did() {
    let server = server().await;
    let flipped = server.cli(&forced(&["flip", "model", "green"]));
    assert_eq!(code(&flipped), 0, "{}", err(&flipped));
    assert!(
        out(&flipped).starts_with("flipped: model to green, revision 1\n  model: blue 10000 → 0, green 0 → 10000;"),
        "{}",
        out(&flipped)
    );
    assert_eq!(server.short(&["model.example.test"]), ["192.0.2.20"]);
    let undone = server.cli(&["undo", "model", "--json"]);
    assert_eq!((code(&undone), json(&undone)["revision"].as_u64()), (0, Some(2)));
    assert_eq!(server.short(&["model.example.test"]), ["192.0.2.10"]);
    assert_eq!(code(&server.cli(&forced(&["set-weights", "model", "green=12.5%"]))), 0);
    let model = json(&server.cli(&["status", "model", "--json"]));
    let weights: Vec<_> =
        model["pools"].as_array().unwrap().iter().map(|pool| pool["weight"].as_u64().unwrap()).collect();
    assert_eq!(weights, [8750, 1250]);
    assert_eq!(code(&server.cli(&forced(&["flip", "model", "green", "users", "green"]))), 0);
    let again = server.cli(&forced(&["flip", "model", "green"]));
    assert!(code(&again) == 0 && out(&again).starts_with("nothing to change"), "{}", out(&again));
}

#[tokio::test]
async fn refusals_exit_1_with_a_sentence_and_change_nothing() {
    let server = server().await;
    let guarded = server.cli(&["flip", "model", "green"]);
    assert_eq!((code(&guarded), out(&guarded).as_str()), (1, ""));
    assert!(
        err(&guarded).contains("has no monitor") && err(&guarded).contains("--force --reason"),
        "{}",
        err(&guarded)
    );
    let stale = server.cli(&forced(&["flip", "model", "green", "--if-match", "7"]));
    assert!(code(&stale) == 1 && err(&stale).contains("revision 0, not 7"), "{}", err(&stale));
    let unknown = server.cli(&["status", "modell"]);
    assert!(code(&unknown) == 1 && err(&unknown).contains("`model`"), "{}", err(&unknown));
    let problem = json(&server.cli(&["flip", "model", "green", "--json"]));
    assert_eq!(
        (problem["status"].as_u64(), problem["guard"].as_str(), problem["forceable"].as_bool()),
        (Some(409), Some("unmonitored"), Some(true))
    );
    let serving = server.cli(&["drain", "model", "blue", "--wait"]);
    assert!(code(&serving) == 1 && err(&serving).contains("serving"), "{}", err(&serving));
    assert_eq!(json(&server.cli(&["status", "--json"]))["revision"], 0);
}

#[test]
fn usage_errors_exit_2_and_suggest_the_right_verb() {
    let misspelt = alone(&["statsu"]);
    assert!(code(&misspelt) == 2 && err(&misspelt).contains("'status'"), "{}", err(&misspelt));
    for wrong in [
        &["flip", "model"][..],
        &["flip", "a", "b", "c"],
        &["set-weights", "model", "green"],
        &["set-weights", "m", "a=5%", "b=1"],
        &["flip", "a", "b", "--force"],
        &["drain", "a", "b", "--timeout", "1s"],
        &["override", "m", "p", "force-up"],
        &["status", "--address", "ftp://x"],
        &["expect-version", "m", "p"],
    ] {
        let output = alone(wrong);
        assert_eq!(code(&output), 2, "{wrong:?}: {}", err(&output));
    }
    assert_eq!(code(&alone(&["flip", "--help"])), 0);
}

#[test]
fn nobody_there_exits_4_and_says_how_to_point_elsewhere() {
    // A port that was free a moment ago, on an address nobody else uses.
    let address = std::net::TcpListener::bind((crate::harness::own_address(), 0)).unwrap().local_addr().unwrap();
    let output = alone(&["status", "--address", &address.to_string()]);
    assert_eq!(code(&output), 4);
    assert!(
        err(&output).contains(&format!("http://{address}")) && err(&output).contains("TIDEGATE_ADDRESS"),
        "{}",
        err(&output)
    );
}

#[tokio::test]
async fn waiting_for_a_drain_exits_3_when_the_time_is_up() {
    let server = server().await;
    assert_eq!(server.short(&["model.example.test"]), ["192.0.2.10"]);
    assert_eq!(code(&server.cli(&forced(&["flip", "model", "green"]))), 0);
    let waited = server.cli(&["drain", "model", "blue", "--wait", "--timeout", "1s"]);
    assert_eq!(code(&waited), 3, "{} {}", out(&waited), err(&waited));
    assert!(err(&waited).contains("model/blue: draining"), "{}", err(&waited));
    let unverified = server.cli(&["drain", "model", "blue", "--wait", "--verified"]);
    assert!(code(&unverified) == 1 && err(&unverified).contains("no idle reading"), "{}", err(&unverified));
    assert_eq!(code(&server.cli(&["drain", "model", "blue"])), 1);
}

#[tokio::test]
async fn a_token_reaches_what_it_is_for_until_it_is_revoked() {
    let server = server().await;
    let made =
        server.cli(&["token", "create", "ci", "--role", "operator", "--switch", "model", "--expires", "1h", "--json"]);
    let token = json(&made)["token"].as_str().unwrap().to_owned();
    let folder = Folder::new("token");
    folder.write("ci", &format!("{token}\n"));
    let file = folder.path().join("ci").display().to_string();
    let as_ci = |words: &[&str]| server.cli(&words.iter().copied().chain(["--token-file", &file]).collect::<Vec<_>>());
    assert_eq!(code(&as_ci(&forced(&["flip", "model", "green"]))), 0);
    let other = as_ci(&forced(&["flip", "users", "green"]));
    assert!(code(&other) == 1 && err(&other).contains("limited to model"), "{}", err(&other));
    assert!(err(&as_ci(&["token", "list"])).contains("`admin`"));
    let history = out(&server.cli(&["history", "model"]));
    assert!(
        history.contains("flip model, forced")
            && history.contains("ci from 127.")
            && history.contains("no monitors here"),
        "{history}"
    );
    assert_eq!(code(&server.cli(&["token", "revoke", "ci"])), 0);
    assert!(err(&as_ci(&["status"])).contains("does not know the token"));
    assert!(!server.log().contains(&token), "no log holds a token");
}

#[tokio::test]
async fn explain_agrees_with_the_answer_for_labels_and_prefixes() {
    let server = server().await;
    for label in ["u1", "u2", "u3", "u4"] {
        let explained = json(&server.cli(&["explain", "*.app.example.test", label, "--json"]));
        let whole = json(&server.cli(&["explain", &format!("{label}.app.example.test"), "--json"]));
        assert_eq!(explained["pool"], whole["pool"]);
        let address = if explained["pool"] == "blue" { "192.0.2.30" } else { "192.0.2.40" };
        assert_eq!(server.short(&[&format!("{label}.app.example.test")]), [address], "{explained}");
    }
    let prefix = server.cli(&["explain", "model.example.test", "203.0.113.0/24"]);
    assert!(out(&prefix).starts_with("model.example.test. for 203.0.113.0/24: blue\n"), "{}", out(&prefix));
    for (owner, client, why) in [
        ("green.model.example.test", "192.0.2.1", "pin"),
        ("model.example.test", "u1", "decides by address"),
        ("*.app.example.test", "192.0.2.1", "leftmost label"),
        ("ns1.example.test", "192.0.2.1", "not steered"),
    ] {
        let refused = server.cli(&["explain", owner, client]);
        assert!(code(&refused) == 1 && err(&refused).contains(why), "{owner}: {}", err(&refused));
    }
}

#[tokio::test]
async fn a_reload_of_broken_files_says_where_and_changes_nothing() {
    let server = server().await;
    server.folder.write("zones/example.test.toml", &ZONE.replace("weight = 10000", "weight = 10001"));
    let refused = server.cli(&["reload"]);
    assert!(code(&refused) == 1 && err(&refused).contains("example.test.toml:9:"), "{}", err(&refused));
    assert_eq!(server.short(&["model.example.test"]), ["192.0.2.10"]);
    let zones = server.folder.path().join("zones").display().to_string();
    let checked = alone(&["check", "--zones", &zones, "--json"]);
    assert_eq!(
        (code(&checked), json(&checked)["valid"].as_bool(), json(&checked)["problems"][0]["line"].as_u64()),
        (1, Some(false), Some(9))
    );
    server.folder.write("zones/example.test.toml", &ZONE.replace("192.0.2.10", "192.0.2.11"));
    assert_eq!(code(&server.cli(&["reload", "--reason", "blue moved"])), 0);
    assert_eq!(server.short(&["model.example.test"]), ["192.0.2.11"]);
}

#[tokio::test]
async fn a_backup_comes_back_without_numbers_going_back() {
    let mut server = server().await;
    let serial =
        |server: &Server| server.short(&["SOA", "example.test"])[0].split(' ').nth(2).unwrap().parse::<u32>().unwrap();
    let backup = server.folder.path().join("backup.db").display().to_string();
    assert_eq!(code(&server.cli(&["backup", &backup])), 0);
    assert_eq!(code(&server.cli(&["backup", &backup])), 1, "an existing file is never replaced");
    assert_eq!(code(&server.cli(&forced(&["flip", "model", "green"]))), 0);
    let (before, state) = (serial(&server), server.state().display().to_string());
    let running = alone(&["restore", &backup, "--state", &state]);
    assert!(code(&running) == 1 && err(&running).contains("in use"), "{}", err(&running));
    assert_eq!(server.stop().await, Some(0));
    let restored = alone(&["restore", &backup, "--state", &state, "--json"]);
    assert_eq!(code(&restored), 0, "{}", err(&restored));
    server.restart().await;
    let after = serial(&server);
    assert!(after.wrapping_sub(before) < 1 << 31 && after != before, "{before} then {after}");
    eventually("blue again", async || (server.short(&["model.example.test"]) == ["192.0.2.10"]).then_some(())).await;
    assert!(json(&server.cli(&["status", "--json"]))["revision"].as_u64() > Some(1));
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_a_failure_and_a_reader_that_left_is_none() {
    let server = server().await;
    let client = |out: Stdio| {
        let mut command = Command::new(PROGRAM);
        command.arg("status").env("TIDEGATE_ADDRESS", format!("http://{}", server.admin));
        command.env("TIDEGATE_TOKEN", server.token()).stdin(Stdio::null()).stdout(out).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let full = client(full.into()).wait_with_output().unwrap();
    assert_eq!(code(&full), 1);
    assert!(err(&full).contains("cannot write to standard output: No space left on device"), "{}", err(&full));
    let mut left = client(Stdio::piped());
    drop(left.stdout.take());
    let left = left.wait_with_output().unwrap();
    assert_eq!((code(&left), err(&left).as_str()), (0, ""));
}

#[tokio::test]
async fn the_history_of_a_switch_that_is_gone_stays_and_one_that_never_was_has_none() {
    let server = server().await;
    assert_eq!(code(&server.cli(&forced(&["flip", "users", "green"]))), 0);
    let fresh = server.cli(&["history", "model"]);
    assert!(code(&fresh) == 0 && out(&fresh).contains("no changes yet"), "{}", out(&fresh));
    let never = server.cli(&["history", "modell"]);
    assert!(code(&never) == 1 && err(&never).contains("no switch `modell`; there is `model`"), "{}", err(&never));
    server.folder.write("zones/example.test.toml", ZONE.split("[switch.users]").next().unwrap());
    let told = server.cli(&["reload", "--force", "--reason", "users are gone"]);
    assert_eq!(code(&told), 0, "{}", err(&told));
    assert_eq!(code(&server.cli(&["status", "users"])), 1);
    let gone = server.cli(&["history", "users"]);
    assert!(code(&gone) == 0 && out(&gone).contains("flip users"), "{}{}", out(&gone), err(&gone));
}

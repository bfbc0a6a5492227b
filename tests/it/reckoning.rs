//! `tidegate simulate` and `tidegate plan`: what a rollout would do, reckoned before it is begun.

use crate::harness::{Folder, PROGRAM};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

const ZONE: &str = r#"
[zone]
ns = ["ns1.example.test"]
[switch.model]
owners = ["model.example.test"]
[switch.model.pool.blue]
members = ["192.0.2.10"]
weight = 10000
[switch.model.pool.green]
members = ["192.0.2.20"]
weight = 0
[switch.model.rollout]
steps = ["2%", "20%", "100%"]
hold = "5m"
"#;

const RESOLVERS: &str = "client,qps\n203.0.113.0/24,40\n198.51.100.7,12\n2001:db8:7::/56,9.5\n192.0.2.200,1\n";

fn run(folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().stdin(Stdio::null()).current_dir(folder.path());
    command.output().expect("the program runs")
}

fn out(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).expect("JSON")
}

/// Exit code and what is said on standard error.
fn refusal(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn folder() -> Folder {
    let folder = Folder::new("reckoning");
    std::fs::create_dir_all(folder.path().join("zones")).expect("a folder");
    folder.write("zones/example.test.toml", ZONE);
    folder.write("resolvers.csv", RESOLVERS);
    folder
}

#[test]
fn the_default_plan_is_played_without_any_file() {
    let folder = folder();
    let text = out(&run(&folder, &["simulate", "--resolvers", "300", "--repetitions", "20"]));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for word in ["300 resolvers", "STEP", "REQUESTS", "NOBODY", "100 %", "the default plan, sticky", "undo for 1 h"] {
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(word), "{word} is missing: {text}");
    }
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_seed_others() {
    let folder = folder();
    let arguments = ["simulate", "--resolvers", "60", "--repetitions", "10", "--json", "--seed"];
    let of = |seed| json(&run(&folder, &[&arguments[..], &[seed]].concat()));
    assert_eq!(of("7"), of("7"));
    assert_ne!(of("7")["steps"], of("8")["steps"]);
}

#[test]
fn a_switch_of_zone_files_is_played_with_its_own_plan_and_salt() {
    let folder = folder();
    let arguments = ["simulate", "model", "--zones", "zones", "--population", "resolvers.csv", "--json"];
    let simulation = json(&run(&folder, &arguments));
    let steps = simulation["steps"].as_array().expect("steps");
    let targets: Vec<f64> = steps.iter().filter_map(|step| step["target"].as_f64()).collect();
    assert_eq!(targets, [0.02, 0.2, 1.0]);
    assert_eq!((&simulation["resolvers"], &steps[0]["hold_ms"]), (&Value::from(4), &Value::from(300_000)));
    // Four clients: under one salt each has all or nothing, and nobody leaves the canary.
    let under_salt: Vec<f64> = steps.iter().filter_map(|step| step["with_salt"].as_f64()).collect();
    assert_eq!(under_salt.len(), 3);
    assert!(under_salt.is_sorted() && under_salt[2] > 0.999_999, "{under_salt:?}");
    let nobody = steps[0]["nobody"].as_f64().expect("a chance");
    assert!((nobody - 0.98f64.powi(4)).abs() < 1e-6, "{nobody}");
}

#[test]
fn what_makes_no_sense_is_refused_with_the_place() {
    let folder = folder();
    folder.write("bad.csv", "203.0.113.0/24,40\nsomebody,1\n");
    folder.write("bad.toml", "steps = [\"50%\", \"10%\"]\n");
    for (arguments, expected) in [
        (&["simulate", "--population", "bad.csv"][..], "line 2: `somebody,1`"),
        (&["simulate", "--plan", "bad.toml"], "steps[1]"),
        (&["simulate", "--kind", "rolling"], "rolling plan moves no weight"),
        (&["simulate", "modell", "--zones", "zones"], "did you mean `model`?"),
        (&["simulate", "--zones", "zones"], "name the switch"),
        (&["simulate", "model"], "--zones"),
        (&["simulate", "--ttl", "1s"], "at least 5 seconds"),
        (&["simulate", "--resolvers", "0"], "0 resolvers"),
    ] {
        let (code, said) = refusal(&run(&folder, arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn a_plan_is_told_with_its_times_and_what_its_steps_can_show() {
    let folder = folder();
    let arguments = ["plan", "model", "--zones", "zones", "--traffic", "50/s", "--resolvers", "40"];
    let text = out(&run(&folder, &arguments));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in ["blue -> green", "promoted after 10 min at the least", "too small", "no monitor watches", "SEES RATE"]
    {
        assert!(words.contains(word), "{word} is missing: {text}");
    }
    let outlook = json(&run(&folder, &[&arguments[..], &["--json"]].concat()));
    let steps = outlook["steps"].as_array().expect("steps");
    assert_eq!((&steps[0]["too_small"], &steps[1]["too_small"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!((&outlook["least_ms"], &outlook["most_ms"]), (&Value::from(600_000), &Value::from(1_800_000)));
    let sees = |step: usize| steps[step]["sees_rate"].as_f64().expect("a rate");
    assert!(0.01 < sees(1) && sees(1) < sees(0), "more traffic sees smaller effects: {outlook}");
}

#[test]
fn more_traffic_needs_a_shorter_hold() {
    let folder = folder();
    let needed = |traffic: &str| {
        let outlook = json(&run(&folder, &["plan", "model", "--traffic", traffic, "--steps", "10%,100%", "--json"]));
        outlook["steps"][0]["hold_needed_ms"].as_u64().expect("within a week")
    };
    assert!(needed("500/s") < needed("50/s"));
    let (code, said) = refusal(&run(&folder, &["plan", "model", "--traffic", "fast"]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("50/s"), "{said}");
}

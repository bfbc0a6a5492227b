//! Plans in a zone's TOML: what is read, every fault with its place, and advice.

use super::{TestFolder, load, problems_of, switch, warnings_of};
use crate::config::check;
use crate::rollout::{HookKind, Plan, PlanKind};
use std::os::unix::fs::PermissionsExt;

/// A case: its name, the lines of `[switch.app.rollout]`, and what is shown.
type Case = (&'static str, &'static str, &'static [&'static str]);

/// A switch with a plan, whose lines begin on line 7 of the file.
fn planned(lines: &str) -> String {
    switch(&format!("[switch.app.rollout]\n{lines}"))
}

/// Values of the wrong kind, unknown words and keys.
const WRITTEN_WRONG: &[Case] = &[
    (
        "unknown key",
        "stepps = []",
        &[
            "example.test.toml:7:1: unknown key `stepps`\n    stepps = []\n    ^^^^^^\n    remedy: did you mean `steps`?",
        ],
    ),
    (
        "unknown key of a step",
        "steps = [{ weight = \"5%\", hld = \"3m\" }, \"100%\"]",
        &["7:27: unknown key `hld`", "                              ^^^\n", "did you mean `hold`?"],
    ),
    (
        "unknown key of a gate",
        "gates = [{ metric = \"recall\", maxx = 1 }]",
        &["7:31: unknown key `maxx`", "did you mean `max`?"],
    ),
    ("kind", "kind = \"canari\"", &["7:8: `canari` is none of the words known here", "did you mean `canary`?"]),
    ("share", "steps = [\"ten\", \"100%\"]", &["7:10: `ten` is no share: write a percentage such as \"10%\""]),
    (
        "whole number as a share",
        "steps = [10, \"100%\"]",
        &["7:10: `10` is no share: write \"10%\" if percent is meant"],
    ),
    ("time", "hold = \"soon\"", &["7:8: `soon` is no length of time"]),
    ("negative time", "hold = -1", &["7:8: a length of time is not negative"]),
    (
        "bound",
        "gates = [{ metric = \"m\", max = true }]",
        &["7:32: invalid type: boolean `true`, expected a number, or a percentage"],
    ),
    (
        "step of the wrong kind",
        "steps = [true]",
        &["7:10: invalid type: boolean `true`, expected a share such as \"10%\""],
    ),
    ("hook without URL", "hooks = [{ on = \"event\" }]", &["7:10: missing field `url`"]),
    (
        "hook at an unknown point",
        "hooks = [{ on = \"on-drain\", url = \"http://a.test/\" }]",
        &["7:17: `on-drain` is none of the words", "did you mean `on-drained`?"],
    ),
];

/// What is well written and makes no plan.
const AT_FAULT: &[Case] = &[
    (
        "falling weights",
        "steps = [\"10%\", { weight = \"5%\" }, \"100%\"]",
        &[
            "7:28: the weights must rise: 5 % does not come after 10 %\n    steps = [\"10%\", { weight = \"5%\" }, \"100%\"]\n                               ^^^^\n    remedy: put the steps in rising order",
        ],
    ),
    ("last step", "steps = [\"10%\", \"50%\"]", &["7:17: the last step must be 100 %", "remedy: add \"100%\""]),
    ("no hold", "steps = [{ weight = \"10%\", hold = 0 }, \"100%\"]", &["7:35: `steps[0].hold` of 0"]),
    ("gate without metric", "gates = [{ max = 1 }]", &["7:10: the gate names no metric"]),
    (
        "gate of its own table",
        "[[switch.app.rollout.gates]]\nmetric = \"m\"\nmargin = 0",
        &["9:10: a margin is a number above 0\n    margin = 0\n             ^"],
    ),
    ("baseline", "baseline = \"bass\"", &["7:12: the switch has no pool `bass`", "its pools are blue, green"]),
    (
        "query without a server",
        "gates = [{ metric = \"cpu.load\", max = 1 }]\n[switch.app.rollout.metrics.\"cpu.load\"]\nquery = \"up\"",
        &[
            "8:29: a query needs a server to ask",
            "    [switch.app.rollout.metrics.\"cpu.load\"]\n                                ^^^^^^^^^^",
        ],
    ),
    (
        "total without query",
        "gates = [{ metric = \"cpu\", max = 1 }]\nmetrics = { cpu = { total = \"up\" } }",
        &["8:29: a total needs the `query`"],
    ),
    ("URL", "prometheus = { url = \"localhost:9090\" }", &["7:22: `localhost:9090` is no URL that could be called"]),
    ("URL of a hook", "hooks = [{ on = \"event\", url = \"ftp://x\" }]", &["7:32: `ftp://x` is no URL"]),
    (
        "steps of a rolling plan",
        "kind = \"rolling\"\nsteps = [\"100%\"]",
        &["8:9: a rolling plan goes member by member"],
    ),
    ("not a table", "before = []", &["7:10: only a blue-green plan has gates before the switch"]),
];

fn hold(cases: &[Case]) {
    for (name, lines, expected) in cases {
        let shown = problems_of(&planned(lines));
        for words in *expected {
            assert!(shown.contains(words), "case `{name}` shows:\n{shown}\nand should show:\n{words}");
        }
    }
}

#[test]
fn a_plan_written_wrong_is_refused_with_its_place() {
    hold(WRITTEN_WRONG);
}

#[test]
fn a_plan_at_fault_is_refused_with_its_place() {
    hold(AT_FAULT);
}

#[test]
fn all_faults_of_a_plan_are_listed_at_once() {
    let shown = problems_of(&planned(
        "steps = [\"10%\", \"5%\"]\nbaseline = \"x\"\nwarm = 0\ngates = [{ max = 1 }, { metric = \"m\", margin = -1 }]",
    ));
    assert_eq!(shown.matches("example.test.toml:").count(), 6, "{shown}");
    let shown = problems_of(&planned("kind = 3\nsteps = [\"x\", { weight = 4 }]\nhold = false\nwarmth = 1"));
    assert_eq!(shown.matches("example.test.toml:").count(), 5, "{shown}");
    let shown = problems_of(
        &planned("baseline = \"x\"").replace("[switch.app.rollout]", "fallback = \"y\"\n[switch.app.rollout]"),
    );
    assert_eq!(shown.matches("example.test.toml:").count(), 2, "{shown}");
}

#[test]
fn a_rollout_of_a_switch_that_no_weights_move_is_refused_at_its_name() {
    for policy in ["fixed", "failover"] {
        let text = planned("").replace("[switch.app.rollout]", &format!("policy = \"{policy}\"\n[switch.app.rollout]"));
        let shown = problems_of(&text);
        assert!(shown.contains(&format!("7:13: `policy = \"{policy}\"` ")), "{shown}");
        assert!(shown.contains("    [switch.app.rollout]\n                ^^^^^^^\n"), "{shown}");
    }
    let shown = problems_of(&switch("rollout = 3"));
    assert!(shown.contains("6:11: invalid type: integer `3`"), "{shown}");
}

#[test]
fn a_plan_reaches_the_definitions() {
    let loaded = load(&planned(
        "steps = [\"5%\", { weight = \"50%\", hold = \"20m\", pause = true }, \"100%\"]\nhold = \"10m\"\n\
         gates = [{ metric = \"errors\", max = \"2%\" }]\n\
         [switch.app.rollout.metrics.errors]\nquery = \"sum(bad{pool='{pool}'})\"\ntotal = \"sum(all)\"\n\
         [switch.app.rollout.prometheus]\nurl = \"http://127.0.0.1:9090/\"\n\
         [[switch.app.rollout.hooks]]\non = \"on-drained\"\nurl = \"http://127.0.0.1:9/\"",
    ));
    let plan: &Plan = loaded.definitions.plan("app").expect("the switch has a plan");
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.weight, step.hold_ms, step.pause)).collect();
    assert_eq!(steps, [(500, Some(600_000), false), (5_000, Some(1_200_000), true), (10_000, None, false)]);
    assert_eq!(plan.prometheus.as_ref().map(|source| source.url.as_str()), Some("http://127.0.0.1:9090"));
    assert_eq!(plan.hooks.first().map(|hook| hook.kind), Some(HookKind::OnDrained));
    assert_eq!(loaded.warnings, []);
    assert_eq!(load(&switch("")).definitions.plan("app"), None);
    assert_eq!(load(&planned("")).definitions.plan("app").map(|plan| plan.kind), Some(PlanKind::Canary));
}

#[test]
fn a_hold_too_short_for_the_ttl_is_warned_of() {
    let shown = warnings_of(&planned("steps = [{ weight = \"5%\", hold = \"1m\" }, \"100%\"]"));
    assert!(shown.contains("7:34: the hold of 1m is too short and will be 2m: two TTLs of 10 s"), "{shown}");
    let shown =
        warnings_of(&planned("steps = [\"5%\", \"100%\"]\nhold = \"30s\"\nmin_hold = \"45s\"\nsettle = \"10s\""));
    assert!(shown.contains("8:8: the hold of 30s is too short and will be 45s: `min_hold`"), "{shown}");
    let slow = planned("hold = \"5m\"").replace("[switch.app.rollout]", "ttl = \"1h\"\n[switch.app.rollout]");
    let shown = warnings_of(&slow);
    assert!(shown.contains("8:8: the first hold of 5m is too short for the TTL of 3600 s"), "{shown}");
    assert!(!shown.contains("default rollout"), "{shown}");
    assert_eq!(warnings_of(&planned("hold = \"5m\"")), "");
}

#[test]
fn a_hold_that_ends_before_evidence_counts_is_warned_of() {
    let shown = warnings_of(&planned("steps = [{ weight = \"5%\", hold = \"4m\" }, \"100%\"]\nsettle = \"5m\""));
    assert!(shown.contains("7:34: the hold of 4m is over before evidence counts, 5m after the change"), "{shown}");
    let shown = warnings_of(&planned("kind = \"rolling\"\nmember_hold = \"60s\""));
    assert!(shown.contains("8:15: the hold of 1m is over before evidence counts, 1m 30s"), "{shown}");
}

#[test]
fn a_secret_that_is_missing_or_open_to_all_is_warned_of() {
    let text = planned(
        "hooks = [{ on = \"event\", url = \"http://127.0.0.1:9/\", secret_file = \"hook.secret\" }]\n\
         prometheus = { url = \"http://127.0.0.1:9\", bearer_file = \"gone\", ca_file = \"ca.pem\" }",
    );
    let folder = TestFolder::with(&[("example.test.toml", &text), ("hook.secret", "s"), ("ca.pem", "-")]);
    let mode = |mode| {
        std::fs::set_permissions(folder.path().join("hook.secret"), std::fs::Permissions::from_mode(mode)).unwrap();
        let shown: Vec<String> = check(folder.path()).warnings.iter().map(ToString::to_string).collect();
        folder.without_path(&shown.join("\n"))
    };
    let shown = mode(0o644);
    assert!(shown.contains("7:69: `hook.secret` holds a secret and may be read by everybody"), "{shown}");
    assert!(shown.contains("8:58: `gone`: there is no such file"), "{shown}");
    assert_eq!(shown.matches("example.test.toml:").count(), 2, "{shown}");
    let shown = mode(0o640);
    assert_eq!(shown.matches("example.test.toml:").count(), 1, "{shown}");
    let plan = crate::config::load_zones(folder.path()).unwrap().definitions.plan("app").cloned().unwrap();
    let named = plan.hooks[0].secret_file.as_deref();
    assert_eq!(named, Some(&*folder.path().join("hook.secret").display().to_string()));
}

#[test]
fn a_second_hook_that_nobody_would_wait_for_is_warned_of() {
    let hook = |on: &str| format!("{{ on = \"{on}\", url = \"http://127.0.0.1:9/\" }}");
    let twice = |on: &str| warnings_of(&planned(&format!("hooks = [\n{},\n{}]", hook(on), hook(on))));
    let shown = twice("pre-step");
    assert!(shown.contains("9:8: a second `pre-step` hook is never called"), "{shown}");
    assert_eq!(twice("on-drained"), "");
}

#[test]
fn check_says_how_a_switch_is_released() {
    let folder = TestFolder::with(&[("example.test.toml", &planned("steps = [\"2.5%\", \"100%\"]\nhold = \"5m\""))]);
    let lines = check(folder.path()).switches[0].lines.join("\n");
    assert!(
        lines.contains("a rollout is a canary: 2.5 % for 5m, 100 %; gates probe-errors, probe-latency-p95"),
        "{lines}"
    );
}

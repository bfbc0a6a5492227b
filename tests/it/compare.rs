//! `tidegate compare`: what it decides, what it prints, and the exit codes that scripts rely on.

use crate::harness::{Folder, PROGRAM};
use crate::printed::{code, err, json, out};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

const STABLE: &str = "# ms\n120\n118\n125\n130\n122\n119\n127\n124\n";
const CANARY: &str = "131\n129\n140\n128 # cold\n\n135\n150\n133\n138\n";

fn compare(folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("compare").args(arguments).env_clear().stdin(Stdio::null()).current_dir(folder.path());
    command.output().expect("the program runs")
}

/// What is printed, without its line breaks.
fn sentence(output: &Output) -> String {
    out(output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn row<'a>(comparison: &'a Value, test: &str) -> &'a Value {
    let rows = comparison["tests"].as_array().expect("tests");
    rows.iter().find(|row| row["test"] == test).unwrap_or_else(|| panic!("no row {test}"))
}

fn near(value: &Value, expected: f64) {
    let value = value.as_f64().expect("a number");
    assert!((value - expected).abs() <= 1e-8 * expected.abs(), "{value} is not {expected}");
}

fn folder() -> Folder {
    let folder = Folder::new("compare");
    folder.write("stable.txt", STABLE);
    folder.write("canary.txt", CANARY);
    folder
}

#[test]
fn a_slower_canary_is_a_regression_and_exits_1() {
    let folder = folder();
    let output = compare(&folder, &["--stable", "stable.txt", "--canary", "canary.txt"]);
    assert_eq!(code(&output), 1, "{}", err(&output));
    let text = out(&output);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(
        sentence(&output)
            .starts_with("Regression proven: the canary's mean is 12.38 higher than the stable side's (95 % interval"),
        "{text}"
    );
    for test in ["Welch's t", "pooled t", "Mann-Whitney", "mSPRT *", "sequence *", "p95"] {
        assert!(text.lines().any(|line| line.starts_with(test)), "{test} is missing: {text}");
    }
    assert!(sentence(&output).contains("one resolver") && text.contains("design effect"), "{text}");
}

#[test]
fn json_has_every_figure_to_the_last_digit() {
    let folder = folder();
    let output = compare(&folder, &["--stable", "stable.txt", "--canary", "canary.txt", "--json"]);
    assert_eq!(code(&output), 1);
    let comparison = json(&output);
    assert_eq!((&comparison["regression"], &comparison["worse"]), (&Value::Bool(true), &Value::from("up")));
    let welch = row(&comparison, "Welch's t");
    near(&welch["p_two_sided"], 1.392_912_307_9e-3);
    near(&welch["df"], 11.205_797_849_3);
    near(&welch["interval"][0], 5.926_358_428_2);
    near(&welch["interval"][1], 18.823_641_571_8);
    near(&row(&comparison, "pooled t")["p_two_sided"], 8.661_925_96e-4);
    near(&row(&comparison, "Mann-Whitney")["p_two_sided"], 6.216_006_216e-4);
    near(&row(&comparison, "Mann-Whitney")["effect"], 11.0);
    near(&comparison["sides"][0]["estimate"], 123.125);
    near(&comparison["sides"][1]["sd"], 7.191_264_542_1);
}

#[test]
fn which_way_is_worse_decides() {
    let folder = folder();
    let sides = ["--stable", "stable.txt", "--canary", "canary.txt"];
    for better in [&["--higher-is-better"][..], &["--worse", "down"]] {
        let output = compare(&folder, &[&sides[..], better].concat());
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert!(sentence(&output).starts_with("No regression proven; the canary is proven better"), "{}", out(&output));
    }
    let output = compare(&folder, &[&sides[..], &["--lower-is-better"]].concat());
    assert_eq!(code(&output), 1);
}

#[test]
fn a_margin_is_in_the_unit_of_the_numbers_or_a_share_of_the_stable_side() {
    let folder = folder();
    let sides = ["--stable", "stable.txt", "--canary", "canary.txt"];
    for (margin, expected) in [("5", 1), ("12", 0), ("4%", 1), ("20%", 0)] {
        let output = compare(&folder, &[&sides[..], &["--margin", margin]].concat());
        assert_eq!(code(&output), expected, "{margin}: {}", out(&output));
    }
    let rates = ["--stable", "10/1000", "--canary", "40/1000"];
    for (margin, expected) in [("0", 1), ("0.01", 1), ("0.03", 0), ("50%", 1), ("300%", 0)] {
        let output = compare(&folder, &[&rates[..], &["--margin", margin]].concat());
        assert_eq!(code(&output), expected, "{margin}: {}", out(&output));
    }
}

#[test]
fn counts_are_judged_by_z_or_by_fisher() {
    let folder = Folder::new("compare");
    let output = compare(&folder, &["--stable", "10/1000", "--canary", "30/1000", "--json"]);
    let comparison = json(&output);
    assert_eq!(code(&output), 1);
    near(&row(&comparison, "pooled z")["p_two_sided"], 0.001_401_301_58);
    near(&row(&comparison, "pooled z")["statistic"], 3.194_382_825_0);
    assert!(comparison["sentence"].as_str().unwrap().contains("Pooled z test"), "{comparison}");
    let output = compare(&folder, &["--stable", "0/100", "--canary", "5/100", "--alpha", "0.02", "--json"]);
    assert_eq!(code(&output), 0, "z alone would say p = 0.012; Fisher says 0.03");
    assert!(json(&output)["sentence"].as_str().unwrap().contains("Fisher"), "{}", out(&output));
    let clean = compare(&folder, &["--stable", "0/100", "--canary", "0/100"]);
    assert_eq!(code(&clean), 0, "{}", err(&clean));
    assert!(sentence(&clean).contains("no proof that both are the same"), "{}", out(&clean));
}

#[test]
fn figures_that_never_vary_are_compared_as_they_are() {
    let folder = Folder::new("compare");
    folder.write("fives.txt", "5\n5\n5\n");
    folder.write("sixes.txt", "6\n6\n6\n");
    for (stable, canary, expected) in [("fives.txt", "sixes.txt", 1), ("fives.txt", "fives.txt", 0)] {
        let output = compare(&folder, &["--stable", stable, "--canary", canary]);
        assert_eq!(code(&output), expected, "{}", out(&output));
        assert!(sentence(&output).contains("no test applies"), "{}", out(&output));
    }
}

#[test]
fn what_cannot_be_compared_exits_2_and_says_where() {
    let folder = folder();
    folder.write("bad.txt", "1\n2\nfast\n");
    folder.write("short.txt", "1\n");
    for (arguments, expected) in [
        (&["--stable", "bad.txt", "--canary", "canary.txt"][..], "bad.txt:3: `fast` is not a number"),
        (&["--stable", "stable.txt", "--canary", "missing.txt"], "cannot read missing.txt"),
        (&["--stable", "stable.txt", "--canary", "short.txt"], "1 samples; at least 2 are needed"),
        (&["--stable", "stable.txt", "--canary", "3/4"], "same form"),
        (&["--stable", "5/4", "--canary", "3/4"], "5 of 4 is not a proportion"),
        (&["--stable", "0/0", "--canary", "3/4"], "0 samples"),
        (&["--stable", "1/4", "--canary", "3/4", "--alpha", "0"], "--alpha 0"),
        (&["--stable", "1/4", "--canary", "3/4", "--margin", "much"], "--margin much"),
        (&["--stable", "1/4"], "--canary"),
    ] {
        let output = compare(&folder, arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", out(&output));
        assert!(err(&output).contains(expected), "{arguments:?}: {}", err(&output));
    }
}

//! Plays every `tests/scenarios/*.toml`: files, a timeline of steps, and what must come of each.
//!
//! The pure core is driven in one thread under a clock that only steps move: no sockets, no sleeping,
//! no dice. `first_steps.toml` explains the form. `TIDEGATE_SCENARIO=name` plays the files whose name
//! holds that text.

mod commands;
mod form;
mod play;
mod wire;
mod world;

use form::Scenario;
use std::path::{Path, PathBuf};

/// The scenario files, by name.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let wanted = std::env::var("TIDEGATE_SCENARIO").unwrap_or_default();
    let entries = std::fs::read_dir(folder).expect("the folder of scenarios");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .filter(|path| path.file_stem().is_some_and(|name| name.to_string_lossy().contains(&wanted)))
        .collect();
    files.sort();
    files
}

/// Plays one file; what went wrong, as text.
fn play(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let scenario: Scenario = toml::from_str(&text).map_err(|error| error.to_string())?;
    play::scenario(&scenario)
}

#[test]
fn every_scenario_comes_out_as_written() {
    let files = files();
    assert!(!files.is_empty(), "there are scenarios to play");
    let mut wrong = Vec::new();
    for path in &files {
        if let Err(why) = play(path) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            wrong.push(format!("{name}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} scenarios failed\n\n{}", wrong.len(), files.len(), wrong.join("\n\n"));
}

#[test]
fn a_wrong_expectation_fails_its_scenario() {
    let text = r#"
        title = "an A/B switch"
        [files]
        "example.test.toml" = '''
        [zone]
        ns = ["ns1.example.net"]
        [switch.app]
        owners = ["app.example.test"]
        monitor = { tcp = 80 }
        [switch.app.pool.blue]
        members = ["192.0.2.10"]
        weight = 10000
        [switch.app.pool.green]
        members = ["192.0.2.20"]
        weight = 0
        '''
        [[step]]
        EXPECTATION
    "#;
    let wrong = [
        ("ask = \"app.example.test A\"\nexpect = { answer = [\"192.0.2.20\"] }", "answer"),
        ("ask = \"app.example.test A\"\nexpect = { ttl = 29 }", "ttl"),
        ("ask = \"app.example.test A\"\nexpect = { rcode = \"NXDOMAIN\" }", "rcode"),
        ("ask = \"app.example.test A\"", "expects nothing"),
        ("do = \"flip app nowhere\"", "refused"),
        ("do = \"flip app green\"\nexpect = { refused = \"too-soon\" }", "not-eligible"),
        ("do = \"undo app\"\nexpect = { changes = false }", "refused"),
        ("drain = \"app blue\"\nexpect = { state = \"drained\" }", "state"),
        ("wait = \"1s\"\nask = \"app.example.test A\"", "one verb"),
        ("wait = \"1s\"\nexpect = { ttl = 3 }", "wait"),
    ];
    for (expectation, part) in wrong {
        let scenario: Scenario = toml::from_str(&text.replace("EXPECTATION", expectation)).expect("a scenario");
        let why = play::scenario(&scenario).expect_err(expectation);
        assert!(why.contains(part), "{expectation}: {why}");
    }
    assert!(toml::from_str::<Scenario>(&text.replace("EXPECTATION", "unknown = 1")).is_err());
}

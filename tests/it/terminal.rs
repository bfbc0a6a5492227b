//! What people see: the tables in a real terminal (tmux) of 80 and of 200 columns, completions, manual pages.

use crate::harness::{Folder, PROGRAM, Server};
use crate::tmux::Terminal;
use std::process::Command;

/// Names long enough to need room.
const ZONE: &str = r#"
[zone]
ns = ["ns1.example.test"]
glue = { "ns1.example.test" = ["192.0.2.53"] }

[switch.model]
owners = ["model.example.test"]
min_interval = "0s"
pool.blue = { members = ["192.0.2.10"], weight = 10000, expect_version = "2026-11-01-stable" }
pool.green = { members = ["192.0.2.20 2001:db8::20"], weight = 0, expect_version = "2026-11-20-release-candidate-7" }

[switch.a-switch-with-a-rather-long-name-for-a-narrow-terminal]
owners = ["long.example.test", "*.long.example.test"]
min_interval = "0s"
pool.europe-frankfurt = { members = ["192.0.2.30"], weight = 5000 }
pool.america-oregon = { members = ["192.0.2.40"], weight = 5000 }
"#;

#[tokio::test]
async fn tables_fit_terminals_of_80_and_of_200_columns_and_use_their_room() {
    let server = Server::start(&[("example.test.toml", ZONE)]).await;
    server.short(&["model.example.test"]);
    let reason = "the new release was seen to be good in all of the regions that were asked, so everybody moves";
    let flipped = server.cli(&["flip", "model", "green", "--force", "--reason", reason]);
    assert!(flipped.status.success(), "{}", String::from_utf8_lossy(&flipped.stderr));
    let started =
        server.cli(&["rollout", "start", "model", "--to", "blue", "--force", "--reason", "back again, slowly"]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    for width in [80, 200] {
        let terminal = Terminal::open(&server, width);
        let status = terminal
            .fits("status", &["SWITCH", "model", "green", "50.00%", "serving", "a-switch-with", "ended with 0"]);
        assert_eq!(status.contains("2026-11-20-release-candidate-7"), width == 200, "{status}");
        assert_eq!(status.contains("*.long.example.test"), width == 200, "{status}");
        terminal.fits("status model", &["ANSWERS", "192.0.2.10", "undo returns to", "ended with 0"]);
        let history = terminal.fits("history", &["flip", "the new release was seen", "blue 10000 → 0", "ended with 0"]);
        assert_eq!(history.contains("REVISION"), width == 200, "{history}");
        terminal.fits("explain model.example.test 203.0.113.7", &["POOL", "ECS scope", "ended with 0"]);
        terminal.fits("rollout status model", &["green -> blue", "started by first", "ended with 0"]);
        terminal.fits("rollout list", &["PHASE", "1/4", "ended with 0"]);
        terminal
            .fits("drain model green", &["may not be closed", "it has weight", "error: model/green", "ended with 1"]);
        terminal.fits("token list", &["ROLE", "admin", "ended with 0"]);
        terminal.fits("plan model", &["STEP", "ended with 0"]);
        terminal.fits("statsu", &["status", "ended with 2"]);
    }
}

#[tokio::test]
async fn a_rollout_that_is_waited_for_says_step_and_time_on_one_line_of_80_columns() {
    let zone = ZONE.replace(", expect_version = \"2026-11-01-stable\"", "");
    let server = Server::start(&[("example.test.toml", &zone)]).await;
    let terminal = Terminal::open(&server, 80);
    terminal.enter(&format!("clear; {PROGRAM} rollout start model --to green --wait --force --reason seen; echo $?"));
    // The hold and what it waits for are in full; only what comes after them may be cut.
    let screen = terminal.until("it holds", |screen| screen.contains("of 10 min, evidence counts in "));
    let line = screen.lines().find(|line| line.contains("of 10 min")).expect("found above");
    assert!(line.starts_with("model [#.........] step 1/4 at 1 %, ") && line.contains(" min"), "{screen}");
    assert!(screen.contains("  step 1 of 4: 1 %"), "{screen}");
    let aborted = server.cli(&["rollout", "abort", "model", "--reason", "enough"]);
    assert!(aborted.status.success(), "{}", String::from_utf8_lossy(&aborted.stderr));
    let screen = terminal.until("it ends", |screen| screen.lines().any(|line| line == "1"));
    assert!(screen.contains("did not reach its end: aborted by first: enough") && !screen.contains("[#"), "{screen}");
}

#[tokio::test]
async fn a_terminal_has_colour_unless_no_color_is_set() {
    let server = Server::start(&[("example.test.toml", ZONE)]).await;
    let terminal = Terminal::open(&server, 80);
    terminal.run("status");
    let coloured = |terminal: &Terminal| {
        String::from_utf8(terminal.tmux(&["capture-pane", "-p", "-e"]).stdout).expect("text").contains('\u{1b}')
    };
    assert!(coloured(&terminal), "{}", terminal.run("status"));
    terminal.run("status --color never");
    assert!(!coloured(&terminal));
    assert!(terminal.tmux(&["send-keys", "export NO_COLOR=1", "Enter"]).status.success());
    terminal.run("status");
    assert!(!coloured(&terminal));
}

#[test]
fn bash_completes_verbs_and_flags() {
    let folder = Folder::new("completions");
    let script = Command::new(PROGRAM).args(["completions", "bash"]).output().unwrap();
    assert!(script.status.success());
    std::fs::write(folder.path().join("tidegate.bash"), &script.stdout).unwrap();
    let ask = "source tidegate.bash
COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))
_tidegate tidegate \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"
printf '%s\\n' \"${COMPREPLY[@]}\"";
    let complete = |words: &[&str]| {
        let output = Command::new("bash")
            .args(["--norc", "-c", ask, "bash", "tidegate"])
            .args(words)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["stat"]), ["status"]);
    assert_eq!(complete(&["rollout", "pro"]), ["promote"]);
    assert!(complete(&["flip", "--re"]).contains(&"--reason".to_owned()));
    for shell in ["zsh", "fish"] {
        let script = Command::new(PROGRAM).args(["completions", shell]).output().unwrap();
        assert!(script.status.success() && String::from_utf8_lossy(&script.stdout).contains("set-weights"), "{shell}");
    }
}

#[test]
fn manual_pages_render_without_complaint_and_name_every_flag() {
    let folder = Folder::new("man");
    let pages = folder.path().join("man1");
    assert!(Command::new(PROGRAM).arg("man").arg(&pages).status().unwrap().success());
    let mut seen = 0;
    for entry in std::fs::read_dir(&pages).unwrap() {
        let path = entry.unwrap().path();
        let rendered = Command::new("man")
            .args(["--warnings", "-l"])
            .arg(&path)
            .env("MANWIDTH", "80")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("man is installed (Debian: man-db)");
        let (text, said) = (String::from_utf8_lossy(&rendered.stdout), String::from_utf8_lossy(&rendered.stderr));
        assert!(rendered.status.success() && said.is_empty(), "{}: {said}", path.display());
        assert!(text.contains("tidegate") && text.contains("SYNOPSIS"), "{}: {text}", path.display());
        if path.ends_with("tidegate-flip.1") {
            assert!(text.contains("--prepare") && text.contains("--idempotency-key"), "{text}");
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen} pages");
}

//! `tidegate top` in a real terminal (tmux): narrow and wide, keys, events, a server that goes and comes back.

use crate::harness::{PROGRAM, Server, UNWATCHED};
use crate::tmux::Terminal;
use serde_json::json;
use std::process::{Command, Stdio};

/// A second switch.
const OTHER: &str = r#"[switch.other]
owners = ["other.example.test"]
min_interval = "0s"
pool.north = { members = ["192.0.2.30"], weight = 5000 }
pool.south = { members = ["192.0.2.40"], weight = 5000 }
"#;

async fn start() -> Server {
    Server::start(&[("example.test.toml", &format!("{UNWATCHED}{OTHER}"))]).await
}

async fn split(server: &Server, blue: u16) {
    let body = json!({ "weights": { "blue": blue, "green": 10_000 - blue }, "force": true, "reason": "seen live" });
    let (status, answer) = server.api("POST", "/v1/switches/model/set-weights", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
}

fn open(terminal: &Terminal, words: &str) {
    terminal.enter(&format!("clear; {PROGRAM} top {words}; echo \"left with $?\""));
}

fn has_left(screen: &str) -> bool {
    screen.lines().any(|line| line.starts_with("left with 0")) && !screen.contains("q leave")
}

#[tokio::test]
async fn it_follows_a_change_at_80_and_at_200_columns_and_a_new_size() {
    let server = start().await;
    for (width, blue, share) in [(80, 9_000, "blue 90%"), (200, 8_000, "blue 80%")] {
        let terminal = Terminal::open(&server, width);
        open(&terminal, "");
        let screen = terminal.until("it is live", |screen| screen.contains("  live  "));
        for fact in ["▶ model", "  other", " north 50%", "q leave"] {
            assert!(screen.contains(fact), "{fact} at {width}:\n{screen}");
        }
        split(&server, blue).await;
        let screen = terminal.until("the weights are seen", |screen| screen.contains(share));
        assert!(screen.contains(" by first, revision ") && screen.contains("seen live"), "{screen}");
        assert_eq!(screen.contains("ANSWERED (5 MIN)"), width == 200, "{screen}");
        assert!(terminal.tmux(&["resize-window", "-x", "140", "-y", "30"]).status.success());
        let screen = terminal.until("it fits the new size", |screen| screen.contains("ANSWERED (5 MIN)"));
        assert!(screen.lines().count() <= 30 && screen.contains(share), "{screen}");
        terminal.key("q");
        terminal.until("it is left, the screen as before", has_left);
    }
}

#[tokio::test]
async fn a_running_rollout_shows_its_canary_with_its_share_however_narrow_its_piece_of_the_bar() {
    let server = start().await;
    let started = server.cli(&["rollout", "start", "model", "--to", "green", "--force", "--reason", "seen live"]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    for width in [80, 200] {
        let terminal = Terminal::open(&server, width);
        open(&terminal, "");
        terminal.until("the step is seen", |screen| screen.contains("progressing 1/4, green 1%"));
        terminal.key("q");
        terminal.until("it is left", has_left);
    }
}

#[tokio::test]
async fn a_row_opens_in_full_and_ctrl_c_gives_the_terminal_back() {
    let server = start().await;
    split(&server, 7_000).await;
    let terminal = Terminal::open(&server, 80);
    open(&terminal, "");
    terminal.until("it is live", |screen| screen.contains("  live  "));
    terminal.key("Enter");
    let screen = terminal.until("changes are there", |screen| screen.contains("RECENT CHANGES"));
    for fact in ["model.example.test.", "192.0.2.20", "blue 10000 → 7000", "seen live", "Esc back"] {
        assert!(screen.contains(fact), "{fact}:\n{screen}");
    }
    terminal.key("Escape");
    terminal.until("the overview", |screen| screen.contains("Enter open"));
    terminal.key("/");
    terminal.enter("south-no-such");
    terminal.until("nothing passes", |screen| screen.contains("no switch has this"));
    terminal.key("C-c");
    terminal.until("it is left", has_left);
    // Echo is on again and lines are lines: what is typed is seen and run.
    terminal.enter("echo typed-$((40 + 2))");
    terminal.until("the terminal is as it was", |screen| screen.lines().any(|line| line == "typed-42"));
}

#[tokio::test]
async fn a_server_that_goes_away_is_said_to_be_and_comes_back() {
    let mut server = start().await;
    let terminal = Terminal::open(&server, 100);
    open(&terminal, "model");
    terminal.until("it is live", |screen| screen.contains("  live  "));
    server.kill9();
    let screen = terminal.until("it is known", |screen| screen.contains("DISCONNECTED, shown as of "));
    assert!(screen.contains("! cannot reach tidegate") && screen.contains("model.example.test."), "{screen}");
    server.restart().await;
    terminal.until("it is live again", |screen| screen.contains("  live  ") && !screen.contains("cannot reach"));
    terminal.key("q");
    terminal.until("it is left", has_left);
}

#[tokio::test]
async fn colour_is_left_out_when_it_is_not_wanted() {
    let server = start().await;
    let terminal = Terminal::open(&server, 80);
    let has_colour = || {
        let screen = String::from_utf8(terminal.tmux(&["capture-pane", "-p", "-e"]).stdout).expect("text");
        // Colours are 30 to 49 and 90 to 107; bold and faint are none.
        screen.split("\u{1b}[").skip(1).filter_map(|code| code.split('m').next()).any(|codes| {
            codes
                .split(';')
                .filter_map(|code| code.parse::<u16>().ok())
                .any(|code| (30..=38).contains(&code) || (40..=48).contains(&code) || (90..108).contains(&code))
        })
    };
    for (words, wanted) in [("", true), ("--color never", false)] {
        open(&terminal, words);
        terminal.until("it is live", |screen| screen.contains("  live  "));
        assert_eq!(has_colour(), wanted, "{words}: {}", terminal.screen());
        terminal.key("q");
        terminal.until("it is left", has_left);
    }
    terminal.enter("export NO_COLOR=1");
    open(&terminal, "");
    terminal.until("it is live", |screen| screen.contains("  live  "));
    assert!(!has_colour(), "{}", terminal.screen());
    terminal.key("q");
    terminal.until("it is left", has_left);
}

#[tokio::test]
async fn without_a_terminal_it_says_what_scripts_use_instead() {
    let server = start().await;
    for words in [&["top"][..], &["top", "--json"]] {
        let output = server.cli(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("`tidegate status --json`"), "{said}");
    }
    let terminal = Terminal::open(&server, 80);
    let screen = terminal.run("top no-such");
    assert!(screen.contains("ended with 1") && screen.contains("no-such"), "{screen}");
    let nobody = Command::new(PROGRAM).args(["top", "--help"]).stdin(Stdio::null()).output().unwrap();
    assert!(String::from_utf8_lossy(&nobody.stdout).contains("Keys:"));
}

//! A real terminal for tests: a pane of tmux, typed into and read like a person's.

use crate::harness::{LIMIT, PROGRAM, Server};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthStr;

/// Commands so far.
static COMMANDS: AtomicU32 = AtomicU32::new(0);

/// A terminal of tmux, on a server of its own.
pub struct Terminal {
    socket: String,
    width: u16,
}

impl Terminal {
    /// Opens one in which commands go to this server.
    pub fn open(server: &Server, width: u16) -> Self {
        let socket = server.folder.path().join(format!("tmux-{width}")).display().to_string();
        let (address, token) = (format!("TIDEGATE_ADDRESS=http://{}", server.admin), server.token());
        let token = format!("TIDEGATE_TOKEN={token}");
        let terminal = Self { socket, width };
        let size = width.to_string();
        let started = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &size,
            "-y",
            "50",
            "-e",
            &address,
            "-e",
            &token,
            "-e",
            "PS1=ready> ",
            "sh",
        ]);
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        terminal
    }

    pub fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket]).args(arguments).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        command.output().expect("tmux is installed (Debian: tmux)")
    }

    /// What a command leaves on an empty screen; the terminal's own line breaks are none here (-J).
    pub fn run(&self, words: &str) -> String {
        // A number of its own, since the screen may still show how the command before it ended.
        let number = COMMANDS.fetch_add(1, Ordering::Relaxed);
        let line = format!("clear; {PROGRAM} {words}; echo \"ended with $? ({number})\"");
        let end = format!("({number})");
        self.enter(&line);
        let ended = |line: &str| line.starts_with("ended with ") && line.trim_end().ends_with(&end);
        self.until("the command ends", |screen| screen.lines().any(ended))
    }

    /// Types a line and Enter.
    pub fn enter(&self, line: &str) {
        assert!(self.tmux(&["send-keys", "-l", line]).status.success());
        self.key("Enter");
    }

    /// Presses a key by its name in tmux.
    pub fn key(&self, name: &str) {
        assert!(self.tmux(&["send-keys", name]).status.success());
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p", "-J"]).stdout).expect("text")
    }

    /// Waits until the screen is so, and gives it.
    pub fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < LIMIT, "waited too long until {what}:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The same; no line may be longer than the terminal.
    pub fn fits(&self, words: &str, facts: &[&str]) -> String {
        let screen = self.run(words);
        for line in screen.lines() {
            assert!(
                line.trim_end().width() <= usize::from(self.width),
                "{words}: a line of {}:\n{screen}",
                line.width()
            );
        }
        for fact in facts {
            assert!(screen.contains(fact), "{words} at {} does not say {fact}:\n{screen}", self.width);
        }
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

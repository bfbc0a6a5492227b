//! The newcomer's two terminals: one in which the demo runs, one for the commands.

use crate::{Block, matching};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long the demo may take to build and start.
const START: Duration = Duration::from_secs(900);
/// How long one block of commands may take.
const STEP: Duration = Duration::from_secs(300);
/// How long the demo may take to end.
const END: Duration = Duration::from_secs(30);
/// Where the demo answers operators.
const ADMIN: &str = "127.0.0.1:8053";
/// Printed behind each block, with its exit code.
const MARK: &str = "--- end of block, exit code ";

/// A folder that is gone at the end.
pub(crate) struct Removed(PathBuf);

impl Removed {
    pub(crate) fn new(path: &Path) -> Self {
        std::fs::create_dir_all(path).expect("a temporary folder");
        Self(path.to_owned())
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where the release build goes: here, or where this machine keeps its builds.
fn release_folder(root: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Path::new(root).join(target).join("release")
}

/// Bash at the repository's root, that finds `tidegate` and has a home of its own.
fn bash(root: &str, home: &Path) -> Command {
    let mut command = Command::new("bash");
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(["--noprofile", "--norc"]).current_dir(root).process_group(0);
    command.env("PATH", format!("{}:{path}", release_folder(root).display()));
    // Rust stays where it is.
    let real = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        command.env(name, std::env::var_os(name).unwrap_or_else(|| real.join(folder).into()));
    }
    // What cargo tells a test of its package would make crates that watch it build anew in the demo.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO")) {
        if !matches!(name.as_str(), "CARGO_HOME" | "CARGO_TARGET_DIR") {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME");
    for name in ["TIDEGATE_ADDRESS", "TIDEGATE_TOKEN", "TIDEGATE_TOKEN_FILE", "TIDEGATE_CONTEXT"] {
        command.env_remove(name);
    }
    command
}

/// The commands of a block, where `target/release/` means where the release build is.
fn located(root: &str, commands: &str) -> String {
    let folder = format!("{}/", release_folder(root).display());
    commands.replace("./target/release/", "target/release/").replace("target/release/", &folder)
}

/// What the demo says once commands find it: it listens a moment earlier.
const INVITATION: &str = "Try in another terminal";

/// Whether anybody listens where the demo answers operators.
fn admin_answers() -> bool {
    std::net::TcpStream::connect(ADMIN).is_ok()
}

/// Signals a whole process group that was started here.
fn signal(child: &Child, name: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), "--", &format!("-{}", child.id())])
        .stderr(Stdio::null())
        .status();
}

/// The terminal in which the demo runs.
pub(crate) struct Demo {
    child: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Demo {
    /// Starts it, and waits until it printed what the README shows, or invites to try.
    pub(crate) fn start(root: &str, home: &Path, block: &Block) -> Self {
        let mut command = bash(root, home);
        let taken = admin_answers();
        assert!(!taken, "something answers at {ADMIN} already, perhaps another demo; end it first");
        command.arg("-c").arg(format!("{{ {}\n}} 2>&1", block.commands)).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("bash is installed");
        let lines = lines_of(child.stdout.take().expect("a pipe"));
        let mut demo = Self { child, lines, seen: String::new() };
        let begun = Instant::now();
        loop {
            let ended = demo.child.try_wait().expect("a child");
            assert!(ended.is_none(), "the demo ended at once; are its ports free?\n{}", demo.printed());
            assert!(
                begun.elapsed() < START,
                "README.md:{}: the demo does not show\n{:?}\n--- printed\n{}",
                block.line,
                block.expected,
                demo.printed()
            );
            if demo.is_ready(block) {
                return demo;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn is_ready(&mut self, block: &Block) -> bool {
        let printed = self.printed();
        match &block.expected {
            Some(expected) => matching::occurs(expected, printed),
            None => printed.contains(INVITATION),
        }
    }

    /// What it printed so far.
    pub(crate) fn printed(&mut self) -> &str {
        for line in self.lines.try_iter() {
            self.seen.push_str(&line);
            self.seen.push('\n');
        }
        &self.seen
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn interrupt(mut self) {
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none(), "the demo ended by itself ({ended:?}):\n{}", self.printed());
        signal(&self.child, "INT");
        let begun = Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < END, "the demo does not end on Ctrl-C:\n{}", self.printed());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        signal(&self.child, "KILL");
        let _ = self.child.wait();
    }
}

/// The terminal for the commands.
pub(crate) struct Shell {
    root: String,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    pub(crate) fn start(root: &str, home: &Path) -> Self {
        let mut command = bash(root, home);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash is installed");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(b"exec 2>&1\n").expect("a shell that reads");
        let lines = lines_of(child.stdout.take().expect("a pipe"));
        Self { root: root.to_owned(), child, stdin, lines }
    }

    /// Runs commands: exit code, and everything they printed.
    pub(crate) fn run(&mut self, commands: &str) -> Result<(i32, String), String> {
        let commands = located(&self.root, commands);
        // A mark on a line of its own, even when the last line printed has no end.
        let script = format!("{{ {commands}\n}} </dev/null; printf '\\n{MARK}%s\\n' $?\n");
        self.stdin.write_all(script.as_bytes()).map_err(|error| format!("the shell is gone: {error}"))?;
        let deadline = Instant::now() + STEP;
        let mut printed = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.strip_prefix(MARK) {
                    Some(code) => {
                        let code = code.parse().map_err(|error| format!("{code}: {error}"))?;
                        let text = printed.join("\n");
                        return Ok((code, if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }));
                    }
                    None => printed.push(line),
                },
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("no end after {STEP:?}; printed so far:\n{}", printed.join("\n")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the shell ended; printed so far:\n{}", printed.join("\n")));
                }
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        signal(&self.child, "KILL");
        let _ = self.child.wait();
    }
}

/// The lines of a stream as they come.
fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

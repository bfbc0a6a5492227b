//! One network namespace with addresses on its loopback: port 53 everywhere, and nobody else there.
//!
//! It needs root. What runs in it ends with it, also when a test fails.

use crate::harness::{Folder, LIMIT, PROGRAM};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The namespace, and what runs in it.
pub struct Islet {
    name: String,
    pub folder: Folder,
    children: Vec<Child>,
}

impl Islet {
    /// Makes it with these addresses.
    pub fn new(addresses: &[Ipv4Addr]) -> Self {
        let name = format!("tidegate-islet-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let islet = Self { name, folder: Folder::new("islet"), children: Vec::new() };
        ip(&["netns", "add", &islet.name]);
        ip(&["-n", &islet.name, "link", "set", "lo", "up"]);
        for address in addresses {
            ip(&["-n", &islet.name, "address", "add", &format!("{address}/32"), "dev", "lo"]);
        }
        islet
    }

    /// A command inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        // Daemons stand where an ordinary user's path does not lead.
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        command.args(["netns", "exec", &self.name, program]).env("PATH", path).stdin(Stdio::null());
        command
    }

    /// Starts a server inside; its output goes to `log` in the folder.
    pub fn spawn(&mut self, program: &str, arguments: &[&str], log: &str) {
        let open =
            || std::fs::File::options().create(true).append(true).open(self.folder.path().join(log)).expect("a log");
        let mut command = self.command(program);
        self.children.push(command.args(arguments).stdout(open()).stderr(open()).spawn().expect("ip runs"));
    }

    /// Starts Tidegate on the zones in the folder, answering at an address.
    pub fn spawn_tidegate(&mut self, address: Ipv4Addr, file: &str) {
        let folder = self.folder.path().display().to_string();
        let listen = format!("listen = [\"{address}:53\"]\nzones = \"{folder}/zones\"\nstate = \"{folder}/state\"\n");
        self.folder.write("tidegate.toml", &format!("{listen}{file}"));
        self.spawn(PROGRAM, &["serve", "--config", &format!("{folder}/tidegate.toml")], "tidegate.log");
    }

    /// Runs something to its end.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().expect("ip runs")
    }

    /// What dig prints in short, one line each, sorted.
    pub fn short(&self, server: Ipv4Addr, question: &[&str]) -> Vec<String> {
        let server = format!("@{server}");
        let output = self.run("dig", &[&["+short", "+norec", "+time=1", "+tries=1", &server], question].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines: Vec<String> = text.lines().filter(|l| !l.starts_with(';')).map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Waits until a server answers a question with something.
    pub fn wait_for(&self, server: Ipv4Addr, question: &[&str]) {
        let begun = Instant::now();
        while self.short(server, question).is_empty() {
            assert!(begun.elapsed() < LIMIT, "{server} does not answer {question:?}:\n{}", self.logs());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// What everything inside wrote.
    pub fn logs(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder").flatten();
        let logs = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "log"));
        logs.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect()
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip is installed (Debian: iproute2)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test makes a network namespace, which takes root: {said}");
}

impl Drop for Islet {
    fn drop(&mut self) {
        // `ip netns exec` becomes the program it runs, so these are the programs themselves.
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

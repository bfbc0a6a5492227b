//! A server under test: how it is started, found ready, measured and ended.

use crate::sockets;
use crate::wire::{self, Opt};
use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The core servers run on; the generator has the other one.
pub const SERVER_CORE: usize = 0;
/// The core of the generator.
pub const LOAD_CORE: usize = 1;
/// How to start one server.
#[derive(Debug, Clone)]
pub struct Peer {
    pub name: String,
    /// UDP (and TCP) on 127.0.0.1.
    pub port: u16,
    /// Program and arguments; it stays in the foreground.
    pub command: Vec<String>,
}

/// A started server. Dropping it ends the process and what that started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// From the start of the process to the first answer.
    pub started_in: Duration,
}

impl Peer {
    /// Starts it on `core` and waits for an answer to the first name.
    pub fn start(&self, folder: &Path, core: usize, patience: Duration) -> io::Result<Running> {
        self.start_under(&[], folder, core, patience)
    }

    /// As [`Peer::start`], as the argument of another program.
    pub fn start_under(
        &self,
        wrapper: &[String],
        folder: &Path,
        core: usize,
        patience: Duration,
    ) -> io::Result<Running> {
        self.launch(wrapper, folder, Some(core), patience)
    }

    /// As [`Peer::start`], wherever the scheduler puts it.
    pub fn start_on_all(&self, folder: &Path, patience: Duration) -> io::Result<Running> {
        self.launch(&[], folder, None, patience)
    }

    fn launch(
        &self,
        wrapper: &[String],
        folder: &Path,
        core: Option<usize>,
        patience: Duration,
    ) -> io::Result<Running> {
        if answers(self.port, Duration::from_millis(20)) {
            return Err(io::Error::other(format!("{}: something already answers on port {}", self.name, self.port)));
        }
        let words: Vec<&String> = wrapper.iter().chain(&self.command).collect();
        let log = fs::File::options().create(true).append(true).open(folder.join(format!("{}.log", self.name)))?;
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        place(&mut command, core);
        let begun = Instant::now();
        let mut running = Running { child: command.spawn()?, started_in: Duration::ZERO };
        while !answers(self.port, Duration::from_millis(50)) {
            if let Some(status) = running.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "{} ended with {status}; see {}/{}.log",
                    self.name,
                    folder.display(),
                    self.name
                )));
            }
            if begun.elapsed() > patience {
                return Err(io::Error::other(format!(
                    "{} does not answer; see {}/{}.log",
                    self.name,
                    folder.display(),
                    self.name
                )));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        running.started_in = begun.elapsed();
        Ok(running)
    }
}

/// Has a command run before everything else on the machine, on one core.
pub fn place(command: &mut Command, core: Option<usize>) {
    // SAFETY: the closure runs in the child between fork and exec. It makes system calls
    // and allocates nothing, so it cannot wait for a lock that another thread held while forking.
    unsafe {
        command.pre_exec(move || {
            sockets::lead();
            core.map_or(Ok(()), sockets::pin)
        });
    }
}

/// Whether a name every zone here has is answered.
fn answers(port: u16, patience: Duration) -> bool {
    let ask = || -> io::Result<bool> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(patience))?;
        let mut query = wire::query("h0000007.example.test", wire::A, Opt::None);
        query[..2].copy_from_slice(&[0x12, 0x34]);
        socket.send(&query)?;
        let mut reply = [0; 2048];
        let len = socket.recv(&mut reply)?;
        Ok(len > 12 && reply[..2] == [0x12, 0x34] && reply[3] & 15 == 0)
    };
    ask().unwrap_or(false)
}

/// What a process and its children used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// On a core, nanoseconds.
    pub cpu_ns: u64,
    /// Clock ticks in user and in system mode.
    pub ticks: [u64; 2],
}

impl Running {
    /// The process and everything it started.
    fn tree(&self) -> Vec<u32> {
        let mut found = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = found.get(next).copied() {
            next += 1;
            for task in tasks(pid) {
                let children = fs::read_to_string(task.join("children")).unwrap_or_default();
                found.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
            }
        }
        found
    }

    /// Processor time so far: schedstat for the sum, clock ticks for the split.
    pub fn used(&self) -> Used {
        let mut used = Used::default();
        for pid in self.tree() {
            for task in tasks(pid) {
                let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
                used.cpu_ns += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            }
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            for (ticks, place) in used.ticks.iter_mut().zip([11, 12]) {
                *ticks += fields.get(place).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        used
    }

    /// Resident memory, MiB: proportional where processes share.
    pub fn memory_mib(&self) -> f64 {
        let of = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0)
        };
        self.tree().into_iter().map(of).sum::<f64>() / 1024.0
    }

    /// The most this process ever had resident, MiB.
    pub fn peak_mib(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end and waits.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        let tree = self.tree();
        sockets::terminate(self.child.id(), 15);
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > Duration::from_secs(20) {
                for pid in tree {
                    sockets::terminate(pid, 9);
                }
                self.child.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody is left to tell; a server that is already gone is fine.
        let _ = self.end();
    }
}

fn tasks(pid: u32) -> Vec<PathBuf> {
    let listed = fs::read_dir(format!("/proc/{pid}/task"));
    listed.map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

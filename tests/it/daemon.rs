//! A real nameserver of Debian's, in a folder of its own.

use crate::harness::{Folder, own_address};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bind,
    Nsd,
    Knot,
}

impl Kind {
    /// An address and port for one of these. BIND listens only on addresses that an interface has.
    pub fn place(self) -> SocketAddr {
        match self {
            Self::Bind => SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())),
            Self::Nsd | Self::Knot => SocketAddr::from((own_address(), 5300)),
        }
    }
}

/// A port of 127.0.0.1 that is free for UDP and TCP, below those that clients are given.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 1_000) as u16 * 10;
    let mut ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed)).take(1_000);
    let free = |port| {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    };
    ports.find(|&port| free(port)).expect("a free port")
}

/// The process, while it runs, and its folder with `config` and `log`.
pub struct Daemon {
    pub kind: Kind,
    pub folder: Folder,
    child: Option<Child>,
}

impl Daemon {
    /// Starts one by the `config` in its folder.
    pub fn start(kind: Kind, folder: Folder) -> Self {
        let mut daemon = Self { kind, folder, child: None };
        daemon.spawn();
        daemon
    }

    /// Starts the process, with what it knew before.
    pub fn spawn(&mut self) {
        let config = self.folder.path().join("config").display().to_string();
        let (program, arguments): (&str, &[&str]) = match self.kind {
            Kind::Bind => ("named", &["-g", "-d", "3", "-n", "1", "-c"]),
            Kind::Nsd => ("nsd", &["-d", "-c"]),
            Kind::Knot => ("knotd", &["-c"]),
        };
        let log =
            || std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).expect("a log");
        // Daemons stand where an ordinary user's path does not lead.
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let child = Command::new(program)
            .args(arguments)
            .arg(config)
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start ({error}): install Debian's bind9, nsd and knot"));
        self.child = Some(child);
    }

    /// Has the process, if it runs, read its files anew.
    pub fn reread(&self) {
        if let Some(child) = &self.child {
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("kill").success());
        }
    }

    /// Ends the process.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

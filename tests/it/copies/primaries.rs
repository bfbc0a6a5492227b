//! Real nameservers as primaries of ours: BIND and Knot, each with one zone that is changed by its file.

use crate::harness::{Folder, own_address};
use crate::tsig::SECRET;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bind,
    Knot,
}

/// A primary of `example.test`, which gives it to who signs with `k.example.`, and tells `secondary` of changes.
pub struct Primary {
    kind: Kind,
    folder: Folder,
    child: Option<Child>,
}

impl Kind {
    /// An address and port for one of these. BIND listens only on addresses that an interface has.
    pub fn place(self) -> SocketAddr {
        match self {
            Self::Bind => std::net::UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free port"),
            Self::Knot => SocketAddr::from((own_address(), 5300)),
        }
    }
}

impl Primary {
    /// Starts one at `place` with this zone.
    pub fn start(kind: Kind, place: SocketAddr, secondary: SocketAddr, zone: &str) -> Self {
        let folder = Folder::new("primary");
        let path = folder.path().display().to_string();
        let text = match kind {
            Kind::Bind => format!(
                "key \"k.example.\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\noptions {{ directory \"{path}\"; listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }}; pid-file \"{path}/pid\"; session-keyfile \"{path}/session\"; lock-file none; recursion no; dnssec-validation no; allow-transfer {{ key \"k.example.\"; }}; notify explicit; also-notify port {theirs} {{ {them} key \"k.example.\"; }}; notify-delay 0; startup-notify-rate 100; serial-query-rate 100; }};\ncontrols {{ }};\nzone \"example.test\" {{ type primary; file \"zone\"; ixfr-from-differences yes; }};\n",
                port = place.port(),
                ip = place.ip(),
                theirs = secondary.port(),
                them = secondary.ip(),
            ),
            Kind::Knot => format!(
                "server:\n  listen: {ip}@{port}\n  rundir: \"{path}\"\nlog:\n  - target: stderr\n    any: debug\nkey:\n  - id: k.example.\n    algorithm: hmac-sha256\n    secret: {SECRET}\ndatabase:\n  storage: \"{path}\"\nremote:\n  - id: them\n    address: {them}@{theirs}\n    key: k.example.\nacl:\n  - id: taken\n    key: k.example.\n    action: transfer\nzone:\n  - domain: example.test\n    file: \"{path}/zone\"\n    notify: them\n    acl: taken\n    zonefile-load: difference\n    zonefile-sync: -1\n    journal-content: changes\n",
                port = place.port(),
                ip = place.ip(),
                theirs = secondary.port(),
                them = secondary.ip(),
            ),
        };
        folder.write("config", &text);
        folder.write("zone", zone);
        let mut primary = Self { kind, folder, child: None };
        primary.spawn();
        primary
    }

    /// Starts the process again.
    pub fn spawn(&mut self) {
        let config = self.folder.path().join("config").display().to_string();
        let (program, arguments): (&str, &[&str]) = match self.kind {
            Kind::Bind => ("named", &["-g", "-d", "3", "-n", "1", "-c"]),
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
            .unwrap_or_else(|error| panic!("{program} does not start ({error}): install Debian's bind9 and knot"));
        self.child = Some(child);
    }

    /// Replaces the zone; one that runs reads it anew.
    pub fn change(&self, zone: &str) {
        self.folder.write("zone", zone);
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

impl Drop for Primary {
    fn drop(&mut self) {
        self.stop();
    }
}

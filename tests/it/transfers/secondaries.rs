//! Real nameservers as secondaries of ours: BIND, NSD and Knot, each on an address and in a folder of its own.

use crate::harness::{Folder, eventually, own_address};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bind,
    Nsd,
    Knot,
}

/// The part of a configuration that names one zone.
type PerZone = Box<dyn Fn(&str) -> String>;

/// A running secondary.
pub struct Secondary {
    kind: Kind,
    place: SocketAddr,
    folder: Folder,
    child: Option<Child>,
}

impl Kind {
    /// An address and port for one of these. BIND listens only on addresses that an interface has.
    pub fn place(self) -> SocketAddr {
        match self {
            Self::Bind => std::net::UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free port"),
            Self::Nsd | Self::Knot => SocketAddr::from((own_address(), 5300)),
        }
    }
}

impl Secondary {
    /// Starts a secondary of these zones at `place`.
    pub fn start(kind: Kind, place: SocketAddr, primary: SocketAddr, zones: &[&str]) -> Self {
        let folder = Folder::new("secondary");
        let path = folder.path().display().to_string();
        let (text, each): (String, PerZone) = match kind {
            Kind::Bind => (
                format!(
                    "options {{ directory \"{path}\"; listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }}; pid-file \"{path}/pid\"; session-keyfile \"{path}/session\"; lock-file none; recursion no; notify no; dnssec-validation no; allow-notify {{ any; }}; }};\ncontrols {{ }};\n",
                    place.port(),
                    place.ip()
                ),
                Box::new(move |zone| {
                    format!(
                        "zone \"{zone}\" {{ type secondary; primaries port {} {{ {}; }}; file \"{zone}.db\"; }};\n",
                        primary.port(),
                        primary.ip()
                    )
                }),
            ),
            Kind::Nsd => (
                format!(
                    "server:\n ip-address: {}@{}\n port: {}\n username: \"\"\n zonesdir: \"{path}\"\n database: \"\"\n pidfile: \"{path}/pid\"\n xfrdfile: \"{path}/xfrd\"\n xfrdir: \"{path}\"\n zonelistfile: \"{path}/zones\"\n verbosity: 3\n log-only-syslog: no\n xfrd-reload-timeout: 0\nremote-control:\n control-enable: no\n",
                    place.ip(),
                    place.port(),
                    place.port()
                ),
                Box::new(move |zone| {
                    format!(
                        "zone:\n name: \"{zone}\"\n zonefile: \"{zone}.db\"\n request-xfr: {}@{} NOKEY\n allow-notify: 127.0.0.0/8 NOKEY\n",
                        primary.ip(),
                        primary.port()
                    )
                }),
            ),
            Kind::Knot => (
                format!(
                    "server:\n  listen: {}@{}\n  rundir: \"{path}\"\nlog:\n  - target: stderr\n    any: debug\ndatabase:\n  storage: \"{path}\"\nremote:\n  - id: primary\n    address: {}@{}\nacl:\n  - id: told\n    address: 127.0.0.0/8\n    action: notify\nzone:\n",
                    place.ip(),
                    place.port(),
                    primary.ip(),
                    primary.port()
                ),
                Box::new(move |zone| {
                    format!("  - domain: {zone}\n    storage: \"{path}\"\n    master: primary\n    acl: told\n")
                }),
            ),
        };
        let text = zones.iter().fold(text, |text, zone| text + &each(zone));
        folder.write("config", &text);
        let mut secondary = Self { kind, place, folder, child: None };
        secondary.spawn();
        secondary
    }

    /// Starts BIND or Knot with nothing but a catalog of ours (RFC 9432), by which it configures itself.
    pub fn start_by_catalog(kind: Kind, place: SocketAddr, primary: SocketAddr, catalog: &str) -> Self {
        let folder = Folder::new("secondary");
        let path = folder.path().display();
        let text = match kind {
            Kind::Bind => format!(
                "options {{ directory \"{path}\"; listen-on port {0} {{ {1}; }}; listen-on-v6 {{ none; }}; pid-file \"{path}/pid\"; session-keyfile \"{path}/session\"; lock-file none; recursion no; notify no; dnssec-validation no; allow-notify {{ any; }}; allow-new-zones yes;\n catalog-zones {{ zone \"{catalog}\" default-primaries port {2} {{ {3}; }} min-update-interval 1; }}; }};\ncontrols {{ }};\nzone \"{catalog}\" {{ type secondary; primaries port {2} {{ {3}; }}; file \"catalog.db\"; }};\n",
                place.port(),
                place.ip(),
                primary.port(),
                primary.ip()
            ),
            _ => format!(
                "server:\n  listen: {}@{}\n  rundir: \"{path}\"\nlog:\n  - target: stderr\n    any: debug\ndatabase:\n  storage: \"{path}\"\nremote:\n  - id: primary\n    address: {}@{}\nacl:\n  - id: told\n    address: 127.0.0.0/8\n    action: notify\ntemplate:\n  - id: member\n    storage: \"{path}\"\n    master: primary\n    acl: told\nzone:\n  - domain: {catalog}\n    storage: \"{path}\"\n    master: primary\n    acl: told\n    catalog-role: interpret\n    catalog-template: member\n",
                place.ip(),
                place.port(),
                primary.ip(),
                primary.port()
            ),
        };
        folder.write("config", &text);
        let mut secondary = Self { kind, place, folder, child: None };
        secondary.spawn();
        secondary
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

    /// What it answers, sorted.
    pub fn short(&self, arguments: &[&str]) -> Vec<String> {
        let output = Command::new("dig")
            .arg(format!("@{}", self.place.ip()))
            .args(["-p", &self.place.port().to_string(), "+short", "+norec", "+time=1", "+tries=1"])
            .args(arguments)
            .output()
            .expect("dig is installed");
        let text = String::from_utf8(output.stdout).expect("text");
        let mut lines: Vec<String> = text.lines().filter(|l| !l.starts_with(';')).map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Waits until it answers a name with these addresses.
    pub async fn until_it_answers(&self, name: &str, addresses: &[&str]) {
        let what = format!("{:?} answers {addresses:?} for {name}", self.kind);
        let begun = std::time::Instant::now();
        eventually(&what, || async {
            let answered = self.short(&[name]);
            assert!(begun.elapsed() < crate::harness::LIMIT, "{what}, not {answered:?}:\n{}", self.log());
            (answered == addresses).then_some(())
        })
        .await;
    }

    /// Whether its own log says that it took changes, not the whole zone.
    pub fn assert_logged_an_incremental_transfer(&self) {
        let said = match self.kind {
            Kind::Bind => "got incremental response",
            // It does not name the form; the counter of ours does.
            Kind::Nsd => "is updated to",
            Kind::Knot => "IXFR, incoming",
        };
        let log = self.log();
        assert!(log.contains(said), "{:?} took no changes:\n{log}", self.kind);
    }
}

impl Drop for Secondary {
    fn drop(&mut self) {
        self.stop();
    }
}

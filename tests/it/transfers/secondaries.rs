//! Real nameservers as secondaries of ours: BIND, NSD and Knot, each on an address and in a folder of its own.

pub use crate::daemon::Kind;

use crate::daemon::Daemon;
use crate::harness::{Folder, eventually};
use std::net::SocketAddr;
use std::process::Command;

/// The part of a configuration that names one zone.
type PerZone = Box<dyn Fn(&str) -> String>;

/// A running secondary.
pub struct Secondary {
    place: SocketAddr,
    daemon: Daemon,
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
        Self { place, daemon: Daemon::start(kind, folder) }
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
        Self { place, daemon: Daemon::start(kind, folder) }
    }

    /// Starts the process, with what it knew before.
    pub fn spawn(&mut self) {
        self.daemon.spawn();
    }

    /// Ends the process.
    pub fn stop(&mut self) {
        self.daemon.stop();
    }

    pub fn log(&self) -> String {
        self.daemon.log()
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
        let what = format!("{:?} answers {addresses:?} for {name}", self.daemon.kind);
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
        let said = match self.daemon.kind {
            Kind::Bind => "got incremental response",
            // It does not name the form; the counter of ours does.
            Kind::Nsd => "is updated to",
            Kind::Knot => "IXFR, incoming",
        };
        let log = self.log();
        assert!(log.contains(said), "{:?} took no changes:\n{log}", self.daemon.kind);
    }
}

//! Real nameservers as primaries of ours: BIND and Knot, each with one zone that is changed by its file.

pub use crate::daemon::Kind;

use crate::daemon::Daemon;
use crate::harness::Folder;
use crate::tsig::SECRET;
use std::net::SocketAddr;

/// A primary of `example.test`, which gives it to who signs with `k.example.`, and tells `secondary` of changes.
pub struct Primary(Daemon);

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
            _ => format!(
                "server:\n  listen: {ip}@{port}\n  rundir: \"{path}\"\nlog:\n  - target: stderr\n    any: debug\nkey:\n  - id: k.example.\n    algorithm: hmac-sha256\n    secret: {SECRET}\ndatabase:\n  storage: \"{path}\"\nremote:\n  - id: them\n    address: {them}@{theirs}\n    key: k.example.\nacl:\n  - id: taken\n    key: k.example.\n    action: transfer\nzone:\n  - domain: example.test\n    file: \"{path}/zone\"\n    notify: them\n    acl: taken\n    zonefile-load: difference\n    zonefile-sync: -1\n    journal-content: changes\n",
                port = place.port(),
                ip = place.ip(),
                theirs = secondary.port(),
                them = secondary.ip(),
            ),
        };
        folder.write("config", &text);
        folder.write("zone", zone);
        Self(Daemon::start(kind, folder))
    }

    /// Starts the process again.
    pub fn spawn(&mut self) {
        self.0.spawn();
    }

    /// Replaces the zone; one that runs reads it anew.
    pub fn change(&self, zone: &str) {
        self.0.folder.write("zone", zone);
        self.0.reread();
    }

    /// Ends the process.
    pub fn stop(&mut self) {
        self.0.stop();
    }

    pub fn log(&self) -> String {
        self.0.log()
    }
}

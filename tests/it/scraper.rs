//! A real Prometheus on an address of its own; it ends with the test.

use crate::harness::Folder;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

pub struct Prometheus {
    pub url: String,
    child: Child,
    folder: Folder,
}

impl Prometheus {
    /// Scrapes as often as `every` says, such as `200ms`; `jobs` is the list below `scrape_configs`.
    pub fn start(address: Ipv4Addr, every: &str, jobs: &str) -> Self {
        let folder = Folder::new("prometheus");
        folder.write(
            "prometheus.yml",
            &format!("global: {{scrape_interval: {every}, scrape_timeout: {every}}}\nscrape_configs:\n{jobs}"),
        );
        let log = std::fs::File::create(folder.path().join("log")).expect("a log file");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", path("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", path("data")))
            .arg(format!("--web.listen-address={address}:9090"))
            .arg("--log.level=warn")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("can't run `prometheus` ({error}): install Debian's package prometheus, as tests/run does")
            });
        Self { url: format!("http://{address}:9090"), child, folder }
    }

    /// What it wrote, for messages.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.stop();
    }
}

//! A real server process on loopback addresses of its own, and real clients to ask it.
//!
//! Every server of a test run gets an address of 127.0.0.0/8 to itself, so that fixed ports never
//! collide. Nothing sleeps for luck: [`eventually`] waits for a condition with a limit.

use serde_json::Value;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A zone with one switch that nothing watches: it needs no backends.
pub const UNWATCHED: &str = r#"[zone]
ns = ["ns1.example.test"]
[switch.model]
owners = ["model.example.test"]
min_interval = "0s"
[switch.model.pool.blue]
members = ["192.0.2.10"]
weight = 10000
[switch.model.pool.green]
members = ["192.0.2.20"]
weight = 0
"#;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tidegate");

/// How long anything may take before a test gives up.
pub const LIMIT: Duration = Duration::from_secs(30);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An address of 127.0.0.0/8 that no other test of this machine uses at the moment.
pub fn own_address() -> Ipv4Addr {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    // One process takes several times 250 addresses, and a long test keeps its own all the while.
    Ipv4Addr::new(
        127,
        16 + (process % 200) as u8,
        ((process / 200 + number / 250) % 250) as u8,
        1 + (number % 250) as u8,
    )
}

/// A folder of its own, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidegate-it-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a written file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct Server {
    pub folder: Folder,
    pub dns: SocketAddr,
    pub admin: SocketAddr,
    pub extra: Vec<String>,
    /// Environment of the process besides `PATH`.
    pub environment: Vec<(String, String)>,
    client: reqwest::Client,
    child: Option<Child>,
}

impl Server {
    /// Starts a server on these zone files and waits until it is ready.
    pub async fn start(zones: &[(&str, &str)]) -> Self {
        Self::start_with(zones, &[]).await
    }

    /// As [`Server::start`], with more arguments for `serve`.
    pub async fn start_with(zones: &[(&str, &str)], extra: &[&str]) -> Self {
        let mut server = Self::prepare(zones, extra);
        server.spawn();
        server.ready().await;
        server
    }

    /// Writes the files and picks addresses, but starts nothing.
    pub fn prepare(zones: &[(&str, &str)], extra: &[&str]) -> Self {
        let folder = Folder::new("server");
        for (name, text) in zones {
            folder.write(&format!("zones/{name}"), text);
        }
        let ip = IpAddr::V4(own_address());
        let extra = extra.iter().map(|word| (*word).to_owned()).collect();
        Self {
            folder,
            dns: SocketAddr::new(ip, 5300),
            admin: SocketAddr::new(ip, 8053),
            extra,
            environment: Vec::new(),
            client: http(),
            child: None,
        }
    }

    /// The command that serves, without standard streams.
    pub fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg("--listen").arg(self.dns.to_string());
        command.arg("--zones").arg(self.folder.path().join("zones"));
        command.arg("--state").arg(self.state()).arg("--admin").arg(self.admin.to_string());
        // The admin address of a test is loopback, so nothing needs `insecure`.
        command
            .args(&self.extra)
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default());
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Starts the process; its log goes to `log` in the folder.
    pub fn spawn(&mut self) {
        let open =
            || std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).expect("a log");
        let child = self.command().stdout(open()).stderr(open()).spawn().expect("a started server");
        self.child = Some(child);
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What the server logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The first token.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.state().join("admin-token")).expect("the first token").trim().to_owned()
    }

    /// Waits until `/readyz` says yes; fails with the log when the process ends instead.
    pub async fn ready(&mut self) {
        let url = format!("http://{}/readyz", self.admin);
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().expect("a child")) {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            if self.client.get(&url).send().await.is_ok_and(|reply| reply.status().is_success()) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "the server is not ready:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running server").id()
    }

    /// Ends it without any warning.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal by its name, as `kill` takes it.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().expect("kill");
        assert!(status.success());
    }

    /// Ends it gracefully and returns its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        let mut child = self.child.take().expect("a running server");
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(begun.elapsed() < LIMIT, "the server does not stop:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts it again after [`Server::kill9`] or [`Server::stop`].
    pub async fn restart(&mut self) {
        self.spawn();
        self.ready().await;
    }

    /// A request to the admin interface with the first token: status and body (null when not JSON).
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.api_with(method, path, body, &[]).await
    }

    /// As [`Server::api`], with more headers.
    pub async fn api_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, format!("http://{}{path}", self.admin)).bearer_auth(self.token());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = request.send().await.expect("a reply");
        let status = reply.status().as_u16();
        (status, reply.json().await.unwrap_or(Value::Null))
    }

    /// The value of one row of `/metrics`, by its name and labels; 0 when it is not there.
    pub async fn metric(&self, row: &str) -> f64 {
        let request = self.client.get(format!("http://{}/metrics", self.admin)).bearer_auth(self.token());
        let text = request.send().await.expect("a reply").text().await.expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    /// Starts a server with this file of its own.
    pub async fn start_configured(zones: &[(&str, &str)], file: &str) -> Self {
        let mut server = Self::prepare(zones, &[]);
        server.configure(file);
        server.spawn();
        server.ready().await;
        server
    }

    /// Writes the server's own file.
    pub fn configure(&mut self, file: &str) {
        self.folder.write("tidegate.toml", file);
        self.extra = vec!["--config".to_owned(), self.folder.path().join("tidegate.toml").display().to_string()];
    }

    /// Resident memory of the process, KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.split_whitespace().next().expect("a number").parse().expect("a number")
    }

    /// Runs the program as a client of this server.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .env("TIDEGATE_ADDRESS", format!("http://{}", self.admin))
            .env("TIDEGATE_TOKEN", self.token());
        command.stdin(Stdio::null()).output().expect("the client runs")
    }

    /// Runs the program without a server to speak to.
    pub fn cli_without_server(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().expect("the program runs")
    }

    /// Runs the real dig against this server and returns its standard output.
    pub fn dig(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("dig");
        command
            .arg(format!("@{}", self.dns.ip()))
            .arg("-p")
            .arg(self.dns.port().to_string())
            .args(["+time=2", "+tries=2"]);
        let output = command.args(arguments).output().expect("dig is installed (Debian: bind9-dnsutils)");
        String::from_utf8(output.stdout).expect("text")
    }

    /// `dig +short`, one line each.
    pub fn short(&self, arguments: &[&str]) -> Vec<String> {
        let mut all = vec!["+short"];
        all.extend(arguments);
        self.dig(&all).lines().map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// A client that never goes through a proxy, and keeps no connection that a restart would break.
pub fn http() -> reqwest::Client {
    tidegate::probe::install_crypto();
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(LIMIT).build().expect("a client")
}

/// Waits until `condition` gives something; fails with `what` after the limit.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begun.elapsed() < LIMIT, "waited too long for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

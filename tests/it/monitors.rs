//! The `grpc` and `icmp` monitors: a real gRPC health server, and echoes in a network namespace (§2.1).

use crate::harness::{Folder, PROGRAM, Server, eventually, own_address};
use serde_json::Value;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

/// The health server of grpcio-health-checking, told on standard input what each service's status is.
const HEALTH_SERVER: &str = r#"
import sys
from concurrent import futures
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
address, key, certificate = sys.argv[1:4]
server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
servicer = health.HealthServicer()
servicer.set("", health_pb2.HealthCheckResponse.SERVING)
if "empty" not in sys.argv:
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
server.add_insecure_port(address + ":50051")
if key:
    pair = (open(key, "rb").read(), open(certificate, "rb").read())
    server.add_secure_port(address + ":50052", grpc.ssl_server_credentials([pair]))
server.start()
print("ready", flush=True)
for line in sys.stdin:
    service, status = line.rstrip("\n").split(" ")
    servicer.set(service, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
"#;

/// The Python that `tests/run` prepares.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/grpc/bin/python");

/// A running health server on an address of its own.
struct HealthServer {
    address: Ipv4Addr,
    child: Child,
}

impl HealthServer {
    /// `pair`: files with key and certificate for the port under TLS.
    fn start(folder: &Folder, pair: Option<(&str, &str)>, more: &[&str]) -> Self {
        let address = own_address();
        folder.write("health.py", HEALTH_SERVER);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let (key, certificate) = pair.map_or((String::new(), String::new()), |(k, c)| (file(k), file(c)));
        let mut command = Command::new(PYTHON);
        command.args([&file("health.py"), &address.to_string(), &key, &certificate]).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().expect("Python with grpcio and grpcio-health-checking (`tests/run` installs it)");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("a line");
        assert_eq!(line, "ready\n", "the gRPC server starts");
        Self { address, child }
    }

    fn set(&mut self, service: &str, status: &str) {
        writeln!(self.child.stdin.as_mut().expect("a pipe"), "{service} {status}").expect("the server listens");
    }
}

impl Drop for HealthServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A zone whose only pool's member has these monitors.
fn zone(member: Ipv4Addr, monitors: &str) -> String {
    format!(
        "[zone]\nns = [\"ns1.example.test\"]\n[switch.model]\nowners = [\"model.example.test\"]\nmonitors = [{monitors}]\n\
         [switch.model.pool.blue]\nmembers = [\"{member}\"]\nweight = 10000\n"
    )
}

const LIVELY: &str = r#"interval = "250ms", fall = 2, rise = 1"#;

/// Waits until the member's health is this, and returns why.
async fn becomes(server: &Server, health: &str, because: &str) {
    eventually(&format!("{health}: {because}"), || async {
        let (_, switch) = server.api("GET", "/v1/switches/model", None).await;
        let member = &switch["pools"][0]["members"][0];
        let why = member["failure"].as_str().unwrap_or_default();
        (member["health"] == health && why.contains(because)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_grpc_health_server_is_believed_when_it_is_serving_and_only_then() {
    let folder = Folder::new("grpc");
    let mut backend = HealthServer::start(&folder, None, &[]);
    let monitor = format!("{{ grpc = 50051, service = \"llm.v1.Chat\", timeout = \"250ms\", {LIVELY} }}");
    let server = Server::start(&[("example.test.toml", &zone(backend.address, &monitor))]).await;
    becomes(&server, "down", "NOT_FOUND").await;
    backend.set("llm.v1.Chat", "SERVING");
    becomes(&server, "up", "").await;
    backend.set("llm.v1.Chat", "NOT_SERVING");
    becomes(&server, "down", "llm.v1.Chat is NOT_SERVING, wanted SERVING").await;
    backend.set("llm.v1.Chat", "SERVING");
    becomes(&server, "up", "").await;
    drop(backend);
    becomes(&server, "down", "connection refused connecting to port 50051").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_over_tls_checks_the_certificate_as_https_does() {
    let folder = Folder::new("grpcs");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["chat.example.test".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    folder.write("key.pem", &key.serialize_pem());
    folder.write("cert.pem", &certificate);
    let backend = HealthServer::start(&folder, Some(("key.pem", "cert.pem")), &[]);
    let monitor = |options: &str| format!("{{ grpcs = 50052, timeout = \"250ms\", {LIVELY}, {options} }}");
    let trusting = zone(backend.address, &monitor("host = \"chat.example.test\", ca_file = \"../ca.pem\""));
    let mut server = Server::prepare(&[("example.test.toml", &trusting)], &[]);
    server.folder.write("ca.pem", &certificate);
    server.spawn();
    server.ready().await;
    becomes(&server, "up", "").await;
    let reload = |options: &str| {
        server.folder.write("zones/example.test.toml", &zone(backend.address, &monitor(options)));
        server.api("POST", "/v1/reload", None)
    };
    assert_eq!(reload("host = \"other.example.test\", ca_file = \"../ca.pem\"").await.0, 200);
    becomes(&server, "down", "wanted other.example.test").await;
    assert_eq!(reload("verify = false").await.0, 200);
    becomes(&server, "up", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grpc_server_without_the_health_service_is_down_in_words() {
    let folder = Folder::new("grpc-empty");
    let backend = HealthServer::start(&folder, None, &["empty"]);
    let monitor = format!("{{ grpc = 50051, timeout = \"250ms\", {LIVELY} }}");
    let server = Server::start(&[("example.test.toml", &zone(backend.address, &monitor))]).await;
    becomes(&server, "down", "the server has no grpc.health.v1.Health service").await;
}

/// A network namespace, removed in the end; what runs there is ended first.
struct Space {
    name: String,
    child: Option<Child>,
}

impl Space {
    fn new() -> Self {
        let space = Self { name: format!("tidegate-echo-{}", std::process::id()), child: None };
        let made = Command::new("ip").args(["netns", "add", &space.name]).output().expect("ip (Debian: iproute2)");
        assert!(made.status.success(), "needs root: {}", String::from_utf8_lossy(&made.stderr));
        space.run("ip", &["link", "set", "lo", "up"]);
        space
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().expect("it runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echoes_tell_who_is_there_over_both_families_and_who_may_not_send_them() {
    let mut space = Space::new();
    let folder = Folder::new("echo");
    let monitor = "{ icmp = true, interval = \"250ms\", timeout = \"200ms\", fall = 2, rise = 1 }";
    let text = zone(Ipv4Addr::new(10, 53, 9, 9), monitor).replace("10.53.9.9", "10.53.9.9 fd53::9");
    folder.write("zones/example.test.toml", &text);
    let file = |name: &str| folder.path().join(name).display().to_string();
    for address in ["10.53.9.9/32", "fd53::9/128"] {
        space.run("ip", &["address", "add", address, "dev", "lo"]);
    }
    let mut command = space.command(PROGRAM);
    command.args(["serve", "--listen", "127.0.0.1:5300", "--admin", "127.0.0.1:8053"]);
    command.args(["--zones", &file("zones"), "--state", &file("state")]);
    let log = std::fs::File::create(file("log")).expect("a log");
    space.child = Some(command.stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("it starts"));
    let member = |space: &Space| {
        let token = std::fs::read_to_string(file("state/admin-token")).ok()?;
        let mut command = space.command(PROGRAM);
        let output = command.args(["status", "model", "--json"]).env("TIDEGATE_TOKEN", token.trim()).output();
        let output = output.expect("it runs");
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(status["pools"][0]["members"][0].clone())
    };
    let becomes = async |space: &Space, health: &str, because: &str| {
        eventually(&format!("{health}: {because}"), || async {
            let member = member(space)?;
            let why = member["failure"].as_str().unwrap_or_default();
            (member["health"] == health && why.contains(because)).then_some(())
        })
        .await;
    };
    // A fresh namespace allows nobody, as the kernel's default is.
    becomes(&space, "down", "net.ipv4.ping_group_range").await;
    space.run("sh", &["-c", "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range"]);
    becomes(&space, "up", "").await;
    space.run("ip", &["address", "delete", "fd53::9/128", "dev", "lo"]);
    becomes(&space, "down", "unreachable").await;
    space.run("ip", &["address", "add", "fd53::9/128", "dev", "lo"]);
    becomes(&space, "up", "").await;
    // A host that hears and does not answer.
    space.run("sh", &["-c", "echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all"]);
    becomes(&space, "down", "timed out after 200 ms waiting for the echo").await;
}

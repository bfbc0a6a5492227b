//! A server with one switch over two live pools, `blue` and `green`, and the questions tests ask of it.

use crate::backend::Backend;
use crate::harness::{Server, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The steered name.
pub const OWNER: &str = "model.example.test";

/// Ports of the encrypted transports.
const DOT: u16 = 8853;
const DOH: u16 = 8443;

/// Probes for tests that are not about health: a busy machine must not take members down.
pub const CALM: &str = r#"interval = "2s", timeout = "2s", fall = 20, rise = 1"#;

/// Probes for tests about health.
pub const LIVELY: &str = r#"interval = "250ms", timeout = "250ms""#;

/// The server and its two backends, showing `v1` and `v2`.
pub struct Pair {
    pub server: Server,
    pub blue: Backend,
    pub green: Backend,
}

/// The zone file; `options` are lines of `[switch.model]`, `probes` the monitor's times.
pub fn zone(blue: &str, green: &str, options: &str, probes: &str) -> String {
    format!(
        r#"[zone]
ns = ["ns1.example.test"]

[switch.model]
owners = ["{OWNER}", "also.example.test"]
{options}
monitor = {{ http = "http://{{address}}:8080/health", expect_version = "/version", {probes} }}

[switch.model.pool.blue]
members = [{blue}]
expect_version = "v1"
weight = 10000

[switch.model.pool.green]
members = [{green}]
expect_version = "v2"
weight = 0
"#
    )
}

/// A member as the file has it.
pub fn member(backend: &Backend) -> String {
    format!("\"{}\"", backend.address)
}

impl Pair {
    /// With `min_interval` 0 and calm probes.
    pub async fn start() -> Self {
        Self::with("min_interval = \"0s\"", CALM).await
    }

    /// With these options and probes.
    pub async fn with(options: &str, probes: &str) -> Self {
        let (blue, green) = (Backend::start("v1"), Backend::start("v2"));
        let zone = zone(&member(&blue), &member(&green), options, probes);
        let server = Server::start(&[("example.test.toml", &zone)]).await;
        let pair = Self { server, blue, green };
        pair.up("blue").await;
        pair.up("green").await;
        pair
    }

    /// As [`Pair::start`], answering over TLS and HTTPS too.
    pub async fn encrypted(certificate: &str, key: &str) -> Self {
        let (blue, green) = (Backend::start("v1"), Backend::start("v2"));
        let zone = zone(&member(&blue), &member(&green), "min_interval = \"0s\"", CALM);
        let mut server = Server::prepare(&[("example.test.toml", &zone)], &[]);
        server.folder.write("cert.pem", certificate);
        server.folder.write("key.pem", key);
        let ip = server.dns.ip();
        let part = |name: &str, port: u16| {
            format!("[{name}]\nlisten = [\"{ip}:{port}\"]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n")
        };
        server.folder.write("tidegate.toml", &(part("dot", DOT) + &part("doh", DOH)));
        server.extra = vec!["--config".to_owned(), server.folder.path().join("tidegate.toml").display().to_string()];
        server.spawn();
        server.ready().await;
        let pair = Self { server, blue, green };
        pair.up("blue").await;
        pair.up("green").await;
        pair
    }

    /// Where DNS is answered over TLS.
    pub fn dot(&self) -> SocketAddr {
        SocketAddr::new(self.server.dns.ip(), DOT)
    }

    /// Where DNS is answered over HTTPS.
    pub fn doh(&self) -> SocketAddr {
        SocketAddr::new(self.server.dns.ip(), DOH)
    }

    /// Writes the zone file anew.
    pub fn rewrite(&self, options: &str, probes: &str) {
        let zone = zone(&member(&self.blue), &member(&self.green), options, probes);
        self.server.folder.write("zones/example.test.toml", &zone);
    }

    /// A change of the switch.
    pub async fn post(&self, verb: &str, body: Value) -> (u16, Value) {
        self.server.api("POST", &format!("/v1/switches/model/{verb}"), Some(body)).await
    }

    /// A flip that must succeed; its reply.
    pub async fn flip(&self, to: &str) -> Value {
        accepted(self.post("flip", json!({ "to": to })).await)
    }

    /// The switch as the API shows it.
    pub async fn view(&self) -> Value {
        accepted(self.server.api("GET", "/v1/switches/model", None).await)
    }

    /// One pool as the API shows it.
    pub async fn pool(&self, name: &str) -> Value {
        let view = self.view().await;
        let pools = view["pools"].as_array().expect("pools");
        pools.iter().find(|pool| pool["name"] == name).unwrap_or_else(|| panic!("no pool {name} in {view}")).clone()
    }

    /// The weights in force.
    pub async fn weights(&self) -> BTreeMap<String, u64> {
        let view = self.view().await;
        let pools = view["pools"].as_array().expect("pools");
        pools.iter().map(|pool| (pool["name"].as_str().unwrap().to_owned(), pool["weight"].as_u64().unwrap())).collect()
    }

    /// The state's revision.
    pub async fn revision(&self) -> u64 {
        accepted(self.server.api("GET", "/v1/status", None).await)["revision"].as_u64().expect("a revision")
    }

    /// Waits until a pool is eligible.
    pub async fn up(&self, pool: &str) {
        eventually(&format!("{pool} is eligible"), || async {
            (self.pool(pool).await["eligible"] == true).then_some(())
        })
        .await;
    }

    /// Waits until a pool is not eligible.
    pub async fn down(&self, pool: &str) {
        eventually(&format!("{pool} is not eligible"), || async {
            (self.pool(pool).await["eligible"] == false).then_some(())
        })
        .await;
    }

    /// The addresses dig gets.
    pub fn answer(&self) -> Vec<String> {
        self.server.short(&["A", OWNER])
    }

    /// Whether dig gets this backend and nothing else.
    pub fn answers(&self, backend: &Backend) -> bool {
        self.answer() == [backend.address.to_string()]
    }

    /// The TTL dig sees.
    pub fn ttl(&self) -> u32 {
        let text = self.server.dig(&["+noall", "+answer", "A", OWNER]);
        text.split_whitespace().nth(1).and_then(|ttl| ttl.parse().ok()).unwrap_or_else(|| panic!("no answer: {text}"))
    }

    /// The SOA serial dig sees.
    pub fn serial(&self) -> u32 {
        serial_of(&self.server)
    }
}

/// The SOA serial dig sees.
pub fn serial_of(server: &Server) -> u32 {
    let lines = server.short(&["SOA", "example.test"]);
    lines.first().and_then(|line| line.split(' ').nth(2)?.parse().ok()).unwrap_or_else(|| panic!("no SOA: {lines:?}"))
}

/// The body of a reply that must be 200.
pub fn accepted((status, body): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{body}");
    body
}

/// Asserts status and slug of a problem, and returns its sentence.
pub fn refused((status, body): (u16, Value), expected: u16, slug: &str) -> String {
    assert_eq!((status, &body["type"]), (expected, &json!(format!("urn:tidegate:problem:{slug}"))), "{body}");
    assert_eq!(body["status"], expected);
    body["detail"].as_str().expect("a sentence").to_owned()
}

/// As [`refused`] for 409, with whether force would do.
pub fn guarded(reply: (u16, Value), slug: &str, forceable: bool) -> String {
    assert_eq!((&reply.1["guard"], &reply.1["forceable"]), (&json!(slug), &json!(forceable)), "{}", reply.1);
    refused(reply, 409, slug)
}

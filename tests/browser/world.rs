//! A real server with real backends behind it, and a browser that looks at it.

use crate::backend::Backend;
use crate::driver::Browser;
use crate::harness::{Server, eventually};
use serde_json::{Value, json};

/// The server, its backends, a browser.
pub struct World {
    pub server: Server,
    pub blue: Backend,
    pub green: Backend,
    pub browser: Browser,
}

/// Probes that a busy machine does not upset.
const CALM: &str = r#"interval = "2s", timeout = "2s", fall = 20, rise = 1"#;

/// A plan that stays at 10 % until somebody does something.
const PLAN: &str = r#"rollout = { steps = [{ weight = "10%", hold = "1s", pause = true }, "100%"], min_hold = "1s", settle = "100ms", look_every = "200ms", gates = [] }"#;

fn zone(blue: &Backend, green: &Backend) -> String {
    let (blue, green) = (blue.address, green.address);
    let mut text = format!(
        r#"[zone]
ns = ["ns1.example.test"]
[switch.model]
owners = ["model.example.test"]
min_interval = "0s"
monitor = {{ http = "http://{{address}}:8080/health", expect_version = "/version", {CALM} }}
{PLAN}
[switch.model.pool.blue]
members = ["{blue}"]
expect_version = "v1"
weight = 10000
[switch.model.pool.green]
members = ["{green}"]
expect_version = "v2"
weight = 0
"#
    );
    for name in ["embeddings", "a-switch-with-a-name-as-long-as-a-pipeline-may-make-it"] {
        text += &format!(
            r#"[switch.{name}]
owners = ["{name}.example.test"]
[switch.{name}.pool.stable-europe-west-1]
members = ["192.0.2.1"]
weight = 7000
[switch.{name}.pool.candidate]
members = ["192.0.2.2"]
weight = 2000
[switch.{name}.pool.baseline]
members = ["192.0.2.3"]
weight = 1000
"#
        );
    }
    text
}

impl World {
    /// Starts all of it; nobody is signed in yet.
    pub async fn start() -> Self {
        let (blue, green) = (Backend::start("v1"), Backend::start("v2"));
        let server = Server::start(&[("example.test.toml", &zone(&blue, &green))]).await;
        let world = Self { server, blue, green, browser: Browser::start().await };
        eventually("both pools are up", || async {
            let (_, view) = world.server.api("GET", "/v1/switches/model", None).await;
            view["pools"].as_array()?.iter().all(|pool| pool["eligible"] == true).then_some(())
        })
        .await;
        world
    }

    /// Signs in with the first token and goes to a view, such as `#/s/model`.
    pub async fn sign_in(&self, browser: &Browser, view: &str) {
        self.sign_in_with(browser, view, &self.server.token()).await;
    }

    /// As [`World::sign_in`], with another token.
    pub async fn sign_in_with(&self, browser: &Browser, view: &str, token: &str) {
        browser.open(&format!("http://{}/{view}", self.server.admin)).await;
        browser.write("#token", token).await;
        browser.click(".signin button").await;
        browser.shows("#live", "live").await;
    }

    /// One request to the API, which must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, reply) = self.server.api("POST", path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {reply}");
        reply
    }

    /// What DNS says.
    pub fn answer(&self) -> Vec<String> {
        self.server.short(&["model.example.test"])
    }

    /// The newest row of the history.
    pub async fn newest(&self) -> Value {
        let (_, page) = self.server.api("GET", "/v1/history?switch=model&limit=1", None).await;
        page["rows"][0].clone()
    }

    /// Fills in the reason and confirms.
    pub async fn confirm(&self, reason: &str) {
        self.browser.write("#change-reason", reason).await;
        self.browser.click("#change-confirm").await;
        self.browser.until("the dialog closes", "!document.querySelector('dialog')").await;
    }
}

/// A token of a role.
pub async fn token(world: &World, name: &str, role: &str) -> String {
    let made = world.post("/v1/tokens", json!({ "name": name, "role": role })).await;
    made["token"].as_str().unwrap_or_else(|| panic!("no token: {made}")).to_owned()
}

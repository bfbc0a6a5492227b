//! A small WebDriver client: chromedriver on a free loopback port, one headless Chromium a browser.

use crate::harness::{Folder, LIMIT, http};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a found element is called on the wire (W3C WebDriver, 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys by their code points (W3C WebDriver, 17.4.2).
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";

/// A running chromedriver; ended when dropped.
struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("successfully on port ").map(|(_, rest)| rest.trim_end_matches('.').to_owned())
            })
            .expect("chromedriver says its port");
        // Read to the end, so that it never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One browser with a profile of its own.
pub struct Browser {
    client: reqwest::Client,
    session: String,
    driver: Driver,
    _profile: Folder,
}

impl Browser {
    /// Starts one with an empty profile.
    pub async fn start() -> Self {
        let (driver, profile, client) = (Driver::start(), Folder::new("profile"), http());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:loggingPrefs": { "browser": "ALL" }, "goog:chromeOptions": { "args": arguments },
        } } });
        let reply =
            client.post(format!("{}/session", driver.url)).json(&wanted).send().await.expect("chromedriver answers");
        let reply: Value = reply.json().await.expect("JSON");
        let id = reply["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {reply}"));
        let browser = Self { session: format!("{}/session/{id}", driver.url), client, driver, _profile: profile };
        browser.resize(1360, 900).await;
        browser
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let reply =
            self.client.post(format!("{}{path}", self.session)).json(&body).send().await.expect("chromedriver answers");
        let ok = reply.status().is_success();
        let value: Value = reply.json().await.expect("JSON");
        assert!(ok, "{path} {body}: {value}");
        value["value"].clone()
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Runs the body of a function in the page.
    pub async fn run(&self, script: &str, arguments: Value) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// Runs one whose last argument is called with the outcome.
    pub async fn run_async(&self, script: &str) -> Value {
        self.post("/execute/async", json!({ "script": script, "args": [] })).await
    }

    /// Waits until an expression is true in the page; fails with the page's text after the limit.
    pub async fn until(&self, what: &str, expression: &str) {
        let begun = Instant::now();
        while self.run(&format!("return Boolean({expression})"), json!([])).await != json!(true) {
            if begun.elapsed() > 2 * LIMIT {
                let text = self.run("return document.body.innerText", json!([])).await;
                panic!(
                    "waited too long for: {what}\n{}\n{:?}",
                    text.as_str().unwrap_or_default(),
                    self.complaints().await
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until an element shows this text.
    pub async fn shows(&self, css: &str, text: &str) {
        let expression = format!(
            "[...document.querySelectorAll({})].some((e) => e.textContent.includes({}))",
            json!(css),
            json!(text)
        );
        self.until(&format!("{css} shows {text:?}"), &expression).await;
    }

    async fn find(&self, css: &str) -> String {
        self.until(&format!("{css} is there and enabled"), &format!("document.querySelector({})?.disabled === false || document.querySelector({0}) && !('disabled' in document.querySelector({0}))", json!(css))).await;
        let found = self.post("/element", json!({ "using": "css selector", "value": css })).await;
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// Clicks as a mouse does, once the element can be clicked.
    pub async fn click(&self, css: &str) {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Types into an element.
    pub async fn write(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Presses keys one after the other, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let presses: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": presses });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Presses Tab until the focus is on this element.
    pub async fn tab_to(&self, css: &str) {
        for _ in 0..60 {
            if self.has_focus(css).await {
                return;
            }
            self.press(TAB).await;
        }
        panic!("{css} cannot be reached by Tab");
    }

    /// Whether the focus is on this element.
    pub async fn has_focus(&self, css: &str) -> bool {
        self.run("return document.activeElement?.matches(arguments[0]) ?? false", json!([css])).await == json!(true)
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
    }

    /// The size of the window's inside.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// `light` or `dark`, as the system would say.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// What the page complained of: errors of scripts, and what its policy refused.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({ "type": "browser" })).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
    }

    /// Keeps a picture, and says where.
    pub async fn picture(&self, path: &Path) {
        let reply = self.client.get(format!("{}/screenshot", self.session)).send().await.expect("chromedriver answers");
        let reply: Value = reply.json().await.expect("JSON");
        let bytes =
            base64::Engine::decode(&base64::prelude::BASE64_STANDARD, reply["value"].as_str().expect("a picture"))
                .expect("base64");
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a written picture");
        println!("picture: {}", path.display());
    }

    /// Ends the browser; a test that fails leaves that to chromedriver's end.
    pub async fn quit(self) {
        let _ = self.client.delete(&self.session).send().await;
        drop(self.driver);
    }
}

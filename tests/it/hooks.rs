//! Webhooks, as whoever is called sees them.

use crate::harness::{Folder, eventually, http, own_address};
use crate::pair::{CALM, Pair, accepted};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The port of every receiver; each has an address of its own.
const PORT: u16 = 9500;

/// A request as it came.
#[derive(Debug, Clone)]
struct Call {
    path: String,
    head: String,
    body: String,
}

impl Call {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(':')).unwrap_or_else(|| panic!("no {name} in {}", self.head)).1.trim()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A server that is called; its thread ends with the process.
struct Receiver {
    address: Ipv4Addr,
    calls: Arc<Mutex<Vec<Call>>>,
    /// What it answers; 0: nothing, ever.
    status: Arc<AtomicU16>,
}

impl Receiver {
    fn start(status: u16) -> Self {
        let address = own_address();
        let listener = TcpListener::bind((address, PORT)).expect("an address of its own");
        let (calls, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(status)));
        let receiver = Self { address, calls: calls.clone(), status: status.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (calls, status) = (calls.clone(), status.clone());
                std::thread::spawn(move || hear(stream, &calls, &status));
            }
        });
        receiver
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}:{PORT}{path}", self.address)
    }

    fn calls(&self, path: &str) -> Vec<Call> {
        self.calls.lock().expect("no panic").iter().filter(|call| call.path == path).cloned().collect()
    }

    /// Waits for the first call to a path.
    async fn called(&self, path: &str) -> Call {
        eventually(&format!("{path} is called"), || async { self.calls(path).first().cloned() }).await
    }
}

/// One request, one reply.
fn hear(mut stream: TcpStream, calls: &Mutex<Vec<Call>>, status: &AtomicU16) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    let call = loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(len) => request.extend_from_slice(&piece[..len]),
        }
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let call = Call { path, head: head.to_owned(), body: body.to_owned() };
        if body.len() >= call.header("content-length").parse().expect("a length") {
            break call;
        }
    };
    assert!(call.head.starts_with("POST "), "{}", call.head);
    calls.lock().expect("no panic").push(call);
    let status = status.load(Ordering::SeqCst);
    if status == 0 {
        // Until the caller gives up.
        let _ = stream.set_read_timeout(None);
        let _ = stream.read(&mut piece);
        return;
    }
    let _ = stream.write_all(
        format!("HTTP/1.1 {status} Told\r\nContent-Length: 9\r\nConnection: close\r\n\r\nsays so!\n").as_bytes(),
    );
}

/// What OpenSSL makes of a secret and a text: the way of `deploy/hooks.md` to check a signature.
fn openssl_hmac(secret: &str, text: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("can't run `openssl` ({error}): install Debian's package openssl"));
    openssl.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    let output = openssl.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).split_whitespace().last().expect("a code").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flip_tells_the_old_side_when_to_stop_and_when_it_may_be_closed() {
    let (receiver, dead) = (Receiver::start(204), Receiver::start(0));
    let folder = Folder::new("hooks");
    folder.write("secret", "correct horse\n");
    let hook = |on: &str, receiver: &Receiver| {
        format!(
            "{{ on = \"{on}\", url = \"{}\", secret_file = \"{}\" }}",
            receiver.url(&format!("/{on}")),
            folder.path().join("secret").display()
        )
    };
    let hooks = [
        hook("event", &dead),
        hook("on-draining", &dead),
        hook("on-draining", &receiver),
        hook("on-drained", &receiver),
        hook("event", &receiver),
    ];
    let pair = Pair::with(
        &format!(
            "min_interval = \"0s\"\nttl = \"5s\"\nfast_ttl = \"5s\"\ntail = \"0s\"\nrollout = {{ hooks = [{}] }}",
            hooks.join(", ")
        ),
        CALM,
    )
    .await;
    assert!(pair.answers(&pair.blue));
    assert!(receiver.calls("/on-draining").is_empty());
    pair.flip("green").await;

    let draining = receiver.called("/on-draining").await;
    let told = draining.json();
    assert_eq!((&told["switch"], &told["pool"]), (&json!("model"), &json!("blue")), "{told}");
    assert_eq!(told["addresses"], json!([pair.blue.address.to_string()]), "{told}");
    assert_eq!(draining.header("tidegate-event"), "on-draining");
    assert_eq!(draining.header("content-type"), "application/json");
    let signed = format!("{}.{}", draining.header("tidegate-timestamp"), draining.body);
    let expected = format!("sha256={}", openssl_hmac("correct horse", &signed));
    assert_eq!(draining.header("tidegate-signature"), expected);

    let drained = receiver.called("/on-drained").await;
    assert_eq!(drained.json()["pool"], "blue");
    let verdict = accepted(pair.server.api("GET", "/v1/switches/model/drain/blue", None).await);
    assert_eq!(verdict["state"], "drained", "told, and not before: {verdict}");

    // Whoever hears everything hears it in order.
    let events = eventually("the end of the drain is an event too", || async {
        let events = receiver.calls("/event");
        events.iter().any(|event| event.body.contains("\"drained\"")).then_some(events)
    })
    .await;
    let place = |word: &str| events.iter().position(|event| event.body.contains(word));
    assert!(place("\"flip\"") < place("\"draining\"") && place("\"draining\"") < place("\"drained\""), "{events:?}");
    assert!(events.iter().all(|event| event.json()["switch"] == "model"), "{events:?}");
    let mut ids: Vec<&str> = events.iter().map(|event| event.header("tidegate-delivery")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "one delivery, one name");
    assert!(!dead.calls("/event").is_empty(), "the dead one was called, and held up nobody");
    eventually("what was sent is counted", || async {
        let page = http().get(format!("http://{}/metrics", pair.server.admin)).send().await.expect("a page");
        let text = page.text().await.expect("a text");
        let line = "tidegate_hooks_total{hook=\"on-drained\",outcome=\"sent\"} 1";
        text.lines().any(|found| found == line).then_some(())
    })
    .await;
}

/// A plan that calls before its only step, in a hurry.
fn asking(on: &str, receiver: &Receiver) -> String {
    format!(
        "min_interval = \"0s\"\nrollout = {{ steps = [\"50%\", \"100%\"], hold = \"1s\", min_hold = \"1s\", settle = \"100ms\", \
         look_every = \"200ms\", hook_failures = 2, gates = [], \
         hooks = [{{ on = \"{on}\", url = \"{}\", timeout = \"200ms\" }}] }}",
        receiver.url("/ask")
    )
}

async fn phase(pair: &Pair) -> Value {
    accepted(pair.server.api("GET", "/v1/switches/model/rollout", None).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_waits_until_it_is_confirmed() {
    let receiver = Receiver::start(403);
    let pair = Pair::with(&asking("confirm-start", &receiver), CALM).await;
    accepted(pair.post("rollout", json!({ "to": "green" })).await);
    let call = receiver.called("/ask").await;
    let told = call.json();
    assert_eq!(
        (&told["event"], &told["switch"], &told["stable"], &told["canary"]),
        (&json!("confirm-start"), &json!("model"), &json!("blue"), &json!("green")),
        "{told}"
    );
    eventually("it asks again", || async { (receiver.calls("/ask").len() >= 2).then_some(()) }).await;
    assert_eq!(pair.weights().await["green"], 0, "nothing moved");
    receiver.status.store(200, Ordering::SeqCst);
    eventually("it goes on", || async { (phase(&pair).await["phase"] == "promoted").then_some(()) }).await;
    assert!(pair.answers(&pair.green));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_fails_when_a_pre_hook_refuses_time_and_again() {
    let receiver = Receiver::start(500);
    let pair = Pair::with(&asking("pre-step", &receiver), CALM).await;
    accepted(pair.post("rollout", json!({ "to": "green" })).await);
    let view =
        eventually("it fails", || async { Some(phase(&pair).await).filter(|view| view["phase"] == "failed") }).await;
    let said = view["timeline"].to_string();
    assert!(said.contains("status 500") && said.contains("says so!"), "{said}");
    assert!(receiver.calls("/ask").len() >= 2);
    assert!(pair.answers(&pair.blue) && pair.weights().await["green"] == 0);
}

/// A pool of two members that are updated one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_release_updates_one_member_at_a_time_by_its_hook() {
    use crate::backend::Backend;
    use crate::harness::Server;
    let updater = Receiver::start(200);
    let (one, two) = (Backend::start("v1"), Backend::start("v1"));
    let zone = format!(
        r#"[zone]
ns = ["ns1.example.test"]
[switch.model]
owners = ["model.example.test"]
ttl = 5
monitor = {{ http = "http://{{address}}:8080/health", expect_version = "/version", interval = "250ms", timeout = "250ms", rise = 1 }}
rollout = {{ kind = "rolling", min_hold = "1s", settle = "200ms", look_every = "200ms", member_hold = "1s", gates = [], hooks = [{{ on = "update", url = "{}" }}] }}
[switch.model.pool.blue]
members = ["{}", "{}"]
expect_version = "v1"
weight = 10000
"#,
        updater.url("/update"),
        one.address,
        two.address
    );
    let server = Server::start(&[("example.test.toml", &zone)]).await;
    let pool = || async { accepted(server.api("GET", "/v1/switches/model", None).await)["pools"][0].clone() };
    let answered = || server.short(&["A", "model.example.test"]).len();
    eventually("both members are answered", || async { (answered() == 2).then_some(()) }).await;
    accepted(server.api("POST", "/v1/switches/model/rollout", Some(json!({ "version": "v2" }))).await);
    for (number, member) in [&one, &two].into_iter().enumerate() {
        let call =
            eventually("the update is asked for", || async { updater.calls("/update").get(number).cloned() }).await;
        assert_eq!(call.json()["member"], member.address.to_string(), "{}", call.body);
        assert_eq!(call.json()["version"], "v2");
        assert!(!server.short(&["A", "model.example.test"]).contains(&member.address.to_string()));
        assert_eq!(answered(), 1, "the other one still answers");
        // It comes back as what it was: that is not the release.
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(answered(), 1);
        member.behave(|manner| manner.version = "v2".to_owned());
        eventually("the member is answered again", || async { (answered() == 2).then_some(()) }).await;
    }
    eventually("it is promoted", || async {
        let view = accepted(server.api("GET", "/v1/switches/model/rollout", None).await);
        (view["phase"] == "promoted").then_some(())
    })
    .await;
    assert_eq!(pool().await["expect_version"], "v2");
    assert_eq!(updater.calls("/update").len(), 2);
}

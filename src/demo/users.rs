//! Simulated users of a scenario: each asks DNS as its own network, keeps the answer for its TTL, sends
//! prompts, and reports how they went.

use super::{BLUE, GREEN};
use crate::control::Handle;
use crate::rollout::{Sample, SampleValue};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many there are.
const USERS: u8 = 120;

/// Time between two prompts of one user.
const THINK: Duration = Duration::from_millis(800);

/// How often measurements are handed in.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// What the steered name's A query looks like behind the header (RFC 1035 §4.1.2): name, type, class.
const QUESTION: &[u8] = b"\x05model\x07example\x04test\x00\x00\x01\x00\x01";

/// One prompt.
#[derive(Debug, Clone, Copy)]
struct Served {
    from: IpAddr,
    ok: bool,
    took: Duration,
}

/// Where the users find the world.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// Where DNS is answered.
    pub dns: SocketAddr,
    /// Port of the model servers.
    pub port: u16,
    /// Whom measurements are handed to.
    pub handle: Handle,
}

/// Lets users work until the future is dropped.
pub(super) async fn work(world: World) {
    let served = Arc::new(Mutex::new(Vec::new()));
    // Nothing a user does can fail to build: no TLS, no proxy.
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build() else { return };
    let mut users = JoinSet::new();
    for number in 0..USERS {
        users.spawn(user(number, world.clone(), client.clone(), served.clone()));
    }
    loop {
        tokio::time::sleep(REPORT_EVERY).await;
        let batch = served.lock().map(|mut served| std::mem::take(&mut *served)).unwrap_or_default();
        let samples = batch.iter().flat_map(samples).collect();
        if let Err(refused) = world.handle.samples("model", samples).await {
            tracing::warn!(%refused, "measurements were not taken");
        }
    }
}

/// What one prompt is evidence of.
fn samples(served: &Served) -> Vec<Sample> {
    let pool: Arc<str> = if served.from == BLUE { "blue".into() } else { "green".into() };
    let sample =
        |metric: &str, value| Sample { metric: metric.into(), pool: pool.clone(), at_unix_ms: None, id: None, value };
    let error = SampleValue::Count { count: if served.ok { 0.0 } else { 1.0 }, total: 1.0 };
    let latency = SampleValue::Value(served.took.as_secs_f64() * 1000.0);
    vec![sample("errors", error), sample("latency_ms", latency)]
}

/// One user's life.
async fn user(number: u8, world: World, client: reqwest::Client, served: Arc<Mutex<Vec<Served>>>) {
    let mut cached: Option<(IpAddr, Instant)> = None;
    tokio::time::sleep(THINK.mul_f64(f64::from(number) / f64::from(USERS))).await;
    loop {
        let begun = Instant::now();
        if cached.is_none_or(|(_, until)| until <= begun) {
            cached = ask(world.dns, number).await.map(|(address, ttl)| (address, begun + ttl));
        }
        if let Some((address, _)) = cached.filter(|(address, _)| [BLUE, GREEN].contains(address)) {
            let url = format!("http://{address}:{}/v1/completions", world.port);
            let reply = client.post(url).body(r#"{"prompt":"hi"}"#).send().await;
            let one = Served { from: address, ok: reply.is_ok_and(|r| r.status().is_success()), took: begun.elapsed() };
            if let Ok(mut served) = served.lock() {
                served.push(one);
            }
        }
        tokio::time::sleep_until(begun + THINK).await;
    }
}

/// Asks for the model's address as a client of 198.18.NUMBER.0/24 (RFC 7871); `None`: no answer in time.
async fn ask(dns: SocketAddr, number: u8) -> Option<(IpAddr, Duration)> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.ok()?;
    let mut query = vec![0, number, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    query.extend_from_slice(QUESTION);
    // OPT with a client subnet of 24 bits.
    query.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0, 198, 18, number]);
    socket.send_to(&query, dns).await.ok()?;
    let mut reply = [0; 512];
    let length = tokio::time::timeout(Duration::from_secs(2), socket.recv(&mut reply)).await.ok()?.ok()?;
    // The first answer stands behind the question: a pointer, type, class, TTL, length, address.
    let answer = reply.get(12 + QUESTION.len()..length)?;
    let ttl = u32::from_be_bytes(answer.get(6..10)?.try_into().ok()?);
    let address: [u8; 4] = answer.get(12..16)?.try_into().ok()?;
    Some((IpAddr::from(address), Duration::from_secs(u64::from(ttl))))
}

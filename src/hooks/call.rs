//! One attempt at one call: request, signature, answer in words.

use super::signature::{read_secret, sign};
use crate::clock;
use crate::rollout::Hook;
use futures_util::StreamExt;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use std::error::Error;
use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::timeout;

/// The most bytes read of an answer.
const READ_LIMIT: usize = 4096;
/// The most characters of an answer that are shown.
const SHOWN: usize = 500;

/// One client for all: connections are not kept, so a call never waits on a stale one.
static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    // An error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = || {
        let agent = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
        Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0).user_agent(agent)
    };
    // A machine without CA certificates can still call over plain HTTP.
    let client = settings().build().or_else(|_| settings().tls_certs_only([]).build());
    client.map_err(|problem| format!("no HTTP client: {}", cause(&problem)))
});

/// A name for one delivery that no other has; attempts of one notification share it.
pub(super) fn delivery_id() -> String {
    let mut bytes = [0; 16];
    clock::random_bytes(&mut bytes);
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Who answers at a URL: scheme, host and port; the text itself where it is no URL.
pub(super) fn receiver(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization())
}

/// Calls once.
///
/// # Errors
/// Anything but 2xx within the hook's time, in words and without the URL, which may hold secrets.
pub(super) async fn attempt(hook: &Hook, delivery: &str, body: &str) -> Result<(), String> {
    let limit = Duration::from_millis(hook.timeout_ms);
    // One limit over everything, reading the secret included: it may lie on a file system that hangs.
    timeout(limit, post(hook, delivery, body)).await.unwrap_or_else(|_| Err(timed_out(limit)))
}

async fn post(hook: &Hook, delivery: &str, body: &str) -> Result<(), String> {
    let client = CLIENT.as_ref().map_err(Clone::clone)?;
    let url = Url::parse(&hook.url).map_err(|problem| format!("the URL is not usable: {problem}"))?;
    let timestamp = (clock::unix_ms() / 1000).to_string();
    let mut request = client
        .post(url)
        .header("Content-Type", "application/json")
        .header("Tidegate-Event", hook.kind.word())
        .header("Tidegate-Delivery", delivery)
        .header("Tidegate-Timestamp", &timestamp);
    if let Some(file) = &hook.secret_file {
        request = request.header("Tidegate-Signature", sign(&read_secret(file).await?, &timestamp, body));
    }
    let reply = request.body(body.to_owned()).send().await.map_err(|problem| words(&problem))?;
    let status = reply.status();
    if status.is_success() {
        return Ok(());
    }
    let said = beginning(reply).await;
    let redirect = if status.is_redirection() { ", and redirects are not followed" } else { "" };
    Err(format!(
        "status {}, wanted 200-299{redirect}{}{said}",
        status.as_u16(),
        if said.is_empty() { "" } else { ": " }
    ))
}

/// What an answer says, as far as it is read, on one line.
async fn beginning(reply: Response) -> String {
    let mut bytes = Vec::new();
    let mut pieces = reply.bytes_stream();
    while bytes.len() < READ_LIMIT
        && let Some(Ok(piece)) = pieces.next().await
    {
        bytes.extend_from_slice(&piece);
    }
    bytes.truncate(READ_LIMIT);
    let text = String::from_utf8_lossy(&bytes);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let shown: String = line.chars().take(SHOWN).map(clean).collect();
    if line.chars().nth(SHOWN).is_some() { shown + " ..." } else { shown }
}

fn timed_out(limit: Duration) -> String {
    format!("no answer within {} ms", limit.as_millis())
}

fn words(problem: &reqwest::Error) -> String {
    let mut at: &dyn Error = problem;
    while let Some(inner) = at.source() {
        at = inner;
        if let Some(io) = at.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return "connection refused".to_owned();
        }
    }
    let doing = if problem.is_connect() { "cannot connect" } else { "the call failed" };
    format!("{doing}: {at}")
}

/// The cause that says most, without the URL, which may hold secrets.
fn cause(problem: &dyn Error) -> String {
    let mut at = problem;
    while let Some(inner) = at.source() {
        at = inner;
    }
    at.to_string()
}

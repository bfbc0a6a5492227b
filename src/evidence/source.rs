//! Fetching a reply that holds a number, within limits of time and size.

use futures_util::StreamExt;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use std::error::Error;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

/// The most bytes read of a reply: metrics pages of model servers reach a few hundred KiB.
const READ_LIMIT: usize = 4 * 1024 * 1024;

/// One client for all: connections are not kept, so a reading never waits on a stale one.
static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    // An error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = || {
        let agent = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
        Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0).user_agent(agent)
    };
    // A machine without CA certificates can still read over plain HTTP.
    let client = settings().build().or_else(|_| settings().tls_certs_only([]).build());
    client.map_err(|problem| format!("no HTTP client: {}", innermost(&problem)))
});

/// The URL with the address in it.
pub(super) fn url(template: &str, address: Option<IpAddr>) -> Result<Url, String> {
    let text = match address {
        Some(IpAddr::V6(v6)) => template.replace("{address}", &format!("[{v6}]")),
        Some(IpAddr::V4(v4)) => template.replace("{address}", &v4.to_string()),
        None => template.to_owned(),
    };
    Url::parse(&text).map_err(|problem| format!("URL {text:?} is not usable: {problem}"))
}

/// The body of a successful reply.
pub(super) async fn fetch(url: Url, limit: Duration) -> Result<Vec<u8>, String> {
    let client = CLIENT.as_ref().map_err(Clone::clone)?;
    let words = |problem: reqwest::Error| words(&problem, limit);
    let reply = client.get(url).timeout(limit).send().await.map_err(words)?;
    if !reply.status().is_success() {
        return Err(format!("status {}, wanted 200-299", reply.status().as_u16()));
    }
    body(reply).await.map_err(|problem| problem.map_or_else(|| "the reply is larger than 4 MiB".to_owned(), words))
}

/// Reads the body; `None` as the error says that it is too large.
async fn body(reply: Response) -> Result<Vec<u8>, Option<reqwest::Error>> {
    let mut body = Vec::new();
    let mut pieces = reply.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(Some)?;
        if body.len() + piece.len() > READ_LIMIT {
            return Err(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn words(problem: &reqwest::Error, limit: Duration) -> String {
    if problem.is_timeout() {
        return format!("timed out after {} ms", limit.as_millis());
    }
    let mut cause: &dyn Error = problem;
    while let Some(inner) = cause.source() {
        cause = inner;
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return "connection refused".to_owned();
        }
    }
    let doing = if problem.is_connect() { "cannot connect" } else { "reading failed" };
    format!("{doing}: {cause}")
}

/// The cause that says most, without the URL, which may hold secrets.
fn innermost(problem: &dyn Error) -> String {
    let mut cause = problem;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

//! Requests and replies over HTTP, within limits of time and size, and what went wrong in words.

use futures_util::StreamExt;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url};
use std::error::Error;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

/// The most bytes read of a reply: metrics pages of model servers reach a few hundred KiB.
const READ_LIMIT: usize = 4 * 1024 * 1024;

/// One client for all: connections are not kept, so a reading never waits on a stale one.
static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    // A machine without CA certificates can still read over plain HTTP.
    let client = settings().build().or_else(|_| settings().tls_certs_only([]).build());
    client.map_err(|problem| format!("no HTTP client: {}", innermost(&problem)))
});

/// A reply, whatever its status.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What the server thinks of it.
    pub(super) status: StatusCode,
    /// All of it.
    pub(super) body: Vec<u8>,
}

/// What every client has in common.
fn settings() -> ClientBuilder {
    // An error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let agent = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
    Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0).user_agent(agent)
}

/// A client that trusts the system's certificates, or those of `ca` (PEM) and no others.
pub(super) fn client(ca: Option<&[u8]>) -> Result<Client, String> {
    let Some(pem) = ca else { return CLIENT.clone() };
    let unusable = |problem: reqwest::Error| format!("the CA file is not usable: {}", innermost(&problem));
    let certificates = Certificate::from_pem_bundle(pem).map_err(unusable)?;
    if certificates.is_empty() {
        return Err("the CA file holds no certificate".to_owned());
    }
    settings().tls_certs_only(certificates).build().map_err(unusable)
}

/// A file named in the configuration, at most `limit` bytes of it.
pub(super) async fn read_file(what: &str, path: &str, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = async {
        let file = File::open(path).await?;
        file.take(limit + 1).read_to_end(&mut bytes).await
    };
    read.await.map_err(|problem| format!("can't read the {what} file {path}: {problem}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("the {what} file {path} is larger than {limit} bytes"));
    }
    Ok(bytes)
}

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
    let fetched = send(client(None)?.get(url), limit).await?;
    if !fetched.status.is_success() {
        return Err(format!("status {}, wanted 200-299", fetched.status.as_u16()));
    }
    Ok(fetched.body)
}

/// The reply to a request, within limits of time and size.
pub(super) async fn send(request: RequestBuilder, limit: Duration) -> Result<Fetched, String> {
    let words = |problem: reqwest::Error| words(&problem, limit);
    let reply = request.timeout(limit).send().await.map_err(words)?;
    let status = reply.status();
    let body = body(reply).await;
    let body = body.map_err(|problem| problem.map_or_else(|| "the reply is larger than 4 MiB".to_owned(), words))?;
    Ok(Fetched { status, body })
}

/// A limit that was reached, in words.
pub(super) fn timed_out(limit: Duration) -> String {
    format!("timed out after {} ms", limit.as_millis())
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
        return timed_out(limit);
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

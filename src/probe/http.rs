//! The `http` and `https` probe: one connection, one request (and the redirects asked for), over
//! HTTP/1.1 (RFC 9112) or HTTP/2 (RFC 9113).
//!
//! Every connection goes to the member's address; the URL gives port, path, and, unless the monitor
//! names a host of its own, Host and SNI. Replies are read up to fixed limits.

use super::attempt::{Deadline, Failure, Seen, connect};
use super::reply::{self, READ_LIMIT, Reply};
use super::tls::{self, TlsConfigs, TlsNeeds};
use super::words;
use crate::health::HttpCheck;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use regex::bytes::{Regex, RegexBuilder};
use reqwest::Url;
use rustls::ClientConfig;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// The most bytes of headers taken from a reply.
const HEADER_LIMIT: usize = 64 * 1024;
/// [`HEADER_LIMIT`] as HTTP/2 takes it.
const HEADER_LIST_LIMIT: u32 = 64 * 1024;
/// The most headers taken from a reply.
const HEADERS_LIMIT: usize = 128;
/// The HTTP/2 window: the peer may not send more than this ahead (RFC 9113 6.9.2).
const WINDOW: u32 = 65_535;
/// Bounds the automaton of a body expression, bytes.
const REGEX_LIMIT: usize = 4 * 1024 * 1024;

const WAITING: &str = "waiting for the reply";
const READING: &str = "reading the reply";

/// An `http` monitor, prepared.
pub(super) struct HttpPlan {
    check: HttpCheck,
    method: Method,
    headers: HeaderMap,
    body_regex: Option<Regex>,
    /// `None` when neither the URL nor a redirect can need it.
    tls: Option<Arc<ClientConfig>>,
}

/// A connection, plain or under TLS.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl HttpPlan {
    /// Prepares an `http` monitor.
    pub(super) fn new(check: &HttpCheck, configs: &mut TlsConfigs) -> Result<Self, String> {
        let body_regex = check.body_regex.as_deref().map(|text| RegexBuilder::new(text).size_limit(REGEX_LIMIT).build());
        let body_regex = body_regex.transpose().map_err(|problem| format!("the body expression is not usable: {problem}"))?;
        let needs_tls = check.redirects > 0 || check.url.starts_with("https:");
        let alpn = if check.http2 { "h2" } else { "http/1.1" };
        let needs = TlsNeeds { verify: check.verify, ca_pem: check.ca_pem.clone(), alpn: Some(alpn) };
        Ok(Self {
            method: Method::from_bytes(check.method.as_bytes()).map_err(|_| format!("{:?} is no HTTP method", check.method))?,
            headers: headers(check)?,
            body_regex,
            tls: if needs_tls { Some(configs.config(needs)?) } else { None },
            check: check.clone(),
        })
    }

    /// Carries it out.
    pub(super) async fn probe(
        &self,
        address: IpAddr,
        expect_version: Option<&str>,
        deadline: &Deadline,
        seen: &mut Seen,
    ) -> Result<(), Failure> {
        let mut url = self.url(address)?;
        let mut method = self.method.clone();
        let mut left = self.check.redirects;
        loop {
            let reply = self.exchange(&url, &method, address, deadline, seen).await?;
            let followed = if self.check.redirects > 0 { redirect(&url, &reply)? } else { None };
            let Some(next) = followed else {
                let check = &self.check;
                reply::judge(check, self.body_regex.as_ref(), expect_version, &reply, deadline.elapsed(), seen)?;
                return if url.scheme() == "https" { tls::lasts(seen, check.min_days) } else { Ok(()) };
            };
            left = left.checked_sub(1).ok_or_else(|| format!("more than {} redirects", self.check.redirects))?;
            url = next;
            // RFC 9110 15.4.8, 15.4.9: only 307 and 308 repeat the request as it was.
            if !matches!(reply.status.as_u16(), 307 | 308) && method != Method::HEAD {
                method = Method::GET;
            }
        }
    }

    fn url(&self, address: IpAddr) -> Result<Url, String> {
        let address = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        let text = self.check.url.replace("{address}", &address);
        let url = Url::parse(&text).map_err(|problem| format!("URL {text:?} is not usable: {problem}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("URL {text:?} is neither http nor https"));
        }
        Ok(url)
    }

    /// One request and its reply.
    async fn exchange(&self, url: &Url, method: &Method, address: IpAddr, deadline: &Deadline, seen: &mut Seen) -> Result<Reply, Failure> {
        let request = self.request(url, method)?;
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = connect(address, port, deadline).await?;
        let stream: Box<dyn Wire> = if url.scheme() == "https" {
            let config = self.tls.as_ref().ok_or_else(|| "TLS is not set up for this monitor".to_owned())?;
            let stream = tls::handshake(config, self.server_name(url)?, stream, deadline, seen).await?;
            if self.check.http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(Failure::Theirs("the server does not offer HTTP/2".to_owned()));
            }
            Box::new(stream)
        } else {
            Box::new(stream)
        };
        if self.check.http2 { over_http2(stream, request, deadline).await } else { over_http1(stream, request, deadline).await }
    }

    fn request(&self, url: &Url, method: &Method) -> Result<Request<Full<Bytes>>, String> {
        let authority = self.authority(url);
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let uri = if self.check.http2 { format!("{}://{authority}{path}", url.scheme()) } else { path };
        let uri: Uri = uri.parse().map_err(|problem| format!("URL {url} is not usable: {problem}"))?;
        let with_body = *method == self.method || !matches!(*method, Method::GET | Method::HEAD);
        let body = self.check.body.as_ref().filter(|_| with_body);
        let mut request = Request::new(Full::new(body.map_or_else(Bytes::new, |body| Bytes::from(body.clone()))));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        if self.check.http2 {
            headers.remove(header::HOST);
        } else {
            let host = HeaderValue::from_str(&authority).map_err(|_| format!("host {authority:?} is not usable"))?;
            headers.insert(header::HOST, host);
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(request)
    }

    /// What stands in Host: the monitor's own, its Host header, or the URL's.
    fn authority(&self, url: &Url) -> String {
        if let Some(host) = &self.check.host {
            return host.clone();
        }
        if let Some(host) = self.headers.get(header::HOST).and_then(|host| host.to_str().ok()) {
            return host.to_owned();
        }
        let host = url.host_str().unwrap_or_default();
        url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn server_name(&self, url: &Url) -> Result<rustls::pki_types::ServerName<'static>, String> {
        let authority = self.authority(url);
        let host = authority.parse::<hyper::http::uri::Authority>().map_or_else(|_| authority.clone(), |parsed| parsed.host().to_owned());
        let name = host.trim_start_matches('[').trim_end_matches(']');
        rustls::pki_types::ServerName::try_from(name.to_owned()).map_err(|_| format!("{name:?} is no name for TLS"))
    }
}

/// The operator's headers, with ours where they give none.
fn headers(check: &HttpCheck) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &check.headers {
        let named = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("header name {name:?} is not usable"))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of header {name} is not usable"))?;
        headers.append(named, value);
    }
    let ours = [
        (header::USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION"))),
        (header::ACCEPT, "*/*"),
    ];
    for (name, value) in ours {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if check.body.is_some() {
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    }
    Ok(headers)
}

/// Where a reply redirects to, if it does; only the same host counts as the member.
fn redirect(url: &Url, reply: &Reply) -> Result<Option<Url>, String> {
    if !matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = reply.headers.get(header::LOCATION) else {
        return Err(format!("status {} without a Location", reply.status.as_u16()));
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let next = url.join(&location).map_err(|_| format!("redirects to {}, which is no URL", words::quote(&location)))?;
    if next.host() != url.host() || !matches!(next.scheme(), "http" | "https") {
        return Err(format!("redirects to {}, which is not this member", words::quote(&location)));
    }
    Ok(Some(next))
}

async fn over_http1(stream: Box<dyn Wire>, request: Request<Full<Bytes>>, deadline: &Deadline) -> Result<Reply, Failure> {
    let mut settings = http1::Builder::new();
    settings.max_buf_size(HEADER_LIMIT).max_headers(HEADERS_LIMIT);
    let opened = deadline.step(WAITING, settings.handshake(TokioIo::new(stream))).await?;
    let (mut sender, connection) = opened.map_err(|problem| words::http_failure(&problem, WAITING))?;
    drive(connection, async { read(deadline, sender.send_request(request)).await }).await
}

async fn over_http2(stream: Box<dyn Wire>, request: Request<Full<Bytes>>, deadline: &Deadline) -> Result<Reply, Failure> {
    let tasks = Tasks::default();
    let mut settings = http2::Builder::new(tasks.executor());
    settings.max_header_list_size(HEADER_LIST_LIMIT).initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let opened = deadline.step(WAITING, settings.handshake(TokioIo::new(stream))).await?;
    let (mut sender, connection) = opened.map_err(|problem| words::http_failure(&problem, WAITING))?;
    drive(connection, async { read(deadline, sender.send_request(request)).await }).await
}

/// Runs the connection beside the exchange that needs it, and ends it with the exchange. When the
/// connection failed, its error says more than the exchange's.
async fn drive(
    connection: impl Future<Output = hyper::Result<()>>,
    exchange: impl Future<Output = Result<Reply, Failure>>,
) -> Result<Reply, Failure> {
    let (mut connection, mut exchange) = (pin!(connection), pin!(exchange));
    let mut broken = None;
    let mut open = true;
    let reply = loop {
        tokio::select! {
            biased;
            reply = &mut exchange => break reply,
            ended = &mut connection, if open => {
                open = false;
                broken = ended.err();
            }
        }
    };
    match (reply, broken) {
        (Err(_), Some(problem)) => Err(words::http_failure(&problem, WAITING)),
        (reply, _) => reply,
    }
}

/// Awaits the reply and reads its first [`READ_LIMIT`] bytes.
async fn read(deadline: &Deadline, reply: impl Future<Output = hyper::Result<Response<Incoming>>>) -> Result<Reply, Failure> {
    let reply = deadline.step(WAITING, reply).await?.map_err(|problem| words::http_failure(&problem, WAITING))?;
    let (head, mut incoming) = reply.into_parts();
    let mut body = Vec::new();
    let mut cut = false;
    while let Some(frame) = deadline.step(READING, incoming.frame()).await? {
        let frame = frame.map_err(|problem| words::http_failure(&problem, READING))?;
        let Some(data) = frame.data_ref() else { continue };
        let room = READ_LIMIT - body.len();
        body.extend_from_slice(data.get(..room).unwrap_or(data));
        if data.len() > room {
            cut = true;
            break;
        }
    }
    Ok(Reply { status: head.status, headers: head.headers, body, cut })
}

/// The tasks an HTTP/2 connection spawns; they end with the attempt, whatever the peer does.
#[derive(Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// Spawns into [`Tasks`].
#[derive(Clone)]
struct TasksExecutor(std::sync::Weak<Mutex<JoinSet<()>>>);

impl Tasks {
    fn executor(&self) -> TasksExecutor {
        TasksExecutor(Arc::downgrade(&self.0))
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for TasksExecutor {
    fn execute(&self, task: F) {
        // Without the attempt there is nobody to run the task for.
        if let Some(tasks) = self.0.upgrade() {
            tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).spawn(task);
        }
    }
}

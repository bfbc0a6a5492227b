//! DNS over HTTPS (RFC 8484): GET and POST of one path, over HTTP/2 and HTTP/1.1 (HTTP/3: `quic`).
//!
//! HTTP is hyper's, because hickory-server's own listener knows no GET, no limits and answers a
//! wrong request by dropping it; requests and responses are hickory-server's (`reencode`).
//! A reply may be kept by the client alone (`private`), for no longer than its TTL: which pool it
//! names is for this client. Seats and idle times are those of the other stream transports; a reply
//! counts as held, and holds the snapshot, until HTTP has taken it, for `stall` at most.

mod untaken;

use super::reencode::{Answered, Handler};
use super::stream::Service;
use super::stream::table::{Held, Seat};
use crate::clock;
use crate::metrics::Count;
use crate::snapshot::Snapshot;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use untaken::{Noted, Ticket, Untaken};

/// The media type of queries and replies (RFC 8484 §6).
const DNS_MESSAGE: &str = "application/dns-message";
/// Longest query, bytes.
pub(super) const MESSAGE: usize = u16::MAX as usize;
/// Requests of one HTTP/2 connection at a time.
const STREAMS: u32 = 64;
/// Bytes of a request over HTTP/2 that may come before they are read.
const STREAM_WINDOW: u32 = 66 << 10;
/// The same of all requests of a connection.
const WINDOW: u32 = 128 << 10;
/// Bytes of request headers; a GET carries its query there, 4/3 of its size.
pub(super) const HEADERS: u32 = 16 << 10;

/// One connection, as its requests see it.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) handler: Handler,
    pub(super) client: SocketAddr,
    pub(super) path: Arc<str>,
    /// Where the same is offered over HTTP/3 (RFC 7838).
    pub(super) alternative: Option<HeaderValue>,
    pub(super) seat: Arc<Seat>,
    /// Its replies that HTTP has not taken.
    pub(super) untaken: Arc<Untaken>,
}

/// A reply that is held, with what it was made from, until HTTP has taken it.
struct HeldReply {
    bytes: Vec<u8>,
    _held: Held,
    _snapshot: Arc<Snapshot>,
    _ticket: Ticket,
}

/// Why a body was not read.
enum Unread {
    TooLong,
    Full,
    Broken,
}

impl AsRef<[u8]> for HeldReply {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Serves one TLS connection until the client leaves, is idle for too long or is asked to leave.
pub(super) async fn converse<S>(
    stream: S,
    client: SocketAddr,
    path: Arc<str>,
    alternative: Option<HeaderValue>,
    service: Arc<Service>,
    seat: Seat,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = *service.table.limits();
    let (seat, untaken, shared) = (Arc::new(seat), Arc::<Untaken>::default(), Arc::clone(&service));
    let stream = Noted::new(stream, &untaken);
    let visitor = Visitor {
        handler: Handler(service),
        client,
        path,
        alternative,
        seat: Arc::clone(&seat),
        untaken: Arc::clone(&untaken),
    };
    let router = Router::new().fallback(visit).with_state(visitor);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.query.max(limits.idle)).max_buf_size(128 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(64 << 10);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let mut overdue = pin!(untaken.overdue(limits.stall));
    let mut deadline = Instant::now() + seat.table().idle();
    let mut leaving = false;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = overdue.as_mut() => return shared.writer.add(Count::SlowReader, 1),
            () = seat.asked_to_leave(), if !leaving => {}
            () = sleep_until(deadline) => {
                let left = seat.idle_left(clock::boot_ms());
                if !left.is_zero() && !leaving {
                    deadline = Instant::now() + left;
                    continue;
                }
            }
        }
        if leaving {
            return;
        }
        // What was asked is still answered, for as long as a slow reader may take.
        connection.as_mut().graceful_shutdown();
        (leaving, deadline) = (true, Instant::now() + limits.stall);
    }
}

/// What a response says of HTTP/3 at the port it came from (RFC 7838).
pub(super) fn alternative(port: u16) -> Option<HeaderValue> {
    format!("h3=\":{port}\"; ma=86400").parse().ok()
}

async fn visit(State(visitor): State<Visitor>, request: Request) -> Response {
    let mut response = visitor.respond(request).await;
    if let Some(alternative) = visitor.alternative {
        response.headers_mut().insert(header::ALT_SVC, alternative);
    }
    response
}

impl Visitor {
    /// The response to a request, whichever version of HTTP brought it.
    pub(super) async fn respond(&self, request: Request) -> Response {
        if request.uri().path() != &*self.path {
            return refuse(StatusCode::NOT_FOUND, "there is nothing here but DNS, at the path that was configured");
        }
        match *request.method() {
            Method::GET => self.by_get(request.uri().query().unwrap_or("")).await,
            Method::POST => self.by_post(request).await,
            _ => {
                let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "DNS over HTTPS is GET or POST (RFC 8484)");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
                response
            }
        }
    }

    /// RFC 8484 §4.1: the query is the variable `dns`, base64url without padding.
    async fn by_get(&self, variables: &str) -> Response {
        let encoded = variables.split('&').find_map(|pair| pair.strip_prefix("dns="));
        let Some(message) = encoded.and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok())
        else {
            return refuse(
                StatusCode::BAD_REQUEST,
                "the query variable dns holds a DNS message as base64url (RFC 8484)",
            );
        };
        self.answer(message).await
    }

    /// RFC 8484 §4.1: the query is the body.
    async fn by_post(&self, request: Request) -> Response {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if media_type.and_then(|value| value.split(';').next()).map(str::trim) != Some(DNS_MESSAGE) {
            return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is of type application/dns-message");
        }
        let limit = self.seat.table().limits().query;
        match timeout(limit, self.read(request.into_body())).await {
            Ok(Ok((message, _held))) => self.answer(message).await,
            Ok(Err(Unread::TooLong)) => refuse(StatusCode::PAYLOAD_TOO_LARGE, "a DNS message has at most 65535 octets"),
            Ok(Err(Unread::Full)) => self.full("too many queries are under way"),
            Ok(Err(Unread::Broken)) => refuse(StatusCode::BAD_REQUEST, "the body broke off"),
            Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        }
    }

    /// Reads a body; its octets count as held.
    async fn read(&self, mut body: Body) -> Result<(Vec<u8>, Held), Unread> {
        let mut held = self.seat.table().hold_nothing();
        let mut message = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            if message.len() + data.len() > MESSAGE {
                return Err(Unread::TooLong);
            }
            if !held.grow(data.len()) {
                return Err(Unread::Full);
            }
            message.extend_from_slice(&data);
        }
        Ok((message, held))
    }

    fn full(&self, why: &'static str) -> Response {
        self.handler.0.writer.add(Count::MemoryLimit, 1);
        refuse(StatusCode::SERVICE_UNAVAILABLE, why)
    }

    async fn answer(&self, message: Vec<u8>) -> Response {
        let arrived_ns = clock::boot_ns();
        let Some(Answered { bytes: reply, fresh_s, snapshot }) = self.handler.answer(self.client, message).await else {
            return refuse(StatusCode::BAD_REQUEST, "this is not a DNS query");
        };
        let Some(held) = self.seat.table().hold(reply.len()) else {
            return self.full("too many replies wait to be taken");
        };
        let answered_ns = clock::boot_ns();
        self.handler.0.writer.took(1, answered_ns.saturating_sub(arrived_ns));
        self.seat.touch(answered_ns / 1_000_000);
        let body = Bytes::from_owner(HeldReply {
            bytes: reply,
            _held: held,
            _snapshot: snapshot,
            _ticket: self.untaken.begin(),
        });
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(DNS_MESSAGE));
        let kept = HeaderValue::try_from(format!("private, max-age={fresh_s}"))
            .expect("digits and letters are a header value");
        headers.insert(header::CACHE_CONTROL, kept);
        response
    }
}

fn refuse(status: StatusCode, why: &'static str) -> Response {
    (status, why).into_response()
}

impl Seat {
    /// How much of its idle time a connection has left.
    pub(super) fn idle_left(&self, now_ms: u64) -> Duration {
        let idle_for = Duration::from_millis(now_ms.saturating_sub(self.last_query_ms()));
        self.table().idle().saturating_sub(idle_for)
    }
}

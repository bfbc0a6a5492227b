//! One request and its reply over a connection at hand, HTTP/1.1 or HTTP/2, within fixed limits.
//!
//! Nothing outlives the exchange: the connection is driven beside it and dropped with it.

use super::attempt::{Deadline, Failure};
use super::reply::{READ_LIMIT, Reply};
use super::words;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use std::future::Future;
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

const WAITING: &str = "waiting for the reply";
const READING: &str = "reading the reply";

/// A connection, plain or under TLS.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Over HTTP/1.1 (RFC 9112).
pub(super) async fn over_http1(
    stream: Box<dyn Wire>,
    request: Request<Full<Bytes>>,
    deadline: &Deadline,
) -> Result<Reply, Failure> {
    let mut settings = http1::Builder::new();
    settings.max_buf_size(HEADER_LIMIT).max_headers(HEADERS_LIMIT);
    let opened = deadline.step(WAITING, settings.handshake(TokioIo::new(stream))).await?;
    let (mut sender, connection) = opened.map_err(|problem| words::http_failure(&problem, WAITING))?;
    drive(connection, async { read(deadline, sender.send_request(request)).await }).await
}

/// Over HTTP/2 (RFC 9113).
pub(super) async fn over_http2(
    stream: Box<dyn Wire>,
    request: Request<Full<Bytes>>,
    deadline: &Deadline,
) -> Result<Reply, Failure> {
    let tasks = Tasks::default();
    let mut settings = http2::Builder::new(tasks.executor());
    settings
        .max_header_list_size(HEADER_LIST_LIMIT)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
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
async fn read(
    deadline: &Deadline,
    reply: impl Future<Output = hyper::Result<Response<Incoming>>>,
) -> Result<Reply, Failure> {
    let reply = deadline.step(WAITING, reply).await?.map_err(|problem| words::http_failure(&problem, WAITING))?;
    let (head, mut incoming) = reply.into_parts();
    let mut body = Vec::new();
    let mut trailers = HeaderMap::new();
    let mut cut = false;
    while let Some(frame) = deadline.step(READING, incoming.frame()).await? {
        let frame = frame.map_err(|problem| words::http_failure(&problem, READING))?;
        let Some(data) = frame.data_ref() else {
            trailers.extend(frame.into_trailers().unwrap_or_default());
            continue;
        };
        let room = READ_LIMIT - body.len();
        body.extend_from_slice(data.get(..room).unwrap_or(data));
        if data.len() > room {
            cut = true;
            break;
        }
    }
    Ok(Reply { status: head.status, headers: head.headers, trailers, body, cut })
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn whatever_a_server_says_ends_in_a_reply_or_in_words(
            http2 in any::<bool>(), start in prop_oneof![Just(""), Just("HTTP/1.1 200 OK\r\n"), Just("\0\0\0\x04\0\0\0\0\0")],
            noise in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let ended = runtime.block_on(async {
                let (ours, mut theirs) = tokio::io::duplex(256 * 1024);
                theirs.write_all(start.as_bytes()).await.unwrap();
                theirs.write_all(&noise).await.unwrap();
                theirs.shutdown().await.unwrap();
                let mut request = Request::new(Full::new(Bytes::new()));
                *request.uri_mut() = if http2 { "http://app.example.test/".parse().unwrap() } else { "/".parse().unwrap() };
                let deadline = Deadline::starting_now(1000);
                if http2 { over_http2(Box::new(ours), request, &deadline).await } else { over_http1(Box::new(ours), request, &deadline).await }
            });
            if let Err(failure) = ended {
                prop_assert!(matches!(failure, Failure::Theirs(text) if !text.is_empty()));
            }
        }
    }
}

//! DNS over HTTP/3 (RFC 9114, RFC 8484): the requests of `https`, brought by QUIC.
//!
//! A request has its time to come whole, and its response `stall` to be taken, while which it holds the
//! snapshot it was made from.

use super::super::reencode::Handler;
use super::super::stream::table::Seat;
use super::https::{HEADERS, MESSAGE, Visitor};
use super::metered::{Metered, Stream};
use super::{REQUESTS, Service};
use crate::clock;
use crate::metrics::Count;
use axum::body::{Body, to_bytes};
use axum::http::Response;
use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use h3_quinn::BidiStream;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// Serves one connection until the client leaves, is idle for too long or is asked to leave.
pub(super) async fn converse(connection: quinn::Connection, path: Arc<str>, service: Arc<Service>, seat: Seat) {
    let limits = *service.table.limits();
    let seat = Arc::new(seat);
    let client = connection.remote_address();
    let transport = Metered::new(connection.clone(), Arc::clone(&service));
    let visitor = Visitor {
        handler: Handler(service),
        client,
        path,
        alternative: None,
        seat: Arc::clone(&seat),
        untaken: Arc::default(),
    };
    let mut builder = h3::server::builder();
    builder.max_field_section_size(HEADERS.into()).send_grease(false);
    let Ok(Ok(mut http)) = timeout(limits.query, builder.build::<_, Bytes>(transport)).await else {
        return visitor.handler.0.writer.add(Count::HandshakeFailed, 1);
    };
    let mut requests = JoinSet::new();
    let mut accepted_so_far = 0;
    let mut deadline = Instant::now() + seat.table().idle();
    let mut leaving = false;
    loop {
        tokio::select! {
            accepted = http.accept() => match accepted {
                Ok(Some(request)) => {
                    requests.spawn(respond(request, visitor.clone()));
                    accepted_so_far += 1;
                    if leaving || accepted_so_far < REQUESTS {
                        continue;
                    }
                }
                Ok(None) | Err(_) => break,
            },
            Some(_) = requests.join_next() => continue,
            () = seat.asked_to_leave(), if !leaving => {}
            () = sleep_until(deadline) => {
                let left = seat.idle_left(clock::boot_ms());
                if !left.is_zero() && !leaving {
                    deadline = Instant::now() + left;
                    continue;
                }
            }
        }
        // What was asked is still answered, for as long as a slow reader may take.
        // GOAWAY names the first request that is not answered (RFC 9114 §5.2): the one behind the last that came.
        if leaving || !matches!(timeout(limits.stall, http.shutdown(1)).await, Ok(Ok(()))) {
            break;
        }
        (leaving, deadline) = (true, Instant::now() + limits.stall);
    }
    // A connection that is closed forgets what was not acknowledged: a client that has everything may say so
    // by closing, and what is lost is sent again meanwhile.
    let rest = async {
        while requests.join_next().await.is_some() {}
        connection.closed().await;
    };
    let _ = timeout(limits.stall * 2, rest).await;
}

/// Answers one request. One that is late, or whose response is not taken, loses its stream.
async fn respond(request: RequestResolver<Metered, Bytes>, visitor: Visitor) {
    let limits = *visitor.seat.table().limits();
    let writer = &visitor.handler.0.writer;
    let arrival = async {
        let (request, mut stream) = request.resolve_request().await.ok()?;
        let body = body(&mut stream).await?;
        Some((request, body, stream))
    };
    let (request, body, mut stream) = match timeout(limits.query, arrival).await {
        Ok(Some(arrived)) => arrived,
        Ok(None) => return,
        Err(_) => return writer.add(Count::SlowSender, 1),
    };
    let response = visitor.respond(request.map(|()| Body::from(body))).await;
    let (head, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else { return };
    let write = async {
        stream.send_response(Response::from_parts(head, ())).await.ok()?;
        stream.send_data(body).await.ok()?;
        stream.finish().await.ok()
    };
    if timeout(limits.stall, write).await.is_err() {
        writer.add(Count::SlowReader, 1);
        stream.stop_stream(Code::H3_EXCESSIVE_LOAD);
    }
}

/// The body of a request, cut off behind the octet that makes it too long.
async fn body(stream: &mut RequestStream<Stream<BidiStream<Bytes>>, Bytes>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(mut chunk) = stream.recv_data().await.ok()? {
        let taken = chunk.remaining().min(MESSAGE + 1 - body.len());
        body.extend_from_slice(&chunk.copy_to_bytes(taken));
        if body.len() > MESSAGE {
            stream.stop_sending(Code::H3_NO_ERROR);
            break;
        }
    }
    Some(body)
}

//! DNS over QUIC (RFC 9250): a query and its reply on each stream, behind two octets of length.
//!
//! What the protocol forbids ends the connection with DOQ_PROTOCOL_ERROR (§4.3.3); what is slow ends its
//! stream. The snapshot is held until QUIC has taken the reply, for `stall` at most. A connection that ends
//! has been given all replies to what was asked, and time to acknowledge them.

use super::super::https::MESSAGE;
use super::super::reencode::{Answered, Handler};
use super::super::stream::table::{Held, Seat};
use super::Service;
use crate::clock;
use crate::dns::Qname;
use crate::dns::query;
use crate::metrics::Count;
use futures_util::FutureExt;
use quinn::{Connection, ReadError, RecvStream, SendStream, VarInt};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// DOQ_NO_ERROR (RFC 9250 §4.3).
const NO_ERROR: VarInt = VarInt::from_u32(0);
/// DOQ_PROTOCOL_ERROR.
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
/// DOQ_REQUEST_CANCELLED.
const REQUEST_CANCELLED: VarInt = VarInt::from_u32(3);
/// DOQ_EXCESSIVE_LOAD.
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);

/// Shortest message: a header (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// What ends one stream, or all of the connection.
enum Fault {
    /// The client broke the protocol: the connection ends.
    Protocol(&'static str),
    /// The stream ends with this code, and is counted, if at all, as this.
    Stream(VarInt, Option<Count>),
}

/// Answers until the client leaves, is idle for too long or is asked to leave.
pub(super) async fn converse(connection: Connection, service: Arc<Service>, seat: Seat) {
    let limits = *service.table.limits();
    // The address that has proven itself: a later one may be forged until its path is validated (RFC 9000 §9.3).
    let client = connection.remote_address();
    let (seat, handler) = (Arc::new(seat), Handler(service));
    let mut exchanges = JoinSet::new();
    let mut deadline = Instant::now() + seat.table().idle();
    loop {
        tokio::select! {
            stream = connection.accept_bi() => match stream {
                Ok(stream) => {
                    exchanges.spawn(exchange(stream, client, connection.clone(), handler.clone(), Arc::clone(&seat)));
                }
                Err(_) => return,
            },
            Some(_) = exchanges.join_next() => {}
            () = seat.asked_to_leave() => break,
            () = sleep_until(deadline) => {
                let left = seat.idle_left(clock::boot_ms());
                if left.is_zero() {
                    break;
                }
                deadline = Instant::now() + left;
            }
        }
    }
    // What has arrived is still answered.
    while let Some(Ok(stream)) = connection.accept_bi().now_or_never() {
        exchanges.spawn(exchange(stream, client, connection.clone(), handler.clone(), Arc::clone(&seat)));
    }
    let rest = async { while exchanges.join_next().await.is_some() {} };
    // What is not finished by then is cut off.
    let _ = timeout(limits.stall * 2, rest).await;
    connection.close(NO_ERROR, b"");
}

/// Reads one query and writes its reply.
async fn exchange(
    (mut send, mut recv): (SendStream, RecvStream),
    client: SocketAddr,
    connection: Connection,
    handler: Handler,
    seat: Arc<Seat>,
) {
    match answer(&mut send, &mut recv, client, &handler, &seat).await {
        Ok(()) => {
            // A connection that is closed forgets what was not acknowledged: the stream is kept until it is.
            let _ = timeout(seat.table().limits().query, send.stopped()).await;
        }
        Err(Fault::Protocol(why)) => {
            handler.0.writer.add(Count::Malformed, 1);
            // Before the stream is dropped, which would end it as if there were an empty reply.
            connection.close(PROTOCOL_ERROR, why.as_bytes());
        }
        Err(Fault::Stream(code, count)) => {
            if let Some(count) = count {
                handler.0.writer.add(count, 1);
            }
            // Streams that have ended already need no code.
            let _ = (recv.stop(code), send.reset(code));
        }
    }
}

async fn answer(
    send: &mut SendStream,
    recv: &mut RecvStream,
    client: SocketAddr,
    handler: &Handler,
    seat: &Seat,
) -> Result<(), Fault> {
    let (service, table) = (&handler.0, seat.table());
    let limits = table.limits();
    let (query, _held) = timeout(limits.query, read(recv, seat))
        .await
        .map_err(|_| Fault::Stream(EXCESSIVE_LOAD, Some(Count::SlowSender)))??;
    check(&query)?;
    let arrived_ns = clock::boot_ns();
    let Answered { mut bytes, snapshot, .. } =
        handler.answer(client, query).await.ok_or(Fault::Protocol("this is a reply, not a query"))?;
    let len = u16::try_from(bytes.len()).unwrap_or(0);
    bytes.splice(0..0, len.to_be_bytes());
    let _held = table.hold(bytes.len()).ok_or(Fault::Stream(EXCESSIVE_LOAD, Some(Count::MemoryLimit)))?;
    let write = async {
        send.write_all(&bytes).await.ok()?;
        send.finish().ok()
    };
    match timeout(limits.stall, write).await {
        Ok(Some(())) => {}
        Ok(None) => return Err(Fault::Stream(REQUEST_CANCELLED, None)),
        Err(_) => return Err(Fault::Stream(EXCESSIVE_LOAD, Some(Count::SlowReader))),
    }
    drop(snapshot);
    let written_ns = clock::boot_ns();
    service.writer.took(1, written_ns.saturating_sub(arrived_ns));
    seat.touch(written_ns / 1_000_000);
    Ok(())
}

/// Reads one message to the end of its stream (RFC 9250 §4.2); its octets count as held.
async fn read(recv: &mut RecvStream, seat: &Seat) -> Result<(Vec<u8>, Held), Fault> {
    let mut all: Vec<u8> = Vec::new();
    let full = Fault::Stream(EXCESSIVE_LOAD, Some(Count::MemoryLimit));
    let mut held = seat.table().hold_nothing();
    loop {
        match recv.read_chunk(2 + MESSAGE, true).await {
            Ok(Some(chunk)) => {
                all.extend_from_slice(&chunk.bytes);
                if !held.grow(chunk.bytes.len()) {
                    return Err(full);
                }
                if let Some((len, rest)) = all.split_first_chunk::<2>()
                    && rest.len() > usize::from(u16::from_be_bytes(*len))
                {
                    return Err(Fault::Protocol("more than one message on a stream"));
                }
            }
            Ok(None) => break,
            Err(ReadError::Reset(_)) => return Err(Fault::Stream(REQUEST_CANCELLED, None)),
            Err(_) => return Err(Fault::Stream(NO_ERROR, None)),
        }
    }
    match all.split_first_chunk::<2>() {
        Some((len, rest)) if rest.len() == usize::from(u16::from_be_bytes(*len)) && rest.len() >= HEADER => {
            all.drain(..2);
            Ok((all, held))
        }
        _ => Err(Fault::Protocol("a stream ended inside a message")),
    }
}

/// What a message over QUIC must not have: an ID of its own (RFC 9250 §4.2.1), edns-tcp-keepalive (§5.5.2).
fn check(message: &[u8]) -> Result<(), Fault> {
    if message.first_chunk::<2>() != Some(&[0, 0]) {
        return Err(Fault::Protocol("the message ID is not 0"));
    }
    let mut edns = None;
    // Whatever else is wrong with it, the answer says.
    let _ = query::read(message, message.len(), &mut Qname::default(), &mut edns);
    match edns {
        Some(edns) if edns.keepalive.is_some() => Err(Fault::Protocol("edns-tcp-keepalive over QUIC")),
        _ => Ok(()),
    }
}

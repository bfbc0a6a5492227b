//! QUIC as HTTP/3 takes it, with limits on what a peer makes us keep.
//!
//! h3 buffers a frame until it is whole, of unknown types too, whatever length its header names. So the octets
//! of each stream have a limit here; those of requests also count as held until their stream is dropped.

use super::super::stream::table::Held;
use super::Service;
use super::https::{HEADERS, MESSAGE};
use crate::metrics::Count;
use bytes::Bytes;
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, RecvStream, SendStream, StreamErrorIncoming, StreamId, WriteBuf};
use h3_quinn::{BidiStream, Connection};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Octets of a stream of the connection itself, over its life: settings, priorities of
/// [`super::REQUESTS`] requests. They do not count as held: QUIC's own windows let in more.
const OF_CONNECTION: usize = 32 << 10;
/// Octets of a request: its headers, its body, and what comes with the octet that makes it too long.
const OF_REQUEST: usize = HEADERS as usize + MESSAGE + super::STREAM_WINDOW as usize;

/// A connection whose streams are metered.
pub(super) struct Metered {
    quic: Connection,
    own: Opener,
}

/// A stream that may bring so many octets more.
pub(super) struct Stream<S> {
    stream: S,
    left: usize,
    held: Option<Held>,
    service: Arc<Service>,
}

/// Opens streams; only those of the connection itself are opened here.
pub(super) struct Opener {
    quic: h3_quinn::OpenStreams,
    service: Arc<Service>,
}

impl Metered {
    pub(super) fn new(connection: quinn::Connection, service: Arc<Service>) -> Self {
        let quic = Connection::new(connection);
        let own = Opener { quic: quic::Connection::<Bytes>::opener(&quic), service };
        Self { quic, own }
    }
}

impl<S> Stream<S> {
    fn of_connection(stream: S, service: &Arc<Service>) -> Self {
        Self { stream, left: OF_CONNECTION, held: None, service: Arc::clone(service) }
    }

    fn of_request(stream: S, service: &Arc<Service>) -> Self {
        let held = Some(service.table.hold_nothing());
        Self { stream, left: OF_REQUEST, held, service: Arc::clone(service) }
    }

    /// Counts what came.
    fn count(&mut self, octets: usize) -> Result<(), Count> {
        self.left = self.left.checked_sub(octets).ok_or(Count::Malformed)?;
        let fits = self.held.as_mut().is_none_or(|held| held.grow(octets));
        fits.then_some(()).ok_or(Count::MemoryLimit)
    }
}

impl quic::Connection<Bytes> for Metered {
    type RecvStream = Stream<h3_quinn::RecvStream>;
    type OpenStreams = Opener;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<Bytes>::poll_accept_recv(&mut self.quic, cx))?;
        Poll::Ready(Ok(Stream::of_connection(stream, &self.own.service)))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::BidiStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<Bytes>::poll_accept_bidi(&mut self.quic, cx))?;
        Poll::Ready(Ok(Stream::of_request(stream, &self.own.service)))
    }

    fn opener(&self) -> Opener {
        Opener { quic: quic::Connection::<Bytes>::opener(&self.quic), service: Arc::clone(&self.own.service) }
    }
}

impl quic::OpenStreams<Bytes> for Metered {
    type BidiStream = Stream<BidiStream<Bytes>>;
    type SendStream = h3_quinn::SendStream<Bytes>;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
        self.own.poll_open_bidi(cx)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        self.own.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.own.close(code, reason);
    }
}

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = Stream<BidiStream<Bytes>>;
    type SendStream = h3_quinn::SendStream<Bytes>;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
        let stream = ready!(self.quic.poll_open_bidi(cx))?;
        Poll::Ready(Ok(Stream::of_request(stream, &self.service)))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        self.quic.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<Bytes>::close(&mut self.quic, code, reason);
    }
}

impl<S: RecvStream<Buf = Bytes>> RecvStream for Stream<S> {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let data = ready!(self.stream.poll_data(cx))?;
        if let Some(data) = &data
            && let Err(why) = self.count(data.len())
        {
            self.service.writer.add(why, 1);
            self.stream.stop_sending(Code::H3_EXCESSIVE_LOAD.value());
            // Of a stream of the connection itself, h3 makes this the end of the connection.
            return Poll::Ready(Err(StreamErrorIncoming::Unknown(Box::new(io::Error::from(
                io::ErrorKind::QuotaExceeded,
            )))));
        }
        Poll::Ready(Ok(data))
    }

    fn stop_sending(&mut self, code: u64) {
        self.stream.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.stream.recv_id()
    }
}

impl SendStream<Bytes> for Stream<BidiStream<Bytes>> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_ready(cx)
    }

    fn send_data<D: Into<WriteBuf<Bytes>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        self.stream.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.stream.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.stream.send_id()
    }
}

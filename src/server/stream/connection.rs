//! One connection of a stream transport: read, answer all that is complete, write once.
//!
//! Queries may be pipelined (RFC 7766 §6.2.1.1): all complete ones of a read are answered with one
//! write. A connection that waits owns no buffer; bytes of an unfinished query are counted against
//! a common limit. The snapshot is held from before the first answer until the write has ended,
//! which a slow reader cannot delay past `stall`: then the connection is closed.
//! What the answer path defers is handed over, and its reply written in its place before the connection
//! reads on ([`super::handed_over`]).
//! A client that has closed its sending side still gets its answers (RFC 7766 §6.2.4).

use super::super::tally;
use super::Service;
use super::scratch::{READ, Scratch, WRITE};
use super::table::{Held, Seat};
use crate::answer::{self, Asker, Kind, respond_or_defer};
use crate::clock;
use crate::dns::Qname;
use crate::dns::cookie::Cookies;
use crate::metrics::{Count, Tally};
use crate::snapshot::Snapshot;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

/// Shortest message: a header (RFC 1035 §4.1.1).
const HEADER: usize = 12;
/// Longest message, by its two-byte length (RFC 1035 §4.2.2).
const MESSAGE: usize = u16::MAX as usize;
/// A send that ended this much later than its promises were written moves them, milliseconds.
const LATE_MS: u64 = 1000;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client closed, or was idle, or was asked to leave: everything asked was answered.
    Done,
    /// A length that cannot be a query's.
    Malformed,
    /// A query did not complete in time.
    SlowSender,
    /// A reply was not taken in time.
    SlowReader,
    /// Too much unfinished data over all connections.
    MemoryLimit,
    /// What was handed over got no reply, or one that was cut short.
    Unanswered,
    /// The connection broke.
    Broken,
}

impl Ended {
    /// The counter of this end, if it has one.
    pub(super) fn count(self) -> Option<Count> {
        match self {
            Self::Done | Self::Broken => None,
            Self::Malformed => Some(Count::Malformed),
            Self::SlowSender => Some(Count::SlowSender),
            Self::SlowReader => Some(Count::SlowReader),
            Self::MemoryLimit => Some(Count::MemoryLimit),
            Self::Unanswered => Some(Count::Unanswered),
        }
    }
}

/// What a read brought.
enum Arrival {
    /// This many bytes stand in the buffer, those of the unfinished query first.
    Bytes(Scratch<READ>, usize),
    /// The client will send no more, or was idle for too long.
    Closed,
    /// The table wants the seat back.
    AskedToLeave,
}

/// A connection and what it has not finished.
pub(super) struct Conversation<'a, S> {
    pub(super) stream: S,
    pub(super) client: SocketAddr,
    pub(super) service: &'a Service,
    pub(super) seat: &'a Seat,
    /// Bytes that came but are not answered: an unfinished query, or what one write had no room for.
    partial: Vec<u8>,
    held: Option<Held>,
    /// When the unfinished query has to be complete, or the connection idle for too long.
    deadline: Instant,
}

/// Where the replies to one read stand.
struct Replies {
    written: usize,
    consumed: usize,
    malformed: bool,
    answered: u64,
    /// A message that is not answered here: nothing behind it was looked at.
    deferred: Option<Vec<u8>>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Conversation<'a, S> {
    pub(super) fn new(stream: S, client: SocketAddr, service: &'a Service, seat: &'a Seat) -> Self {
        let deadline = Instant::now() + seat.table().idle();
        Self { stream, client, service, seat, partial: Vec::new(), held: None, deadline }
    }

    /// Answers until either side ends it, and says why.
    pub(super) async fn run(mut self) -> Ended {
        let ended = self.converse().await.unwrap_or_else(|ended| ended);
        if matches!(ended, Ended::Done | Ended::Malformed) {
            // A client that is gone cannot be told; there is nothing left to do about an error.
            let _ = timeout(self.seat.table().limits().stall, self.stream.shutdown()).await;
        }
        ended
    }

    async fn converse(&mut self) -> Result<Ended, Ended> {
        loop {
            let leaving = self.seat.is_leaving();
            let arrival = if self.has_complete_query() { self.take_partial() } else { self.arrival(leaving).await? };
            let (buffer, filled) = match arrival {
                Arrival::Bytes(buffer, filled) => (buffer, filled),
                Arrival::AskedToLeave => continue,
                Arrival::Closed => return Ok(Ended::Done),
            };
            let arrived_ns = clock::boot_ns();
            let snapshot = self.service.cell.load_full();
            let mut out = Scratch::<WRITE>::borrow();
            let mut tallies = Vec::new();
            let unread = buffer.get(..filled).unwrap_or(&[]);
            let mut replies = self.answer(&snapshot, unread, &mut out, &mut tallies);
            self.keep(unread.get(replies.consumed..).unwrap_or(&[]), replies.consumed > 0)?;
            drop(buffer);
            self.write(out, replies.written, &tallies).await?;
            drop(snapshot);
            if let Some(message) = replies.deferred.take() {
                self.hand_over(message).await?;
                replies.answered += 1;
            }
            if replies.malformed {
                return Ok(Ended::Malformed);
            }
            if replies.answered > 0 {
                let written_ns = clock::boot_ns();
                self.service.writer.took(replies.answered, written_ns.saturating_sub(arrived_ns));
                self.seat.touch(written_ns / 1_000_000);
                self.extend_deadline();
            }
            if leaving && !self.has_complete_query() {
                return Ok(Ended::Done);
            }
        }
    }

    /// An answered query earns another idle period; an unfinished one keeps its own deadline.
    fn extend_deadline(&mut self) {
        if self.partial.is_empty() {
            self.deadline = Instant::now() + self.seat.table().idle();
        }
    }

    fn has_complete_query(&self) -> bool {
        self.partial
            .split_first_chunk::<2>()
            .is_some_and(|(len, rest)| rest.len() >= usize::from(u16::from_be_bytes(*len)))
    }

    fn take_partial(&mut self) -> Arrival {
        let mut buffer = Scratch::<READ>::borrow();
        let filled = self.partial.len().min(READ);
        buffer[..filled].copy_from_slice(&self.partial[..filled]);
        Arrival::Bytes(buffer, filled)
    }

    /// Waits for bytes, for the deadline, or to be asked to leave.
    async fn arrival(&mut self, leaving: bool) -> Result<Arrival, Ended> {
        let (seat, deadline, unfinished) = (self.seat, self.deadline, !self.partial.is_empty());
        if leaving {
            // What has arrived is answered; nothing is waited for.
            let arrival = poll_fn(|cx| Poll::Ready(self.poll_arrival(cx))).await;
            return match arrival {
                Poll::Ready(arrival) => arrival.map_err(|_| Ended::Broken),
                Poll::Pending => Ok(Arrival::Closed),
            };
        }
        tokio::select! {
            biased;
            arrival = timeout_at(deadline, poll_fn(|cx| self.poll_arrival(cx))) => match arrival {
                Ok(arrival) => arrival.map_err(|_| Ended::Broken),
                Err(_) if unfinished => Err(Ended::SlowSender),
                Err(_) => Ok(Arrival::Closed),
            },
            () = seat.asked_to_leave() => Ok(Arrival::AskedToLeave),
        }
    }

    fn poll_arrival(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<Arrival>> {
        let mut buffer = Scratch::<READ>::borrow();
        let kept = self.partial.len().min(READ - 1);
        buffer[..kept].copy_from_slice(&self.partial[..kept]);
        let mut room = ReadBuf::new(&mut buffer);
        room.set_filled(kept);
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let filled = room.filled().len();
        Poll::Ready(Ok(if filled == kept { Arrival::Closed } else { Arrival::Bytes(buffer, filled) }))
    }

    /// Answers the complete queries at the start of `unread` into `out`, as far as there is room.
    fn answer(&self, snapshot: &Snapshot, unread: &[u8], out: &mut [u8], tallies: &mut Vec<Tally>) -> Replies {
        let mut replies = Replies { written: 0, consumed: 0, malformed: false, answered: 0, deferred: None };
        let cookies = self.service.cookies();
        while let Some((len, rest)) = unread.get(replies.consumed..).and_then(|unread| unread.split_first_chunk::<2>())
        {
            let len = usize::from(u16::from_be_bytes(*len));
            if len < HEADER {
                replies.malformed = true;
                break;
            }
            let Some((query, room)) = rest.get(..len).zip(out.get_mut(replies.written..)) else { break };
            let Some((prefix, room)) = room.split_first_chunk_mut::<2>() else { break };
            let Some(message) = room.get_mut(..MESSAGE) else { break };
            message[..len].copy_from_slice(query);
            replies.consumed += 2 + len;
            let copies = self.service.copy_query(self.client, query);
            let reply = self.answer_one(snapshot, cookies.as_ref(), message, len, tallies);
            self.service.hand_over_copies(copies, message.get(..reply.unwrap_or(0)).unwrap_or(&[]));
            let Some(reply) = reply else {
                replies.deferred = Some(query.to_vec());
                break;
            };
            if let Ok(reply_len @ 1..) = u16::try_from(reply) {
                *prefix = reply_len.to_be_bytes();
                replies.written += 2 + reply;
                replies.answered += 1;
            }
        }
        replies
    }

    /// The length of the reply that takes the place of the query; `None` for what is handed over.
    fn answer_one(
        &self,
        snapshot: &Snapshot,
        cookies: Option<&Cookies>,
        message: &mut [u8],
        len: usize,
        tallies: &mut Vec<Tally>,
    ) -> Option<usize> {
        let asker =
            Asker { client: self.client.ip(), transport: self.service.protocol.transport(), draw: self.service.draw() };
        let mut outcome = respond_or_defer(&mut Qname::default(), snapshot, &asker, cookies, message, len);
        let writer = &self.service.writer;
        writer.add(Count::Received, 1);
        if outcome.kind == Kind::Deferred {
            if self.service.desk.is_some() {
                return None;
            }
            outcome = answer::respond_with(snapshot, &asker, cookies, message, len);
        }
        if outcome.len == 0 {
            writer.add(Count::Dropped, 1);
            return Some(0);
        }
        writer.response(outcome.rcode);
        if outcome.truncated {
            writer.add(Count::Truncated, 1);
        }
        if let Some(chosen) = outcome.choice {
            tallies.push(tally(&chosen));
        }
        Some(outcome.len)
    }

    /// Keeps what was not answered; `progress` says whether a query before it was.
    fn keep(&mut self, rest: &[u8], progress: bool) -> Result<(), Ended> {
        if rest.is_empty() {
            self.partial = Vec::new();
            self.held = None;
            return Ok(());
        }
        if progress || self.partial.is_empty() {
            self.deadline = Instant::now() + self.seat.table().limits().query;
        }
        self.held = None;
        self.held = Some(self.seat.table().hold(rest.len()).ok_or(Ended::MemoryLimit)?);
        self.partial = rest.to_vec();
        Ok(())
    }

    /// Writes `out[..len]`. What the client does not take at once moves out of the lent buffer.
    async fn write(&mut self, out: Scratch<WRITE>, len: usize, tallies: &[Tally]) -> Result<(), Ended> {
        if len == 0 {
            return Ok(());
        }
        let now_ms = clock::boot_ms();
        self.service.writer.answers(now_ms, tallies);
        let mut rest = out.get(..len).unwrap_or(&[]);
        let stream = &mut self.stream;
        let finished = poll_fn(|cx| Poll::Ready(poll_write_all(stream, cx, &mut rest))).await;
        let written = match finished {
            Poll::Ready(written) => written,
            Poll::Pending => {
                let rest = rest.to_vec();
                drop(out);
                let table: &Arc<_> = self.seat.table();
                let _held = table.hold(rest.len()).ok_or(Ended::MemoryLimit)?;
                let slow = async {
                    self.stream.write_all(&rest).await?;
                    self.stream.flush().await
                };
                timeout(table.limits().stall, slow).await.map_err(|_| Ended::SlowReader)?
            }
        };
        let sent_ms = clock::boot_ms();
        if sent_ms >= now_ms + LATE_MS {
            self.service.writer.extend_promises(sent_ms, tallies);
        }
        written.map_err(|_| Ended::Broken)
    }
}

/// Writes and flushes as far as it goes without waiting.
fn poll_write_all<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut std::task::Context<'_>,
    rest: &mut &[u8],
) -> Poll<io::Result<()>> {
    while !rest.is_empty() {
        let written = std::task::ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *rest = rest.get(written..).unwrap_or(&[]);
    }
    Pin::new(stream).poll_flush(cx)
}

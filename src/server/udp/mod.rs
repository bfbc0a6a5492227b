//! UDP: one thread per address and worker, batches in, batches out.
//!
//! A worker receives up to 32 datagrams, answers each in the buffer it came in, and sends the
//! replies in one call. It holds one snapshot from before the first answer until the send call has
//! returned, and none while it waits: so once nobody holds an older snapshot, no older answer can
//! leave. It takes no lock, allocates nothing per query and never logs one.
//! Sending may block for [`SEND_WAIT`] when the interface is full; what then does not fit is
//! counted and lost, as UDP may be.

mod grouping;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;
#[cfg(target_os = "linux")]
pub(crate) mod syscalls;

use super::rate_limit::{Limiter, RateLimit, Verdict};
use super::{CookieSecrets, tally};
use crate::answer::{Asker, Transport, respond_reusing};
use crate::clock::{self, Draws};
use crate::dns::Qname;
use crate::dns::cookie::Cookies;
use crate::dns::cut::cut_to_question;
use crate::metrics::{Count, SoleWriter, Tally};
use crate::snapshot::{Snapshot, SnapshotCell};
use grouping::{BATCH, Group, Reply};
#[cfg(not(target_os = "linux"))]
use portable as syscalls;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
pub(super) use syscalls::take_listen_fds;
use syscalls::{Batch, Wait};
pub(crate) use syscalls::{return_free_memory, spare_memory, stand_back};

/// How long a receive waits before the worker looks whether it should stop.
pub(super) const RECEIVE_WAIT: Duration = Duration::from_millis(250);
/// How long a send may wait for room in the socket's buffer.
pub(super) const SEND_WAIT: Duration = Duration::from_millis(100);
/// How long a stopping worker goes on answering what is already queued, milliseconds.
const DRAIN_MS: u64 = 1000;
/// A send that ended this much later than its promises were written moves them, milliseconds.
const LATE_MS: u64 = 1000;
/// Pause after a receive error that is not a time-out, so that a broken socket cannot spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// What every worker keeps to.
pub(super) struct Policy {
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) cookies: Option<CookieSecrets>,
}

/// One worker's socket and everything it touches.
pub(super) struct Worker {
    socket: UdpSocket,
    with_local: bool,
    cell: Arc<SnapshotCell>,
    stop: Arc<AtomicBool>,
    writer: SoleWriter,
    draws: Draws,
    limiter: Option<Limiter>,
    secrets: Option<CookieSecrets>,
    /// The secrets with the time of `cookies_at_ms`, read anew each second.
    cookies: Option<Cookies>,
    cookies_at_ms: u64,
    batch: Batch,
    /// The name of the query that is answered.
    qname: Qname,
    replies: Vec<Reply>,
    spare: Vec<Reply>,
    groups: Vec<Group>,
    tallies: Vec<Tally>,
    max_segment: usize,
}

impl Worker {
    /// A worker for a bound, configured socket; `with_local` if it is bound to a wildcard address.
    pub(super) fn new(
        socket: UdpSocket,
        with_local: bool,
        cell: Arc<SnapshotCell>,
        stop: Arc<AtomicBool>,
        writer: SoleWriter,
        policy: Policy,
    ) -> Self {
        let max_segment = if syscalls::knows_segments(&socket) { syscalls::MESSAGE } else { 0 };
        Self {
            socket,
            with_local,
            cell,
            stop,
            writer,
            draws: Draws::seeded(),
            limiter: policy.rate_limit.map(|limit| Limiter::new(limit, (clock::random_u64(), clock::random_u64()))),
            secrets: policy.cookies,
            cookies: policy.cookies.map(CookieSecrets::at_present),
            cookies_at_ms: clock::boot_ms(),
            batch: Batch::new(),
            qname: Qname::default(),
            replies: Vec::with_capacity(BATCH),
            spare: Vec::with_capacity(BATCH),
            groups: Vec::with_capacity(BATCH),
            tallies: Vec::with_capacity(BATCH),
            max_segment,
        }
    }

    /// Answers until told to stop, then answers what is still queued.
    pub(super) fn run(mut self) {
        while !self.stop.load(Relaxed) {
            self.survive(Wait::ForOne);
        }
        let started_ms = clock::boot_ms();
        while self.survive(Wait::Never) && clock::boot_ms() < started_ms + DRAIN_MS {}
    }

    /// One batch. A panic is a bug of ours: it costs this batch, not the worker. Everything a batch
    /// leaves behind is overwritten by the next.
    fn survive(&mut self, wait: Wait) -> bool {
        let turned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.turn(wait)));
        turned.unwrap_or_else(|_| {
            self.writer.add(Count::Panicked, 1);
            true
        })
    }

    /// One batch. False when there was nothing to receive.
    fn turn(&mut self, wait: Wait) -> bool {
        match self.batch.receive(&self.socket, wait, self.with_local) {
            Ok(count) => {
                self.answer(count);
                true
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) =>
            {
                false
            }
            Err(_) => {
                self.writer.add(Count::ReceiveFailed, 1);
                std::thread::sleep(ERROR_PAUSE);
                false
            }
        }
    }

    fn answer(&mut self, count: usize) {
        let arrived_ns = clock::boot_ns();
        let arrived_ms = arrived_ns / 1_000_000;
        if arrived_ms >= self.cookies_at_ms + 1000 {
            (self.cookies, self.cookies_at_ms) = (self.secrets.map(CookieSecrets::at_present), arrived_ms);
        }
        let snapshot = self.cell.load();
        self.replies.clear();
        self.tallies.clear();
        for slot in 0..count {
            self.answer_one(&snapshot, slot, arrived_ms);
        }
        self.writer.add(Count::Received, count as u64);
        self.writer.add(Count::Batches, 1);
        let now_ms = clock::boot_ms();
        self.writer.answers(now_ms, &self.tallies);
        grouping::arrange(&mut self.replies, self.max_segment, &mut self.spare, &mut self.groups);
        self.send();
        drop(snapshot);
        let sent_ns = clock::boot_ns();
        if sent_ns / 1_000_000 >= now_ms + LATE_MS {
            self.writer.extend_promises(sent_ns / 1_000_000, &self.tallies);
        }
        self.writer.took(self.replies.len() as u64, sent_ns.saturating_sub(arrived_ns));
    }

    #[inline]
    fn answer_one(&mut self, snapshot: &Snapshot, slot: usize, arrived_ms: u64) {
        let received = self.batch.received(slot);
        let Some((client, peer)) = received.client.filter(|_| !received.oversize) else {
            return self.writer.add(if received.oversize { Count::Oversize } else { Count::Dropped }, 1);
        };
        let asker = Asker { client, transport: Transport::Udp, draw: self.draws.next_draw() };
        let (qname, cookies) = (&mut self.qname, self.cookies.as_ref());
        let mut outcome = respond_reusing(qname, snapshot, &asker, cookies, received.message, received.len);
        if outcome.len == 0 {
            return self.writer.add(Count::Dropped, 1);
        }
        // A client that shows a cookie of ours is not forged (RFC 7873 §5.2.3).
        if let Some(limiter) = self.limiter.as_mut().filter(|_| !outcome.knows_us) {
            match limiter.judge(client, &outcome, received.message, arrived_ms) {
                Verdict::Send => {}
                Verdict::Slip => {
                    outcome.len = cut_to_question(received.message, outcome.len);
                    (outcome.truncated, outcome.choice) = (true, None);
                    self.writer.add(Count::Slipped, 1);
                }
                Verdict::Drop => return self.writer.add(Count::RateLimited, 1),
            }
        }
        self.replies.push(Reply { slot, len: outcome.len, client: peer, local: received.local });
        self.writer.response(outcome.rcode);
        if outcome.truncated {
            self.writer.add(Count::Truncated, 1);
        }
        if let Some(chosen) = outcome.choice {
            self.tallies.push(tally(&chosen));
        }
    }

    /// Sends the groups. An error costs the reply it belongs to; a full buffer costs the rest.
    fn send(&mut self) {
        let mut next = 0;
        while let Some(groups) = self.groups.get(next..).filter(|groups| !groups.is_empty()) {
            let error = match self.batch.send(&self.socket, &self.replies, groups) {
                Ok(sent) if sent > 0 => {
                    let grouped =
                        groups.iter().take(sent).filter(|group| group.count > 1).map(|group| group.count as u64).sum();
                    self.writer.add(Count::Grouped, grouped);
                    next += sent;
                    continue;
                }
                Ok(_) => return,
                Err(error) => error,
            };
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => {
                    let lost = groups.iter().map(|group| group.count as u64).sum();
                    self.writer.add(Count::SendFailed, lost);
                    return;
                }
                _ if groups[0].count > 1 => self.ungroup(next, &error),
                _ => {
                    self.writer.add(Count::SendFailed, 1);
                    next += 1;
                }
            }
        }
    }

    /// The kernel refused a group: its replies, and whatever follows, leave one by one. A size it
    /// cannot cut (path MTU, no checksum offload: EIO) is not tried again by this worker.
    fn ungroup(&mut self, next: usize, error: &io::Error) {
        let refused = self.groups[next];
        match error.raw_os_error() {
            Some(libc::EMSGSIZE | libc::EINVAL) => self.max_segment = refused.segment.saturating_sub(1),
            Some(libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT) => self.max_segment = 0,
            _ => {}
        }
        self.groups.truncate(next);
        let rest = self.replies.iter().enumerate().skip(refused.first);
        self.groups.extend(rest.map(|(first, reply)| Group { first, count: 1, segment: reply.len }));
    }
}

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
mod tapping;

use super::deferred::{Back, Deferred, Desk, ReplyHandle};
use super::rate_limit::summary::Notes;
use super::rate_limit::{Limiter, RateLimit, Verdict};
use super::tap::Tap;
use super::{CookieOffer, tally};
use crate::answer::{self, Asker, Kind, Outcome, Transport, respond_or_defer};
use crate::clock::{self, Draws};
use crate::dns::cookie::Cookies;
use crate::dns::cut::cut_to_question;
use crate::dns::{Qname, Rcode};
use crate::metrics::{Count, SoleWriter, Tally};
use crate::snapshot::{Snapshot, SnapshotCell};
use grouping::{BATCH, Group, Local, Reply};
#[cfg(not(target_os = "linux"))]
use portable as syscalls;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
pub(super) use syscalls::take_listen_fds;
use syscalls::{Batch, Wait};
pub(crate) use syscalls::{return_free_memory, spare_memory, stand_back};
use tapping::Tapping;
use tokio::sync::mpsc;

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
    pub(super) cookies: Option<CookieOffer>,
    pub(super) notes: mpsc::Sender<Notes>,
    pub(super) desk: Option<Desk>,
    /// The tap, and the address of the socket.
    pub(super) tap: Option<(Tap, SocketAddr)>,
}

/// The way back to a client of a datagram, for a reply that leaves later than its batch.
#[derive(Debug)]
pub(super) struct Way {
    socket: Arc<UdpSocket>,
    client: SocketAddr,
    local: Option<Local>,
}

impl Way {
    /// Sends a datagram, or loses it when the interface is full.
    pub(super) fn send(&self, message: &[u8]) -> io::Result<()> {
        syscalls::send_from(&self.socket, message, self.client, self.local)
    }
}

/// One worker's socket and everything it touches.
pub(super) struct Worker {
    socket: Arc<UdpSocket>,
    /// Where it is bound; nothing that says it comes from there is answered.
    bound: SocketAddr,
    /// Its port as it stands in addresses, for the one comparison that every query pays.
    own_port: u16,
    with_local: bool,
    cell: Arc<SnapshotCell>,
    stop: Arc<AtomicBool>,
    writer: SoleWriter,
    draws: Draws,
    limiter: Option<Limiter>,
    /// Where it is told whose responses were limited.
    notes: mpsc::Sender<Notes>,
    offer: Option<CookieOffer>,
    /// Who takes what is not answered here.
    desk: Option<Desk>,
    /// The secrets in force with the time of `second_ms`.
    cookies: Option<Cookies>,
    /// When what is done each second was done, boot clock.
    second_ms: u64,
    batch: Batch,
    /// Copies batches, where somebody watches.
    tapping: Option<Tapping>,
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
        // A socket without an address is none of ours; port 0 is no client's either way.
        let bound = socket.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        Self {
            socket: Arc::new(socket),
            bound,
            own_port: bound.port().to_be(),
            with_local,
            cell,
            stop,
            writer,
            draws: Draws::seeded(),
            limiter: policy.rate_limit.map(|limit| Limiter::new(limit, (clock::random_u64(), clock::random_u64()))),
            notes: policy.notes,
            desk: policy.desk,
            cookies: policy.cookies.as_ref().map(CookieOffer::at_present),
            offer: policy.cookies,
            second_ms: clock::boot_ms(),
            batch: Batch::new(),
            tapping: policy.tap.map(|(tap, bound)| Tapping::new(tap, bound)),
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
                self.each_second(clock::boot_ms());
                false
            }
            Err(_) => {
                self.writer.add(Count::ReceiveFailed, 1);
                std::thread::sleep(ERROR_PAUSE);
                false
            }
        }
    }

    /// What need not be done for every batch.
    #[cold]
    fn each_second(&mut self, now_ms: u64) {
        self.second_ms = now_ms;
        self.cookies = self.offer.as_ref().map(CookieOffer::at_present);
        if let Some(limiter) = &mut self.limiter {
            limiter.report(&self.notes);
        }
    }

    fn answer(&mut self, count: usize) {
        let arrived_ns = clock::boot_ns();
        let arrived_ms = arrived_ns / 1_000_000;
        if arrived_ms >= self.second_ms + 1000 {
            self.each_second(arrived_ms);
        }
        let snapshot = self.cell.load();
        self.replies.clear();
        self.tallies.clear();
        if let Some(tapping) = &mut self.tapping {
            tapping.queries(&mut self.batch, count);
        }
        for slot in 0..count {
            self.answer_one(&snapshot, slot, arrived_ms);
        }
        self.writer.add(Count::Received, count as u64);
        self.writer.add(Count::Batches, 1);
        if let Some(tapping) = &mut self.tapping {
            tapping.replies(&mut self.batch, &self.replies);
        }
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
        if self.batch.is_from_port(slot, self.own_port) && self.is_from_here(slot) {
            return self.writer.add(Count::Dropped, 1);
        }
        let received = self.batch.received(slot);
        let Some((client, peer)) = received.client.filter(|_| !received.oversize) else {
            return self.writer.add(if received.oversize { Count::Oversize } else { Count::Dropped }, 1);
        };
        let asker = Asker { client, transport: Transport::Udp, draw: self.draws.next_draw() };
        let (qname, cookies) = (&mut self.qname, self.cookies.as_ref());
        let mut outcome = respond_or_defer(qname, snapshot, &asker, cookies, received.message, received.len);
        if outcome.len == 0 {
            return match outcome.kind {
                Kind::Deferred => self.defer(snapshot, &asker, slot, arrived_ms),
                _ => self.writer.add(Count::Dropped, 1),
            };
        }
        if may_leave(&mut self.limiter, &mut self.writer, client, &mut outcome, received.message, arrived_ms) {
            let reply = Reply { slot, len: outcome.len, client: peer, local: received.local };
            self.push(reply, &outcome);
        }
    }

    /// Whether a query from our port came from our address, too: its reply would come back to us.
    #[cold]
    fn is_from_here(&mut self, slot: usize) -> bool {
        let own = self.batch.local_of(slot).map_or(self.bound.ip(), |local| local.address);
        self.batch.client_of(slot).is_some_and(|client| client.ip() == own)
    }

    /// A reply that leaves with this batch.
    #[inline(always)]
    fn push(&mut self, reply: Reply, outcome: &Outcome) {
        self.replies.push(reply);
        self.writer.response(outcome.rcode);
        if outcome.truncated {
            self.writer.add(Count::Truncated, 1);
        }
        if let Some(chosen) = &outcome.choice {
            self.tallies.push(tally(chosen));
        }
    }

    /// Hands over a message that is not answered here; refuses it when nobody takes it.
    #[cold]
    fn defer(&mut self, snapshot: &Snapshot, asker: &Asker, slot: usize, arrived_ms: u64) {
        let (address, local) = (self.batch.client_of(slot), self.batch.local_of(slot));
        let received = self.batch.received(slot);
        let (Some((client, peer)), Some(address)) = (received.client, address) else { return };
        let (message, len) = (received.message, received.len);
        let mut outcome = match &self.desk {
            Some(desk) => {
                // What the reply will be is not known yet: it is limited as an error is, before any work for it.
                let mut refused = Outcome { kind: Kind::Deferred, ..Outcome::SILENCE };
                if !may_leave(&mut self.limiter, &mut self.writer, client, &mut refused, message, arrived_ms) {
                    return;
                }
                if refused.truncated {
                    let declined = answer::decline(message, len, Rcode::REFUSED);
                    let len = cut_to_question(message, declined.len);
                    let reply = Reply { slot, len, client: peer, local: received.local };
                    return self.push(reply, &Outcome { len, truncated: true, ..declined });
                }
                let back = Back::Datagram(Some(Way { socket: Arc::clone(&self.socket), client: address, local }));
                let message_as_it_came = message.get(..len).unwrap_or(&[]).to_vec();
                if desk.hand_over(Deferred {
                    message: message_as_it_came,
                    client: address,
                    transport: Transport::Udp,
                    reply: ReplyHandle(back),
                }) {
                    return self.writer.add(Count::Deferred, 1);
                }
                self.writer.add(Count::DeferralsFull, 1);
                answer::decline(message, len, Rcode::SERVFAIL)
            }
            None => answer::respond_with(snapshot, asker, self.cookies.as_ref(), message, len),
        };
        if may_leave(&mut self.limiter, &mut self.writer, client, &mut outcome, message, arrived_ms) {
            let reply = Reply { slot, len: outcome.len, client: peer, local: received.local };
            self.push(reply, &outcome);
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

/// Whether the rate limit lets a reply leave, which it may cut down.
#[inline(always)]
fn may_leave(
    limiter: &mut Option<Limiter>,
    writer: &mut SoleWriter,
    client: IpAddr,
    outcome: &mut Outcome,
    message: &mut [u8],
    arrived_ms: u64,
) -> bool {
    // A client that shows a cookie of ours is not forged (RFC 7873 §5.2.3).
    let Some(limiter) = limiter.as_mut().filter(|_| !outcome.knows_us) else { return true };
    match limiter.judge(client, outcome, message, arrived_ms) {
        Verdict::Send => true,
        Verdict::Note => {
            writer.add(Count::RateNoted, 1);
            true
        }
        Verdict::Slip => {
            outcome.len = cut_to_question(message, outcome.len);
            (outcome.truncated, outcome.choice) = (true, None);
            writer.add(Count::Slipped, 1);
            true
        }
        Verdict::Drop => {
            writer.add(Count::RateLimited, 1);
            false
        }
    }
}

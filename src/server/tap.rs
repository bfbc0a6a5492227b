//! Copies of queries and replies for whoever watches (dnstap): made here, written elsewhere.
//!
//! Answering threads copy octets and hand them over in a bounded channel; when that is full, or what waits
//! takes too much memory, copies are lost and counted. Nothing here waits.

use crate::answer::Transport;
use crate::clock::{self, Draws};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc;

/// Copies that wait to be written: of a batch of datagrams, or of one message of a stream.
const WAITING: usize = 1024;
/// Octets that wait to be written.
const WAITING_OCTETS: usize = 8 << 20;

/// What became of copies.
#[derive(Debug, Default)]
pub struct TapTotals {
    /// Messages written to the reader.
    pub sent: AtomicU64,
    /// Messages lost, because the reader was slow or away.
    pub dropped: AtomicU64,
    /// Whether a reader is connected.
    pub connected: AtomicBool,
}

/// Takes copies from answering threads.
#[derive(Debug, Clone)]
pub struct Tap {
    to: mpsc::Sender<Copies>,
    waiting: Arc<AtomicUsize>,
    totals: Arc<TapTotals>,
    chance: u32,
}

/// Copies that were made together.
#[derive(Debug)]
pub struct Copies {
    /// How the queries came.
    pub transport: Transport,
    /// When they came, nanoseconds since 1970.
    pub arrived_ns: u64,
    /// When they were answered, nanoseconds since 1970.
    pub answered_ns: u64,
    /// Each query with its reply.
    pub exchanges: Vec<Exchange>,
    octets: Vec<u8>,
    held: Option<(Arc<AtomicUsize>, usize)>,
}

/// A query, and its reply if there was one.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Who asked.
    pub client: SocketAddr,
    /// The address that was asked, where that is known.
    pub server: Option<SocketAddr>,
    query: Range<usize>,
    reply: Option<Range<usize>>,
}

/// A tap, and where what it takes comes out. `chance` is the share of queries, of 2^32 - 1.
#[must_use]
pub fn tap(chance: u32) -> (Tap, mpsc::Receiver<Copies>, Arc<TapTotals>) {
    let (to, copies) = mpsc::channel(WAITING);
    let totals = Arc::new(TapTotals::default());
    (Tap { to, waiting: Arc::default(), totals: Arc::clone(&totals), chance }, copies, totals)
}

impl Tap {
    /// Whether the next query is one of the sample.
    pub(super) fn draws(&self, draws: &mut Draws) -> bool {
        draws.next_draw() >> 32 <= u64::from(self.chance)
    }

    /// Hands copies over, or loses them.
    pub(super) fn hand_over(&self, mut copies: Copies) {
        let (messages, octets) = (copies.messages(), copies.octets.len());
        if messages == 0 {
            return;
        }
        copies.answered_ns = clock::unix_ns();
        let before = self.waiting.fetch_add(octets, Relaxed);
        copies.held = Some((Arc::clone(&self.waiting), octets));
        if before + octets > WAITING_OCTETS || self.to.try_send(copies).is_err() {
            self.totals.dropped.fetch_add(messages, Relaxed);
        }
    }
}

impl Copies {
    /// None yet; they are of now.
    pub(super) fn new(transport: Transport) -> Self {
        let arrived_ns = clock::unix_ns();
        Self { transport, arrived_ns, answered_ns: arrived_ns, exchanges: Vec::new(), octets: Vec::new(), held: None }
    }

    /// Copies a query. What is itself a reply is none.
    pub(super) fn query(&mut self, client: SocketAddr, server: Option<SocketAddr>, query: &[u8]) -> bool {
        let is_query = query.len() >= 12 && query.get(2).is_some_and(|flags| flags & 0x80 == 0);
        if is_query {
            let query = self.copy(query);
            self.exchanges.push(Exchange { client, server, query, reply: None });
        }
        is_query
    }

    /// Copies the reply to a query that was copied.
    pub(super) fn reply(&mut self, exchange: usize, reply: &[u8]) {
        let copied = self.copy(reply);
        if let Some(exchange) = self.exchanges.get_mut(exchange) {
            exchange.reply = Some(copied);
        }
    }

    fn copy(&mut self, octets: &[u8]) -> Range<usize> {
        let start = self.octets.len();
        self.octets.extend_from_slice(octets);
        start..self.octets.len()
    }

    /// The octets of a query.
    #[must_use]
    pub fn query_of(&self, exchange: &Exchange) -> &[u8] {
        self.octets.get(exchange.query.clone()).unwrap_or(&[])
    }

    /// The octets of a reply.
    #[must_use]
    pub fn reply_of(&self, exchange: &Exchange) -> Option<&[u8]> {
        self.octets.get(exchange.reply.clone()?)
    }

    /// How many messages these are.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.exchanges.iter().map(|exchange| 1 + u64::from(exchange.reply.is_some())).sum()
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        if let Some((waiting, octets)) = self.held.take() {
            waiting.fetch_sub(octets, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(len: usize) -> Copies {
        let mut copies = Copies::new(Transport::Udp);
        assert!(copies.query("192.0.2.1:53".parse().unwrap(), None, &vec![0; len]));
        copies
    }

    #[test]
    fn what_nobody_takes_is_lost_and_counted_and_memory_is_given_back() {
        let (tap, mut taken, totals) = tap(u32::MAX);
        (0..WAITING + 10).for_each(|_| tap.hand_over(copies(12)));
        assert_eq!(totals.dropped.load(Relaxed), 10);
        while taken.try_recv().is_ok() {}
        assert_eq!(tap.waiting.load(Relaxed), 0);
        (0..200).for_each(|_| tap.hand_over(copies(65_535)));
        assert_eq!(totals.dropped.load(Relaxed), 10 + 200 - (WAITING_OCTETS / 65_535) as u64);
        drop(taken);
        assert_eq!(tap.waiting.load(Relaxed), 0);
    }

    #[test]
    fn a_query_and_its_reply_stay_together_and_replies_are_no_queries() {
        let mut copies = copies(12);
        copies.reply(0, &[7; 20]);
        assert!(!copies.query("192.0.2.1:53".parse().unwrap(), None, &[0x80; 12]));
        assert_eq!((copies.messages(), copies.exchanges.len()), (2, 1));
        let exchange = copies.exchanges[0].clone();
        assert_eq!((copies.query_of(&exchange), copies.reply_of(&exchange)), (&[0; 12][..], Some(&[7; 20][..])));
    }

    #[test]
    fn a_sample_is_about_its_share() {
        let (tap, _taken, _) = tap(u32::MAX / 10);
        let mut draws = Draws::seeded();
        let drawn = (0..20_000).filter(|_| tap.draws(&mut draws)).count();
        assert!((1_600..2_400).contains(&drawn), "{drawn}");
    }
}

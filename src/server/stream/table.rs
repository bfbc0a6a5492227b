//! Who is connected: limits on connections in total, per client and on unfinished data.
//!
//! Every connection holds a [`Seat`] for its life. When all seats are taken, the connections that
//! have gone longest without a complete query are asked to leave, a hundredth of the limit at a
//! time, so that the search costs little per newcomer even under attack (RFC 7766 §6.2.3).
//! A client is an IPv4 address or an IPv6 /64. The lock is taken when a connection comes or goes,
//! never for a query.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Limits of TCP, DoT and DoH together, with product defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Connections in total.
    pub connections: usize,
    /// Connections of one client (IPv4 address or IPv6 /64).
    pub per_client: usize,
    /// How long a connection may go without a complete query (RFC 7766 §6.2.3).
    pub idle: Duration,
    /// The same when more than three quarters of the seats are taken.
    pub idle_when_crowded: Duration,
    /// How long a query may take from its first byte to its last, and a TLS handshake as a whole.
    pub query: Duration,
    /// How long a reply may wait for the client to take it.
    pub stall: Duration,
    /// The same for a message of a reply that was handed over: a secondary takes time between two of a transfer.
    pub deferred_stall: Duration,
    /// How long the next message of such a reply may take to come.
    pub deferred_wait: Duration,
    /// Bytes of unfinished queries and untaken replies in total.
    pub held_bytes: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            per_client: 100,
            idle: Duration::from_secs(10),
            idle_when_crowded: Duration::from_secs(2),
            query: Duration::from_secs(5),
            stall: Duration::from_millis(500),
            deferred_stall: Duration::from_secs(10),
            deferred_wait: Duration::from_secs(30),
            held_bytes: 64 << 20,
        }
    }
}

/// The seats.
#[derive(Debug)]
pub(crate) struct Table {
    limits: StreamLimits,
    seats: Mutex<Seats>,
    open: AtomicUsize,
    held: AtomicUsize,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Seats {
    connections: HashMap<u64, Arc<Connection>>,
    clients: HashMap<IpAddr, usize>,
    leaving: usize,
    next_id: u64,
    closed: bool,
}

/// What the table and the connection's task share.
#[derive(Debug)]
pub(crate) struct Connection {
    client: IpAddr,
    last_query_ms: AtomicU64,
    leaving: AtomicBool,
    leave: Notify,
}

/// A place at the table; leaving it is dropping it.
#[derive(Debug)]
pub(crate) struct Seat {
    table: Arc<Table>,
    id: u64,
    connection: Arc<Connection>,
}

/// Why a connection got no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The client has its share already.
    Client,
    /// All seats are taken and nobody has left yet.
    Full,
    /// The server is stopping.
    Stopping,
}

/// Bytes counted against [`StreamLimits::held_bytes`] until dropped.
#[derive(Debug)]
pub(crate) struct Held {
    table: Arc<Table>,
    bytes: usize,
}

/// What counts as one client: the address, or the /64 of an IPv6 address.
fn client_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

impl Table {
    pub(crate) fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            seats: Mutex::default(),
            open: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            emptied: Notify::new(),
        })
    }

    pub(crate) fn limits(&self) -> &StreamLimits {
        &self.limits
    }

    /// Connections open at the moment.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// A seat for a newcomer, and how many were asked to leave for it.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, now_ms: u64) -> Result<(Seat, usize), Refusal> {
        let client = client_of(address);
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.closed {
            return Err(Refusal::Stopping);
        }
        if seats.clients.get(&client).is_some_and(|count| *count >= self.limits.per_client) {
            return Err(Refusal::Client);
        }
        // Those asked to leave need a moment; a quarter more than the limit may be there meanwhile.
        if seats.connections.len() > self.limits.connections + self.limits.connections / 4 {
            return Err(Refusal::Full);
        }
        let staying = seats.connections.len() - seats.leaving;
        let evicted =
            if staying >= self.limits.connections { seats.evict((self.limits.connections / 100).max(1)) } else { 0 };
        let connection = Arc::new(Connection {
            client,
            last_query_ms: AtomicU64::new(now_ms),
            leaving: AtomicBool::new(false),
            leave: Notify::new(),
        });
        let id = seats.next_id;
        seats.next_id += 1;
        *seats.clients.entry(client).or_insert(0) += 1;
        seats.connections.insert(id, Arc::clone(&connection));
        self.open.store(seats.connections.len(), Relaxed);
        Ok((Seat { table: Arc::clone(self), id, connection }, evicted))
    }

    /// How long a connection may be idle at the moment.
    pub(crate) fn idle(&self) -> Duration {
        let crowded = self.open() > self.limits.connections / 4 * 3;
        if crowded { self.limits.idle.min(self.limits.idle_when_crowded) } else { self.limits.idle }
    }

    /// Counts `bytes` of unfinished data; `None` when all connections together hold too much.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        let before = self.held.fetch_add(bytes, Relaxed);
        let held = Held { table: Arc::clone(self), bytes };
        (before + bytes <= self.limits.held_bytes).then_some(held)
    }

    /// Counts what is to come.
    pub(crate) fn hold_nothing(self: &Arc<Self>) -> Held {
        Held { table: Arc::clone(self), bytes: 0 }
    }

    /// Admits nobody any more and asks everybody to leave.
    pub(crate) fn close(&self) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.closed = true;
        for connection in seats.connections.values() {
            connection.ask_to_leave();
        }
    }

    /// Waits until the last connection has left.
    pub(crate) async fn emptied(&self) {
        loop {
            let notified = self.emptied.notified();
            if self.open() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Seats {
    /// Asks the `count` connections that have gone longest without a query to leave.
    fn evict(&mut self, count: usize) -> usize {
        let mut idle: Vec<(u64, &Arc<Connection>)> = self
            .connections
            .values()
            .filter(|connection| !connection.leaving.load(Relaxed))
            .map(|connection| (connection.last_query_ms.load(Relaxed), connection))
            .collect();
        let count = count.min(idle.len());
        if let Some(last) = count.checked_sub(1) {
            idle.select_nth_unstable_by_key(last, |(last_query_ms, _)| *last_query_ms);
        }
        for (_, connection) in &idle[..count] {
            connection.ask_to_leave();
        }
        self.leaving += count;
        count
    }
}

impl Connection {
    fn ask_to_leave(&self) {
        self.leaving.store(true, Relaxed);
        self.leave.notify_one();
    }
}

impl Seat {
    /// A complete query was answered.
    pub(crate) fn touch(&self, now_ms: u64) {
        self.connection.last_query_ms.store(now_ms, Relaxed);
    }

    /// When the last query was answered, or the connection came; boot-clock milliseconds.
    pub(crate) fn last_query_ms(&self) -> u64 {
        self.connection.last_query_ms.load(Relaxed)
    }

    /// Whether this connection was asked to leave.
    pub(crate) fn is_leaving(&self) -> bool {
        self.connection.leaving.load(Relaxed)
    }

    /// Waits to be asked to leave.
    pub(crate) async fn asked_to_leave(&self) {
        self.connection.leave.notified().await;
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.table.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.connections.remove(&self.id).is_some_and(|connection| connection.leaving.load(Relaxed)) {
            seats.leaving = seats.leaving.saturating_sub(1);
        }
        if let Some(count) = seats.clients.get_mut(&self.connection.client) {
            *count -= 1;
            if *count == 0 {
                seats.clients.remove(&self.connection.client);
            }
        }
        self.table.open.store(seats.connections.len(), Relaxed);
        if seats.connections.is_empty() {
            self.table.emptied.notify_waiters();
        }
    }
}

impl Held {
    /// Counts so many bytes more; whether all connections together hold no more than they may.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.table.held.fetch_add(bytes, Relaxed) + bytes <= self.table.limits.held_bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.table.held.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(connections: usize, per_client: usize) -> Arc<Table> {
        Table::new(StreamLimits { connections, per_client, held_bytes: 100, ..StreamLimits::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_gets_its_share_and_no_more() {
        let table = table(100, 2);
        let first = table.admit(address("192.0.2.1"), 0).unwrap();
        let _second = table.admit(address("192.0.2.1"), 0).unwrap();
        assert_eq!(table.admit(address("192.0.2.1"), 0).unwrap_err(), Refusal::Client);
        assert!(table.admit(address("192.0.2.2"), 0).is_ok());
        drop(first);
        assert!(table.admit(address("192.0.2.1"), 0).is_ok());
    }

    #[test]
    fn an_ipv6_client_is_its_64() {
        let table = table(100, 1);
        let _seat = table.admit(address("2001:db8::1"), 0).unwrap();
        assert_eq!(table.admit(address("2001:db8::ffff"), 0).unwrap_err(), Refusal::Client);
        assert!(table.admit(address("2001:db8:0:1::1"), 0).is_ok());
    }

    #[test]
    fn the_longest_idle_leaves_first_when_all_seats_are_taken() {
        let table = table(3, 100);
        let seats: Vec<Seat> =
            [5, 1, 9].into_iter().map(|ms| table.admit(address("192.0.2.1"), ms).unwrap().0).collect();
        seats[1].touch(20);
        let (_newcomer, evicted) = table.admit(address("192.0.2.9"), 30).unwrap();
        assert_eq!(evicted, 1);
        assert_eq!(seats.iter().map(Seat::is_leaving).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(table.admit(address("192.0.2.9"), 30).unwrap_err(), Refusal::Full);
        drop(seats);
        assert_eq!(table.open(), 1);
        assert!(table.admit(address("192.0.2.9"), 30).is_ok_and(|(_, evicted)| evicted == 0));
    }

    #[test]
    fn unfinished_data_is_counted_until_it_is_dropped() {
        let table = table(3, 100);
        let held = table.hold(60).unwrap();
        assert!(table.hold(60).is_none());
        drop(held);
        let mut held = table.hold(60).unwrap();
        assert!(held.grow(40) && !held.grow(1));
        drop(held);
        assert!(table.hold(100).is_some());
    }

    #[test]
    fn idle_time_shrinks_when_seats_run_out() {
        let table = table(4, 100);
        let _seats: Vec<_> = (0..3).map(|_| table.admit(address("192.0.2.1"), 0).unwrap()).collect();
        assert_eq!(table.idle(), StreamLimits::default().idle);
        let _fourth = table.admit(address("192.0.2.1"), 0).unwrap();
        assert_eq!(table.idle(), StreamLimits::default().idle_when_crowded);
    }

    #[test]
    fn a_closed_table_admits_nobody() {
        let table = table(4, 100);
        let (seat, _) = table.admit(address("192.0.2.1"), 0).unwrap();
        table.close();
        assert!(seat.is_leaving());
        assert_eq!(table.admit(address("192.0.2.1"), 0).unwrap_err(), Refusal::Stopping);
    }
}

//! The load generator: one thread, polling, connected sockets, whole batches per call.
//!
//! Closed loop: every socket keeps a window of queries on their way and is refilled when most are
//! answered; with a rate it sends no faster than that. Replies are matched by id for their latency.

use crate::sockets::{Batch, send_segments};
use crate::wire::{self, Opt, answered_octet};
use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const BATCH: usize = 32;
/// Latencies kept, every n-th once there are more.
const SAMPLES: usize = 1 << 20;

/// What to send.
#[derive(Debug, Clone)]
pub struct Load {
    /// Client sockets.
    pub sockets: usize,
    /// Queries on their way per socket.
    pub window: usize,
    /// Ends after this time,
    pub time: Duration,
    /// or after this many queries.
    pub count: Option<u64>,
    /// Queries per second at most.
    pub rate: Option<f64>,
    /// Send neighbouring queries as one message (UDP GSO): they are all of one length.
    pub segments: bool,
}

impl Load {
    /// Few clients with many queries each, as proxies and forwarders are.
    pub fn few(time: Duration) -> Self {
        Self { sockets: 8, window: 24, time, count: None, rate: None, segments: false }
    }

    /// Many clients with one query each, as resolvers are.
    pub fn many(time: Duration) -> Self {
        Self { sockets: 192, window: 1, ..Self::few(time) }
    }
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    pub sent: u64,
    pub answered: u64,
    pub lost: u64,
    pub elapsed_s: f64,
    /// Replies by RCODE.
    pub rcodes: [u64; 16],
    /// Replies whose first address ends in 10 and in 20.
    pub pools: [u64; 2],
    /// p50, p99, p99.9 and the worst latency, microseconds.
    pub latency_us: [f64; 4],
}

struct Client {
    socket: UdpSocket,
    out: usize,
    next_id: u16,
    heard: Instant,
    sent_at: Vec<Instant>,
}

/// Sends `queries` in turn to a port of 127.0.0.1.
pub fn run(load: &Load, port: u16, queries: &[Vec<u8>]) -> io::Result<Measured> {
    let begun = Instant::now();
    let mut clients = (0..load.sockets).map(|_| client(port, begun)).collect::<io::Result<Vec<_>>>()?;
    let (mut inbox, mut outbox) = (Batch::new(BATCH), Batch::new(BATCH));
    let mut seen = Measured::default();
    let mut latencies: Vec<f32> = Vec::with_capacity(SAMPLES);
    let (mut next, mut draining, mut stride) = (0, None::<Instant>, 1);
    let patience = if load.count.is_some() { Duration::from_secs(10) } else { Duration::from_millis(200) };
    let refill = if load.window > BATCH { load.window - BATCH } else { load.window / 2 };
    loop {
        let now = Instant::now();
        if draining.is_none() && (now - begun >= load.time || load.count.is_some_and(|count| seen.sent >= count)) {
            draining = Some(now);
        }
        if draining.is_some_and(|since| now - since > patience || clients.iter().all(|client| client.out == 0)) {
            break;
        }
        for client in &mut clients {
            if client.out > 0 {
                let arrived = inbox.receive(&client.socket, false).unwrap_or(0);
                let now = Instant::now();
                for slot in 0..arrived {
                    seen.take(inbox.message(slot));
                    let id = inbox.message(slot).first_chunk::<2>().map_or(0, |id| u16::from_be_bytes(*id));
                    if seen.answered % stride == 0 {
                        latencies.push((now - client.sent_at[usize::from(id)]).as_secs_f32() * 1e6);
                        if latencies.len() == SAMPLES {
                            latencies = latencies.iter().copied().step_by(2).collect();
                            stride *= 2;
                        }
                    }
                }
                client.out = client.out.saturating_sub(arrived);
                if arrived > 0 {
                    client.heard = now;
                } else if now - client.heard > patience {
                    (seen.lost, client.out) = (seen.lost + client.out as u64, 0);
                }
            }
            if draining.is_some() || client.out > refill {
                continue;
            }
            let mut wanted = (load.window - client.out).min(BATCH);
            if let Some(count) = load.count {
                wanted = wanted.min(usize::try_from(count - seen.sent).unwrap_or(BATCH));
            }
            if let Some(rate) = load.rate {
                let granted = begun.elapsed().as_secs_f64() * rate - seen.sent as f64;
                wanted = wanted.min(4).min(granted.max(0.0) as usize);
            }
            if wanted > 0 {
                let sent = client.send(&mut outbox, queries, &mut next, wanted, load.segments)?;
                seen.sent += sent as u64;
            }
        }
    }
    seen.lost += clients.iter().map(|client| client.out as u64).sum::<u64>();
    seen.elapsed_s = begun.elapsed().min(load.time).as_secs_f64();
    latencies.sort_by(f32::total_cmp);
    let at = |share: f64| {
        latencies.get(((latencies.len().saturating_sub(1)) as f64 * share) as usize).map_or(0.0, |us| f64::from(*us))
    };
    seen.latency_us = [at(0.5), at(0.99), at(0.999), at(1.0)];
    Ok(seen)
}

/// One query with the cookie that the server gives to this client, or one of that length if it gives none.
pub fn with_cookie(port: u16) -> io::Result<Vec<Vec<u8>>> {
    let name = "wwwwwwww.example.test";
    let client = *b"tidegate";
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.send(&wire::query(name, wire::A, Opt::Cookie(client, None)))?;
    let mut reply = [0; 2048];
    let len = socket.recv(&mut reply)?;
    let server = wire::server_cookie(&reply[..len], client).unwrap_or(*b"no cookie is set");
    Ok(vec![wire::query(name, wire::A, Opt::Cookie(client, Some(server)))])
}

fn client(port: u16, now: Instant) -> io::Result<Client> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    Ok(Client { socket, out: 0, next_id: 0, heard: now, sent_at: vec![now; 1 << 16] })
}

impl Client {
    /// Sends the next `wanted` queries; says how many left.
    fn send(
        &mut self,
        outbox: &mut Batch,
        queries: &[Vec<u8>],
        next: &mut usize,
        wanted: usize,
        segments: bool,
    ) -> io::Result<usize> {
        let now = Instant::now();
        let mut flat = Vec::new();
        for slot in 0..wanted {
            let query = &queries[*next % queries.len()];
            *next += 1;
            let id = self.next_id.to_be_bytes();
            self.sent_at[usize::from(self.next_id)] = now;
            self.next_id = self.next_id.wrapping_add(1);
            if segments {
                let at = flat.len();
                flat.extend_from_slice(query);
                flat[at..at + 2].copy_from_slice(&id);
            } else {
                let buffer = outbox.buffer(slot);
                buffer[..query.len()].copy_from_slice(query);
                buffer[..2].copy_from_slice(&id);
                outbox.set_len(slot, query.len());
            }
        }
        let sent = if segments {
            let len = u16::try_from(queries[0].len()).map_err(io::Error::other)?;
            send_segments(&self.socket, &flat, len).map(|()| wanted)
        } else {
            outbox.send(&self.socket, wanted, false)
        };
        match sent {
            Ok(sent) => {
                if self.out == 0 {
                    self.heard = now;
                }
                self.out += sent;
                Ok(sent)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}

impl Measured {
    /// Counts one reply.
    pub fn take(&mut self, reply: &[u8]) {
        self.answered += 1;
        self.rcodes[usize::from(reply.get(3).copied().unwrap_or(0) & 15)] += 1;
        match answered_octet(reply) {
            Some(10) => self.pools[0] += 1,
            Some(20) => self.pools[1] += 1,
            _ => {}
        }
    }

    /// Answers per second.
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed_s.max(1e-9)
    }
}

//! Load over TCP: persistent connections with pipelined queries, polled by one thread.

use crate::load::Measured;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 16;
/// Queries on their way per connection.
const WINDOW: usize = 10;

struct Connection {
    stream: TcpStream,
    out: usize,
    inbox: Vec<u8>,
    filled: usize,
    outbox: Vec<u8>,
}

/// Sends `queries` in turn over a few connections to a port of 127.0.0.1.
pub fn run(port: u16, time: Duration, queries: &[Vec<u8>]) -> io::Result<Measured> {
    let connect = |_| -> io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, out: 0, inbox: vec![0; 65_536], filled: 0, outbox: Vec::new() })
    };
    let mut connections = (0..CONNECTIONS).map(connect).collect::<io::Result<Vec<_>>>()?;
    let (begun, mut seen, mut next) = (Instant::now(), Measured::default(), 0usize);
    while begun.elapsed() < time {
        for connection in &mut connections {
            if connection.out > 0 {
                let answered = connection.receive(&mut seen)?;
                connection.out -= answered;
            }
            if connection.outbox.is_empty() && connection.out < WINDOW {
                for _ in connection.out..WINDOW {
                    let query = &queries[next % queries.len()];
                    connection
                        .outbox
                        .extend_from_slice(&u16::try_from(query.len()).map_err(io::Error::other)?.to_be_bytes());
                    connection.outbox.extend_from_slice(query);
                    next += 1;
                    seen.sent += 1;
                }
                connection.out = WINDOW;
            }
            if !connection.outbox.is_empty() {
                match connection.stream.write(&connection.outbox) {
                    Ok(written) => drop(connection.outbox.drain(..written)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    seen.elapsed_s = begun.elapsed().as_secs_f64();
    Ok(seen)
}

impl Connection {
    /// Reads what is there; says how many replies were complete.
    fn receive(&mut self, seen: &mut Measured) -> io::Result<usize> {
        match self.stream.read(&mut self.inbox[self.filled..]) {
            Ok(0) => return Err(io::Error::other("the server closed a connection")),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        }
        let (mut at, mut answered) = (0, 0);
        while let Some(length) = self.inbox.get(at..self.filled).and_then(|rest| rest.first_chunk::<2>()) {
            let end = at + 2 + usize::from(u16::from_be_bytes(*length));
            if end > self.filled {
                break;
            }
            seen.take(&self.inbox[at + 2..end]);
            (at, answered) = (end, answered + 1);
        }
        self.inbox.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(answered)
    }
}

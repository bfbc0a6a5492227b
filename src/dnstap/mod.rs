//! dnstap: copies of queries and responses, written to a reader over Frame Streams.
//!
//! One task connects, writes, and connects again when the reader went away, ever more slowly. What
//! comes meanwhile waits in a bounded queue and is lost and counted beyond it; nothing that answers waits.

mod frames;
mod message;

use crate::server::{Copies, TapTotals};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The pause before the second attempt to connect; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a connection, and a write, may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Octets that are written together.
const WRITE: usize = 64 << 10;

/// The reader, and what it is told about us.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Where it listens.
    pub place: Place,
    /// What this server calls itself.
    pub identity: String,
    /// Program and version.
    pub version: String,
}

/// Where a reader listens.
#[derive(Debug, Clone)]
pub enum Place {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp(SocketAddr),
}

/// Both kinds of connection.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Why writing ended.
enum Ended {
    /// We stop, or nobody copies any more.
    Stopped,
    /// The reader went away.
    Lost(io::Error),
}

/// Writes copies until `stop` completes.
pub async fn run(
    reader: Reader,
    mut copies: mpsc::Receiver<Copies>,
    totals: Arc<TapTotals>,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = pin!(stop);
    let (mut pause, mut told) = (PAUSE, false);
    loop {
        let connected = tokio::select! {
            () = &mut stop => return,
            connected = reader.connect() => connected,
        };
        let error = match connected {
            Ok(mut stream) => {
                tracing::info!(reader = %reader.place, "dnstap: connected");
                (pause, told) = (PAUSE, false);
                totals.connected.store(true, Relaxed);
                let ended = reader.write(&mut stream, &mut copies, &totals, &mut stop).await;
                totals.connected.store(false, Relaxed);
                match ended {
                    Ended::Stopped => {
                        if let Err(error) = frames::end(&mut stream).await {
                            tracing::debug!(%error, "dnstap: the reader did not say goodbye");
                        }
                        return;
                    }
                    Ended::Lost(error) => error,
                }
            }
            Err(error) => error,
        };
        // Once until it works again: a reader that is away for a day is one line.
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(reader = %reader.place, %error, "dnstap: no reader; copies are lost until it is back");
        }
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
        }
    }
}

impl Reader {
    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let connect = async {
            Ok::<Box<dyn Stream>, io::Error>(match &self.place {
                Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
                Place::Tcp(address) => Box::new(TcpStream::connect(address).await?),
            })
        };
        let mut stream = timeout(PATIENCE, connect).await.map_err(|_| io::ErrorKind::TimedOut)??;
        frames::begin(&mut stream).await?;
        Ok(stream)
    }

    /// Writes what is copied; several copies at a time when they come faster.
    async fn write(
        &self,
        stream: &mut Box<dyn Stream>,
        copies: &mut mpsc::Receiver<Copies>,
        totals: &TapTotals,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Ended {
        let mut out = Vec::with_capacity(WRITE);
        let mut said = [0; 16];
        loop {
            let next = tokio::select! {
                biased;
                () = &mut *stop => return Ended::Stopped,
                // A reader says nothing before STOP: this is its end.
                read = stream.read(&mut said) => {
                    let gone = io::Error::new(io::ErrorKind::ConnectionReset, "the reader closed the connection");
                    return Ended::Lost(read.err().unwrap_or(gone));
                }
                next = copies.recv() => next,
            };
            let Some(first) = next else { return Ended::Stopped };
            let mut messages = self.append(&mut out, &first);
            while out.len() < WRITE
                && let Ok(more) = copies.try_recv()
            {
                messages += self.append(&mut out, &more);
            }
            match timeout(PATIENCE, stream.write_all(&out)).await {
                Ok(Ok(())) => drop(totals.sent.fetch_add(messages, Relaxed)),
                failed => {
                    totals.dropped.fetch_add(messages, Relaxed);
                    let slow = || io::Error::new(io::ErrorKind::TimedOut, "the reader takes nothing");
                    return Ended::Lost(failed.ok().and_then(Result::err).unwrap_or_else(slow));
                }
            }
            out.clear();
        }
    }

    fn append(&self, out: &mut Vec<u8>, copies: &Copies) -> u64 {
        for frame in message::frames(copies, &self.identity, &self.version) {
            frames::append(out, &frame);
        }
        copies.messages()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

//! Replies that HTTP over TCP has not taken yet, and since when.
//!
//! A client opens the window of HTTP/2 and empties its socket as it likes. What it was promised counts from
//! when the reply was made, and a snapshot is held until then, so whoever takes too long loses its connection.

use crate::clock;
use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::sleep;

/// What one connection waits to be rid of.
#[derive(Debug, Default)]
pub(in crate::server) struct Untaken {
    waiting: Mutex<Waiting>,
    begun: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Since when (boot-clock milliseconds), and a number that tells those of one moment apart.
    since: BTreeSet<(u64, u64)>,
    next: u64,
}

/// One thing that waits, until dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    untaken: Arc<Untaken>,
    at: (u64, u64),
}

impl Untaken {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something waits from now on.
    pub(super) fn begin(self: &Arc<Self>) -> Ticket {
        let mut waiting = self.waiting();
        let at = (clock::boot_ms(), waiting.next);
        waiting.next += 1;
        if waiting.since.is_empty() {
            self.begun.notify_one();
        }
        waiting.since.insert(at);
        Ticket { untaken: Arc::clone(self), at }
    }

    /// Completes when something has waited for `limit`.
    pub(super) async fn overdue(&self, limit: Duration) {
        loop {
            let oldest = self.waiting().since.first().copied();
            match oldest {
                None => self.begun.notified().await,
                Some((since_ms, _)) => {
                    let waited = Duration::from_millis(clock::boot_ms().saturating_sub(since_ms));
                    if waited >= limit {
                        return;
                    }
                    sleep(limit.saturating_sub(waited)).await;
                }
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.untaken.waiting().since.remove(&self.at);
    }
}

/// A stream that notes while it cannot be written to.
pub(super) struct Noted<S> {
    stream: S,
    untaken: Arc<Untaken>,
    blocked: Option<Ticket>,
}

impl<S> Noted<S> {
    pub(super) fn new(stream: S, untaken: &Arc<Untaken>) -> Self {
        Self { stream, untaken: Arc::clone(untaken), blocked: None }
    }

    fn note<T>(&mut self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_ready() {
            self.blocked = None;
        } else if self.blocked.is_none() {
            self.blocked = Some(self.untaken.begin());
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.note(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, octets);
        self.note(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.note(outcome)
    }
}

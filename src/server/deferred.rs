//! What is handed over to those who do updates and transfers: a message, and the way its reply goes.
//!
//! The answer path leaves such messages as they came. A worker puts one into a bounded channel or,
//! when that is full, answers SERVFAIL: it never waits. The reply of a datagram is one datagram from the
//! address that was asked; that of a stream is a sequence of messages, which the connection writes in order
//! before it reads on.

use super::udp::Way;
use crate::answer::Transport;
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// Messages that wait to be taken on, over all transports.
const WAITING: usize = 1024;

/// Messages of a reply that wait for their connection to write them.
pub(super) const PARTS: usize = 2;

/// A message that the answer path does not answer.
#[derive(Debug)]
pub struct Deferred {
    /// The message as it came.
    pub message: Vec<u8>,
    /// Who sent it.
    pub client: SocketAddr,
    /// How it came: by [`Transport::Udp`], [`Transport::Tcp`] or [`Transport::Tls`].
    pub transport: Transport,
    /// Where the reply goes. Dropped without its last message, it leaves a datagram unanswered and closes a stream.
    pub reply: ReplyHandle,
}

/// The way back to who sent a message.
#[derive(Debug)]
pub struct ReplyHandle(pub(super) Back);

#[derive(Debug)]
pub(super) enum Back {
    /// One datagram, then nothing.
    Datagram(Option<Way>),
    /// Messages of a connection.
    Stream(mpsc::Sender<Part>),
}

/// A message of a reply.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) message: Vec<u8>,
    /// Whether it is the last: a reply that ends without one is cut short, and its connection closed.
    pub(super) is_last: bool,
}

/// The other side took no more of the reply: its connection is gone, or was too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone, or does not read")]
pub struct Gone;

impl ReplyHandle {
    /// Sends the last message of the reply, most often the only one.
    ///
    /// # Errors
    /// When nobody is there to take it.
    pub async fn send(mut self, message: Vec<u8>) -> Result<(), Gone> {
        match &mut self.0 {
            Back::Datagram(way) => way.take().ok_or(Gone)?.send(&message).map_err(|_| Gone),
            Back::Stream(parts) => parts.send(Part { message, is_last: true }).await.map_err(|_| Gone),
        }
    }

    /// Sends a message of a reply that goes on. Waits while a slow reader has not taken those before.
    ///
    /// # Errors
    /// When nobody is there to take it; a datagram's reply does not go on.
    pub async fn send_part(&mut self, message: Vec<u8>) -> Result<(), Gone> {
        match &mut self.0 {
            Back::Datagram(_) => Err(Gone),
            Back::Stream(parts) => parts.send(Part { message, is_last: false }).await.map_err(|_| Gone),
        }
    }

    /// Waits until nobody is there to take a reply; never ends for a datagram.
    pub async fn gone(&self) {
        match &self.0 {
            Back::Datagram(_) => std::future::pending().await,
            Back::Stream(parts) => parts.closed().await,
        }
    }
}

/// Where deferred messages are handed over, for the workers.
#[derive(Debug, Clone)]
pub struct Desk(mpsc::Sender<Deferred>);

/// A desk, and where what is handed over comes out.
#[must_use]
pub fn desk() -> (Desk, mpsc::Receiver<Deferred>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Desk(sender), receiver)
}

impl Desk {
    /// Hands a message over without waiting; whether it was taken.
    pub(super) fn hand_over(&self, deferred: Deferred) -> bool {
        self.0.try_send(deferred).is_ok()
    }
}

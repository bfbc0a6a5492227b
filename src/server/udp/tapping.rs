//! Copies of what a worker receives and sends, batch by batch (dnstap).
//!
//! Replies are written over their queries, so these are copied before anything is answered.

use super::super::tap::{Copies, Tap};
use super::grouping::{BATCH, Reply};
use super::syscalls::Batch;
use crate::answer::Transport;
use crate::clock::Draws;
use std::net::SocketAddr;

/// No exchange of a slot.
const NONE: usize = usize::MAX;

/// A worker's way to the tap.
pub(super) struct Tapping {
    tap: Tap,
    draws: Draws,
    /// The address of the socket.
    bound: SocketAddr,
    copies: Option<Copies>,
    /// The exchange of each slot.
    exchanges: [usize; BATCH],
}

impl Tapping {
    pub(super) fn new(tap: Tap, bound: SocketAddr) -> Self {
        Self { tap, draws: Draws::seeded(), bound, copies: None, exchanges: [NONE; BATCH] }
    }

    /// Copies the queries that are drawn.
    pub(super) fn queries(&mut self, batch: &mut Batch, count: usize) {
        self.exchanges = [NONE; BATCH];
        let mut copies = Copies::new(Transport::Udp);
        for (slot, exchange) in self.exchanges.iter_mut().enumerate().take(count) {
            if !self.tap.draws(&mut self.draws) {
                continue;
            }
            let (client, local) = (batch.client_of(slot), batch.local_of(slot));
            let received = batch.received(slot);
            let (Some(client), false) = (client.filter(|_| received.client.is_some()), received.oversize) else {
                continue;
            };
            let server = SocketAddr::new(local.map_or(self.bound.ip(), |local| local.address), self.bound.port());
            let next = copies.exchanges.len();
            if copies.query(client, Some(server), received.message.get(..received.len).unwrap_or(&[])) {
                *exchange = next;
            }
        }
        self.copies = Some(copies);
    }

    /// Copies the replies to them, and hands all over.
    pub(super) fn replies(&mut self, batch: &mut Batch, replies: &[Reply]) {
        let Some(mut copies) = self.copies.take() else { return };
        for reply in replies {
            let exchange = self.exchanges.get(reply.slot).copied().unwrap_or(NONE);
            if exchange != NONE {
                copies.reply(exchange, batch.received(reply.slot).message.get(..reply.len).unwrap_or(&[]));
            }
        }
        self.tap.hand_over(copies);
    }
}

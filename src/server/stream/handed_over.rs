//! Replies that others make: handed over, waited for, and written message by message.
//!
//! The connection keeps its seat and its order. Each message has a time limit to come and one to be taken,
//! and counts as held until it is; who makes the reply learns of a client that is gone by its handle.

use super::super::deferred::{Back, Deferred, PARTS, Part, ReplyHandle};
use super::connection::{Conversation, Ended};
use crate::answer;
use crate::clock;
use crate::dns::Rcode;
use crate::metrics::Count;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<'_, S> {
    /// Hands a message over and writes the reply to it.
    pub(super) async fn hand_over(&mut self, message: Vec<u8>) -> Result<(), Ended> {
        let Some(desk) = &self.service.desk else { return Ok(()) };
        let (sender, mut parts) = mpsc::channel(PARTS);
        let mut declined = message.clone();
        let taken = desk.hand_over(Deferred {
            message,
            client: self.client,
            transport: self.service.protocol.transport(),
            reply: ReplyHandle(Back::Stream(sender)),
        });
        if !taken {
            self.service.writer.add(Count::DeferralsFull, 1);
            let query_len = declined.len();
            let outcome = answer::decline(&mut declined, query_len, Rcode::SERVFAIL);
            declined.truncate(outcome.len);
            return self.write_message(declined).await;
        }
        self.service.writer.add(Count::Deferred, 1);
        let wait = self.seat.table().limits().deferred_wait;
        loop {
            let part = timeout(wait, parts.recv()).await.map_err(|_| Ended::Unanswered)?;
            // What is cut short must not look whole.
            let Part { message, is_last } = part.ok_or(Ended::Unanswered)?;
            self.write_message(message).await?;
            self.seat.touch(clock::boot_ms());
            if is_last {
                return Ok(());
            }
        }
    }

    /// Writes one message behind its length.
    async fn write_message(&mut self, mut message: Vec<u8>) -> Result<(), Ended> {
        let Ok(len @ 1..) = u16::try_from(message.len()) else { return Ok(()) };
        message.splice(0..0, len.to_be_bytes());
        let table = self.seat.table();
        let _held = table.hold(message.len()).ok_or(Ended::MemoryLimit)?;
        let write = async {
            self.stream.write_all(&message).await?;
            self.stream.flush().await
        };
        let written = timeout(table.limits().deferred_stall, write).await.map_err(|_| Ended::SlowReader)?;
        written.map_err(|_| Ended::Broken)
    }
}

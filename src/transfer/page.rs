//! One message of a transfer, filled record by record.
//!
//! Owners are compressed against the apex, which is written once, in its own case and not the client's, and
//! against the owner before. Most messages end below 16 KiB, so that every owner can be pointed at; a
//! record that is longer gets a message to itself.

use crate::dns::compose::MAX_POINTER;
use crate::dns::message::{Header, Question};
use crate::dns::query::HEADER_LEN;

/// QR and AA.
const REPLY_FLAGS: [u8; 2] = [0x84, 0];

/// A message in the making.
#[derive(Debug)]
pub(super) struct Page<'a> {
    apex: &'a [u8],
    message: Vec<u8>,
    count: u16,
    /// The most octets, whatever is in it.
    limit: usize,
    /// Where the apex was written.
    apex_at: Option<u16>,
    /// The owner written last, and where.
    last: Option<(Vec<u8>, u16)>,
}

impl<'a> Page<'a> {
    /// Begins a reply to a request with this question.
    pub(super) fn new(request: &[u8], question: &Question, apex: &'a [u8], limit: usize) -> Self {
        let id = Header::read(request).map_or(0, |header| header.id);
        let mut message = Vec::with_capacity(limit.min(MAX_POINTER + 1));
        message.extend_from_slice(&id.to_be_bytes());
        message.extend_from_slice(&REPLY_FLAGS);
        message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        message.extend_from_slice(request.get(HEADER_LEN..question.end).unwrap_or(&[]));
        Self { apex, message, count: 0, limit, apex_at: None, last: None }
    }

    /// Adds a record owned by `relative` below the apex. Whether it fitted; an empty page takes what
    /// can be sent at all.
    pub(super) fn push(&mut self, relative: &[u8], record: &[u8]) -> bool {
        let Some(body) = record.get(2..) else { return true };
        let most = relative.len() + self.apex.len() + body.len();
        let soft = if self.count == 0 { self.limit } else { self.limit.min(MAX_POINTER) };
        if self.message.len() + most > soft || self.count == u16::MAX {
            return false;
        }
        let at = u16::try_from(self.message.len()).unwrap_or(u16::MAX);
        match (&self.last, self.apex_at) {
            (Some((last, known)), _) if last == relative => self.point_at(*known),
            (_, Some(apex_at)) => {
                self.message.extend_from_slice(relative);
                self.point_at(apex_at);
            }
            (_, None) => {
                self.message.extend_from_slice(relative);
                self.apex_at = u16::try_from(self.message.len()).ok();
                self.message.extend_from_slice(self.apex);
            }
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != relative) {
            // The apex by itself is already pointed at by `apex_at`; a pointer to a pointer is one hop more.
            let place = if relative.is_empty() { self.apex_at.unwrap_or(at) } else { at };
            self.last = Some((relative.to_vec(), place));
        }
        self.message.extend_from_slice(body);
        self.count += 1;
        true
    }

    fn point_at(&mut self, offset: u16) {
        self.message.extend_from_slice(&(offset | 0xc000).to_be_bytes());
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The message.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if let Some(count) = self.message.get_mut(6..8) {
            count.copy_from_slice(&self.count.to_be_bytes());
        }
        self.message
    }
}

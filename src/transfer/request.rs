//! A message that was handed over, after its signature was checked, and the replies to it.

use crate::answer::Transport;
use crate::clock;
use crate::dns::compose::Reply;
use crate::dns::edns::{ExtendedError, ReplyOpt, UDP_PAYLOAD};
use crate::dns::message::{Header, Question, Record, Records, read_question};
use crate::dns::query::HEADER_LEN;
use crate::dns::tsig::Session;
use crate::dns::{Name, Rcode, RecordType};
use crate::server::{Gone, ReplyHandle};
use std::net::SocketAddr;

/// The size of a UDP reply to a query without EDNS (RFC 1035 §4.2.1).
const PLAIN_UDP_LEN: usize = 512;

/// Octets of a reply without records: header, question, OPT with an extended error.
const BRIEF: usize = 512;

/// A request whose signature, if it has one, is right and taken off.
#[derive(Debug)]
pub(super) struct Request {
    /// The message without its TSIG record.
    pub(super) message: Vec<u8>,
    /// Who sent it.
    pub(super) client: SocketAddr,
    /// How it came.
    pub(super) transport: Transport,
    /// Signs the reply, when the request was signed.
    pub(super) session: Option<Session>,
    /// Where the reply goes.
    pub(super) reply: ReplyHandle,
}

impl Request {
    /// The name of the key that vouched for it.
    pub(super) fn key(&self) -> Option<&Name> {
        self.session.as_ref().map(|session| &session.key().name)
    }

    /// Its question.
    pub(super) fn question(&self) -> Option<Question> {
        let header = Header::read(&self.message)?;
        if header.counts[0] == 1 { read_question(&self.message, HEADER_LEN).ok() } else { None }
    }

    /// The largest message of a reply, before its signature.
    pub(super) fn limit(&self) -> usize {
        let whole = match self.transport {
            Transport::Udp => usize::from(payload(&self.message).min(UDP_PAYLOAD)).max(PLAIN_UDP_LEN),
            _ => usize::from(u16::MAX),
        };
        whole - self.session.as_ref().map_or(0, |session| session.key().signature_len())
    }

    /// Replies with an RCODE and nothing else.
    pub(super) async fn refuse(self, rcode: Rcode, error: Option<ExtendedError>) -> Result<(), Gone> {
        let message = brief(&self.message, rcode, error);
        self.answer(message).await
    }

    /// Sends the last message of the reply, signed if the request was.
    pub(super) async fn answer(mut self, mut message: Vec<u8>) -> Result<(), Gone> {
        self.sign(&mut message);
        self.reply.send(message).await
    }

    /// Sends a message of a reply that goes on, signed if the request was.
    pub(super) async fn answer_part(&mut self, mut message: Vec<u8>) -> Result<(), Gone> {
        self.sign(&mut message);
        self.reply.send_part(message).await
    }

    fn sign(&mut self, message: &mut Vec<u8>) {
        if let Some(session) = &mut self.session {
            session.sign(message, now_s());
        }
    }
}

/// Seconds since 1970, as signatures have them.
pub(super) fn now_s() -> u64 {
    clock::unix_ms() / 1000
}

/// A reply with the question and an RCODE, and OPT where the request has one.
pub(super) fn brief(request: &[u8], rcode: Rcode, error: Option<ExtendedError>) -> Vec<u8> {
    let question_end = question_end(request).unwrap_or(HEADER_LEN);
    let mut message = request.to_vec();
    message.resize(question_end.max(HEADER_LEN) + BRIEF, 0);
    let opt = ReplyOpt { error, rcode_high: rcode.high(), ..ReplyOpt::default() };
    let limit = message.len();
    let len =
        Reply::new(&mut message, question_end, limit, 0).finish(false, rcode, Some(&opt).filter(|_| has_opt(request)));
    message.truncate(len);
    message
}

/// Where the one question of a request ends, if it can be said again: a name that points into the header cannot,
/// since that changes.
fn question_end(request: &[u8]) -> Option<usize> {
    let one = Header::read(request).is_some_and(|header| header.counts[0] == 1);
    let question = read_question(request, HEADER_LEN).ok().filter(|_| one)?;
    let plain = HEADER_LEN + question.name.wire().len() + 4;
    Some(question.end).filter(|end| *end == plain)
}

/// The UDP payload size that a message announces; 0 without OPT.
fn payload(message: &[u8]) -> u16 {
    let opt = |record: &Record| record.rtype == RecordType::OPT;
    Records::of(message).ok().and_then(|records| records.map_while(Result::ok).find(opt)).map_or(0, |opt| opt.class)
}

/// Whether a message carries OPT.
pub(super) fn has_opt(message: &[u8]) -> bool {
    Records::of(message)
        .is_ok_and(|records| records.map_while(Result::ok).any(|record| record.rtype == RecordType::OPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_points_into_the_header_is_not_said_again() {
        let header = [0x23, 0xd3, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let question = |name: &[u8]| [&header[..], name, &[0, 6, 0, 1]].concat();
        let said = |request: &[u8]| brief(request, Rcode::REFUSED, None)[HEADER_LEN..].to_vec();
        assert_eq!(said(&question(b"\x01a\0")), b"\x01a\0\0\x06\0\x01");
        let pointing = [&question(&[0xc0, 0])[..], &[0; 60]].concat();
        assert!(read_question(&pointing, HEADER_LEN).is_ok() && said(&pointing).is_empty());
    }
}

//! Replies as hickory-proto sees them, for the transports that carry its messages.
//!
//! A reply is made by `answer` as bytes; here it is read into hickory's records section by section,
//! so that a hickory-server transport can write the same message. Never makes an answer itself.

use super::edns::PADDED_BLOCK;
use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

/// A reply that hickory-proto cannot read back: a fault of ours, since we wrote it.
#[derive(Debug, thiserror::Error)]
#[error("a reply of ours cannot be read back")]
pub struct UnreadableReply(#[source] hickory_proto::serialize::binary::DecodeError);

/// Reads a reply into its header, question, sections and OPT.
///
/// # Errors
/// When the bytes are not a DNS message by hickory-proto's lights.
pub fn read_reply(bytes: &[u8]) -> Result<Message, UnreadableReply> {
    Message::from_vec(bytes).map_err(UnreadableReply)
}

/// How long a reply may be kept, seconds: the smallest TTL of its answers, or for a negative reply
/// the SOA's TTL and MINIMUM (RFC 8484 §5.1, RFC 2308 §5); 0 if it says neither.
#[must_use]
pub fn freshness_s(reply: &Message) -> u32 {
    let negative = || {
        reply.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        })
    };
    reply.answers.iter().map(|record| record.ttl).min().or_else(negative).unwrap_or(0)
}

/// Fits the padding of a reply to its size as hickory-proto writes it, which compresses names in another way;
/// `written` is that size with the padding as it is. True: it has changed, and the reply is to be written again.
pub fn fit_padding(reply: &mut Message, written: usize) -> bool {
    let Some(options) = reply.edns.as_mut().map(Edns::options_mut) else { return false };
    let Some(EdnsOption::Unknown(_, zeroes)) = options.get(EdnsCode::Padding) else { return false };
    let Some(bare) = written.checked_sub(zeroes.len()) else { return false };
    let fitting = bare.next_multiple_of(PADDED_BLOCK);
    if fitting == written || fitting > usize::from(u16::MAX) {
        return false;
    }
    options.remove(EdnsCode::Padding);
    options.insert(EdnsOption::Unknown(EdnsCode::Padding.into(), vec![0; fitting - bare]));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::{Name, Record, rdata};

    #[test]
    fn a_reply_is_fresh_for_its_smallest_ttl_or_its_soa() {
        let mut reply = Message::new(1, MessageType::Response, OpCode::Query);
        assert_eq!(freshness_s(&reply), 0);
        let soa = rdata::SOA::new(Name::root(), Name::root(), 1, 2, 3, 4, 20);
        reply.authorities.push(Record::from_rdata(Name::root(), 300, RData::SOA(soa)));
        assert_eq!(freshness_s(&reply), 20);
        for ttl in [60, 30] {
            reply.answers.push(Record::from_rdata(Name::root(), ttl, RData::A(rdata::A::new(192, 0, 2, 1))));
        }
        assert_eq!(freshness_s(&reply), 30);
    }

    #[test]
    fn bytes_that_are_no_message_are_told_apart() {
        assert!(read_reply(&[0; 5]).is_err());
    }
}

//! NOTIFY from a primary (RFC 1996): its zone is looked after at once.

use crate::dns::edns::ExtendedError;
use crate::dns::message::Header;
use crate::dns::query::CLASS_IN;
use crate::dns::{Rcode, RecordType};
use crate::server::Gone;
use crate::state::Peer;
use crate::transfer::request::Request;
use crate::transfer::{Happened, Room};

/// AA among the flags of a header, first octet.
const AUTHORITATIVE: u8 = 0x04;

impl Room {
    /// Replies to a notification, and has the zone looked after if it is from a primary of it.
    pub(in crate::transfer) async fn notified(&self, request: Request) -> Result<(), Gone> {
        let is_reply = Header::read(&request.message).is_some_and(|header| header.is_reply());
        let Some(question) = request.question().filter(|_| !is_reply) else {
            self.parts.totals.count(Happened::Malformed);
            return request.refuse(Rcode::FORMERR, None).await;
        };
        if question.qtype != RecordType::SOA || question.qclass != CLASS_IN {
            // RFC 1996 §3: other types are for later protocols.
            self.parts.totals.count(Happened::NotOffered);
            return request.refuse(Rcode::NOTIMP, None).await;
        }
        let Some(waking) = self.copies.known(&question.name) else {
            self.parts.totals.count(Happened::NotifyRefused);
            return request.refuse(Rcode::NOTAUTH, Some(ExtendedError::NotAuthoritative)).await;
        };
        // Several may have one key: the address tells which it is.
        let from = |primary: &&Peer| primary.address.ip().to_canonical() == request.client.ip().to_canonical();
        let mut tellers = waking.primaries.iter().filter(|primary| is_from(&request, primary));
        let first = tellers.clone().next();
        let Some(teller) = tellers.find(from).or(first) else {
            self.parts.totals.count(Happened::NotifyRefused);
            let (client, zone, key) = (request.client.ip(), &question.name, request.key());
            if self.complaints.may_say(&format!("notify from {client}")) {
                tracing::warn!(%client, %zone, ?key, "a notification was refused: no primary of the zone has this address, or its key was not used; compare `primaries` in the zone's file");
            }
            return request.refuse(Rcode::REFUSED, Some(ExtendedError::NotAPrimary)).await;
        };
        self.parts.totals.count(Happened::NotifyTaken);
        tracing::debug!(client = %request.client, zone = %question.name, "a primary tells of a change");
        waking.told(teller);
        let mut reply = crate::transfer::request::brief(&request.message, Rcode::NOERROR, None);
        if let Some(flags) = reply.get_mut(2) {
            *flags |= AUTHORITATIVE;
        }
        request.answer(reply).await
    }
}

/// Whether a notification may be a primary's: signed with its key, or from its address where it has none.
fn is_from(request: &Request, primary: &Peer) -> bool {
    match &primary.key {
        Some(key) => request.key() == Some(key),
        None => request.client.ip().to_canonical() == primary.address.ip().to_canonical(),
    }
}

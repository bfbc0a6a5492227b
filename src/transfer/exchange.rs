//! One question to a peer and its reply, over UDP from an address the peer knows us by.

use super::Room;
use super::request::now_s;
use crate::clock;
use crate::dns::message::{Header, Question, Records, read_question};
use crate::dns::query::HEADER_LEN;
use crate::dns::tsig::{Key, sign_request};
use crate::dns::{Name, Rcode, RecordType, serial};
use crate::state::Peer;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long a reply may take.
const WAIT: Duration = Duration::from_secs(2);

/// The largest reply that is read.
const REPLY: usize = 4096;

/// What is sent.
pub(super) enum What<'a> {
    /// NOTIFY, with the SOA record as a hint (RFC 1996 §3.7).
    Notify(Option<&'a [u8]>),
    /// A query for SOA.
    Serial,
}

/// Sends a question about a zone and reads the reply: the serial in it, if that was asked for.
pub(super) async fn exchange(room: &Room, zone: &Name, peer: &Peer, what: What<'_>) -> Result<Option<u32>, String> {
    let key = room.key_of(peer)?;
    let mut message = question(zone, &what);
    let mut expecting = key.map(|key| sign_request(key, &mut message, now_s()));
    let socket = open(peer.address, &room.parts.sources).await.map_err(|error| format!("no socket: {error}"))?;
    socket.send(&message).await.map_err(|error| error.to_string())?;
    let read = async {
        loop {
            let mut reply = vec![0; REPLY];
            let len = socket.recv(&mut reply).await.map_err(|error| error.to_string())?;
            reply.truncate(len);
            let header = Header::read(&reply);
            // What answers something else is not ours.
            let ours = header.is_some_and(|header| header.is_reply() && reply.get(..2) == message.get(..2));
            if !ours {
                continue;
            }
            if let Some(expecting) = &mut expecting {
                expecting.verify(&mut reply, now_s()).map_err(|problem| problem.to_string())?;
            }
            return Ok::<_, String>(reply);
        }
    };
    let reply = timeout(WAIT, read).await.map_err(|_| "it does not answer".to_owned())??;
    judge(&reply, zone, &what)
}

/// The message that is sent.
fn question(zone: &Name, what: &What<'_>) -> Vec<u8> {
    let [.., i0, i1] = clock::random_u64().to_be_bytes();
    let (flags, answers) = match what {
        // Opcode NOTIFY, AA (RFC 1996 §3.7).
        What::Notify(soa) => (0x24, u8::from(soa.is_some())),
        What::Serial => (0, 0),
    };
    let mut message = vec![i0, i1, flags, 0, 0, 1, 0, answers, 0, 0, 0, 0];
    message.extend_from_slice(zone.wire());
    message.extend_from_slice(&[0, 6, 0, 1]);
    if let What::Notify(Some(soa)) = what {
        message.extend_from_slice(soa);
    }
    message
}

/// What a reply says.
fn judge(reply: &[u8], zone: &Name, what: &What<'_>) -> Result<Option<u32>, String> {
    let header = Header::read(reply).ok_or("the reply is malformed")?;
    let asked = read_question(reply, HEADER_LEN).ok();
    let same = asked.is_none_or(|Question { name, qtype, .. }| name == *zone && qtype == RecordType::SOA);
    if !same {
        return Err("the reply is to another question".to_owned());
    }
    if matches!(what, What::Notify(_)) {
        // One that does not know NOTIFY has heard of it all the same: it looks by itself.
        let heard = [Rcode::NOERROR.0, Rcode::NOTIMP.0].contains(&header.rcode());
        return if heard { Ok(None) } else { Err(format!("it answers with RCODE {}", header.rcode())) };
    }
    if header.rcode() != 0 || header.flags & 0x0400 == 0 {
        return Err(format!("it does not serve the zone (RCODE {}, not authoritative)", header.rcode()));
    }
    let records = Records::of(reply).map_err(|problem| problem.to_string())?;
    let soa = records
        .map_while(Result::ok)
        .find(|record| record.section == 1 && record.rtype == RecordType::SOA && record.owner == *zone);
    Ok(soa.and_then(|soa| serial::of_soa(reply.get(soa.rdata)?)))
}

impl Room {
    /// The key a peer is spoken to with.
    pub(super) fn key_of(&self, peer: &Peer) -> Result<Option<&Arc<Key>>, String> {
        let found = |name| self.parts.keys.find(name).ok_or_else(|| format!("there is no key {name}"));
        peer.key.as_ref().map(found).transpose()
    }
}

/// The address a peer is most likely to know us by: one we answer at.
pub(super) fn source_for(to: SocketAddr, sources: &[IpAddr]) -> IpAddr {
    let fits = |source: &&IpAddr| {
        source.is_ipv4() == to.is_ipv4() && !source.is_unspecified() && source.is_loopback() == to.ip().is_loopback()
    };
    sources.iter().find(fits).copied().unwrap_or_else(|| unspecified(to))
}

/// Any address of ours, in the family of a peer's.
fn unspecified(to: SocketAddr) -> IpAddr {
    if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// A socket to a peer.
async fn open(to: SocketAddr, sources: &[IpAddr]) -> std::io::Result<UdpSocket> {
    let socket = match UdpSocket::bind((source_for(to, sources), 0)).await {
        Ok(socket) => socket,
        Err(_) => UdpSocket::bind((unspecified(to), 0)).await?,
    };
    socket.connect(to).await?;
    Ok(socket)
}

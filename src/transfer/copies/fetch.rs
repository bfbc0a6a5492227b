//! Takes a zone, or its changes, from a primary over TCP (RFC 5936, RFC 1995), message after message.

use super::incoming::{Arrived, Incoming, Sent};
use crate::clock;
use crate::dns::message::{Header, Records, read_question};
use crate::dns::query::{CLASS_IN, HEADER_LEN};
use crate::dns::tsig::{Expecting, sign_request};
use crate::dns::{Name, RecordType, rdata, serial};
use crate::state::Peer;
use crate::transfer::Room;
use crate::transfer::exchange::source_for;
use crate::transfer::request::now_s;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long connecting, and each message, may take.
const WAIT: Duration = Duration::from_secs(10);

/// How long a transfer may take in all.
const LIMIT: Duration = Duration::from_secs(900);

/// The answer section.
const ANSWER: usize = 1;

/// TC among the flags of a header.
const TRUNCATED: u16 = 0x0200;

/// Takes the zone from a primary: the changes since the SOA record `held`, or all of it.
pub(super) async fn fetch(room: &Room, zone: &Name, primary: &Peer, held: Option<&[u8]>) -> Result<Sent, String> {
    timeout(LIMIT, fetch_all(room, zone, primary, held))
        .await
        .unwrap_or_else(|_| Err(format!("the transfer took more than {} s", LIMIT.as_secs())))
}

async fn fetch_all(room: &Room, zone: &Name, primary: &Peer, held: Option<&[u8]>) -> Result<Sent, String> {
    let mut message = question(zone, held);
    let key = room.key_of(primary)?;
    let mut expecting = key.map(|key| sign_request(key, &mut message, now_s()));
    let mut stream = timeout(WAIT, connect(room, primary))
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|error| format!("no connection: {error}"))?;
    let len = u16::try_from(message.len()).map_err(|_| "the request is too long")?;
    let framed = [&len.to_be_bytes(), &message[..]].concat();
    stream.write_all(&framed).await.map_err(|error| format!("the request could not be sent: {error}"))?;
    let mut incoming = Incoming::new(zone.clone(), held.and_then(serial::of_soa));
    while !incoming.is_done() {
        let read = timeout(WAIT, read(&mut stream)).await;
        let mut reply = read
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(|error| format!("the transfer was cut short: {error}"))?;
        check(&message, &mut reply, zone, expecting.as_mut())?;
        take(&reply, &mut incoming)?;
    }
    if expecting.is_some_and(|expecting| !expecting.is_settled()) {
        return Err("the last message of the transfer is not signed".to_owned());
    }
    incoming.sent().ok_or_else(|| "the transfer was cut short".to_owned())
}

/// The request: AXFR, or IXFR with the SOA record that is held.
fn question(zone: &Name, held: Option<&[u8]>) -> Vec<u8> {
    let [.., i0, i1] = clock::random_u64().to_be_bytes();
    let (qtype, authority) = if held.is_some() { (RecordType::IXFR, 1) } else { (RecordType::AXFR, 0) };
    let mut message = vec![i0, i1, 0, 0, 0, 1, 0, 0, 0, authority, 0, 0];
    message.extend_from_slice(zone.wire());
    message.extend_from_slice(&qtype.0.to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    message.extend_from_slice(held.unwrap_or(&[]));
    message
}

/// A connection from the address the primary is most likely to know us by.
async fn connect(room: &Room, primary: &Peer) -> std::io::Result<TcpStream> {
    let to = primary.address;
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let source = source_for(to, &room.parts.sources);
    if let Err(error) = socket.bind((source, 0).into()) {
        tracing::debug!(%source, %error, "the address we answer at is not to be had: the system chooses one");
    }
    socket.connect(to).await
}

/// One message.
async fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let len = stream.read_u16().await?;
    let mut message = vec![0; usize::from(len)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Whether a message is a good reply to the request; takes its signature off.
fn check(request: &[u8], reply: &mut Vec<u8>, zone: &Name, expecting: Option<&mut Expecting>) -> Result<(), String> {
    if let Some(expecting) = expecting {
        expecting.verify(reply, now_s()).map_err(|problem| problem.to_string())?;
    }
    let header = Header::read(reply).filter(|header| header.is_reply() && request.get(..2) == reply.get(..2));
    let header = header.ok_or("what came is no reply to the request")?;
    if header.rcode() != 0 {
        let hint = match header.rcode() {
            5 => ": it does not let this server take the zone (address, or key)",
            9 => ": it does not have the zone, or does not know the key",
            _ => "",
        };
        return Err(format!("it answers with RCODE {}{hint}", header.rcode()));
    }
    if header.flags & TRUNCATED != 0 {
        return Err("a message of the transfer is truncated".to_owned());
    }
    // RFC 5936 §2.2.1: later messages need not repeat the question.
    if header.counts[0] > 0 && read_question(reply, HEADER_LEN).is_ok_and(|question| question.name != *zone) {
        return Err("the reply is to another question".to_owned());
    }
    Ok(())
}

/// Takes the records of a message.
fn take(reply: &[u8], incoming: &mut Incoming) -> Result<(), String> {
    for record in Records::of(reply).map_err(|problem| problem.to_string())? {
        let record = record.map_err(|problem| problem.to_string())?;
        if record.section != ANSWER {
            continue;
        }
        if record.class != CLASS_IN || record.rtype.is_meta() {
            return Err(format!("the transfer has a record at {} that no zone has", record.owner));
        }
        let rdata = rdata::expand(record.rtype, reply, record.rdata)
            .ok_or_else(|| format!("the {} record at {} is malformed", record.rtype, record.owner))?;
        let arrived = Arrived { owner: record.owner, rtype: record.rtype, ttl: record.ttl, rdata };
        incoming.take(arrived).map_err(|disorder| disorder.to_string())?;
    }
    incoming.message_ends();
    Ok(())
}

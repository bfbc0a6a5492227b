//! One question to one resolver (RFC 1035): over UDP, and over TCP when the reply did not fit.

use crate::clock;
use crate::dns::message::{Header, Records, read_name, read_question};
use crate::dns::{Name, RecordType};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

/// The reply that fits a datagram on every path, octets.
const DATAGRAM: u16 = 1232;

/// RD; QR, OPCODE and TC among the flags of a header.
const RECURSION_DESIRED: u16 = 0x0100;
const TRUNCATED: u16 = 0x0200;

/// The longest chain of aliases that is followed.
const MAX_ALIASES: usize = 8;

/// One question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'q> {
    pub(super) name: &'q Name,
    pub(super) rtype: RecordType,
}

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Of A or AAAA.
    Address(IpAddr),
    /// Of SRV (RFC 2782); its port is of no use here.
    Service { priority: u16, weight: u16, target: Name },
}

/// Asks, and gives the records of the answer; none when the name has none of the type.
pub(super) async fn ask(resolver: SocketAddr, question: Question<'_>, limit: Duration) -> Result<Vec<Found>, String> {
    let until = Instant::now() + limit;
    let id = u16::try_from(clock::random_u64() & 0xffff).expect("sixteen bits");
    let query = query(id, question);
    let doing = |what: &str| format!("{what} {resolver} for {} {}", question.name, question.rtype);
    let reply = within(until, &doing("asking"), over_udp(resolver, &query, question)).await?;
    let truncated = Header::read(&reply).is_some_and(|header| header.flags & TRUNCATED != 0);
    let reply =
        if truncated { within(until, &doing("asking over TCP"), over_tcp(resolver, &query)).await? } else { reply };
    if !answers(&reply, id, question) {
        return Err(format!("{resolver} does not answer what it was asked"));
    }
    read(&reply, question).map_err(|why| format!("{resolver} says of {} {}: {why}", question.name, question.rtype))
}

async fn within<T>(until: Instant, doing: &str, step: impl Future<Output = io::Result<T>>) -> Result<T, String> {
    match timeout_at(until, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(format!("{doing}: {error}")),
        Err(_) => Err(format!("{doing}: no answer in time")),
    }
}

/// The question as a message.
fn query(id: u16, question: Question<'_>) -> Vec<u8> {
    let mut query = Vec::with_capacity(12 + 255 + 4 + 11);
    for word in [id, RECURSION_DESIRED, 1, 0, 0, 1] {
        query.extend_from_slice(&word.to_be_bytes());
    }
    query.extend_from_slice(question.name.wire());
    for word in [question.rtype.0, 1] {
        query.extend_from_slice(&word.to_be_bytes());
    }
    // OPT (RFC 6891): the root, the size of replies, nothing else.
    query.push(0);
    for word in [41, DATAGRAM, 0, 0, 0] {
        query.extend_from_slice(&word.to_be_bytes());
    }
    query
}

/// Whether a message is the reply to this question.
fn answers(reply: &[u8], id: u16, question: Question<'_>) -> bool {
    let Some(header) = Header::read(reply) else { return false };
    let asked = read_question(reply, 12);
    header.id == id
        && header.is_reply()
        && header.counts[0] == 1
        && asked.is_ok_and(|asked| asked.name == *question.name && asked.qtype == question.rtype && asked.qclass == 1)
}

/// Over UDP, from a port of the system's choice. What answers another question is not listened to.
async fn over_udp(resolver: SocketAddr, query: &[u8], question: Question<'_>) -> io::Result<Vec<u8>> {
    let own: IpAddr = if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(resolver).await?;
    socket.send(query).await?;
    let id = u16::from_be_bytes([query[0], query[1]]);
    let mut reply = vec![0; 4096];
    loop {
        let length = socket.recv(&mut reply).await?;
        if answers(&reply[..length], id, question) {
            reply.truncate(length);
            return Ok(reply);
        }
    }
}

/// Over TCP (RFC 7766).
async fn over_tcp(resolver: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    let length = u16::try_from(query.len()).expect("a question is short");
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
}

/// The records of the type asked for, at the end of a chain of aliases.
fn read(reply: &[u8], question: Question<'_>) -> Result<Vec<Found>, String> {
    const MALFORMED: &str = "its reply is malformed";
    let header = Header::read(reply).ok_or(MALFORMED)?;
    match header.rcode() {
        0 => {}
        2 => return Err("SERVFAIL".to_owned()),
        3 => return Err("there is no such name (NXDOMAIN)".to_owned()),
        5 => return Err("REFUSED".to_owned()),
        other => return Err(format!("RCODE {other}")),
    }
    let records: Result<Vec<_>, _> = Records::of(reply).map_err(|_| MALFORMED)?.collect();
    let records = records.map_err(|_| MALFORMED)?;
    let answers = || records.iter().filter(|record| record.section == 1 && record.class == 1);
    let mut name = question.name.clone();
    for _ in 0..MAX_ALIASES {
        let alias = answers().find(|record| record.owner == name && record.rtype == RecordType::CNAME);
        let Some(alias) = alias else { break };
        name = read_name(reply, alias.rdata.start).ok_or(MALFORMED)?.0;
    }
    let wanted = answers().filter(|record| record.owner == name && record.rtype == question.rtype);
    let mut found = Vec::new();
    for record in wanted {
        let rdata = reply.get(record.rdata.clone()).ok_or(MALFORMED)?;
        found.push(match question.rtype {
            RecordType::A => Found::Address(<[u8; 4]>::try_from(rdata).map_err(|_| MALFORMED)?.into()),
            RecordType::AAAA => Found::Address(<[u8; 16]>::try_from(rdata).map_err(|_| MALFORMED)?.into()),
            _ => {
                let [p0, p1, w0, w1, _, _] = *rdata.first_chunk::<6>().ok_or(MALFORMED)?;
                let target = read_name(reply, record.rdata.start + 6).ok_or(MALFORMED)?.0;
                let (priority, weight) = (u16::from_be_bytes([p0, p1]), u16::from_be_bytes([w0, w1]));
                Found::Service { priority, weight, target }
            }
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::parse(text, Some(&Name::root())).unwrap()
    }

    /// A reply with these records: owner, type, RDATA.
    fn reply(question: Question<'_>, rcode: u8, records: &[(&Name, RecordType, Vec<u8>)]) -> Vec<u8> {
        let mut reply = query(7, question);
        reply.truncate(reply.len() - 11);
        reply[2] = 0x81;
        reply[3] = rcode;
        reply[7] = u8::try_from(records.len()).unwrap();
        reply[11] = 0;
        for (owner, rtype, rdata) in records {
            reply.extend_from_slice(owner.wire());
            for word in [rtype.0, 1, 0, 60, u16::try_from(rdata.len()).unwrap()] {
                reply.extend_from_slice(&word.to_be_bytes());
            }
            reply.extend_from_slice(rdata);
        }
        reply
    }

    #[test]
    fn aliases_are_followed_to_the_records_and_no_others() {
        let (blue, real, other) = (name("blue.service.consul"), name("real.consul"), name("other.consul"));
        let question = Question { name: &blue, rtype: RecordType::A };
        let records = [
            (&blue, RecordType::CNAME, real.wire().to_vec()),
            (&real, RecordType::A, vec![10, 0, 0, 1]),
            (&other, RecordType::A, vec![10, 0, 0, 2]),
        ];
        let found = read(&reply(question, 0, &records), question).unwrap();
        assert_eq!(found, [Found::Address("10.0.0.1".parse().unwrap())]);
        assert!(answers(&reply(question, 0, &records), 7, question));
        assert!(!answers(&reply(question, 0, &records), 8, question), "another id");
        assert!(!answers(&reply(question, 0, &records), 7, Question { name: &real, ..question }), "another name");
    }

    #[test]
    fn services_come_with_their_weights() {
        let (blue, target) = (name("blue.service.consul"), name("n1.consul"));
        let question = Question { name: &blue, rtype: RecordType::SRV };
        let rdata = [&[0, 1, 0, 9, 0, 80], target.wire()].concat();
        let found = read(&reply(question, 0, &[(&blue, RecordType::SRV, rdata)]), question).unwrap();
        assert_eq!(found, [Found::Service { priority: 1, weight: 9, target }]);
    }

    #[test]
    fn errors_are_said_in_words() {
        let blue = name("blue.service.consul");
        let question = Question { name: &blue, rtype: RecordType::A };
        assert_eq!(read(&reply(question, 2, &[]), question).unwrap_err(), "SERVFAIL");
        assert!(read(&reply(question, 3, &[]), question).unwrap_err().contains("NXDOMAIN"));
        let short = [(&blue, RecordType::A, vec![10, 0, 0])];
        assert_eq!(read(&reply(question, 0, &short), question).unwrap_err(), "its reply is malformed");
    }

    proptest! {
        #[test]
        fn no_reply_breaks_the_reader(noise in proptest::collection::vec(any::<u8>(), 0..200), srv in any::<bool>()) {
            let blue = name("blue.service.consul");
            let rtype = if srv { RecordType::SRV } else { RecordType::A };
            let question = Question { name: &blue, rtype };
            let _ = (answers(&noise, 7, question), read(&noise, question));
            let mut behind = reply(question, 0, &[]);
            behind[7] = 3;
            behind.extend_from_slice(&noise);
            let _ = read(&behind, question);
        }
    }
}

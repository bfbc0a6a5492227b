//! One question to one server, over UDP or TCP (RFC 1035, RFC 7766): for whoever asks, never for who answers.
//!
//! Sets no limit on time: the caller does. What answers another question is not listened to.

use crate::clock;
use crate::dns::message::{Header, read_question};
use crate::dns::{Name, RecordType};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// The reply that fits a datagram on every path, octets.
const DATAGRAM: u16 = 1232;

/// RD among the flags of a header.
const RECURSION_DESIRED: u16 = 0x0100;

/// Where the system names its resolvers, and how many are asked.
const RESOLV_CONF: &str = "/etc/resolv.conf";
const MAX_RESOLVERS: usize = 3;

/// One question.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The name.
    pub name: &'q Name,
    /// The type.
    pub rtype: RecordType,
    /// Whether a resolver is to find out for us.
    pub recursion: bool,
    /// Whether an OPT record goes with it (RFC 6891).
    pub edns: bool,
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A connection of its own.
    Tcp,
}

impl<'q> Question<'q> {
    /// What a resolver is asked.
    #[must_use]
    pub fn of(name: &'q Name, rtype: RecordType) -> Self {
        Self { name, rtype, recursion: true, edns: true }
    }

    /// What an authoritative server is asked.
    #[must_use]
    pub fn at_source(name: &'q Name, rtype: RecordType) -> Self {
        Self { recursion: false, ..Self::of(name, rtype) }
    }
}

/// Asks and returns the reply, which may have any RCODE and be truncated.
///
/// # Errors
/// What the sockets say; over TCP also a reply to another question.
pub async fn send(server: SocketAddr, question: Question<'_>, transport: Transport) -> io::Result<Vec<u8>> {
    let [.., i0, i1] = clock::random_u64().to_be_bytes();
    let query = query(u16::from_be_bytes([i0, i1]), question);
    match transport {
        Transport::Udp => over_udp(server, &query, question).await,
        Transport::Tcp => over_tcp(server, &query, question).await,
    }
}

/// The resolvers the system names, at least one.
///
/// # Errors
/// That there is none, in words.
pub async fn resolvers_of_system() -> Result<Vec<SocketAddr>, String> {
    let text = tokio::fs::read_to_string(RESOLV_CONF).await.map_err(|error| format!("{RESOLV_CONF}: {error}"))?;
    let resolvers = named(&text);
    if resolvers.is_empty() { Err(format!("{RESOLV_CONF} names no resolver: give `resolver`")) } else { Ok(resolvers) }
}

/// The `nameserver` lines of a resolv.conf.
fn named(text: &str) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        words.next()?.parse::<IpAddr>().ok()
    });
    addresses.take(MAX_RESOLVERS).map(|address| SocketAddr::new(address, 53)).collect()
}

/// The question as a message.
pub(crate) fn query(id: u16, question: Question<'_>) -> Vec<u8> {
    let mut query = Vec::with_capacity(12 + 255 + 4 + 11);
    let flags = if question.recursion { RECURSION_DESIRED } else { 0 };
    for word in [id, flags, 1, 0, 0, u16::from(question.edns)] {
        query.extend_from_slice(&word.to_be_bytes());
    }
    query.extend_from_slice(question.name.wire());
    for word in [question.rtype.0, 1] {
        query.extend_from_slice(&word.to_be_bytes());
    }
    if question.edns {
        // The root, OPT, the size of replies, nothing else.
        query.push(0);
        for word in [41, DATAGRAM, 0, 0, 0] {
            query.extend_from_slice(&word.to_be_bytes());
        }
    }
    query
}

/// Whether a message is the reply to this question. A server that could not read it repeats no question.
pub(crate) fn answers(reply: &[u8], id: u16, question: Question<'_>) -> bool {
    let Some(header) = Header::read(reply) else { return false };
    let same = || {
        read_question(reply, 12)
            .is_ok_and(|asked| asked.name == *question.name && asked.qtype == question.rtype && asked.qclass == 1)
    };
    let fits = match header.counts[0] {
        0 => header.rcode() != 0,
        1 => same(),
        _ => false,
    };
    header.id == id && header.is_reply() && fits
}

/// Over UDP, from a port of the system's choice.
async fn over_udp(server: SocketAddr, query: &[u8], question: Question<'_>) -> io::Result<Vec<u8>> {
    let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
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

/// Over TCP.
async fn over_tcp(server: SocketAddr, query: &[u8], question: Question<'_>) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).expect("a question is short");
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    if answers(&reply, u16::from_be_bytes([query[0], query[1]]), question) {
        Ok(reply)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it does not answer what it was asked"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn resolvers_are_those_the_system_names() {
        let text =
            "# made by hand\nsearch lan\nnameserver 192.0.2.53\nnameserver ::1 # local\noptions edns0\nnameserver x\n";
        let shown: Vec<String> = named(text).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.53:53", "[::1]:53"]);
    }

    #[test]
    fn a_reply_has_the_id_and_the_question() {
        let (name, other): (Name, Name) = ("a.test.".parse().unwrap(), "b.test.".parse().unwrap());
        let question = Question::at_source(&name, RecordType::SOA);
        let mut reply = query(7, question);
        assert!(!answers(&reply, 7, question), "a query is no reply");
        reply[2] = 0x80;
        assert!(answers(&reply, 7, question));
        assert!(!answers(&reply, 8, question), "another id");
        assert!(!answers(&reply, 7, Question { name: &other, ..question }), "another name");
        assert!(!answers(&reply, 7, Question { rtype: RecordType::NS, ..question }), "another type");
        let mut bare = reply[..12].to_vec();
        bare[5] = 0;
        assert!(!answers(&bare, 7, question), "NOERROR without a question");
        bare[3] = 1;
        assert!(answers(&bare, 7, question), "FORMERR without a question");
    }

    proptest! {
        #[test]
        fn no_reply_breaks_the_reader(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let name: Name = "a.test.".parse().unwrap();
            let _ = answers(&noise, 7, Question::of(&name, RecordType::A));
        }
    }
}

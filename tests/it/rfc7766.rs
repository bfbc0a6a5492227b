//! RFC 7766: DNS over TCP, with patient, hasty, rude and silent clients.

use crate::harness::{LIMIT, Server, own_address};
use crate::wire::*;
use crate::world::{Stream, world};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::Instant;

/// A server with tight limits.
async fn limited(limits: &str) -> Server {
    let mut server = Server::prepare(&[("example.test.zone", include_str!("zones/example.test.zone"))], &[]);
    server.folder.write("tidegate.toml", &format!("[limits]\n{limits}\n"));
    let config = server.folder.path().join("tidegate.toml").display().to_string();
    server.extra.extend(["--config".to_owned(), config]);
    server.spawn();
    server.ready().await;
    server
}

/// The query of one id.
fn numbered(id: u16, qname: &str) -> Vec<u8> {
    let mut message = query(qname, A);
    message[..2].copy_from_slice(&id.to_be_bytes());
    message
}

fn id(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

impl Stream {
    /// Asks once; false when the connection is closed instead.
    fn is_answered(&mut self) -> bool {
        self.0.write_all(&framed(&query("www.example.test", A))).is_ok() && self.read().is_some()
    }

    /// Waits until the server has closed without another octet.
    fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(len) => len == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn rfc7766_6_2_1_1_a_hundred_queries_in_one_segment_get_a_hundred_answers() {
    for server in [world().v4, world().v6] {
        let mut stream = Stream::new(server);
        let all: Vec<u8> = (0..100).flat_map(|id| framed(&numbered(id, "www.example.test"))).collect();
        stream.write(&all);
        let mut ids: Vec<u16> = (0..100)
            .map(|_| {
                let message = stream.read().expect("a reply");
                assert_eq!(Reply::read(&message).answer.len(), 2);
                id(&message)
            })
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn rfc7766_8_length_and_message_may_come_apart_anywhere() {
    let mut stream = Stream::new(world().v4);
    let message = framed(&query("www.example.test", A));
    for at in 1..message.len() {
        stream.write(&message[..at]);
        stream.write(&message[at..]);
        assert_eq!(Reply::read(&stream.read().expect("a reply")).answer.len(), 2, "cut at {at}");
    }
    let two = [message.clone(), message.clone()].concat();
    for at in [1, message.len() - 1, message.len(), message.len() + 1, message.len() + 2] {
        stream.write(&two[..at]);
        stream.write(&two[at..]);
        for _ in 0..2 {
            assert!(stream.read().is_some(), "cut at {at}");
        }
    }
}

#[test]
fn rfc7766_8_length_and_reply_come_in_one_segment() {
    let mut stream = Stream::new(world().v4);
    stream.write(&framed(&query("www.example.test", A)));
    let mut first = [0; 65_537];
    let len = stream.0.read(&mut first).unwrap();
    assert_eq!(len, 2 + usize::from(u16::from_be_bytes([first[0], first[1]])), "a naive reader gets it whole");
}

#[test]
fn rfc7766_6_2_4_a_client_that_has_closed_its_half_gets_its_answers() {
    let mut stream = Stream::new(world().v4);
    let all: Vec<u8> = (0..50).flat_map(|id| framed(&numbered(id, "large.example.test"))).collect();
    stream.write(&all);
    stream.0.shutdown(Shutdown::Write).unwrap();
    for _ in 0..50 {
        assert_eq!(Reply::read(&stream.read().expect("a reply")).answer.len(), 100);
    }
    assert!(stream.is_closed());
}

#[test]
fn one_connection_carries_different_questions_and_faults() {
    let mut stream = Stream::new(world().v4);
    let zero_questions = header(3, 0, [0; 4]);
    let expected = [
        (numbered(1, "www.example.test"), NOERROR),
        (zero_questions, FORMERR),
        (numbered(2, "nothing.example.test"), NXDOMAIN),
        (numbered(4, "x.elsewhere.test"), REFUSED),
    ];
    let all: Vec<u8> = expected.iter().flat_map(|(message, _)| framed(message)).collect();
    stream.write(&all);
    let mut replies: Vec<Reply> = expected.iter().map(|_| Reply::read(&stream.read().expect("a reply"))).collect();
    replies.sort_by_key(|reply| reply.id);
    let by_id: Vec<(u16, u16)> = replies.iter().map(|reply| (reply.id, reply.rcode)).collect();
    assert_eq!(by_id, [(1, NOERROR), (2, NXDOMAIN), (3, FORMERR), (4, REFUSED)]);
}

#[test]
fn a_length_too_short_for_a_header_ends_the_connection() {
    for len in [0u16, 1, 11] {
        let mut stream = Stream::new(world().v4);
        stream.write(&[&len.to_be_bytes()[..], &vec![0; usize::from(len)]].concat());
        assert!(stream.is_closed(), "length {len}");
    }
}

#[test]
fn the_longest_message_is_read_and_answered() {
    let mut stream = Stream::new(world().v4);
    let mut longest = query("www.example.test", A);
    longest.resize(65_535, 0);
    let reply = Reply::read(&stream.ask(&longest));
    assert_eq!((reply.rcode, reply.answer.len()), (NOERROR, 2));
    assert!(stream.is_answered(), "and the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7766_6_2_3_an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let server = limited("tcp_idle = \"400ms\"").await;
    let mut idle = Stream::new(server.dns);
    assert!(idle.is_answered());
    let mut never_asked = Stream::new(server.dns);
    let mut busy = Stream::new(server.dns);
    let begun = Instant::now();
    let watch = std::thread::spawn(move || idle.is_closed() && never_asked.is_closed());
    while !watch.is_finished() {
        assert!(busy.is_answered(), "a connection in use stays");
        assert!(begun.elapsed() < LIMIT, "the idle connections stay open");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(watch.join().unwrap());
    assert!(busy.is_answered());
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7766_6_2_2_a_client_over_its_share_is_closed_and_others_are_not() {
    let server = limited("tcp_per_client = 3").await;
    let greedy = own_address();
    let connect = || Stream::at(SocketAddr::from((greedy, 0)), server.dns);
    let mut streams: Vec<Stream> = (0..3).map(|_| connect()).collect();
    assert!(streams.iter_mut().all(Stream::is_answered));
    assert!(connect().is_closed(), "the fourth");
    assert!(Stream::new(server.dns).is_answered(), "somebody else");
    assert!(streams.iter_mut().all(Stream::is_answered), "the first three stay");
    drop(streams.pop());
    let begun = Instant::now();
    while !connect().is_answered() {
        assert!(begun.elapsed() < LIMIT, "a seat that was left is free again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7766_6_2_3_when_all_seats_are_taken_the_longest_idle_leaves() {
    let server = limited("tcp_total = 4\ntcp_idle = \"1h\"").await;
    let mut streams: Vec<Stream> = Vec::new();
    for _ in 0..4 {
        let mut stream = Stream::new(server.dns);
        assert!(stream.is_answered());
        streams.push(stream);
        // The server's clock has milliseconds; each has to be idle since another one.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(streams[0].is_answered());
    let mut newcomer = Stream::new(server.dns);
    assert!(newcomer.is_answered());
    assert!(streams[1].is_closed(), "the second had gone longest without a query");
    for kept in [0, 2, 3] {
        assert!(streams[kept].is_answered(), "{kept}");
    }
}

#[test]
fn a_reader_that_takes_nothing_is_closed_and_disturbs_nobody() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(&SocketAddr::from((own_address(), 0)).into()).unwrap();
    socket.connect(&world().v4.into()).unwrap();
    socket.set_write_timeout(Some(LIMIT)).unwrap();
    let mut rude = std::net::TcpStream::from(socket);
    let flood: Vec<u8> = (0..200).flat_map(|id| framed(&numbered(id, "large.example.test"))).collect();
    let begun = Instant::now();
    let flooding = std::thread::spawn(move || while rude.write_all(&flood).is_ok() && begun.elapsed() < LIMIT {});
    let mut polite = Stream::new(world().v4);
    while !flooding.is_finished() {
        assert!(polite.is_answered(), "others are answered meanwhile");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    flooding.join().unwrap();
    assert!(begun.elapsed() < LIMIT, "the server never gave up on a reader that reads nothing");
    assert!(polite.is_answered());
}

#[test]
fn a_slow_reader_that_does_read_gets_everything() {
    let mut stream = Stream::new(world().v4);
    stream.write(&framed(&query("huge.example.test", TXT)));
    let mut bytes = Vec::new();
    let mut piece = [0; 512];
    while bytes.len() < 2 || bytes.len() < 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]])) {
        let len = stream.0.read(&mut piece).unwrap();
        assert_ne!(len, 0, "closed after {} octets", bytes.len());
        bytes.extend_from_slice(&piece[..len]);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(Reply::read(&bytes[2..]).answer.len(), 250);
}

#[test]
fn connections_from_many_addresses_are_served_at_once() {
    let base = u32::from(Ipv4Addr::new(127, 220, 0, 1));
    let mut streams: Vec<Stream> =
        (0..100).map(|offset| Stream::at(SocketAddr::from((Ipv4Addr::from(base + offset), 0)), world().v4)).collect();
    for stream in streams.iter_mut().rev() {
        assert!(stream.is_answered());
    }
}

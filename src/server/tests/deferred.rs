//! What is handed over: which messages, what becomes of their replies, and what happens when nobody takes them.

use super::*;
use crate::answer::Transport;
use crate::server::{Deferred, RateLimit, desk};
use std::net::UdpSocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// An update message (RFC 2136) for the zone `name`, with one record in its update section.
fn update(id: u16) -> Vec<u8> {
    let mut message = query(id, "name");
    (message[2], message[9]) = (5 << 3, 1);
    message.extend(b"\x01a\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x01");
    message
}

/// A query of another type than A.
fn query_of(id: u16, qtype: u8) -> Vec<u8> {
    let mut message = query(id, "name");
    let type_at = message.len() - 3;
    message[type_at] = qtype;
    message
}

/// A query with a TSIG record of some key.
fn signed(id: u16) -> Vec<u8> {
    let mut message = query(id, "name");
    message[11] = 1;
    message.extend(b"\x01k\0\0\xfa\0\xff\0\0\0\0\0\x1d\x0bhmac-sha256\0\0\0\0\0\0\0\x01\x2c\0\0\0\0\0\0\0\0");
    message
}

fn with_desk(address: &str) -> (Running, mpsc::Receiver<Deferred>) {
    let (desk, deferred) = desk();
    (start(Settings { desk: Some(desk), rate_limit: None, ..settings(address) }), deferred)
}

async fn take(deferred: &mut mpsc::Receiver<Deferred>) -> Deferred {
    timeout(LIMIT, deferred.recv()).await.expect("in time").expect("the server lives")
}

fn client() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let reading = async {
        let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut reply).await.unwrap();
        reply
    };
    timeout(LIMIT, reading).await.expect("a reply in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datagram_is_handed_over_as_it_came_and_answered_from_the_address_it_was_sent_to() {
    for (listen, target) in [("127.0.0.1:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.9"), ("[::]:0", "::1")] {
        let (running, mut deferred) = with_desk(listen);
        let target: SocketAddr = (target.parse::<std::net::IpAddr>().unwrap(), running.address.port()).into();
        let socket = if target.is_ipv4() { client() } else { UdpSocket::bind("[::1]:0").unwrap() };
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        for message in [update(1), query_of(2, 252), query_of(3, 251), signed(4)] {
            socket.send_to(&message, target).unwrap();
            let taken = take(&mut deferred).await;
            assert_eq!((&taken.message, taken.transport), (&message, Transport::Udp));
            assert_eq!(taken.client, socket.local_addr().unwrap());
            let mut reply = taken.message;
            reply[2] |= 0x80;
            taken.reply.send(reply.clone()).await.unwrap();
            let mut buffer = [0; 512];
            let (len, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from), (&reply[..], target));
        }
        running.until_counted(Count::Deferred, 4).await;
        running.listening.shutdown().await;
    }
}

#[tokio::test]
async fn the_reply_of_a_stream_takes_its_place_among_pipelined_ones() {
    let (running, mut deferred) = with_desk("127.0.0.1:0");
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let all: Vec<u8> =
        [query(1, "a"), query_of(2, 252), query(3, "b"), update(4)].iter().flat_map(|m| framed(m)).collect();
    stream.write_all(&all).await.unwrap();
    assert!(answers(&read(&mut stream).await, &query(1, "a")));
    let Deferred { message, mut reply, transport, .. } = take(&mut deferred).await;
    assert_eq!((message, transport), (query_of(2, 252), Transport::Tcp));
    // More parts than wait: each is taken because the client reads.
    let sending = tokio::spawn(async move {
        for part in 0..20u8 {
            reply.send_part(vec![part; 3000]).await.unwrap();
        }
        reply.send(vec![20; 3000]).await.unwrap();
    });
    for part in 0..=20u8 {
        assert_eq!(read(&mut stream).await, vec![part; 3000]);
    }
    sending.await.unwrap();
    assert!(answers(&read(&mut stream).await, &query(3, "b")));
    take(&mut deferred).await.reply.send(vec![4; 12]).await.unwrap();
    assert_eq!(read(&mut stream).await, [4; 12]);
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_reply_that_is_cut_short_closes_the_stream() {
    let (running, mut deferred) = with_desk("127.0.0.1:0");
    for parts in [0, 1] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(&framed(&query_of(2, 252))).await.unwrap();
        let Deferred { mut reply, .. } = take(&mut deferred).await;
        if parts == 1 {
            reply.send_part(vec![7; 12]).await.unwrap();
            assert_eq!(read(&mut stream).await, [7; 12]);
        }
        drop(reply);
        assert!(matches!(timeout(LIMIT, stream.read(&mut [0])).await.expect("closed in time"), Ok(0) | Err(_)));
    }
    running.until_counted(Count::Unanswered, 2).await;
    running.listening.shutdown().await;
}

#[tokio::test]
async fn who_makes_a_reply_learns_of_a_client_that_is_gone_or_does_not_read() {
    let (desk, mut deferred) = desk();
    let limits = StreamLimits { deferred_stall: Duration::from_millis(50), ..StreamLimits::default() };
    let running = start(Settings { desk: Some(desk), ..limited(limits) });
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&framed(&query_of(2, 252))).await.unwrap();
    let Deferred { mut reply, .. } = take(&mut deferred).await;
    let sent = async { while reply.send_part(vec![0; 60_000]).await.is_ok() {} };
    timeout(LIMIT, sent).await.expect("a client that does not read is given up");
    timeout(LIMIT, reply.gone()).await.expect("and said to be gone");
    running.until_counted(Count::SlowReader, 1).await;
    running.listening.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_be_taken_on_is_answered_servfail() {
    let (running, mut deferred) = with_desk("127.0.0.1:0");
    let socket = client();
    let mut buffer = [0; 512];
    // One at a time: a burst could be lost on its way.
    for id in 0..1024 {
        socket.send_to(&update(id), running.address).unwrap();
        running.until_counted(Count::Deferred, u64::from(id) + 1).await;
    }
    socket.send_to(&update(9999), running.address).unwrap();
    let len = socket.recv(&mut buffer).unwrap();
    assert_eq!((&buffer[..2], buffer[3] & 0x0f, len), (&9999u16.to_be_bytes()[..], 2, query(0, "name").len()));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&framed(&query_of(7, 252))).await.unwrap();
    assert_eq!(read(&mut stream).await[3] & 0x0f, 2);
    running.until_counted(Count::DeferralsFull, 2).await;
    drop(take(&mut deferred).await);
    running.listening.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_over_is_limited_like_what_is_answered() {
    let (desk, deferred) = desk();
    let limit = RateLimit::equal(5, 1_000);
    let settings = Settings { desk: Some(desk), rate_limit: Some(limit), ..settings("127.0.0.1:0") };
    let running = start(settings);
    let socket = client();
    let outcomes = [Count::Deferred, Count::Slipped, Count::RateLimited];
    let counted = || outcomes.map(|count| running.registry.fold_count(count));
    for id in 0..60u16 {
        socket.send_to(&update(id), running.address).unwrap();
        // One at a time: a burst could be lost on its way.
        until(|| counted().iter().sum::<u64>() > u64::from(id)).await;
    }
    let [handed, slipped, dropped] = counted();
    assert!(handed < 60 && slipped > 0 && dropped > 0, "{handed} {slipped} {dropped}");
    let mut buffer = [0; 512];
    let len = socket.recv(&mut buffer).unwrap();
    assert_eq!((buffer[2] & 0x02, buffer[3] & 0x0f, len), (0x02, 5, query(0, "name").len()), "come back over TCP");
    drop(deferred);
    running.listening.shutdown().await;
}

#[tokio::test]
async fn without_a_desk_everything_is_answered_as_ever() {
    let running = start(settings("127.0.0.1:0"));
    let socket = client();
    let mut buffer = [0; 512];
    for (message, rcode) in [(update(1), 4), (query_of(2, 252), 5), (query_of(3, 251), 5), (signed(4), 5)] {
        socket.send_to(&message, running.address).unwrap();
        let len = socket.recv(&mut buffer).unwrap();
        assert_eq!((&buffer[..2], buffer[3] & 0x0f), (&message[..2], rcode));
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(&framed(&message)).await.unwrap();
        assert_eq!(read(&mut stream).await, buffer[..len]);
    }
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_reply_is_never_handed_over() {
    let (running, mut deferred) = with_desk("127.0.0.1:0");
    let socket = client();
    for mut message in [update(1), query_of(2, 252), signed(3)] {
        message[2] |= 0x80;
        socket.send_to(&message, running.address).unwrap();
    }
    running.until_counted(Count::Dropped, 3).await;
    assert!(deferred.try_recv().is_err());
    running.listening.shutdown().await;
}

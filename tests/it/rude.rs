//! Clients of encrypted transports that are broken, rude or silent: each loses its own connection at most.

use crate::certificates::{ask, client, connect};
use crate::encrypted::{Encrypted, NAME};
use crate::harness::{LIMIT, eventually};
use crate::wire::*;
use crate::world::Stream;
use quinn::crypto::rustls::QuicClientConfig;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// What all rude clients of one test together may leave behind, KiB.
const LEFT_BEHIND_KIB: u64 = 64 << 10;

fn asked() -> Vec<u8> {
    edns_query("app.example.test", A, 1232, &[])
}

/// Everybody else is served as ever, over every stream transport.
async fn serves_on(all: &Encrypted) {
    assert_eq!(Reply::read(&Stream::new(all.server.dns).ask(&asked())).rcode, NOERROR);
    let mut tls = connect(all, &client(all, &[b"dot"], &[&rustls::version::TLS13]), 853);
    assert_eq!(Reply::read(&ask(&mut tls, &asked())).rcode, NOERROR);
    let quic = quic(all, b"doq").await;
    let connection = quic.connect(all.at(853), NAME).unwrap().await.expect("a connection");
    assert_eq!(Reply::read(&ask_quic(&connection).await).rcode, NOERROR);
    connection.close(0u32.into(), b"");
    quic.wait_idle().await;
}

/// Every connection is gone, and so is what it held.
async fn leaves_nothing(all: &Encrypted, before_kib: u64) {
    eventually("all connections are gone", async || {
        (all.server.metric("tidegate_connections").await == 0.0).then_some(())
    })
    .await;
    let after_kib = all.server.resident_kib();
    assert!(after_kib < before_kib + LEFT_BEHIND_KIB, "{before_kib} KiB before, {after_kib} KiB after");
}

async fn quic(all: &Encrypted, alpn: &[u8]) -> quinn::Endpoint {
    let tls = client(all, &[alpn], &[&rustls::version::TLS13]);
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = QuicClientConfig::try_from(Arc::unwrap_or_clone(tls)).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(config)));
    endpoint
}

async fn ask_quic(connection: &quinn::Connection) -> Vec<u8> {
    let mut message = asked();
    message[..2].fill(0);
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&framed(&message)).await.unwrap();
    send.finish().unwrap();
    let reply = tokio::time::timeout(LIMIT, recv.read_to_end(70_000)).await.unwrap().unwrap();
    reply[2..].to_vec()
}

/// Says a handshake and a query, and leaves after so many octets; true when all was said and answered.
fn leave_after(all: &Encrypted, config: &Arc<rustls::ClientConfig>, octets: usize) -> bool {
    let mut tcp = TcpStream::connect(all.at(853)).expect("connected");
    tcp.set_read_timeout(Some(LIMIT)).unwrap();
    if octets % 2 == 1 {
        // Half of them leave by a reset.
        socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
    }
    let mut tls = rustls::ClientConnection::new(Arc::clone(config), NAME.try_into().unwrap()).unwrap();
    tls.writer().write_all(&framed(&asked())).unwrap();
    let (mut left, mut reply) = (octets, [0; 512]);
    loop {
        while tls.wants_write() {
            let mut said = Vec::new();
            tls.write_tls(&mut said).unwrap();
            let now = said.len().min(left);
            tcp.write_all(&said[..now]).expect("the server reads");
            left -= now;
            if now < said.len() {
                return false;
            }
        }
        match tls.reader().read(&mut reply) {
            Ok(len) => return len > 2,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        assert!(tls.read_tls(&mut tcp).expect("the server answers") > 0, "the server closed");
        tls.process_new_packets().expect("sound TLS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_tls_may_leave_after_any_octet_of_its_handshake_and_query() {
    let all = Encrypted::start("[limits]\ntcp_per_client = 1000\n").await;
    serves_on(&all).await;
    let before_kib = all.server.resident_kib();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut octets = 0;
        loop {
            // A fresh configuration: nothing is resumed, so that every handshake is as long.
            if leave_after(&all, &client(&all, &[b"dot"], &[version]), octets) {
                break;
            }
            octets += 1;
        }
        assert!(octets > 300, "{version:?}: {octets} octets are no handshake");
    }
    serves_on(&all).await;
    leaves_nothing(&all, before_kib).await;
}

/// What a server of TLS must not stumble over.
fn broken_hellos() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("plain DNS", framed(&asked())),
        ("plain HTTP", b"GET /dns-query HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("HTTP/2 in the clear", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("zeroes", vec![0; 4096]),
        ("ones", vec![0xff; 4096]),
        ("a record longer than any", [&[22, 3, 1, 0xff, 0xff][..], &[1; 4000]].concat()),
        ("an empty record", vec![22, 3, 1, 0, 0]),
        ("a hello that is cut", [&[22, 3, 1, 0, 8, 1, 0, 0, 4][..], &[3, 3, 0, 0]].concat()),
        ("a hello of 16 MiB", [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[7; 0x3ffc]].concat()),
        ("an alert", vec![21, 3, 3, 0, 2, 2, 40]),
        ("data before a handshake", [&[23, 3, 3, 0, 100][..], &[9; 100]].concat()),
        ("a change of cipher", [20, 3, 3, 0, 1, 1].repeat(100)),
        ("SSL 2", vec![0x80, 46, 1, 0, 2, 0, 21, 0, 0, 0, 16]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_handshakes_are_counted_and_end_their_connection() {
    let all = Encrypted::start("[limits]\ntcp_per_client = 1000\n").await;
    serves_on(&all).await;
    let before_kib = all.server.resident_kib();
    let mut broken = 0;
    for (transport, port) in [("tls", 853), ("https", 443)] {
        for (what, octets) in broken_hellos() {
            let mut tcp = TcpStream::connect(all.at(port)).unwrap();
            tcp.set_read_timeout(Some(LIMIT)).unwrap();
            // It may close before it has read all.
            let _ = tcp.write_all(&octets).and_then(|()| tcp.shutdown(std::net::Shutdown::Write));
            let mut rest = Vec::new();
            if let Err(error) = tcp.read_to_end(&mut rest) {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{what}");
            }
            assert!(rest.len() < 64, "{what} gets an alert at most: {rest:02x?}");
            broken += 1;
        }
        // What the transport does not speak.
        let mut wrong = connect(&all, &client(&all, &[b"smtp"], &[&rustls::version::TLS13]), port);
        assert!(wrong.write_all(b"x").and_then(|()| wrong.read(&mut [0])).is_err(), "a protocol that is not offered");
        broken += 1;
        let row = format!("tidegate_transport_events_total{{transport=\"{transport}\",event=\"handshake_failed\"}}");
        eventually("each is counted", async || (all.server.metric(&row).await >= f64::from(broken)).then_some(()))
            .await;
        broken = 0;
    }
    serves_on(&all).await;
    leaves_nothing(&all, before_kib).await;
}

/// The first datagram of a real client.
async fn first_datagram(all: &Encrypted) -> Vec<u8> {
    let ear = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let quic = quic(all, b"doq").await;
    let connecting = quic.connect(ear.local_addr().unwrap(), NAME).unwrap();
    let mut datagram = vec![0; 2048];
    let (len, _) = tokio::time::timeout(LIMIT, ear.recv_from(&mut datagram)).await.unwrap().unwrap();
    drop(connecting);
    datagram.truncate(len);
    datagram
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_that_are_no_quic_or_half_of_it_hold_nothing() {
    let all = Encrypted::start("[limits]\ntcp_per_client = 1000\n").await;
    serves_on(&all).await;
    let before_kib = all.server.resident_kib();
    let whole = first_datagram(&all).await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let quic: [SocketAddr; 2] = [all.at(853), all.at(443)];
    for address in quic {
        for len in 0..whole.len() {
            socket.send_to(&whole[..len], address).unwrap();
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            socket.send_to(&flipped, address).unwrap();
        }
        for octets in [vec![0; 1200], vec![0xff; 1200], vec![0x40; 1200], framed(&asked()), asked(), vec![0xc0; 65_000]]
        {
            socket.send_to(&octets, address).unwrap();
        }
        // Of another version: it is told which there are, in fewer octets than it sent.
        let mut version = whole.clone();
        version[1..5].copy_from_slice(&[0x1a, 0x2a, 0x3a, 0x4a]);
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        other.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut told = [0; 2048];
        let mut tries = 0;
        // A datagram may be lost behind thousands of others.
        let len = loop {
            other.send_to(&version, address).unwrap();
            match other.recv(&mut told) {
                Ok(len) => break len,
                Err(_) => tries += 1,
            }
            assert!(tries < 60, "nobody negotiates a version");
        };
        assert!(len < version.len() && told[1..5] == [0; 4], "{:02x?}", &told[..len]);
    }
    serves_on(&all).await;
    leaves_nothing(&all, before_kib).await;
}

/// What begins HTTP/2: preface, settings, and requests on streams of their own that never get a body.
fn half_requests() -> Vec<u8> {
    let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // POST, https, and literal path, authority and media type (RFC 7541 §6.1, §6.2.2).
    let mut block = vec![0x83, 0x87, 0x04, 10];
    block.extend_from_slice(b"/dns-query");
    block.extend_from_slice(&[0x01, 4]);
    block.extend_from_slice(b"dns.");
    block.extend_from_slice(&[0x0f, 16, 23]);
    block.extend_from_slice(b"application/dns-message");
    for stream in 0..50u32 {
        said.extend_from_slice(&[0, 0, block.len() as u8, 1, 4]);
        said.extend_from_slice(&(stream * 2 + 1).to_be_bytes());
        said.extend_from_slice(&block);
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_open_streams_and_say_nothing_are_bounded_and_cost_others_nothing() {
    const SEATS: usize = 40;
    let limits = format!("[limits]\ntcp_total = {SEATS}\ntcp_per_client = 1000\ntcp_idle = \"20s\"\n");
    let all = Encrypted::start(&limits).await;
    serves_on(&all).await;
    let before_kib = all.server.resident_kib();
    let mut silent_tcp = Vec::new();
    let mut silent_tls = Vec::new();
    let doq = quic(&all, b"doq").await;
    let mut silent_quic = Vec::new();
    for _ in 0..30 {
        silent_tcp.push(TcpStream::connect(all.server.dns).unwrap());
        silent_tcp.push(TcpStream::connect(all.at(853)).unwrap());
        let mut tls = connect(&all, &client(&all, &[b"dot"], &[&rustls::version::TLS13]), 853);
        if tls.write_all(&[0]).is_ok() {
            silent_tls.push(tls);
        }
        let mut http = connect(&all, &client(&all, &[b"h2"], &[&rustls::version::TLS13]), 443);
        if http.write_all(&half_requests()).is_ok() {
            silent_tls.push(http);
        }
        if let Ok(connection) = doq.connect(all.at(853), NAME).unwrap().await {
            let mut streams = Vec::new();
            for _ in 0..50 {
                let Ok(Ok((mut send, recv))) = tokio::time::timeout(LIMIT, connection.open_bi()).await else { break };
                let _ = send.write_all(&[0]).await;
                streams.push((send, recv));
            }
            silent_quic.push((connection, streams));
        }
        let open = all.server.metric("tidegate_connections").await;
        assert!(open <= (SEATS + SEATS / 4 + 1) as f64, "{open} connections of {SEATS}");
    }
    let evicted: f64 = {
        let mut sum = 0.0;
        for transport in ["tcp", "tls", "https", "quic"] {
            let row = format!("tidegate_transport_events_total{{transport=\"{transport}\",event=\"evicted\"}}");
            sum += all.server.metric(&row).await;
        }
        sum
    };
    // Most have left before, since crowded seats allow for less idle time.
    assert!(evicted >= 1.0, "the longest idle left for newcomers: {evicted}");
    assert!(all.server.resident_kib() < before_kib + LEFT_BEHIND_KIB);
    // In spite of all of them; who is asked to leave may take a moment.
    eventually("seats are left", async || {
        (all.server.metric("tidegate_connections").await <= SEATS as f64).then_some(())
    })
    .await;
    serves_on(&all).await;
    let row = "tidegate_responses_total{transport=\"https\",rcode=\"NOERROR\"}";
    let dig = all.server.dig(&["+https", "-p", "443", "+short", "app.example.test"]);
    assert_eq!(dig.trim(), "192.0.2.10");
    assert!(all.server.metric(row).await >= 1.0);
    drop((silent_tcp, silent_tls, silent_quic));
    doq.close(0u32.into(), b"");
    doq.wait_idle().await;
    leaves_nothing(&all, before_kib).await;
}

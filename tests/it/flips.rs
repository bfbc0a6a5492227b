//! Flips while many clients ask: no query sent after the reply to a flip gets an old answer (§3.3).
//!
//! The check is by the clients' own time stamps: for each answer, the splits that may explain it are
//! the one in force when its query was sent and those asked for before its answer arrived.

use crate::harness::http;
use crate::pair::{OWNER, Pair};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Whether the long form of a test is asked for.
pub fn full() -> bool {
    std::env::var_os("TIDEGATE_FULL").is_some_and(|value| value == "1")
}

/// A query for A of a name.
pub fn query(id: u16, name: &str) -> Vec<u8> {
    let mut message = [&id.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

/// The address and TTL of the only A record of an answer.
pub fn answer(message: &[u8]) -> Option<(Ipv4Addr, u32)> {
    let flags = message.get(2..4)?;
    assert!(flags[0] & 0x80 != 0 && flags[1] & 0x0f == 0, "QR set and NOERROR: {message:02x?}");
    assert_eq!(message.get(6..8)?, [0, 1], "one record: {message:02x?}");
    let mut at = past_name(message, 12)? + 4;
    at = past_name(message, at)?;
    let record = message.get(at..)?;
    let ttl = u32::from_be_bytes(record.get(4..8)?.try_into().ok()?);
    let octets: [u8; 4] = record.get(10..14)?.try_into().ok()?;
    Some((octets.into(), ttl))
}

/// Where a name ends, compressed or not (RFC 1035 §4.1.4).
fn past_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            pointer if pointer >= 0xc0 => return Some(at + 2),
            len => at += 1 + usize::from(len),
        }
    }
}

/// One answer by its client's time stamps.
struct Seen {
    sent: Instant,
    received: Instant,
    address: Ipv4Addr,
}

/// One flip by its client's time stamps.
struct Flipped {
    posted: Instant,
    replied: Instant,
    to: Ipv4Addr,
}

/// Shared by all clients of a run.
struct Run {
    stop: AtomicBool,
    answers: AtomicU64,
    dns: SocketAddr,
}

/// Asks over UDP, one query after another.
fn udp_client(run: &Run) -> Vec<Seen> {
    let socket = UdpSocket::bind((run.dns.ip(), 0)).expect("a socket");
    socket.connect(run.dns).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let (mut seen, mut reply, mut id) = (Vec::new(), [0; 512], 0_u16);
    while !run.stop.load(Ordering::Relaxed) {
        id = id.wrapping_add(1);
        let message = query(id, OWNER);
        let sent = Instant::now();
        socket.send(&message).expect("sent");
        let len = socket.recv(&mut reply).expect("an answer to every query, also while flips are applied");
        let received = Instant::now();
        assert_eq!(reply[..2], id.to_be_bytes());
        let (address, _) = answer(&reply[..len]).expect("an address");
        seen.push(Seen { sent, received, address });
        run.answers.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

/// Asks over one connection, many queries at a time (RFC 7766 §6.2.1.1).
fn stream_client(run: &Run, mut stream: impl Read + Write) -> Vec<Seen> {
    const WINDOW: u16 = 16;
    let mut seen = Vec::new();
    while !run.stop.load(Ordering::Relaxed) {
        let mut sent = Vec::new();
        for id in 0..WINDOW {
            let message = query(id, OWNER);
            sent.push(Instant::now());
            stream.write_all(&[&(message.len() as u16).to_be_bytes()[..], &message].concat()).expect("written");
            stream.flush().expect("written");
        }
        for _ in 0..WINDOW {
            let mut len = [0; 2];
            stream.read_exact(&mut len).expect("an answer to every query");
            let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
            stream.read_exact(&mut reply).expect("a whole answer");
            let received = Instant::now();
            let id = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
            let (address, _) = answer(&reply).expect("an address");
            seen.push(Seen { sent: sent[id], received, address });
            run.answers.fetch_add(1, Ordering::Relaxed);
        }
    }
    seen
}

/// A TCP connection for a client that never waits for ever.
fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream
}

/// A TLS connection to a server that shows this certificate.
fn connect_tls(to: SocketAddr, certificate: &rcgen::Certificate) -> impl Read + Write {
    tidegate::probe::install_crypto();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a certificate");
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let session = rustls::ClientConnection::new(Arc::new(config), name).expect("a session");
    rustls::StreamOwned::new(session, connect(to))
}

/// Asks over HTTPS, one query after another on one connection.
fn https_client(run: &Run, to: SocketAddr) -> Vec<Seen> {
    tidegate::probe::install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).build().expect("a client");
        let mut seen = Vec::new();
        while !run.stop.load(Ordering::Relaxed) {
            let request =
                client.post(format!("https://{to}/dns-query")).header("content-type", "application/dns-message");
            let sent = Instant::now();
            let reply = request.body(query(0, OWNER)).send().await.expect("a reply").bytes().await.expect("a message");
            let received = Instant::now();
            let (address, _) = answer(&reply).expect("an address");
            seen.push(Seen { sent, received, address });
            run.answers.fetch_add(1, Ordering::Relaxed);
        }
        seen
    })
}

/// How long writing and syncing 4 KiB takes in a folder, sorted.
fn fsync_times(folder: &Path) -> Vec<Duration> {
    let path = folder.join("fsync-probe");
    let mut file = std::fs::File::create(&path).expect("a file");
    let mut times: Vec<Duration> = (0..50)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&[7; 4096]).and_then(|()| file.sync_all()).expect("written and synced");
            begun.elapsed()
        })
        .collect();
    std::fs::remove_file(path).expect("removed");
    times.sort_unstable();
    times
}

/// p50, p90, p99 and the largest, in milliseconds.
fn spread(sorted: &[Duration]) -> String {
    let at = |share: usize| sorted[(sorted.len() * share / 100).min(sorted.len() - 1)].as_secs_f64() * 1000.0;
    format!(
        "p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms (n {})",
        at(50),
        at(90),
        at(99),
        at(100),
        sorted.len()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_query_sent_after_the_reply_to_a_flip_gets_an_old_answer() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pair = Pair::encrypted(&certificate.cert.pem(), &certificate.signing_key.serialize_pem()).await;
    let flips = if full() { 1000 } else { 150 };
    let run = Arc::new(Run { stop: AtomicBool::new(false), answers: AtomicU64::new(0), dns: pair.server.dns });
    let (dot, doh) = (pair.dot(), pair.doh());
    let client = |number: usize| {
        let (run, certificate) = (run.clone(), certificate.cert.clone());
        std::thread::spawn(move || match number {
            0..4 => udp_client(&run),
            4..6 => stream_client(&run, connect(run.dns)),
            6 => stream_client(&run, connect_tls(dot, &certificate)),
            _ => https_client(&run, doh),
        })
    };
    let clients: Vec<_> = (0..8).map(client).collect();
    let (client, token) = (http(), pair.server.token());
    let url = format!("http://{}/v1/switches/model/flip", pair.server.admin);
    let begun = Instant::now();
    // The split before the first flip was in force all along.
    let mut done = vec![Flipped { posted: begun, replied: begun, to: pair.blue.address }];
    for number in 0..flips {
        let (to, address) = if number % 2 == 0 { ("green", pair.green.address) } else { ("blue", pair.blue.address) };
        let request = client.post(&url).bearer_auth(&token).json(&json!({ "to": to }));
        let posted = Instant::now();
        let reply = request.send().await.expect("a reply");
        let replied = Instant::now();
        let status = reply.status();
        let body: Value = reply.json().await.expect("JSON");
        assert_eq!((status.as_u16(), &body["changed"], &body["applied"]), (200, &json!(true), &json!(true)), "{body}");
        done.push(Flipped { posted, replied, to: address });
        let before = run.answers.load(Ordering::Relaxed);
        // Enough questions that can only have the new answer before the next flip.
        while run.answers.load(Ordering::Relaxed) < before + 100 {
            assert!(replied.elapsed() < Duration::from_secs(20), "the clients stand still");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    run.stop.store(true, Ordering::Relaxed);
    let seen: Vec<Seen> =
        clients.into_iter().flat_map(|client| client.join().expect("a client that was always answered")).collect();
    let mut certain = 0;
    for one in &seen {
        let first = done.partition_point(|flip| flip.replied < one.sent).saturating_sub(1);
        let last = done.partition_point(|flip| flip.posted < one.received).saturating_sub(1);
        let explained = done[first..=last.max(first)].iter().any(|flip| flip.to == one.address);
        assert!(
            explained,
            "flip {first} was confirmed {:?} before the query was sent, and it got {}",
            one.sent - done[first].replied,
            one.address
        );
        certain += usize::from(first == last);
    }
    assert!(certain >= flips * 50, "{certain} of {} answers had one possible answer only", seen.len());
    report(&pair, &done, &seen);
}

/// Prints how long the first new answer took, beside what the disk takes.
fn report(pair: &Pair, done: &[Flipped], seen: &[Seen]) {
    let mut by_arrival: Vec<(Instant, Ipv4Addr)> = seen.iter().map(|one| (one.received, one.address)).collect();
    by_arrival.sort_unstable_by_key(|(at, _)| *at);
    let mut first_new: Vec<Duration> = done[1..]
        .iter()
        .filter_map(|flip| {
            let from = by_arrival.partition_point(|(at, _)| *at < flip.posted);
            by_arrival[from..].iter().find(|(_, address)| *address == flip.to).map(|(at, _)| *at - flip.posted)
        })
        .collect();
    assert_eq!(first_new.len(), done.len() - 1, "every flip was seen by somebody");
    first_new.sort_unstable();
    let mut replies: Vec<Duration> = done[1..].iter().map(|flip| flip.replied - flip.posted).collect();
    replies.sort_unstable();
    println!("POST to first new answer: {}", spread(&first_new));
    println!("POST to reply:            {}", spread(&replies));
    println!("write and fsync of 4 KiB: {}", spread(&fsync_times(&pair.server.state())));
    println!("answers checked: {}", seen.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_of_one_switch_and_both_transports_move_together() {
    let pair = Pair::start().await;
    let dns = pair.server.dns;
    let udp = UdpSocket::bind((dns.ip(), 0)).unwrap();
    udp.connect(dns).unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut tcp = TcpStream::connect(dns).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for round in 0..20 {
        let (to, address) = if round % 2 == 0 { ("green", pair.green.address) } else { ("blue", pair.blue.address) };
        pair.flip(to).await;
        // An old connection, opened before any flip, answers from the new split as well.
        for owner in [OWNER, "also.example.test"] {
            let message = query(round, owner);
            let mut reply = [0; 512];
            udp.send(&message).unwrap();
            let len = udp.recv(&mut reply).unwrap();
            assert_eq!(answer(&reply[..len]).unwrap().0, address);
            tcp.write_all(&[&(message.len() as u16).to_be_bytes()[..], &message].concat()).unwrap();
            let mut len = [0; 2];
            tcp.read_exact(&mut len).unwrap();
            let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
            tcp.read_exact(&mut reply).unwrap();
            assert_eq!(answer(&reply).unwrap().0, address);
        }
    }
}

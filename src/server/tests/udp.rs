//! UDP: batches, groups, reply addresses, silence, and the way out.

use super::*;
use crate::server::RateLimit;
use std::collections::HashMap;
use std::net::UdpSocket;

fn client(bind: &str, server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(bind).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let len = socket.recv(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

/// Queries of several lengths, by ID.
fn many(ids: std::ops::Range<u16>) -> HashMap<u16, Vec<u8>> {
    ids.map(|id| (id, query(id, &"x".repeat(1 + usize::from(id / 5 % 7))))).collect()
}

fn assert_all_answered(socket: &UdpSocket, mut queries: HashMap<u16, Vec<u8>>) {
    while !queries.is_empty() {
        let reply = receive(socket);
        let id = u16::from_be_bytes([reply[0], reply[1]]);
        let query = queries.remove(&id).expect("each query is answered once");
        assert!(answers(&reply, &query));
    }
}

#[tokio::test]
async fn a_burst_from_one_socket_is_answered_in_groups_without_a_mix_up() {
    let bound = Bound::bind(settings("127.0.0.1:0")).unwrap();
    let (first, second) = (client("127.0.0.1:0", bound.addresses()[0]), client("127.0.0.1:0", bound.addresses()[0]));
    let (queries, others) = (many(0..200), many(500..700));
    for id in 0..200 {
        first.send(&queries[&id]).unwrap();
        if id % 8 == 0 {
            for other in 0..8 {
                second.send(&others[&(500 + id + other)]).unwrap();
            }
        }
    }
    // Queued before the worker starts, so its batches are full.
    let running = start_bound(bound);
    assert_all_answered(&first, queries);
    assert_all_answered(&second, others);
    running.until_counted(Count::Received, 400).await;
    assert!(running.registry.fold_count(Count::Grouped) > 100, "neighbours of one size leave together");
    assert!(running.registry.fold_count(Count::Batches) < 100);
    assert_eq!(running.registry.fold_count(Count::SendFailed), 0);
    running.listening.shutdown().await;
}

#[tokio::test]
async fn several_workers_answer_on_one_address() {
    let running = start(Settings { workers: 3, ..settings("127.0.0.1:0") });
    let clients: Vec<UdpSocket> = (0..50).map(|_| client("127.0.0.1:0", running.address)).collect();
    for (id, client) in (0..).zip(&clients) {
        client.send(&query(id, "name")).unwrap();
    }
    for (id, client) in (0..).zip(&clients) {
        assert!(answers(&receive(client), &query(id, "name")));
    }
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_reply_leaves_from_the_address_that_was_asked() {
    let running = start(settings("0.0.0.0:0"));
    for address in ["127.0.0.1", "127.0.0.2", "127.8.9.10"] {
        // A connected socket receives from its peer only.
        let client = client("127.0.0.1:0", SocketAddr::new(address.parse().unwrap(), running.address.port()));
        for id in 0..5 {
            client.send(&query(id, "name")).unwrap();
        }
        assert_all_answered(&client, (0..5).map(|id| (id, query(id, "name"))).collect());
    }
    running.listening.shutdown().await;
}

#[tokio::test]
async fn ipv6_is_answered_on_an_address_and_on_the_wildcard() {
    for bind in ["[::1]:0", "[::]:0"] {
        let running = start(settings(bind));
        let client = client("[::1]:0", SocketAddr::new("::1".parse().unwrap(), running.address.port()));
        client.send(&query(7, "name")).unwrap();
        assert!(answers(&receive(&client), &query(7, "name")));
        running.listening.shutdown().await;
    }
}

#[tokio::test]
async fn an_ipv6_wildcard_leaves_ipv4_alone() {
    // Somebody else may hold one of the ports for IPv4; not all of them.
    for _ in 0..16 {
        let running = start(settings("[::]:0"));
        let port = running.address.port();
        let second = Bound::bind(settings(&format!("0.0.0.0:{port}")));
        running.listening.shutdown().await;
        if let Ok(second) = second {
            return assert_eq!(second.addresses()[0].port(), port);
        }
    }
    panic!("no port of an IPv6 wildcard is free for IPv4");
}

#[tokio::test]
async fn responses_and_fragments_of_a_header_get_silence() {
    let running = start(settings("127.0.0.1:0"));
    let client = client("127.0.0.1:0", running.address);
    let mut response = query(1, "name");
    response[2] |= 0x80;
    client.send(&response).unwrap();
    client.send(&query(2, "name")[..11]).unwrap();
    client.send(&[]).unwrap();
    client.send(&query(3, "name")).unwrap();
    assert!(answers(&receive(&client), &query(3, "name")), "the first reply is to the first good query");
    running.until_counted(Count::Received, 4).await;
    assert_eq!(running.registry.fold_count(Count::Dropped), 3);
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_datagram_longer_than_the_buffer_is_dropped_and_counted() {
    let running = start(settings("127.0.0.1:0"));
    let client = client("127.0.0.1:0", running.address);
    let mut long = query(1, "name");
    long.resize(5000, 0);
    client.send(&long).unwrap();
    client.send(&query(2, "name")).unwrap();
    assert!(answers(&receive(&client), &query(2, "name")));
    running.until_counted(Count::Oversize, 1).await;
    running.listening.shutdown().await;
}

#[tokio::test]
async fn nobody_reads_an_older_snapshot_while_workers_wait() {
    let running = start(Settings { workers: 2, ..settings("127.0.0.1:0") });
    let client = client("127.0.0.1:0", running.address);
    client.send(&query(1, "name")).unwrap();
    assert!(answers(&receive(&client), &query(1, "name")));
    let before = running.cell.load_full();
    running.cell.publish(Arc::new(Snapshot { number: 2, ..Snapshot::default() }));
    let weak = Arc::downgrade(&before);
    drop(before);
    until(|| weak.strong_count() <= 1).await;
    running.listening.shutdown().await;
}

#[tokio::test]
async fn what_is_queued_at_shutdown_is_answered() {
    let bound = Bound::bind(settings("127.0.0.1:0")).unwrap();
    let client = client("127.0.0.1:0", bound.addresses()[0]);
    for id in 0..100 {
        client.send(&query(id, "name")).unwrap();
    }
    start_bound(bound).listening.shutdown().await;
    assert_all_answered(&client, (0..100).map(|id| (id, query(id, "name"))).collect());
}

#[tokio::test]
async fn a_successor_takes_the_address_over() {
    let old = start(settings("127.0.0.1:0"));
    let new = start(Settings { takeover: true, ..settings(&old.address.to_string()) });
    old.listening.shutdown().await;
    let client = client("127.0.0.1:0", new.address);
    client.send(&query(1, "name")).unwrap();
    assert!(answers(&receive(&client), &query(1, "name")));
    new.until_counted(Count::Received, 1).await;
    new.listening.shutdown().await;
}

#[tokio::test]
async fn a_flood_is_limited_and_some_are_told_to_use_tcp() {
    let limit = RateLimit { slip: 3, ..RateLimit::equal(5, 5_000) };
    let bound = Bound::bind(Settings { rate_limit: Some(limit), ..settings("127.0.0.1:0") }).unwrap();
    let client = client("127.0.0.1:0", bound.addresses()[0]);
    for id in 0..20 {
        client.send(&query(id, "name")).unwrap();
    }
    let running = start_bound(bound);
    running.until_counted(Count::Received, 20).await;
    let replies: Vec<Vec<u8>> = (0..10).map(|_| receive(&client)).collect();
    assert!(replies.iter().all(|reply| answers(reply, &query(u16::from(reply[1]), "name"))));
    assert_eq!(replies.iter().filter(|reply| reply[2] & 2 != 0).count(), 5, "TC is set in every third over the limit");
    assert_eq!(running.registry.fold_count(Count::RateLimited), 10);
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_client_that_shows_our_cookie_is_not_limited() {
    let limit = RateLimit { slip: 0, ..RateLimit::equal(2, 5_000) };
    let running = start(Settings { rate_limit: Some(limit), ..settings("127.0.0.1:0") });
    let client = client("127.0.0.1:0", running.address);
    let with_cookie = |id, cookie: &[u8]| {
        let mut message = query(id, "name");
        message[11] = 1;
        let len = u8::try_from(cookie.len()).unwrap();
        message.extend_from_slice(&[0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, len + 4, 0, 10, 0, len]);
        message.extend_from_slice(cookie);
        message
    };
    client.send(&with_cookie(1, b"clients!")).unwrap();
    let reply = receive(&client);
    let at = reply.windows(4).position(|option| option == [0, 10, 0, 24]).expect("a cookie in the reply");
    let cookie = reply[at + 4..at + 28].to_vec();
    for id in 2..22 {
        client.send(&with_cookie(id, &cookie)).unwrap();
        assert_eq!(receive(&client)[..2], id.to_be_bytes());
    }
    assert_eq!(running.registry.fold_count(Count::RateLimited), 0);
    running.listening.shutdown().await;
}

//! DNS over QUIC and over HTTP/3: the same answers as over TCP, limits on streams, faults of the protocol.

use super::https::{assert_same, over_tcp, question};
use super::tls::tls_pair;
use super::*;
use crate::server::{Encrypted, Https};
use bytes::{Buf, Bytes};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint};

pub(super) struct Quic {
    pub(super) running: Running,
    pub(super) client: Endpoint,
    pub(super) config: quinn::ClientConfig,
}

pub(super) fn start_quic(limits: StreamLimits, alpn: &[u8]) -> Quic {
    start_quic_with(limited(limits), alpn)
}

fn start_quic_with(settings: Settings, alpn: &[u8]) -> Quic {
    let (config, mut tls) = tls_pair();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let quic = Encrypted { addresses: vec!["127.0.0.1:0".parse().unwrap()], config };
    let https = Some(Https { encrypted: quic.clone(), path: "/dns-query".to_owned(), http3: true });
    let running = start(Settings { https, quic: Some(quic), ..settings });
    running.cell.publish(Arc::new(zones::snapshot()));
    let mut client = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    client.set_default_client_config(config.clone());
    Quic { running, client, config }
}

impl Quic {
    async fn connect(&self) -> Connection {
        self.client.connect(self.running.listening.quic_addresses()[0], "dns.test").unwrap().await.unwrap()
    }
}

/// A query as RFC 9250 wants it: with ID 0.
fn with_id_0(mut query: Vec<u8>) -> Vec<u8> {
    query[..2].fill(0);
    query
}

async fn exchange(connection: &Connection, query: &[u8]) -> Vec<u8> {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&framed(query)).await.unwrap();
    send.finish().unwrap();
    let reply = tokio::time::timeout(LIMIT, recv.read_to_end(70_000)).await.unwrap().unwrap();
    assert_eq!(usize::from(u16::from_be_bytes([reply[0], reply[1]])), reply.len() - 2);
    reply[2..].to_vec()
}

#[tokio::test]
async fn quic_answers_are_those_of_tcp_section_by_section() {
    let quic = start_quic(StreamLimits::default(), b"doq");
    let connection = quic.connect().await;
    for name in ["", "www", "WeB", "text", "svc", "odd", "a.wild", "host.below", "absent", "shop", "many"] {
        for (qtype, edns) in [1u16, 6, 16, 28, 65, 255, 65_280].into_iter().flat_map(|t| [(t, false), (t, true)]) {
            let query = with_id_0(question(name, qtype, edns));
            let (quic, tcp) = (exchange(&connection, &query).await, over_tcp(quic.running.address, &query).await);
            assert_same(&quic, &tcp, &format!("{name} {qtype} edns {edns}"));
        }
    }
    assert!(quic.running.registry.fold_responses()["quic"].iter().sum::<u64>() > 100);
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn an_answer_of_a_pool_over_quic_is_counted_and_promised() {
    let quic = start_quic(StreamLimits::default(), b"doq");
    let before_ms = crate::clock::boot_ms();
    exchange(&quic.connect().await, &with_id_0(question("shop", 1, false))).await;
    let totals = quic.running.registry.fold_pool(zones::SLOT.0);
    assert_eq!(totals.answers, 1);
    assert!(totals.promised_until_ms >= before_ms + u64::from(zones::TTL_S) * 1000);
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn rfc9250_4_3_3_what_the_protocol_forbids_ends_the_connection() {
    let quic = start_quic(StreamLimits::default(), b"doq");
    let good = with_id_0(question("web", 1, false));
    let mut with_id = good.clone();
    with_id[1] = 1;
    let mut reply = good.clone();
    reply[2] |= 0x80;
    let mut keepalive = with_id_0(question("web", 1, true));
    let rdlen = keepalive.len() - 1;
    keepalive[rdlen] = 4;
    keepalive.extend_from_slice(&[0, 11, 0, 0]);
    for (what, bytes) in [
        ("an ID", framed(&with_id)),
        ("a reply", framed(&reply)),
        ("keepalive", framed(&keepalive)),
        ("two messages", framed(&good).repeat(2)),
        ("half a message", framed(&good)[..20].to_vec()),
        ("half a length", vec![0]),
        ("nothing", Vec::new()),
        ("an empty message", vec![0, 0]),
    ] {
        let connection = quic.connect().await;
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(&bytes).await.unwrap();
        // An end that the other side did not wait for is no failure here.
        let _ = send.finish();
        match tokio::time::timeout(LIMIT, connection.closed()).await.unwrap() {
            ConnectionError::ApplicationClosed(close) => assert_eq!(close.error_code, 2u32.into(), "{what}"),
            other => panic!("{what}: {other}"),
        }
    }
    assert_eq!(exchange(&quic.connect().await, &good).await[..2], [0, 0]);
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn rfc9000_9_3_a_connection_is_asked_by_the_address_it_began_with() {
    let (tap, mut copies, _) = crate::server::tap(u32::MAX);
    let quic = start_quic_with(Settings { tap: Some(tap), ..settings("127.0.0.1:0") }, b"doq");
    let connection = quic.connect().await;
    let query = with_id_0(question("web", 1, false));
    let mut asked_by = async || {
        exchange(&connection, &query).await;
        tokio::time::timeout(LIMIT, copies.recv()).await.unwrap().unwrap().exchanges[0].client
    };
    let began = asked_by().await;
    // No path is validated yet when the first packet of another address brings a query.
    quic.client.rebind(std::net::UdpSocket::bind("127.0.0.7:0").unwrap()).unwrap();
    assert_eq!(asked_by().await, began);
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn silent_streams_and_half_queries_are_ended_and_others_go_on() {
    let limits =
        StreamLimits { query: Duration::from_millis(600), idle: Duration::from_secs(2), ..StreamLimits::default() };
    let quic = start_quic(limits, b"doq");
    let connection = quic.connect().await;
    let query = with_id_0(question("web", 1, false));
    let mut silent = Vec::new();
    for n in 0..60 {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(&framed(&query)[..n % 30 + 1]).await.unwrap();
        silent.push((send, recv));
    }
    exchange(&connection, &query).await;
    quic.running.until_counted(Count::SlowSender, 60).await;
    for (_, mut recv) in silent {
        assert!(matches!(recv.read_to_end(10).await, Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(_)))));
    }
    exchange(&connection, &query).await;
    // A connection that says nothing more is closed when its idle time is over.
    assert!(
        matches!(connection.closed().await, ConnectionError::ApplicationClosed(close) if close.error_code == 0u32.into())
    );
    until(|| quic.running.listening.connections() == 0).await;
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn a_client_has_its_share_of_quic_connections_and_no_more() {
    let quic = start_quic(StreamLimits { per_client: 3, ..StreamLimits::default() }, b"doq");
    let held = [quic.connect().await, quic.connect().await, quic.connect().await];
    let address = quic.running.listening.quic_addresses()[0];
    let refused = quic.client.connect(address, "dns.test").unwrap().await;
    assert!(matches!(refused, Err(ConnectionError::ConnectionClosed(_))), "{refused:?}");
    assert_eq!(quic.running.registry.fold_count(Count::ClientLimit), 1);
    held[0].close(0u32.into(), b"");
    until(|| quic.running.listening.connections() == 2).await;
    exchange(&quic.connect().await, &with_id_0(question("web", 1, false))).await;
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_answers_what_was_asked_and_closes() {
    let quic = start_quic(StreamLimits::default(), b"doq");
    let connection = quic.connect().await;
    let query = with_id_0(question("web", 1, false));
    exchange(&connection, &query).await;
    let asked: Vec<_> = (0..40)
        .map(|_| {
            let (connection, query) = (connection.clone(), query.clone());
            tokio::spawn(async move { exchange(&connection, &query).await })
        })
        .collect();
    quic.running.until_counted(Count::Received, 41).await;
    quic.running.listening.shutdown().await;
    for asked in asked {
        asked.await.unwrap();
    }
    assert!(
        matches!(connection.closed().await, ConnectionError::ApplicationClosed(close) if close.error_code == 0u32.into())
    );
}

#[tokio::test]
async fn http3_answers_are_those_of_tcp_and_its_errors_those_of_http() {
    let quic = start_quic(StreamLimits::default(), b"h3");
    let address = quic.running.listening.https_addresses()[0];
    let connection = quic.client.connect(address, "dns.test").unwrap().await.unwrap();
    let (mut driver, mut requests) =
        h3::client::builder().build::<_, _, Bytes>(h3_quinn::Connection::new(connection)).await.unwrap();
    let driving = tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    let mut post = async |path: &str, media: &str, body: Vec<u8>| {
        let request = axum::http::Request::post(format!("https://dns.test{path}")).header("content-type", media);
        let mut stream = requests.send_request(request.body(()).unwrap()).await.unwrap();
        stream.send_data(body.into()).await.unwrap();
        stream.finish().await.unwrap();
        let response = stream.recv_response().await.unwrap();
        let mut body = Vec::new();
        while let Some(mut chunk) = stream.recv_data().await.unwrap() {
            body.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
        }
        (response.status().as_u16(), response.headers().clone(), body)
    };
    const DNS: &str = "application/dns-message";
    for (name, qtype) in [("www", 1), ("text", 16), ("absent", 1), ("many", 1), ("shop", 1), ("svc", 65)] {
        for edns in [false, true] {
            let query = question(name, qtype, edns);
            let (status, headers, body) = post("/dns-query", DNS, query.clone()).await;
            assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, DNS));
            assert!(headers["cache-control"].to_str().unwrap().starts_with("private, max-age="));
            assert_same(&body, &over_tcp(quic.running.address, &query).await, &format!("{name} {qtype} {edns}"));
        }
    }
    let query = question("web", 1, false);
    assert_eq!(post("/else", DNS, query.clone()).await.0, 404);
    assert_eq!(post("/dns-query", "text/plain", query.clone()).await.0, 415);
    assert_eq!(post("/dns-query", DNS, vec![1, 2, 3]).await.0, 400);
    assert_eq!(post("/dns-query", DNS, vec![0; 65_536]).await.0, 413);
    assert_eq!(post("/dns-query", DNS, query).await.0, 200);
    assert!(quic.running.registry.fold_responses()["h3"].iter().sum::<u64>() >= 13);
    assert!(quic.running.registry.fold_pool(zones::SLOT.0).answers >= 4);
    quic.running.listening.shutdown().await;
    driving.abort();
}

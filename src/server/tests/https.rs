//! DNS over HTTPS: the same answers as over UDP and TCP, section by section, and HTTP's errors.

use super::tls::tls_pair;
use super::*;
use crate::dns::hickory::read_reply;
use crate::server::{Encrypted, Https};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

struct Doh {
    running: Running,
    tls: rustls::ClientConfig,
    client: Client,
    url: String,
}

fn start_doh(http2: bool, limits: StreamLimits) -> Doh {
    let (config, mut tls) = tls_pair();
    tls.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    let https = Encrypted { addresses: vec!["127.0.0.1:0".parse().unwrap()], config };
    let https = Some(Https { encrypted: https, path: "/dns-query".to_owned(), http3: false });
    let running = start(Settings { https, limits, ..settings("127.0.0.1:0") });
    running.cell.publish(Arc::new(zones::snapshot()));
    let address = running.listening.https_addresses()[0];
    let client = Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .resolve("dns.test", address)
        .timeout(LIMIT)
        .no_proxy()
        .build()
        .unwrap();
    let url = format!("https://dns.test:{}/dns-query", address.port());
    Doh { running, tls, client, url }
}

impl Doh {
    async fn post(&self, query: &[u8]) -> reqwest::Response {
        self.client
            .post(&self.url)
            .header("content-type", "application/dns-message")
            .body(query.to_vec())
            .send()
            .await
            .unwrap()
    }

    async fn get(&self, query: &[u8]) -> reqwest::Response {
        self.client.get(format!("{}?dns={}", self.url, URL_SAFE_NO_PAD.encode(query))).send().await.unwrap()
    }
}

/// A query for a name below `example.test`, with or without OPT.
pub(super) fn question(name: &str, qtype: u16, edns: bool) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    for label in name.split('.').chain(["Example", "test"]).filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if edns {
        message.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0]);
    }
    message
}

async fn over_udp(address: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(query, address).await.unwrap();
    let mut buffer = vec![0; 4096];
    let len = tokio::time::timeout(LIMIT, socket.recv(&mut buffer)).await.unwrap().unwrap();
    buffer.truncate(len);
    buffer
}

pub(super) async fn over_tcp(address: SocketAddr, query: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&framed(query)).await.unwrap();
    let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut reply).await.unwrap();
    reply
}

pub(super) fn assert_same(https: &[u8], other: &[u8], what: &str) {
    let (https, other) = (read_reply(https).unwrap(), read_reply(other).unwrap());
    assert_eq!(https.metadata, other.metadata, "header of {what}");
    assert_eq!(https.queries, other.queries, "question of {what}");
    assert_eq!(https.answers, other.answers, "answers of {what}");
    assert_eq!(https.authorities, other.authorities, "authority of {what}");
    assert_eq!(https.additionals, other.additionals, "additional of {what}");
    assert_eq!(https.edns, other.edns, "OPT of {what}");
    assert!(!https.metadata.recursion_available, "no RA in {what}");
}

#[tokio::test]
async fn https_answers_are_those_of_udp_and_tcp_section_by_section() {
    for http2 in [true, false] {
        let doh = start_doh(http2, StreamLimits::default());
        let address = doh.running.address;
        let names = [
            "",
            "www",
            "web",
            "WeB",
            "text",
            "svc",
            "_sip._udp",
            "caa",
            "odd",
            "a.wild",
            "host.below",
            "absent",
            "mail",
            "shop",
            "many",
        ];
        for (name, qtype) in names
            .into_iter()
            .flat_map(|name| [1u16, 2, 6, 15, 16, 28, 33, 65, 255, 257, 65_280].map(|qtype| (name, qtype)))
        {
            for edns in [false, true] {
                let query = question(name, qtype, edns);
                let what = format!("{name} {qtype} edns {edns}");
                let https = doh.post(&query).await;
                assert_eq!(https.status(), StatusCode::OK);
                let https = https.bytes().await.unwrap();
                let udp = over_udp(address, &query).await;
                if udp[2] & 2 == 0 {
                    assert_same(&https, &udp, &what);
                }
                assert_same(&https, &over_tcp(address, &query).await, &what);
            }
        }
        doh.running.listening.shutdown().await;
    }
}

#[tokio::test]
async fn odd_messages_get_the_same_error_as_over_tcp() {
    let doh = start_doh(true, StreamLimits::default());
    let good = question("web", 1, true);
    let mut other_opcode = good.clone();
    other_opcode[2] = 0x30;
    let mut two_questions = good.clone();
    two_questions[5] = 2;
    let mut other_version = good.clone();
    let version_at = other_version.len() - 5;
    other_version[version_at] = 1;
    let mut no_question = good[..12].to_vec();
    no_question[5..].fill(0);
    let cut_off = good[..20].to_vec();
    for (what, query) in [
        ("opcode", other_opcode),
        ("two questions", two_questions),
        ("version", other_version),
        ("no question", no_question),
        ("cut off", cut_off),
    ] {
        let https = doh.post(&query).await;
        assert_eq!(https.status(), StatusCode::OK, "{what}");
        assert_same(&https.bytes().await.unwrap(), &over_tcp(doh.running.address, &query).await, what);
    }
    doh.running.listening.shutdown().await;
}

#[tokio::test]
async fn get_and_post_give_the_same_answer_which_the_client_may_keep_for_its_ttl() {
    let doh = start_doh(true, StreamLimits::default());
    for (name, max_age) in [("shop", zones::TTL_S), ("web", 300), ("absent", 60), ("text", 60)] {
        let query = question(name, 1, true);
        let (get, post) = (doh.get(&query).await, doh.post(&query).await);
        assert_eq!(get.headers()["content-type"], "application/dns-message");
        assert_eq!(get.headers()["cache-control"], format!("private, max-age={max_age}"), "{name}");
        assert_eq!(get.bytes().await.unwrap(), post.bytes().await.unwrap());
    }
    doh.running.listening.shutdown().await;
}

#[tokio::test]
async fn an_answer_of_a_pool_is_counted_and_promised() {
    let doh = start_doh(true, StreamLimits::default());
    let before_ms = crate::clock::boot_ms();
    let query = question("shop", 1, false);
    doh.post(&query).await;
    over_udp(doh.running.address, &query).await;
    over_tcp(doh.running.address, &query).await;
    let totals = doh.running.registry.fold_pool(zones::SLOT.0);
    assert_eq!(totals.answers, 3);
    assert!(totals.promised_until_ms >= before_ms + u64::from(zones::TTL_S) * 1000);
    assert_eq!(doh.running.registry.fold_responses()["https"][0], 1);
    doh.running.listening.shutdown().await;
}

#[tokio::test]
async fn what_is_not_dns_over_https_gets_an_http_status() {
    let doh = start_doh(true, StreamLimits::default());
    let mut response = question("web", 1, false);
    response[2] |= 0x80;
    assert_eq!(doh.post(&response).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(doh.post(&[0; 5]).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(doh.post(&vec![0; 70_000]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let get = |rest: &str| doh.client.get(format!("{}{rest}", doh.url)).send();
    assert_eq!(get("").await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(get("?dns=***").await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(get("/else").await.unwrap().status(), StatusCode::NOT_FOUND);
    let text = doh.client.post(&doh.url).header("content-type", "text/plain").body("x").send().await.unwrap();
    assert_eq!(text.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(doh.client.delete(&doh.url).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    doh.running.listening.shutdown().await;
}

/// Responses over HTTP/2 whose bodies the client does not take; it leaves when they are dropped.
async fn untaken(doh: &Doh, queries: usize) -> Vec<axum::http::Response<hyper::body::Incoming>> {
    let tcp = TcpStream::connect(doh.running.listening.https_addresses()[0]).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("dns.test").unwrap();
    let tls = tokio_rustls::TlsConnector::from(Arc::new(doh.tls.clone())).connect(name, tcp).await.unwrap();
    let (mut requests, connection) = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake(hyper_util::rt::TokioIo::new(tls))
        .await
        .unwrap();
    tokio::spawn(connection);
    let url = format!("{}?dns={}", doh.url, URL_SAFE_NO_PAD.encode(question("web", 1, false)));
    let mut responses = Vec::new();
    for _ in 0..queries {
        let request = axum::http::Request::get(&url).body(axum::body::Body::empty()).unwrap();
        responses.push(requests.send_request(request).await.unwrap());
    }
    assert!(responses.iter().all(|response| response.status() == StatusCode::OK));
    responses
}

#[tokio::test]
async fn a_reply_that_http2_does_not_take_ends_the_connection() {
    let limits = StreamLimits { stall: Duration::from_millis(300), idle: LIMIT * 6, ..StreamLimits::default() };
    let doh = start_doh(true, limits);
    let _responses = untaken(&doh, 20).await;
    doh.running.until_counted(Count::SlowReader, 1).await;
    until(|| doh.running.listening.connections() == 0).await;
    doh.running.listening.shutdown().await;
}

#[tokio::test]
async fn a_reply_that_http2_has_not_taken_holds_its_snapshot() {
    let doh = start_doh(true, StreamLimits { stall: LIMIT * 6, ..StreamLimits::default() });
    let responses = untaken(&doh, 1).await;
    let superseded = doh.running.cell.publish(Arc::new(Snapshot { number: 8, ..Snapshot::default() }));
    assert!(!superseded.is_quiet());
    drop(responses);
    until(|| superseded.is_quiet()).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_http1_is_closed() {
    let limits = StreamLimits { stall: Duration::from_millis(300), idle: LIMIT * 6, ..StreamLimits::default() };
    let doh = start_doh(false, limits);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let tcp = socket.connect(doh.running.listening.https_addresses()[0]).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("dns.test").unwrap();
    let mut tls = tokio_rustls::TlsConnector::from(Arc::new(doh.tls.clone())).connect(name, tcp).await.unwrap();
    let query = URL_SAFE_NO_PAD.encode(question("many", 16, true));
    let request = format!("GET /dns-query?dns={query} HTTP/1.1\r\nhost: dns.test\r\n\r\n");
    let flood = async { while tls.write_all(request.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(LIMIT, flood).await.expect("the server closes");
    doh.running.until_counted(Count::SlowReader, 1).await;
    doh.running.listening.shutdown().await;
}

#[tokio::test]
async fn bodies_under_way_cannot_fill_the_memory() {
    for http2 in [true, false] {
        let doh = start_doh(http2, StreamLimits { held_bytes: 1000, ..StreamLimits::default() });
        assert_eq!(doh.post(&[0; 5000]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        doh.running.until_counted(Count::MemoryLimit, 1).await;
        assert_eq!(doh.post(&question("web", 1, false)).await.status(), StatusCode::OK);
        doh.running.listening.shutdown().await;
    }
}

#[tokio::test]
async fn an_idle_http1_connection_has_its_idle_time_and_not_that_of_a_query() {
    let limits = StreamLimits { query: Duration::from_millis(200), ..StreamLimits::default() };
    let doh = start_doh(false, limits);
    doh.post(&question("web", 1, false)).await.bytes().await.unwrap();
    // Four times as long as a query may take.
    tokio::time::sleep(limits.query * 4).await;
    doh.post(&question("web", 1, false)).await.bytes().await.unwrap();
    let accepted = doh.running.registry.fold_count(Count::Accepted);
    assert_eq!(accepted, 1, "the connection was kept");
    doh.running.listening.shutdown().await;
}

#[tokio::test]
async fn an_idle_https_connection_is_closed() {
    for http2 in [true, false] {
        let doh = start_doh(http2, StreamLimits { idle: Duration::from_millis(800), ..StreamLimits::default() });
        doh.post(&question("web", 1, false)).await.bytes().await.unwrap();
        until(|| doh.running.listening.connections() == 0).await;
        doh.running.listening.shutdown().await;
    }
}

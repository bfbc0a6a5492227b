//! RFC 8484: DNS over HTTPS says what UDP says, and speaks proper HTTP.

use crate::harness::LIMIT;
use crate::wire::*;
use crate::world::world;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use reqwest::{Client, ClientBuilder, Response, Version};
use std::io::{Read, Write};

const DNS_MESSAGE: &str = "application/dns-message";

/// A client that takes the test's own certificate.
fn client(with: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    tidegate::probe::install_crypto();
    with(Client::builder()).no_proxy().timeout(LIMIT).danger_accept_invalid_certs(true).build().unwrap()
}

fn url(path: &str) -> String {
    format!("https://{}{path}", world().doh)
}

async fn post(client: &Client, message: Vec<u8>) -> Response {
    client.post(url("/dns-query")).header(CONTENT_TYPE, DNS_MESSAGE).body(message).send().await.unwrap()
}

async fn get(client: &Client, message: &[u8]) -> Response {
    client.get(url(&format!("/dns-query?dns={}", URL_SAFE_NO_PAD.encode(message)))).send().await.unwrap()
}

/// The DNS message of a good response.
async fn message(response: Response) -> Vec<u8> {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[CONTENT_TYPE], DNS_MESSAGE);
    response.bytes().await.unwrap().to_vec()
}

/// Queries of every kind, good and bad.
fn queries() -> Vec<Vec<u8>> {
    let mut queries: Vec<Vec<u8>> = [
        ("www.example.test", A),
        ("WWW.Example.Test", AAAA),
        ("example.test", SOA),
        ("example.test", NS),
        ("mixed.example.test", TXT),
        ("chain1.example.test", A),
        ("to-steered.example.test", A),
        ("x.wild.example.test", A),
        ("nothing.example.test", A),
        ("mail.example.test", AAAA),
        ("www.deleg.example.test", A),
        ("x.glued.example.test", A),
        ("x.crowded.example.test", A),
        ("medium.example.test", A),
        ("large.example.test", A),
        ("huge.example.test", TXT),
        ("app.example.test", A),
        ("app.example.test", HTTPS),
        ("green.app.example.test", A),
        ("green.half-down.example.test", A),
        ("u7.users.example.test", A),
        ("steered.test", A),
        ("www.elsewhere.test", A),
        ("example.test", ANY),
        ("raw.example.test", 731),
        ("svc.example.test", HTTPS),
        ("caa.example.test", 257),
        ("hinfo.example.test", 13),
        ("text.example.test", TXT),
        ("www.old.example.test", A),
        ("deleg.example.test", DS),
        ("_sip._tcp.example.test", SRV),
        ("example.test", 252),
        ("", NS),
    ]
    .into_iter()
    .flat_map(|(qname, qtype)| [query(qname, qtype), edns_query(qname, qtype, 1232, &subnet(1, 24, 0, &[203, 0, 113]))])
    .collect();
    queries.extend([
        header(7, 0, [0, 0, 0, 0]),
        [header(7, 0, [2, 0, 0, 0]), question("www.example.test", A, 1), question("www.example.test", A, 1)].concat(),
        [header(7, 0, [1, 0, 0, 0]), question("version.bind", TXT, 3)].concat(),
        [header(7, 0, [1, 0, 0, 0]), question("www.example.test", A, 4)].concat(),
        query("www.example.test", A)[..20].to_vec(),
        [header(7, 0, [1, 0, 0, 0]), vec![0xc0, 12, 0, 1, 0, 1]].concat(),
        with_additional(query("www.example.test", A), &opt(1232, 1 << 16, &[])),
        with_additional(query("www.example.test", A), &opt(1232, 0x8000, &[])),
        edns_query("app.example.test", A, 1232, &subnet(1, 24, 7, &[192, 0, 2])),
        edns_query("www.example.test", A, 1232, &option(65_001, b"unknown")),
        edns_query("www.example.test", A, 1232, &option(3, &[])),
    ]);
    queries
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8484_4_1_get_and_post_say_what_tcp_says_section_by_section() {
    let client = client(|builder| builder);
    for asked in queries() {
        let expected = Reply::read(&crate::world::Stream::new(world().v4).ask(&asked));
        let by_post = message(post(&client, asked.clone()).await).await;
        let by_get = message(get(&client, &asked).await).await;
        // Names may be compressed in another way, so that only the lengths differ.
        for wire in [by_post, by_get] {
            let len = wire.len();
            assert_eq!(Reply { len: expected.len, ..Reply::read(&wire) }, expected, "{len} octets for {asked:02x?}");
        }
    }
}

/// Zones are told of and changed over UDP, TCP and TLS.
#[tokio::test(flavor = "multi_thread")]
async fn notifications_and_updates_are_not_offered_over_https() {
    for (opcode, over_tcp) in [(4, 9), (5, 5)] {
        let mut asked = query("example.test", SOA);
        asked[2] |= opcode << 3;
        let client = client(|builder| builder);
        assert_eq!(Reply::read(&message(post(&client, asked.clone()).await).await).rcode, 4, "opcode {opcode}");
        assert_eq!(Reply::read(&crate::world::Stream::new(world().v4).ask(&asked)).rcode, over_tcp, "opcode {opcode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hickory_cannot_read_is_answered_all_the_same() {
    // A record without RDATA (RFC 3597).
    let asked = query("raw.example.test", 65_280);
    let wire = message(post(&client(|builder| builder), asked.clone()).await).await;
    assert_eq!(wire, crate::world::Client::new(world().v4).udp(&asked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_of_family_0_is_echoed_as_over_udp() {
    let asked = edns_query("app.example.test", A, 1232, &subnet(0, 0, 0, &[]));
    let wire = message(post(&client(|builder| builder), asked).await).await;
    assert!(wire.ends_with(&subnet(0, 0, 0, &[])), "{wire:02x?}");
    assert!(wire.windows(4).any(|octets| octets == [192, 0, 2, 10]), "{wire:02x?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8484_5_2_both_http_versions_are_spoken() {
    for (client, version) in
        [(client(ClientBuilder::http1_only), Version::HTTP_11), (client(|builder| builder), Version::HTTP_2)]
    {
        let response = post(&client, query("www.example.test", A)).await;
        assert_eq!(response.version(), version);
        assert_eq!(Reply::read(&message(response).await).answer.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8484_5_1_a_reply_is_fresh_for_its_ttl_and_for_this_client_alone() {
    let client = client(|builder| builder);
    for (qname, qtype, ttl) in [
        ("www.example.test", A, 300),
        ("app.example.test", A, 30),
        ("to-steered.example.test", A, 30),
        ("nothing.example.test", A, 300),
        ("app.example.test", TXT, 30),
    ] {
        let response = post(&client, query(qname, qtype)).await;
        assert_eq!(response.headers()[CACHE_CONTROL], format!("private, max-age={ttl}"), "{qname}");
    }
    let refused = post(&client, query("www.elsewhere.test", A)).await;
    assert_eq!(refused.headers()[CACHE_CONTROL], "private, max-age=0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_dns_over_https_is_told_so_in_http() {
    let client = client(|builder| builder);
    let asked = query("www.example.test", A);
    for content_type in ["text/plain", "application/json", "application/dns-json", ""] {
        let response =
            client.post(url("/dns-query")).header(CONTENT_TYPE, content_type).body(asked.clone()).send().await.unwrap();
        assert_eq!(response.status(), 415, "{content_type}");
    }
    assert_eq!(
        client.post(url("/dns-query")).body(asked.clone()).send().await.unwrap().status(),
        415,
        "no type at all"
    );
    for variables in
        ["", "?", "?dns", "?dns=", "?dns=%%%", "?dns=a", "?dns=!!!!", "?name=www.example.test", "?dns=AAAA"]
    {
        assert_eq!(
            client.get(url(&format!("/dns-query{variables}"))).send().await.unwrap().status(),
            400,
            "{variables}"
        );
    }
    let mut response = asked.clone();
    response[2] |= 0x80;
    for bad in [vec![], vec![1, 2, 3], response] {
        assert_eq!(post(&client, bad.clone()).await.status(), 400, "{bad:02x?}");
    }
    assert_eq!(post(&client, vec![0; 65_536]).await.status(), 413);
    for path in ["/", "/dns", "/dns-query/", "/v1/switches", "/metrics"] {
        assert_eq!(client.get(url(path)).send().await.unwrap().status(), 404, "{path}");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let response = client.request(method.parse().unwrap(), url("/dns-query")).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()[ALLOW]),
            (405, &"GET, POST".parse().unwrap()),
            "{method}"
        );
    }
    assert_eq!(Reply::read(&message(post(&client, asked).await).await).answer.len(), 2, "and goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_questions_share_one_connection() {
    let client = client(|builder| builder);
    let asking = (0..200u16).map(|id| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut asked = query(&format!("user-{id}.users.example.test"), A);
            asked[..2].copy_from_slice(&id.to_be_bytes());
            let wire = message(post(&client, asked).await).await;
            assert_eq!((u16::from_be_bytes([wire[0], wire[1]]), Reply::read(&wire).answer.len()), (id, 1));
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
}

#[test]
fn what_is_not_tls_ends_the_connection_alone() {
    for bytes in [
        &b"GET /dns-query HTTP/1.1\r\n\r\n"[..],
        &framed(&query("www.example.test", A)),
        &[0x16, 3, 1, 0xff, 0xff, 0, 0],
    ] {
        let mut stream = std::net::TcpStream::connect(world().doh).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(bytes).unwrap();
        // An alert at most, then the end.
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        assert!(ended.is_ok() || ended.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset);
        assert!(rest.len() < 32, "{rest:02x?}");
    }
    assert!(world().dig_at(world().doh, &["+https", "+short", "www.example.test"]).contains("192.0.2.1"));
}

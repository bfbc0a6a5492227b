//! Certificates that are replaced while they are in use, and sessions that are resumed.

use crate::encrypted::{Encrypted, NAME};
use crate::harness::{LIMIT, eventually};
use crate::pki::Signed;
use crate::wire::{A, Reply, edns_query, framed};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// Seconds since 1970 of the ends that certificates of tests have.
const END_OF_2090: f64 = 3_818_361_600.0;
const END_OF_2091: f64 = END_OF_2090 + 365.0 * 86_400.0;

/// A connection over TLS, blocking.
pub type Tls = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

/// A client that believes the authority, and offers these protocols.
pub fn client(
    all: &Encrypted,
    alpn: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(all.authority.pem().as_bytes()).unwrap()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|id| id.to_vec()).collect();
    Arc::new(config)
}

/// Connects to DNS over TLS.
pub fn connect(all: &Encrypted, config: &Arc<rustls::ClientConfig>, port: u16) -> Tls {
    let tcp = TcpStream::connect(all.at(port)).expect("connected");
    tcp.set_read_timeout(Some(LIMIT)).unwrap();
    tcp.set_write_timeout(Some(LIMIT)).unwrap();
    let tls = rustls::ClientConnection::new(Arc::clone(config), NAME.try_into().unwrap()).unwrap();
    rustls::StreamOwned::new(tls, tcp)
}

/// Asks over a connection of DNS over TLS.
pub fn ask(stream: &mut Tls, message: &[u8]) -> Vec<u8> {
    stream.write_all(&framed(message)).expect("written");
    let mut len = [0; 2];
    stream.read_exact(&mut len).expect("a length");
    let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut reply).expect("a reply");
    reply
}

fn is_answered(stream: &mut Tls) {
    let reply = Reply::read(&ask(stream, &edns_query("app.example.test", A, 1232, &[])));
    assert_eq!(reply.rdata("A"), ["192.0.2.10"]);
}

/// The certificate that a newcomer is shown.
fn shown(all: &Encrypted) -> Vec<u8> {
    let mut stream = connect(all, &client(all, &[b"dot"], &[&rustls::version::TLS13]), 853);
    is_answered(&mut stream);
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

fn der(signed: &Signed) -> Vec<u8> {
    CertificateDer::from_pem_slice(signed.cert.as_bytes()).unwrap().to_vec()
}

fn row(name: &str, used_by: &str) -> String {
    format!("tidegate_certificate_{name}{{used_by=\"{used_by}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_certificate_is_taken_in_and_a_broken_one_leaves_the_one_before() {
    let all = Encrypted::start("").await;
    let names = [NAME.to_owned(), all.server.dns.ip().to_string()];
    for used_by in ["dot", "doq", "doh"] {
        assert_eq!(all.server.metric(&row("expiry_timestamp_seconds", used_by)).await, END_OF_2090, "{used_by}");
    }
    let mut open = connect(&all, &client(&all, &[b"dot"], &[&rustls::version::TLS13]), 853);
    is_answered(&mut open);
    let next = all.authority.server(&names, 2091);
    next.write(&all.server.folder, "dns");
    for used_by in ["dot", "doq", "doh"] {
        eventually("the new certificate is in force", async || {
            (all.server.metric(&row("expiry_timestamp_seconds", used_by)).await == END_OF_2091).then_some(())
        })
        .await;
    }
    assert_eq!(shown(&all), der(&next));
    is_answered(&mut open);

    // Half a file, as a full disk leaves it; then the key of another certificate.
    let other = all.authority.server(&names, 2090);
    for (cert, key) in [(&next.cert[..next.cert.len() / 2], &next.key), (&next.cert[..], &other.key)] {
        all.server.folder.write("dns.pem", cert);
        all.server.folder.write("dns.key", key);
        eventually("the bad pair is refused", async || {
            (all.server.metric(&row("refused", "dot")).await == 1.0).then_some(())
        })
        .await;
        assert_eq!(all.server.metric(&row("expiry_timestamp_seconds", "dot")).await, END_OF_2091);
        assert_eq!(shown(&all), der(&next), "the one before stays in force");
        is_answered(&mut open);
        next.write(&all.server.folder, "dns");
        eventually("the good pair is back", async || {
            (all.server.metric(&row("refused", "dot")).await == 0.0).then_some(())
        })
        .await;
    }
    let log = all.server.log();
    assert!(log.contains("a replaced certificate is refused; the one before stays in force"), "{log}");
    assert!(log.contains("dns.pem"), "the log names the file: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_a_certificate_in_at_once_and_refuses_a_broken_one_by_name() {
    let all = Encrypted::start("").await;
    let next = all.authority.server(&[NAME.to_owned()], 2091);
    next.write(&all.server.folder, "dns");
    let (status, body) = all.server.api("POST", "/v1/reload", None).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(shown(&all), der(&next));
    all.server.folder.write("dns.key", "nonsense");
    let (status, body) = all.server.api("POST", "/v1/reload", None).await;
    assert!(status == 422 && body.to_string().contains("dns.key"), "{status} {body}");
    assert_eq!(shown(&all), der(&next));
    // A signal does the same.
    let last = all.authority.server(&[NAME.to_owned()], 2090);
    last.write(&all.server.folder, "dns");
    all.server.signal("HUP");
    eventually("the last certificate is in force", async || (shown(&all) == der(&last)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_soon_is_told_of_at_the_start() {
    let soon = Encrypted::start_until("", 2001).await;
    let log = soon.server.log();
    assert!(log.contains("the certificate has expired"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7858_3_4_a_session_is_resumed_by_its_ticket() {
    let all = Encrypted::start("").await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for (port, alpn) in [(853, &b"dot"[..]), (443, b"h2")] {
            let config = client(&all, &[alpn], &[version]);
            for expected in
                [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed, rustls::HandshakeKind::Resumed]
            {
                let mut stream = connect(&all, &config, port);
                if port == 853 {
                    is_answered(&mut stream);
                } else {
                    // HTTP/2's first words bring the server's, behind its tickets.
                    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
                    stream.read_exact(&mut [0; 9]).unwrap();
                }
                let kind = stream.conn.handshake_kind();
                if expected == rustls::HandshakeKind::Full {
                    assert_ne!(kind, Some(rustls::HandshakeKind::Resumed), "{version:?} at {port}");
                } else {
                    assert_eq!(kind, Some(expected), "{version:?} at {port}");
                }
            }
        }
    }
}

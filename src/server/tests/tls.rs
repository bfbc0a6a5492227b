//! DNS over TLS: the same conversation inside TLS.

use super::*;
use crate::server::Encrypted;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A server configuration for `dns.test`, and a client's that trusts it.
pub(super) fn tls_pair() -> (Arc<rustls::ServerConfig>, rustls::ClientConfig) {
    let issued = rcgen::generate_simple_self_signed(vec!["dns.test".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(issued.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), client)
}

#[tokio::test]
async fn pipelined_queries_are_answered_over_tls_and_a_failed_handshake_is_counted() {
    let (config, mut client) = tls_pair();
    client.alpn_protocols = vec![b"dot".to_vec()];
    let tls = Some(Encrypted { addresses: vec!["127.0.0.1:0".parse().unwrap()], config });
    let running = start(Settings { tls, ..settings("127.0.0.1:0") });
    let address = running.listening.tls_addresses()[0];
    let connector = TlsConnector::from(Arc::new(client));
    let tcp = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("dns.test").unwrap(), tcp).await.unwrap();
    let all: Vec<u8> = (0..500).flat_map(|id| framed(&query(id, "name"))).collect();
    stream.write_all(&all).await.unwrap();
    for id in 0..500 {
        let reply = timeout(LIMIT, async {
            let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut reply).await.unwrap();
            reply
        });
        assert!(answers(&reply.await.unwrap(), &query(id, "name")));
    }
    stream.shutdown().await.unwrap();
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    running.until_counted(Count::HandshakeFailed, 1).await;
    assert_eq!(running.registry.fold_responses()["tls"].iter().sum::<u64>(), 500);
    running.listening.shutdown().await;
}

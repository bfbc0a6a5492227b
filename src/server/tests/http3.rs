//! DNS over HTTP/3 below its library: what a peer may make us keep, and how a connection ends.

use super::quic::{Quic, start_quic};
use super::*;
use quinn::{Connection, ConnectionError, RecvStream, TransportConfig, VarInt};

/// H3_EXCESSIVE_LOAD (RFC 9114 §8.1).
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(0x107);
/// A control stream (RFC 9114 §6.2.1) with empty settings.
const SETTINGS: [u8; 3] = [0, 4, 0];
/// The length of a frame that never ends: 2^40.
const ENDLESS: [u8; 8] = [0xc0, 0, 1, 0, 0, 0, 0, 0];
/// HEADERS of `GET https://a/` from QPACK's static table (RFC 9204 Appendix A).
const GET: [u8; 10] = [1, 8, 0, 0, 0xd1, 0xd7, 0xc1, 0x50, 1, b'a'];

impl Quic {
    async fn connect_h3(&self, transport: TransportConfig) -> Connection {
        let mut config = self.config.clone();
        config.transport_config(Arc::new(transport));
        let address = self.running.listening.https_addresses()[0];
        self.client.connect_with(config, address, "dns.test").unwrap().await.unwrap()
    }
}

/// The control stream of the server, behind its type.
async fn control_of(connection: &Connection) -> RecvStream {
    loop {
        let mut stream = connection.accept_uni().await.unwrap();
        let mut kind = [9];
        stream.read_exact(&mut kind).await.unwrap();
        if kind == [0] {
            return stream;
        }
    }
}

/// Type and payload of the next frame; all are short here.
async fn frame(stream: &mut RecvStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    tokio::time::timeout(LIMIT, stream.read_exact(&mut head)).await.unwrap().unwrap();
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).await.unwrap();
    (head[0], payload)
}

#[tokio::test]
async fn a_frame_without_end_ends_the_connection_or_its_request() {
    let limits = StreamLimits { query: LIMIT * 6, idle: LIMIT * 6, ..StreamLimits::default() };
    let quic = start_quic(limits, b"h3");
    let connection = quic.connect_h3(TransportConfig::default()).await;
    let (mut request, _reply) = connection.open_bi().await.unwrap();
    // HEADERS that claim to be endless.
    request.write_all(&[&[1], &ENDLESS[..]].concat()).await.unwrap();
    let flood = async { while request.write_all(&[0; 1024]).await.is_ok() {} };
    tokio::time::timeout(LIMIT, flood).await.expect("the request is stopped");
    assert_eq!(request.stopped().await.unwrap(), Some(EXCESSIVE_LOAD));
    assert!(connection.close_reason().is_none());
    assert_eq!(quic.running.registry.fold_count(Count::Malformed), 1);
    // A frame of a reserved type on the control stream.
    let mut control = connection.open_uni().await.unwrap();
    control.write_all(&[&SETTINGS[..], &[0x21], &ENDLESS].concat()).await.unwrap();
    let flood = async { while control.write_all(&[0; 1024]).await.is_ok() {} };
    tokio::time::timeout(LIMIT, flood).await.expect("the connection is ended");
    assert!(matches!(connection.closed().await, ConnectionError::ApplicationClosed(_)));
    quic.running.until_counted(Count::Malformed, 2).await;
    until(|| quic.running.listening.connections() == 0).await;
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn requests_under_way_cannot_fill_the_memory() {
    let quic = start_quic(StreamLimits { held_bytes: 1000, ..StreamLimits::default() }, b"h3");
    let connection = quic.connect_h3(TransportConfig::default()).await;
    let (mut request, _reply) = connection.open_bi().await.unwrap();
    request.write_all(&[&[1], &ENDLESS[..], &[0; 2000][..]].concat()).await.unwrap();
    assert_eq!(request.stopped().await.unwrap(), Some(EXCESSIVE_LOAD));
    quic.running.until_counted(Count::MemoryLimit, 1).await;
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_takes_no_goaway_loses_its_seat_all_the_same() {
    let limits = StreamLimits { idle: Duration::from_millis(300), ..StreamLimits::default() };
    let quic = start_quic(limits, b"h3");
    let connection = quic.connect_h3(TransportConfig::default()).await;
    let mut settings = [0; 64];
    let len = control_of(&connection).await.read(&mut settings).await.unwrap().unwrap();
    connection.close(0u32.into(), b"");
    // Credit for the type of the stream and the settings, and no more.
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(u32::try_from(1 + len).unwrap().into());
    let _connection = quic.connect_h3(transport).await;
    until(|| quic.running.listening.connections() == 1).await;
    until(|| quic.running.listening.connections() == 0).await;
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn rfc9114_5_2_goaway_names_the_request_behind_the_last_that_was_answered() {
    let quic = start_quic(StreamLimits::default(), b"h3");
    let connection = quic.connect_h3(TransportConfig::default()).await;
    let mut control = control_of(&connection).await;
    assert_eq!(frame(&mut control).await.0, 4);
    for _ in 0..2 {
        let (mut request, mut reply) = connection.open_bi().await.unwrap();
        request.write_all(&GET).await.unwrap();
        request.finish().unwrap();
        assert!(!reply.read_to_end(1000).await.unwrap().is_empty());
    }
    let ending = tokio::spawn(quic.running.listening.shutdown());
    assert_eq!(frame(&mut control).await, (7, vec![8]));
    // The server waits for the client to say that it has everything.
    assert!(connection.close_reason().is_none());
    connection.close(0x100u32.into(), b"");
    tokio::time::timeout(LIMIT, ending).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_has_so_many_requests_and_its_client_is_asked_to_make_another() {
    let quic = start_quic(StreamLimits::default(), b"h3");
    let connection = quic.connect_h3(TransportConfig::default()).await;
    let mut control = control_of(&connection).await;
    assert_eq!(frame(&mut control).await.0, 4);
    // Broken off before their headers have come: h3 would remember each.
    for _ in 0..crate::server::quic::REQUESTS {
        let (mut request, _reply) = connection.open_bi().await.unwrap();
        request.write_all(&[1]).await.unwrap();
        request.reset(0u32.into()).unwrap();
    }
    assert_eq!(frame(&mut control).await.0, 7);
    until(|| quic.running.listening.connections() == 0).await;
    quic.running.listening.shutdown().await;
}

#[tokio::test]
async fn newcomers_are_refused_while_a_server_ends() {
    let limits = StreamLimits { stall: LIMIT, ..StreamLimits::default() };
    let quic = start_quic(limits, b"h3");
    let address = quic.running.listening.https_addresses()[0];
    let connection = quic.connect_h3(TransportConfig::default()).await;
    let mut control = control_of(&connection).await;
    assert_eq!(frame(&mut control).await.0, 4);
    let ending = tokio::spawn(quic.running.listening.shutdown());
    assert_eq!(frame(&mut control).await.0, 7);
    let refused = quic.client.connect(address, "dns.test").unwrap();
    let refused = tokio::time::timeout(LIMIT, refused).await.expect("an answer");
    assert!(matches!(refused, Err(ConnectionError::ConnectionClosed(_))), "{refused:?}");
    connection.close(0x100u32.into(), b"");
    tokio::time::timeout(LIMIT, ending).await.unwrap().unwrap();
}

//! The transports on real loopback sockets, with a snapshot that refuses every question.

mod deferred;
mod http3;
mod https;
mod quic;
mod tcp;
mod tls;
mod udp;
mod zones;

use super::{Bound, Listening, Settings, StreamLimits};
use crate::metrics::{Count, Registry};
use crate::snapshot::{Snapshot, SnapshotCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// No test waits longer than this for anything.
const LIMIT: Duration = Duration::from_secs(10);

/// A server on loopback, with what it answers from and counts in.
struct Running {
    listening: Listening,
    cell: Arc<SnapshotCell>,
    registry: Arc<Registry>,
    address: SocketAddr,
}

fn settings(address: &str) -> Settings {
    Settings { addresses: vec![address.parse().unwrap()], workers: 1, ..Settings::default() }
}

fn limited(limits: StreamLimits) -> Settings {
    Settings { limits, ..settings("127.0.0.1:0") }
}

fn start(settings: Settings) -> Running {
    start_bound(Bound::bind(settings).unwrap())
}

fn start_bound(bound: Bound) -> Running {
    let cell = Arc::new(SnapshotCell::new(Arc::new(Snapshot::default())));
    let registry = Arc::new(Registry::default());
    let listening = bound.start(&cell, &registry).unwrap();
    let address = listening.addresses()[0];
    Running { listening, cell, registry, address }
}

impl Running {
    async fn until_counted(&self, count: Count, at_least: u64) {
        until(|| self.registry.fold_count(count) >= at_least).await;
    }
}

/// Waits for a condition, for at most [`LIMIT`].
async fn until(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect("the condition holds in time");
}

/// A query with this ID for `<label>.test`, type A.
fn query(id: u16, label: &str) -> Vec<u8> {
    let mut message = vec![0; 12];
    message[..2].copy_from_slice(&id.to_be_bytes());
    message[5] = 1;
    for label in [label, "test"] {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

/// Whether `reply` answers `query`: its ID, QR, the same question.
fn answers(reply: &[u8], query: &[u8]) -> bool {
    reply.len() >= query.len()
        && reply[..2] == query[..2]
        && reply[2] & 0x80 != 0
        && reply[12..query.len()] == query[12..]
}

/// A query behind its two-byte length.
fn framed(query: &[u8]) -> Vec<u8> {
    let mut frame = u16::try_from(query.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(query);
    frame
}

#[test]
fn connections_leave_open_files_for_the_rest() {
    let limits = StreamLimits { connections: 20_000, ..StreamLimits::default() };
    let fitted = |open_files| super::fit(limits, open_files).connections;
    assert_eq!([fitted(u64::MAX), fitted(1 << 20), fitted(1_512), fitted(100)], [20_000, 20_000, 800, 1]);
}

#[tokio::test]
async fn sockets_of_the_service_manager_answer_with_several_workers() {
    // On an address of its own: at 127.0.0.1 another test may have the same port for TCP.
    let udp = std::net::UdpSocket::bind("127.0.11.1:0").unwrap();
    let address = udp.local_addr().unwrap();
    let kept = udp.try_clone().unwrap();
    let inherited = super::inherited::Inherited::from_descriptors(vec![udp.into()]);
    let settings = Settings { workers: 2, ..settings(&address.to_string()) };
    let running = start_bound(Bound::bind_with(settings, inherited).unwrap());
    assert_eq!(running.address, address);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let mut buffer = [0; 512];
    let mut ask = |id| {
        client.send_to(&query(id, "name"), address).unwrap();
        let (len, from) = client.recv_from(&mut buffer).unwrap();
        assert!(from == address && answers(&buffer[..len], &query(id, "name")));
    };
    (0..20).for_each(&mut ask);
    running.listening.shutdown().await;
    // What arrives while nobody listens waits in the socket that the service manager keeps.
    client.send_to(&query(99, "name"), address).unwrap();
    let inherited = super::inherited::Inherited::from_descriptors(vec![kept.into()]);
    let restarted = start_bound(Bound::bind_with(super::tests::settings(&address.to_string()), inherited).unwrap());
    let (len, _) = client.recv_from(&mut buffer).unwrap();
    assert!(answers(&buffer[..len], &query(99, "name")));
    restarted.listening.shutdown().await;
}

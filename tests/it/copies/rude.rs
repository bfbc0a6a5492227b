//! A primary that sends what a test gives it, right or wrong.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

/// What it does: the serial it shows, and what it sends to who wants the zone.
#[derive(Default)]
pub struct Script {
    pub serial: u32,
    /// Messages without their first two octets, which are the request's.
    pub messages: Vec<Vec<u8>>,
    /// How often somebody wanted the zone.
    pub asked: usize,
}

/// The script, to be changed while it runs.
pub type Shared = Arc<Mutex<Script>>;

/// `example.test.` in wire form.
pub const APEX: &[u8] = b"\x07example\x04test\0";

/// Starts it; it ends with the process.
pub fn start() -> (SocketAddr, Shared) {
    let tcp = TcpListener::bind((crate::harness::own_address(), 0)).expect("an address");
    let place = tcp.local_addr().expect("an address");
    let udp = UdpSocket::bind(place).expect("the same port");
    let script = Shared::default();
    let shown = Arc::clone(&script);
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((len, from)) = udp.recv_from(&mut query) {
            let serial = shown.lock().unwrap().serial;
            let reply = message(&query[..len.min(2)], &[soa(serial)]);
            let _ = udp.send_to(&reply, from);
        }
    });
    let sent = Arc::clone(&script);
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut id = [0; 4];
            if stream.read_exact(&mut id).is_err() {
                continue;
            }
            let messages = {
                let mut script = sent.lock().unwrap();
                script.asked += 1;
                script.messages.clone()
            };
            for rest in messages {
                let message = [&id[2..], &rest[..]].concat();
                let len = u16::try_from(message.len()).expect("a message");
                let _ = stream.write_all(&[&len.to_be_bytes(), &message[..]].concat());
            }
        }
    });
    (place, script)
}

/// A reply with these records.
pub fn message(id: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    let count = u8::try_from(records.len()).expect("few records");
    let mut message = [id, &[0x84, 0, 0, 1, 0, count, 0, 0, 0, 0]].concat();
    message.extend_from_slice(APEX);
    message.extend_from_slice(&[0, 6, 0, 1]);
    records.iter().for_each(|record| message.extend_from_slice(record));
    message
}

/// A record.
pub fn record(owner: &[u8], rtype: u16, rdata: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rdata.len()).expect("short");
    [owner, &rtype.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &len.to_be_bytes(), rdata].concat()
}

/// The SOA record: refresh and retry 1 s, expire 1 h.
pub fn soa(serial: u32) -> Vec<u8> {
    let mut rdata = [b"\x03ns1", APEX, b"\x0ahostmaster", APEX].concat();
    [serial, 1, 1, 3600, 300].iter().for_each(|number| rdata.extend_from_slice(&number.to_be_bytes()));
    record(APEX, 6, &rdata)
}

/// A whole zone of this serial in which `www` has this address.
pub fn zone(serial: u32, www: u8) -> Vec<Vec<u8>> {
    vec![
        soa(serial),
        record(APEX, 2, &[b"\x03ns1", APEX].concat()),
        record(&[b"\x03ns1", APEX].concat(), 1, &[192, 0, 2, 53]),
        record(&[b"\x03www", APEX].concat(), 1, &[192, 0, 2, www]),
        soa(serial),
    ]
}

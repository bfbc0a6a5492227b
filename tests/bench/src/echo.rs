//! The floor: a socket loop that answers every query with one A record and reads no name.

use crate::sockets::Batch;
use std::io;
use std::net::UdpSocket;

const BATCH: usize = 32;

/// A record owned by the question: 192.0.2.10 for 60 s.
const ANSWER: [u8; 16] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 10];

/// Answers on a port of 127.0.0.1 until killed.
pub fn serve(port: u16) -> io::Result<()> {
    let socket = UdpSocket::bind(("127.0.0.1", port))?;
    let mut batch = Batch::new(BATCH);
    loop {
        let count = batch.receive(&socket, true)?;
        for slot in 0..count {
            let len = batch.message(slot).len();
            let message = batch.buffer(slot);
            let mut end = 12;
            while end < len && message[end] != 0 {
                end += usize::from(message[end]) + 1;
            }
            let end = end + 5;
            message[2] |= 0x84;
            (message[7], message[11]) = (1, 0);
            message[end..end + ANSWER.len()].copy_from_slice(&ANSWER);
            batch.set_len(slot, end + ANSWER.len());
        }
        let mut sent = 0;
        // Nothing is lost on loopback: the loop ends after one call.
        while sent < count {
            sent += batch.send(&socket, count, true)?;
        }
    }
}

//! The `icmp` probe: an echo request and its reply (RFC 792, RFC 4443), over a datagram socket.
//!
//! Such a socket needs no privilege, only a group within `net.ipv4.ping_group_range`. The kernel
//! sets the identifier and the checksum and hands a reply to the socket it belongs to; the sequence
//! number and a number in the payload say to which request.

use super::attempt::{Deadline, Failure};
use super::words;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::UdpSocket;

/// Type numbers of a request and its reply, by family.
const ECHO_IPV4: (u8, u8) = (8, 0);
const ECHO_IPV6: (u8, u8) = (128, 129);

/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// What our requests carry: this word and the number of the request.
const MARK: &[u8; 8] = b"tidegate";

const WAITING: &str = "waiting for the echo";

/// Requests so far.
static SENT: AtomicU64 = AtomicU64::new(0);

/// Sends one request and awaits its reply.
pub(super) async fn probe(address: IpAddr, deadline: &Deadline) -> Result<(), Failure> {
    const SENDING: &str = "sending the echo";
    let socket = open(address)?;
    let number = SENT.fetch_add(1, Ordering::Relaxed);
    let (asks, answers) = if address.is_ipv4() { ECHO_IPV4 } else { ECHO_IPV6 };
    let request = message(asks, number);
    let sent = deadline.step(SENDING, socket.send(&request)).await?;
    sent.map_err(|problem| words::io_failure(&problem, SENDING))?;
    let mut heard = [0; 256];
    loop {
        let length = deadline.step(WAITING, socket.recv(&mut heard)).await?;
        let length = length.map_err(|problem| words::io_failure(&problem, WAITING))?;
        if is_reply(&heard[..length], &request, answers) {
            return Ok(());
        }
    }
}

/// A socket that hears the member alone.
fn open(address: IpAddr) -> Result<UdpSocket, Failure> {
    const OPENING: &str = "opening a socket for the echo";
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol)).map_err(|problem| not_opened(&problem))?;
    let connected = socket.set_nonblocking(true).and_then(|()| socket.connect(&SocketAddr::new(address, 0).into()));
    let socket = connected.and_then(|()| UdpSocket::from_std(socket.into()));
    socket.map_err(|problem| words::io_failure(&problem, OPENING))
}

/// Why there is no socket. Not being allowed to is told of the member, where operators look for it.
fn not_opened(problem: &io::Error) -> Failure {
    match problem.kind() {
        io::ErrorKind::PermissionDenied => Failure::Theirs(
            "this process may not send ICMP echoes: set sysctl net.ipv4.ping_group_range so that it holds the group \
             the server runs as (\"0 2147483647\" allows every group)"
                .to_owned(),
        ),
        _ => words::io_failure(problem, "opening a socket for the echo"),
    }
}

/// An echo request; identifier and checksum are the kernel's.
fn message(kind: u8, number: u64) -> [u8; HEADER + 16] {
    let mut message = [0; HEADER + 16];
    message[0] = kind;
    message[6..8].copy_from_slice(&number.to_be_bytes()[6..]);
    message[HEADER..HEADER + 8].copy_from_slice(MARK);
    message[HEADER + 8..].copy_from_slice(&number.to_be_bytes());
    message
}

/// Whether `heard` answers `request`: its type, sequence number and payload.
fn is_reply(heard: &[u8], request: &[u8], answers: u8) -> bool {
    heard.len() == request.len() && heard[..2] == [answers, 0] && heard[6..] == request[6..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_belongs_to_its_request_alone() {
        let request = message(ECHO_IPV4.0, 0x0102_0304);
        let mut reply = request;
        reply[0] = ECHO_IPV4.1;
        // The kernel's own: checksum and identifier.
        reply[2..6].copy_from_slice(&[1, 2, 3, 4]);
        assert!(is_reply(&reply, &request, ECHO_IPV4.1));
        assert!(!is_reply(&request, &request, ECHO_IPV4.1), "a request is no reply");
        assert!(!is_reply(&reply, &message(ECHO_IPV4.0, 0x0102_0305), ECHO_IPV4.1), "the next sequence number");
        assert!(!is_reply(&reply, &message(ECHO_IPV4.0, 0x0202_0304), ECHO_IPV4.1), "the same sequence number later");
        assert!(!is_reply(&reply[..20], &request, ECHO_IPV4.1));
        assert!(!is_reply(&[], &request, ECHO_IPV4.1));
    }

    #[test]
    fn being_forbidden_is_told_with_its_remedy() {
        let Failure::Theirs(text) = not_opened(&io::Error::from_raw_os_error(libc::EACCES)) else { panic!() };
        assert!(text.contains("net.ipv4.ping_group_range") && text.contains("0 2147483647"), "{text}");
    }
}

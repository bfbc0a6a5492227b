//! The batch of systems without recvmmsg: one datagram at a time through the standard library.
//!
//! The same interface as `syscalls`, which says what each function does. Replies of wildcard binds
//! leave from the address that routing chooses: list the addresses there.

use super::grouping::{Group, Local, Peer, Reply};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Longest query (and reply) in bytes.
pub(super) const MESSAGE: usize = 4096;

/// Batches are of one: there is nobody to tell a client from.
const ONLY: Peer = Peer { address: [0; 2], rest: 0 };

/// Whether a receive waits for the first datagram (up to the socket's SO_RCVTIMEO).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    ForOne,
    Never,
}

/// One received datagram, in the buffer its reply is written to.
pub(super) struct Received<'a> {
    pub(super) client: Option<(IpAddr, Peer)>,
    pub(super) local: usize,
    pub(super) message: &'a mut [u8],
    pub(super) len: usize,
    pub(super) oversize: bool,
}

/// The buffer of one worker; one byte more than a message shows what was too long.
pub(super) struct Batch {
    buffer: Box<[u8]>,
    client: Option<SocketAddr>,
    len: usize,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; MESSAGE + 1].into_boxed_slice(), client: None, len: 0 }
    }

    pub(super) fn receive(&mut self, socket: &UdpSocket, wait: Wait, _with_local: bool) -> io::Result<usize> {
        socket.set_nonblocking(wait == Wait::Never)?;
        let (len, client) = socket.recv_from(&mut self.buffer)?;
        (self.len, self.client) = (len, Some(client));
        Ok(1)
    }

    pub(super) fn received(&mut self, _slot: usize) -> Received<'_> {
        let oversize = self.len > MESSAGE;
        Received {
            client: self.client.filter(|client| client.port() != 0).map(|client| (client.ip(), ONLY)),
            local: 0,
            len: self.len.min(MESSAGE),
            oversize,
            message: &mut self.buffer[..MESSAGE],
        }
    }

    pub(super) fn is_from_port(&mut self, _slot: usize, port: u16) -> bool {
        self.client.is_some_and(|client| client.port() == u16::from_be(port))
    }

    pub(super) fn client_of(&mut self, _slot: usize) -> Option<SocketAddr> {
        self.client
    }

    pub(super) fn local_of(&mut self, _slot: usize) -> Option<Local> {
        None
    }

    pub(super) fn send(&mut self, socket: &UdpSocket, replies: &[Reply], groups: &[Group]) -> io::Result<usize> {
        let reply = groups.first().and_then(|group| replies.get(group.first));
        let Some((reply, client)) = reply.zip(self.client) else { return Ok(0) };
        socket.send_to(&self.buffer[..reply.len.min(MESSAGE)], client)?;
        Ok(1)
    }
}

/// Other allocators give back what is freed.
#[cfg(not(target_os = "linux"))]
pub(crate) fn spare_memory() {}

/// Other allocators give back what is freed.
#[cfg(not(target_os = "linux"))]
pub(crate) fn return_free_memory() {}

/// Priorities of single threads are Linux's.
#[cfg(not(target_os = "linux"))]
pub(crate) fn stand_back() {}

/// Sends one datagram from the address that routing chooses.
pub(super) fn send_from(
    socket: &UdpSocket,
    message: &[u8],
    client: SocketAddr,
    _local: Option<Local>,
) -> io::Result<()> {
    socket.send_to(message, client).map(|_| ())
}

/// Groups need sendmsg.
pub(super) fn knows_segments(_socket: &UdpSocket) -> bool {
    false
}

/// There is no systemd here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn take_listen_fds() -> Vec<std::os::fd::OwnedFd> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_comes_in_and_its_reply_goes_out() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"question", server.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&server, Wait::ForOne, false).unwrap(), 1);
        let port = client.local_addr().unwrap().port().to_be();
        assert!(batch.is_from_port(0, port) && !batch.is_from_port(0, port ^ 1));
        let received = batch.received(0);
        assert_eq!((&received.message[..received.len], received.oversize), (&b"question"[..], false));
        received.message[..5].copy_from_slice(b"reply");
        let reply = Reply { slot: 0, len: 5, client: received.client.unwrap().1, local: received.local };
        assert!(!knows_segments(&server));
        assert_eq!(batch.send(&server, &[reply], &[Group { first: 0, count: 1, segment: 5 }]).unwrap(), 1);
        let mut buffer = [0; 16];
        assert_eq!(client.recv(&mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..5], b"reply");
        let (address, local) = (batch.client_of(0).unwrap(), batch.local_of(0));
        send_from(&server, b"later", address, local).unwrap();
        assert_eq!((client.recv(&mut buffer).unwrap(), &buffer[..5]), (5, &b"later"[..]));
        assert_eq!(batch.receive(&server, Wait::Never, false).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

//! Sockets that systemd opened for us (socket activation, sd_listen_fds(3)).
//!
//! With them the server needs no privilege for port 53, and queries that arrive while it restarts
//! wait in the socket instead of being refused. A passed socket is used in place of binding where
//! its address and kind are configured; one that is left over is named in a warning and closed.

use socket2::{Socket, Type};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// Sockets that were passed and are not used yet.
#[derive(Debug, Default)]
pub(super) struct Inherited(Vec<(SocketAddr, Type, Socket)>);

impl Inherited {
    /// What systemd passed to this process; only the first call finds anything.
    pub(super) fn from_environment() -> Self {
        Self::from_descriptors(super::udp::take_listen_fds())
    }

    pub(super) fn from_descriptors(descriptors: Vec<OwnedFd>) -> Self {
        Self(descriptors.into_iter().filter_map(|descriptor| identify(descriptor.into())).collect())
    }

    /// The socket of this kind and address, if it was passed.
    pub(super) fn take(&mut self, kind: Type, address: SocketAddr) -> Option<Socket> {
        let place = self.0.iter().position(|(at, of, _)| *at == address && *of == kind)?;
        Some(self.0.swap_remove(place).2)
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        for (address, kind, _) in &self.0 {
            let kind = if *kind == Type::DGRAM { "UDP" } else { "TCP" };
            tracing::warn!(%address, kind, "systemd passed a socket that no configured address names; it is not used");
        }
    }
}

/// Where a passed socket listens; nothing for what cannot be listened on.
fn identify(socket: Socket) -> Option<(SocketAddr, Type, Socket)> {
    let (address, kind) = (socket.local_addr().ok()?.as_socket()?, socket.r#type().ok()?);
    // A child, such as a hook, must not keep port 53.
    socket.set_cloexec(true).ok()?;
    let listens = kind == Type::DGRAM || socket.is_listener().unwrap_or(false);
    listens.then_some((address, kind, socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    fn sockets_are_found_by_kind_and_address_once() {
        let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let connected = TcpStream::connect(tcp_at).unwrap();
        let mut inherited = Inherited::from_descriptors(vec![udp.into(), tcp.into(), connected.into()]);
        assert_eq!(inherited.0.len(), 2, "a connection is nothing to listen on");
        assert!(inherited.take(Type::STREAM, udp_at).is_none());
        assert!(inherited.take(Type::DGRAM, udp_at).is_some());
        assert!(inherited.take(Type::DGRAM, udp_at).is_none());
        assert!(inherited.take(Type::STREAM, tcp_at).is_some());
    }
}

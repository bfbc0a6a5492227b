//! Binding every address before anything answers, all or nothing.
//!
//! The first socket of an address is bound without SO_REUSEPORT, so that a second server by mistake
//! is told so instead of silently taking half of the queries; the option is set afterwards, for the
//! other workers and for a successor. A successor (`takeover`) binds with the option from the start
//! and shares the address with the process it replaces. IPv6 sockets are for IPv6 only.
//! A socket that systemd passed is used where its address is configured ([`super::inherited`]).

use super::inherited::Inherited;
use super::udp::{RECEIVE_WAIT, SEND_WAIT};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

/// Connections the kernel completes before we accept them.
const BACKLOG: i32 = 4096;
/// Asked for, so that a burst survives a pause of the worker; the kernel caps it at net.core.rmem_max.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The same for replies, so that a full interface queue blocks rarely.
const SEND_BUFFER: usize = 1 << 20;
/// An answer that a TCP client has not acknowledged by then breaks the connection: a promise is not
/// kept in the kernel's buffer for longer than the drain ledger's margin of 5 s (RFC 5482).
const USER_TIMEOUT: Duration = Duration::from_secs(4);
/// Unsent bytes in the kernel per connection, so that a slow reader is noticed as such.
#[cfg(target_os = "linux")]
const UNSENT: libc::c_int = 64 << 10;
/// Tries to find a port that is free for UDP and TCP, when port 0 is asked for.
const PORT_TRIES: usize = 32;

/// Which kind of socket could not be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// DNS over UDP.
    Udp,
    /// DNS over TCP.
    Tcp,
    /// DNS over TLS.
    Tls,
    /// DNS over HTTPS.
    Https,
    /// DNS over QUIC.
    Quic,
    /// DNS over HTTP/3.
    Http3,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TCP (DNS over TLS)",
            Self::Https => "TCP (DNS over HTTPS)",
            Self::Quic => "UDP (DNS over QUIC)",
            Self::Http3 => "UDP (DNS over HTTP/3)",
        })
    }
}

/// An address that cannot be listened on, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} over {kind}: {}", remedy(source, *address))]
pub struct BindError {
    /// The address as configured.
    pub address: SocketAddr,
    /// For which transport.
    pub kind: Kind,
    /// What the system said.
    pub source: io::Error,
}

fn remedy(error: &io::Error, address: SocketAddr) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::PermissionDenied if port < 1024 => "not allowed; ports below 1024 need the capability CAP_NET_BIND_SERVICE \
             (AmbientCapabilities= in the systemd unit, or `setcap cap_net_bind_service=+ep` on the program), or choose a higher port"
            .to_owned(),
        io::ErrorKind::AddrInUse => format!(
            "the address is in use; `ss -lunpt 'sport = :{port}'` shows by whom. If that is systemd-resolved, list the addresses \
             of this machine instead of a wildcard"
        ),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; `ip address` lists those it has".to_owned(),
        _ => "the system refused".to_owned(),
    }
}

/// The sockets of one address.
#[derive(Debug)]
pub(super) struct BoundAddress {
    pub(super) address: SocketAddr,
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: TcpListener,
}

/// Binds UDP for every worker, and TCP, to one address and one port.
pub(super) fn bind_plain(
    address: SocketAddr,
    workers: usize,
    takeover: bool,
    inherited: &mut Inherited,
) -> Result<BoundAddress, BindError> {
    let failed = |kind| move |source| BindError { address, kind, source };
    if let Some(socket) = inherited.take(Type::DGRAM, address) {
        let tcp = match inherited.take(Type::STREAM, address) {
            Some(socket) => adopt_tcp(socket),
            None => bind_tcp(address, takeover),
        };
        let udp = adopt_udp(&socket, address, workers).map_err(failed(Kind::Udp))?;
        return Ok(BoundAddress { address, udp, tcp: tcp.map_err(failed(Kind::Tcp))? });
    }
    let tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    let mut last = None;
    for _ in 0..tries {
        let first = bind_udp(address, takeover).map_err(failed(Kind::Udp))?;
        let bound = first.local_addr().map_err(failed(Kind::Udp))?;
        let tcp = match inherited.take(Type::STREAM, bound) {
            Some(socket) => adopt_tcp(socket),
            None => bind_tcp(bound, takeover),
        };
        match tcp {
            Ok(tcp) => {
                let others = (1..workers).map(|_| bind_udp(bound, true)).collect::<io::Result<Vec<_>>>();
                let mut udp = others.map_err(failed(Kind::Udp))?;
                udp.insert(0, first);
                return Ok(BoundAddress { address: bound, udp, tcp });
            }
            Err(source) => last = Some(BindError { address, kind: Kind::Tcp, source }),
        }
    }
    Err(last.expect("there is at least one try, and only an error ends it here"))
}

/// Binds a TCP listener of an encrypted transport.
pub(super) fn bind_encrypted(
    address: SocketAddr,
    kind: Kind,
    takeover: bool,
    inherited: &mut Inherited,
) -> Result<TcpListener, BindError> {
    let listener = match inherited.take(Type::STREAM, address) {
        Some(socket) => adopt_tcp(socket),
        None => bind_tcp(address, takeover),
    };
    listener.map_err(|source| BindError { address, kind, source })
}

/// Binds a UDP socket that QUIC is spoken over.
///
/// A successor that shares the address splits connections with its predecessor by chance: those that the
/// kernel moves are reset, and their clients connect again.
pub(super) fn bind_quic(
    address: SocketAddr,
    kind: Kind,
    takeover: bool,
    inherited: &mut Inherited,
) -> Result<UdpSocket, BindError> {
    let mut bind = || {
        let socket = match inherited.take(Type::DGRAM, address) {
            Some(socket) => socket,
            None => {
                let socket = new_socket(address, Type::DGRAM, Protocol::UDP)?;
                socket.set_reuse_port(takeover)?;
                socket.bind(&address.into())?;
                socket.set_reuse_port(true)?;
                socket
            }
        };
        // Larger buffers only help: a kernel that grants less has told so in its limits.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    bind().map_err(|source| BindError { address, kind, source })
}

/// One socket for all workers: they take turns at its queue.
fn adopt_udp(socket: &Socket, address: SocketAddr, workers: usize) -> io::Result<Vec<UdpSocket>> {
    set_buffers_and_waits(socket)?;
    #[cfg(target_os = "linux")]
    set_udp_options(socket, address)?;
    socket.set_nonblocking(false)?;
    (0..workers).map(|_| Ok(socket.try_clone()?.into())).collect()
}

fn adopt_tcp(socket: Socket) -> io::Result<TcpListener> {
    set_tcp_options(&socket)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn new_socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn bind_udp(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = new_socket(address, Type::DGRAM, Protocol::UDP)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    set_buffers_and_waits(&socket)?;
    #[cfg(target_os = "linux")]
    set_udp_options(&socket, address)?;
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    Ok(socket.into())
}

fn set_buffers_and_waits(socket: &Socket) -> io::Result<()> {
    // Larger buffers only help: a kernel that grants less has told so in its limits.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    socket.set_read_timeout(Some(RECEIVE_WAIT))?;
    socket.set_write_timeout(Some(SEND_WAIT))
}

/// Path MTU as attackers may forge it is ignored; on a wildcard bind the kernel tells which address
/// was asked, since the reply has to leave from it.
#[cfg(target_os = "linux")]
fn set_udp_options(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    use super::udp::syscalls::set_option;
    let (level, mtu, omit, info) = if address.is_ipv4() {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT, libc::IP_PKTINFO)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT, libc::IPV6_RECVPKTINFO)
    };
    set_option(socket, level, mtu, omit)?;
    if address.ip().is_unspecified() {
        set_option(socket, level, info, 1)?;
    }
    Ok(())
}

fn bind_tcp(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = new_socket(address, Type::STREAM, Protocol::TCP)?;
    // Connections of a predecessor in TIME_WAIT must not stop a restart.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    set_tcp_options(&socket)?;
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepted connections inherit these.
fn set_tcp_options(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        super::udp::syscalls::set_option(socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, UNSENT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind_plain(address: SocketAddr, workers: usize, takeover: bool) -> Result<BoundAddress, BindError> {
        super::bind_plain(address, workers, takeover, &mut Inherited::default())
    }

    #[test]
    fn a_second_server_on_the_same_address_is_told_so() {
        let first = bind_plain("127.0.0.1:0".parse().unwrap(), 2, false).unwrap();
        let error = bind_plain(first.address, 1, false).unwrap_err();
        assert_eq!((error.kind, error.source.kind()), (Kind::Udp, io::ErrorKind::AddrInUse));
        assert!(error.to_string().contains("ss -lunpt"), "{error}");
    }

    #[test]
    fn a_successor_shares_the_address() {
        let first = bind_plain("127.0.0.1:0".parse().unwrap(), 2, false).unwrap();
        let second = bind_plain(first.address, 2, true).unwrap();
        assert_eq!(second.address, first.address);
    }

    #[test]
    fn udp_and_tcp_share_the_port_that_was_found() {
        let bound = bind_plain("127.0.0.1:0".parse().unwrap(), 3, false).unwrap();
        assert_eq!(bound.udp.len(), 3);
        assert_eq!(bound.tcp.local_addr().unwrap(), bound.address);
        for socket in &bound.udp {
            assert_eq!(socket.local_addr().unwrap(), bound.address);
        }
    }

    #[test]
    fn an_address_of_another_machine_is_named_with_its_remedy() {
        let error = bind_plain("192.0.2.77:0".parse().unwrap(), 1, false).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot listen on 192.0.2.77:0 over UDP: this machine has no such address"),
            "{error}"
        );
    }

    #[test]
    fn a_low_port_hints_at_the_capability() {
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(remedy(&refused, "127.0.0.1:53".parse().unwrap()).contains("CAP_NET_BIND_SERVICE"));
    }
}

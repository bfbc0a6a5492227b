//! Batches of datagrams, cores and priorities: the one module here that may use `unsafe`.
//!
//! Pointers the kernel sees are made anew before each call from memory the batch owns, and are not
//! used after it.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr;

/// Servers and generator run before everything else on the machine, if we may ask for that.
const PRIORITY: i32 = -20;
const PRIORITY_TEXT: &str = "-20";

/// Octets kept for one datagram.
const ROOM: usize = 2048;

/// Buffers for datagrams that come and go together.
pub struct Batch {
    buffers: Vec<u8>,
    lengths: Vec<usize>,
    addresses: Vec<libc::sockaddr_in>,
    iovecs: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Batch {
    /// Room for `count` datagrams.
    pub fn new(count: usize) -> Self {
        // SAFETY: these C structures are valid when all their bits are zero.
        let (address, iovec, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Self {
            buffers: vec![0; count * ROOM],
            lengths: vec![0; count],
            addresses: vec![address; count],
            iovecs: vec![iovec; count],
            headers: vec![header; count],
        }
    }

    /// The datagram in a slot.
    pub fn message(&self, slot: usize) -> &[u8] {
        &self.buffers[slot * ROOM..][..self.lengths[slot]]
    }

    /// The whole buffer of a slot; say with [`Batch::set_len`] how much of it counts.
    pub fn buffer(&mut self, slot: usize) -> &mut [u8] {
        &mut self.buffers[slot * ROOM..][..ROOM]
    }

    /// How long the datagram of a slot is.
    pub fn set_len(&mut self, slot: usize, len: usize) {
        self.lengths[slot] = len;
    }

    /// Receives what is there, at most as many as there is room for; `wait`: for the first one.
    pub fn receive(&mut self, socket: &impl AsRawFd, wait: bool) -> io::Result<usize> {
        let count = self.lengths.len();
        self.prepare(count, true, |_| ROOM);
        let flags = if wait { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT };
        // SAFETY: every header describes memory of this batch, alive and unshared during the call.
        let received = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), small(count), flags, ptr::null_mut())
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for slot in 0..received {
            self.lengths[slot] = (self.headers[slot].msg_len as usize).min(ROOM);
        }
        Ok(received)
    }

    /// Sends the first `count` datagrams: to where they came from (`reply`), or over a connected socket.
    pub fn send(&mut self, socket: &impl AsRawFd, count: usize, reply: bool) -> io::Result<usize> {
        let lengths = std::mem::take(&mut self.lengths);
        self.prepare(count, reply, |slot| lengths[slot]);
        self.lengths = lengths;
        // SAFETY: as in `receive`.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                small(count),
                if reply { 0 } else { libc::MSG_DONTWAIT },
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    fn prepare(&mut self, count: usize, named: bool, len: impl Fn(usize) -> usize) {
        for slot in 0..count {
            self.iovecs[slot] =
                libc::iovec { iov_base: self.buffers[slot * ROOM..][..ROOM].as_mut_ptr().cast(), iov_len: len(slot) };
            let header = &mut self.headers[slot].msg_hdr;
            header.msg_iov = &raw mut self.iovecs[slot];
            header.msg_iovlen = 1;
            header.msg_name = if named { (&raw mut self.addresses[slot]).cast() } else { ptr::null_mut() };
            header.msg_namelen = if named { small(size_of::<libc::sockaddr_in>()) } else { 0 };
        }
    }
}

/// Sends `octets` over a connected UDP socket as datagrams of `segment` octets each (UDP GSO).
pub fn send_segments(socket: &impl AsRawFd, octets: &[u8], segment: u16) -> io::Result<()> {
    #[repr(C, align(8))]
    struct Control([u8; 32]);
    let mut control = Control([0; 32]);
    let mut iovec = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    // SAFETY: the header describes live memory; the control message is written inside `control`, whose
    // 32 octets hold a header (16) and two octets padded to eight; the kernel only reads `octets`.
    let sent = unsafe {
        let mut header: libc::msghdr = zeroed();
        header.msg_iov = &raw mut iovec;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = libc::CMSG_SPACE(2) as usize;
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        (*message).cmsg_level = libc::SOL_UDP;
        (*message).cmsg_type = libc::UDP_SEGMENT;
        (*message).cmsg_len = libc::CMSG_LEN(2) as usize;
        ptr::write_unaligned(libc::CMSG_DATA(message).cast::<u16>(), segment);
        libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends a message once from each of these addresses (IP_PKTINFO), which have to be local; says how many left.
pub fn send_from(socket: &impl AsRawFd, to: SocketAddrV4, message: &[u8], sources: &[Ipv4Addr]) -> io::Result<usize> {
    /// A header of 16 octets and a structure of twelve, padded to eight.
    #[repr(C, align(8))]
    #[derive(Clone, Copy)]
    struct Control([u8; 32]);
    let mut controls = vec![Control([0; 32]); sources.len()];
    let mut iovec = libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    let mut to = address(to);
    // SAFETY: these C structures are valid when all their bits are zero.
    let mut headers: Vec<libc::mmsghdr> = vec![unsafe { zeroed() }; sources.len()];
    for ((header, control), source) in headers.iter_mut().zip(&mut controls).zip(sources) {
        let header = &mut header.msg_hdr;
        header.msg_name = (&raw mut to).cast();
        header.msg_namelen = small(size_of::<libc::sockaddr_in>());
        header.msg_iov = &raw mut iovec;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut *control).cast();
        let info = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: u32::from(*source).to_be() },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        // SAFETY: the control message is written inside `control`, which is alive until the call below.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(small(size_of::<libc::in_pktinfo>())) as usize;
            let message = libc::CMSG_FIRSTHDR(header);
            (*message).cmsg_level = libc::IPPROTO_IP;
            (*message).cmsg_type = libc::IP_PKTINFO;
            (*message).cmsg_len = libc::CMSG_LEN(small(size_of::<libc::in_pktinfo>())) as usize;
            ptr::write_unaligned(libc::CMSG_DATA(message).cast::<libc::in_pktinfo>(), info);
        }
    }
    // SAFETY: every header describes live memory; the kernel only reads the message.
    let sent =
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), small(headers.len()), libc::MSG_DONTWAIT) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn address(at: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).expect("a small number"),
        sin_port: at.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*at.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// A TCP connection from an address of our choice.
pub fn connect_from(from: SocketAddrV4, to: SocketAddrV4) -> io::Result<TcpStream> {
    let (from, to) = (address(from), address(to));
    let len = small(size_of::<libc::sockaddr_in>());
    let checked = |status: i32| if status < 0 { Err(io::Error::last_os_error()) } else { Ok(status) };
    // SAFETY: the descriptor is new and owned from here on; the addresses are alive during the calls.
    unsafe {
        let socket = checked(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0))?;
        let stream = TcpStream::from_raw_fd(socket);
        checked(libc::bind(socket, (&raw const from).cast(), len))?;
        checked(libc::connect(socket, (&raw const to).cast(), len))?;
        Ok(stream)
    }
}

/// Asks for this much room for datagrams that wait to be read (root may have more than the system's limit).
pub fn set_room(socket: &impl AsRawFd, octets: i32) {
    // SAFETY: the option is a number that lives during the call.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const octets).cast(),
            small(size_of::<i32>()),
        );
    }
}

/// Binds the calling thread, and what it starts, to one core.
pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: the set is a plain bit field, filled before the call that reads it.
    let status = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Puts the calling process into a session of its own, at a high priority (root only: ignored otherwise).
/// Allocates nothing, so that it may run between fork and exec.
pub fn lead() {
    // SAFETY: both calls take and return plain numbers.
    unsafe {
        libc::setsid();
        libc::setpriority(libc::PRIO_PROCESS, 0, PRIORITY);
    }
    // Sessions are scheduled as groups; without this the priority counts within the own one only.
    let _ = std::fs::write("/proc/self/autogroup", PRIORITY_TEXT);
}

/// Asks a process to end.
pub fn terminate(pid: u32, signal: i32) {
    if let Ok(pid) = i32::try_from(pid) {
        // SAFETY: `kill` takes plain numbers; the process is a child of ours that was not waited for yet.
        unsafe {
            libc::kill(pid, signal);
        }
    }
}

fn small(n: usize) -> u32 {
    u32::try_from(n).expect("batches and structures are small")
}

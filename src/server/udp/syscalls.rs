//! recvmmsg, sendmmsg and what else no safe crate offers: the one module of this room that may use `unsafe`.
//!
//! A [`Batch`] owns the [`Memory`] of one worker, which never moves: the pointers the kernel sees are
//! made once, from the one pointer to all of it, and references to its parts live for one call of
//! ours only, never while the kernel writes. The kernel writes into the buffers, the address slots,
//! the control slots and the headers only, all of which are plain bytes or C structures for which
//! every bit pattern is valid. What it says about lengths is checked before it is believed.
#![allow(unsafe_code)] // these calls exist in no safe crate; reviewed line by line below

use super::grouping::{BATCH, Group, Local, Peer, Reply};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Longest query (and reply) in bytes.
pub(super) const MESSAGE: usize = 4096;
/// Distance of two buffers: a multiple of 4096 would put the start of all of them in one cache set.
const STRIDE: usize = MESSAGE + 64;
/// Room for IPV6_PKTINFO (40 bytes) and UDP_SEGMENT (24 bytes) with their headers.
const CONTROL: usize = 64;

/// The first descriptor that systemd passes, and the most that are believed.
const FIRST_LISTEN_FD: RawFd = 3;
const MAX_LISTEN_FDS: u32 = 64;

/// Whether a receive waits for the first datagram (up to the socket's SO_RCVTIMEO).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    ForOne,
    Never,
}

/// As the kernel writes it; as long as a power of two, so that a slot's is found by a shift.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
union Address {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// One received datagram, in the buffer its reply is written to.
pub(super) struct Received<'a> {
    /// Who sent it. `None`: from port 0, which cannot be answered, or neither over IPv4 nor over IPv6,
    /// which no socket of ours receives.
    pub(super) client: Option<(IpAddr, Peer)>,
    /// The number of the address it was sent to.
    pub(super) local: usize,
    /// The whole buffer; the first `len` bytes are the query.
    pub(super) message: &'a mut [u8],
    /// Length of the query, bytes.
    pub(super) len: usize,
    /// The datagram was longer than the buffer.
    pub(super) oversize: bool,
}

/// What the kernel reads and writes. All of it is valid when zero.
#[repr(C)]
struct Memory {
    buffers: [[u8; STRIDE]; BATCH],
    addresses: [Address; BATCH],
    controls: [Control; BATCH],
    /// One iovec and one header per slot, for receiving: its whole buffer.
    room: [libc::iovec; BATCH],
    incoming: [libc::mmsghdr; BATCH],
    /// One iovec per reply and one header per group, for sending.
    replies: [libc::iovec; BATCH],
    outgoing: [libc::mmsghdr; BATCH],
}

/// The buffers of one worker.
pub(super) struct Batch {
    /// From `Box::into_raw`, owned.
    memory: NonNull<Memory>,
    /// Leading slots whose incoming headers are not as a receive wants them.
    used: usize,
    /// The addresses that the datagrams of this batch were sent to, each once; the first is none, for
    /// batches that do not ask.
    locals: Vec<Option<Local>>,
}

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: arrays of bytes and of C structures, for all of which zero is a valid value.
        let memory = NonNull::from(Box::leak(Box::new(unsafe { zeroed::<Memory>() })));
        let all = memory.as_ptr();
        for slot in 0..BATCH {
            // SAFETY: `slot` is within each array of live memory nobody else refers to; only
            // addresses are taken and whole fields written.
            unsafe {
                (*all).room[slot] = libc::iovec { iov_base: (&raw mut (*all).buffers[slot]).cast(), iov_len: MESSAGE };
                (*all).incoming[slot].msg_hdr.msg_name = (&raw mut (*all).addresses[slot]).cast();
                (*all).incoming[slot].msg_hdr.msg_iov = &raw mut (*all).room[slot];
                (*all).incoming[slot].msg_hdr.msg_iovlen = 1;
            }
        }
        let mut locals = Vec::with_capacity(BATCH + 1);
        locals.push(None);
        Self { memory, used: BATCH, locals }
    }

    /// All of the memory.
    #[inline]
    fn memory(&mut self) -> &mut Memory {
        // SAFETY: owned by this batch and alive as long as it; the kernel is not at work, since every
        // call of it ends within `receive` or `send`.
        unsafe { self.memory.as_mut() }
    }

    /// Receives up to [`BATCH`] datagrams; `with_local` if the socket reports destination addresses.
    pub(super) fn receive(&mut self, socket: &UdpSocket, wait: Wait, with_local: bool) -> io::Result<usize> {
        let (all, used) = (self.memory.as_ptr(), self.used);
        // SAFETY: only the address is taken.
        let controls: *mut Control = unsafe { (&raw mut (*all).controls).cast() };
        for (slot, header) in self.memory().incoming.iter_mut().take(used).enumerate() {
            header.msg_hdr.msg_namelen = small(size_of::<Address>());
            header.msg_hdr.msg_flags = 0;
            if with_local {
                header.msg_hdr.msg_control = controls.wrapping_add(slot).cast();
                header.msg_hdr.msg_controllen = CONTROL;
            }
        }
        self.used = BATCH;
        self.locals.truncate(1);
        let flags = if wait == Wait::Never { libc::MSG_DONTWAIT } else { libc::MSG_WAITFORONE };
        // SAFETY: every header points to an address slot, one iovec over an own buffer and, if asked
        // for, a control slot, each with its true size, all alive and unshared during the call; no
        // time-out structure is passed.
        let count = unsafe {
            let headers = (&raw mut (*all).incoming).cast();
            libc::recvmmsg(socket.as_raw_fd(), headers, small(BATCH), flags, ptr::null_mut())
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?.min(BATCH);
        self.used = count;
        Ok(count)
    }

    /// What the last receive put in `slot`.
    #[inline]
    pub(super) fn received(&mut self, slot: usize) -> Received<'_> {
        let header = &self.memory().incoming[slot];
        let (len, flags) = ((header.msg_len as usize).min(MESSAGE), header.msg_hdr.msg_flags);
        let local = if header.msg_hdr.msg_controllen > 0 { self.number_of_local(slot) } else { 0 };
        let memory = self.memory();
        let client = client(&memory.addresses[slot]);
        let message = &mut memory.buffers[slot][..MESSAGE];
        Received { client, local, len, oversize: flags & libc::MSG_TRUNC != 0, message }
    }

    /// Whether the datagram in `slot` came from this port, in the order of the network.
    #[inline(always)]
    pub(super) fn is_from_port(&mut self, slot: usize, port: u16) -> bool {
        // SAFETY: all bytes of the union are initialised, and the port stands at the same place in both members.
        unsafe { self.memory().addresses[slot].v4.sin_port == port }
    }

    /// The address that the datagram in `slot` came from.
    pub(super) fn client_of(&mut self, slot: usize) -> Option<SocketAddr> {
        let address = &self.memory().addresses[slot];
        // SAFETY: as in `client`.
        unsafe {
            match libc::c_int::from(address.family) {
                libc::AF_INET => {
                    let libc::sockaddr_in { sin_port, sin_addr, .. } = address.v4;
                    let ip = Ipv4Addr::from_bits(u32::from_be(sin_addr.s_addr));
                    Some(SocketAddr::from((ip, u16::from_be(sin_port))))
                }
                libc::AF_INET6 => {
                    let libc::sockaddr_in6 { sin6_port, sin6_addr, sin6_scope_id, sin6_flowinfo, .. } = address.v6;
                    let ip = Ipv6Addr::from(sin6_addr.s6_addr);
                    Some(SocketAddrV6::new(ip, u16::from_be(sin6_port), sin6_flowinfo, sin6_scope_id).into())
                }
                _ => None,
            }
        }
    }

    /// The address that the datagram in `slot` was sent to, if the socket reports it.
    pub(super) fn local_of(&mut self, slot: usize) -> Option<Local> {
        let header = &self.memory().incoming[slot].msg_hdr;
        if header.msg_controllen > 0 { local(header) } else { None }
    }

    /// The number of the destination address of the datagram in `slot`.
    #[inline(never)]
    fn number_of_local(&mut self, slot: usize) -> usize {
        let local = local(&self.memory().incoming[slot].msg_hdr);
        self.locals.iter().position(|known| *known == local).unwrap_or_else(|| {
            self.locals.push(local);
            self.locals.len() - 1
        })
    }

    /// Sends `groups` of `replies` from the buffers of the last receive; says how many groups the
    /// kernel took. An error belongs to the first group.
    pub(super) fn send(&mut self, socket: &UdpSocket, replies: &[Reply], groups: &[Group]) -> io::Result<usize> {
        let Some(start) = groups.first().map(|group| group.first) else { return Ok(0) };
        let all = self.memory.as_ptr();
        for (reply, place) in replies[start..].iter().zip(0..BATCH) {
            // SAFETY: both indices are checked against their arrays; one address is taken and one
            // whole iovec written.
            unsafe {
                let iov_base = (&raw mut (*all).buffers[reply.slot]).cast();
                (*all).replies[place] = libc::iovec { iov_base, iov_len: reply.len.min(MESSAGE) };
            }
        }
        for (group, index) in groups.iter().zip(0..BATCH) {
            let member = &replies[group.first];
            let local = self.locals[member.local];
            let control_len = self.memory().controls[index].fill(local, (group.count > 1).then_some(group.segment));
            // SAFETY: all indices are checked against their arrays, and `count` against the iovecs
            // written; addresses are taken and one header is written.
            unsafe {
                let first = group.first - start;
                assert!(first + group.count <= replies.len() - start && first + group.count <= BATCH);
                let header = &raw mut (*all).outgoing[index].msg_hdr;
                (*header).msg_name = (&raw mut (*all).addresses[member.slot]).cast();
                (*header).msg_namelen = address_len(&(*all).addresses[member.slot]);
                (*header).msg_iov = &raw mut (*all).replies[first];
                (*header).msg_iovlen = group.count;
                (*header).msg_control =
                    if control_len > 0 { (&raw mut (*all).controls[index]).cast() } else { ptr::null_mut() };
                (*header).msg_controllen = control_len;
                (*header).msg_flags = 0;
            }
        }
        // SAFETY: every header points to the address its query came from, to iovecs over own
        // buffers and to an own control slot, each with its true size, all alive during the call.
        let count = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), (&raw mut (*all).outgoing).cast(), small(groups.len().min(BATCH)), 0)
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a box in `new` and is given back once.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

/// The destination address of a datagram (IP_PKTINFO, IPV6_PKTINFO) by its incoming header.
fn local(header: &libc::msghdr) -> Option<Local> {
    // SAFETY: control pointer and length of `header` describe a control slot as the kernel filled it,
    // to which nobody holds a reference; the CMSG functions stay inside that length, and the data is
    // read unaligned, for the size its level and type promise.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::in_pktinfo>());
                    // spec_dst is the address of ours even for a broadcast destination.
                    return Some(Local {
                        address: IpAddr::V4(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr))),
                        interface: 0,
                    });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::in6_pktinfo>());
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    let interface = if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                    return Some(Local { address: IpAddr::V6(address), interface });
                }
                _ => message = libc::CMSG_NXTHDR(header, message),
            }
        }
    }
    None
}

impl Control {
    /// Writes the source address and the segment size; returns the length used.
    fn fill(&mut self, local: Option<Local>, segment: Option<usize>) -> usize {
        let mut used = 0;
        match local {
            Some(Local { address: IpAddr::V4(address), .. }) => {
                let source = libc::in_addr { s_addr: address.to_bits().to_be() };
                let info =
                    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: libc::in_addr { s_addr: 0 } };
                used = self.put(used, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            Some(Local { address: IpAddr::V6(address), interface }) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                    ipi6_ifindex: interface,
                };
                used = self.put(used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
            None => {}
        }
        if let Some(segment) = segment.and_then(|segment| u16::try_from(segment).ok()) {
            used = self.put(used, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
        }
        used
    }

    /// Appends one control message at `used`; returns the new length.
    fn put<T: Copy>(&mut self, used: usize, level: libc::c_int, kind: libc::c_int, value: T) -> usize {
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
        let (space, len) = unsafe {
            (libc::CMSG_SPACE(small(size_of::<T>())) as usize, libc::CMSG_LEN(small(size_of::<T>())) as usize)
        };
        let place = &mut self.0[used..used + space];
        let header: *mut libc::cmsghdr = place.as_mut_ptr().cast();
        // SAFETY: `place` is `space` bytes, which CMSG_SPACE says hold a header and `T`; it is
        // aligned to 8 because the slot is and every CMSG_SPACE is a multiple of 8.
        unsafe {
            (*header).cmsg_len = len;
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            ptr::write_unaligned(libc::CMSG_DATA(header).cast::<T>(), value);
        }
        used + space
    }
}

/// Sends one datagram, from a local address if one is named, without waiting for room.
pub(super) fn send_from(
    socket: &UdpSocket,
    message: &[u8],
    client: SocketAddr,
    local: Option<Local>,
) -> io::Result<()> {
    let mut control = Control([0; CONTROL]);
    let used = control.fill(local, None);
    let (address, buffers) = (client.into(), [io::IoSlice::new(message)]);
    let header = socket2::MsgHdr::new().with_addr(&address).with_buffers(&buffers).with_control(&control.0[..used]);
    socket2::SockRef::from(socket).sendmsg(&header, libc::MSG_DONTWAIT).map(|_| ())
}

/// Sizes and counts of this module as the kernel takes them.
const fn small(n: usize) -> u32 {
    assert!(n <= 4096);
    #[allow(clippy::cast_possible_truncation)] // asserted the line before
    {
        n as u32
    }
}

fn address_len(address: &Address) -> libc::socklen_t {
    // SAFETY: every member starts with the family, and all bytes are initialised.
    let family = libc::c_int::from(unsafe { address.family });
    small(if family == libc::AF_INET { size_of::<libc::sockaddr_in>() } else { size_of::<libc::sockaddr_in6>() })
}

/// Who sent a datagram, for people and for comparing; `None` for port 0 and for other families.
#[inline(always)]
fn client(address: &Address) -> Option<(IpAddr, Peer)> {
    // SAFETY: all bytes of the union are initialised, and every bit pattern of its members is valid;
    // the family says which member the kernel wrote.
    unsafe {
        match libc::c_int::from(address.family) {
            libc::AF_INET => {
                let libc::sockaddr_in { sin_port, sin_addr, .. } = address.v4;
                let peer = Peer { address: [0, u64::from(sin_addr.s_addr)], rest: 1 << 63 | u64::from(sin_port) };
                let ip = IpAddr::V4(Ipv4Addr::from_bits(u32::from_be(sin_addr.s_addr)));
                if sin_port == 0 { None } else { Some((ip, peer)) }
            }
            libc::AF_INET6 => {
                let libc::sockaddr_in6 { sin6_port, sin6_addr, sin6_scope_id, .. } = address.v6;
                let [high, low] = std::mem::transmute::<[u8; 16], [u64; 2]>(sin6_addr.s6_addr);
                let rest = u64::from(sin6_scope_id) << 16 | u64::from(sin6_port);
                let ip = IpAddr::V6(Ipv6Addr::from(sin6_addr.s6_addr));
                if sin6_port == 0 { None } else { Some((ip, Peer { address: [high, low], rest })) }
            }
            _ => None,
        }
    }
}

/// Sets an integer socket option.
pub(crate) fn set_option(
    socket: &impl AsRawFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value pointer and its size describe a live integer.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), small(size_of::<libc::c_int>()))
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the allocator take large blocks from the system and give them back when they are freed. Left to
/// itself glibc raises its limit with each one freed, and keeps twice what a million names need. And has
/// all threads share one arena: with one each, what the threads that read files leave free is used by no
/// other. Answering does not allocate, so there is little to wait for.
pub(crate) fn spare_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the calls take plain numbers and may come at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Has this thread, and those it starts, stand back behind the threads that answer: for work that may
/// take its time. A thread cannot take it back.
pub(crate) fn stand_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes plain numbers; id 0 is the calling thread on Linux. Refusal changes nothing.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 10);
    }
}

/// Gives back what the allocator keeps free, within blocks in use too: after work that needed much more
/// memory than what is left of it, such as reading files. Takes milliseconds for each 100 MB.
pub(crate) fn return_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes a plain number, locks what it looks at, and may come at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Whether the kernel knows UDP_SEGMENT. An older one would send a group as one joined datagram.
pub(super) fn knows_segments(socket: &UdpSocket) -> bool {
    let mut value: libc::c_int = 0;
    let mut len = small(size_of::<libc::c_int>());
    // SAFETY: value and length point to live integers of the size given.
    let status = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, (&raw mut value).cast(), &raw mut len)
    };
    status == 0
}

/// The sockets that systemd opened for this process (sd_listen_fds(3)); empty on the second call.
pub(crate) fn take_listen_fds() -> Vec<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    let ours = number("LISTEN_PID") == Some(std::process::id());
    let count = if ours { number("LISTEN_FDS").unwrap_or(0).min(MAX_LISTEN_FDS) } else { 0 };
    if TAKEN.swap(true, Relaxed) {
        return Vec::new();
    }
    let descriptors = (FIRST_LISTEN_FD..).zip(0..count).map(|(descriptor, _)| descriptor);
    // SAFETY: the service manager opened these descriptors for this process (the PID says so) and
    // nothing else in it knows them; they are taken once. F_GETFD on a closed one fails, unharmed.
    unsafe {
        descriptors.filter(|fd| libc::fcntl(*fd, libc::F_GETFD) != -1).map(|fd| OwnedFd::from_raw_fd(fd)).collect()
    }
}

// SAFETY: the batch owns what its pointers lead to and shares it with nobody, so it may move to
// another thread.
unsafe impl Send for Batch {}

const _: () = assert!(!STRIDE.is_multiple_of(4096) && CONTROL.is_multiple_of(8));

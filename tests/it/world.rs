//! The server most protocol tests ask: one process for the whole run, with zones of every kind.
//!
//! It runs under a shell that ends it, and removes its folder, when this process is gone.

use crate::harness::{LIMIT, PROGRAM, Server, own_address};
use crate::wire::{Reply, edns_query, framed, query};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Static records of `example.test`.
const EXAMPLE_ZONE: &str = include_str!("zones/example.test.zone");
/// Switches of `example.test`.
const EXAMPLE_SWITCHES: &str = include_str!("zones/example.test.toml");
/// A zone below `example.test` that is served here too.
const CHILD_ZONE: &str = include_str!("zones/child.example.test.zone");
/// A zone without master file, steered at its apex.
const STEERED_SWITCHES: &str = include_str!("zones/steered.test.toml");

/// Every zone file of the world.
pub const ZONES: [(&str, &str); 4] = [
    ("example.test.zone", EXAMPLE_ZONE),
    ("example.test.toml", EXAMPLE_SWITCHES),
    ("child.example.test.zone", CHILD_ZONE),
    ("steered.test.toml", STEERED_SWITCHES),
];

/// Ends its child, and removes the folder named first, when its standard input ends.
const KEEPER: &str = r#""$@" >>"$0/log" 2>&1 & child=$!; read _; kill "$child"; wait "$child"; rm -rf "$0""#;

/// A running server and where it answers.
pub struct World {
    pub v4: SocketAddr,
    pub v6: SocketAddr,
    pub doh: SocketAddr,
    server: Server,
    _keeper: std::process::Child,
}

/// The one world of this run.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::start)
}

impl World {
    fn start() -> Self {
        let mut server = Server::prepare(&ZONES, &[]);
        let (v4, doh) = (server.dns, SocketAddr::new(server.dns.ip(), 8443));
        // A port of ::1 that is free at the moment, for this address cannot be had for oneself.
        let free = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("IPv6 on the loopback interface");
        let v6 = free.local_addr().expect("an address");
        drop(free);
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        server.folder.write("cert.pem", &certificate.cert.pem());
        server.folder.write("key.pem", &certificate.signing_key.serialize_pem());
        let config = format!(
            "[doh]\nlisten = [\"{doh}\"]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n\
             [limits]\ntcp_per_client = 1000\n\
             [answers]\nversion = \"tidegate under test\"\nid_server = \"node-1\"\n"
        );
        server.folder.write("tidegate.toml", &config);
        let config = server.folder.path().join("tidegate.toml").display().to_string();
        server.extra.extend(["--config".to_owned(), config, "--listen".to_owned(), v6.to_string()]);
        let serve = server.command();
        let mut keeper = Command::new("sh");
        keeper.arg("-c").arg(KEEPER).arg(server.folder.path()).arg(PROGRAM).args(serve.get_args());
        let keeper = keeper.stdin(Stdio::piped()).spawn().expect("sh");
        let world = Self { v4, v6, doh, server, _keeper: keeper };
        world.wait();
        world
    }

    /// Waits for the first answer.
    fn wait(&self) {
        let begun = Instant::now();
        let client = Client::new(self.v4);
        client.udp.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        while client.exchange(&query("example.test", 6)).is_none() {
            assert!(begun.elapsed() < LIMIT, "the server is not ready:\n{}", self.server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks over UDP and TCP, IPv4 and IPv6, and holds that all four say the same.
    pub fn ask_bytes(&self, query: &[u8]) -> Reply {
        let [first, second] = [self.v4, self.v6].map(|address| {
            let udp = Reply::read(&Client::new(address).udp(query));
            let tcp = Reply::read(&Stream::new(address).ask(query));
            assert_eq!(udp, tcp, "UDP and TCP at {address}");
            udp
        });
        assert_eq!(first, second, "IPv4 and IPv6");
        first
    }

    /// Asks for a name everywhere, without EDNS.
    pub fn ask(&self, qname: &str, qtype: u16) -> Reply {
        self.ask_bytes(&query(qname, qtype))
    }

    /// Asks for a name everywhere, with EDNS and these options.
    pub fn ask_edns(&self, qname: &str, qtype: u16, options: &[u8]) -> Reply {
        self.ask_bytes(&edns_query(qname, qtype, 1232, options))
    }

    /// Asks over UDP and IPv4 only: for what differs by transport or client.
    pub fn udp(&self, query: &[u8]) -> Reply {
        Reply::read(&Client::new(self.v4).udp(query))
    }

    /// Asks over TCP and IPv4 only.
    pub fn tcp(&self, query: &[u8]) -> Reply {
        Reply::read(&Stream::new(self.v4).ask(query))
    }

    /// What the real dig prints.
    pub fn dig(&self, arguments: &[&str]) -> String {
        self.dig_at(self.v4, arguments)
    }

    /// What the real dig prints when it asks another of our addresses. It never calls a reply malformed.
    pub fn dig_at(&self, server: SocketAddr, arguments: &[&str]) -> String {
        let mut dig = Command::new("dig");
        dig.arg(format!("@{}", server.ip()))
            .arg("-p")
            .arg(server.port().to_string())
            .args(["+time=10", "+tries=1", "+norec"]);
        let output = dig.args(arguments).output().expect("dig is installed (Debian: bind9-dnsutils)");
        let text = String::from_utf8(output.stdout).expect("text") + &String::from_utf8_lossy(&output.stderr);
        for complaint in [
            "malformed",
            "bad packet",
            "Warning:",
            ";; WARNING",
            "mismatch",
            "timed out",
            "connection refused",
            "connection reset",
        ] {
            assert!(!text.contains(complaint), "{arguments:?}: {text}");
        }
        text
    }
}

/// The loopback address to ask `server` from: one of its own, so that limits per client are not shared.
fn source_for(server: SocketAddr) -> SocketAddr {
    match server.ip() {
        IpAddr::V4(_) => SocketAddr::from((own_address(), 0)),
        IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    }
}

/// A UDP socket that talks to one server.
pub struct Client {
    udp: UdpSocket,
}

impl Client {
    pub fn new(server: SocketAddr) -> Self {
        Self::at(source_for(server), server)
    }

    /// A client at an IPv4 loopback address of its choice.
    pub fn from_ipv4(source: Ipv4Addr, server: SocketAddr) -> Self {
        Self::at(SocketAddr::from((source, 0)), server)
    }

    fn at(source: SocketAddr, server: SocketAddr) -> Self {
        let udp = UdpSocket::bind(source).expect("a socket");
        udp.set_read_timeout(Some(LIMIT)).expect("a timeout");
        udp.connect(server).expect("connected");
        Self { udp }
    }

    pub fn send(&self, message: &[u8]) {
        self.udp.send(message).expect("sent");
    }

    /// The next datagram; `None` when none comes in time, or the port is closed.
    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut reply = vec![0; 65_535];
        let len = self.udp.recv(&mut reply).ok()?;
        reply.truncate(len);
        Some(reply)
    }

    /// A datagram there and one back, if one comes in time.
    pub fn exchange(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.udp.send(message).ok()?;
        self.receive()
    }

    /// A datagram there and one back.
    pub fn udp(&self, message: &[u8]) -> Vec<u8> {
        self.exchange(message).unwrap_or_else(|| panic!("no reply to {message:02x?}"))
    }

    /// Whether the server says nothing to `message`.
    ///
    /// One socket's datagrams are answered batch by batch, so what is said to it comes before the
    /// reply to a question asked once a first question behind it was answered.
    pub fn meets_silence(&self, message: &[u8]) -> bool {
        self.send(message);
        [[0xfe, 0xed], [0xfe, 0xee]].into_iter().all(|id| {
            let mut marker = query("example.test", 6);
            marker[..2].copy_from_slice(&id);
            self.udp(&marker)[..2] == id
        })
    }
}

/// A TCP connection that talks DNS.
pub struct Stream(pub TcpStream);

impl Stream {
    pub fn new(server: SocketAddr) -> Self {
        Self::at(source_for(server), server)
    }

    /// A connection from an address of its choice.
    pub fn at(source: SocketAddr, server: SocketAddr) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::for_address(server), socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&source.into()).expect("bound");
        socket.connect_timeout(&server.into(), LIMIT).expect("connected");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
        stream.set_write_timeout(Some(LIMIT)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self(stream)
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("written");
    }

    /// The next message; `None` when the connection ends before one is complete.
    pub fn read(&mut self) -> Option<Vec<u8>> {
        let mut len = [0; 2];
        let mut message = Vec::new();
        let read = self.0.read_exact(&mut len).and_then(|()| {
            message.resize(usize::from(u16::from_be_bytes(len)), 0);
            self.0.read_exact(&mut message)
        });
        match read {
            Ok(()) => Some(message),
            Err(error) => {
                assert!(
                    !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
                    "neither a reply nor an end"
                );
                None
            }
        }
    }

    /// A message there and one back.
    pub fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        self.write(&framed(message));
        self.read().unwrap_or_else(|| panic!("closed at {message:02x?}"))
    }
}

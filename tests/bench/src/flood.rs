//! A flood of queries with forged sources, and what well-behaved clients notice of it.
//!
//! Server and clients are in network namespaces of their own with a cable between them. All of 10.64.0.0/10 is
//! local in the clients' namespace, so every source is an ordinary socket's. The flood asks one name from many
//! addresses, `times` as often as the rate limit lets answers through; meanwhile clients in the very same networks
//! ask with a cookie, over TCP, and with neither.

use crate::configurations::{self, Programs};
use crate::peer::{LOAD_CORE, SERVER_CORE, place};
use crate::sockets::{self, Batch};
use crate::wire::{self, Opt};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const SERVER_NS: &str = "tidegate-flood-s";
const CLIENT_NS: &str = "tidegate-flood-c";
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 255, 0, 1), 53);
/// The first source of the flood.
const FIRST: u32 = u32::from_be_bytes([10, 64, 0, 0]);
/// Addresses of a network that the rate limit counts as one client.
const NETWORK: u32 = 256;
/// Well-behaved clients of each kind, and how often each of them asks.
const CLIENTS: u32 = 20;
const PACE: Duration = Duration::from_millis(20);
/// How long one waits for its answer: once, without asking again.
const PATIENCE: Duration = Duration::from_secs(2);

/// What to do.
#[derive(Debug)]
pub struct Flood {
    /// Forged addresses.
    pub sources: u32,
    /// `responses_per_second` of the server.
    pub limit: u32,
    /// Queries by answers that the limit lets through.
    pub times: u32,
    pub seconds: u64,
}

/// Prints what was answered and what the server's memory did; whether the clients kept 99.9 % of their answers.
pub fn run(wanted: &Flood, programs: &Programs, folder: &Path) -> io::Result<bool> {
    let _namespaces = Namespaces::make()?;
    let own = folder.join("flood");
    std::fs::create_dir_all(&own)?;
    let limits = format!("[rate_limit]\nresponses_per_second = {}\n", wanted.limit);
    let toml = crate::zone::switch(
        "www",
        "wwwwwwww.example.test",
        "random",
        &[["192.0.2.10".to_owned(), "192.0.2.20".to_owned()]],
    );
    configurations::tidegate(&own, &programs.tidegate, &toml, &crate::zone::small(""), &limits)?;
    let log = std::fs::File::create(own.join("log"))?;
    let mut command = inside(SERVER_NS, SERVER_CORE);
    command.arg(&programs.tidegate).args(["serve", "--config"]).arg(own.join("tidegate.toml"));
    command.args(["--listen", &SERVER.to_string()]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let server = Ended(command.spawn()?);
    let rate = u64::from(wanted.sources.div_ceil(NETWORK)) * u64::from(wanted.limit) * u64::from(wanted.times);
    let mut clients = inside(CLIENT_NS, LOAD_CORE);
    clients.arg(&programs.bench).arg("flood-clients");
    clients.args([u64::from(wanted.sources), rate, wanted.seconds].map(|number| number.to_string()));
    let done = AtomicBool::new(false);
    let watched = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(server.0.id(), &done));
        let output = clients.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        done.store(true, Relaxed);
        output.map(|output| (output, watch.join().unwrap_or_default()))
    });
    let (output, [before, most]) = watched?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!(
        "\n### flood: {} sources, {rate} queries per second, {} s, {} responses per second to a network\n",
        wanted.sources, wanted.seconds, wanted.limit
    );
    print!("{said}");
    println!("| resident memory of the server | {before:.1} MiB before, {most:.1} MiB at most |");
    Ok(output.status.success())
}

/// Resident memory at the start, and the most, MiB.
fn watch(pid: u32, done: &AtomicBool) -> [f64; 2] {
    let mut seen = [0.0f64; 2];
    let begun = Instant::now();
    while !done.load(Relaxed) {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let now = line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0;
        // The clients ask for three seconds before the flood begins.
        if begun.elapsed() < Duration::from_secs(2) {
            seen[0] = now;
        }
        seen[1] = seen[1].max(now);
        std::thread::sleep(Duration::from_millis(100));
    }
    seen
}

/// A child that does not outlive the measurement.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        sockets::terminate(self.0.id(), 15);
        // It was asked to end; how it did does not matter any more.
        let _ = self.0.wait();
    }
}

/// The two namespaces, until dropped.
struct Namespaces;

impl Namespaces {
    fn make() -> io::Result<Self> {
        let made = Self;
        for line in [
            &*format!("netns add {SERVER_NS}"),
            &format!("netns add {CLIENT_NS}"),
            &format!("-n {SERVER_NS} link add flood-s type veth peer name flood-c netns {CLIENT_NS}"),
            &format!("-n {SERVER_NS} address add {}/24 dev flood-s", SERVER.ip()),
            &format!("-n {CLIENT_NS} address add 10.255.0.2/24 dev flood-c"),
            &format!("-n {SERVER_NS} link set flood-s up"),
            &format!("-n {CLIENT_NS} link set flood-c up"),
            &format!("-n {SERVER_NS} link set lo up"),
            &format!("-n {CLIENT_NS} link set lo up"),
            &format!("-n {SERVER_NS} route add 10.64.0.0/10 via 10.255.0.2"),
            &format!("-n {CLIENT_NS} route add local 10.64.0.0/10 dev lo"),
        ] {
            ip(line)?;
        }
        Ok(made)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [SERVER_NS, CLIENT_NS] {
            // One that was not made cannot be removed.
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

fn ip(line: &str) -> io::Result<()> {
    let output = Command::new("ip").args(line.split(' ')).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("ip {line}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// A command that runs in a namespace, on one core.
fn inside(namespace: &str, core: usize) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]);
    place(&mut command, Some(core));
    command
}

/// The clients' side, in its namespace: sources, queries per second, seconds.
pub fn clients(words: &[String]) -> io::Result<()> {
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    let (Some(sources), Some(rate), Some(seconds)) = (number(0), number(1), number(2)) else {
        return Err(io::Error::other("flood-clients SOURCES RATE SECONDS"));
    };
    let sources = u32::try_from(sources).map_err(io::Error::other)?;
    await_server()?;
    // In the order of the networks that are flooded, one in each; addresses the flood has too.
    let address = |kind: u32, client: u32| Ipv4Addr::from(FIRST + (kind * CLIENTS + client) * NETWORK % sources + 200);
    let calm = run_clients(sources, address, 0, Duration::from_secs(3))?;
    let flooded = run_clients(sources, address, rate, Duration::from_secs(seconds))?;
    println!("| clients | answered without a flood | answered during it |\n|---|---|---|");
    let mut kept = true;
    for (name, calm, flooded) in [
        ("with a cookie", calm.kinds[0], flooded.kinds[0]),
        ("over TCP", calm.kinds[1], flooded.kinds[1]),
        ("with neither, over UDP alone", calm.kinds[2], flooded.kinds[2]),
    ] {
        println!("| {name} | {} | {} |", share(calm), share(flooded));
        kept &= name.contains("neither") || flooded[1] as f64 >= 0.999 * flooded[0] as f64;
    }
    println!(
        "| the flood | | {} sent ({:.0} per second), {} answered, {} asked to come over TCP |",
        flooded.sent,
        flooded.sent as f64 / seconds as f64,
        flooded.answered,
        flooded.cut
    );
    if kept { Ok(()) } else { Err(io::Error::other("a client lost more than 0.1 % of its answers")) }
}

fn share([asked, answered]: [u64; 2]) -> String {
    format!("{answered} of {asked} ({:.3} %)", 100.0 * answered as f64 / (asked as f64).max(1.0))
}

fn await_server() -> io::Result<()> {
    let begun = Instant::now();
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    socket.connect(SERVER)?;
    while begun.elapsed() < Duration::from_secs(20) {
        // Until it listens, sending and receiving fail.
        let _ = socket.send(&query(Opt::None));
        if socket.recv(&mut [0; 2048]).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(io::Error::other("the server does not answer"))
}

fn query(opt: Opt) -> Vec<u8> {
    wire::query("wwwwwwww.example.test", wire::A, opt)
}

/// Asked and answered by kind of client, and what became of the flood.
#[derive(Debug, Default)]
struct Outcome {
    kinds: [[u64; 2]; 3],
    sent: u64,
    answered: u64,
    cut: u64,
}

fn run_clients(
    sources: u32,
    address: impl Fn(u32, u32) -> Ipv4Addr + Sync,
    rate: u64,
    time: Duration,
) -> io::Result<Outcome> {
    let until = Instant::now() + time;
    std::thread::scope(|scope| {
        let mut kinds: [Vec<_>; 3] = Default::default();
        for client in 0..CLIENTS {
            for (kind, of_kind) in (0..).zip(&mut kinds) {
                let from = address(kind, client);
                of_kind.push(scope.spawn(move || match kind {
                    0 => ask_udp(from, true, until),
                    1 => ask_tcp(from, until),
                    _ => ask_udp(from, false, until),
                }));
            }
        }
        let mut outcome = if rate > 0 { flood(sources, rate, until)? } else { Outcome::default() };
        for (kind, threads) in kinds.into_iter().enumerate() {
            for thread in threads {
                let [asked, answered] = thread.join().map_err(|_| io::Error::other("a client panicked"))??;
                outcome.kinds[kind][0] += asked;
                outcome.kinds[kind][1] += answered;
            }
        }
        Ok(outcome)
    })
}

/// One client over UDP, with a cookie or without.
fn ask_udp(from: Ipv4Addr, with_cookie: bool, until: Instant) -> io::Result<[u64; 2]> {
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(SERVER)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let client = u64::from(u32::from(from)).to_be_bytes();
    let (mut server, mut id) = (None, 0u16);
    let mut counts = [0, 0];
    let mut reply = [0; 2048];
    while Instant::now() < until {
        id = id.wrapping_add(1);
        let mut message = query(if with_cookie { Opt::Cookie(client, server) } else { Opt::None });
        message[..2].copy_from_slice(&id.to_be_bytes());
        // A client that knows no cookie yet is one like any other: it asks until it has one.
        let counts_this = !with_cookie || server.is_some();
        counts[0] += u64::from(counts_this);
        socket.send(&message)?;
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            let Ok(len) = socket.recv(&mut reply) else { break };
            if reply[..2] == id.to_be_bytes() {
                server = wire::server_cookie(&reply[..len], client).or(server);
                let is_cut = reply[2] & 2 != 0;
                counts[1] += u64::from(counts_this && !is_cut);
                break;
            }
        }
        std::thread::sleep(PACE.saturating_sub(asked.elapsed()));
    }
    Ok(counts)
}

/// One client over one TCP connection after another, ten queries each.
fn ask_tcp(from: Ipv4Addr, until: Instant) -> io::Result<[u64; 2]> {
    let mut counts = [0, 0];
    let message = query(Opt::None);
    let framed = [&u16::try_from(message.len()).map_err(io::Error::other)?.to_be_bytes()[..], &message].concat();
    let mut stream: Option<TcpStream> = None;
    let mut uses = 0;
    while Instant::now() < until {
        let asked = Instant::now();
        counts[0] += 1;
        let mut ask = || -> io::Result<()> {
            let stream = match &mut stream {
                Some(stream) => stream,
                none => none.insert(connect_from(from)?),
            };
            stream.write_all(&framed)?;
            let mut len = [0; 2];
            stream.read_exact(&mut len)?;
            let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
            stream.read_exact(&mut reply)
        };
        match ask() {
            Ok(()) => counts[1] += 1,
            Err(_) => stream = None,
        }
        uses += 1;
        if uses % 10 == 0 {
            stream = None;
        }
        std::thread::sleep(PACE.saturating_sub(asked.elapsed()));
    }
    Ok(counts)
}

/// A connection from this address. The system chooses the address by the route, so the socket is bound first.
fn connect_from(from: Ipv4Addr) -> io::Result<TcpStream> {
    let stream = sockets::connect_from(SocketAddrV4::new(from, 0), SERVER)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The flood itself: one name from every source in turn, so many a second.
fn flood(sources: u32, rate: u64, until: Instant) -> io::Result<Outcome> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    sockets::set_room(&socket, 8 << 20);
    let message = query(Opt::None);
    let mut inbox = Batch::new(64);
    let mut outcome = Outcome::default();
    let (begun, mut next) = (Instant::now(), 0u32);
    while Instant::now() < until {
        while let Ok(arrived @ 1..) = inbox.receive(&socket, false) {
            for slot in 0..arrived {
                let is_cut = inbox.message(slot).get(2).is_some_and(|flags| flags & 2 != 0);
                if is_cut { outcome.cut += 1 } else { outcome.answered += 1 }
            }
        }
        let granted = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
        let wanted = u32::try_from(granted.saturating_sub(outcome.sent).min(64)).unwrap_or(64);
        if wanted == 0 {
            std::thread::sleep(Duration::from_micros(200));
            continue;
        }
        // Neighbours are of different networks: all of these are flooded evenly.
        let from: Vec<Ipv4Addr> = (0..wanted).map(|n| source(next.wrapping_add(n), sources)).collect();
        match sockets::send_from(&socket, SERVER, &message, &from) {
            Ok(sent) => {
                outcome.sent += sent as u64;
                next = (next + u32::try_from(sent).unwrap_or(0)) % sources;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(outcome)
}

/// The n-th source: network after network, then the next address of each.
fn source(n: u32, sources: u32) -> Ipv4Addr {
    let (n, networks) = (n % sources, sources.div_ceil(NETWORK));
    Ipv4Addr::from(FIRST + n % networks * NETWORK + n / networks)
}

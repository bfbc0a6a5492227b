//! Large catalogues: start, memory, flips, reloads and probes of Tidegate.

use crate::admin::Admin;
use crate::compare::spread;
use crate::configurations::{self, Programs};
use crate::load::{self, Load};
use crate::peer::{LOAD_CORE, Peer, Running, SERVER_CORE};
use crate::wire::{self, Opt};
use crate::{sockets, zone};
use std::fmt::Write;
use std::fs;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// One measured server with its own folder.
struct Subject {
    own: PathBuf,
    peer: Peer,
}

impl Subject {
    fn new(programs: &Programs, folder: &Path, name: &str, toml: &str, master: &str) -> io::Result<Self> {
        let own = folder.join(name);
        fs::create_dir_all(&own)?;
        let command = configurations::tidegate(&own, &programs.tidegate, toml, master, "")?;
        let command = command.split(' ').map(str::to_owned).collect();
        Ok(Self { own, peer: Peer { name: name.to_owned(), port: 25_320, command } })
    }

    fn start(&self, core: usize) -> io::Result<Running> {
        self.peer.start(&self.own, core, Duration::from_secs(300))
    }
}

/// `count` switches of two pools with two members each.
fn switches(count: u32) -> String {
    let mut text = String::new();
    for n in 0..count {
        let pair = |m: u32| {
            [
                format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255),
                format!("11.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255),
            ]
            .map(|a| if m == 0 { a } else { a.replacen("1", "2", 1) })
        };
        let _ = write!(
            text,
            "{}",
            zone::switch(&format!("s{n:06}"), &format!("s{n:06}.example.test"), "sticky", &[pair(0), pair(1)])
        );
    }
    text
}

/// Start time and memory with many static names.
pub fn names(programs: &Programs, folder: &Path, count: u32, rounds: usize) -> io::Result<()> {
    let subject = Subject::new(programs, folder, "names", "", &zone::master_file(count, "", 1))?;
    let (mut starts, mut memory, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        fs::remove_dir_all(subject.own.join("state")).or_else(ignore_missing)?;
        let running = subject.start_anywhere()?;
        starts.push(running.started_in.as_secs_f64());
        // The allocator gives memory back within moments of the start.
        std::thread::sleep(Duration::from_millis(1_500));
        memory.push(running.memory_mib());
        peaks.push(running.peak_mib());
        running.stop()?;
    }
    println!(
        "{count} names: start {:.2?} s, resident {:.0?} MiB, peak {:.0?} MiB (median, least, most)",
        spread(starts.into_iter()),
        spread(memory.into_iter()),
        spread(peaks.into_iter())
    );
    Ok(())
}

impl Subject {
    /// On every core: loading is parallel.
    fn start_anywhere(&self) -> io::Result<Running> {
        self.peer.start_on_all(&self.own, Duration::from_secs(300))
    }
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Start, memory and flips with many switches; the state folder is below `folder` (use a tmpfs).
pub fn flips(programs: &Programs, folder: &Path, count: u32, rounds: usize) -> io::Result<()> {
    let subject = Subject::new(programs, folder, &format!("switches-{count}"), &switches(count), &zone::small(""))?;
    let running = subject.start_anywhere()?;
    std::thread::sleep(Duration::from_secs(4));
    let mut admin = Admin::connect(&subject.own)?;
    let (mut answered, mut replied) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let n = (round as u32 * 7_919) % count;
        let to = if round as u32 / count % 2 == 0 { "green" } else { "blue" };
        let (first, reply) = flip(&mut admin, n, to)?;
        answered.push(first * 1e3);
        replied.push(reply * 1e3);
    }
    println!(
        "{count} switches: start {:.2} s, resident {:.0} MiB; flip to first changed answer {:.2?} ms, to reply {:.2?} ms (median, least, most of {rounds})",
        running.started_in.as_secs_f64(),
        running.memory_mib(),
        spread(answered.into_iter()),
        spread(replied.into_iter())
    );
    let before = running.used();
    std::thread::sleep(Duration::from_secs(5));
    println!(
        "   afterwards, idle with {rounds} switches on their way: {:.1} ms of CPU per second",
        running.used().cpu_ns.saturating_sub(before.cpu_ns) as f64 / 5e6
    );
    running.stop()
}

/// Flips switch `n`; seconds to the first changed answer and to the reply.
fn flip(admin: &mut Admin, n: u32, to: &str) -> io::Result<(f64, f64)> {
    let wanted = if to == "green" { [11, 21] } else { [10, 20] };
    let (stop, stopped) = mpsc::channel::<()>();
    let (ready, is_ready) = mpsc::channel();
    let watcher = std::thread::spawn(move || -> io::Result<Option<Instant>> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(("127.0.0.1", 25_320))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        let query = wire::query(&format!("s{n:06}.example.test"), wire::A, Opt::None);
        let (mut reply, mut first) = ([0; 2048], None);
        loop {
            socket.send(&query)?;
            let len = socket.recv(&mut reply)?;
            // The first octet of the address says which pool it is.
            let side = reply.get(query.len() + 12).copied().unwrap_or(0);
            if len > query.len() + 12 && wanted.contains(&side) {
                first.get_or_insert_with(Instant::now);
            } else if first.is_none() {
                let _ = ready.send(());
            } else {
                return Err(io::Error::other("an old answer came after a new one"));
            }
            if first.is_some() && stopped.try_recv().is_ok() {
                return Ok(first);
            }
        }
    });
    // Wait for an old answer: with weights 9 to 1 a client may already have the new pool.
    let old = is_ready.recv_timeout(Duration::from_millis(200)).is_ok();
    let begun = Instant::now();
    admin.post(
        &format!("/v1/switches/s{n:06}/flip"),
        &format!("{{\"to\":\"{to}\",\"force\":true,\"reason\":\"bench\"}}"),
    )?;
    let replied = begun.elapsed().as_secs_f64();
    let _ = stop.send(());
    let first = watcher.join().map_err(|_| io::Error::other("the watcher ended badly"))??;
    let seen = first.filter(|_| old).map_or(replied, |first| first.saturating_duration_since(begun).as_secs_f64());
    Ok((seen, replied))
}

/// The longest time without an answer while many names are read again, one query after the other.
pub fn reload(programs: &Programs, folder: &Path, count: u32) -> io::Result<()> {
    let subject = Subject::new(programs, folder, "names", "", &zone::master_file(count, "", 1))?;
    let running = subject.start(SERVER_CORE)?;
    fs::write(subject.own.join("zones/example.test.zone"), zone::master_file(count, "added 60 IN A 192.0.2.99\n", 2))?;
    let watch = |time: Duration, until_added: bool| -> io::Result<(f64, f64, u64)> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(("127.0.0.1", 25_320))?;
        socket.set_read_timeout(Some(time))?;
        let queries = ["added.example.test", "h0000007.example.test"].map(|name| wire::query(name, wire::A, Opt::None));
        let (begun, mut last, mut longest, mut asked) = (Instant::now(), Instant::now(), 0.0f64, 0u64);
        let mut reply = [0; 2048];
        while begun.elapsed() < time {
            socket.send(&queries[(asked % 2) as usize])?;
            socket.recv(&mut reply)?;
            asked += 1;
            longest = longest.max(last.elapsed().as_secs_f64());
            last = Instant::now();
            if until_added && asked % 2 == 1 && reply[3] & 15 == 0 {
                break;
            }
        }
        Ok((longest * 1e3, begun.elapsed().as_secs_f64(), asked))
    };
    sockets::lead();
    sockets::pin(LOAD_CORE)?;
    let (quiet, ..) = watch(Duration::from_secs(2), false)?;
    sockets::terminate(running.pid(), 1);
    let (gap, took, asked) = watch(Duration::from_secs(120), true)?;
    println!(
        "reload of {count} names: {took:.2} s, {asked} answers meanwhile, longest gap {gap:.2} ms (without a reload {quiet:.2} ms)"
    );
    running.stop()
}

/// Latency of answers with and without many members probed every two seconds.
pub fn probes(programs: &Programs, folder: &Path, members: u32, rounds: usize) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:25330")?;
    std::thread::spawn(move || {
        // Accepting is all a tcp monitor asks for; a failed accept is the prober's own doing.
        for connection in listener.incoming() {
            drop(connection);
        }
    });
    let mut text = String::new();
    for n in 0..members / 2 {
        let address = |side: u32| format!("127.{}.{}.{}", 10 + side, n / 250, 1 + n % 250);
        let _ = write!(
            text,
            "{}",
            zone::switch(&format!("p{n:06}"), &format!("p{n:06}.example.test"), "sticky", &[[address(0), address(1)]])
        );
    }
    let probed = text.replace("\nttl = 60\n", "\nttl = 60\nmonitor = { tcp = 25330 }\n");
    let with = Subject::new(programs, folder, "probed", &probed, &zone::small(""))?;
    let without = Subject::new(programs, folder, "unprobed", &text, &zone::small(""))?;
    let queries = wire::queries_of("static").ok_or_else(|| io::Error::other("a load"))?;
    sockets::lead();
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (subject, found) in [&without, &with].into_iter().zip(&mut found) {
            fs::remove_dir_all(subject.own.join("state")).or_else(ignore_missing)?;
            let running = subject.start_anywhere()?;
            std::thread::sleep(Duration::from_secs(3));
            let load = Load { rate: Some(20_000.0), ..Load::few(Duration::from_secs(4)) };
            let before = running.used();
            let measured = load::run(&load, 25_320, &queries)?;
            let cpu = running.used().cpu_ns.saturating_sub(before.cpu_ns) as f64 / 4e9;
            eprintln!(
                "{}: p50 {:.0} p99 {:.0} us, {:.0} % of a core",
                subject.peer.name,
                measured.latency_us[0],
                measured.latency_us[1],
                cpu * 100.0
            );
            found.push(measured.latency_us[1]);
            running.stop()?;
        }
    }
    let [without, with] = found;
    let ratios = spread(with.iter().zip(&without).map(|(with, without)| with / without));
    println!(
        "p99 at 20,000 queries per second: {:.0} us without probes, {:.0} us with {members} members probed every 2 s; ratio {ratios:.2?} (median, least, most)",
        spread(without.iter().copied())[0],
        spread(with.iter().copied())[0]
    );
    Ok(())
}

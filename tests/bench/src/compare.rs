//! Interleaved rounds: every server in turn on one core, the generator on the other.
//!
//! What counts is processor time per answered query and its ratio to others within the same run; the
//! machine's own speed cancels out. Each round starts every server anew.

use crate::configurations::{self, Programs, encrypted_port};
use crate::encrypted;
use crate::load::{self, Load, Measured};
use crate::peer::{LOAD_CORE, Peer, SERVER_CORE};
use crate::stream;
use crate::{sockets, wire};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// What to run.
#[derive(Debug)]
pub struct Comparison {
    pub peers: Vec<String>,
    /// The peers whose costs the others' are divided by.
    pub references: Vec<String>,
    /// Loads as `<queries>` or `<queries>/<manner>`; manners are `few`, `bulk`, `many`, `paced`, `tcp`,
    /// and `dot` and `doh`.
    pub loads: Vec<String>,
    pub rounds: usize,
    pub time: Duration,
}

/// One server under one load in one round.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    us_per_query: f64,
    user_share: f64,
    per_second: f64,
    lost: f64,
    /// Part of its core the server had.
    share: f64,
    latency_us: [f64; 4],
    pools: [u64; 2],
}

/// Runs all rounds and prints a table per load.
pub fn run(wanted: &Comparison, programs: &Programs, folder: &Path) -> io::Result<()> {
    sockets::lead();
    sockets::pin(LOAD_CORE)?;
    let peers =
        wanted.peers.iter().map(|name| configurations::peer(name, folder, programs)).collect::<io::Result<Vec<_>>>()?;
    for load in &wanted.loads {
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); peers.len()];
        for round in 0..wanted.rounds {
            for (peer, samples) in peers.iter().zip(&mut samples) {
                match sample(peer, load, wanted.time, folder) {
                    Ok(sample) => {
                        eprintln!(
                            "{load} {round} {:9} {:6.3} us {:8.0}/s {:3.0} % pools {:?}",
                            peer.name, sample.us_per_query, sample.per_second, sample.share, sample.pools
                        );
                        samples.push(sample);
                    }
                    Err(error) => eprintln!("{load} {round} {error}"),
                }
            }
        }
        print_table(load, &peers, &samples, wanted);
    }
    Ok(())
}

/// One measurement, after a short one that warms caches.
fn sample(peer: &Peer, load: &str, time: Duration, folder: &Path) -> io::Result<Sample> {
    let (queries, manner) = load.split_once('/').unwrap_or((load, "few"));
    let running = peer.start(folder, SERVER_CORE, Duration::from_secs(60))?;
    let no_load = || io::Error::other(format!("there is no load called {load}"));
    let queries = if queries == "cookie" {
        load::with_cookie(peer.port)?
    } else {
        wire::queries_of(queries).ok_or_else(no_load)?
    };
    let go = |time| -> io::Result<Measured> {
        match manner {
            "few" => load::run(&Load::few(time), peer.port, &queries),
            "bulk" => load::run(&Load { segments: true, ..Load::few(time) }, peer.port, &queries),
            "many" => load::run(&Load::many(time), peer.port, &queries),
            "paced" => load::run(&Load { rate: Some(40_000.0), ..Load::few(time) }, peer.port, &queries),
            "tcp" => stream::run(peer.port, time, &queries),
            "dot" => encrypted::tls(encrypted_port(peer.port, false), time, &queries, folder),
            "doh" => encrypted::https(encrypted_port(peer.port, true), time, &queries),
            other => Err(io::Error::other(format!("there is no manner called {other}"))),
        }
    };
    go(Duration::from_millis(300))?;
    let (begun, before) = (Instant::now(), running.used());
    let measured = go(time)?;
    let (after, elapsed) = (running.used(), begun.elapsed());
    let cpu_ns = (after.cpu_ns - before.cpu_ns) as f64;
    let [user, system] = [0, 1].map(|mode| (after.ticks[mode] - before.ticks[mode]) as f64);
    running.stop()?;
    if measured.answered == 0 {
        return Err(io::Error::other(format!("{} answered nothing", peer.name)));
    }
    Ok(Sample {
        us_per_query: cpu_ns / 1e3 / measured.answered as f64,
        user_share: user / (user + system).max(1.0),
        per_second: measured.per_second(),
        lost: measured.lost as f64 / measured.sent.max(1) as f64,
        share: 100.0 * cpu_ns / elapsed.as_nanos() as f64,
        latency_us: measured.latency_us,
        pools: measured.pools,
    })
}

/// Median, least and most.
pub fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    [last / 2, 0, last].map(|at| sorted.get(at).copied().unwrap_or(f64::NAN))
}

/// The median over rounds of one server's cost by another's in the same round.
fn ratio(of: &[Sample], to: Option<&[Sample]>) -> String {
    let Some(to) = to.filter(|to| to.len() == of.len()) else { return "-".to_owned() };
    let [median, least, most] = spread(of.iter().zip(to).map(|(of, to)| of.us_per_query / to.us_per_query));
    format!("{median:.2} ({least:.2} to {most:.2})")
}

fn print_table(load: &str, peers: &[Peer], samples: &[Vec<Sample>], wanted: &Comparison) {
    let of = |name: &str| peers.iter().position(|peer| peer.name == name).map(|at| samples[at].as_slice());
    println!("\n### {load}, {} rounds\n", wanted.rounds);
    let by: String = wanted.references.iter().map(|name| format!("by {name} | ")).collect();
    println!(
        "| server | CPU us per query (least to most) | user | {by}answers per s | core | lost | p50, p99, p99.9 us |"
    );
    println!("|---|---|---|{}---|---|---|---|", "---|".repeat(wanted.references.len()));
    for (peer, samples) in peers.iter().zip(samples) {
        let [us, least, most] = spread(samples.iter().map(|s| s.us_per_query));
        let [user, ..] = spread(samples.iter().map(|s| s.us_per_query * s.user_share));
        let [per_second, ..] = spread(samples.iter().map(|s| s.per_second));
        let [share, ..] = spread(samples.iter().map(|s| s.share));
        let [lost, ..] = spread(samples.iter().map(|s| s.lost * 100.0));
        let latency: Vec<String> =
            (0..3).map(|at| format!("{:.0}", spread(samples.iter().map(|s| s.latency_us[at]))[0])).collect();
        let ratios: String = wanted.references.iter().map(|name| ratio(samples, of(name)) + " | ").collect();
        println!(
            "| {} | {us:.2} ({least:.2} to {most:.2}) | {user:.2} | {ratios}{per_second:.0} | {share:.0} % | {lost:.3} % | {} |",
            peer.name,
            latency.join(", ")
        );
    }
}

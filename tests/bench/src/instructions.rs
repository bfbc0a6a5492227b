//! User instructions per query, counted by callgrind: they repeat whatever else the machine does.
//!
//! The real server runs under valgrind twice, with few and with many queries; the difference of what
//! its UDP thread executed, by the difference of the queries, is what one query costs. Generator
//! and server share a core and queries leave as one message, so that every batch is full.

use crate::configurations::{self, Programs};
use crate::load::{self, Load};
use crate::peer::{Peer, SERVER_CORE};
use crate::{sockets, wire};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Loads counted, and the most instructions one query may take.
const LIMITS: [(&str, f64); 5] =
    [("weighted", 800.0), ("sticky", 1_000.0), ("subnet", 1_400.0), ("static", 700.0), ("nxdomain", 900.0)];
/// More than this over the recorded figure is a regression.
const TOLERANCE: f64 = 1.02;
const FEW: u64 = 1_600;
const MANY: u64 = 8_000;

/// Counts every load, compares with the baseline file and the limits, or writes the file (`record`).
/// Whether all is well; with `regressions_only` a figure over its limit is, if it is no worse than recorded.
pub fn run(
    programs: &Programs,
    folder: &Path,
    baseline: &Path,
    record: bool,
    only: Option<&str>,
    regressions_only: bool,
) -> io::Result<bool> {
    sockets::pin(SERVER_CORE)?;
    let recorded = fs::read_to_string(baseline).unwrap_or_default();
    let known = |load: &str| {
        let line = recorded.lines().find_map(|line| line.strip_prefix(load)?.strip_prefix(' '));
        line.and_then(|figure| figure.trim().parse::<f64>().ok())
    };
    let peer = configurations::peer("tidegate", folder, programs)?;
    let (mut sound, mut lines) = (true, String::new());
    println!("{:10} {:>8} {:>9} {:>6}", "load", "counted", "recorded", "limit");
    for (name, limit) in LIMITS {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let (few, many) = (count(&peer, folder, name, FEW)?, count(&peer, folder, name, MANY)?);
        let each = (many as f64 - few as f64) / (MANY - FEW) as f64;
        let before = known(name);
        let verdict = match before {
            _ if each > limit && !regressions_only => "over the limit",
            Some(before) if each > before * TOLERANCE => "more than recorded",
            _ => "",
        };
        sound &= verdict.is_empty();
        println!(
            "{name:10} {each:8.0} {:>9} {limit:6.0} {verdict}",
            before.map_or("-".to_owned(), |before| format!("{before:.0}"))
        );
        lines += &format!("{name} {each:.0}\n");
    }
    if record {
        fs::write(baseline, lines)?;
    }
    Ok(sound)
}

/// What the UDP thread executed for `queries` queries, its start included.
fn count(peer: &Peer, folder: &Path, load_name: &str, queries: u64) -> io::Result<u64> {
    let out = folder.join(format!("callgrind-{load_name}"));
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out)?;
    let words = ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--quiet"];
    let mut wrapper: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    wrapper.push(format!("--callgrind-out-file={}/out", out.display()));
    let running = peer.start_under(&wrapper, folder, SERVER_CORE, Duration::from_secs(120))?;
    let load =
        Load { sockets: 1, window: 32, count: Some(queries), segments: true, ..Load::few(Duration::from_secs(120)) };
    let sent = wire::queries_of(load_name).ok_or_else(|| io::Error::other("an unknown load"))?;
    let measured = load::run(&load, peer.port, &sent)?;
    running.stop()?;
    if measured.answered != queries {
        return Err(io::Error::other(format!("{load_name}: {} of {queries} queries were answered", measured.answered)));
    }
    for entry in fs::read_dir(&out)? {
        let text = fs::read_to_string(entry?.path())?;
        // The worker's thread is told by what only it executes.
        if text.contains("server::udp::Worker") && text.contains("recvmmsg") {
            let total = text
                .lines()
                .rev()
                .find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
            return total
                .and_then(|total| total.trim().parse().ok())
                .ok_or_else(|| io::Error::other("callgrind wrote no total"));
        }
    }
    Err(io::Error::other(format!("no thread in {} called recvmmsg", out.display())))
}

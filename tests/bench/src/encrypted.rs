//! Load over TLS by dnsperf and over HTTPS by h2load, from Debian's packages, on the core of the generator.
//! (dnsperf 2.10 speaks HTTPS too, and waits for replies it has where several came in one record.)

use crate::load::Measured;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Connections, and queries on their way over all of them and over one.
const CONNECTIONS: &str = "16";
const WINDOW: &str = "160";
const EACH: &str = "10";

/// What a program prints in a line, before or behind its figure.
fn figure(said: &str, before: &str, unit: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.trim().split_once(before)).map(|(_, rest)| rest)?;
    let rest = if unit.is_empty() { line } else { line.split_once(unit)?.0.rsplit(',').next()? };
    rest.trim().split([' ', 's']).next()?.parse().ok()
}

/// Sends the names of `queries` over TLS to a port of 127.0.0.1.
pub fn tls(port: u16, time: Duration, queries: &[Vec<u8>], folder: &Path) -> io::Result<Measured> {
    let file = folder.join("dnsperf.txt");
    let lines: Vec<String> = queries.iter().filter_map(|query| Some(name_of(query)? + " A\n")).collect();
    fs::write(&file, lines.concat())?;
    let (port, seconds) = (port.to_string(), time.as_secs().max(1).to_string());
    let words = ["-s", "127.0.0.1", "-p", &port, "-m", "dot", "-l", &seconds];
    let words = [&words[..], &["-c", CONNECTIONS, "-q", WINDOW, "-T", "1", "-d"]].concat();
    let said = said_by("dnsperf", time, &[&words[..], &[&file.display().to_string()]].concat())?;
    measured(
        "dnsperf",
        &said,
        [("Queries sent:", ""), ("Queries completed:", ""), ("Queries lost:", ""), ("Run time (s):", "")],
    )
}

/// Sends the first of `queries` over HTTP/2 to a port of 127.0.0.1, by GET.
pub fn https(port: u16, time: Duration, queries: &[Vec<u8>]) -> io::Result<Measured> {
    let seconds = time.as_secs().max(1).to_string();
    let url = format!("https://127.0.0.1:{port}/dns-query?dns={}", base64url(&queries[0]));
    let said = said_by("h2load", time, &["-c", CONNECTIONS, "-m", EACH, "-t", "1", "-D", &seconds, &url])?;
    measured(
        "h2load",
        &said,
        [("requests:", " started"), ("status codes:", " 2xx"), ("requests:", " failed"), ("finished in ", "")],
    )
}

/// Sent, answered, lost and the seconds it took, each between these words of what a program printed.
fn measured(program: &str, said: &str, words: [(&str, &str); 4]) -> io::Result<Measured> {
    let found = words.map(|(before, unit)| figure(said, before, unit));
    let [Some(sent), Some(answered), Some(lost), Some(elapsed_s)] = found else {
        return Err(io::Error::other(format!("{program} gave no figures: {said}")));
    };
    Ok(Measured { sent: sent as u64, answered: answered as u64, lost: lost as u64, elapsed_s, ..Measured::default() })
}

/// What a program prints; one that does not end in time is ended (h2load sometimes waits for a connection for ever).
fn said_by(program: &str, time: Duration, words: &[&str]) -> io::Result<String> {
    let limit = (time.as_secs() + 10).to_string();
    let output = Command::new("timeout").args(["-k", "1", &limit, program]).args(words).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// RFC 4648 §5, without padding.
fn base64url(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in octets.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        let letters = (0..=three.len()).map(|at| LETTERS[(bits >> (18 - 6 * at) & 63) as usize]);
        text.extend(letters.map(char::from));
    }
    text
}

/// The name a query asks for.
fn name_of(query: &[u8]) -> Option<String> {
    let (mut at, mut labels) = (12, Vec::new());
    while *query.get(at)? != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..end)?).into_owned());
        at = end;
    }
    Some(labels.join("."))
}

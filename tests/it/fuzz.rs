//! Whatever arrives: an answer that keeps the rules, or silence; the server goes on and does not grow.

use crate::harness::{LIMIT, Server};
use crate::nasty;
use crate::wire::*;
use crate::world::{Client, Stream, ZONES, world};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

#[path = "../fuzz/src/lib.rs"]
mod targets;

/// Set to write the corpus of `respond` from the named packets.
const WRITE: &str = "TIDEGATE_WRITE_CORPUS";

fn corpus(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fuzz/corpus", target].iter().collect()
}

/// The files of a target's corpus, by name.
fn files(target: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(corpus(target)).expect("a corpus");
    let files: BTreeMap<String, Vec<u8>> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    assert!(!files.is_empty(), "{target} has a corpus");
    files
}

#[test]
fn the_corpus_holds_the_named_packets() {
    let named: BTreeMap<String, Vec<u8>> =
        nasty::packets().into_iter().map(|(name, packet)| (name.to_owned(), packet)).collect();
    assert_eq!(named.len(), nasty::packets().len(), "each name stands for one packet");
    if std::env::var_os(WRITE).is_some() {
        for (name, packet) in &named {
            fs::write(corpus("respond").join(name), packet).unwrap();
        }
    }
    let files = files("respond");
    for (name, packet) in &named {
        assert_eq!(files.get(name), Some(packet), "{name}: run once with {WRITE}=1");
    }
}

#[test]
fn no_packet_of_the_corpus_breaks_a_rule() {
    files("respond").values().for_each(|packet| targets::respond(packet));
}

#[test]
fn no_prefix_and_no_flipped_bit_of_a_query_breaks_a_rule() {
    nasty::prefixes().chain(nasty::flips()).for_each(|packet| targets::respond(&packet));
}

#[test]
fn no_text_of_the_corpora_breaks_a_rule() {
    files("master_file").values().for_each(|text| targets::master_file(text));
    files("rdata_text").values().for_each(|text| targets::rdata_text(text));
    files("toml_config").values().for_each(|text| targets::toml_config(text));
}

#[test]
fn no_prefix_of_a_text_of_the_corpora_breaks_a_rule() {
    for text in files("master_file").values().chain(files("rdata_text").values()) {
        // Every one of a short text, two hundred of a long one.
        for len in (0..text.len()).step_by(1 + text.len() / 200) {
            targets::master_file(&text[..len]);
            targets::rdata_text(&text[..len]);
        }
    }
}

/// Resident memory of a process, KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A small generator: the packets are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    /// One of the stock with a few octets changed, dropped or doubled.
    fn mutate(&mut self, stock: &[Vec<u8>]) -> Vec<u8> {
        let mut packet = stock[self.roll(stock.len())].clone();
        for _ in 0..self.roll(5) {
            if packet.is_empty() {
                break;
            }
            let at = self.roll(packet.len());
            match self.roll(4) {
                0 => packet[at] = self.roll(256) as u8,
                1 => packet.truncate(at),
                2 => packet[at] ^= 1 << self.roll(8),
                _ => packet.extend_from_within(at..packet.len().min(at + 40)),
            }
        }
        packet.truncate(1400);
        packet
    }
}

/// Fires packets at a server, and holds every reply that comes against the rules.
struct Fire<'c> {
    client: &'c Client,
    /// By id. What others answer comes later than a marker behind it, but not thousands of packets later.
    sent: Vec<Vec<u8>>,
    next: u16,
}

impl<'c> Fire<'c> {
    fn at(client: &'c Client) -> Self {
        Self { client, sent: vec![Vec::new(); 60_000], next: 0 }
    }

    /// Fires a window at a time.
    fn all(&mut self, packets: impl Iterator<Item = Vec<u8>>) {
        let mut marker = query("example.test", SOA);
        marker[..2].copy_from_slice(&[0xfe, 0xed]);
        let mut packets = packets.peekable();
        while packets.peek().is_some() {
            for mut packet in packets.by_ref().take(50) {
                if packet.len() >= 2 {
                    packet[..2].copy_from_slice(&self.next.to_be_bytes());
                }
                self.client.send(&packet);
                self.sent[usize::from(self.next)] = packet;
                self.next = (self.next + 1) % 60_000;
            }
            self.client.send(&marker);
            loop {
                let reply = self.client.receive().expect("the server is still there");
                if reply[..2] == marker[..2] {
                    break;
                }
                assert!(reply.len() <= 1232, "{reply:02x?}");
                let query = &self.sent[usize::from(u16::from_be_bytes([reply[0], reply[1]]))];
                targets::judge_reply(query, &reply, true);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_bad_packets_leave_the_server_as_it_was() {
    let server = Server::start(&ZONES).await;
    let client = Client::new(server.dns);
    let stock: Vec<Vec<u8>> = nasty::packets().into_iter().map(|(_, packet)| packet).chain(nasty::sound()).collect();
    let mut dice = Dice(0x7469_6465);
    // Warm: every buffer and table has its size, and every kind of packet has come once.
    let mut fire = Fire::at(&client);
    fire.all(nasty::prefixes().chain(nasty::flips()).chain(stock.clone()));
    fire.all(std::iter::repeat_with(|| dice.mutate(&stock)).take(10_000));
    let before = resident_kib(server.pid());
    fire.all(std::iter::repeat_with(|| dice.mutate(&stock)).take(200_000));
    let after = resident_kib(server.pid());
    assert!(after <= before + 4 * 1024, "{before} KiB before, {after} KiB after");
    // Replies of others may still come to the client of before.
    assert_eq!(Reply::read(&Client::new(server.dns).udp(&query("www.example.test", A))).answer.len(), 2);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn bad_packets_over_tcp_end_their_own_connection_at_most() {
    let mut stream = Stream::new(world().v4);
    let mut marker = query("example.test", SOA);
    marker[..2].copy_from_slice(&[0xfe, 0xed]);
    for packet in nasty::packets().into_iter().map(|(_, packet)| packet).chain(nasty::prefixes()) {
        if stream.0.write_all(&[framed(&packet), framed(&marker)].concat()).is_err() {
            stream = Stream::new(world().v4);
            continue;
        }
        loop {
            let Some(reply) = stream.read() else {
                assert!(packet.len() < 12, "closed at {packet:02x?}");
                stream = Stream::new(world().v4);
                break;
            };
            if reply[..2] == marker[..2] {
                break;
            }
            targets::judge_reply(&packet, &reply, false);
        }
    }
    assert_eq!(world().tcp(&query("www.example.test", A)).answer.len(), 2);
}

#[test]
fn bad_lengths_over_tcp_hold_nothing() {
    let begun = std::time::Instant::now();
    for rubbish in [&[][..], &[0], &[0xff], &[0xff, 0xff], &[0, 12], &[0, 12, 1, 2, 3], &[0xff; 1000], &[0; 1000]] {
        let mut stream = Stream::new(world().v4);
        stream.write(rubbish);
        stream.0.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(stream.read(), None, "{} octets", rubbish.len());
    }
    assert!(begun.elapsed() < LIMIT);
}

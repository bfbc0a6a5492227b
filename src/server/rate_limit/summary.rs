//! Whose responses were limited, told in the log: a network once a minute at most, the busiest first.
//!
//! Workers note in a table of bounded size and hand it over each second; one task adds up and tells.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Networks one table tells apart; the rest are added up.
const NETWORKS: usize = 1024;
/// Networks that are named in a minute.
const LINES: usize = 20;
/// Between two lines about one network, milliseconds.
const MINUTE_MS: u64 = 60_000;
/// Tables that wait to be added up.
pub(in crate::server) const WAITING: usize = 64;

/// What became of the responses over the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::server) struct Noted {
    /// Not sent.
    pub(super) dropped: u64,
    /// Sent with TC set and no records.
    pub(super) slipped: u64,
    /// Sent, since limits are only told.
    pub(super) passed: u64,
}

impl Noted {
    fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        self.slipped += other.slipped;
        self.passed += other.passed;
    }

    fn total(self) -> u64 {
        self.dropped + self.slipped + self.passed
    }
}

/// Responses over the limit, by client network.
#[derive(Debug, Default)]
pub(in crate::server) struct Notes {
    networks: HashMap<u64, Noted>,
    /// Those of networks there was no room for.
    others: Noted,
}

impl Notes {
    /// Adds what became of one network's responses.
    pub(super) fn add(&mut self, network: u64, noted: Noted) {
        let has_room = self.networks.len() < NETWORKS;
        match self.networks.get_mut(&network) {
            Some(known) => known.merge(noted),
            None if has_room => drop(self.networks.insert(network, noted)),
            None => self.others.merge(noted),
        }
    }

    /// Whether nothing was limited.
    pub(super) fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Responses over the limit.
    #[cfg(test)]
    pub(super) fn total(&self) -> u64 {
        self.networks.values().map(|noted| noted.total()).sum::<u64>() + self.others.total()
    }

    fn merge(&mut self, other: Self) {
        self.others.merge(other.others);
        for (network, noted) in other.networks {
            self.add(network, noted);
        }
    }
}

/// A client network as text: what the limiter counts as one.
struct Network(u64);

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.checked_sub(1 << 63) {
            None => {
                let bits = u32::try_from(self.0 << 8).unwrap_or(0);
                write!(f, "{}/24", Ipv4Addr::from_bits(bits))
            }
            Some(high) => write!(f, "{}/56", Ipv6Addr::from_bits(u128::from(high) << 72)),
        }
    }
}

/// What is to be told, and when the next time is.
#[derive(Debug, Default)]
struct Summaries {
    notes: Notes,
    next_ms: u64,
}

/// One line of the log.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    /// `None`: all that have no line of their own.
    network: Option<String>,
    noted: Noted,
}

impl Summaries {
    /// The lines of this minute, if it has begun: the busiest networks, and the rest in one.
    fn due(&mut self, now_ms: u64) -> Vec<Line> {
        if self.notes.is_empty() || now_ms < self.next_ms {
            return Vec::new();
        }
        self.next_ms = now_ms + MINUTE_MS;
        let Notes { networks, mut others } = std::mem::take(&mut self.notes);
        let mut networks: Vec<(u64, Noted)> = networks.into_iter().collect();
        networks.sort_unstable_by_key(|(network, noted)| (std::cmp::Reverse(noted.total()), *network));
        networks.iter().skip(LINES).for_each(|(_, noted)| others.merge(*noted));
        let named = networks.iter().take(LINES);
        let mut lines: Vec<Line> = named
            .map(|(network, noted)| Line { network: Some(Network(*network).to_string()), noted: *noted })
            .collect();
        if others.total() > 0 {
            lines.push(Line { network: None, noted: others });
        }
        lines
    }
}

/// Adds up and tells until the workers are gone.
pub(in crate::server) async fn tell(mut notes: mpsc::Receiver<Notes>, mut stop: watch::Receiver<bool>) {
    let mut summaries = Summaries::default();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            received = notes.recv() => match received {
                Some(received) => summaries.notes.merge(received),
                None => return,
            },
            _ = second.tick() => {}
        }
        for Line { network, noted: Noted { dropped, slipped, passed } } in summaries.due(crate::clock::boot_ms()) {
            let network = network.as_deref().unwrap_or("others");
            if passed > 0 {
                tracing::warn!(network, passed, "responses over the rate limit; sent, since log_only is set");
            } else {
                tracing::warn!(network, dropped, slipped, "responses limited: forged queries, or a client to exempt");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(n: u64) -> Noted {
        Noted { dropped: n, ..Noted::default() }
    }

    #[test]
    fn a_network_is_told_once_a_minute_and_the_busiest_first() {
        let mut summaries = Summaries::default();
        summaries.notes.add(0xc0_0002, dropped(1));
        summaries.notes.add((1 << 63) | 0x20_010d_b800_0001, dropped(3));
        let lines = summaries.due(5_000);
        assert_eq!(
            lines.iter().map(|line| line.network.as_deref().unwrap_or("others")).collect::<Vec<_>>(),
            ["2001:db8:0:100::/56", "192.0.2.0/24"]
        );
        summaries.notes.add(0xc0_0002, dropped(7));
        assert_eq!(summaries.due(64_999), []);
        assert_eq!(summaries.due(65_000).len(), 1);
        assert_eq!(summaries.due(200_000), [], "nothing happened");
    }

    #[test]
    fn a_flood_from_everywhere_takes_no_more_lines_or_room() {
        let mut summaries = Summaries::default();
        (0..100_000).for_each(|network| summaries.notes.add(network, dropped(1)));
        assert_eq!(summaries.notes.networks.len(), NETWORKS);
        let lines = summaries.due(1);
        assert_eq!(lines.len(), LINES + 1);
        assert_eq!(lines.iter().map(|line| line.noted.dropped).sum::<u64>(), 100_000);
    }
}

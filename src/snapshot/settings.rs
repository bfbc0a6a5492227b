//! Server-wide answers that come from no zone: who we say we are, and whose subnets we believe.

use crate::dns::RecordType;
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// The longest identifier NSID gives: the record of a short answer still fits 512 octets beside it.
const MAX_NSID_LEN: usize = 64;

/// Settings of the whole server, with their replies ready.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// CH TXT `version.bind` and `version.server` as one record on the wire; `None`: refused.
    version: Option<Box<[u8]>>,
    /// CH TXT `id.server` and `hostname.bind` as one record on the wire; `None`: refused.
    id_server: Option<Box<[u8]>>,
    /// The same as an identifier for NSID (RFC 5001).
    nsid: Option<Box<[u8]>>,
    /// Resolvers whose client subnet option is believed; empty: all.
    ecs_from: Vec<IpNet>,
    /// How long a TCP connection may be idle, in units of 100 ms (RFC 7828 §3.1).
    idle: u16,
}

impl Settings {
    /// Prepares the replies.
    #[must_use]
    pub fn new(version: Option<&str>, id_server: Option<&str>, ecs_from: Vec<IpNet>) -> Self {
        let nsid = id_server.map(|text| text.as_bytes().iter().copied().take(MAX_NSID_LEN).collect());
        Self { version: version.map(chaos_txt), id_server: id_server.map(chaos_txt), nsid, ecs_from, idle: 0 }
    }

    /// The same, with the idle time that clients are told on request (RFC 7828).
    #[must_use]
    pub fn with_idle(self, idle: Duration) -> Self {
        Self { idle: u16::try_from(idle.as_millis() / 100).unwrap_or(u16::MAX), ..self }
    }

    /// How long a TCP connection may be idle, in units of 100 ms (RFC 7828 §3.1).
    #[must_use]
    pub fn idle(&self) -> u16 {
        self.idle
    }

    /// The record that answers a CH TXT query for a name in lower-case wire form.
    #[must_use]
    pub fn chaos(&self, qname: &[u8]) -> Option<&[u8]> {
        match qname {
            b"\x07version\x04bind\0" | b"\x07version\x06server\0" => self.version.as_deref(),
            b"\x02id\x06server\0" | b"\x08hostname\x04bind\0" => self.id_server.as_deref(),
            _ => None,
        }
    }

    /// What this server answers to NSID (RFC 5001); `None`: nothing.
    #[must_use]
    pub fn nsid(&self) -> Option<&[u8]> {
        self.nsid.as_deref()
    }

    /// Whether a resolver's client subnet option is believed (RFC 7871 §12.1).
    #[must_use]
    #[inline]
    pub fn believes_subnet_of(&self, resolver: IpAddr) -> bool {
        self.ecs_from.is_empty() || self.ecs_from.iter().any(|net| net.contains(&resolver.to_canonical()))
    }
}

/// One TXT record of class CH owned by the question, TTL 0, in strings of at most 255 octets.
fn chaos_txt(text: &str) -> Box<[u8]> {
    let mut rdata = Vec::with_capacity(text.len() + 2);
    // A TXT record has at least one string, even an empty one (RFC 1035 §3.3.14).
    let mut chunks = text.as_bytes().chunks(255).take(16);
    let first = chunks.next().unwrap_or(&[]);
    for chunk in std::iter::once(first).chain(chunks) {
        rdata.push(u8::try_from(chunk.len()).expect("chunks are at most 255 octets"));
        rdata.extend_from_slice(chunk);
    }
    let mut wire = vec![0xc0, 12];
    wire.extend_from_slice(&RecordType::TXT.0.to_be_bytes());
    wire.extend_from_slice(&[0, 3, 0, 0, 0, 0]);
    wire.extend_from_slice(&u16::try_from(rdata.len()).expect("at most 16 strings").to_be_bytes());
    wire.extend_from_slice(&rdata);
    wire.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_configured_is_told() {
        let settings = Settings::new(Some("1.0"), None, Vec::new());
        assert!(settings.chaos(b"\x07version\x04bind\0").unwrap().ends_with(b"\x00\x04\x031.0"));
        assert!(settings.chaos(b"\x02id\x06server\0").is_none());
        assert!(settings.chaos(b"\x07authors\x04bind\0").is_none());
    }

    #[test]
    fn subnets_are_believed_from_everybody_or_from_the_listed() {
        let resolver: IpAddr = "192.0.2.1".parse().unwrap();
        assert!(Settings::default().believes_subnet_of(resolver));
        let listed = Settings::new(None, None, vec!["192.0.2.0/24".parse().unwrap()]);
        assert!(listed.believes_subnet_of(resolver));
        assert!(listed.believes_subnet_of("::ffff:192.0.2.1".parse().unwrap()), "one address in two forms");
        assert!(!listed.believes_subnet_of("198.51.100.1".parse().unwrap()));
    }
}

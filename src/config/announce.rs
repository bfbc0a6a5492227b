//! The encrypted transports that this server tells resolvers of: SVCB records at `_dns.<nameserver>`
//! (RFC 9461), made from the server's file and put into the zone that holds the name.
//!
//! A record a port of other addresses than this machine's own, in the order of the server's file. SVCB records of the master file at that name win;
//! what cannot stand beside them is refused.

use super::findings::Findings;
use super::problem::Problem;
use super::server::ServerConfig;
use super::switch::bare;
use super::zone::ReadZone;
use crate::dns::{Name, RecordType};
use crate::zone::LineRef;
use std::net::SocketAddr;

/// What messages call the place of the key.
const PLACE: &str = "[answers] announce";

/// How long a record may be cached, seconds.
const TTL_S: u32 = 3_600;

/// SvcParamKeys, in the order they stand in (RFC 9460 §14.3.2, RFC 9461 §5).
const ALPN: u16 = 1;
const PORT: u16 = 3;
const DOHPATH: u16 = 7;

/// What is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The nameserver's name.
    name: Name,
    services: Vec<Service>,
}

/// A port, and what is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    port: u16,
    alpn: Vec<&'static str>,
    /// The path of HTTP.
    path: Option<String>,
}

impl Announcement {
    /// What a server's file says; `None`: nothing is to be announced.
    pub(super) fn of(config: &ServerConfig) -> Option<Self> {
        let name = config.announce.clone()?;
        let mut services: Vec<Service> = Vec::new();
        for port in config.dot.iter().flat_map(|dot| ports(&dot.listen)) {
            services.push(Service { port, alpn: vec!["dot"], path: None });
        }
        for port in config.doq.iter().flat_map(|doq| ports(&doq.listen)) {
            match services.iter_mut().find(|service| service.port == port) {
                Some(service) => service.alpn.push("doq"),
                None => services.push(Service { port, alpn: vec!["doq"], path: None }),
            }
        }
        if let Some(doh) = &config.doh {
            let alpn = if doh.h3 { vec!["h2", "h3"] } else { vec!["h2"] };
            let path = Some(doh.path.clone());
            let service = |port| Service { port, alpn: alpn.clone(), path: path.clone() };
            services.extend(ports(&doh.listen).into_iter().map(service));
        }
        Some(Self { name, services })
    }

    /// Whether there is something to announce.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The RDATA of each record.
    fn records(&self) -> impl Iterator<Item = Vec<u8>> {
        (1u16..).zip(&self.services).map(|(priority, service)| {
            let mut rdata = priority.to_be_bytes().to_vec();
            rdata.extend_from_slice(self.name.wire());
            let mut alpn = Vec::new();
            for id in &service.alpn {
                push_text(&mut alpn, id);
            }
            push_parameter(&mut rdata, ALPN, &alpn);
            push_parameter(&mut rdata, PORT, &service.port.to_be_bytes());
            if let Some(path) = &service.path {
                push_parameter(&mut rdata, DOHPATH, format!("{path}{{?dns}}").as_bytes());
            }
            rdata
        })
    }

    /// Puts the records into the zone that holds the name.
    pub(super) fn add_to(&self, zones: &mut [ReadZone], findings: &mut Findings) {
        let refuse = |findings: &mut Findings, message: String, remedy: &str| {
            findings.problems.push(Problem::of_file(PLACE, message, Some(remedy.to_owned())));
        };
        let shown = bare(&self.name);
        let Ok(owner) = self.name.child(b"_dns") else {
            return refuse(findings, format!("`_dns.{shown}` is longer than a name may be"), "name another nameserver");
        };
        let holder = zones.iter_mut().filter(|zone| self.name.is_within(&zone.apex));
        let Some(zone) = holder.max_by_key(|zone| zone.apex.label_count()) else {
            let remedy = "name a nameserver that lies in one of the zones, or announce it where its name is served";
            return refuse(findings, format!("no zone here holds `{shown}`"), remedy);
        };
        if !zone.primaries.is_empty() {
            let message = format!("`{shown}` lies in `{}`, which is a copy of its primaries'", bare(&zone.apex));
            return refuse(
                findings,
                message,
                "announce it there, or name a nameserver that lies in a zone of this server",
            );
        }
        if zone.switches.iter().any(|marked| marked.switch.owners.contains(&owner)) {
            return refuse(findings, format!("`{}` is steered by a switch", bare(&owner)), "remove it from `owners`");
        }
        let mut above = Some(owner.clone());
        while let Some(name) = above.filter(|name| *name != zone.apex) {
            let cut =
                |record: &crate::zone::RecordRef<'_>| record.rtype == RecordType::NS && record.owner == name.wire();
            if zone.text.records().any(|record| cut(&record)) {
                let message = format!("`{shown}` is delegated at `{}`", bare(&name));
                return refuse(findings, message, "announce it in the zone that is served there");
            }
            above = name.parent();
        }
        let here = |record: &crate::zone::RecordRef<'_>| record.owner == owner.wire();
        if zone.text.records().any(|record| here(&record) && record.rtype == RecordType::CNAME) {
            return refuse(findings, format!("`{}` has a CNAME in {}", bare(&owner), zone.file), "remove one of them");
        }
        if zone.text.records().any(|record| here(&record) && record.rtype == RecordType::SVCB) {
            let message = format!("`{}` has SVCB records in {}, which win", bare(&owner), zone.file);
            let remedy = "remove them to have them made, or remove `announce`".to_owned();
            return findings.warnings.push(Problem::of_file(PLACE, message, Some(remedy)));
        }
        let file = zone.text.add_file(PLACE.into());
        for rdata in self.records() {
            zone.text.push(&owner, RecordType::SVCB, TTL_S, &rdata, LineRef { file, line: 0 });
        }
    }
}

/// The ports that others reach, each once; those of this machine's own addresses when there are no others.
fn ports(listen: &[SocketAddr]) -> Vec<u16> {
    let reach_others = listen.iter().any(|address| !address.ip().is_loopback());
    let mut ports = Vec::new();
    for address in listen.iter().filter(|address| !(reach_others && address.ip().is_loopback())) {
        if !ports.contains(&address.port()) {
            ports.push(address.port());
        }
    }
    ports
}

/// A text behind its length.
fn push_text(value: &mut Vec<u8>, text: &str) {
    value.push(u8::try_from(text.len()).expect("protocol names are short"));
    value.extend_from_slice(text.as_bytes());
}

/// A parameter behind its key and length.
fn push_parameter(rdata: &mut Vec<u8>, key: u16, value: &[u8]) {
    rdata.extend_from_slice(&key.to_be_bytes());
    rdata.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
    rdata.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_that_others_reach_is_told_of_once() {
        let ports = |listen: &[&str]| ports(&listen.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        assert_eq!(ports(&["127.0.0.1:8443", "192.0.2.1:443", "[2001:db8::1]:443", "192.0.2.1:4443"]), [443, 4443]);
        assert_eq!(ports(&["127.0.0.1:8443", "[::1]:8443"]), [8443], "a trial on one machine");
        assert!(ports(&[]).is_empty());
    }
}

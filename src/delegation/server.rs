//! Each address of each nameserver of a zone: what it answers over UDP and TCP, with EDNS and without.

use super::parent::Parent;
use super::reply::Reply;
use super::{Addresses, Asker, Expected, MAX_SERVERS, SERIAL_LOOKS, SERIAL_WAIT, Silence};
use crate::ask::{Question, Transport};
use crate::dns::{Name, RecordType};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// What is known of the zone's servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Servers {
    /// One for each name and address.
    pub(super) seen: Vec<Server>,
    /// Addresses of names outside the zone, or why there are none.
    pub(super) outside: BTreeMap<Name, Result<BTreeSet<IpAddr>, String>>,
}

/// One address of a nameserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: Name,
    pub(super) address: IpAddr,
    pub(super) udp: Result<Answer, Silence>,
    pub(super) tcp: Result<Answer, Silence>,
    pub(super) edns: Edns,
    /// The NS records it answers with, where it does.
    pub(super) ns: Option<BTreeSet<Name>>,
    /// Whether it has DNSKEY records; looked for where the parent has DS.
    pub(super) dnskey: Option<bool>,
}

/// What it says of the SOA record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) rcode: u16,
    pub(super) rcode_word: String,
    pub(super) is_authoritative: bool,
    pub(super) is_truncated: bool,
    pub(super) serial: Option<u32>,
}

/// What becomes of EDNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edns {
    /// Answered with it.
    Works,
    /// Answered without it, as by a server that does not know it.
    Ignored,
    /// Answered without it only when asked without it: by an error ...
    Refused,
    /// ... or by silence.
    Lost,
    /// No answer either way.
    Unknown,
}

impl Answer {
    fn of(reply: &Reply, apex: &Name) -> Self {
        Self {
            rcode: reply.rcode,
            rcode_word: reply.rcode_word(),
            is_authoritative: reply.is_authoritative,
            is_truncated: reply.is_truncated,
            serial: reply.serial(apex),
        }
    }

    /// Whether the zone is served here.
    pub(super) fn is_good(&self) -> bool {
        self.rcode == 0 && self.is_authoritative && self.serial.is_some()
    }

    /// Whether it says no more than that the answer is to be had over TCP.
    pub(super) fn sends_to_tcp(&self) -> bool {
        self.rcode == 0 && self.is_truncated && self.serial.is_none()
    }
}

/// Asks every server that the parent or the zone lists.
pub(super) async fn look(asker: &Asker, zone: &Expected, parent: &Parent) -> Servers {
    let mut names = zone.ns.clone();
    let mut addresses = Addresses::new();
    for (_, referral) in parent.referrals() {
        names.extend(referral.ns.iter().cloned());
        for (name, glue) in &referral.glue {
            addresses.entry(name.clone()).or_default().extend(glue);
        }
    }
    let mut outside = BTreeMap::new();
    for name in names {
        if name.is_within(&zone.apex) {
            let own = zone.addresses.get(&name).into_iter().flatten();
            addresses.entry(name).or_default().extend(own);
        } else {
            let found = asker.addresses(&name).await;
            addresses.entry(name.clone()).or_default().extend(found.iter().flatten());
            outside.insert(name, found);
        }
    }
    let wants_keys = parent.referrals().any(|(_, referral)| referral.ds == Some(true));
    let all = addresses.iter().flat_map(|(name, all)| all.iter().map(move |address| (name, *address)));
    let asked = all.take(MAX_SERVERS).map(|(name, address)| ask(asker, &zone.apex, name, address, wants_keys));
    let mut seen = futures_util::future::join_all(asked).await;
    settle_serials(asker, &zone.apex, &mut seen).await;
    Servers { seen, outside }
}

/// All that one server is asked.
async fn ask(asker: &Asker, apex: &Name, name: &Name, address: IpAddr, wants_keys: bool) -> Server {
    let server = SocketAddr::new(address, 53);
    let soa = Question::at_source(apex, RecordType::SOA);
    let (udp, edns) = over_udp(asker, server, soa).await;
    // What EDNS does to a server has been seen: here it is TCP that counts.
    let plain = Question { edns: edns == Edns::Works, ..soa };
    let tcp = asker.ask_over(server, plain, Transport::Tcp).await.map(|reply| Answer::of(&reply, apex));
    let mut seen = Server { name: name.clone(), address, udp, tcp, edns, ns: None, dnskey: None };
    if seen.udp.as_ref().is_ok_and(|udp| udp.is_good() || udp.sends_to_tcp() && seen.serial().is_some()) {
        let plain = |rtype| Question { edns: edns == Edns::Works, ..Question::at_source(apex, rtype) };
        let ns = asker.ask(server, plain(RecordType::NS)).await;
        seen.ns = ns.ok().filter(|reply| reply.rcode == 0).map(|reply| reply.servers(1, apex).cloned().collect());
        if wants_keys {
            let keys = asker.ask(server, plain(RecordType::DNSKEY)).await;
            seen.dnskey = keys.ok().filter(|reply| reply.rcode == 0).map(|reply| reply.has(apex, RecordType::DNSKEY));
        }
    }
    seen
}

/// The SOA record over UDP, with EDNS, and without it when that fails.
async fn over_udp(asker: &Asker, server: SocketAddr, soa: Question<'_>) -> (Result<Answer, Silence>, Edns) {
    let with = asker.ask_over(server, soa, Transport::Udp).await;
    let answer = |reply: &Reply| Ok(Answer::of(reply, soa.name));
    let edns = match &with {
        Ok(reply) if reply.has_opt => return (answer(reply), Edns::Works),
        Ok(reply) if reply.rcode == 0 => return (answer(reply), Edns::Ignored),
        Ok(_) => Edns::Refused,
        Err(Silence::TimedOut) => Edns::Lost,
        Err(silence) => return (Err(silence.clone()), Edns::Unknown),
    };
    match (asker.ask_over(server, Question { edns: false, ..soa }, Transport::Udp).await, with) {
        (Ok(reply), _) if reply.rcode == 0 => (answer(&reply), edns),
        // It is not EDNS that it objects to.
        (Ok(_) | Err(_), Ok(reply)) => (answer(&reply), Edns::Ignored),
        (Ok(reply), Err(_)) => (answer(&reply), edns),
        (Err(silence), Err(_)) => (Err(silence), Edns::Unknown),
    }
}

/// Looks at serials that differ again: a change may be under way.
async fn settle_serials(asker: &Asker, apex: &Name, seen: &mut [Server]) {
    for _ in 0..SERIAL_LOOKS {
        let serials: BTreeSet<u32> = seen.iter().filter_map(Server::serial).collect();
        if serials.len() < 2 {
            return;
        }
        tokio::time::sleep(SERIAL_WAIT).await;
        for server in seen.iter_mut().filter(|server| server.serial().is_some()) {
            let soa = Question { edns: server.edns == Edns::Works, ..Question::at_source(apex, RecordType::SOA) };
            let reply = asker.ask(SocketAddr::new(server.address, 53), soa).await;
            if let Ok(reply) = reply {
                let sent_to_tcp = server.udp.as_ref().is_ok_and(Answer::sends_to_tcp);
                let place = if sent_to_tcp { &mut server.tcp } else { &mut server.udp };
                *place = Ok(Answer::of(&reply, apex));
            }
        }
    }
}

impl Server {
    /// The serial it shows with authority, over either transport.
    pub(super) fn serial(&self) -> Option<u32> {
        let answers = [&self.udp, &self.tcp];
        answers.into_iter().flatten().find(|answer| answer.is_good()).and_then(|answer| answer.serial)
    }

    /// Whether this machine has no way there.
    pub(super) fn is_beyond(&self) -> bool {
        self.udp == Err(Silence::NoWay)
    }
}

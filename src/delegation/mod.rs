//! Whether the world finds a zone (§1.11): what its parent says of it, what it says of itself, and what each
//! listed server answers over UDP and TCP.
//!
//! Gathers facts with questions of its own, each limited in time and number; `judge` makes findings of them.
//! Changes nothing, and never asks the running server's control plane: it sees what resolvers see.

mod judge;
mod parent;
mod reply;
mod server;
#[cfg(test)]
mod tests;

use crate::ask::{Question, Transport, resolvers_of_system, send};
use crate::dns::{Name, RecordType};
use crate::zone::Zone;
use reply::Reply;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Questions that are out at a time: each holds a socket.
const QUESTIONS_AT_ONCE: usize = 64;

/// Zones that are looked at at a time.
const ZONES_AT_ONCE: usize = 8;

/// Addresses of nameservers of one zone that are asked.
const MAX_SERVERS: usize = 32;

/// How often a server is asked that does not answer: a datagram may be lost.
const ATTEMPTS: usize = 2;

/// Serials that differ are looked at again so often, after this time: a transfer takes a moment.
const SERIAL_LOOKS: usize = 3;
const SERIAL_WAIT: Duration = Duration::from_secs(2);

/// Whom to ask, and how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// The parent's servers; empty: they are found through a resolver.
    pub parents: Vec<SocketAddr>,
    /// Resolvers for the parent and for names outside the zone; empty: those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// How long one reply may take.
    pub limit: Duration,
}

/// What the files say of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The top of the zone.
    pub apex: Name,
    /// Its NS records.
    pub ns: BTreeSet<Name>,
    /// The addresses of those nameservers that lie in it.
    pub addresses: Addresses,
}

/// Addresses by name.
pub type Addresses = BTreeMap<Name, BTreeSet<IpAddr>>;

/// What was seen of one zone.
#[derive(Debug, Clone, Serialize)]
pub struct ZoneReport {
    /// The zone.
    pub zone: String,
    /// The parent's servers that said something, each with what it said.
    pub parents: Vec<ParentReport>,
    /// Each address of each nameserver.
    pub servers: Vec<ServerReport>,
    /// What is wrong or worth a thought, problems first.
    pub findings: Vec<Finding>,
}

/// What a server of the parent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParentReport {
    /// Its address.
    pub server: SocketAddr,
    /// The NS records of the delegation.
    pub ns: BTreeSet<String>,
    /// The glue.
    pub glue: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Whether there are DS records; absent where it did not say.
    pub ds: Option<bool>,
}

/// What one address of a nameserver answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerReport {
    /// The name.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// Who lists it: `parent`, `zone` or both.
    pub listed_by: Vec<&'static str>,
    /// `ok`, or what happens instead.
    pub udp: String,
    /// `ok`, or what happens instead.
    pub tcp: String,
    /// `ok`, or what happens instead.
    pub edns: String,
    /// Whether it answers with authority.
    pub authoritative: bool,
    /// The serial it shows.
    pub serial: Option<u32>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Clients lose by it.
    Problem,
    /// Worth a thought, or not to be seen from here.
    Warning,
}

/// One thing that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is, for programs.
    pub kind: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl ZoneReport {
    /// Whether no server of the parent answered, so that nothing can be said.
    #[must_use]
    pub fn is_out_of_reach(&self) -> bool {
        self.parents.is_empty() && self.findings.iter().all(|f| matches!(f.kind, "parent-unknown" | "parent-silent"))
    }
}

impl Expected {
    /// What is compiled of the files.
    #[must_use]
    pub fn of(zone: &Zone) -> Self {
        let mut ns = BTreeSet::new();
        for (owner, set) in zone.rrsets().take_while(|(owner, _)| owner == zone.apex()) {
            if owner == *zone.apex() && set.rtype == RecordType::NS {
                ns.extend(set.rdatas().filter_map(|rdata| Name::from_wire(rdata).ok()));
            }
        }
        let mut addresses = Addresses::new();
        for (owner, set) in zone.rrsets().filter(|(owner, _)| ns.contains(owner)) {
            let found = set.rdatas().filter_map(|rdata| reply::address(set.rtype, rdata));
            addresses.entry(owner).or_default().extend(found);
        }
        Self { apex: zone.apex().clone(), ns, addresses }
    }
}

/// Looks at zones, several at a time, and reports in their order.
pub async fn check(zones: Vec<Expected>, options: &Options) -> Vec<ZoneReport> {
    let asker = Asker {
        options: options.clone(),
        system: if options.resolvers.is_empty() { resolvers_of_system().await } else { Ok(options.resolvers.clone()) },
        turns: Semaphore::new(QUESTIONS_AT_ONCE),
    };
    let (asker, turns) = (Arc::new(asker), Arc::new(Semaphore::new(ZONES_AT_ONCE)));
    let mut looks = JoinSet::new();
    for (index, zone) in zones.into_iter().enumerate() {
        let (asker, turns) = (Arc::clone(&asker), Arc::clone(&turns));
        looks.spawn(async move {
            let _turn = turns.acquire().await.expect("the semaphore is never closed");
            (index, look(&asker, &zone).await)
        });
    }
    let mut reports = looks.join_all().await;
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// Looks at one zone.
async fn look(asker: &Arc<Asker>, zone: &Expected) -> ZoneReport {
    let parents = parent::look(asker, &zone.apex).await;
    let servers = server::look(asker, zone, &parents).await;
    judge::judge(zone, &parents, &servers)
}

/// What asks.
struct Asker {
    options: Options,
    /// The resolvers, or why there are none.
    system: Result<Vec<SocketAddr>, String>,
    turns: Semaphore,
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Silence {
    /// Nothing came in time.
    TimedOut,
    /// Nobody listens there.
    Closed,
    /// This machine has no way there.
    NoWay,
    /// Anything else.
    Other(String),
}

impl Silence {
    fn of(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused | Kind::ConnectionReset => Self::Closed,
            Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::AddrNotAvailable | Kind::Unsupported => {
                Self::NoWay
            }
            _ => Self::Other(error.to_string()),
        }
    }

    /// In a table.
    fn short(&self) -> String {
        match self {
            Self::TimedOut => "no answer".to_owned(),
            Self::Closed => "closed".to_owned(),
            Self::NoWay => "no way there".to_owned(),
            Self::Other(why) => why.clone(),
        }
    }
}

impl Asker {
    /// Asks, again when nothing comes over UDP, and over TCP when the reply did not fit.
    async fn ask(&self, server: SocketAddr, question: Question<'_>) -> Result<Reply, Silence> {
        let reply = self.ask_over(server, question, Transport::Udp).await?;
        if reply.is_truncated { self.ask_over(server, question, Transport::Tcp).await } else { Ok(reply) }
    }

    /// Asks over one transport.
    async fn ask_over(
        &self,
        server: SocketAddr,
        question: Question<'_>,
        transport: Transport,
    ) -> Result<Reply, Silence> {
        let attempts = if transport == Transport::Udp { ATTEMPTS } else { 1 };
        let mut silence = Silence::TimedOut;
        for _ in 0..attempts {
            let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
            silence = match timeout(self.options.limit, send(server, question, transport)).await {
                Ok(Ok(reply)) => match Reply::read(&reply) {
                    Some(reply) => return Ok(reply),
                    None => Silence::Other("its reply is malformed".to_owned()),
                },
                Ok(Err(error)) => Silence::of(&error),
                Err(_) => Silence::TimedOut,
            };
        }
        Err(silence)
    }

    /// Asks the resolvers in turn until one knows.
    async fn resolve(&self, name: &Name, rtype: RecordType) -> Result<Reply, String> {
        let mut trouble = "no resolver".to_owned();
        for resolver in self.system.as_ref().map_err(Clone::clone)? {
            match self.ask(*resolver, Question::of(name, rtype)).await {
                Ok(reply) if matches!(reply.rcode, 0 | 3) => return Ok(reply),
                Ok(reply) => trouble = format!("the resolver {resolver} says {} of {name} {rtype}", reply.rcode_word()),
                Err(silence) => trouble = format!("the resolver {resolver}: {}", silence.short()),
            }
        }
        Err(trouble)
    }

    /// The addresses of a name, by a resolver.
    async fn addresses(&self, name: &Name) -> Result<BTreeSet<IpAddr>, String> {
        let mut found = BTreeSet::new();
        for rtype in [RecordType::A, RecordType::AAAA] {
            found.extend(self.resolve(name, rtype).await?.addresses_in_answer());
        }
        Ok(found)
    }
}

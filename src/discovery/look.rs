//! One look at a source: its resolvers in turn, its records to members.

use super::ask::{Found, ask};
use crate::ask::{self as asking, Question};
use crate::dns::{Name, RecordType};
use crate::steering::{DnsSource, Given, MAX_WEIGHT, Member, is_answerable};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How often a resolver is asked: a datagram may be lost.
const ATTEMPTS: usize = 2;

/// Targets of SRV records that are looked up at a time.
const AT_A_TIME: usize = 16;

/// The members a source has, at least one, in a fixed order.
pub(super) async fn look(source: &DnsSource) -> Result<Vec<Member>, String> {
    let resolvers = match source.resolver {
        Some(resolver) => vec![resolver],
        None => asking::resolvers_of_system().await?,
    };
    let asker = Asker { resolvers, limit: Duration::from_millis(source.timeout_ms) };
    let found = if source.srv { by_service(&asker, source).await? } else { by_address(&asker, source).await? };
    if found.len() > usize::from(source.max) {
        return Err(format!("{} members were found; at most {} are taken (`max`)", found.len(), source.max));
    }
    if found.is_empty() {
        return Err(format!("{} has no address", source.name));
    }
    Ok(found)
}

/// Whom to ask, and how long.
struct Asker {
    resolvers: Vec<SocketAddr>,
    limit: Duration,
}

impl Asker {
    /// The records of a name; the next resolver is asked when one has no good answer.
    async fn ask(&self, name: &Name, rtype: RecordType) -> Result<Vec<Found>, String> {
        let mut trouble = String::new();
        for resolver in self.resolvers.iter().flat_map(|resolver| [resolver; ATTEMPTS]) {
            match ask(*resolver, Question::of(name, rtype), self.limit).await {
                Ok(found) => return Ok(found),
                Err(why) => trouble = why,
            }
        }
        Err(trouble)
    }

    /// The addresses of a name, of both families.
    async fn addresses(&self, name: &Name) -> Result<BTreeSet<IpAddr>, String> {
        let mut addresses = BTreeSet::new();
        for rtype in [RecordType::A, RecordType::AAAA] {
            for found in self.ask(name, rtype).await? {
                let Found::Address(address) = found else { continue };
                if !is_answerable(address) {
                    return Err(format!("{name} has {address}, which is no address that a client could connect to"));
                }
                addresses.insert(address);
            }
        }
        Ok(addresses)
    }
}

/// Each address a member.
async fn by_address(asker: &Asker, source: &DnsSource) -> Result<Vec<Member>, String> {
    Ok(asker.addresses(&source.name).await?.into_iter().map(|address| member(address, 1)).collect())
}

/// The targets of the first priority (RFC 2782) with their weights; ports are of no use in A and AAAA.
async fn by_service(asker: &Asker, source: &DnsSource) -> Result<Vec<Member>, String> {
    let services = asker.ask(&source.name, RecordType::SRV).await?;
    let services: Vec<(u16, u16, Name)> = services
        .into_iter()
        .filter_map(|found| match found {
            Found::Service { priority, weight, target } => Some((priority, weight, target)),
            Found::Address(_) => None,
        })
        .collect();
    let first = services.iter().map(|(priority, ..)| *priority).min();
    let mut targets: Vec<(Name, u16)> = Vec::new();
    for (_, weight, target) in services.into_iter().filter(|(priority, ..)| Some(*priority) == first) {
        let weight = weight.clamp(1, MAX_WEIGHT);
        if target == Name::root() {
            return Err(format!("{} says that the service is not offered", source.name));
        }
        match targets.iter_mut().find(|(known, _)| *known == target) {
            // A target on several ports is one server.
            Some((_, known)) => *known = (*known).max(weight),
            None => targets.push((target, weight)),
        }
    }
    if targets.len() > usize::from(source.max) {
        return Err(format!("{} targets were found; at most {} are taken (`max`)", targets.len(), source.max));
    }
    let mut members: Vec<Member> = Vec::new();
    let mut looks = Vec::new();
    for (target, _) in &targets {
        looks.push(asker.addresses(target));
    }
    let addresses: Vec<_> = stream::iter(looks).buffered(AT_A_TIME).try_collect().await?;
    for (addresses, (_, weight)) in addresses.into_iter().zip(targets) {
        for address in addresses {
            if !members.iter().any(|known| known.addresses().any(|taken| taken == address)) {
                members.push(member(address, weight));
            }
        }
    }
    members.sort_by_key(|member| member.addresses().next());
    Ok(members)
}

/// A member of one address, named by it.
fn member(address: IpAddr, weight: u16) -> Member {
    let mut member = match address {
        IpAddr::V4(v4) => Member::new(Some(v4), None, Given::default()),
        IpAddr::V6(v6) => Member::new(None, Some(v6), Given::default()),
    };
    member.weight = weight;
    member
}

//! The parent of a zone: which servers it has, and what each says of the delegation.

use super::reply::Reply;
use super::{Addresses, Asker, Silence};
use crate::ask::Question;
use crate::dns::{Name, RecordType};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Servers of the parent that are asked.
const MAX_PARENTS: usize = 16;

/// What is known of the parent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Parent {
    /// Its name; absent when its servers were given.
    pub(super) name: Option<Name>,
    /// Why its servers could not be found.
    pub(super) trouble: Option<String>,
    /// What each of its servers says.
    pub(super) views: Vec<(SocketAddr, View)>,
}

/// What one server of the parent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// It refers to the zone's servers.
    Refers(Referral),
    /// It answers with authority: it serves the zone, too, so that its delegation cannot be seen.
    ServesZone,
    /// It knows of no delegation.
    Knows(&'static str),
    /// It does not serve the parent, or not well.
    Unfit(String),
    /// It says nothing.
    Silent(Silence),
}

/// A delegation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Referral {
    pub(super) ns: BTreeSet<Name>,
    pub(super) glue: Addresses,
    /// Whether there are DS records, where that was answered.
    pub(super) ds: Option<bool>,
}

impl Parent {
    /// The delegations that were seen.
    pub(super) fn referrals(&self) -> impl Iterator<Item = (SocketAddr, &Referral)> {
        self.views.iter().filter_map(|(server, view)| match view {
            View::Refers(referral) => Some((*server, referral)),
            _ => None,
        })
    }
}

/// Finds the parent's servers and asks each.
pub(super) async fn look(asker: &Asker, apex: &Name) -> Parent {
    let (name, servers) = if asker.options.parents.is_empty() {
        match find(asker, apex).await {
            Ok((name, servers)) => (Some(name), servers),
            Err(trouble) => return Parent { trouble: Some(trouble), ..Parent::default() },
        }
    } else {
        (None, asker.options.parents.clone())
    };
    let asked =
        servers.into_iter().take(MAX_PARENTS).map(|server| async move { (server, view(asker, server, apex).await) });
    Parent { name, trouble: None, views: futures_util::future::join_all(asked).await }
}

/// The closest name above that has a SOA record, and its servers' addresses.
async fn find(asker: &Asker, apex: &Name) -> Result<(Name, Vec<SocketAddr>), String> {
    let mut above = apex.parent().ok_or("the root has no parent")?;
    while asker.resolve(&above, RecordType::SOA).await?.serial(&above).is_none() {
        above = above.parent().ok_or("no name above it has a SOA record")?;
    }
    let names: Vec<Name> = asker.resolve(&above, RecordType::NS).await?.servers(1, &above).cloned().collect();
    let mut servers = BTreeSet::new();
    let mut trouble = format!("the parent {above} has no nameservers");
    for name in names.iter().take(MAX_PARENTS) {
        match asker.addresses(name).await {
            Ok(addresses) if addresses.is_empty() => trouble = format!("{name}, of the parent {above}, has no address"),
            Ok(addresses) => servers.extend(addresses.into_iter().map(|address| SocketAddr::new(address, 53))),
            Err(why) => trouble = why,
        }
    }
    if servers.is_empty() { Err(trouble) } else { Ok((above, servers.into_iter().collect())) }
}

/// What one of them says.
async fn view(asker: &Asker, server: SocketAddr, apex: &Name) -> View {
    let reply = match asker.ask(server, Question::at_source(apex, RecordType::NS)).await {
        Ok(reply) => reply,
        Err(silence) => return View::Silent(silence),
    };
    let Some(mut referral) = referral(&reply, apex) else { return other(&reply, apex) };
    // The parent answers for DS itself (RFC 4035 §3.1.4.1).
    let ds = asker.ask(server, Question::at_source(apex, RecordType::DS)).await;
    referral.ds = ds.ok().filter(|reply| reply.rcode == 0).map(|reply| reply.has(apex, RecordType::DS));
    View::Refers(referral)
}

/// The delegation in a reply. Some servers put it among the answers, without authority.
fn referral(reply: &Reply, apex: &Name) -> Option<Referral> {
    if reply.rcode != 0 || reply.is_authoritative {
        return None;
    }
    let ns: BTreeSet<Name> = [1, 2].into_iter().flat_map(|section| reply.servers(section, apex)).cloned().collect();
    let mut glue: Addresses = BTreeMap::new();
    for (owner, address) in reply.glue().filter(|(owner, _)| ns.contains(*owner)) {
        glue.entry(owner.clone()).or_default().insert(address);
    }
    (!ns.is_empty()).then_some(Referral { ns, glue, ds: None })
}

/// What a reply without a delegation means.
fn other(reply: &Reply, apex: &Name) -> View {
    match reply.rcode {
        0 if reply.is_authoritative && reply.servers(1, apex).next().is_some() => View::ServesZone,
        0 if reply.is_authoritative => View::Knows("the name exists there, without NS records"),
        3 => View::Knows("there is no such name (NXDOMAIN)"),
        0 => View::Unfit("it refers elsewhere: it does not serve the parent".to_owned()),
        _ => View::Unfit(format!("it says {}", reply.rcode_word())),
    }
}

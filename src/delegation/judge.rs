//! Facts to findings: pure, so that every case can be tried without a network.

use super::parent::{Parent, Referral, View};
use super::server::{Answer, Edns, Server, Servers};
use super::{Expected, Finding, ParentReport, ServerReport, Severity, Silence, ZoneReport};
use crate::dns::Name;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::IpAddr;

/// Findings under way.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn problem(&mut self, kind: &'static str, message: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Problem, kind, message.into(), remedy.into());
    }

    fn warn(&mut self, kind: &'static str, message: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Warning, kind, message.into(), remedy.into());
    }

    fn add(&mut self, severity: Severity, kind: &'static str, message: String, remedy: String) {
        let finding = Finding { severity, kind, message, remedy };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }
}

/// What follows from everything that was seen.
pub(super) fn judge(zone: &Expected, parent: &Parent, servers: &Servers) -> ZoneReport {
    let mut found = Findings::default();
    judge_parent(zone, parent, &mut found);
    if let Some((_, referral)) = parent.referrals().next() {
        judge_names(zone, referral, &mut found);
        judge_glue(zone, referral, servers, &mut found);
    }
    judge_unknown(zone, servers, &mut found);
    for server in &servers.seen {
        judge_server(zone, server, &mut found);
    }
    judge_serials(servers, &mut found);
    judge_signature(zone, parent, servers, &mut found);
    found.0.sort_by_key(|finding| finding.severity);
    ZoneReport {
        zone: zone.apex.to_string(),
        parents: parent.referrals().map(|(server, referral)| parent_report(server, referral)).collect(),
        servers: servers.seen.iter().map(|server| server_report(zone, parent, server)).collect(),
        findings: found.0,
    }
}

/// Who serves the parent, and whether it delegates.
fn judge_parent(zone: &Expected, parent: &Parent, found: &mut Findings) {
    if let Some(trouble) = &parent.trouble {
        let remedy = "name a resolver that knows it (--resolver), or the parent's servers (--parent)";
        found.problem("parent-unknown", format!("the parent's servers cannot be found: {trouble}"), remedy);
        return;
    }
    let of_parent = parent.name.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
    let somebody = parent.views.iter().any(|(_, view)| !matches!(view, View::Silent(_) | View::Unfit(_)));
    for (server, view) in &parent.views {
        match view {
            View::Refers(_) => {}
            View::ServesZone => found.warn(
                "parent-serves-zone",
                format!("{server}{of_parent} serves this zone, too: what it delegates cannot be seen there"),
                "nothing, where the zone's records in the parent are right",
            ),
            View::Knows(what) => found.problem(
                "not-delegated",
                format!("{server}{of_parent} does not delegate the zone: {what}"),
                format!("add to the parent zone: {}", records(&zone.apex, "NS", &zone.ns)),
            ),
            View::Unfit(why) => found.problem(
                "parent-lame",
                format!("{server}{of_parent} does not serve the parent: {why}"),
                "have it serve the parent zone, or give others by --parent",
            ),
            View::Silent(Silence::NoWay) if somebody => {}
            View::Silent(silence) => found.problem(
                "parent-silent",
                format!("{server}{of_parent}: {}", silence.short()),
                "see that UDP port 53 is open on the way there, or give other servers of the parent by --parent",
            ),
        }
    }
    let mut referrals = parent.referrals();
    if let Some((first, one)) = referrals.next() {
        for (other, two) in referrals.filter(|(_, two)| (&two.ns, &two.glue) != (&one.ns, &one.glue)) {
            let message = format!(
                "{first} and {other}, both of the parent, delegate differently: {} and {}",
                referral_words(one),
                referral_words(two)
            );
            found.problem(
                "parents-differ",
                message,
                "wait until the parent's servers have the same zone, or mend its transfers",
            );
        }
    }
}

/// Whether both sides of the cut have the same NS records.
fn judge_names(zone: &Expected, referral: &Referral, found: &mut Findings) {
    let missing: BTreeSet<Name> = zone.ns.difference(&referral.ns).cloned().collect();
    let extra: BTreeSet<Name> = referral.ns.difference(&zone.ns).cloned().collect();
    if !missing.is_empty() {
        let message = format!("the parent does not delegate to {}, which the zone names", list(&missing));
        found.problem(
            "ns-missing",
            message,
            format!("add to the parent zone: {}", records(&zone.apex, "NS", &missing)),
        );
    }
    if !extra.is_empty() {
        let message = format!("the parent delegates to {}, which the zone does not name", list(&extra));
        let remedy = "take it out of the parent zone, or add it to the zone's NS records (`ns` of `[zone]`)";
        found.problem("ns-extra", message, remedy);
    }
    if zone.ns.len() < 2 {
        let remedy = "add a second one in another network (a plain secondary will do)";
        found.warn("one-nameserver", "the zone has one nameserver: without it the zone is gone", remedy);
    }
}

/// Whether the parent's addresses are those of the servers.
fn judge_glue(zone: &Expected, referral: &Referral, servers: &Servers, found: &mut Findings) {
    let none = BTreeSet::new();
    for name in &referral.ns {
        let glue = referral.glue.get(name).unwrap_or(&none);
        let is_inside = name.is_within(&zone.apex);
        let own = match servers.outside.get(name) {
            Some(Ok(addresses)) => addresses,
            Some(Err(_)) => continue,
            None => zone.addresses.get(name).unwrap_or(&none),
        };
        // Who is listed by the parent alone may have no address in the zone.
        if own.is_empty() {
            continue;
        }
        if glue.is_empty() && is_inside {
            let message = format!("the parent has no glue for {name}: nobody can find it");
            found.problem("glue-missing", message, format!("add to the parent zone: {}", address_records(name, own)));
        } else if !glue.is_empty() && glue != own {
            let message = format!("the parent's glue for {name} is {}, its address is {}", list(glue), list(own));
            let remedy = format!("correct the parent zone: {}", address_records(name, own));
            found.problem("glue-differs", message, remedy);
        }
    }
}

/// Nameservers without an address.
fn judge_unknown(zone: &Expected, servers: &Servers, found: &mut Findings) {
    for (name, addresses) in &servers.outside {
        let known = servers.seen.iter().any(|server| server.name == *name);
        match addresses {
            Ok(addresses) if addresses.is_empty() && !known => {
                let remedy = "give it an A or AAAA record, or take it out of the NS records on both sides";
                found.problem("no-address", format!("the nameserver {name} has no address"), remedy);
            }
            Err(why) if !known => {
                let remedy = "name a resolver that knows it (--resolver)";
                found.problem("no-address", format!("the address of {name} cannot be found: {why}"), remedy);
            }
            _ => {}
        }
    }
    let inside = zone.ns.iter().filter(|name| name.is_within(&zone.apex));
    for name in inside.filter(|name| zone.addresses.get(name).is_none_or(BTreeSet::is_empty)) {
        let remedy = "add its A or AAAA record to the zone (`glue` of `[zone]`)";
        found.problem("no-address", format!("the nameserver {name} lies in the zone and has no address there"), remedy);
    }
}

/// What one server does wrong.
fn judge_server(zone: &Expected, server: &Server, found: &mut Findings) {
    let who = format!("{} ({})", server.name, server.address);
    if server.is_beyond() {
        let remedy = "look from a machine that has this kind of address, too";
        found.warn("not-seen", format!("{who} cannot be reached from this machine"), remedy);
        return;
    }
    match &server.udp {
        Err(silence) => {
            let remedy = "start the server there, open UDP port 53, or take it out of the NS records on both sides";
            found.problem("no-udp", format!("{who} does not answer over UDP: {}", silence.short()), remedy);
        }
        // What it serves is seen over TCP.
        Ok(answer) if answer.sends_to_tcp() => {
            let remedy = "see why: a rate limit may cut its answers down, and then every resolver asks twice";
            found.warn("truncates", format!("{who} sends whoever asks over UDP to TCP"), remedy);
        }
        Ok(answer) => judge_answer(zone, &who, answer, found),
    }
    match (&server.tcp, &server.udp) {
        (Err(silence), Ok(_)) => {
            let remedy = "open TCP port 53: answers that do not fit a datagram come over TCP, and so do transfers";
            found.problem("no-tcp", format!("{who} does not answer over TCP: {}", silence.short()), remedy);
        }
        (Ok(tcp), Ok(udp)) if udp.sends_to_tcp() => judge_answer(zone, &who, tcp, found),
        (Ok(tcp), Ok(udp)) if tcp.is_good() != udp.is_good() => {
            let message = format!("{who} serves the zone over one transport and not over the other");
            found.problem("transports-differ", message, "have the same server answer UDP and TCP port 53");
        }
        (Ok(tcp), Err(_)) => judge_answer(zone, &who, tcp, found),
        _ => {}
    }
    judge_edns(&who, server, found);
    if let Some(ns) = server.ns.as_ref().filter(|ns| **ns != zone.ns) {
        let message = format!("{who} says that the nameservers are {}, the files say {}", list(ns), list(&zone.ns));
        let remedy = "reload it, or see why its copy of the zone is not the newest";
        found.problem("ns-differs", message, remedy);
    }
}

/// Whether the zone is served.
fn judge_answer(zone: &Expected, who: &str, answer: &Answer, found: &mut Findings) {
    if answer.is_good() {
        return;
    }
    if answer.rcode == 0 && answer.serial.is_some() {
        let remedy = "name the server itself in the NS records, not a resolver or a cache before it";
        found.problem("not-authoritative", format!("{who} answers without authority (AA is not set)"), remedy);
        return;
    }
    let what = if answer.rcode == 0 { "its answer has no SOA record" } else { &*answer.rcode_word };
    let remedy = "have it serve the zone, or take it out of the NS records on both sides";
    found.problem("lame", format!("{who} does not serve {}: {what}", zone.apex), remedy);
}

/// What becomes of EDNS.
fn judge_edns(who: &str, server: &Server, found: &mut Findings) {
    let remedy =
        "have the server, or what stands before it, let EDNS (RFC 6891) through: resolvers send it with every question";
    match server.edns {
        Edns::Works | Edns::Unknown => {}
        Edns::Ignored => {
            found.warn("edns", format!("{who} answers questions with EDNS as if it did not know it"), remedy);
        }
        Edns::Refused => found.problem("edns", format!("{who} answers questions with EDNS by an error"), remedy),
        Edns::Lost => found.problem("edns", format!("{who} does not answer questions with EDNS"), remedy),
    }
}

/// Whether all have the same zone.
fn judge_serials(servers: &Servers, found: &mut Findings) {
    let shown: Vec<(&Server, u32)> = servers.seen.iter().filter_map(|s| Some((s, s.serial()?))).collect();
    if shown.iter().map(|(_, serial)| serial).collect::<BTreeSet<_>>().len() > 1 {
        let each = shown.iter().map(|(server, serial)| format!("{} ({}) {serial}", server.name, server.address));
        let message = format!("the servers show different serials: {}", each.collect::<Vec<_>>().join(", "));
        let remedy = "see that the secondaries are notified and may transfer (`notify`, `allow` and `keys` of `[transfer]`, and their own log)";
        found.problem("serials-differ", message, remedy);
    }
}

/// DS in the parent of a zone that is not signed.
fn judge_signature(zone: &Expected, parent: &Parent, servers: &Servers, found: &mut Findings) {
    let has_ds = parent.referrals().any(|(_, referral)| referral.ds == Some(true));
    let keys: Vec<bool> = servers.seen.iter().filter_map(|server| server.dnskey).collect();
    if has_ds && !keys.is_empty() && !keys.contains(&true) {
        let message = "the parent has a DS record, and the zone is not signed: resolvers that validate answer SERVFAIL";
        found.problem("ds-unsigned", message, format!("remove the DS records of {} from the parent zone", zone.apex));
    }
}

fn parent_report(server: std::net::SocketAddr, referral: &Referral) -> ParentReport {
    ParentReport {
        server,
        ns: referral.ns.iter().map(Name::to_string).collect(),
        glue: referral.glue.iter().map(|(name, addresses)| (name.to_string(), addresses.clone())).collect(),
        ds: referral.ds,
    }
}

fn server_report(zone: &Expected, parent: &Parent, server: &Server) -> ServerReport {
    let by_parent = parent.referrals().any(|(_, referral)| referral.ns.contains(&server.name));
    let listed = [(by_parent, "parent"), (zone.ns.contains(&server.name), "zone")];
    let words = |answer: &Result<Answer, Silence>| match answer {
        Ok(answer) if answer.is_good() => "ok".to_owned(),
        Ok(answer) if answer.rcode != 0 => answer.rcode_word.clone(),
        Ok(answer) if answer.sends_to_tcp() => "truncated".to_owned(),
        Ok(answer) if answer.serial.is_none() => "no SOA".to_owned(),
        Ok(_) => "no AA".to_owned(),
        Err(silence) => silence.short(),
    };
    ServerReport {
        name: server.name.to_string(),
        address: server.address,
        listed_by: listed.into_iter().filter(|(is, _)| *is).map(|(_, who)| who).collect(),
        udp: words(&server.udp),
        tcp: words(&server.tcp),
        edns: match server.edns {
            Edns::Works => "ok",
            Edns::Ignored => "ignored",
            Edns::Refused => "refused",
            Edns::Lost => "lost",
            Edns::Unknown => "-",
        }
        .to_owned(),
        authoritative: server.udp.as_ref().is_ok_and(|answer| answer.is_authoritative),
        serial: server.serial(),
    }
}

/// `a, b`.
fn list(all: &BTreeSet<impl Display>) -> String {
    if all.is_empty() { "none".to_owned() } else { all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") }
}

/// Records to be added, `; ` between them.
fn records(owner: &Name, rtype: &str, data: &BTreeSet<impl Display>) -> String {
    data.iter().map(|one| format!("`{owner} {rtype} {one}`")).collect::<Vec<_>>().join(", ")
}

/// The address records of a name.
fn address_records(owner: &Name, addresses: &BTreeSet<IpAddr>) -> String {
    let rtype = |address: &IpAddr| if address.is_ipv4() { "A" } else { "AAAA" };
    addresses.iter().map(|one| format!("`{owner} {} {one}`", rtype(one))).collect::<Vec<_>>().join(", ")
}

/// A delegation in a sentence.
fn referral_words(referral: &Referral) -> String {
    let glue = referral.glue.iter().map(|(name, addresses)| format!("{name} at {}", list(addresses)));
    format!("{} ({})", list(&referral.ns), glue.collect::<Vec<_>>().join(", "))
}

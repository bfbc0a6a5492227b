//! What the operator wrote, checked once: zone files and the server's file to typed definitions.
//!
//! `v1` is the form of the files, kept apart from the types the other rooms work with. Everything
//! that is wrong in any file is found in one go and shown with line, column and caret; a folder with
//! a problem loads nothing. Reads files; never a clock, a socket or a store.

mod announce;
mod arrivals;
mod check;
mod claims;
mod copy;
mod findings;
mod folder;
mod idle;
mod master;
mod monitor;
mod named_file;
mod parts;
mod plan;
mod pool;
mod problem;
mod rule;
pub mod server;
mod sharing;
mod switch;
pub mod v1;
mod value;
mod zone;

#[cfg(test)]
mod tests;

pub use announce::Announcement;
pub use check::{Information, Report, check, check_with};
pub use problem::{Problem, Problems, nearest};
pub use server::{CookieMode, DnstapConfig, DnstapTarget, Overrides, RateConfig, ServerConfig, TransferConfig};

use crate::dns::tsig::KeyRing;
use crate::dns::{Name, RecordType};
use crate::state::{Definitions, ZoneDefinition};
use crate::steering::{GeoDatabases, GeoNetworks, GeoWanted};
use findings::{Findings, Scope};
use folder::{Folder, ZoneFiles};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use zone::ReadZone;

/// More records than this in one set are worth a warning: the answer no longer fits a datagram.
const MAX_SET_RECORDS: usize = 100;

/// A folder of zones that may be served.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Every zone, sorted by apex.
    pub definitions: Definitions,
    /// What is worth a thought.
    pub warnings: Vec<Problem>,
}

/// Loads every zone of a folder, or says everything that is wrong.
///
/// # Errors
/// Everything that is wrong; rules by country or system are, since there is no database.
pub fn load_zones(folder: &Path) -> Result<Loaded, Problems> {
    load_zones_with(folder, &GeoDatabases::default(), None, None)
}

/// As [`load_zones`], with databases for rules by country and system, records that announce transports, and the
/// keys that zones may name.
///
/// # Errors
/// Everything that is wrong.
pub fn load_zones_with(
    folder: &Path,
    geo: &GeoDatabases,
    announcement: Option<&Announcement>,
    keys: Option<&KeyRing>,
) -> Result<Loaded, Problems> {
    let (zones, networks, findings) = read_folder(folder, geo, announcement, keys);
    if !findings.problems.is_empty() {
        return Err(Problems::in_order(findings.problems));
    }
    let definitions = Definitions::with_networks(define(zones), Arc::new(networks));
    Ok(Loaded { definitions, warnings: Problems::in_order(findings.warnings).0 })
}

/// Reads and judges a folder; the zones are whole only when no problem was found.
fn read_folder(
    path: &Path,
    geo: &GeoDatabases,
    announcement: Option<&Announcement>,
    keys: Option<&KeyRing>,
) -> (Vec<ReadZone>, GeoNetworks, Findings) {
    let folder = Folder::new(path, geo, keys);
    let mut findings = Findings::default();
    let files = folder.zones(&mut findings);
    if files.is_empty() && findings.problems.is_empty() {
        let remedy = "put `<zone>.zone` or `<zone>.toml` there".to_owned();
        findings.warnings.push(Problem::of_file(
            &path.display().to_string(),
            "the folder has no zone file: every query will be refused",
            Some(remedy),
        ));
    }
    let mut zones = Vec::with_capacity(files.len());
    for (zone, found) in read_in_parallel(&files, &folder) {
        findings.append(found);
        zones.extend(zone);
    }
    if let Some(announcement) = announcement {
        announcement.add_to(&mut zones, &mut findings);
    }
    judge_together(&zones, &mut findings);
    let networks = find_networks(&zones, geo, path, &mut findings);
    (zones, networks, findings)
}

/// What the databases have of the countries and systems that rules name.
fn find_networks(zones: &[ReadZone], geo: &GeoDatabases, folder: &Path, findings: &mut Findings) -> GeoNetworks {
    let mut wanted = GeoWanted::default();
    zones.iter().flat_map(|zone| &zone.switches).for_each(|marked| wanted.add(&marked.switch));
    let networks = match GeoNetworks::search(geo, &wanted) {
        Ok(networks) => networks,
        Err(error) => {
            findings.problems.push(Problem::of_file(&folder.display().to_string(), error.to_string(), None));
            return GeoNetworks::default();
        }
    };
    for zone in zones {
        let Some(source) = &zone.settings else { continue };
        for marked in &zone.switches {
            for (rule, absent) in networks.absent_from(&marked.switch.rules) {
                let message = format!("rule `{rule}`: the database has no network of {absent}");
                let mut scope = Scope { source, findings };
                scope.warn(&marked.name, message, "it matches nobody until the database has one");
            }
        }
    }
    networks
}

/// Reads each zone by itself, on every core when there are many.
fn read_in_parallel(files: &[ZoneFiles], folder: &Folder) -> Vec<(Option<ReadZone>, Findings)> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = files.len().div_ceil(cores).max(1);
    let read = |part: &[ZoneFiles]| -> Vec<(Option<ReadZone>, Findings)> {
        part.iter()
            .map(|files| {
                let (zone, mut findings) = zone::read_zone(files, folder);
                if let Some(zone) = &zone {
                    claims::judge(zone, &mut findings);
                }
                (zone, findings)
            })
            .collect()
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = files.chunks(share).map(|part| scope.spawn(|| read(part))).collect();
        parts.into_iter().flat_map(|part| part.join().expect("reading a zone does not panic")).collect()
    })
}

/// What only shows when all zones are looked at: names used twice, owners in a zone within the zone,
/// member addresses in static data.
fn judge_together(zones: &[ReadZone], findings: &mut Findings) {
    let apexes: HashSet<&Name> = zones.iter().map(|zone| &zone.apex).collect();
    let mut names: HashMap<&str, &ReadZone> = HashMap::new();
    for zone in zones {
        let Some(source) = &zone.settings else { continue };
        let mut scope = Scope { source, findings };
        for marked in &zone.switches {
            if let Some(first) = names.insert(&marked.switch.name, zone) {
                let message = format!("a switch `{}` is already in `{}`", marked.switch.name, first.file);
                scope.refuse(
                    &marked.name,
                    message,
                    "give it another name: operators and the API know switches by name alone",
                );
            }
            for (owner, span) in marked.switch.owners.iter().zip(&marked.owners) {
                if let Some(inner) = zone_within(owner, &zone.apex, &apexes) {
                    let message = format!(
                        "`{}` lies in the zone `{}`, which is served from its own files",
                        switch::bare(owner),
                        switch::bare(&inner)
                    );
                    scope.refuse(span, message, "put the switch into the file of that zone");
                }
            }
        }
    }
    refuse_own_sources(zones, &apexes, findings);
    warn_static_addresses(zones, findings);
}

/// Members are never looked up in a zone of ours: answers would follow from answers.
fn refuse_own_sources(zones: &[ReadZone], apexes: &HashSet<&Name>, findings: &mut Findings) {
    for zone in zones {
        let Some(source) = &zone.settings else { continue };
        for marked in &zone.switches {
            for (pool, span) in marked.switch.pools.iter().zip(&marked.pools) {
                let Some(dns) = &pool.discover else { continue };
                let mut above = std::iter::successors(Some(dns.name.clone()), Name::parent);
                if let Some(apex) = above.find(|name| apexes.contains(name)) {
                    let message = format!(
                        "members are looked up at `{}`, which lies in the zone `{}` of this server",
                        switch::bare(&dns.name),
                        switch::bare(&apex)
                    );
                    let remedy = "name a service of another server: answers that follow from our own go in circles";
                    Scope { source, findings }.refuse(span, message, remedy);
                }
            }
        }
    }
}

/// A served zone between an owner and its own zone's apex.
fn zone_within(owner: &Name, apex: &Name, apexes: &HashSet<&Name>) -> Option<Name> {
    if apexes.len() < 2 {
        return None;
    }
    let mut at = (owner != apex).then(|| owner.clone());
    while let Some(name) = at {
        if apexes.contains(&name) {
            return Some(name);
        }
        at = name.parent().filter(|parent| parent != apex);
    }
    None
}

/// Member addresses that static records give away too: no flip reaches those.
fn warn_static_addresses(zones: &[ReadZone], findings: &mut Findings) {
    let mut members: HashMap<IpAddr, (usize, usize, usize, usize)> = HashMap::new();
    for (z, zone) in zones.iter().enumerate() {
        for (s, marked) in zone.switches.iter().enumerate() {
            for (p, pool) in marked.switch.pools.iter().enumerate() {
                for (m, member) in pool.members.iter().enumerate() {
                    for address in member.addresses() {
                        members.entry(address).or_insert((z, s, p, m));
                    }
                }
            }
        }
    }
    if members.is_empty() {
        return;
    }
    for zone in zones {
        for record in zone.text.records().filter(|r| matches!(r.rtype, RecordType::A | RecordType::AAAA)) {
            let address = <[u8; 4]>::try_from(record.rdata)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(record.rdata).map(IpAddr::from));
            let Some((z, s, p, m)) = address.ok().and_then(|address| members.remove(&address)) else { continue };
            let (holder, marked) = (&zones[z], &zones[z].switches[s]);
            let Some(source) = &holder.settings else { continue };
            let shown = address.map_or_else(|_| String::new(), |a| a.to_string());
            let message = format!(
                "{shown} also stands in static data: `{}` in {}",
                switch::bare(&record.owner_name()),
                claims::place(&zone.text, &record)
            );
            let remedy = "clients of that name are not moved by a flip, and it keeps the server in use";
            Scope { source, findings }.warn(&marked.members[p][m], message, remedy);
        }
    }
}

/// The typed definitions of zones without a problem.
fn define(zones: Vec<ReadZone>) -> Vec<Arc<ZoneDefinition>> {
    zones
        .into_iter()
        .map(|zone| {
            let mut plans = BTreeMap::new();
            let mut switches = Vec::with_capacity(zone.switches.len());
            for marked in zone.switches {
                plans.extend(marked.plan.map(|plan| (Arc::clone(&marked.switch.name), plan)));
                switches.push(Arc::new(marked.switch));
            }
            let mut definition = if zone.primaries.is_empty() {
                ZoneDefinition::compile(zone.apex, &zone.text, zone.serial, switches, zone.max_moving)
            } else {
                ZoneDefinition::copy_of(zone.apex, zone.primaries)
            };
            definition.plans = plans;
            definition.transfer = zone.transfer;
            Arc::new(definition)
        })
        .collect()
}

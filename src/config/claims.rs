//! Names that switches claim in their zone: owners, pins and `_explain`, against each other and
//! against static data (§1.4, §1.11). One pass over the names, one over the records.

use super::findings::{Findings, Scope};
use super::pool::types_of;
use super::switch::{Marked, bare};
use super::zone::ReadZone;
use crate::dns::{Name, NameError, RecordType};
use crate::zone::{RecordRef, ZoneText};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What a name is claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Steered.
    Owner,
    /// Answers one pool.
    Pin {
        /// Index of the pool.
        pool: usize,
    },
    /// Explains.
    Explain,
}

/// A claimed name.
#[derive(Debug, Clone, Copy)]
struct Claim {
    /// Index of the switch.
    switch: usize,
    /// Index of the owner it comes from.
    owner: usize,
    /// What for.
    purpose: Use,
}

/// Every name that a zone's switches claim.
#[derive(Debug, Default)]
struct Claims {
    /// By wire form.
    names: HashMap<Box<[u8]>, Claim>,
    /// Names above steered ones, up to the apex: the first that stands below.
    above: HashMap<Box<[u8]>, Claim>,
}

/// Judges a zone's claims; `switches` stand in `source`.
pub(super) fn judge(zone: &ReadZone, findings: &mut Findings) {
    let Some(source) = &zone.settings else { return };
    let mut scope = Scope { source, findings };
    let claims = claim_all(&mut scope, &zone.switches, &zone.apex);
    judge_records(&mut scope, zone, &claims);
}

/// Claims every name, and refuses the second claim of a name.
fn claim_all(scope: &mut Scope<'_>, switches: &[Marked], apex: &Name) -> Claims {
    let mut claims = Claims::default();
    for (switch, marked) in switches.iter().enumerate() {
        for (owner, name) in marked.switch.owners.iter().enumerate() {
            let claim = Claim { switch, owner, purpose: Use::Owner };
            take(scope, switches, &mut claims, name, claim);
            let mut above = if name == apex { None } else { name.parent() };
            while let Some(ancestor) = above {
                claims.above.entry(ancestor.wire().into()).or_insert(claim);
                above = if ancestor == *apex { None } else { ancestor.parent() };
            }
        }
    }
    for (switch, marked) in switches.iter().enumerate() {
        for (owner, name) in marked.switch.owners.iter().enumerate() {
            let base = if name.is_wildcard() { name.parent().unwrap_or_else(Name::root) } else { name.clone() };
            let pins =
                marked.switch.pools.iter().enumerate().map(|(pool, defined)| (&*defined.name, Use::Pin { pool }));
            for (label, purpose) in pins.chain([("_explain", Use::Explain)]) {
                let claim = Claim { switch, owner, purpose };
                let names = base.child(label.as_bytes()).and_then(|at| {
                    let below = if name.is_wildcard() { Some(at.child(b"*")?) } else { None };
                    Ok([Some(at), below])
                });
                match names {
                    Ok(names) => {
                        names.iter().flatten().for_each(|name| take(scope, switches, &mut claims, name, claim));
                    }
                    Err(NameError::NameTooLong) => refuse_length(scope, marked, owner, label),
                    // A pool whose name is no label is refused where it is named.
                    Err(_) => {}
                }
            }
        }
    }
    claims
}

/// A pin or `_explain` name that DNS can't carry.
fn refuse_length(scope: &mut Scope<'_>, marked: &Marked, owner: usize, label: &str) {
    let message = format!("`{label}.{}` is no name: {}", bare(&marked.switch.owners[owner]), NameError::NameTooLong);
    scope.refuse(&marked.owners[owner], message, "shorten the owner, or the pool's name");
}

/// Claims one name.
fn take(scope: &mut Scope<'_>, switches: &[Marked], claims: &mut Claims, name: &Name, claim: Claim) {
    match claims.names.entry(name.wire().into()) {
        Entry::Vacant(free) => {
            free.insert(claim);
        }
        Entry::Occupied(taken) => {
            let first = *taken.get();
            // `base` and `*.base` in one switch share their pins, which answer the same pool.
            if first.switch == claim.switch && first.purpose == claim.purpose && claim.purpose != Use::Owner {
                return;
            }
            let message =
                format!("`{}` would be {} and {}", bare(name), describe(switches, first), describe(switches, claim));
            let remedy = match (first.purpose, claim.purpose) {
                (Use::Owner, Use::Owner) => "steer each name by one switch",
                _ => "choose another owner, or rename the pool",
            };
            scope.refuse(span_of(switches, claim), message, remedy);
        }
    }
}

/// The place of the owner a claim comes from.
fn span_of(switches: &[Marked], claim: Claim) -> &Range<usize> {
    &switches[claim.switch].owners[claim.owner]
}

/// What a claim is, in words.
fn describe(switches: &[Marked], claim: Claim) -> String {
    let switch = &switches[claim.switch].switch;
    match claim.purpose {
        Use::Owner => format!("an owner of switch `{}`", switch.name),
        Use::Pin { pool } => format!("the pin of pool `{}` of switch `{}`", switch.pools[pool].name, switch.name),
        Use::Explain => format!("the explanation of switch `{}`", switch.name),
    }
}

/// Static records at or above claimed names.
fn judge_records(scope: &mut Scope<'_>, zone: &ReadZone, claims: &Claims) {
    if claims.names.is_empty() {
        return;
    }
    let steered: Vec<HashSet<RecordType>> = zone.switches.iter().map(steered_types).collect();
    let mut said: HashSet<(&[u8], RecordType)> = HashSet::new();
    for record in zone.text.records() {
        if let Some(claim) = claims.names.get(record.owner) {
            let key = (record.owner, if claim.purpose == Use::Owner { record.rtype } else { RecordType::ANY });
            if let Some((message, remedy)) = conflict(zone, &record, *claim, &steered[claim.switch])
                && said.insert(key)
            {
                scope.refuse(span_of(&zone.switches, *claim), message, remedy);
            }
        }
        let cuts =
            (record.rtype == RecordType::NS && record.owner != zone.apex.wire()) || record.rtype == RecordType::DNAME;
        if cuts
            && let Some(claim) = claims.above.get(record.owner)
            && said.insert((record.owner, record.rtype))
        {
            let owner = bare(&zone.switches[claim.switch].switch.owners[claim.owner]);
            let what =
                if record.rtype == RecordType::NS { "is delegated to another server" } else { "is redirected (DNAME)" };
            let message = format!(
                "`{owner}` lies below `{}`, which {what} in {}",
                bare(&record.owner_name()),
                place(&zone.text, &record)
            );
            scope.refuse(span_of(&zone.switches, *claim), message, "steer a name above the cut, or remove the cut");
        }
    }
}

/// What speaks against a static record at a claimed name.
fn conflict(
    zone: &ReadZone,
    record: &RecordRef<'_>,
    claim: Claim,
    steered: &HashSet<RecordType>,
) -> Option<(String, String)> {
    let name = bare(&record.owner_name());
    let at = place(&zone.text, record);
    if claim.purpose != Use::Owner {
        let what = describe(&zone.switches, claim);
        let message = format!("`{name}` is {what}, and a static name in {at}");
        let remedy = if claim.purpose == Use::Explain {
            "remove the static record"
        } else {
            "rename the pool, or remove the static record"
        };
        return Some((message, remedy.to_owned()));
    }
    let at_apex = record.owner == zone.apex.wire();
    let alone = steered.contains(&RecordType::CNAME) || record.rtype == RecordType::CNAME;
    let cut = matches!(record.rtype, RecordType::NS | RecordType::DNAME) && !at_apex;
    if steered.contains(&record.rtype) || cut || (alone && !at_apex) {
        let message = format!("`{name}` is steered and has a static {} record in {at}", record.rtype);
        return Some((message, format!("remove the static {} record, or the owner", record.rtype)));
    }
    None
}

/// The types a switch answers; A and AAAA belong together, since a pool may gain the other.
fn steered_types(marked: &Marked) -> HashSet<RecordType> {
    let mut types: HashSet<RecordType> = marked.switch.pools.iter().flat_map(types_of).collect();
    if types.contains(&RecordType::A) || types.contains(&RecordType::AAAA) {
        types.extend([RecordType::A, RecordType::AAAA]);
    }
    types
}

/// A record's file and line.
pub(super) fn place(text: &ZoneText, record: &RecordRef<'_>) -> String {
    let place = text.place(record.at);
    format!("{}:{}", place.file, place.line)
}

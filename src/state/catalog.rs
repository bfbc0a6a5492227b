//! The catalog zone (RFC 9432, version 2): the zones that may be taken, listed in one more of them, for
//! secondaries that configure themselves by it.
//!
//! A zone like any other to everybody else: its serial rises when what it lists changes.

use super::definitions::{Definitions, ZoneDefinition};
use super::transfers::{TransferRules, TransferTable};
use crate::dns::{Name, RecordType};
use crate::zone::{LineRef, ZoneText};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;

/// TTL of every record, and MINIMUM, seconds: nobody but secondaries reads them.
const TTL_S: u32 = 0;
/// REFRESH, RETRY and EXPIRE, seconds.
const TIMES_S: [u32; 3] = [3_600, 600, 2_147_483_646];
/// Octets of a hash that make a label: two digits each, of the 63 a label may have.
const LABEL_OCTETS: usize = 20;

const _: () = assert!(LABEL_OCTETS * 2 <= 63, "a label is long enough");

/// A zone of the catalog's name is there already, or the name is too long for its members.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the catalog {0} has the name of a zone, or one too long: give `catalog` under `[transfer]` a name of its own, such as catalog.invalid"
)]
pub struct CatalogTaken(pub Name);

/// The definitions with a catalog of those of their zones that somebody may take.
///
/// # Errors
/// When a zone has its name, or a name gets too long below it.
pub fn with_catalog(
    definitions: &Definitions,
    name: &Name,
    rules: &Arc<TransferRules>,
) -> Result<Definitions, CatalogTaken> {
    let taken = || CatalogTaken(name.clone());
    if definitions.zones.iter().any(|zone| zone.apex == *name) {
        return Err(taken());
    }
    let table = TransferTable::of_zones(rules, definitions);
    let members = definitions.zones.iter().map(|zone| &zone.apex).filter(|apex| table.of(apex).allow_somebody());
    let text = listed(members, name).ok_or_else(taken)?;
    let mut zones = definitions.zones.clone();
    let catalog = ZoneDefinition::compile(name.clone(), &text, 1, Vec::new(), None);
    zones.push(Arc::new(ZoneDefinition { generated: true, ..catalog }));
    zones.sort_by(|one, other| one.apex.cmp(&other.apex));
    Ok(Definitions::with_networks(zones, Arc::clone(&definitions.geo)))
}

/// The records of a catalog; `None` when a name gets too long.
fn listed<'m>(members: impl Iterator<Item = &'m Name>, name: &Name) -> Option<ZoneText> {
    let mut text = ZoneText::default();
    let at = LineRef { file: text.add_file("the catalog zone".into()), line: 0 };
    // §4: the SOA as ever, and a nameserver that cannot be one.
    let nowhere = Name::root().child(b"invalid").ok()?;
    let mut soa = [nowhere.wire(), nowhere.wire()].concat();
    for number in [[1].as_slice(), &TIMES_S, &[TTL_S]].concat() {
        soa.extend_from_slice(&number.to_be_bytes());
    }
    text.push(name, RecordType::SOA, TTL_S, &soa, at);
    text.push(name, RecordType::NS, TTL_S, nowhere.wire(), at);
    // §4.2.1: the version of the schema.
    text.push(&name.child(b"version").ok()?, RecordType::TXT, TTL_S, b"\x012", at);
    let below = name.child(b"zones").ok()?;
    for member in members {
        text.push(&below.child(label(member).as_bytes()).ok()?, RecordType::PTR, TTL_S, member.wire(), at);
    }
    Some(text)
}

/// §4.1: a label of its own for each member, the same as long as it is one.
fn label(apex: &Name) -> String {
    let mut label = String::with_capacity(2 * LABEL_OCTETS);
    for octet in Sha256::digest(apex.wire()).iter().take(LABEL_OCTETS) {
        // Writing to a string does not fail.
        let _ = write!(label, "{octet:02x}");
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::TransferOverride;

    fn zone(apex: &str) -> ZoneDefinition {
        ZoneDefinition::compile(apex.parse().unwrap(), &ZoneText::default(), 1, Vec::new(), None)
    }

    fn rules() -> Arc<TransferRules> {
        Arc::new(TransferRules { allow: vec!["192.0.2.0/24".parse().unwrap()], ..TransferRules::default() })
    }

    /// Owner, type and RDATA of what a catalog of these zones holds.
    fn rows(zones: Vec<ZoneDefinition>) -> Vec<(String, RecordType, Vec<u8>)> {
        let name: Name = "catalog.invalid".parse().unwrap();
        let with = with_catalog(&Definitions::new(zones.into_iter().map(Arc::new).collect()), &name, &rules()).unwrap();
        assert!(with.zones.is_sorted_by(|one, other| one.apex < other.apex));
        let catalog = with.zones.iter().find(|zone| zone.apex == name).unwrap().data.clone();
        let sets = catalog.rrsets().flat_map(|(owner, set)| {
            set.rdatas().map(|rdata| (owner.to_string(), set.rtype, rdata.to_vec())).collect::<Vec<_>>()
        });
        sets.collect()
    }

    #[test]
    fn rfc9432_a_catalog_lists_each_zone_under_a_label_that_stays() {
        let members =
            |zones| -> Vec<_> { rows(zones).into_iter().filter(|(_, rtype, _)| *rtype == RecordType::PTR).collect() };
        let version = ("version.catalog.invalid.".to_owned(), RecordType::TXT, b"\x012".to_vec());
        assert!(rows(Vec::new()).contains(&version));
        let two = members(vec![zone("a.test"), zone("b.test")]);
        assert!(two.len() == 2 && two.iter().all(|(owner, ..)| owner.ends_with(".zones.catalog.invalid.")));
        let next = members(vec![zone("b.test"), zone("c.test")]);
        assert_eq!(two.iter().filter(|row| next.contains(row)).count(), 1, "b.test, as before");
    }

    #[test]
    fn a_zone_that_nobody_may_take_is_not_listed_and_a_name_that_is_taken_is_refused() {
        let closed = TransferOverride { allow: Some(Vec::new()), ..TransferOverride::default() };
        let zones = vec![ZoneDefinition { transfer: closed, ..zone("a.test") }, zone("b.test")];
        assert_eq!(rows(zones).iter().filter(|(_, rtype, _)| *rtype == RecordType::PTR).count(), 1);
        let name: Name = "a.test".parse().unwrap();
        let taken = with_catalog(&Definitions::new(vec![Arc::new(zone("a.test"))]), &name, &rules());
        assert_eq!(taken.unwrap_err(), CatalogTaken(name));
    }
}

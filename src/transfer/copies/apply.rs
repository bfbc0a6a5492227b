//! From what a transfer brought to a zone that can be served, or why it cannot: all of it or nothing.

use super::incoming::{Arrived, Step};
use crate::dns::{Name, RecordType};
use crate::zone::{LineRef, Zone, ZoneText, checks};
use std::collections::HashMap;

/// Why a transfer makes no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("the changes do not fit what is held here: {0}")]
    Changes(String),
    #[error("what was transferred is no zone that can be served: {0}")]
    Broken(String),
    #[error(
        "the zone is signed (DNSSEC), and this server does not give out signatures: have an unsigned version transferred"
    )]
    Signed,
}

/// Records of one owner and type.
type Sets = HashMap<(Name, RecordType), (u32, Vec<Box<[u8]>>)>;

/// A zone of these records.
pub(super) fn whole(apex: &Name, records: &[Arrived], from: &str) -> Result<Zone, Unfit> {
    let mut text = ZoneText::default();
    let file = text.add_file(from.into());
    for (line, record) in (1u32..).zip(records) {
        text.push(&record.owner, record.rtype, record.ttl, &record.rdata, LineRef { file, line });
    }
    judged(apex, &text)
}

/// A zone with changes made: each record that goes has to be there, and each that comes must not be.
pub(super) fn changed(held: &Zone, steps: &[Step], from: &str) -> Result<Zone, Unfit> {
    let mut sets = Sets::new();
    for (owner, set) in held.rrsets() {
        sets.insert((owner, set.rtype), (set.ttl(), set.rdatas().map(Box::from).collect()));
    }
    for step in steps {
        for record in &step.gone {
            let place = sets.get_mut(&(record.owner.clone(), record.rtype));
            let found = place.and_then(|(_, rdatas)| {
                let at = rdatas.iter().position(|rdata| *rdata == record.rdata)?;
                Some(rdatas.swap_remove(at))
            });
            if found.is_none() {
                return Err(Unfit::Changes(format!("there is no such {} {} to delete", record.owner, record.rtype)));
            }
        }
        for record in &step.come {
            let (ttl, rdatas) = sets.entry((record.owner.clone(), record.rtype)).or_default();
            if rdatas.contains(&record.rdata) {
                return Err(Unfit::Changes(format!("{} {} is there already", record.owner, record.rtype)));
            }
            // One TTL for the whole set (RFC 2181 §5.2).
            *ttl = record.ttl;
            rdatas.push(record.rdata.clone());
        }
    }
    let mut text = ZoneText::default();
    let at = LineRef { file: text.add_file(from.into()), line: 0 };
    for ((owner, rtype), (ttl, rdatas)) in &sets {
        rdatas.iter().for_each(|rdata| text.push(owner, *rtype, *ttl, rdata, at));
    }
    judged(held.apex(), &text)
}

/// Compiles what the checks of a zone let pass.
fn judged(apex: &Name, text: &ZoneText) -> Result<Zone, Unfit> {
    if let Some(problem) = checks::check(apex, text).errors.first() {
        return Err(Unfit::Broken(problem.to_string()));
    }
    if text.records().any(|record| record.rtype == RecordType::RRSIG && record.owner == apex.wire()) {
        return Err(Unfit::Signed);
    }
    let zone = Zone::build(apex, text, &[]);
    if zone.soa().is_none() {
        return Err(Unfit::Broken("its SOA record cannot be read".to_owned()));
    }
    Ok(zone)
}

#[cfg(test)]
mod tests {
    use super::super::incoming::Step;
    use super::*;
    use crate::dns::rdata::parse_rdata_text;

    fn apex() -> Name {
        "example.test.".parse().unwrap()
    }

    fn record(owner: &str, rtype: RecordType, rdata: &str) -> Arrived {
        let rdata = parse_rdata_text(rtype, rdata, &apex()).unwrap();
        Arrived { owner: format!("{owner}example.test.").parse().unwrap(), rtype, ttl: 60, rdata }
    }

    fn soa(serial: u32) -> Arrived {
        record("", RecordType::SOA, &format!("ns hostmaster {serial} 1 2 3 4"))
    }

    fn zone(serial: u32, more: &[Arrived]) -> Vec<Arrived> {
        [vec![soa(serial), record("", RecordType::NS, "ns"), record("ns.", RecordType::A, "192.0.2.53")], more.to_vec()]
            .concat()
    }

    #[test]
    fn changes_make_the_zone_that_a_whole_transfer_brings() {
        let (old, new) = (record("www.", RecordType::A, "192.0.2.1"), record("www.", RecordType::A, "192.0.2.2"));
        let held = whole(&apex(), &zone(1, std::slice::from_ref(&old)), "test").unwrap();
        let step = Step { gone: vec![soa(1), old.clone()], come: vec![soa(2), new.clone()] };
        let changed_to = changed(&held, std::slice::from_ref(&step), "test").unwrap();
        let direct = whole(&apex(), &zone(2, std::slice::from_ref(&new)), "test").unwrap();
        let sorted = |zone: &Zone| {
            let mut all: Vec<String> = zone.rrsets().map(|(owner, set)| format!("{owner} {set:?}")).collect();
            all.sort();
            all
        };
        assert_eq!(sorted(&changed_to), sorted(&direct));
        let again = changed(&changed_to, std::slice::from_ref(&step), "test").unwrap_err();
        assert!(matches!(again, Unfit::Changes(_)), "what goes has to be there: {again}");
        let twice = Step { gone: vec![soa(1)], come: vec![soa(2), old] };
        assert!(matches!(changed(&held, &[twice], "test"), Err(Unfit::Changes(_))), "what comes must not be");
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_the_reason() {
        let refused = |records: &[Arrived]| whole(&apex(), records, "192.0.2.1:53").unwrap_err().to_string();
        let alias = record("www.", RecordType::CNAME, "ns");
        let beside = record("www.", RecordType::A, "192.0.2.1");
        let text = refused(&zone(1, &[alias, beside]));
        assert!(text.contains("www.example.test") && text.contains("192.0.2.1:53"), "{text}");
        assert!(refused(&[soa(1)]).contains("NS"));
        assert!(refused(&[record("", RecordType::NS, "ns")]).contains("SOA"));
        let signature = record("", RecordType::RRSIG, "A 5 3 1 20230220173103 20230220173103 2642 @ AQID");
        assert_eq!(whole(&apex(), &zone(1, &[signature]), "test"), Err(Unfit::Signed));
    }
}

//! What the records of a zone say of each other.
//!
//! Errors make a zone unfit to serve: no single SOA at the apex, no NS there, a CNAME beside other
//! data (RFC 1034 §3.6.2, RFC 2181 §10.1). Warnings name what resolvers will trip over. The same
//! record written twice is one record and no finding. Knows nothing of switches.

use super::{LineRef, RecordRef, ZoneProblem, ZoneText};
use crate::dns::name::wire_is_within;
use crate::dns::{Name, RecordType, rdata};
use std::collections::HashMap;

/// The most findings of either kind that are kept.
pub const MAX_FINDINGS: usize = 100;

/// KEY, SIG and NXT: with RRSIG and NSEC the types that may stand beside a CNAME (RFC 2181 §10.1).
const OLD_DNSSEC: [u16; 3] = [24, 25, 30];

/// What is wrong with a zone as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneFindings {
    /// The zone cannot be served.
    pub errors: Vec<ZoneProblem>,
    /// The zone is served, and likely not as meant.
    pub warnings: Vec<ZoneProblem>,
}

/// The records of one owner and type.
struct Set<'z> {
    rtype: RecordType,
    ttl: u32,
    /// Where the first record stands, and its RDATA.
    at: LineRef,
    first: &'z [u8],
    /// Where a record with other RDATA stands.
    second: Option<LineRef>,
    /// A record with another TTL, and that TTL.
    other_ttl: Option<(LineRef, u32)>,
}

/// Looks over the records of a zone; they stand in it already.
#[must_use]
pub fn check(apex: &Name, text: &ZoneText) -> ZoneFindings {
    let mut owners: HashMap<&[u8], Vec<Set<'_>>> = HashMap::with_capacity(text.len());
    for record in text.records() {
        add(owners.entry(record.owner).or_default(), record);
    }
    let mut check = Check { apex: apex.wire(), text, owners: &owners, findings: ZoneFindings::default() };
    check.apex();
    for (owner, sets) in &owners {
        check.owner(owner, sets);
    }
    check.targets();
    let mut findings = check.findings;
    for list in [&mut findings.errors, &mut findings.warnings] {
        list.sort_by(|a, b| (&a.place.file, a.place.line, &a.message).cmp(&(&b.place.file, b.place.line, &b.message)));
        list.truncate(MAX_FINDINGS);
    }
    findings
}

fn add<'z>(sets: &mut Vec<Set<'z>>, record: RecordRef<'z>) {
    match sets.iter_mut().find(|set| set.rtype == record.rtype) {
        Some(set) => {
            if record.rdata != set.first {
                set.second = set.second.or(Some(record.at));
            }
            if record.ttl != set.ttl {
                set.other_ttl = set.other_ttl.or(Some((record.at, record.ttl)));
            }
        }
        None => sets.push(Set {
            rtype: record.rtype,
            ttl: record.ttl,
            at: record.at,
            first: record.rdata,
            second: None,
            other_ttl: None,
        }),
    }
}

/// One look over a zone.
struct Check<'z> {
    apex: &'z [u8],
    text: &'z ZoneText,
    owners: &'z HashMap<&'z [u8], Vec<Set<'z>>>,
    findings: ZoneFindings,
}

impl Check<'_> {
    fn error(&mut self, at: LineRef, message: String, remedy: &str) {
        let problem = ZoneProblem { place: self.text.place(at), message, remedy: remedy.to_owned() };
        self.findings.errors.push(problem);
    }

    fn warn(&mut self, at: LineRef, message: String, remedy: &str) {
        let problem = ZoneProblem { place: self.text.place(at), message, remedy: remedy.to_owned() };
        self.findings.warnings.push(problem);
    }

    fn set(&self, owner: &[u8], rtype: RecordType) -> Option<&Set<'_>> {
        self.owners.get(owner)?.iter().find(|set| set.rtype == rtype)
    }

    fn has_address(&self, owner: &[u8]) -> bool {
        self.set(owner, RecordType::A).or_else(|| self.set(owner, RecordType::AAAA)).is_some()
    }

    /// One SOA and at least one NS at the top (RFC 1035 §5.2).
    fn apex(&mut self) {
        let zone = show(self.apex);
        let whole = LineRef::default();
        match self.set(self.apex, RecordType::SOA).map(|set| set.second) {
            None => self.error(whole, format!("the zone {zone} has no SOA record"), "add one at @"),
            Some(Some(second)) => {
                self.error(second, format!("the zone {zone} has a second SOA record"), "keep one of them");
            }
            Some(None) => {}
        }
        if self.set(self.apex, RecordType::NS).is_none() {
            self.error(whole, format!("the zone {zone} has no NS record at its apex"), "add one at @");
        }
    }

    fn owner(&mut self, owner: &[u8], sets: &[Set<'_>]) {
        for set in sets {
            if set.rtype == RecordType::SOA && owner != self.apex {
                let message = format!("an SOA record at {}, below the apex", show(owner));
                self.error(set.at, message, "move it to the zone that begins there");
            }
            if let Some((at, ttl)) = set.other_ttl.filter(|_| set.rtype != RecordType::RRSIG) {
                let message = format!("the TTLs of {} {} differ: {} and {ttl}", show(owner), set.rtype, set.ttl);
                self.warn(at, message, "give all of them one TTL (RFC 2181 §5.2); the smallest is served");
            }
            if let Some(second) = set.second.filter(|_| matches!(set.rtype, RecordType::CNAME | RecordType::DNAME)) {
                let message = format!("a second {} record at {}", set.rtype, show(owner));
                self.error(second, message, "keep one of them (RFC 2181 §10.1, RFC 6672 §2.4)");
            }
        }
        let Some(cname) = sets.iter().find(|set| set.rtype == RecordType::CNAME) else { return };
        let beside = |t: RecordType| {
            matches!(t, RecordType::CNAME | RecordType::RRSIG | RecordType::NSEC) || OLD_DNSSEC.contains(&t.0)
        };
        if let Some(other) = sets.iter().find(|set| !beside(set.rtype)) {
            let later =
                if (other.at.file, other.at.line) > (cname.at.file, cname.at.line) { other.at } else { cname.at };
            let message = format!("{} has a CNAME record and {} beside it", show(owner), other.rtype);
            self.error(later, message, "keep one of them (RFC 1034 §3.6.2)");
        }
    }

    /// What NS, MX and SRV records point at.
    fn targets(&mut self) {
        let pointing = [RecordType::NS, RecordType::MX, RecordType::SRV];
        for record in self.text.records().filter(|record| pointing.contains(&record.rtype)) {
            let Some(target) = rdata::target_name(record.rtype, record.rdata) else { continue };
            if self.set(target.wire(), RecordType::CNAME).is_some() {
                let message = format!("{} {} points at {target}, a CNAME", show(record.owner), record.rtype);
                self.warn(record.at, message, "point it at the name the CNAME leads to (RFC 2181 §10.3)");
            }
            let cut = record.rtype == RecordType::NS && record.owner != self.apex;
            if cut && wire_is_within(target.wire(), record.owner) && !self.has_address(target.wire()) {
                let message = format!("the delegation of {} to {target} has no glue", show(record.owner));
                self.warn(record.at, message, "add an A or AAAA record for that server (RFC 1034 §4.2.1)");
            }
        }
    }
}

/// A wire name for messages.
fn show(wire: &[u8]) -> String {
    Name::from_wire(wire).map_or_else(|_| String::from("?"), |name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::master;

    const TOP: &str = "$TTL 300\n@ SOA ns1 admin 1 1h 5m 1w 60\n@ NS ns1\nns1 A 192.0.2.1\n";

    fn findings(text: &str) -> (Vec<String>, Vec<String>) {
        let apex: Name = "example.test".parse().unwrap();
        let text = master::parse("a", text.as_bytes(), &apex, &mut |_, _| Err(String::new())).unwrap();
        let ZoneFindings { errors, warnings } = check(&apex, &text);
        let lines = |list: Vec<ZoneProblem>| list.iter().map(ToString::to_string).collect();
        (lines(errors), lines(warnings))
    }

    /// Findings of lines behind a sound head of four lines.
    fn below(text: &str) -> (Vec<String>, Vec<String>) {
        findings(&format!("{TOP}{text}"))
    }

    fn starts(lines: &[String], expected: &[&str]) {
        let fits = lines.len() == expected.len() && lines.iter().zip(expected).all(|(l, e)| l.starts_with(e));
        assert!(fits, "{lines:#?} instead of {expected:#?}");
    }

    #[test]
    fn a_sound_zone_has_no_findings_and_a_repeated_record_is_none() {
        assert_eq!(
            below("www CNAME ns1\nwww CNAME NS1\n@ SOA ns1 admin 1 1h 5m 1w 60\nns1 A 192.0.2.1\n"),
            (vec![], vec![])
        );
    }

    #[test]
    fn rfc_1034_section_3_6_2_a_cname_stands_alone() {
        starts(
            &below("www A 192.0.2.1\nwww CNAME ns1\n").0,
            &["a:6: www.example.test. has a CNAME record and A beside it"],
        );
        starts(&below("@ CNAME ns1\n").0, &["a:5: example.test. has a CNAME record and SOA beside it"]);
        starts(&below("www CNAME ns1\nwww CNAME ns2\n").0, &["a:6: a second CNAME record at www.example.test."]);
        assert_eq!(below("www CNAME ns1\nwww NSEC x A\nwww TYPE25 \\# 0\n").0, [""; 0]);
    }

    #[test]
    fn rfc_1035_section_5_2_the_apex_has_one_soa_and_an_ns() {
        starts(
            &findings("www 1 A 192.0.2.1").0,
            &["a: the zone example.test. has no NS", "a: the zone example.test. has no SOA"],
        );
        starts(&below("@ SOA ns1 admin 2 1h 5m 1w 60\n").0, &["a:5: the zone example.test. has a second SOA"]);
        starts(
            &below("www SOA ns1 admin 1 1h 5m 1w 60\n").0,
            &["a:5: an SOA record at www.example.test., below the apex"],
        );
    }

    #[test]
    fn rfc_2181_section_5_2_one_ttl_for_a_set() {
        let (errors, warnings) = below("www 60 A 192.0.2.1\nwww 30 A 192.0.2.2\n");
        assert_eq!(errors, [""; 0]);
        starts(&warnings, &["a:6: the TTLs of www.example.test. A differ: 60 and 30"]);
    }

    #[test]
    fn rfc_1034_section_4_2_1_servers_inside_a_delegation_need_glue() {
        starts(
            &below("sub NS ns.sub\n").1,
            &["a:5: the delegation of sub.example.test. to ns.sub.example.test. has no glue"],
        );
        assert_eq!(below("sub NS ns.sub\nns.sub AAAA 2001:db8::1\nsub NS ns.example.org.\nsub NS ns1\n").1, [""; 0]);
    }

    #[test]
    fn rfc_2181_section_10_3_ns_mx_and_srv_do_not_point_at_a_cname() {
        let warnings = below("x CNAME ns1\n@ MX 1 x\n_s._tcp SRV 0 0 1 x\n@ NS x\ny CNAME x\n@ MX 0 .\n").1;
        starts(
            &warnings,
            &[
                "a:6: example.test. MX points at x.example.test., a CNAME",
                "a:7: _s._tcp.example.test. SRV points at x.example.test., a CNAME",
                "a:8: example.test. NS points at x.example.test., a CNAME",
            ],
        );
    }
}

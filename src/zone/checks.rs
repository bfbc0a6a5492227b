//! What the records of a zone say of each other.
//!
//! Errors make a zone unfit to serve: no single SOA at the apex, no NS there, a CNAME beside other
//! data (RFC 1034 §3.6.2, RFC 2181 §10.1). Warnings name what resolvers will trip over. The same
//! record written twice is one record and no finding. Knows nothing of switches.

use super::{LineRef, RecordRef, ZoneProblem, ZoneText};
use crate::dns::name::wire_is_within;
use crate::dns::{Name, RecordType, rdata};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// The most findings of either kind that are kept.
pub const MAX_FINDINGS: usize = 100;

/// KEY, SIG and NXT: with RRSIG and NSEC the types that may stand beside a CNAME (RFC 2181 §10.1).
const OLD_DNSSEC: [u16; 3] = [24, 25, 30];

/// What to do about a name that repeats the zone.
const DOT_REMEDY: &str = "end the name with a dot, or leave the zone's name out";

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
    first: RecordRef<'z>,
    /// A record with other RDATA.
    second: Option<LineRef>,
    /// A record with another TTL.
    other_ttl: Option<RecordRef<'z>>,
}

/// Looks over the records of a zone; they stand in it already.
#[must_use]
pub fn check(apex: &Name, text: &ZoneText) -> ZoneFindings {
    let owners = Owners::new(text);
    let doubled =
        if apex.label_count() > 1 { apex.wire().split_last().map_or(&[][..], |(_, labels)| labels) } else { &[] };
    let doubled = [doubled, apex.wire()].concat();
    let mut check = Check { apex: apex.wire(), doubled, text, errors: List::default(), warnings: List::default() };
    check.apex(&owners);
    check.sets(&owners);
    check.targets(&owners);
    ZoneFindings { errors: check.errors.close(), warnings: check.warnings.close() }
}

/// The first findings of one kind, by their place; the millionth costs no sentence.
#[derive(Default)]
struct List {
    kept: Vec<(LineRef, ZoneProblem)>,
    /// The last place that is still of interest.
    limit: Option<LineRef>,
}

impl List {
    fn add(&mut self, text: &ZoneText, at: LineRef, finding: impl FnOnce() -> (String, &'static str)) {
        if self.limit.is_some_and(|limit| at > limit) {
            return;
        }
        let (message, remedy) = finding();
        self.kept.push((at, ZoneProblem { place: text.place(at), message, remedy: remedy.to_owned() }));
        if self.kept.len() >= 2 * MAX_FINDINGS {
            self.shorten();
            self.limit = self.kept.last().map(|(at, _)| *at);
        }
    }

    fn shorten(&mut self) {
        self.kept.sort_by(|a, b| (a.0, &a.1.message).cmp(&(b.0, &b.1.message)));
        self.kept.truncate(MAX_FINDINGS);
    }

    fn close(mut self) -> Vec<ZoneProblem> {
        self.shorten();
        self.kept.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// Record numbers in the order of their owners' hashes: 16 octets a record, where a map of lists takes 100.
struct Owners(Vec<(u64, usize)>);

impl Owners {
    fn new(text: &ZoneText) -> Self {
        let mut last = (text.records().next().map_or(&[][..], |r| r.owner), 0);
        let mut list = Vec::with_capacity(text.len());
        for (index, record) in text.records().enumerate() {
            if index == 0 || record.owner != last.0 {
                last = (record.owner, hash(record.owner));
            }
            list.push((last.1, index));
        }
        list.sort_unstable();
        Self(list)
    }

    /// The records of each owner in the order they stand; now and then of two owners with one hash.
    fn groups(&self) -> impl Iterator<Item = &[(u64, usize)]> {
        self.0.chunk_by(|a, b| a.0 == b.0)
    }

    /// The first record of an owner and type.
    fn find<'o>(&'o self, text: &'o ZoneText, owner: &[u8], rtype: RecordType) -> Option<RecordRef<'o>> {
        let hash = hash(owner);
        let from = self.0.partition_point(|entry| entry.0 < hash);
        let same = self.0.iter().skip(from).take_while(|entry| entry.0 == hash);
        same.map(|entry| text.record(entry.1)).find(|record| record.owner == owner && record.rtype == rtype)
    }
}

fn hash(owner: &[u8]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(owner)
}

/// Gathers the records of a group by owner and type.
fn sets<'z>(text: &'z ZoneText, group: &[(u64, usize)], sets: &mut Vec<Set<'z>>) {
    sets.clear();
    for record in group.iter().map(|entry| text.record(entry.1)) {
        match sets.iter_mut().find(|set| set.first.rtype == record.rtype && set.first.owner == record.owner) {
            Some(set) => {
                if record.rdata != set.first.rdata {
                    set.second = set.second.or(Some(record.at));
                }
                if record.ttl != set.first.ttl {
                    set.other_ttl = set.other_ttl.or(Some(record));
                }
            }
            None => sets.push(Set { first: record, second: None, other_ttl: None }),
        }
    }
}

/// One look over a zone.
struct Check<'z> {
    apex: &'z [u8],
    /// The apex below itself (`example.test.example.test.`), where names without their final dot end up.
    doubled: Vec<u8>,
    text: &'z ZoneText,
    errors: List,
    warnings: List,
}

impl<'z> Check<'z> {
    /// An SOA and at least one NS at the top (RFC 1035 §5.2).
    fn apex(&mut self, owners: &Owners) {
        for rtype in [RecordType::SOA, RecordType::NS] {
            if owners.find(self.text, self.apex, rtype).is_none() {
                let message = format!("the zone {} has no {rtype} record at its apex", show(self.apex));
                self.errors.add(self.text, LineRef::default(), || (message, "add one at @"));
            }
        }
    }

    fn sets(&mut self, owners: &Owners) {
        let mut buffer = Vec::new();
        for group in owners.groups() {
            sets(self.text, group, &mut buffer);
            for set in &buffer {
                self.set(set);
                match set.first.rtype {
                    RecordType::CNAME => self.cname(set.first, &buffer),
                    RecordType::SOA => self.mailbox(set.first),
                    _ => {}
                }
            }
        }
    }

    fn set(&mut self, set: &Set<'z>) {
        let RecordRef { owner, rtype, ttl, at, .. } = set.first;
        if self.is_doubled(owner) {
            let message = || format!("the owner {} repeats the zone", show(owner));
            self.warnings.add(self.text, at, || (message(), DOT_REMEDY));
        }
        if rtype == RecordType::SOA && owner != self.apex {
            let message = || format!("an SOA record at {}, below the apex", show(owner));
            self.errors.add(self.text, at, || (message(), "move it to the zone that begins there"));
        }
        if let Some(other) = set.other_ttl.filter(|_| rtype != RecordType::RRSIG) {
            let message = || format!("the TTLs of {} {rtype} differ: {ttl} and {}", show(owner), other.ttl);
            let remedy = "give all of them one TTL (RFC 2181 §5.2); the smallest is served";
            self.warnings.add(self.text, other.at, || (message(), remedy));
        }
        let single = [RecordType::SOA, RecordType::CNAME, RecordType::DNAME].contains(&rtype);
        if let Some(second) = set.second.filter(|_| single) {
            let message = || format!("a second {rtype} record at {}", show(owner));
            let remedy = "keep one of them (RFC 1035 §5.2, RFC 2181 §10.1, RFC 6672 §2.4)";
            self.errors.add(self.text, second, || (message(), remedy));
        }
    }

    /// A mailbox written with its @ (RFC 1035 §8).
    fn mailbox(&mut self, soa: RecordRef<'z>) {
        let mailbox = rdata::display_rdata(soa.rtype, soa.rdata);
        if let Some(mailbox) = mailbox.split(' ').nth(1).filter(|name| name.contains('@')) {
            let message = || format!("the mailbox {mailbox} of the SOA record holds an @");
            self.warnings.add(self.text, soa.at, || (message(), "write a dot instead of the @"));
        }
    }

    /// A CNAME beside other data.
    fn cname(&mut self, cname: RecordRef<'z>, sets: &[Set<'z>]) {
        let beside = |t: RecordType| {
            matches!(t, RecordType::CNAME | RecordType::RRSIG | RecordType::NSEC) || OLD_DNSSEC.contains(&t.0)
        };
        let mut others = sets.iter().map(|set| set.first).filter(|first| first.owner == cname.owner);
        if let Some(other) = others.find(|other| !beside(other.rtype)) {
            let message = || format!("{} has a CNAME record and {} beside it", show(cname.owner), other.rtype);
            let remedy = "keep one of them (RFC 1034 §3.6.2)";
            self.errors.add(self.text, other.at.max(cname.at), || (message(), remedy));
        }
    }

    /// Whether a name looks like one whose final dot was forgotten.
    fn is_doubled(&self, name: &[u8]) -> bool {
        self.doubled.len() > self.apex.len() && wire_is_within(name, &self.doubled)
    }

    /// What records point at.
    fn targets(&mut self, owners: &Owners) {
        let text = self.text;
        let servers = [RecordType::NS, RecordType::MX, RecordType::SRV];
        for record in text.records() {
            let Some(target) = rdata::target_name(record.rtype, record.rdata) else { continue };
            if self.is_doubled(target.wire()) {
                let message = || format!("{} {} points at {target}", show(record.owner), record.rtype);
                self.warnings.add(text, record.at, || (message(), DOT_REMEDY));
            }
            if !servers.contains(&record.rtype) {
                continue;
            }
            let has = |rtype| owners.find(text, target.wire(), rtype).is_some();
            if has(RecordType::CNAME) {
                let message = || format!("{} {} points at {target}, a CNAME", show(record.owner), record.rtype);
                let remedy = "point it at the name the CNAME leads to (RFC 2181 §10.3)";
                self.warnings.add(text, record.at, || (message(), remedy));
            }
            let cut = record.rtype == RecordType::NS && record.owner != self.apex;
            let within = cut && wire_is_within(target.wire(), record.owner);
            if within && !has(RecordType::A) && !has(RecordType::AAAA) {
                let message = || format!("the delegation of {} to {target} has no glue", show(record.owner));
                let remedy = "add an A or AAAA record for that server (RFC 1034 §4.2.1)";
                self.warnings.add(text, record.at, || (message(), remedy));
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
        starts(&below("@ SOA ns1 admin 2 1h 5m 1w 60\n").0, &["a:5: a second SOA record at example.test."]);
        starts(
            &below("www SOA ns1 admin 1 1h 5m 1w 60\n").0,
            &["a:5: an SOA record at www.example.test., below the apex"],
        );
    }

    #[test]
    fn a_forgotten_final_dot_and_an_at_sign_are_noticed() {
        let text = "www CNAME ns1.example.test\nwww.example.test A 192.0.2.1\n@ SOA ns1 admin@example.org. 1 1 1 1 1\n";
        let warnings = findings(&format!("$TTL 300\n@ NS ns1\n{text}")).1;
        let expected = [
            "a:3: www.example.test. CNAME points at ns1.example.test.example.test.; end the name with a dot",
            "a:4: the owner www.example.test.example.test. repeats the zone",
            r"a:5: the mailbox admin\@example.org. of the SOA record holds an @",
        ];
        starts(&warnings, &expected);
    }

    #[test]
    fn only_the_first_findings_are_kept() {
        let text: String = (0..1_000).map(|n| format!("d{n} NS ns.d{n}\n")).collect();
        let warnings = below(&text).1;
        assert_eq!(warnings.len(), MAX_FINDINGS);
        starts(&warnings[99..], &["a:104: the delegation of d99.example.test."]);
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

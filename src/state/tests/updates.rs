//! Dynamic updates of a zone's static data, by clause of RFC 2136.

use super::*;
use crate::dns::rdata::parse_rdata_text;
use crate::dns::update::{Edit, Prerequisite, Update};
use crate::state::apply::{UpdateRefusal, words_of_difference};
use crate::state::{Grants, UpdateNames, UpdateRule, UpdateRules};

pub(super) fn name(text: &str) -> Name {
    Name::parse(text, Some(&"example.test".parse().unwrap())).unwrap()
}

pub(super) fn rdata(rtype: RecordType, text: &str) -> Box<[u8]> {
    parse_rdata_text(rtype, text, &name("@")).unwrap()
}

pub(super) fn add(owner: &str, rtype: RecordType, text: &str) -> Edit {
    Edit::Add { owner: name(owner), rtype, ttl: 60, rdata: rdata(rtype, text) }
}

fn remove(owner: &str, rtype: RecordType, text: &str) -> Edit {
    Edit::DeleteRecord(name(owner), rtype, rdata(rtype, text))
}

pub(super) fn update(prerequisites: Vec<Prerequisite>, changes: Vec<Edit>) -> Command {
    let update = Update { zone: name("@"), prerequisites, changes };
    Command::Update(Box::new(update), everything())
}

/// The rules of a key that may change everything.
fn everything() -> Grants {
    let types = [RecordType::SOA, RecordType::NS, RecordType(43)];
    rules(&[(UpdateNames::Below(None), &[]), (UpdateNames::Below(None), &types)])
}

/// These rules, of one key.
fn rules(rules: &[(UpdateNames, &[RecordType])]) -> Grants {
    let key: Name = "k.".parse().unwrap();
    let rule = |(names, types): &(UpdateNames, &[RecordType])| UpdateRule {
        key: key.clone(),
        names: names.clone(),
        types: types.to_vec(),
    };
    UpdateRules(rules.iter().map(rule).collect()).of(&key)
}

/// Changes without prerequisites, taken in.
pub(super) fn make(world: &mut World, changes: Vec<Edit>) -> Change {
    world.take(update(Vec::new(), changes))
}

pub(super) fn refusal(world: &World, command: Command) -> UpdateRefusal {
    match world.ask(command) {
        Err(Rejection::Update(refusal)) => refusal,
        other => panic!("a refusal was expected: {other:?}"),
    }
}

/// The records of a set as they are served.
pub(super) fn served(world: &World, owner: &str, rtype: RecordType) -> Vec<String> {
    let definition = world.desired.definitions.zones.iter().find(|zone| zone.apex == name("@")).unwrap();
    let set = world.desired.data_of(definition).rrset_of(&name(owner), rtype);
    let mut records: Vec<String> = set
        .iter()
        .flat_map(crate::zone::RrsetRef::rdatas)
        .map(|rdata| crate::dns::rdata::display_rdata(rtype, rdata))
        .collect();
    records.sort();
    records
}

/// The usual files with more addresses in `example.test`, TTL 60.
pub(super) fn with_records(records: &[(&str, &str)]) -> Definitions {
    definitions(|draft| {
        for (owner, address) in records {
            let address = rdata(RecordType::A, address);
            draft.example.text.push(&name(owner), RecordType::A, 60, &address, crate::zone::LineRef::default());
        }
    })
}

#[test]
fn rfc2136_3_4_2_2_records_are_added_and_one_that_is_there_changes_nothing() {
    let mut world = World::new();
    let change = make(&mut world, vec![add("new", RecordType::TXT, "one"), add("new", RecordType::TXT, "two")]);
    assert_eq!(served(&world, "new", RecordType::TXT), ["\"one\"", "\"two\""]);
    assert_eq!((change.serials.len(), change.zones[0].rows.len()), (1, 1));
    let again = world.ask(update(Vec::new(), vec![add("new", RecordType::TXT, "two")])).unwrap();
    assert_eq!((again.revision, again.serials.len()), (world.desired.revision, 0));
}

#[test]
fn rfc2136_3_4_2_3_and_4_records_sets_and_names_are_deleted_and_a_set_back_at_the_files_is_no_edit() {
    let mut world = World::new();
    let changes = vec![
        add("x", RecordType::A, "192.0.2.1"),
        add("x", RecordType::A, "192.0.2.2"),
        add("x", RecordType::TXT, "t"),
        add("y", RecordType::A, "192.0.2.3"),
    ];
    make(&mut world, changes);
    make(&mut world, vec![remove("x", RecordType::A, "192.0.2.1"), remove("x", RecordType::A, "192.0.2.9")]);
    assert_eq!(served(&world, "x", RecordType::A), ["192.0.2.2"]);
    make(&mut world, vec![Edit::DeleteSet(name("x"), RecordType::A)]);
    assert_eq!(served(&world, "x", RecordType::A), [""; 0]);
    assert_eq!(served(&world, "x", RecordType::TXT), ["\"t\""]);
    let change = make(&mut world, vec![Edit::DeleteName(name("x")), Edit::DeleteName(name("y"))]);
    assert!(change.zones[0].zone.is_none() && world.desired.edited.is_empty(), "the zone is as the files say");
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1")]);
    let change = make(&mut world, vec![remove("x", RecordType::A, "192.0.2.1")]);
    assert_eq!(change.zones[0].rows, [((name("x"), RecordType::A), None)]);
    assert!(world.desired.edited.is_empty(), "also record by record");
    let both = vec![add("x", RecordType::A, "192.0.2.1"), remove("x", RecordType::A, "192.0.2.1")];
    assert_eq!(world.ask(update(Vec::new(), both)).unwrap().revision, world.desired.revision, "nothing is changed");
}

#[test]
fn rfc2136_3_4_2_the_soa_and_the_last_ns_of_the_apex_stay() {
    let mut world = World::new();
    let servers = served(&world, "@", RecordType::NS);
    assert_eq!(servers.len(), 1);
    let nothing = [
        Edit::DeleteName(name("@")),
        Edit::DeleteSet(name("@"), RecordType::NS),
        Edit::DeleteSet(name("@"), RecordType::SOA),
        remove("@", RecordType::NS, &servers[0]),
    ];
    for edit in nothing {
        let change = world.ask(update(Vec::new(), vec![edit.clone()])).unwrap();
        assert_eq!(change.revision, world.desired.revision, "{edit:?}");
    }
    make(&mut world, vec![add("@", RecordType::NS, "ns9"), remove("@", RecordType::NS, &servers[0])]);
    assert_eq!(served(&world, "@", RecordType::NS), ["ns9.example.test."]);
}

#[test]
fn rfc2136_3_4_2_2_a_newer_soa_moves_the_serial_and_an_older_one_is_ignored() {
    let mut world = World::new();
    let soa = |serial: u32| add("@", RecordType::SOA, &format!("ns1 admin {serial} 7 7 7 7"));
    let change = make(&mut world, vec![soa(5_000)]);
    assert_eq!(change.serials, [(name("@"), 5_000)]);
    let older = world.ask(update(Vec::new(), vec![soa(4_000)])).unwrap();
    assert_eq!(older.revision, world.desired.revision);
    let change = make(&mut world, vec![soa(7_000), soa(6_000)]);
    assert_eq!(change.serials, [(name("@"), 7_000)], "each is held against the one before it");
    assert!(change.zones.is_empty(), "the serial alone is no edit of the record");
}

#[test]
fn rfc2136_3_4_2_2_an_soa_like_the_files_but_for_its_serial_leaves_the_files_in_force() {
    let mut world = World::new();
    let definition = world.desired.definitions.zones.iter().find(|zone| zone.apex == name("@")).unwrap();
    let set = definition.data.rrset_of(&name("@"), RecordType::SOA).unwrap();
    let mut newer: Box<[u8]> = set.rdatas().next().unwrap().into();
    let at = newer.len() - 20;
    newer[at..at + 4].copy_from_slice(&9_000u32.to_be_bytes());
    let soa = Edit::Add { owner: name("@"), rtype: RecordType::SOA, ttl: set.ttl(), rdata: newer };
    let change = make(&mut world, vec![soa]);
    assert_eq!((change.serials, change.zones.len()), (vec![(name("@"), 9_000)], 0));
}

#[test]
fn rfc2136_3_2_3_a_prerequisite_about_the_soa_is_held_against_the_served_serial() {
    let mut world = World::new();
    make(&mut world, vec![add("@", RecordType::SOA, "ns1 admin 5000 7 7 7 7")]);
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1")]);
    let with = |serial: u32| {
        let rdata = rdata(RecordType::SOA, &format!("ns1 admin {serial} 7 7 7 7"));
        let holds = Prerequisite::SetHolds(name("@"), RecordType::SOA, rdata);
        world.ask(update(vec![holds], vec![add("y", RecordType::A, "192.0.2.2")]))
    };
    assert!(with(5_001).is_ok() && with(5_000).is_err());
}

#[test]
fn rfc2136_3_4_2_2_a_cname_and_other_data_are_kept_apart() {
    let mut world = World::new();
    make(&mut world, vec![add("c", RecordType::CNAME, "x"), add("c", RecordType::A, "192.0.2.1")]);
    assert_eq!((served(&world, "c", RecordType::CNAME).len(), served(&world, "c", RecordType::A).len()), (1, 0));
    make(&mut world, vec![add("c", RecordType::CNAME, "y")]);
    assert_eq!(served(&world, "c", RecordType::CNAME), ["y.example.test."], "a CNAME takes the place of another");
    make(&mut world, vec![add("d", RecordType::A, "192.0.2.1"), add("d", RecordType::CNAME, "x")]);
    assert_eq!((served(&world, "d", RecordType::CNAME).len(), served(&world, "d", RecordType::A).len()), (0, 1));
}

#[test]
fn rfc2136_3_2_every_prerequisite_holds_or_says_which_does_not() {
    let mut world = World::new();
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1"), add("x", RecordType::A, "192.0.2.2")]);
    let holds = |text: &str| Prerequisite::SetHolds(name("x"), RecordType::A, rdata(RecordType::A, text));
    let good = vec![
        Prerequisite::NameInUse(name("x")),
        Prerequisite::NameInUse(name("model")),
        Prerequisite::NameUnused(name("nobody")),
        Prerequisite::SetExists(name("x"), RecordType::A),
        Prerequisite::SetAbsent(name("x"), RecordType::TXT),
        holds("192.0.2.2"),
        holds("192.0.2.1"),
    ];
    assert!(world.ask(update(good, vec![add("z", RecordType::A, "192.0.2.9")])).is_ok());
    let differs = UpdateRefusal::SetDiffers(name("x"), RecordType::A);
    let bad = [
        (Prerequisite::NameInUse(name("nobody")), UpdateRefusal::NameUnused(name("nobody"))),
        (Prerequisite::NameUnused(name("x")), UpdateRefusal::NameInUse(name("x"))),
        (Prerequisite::NameUnused(name("model")), UpdateRefusal::NameInUse(name("model"))),
        (Prerequisite::SetExists(name("x"), RecordType::TXT), UpdateRefusal::SetDiffers(name("x"), RecordType::TXT)),
        (Prerequisite::SetAbsent(name("x"), RecordType::A), UpdateRefusal::SetExists(name("x"), RecordType::A)),
        (holds("192.0.2.1"), differs),
    ];
    for (prerequisite, expected) in bad {
        let command = update(vec![prerequisite], vec![add("z", RecordType::A, "192.0.2.9")]);
        assert_eq!(refusal(&world, command), expected);
    }
}

#[test]
fn names_of_switches_and_what_would_hide_them_are_refused_whole() {
    let mut world = World::new();
    for owner in ["model", "blue.model"] {
        let changes = vec![add("fine", RecordType::A, "192.0.2.1"), add(owner, RecordType::A, "192.0.2.1")];
        let refused = refusal(&world, update(Vec::new(), changes));
        assert_eq!(refused, UpdateRefusal::Steered { owner: name(owner), switch: "model".to_owned() });
    }
    let hides = refusal(&world, update(Vec::new(), vec![add("@", RecordType::DNAME, "other.test.")]));
    assert!(matches!(hides, UpdateRefusal::Hides { .. }), "{hides:?}");
    let cut = refusal(&world, update(Vec::new(), vec![add("model", RecordType::NS, "ns.other.test.")]));
    assert!(matches!(cut, UpdateRefusal::Steered { .. }), "{cut:?}");
    assert_eq!(make(&mut world, vec![add("fine", RecordType::A, "192.0.2.1")]).zones.len(), 1);
}

#[test]
fn a_set_that_fits_no_answer_and_a_zone_that_is_not_ours_are_refused() {
    let world = World::new();
    let many = (0..10_000).map(|n| add("big", RecordType::TXT, &format!("t{n}"))).collect();
    let refused = refusal(&world, update(Vec::new(), many));
    assert_eq!(refused, UpdateRefusal::SetTooLarge(name("big"), RecordType::TXT));
    let elsewhere = Update { zone: "elsewhere.test".parse().unwrap(), prerequisites: Vec::new(), changes: Vec::new() };
    let refused = refusal(&world, Command::Update(Box::new(elsewhere), everything()));
    assert!(matches!(refused, UpdateRefusal::UnknownZone(_)));
}

#[test]
fn rfc3007_3_a_key_changes_what_its_rules_cover_and_an_update_with_more_changes_nothing() {
    let mut world = World::new();
    make(&mut world, vec![add("host", RecordType::A, "192.0.2.1"), add("host", RecordType::TXT, "t")]);
    let below = UpdateNames::Below(Some(name("host")));
    let (txt, all): (&[RecordType], &[RecordType]) = (&[RecordType::TXT], &[]);
    let with = |changes: Vec<Edit>, grants: Grants| {
        let update = Update { zone: name("@"), prerequisites: vec![Prerequisite::NameInUse(name("nobody"))], changes };
        refusal(&world, Command::Update(Box::new(update), grants))
    };
    let may_not = |owner: &str, rtype| UpdateRefusal::NotAllowed { by: "ada".to_owned(), owner: name(owner), rtype };
    let some = || rules(&[(below.clone(), txt)]);
    assert_eq!(with(vec![add("host", RecordType::A, "192.0.2.2")], some()), may_not("host", RecordType::A));
    assert_eq!(with(vec![add("other", RecordType::TXT, "t")], some()), may_not("other", RecordType::TXT));
    let whole = vec![add("host", RecordType::TXT, "u"), Edit::DeleteName(name("host"))];
    assert_eq!(with(whole.clone(), some()), may_not("host", RecordType::A), "a name goes with all of its types");
    let unmet = UpdateRefusal::NameUnused(name("nobody"));
    assert_eq!(with(whole, rules(&[(below.clone(), all)])), unmet, "allowed, and the prerequisite is not met");
    let servers = vec![add("host", RecordType::NS, "ns1")];
    assert_eq!(with(servers, rules(&[(below, all)])), may_not("host", RecordType::NS), "NS has to be named");
    let nothing = with(vec![Edit::DeleteName(name("nothing.there"))], rules(&[]));
    assert_eq!(nothing, unmet, "nothing goes where nothing is");
}

#[test]
fn rfc2136_3_4_2_2_what_is_ignored_is_said() {
    let mut world = World::new();
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1")]);
    let change = world.ask(update(Vec::new(), vec![add("x", RecordType::CNAME, "y")])).unwrap();
    assert_eq!(change.notes.len(), 1, "{:?}", change.notes);
    let change = make(&mut world, vec![add("x", RecordType::CNAME, "y"), add("z", RecordType::A, "192.0.2.3")]);
    assert!(change.notes[0].contains("a CNAME stands alone"), "{:?}", change.notes);
}

/// A TXT record of some 59,000 octets at a name of its own.
pub(super) fn large(n: usize) -> Edit {
    let text: Vec<u8> = std::iter::repeat_n([&[255][..], &[b'x'; 255]].concat(), 230).flatten().collect();
    Edit::Add { owner: name(&format!("n{n}")), rtype: RecordType::TXT, ttl: 60, rdata: text.into() }
}

#[test]
fn what_is_edited_in_one_zone_is_bounded_in_octets() {
    let mut world = World::new();
    make(&mut world, (0..200).map(large).collect());
    let refused = refusal(&world, update(Vec::new(), (200..300).map(large).collect()));
    assert_eq!(refused, UpdateRefusal::TooManyEdits(name("@")));
    assert_eq!(refused.to_string().matches("16 MiB").count(), 1, "{refused}");
    let removed = (0..100).map(|n| Edit::DeleteName(name(&format!("n{n}")))).collect();
    make(&mut world, removed);
    make(&mut world, (200..300).map(large).collect());
}

#[test]
fn the_catalog_is_updated_by_nobody() {
    let mut world = World::new();
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1")]);
    let zones = world.desired.definitions.zones.iter();
    let made = zones.map(|zone| Arc::new(ZoneDefinition { generated: zone.apex == name("@"), ..(**zone).clone() }));
    let change = world.take(Command::Reload(Arc::new(Definitions::new(made.collect()))));
    assert!(change.notes.iter().any(|note| note.contains("is the catalog now")), "{:?}", change.notes);
    assert!(world.desired.edited.is_empty() && change.zones[0].rows.len() == 1, "edits from before are dropped");
    let refused = refusal(&world, update(Vec::new(), vec![add("x", RecordType::A, "192.0.2.1")]));
    assert_eq!(refused, UpdateRefusal::Generated(name("@")));
}

#[test]
fn many_ignored_changes_are_told_by_a_few_and_their_number() {
    let mut world = World::new();
    make(&mut world, vec![add("c", RecordType::CNAME, "x")]);
    let many = (0..100).map(|n| add("c", RecordType::A, &format!("192.0.2.{n}"))).collect();
    let change = world.ask(update(Vec::new(), many)).unwrap();
    assert_eq!(change.notes.len(), 6);
    assert_eq!(change.notes[5], "95 more changes of this update were ignored");
}

#[test]
fn the_audit_has_what_goes_and_what_comes_and_not_the_whole_set() {
    let mut world = World::new();
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1"), add("x", RecordType::A, "192.0.2.2")]);
    let before = world.desired.edited[&name("@")].data.clone();
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.3"), remove("x", RecordType::A, "192.0.2.1")]);
    let after = world.desired.edited[&name("@")].data.clone();
    let [owner, none] = [name("x"), name("nobody")];
    let words = words_of_difference(
        RecordType::A,
        before.rrset_of(&owner, RecordType::A),
        after.rrset_of(&owner, RecordType::A),
    );
    let records = |address: &str| serde_json::json!({ "ttl": 60, "records": [address] });
    assert_eq!(words, [records("192.0.2.1"), records("192.0.2.3")]);
    let [was, _] = words_of_difference(RecordType::A, before.rrset_of(&none, RecordType::A), None);
    assert!(was.is_null());
}

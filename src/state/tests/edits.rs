//! What becomes of edits of a zone when its files change, and at a start.

use super::updates::{add, large, make, name, rdata, refusal, served, update, with_records};
use super::*;
use crate::dns::update::Edit;
use crate::state::apply::{UpdateRefusal, adopt_edits};
use crate::state::{EditedSet, SetKey};

#[test]
fn edits_outlive_a_reload_and_one_that_the_files_caught_up_with_ends() {
    let mut world = World::new();
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1"), add("y", RecordType::A, "192.0.2.2")]);
    let fresh = with_records(&[("y", "192.0.2.2"), ("z", "192.0.2.3")]);
    let change = world.take(Command::Reload(Arc::new(fresh)));
    assert_eq!(change.notes, [""; 0]);
    assert_eq!(change.zones[0].rows, [((name("y"), RecordType::A), None)]);
    assert_eq!(served(&world, "x", RecordType::A), ["192.0.2.1"]);
    assert_eq!(served(&world, "z", RecordType::A), ["192.0.2.3"]);
    let fresh = with_records(&[("x", "192.0.2.77")]);
    let change = world.take(Command::Reload(Arc::new(fresh)));
    assert!(change.notes[0].contains("x.example.test. A of the files is not applied"), "{:?}", change.notes);
    assert_eq!(served(&world, "x", RecordType::A), ["192.0.2.1"]);
}

#[test]
fn an_edit_reads_back_as_it_was_stored() {
    let mut world = World::new();
    let change = make(&mut world, vec![add("x", RecordType::TXT, "a"), add("x", RecordType::TXT, "\\255")]);
    for (_, set) in &change.zones[0].rows {
        let set = set.as_ref().unwrap();
        assert_eq!(v1::decode_edit(&v1::encode_edit(set)).unwrap(), *set);
    }
}

#[test]
fn edits_that_new_files_leave_no_room_for_are_dropped_and_said() {
    let mut world = World::new();
    let changes = vec![
        add("alias", RecordType::CNAME, "y"),
        add("sub", RecordType::NS, "ns.other.test."),
        add("y", RecordType::A, "192.0.2.2"),
    ];
    make(&mut world, changes);
    let fresh = definitions(|draft| {
        let at = crate::zone::LineRef::default();
        draft.example.text.push(&name("alias"), RecordType::A, 60, &rdata(RecordType::A, "192.0.2.9"), at);
        draft.model.owners.push(name("model.sub"));
    });
    let change = world.take(Command::Reload(Arc::new(fresh)));
    let said = change.notes.join("\n");
    assert!(said.contains("alias.example.test. CNAME is dropped: the files have A there"), "{said}");
    assert!(said.contains("sub.example.test. NS is dropped: it would take the names of switch `model` away"), "{said}");
    assert_eq!(served(&world, "alias", RecordType::A), ["192.0.2.9"]);
    assert_eq!(served(&world, "y", RecordType::A), ["192.0.2.2"]);
    assert_eq!(change.zones[0].rows.len(), 2, "both are forgotten");
}

#[test]
fn edits_of_a_zone_that_becomes_a_copy_wait_until_the_files_say_it_again() {
    let mut world = World::new();
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1"), Edit::DeleteSet(name("edge"), RecordType::A)]);
    let usual = world.desired.definitions.clone();
    let primary = Peer { address: "192.0.2.53:53".parse().unwrap(), key: None };
    let copy = |zone: &Arc<ZoneDefinition>| {
        if zone.apex == name("@") {
            ZoneDefinition::copy_of(name("@"), vec![primary.clone()]).into()
        } else {
            zone.clone()
        }
    };
    let change = world.take_forced(Command::Reload(Arc::new(Definitions::new(usual.zones.iter().map(copy).collect()))));
    assert!(change.zones[0].rows.is_empty(), "nothing is forgotten: {:?}", change.zones[0].rows);
    assert!(world.desired.data_of(&world.desired.definitions.zones[0]).why_closed().is_some());
    let refused = refusal(&world, update(Vec::new(), vec![add("y", RecordType::A, "192.0.2.2")]));
    assert_eq!(refused, UpdateRefusal::Copied(name("@")));
    world.take(Command::Reload(usual));
    assert_eq!(served(&world, "x", RecordType::A), ["192.0.2.1"]);
    assert!(served(&world, "edge", RecordType::A).is_empty(), "deleted before, and still");
}

#[test]
fn edits_of_a_zone_that_goes_are_there_again_when_it_returns() {
    let mut world = World::new();
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1")]);
    let usual = world.desired.definitions.clone();
    let zones = usual.zones.iter().filter(|zone| zone.apex != name("@")).cloned().collect();
    let change = world.take_forced(Command::Reload(Arc::new(Definitions::new(zones))));
    assert!(change.notes.iter().any(|note| note.contains("its 1 updated sets are kept")), "{:?}", change.notes);
    assert!(change.zones[0].rows.is_empty());
    world.take(Command::Reload(usual));
    assert_eq!(served(&world, "x", RecordType::A), ["192.0.2.1"]);
}

#[test]
fn a_start_serves_as_many_stored_edits_as_a_zone_may_have_and_says_how_many_it_does_not() {
    let mut world = World::new();
    make(&mut world, (0..200).map(large).collect());
    let mut stored = world.desired.edited[&name("@")].sets.clone();
    let set = stored.values().next().unwrap().clone();
    stored.extend((200..300).map(|n| ((name(&format!("n{n}")), RecordType::TXT), set.clone())));
    let mut notes = Vec::new();
    let adopted = adopt_edits(&world.desired.definitions, [(name("@"), stored)].into(), &mut notes);
    let served = adopted.edited[&name("@")].sets.len();
    assert!(served > 200 && served < 300 && adopted.ended.is_empty(), "{served}: what is not served stays stored");
    assert!(notes[0].contains(&format!("{} updated sets are stored and not served", 300 - served)), "{notes:?}");
}

#[test]
fn a_start_forgets_edits_that_no_longer_fit_or_that_the_files_have() {
    let mut world = World::new();
    make(&mut world, vec![add("x", RecordType::A, "192.0.2.1"), add("y", RecordType::A, "192.0.2.2")]);
    let mut stored = world.desired.edited[&name("@")].sets.clone();
    // As of a set that was added and whose last record was deleted.
    let nothing = EditedSet { ttl: 60, rdatas: Vec::new(), ..stored.values().next().unwrap().clone() };
    stored.insert((name("gone"), RecordType::A), nothing);
    let definitions = with_records(&[("y", "192.0.2.2")]);
    let adopted = adopt_edits(&definitions, [(name("@"), stored)].into(), &mut Vec::new());
    let kept: Vec<SetKey> = adopted.edited[&name("@")].sets.keys().cloned().collect();
    assert_eq!(kept, [(name("x"), RecordType::A)]);
    let ended = ["y", "gone"].map(|owner| (name("@"), (name(owner), RecordType::A)));
    assert!(adopted.ended.len() == 2 && ended.iter().all(|key| adopted.ended.contains(key)), "{:?}", adopted.ended);
}

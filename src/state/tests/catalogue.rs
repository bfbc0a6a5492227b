//! Which names a switch answers at: owners, pins, wildcards, explanations (§1.4, §6.1).

use super::*;
use crate::snapshot::OwnerRole;

/// Definitions under which nothing was set at run time.
fn of_files(definitions: Definitions) -> Desired {
    Desired { definitions: Arc::new(definitions), ..Desired::default() }
}

/// `name role` of every steered name of a switch with these owners.
fn names(owners: &[&str], explain: bool) -> Vec<String> {
    let definitions = definitions(|draft| {
        draft.chat.owners = owners.iter().map(|owner| owner.parse().unwrap()).collect();
        draft.chat.explain_networks = explain.then(|| "127.0.0.0/8".parse().unwrap()).into_iter().collect();
    });
    let catalogue = Catalogue::build(&of_files(definitions));
    let chat = catalogue.index_of("chat").unwrap();
    let role = |role| match role {
        OwnerRole::Owner => "owner".to_owned(),
        OwnerRole::Pin(at) => format!("pin {at}"),
        OwnerRole::Explain => "explain".to_owned(),
    };
    let mut named = Vec::new();
    crate::state::catalogue::steered_names(&catalogue.switches[chat as usize].switch, chat, &mut named);
    assert!(catalogue.owners.iter().filter(|o| o.switch == chat).eq(named.iter().map(|(_, owner)| owner)));
    let told = |(name, o): (Name, crate::snapshot::SteeredOwner)| {
        format!("{name} {}{}", role(o.role), if o.wildcard { " by label" } else { "" })
    };
    let mut names: Vec<String> = named.into_iter().map(told).collect();
    names.sort();
    names
}

#[test]
fn a_plain_owner_has_a_pin_per_pool() {
    assert_eq!(
        names(&["a.second.test"], false),
        ["a.second.test. owner", "new.a.second.test. pin 1", "old.a.second.test. pin 0"]
    );
}

#[test]
fn the_apex_has_pins_too() {
    assert_eq!(
        names(&["second.test"], false),
        ["new.second.test. pin 1", "old.second.test. pin 0", "second.test. owner"]
    );
}

#[test]
fn a_wildcard_owner_has_pins_at_its_base_with_and_without_a_label() {
    let expected = [
        "*.chat.second.test. owner by label",
        "*.new.chat.second.test. pin 1 by label",
        "*.old.chat.second.test. pin 0 by label",
        "new.chat.second.test. pin 1",
        "old.chat.second.test. pin 0",
    ];
    assert_eq!(names(&["*.chat.second.test"], false), expected);
}

#[test]
fn explanations_exist_where_somebody_may_ask() {
    let expected = [
        "_explain.a.second.test. explain",
        "a.second.test. owner",
        "new.a.second.test. pin 1",
        "old.a.second.test. pin 0",
    ];
    assert_eq!(names(&["a.second.test"], true), expected);
    let wildcard = names(&["*.chat.second.test"], true);
    assert!(wildcard.contains(&"*._explain.chat.second.test. explain by label".to_owned()), "{wildcard:?}");
    assert!(wildcard.contains(&"_explain.chat.second.test. explain".to_owned()), "{wildcard:?}");
}

#[test]
fn each_owner_of_a_switch_has_its_own_names() {
    assert_eq!(names(&["a.second.test", "b.second.test"], false).len(), 6);
}

#[test]
fn switches_stand_with_their_zones() {
    let catalogue = Catalogue::build(&of_files(definitions(|_| {})));
    let zone_of = |name: &str| catalogue.switches[catalogue.index_of(name).unwrap() as usize].zone;
    assert_eq!((zone_of("model"), zone_of("flag"), zone_of("chat")), (0, 0, 1));
    assert_eq!(catalogue.zone_by_apex[&"second.test".parse::<Name>().unwrap()], 1);
}

#[test]
fn the_ttl_of_a_target_is_known_when_the_name_is_ours() {
    let catalogue = Catalogue::build(&of_files(definitions(|_| {})));
    let ttl = |name: &str| catalogue.target_ttl(&name.parse().unwrap());
    assert_eq!(ttl("edge.example.test"), Some(77));
    assert_eq!(ttl("model.example.test"), Some(30), "a steered name has its switch's");
    assert_eq!(ttl("nothing.example.test"), Some(0));
    assert_eq!(ttl("edge.elsewhere.test"), None);
}

//! Names that two things of a dump want: the rest is carried over, and each loss is said.

use super::convert::convert;
use super::imported::Imported;
use super::render;
use super::tests::{dump, import, toml, weighted};
use std::collections::BTreeSet;

/// Two weighted sets.
fn pair(owner: &str, rtype: &str, a: &str, b: &str) -> [String; 2] {
    [weighted(owner, rtype, "a", 90, &[a]), weighted(owner, rtype, "b", 10, &[b])]
}

fn alias(owner: &str, rtype: &str, target: &str) -> String {
    format!(
        r#"{{"Name":"{owner}","Type":"{rtype}","AliasTarget":{{"HostedZoneId":"Z1","DNSName":"{target}","EvaluateTargetHealth":false}}}}"#
    )
}

fn plain(owner: &str, rtype: &str, value: &str) -> String {
    let value = serde_json::json!(value);
    format!(r#"{{"Name":"{owner}","Type":"{rtype}","TTL":60,"ResourceRecords":[{{"Value":{value}}}]}}"#)
}

fn lost(imported: &Imported) -> Vec<(&str, &str)> {
    imported.lost.iter().map(|lost| (lost.record.as_str(), lost.what.as_str())).collect()
}

fn noted(imported: &Imported, record: &str, what: &str) -> bool {
    imported.notes.iter().any(|note| note.record == record && note.what.contains(what))
}

#[test]
fn aliases_of_a_name_that_got_a_second_family_from_a_plain_set_are_owners_for_both() {
    let [a, b] = pair("www.example.test.", "A", "192.0.2.1", "192.0.2.2");
    let imported = import(&[
        alias("example.test.", "A", "www.example.test."),
        alias("example.test.", "AAAA", "www.example.test."),
        a,
        b,
        plain("www.example.test.", "AAAA", "2001:db8::7"),
    ]);
    let text = toml(&imported);
    assert!(text.contains(r#"owners = ["www.example.test", "example.test"]"#), "{text}");
    assert_eq!(text.matches("2001:db8::7").count(), 2, "{text}");
    assert_eq!((imported.lost.len(), imported.fixed.len()), (0, 2), "SOA and NS alone: {:?}", imported.fixed);
}

#[test]
fn an_alias_beside_routed_sets_is_in_every_pool() {
    let [a, b] = pair("app.example.test.", "A", "192.0.2.1", "192.0.2.2");
    let host = plain("h.example.test.", "AAAA", "2001:db8::9");
    let imported = import(&[a, b, host, alias("app.example.test.", "AAAA", "h.example.test.")]);
    assert_eq!(lost(&imported), []);
    assert_eq!(toml(&imported).matches("2001:db8::9").count(), 2);
}

#[test]
fn a_static_set_at_an_alias_of_a_switch_is_lost_alone() {
    for (rtype, value) in [("AAAA", "2001:db8::1"), ("TXT", "\"mine\"")] {
        let mut sets = pair("app.example.test.", "A", "192.0.2.1", "192.0.2.2").to_vec();
        sets.extend(pair("app.example.test.", "TXT", "\"a\"", "\"b\""));
        sets.extend([alias("www.example.test.", "A", "app.example.test."), plain("www.example.test.", rtype, value)]);
        sets.push(plain("www.example.test.", "MX", "10 mx.example.test."));
        let imported = import(&sets);
        let record = format!("www.example.test {rtype}");
        assert_eq!(lost(&imported), [(&*record, "switch app steers this name, and answers A, AAAA, TXT itself")]);
        assert!(toml(&imported).contains(r#"owners = ["app.example.test", "www.example.test"]"#));
        assert!(render::master(&imported).contains("IN MX     10 mx.example.test."));
    }
}

#[test]
fn what_a_name_answers_beyond_its_alias_is_said() {
    let mut sets = pair("app.example.test.", "A", "192.0.2.1", "192.0.2.2").to_vec();
    sets.extend(pair("app.example.test.", "AAAA", "2001:db8::1", "2001:db8::2"));
    sets.push(alias("www.example.test.", "A", "app.example.test."));
    let imported = import(&sets);
    assert!(noted(&imported, "www.example.test", "it answers AAAA as app.example.test does"), "{:?}", imported.notes);
}

#[test]
fn a_set_that_cannot_be_read_takes_its_siblings_with_it() {
    let good = weighted("app.example.test.", "A", "new", 10, &["192.0.2.2"]);
    for bad in [
        weighted("app.example.test.", "A", "old", 90, &["192.0.2"]),
        weighted("app.example.test.", "A", "old", 60_000, &["192.0.2.1"]),
    ] {
        let imported = import(&[bad, good.clone()]);
        assert_eq!(imported.switches, [], "10 in 100 would have become all");
        let lost = lost(&imported);
        assert_eq!(lost.len(), 2);
        assert!(lost[1].1.contains("shares its name with app.example.test A `old`"), "{lost:?}");
    }
}

#[test]
fn a_set_identifier_that_is_there_twice_makes_no_pools() {
    let imported = import(&[
        weighted("app.example.test.", "A", "a", 1, &["192.0.2.1"]),
        weighted("app.example.test.", "A", "a", 2, &["192.0.2.2"]),
        weighted("app.example.test.", "A", "b", 2, &["192.0.2.3"]),
    ]);
    assert_eq!((imported.switches.len(), imported.lost.len()), (0, 3));
    assert!(imported.lost.iter().all(|lost| lost.what.contains("`a` is there twice")), "{:?}", imported.lost);
}

#[test]
fn aliases_of_aliases_are_followed_and_circles_are_called_so() {
    let [a, b] = pair("app.example.test.", "A", "192.0.2.1", "192.0.2.2");
    let imported = import(&[
        a,
        b,
        alias("one.example.test.", "A", "two.example.test."),
        alias("two.example.test.", "A", "h.example.test."),
        plain("h.example.test.", "A", "192.0.2.9"),
        alias("example.test.", "A", "zz.example.test."),
        alias("zz.example.test.", "A", "app.example.test."),
        alias("self.example.test.", "A", "self.example.test."),
        alias("mail.example.test.", "A", "mx.example.test."),
        plain("mx.example.test.", "AAAA", "2001:db8::9"),
    ]);
    assert_eq!(render::master(&imported).matches("192.0.2.9").count(), 3);
    assert!(
        toml(&imported).contains(r#"owners = ["app.example.test", "zz.example.test", "example.test"]"#),
        "{}",
        toml(&imported)
    );
    let lost = lost(&imported);
    assert!(lost[0].0 == "mail.example.test A" && lost[0].1.contains("the dump has no A of it"), "{lost:?}");
    assert!(lost[1].0 == "self.example.test A" && lost[1].1.contains("in a circle"), "{lost:?}");
}

#[test]
fn a_wildcard_alias_and_an_owner_whose_pin_is_taken_say_what_hinders_them() {
    let [a, b] = pair("app.example.test.", "A", "192.0.2.1", "192.0.2.2");
    let imported = import(&[
        a,
        b,
        alias(r"*.example.test.", "A", "app.example.test."),
        alias("www.example.test.", "A", "app.example.test."),
        plain("b.www.example.test.", "A", "192.0.2.8"),
        plain("_explain.app.example.test.", "TXT", "\"x\""),
    ]);
    let lost = lost(&imported);
    assert!(lost.iter().any(|(at, what)| *at == "*.example.test A" && what.contains("switch app steers")), "{lost:?}");
    assert!(
        lost.iter().any(|(at, what)| *at == "www.example.test A" && what.contains("b.www.example.test is taken")),
        "{lost:?}"
    );
    assert!(
        lost.iter().any(|(at, what)| *at == "_explain.app.example.test TXT" && what.contains("`_explain`")),
        "{lost:?}"
    );
    assert_eq!(lost.len(), 3, "{lost:?}");
}

#[test]
fn a_wildcard_and_its_base_are_never_two_switches_and_nothing_is_steered_below_a_cut() {
    let mut sets = pair("u.example.test.", "A", "192.0.2.1", "192.0.2.2").to_vec();
    sets.extend(pair("*.u.example.test.", "A", "192.0.2.3", "192.0.2.4"));
    sets.push(plain("sub.example.test.", "NS", "ns.example.net."));
    sets.extend(pair("app.sub.example.test.", "A", "192.0.2.5", "192.0.2.6"));
    let imported = import(&sets);
    assert_eq!(imported.switches.len(), 1, "{:?}", imported.switches);
    let lost = lost(&imported);
    assert!(lost.iter().any(|(_, what)| what.contains("_explain")), "{lost:?}");
    assert_eq!(lost.iter().filter(|(_, what)| what.contains("below sub.example.test")).count(), 2, "{lost:?}");
}

#[test]
fn switch_names_of_neighbours_are_avoided() {
    let sets = pair("app.example.test.", "A", "192.0.2.1", "192.0.2.2");
    let there = BTreeSet::from(["app".to_owned()]);
    let imported = convert(&dump(&sets.join(",")), None, &[], &there).unwrap();
    assert!(toml(&imported).contains("[switch.app-2]"), "{}", toml(&imported));
    assert!(noted(&imported, "app.example.test", "a switch app is there already"), "{:?}", imported.notes);
}

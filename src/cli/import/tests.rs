//! Dumps to zone files, in the form the aws command writes them.

use super::convert::convert;
use super::dump::{Dump, name};
use super::imported::Imported;
use super::render;
use std::collections::BTreeSet;

/// A dump of these sets, after the SOA and NS that every hosted zone has.
pub(super) fn dump(sets: &str) -> Dump {
    let top = r#"{"Name":"example.test.","Type":"SOA","TTL":900,"ResourceRecords":[{"Value":"ns-1.awsdns-01.org. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}]},
        {"Name":"example.test.","Type":"NS","TTL":172800,"ResourceRecords":[{"Value":"ns-1.awsdns-01.org."},{"Value":"ns-2.awsdns-02.com."}]}"#;
    let comma = if sets.is_empty() { "" } else { "," };
    serde_json::from_str(&format!(r#"{{"ResourceRecordSets":[{top}{comma}{sets}]}}"#)).expect("a dump")
}

/// A weighted set.
pub(super) fn weighted(owner: &str, rtype: &str, id: &str, weight: u16, values: &[&str]) -> String {
    let values: Vec<String> =
        values.iter().map(|value| format!(r#"{{"Value":{}}}"#, serde_json::json!(value))).collect();
    let owner = serde_json::json!(owner);
    format!(
        r#"{{"Name":{owner},"Type":"{rtype}","SetIdentifier":"{id}","Weight":{weight},"TTL":60,"ResourceRecords":[{}]}}"#,
        values.join(",")
    )
}

pub(super) fn import(sets: &[String]) -> Imported {
    convert(&dump(&sets.join(",")), None, &[], &BTreeSet::new()).expect("a zone")
}

pub(super) fn toml(imported: &Imported) -> String {
    render::settings(imported).expect("switches")
}

#[test]
fn weighted_sets_of_several_types_become_one_switch_with_weights_in_their_ratio() {
    let imported = import(&[
        weighted("app.example.test.", "A", "Blue (old)", 255, &["192.0.2.10"]),
        weighted("app.example.test.", "A", "green", 0, &["192.0.2.20", "192.0.2.21"]),
        weighted("app.example.test.", "AAAA", "Blue (old)", 255, &["2001:db8::10"]),
        weighted("app.example.test.", "AAAA", "green", 0, &["2001:db8::20"]),
        weighted("app.example.test.", "TXT", "Blue (old)", 255, &[r#""blue" "two""#]),
        weighted("app.example.test.", "TXT", "green", 0, &[r#""gr\303\274n""#]),
    ]);
    assert_eq!((&imported.lost[..], imported.switches.len()), (&[][..], 1));
    let text = toml(&imported);
    assert!(
        text.contains(
            r#"[switch.app]
owners = ["app.example.test"]
ttl = 60

[switch.app.pool.blue-old]   # SetIdentifier "Blue (old)"
weight = 255
members = ["192.0.2.10 2001:db8::10"]
records = { TXT = ["\"blue\" \"two\""] }

[switch.app.pool.green]
weight = 0
members = ["192.0.2.20", "192.0.2.21", "2001:db8::20"]
records = { TXT = ["\"gr\\195\\188n\""] }
"#
        ),
        "{text}"
    );
}

#[test]
fn an_escaped_wildcard_is_one_and_its_pools_keep_clear_of_names_that_exist() {
    let imported = import(&[
        weighted(r"\052.users.example.test.", "A", "a", 1, &["192.0.2.1"]),
        weighted(r"\052.users.example.test.", "A", "b", 3, &["192.0.2.2"]),
        r#"{"Name":"a.users.example.test.","Type":"A","TTL":300,"ResourceRecords":[{"Value":"192.0.2.9"}]}"#.into(),
    ]);
    let text = toml(&imported);
    assert!(text.contains("[switch.any-users]\nowners = [\"*.users.example.test\"]"), "{text}");
    assert!(
        text.contains("pool.a-2]   # SetIdentifier \"a\"\nweight = 1\n") && text.contains("pool.b]\nweight = 3"),
        "{text}"
    );
}

#[test]
fn failover_keeps_its_order_and_says_that_a_monitor_is_missing() {
    let set = |id: &str, role: &str, address: &str| {
        format!(
            r#"{{"Name":"db.example.test.","Type":"A","SetIdentifier":"{id}","Failover":"{role}","TTL":1,"HealthCheckId":"11-22-{id}","ResourceRecords":[{{"Value":"{address}"}}]}}"#
        )
    };
    let imported = import(&[set("spare", "SECONDARY", "192.0.2.2"), set("main", "PRIMARY", "192.0.2.1")]);
    let text = toml(&imported);
    let (main, spare) = (text.find("pool.main]").unwrap(), text.find("pool.spare]").unwrap());
    assert!(main < spare && text.contains("policy = \"failover\"") && text.contains("ttl = 5\n"), "{text}");
    assert!(text.contains("health check 11-22-main, 11-22-spare") && text.contains("# monitor = "), "{text}");
    let notes: Vec<&str> = imported.notes.iter().map(|note| note.what.as_str()).collect();
    assert!(
        notes.iter().any(|what| what.contains("11-22-main"))
            && notes.iter().any(|what| what.contains("1 s became 5 s")),
        "{notes:?}"
    );
}

#[test]
fn multivalue_answers_are_one_pool() {
    let set = |id: &str, address: &str| {
        format!(
            r#"{{"Name":"m.example.test.","Type":"A","SetIdentifier":"{id}","MultiValueAnswer":true,"TTL":60,"ResourceRecords":[{{"Value":"{address}"}}]}}"#
        )
    };
    let imported = import(&[set("one", "192.0.2.1"), set("two", "192.0.2.2")]);
    assert!(toml(&imported).contains("[switch.m.pool.all]\nweight = 10000\nmembers = [\"192.0.2.1\", \"192.0.2.2\"]"));
}

#[test]
fn all_weights_zero_are_equal_ones() {
    let imported = import(&[
        weighted("z.example.test.", "A", "a", 0, &["192.0.2.1"]),
        weighted("z.example.test.", "A", "b", 0, &["192.0.2.2"]),
    ]);
    assert_eq!(imported.switches[0].pools.iter().map(|pool| pool.weight).collect::<Vec<_>>(), [1, 1]);
    assert!(imported.notes.iter().any(|note| note.what.contains("all weights are 0")));
}

#[test]
fn what_cannot_be_carried_over_is_named_with_a_remedy_and_nothing_is_lost_silently() {
    let alias = |owner: &str, target: &str, more: &str| {
        format!(
            r#"{{"Name":"{owner}","Type":"A",{more}"AliasTarget":{{"HostedZoneId":"Z1","DNSName":"{target}","EvaluateTargetHealth":true}}}}"#
        )
    };
    let plain = |owner: &str, more: &str| {
        format!(r#"{{"Name":"{owner}","Type":"A",{more}"TTL":60,"ResourceRecords":[{{"Value":"192.0.2.7"}}]}}"#)
    };
    let sets = [
        alias("example.test.", "dualstack.lb-1.eu-west-1.elb.amazonaws.com.", ""),
        alias("www.example.test.", "d111.cloudfront.net.", ""),
        alias("copy.example.test.", "host.example.test.", ""),
        plain("host.example.test.", ""),
        plain("near.example.test.", r#""SetIdentifier":"eu","Region":"eu-west-1","#),
        plain("geo.example.test.", r#""SetIdentifier":"de","GeoLocation":{"CountryCode":"DE"},"#),
        plain("tp.example.test.", r#""TrafficPolicyInstanceId":"tp-1","#),
        alias("lb.example.test.", "lb-2.elb.amazonaws.com.", r#""SetIdentifier":"new","Weight":10,"#),
        plain("lb.example.test.", r#""SetIdentifier":"old","Weight":90,"#),
    ];
    let imported = import(&sets);
    let lost: Vec<(&str, &str)> =
        imported.lost.iter().map(|lost| (lost.record.as_str(), lost.remedy.as_str())).collect();
    for (record, remedy) in [
        ("example.test A", "at the apex"),
        ("www.example.test A", "IN CNAME d111.cloudfront.net."),
        ("near.example.test A `eu`", "pools"),
        ("geo.example.test A `de`", "country"),
        ("tp.example.test A", "policy"),
        ("lb.example.test A `new`", "members of a pool"),
        ("lb.example.test A `old`", "members of a pool"),
    ] {
        assert!(lost.iter().any(|(at, what)| *at == record && what.contains(remedy)), "{record}: {lost:?}");
    }
    assert_eq!(lost.len(), 7, "{lost:?}");
    let master = render::master(&imported);
    assert!(master.contains("copy ") && master.contains("; www.example.test A: it is an alias"), "{master}");
}

#[test]
fn an_alias_of_a_switch_is_another_owner_of_it() {
    let imported = import(&[
        weighted("app.example.test.", "A", "a", 1, &["192.0.2.1"]),
        weighted("app.example.test.", "A", "b", 1, &["192.0.2.2"]),
        r#"{"Name":"example.test.","Type":"A","AliasTarget":{"HostedZoneId":"Z1","DNSName":"app.example.test.","EvaluateTargetHealth":false}}"#.into(),
    ]);
    assert!(toml(&imported).contains("owners = [\"app.example.test\", \"example.test\"]"));
    assert_eq!(imported.lost, []);
}

#[test]
fn types_with_other_pools_are_listed_and_not_mixed_in() {
    let imported = import(&[
        weighted("app.example.test.", "A", "a", 1, &["192.0.2.1"]),
        weighted("app.example.test.", "A", "b", 1, &["192.0.2.2"]),
        weighted("app.example.test.", "AAAA", "six", 1, &["2001:db8::1"]),
    ]);
    assert_eq!(imported.lost.len(), 1);
    assert!(imported.lost[0].what.contains("identifiers") && !toml(&imported).contains("2001:db8"));
}

#[test]
fn part_of_a_dump_becomes_a_zone_with_nameservers_of_its_own() {
    let sets = [
        weighted("app.sub.example.test.", "A", "a", 1, &["192.0.2.1"]),
        weighted("app.sub.example.test.", "A", "b", 1, &["192.0.2.2"]),
    ];
    let dump = dump(&sets.join(","));
    let sub = name("sub.example.test").unwrap();
    assert!(convert(&dump, Some(sub.clone()), &[], &BTreeSet::new()).unwrap_err().contains("--ns"));
    let imported = convert(&dump, Some(sub), &[name("ns1.example.net").unwrap()], &BTreeSet::new()).unwrap();
    assert_eq!(imported.outside, 2);
    let master = render::master(&imported);
    assert!(
        master.contains("IN SOA    ns1.example.net. hostmaster.sub.example.test. 1 ")
            && master.contains("IN NS     ns1.example.net."),
        "{master}"
    );
    assert!(!master.contains("awsdns"), "{master}");
}

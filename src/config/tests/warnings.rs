//! Advice (§1.11): what is loaded, and said.

use super::{TestFolder, ZONE, load, switch, warnings_of};
use crate::config::{check, load_zones};

#[test]
fn an_ordinary_switch_causes_no_warning() {
    assert_eq!(warnings_of(&switch("")), "");
}

#[test]
fn an_address_in_two_pools_is_warned_of() {
    let shown = warnings_of(&switch("").replace("192.0.2.20", "192.0.2.10"));
    assert!(shown.contains("11:12: 192.0.2.10 is also in pool `blue`"), "{shown}");
    assert!(shown.contains("    members = [\"192.0.2.10\"]\n               ^^^^^^^^^^^^"), "{shown}");
}

#[test]
fn a_pool_without_aaaa_where_another_has_it_is_warned_of() {
    let shown = warnings_of(&switch("").replace("\"192.0.2.20\"", "\"192.0.2.20 2001:db8::20\""));
    assert!(shown.contains("7:18: pool `blue` has no AAAA where another pool has it"), "{shown}");
}

#[test]
fn random_with_several_types_is_warned_of() {
    let both = switch("policy = \"random\"")
        .replace("192.0.2.10", "192.0.2.10 2001:db8::1")
        .replace("192.0.2.20", "192.0.2.20 2001:db8::2");
    let shown = warnings_of(&both);
    assert!(shown.contains("3:9: `random` draws for each query"), "{shown}");
    assert_eq!(warnings_of(&both.replace("random", "sticky")), "");
    assert_eq!(warnings_of(&switch("policy = \"random\"")), "");
}

#[test]
fn a_version_nobody_looks_for_is_warned_of() {
    let shown = warnings_of(&switch("").replace("weight = 0", "weight = 0\nexpect_version = \"v2\""));
    assert!(shown.contains("10:18: pool `green` expects a version, but no monitor looks for one"), "{shown}");
}

#[test]
fn a_long_ttl_is_warned_of() {
    let shown = warnings_of(&switch("ttl = 600"));
    assert!(shown.contains("6:7: a TTL of 600 s outlasts the 10 min hold"), "{shown}");
}

#[test]
fn a_nameserver_without_address_is_warned_of_once() {
    let shown = warnings_of("[zone]\nns = [\"ns1.example.test\"]\n");
    assert!(
        shown.contains("2:7: the nameserver `ns1.example.test` lies in the zone and has no address here"),
        "{shown}"
    );
    assert_eq!(shown.matches("remedy:").count(), 1, "{shown}");
    assert_eq!(warnings_of("[zone]\nns = \"ns1.example.test\"\nglue = { \"ns1.example.test\" = \"192.0.2.1\" }\n"), "");
}

#[test]
fn a_member_that_also_stands_in_static_data_is_warned_of() {
    let glue = "[zone]\nns = \"ns1.example.test\"\nglue = { \"ns1.example.test\" = \"192.0.2.20\" }\n";
    let shown = warnings_of(&switch("").replace(ZONE, glue));
    assert!(shown.contains("12:12: 192.0.2.20 also stands in static data: `ns1.example.test` in "), "{shown}");
}

#[test]
fn more_than_100_members_are_warned_of() {
    let many: Vec<String> = (1..=101).map(|n| format!("\"198.51.100.{n}\"")).collect();
    let shown = warnings_of(&switch("").replace("\"192.0.2.20\"", &many.join(", ")));
    assert!(shown.contains("pool `green` has 101 members"), "{shown}");
}

#[test]
fn a_file_with_nearly_the_right_ending_is_warned_of() {
    let folder = TestFolder::with(&[("example.test.tml", ZONE)]);
    let loaded = load_zones(folder.path()).unwrap();
    let shown: Vec<String> = loaded.warnings.iter().map(|w| folder.without_path(&w.to_string())).collect();
    assert!(shown.iter().any(|w| w.contains("example.test.tml: not read")), "{shown:?}");
    assert!(shown.iter().any(|w| w.contains("no zone file")), "{shown:?}");
}

#[test]
fn check_says_what_the_fallback_means_and_who_needs_force() {
    let folder = TestFolder::with(&[(
        "example.test.toml",
        &switch("fallback = \"standby\"").replace("monitor = { tcp = 80 }\n", ""),
    )]);
    let report = check(folder.path());
    assert_eq!((report.problems.len(), report.switches.len()), (0, 1));
    let lines = report.switches[0].lines.join("\n");
    assert!(lines.contains("app.example.test answers from blue 100 %, green 0 % (sticky), TTL 30 s"), "{lines}");
    assert!(lines.contains("when no pool is eligible: healthy pools at weight 0 (green by the files)"), "{lines}");
    assert!(
        lines.contains("pool blue has no monitor: it always counts as eligible, and flipping to it needs force"),
        "{lines}"
    );
}

#[test]
fn warnings_do_not_keep_a_zone_from_being_loaded() {
    assert_eq!(load(&switch("ttl = 600")).definitions.zones.len(), 1);
}

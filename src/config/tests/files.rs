//! Folders: which files make which zone, master files, names against static data.

use super::{TestFolder, ZONE, load, switch};
use crate::config::{check, load_zones};
use crate::dns::{Name, RecordType};
use crate::health::{HttpCheck, MonitorKind};
use crate::steering::{Fallback, Policy, Switch};
use std::path::{Path, PathBuf};

const MASTER: &str = "\
$TTL 300
@    SOA ns1 hostmaster 7 3600 600 86400 60
     NS  ns1
ns1  A   192.0.2.1
";

/// What the first monitor of a switch asks over HTTP.
fn http_of(switch: &Switch) -> &HttpCheck {
    match &switch.monitors[0].kind {
        MonitorKind::Http(check) => check,
        other => panic!("{other:?}"),
    }
}

/// The folder of the examples.
fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("zones")
}

/// A zone with a master file of `more` records beside the switch `app`.
fn beside(more: &str) -> TestFolder {
    let toml = switch("").replace(ZONE, "");
    TestFolder::with(&[("example.test.toml", &toml), ("example.test.zone", &format!("{MASTER}{more}\n"))])
}

#[test]
fn the_examples_load_without_problem_or_warning() {
    let loaded = load_zones(&examples()).unwrap_or_else(|problems| panic!("{problems}"));
    let shown: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [""; 0]);
    let names: Vec<String> = loaded.definitions.zones.iter().map(|z| z.apex.to_string()).collect();
    assert_eq!(names, ["flags.example.", "example.test.", "features.example."]);
}

#[test]
fn the_example_of_two_servers_has_at_most_15_lines() {
    let text = std::fs::read_to_string(examples().join("example.test.toml")).unwrap();
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).count();
    assert!(lines <= 15, "{lines} lines");
}

#[test]
fn the_shape_of_the_product_page_works_as_written() {
    let loaded = load(
        r#"
        [zone]
        ns = ["ns1.example.test"]
        [switch.model]
        owners = ["model.example.test"]
        monitor = { http = "http://{address}:8080/health", expect_version = "/model" }
        [switch.model.pool.blue]
        members = ["192.0.2.10"]
        expect_version = "v1"
        weight = 10000
        [switch.model.pool.green]
        members = ["192.0.2.20"]
        expect_version = "v2"
        weight = 0
        "#,
    );
    let (zone, model) = loaded.definitions.switch("model").unwrap();
    assert_eq!(zone.file_serial, 1);
    assert_eq!(model.pools.iter().map(|p| (&*p.name, p.weight)).collect::<Vec<_>>(), [("blue", 10_000), ("green", 0)]);
    assert_eq!(
        (model.policy, &model.fallback, model.ttl_s, model.fast_ttl_s),
        (Policy::Sticky, &Fallback::LastActive, 30, 10)
    );
    assert_eq!((model.min_healthy, model.min_interval_ms, model.tail_s, model.prepare_s), (5_000, 5_000, 900, 3_600));
    let monitor = &model.monitors[0];
    assert!(monitor.checks_version());
    assert_eq!((monitor.interval_ms, monitor.timeout_ms, monitor.fall, monitor.rise), (2_000, 1_000, 3, 5));
}

#[test]
fn the_features_arrive_as_written() {
    let loaded = load_zones(&examples()).unwrap();
    let (zone, model) = loaded.definitions.switch("chat").unwrap();
    assert_eq!((zone.file_serial, zone.max_moving), (2_026_010_100, Some(2)));
    assert_eq!(model.owners[1], zone.apex);
    let names: Vec<&str> = model.monitors.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["ready", "deep", "tls", "tcp", "grpc", "icmp"]);
    let deep = &model.monitors[1];
    assert_eq!((deep.interval_ms, deep.timeout_ms, deep.fall, deep.rise), (30_000, 10_000, 2, 1));
    let blue = &model.pools[0];
    assert_eq!((&*blue.members[0].name(), blue.members[0].ipv6.is_some()), ("192.0.2.10", true));
    assert_eq!((&*blue.members[1].name(), blue.members[1].weight), ("blue-2", 2));
    assert_eq!(blue.records[0].rtype, RecordType::HTTPS);
    assert!(model.pools[1].monitors.as_ref().unwrap()[0].checks_version());
    assert_eq!(model.rules.len(), 2);
    let plan = loaded.definitions.plan("chat").unwrap();
    assert_eq!((plan.steps.len(), plan.gates.len(), plan.metrics().len(), plan.hooks.len()), (4, 3, 3, 2));
    assert_eq!(plan.prometheus.as_ref().unwrap().url, "http://127.0.0.1:9090");
}

#[test]
fn a_toml_alone_gets_soa_ns_and_glue() {
    let loaded = load(
        "[zone]\nns = [\"ns1.example.test\", \"ns.example.net\"]\nhostmaster = \"dns.ops@example.test\"\nserial = 5\nglue = { \"ns1.example.test\" = [\"192.0.2.1\", \"2001:db8::1\"] }\n",
    );
    let zone = &loaded.definitions.zones[0];
    let types: Vec<(String, RecordType, u16)> =
        zone.data.rrsets().map(|(owner, r)| (owner.to_string(), r.rtype, r.count)).collect();
    let apex = "example.test.".to_owned();
    let server = "ns1.example.test.".to_owned();
    assert_eq!(
        types,
        [
            (apex.clone(), RecordType::NS, 2),
            (apex, RecordType::SOA, 1),
            (server.clone(), RecordType::A, 1),
            (server, RecordType::AAAA, 1)
        ]
    );
    let (_, soa) = zone.data.rrsets().nth(1).unwrap();
    let soa = soa.rdatas().next().unwrap();
    let mailbox: Name = r"dns\.ops.example.test".parse().unwrap();
    let primary: Name = "ns1.example.test".parse().unwrap();
    assert!(soa.strip_prefix(primary.wire()).unwrap().starts_with(mailbox.wire()));
    assert_eq!(zone.file_serial, 5);
}

#[test]
fn a_master_file_alone_is_a_zone() {
    let folder = TestFolder::with(&[("Example.Test.zone", MASTER), ("notes.txt", "x"), (".hidden.toml", "x")]);
    let loaded = load_zones(folder.path()).unwrap();
    assert_eq!(loaded.definitions.zones.len(), 1);
    assert_eq!(
        (loaded.definitions.zones[0].apex.to_string().as_str(), loaded.definitions.zones[0].file_serial),
        ("example.test.", 7)
    );
}

#[test]
fn one_zone_in_two_spellings_is_refused() {
    let folder = TestFolder::with(&[("Example.Test.zone", MASTER), ("example.test.zone", MASTER)]);
    assert!(
        folder.problems().contains("example.test.zone: the same zone as `Example.Test.zone`"),
        "{}",
        folder.problems()
    );
}

#[test]
fn a_toml_without_zone_table_needs_a_master_file() {
    let folder = TestFolder::with(&[("example.test.toml", &switch("").replace(ZONE, ""))]);
    assert!(folder.problems().contains("neither a master file nor `[zone]`"), "{}", folder.problems());
    assert_eq!(beside("").problems(), "");
}

#[test]
fn the_soa_has_one_home() {
    let folder = TestFolder::with(&[
        ("example.test.toml", "[zone]\nns = \"a.test\"\nserial = 3\n"),
        ("example.test.zone", MASTER),
    ]);
    let shown = folder.problems();
    assert!(shown.contains("example.test.toml:2:6: `ns` is decided by `example.test.zone`"), "{shown}");
    assert!(shown.contains("example.test.toml:3:10: `serial` is decided by"), "{shown}");
}

#[test]
fn faults_of_all_files_are_listed_together() {
    let folder = TestFolder::with(&[
        ("a.test.toml", "[zone]\nns = 3\n"),
        ("b.test.zone", "@ SOA ns1 hostmaster seven 3600 600 86400 60\n"),
        ("example.test.toml", &switch("ttl = 1")),
    ]);
    let shown = folder.problems();
    for file in ["a.test.toml:2:6:", "b.test.zone:1:", "example.test.toml:6:7:"] {
        assert!(shown.contains(file), "{shown}");
    }
}

#[test]
fn a_static_name_at_a_pin_is_refused() {
    let shown = beside("green.app TXT hello").problems();
    assert!(shown.contains("example.test.toml:2:11: `green.app.example.test` is the pin of pool `green` of switch `app`, and a static name in example.test.zone:5"), "{shown}");
}

#[test]
fn a_static_name_at_explain_is_refused() {
    let shown = beside("_explain.app TXT hello").problems();
    assert!(shown.contains("`_explain.app.example.test` is the explanation of switch `app`"), "{shown}");
}

#[test]
fn a_static_record_of_a_steered_type_is_refused_and_others_are_not() {
    for rtype in ["A 192.0.2.9", "AAAA 2001:db8::9", "CNAME www.example.net."] {
        let shown = beside(&format!("app {rtype}")).problems();
        assert!(shown.contains("`app.example.test` is steered and has a static"), "{rtype}: {shown}");
    }
    assert_eq!(beside("app TXT hello\napp CAA 0 issue \"ca.test\"").problems(), "");
}

#[test]
fn an_owner_below_a_cut_is_refused() {
    let toml = switch("").replace(ZONE, "").replace("app.example.test", "app.sub.example.test");
    let zone = format!("{MASTER}sub NS ns.example.net.\n");
    let shown = TestFolder::with(&[("example.test.toml", &toml), ("example.test.zone", &zone)]).problems();
    assert!(shown.contains("2:11: `app.sub.example.test` lies below `sub.example.test`, which is delegated to another server in example.test.zone:5"), "{shown}");
    let shown = beside("app NS ns.example.net.").problems();
    assert!(shown.contains("`app.example.test` is steered and has a static NS record"), "{shown}");
}

#[test]
fn the_pins_of_a_wildcard_are_guarded_too() {
    let toml = switch("").replace(ZONE, "").replace("app.example.test", "*.app.example.test");
    for name in ["blue.app", "*.blue.app"] {
        let zone = format!("{MASTER}{name} TXT x\n");
        let shown = TestFolder::with(&[("example.test.toml", &toml), ("example.test.zone", &zone)]).problems();
        assert!(shown.contains("is the pin of pool `blue`"), "{name}: {shown}");
    }
}

#[test]
fn the_explanations_of_a_wildcard_are_guarded_too() {
    let toml = switch("").replace(ZONE, "").replace("app.example.test", "*.app.example.test");
    for name in ["_explain.app", "*._explain.app"] {
        let zone = format!("{MASTER}{name} TXT x\n");
        let shown = TestFolder::with(&[("example.test.toml", &toml), ("example.test.zone", &zone)]).problems();
        assert!(shown.contains("is the explanation of switch `app`"), "{name}: {shown}");
    }
}

#[test]
fn a_pin_longer_than_a_name_may_be_is_refused() {
    let label = "a".repeat(58);
    let owner = format!("{label}.{label}.{label}.{label}.example.test");
    let toml = switch("").replace("app.example.test", &owner);
    let shown = TestFolder::with(&[("example.test.toml", &toml)]).problems();
    assert!(shown.contains(&format!("4:11: `green.{owner}` is no name: name longer than 255 octets")), "{shown}");
}

#[test]
fn a_switch_has_a_bounded_number_of_pools() {
    let pools: String =
        (0..=256).map(|n| format!("pool.p{n} = {{ members = [\"192.0.2.1\"], weight = 1 }}\n")).collect();
    let toml = format!("{ZONE}[switch.app]\nowners = [\"app.example.test\"]\n{pools}");
    let shown = TestFolder::with(&[("example.test.toml", &toml)]).problems();
    assert!(shown.contains("3:9: the switch has 257 pools; 256 are allowed"), "{shown}");
}

#[test]
fn one_owner_belongs_to_one_switch() {
    let second =
        "[switch.other]\nowners = [\"app.example.test\"]\npool.x = { members = [\"192.0.2.77\"], weight = 1 }\n";
    let shown = TestFolder::with(&[("example.test.toml", &format!("{}{second}", switch("")))]).problems();
    assert!(
        shown.contains("14:11: `app.example.test` would be an owner of switch `app` and an owner of switch `other`"),
        "{shown}"
    );
    assert!(shown.contains("remedy: steer each name by one switch"), "{shown}");
}

#[test]
fn switch_names_are_unique_over_all_zones() {
    let other = switch("").replace("example.test", "example.org");
    let shown = TestFolder::with(&[("example.test.toml", &switch("")), ("example.org.toml", &other)]).problems();
    assert!(shown.contains("example.test.toml:3:9: a switch `app` is already in `example.org.toml`"), "{shown}");
}

#[test]
fn an_owner_in_a_zone_within_the_zone_is_refused() {
    let inner = "[zone]\nns = \"ns.example.net\"\n";
    let shown = TestFolder::with(&[("example.test.toml", &switch("")), ("app.example.test.toml", inner)]).problems();
    assert!(
        shown.contains(
            "4:11: `app.example.test` lies in the zone `app.example.test`, which is served from its own files"
        ),
        "{shown}"
    );
}

#[test]
fn a_name_and_its_wildcard_may_share_a_switch() {
    let toml = switch("").replace("[\"app.example.test\"]", "[\"app.example.test\", \"*.app.example.test\"]");
    assert_eq!(TestFolder::with(&[("example.test.toml", &toml)]).problems(), "");
}

#[test]
fn include_stays_in_the_folder() {
    let folder = TestFolder::with(&[
        ("example.test.zone", &format!("{MASTER}$INCLUDE more.inc\n")),
        ("more.inc", "www A 192.0.2.5\n"),
    ]);
    assert_eq!(load_zones(folder.path()).unwrap().definitions.zones[0].data.rrsets().count(), 4);
    for outside in ["../more.inc", "/etc/hostname"] {
        let shown = TestFolder::with(&[("example.test.zone", &format!("{MASTER}$INCLUDE {outside}\n"))]).problems();
        assert!(shown.contains("leads out of the folder"), "{shown}");
    }
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.inc")).unwrap();
    std::fs::write(folder.path().join("example.test.zone"), format!("{MASTER}$INCLUDE link.inc\n")).unwrap();
    assert!(folder.problems().contains("leads out of the folder of the zone files by a link"), "{}", folder.problems());
}

#[test]
fn a_ca_file_is_read_beside_the_zones() {
    let toml = switch("").replace("tcp = 80", "https = \"https://{address}/\", ca_file = \"ca.pem\"");
    let folder = TestFolder::with(&[("example.test.toml", &toml), ("ca.pem", "-----BEGIN CERTIFICATE-----\n")]);
    let loaded = load_zones(folder.path()).unwrap();
    let (_, app) = loaded.definitions.switch("app").unwrap();
    assert_eq!(http_of(app).ca_pem.as_deref(), Some("-----BEGIN CERTIFICATE-----\n"));
    std::fs::write(folder.path().join("ca.pem"), "no").unwrap();
    assert!(folder.problems().contains("`ca.pem` holds no certificate"), "{}", folder.problems());
}

#[test]
fn a_pinned_host_still_probes_the_member() {
    let toml = switch("").replace("tcp = 80", "https = \"https://app.test:8443/up\", host = \"app.test\"");
    let loaded = load(&toml);
    let (_, app) = loaded.definitions.switch("app").unwrap();
    assert_eq!(http_of(app).url, "https://{address}:8443/up");
}

#[test]
fn a_missing_folder_is_a_problem() {
    let shown = load_zones(Path::new("/nowhere/zones")).unwrap_err().to_string();
    assert!(shown.starts_with("/nowhere/zones: can't read the folder: "), "{shown}");
    assert_eq!(check(Path::new("/nowhere/zones")).problems.len(), 1);
}

#[test]
fn octets_that_are_not_utf_8_have_a_place() {
    let folder = TestFolder::with(&[]);
    std::fs::write(folder.path().join("example.test.toml"), b"[zone]\nns = \"\xff\"\n").unwrap();
    assert!(folder.problems().contains("example.test.toml:2:7: not UTF-8 from here on"), "{}", folder.problems());
}

#[test]
fn what_records_say_of_each_other_is_shown_with_the_line() {
    let folder = TestFolder::with(&[("example.test.zone", &format!("{MASTER}www A 192.0.2.1\n  CNAME ns1\n"))]);
    let shown = folder.problems();
    assert!(shown.contains("example.test.zone:6:3: www.example.test. has a CNAME record and A beside it\n      CNAME ns1\n      ^^^^^^^^^"), "{shown}");
}

#[test]
fn a_nameserver_of_a_master_file_without_address_is_warned_of() {
    let folder = TestFolder::with(&[("example.test.zone", &format!("{MASTER}@ NS ns2\n@ NS ns.example.net.\n"))]);
    let warnings = load_zones(folder.path()).unwrap().warnings;
    let shown: Vec<String> = warnings.iter().map(|w| folder.without_path(&w.to_string())).collect();
    assert_eq!(shown.len(), 1);
    assert!(
        shown[0].starts_with("example.test.zone:5:1: the nameserver `ns2.example.test` lies in the zone"),
        "{shown:?}"
    );
}

#[test]
fn a_static_set_of_more_than_100_records_is_warned_of() {
    let many: String = (1..=101).map(|n| format!("big A 198.51.100.{n}\n")).collect();
    let folder = TestFolder::with(&[("example.test.zone", &format!("{MASTER}{many}"))]);
    let warnings = load_zones(folder.path()).unwrap().warnings;
    let shown: Vec<String> = warnings.iter().map(|w| folder.without_path(&w.to_string())).collect();
    assert_eq!(shown.len(), 1);
    assert!(shown[0].starts_with("example.test.zone:5: `big.example.test` has 101 A records"), "{shown:?}");
}

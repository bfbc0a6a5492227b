//! `tidegate import route53`: a realistic dump to zone files that a server answers from.

use crate::harness::{Folder, PROGRAM, Server};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

/// As `aws route53 list-resource-record-sets --output json` prints it.
const DUMP: &str = r#"{
    "ResourceRecordSets": [
        { "Name": "shop.test.", "Type": "NS", "TTL": 172800, "ResourceRecords": [ { "Value": "ns-2048.awsdns-64.com." }, { "Value": "ns-2049.awsdns-65.net." } ] },
        { "Name": "shop.test.", "Type": "SOA", "TTL": 900, "ResourceRecords": [ { "Value": "ns-2048.awsdns-64.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400" } ] },
        { "Name": "shop.test.", "Type": "MX", "TTL": 300, "ResourceRecords": [ { "Value": "10 mx1.mail.example" }, { "Value": "20 mx2.mail.example." } ] },
        { "Name": "shop.test.", "Type": "TXT", "TTL": 300, "ResourceRecords": [ { "Value": "\"v=spf1 include:_spf.mail.example ~all\"" }, { "Value": "\"first \" \"second\"" } ] },
        { "Name": "shop.test.", "Type": "CAA", "TTL": 300, "ResourceRecords": [ { "Value": "0 issue \"ca.example.net\"" } ] },
        { "Name": "_sip._tcp.shop.test.", "Type": "SRV", "TTL": 300, "ResourceRecords": [ { "Value": "1 10 5060 sip.shop.test" } ] },
        { "Name": "sip.shop.test.", "Type": "A", "TTL": 300, "ResourceRecords": [ { "Value": "192.0.2.60" } ] },
        { "Name": "odd\\041name.shop.test.", "Type": "A", "TTL": 300, "ResourceRecords": [ { "Value": "192.0.2.61" } ] },
        { "Name": "model.shop.test.", "Type": "A", "SetIdentifier": "blue", "Weight": 192, "TTL": 60, "ResourceRecords": [ { "Value": "192.0.2.10" } ], "HealthCheckId": "0f1e2d3c-aaaa-bbbb-cccc-000000000001" },
        { "Name": "model.shop.test.", "Type": "A", "SetIdentifier": "green", "Weight": 63, "TTL": 60, "ResourceRecords": [ { "Value": "192.0.2.20" } ], "HealthCheckId": "0f1e2d3c-aaaa-bbbb-cccc-000000000002" },
        { "Name": "model.shop.test.", "Type": "AAAA", "SetIdentifier": "blue", "Weight": 192, "TTL": 60, "ResourceRecords": [ { "Value": "2001:db8::10" } ] },
        { "Name": "model.shop.test.", "Type": "AAAA", "SetIdentifier": "green", "Weight": 63, "TTL": 60, "ResourceRecords": [ { "Value": "2001:db8::20" } ] },
        { "Name": "\\052.u.shop.test.", "Type": "A", "SetIdentifier": "A side", "Weight": 1, "TTL": 60, "ResourceRecords": [ { "Value": "192.0.2.30" } ] },
        { "Name": "\\052.u.shop.test.", "Type": "A", "SetIdentifier": "B side", "Weight": 0, "TTL": 60, "ResourceRecords": [ { "Value": "192.0.2.31" } ] },
        { "Name": "cdn.shop.test.", "Type": "CNAME", "SetIdentifier": "one", "Weight": 255, "TTL": 60, "ResourceRecords": [ { "Value": "edge.one.example" } ] },
        { "Name": "cdn.shop.test.", "Type": "CNAME", "SetIdentifier": "two", "Weight": 0, "TTL": 60, "ResourceRecords": [ { "Value": "edge.two.example" } ] },
        { "Name": "db.shop.test.", "Type": "A", "SetIdentifier": "standby", "Failover": "SECONDARY", "TTL": 60, "ResourceRecords": [ { "Value": "192.0.2.41" } ] },
        { "Name": "db.shop.test.", "Type": "A", "SetIdentifier": "main", "Failover": "PRIMARY", "TTL": 60, "ResourceRecords": [ { "Value": "192.0.2.40" } ], "HealthCheckId": "0f1e2d3c-aaaa-bbbb-cccc-000000000003" },
        { "Name": "www.shop.test.", "Type": "A", "AliasTarget": { "HostedZoneId": "Z2FDTNDATAQYW2", "DNSName": "d111111abcdef8.cloudfront.net.", "EvaluateTargetHealth": false } },
        { "Name": "near.shop.test.", "Type": "A", "SetIdentifier": "frankfurt", "Region": "eu-central-1", "TTL": 60, "ResourceRecords": [ { "Value": "192.0.2.50" } ] }
    ]
}"#;

fn import(folder: &Folder, more: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["import", "route53", "dump.json"]).args(more).env_clear().stdin(Stdio::null());
    command.current_dir(folder.path()).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[tokio::test]
async fn a_dump_becomes_zone_files_that_pass_check_and_are_answered_from() {
    let folder = Folder::new("import");
    folder.write("dump.json", DUMP);
    folder.write("zones/other", "");
    let dry = import(&folder, &["--out", "zones", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(1), "{}", text(&dry.stderr));
    assert_eq!(std::fs::read_dir(folder.path().join("zones")).unwrap().count(), 1, "a dry run writes nothing");
    std::fs::remove_file(folder.path().join("zones/other")).unwrap();
    let done = import(&folder, &["--out", "zones", "--ns", "ns1.shop.example", "--json"]);
    assert_eq!(done.status.code(), Some(1), "two records were not carried over: {}", text(&done.stderr));
    let body: Value = serde_json::from_slice(&done.stdout).unwrap();
    let lost: Vec<&str> =
        body["not_carried_over"].as_array().unwrap().iter().map(|lost| lost["record"].as_str().unwrap()).collect();
    assert_eq!(lost, ["near.shop.test A `frankfurt`", "www.shop.test A"]);
    assert!(body["notes"].to_string().contains("0f1e2d3c-aaaa-bbbb-cccc-000000000001"), "{body}");
    let checked =
        Command::new(PROGRAM).args(["check", "--zones", "zones"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}{}", text(&checked.stdout), text(&checked.stderr));

    let again = import(&folder, &["--out", "zones"]);
    assert!(again.status.code() == Some(1) && text(&again.stderr).contains("not replaced"), "{}", text(&again.stderr));

    let read = |name: &str| std::fs::read_to_string(folder.path().join("zones").join(name)).unwrap();
    let (master, settings) = (read("shop.test.zone"), read("shop.test.toml"));
    let server = Server::start(&[("shop.test.zone", &master), ("shop.test.toml", &settings)]).await;
    assert_eq!(server.short(&["MX", "shop.test"]), ["10 mx1.mail.example.", "20 mx2.mail.example."]);
    assert!(server.short(&["TXT", "shop.test"]).contains(&"\"first \" \"second\"".to_owned()));
    assert_eq!(server.short(&["SRV", "_sip._tcp.shop.test"]), ["1 10 5060 sip.shop.test."]);
    assert_eq!(server.short(&["odd!name.shop.test"]), ["192.0.2.61"]);
    assert_eq!(server.short(&["NS", "shop.test"]), ["ns1.shop.example."]);
    assert_eq!(server.short(&["anybody.u.shop.test"]), ["192.0.2.30"], "the wildcard's other side has weight 0");
    assert_eq!(server.short(&["CNAME", "cdn.shop.test"]), ["edge.one.example."]);
    assert_eq!(server.short(&["db.shop.test"]), ["192.0.2.40"], "the primary answers, listed second or not");
    assert_eq!(server.short(&["AAAA", "green.model.shop.test"]), ["2001:db8::20"]);
    let (_, model) = server.api("GET", "/v1/switches/model", None).await;
    let shares: Vec<f64> =
        model["pools"].as_array().unwrap().iter().map(|pool| pool["share_percent"].as_f64().unwrap()).collect();
    assert!((shares[0] - 75.29).abs() < 0.01 && (shares[1] - 24.71).abs() < 0.01, "192 to 63: {shares:?}");
}

#[test]
fn what_is_no_whole_dump_is_refused() {
    let folder = Folder::new("no-dump");
    for (dump, why) in [
        ("{}", "no dump"),
        ("[]", "no dump"),
        ("{\"ResourceRecordSets\": []}", "--zone"),
        ("{\"ResourceRecordSets\": [], \"NextToken\": \"x\"}", "ends in the middle"),
    ] {
        folder.write("dump.json", dump);
        let output = import(&folder, &["--out", "."]);
        assert!(
            output.status.code() == Some(1) && text(&output.stderr).contains(why),
            "{dump}: {}",
            text(&output.stderr)
        );
    }
    folder.write("dump.json", DUMP);
    let outside = import(&folder, &["--zone", "elsewhere.test"]);
    assert!(text(&outside.stderr).contains("no SOA of elsewhere.test"), "{}", text(&outside.stderr));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was left behind");
}

#[test]
fn two_zones_go_into_one_folder_and_are_checked_together() {
    let folder = Folder::new("import-two");
    folder.write("dump.json", DUMP);
    let first = import(&folder, &["--out", "zones", "--ns", "ns1.shop.example"]);
    assert_eq!(first.status.code(), Some(1), "two records were not carried over: {}", text(&first.stderr));
    folder.write("dump.json", &DUMP.replace("shop.test", "store.test"));
    let second = import(&folder, &["--out", "zones", "--ns", "ns1.shop.example", "--json"]);
    let body: Value = serde_json::from_slice(&second.stdout).unwrap();
    let switches: Vec<&str> = body["switches"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(switches.contains(&"model-2") && !switches.contains(&"model"), "{switches:?}");
    let checked = || {
        let output = Command::new(PROGRAM).args(["check", "--zones", "zones"]).current_dir(folder.path()).output();
        output.unwrap().status.code()
    };
    assert_eq!(checked(), Some(0));

    // Its switch `model` steers a name of the zone that would come.
    folder.write("dump.json", &DUMP.replace("shop.test", "model.shop.test"));
    let third = import(&folder, &["--out", "zones"]);
    let said = text(&third.stderr);
    assert!(third.status.code() == Some(1) && said.contains("lies in the zone `model.shop.test`"), "{said}");
    assert!(said.contains("zones/shop.test.toml:") && !said.contains(".tidegate-import"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path().join("zones")).unwrap().count(), 4, "nothing was left behind");
    assert_eq!(checked(), Some(0));
}

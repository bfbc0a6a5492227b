//! Rules by country and autonomous system, asked with the real dig; databases replaced while serving (§1.7).

use crate::harness::{Server, UNWATCHED, eventually};
use crate::mmdb;
use crate::pair::{accepted, serial_of};
use serde_json::{Value, json};

/// Two countries and a system get green; a network inside one of them does not.
const RULES: &str = r#"
[[switch.model.rule]]
name = "countries"
country = ["DE", "FR"]
pool = "green"
[[switch.model.rule]]
name = "system"
asn = [64496, "AS64497"]
pool = "green"
[[switch.model.rule]]
name = "office"
networks = ["198.51.100.128/25"]
pool = "blue"
"#;

const CONFIG: &str = "[geo]\ncountry = \"country.mmdb\"\nasn = \"asn.mmdb\"\n";

/// When the first database was built.
const BUILT: u64 = 1_700_000_000;

fn countries(built: u64, germany: &str) -> Vec<u8> {
    mmdb::countries(
        built,
        &[(germany, "DE"), ("203.0.113.0/25", "FR"), ("203.0.113.128/25", "JP"), ("2001:db8:de::/48", "DE")],
    )
}

fn systems() -> Vec<u8> {
    mmdb::systems(BUILT, &[("192.0.2.0/26", 64496), ("192.0.2.64/26", 64497), ("203.0.113.192/26", 64500)])
}

/// Puts a file in the place of another at once, as downloads do.
fn replace(server: &Server, name: &str, bytes: &[u8]) {
    let (new, place) = (server.folder.path().join("new"), server.folder.path().join(name));
    std::fs::write(&new, bytes).unwrap();
    std::fs::rename(new, place).unwrap();
}

/// Ready to start, with both databases.
fn prepared(config: &str) -> Server {
    let mut server = Server::prepare(&[("example.test.toml", &format!("{UNWATCHED}{RULES}"))], &[]);
    server.folder.write("tidegate.toml", config);
    replace(&server, "country.mmdb", &countries(BUILT, "198.51.100.0/24"));
    replace(&server, "asn.mmdb", &systems());
    server.extra = vec!["--config".to_owned(), server.folder.path().join("tidegate.toml").display().to_string()];
    server
}

async fn started() -> Server {
    let mut server = prepared(CONFIG);
    server.spawn();
    server.ready().await;
    server
}

/// The pool answered to a subnet, and the scope of the answer.
fn asked(server: &Server, subnet: &str) -> (&'static str, u8) {
    let text = server.dig(&["A", "model.example.test", &format!("+subnet={subnet}")]);
    let pool = match (text.contains("\t192.0.2.10\n"), text.contains("\t192.0.2.20\n")) {
        (true, false) => "blue",
        (false, true) => "green",
        _ => panic!("{text}"),
    };
    let line = text.lines().find(|line| line.contains("CLIENT-SUBNET")).unwrap_or_else(|| panic!("{text}"));
    (pool, line.rsplit('/').next().unwrap().trim().parse().unwrap())
}

async fn status(server: &Server) -> Value {
    accepted(server.api("GET", "/v1/status", None).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn countries_systems_and_networks_are_told_apart_with_exact_scopes() {
    let server = started().await;
    for (subnet, expected) in [
        ("198.51.100.7/32", ("green", 25)),
        ("198.51.100.200/32", ("blue", 25)),
        ("198.51.100.0/24", ("green", 24)),
        ("203.0.113.7/32", ("green", 25)),
        ("203.0.113.200/32", ("blue", 25)),
        ("192.0.2.9/32", ("green", 25)),
        ("192.0.2.100/32", ("green", 25)),
        ("192.0.2.130/32", ("blue", 25)),
        ("2001:db8:de:1::/64", ("green", 48)),
        ("2001:db8:df:1::/64", ("blue", 48)),
        ("9.9.9.9/32", ("blue", 1)),
    ] {
        assert_eq!(asked(&server, subnet), expected, "{subnet}");
    }
    let explained = accepted(server.api("GET", "/v1/explain?owner=model.example.test&client=203.0.113.7", None).await);
    assert_eq!((&explained["rule"], &explained["pool"]), (&json!("countries"), &json!("green")), "{explained}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_database_takes_effect_and_a_broken_one_does_not() {
    let server = started().await;
    let serial = serial_of(&server);
    assert_eq!(asked(&server, "100.64.0.0/24").0, "blue");
    replace(&server, "country.mmdb", &countries(BUILT + 86_400, "100.64.0.0/16"));
    eventually("the new country", || async { (asked(&server, "100.64.0.0/24").0 == "green").then_some(()) }).await;
    assert_eq!(asked(&server, "198.51.100.7/32").0, "blue", "the old one is gone");
    assert_eq!(asked(&server, "192.0.2.9/32").0, "green", "the other database stays");
    assert!(serial_of(&server) > serial);
    let told = status(&server).await;
    assert_eq!(
        (&told["geo"][0]["kind"], &told["geo"][0]["built_unix_s"], &told["geo"][0]["content"]),
        (&json!("country"), &json!(BUILT + 86_400), &json!("Test-Country")),
        "{told}"
    );
    assert!(told["geo"][1]["age_s"].as_u64().unwrap() > 0 && told["geo_refused"].is_null());

    let serial = serial_of(&server);
    let good = countries(BUILT + 2 * 86_400, "100.65.0.0/16");
    replace(&server, "country.mmdb", &good[..good.len() / 2]);
    let alarm = eventually("the alarm", || async {
        let alarms = status(&server).await["alarms"].to_string();
        alarms.contains("newer databases of networks are refused").then_some(alarms)
    })
    .await;
    assert!(alarm.contains("country.mmdb is no usable database by country"), "{alarm}");
    assert_eq!((asked(&server, "100.64.0.0/24").0, serial_of(&server)), ("green", serial), "the last good one answers");
    let (status_code, refusal) = server.api("POST", "/v1/reload", None).await;
    assert_eq!(status_code, 422, "{refusal}");
    assert!(refusal.to_string().contains("country.mmdb is no usable database"), "{refusal}");
    let metrics = metrics(&server).await;
    assert!(metrics.contains("tidegate_geo_refused 1"), "{metrics}");
    assert!(
        metrics.contains(&format!("tidegate_geo_build_timestamp_seconds{{database=\"country\"}} {}", BUILT + 86_400))
    );

    replace(&server, "country.mmdb", &good);
    eventually("the next good one", || async { (asked(&server, "100.65.0.0/24").0 == "green").then_some(()) }).await;
    eventually("the end of the alarm", || async { status(&server).await["geo_refused"].is_null().then_some(()) }).await;
    assert!(server.log().contains("new databases refused"), "it was said aloud");
}

/// The text of `/metrics`.
pub(crate) async fn metrics(server: &Server) -> String {
    let url = format!("http://{}/metrics", server.admin);
    let reply = crate::harness::http().get(url).bearer_auth(server.token()).send().await.unwrap();
    reply.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_new_databases_together_with_new_rules() {
    let server = started().await;
    replace(&server, "asn.mmdb", &mmdb::systems(BUILT + 1, &[("100.66.0.0/16", 64498)]));
    server.folder.write("zones/example.test.toml", &format!("{UNWATCHED}{}", RULES.replace("AS64497", "AS64498")));
    accepted(server.api("POST", "/v1/reload", None).await);
    assert_eq!(asked(&server, "100.66.1.0/24"), ("green", 16));
    assert_eq!(asked(&server, "192.0.2.9/32").0, "blue");
    server.folder.write("zones/example.test.toml", UNWATCHED);
    accepted(server.api("POST", "/v1/reload", None).await);
    assert_eq!(asked(&server, "100.66.1.0/24"), ("blue", 0));
}

#[test]
fn a_start_without_the_database_that_rules_need_is_refused() {
    let refused = |server: &Server| {
        let output = server.command().output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let text = refused(&prepared("[geo]\nasn = \"asn.mmdb\"\n"));
    assert!(text.contains("example.test.toml:") && text.contains("no database by country is configured"), "{text}");
    let server = prepared(CONFIG);
    std::fs::remove_file(server.folder.path().join("asn.mmdb")).unwrap();
    let text = refused(&server);
    assert!(text.contains("cannot read the asn database") && text.contains("remove `asn` under `[geo]`"), "{text}");
    replace(&server, "asn.mmdb", &countries(BUILT, "198.51.100.0/24"));
    let text = refused(&server);
    assert!(text.contains("is a `Test-Country`, whose records have no `autonomous_system_number`"), "{text}");
}

#[test]
fn check_goes_by_the_databases_of_the_servers_file() {
    let server = prepared(CONFIG);
    let check = |config: bool| {
        let mut command = std::process::Command::new(crate::harness::PROGRAM);
        command.arg("check").arg("--zones").arg(server.folder.path().join("zones"));
        if config {
            command.arg("--config").arg(server.folder.path().join("tidegate.toml"));
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = check(true);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("has no network of"), "{text}");
    let (code, text) = check(false);
    assert!(code == Some(1) && text.contains("no database by country is configured"), "{text}");
    replace(&server, "asn.mmdb", &mmdb::systems(BUILT, &[("100.66.0.0/16", 64496)]));
    let (_, text) = check(true);
    assert!(text.contains("rule `system`: the database has no network of AS64497"), "{text}");
}

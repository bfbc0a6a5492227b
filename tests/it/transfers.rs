//! Zones handed to others: AXFR (RFC 5936), IXFR (RFC 1995), NOTIFY (RFC 1996), and real secondaries.

mod large;
mod readers;
mod secondaries;

use crate::harness::{Server, eventually, http};
use crate::tsig::{SECRET, start};
use secondaries::{Kind, Secondary};
use std::net::SocketAddr;
use std::process::Command;

/// Where `tests/run` puts dnspython.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/dnspython/bin/python");

/// A zone with a switch whose pools carry more than addresses.
pub const ZONE: &str = "\
$TTL 300
@ IN SOA ns1 hostmaster 7 7200 900 1209600 300
@ IN NS ns1
ns1 IN A 192.0.2.53
www IN A 192.0.2.1
app IN MX 10 mail
mail IN A 192.0.2.25
*.wild IN TXT \"covered\"
deleg IN NS ns.deleg
ns.deleg IN A 192.0.2.100
";
pub const SWITCH: &str = r#"
[switch.app]
owners = ["app.example.test"]
[switch.app.pool.blue]
members = ["192.0.2.10", "2001:db8::10"]
weight = 10000
[switch.app.pool.green]
members = ["192.0.2.20"]
weight = 0
"#;

fn zones() -> [(&'static str, &'static str); 2] {
    [("example.test.zone", ZONE), ("example.test.toml", SWITCH)]
}

/// The server file: a key, loopback may take zones, and these secondaries.
fn file(secondaries: &[SocketAddr]) -> String {
    let notify: Vec<String> = secondaries.iter().map(|address| format!("\"{address}\"")).collect();
    format!(
        "[tsig.keys.\"k.example.\"]\nsecret = \"{SECRET}\"\n[transfer]\nallow = [\"127.0.0.0/8\"]\nnotify = [{}]\n",
        notify.join(", ")
    )
}

pub async fn metric(server: &Server, line: &str) -> u64 {
    let url = format!("http://{}/metrics", server.admin);
    let text = http().get(url).bearer_auth(server.token()).send().await.unwrap().text().await.unwrap();
    let found = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("{line} is missing in\n{text}"))
}

async fn event(server: &Server, event: &str) -> u64 {
    metric(server, &format!("tidegate_transfer_events_total{{event=\"{event}\"}}")).await
}

async fn flip(server: &Server, to: &str) {
    let body = serde_json::json!({ "to": to, "force": true, "reason": "test" });
    let (status, reply) = server.api("POST", "/v1/switches/app/flip", Some(body)).await;
    assert_eq!(status, 200, "{reply}");
}

/// The records of a transfer as dig prints them, sorted, with single spaces, without the serial.
fn listed(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    let mut lines: Vec<String> = lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.contains(" SOA ") && !line.contains(" TSIG "))
        .collect();
    lines.sort();
    lines
}

/// The same without their TTLs, sorted.
fn without_ttl(lines: &[String]) -> Vec<String> {
    let without = |line: &String| {
        let words: Vec<&str> = line.split(' ').enumerate().filter(|(at, _)| *at != 1).map(|(_, word)| word).collect();
        words.join(" ")
    };
    let mut lines: Vec<String> = lines.iter().map(without).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_holds_every_record_and_of_a_switch_one_pool() {
    let server = start(&zones(), &file(&[])).await;
    let printed = server.dig(&["example.test", "AXFR"]);
    let expected = [
        "*.wild.example.test. 300 IN TXT \"covered\"",
        "app.example.test. 30 IN A 192.0.2.10",
        "app.example.test. 30 IN AAAA 2001:db8::10",
        "app.example.test. 300 IN MX 10 mail.example.test.",
        "deleg.example.test. 300 IN NS ns.deleg.example.test.",
        "example.test. 300 IN NS ns1.example.test.",
        "mail.example.test. 300 IN A 192.0.2.25",
        "ns.deleg.example.test. 300 IN A 192.0.2.100",
        "ns1.example.test. 300 IN A 192.0.2.53",
        "www.example.test. 300 IN A 192.0.2.1",
    ];
    assert_eq!(listed(&printed), expected, "{printed}");
    assert_eq!(printed.matches(" SOA\t").count() + printed.matches("\tSOA").count(), 2, "{printed}");
    // A question in other letters gets the zone's own.
    assert_eq!(listed(&server.dig(&["EXAMPLE.Test", "AXFR"])), expected);
    flip(&server, "green").await;
    let after = listed(&server.dig(&["example.test", "AXFR"]));
    // The TTL is the fast one until the drain ends, which without any answer is at once.
    assert!(without_ttl(&after).contains(&"app.example.test. IN A 192.0.2.20".to_owned()), "{after:?}");
    assert!(!after.iter().any(|line| line.contains("AAAA")), "{after:?}");
    let signed = server.dig(&["-y", &format!("hmac-sha256:k.example:{SECRET}"), "example.test", "AXFR"]);
    assert_eq!(listed(&signed), after, "{signed}");
    assert!(!signed.contains("validated") && !signed.contains("failed"), "{signed}");
    assert_eq!(event(&server, "axfr").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_sent_condensed_and_what_is_not_known_is_sent_whole() {
    let server = start(&zones(), &file(&[])).await;
    let serial =
        |server: &Server| server.short(&["example.test", "SOA"])[0].split(' ').nth(2).unwrap().parse::<u32>().unwrap();
    let first = serial(&server);
    let ixfr = |server: &Server, from: u32, more: &[&str]| {
        let question = format!("ixfr={from}");
        server.dig(&[&["+onesoa", "example.test", &question], more].concat())
    };
    let up_to_date = ixfr(&server, first, &[]);
    assert_eq!(up_to_date.matches("SOA").count(), 1, "{up_to_date}");
    assert_eq!(event(&server, "up_to_date").await, 1);
    let newer = ixfr(&server, first.wrapping_add(5), &[]);
    assert_eq!(listed(&newer).len(), 0, "{newer}");
    flip(&server, "green").await;
    let second = serial(&server);
    let changes = ixfr(&server, first, &["+noonesoa"]);
    assert_eq!(
        without_ttl(&listed(&changes)),
        [
            "app.example.test. IN A 192.0.2.10",
            "app.example.test. IN A 192.0.2.20",
            "app.example.test. IN AAAA 2001:db8::10",
        ],
        "{changes}"
    );
    assert_eq!(changes.matches("SOA").count(), 4, "{changes}");
    eventually("a change back", || async {
        let body = serde_json::json!({ "reason": "test" });
        (server.api("POST", "/v1/switches/app/undo", Some(body)).await.0 == 200).then_some(())
    })
    .await;
    assert_ne!(serial(&server), second);
    // There and back again: what came and went in between is in no difference.
    let both = ixfr(&server, first, &["+noonesoa"]);
    assert_eq!(both.matches("SOA").count(), 4, "{both}");
    assert!(!both.contains("192.0.2.20"), "{both}");
    // Over UDP either the changes or the serial alone; never known: the whole zone, or the serial.
    let small = ixfr(&server, second, &["+notcp", "+noonesoa"]);
    assert!(small.contains("192.0.2.20") || small.matches("SOA").count() == 1, "{small}");
    let unknown = ixfr(&server, first.wrapping_sub(1), &["+tcp"]);
    assert!(listed(&unknown).len() > 5, "{unknown}");
    assert_eq!(event(&server, "ixfr_as_axfr").await, 1);
    let unknown = ixfr(&server, first.wrapping_sub(1), &["+notcp", "+noonesoa"]);
    assert_eq!((listed(&unknown).len(), unknown.matches("SOA").count() > 0), (0, true), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused_and_told_why() {
    let no_rule = start(&zones(), &format!("[tsig.keys.k]\nsecret = \"{SECRET}\"\n")).await;
    for question in ["AXFR", "IXFR=1"] {
        let printed = no_rule.dig(&["+tcp", "example.test", question]);
        assert!(printed.contains("Transfer failed") || printed.contains("REFUSED"), "{printed}");
    }
    let by_key = start(
        &zones(),
        &format!(
            "[tsig.keys.k]\nsecret = \"{SECRET}\"\n[tsig.keys.other]\nsecret = \"{SECRET}\"\n[transfer]\nkeys = [\"k\"]\n"
        ),
    )
    .await;
    let with = |name: &str| by_key.dig(&["-y", &format!("hmac-sha256:{name}:{SECRET}"), "example.test", "AXFR"]);
    assert!(with("k").contains("www.example.test."));
    assert!(!with("other").contains("www.example.test."));
    let unsigned = by_key.dig(&["+tcp", "+edns", "example.test", "IXFR=1"]);
    assert!(!unsigned.contains("www.example.test."), "{unsigned}");
    assert_eq!(event(&by_key, "refused").await, 2);
    let other_zone = by_key.dig(&["-y", &format!("hmac-sha256:k:{SECRET}"), "elsewhere.test", "AXFR"]);
    assert!(!other_zone.contains("IN\tSOA"), "{other_zone}");
    assert!(!by_key.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn bind_nsd_and_knot_follow_a_flip_by_notify_and_ixfr() {
    let kinds = [Kind::Bind, Kind::Nsd, Kind::Knot];
    let places = kinds.map(Kind::place);
    let server = start(&zones(), &file(&places)).await;
    let running: Vec<Secondary> = kinds
        .iter()
        .zip(&places)
        .map(|(kind, place)| Secondary::start(*kind, *place, server.dns, &["example.test"]))
        .collect();
    for secondary in &running {
        secondary.until_it_answers("app.example.test", &["192.0.2.10"]).await;
    }
    let before = event(&server, "ixfr").await;
    flip(&server, "green").await;
    for secondary in &running {
        secondary.until_it_answers("app.example.test", &["192.0.2.20"]).await;
    }
    assert!(event(&server, "ixfr").await >= before + 3, "each took changes only: {}", server.log());
    for secondary in &running {
        secondary.assert_logged_an_incremental_transfer();
    }
    eventually("every secondary is seen at the serial", || async {
        let (_, status) = server.api("GET", "/v1/status", None).await;
        let secondaries = status["zones"][0]["secondaries"].as_array().expect("secondaries").clone();
        (secondaries.len() == 3 && secondaries.iter().all(|one| one["behind"] == 0)).then_some(())
    })
    .await;
    let label = format!("tidegate_secondary_behind{{zone=\"example.test.\",secondary=\"{}\"}}", places[0]);
    let url = format!("http://{}/metrics", server.admin);
    let text = http().get(url).bearer_auth(server.token()).send().await.unwrap().text().await.unwrap();
    assert!(text.contains(&format!("{label} 0")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_a_secondary_that_is_stopped_and_says_which() {
    let places = [Kind::Knot.place(), Kind::Nsd.place()];
    let zone = ZONE.replace("7200 900 1209600 300", "1 1 1209600 300");
    let mut server = start(&[("example.test.zone", &zone), ("example.test.toml", SWITCH)], &file(&places)).await;
    let mut knot = Secondary::start(Kind::Knot, places[0], server.dns, &["example.test"]);
    let nsd = Secondary::start(Kind::Nsd, places[1], server.dns, &["example.test"]);
    for secondary in [&knot, &nsd] {
        secondary.until_it_answers("app.example.test", &["192.0.2.10"]).await;
    }
    knot.stop();
    flip(&server, "green").await;
    nsd.until_it_answers("app.example.test", &["192.0.2.20"]).await;
    let verdict = |server: &Server| {
        let output = server.cli(&["drain", "app", "blue", "--json"]);
        String::from_utf8(output.stdout).unwrap()
    };
    let held = |said: &str| said.contains(&places[0].to_string()) && !said.contains(&places[1].to_string());
    eventually("only the stopped one is waited for", || async { held(&verdict(&server)).then_some(()) }).await;
    server.kill9();
    server.restart().await;
    // Whoever was right before has to show the serial of this start too.
    eventually("it is still waited for after a crash", || async { held(&verdict(&server)).then_some(()) }).await;
    assert!(
        verdict(&server).contains("\"safe_to_close\":false") || verdict(&server).contains("\"safe_to_close\": false")
    );
    knot.spawn();
    knot.until_it_answers("app.example.test", &["192.0.2.20"]).await;
    eventually("nobody is waited for any more", || async {
        let said = verdict(&server);
        (!said.contains("secondaries of example.test.")).then_some(())
    })
    .await;
}

/// Every transfer of a large zone is one whole version of it, while files are reloaded and switches flip.
#[tokio::test(flavor = "multi_thread")]
async fn bind_and_knot_configure_themselves_by_the_catalog_and_follow_zones_that_come_and_go() {
    let places = [Kind::Bind.place(), Kind::Knot.place()];
    let server = start(&zones(), &format!("{}catalog = \"catalog.invalid\"\n", file(&places))).await;
    let running = [Kind::Bind, Kind::Knot]
        .iter()
        .zip(&places)
        .map(|(kind, place)| Secondary::start_by_catalog(*kind, *place, server.dns, "catalog.invalid"))
        .collect::<Vec<_>>();
    let serial = |server: &Server| {
        server.short(&["catalog.invalid", "SOA"])[0].split(' ').nth(2).unwrap().parse::<u32>().unwrap()
    };
    let first = serial(&server);
    assert_eq!(server.short(&["version.catalog.invalid", "TXT"]), ["\"2\""]);
    for secondary in &running {
        secondary.until_it_answers("www.example.test", &["192.0.2.1"]).await;
    }
    let reload = || async {
        let (status, reply) = server.api("POST", "/v1/reload", Some(serde_json::json!({}))).await;
        assert_eq!(status, 200, "{reply}");
    };
    server.folder.write("zones/second.test.zone", &ZONE.replace("192.0.2.1\n", "192.0.2.99\n"));
    // Nobody may take this one, so it is not listed.
    server.folder.write("zones/inner.test.toml", "[zone]\nns = [\"ns1.example.test\"]\ntransfer = { allow = [] }\n");
    reload().await;
    assert!(serial(&server) > first, "the catalog has a serial of its own, which rises");
    for secondary in &running {
        secondary.until_it_answers("www.second.test", &["192.0.2.99"]).await;
        assert!(secondary.short(&["inner.test", "SOA"]).is_empty());
    }
    let listed = listed(&server.dig(&["catalog.invalid", "AXFR"]));
    assert_eq!(listed.iter().filter(|line| line.contains(" PTR ")).count(), 2, "{listed:?}");
    flip(&server, "green").await;
    for secondary in &running {
        secondary.until_it_answers("app.example.test", &["192.0.2.20"]).await;
    }
    std::fs::remove_file(server.folder.path().join("zones/second.test.zone")).unwrap();
    reload().await;
    for secondary in &running {
        secondary.until_it_answers("www.second.test", &[]).await;
        assert_eq!(secondary.short(&["www.example.test"]), ["192.0.2.1"]);
    }
    let taken = Server::prepare(&zones(), &[]);
    taken.folder.write("t.toml", &format!("{}catalog = \"example.test\"\n", file(&[])));
    let path = taken.folder.path().join("t.toml");
    let output = taken.command().arg("--config").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has the name of a zone"));
    let zones = taken.folder.path().join("zones").display().to_string();
    let output = taken.cli_without_server(&["check", "--config", &path.display().to_string(), "--zones", &zones]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("has the name of a zone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_says_itself_who_may_take_it_and_who_is_told_and_a_reload_changes_that() {
    let place = Kind::Knot.place();
    let own = |transfer: &str| format!("[zone]\ntransfer = {transfer}\n{SWITCH}");
    let second = SWITCH.replace("example.test", "second.test").replace("switch.app", "switch.other");
    let files = [
        ("example.test.zone", ZONE),
        ("example.test.toml", &own("{ allow = [], keys = [\"k.example.\"], notify = [] }")),
        ("second.test.zone", ZONE),
        ("second.test.toml", &second),
    ];
    let server = start(&files, &file(&[])).await;
    let signature = format!("hmac-sha256:k.example:{SECRET}");
    let takes = |zone: &str, more: &[&str]| server.dig(&[&[zone, "AXFR"], more].concat()).contains("www.");
    assert!(!takes("example.test", &[]) && takes("example.test", &["-y", &signature]), "by key only");
    assert!(takes("second.test", &[]), "as the server's file says");
    let reload = |transfer: String| {
        server.folder.write("zones/example.test.toml", &own(&transfer));
        server.api("POST", "/v1/reload", Some(serde_json::json!({})))
    };
    let (status, reply) = reload(format!("{{ notify = [\"{place}\"] }}")).await;
    assert_eq!(status, 200, "{reply}");
    assert!(takes("example.test", &[]), "as the server's file says, from here on");
    let knot = Secondary::start(Kind::Knot, place, server.dns, &["example.test"]);
    knot.until_it_answers("www.example.test", &["192.0.2.1"]).await;
    flip(&server, "green").await;
    // With a refresh time of two hours it only hears of this by NOTIFY.
    knot.until_it_answers("app.example.test", &["192.0.2.20"]).await;
    eventually("status shows the secondary of this zone, and none of the other", || async {
        let (_, status) = server.api("GET", "/v1/status", None).await;
        let zones = status["zones"].as_array().expect("zones").clone();
        let of = |apex: &str| zones.iter().find(|zone| zone["apex"] == apex).expect("the zone")["secondaries"].clone();
        (of("example.test.")[0]["behind"] == 0 && of("second.test.").is_null()).then_some(())
    })
    .await;
    let (status, reply) = reload("{ allow = [\"192.0.2.0/24\"] }".to_owned()).await;
    assert_eq!(status, 200, "{reply}");
    assert!(!takes("example.test", &[]) && takes("second.test", &[]), "closed again");
    for (transfer, said) in [
        ("{ keys = [\"unknown.\"] }", "there is no key unknown."),
        ("{ allow = [\"nonsense\"] }", "`nonsense` is no address prefix"),
        ("{ catalog = \"c.test\" }", "a catalog lists the zones of the whole server"),
    ] {
        let (status, reply) = reload(transfer.to_owned()).await;
        assert!(status == 422 && reply.to_string().contains(said), "{status} {reply}");
    }
    assert!(takes("second.test", &[]));
}

/// dnspython is what octoDNS and external-dns' users read zones with.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_began_without_any_begins_to_offer_transfers_with_a_reload() {
    let server = Server::start(&zones()).await;
    let refused = server.dig(&["example.test", "AXFR"]);
    assert!(refused.contains("Transfer failed"), "{refused}");
    server.folder.write("zones/example.test.zone", ZONE);
    server.folder.write(
        "zones/second.test.toml",
        "[zone]\nns = [\"ns1.example.test\"]\ntransfer = { allow = [\"127.0.0.0/8\"] }\n",
    );
    let (status, reply) = server.api("POST", "/v1/reload", Some(serde_json::json!({}))).await;
    assert_eq!(status, 200, "{reply}");
    let sent = server.dig(&["second.test", "AXFR"]);
    assert!(sent.contains("ns1.example.test") && !sent.contains("Transfer failed"), "{sent}");
    let still = server.dig(&["example.test", "AXFR"]);
    assert!(still.contains("Transfer failed"), "{still}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dnspython_reads_a_zone_whole_and_incrementally_signed_and_not() {
    let server = start(&zones(), &file(&[])).await;
    let script = r#"
import sys, dns.query, dns.zone, dns.tsigkeyring, dns.message, dns.name
ip, port, secret = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ring = dns.tsigkeyring.from_text({"k.example.": secret})
for extra in ({}, {"keyring": ring, "keyname": "k.example.", "keyalgorithm": "hmac-sha256"}):
    zone = dns.zone.from_xfr(dns.query.xfr(ip, "example.test", port=port, relativize=False, **extra), relativize=False)
    assert len(zone.nodes) == 8, sorted(str(n) for n in zone.nodes)
    query, serial = dns.xfr.make_query(zone, serial=zone.get_soa().serial, **({"keyring": ring, "keyname": dns.name.from_text("k.example.")} if extra else {}))
    dns.query.inbound_xfr(ip, zone, query, port=port)
    answer = dns.query.tcp(dns.message.make_query("example.test", "SOA"), ip, port=port)
    assert answer.answer, answer
    if extra:
        query = dns.message.make_query("example.test", "SOA")
        query.use_tsig(ring, dns.name.from_text("k.example."))
        answer = dns.query.tcp(query, ip, port=port)
        assert answer.had_tsig and answer.answer, answer
print("ok")
"#;
    let output = Command::new(PYTHON)
        .args(["-c", script, &server.dns.ip().to_string(), &server.dns.port().to_string(), SECRET])
        .output()
        .expect("dnspython is installed in target/dnspython (tests/run does that)");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim() == "ok", "{said}{wrong}");
}

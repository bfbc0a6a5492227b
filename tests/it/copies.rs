//! Zones of which the server is a secondary (RFC 1034 §4.3.5, 1995, 1996, 5936): taken from real primaries, followed,
//! kept over a restart, given up when they are too old; and transfers that are no good.

mod primaries;
mod rude;

use crate::harness::{Server, eventually};
use crate::tsig::SECRET;
use primaries::{Kind, Primary};
use serde_json::Value;
use std::net::SocketAddr;

/// A zone as its primary has it.
fn zone(serial: u32, expire: u32, more: &str) -> String {
    format!(
        "$TTL 300\n@ IN SOA ns1 hostmaster {serial} 60 1 {expire} 300\n@ IN NS ns1\nns1 IN A 192.0.2.53\n*.wild IN TXT \"covered\"\nmail IN MX 10 ns1\nd IN NS ns.d\nns.d IN A 192.0.2.100\n{more}"
    )
}

/// The zone's file of ours.
fn copy_of(primaries: &[SocketAddr], key: &str) -> String {
    let named: Vec<String> = primaries.iter().map(|primary| format!("\"{primary}{key}\"")).collect();
    format!("[zone]\nprimaries = [{}]\n", named.join(", "))
}

/// The server's file: the key, and loopback may take zones.
fn file() -> String {
    format!("[tsig.keys.\"k.example.\"]\nsecret = \"{SECRET}\"\n[transfer]\nallow = [\"127.0.0.0/8\"]\n")
}

/// What `/v1/status` says of the copy.
async fn copy(server: &Server) -> Value {
    let (_, status) = server.api("GET", "/v1/status", None).await;
    status["zones"][0]["copy"].clone()
}

/// Waits until a name has this address.
async fn until_it_answers(server: &Server, name: &str, address: &str, log: impl Fn() -> String) {
    let begun = std::time::Instant::now();
    eventually(&format!("{name} has {address}"), || async {
        let answered = server.short(&[name, "A"]);
        assert!(begun.elapsed() < crate::harness::LIMIT, "{answered:?}\n{}\n{}", server.log(), log());
        (answered == [address]).then_some(())
    })
    .await;
}

/// Waits until a query gets SERVFAIL with this extended error.
async fn until_it_fails(server: &Server, error: &str) {
    eventually(error, || async {
        let printed = server.dig(&["www.example.test", "A"]);
        (printed.contains("SERVFAIL") && printed.contains(error)).then_some(())
    })
    .await;
}

async fn events(server: &Server, event: &str) -> f64 {
    server.metric(&format!("tidegate_transfer_events_total{{event=\"{event}\"}}")).await
}

/// The records that a transfer from somebody brings, sorted, without the SOA records.
fn transferred(server: &Server, from: SocketAddr) -> Vec<String> {
    let key = format!("hmac-sha256:k.example:{SECRET}");
    let to = [format!("@{}", from.ip()), "-p".to_owned(), from.port().to_string()];
    let mut arguments: Vec<&str> = to.iter().map(String::as_str).collect();
    arguments.extend(["-y", &key, "+noall", "+answer", "example.test", "AXFR"]);
    let printed = server.dig(&arguments);
    let mut lines: Vec<String> = printed
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(';') && !line.contains("\tSOA\t"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

async fn follows(kind: Kind) {
    let place = kind.place();
    let mut server = Server::prepare(&[("example.test.toml", &copy_of(&[place], " k.example."))], &[]);
    server.configure(&file());
    server.spawn();
    server.ready().await;
    until_it_fails(&server, "EDE: 14 (Not Ready)").await;
    let mut primary = Primary::start(kind, place, server.dns, &zone(7, 1_209_600, "www IN A 192.0.2.1\n"));
    until_it_answers(&server, "www.example.test", "192.0.2.1", || primary.log()).await;
    assert_eq!(server.short(&["x.wild.example.test", "TXT"]), ["\"covered\""]);
    let printed = server.dig(&["example.test", "SOA"]);
    assert!(printed.contains(" 7 60 1 1209600 300") && printed.contains("flags: qr aa"), "{printed}");
    let theirs = transferred(&server, place);
    assert!(theirs.len() > 5, "{theirs:?}");
    assert_eq!(transferred(&server, server.dns), theirs, "handed on as it came");
    // A change comes by notification, long before REFRESH, and as changes.
    primary.change(&zone(8, 1_209_600, "www IN A 192.0.2.2\nnew IN A 192.0.2.3\n"));
    until_it_answers(&server, "www.example.test", "192.0.2.2", || primary.log()).await;
    assert_eq!(server.short(&["new.example.test", "A"]), ["192.0.2.3"]);
    let counted = (events(&server, "copy_changed").await, events(&server, "copy_whole").await);
    assert_eq!(counted, (1.0, 1.0), "{}\n{}", server.log(), primary.log());
    assert!(events(&server, "notify_taken").await >= 1.0);
    assert_eq!(transferred(&server, server.dns), transferred(&server, place));
    // It is handed on as changes too.
    let printed = server.dig(&["+noall", "+answer", "example.test", "IXFR=7"]);
    assert!(
        printed.contains("192.0.2.1") && printed.contains("192.0.2.3") && !printed.contains("covered"),
        "{printed}"
    );
    // One task looks after the zone: once it confirms the copy, it has been kept.
    let key = format!("hmac-sha256:k.example:{SECRET}");
    server.dig(&["+opcode=notify", "+norec", "-y", &key, "example.test", "SOA"]);
    eventually("the copy is confirmed", || async { (events(&server, "copy_confirmed").await > 0.0).then_some(()) })
        .await;
    // Without its primary it is answered from all the same, also after a hard end.
    primary.stop();
    server.kill9();
    server.restart().await;
    assert_eq!(server.short(&["www.example.test", "A"]), ["192.0.2.2"]);
    let confirmed = copy(&server).await;
    assert_eq!(confirmed["state"], "served", "{confirmed}");
    eventually("the trouble is told", || async {
        let copy = copy(&server).await;
        copy["trouble"].as_str().filter(|why| why.contains("it does not answer") || why.contains("refused")).map(|_| ())
    })
    .await;
    // And it goes on once the primary is back.
    primary.spawn();
    eventually("it is confirmed again", || async { copy(&server).await["trouble"].is_null().then_some(()) }).await;
    primary.change(&zone(9, 1_209_600, "www IN A 192.0.2.9\n"));
    until_it_answers(&server, "www.example.test", "192.0.2.9", || primary.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_of_bind_is_taken_followed_and_kept() {
    follows(Kind::Bind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_of_knot_is_taken_followed_and_kept() {
    follows(Kind::Knot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_too_old_fails_until_a_primary_is_back() {
    let place = Kind::Knot.place();
    let mut server = Server::prepare(&[("example.test.toml", &copy_of(&[place], " k.example."))], &[]);
    server.configure(&file());
    server.spawn();
    let text = zone(7, 4, "www IN A 192.0.2.1\n").replace(" 60 1 4 ", " 1 1 4 ");
    let mut primary = Primary::start(Kind::Knot, place, server.dns, &text);
    server.ready().await;
    until_it_answers(&server, "www.example.test", "192.0.2.1", || primary.log()).await;
    primary.stop();
    until_it_fails(&server, "EDE: 24 (Invalid Data)").await;
    let (_, status) = server.api("GET", "/v1/status", None).await;
    assert_eq!(status["zones"][0]["copy"]["state"], "expired");
    let alarms = status["alarms"].to_string();
    assert!(alarms.contains("example.test") && alarms.contains("too old"), "{alarms}");
    assert_eq!(server.metric("tidegate_copy_served{zone=\"example.test.\"}").await.to_bits(), 0f64.to_bits());
    let printed = server.dig(&["example.test", "AXFR"]);
    assert!(printed.contains("Transfer failed"), "an old copy is handed to nobody: {printed}");
    // A start does not make it young.
    server.kill9();
    server.restart().await;
    until_it_fails(&server, "EDE: 24 (Invalid Data)").await;
    primary.spawn();
    until_it_answers(&server, "www.example.test", "192.0.2.1", || primary.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc1996_only_primaries_may_notify() {
    let (place, script) = rude::start();
    *script.lock().unwrap() =
        rude::Script { serial: 5, messages: vec![rude::message(&[], &rude::zone(5, 1))], asked: 0 };
    let zones = [
        ("example.test.toml", copy_of(&[place], "")),
        ("signed.test.toml", copy_of(&["127.0.0.1:9".parse().unwrap()], " k.example.")),
    ];
    let zones: Vec<(&str, &str)> = zones.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let server = Server::start_configured(&zones, &file()).await;
    until_it_answers(&server, "www.example.test", "192.0.2.1", String::new).await;
    let notify = |zone: &str, from: &str, more: &[&str]| {
        let mut arguments = vec!["+opcode=notify", "+norec", "-b", from, zone, "SOA"];
        arguments.extend(more);
        server.dig(&arguments)
    };
    let own = place.ip().to_string();
    let taken = notify("example.test", &own, &[]);
    assert!(
        taken.contains("status: NOERROR") && taken.contains("opcode: NOTIFY") && taken.contains("flags: qr aa"),
        "{taken}"
    );
    let stranger = notify("example.test", "127.9.9.9", &[]);
    assert!(stranger.contains("status: REFUSED") && stranger.contains("EDE: 18"), "{stranger}");
    assert!(notify("other.test", &own, &[]).contains("status: NOTAUTH"));
    // With a key, the key decides and not the address.
    assert!(notify("signed.test", "127.0.0.1", &[]).contains("status: REFUSED"));
    let key = format!("hmac-sha256:k.example:{SECRET}");
    let signed = notify("signed.test", "127.9.9.9", &["-y", &key]);
    assert!(signed.contains("status: NOERROR") && signed.contains("TSIG"), "{signed}");
    assert_eq!((events(&server, "notify_taken").await, events(&server, "notify_refused").await), (2.0, 3.0));
    let log = server.log();
    assert!(log.contains("a notification was refused") && log.contains("compare `primaries`"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_no_good_changes_nothing_and_says_why() {
    let (place, script) = rude::start();
    let say = |serial: u32, messages: Vec<Vec<u8>>| {
        *script.lock().unwrap() = rude::Script { serial, messages, asked: 0 };
    };
    say(5, vec![rude::message(&[], &rude::zone(5, 1))]);
    let server = Server::start_configured(&[("example.test.toml", &copy_of(&[place], ""))], &file()).await;
    until_it_answers(&server, "www.example.test", "192.0.2.1", String::new).await;
    let good = rude::zone(6, 2);
    let with = |more: Vec<u8>| {
        let mut zone = good.clone();
        zone.insert(4, more);
        vec![rude::message(&[], &zone)]
    };
    let refused = {
        let mut message = rude::message(&[], &[]);
        message[1] = 5;
        vec![message]
    };
    let alias = rude::record(&[b"\x03www", rude::APEX].concat(), 5, &[b"\x03ns1", rude::APEX].concat());
    let outside = rude::record(b"\x05other\x04test\0", 1, &[192, 0, 2, 9]);
    let malformed = rude::record(&[b"\x01x", rude::APEX].concat(), 1, &[192, 0, 2]);
    let meta = rude::record(&[b"\x01x", rude::APEX].concat(), 255, &[]);
    let mut other_end = good.clone();
    other_end[4] = rude::soa(7);
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("cut short", vec![rude::message(&[], &good[..4])]),
        ("cut short", vec![]),
        ("RCODE 5: it does not let this server", refused),
        ("begins with the SOA", vec![rude::message(&[], &good[1..])]),
        ("another SOA record than it began with", vec![rude::message(&[], &other_end)]),
        ("outside of the zone", with(outside)),
        ("is malformed", with(malformed)),
        ("that no zone has", with(meta)),
        ("CNAME", with(alias)),
        ("behind its end", vec![rude::message(&[], &[good.clone(), good.clone()].concat())]),
        ("no newer than", vec![rude::message(&[], &rude::zone(5, 2))]),
        ("no reply to the request", vec![vec![0; 12]]),
        ("malformed", vec![rude::message(&[], &good)[..60].to_vec()]),
    ];
    for (why, messages) in cases {
        say(6, messages);
        eventually(&format!("`{why}` is told"), || async {
            let trouble = copy(&server).await["trouble"].as_str().unwrap_or_default().to_owned();
            // What was told of the case before may still stand there.
            (trouble.contains(why) && script.lock().unwrap().asked > 0).then_some(())
        })
        .await;
        assert_eq!(server.short(&["www.example.test", "A"]), ["192.0.2.1"], "{why}");
        assert_eq!(copy(&server).await["state"], "served");
    }
    say(3, Vec::new());
    eventually("an older serial is told", || async {
        copy(&server).await["trouble"].as_str().filter(|why| why.contains("older than 5")).map(|_| ())
    })
    .await;
    // Changes that do not fit bring the whole zone.
    say(6, vec![rude::message(&[], &good)]);
    until_it_answers(&server, "www.example.test", "192.0.2.2", String::new).await;
    assert!(copy(&server).await["trouble"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_primary_stands_in_and_updates_go_to_a_primary() {
    let (place, script) = rude::start();
    *script.lock().unwrap() =
        rude::Script { serial: 5, messages: vec![rude::message(&[], &rude::zone(5, 1))], asked: 0 };
    // Nobody is at the first one.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).unwrap();
    let file = format!("{}[[update]]\nkey = \"k.example.\"\nsuffix = \"example.test.\"\n", file());
    let mut server = Server::start_configured(&[("example.test.toml", &copy_of(&[nobody, place], ""))], &file).await;
    until_it_answers(&server, "www.example.test", "192.0.2.1", String::new).await;
    let script_text = format!(
        "server {} {}\nkey hmac-sha256:k.example {SECRET}\nzone example.test\nupdate add x.example.test 60 A 192.0.2.1\nsend\n",
        server.dns.ip(),
        server.dns.port()
    );
    server.folder.write("update", &script_text);
    let path = server.folder.path().join("update").display().to_string();
    let output = std::process::Command::new("nsupdate").arg(path).output().expect("nsupdate is installed");
    assert!(String::from_utf8_lossy(&output.stderr).contains("REFUSED"), "{output:?}");
    let log = server.log();
    assert!(log.contains("is a copy of its primary's"), "{log}");
    // Once the files say the zone themselves, what was taken is forgotten.
    std::fs::remove_file(server.folder.path().join("zones/example.test.toml")).unwrap();
    server.folder.write("zones/example.test.zone", &zone(9, 3600, "www IN A 192.0.2.99\n"));
    let (status, reply) = server.api("POST", "/v1/reload", Some(serde_json::json!({}))).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(server.short(&["www.example.test", "A"]), ["192.0.2.99"]);
    // And back again: nothing is served that no primary gave.
    std::fs::remove_file(server.folder.path().join("zones/example.test.zone")).unwrap();
    server.folder.write("zones/example.test.toml", &copy_of(&[nobody], ""));
    let (status, reply) = server.api("POST", "/v1/reload", Some(serde_json::json!({}))).await;
    assert_eq!(status, 200, "{reply}");
    until_it_fails(&server, "EDE: 14 (Not Ready)").await;
    server.kill9();
    server.restart().await;
    until_it_fails(&server, "EDE: 14 (Not Ready)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_stays_behind_hides_no_newer_version() {
    let [(stale, first), (fresh, second)] = [rude::start(), rude::start()];
    let say = |script: &rude::Shared, serial: u32, of: u8| {
        *script.lock().unwrap() =
            rude::Script { serial, messages: vec![rude::message(&[], &rude::zone(serial, of))], asked: 0 };
    };
    say(&first, 5, 1);
    say(&second, 5, 1);
    let server = Server::start_configured(&[("example.test.toml", &copy_of(&[stale, fresh], ""))], &file()).await;
    until_it_answers(&server, "www.example.test", "192.0.2.1", String::new).await;
    say(&second, 6, 2);
    let told = server.dig(&["+opcode=notify", "+norec", "-b", &fresh.ip().to_string(), "example.test", "SOA"]);
    assert!(told.contains("status: NOERROR"), "{told}");
    until_it_answers(&server, "www.example.test", "192.0.2.2", String::new).await;
    // Nor does one that is older still once the other is confirmed.
    eventually("the copy is confirmed, without trouble", || async {
        (events(&server, "copy_confirmed").await > 0.0 && copy(&server).await["trouble"].is_null()).then_some(())
    })
    .await;
    assert_eq!(server.short(&["www.example.test", "A"]), ["192.0.2.2"]);
}

//! RFC 2136: updates sent by the real nsupdate and by dnspython, as the tools do that manage zones with them.

mod certbot;
mod listed;
mod tools;

use crate::harness::Server;
use crate::small_disk::SmallDisk;
use crate::tsig::{SECRET, start};
use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

/// Where `tests/run` puts dnspython.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/dnspython/bin/python");

const ZONE: &str = "\
$TTL 300
@ IN SOA ns1 hostmaster 7 7200 900 1209600 300
@ IN NS ns1
ns1 IN A 192.0.2.53
www IN A 192.0.2.1
deleg IN NS ns.deleg
ns.deleg IN A 192.0.2.100
";
const SWITCH: &str = "
[switch.app]
owners = [\"app.example.test\"]
[switch.app.pool.blue]
members = [\"192.0.2.10\"]
weight = 10000
[switch.app.pool.green]
members = [\"192.0.2.20\"]
weight = 0
";

/// The key `all.` may change everything, `acme.` challenges, `host.` the addresses of one name.
fn file() -> String {
    let mut text = String::new();
    for key in ["all.", "acme.", "host.", "idle."] {
        text.push_str(&format!("[tsig.keys.\"{key}\"]\nsecret = \"{SECRET}\"\n"));
    }
    text.push_str(&format!("[tsig.keys.\"long.\"]\nalgorithm = \"hmac-sha512\"\nsecret = \"{SECRET}\"\n"));
    text.push_str("[transfer]\nallow = [\"127.0.0.0/8\"]\n");
    text.push_str("[[update]]\nkey = \"all.\"\nsuffix = \".\"\n[[update]]\nkey = \"all.\"\nsuffix = \".\"\ntypes = [\"NS\", \"SOA\"]\n");
    text.push_str(
        "[[update]]\nkey = \"long.\"\nsuffix = \"example.test.\"\n[[update]]\nkey = \"acme.\"\npreset = \"acme\"\n",
    );
    text.push_str("[[update]]\nkey = \"host.\"\nname = \"host.example.test.\"\ntypes = [\"A\", \"AAAA\"]\n");
    text
}

async fn server() -> Server {
    start(&[("example.test.zone", ZONE), ("example.test.toml", SWITCH)], &file()).await
}

/// What nsupdate says to these lines, sent with a key; empty: all is well.
fn nsupdate(server: &Server, key: &str, tcp: bool, lines: &str) -> String {
    let algorithm = if key == "long." { "hmac-sha512" } else { "hmac-sha256" };
    nsupdate_as(server, &["-y", &format!("{algorithm}:{key}:{SECRET}")], tcp, lines)
}

fn nsupdate_as(server: &Server, options: &[&str], tcp: bool, lines: &str) -> String {
    let mut child = Command::new("nsupdate")
        .args(options)
        .args(tcp.then_some("-v"))
        .args(["-t", "20"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nsupdate is installed");
    let text = format!("server {} {}\nzone example.test\n{lines}\nsend\n", server.dns.ip(), server.dns.port());
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned() + String::from_utf8_lossy(&output.stderr).trim()
}

fn serial(server: &Server) -> u32 {
    server.short(&["example.test", "SOA"])[0].split(' ').nth(2).unwrap().parse().unwrap()
}

async fn event(server: &Server, event: &str) -> u64 {
    crate::transfers::metric(server, &format!("tidegate_transfer_events_total{{event=\"{event}\"}}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_seen_by_the_next_query_kept_over_kill_9_and_sent_to_secondaries() {
    let mut server = server().await;
    let first = serial(&server);
    for (tcp, key) in [(false, "all."), (true, "all."), (false, "long.")] {
        let address = format!("192.0.2.{}", 100 + u8::from(tcp) + 2 * u8::from(key == "long."));
        assert_eq!(nsupdate(&server, key, tcp, &format!("update add new.example.test 60 A {address}")), "");
        assert!(server.short(&["new.example.test", "A"]).contains(&address));
    }
    assert_eq!(serial(&server), first + 3);
    let changes = server.dig(&["+noonesoa", "example.test", &format!("ixfr={first}")]);
    assert_eq!(changes.matches("new.example.test.").count(), 3, "{changes}");
    server.kill9();
    server.spawn();
    server.ready().await;
    assert_eq!(server.short(&["new.example.test", "A"]).len(), 3);
    assert!(serial(&server) > first + 3, "a start steps the serial");
    assert_eq!(nsupdate(&server, "all.", false, "update delete new.example.test A"), "");
    assert!(server.dig(&["new.example.test", "A"]).contains("NXDOMAIN"));
    let (_, status) = server.api("GET", "/v1/status", None).await;
    assert_eq!(status["zones"][0]["updated_sets"], serde_json::Value::Null, "nothing is updated any more: {status}");
    assert_eq!(nsupdate(&server, "all.", false, "update add new.example.test 60 A 192.0.2.9"), "");
    let (_, status) = server.api("GET", "/v1/status", None).await;
    assert_eq!(status["zones"][0]["updated_sets"], 1);
    // The audit says who and what.
    let (_, history) = server.api("GET", "/v1/history", None).await;
    let rows = history["rows"].as_array().or_else(|| history["changes"].as_array()).cloned().unwrap_or_default();
    let updates: Vec<_> = rows.iter().filter(|row| row["verb"] == "update").collect();
    assert_eq!(updates.len(), 5, "{history}");
    assert!(updates.iter().all(|row| row["who"].as_str().is_some_and(|who| who.starts_with("key "))), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc2136_2_4_each_prerequisite_holds_or_its_rcode_says_so_and_nothing_changes() {
    let server = server().await;
    let change = "update add made.example.test 60 TXT x";
    for (prerequisite, rcode) in [
        ("prereq yxdomain nobody.example.test", "NXDOMAIN"),
        ("prereq nxdomain www.example.test", "YXDOMAIN"),
        ("prereq nxdomain app.example.test", "YXDOMAIN"),
        ("prereq yxrrset www.example.test TXT", "NXRRSET"),
        ("prereq nxrrset www.example.test A", "YXRRSET"),
        ("prereq yxrrset www.example.test A 192.0.2.9", "NXRRSET"),
        ("prereq yxrrset www.example.test A 192.0.2.1\nprereq yxrrset www.example.test A 192.0.2.2", "NXRRSET"),
    ] {
        let said = nsupdate(&server, "all.", false, &format!("{prerequisite}\n{change}"));
        assert!(said.contains(rcode), "{prerequisite}: {said}");
    }
    assert!(server.dig(&["made.example.test", "TXT"]).contains("NXDOMAIN"));
    let all = "prereq yxdomain www.example.test\nprereq nxdomain nobody.example.test\nprereq yxrrset www.example.test A\nprereq nxrrset www.example.test TXT\nprereq yxrrset www.example.test A 192.0.2.1\n";
    assert_eq!(nsupdate(&server, "all.", false, &format!("{all}{change}")), "");
    assert_eq!(server.short(&["made.example.test", "TXT"]), ["\"x\""]);
    assert_eq!(event(&server, "update_unmet").await, 7);
    assert_eq!(event(&server, "updated").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_changes_what_its_rules_cover_and_everything_else_is_refused_with_the_reason() {
    let server = server().await;
    for (key, change, allowed) in [
        ("acme.", "update add _acme-challenge.www.example.test 60 TXT token", true),
        ("acme.", "update delete _acme-challenge.www.example.test", true),
        ("acme.", "update add www.example.test 60 TXT token", false),
        ("acme.", "update add _acme-challenge.www.example.test 60 CAA 0 issue \"ca.test\"", false),
        ("host.", "update add host.example.test 60 A 192.0.2.7", true),
        ("host.", "update add host.example.test 60 TXT x", false),
        ("host.", "update add other.example.test 60 A 192.0.2.7", false),
        ("host.", "update add host.example.test 60 A 192.0.2.8\nupdate add other.example.test 60 A 192.0.2.8", false),
        ("idle.", "update add host.example.test 60 A 192.0.2.9", false),
        ("long.", "update add sub.example.test 60 NS ns1.example.test", false),
        ("all.", "update add sub.example.test 60 NS ns1.example.test", true),
        ("all.", "update add app.example.test 60 A 192.0.2.7", false),
        ("all.", "update delete app.example.test", false),
        ("all.", "update add blue.app.example.test 60 A 192.0.2.7", false),
    ] {
        let said = nsupdate(&server, key, false, change);
        assert_eq!(said.is_empty(), allowed, "{key} {change}: {said}");
        assert!(allowed || said.contains("REFUSED"), "{key} {change}: {said}");
    }
    assert_eq!(server.short(&["host.example.test", "A"]), ["192.0.2.7"], "all of an update or nothing");
    assert_eq!(server.short(&["app.example.test", "A"]), ["192.0.2.10"]);
    let log = server.log();
    for reason in [
        "no [[update]] of the server's file names this key",
        "key host. may not change host.example.test. TXT",
        "app.example.test. belongs to switch app",
    ] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
    // Extended errors say it to those who understand them.
    let printed = tools::python(&server, tools::EXTENDED_ERRORS);
    assert_eq!(
        printed,
        "18 a switch decides this name: flip it, or set its weights\n18 this key may not change this name or type\n18 updates have to be signed (TSIG)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_without_a_signature_or_with_a_weak_one_are_refused_and_the_remedy_logged() {
    let server = server().await;
    let change = "update add www.example.test 60 A 192.0.2.66";
    let said = nsupdate_as(&server, &[], false, change);
    assert!(said.contains("REFUSED"), "{said}");
    for algorithm in ["hmac-md5", "hmac-sha1"] {
        let said = nsupdate_as(&server, &["-y", &format!("{algorithm}:all.:{SECRET}")], false, change);
        assert!(said.contains("NOTAUTH") || said.contains("BADKEY"), "{said}");
    }
    let said = nsupdate(&server, "all.", false, "zone example.org\nupdate add x.example.org 60 A 192.0.2.66");
    assert!(said.contains("NOTAUTH"), "{said}");
    assert_eq!(server.short(&["www.example.test", "A"]), ["192.0.2.1"]);
    let log = server.log();
    assert!(log.contains("an update without a signature was refused: give the client a key"), "{log}");
    assert!(log.contains("hmac-sha256, hmac-sha384 and hmac-sha512 are offered"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_break_a_zone_does_not() {
    let server = server().await;
    let first = serial(&server);
    // Ignored by RFC 2136 §3.4.2: a CNAME beside data and data beside a CNAME, the SOA, the last NS of the apex.
    assert_eq!(nsupdate(&server, "all.", false, "update add www.example.test 60 CNAME other.example.test"), "");
    assert_eq!(nsupdate(&server, "all.", false, "update delete example.test NS\nupdate delete example.test SOA"), "");
    assert_eq!(nsupdate(&server, "all.", false, "update delete example.test NS ns1.example.test"), "");
    assert_eq!(nsupdate(&server, "all.", false, "update delete example.test"), "");
    assert_eq!(serial(&server), first, "nothing changed");
    assert_eq!(server.short(&["www.example.test", "A"]), ["192.0.2.1"]);
    assert_eq!(server.short(&["example.test", "NS"]), ["ns1.example.test."]);
    assert!(server.log().contains("www.example.test. CNAME: a CNAME stands alone"), "{}", server.log());
    let outside = nsupdate(&server, "all.", false, "update add www.example.org 60 A 192.0.2.7");
    assert!(outside.contains("NOTZONE"), "{outside}");
    // 10,000 records of a set: refused as soon as they are too many, and nothing of it stays by halves.
    let mut refused = 0;
    for part in 0..10 {
        let lines: Vec<String> =
            (0..1000).map(|n| format!("update add big.example.test 60 A 10.{part}.{}.{}", n / 250, n % 250)).collect();
        refused += usize::from(nsupdate(&server, "all.", true, &lines.join("\n")).contains("REFUSED"));
    }
    assert_eq!(refused, 9);
    let printed = server.dig(&["+tcp", "big.example.test", "A"]);
    assert!(printed.contains("ANSWER: 1000,"), "{printed}");
    assert_eq!(nsupdate(&server, "all.", false, "update delete big.example.test A"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_update_changes_nothing_and_gets_the_first_reply() {
    let mut server = server().await;
    let sign = |change: &str| {
        let script = format!("{}\nprint({change}.to_wire().hex())", tools::PRELUDE);
        hex(&tools::python(&server, &script))
    };
    let ahead = {
        let script = format!(
            "{}\nimport time\nreal = time.time\ntime.time = lambda: real() + 200\nprint(update('all.', lambda u: u.add('ahead', 60, 'A', '192.0.2.7')).to_wire().hex())",
            tools::PRELUDE
        );
        hex(&tools::python(&server, &script))
    };
    let add = sign("update('all.', lambda u: u.add('again', 60, 'A', '192.0.2.7'))");
    let unmet = sign(
        "update('all.', lambda u: (u.absent('gone.example.test.'), u.present('www2'), u.add('late', 60, 'A', '192.0.2.8')))",
    );
    assert_eq!(rcode(&server, &add), Some(0));
    assert_eq!(rcode(&server, &unmet), Some(3));
    assert_eq!(
        nsupdate(
            &server,
            "all.",
            false,
            "update delete again.example.test A\nupdate add www2.example.test 60 A 192.0.2.1"
        ),
        ""
    );
    // By a clock that is ahead: a start does not make it new.
    assert_eq!(rcode(&server, &ahead), Some(0));
    assert_eq!(nsupdate(&server, "all.", false, "update delete ahead.example.test A"), "");
    let before = serial(&server);
    assert_eq!((rcode(&server, &add), rcode(&server, &unmet)), (Some(0), Some(3)));
    assert!(
        server.short(&["again.example.test", "A"]).is_empty() && server.short(&["late.example.test", "A"]).is_empty()
    );
    assert_eq!((serial(&server), event(&server, "update_repeated").await), (before, 2));
    server.kill9();
    // Signatures have whole seconds: the start has to be in a later one.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    server.spawn();
    server.ready().await;
    let before = serial(&server);
    assert_eq!((rcode(&server, &add), rcode(&server, &unmet)), (Some(5), Some(5)), "from before the start");
    assert_eq!(rcode(&server, &ahead), Some(0), "the first reply");
    assert!(server.short(&["ahead.example.test", "A"]).is_empty());
    assert!(
        server.short(&["again.example.test", "A"]).is_empty() && server.short(&["late.example.test", "A"]).is_empty()
    );
    assert_eq!(serial(&server), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_stays_over_a_reload_and_the_reload_says_what_it_hides() {
    let server = server().await;
    assert_eq!(
        nsupdate(
            &server,
            "all.",
            false,
            "update delete www.example.test A\nupdate add www.example.test 60 A 192.0.2.77"
        ),
        ""
    );
    server
        .folder
        .write("zones/example.test.zone", &ZONE.replace("192.0.2.1\n", "192.0.2.2\n").replace(" 7 7200", " 8 7200"));
    let (status, reply) = server.api("POST", "/v1/reload", Some(serde_json::json!({}))).await;
    assert_eq!(status, 200, "{reply}");
    assert!(reply["notes"].to_string().contains("www.example.test. A of the files is not applied"), "{reply}");
    assert_eq!(server.short(&["www.example.test", "A"]), ["192.0.2.77"]);
    assert_eq!(
        nsupdate(
            &server,
            "all.",
            false,
            "update delete www.example.test A\nupdate add www.example.test 300 A 192.0.2.2"
        ),
        ""
    );
    let (_, reply) = server.api("POST", "/v1/reload", Some(serde_json::json!({}))).await;
    assert!(!reply["notes"].to_string().contains("www.example.test"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_update_at_once_and_each_change_is_there() {
    let server = std::sync::Arc::new(server().await);
    let first = serial(&server);
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let server = server.clone();
            std::thread::spawn(move || {
                for n in 0..5 {
                    let change = format!("update add c{client}.example.test 60 TXT \"{n}\"");
                    assert_eq!(nsupdate(&server, "all.", client % 2 == 0, &change), "");
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    for client in 0..8 {
        assert_eq!(server.short(&[&format!("c{client}.example.test"), "TXT"]).len(), 5);
    }
    assert_eq!(serial(&server), first + 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_cannot_be_kept_says_servfail_and_the_same_one_is_taken_later() {
    let mut server = Server::prepare(&[("example.test.zone", ZONE)], &[]);
    server.configure(&file());
    let disk = SmallDisk::mount(&server.state(), "12m");
    server.spawn();
    server.ready().await;
    let script = format!(
        "{}\nfor n in range(400): print(update('all.', lambda u: u.add('n%d' % n, 60, 'TXT', 'x' * 200)).to_wire().hex())",
        tools::PRELUDE
    );
    let signed = tools::python(&server, &script);
    let mut made = 0;
    let refused = signed.lines().map(hex).find(|message| {
        disk.fill();
        let rcode = rcode(&server, message);
        assert!(matches!(rcode, Some(0 | 2)), "{rcode:?}");
        made += usize::from(rcode == Some(0));
        rcode == Some(2)
    });
    let refused = refused.expect("an update that the full disk refuses");
    assert!(server.short(&[&format!("n{made}.example.test"), "TXT"]).is_empty(), "nothing of it is served");
    disk.free();
    crate::harness::eventually("it is taken once there is room", || async {
        (rcode(&server, &refused) == Some(0)).then_some(())
    })
    .await;
    server.kill9();
    server.restart().await;
    assert_eq!(server.short(&[&format!("n{made}.example.test"), "TXT"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_come_over_tls_too() {
    let mut server = Server::prepare(&[("example.test.zone", ZONE)], &[]);
    let issued = rcgen::generate_simple_self_signed(["dns.test".to_owned()]).unwrap();
    server.folder.write("cert.pem", &issued.cert.pem());
    server.folder.write("key.pem", &issued.signing_key.serialize_pem());
    let dot = format!("[dot]\nlisten = [\"{}:8853\"]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n", server.dns.ip());
    server.configure(&format!("{}{dot}", file()));
    server.spawn();
    server.ready().await;
    let script = "
made = update('all.', lambda u: u.add('tls', 60, 'TXT', 'x'))
assert dns.query.tls(made, host, port=8853, verify=False, timeout=20).rcode() == 0
print(records('tls.example.test', 'TXT')[0])";
    assert_eq!(tools::python(&server, script), "\"x\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_sends_too_many_gets_servfail_and_takes_nothing_from_others() {
    let server = server().await;
    let script = format!(
        "{}\nfor n in range(130): print(update('acme.', lambda u: u.add('_acme-challenge.n%d' % n, 60, 'TXT', 'x')).to_wire().hex())",
        tools::PRELUDE
    );
    let signed: Vec<Vec<u8>> = tools::python(&server, &script).lines().map(hex).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(crate::harness::LIMIT)).unwrap();
    for message in &signed {
        socket.send_to(message, server.dns).unwrap();
    }
    let mut buffer = [0; 4096];
    let rcodes: Vec<u8> = signed.iter().map(|_| socket.recv(&mut buffer).map(|_| buffer[3] & 0x0f).unwrap()).collect();
    let count = |rcode: u8| rcodes.iter().filter(|one| **one == rcode).count();
    assert!(count(0) >= 100 && count(2) > 0 && count(0) + count(2) == signed.len(), "{rcodes:?}");
    assert_eq!(event(&server, "update_throttled").await, count(2) as u64);
    assert!(server.log().contains("a key sends more than 10 updates a second"), "{}", server.log());
    assert_eq!(nsupdate(&server, "host.", false, "update add host.example.test 60 A 192.0.2.7"), "");
}

/// Sends octets by UDP; the RCODE of the reply.
fn rcode(server: &Server, message: &[u8]) -> Option<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(crate::harness::LIMIT)).unwrap();
    socket.send_to(message, server.dns).unwrap();
    let mut buffer = [0; 4096];
    socket.recv(&mut buffer).ok()?;
    Some(buffer[3] & 0x0f)
}

fn hex(text: &str) -> Vec<u8> {
    let text = text.trim();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

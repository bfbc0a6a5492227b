//! RFC 8945: signed queries, asked by the real dig, and what is said of signatures that are not right.

use crate::harness::{LIMIT, Server, eventually};
use std::net::UdpSocket;

/// A key of 32 octets, and another secret.
pub const SECRET: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const OTHER_SECRET: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

const ZONE: &str =
    "$TTL 300\n@ IN SOA ns1 hostmaster 7 7200 900 1209600 300\n@ IN NS ns1\nns1 IN A 192.0.2.53\nwww IN A 192.0.2.1\n";

/// A server with this server file behind the usual flags.
pub async fn start(zones: &[(&str, &str)], file: &str) -> Server {
    let mut server = Server::prepare(zones, &[]);
    server.folder.write("tidegate.toml", file);
    let path = server.folder.path().join("tidegate.toml").display().to_string();
    server.extra = vec!["--config".to_owned(), path];
    server.spawn();
    server.ready().await;
    server
}

fn file() -> String {
    format!(
        "[tsig.keys.\"k.example.\"]\nsecret = \"{SECRET}\"\n[tsig.keys.\"long.\"]\nalgorithm = \"hmac-sha512\"\nsecret = \"{SECRET}\"\n"
    )
}

fn key(algorithm: &str, name: &str, secret: &str) -> String {
    format!("{algorithm}:{name}:{secret}")
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_queries_are_answered_signed_over_udp_and_tcp() {
    let server = start(&[("example.test.zone", ZONE)], &file()).await;
    for (algorithm, name) in [("hmac-sha256", "K.example"), ("hmac-sha512", "long")] {
        for transport in ["+notcp", "+tcp"] {
            let key = key(algorithm, name, SECRET);
            for (question, answer) in [(["www.example.test", "A"], "192.0.2.1"), (["example.test", "SOA"], "ns1")] {
                let printed = server.dig(&["-y", &key, transport, question[0], question[1]]);
                assert!(printed.contains("status: NOERROR") && printed.contains(answer), "{printed}");
                assert!(printed.contains(";; TSIG PSEUDOSECTION:") && printed.contains(" NOERROR 0"), "{printed}");
                assert!(
                    !printed.contains("could not be validated") && !printed.contains("Couldn't verify"),
                    "{printed}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_are_not_right_are_refused_by_name_and_said_once() {
    let server = start(&[("example.test.zone", ZONE)], &file()).await;
    for (key, error) in [
        (key("hmac-sha256", "k.example", OTHER_SECRET), "BADSIG"),
        (key("hmac-sha256", "unknown", SECRET), "BADKEY"),
        (key("hmac-md5", "k.example", SECRET), "BADKEY"),
        (key("hmac-sha1", "k.example", SECRET), "BADKEY"),
        (key("hmac-sha384", "k.example", SECRET), "BADKEY"),
    ] {
        for transport in ["+notcp", "+tcp"] {
            let printed = server.dig(&["-y", &key, transport, "www.example.test", "A"]);
            assert!(printed.contains("status: NOTAUTH") && printed.contains(error), "{key}: {printed}");
            assert!(!printed.contains("192.0.2.1"), "{printed}");
        }
    }
    let log = server.log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains("a signature was refused")).collect();
    assert_eq!(said.len(), 3, "one line for each error of each key: {log}");
    assert!(said.iter().any(|line| line.contains("hmac-sha256, hmac-sha384 and hmac-sha512 are offered")), "{log}");
    assert!(!log.contains(SECRET), "a secret in the log");
    let (_, metrics) = server_metrics(&server).await;
    assert!(metrics.contains("tidegate_transfer_events_total{event=\"bad_signature\"} 2"), "{metrics}");
}

async fn server_metrics(server: &Server) -> (u16, String) {
    let reply = crate::harness::http()
        .get(format!("http://{}/metrics", server.admin))
        .bearer_auth(server.token())
        .send()
        .await
        .unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_and_datagrams_from_the_server_itself_start_no_conversation() {
    let server = start(&[("example.test.zone", ZONE)], &file()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    // An update, which is handed over: its reply has QR set, and sent back it gets silence.
    let update = b"\x12\x34\x28\0\0\x01\0\0\0\0\0\0\x07example\x04test\0\0\x06\0\x01";
    socket.send_to(update, server.dns).unwrap();
    let mut buffer = [0; 512];
    let len = socket.recv(&mut buffer).unwrap();
    assert_eq!(buffer[3] & 0x0f, 5, "REFUSED, since it is not signed");
    socket.send_to(&buffer[..len], server.dns).unwrap();
    let dropped = "tidegate_transport_events_total{transport=\"udp\",event=\"dropped\"} 1";
    eventually("the reply is dropped", || async { server_metrics(&server).await.1.contains(dropped).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printed_key_works_on_both_sides() {
    let folder = crate::harness::Folder::new("key");
    let printed = std::process::Command::new(crate::harness::PROGRAM)
        .args(["tsig-key", "Fresh.Example", "--algorithm", "hmac-sha384"])
        .output()
        .unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let (ours, theirs) = text.split_once("\n\n").expect("two forms");
    folder.write("key", theirs);
    let server = start(&[("example.test.zone", ZONE)], ours).await;
    let file = folder.path().join("key").display().to_string();
    let printed = server.dig(&["-k", &file, "www.example.test", "A"]);
    assert!(printed.contains("192.0.2.1") && printed.contains("fresh.example."), "{printed}");
    assert!(!printed.contains("could not be validated"), "{printed}");
    for wrong in [&["tsig-key", "a..b"][..], &["tsig-key", "a", "--algorithm", "hmac-md5"], &["tsig-key"]] {
        let output = std::process::Command::new(crate::harness::PROGRAM).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

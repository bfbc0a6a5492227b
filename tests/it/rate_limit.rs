//! Response rate limiting, from outside: who is limited, who is spared, and what is told.

use crate::harness::{Server, eventually, own_address};
use crate::wire::*;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

const ZONE: &str = "$ORIGIN limit.test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n\
    www A 192.0.2.1\n*.wild A 192.0.2.2\nsub NS ns.sub\nns.sub A 192.0.2.54\n";

fn event(name: &str) -> String {
    format!("tidegate_transport_events_total{{transport=\"udp\",event=\"{name}\"}}")
}

async fn started(file: &str) -> Server {
    Server::start_configured(&[("limit.test.zone", ZONE)], &format!("[limits]\nudp_workers = 1\n{file}")).await
}

/// Sends queries and returns the replies that come while the server is at it.
fn replies(server: &Server, queries: impl Iterator<Item = Vec<u8>>) -> Vec<Reply> {
    let client = UdpSocket::bind((own_address(), 0)).unwrap();
    client.connect(server.dns).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut replies = Vec::new();
    let mut buffer = [0; 1500];
    let mut receive = |replies: &mut Vec<Reply>| {
        while let Ok(len) = client.recv(&mut buffer) {
            replies.push(Reply::read(&buffer[..len]));
        }
    };
    for query in queries {
        client.send(&query).unwrap();
    }
    receive(&mut replies);
    replies
}

#[tokio::test]
async fn each_class_has_its_limit_and_every_second_reply_over_it_slips() {
    let server =
        started("[rate_limit]\nresponses_per_second = 10\nnxdomains_per_second = 4\nerrors_per_second = 6\nreferrals_per_second = 2\nexempt = []\n")
            .await;
    let cases: [(&str, usize); 4] =
        [("www.limit.test", 10), ("x{}.limit.test", 4), ("x{}.elsewhere.test", 6), ("x{}.sub.limit.test", 2)];
    for (name, limit) in cases {
        let got = replies(&server, (0..60).map(|n| query(&name.replace("{}", &n.to_string()), A)));
        let (cut, whole): (Vec<&Reply>, Vec<&Reply>) = got.iter().partition(|reply| reply.flags.contains("TC"));
        // A bucket may earn a few more meanwhile.
        assert!((limit..=limit + 10).contains(&whole.len()), "{name}: {} whole", whole.len());
        let over = 60 - whole.len();
        assert!(cut.len().abs_diff(over / 2) <= 1, "{name}: {} cut of {over}", cut.len());
        assert!(cut.iter().all(|reply| reply.answer.is_empty() && reply.authority.is_empty()));
    }
    // TCP is never limited.
    let mut stream = TcpStream::connect(server.dns).unwrap();
    let one = query("www.limit.test", A);
    for _ in 0..50 {
        stream.write_all(&[&u16::try_from(one.len()).unwrap().to_be_bytes()[..], &one].concat()).unwrap();
        let mut len = [0; 2];
        stream.read_exact(&mut len).unwrap();
        let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(Reply::read(&reply).answer.len(), 1);
    }
    assert!(server.metric(&event("rate_limited")).await > 50.0 && server.metric(&event("slipped")).await > 50.0);
    let network = |log: &str| log.matches("responses limited").count();
    eventually("a line in the log", || async { (network(&server.log()) > 0).then_some(()) }).await;
    let log = server.log();
    // Every case asked from a client of this /24.
    assert!(log.contains(&format!("network=\"{}/24\"", prefix(&server))), "{log}");
    assert_eq!(network(&log), 1, "one line a network and minute:\n{log}");
}

/// The /24 of a server, which loopback clients ask from too.
fn prefix(server: &Server) -> String {
    let IpAddr::V4(address) = server.dns.ip() else { panic!("an IPv4 server") };
    let [a, b, c, _] = address.octets();
    format!("{a}.{b}.{c}.0")
}

#[tokio::test]
async fn where_limits_are_only_told_every_answer_leaves() {
    let server = started("[rate_limit]\nresponses_per_second = 5\nexempt = []\nlog_only = true\n").await;
    let got = replies(&server, (0..60).map(|_| query("www.limit.test", A)));
    assert_eq!(got.iter().filter(|reply| reply.answer.len() == 1).count(), 60);
    eventually("a line in the log", || async { server.log().contains("log_only is set").then_some(()) }).await;
    assert!(server.metric(&event("rate_noted")).await >= 45.0);
    assert_eq!((server.metric(&event("rate_limited")).await, server.metric(&event("slipped")).await), (0.0, 0.0));
}

#[tokio::test]
async fn exempt_networks_and_a_limit_of_nothing_limit_nobody() {
    for file in ["[rate_limit]\nresponses_per_second = 1\n", "[rate_limit]\nresponses_per_second = 0\nexempt = []\n"] {
        let server = started(file).await;
        let got = replies(&server, (0..60).map(|_| query("www.limit.test", A)));
        assert_eq!(got.iter().filter(|reply| reply.answer.len() == 1).count(), 60, "{file}");
    }
}

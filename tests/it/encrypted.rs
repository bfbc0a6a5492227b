//! DNS over TLS, HTTPS, QUIC and HTTP/3 (RFC 7858, RFC 8484, RFC 9250, RFC 9114), asked by other people's clients.

use crate::harness::{Folder, Server};
use crate::pki::Authority;
use crate::wire::*;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Where `tests/run` puts aioquic.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/aioquic/bin/python");
const QUIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/quic.py");

/// The nameserver's name.
pub const NAME: &str = "ns1.example.test";

const ZONE: &str = "[zone]\nns = [\"ns1.example.test\"]\n[switch.app]\nowners = [\"app.example.test\"]\nanswer = \"one\"\n\
     [switch.app.pool.blue]\nmembers = [\"192.0.2.10\"]\nweight = 1\n\
     [switch.app.pool.green]\nmembers = [\"192.0.2.20\"]\nweight = 0\n";

/// A server that speaks everything, and the authority that signed for it.
pub struct Encrypted {
    pub server: Server,
    pub authority: Authority,
}

/// What the file says of encrypted transports at an address of its own.
pub fn tables(server: &Server) -> String {
    let ip = server.dns.ip();
    let pair = "cert = \"dns.pem\"\nkey = \"dns.key\"\n";
    format!(
        "[dot]\nlisten = [\"{ip}:853\"]\n{pair}[doq]\nlisten = [\"{ip}:853\"]\n{pair}\
         [doh]\nlisten = [\"{ip}:443\"]\n{pair}h3 = true\n"
    )
}

impl Encrypted {
    pub async fn start(more: &str) -> Self {
        Self::start_until(more, 2090).await
    }

    /// As [`Encrypted::start`], with certificates that end with another year.
    pub async fn start_until(more: &str, year: i32) -> Self {
        let mut server = Server::prepare(&[("example.test.toml", ZONE)], &[]);
        let authority = Authority::new("the authority");
        authority.server(&[NAME.to_owned(), server.dns.ip().to_string()], year).write(&server.folder, "dns");
        server.folder.write("ca.pem", authority.pem());
        let file = tables(&server) + more;
        server.configure(&file);
        server.spawn();
        server.ready().await;
        Self { server, authority }
    }

    pub fn ca(&self) -> PathBuf {
        self.server.folder.path().join("ca.pem")
    }

    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.server.dns.ip(), port)
    }

    /// What the real kdig prints over `transport`, with the certificate verified but over QUIC: kdig 3.2.6 crashes
    /// when it verifies there (aioquic does instead).
    fn kdig(&self, transport: &str, arguments: &[&str]) -> String {
        let port = if transport == "+https" { "443" } else { "853" };
        let verified = [format!("+tls-ca={}", self.ca().display()), format!("+tls-hostname={NAME}")];
        let output = Command::new("kdig")
            .arg(format!("@{}", self.server.dns.ip()))
            .args(["-p", port, transport, "+time=10", "+retry=0"])
            .args(verified.iter().filter(|_| transport != "+quic"))
            .args(arguments)
            .output()
            .expect("kdig is installed (Debian: knot-dnsutils)");
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains(";; WARNING") && !text.contains(";; ERROR"), "{transport} {arguments:?}: {text}");
        text
    }

    async fn flip(&self, pool: &str) {
        let body = json!({ "to": pool, "force": true, "reason": "a test" });
        let (status, body) = self.server.api("POST", "/v1/switches/app/flip", Some(body)).await;
        assert_eq!(status, 200, "{body}");
    }

    fn aioquic(&self, mode: &str) -> Aioquic {
        let port = if mode == "doq" { "853" } else { "443" };
        let mut child = Command::new(PYTHON)
            .args([QUIC, mode, &self.server.dns.ip().to_string(), port, &self.ca().display().to_string(), NAME])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("aioquic is installed in target/aioquic (tests/run does that)");
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Aioquic { child, stdin, stdout }
    }
}

/// One connection of aioquic.
struct Aioquic {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Aioquic {
    /// What came of a message.
    fn say(&mut self, message: &[u8]) -> String {
        let hex: String = message.iter().map(|octet| format!("{octet:02x}")).collect();
        writeln!(self.stdin, "{hex}").expect("written");
        let mut line = String::new();
        if self.stdout.read_line(&mut line).expect("a line") == 0 {
            let mut why = String::new();
            let _ = self.child.stderr.take().unwrap().read_to_string(&mut why);
            panic!("aioquic ended: {why}");
        }
        line.trim().to_owned()
    }

    /// The reply to a query.
    fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        let line = self.say(message);
        let (words, hex) = line.rsplit_once(' ').expect("words and a message");
        assert!(words == "reply" || words.starts_with("200 "), "{line}");
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    }
}

impl Drop for Aioquic {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A query with ID 0, as RFC 9250 §4.2.1 and RFC 8484 §4.1 want it.
fn anonymous(qname: &str, qtype: u16, options: &[u8]) -> Vec<u8> {
    let mut message = edns_query(qname, qtype, 1232, options);
    message[..2].fill(0);
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn kdig_sees_a_flip_over_tls_https_and_quic() {
    let all = Encrypted::start("").await;
    for (pool, address) in [("blue", "192.0.2.10"), ("green", "192.0.2.20"), ("blue", "192.0.2.10")] {
        all.flip(pool).await;
        for transport in ["+tls", "+https", "+quic"] {
            let short = all.kdig(transport, &["+short", "app.example.test", "A"]);
            assert_eq!(short.trim(), address, "{transport} after the flip to {pool}");
        }
    }
    for (transport, session) in
        [("+tls", "(TLS1.3)"), ("+https", "HTTP session (HTTP/2-POST)"), ("+quic", "QUIC session (QUICv1)")]
    {
        let printed = all.kdig(transport, &["app.example.test", "A"]);
        assert!(printed.contains(session), "{printed}");
    }
    for transport in ["tls", "https", "quic"] {
        let row = format!("tidegate_responses_total{{transport=\"{transport}\",rcode=\"NOERROR\"}}");
        assert!(all.server.metric(&row).await >= 4.0, "{}", row);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aioquic_keeps_one_connection_through_a_flip_over_quic_and_http3() {
    let all = Encrypted::start("").await;
    let (mut doq, mut h3) = (all.aioquic("doq"), all.aioquic("h3"));
    let asked = anonymous("app.example.test", A, &[]);
    for (pool, address) in [("blue", "192.0.2.10"), ("green", "192.0.2.20"), ("blue", "192.0.2.10")] {
        all.flip(pool).await;
        for (client, transport) in [(&mut doq, "quic"), (&mut h3, "h3")] {
            let reply = Reply::read(&client.ask(&asked));
            assert_eq!((reply.id, reply.rdata("A")), (0, vec![address.to_owned()]), "{transport}");
        }
    }
    let line = h3.say(&anonymous("absent.example.test", A, &[]));
    assert!(line.starts_with("200 private,max-age=") && line.contains(" application/dns-message "), "{line}");
    assert!(h3.say(b"no query").starts_with("400 "), "a body that is no DNS message");
    assert_eq!(Reply::read(&h3.ask(&asked)).rcode, NOERROR, "the connection goes on");
    let row = "tidegate_responses_total{transport=\"h3\",rcode=\"NOERROR\"}";
    assert!(all.server.metric(row).await >= 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9250_4_2_1_what_quic_forbids_ends_the_connection_with_its_code() {
    let all = Encrypted::start("").await;
    let good = anonymous("app.example.test", A, &[]);
    let (mut numbered, mut response) = (good.clone(), good.clone());
    numbered[1] = 1;
    response[2] |= 0x80;
    let keepalive = anonymous("app.example.test", A, &option(11, &[]));
    for (what, message) in
        [("an ID", numbered), ("a response", response), ("edns-tcp-keepalive", keepalive), ("no header", vec![0; 11])]
    {
        // DOQ_PROTOCOL_ERROR (§8.4).
        assert_eq!(all.aioquic("doq").say(&message), "closed 2", "{what}");
    }
    assert_eq!(Reply::read(&all.aioquic("doq").ask(&good)).rcode, NOERROR);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8467_4_a_padded_query_gets_a_padded_reply_over_every_encrypted_transport() {
    let all = Encrypted::start("").await;
    for transport in ["+tls", "+https", "+quic"] {
        for (name, rtype) in [("app.example.test", "A"), ("example.test", "SOA"), ("absent.example.test", "A")] {
            let printed = all.kdig(transport, &["+padding", name, rtype]);
            let received = printed.lines().find_map(|line| line.strip_prefix(";; Received ")).expect("a size");
            let octets: usize = received.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(octets % 468, 0, "{transport} {name}: {printed}");
            assert!(printed.contains(";; PADDING:"), "{printed}");
            let bare = all.kdig(transport, &["+nopadding", name, rtype]);
            assert!(!bare.contains(";; PADDING:"), "{bare}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9250_5_4_aioquic_gets_padding_too() {
    let all = Encrypted::start("").await;
    for mode in ["doq", "h3"] {
        let mut client = all.aioquic(mode);
        let reply = client.ask(&anonymous("app.example.test", A, &option(12, &[0; 60])));
        assert_eq!((reply.len() % 468, Reply::read(&reply).rcode), (0, NOERROR), "{mode}");
        assert!(client.ask(&anonymous("app.example.test", A, &[])).len() < 200, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9461_dig_finds_the_transports_at_the_nameservers_name() {
    let all = Encrypted::start("[answers]\nannounce = \"ns1.example.test\"\n").await;
    let mut found = all.server.short(&["_dns.ns1.example.test", "SVCB"]);
    found.sort();
    assert_eq!(
        found,
        [
            "1 ns1.example.test. alpn=\"dot,doq\" port=853",
            "2 ns1.example.test. alpn=\"h2,h3\" port=443 key7=\"/dns-query{?dns}\"",
        ]
    );
    let kdig = Command::new("kdig")
        .args([&format!("@{}", all.server.dns.ip()), "-p", "5300", "+short", "_dns.ns1.example.test", "SVCB"])
        .output()
        .expect("kdig is installed (Debian: knot-dnsutils)");
    assert!(String::from_utf8(kdig.stdout).unwrap().contains("alpn=dot,doq"), "kdig reads it as well");
    // Nothing is announced unless it is asked for.
    let silent = Encrypted::start("").await;
    assert_eq!(silent.server.short(&["_dns.ns1.example.test", "SVCB"]), [""; 0]);
}

#[test]
fn check_judges_certificates_before_they_are_served() {
    let folder = Folder::new("check");
    folder.write("zones/example.test.toml", ZONE);
    let authority = Authority::new("the authority");
    let check = |cert: &str, key: &str| {
        folder.write("tidegate.toml", &format!("[dot]\ncert = \"{cert}\"\nkey = \"{key}\"\n"));
        let mut command = Command::new(crate::harness::PROGRAM);
        command.args(["check", "--zones"]).arg(folder.path().join("zones"));
        let output = command.arg("--config").arg(folder.path().join("tidegate.toml")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr))
    };
    authority.server(&[NAME.to_owned()], 2090).write(&folder, "good");
    authority.server(&[NAME.to_owned()], 2091).write(&folder, "other");
    authority.server(&[NAME.to_owned()], 2001).write(&folder, "past");
    assert_eq!(check("good.pem", "good.key").0, Some(0));
    for (cert, key, code, words) in [
        ("good.pem", "other.key", 1, "the key cannot be used with the certificate"),
        ("good.key", "good.key", 1, "holds no certificate"),
        ("good.pem", "good.pem", 1, "it should hold the private key"),
        ("absent.pem", "good.key", 1, "absent.pem: cannot be read"),
        ("past.pem", "past.key", 0, "the certificate has expired"),
    ] {
        let (got, text) = check(cert, key);
        assert!(got == Some(code) && text.contains(words), "{cert} {key}: {text}");
    }
}

#[test]
fn the_demo_speaks_tls_https_and_quic() {
    let ip = crate::harness::own_address();
    let log = Folder::new("demo");
    let out = std::fs::File::create(log.path().join("out")).unwrap();
    let demo = Command::new(crate::harness::PROGRAM)
        .args(["demo", "--dns", &format!("{ip}:5300"), "--admin", &format!("{ip}:8053"), "--backend-port", "18089"])
        .env("XDG_RUNTIME_DIR", log.path())
        .env("HOME", log.path())
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap();
    let _ended = Ended(demo);
    let printed = || std::fs::read_to_string(log.path().join("out")).unwrap();
    let begun = std::time::Instant::now();
    while !printed().contains(&format!("dig +short +tls @{ip} -p 5301")) {
        assert!(begun.elapsed() < crate::harness::LIMIT, "{}", printed());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for (transport, port) in [("+tls", "5301"), ("+quic", "5301"), ("+https", "5302")] {
        let kdig = Command::new("kdig")
            .args([&format!("@{ip}"), "-p", port, transport, "+short", "model.example.test", "A"])
            .output()
            .expect("kdig is installed (Debian: knot-dnsutils)");
        assert_eq!(String::from_utf8(kdig.stdout).unwrap().trim(), "127.0.0.11", "{transport}: {}", printed());
    }
}

/// Ends a child.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

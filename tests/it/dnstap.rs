//! dnstap: what fstrm_capture takes down is what was asked and answered, and a reader that is slow or
//! away holds nobody up.

use crate::harness::{LIMIT, Server, eventually, own_address};
use crate::wire::*;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ZONE: &str = "$ORIGIN tap.test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n\
    udp A 192.0.2.1\ntcp A 192.0.2.2\ndot A 192.0.2.3\ndoh A 192.0.2.4\n";
const ZONES: &[(&str, &str)] = &[("tap.test.zone", ZONE)];
const SENT: &str = "tidegate_dnstap_messages_total{outcome=\"sent\"}";
const DROPPED: &str = "tidegate_dnstap_messages_total{outcome=\"dropped\"}";

/// A reader that writes what it gets to a file.
struct Capture(Option<Child>);

impl Capture {
    fn start(place: &[&str], file: &Path) -> Self {
        let mut command = Command::new("fstrm_capture");
        command.args(["-t", "protobuf:dnstap.Dnstap", "-w"]).arg(file).args(place);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(Some(child.expect("fstrm_capture is installed (Debian: fstrm-bin)")))
    }

    /// Ends it, so that it writes all it has.
    fn end(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        let status = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill");
        assert!(status.success() && child.wait().is_ok());
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What dnstap-ldns reads in a capture, one line a message.
fn decoded(file: &Path) -> Vec<String> {
    let output = Command::new("dnstap-ldns").arg("-r").arg(file).output();
    let output = output.expect("dnstap-ldns is installed (Debian: dnstap-ldns)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_transport_is_taken_down_as_query_and_response() {
    let mut server = Server::prepare(ZONES, &[]);
    let issued = rcgen::generate_simple_self_signed(vec!["tap.test".to_owned()]).unwrap();
    server.folder.write("cert.pem", &issued.cert.pem());
    server.folder.write("key.pem", &issued.signing_key.serialize_pem());
    let ip = server.dns.ip();
    let tables = ["dot", "doh"]
        .iter()
        .zip([853, 443])
        .map(|(name, port)| format!("[{name}]\nlisten = [\"{ip}:{port}\"]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n"));
    let tables: String = tables.collect();
    server.configure(&format!("[dnstap]\nsocket = \"tap.sock\"\nidentity = \"ns1\"\n{tables}"));
    let (socket, file) = (server.folder.path().join("tap.sock"), server.folder.path().join("capture"));
    let mut capture = Capture::start(&["-u", socket.to_str().unwrap()], &file);
    server.spawn();
    server.ready().await;
    eventually("a connection to the reader", || async {
        (server.metric("tidegate_dnstap_connected").await > 0.0).then_some(())
    })
    .await;
    for (name, port, way) in
        [("udp", 5300, "+notcp"), ("tcp", 5300, "+tcp"), ("dot", 853, "+tls"), ("doh", 443, "+https")]
    {
        let (port, name) = (port.to_string(), format!("{name}.tap.test"));
        assert_eq!(server.short(&["-p", &port, way, &name]).len(), 1, "{way}");
    }
    eventually("all copies", || async { (server.metric(SENT).await >= 8.0).then_some(()) }).await;
    assert_eq!((server.metric(SENT).await, server.metric(DROPPED).await), (8.0, 0.0));
    assert_eq!(server.stop().await, Some(0));
    capture.end();
    let lines = decoded(&file);
    assert_eq!(lines.len(), 8, "{lines:#?}");
    for name in ["udp", "tcp", "dot", "doh"] {
        for kind in ["AQ", "AR"] {
            let question = format!("\"{name}.tap.test.\" IN A");
            let found = lines.iter().filter(|line| line.contains(&format!(" {kind} ")) && line.contains(&question));
            assert_eq!(found.count(), 1, "{kind} {name}: {lines:#?}");
        }
    }
    let yaml = Command::new("dnstap-ldns").arg("-y").arg("-r").arg(&file).output().unwrap();
    let yaml = String::from_utf8(yaml.stdout).unwrap();
    // Its long form ends at the first transport that is younger than the program.
    assert!(yaml.matches("identity: \"ns1\"").count() >= 4, "{yaml}");
    assert!(yaml.contains("version: \"tidegate ") && yaml.contains(&format!("response_address: \"{ip}\"")), "{yaml}");
    assert!(yaml.contains("\t192.0.2.2"), "the answer stands in the response:\n{yaml}");
    for protocol in ["UDP", "TCP"] {
        assert_eq!(yaml.matches(&format!("socket_protocol: {protocol}")).count(), 2, "{yaml}");
    }
}

#[tokio::test]
async fn a_reader_that_comes_late_gets_what_is_asked_then() {
    let reader = own_address();
    let server = Server::start_configured(ZONES, &format!("[dnstap]\naddress = \"{reader}:6000\"\n")).await;
    assert_eq!(server.short(&["udp.tap.test"]), ["192.0.2.1"]);
    assert_eq!(server.metric("tidegate_dnstap_connected").await, 0.0);
    let file = server.folder.path().join("capture");
    let mut capture = Capture::start(&["-a", &reader.to_string(), "-p", "6000"], &file);
    eventually("a connection to the reader", || async {
        (server.metric("tidegate_dnstap_connected").await > 0.0).then_some(())
    })
    .await;
    assert_eq!(server.short(&["tcp.tap.test"]), ["192.0.2.2"]);
    eventually("all copies", || async { (server.metric(SENT).await >= 4.0).then_some(()) }).await;
    capture.end();
    eventually("the end of the reader is seen", || async {
        (server.metric("tidegate_dnstap_connected").await == 0.0).then_some(())
    })
    .await;
    assert!(decoded(&file).iter().any(|line| line.contains("\"tcp.tap.test.\" IN A")));
    let log = server.log();
    assert_eq!(log.matches("dnstap: no reader").count(), 2, "one line each time it is away:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_costs_copies_and_no_answer() {
    let mut server = Server::prepare(ZONES, &[]);
    server.configure("[dnstap]\nsocket = \"tap.sock\"\n");
    let listener = UnixListener::bind(server.folder.path().join("tap.sock")).unwrap();
    let shaking_hands = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut ready = [0; 42];
        stream.read_exact(&mut ready).unwrap();
        // READY with type ACCEPT is ACCEPT.
        ready[11] = 1;
        stream.write_all(&ready).unwrap();
        stream.read_exact(&mut ready).unwrap();
        (stream, listener)
    });
    server.spawn();
    server.ready().await;
    let _reader = shaking_hands.join().unwrap();
    let before_kib = server.resident_kib();
    let client = UdpSocket::bind((own_address(), 0)).unwrap();
    client.connect(server.dns).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let mut buffer = [0; 1500];
    let mut asked = 0u32;
    let question = edns_query("udp.tap.test", A, 1232, &option(12, &[0; 900]));
    while asked < 2_000 || server.metric(DROPPED).await == 0.0 {
        for _ in 0..500 {
            client.send(&question).unwrap();
            client.recv(&mut buffer).expect("an answer, whatever the reader does");
        }
        asked += 500;
        assert!(asked < 100_000, "nothing is ever dropped");
    }
    let grown_kib = server.resident_kib().saturating_sub(before_kib);
    assert!(grown_kib < 48 << 10, "{grown_kib} KiB more");
}

#[tokio::test]
async fn a_sample_takes_down_a_part() {
    let server = Server::start_configured(ZONES, "[dnstap]\nsocket = \"none.sock\"\nsample = \"1/4\"\n").await;
    let client = UdpSocket::bind((own_address(), 0)).unwrap();
    client.connect(server.dns).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let mut buffer = [0; 1500];
    // Far more than wait for a reader, so that nearly all that is drawn is counted as dropped.
    for _ in 0..20_000 {
        client.send(&query("udp.tap.test", A)).unwrap();
        client.recv(&mut buffer).unwrap();
    }
    let dropped = server.metric(DROPPED).await;
    // 5,000 exchanges of two messages are drawn, of which about 1,024 wait.
    assert!((6_000.0..10_000.0).contains(&dropped), "{dropped}");
}

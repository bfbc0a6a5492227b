//! Those who read zones by AXFR to know what is there: octoDNS itself, and the request of external-dns.

use super::{PYTHON, ZONE, file, flip, zones};
use crate::harness::Folder;
use crate::tsig::{SECRET, start};
use std::process::Command;

/// octoDNS in the environment of `tests/run`.
const OCTODNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/dnspython/bin/octodns-dump");

/// AXFR as external-dns' rfc2136 provider asks for it: no RD, no EDNS, TSIG with a fudge of 300 s; and what it makes
/// of the records: endpoints by name and type, of the types it knows, names without their final dot.
const EXTERNAL_DNS: &str = r#"
import json, socket, struct, sys
import dns.message, dns.tsigkeyring, dns.rdatatype
ip, port, secret = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ring = dns.tsigkeyring.from_text({"k.example.": secret})
query = dns.message.make_query("example.test.", "AXFR", flags=0)
query.use_tsig(ring, "k.example.", fudge=300, algorithm="hmac-sha256")
stream = socket.create_connection((ip, port), timeout=20)
wire = query.to_wire()
stream.sendall(struct.pack("!H", len(wire)) + wire)
def exact(n):
    data = b""
    while len(data) < n:
        more = stream.recv(n - len(data))
        assert more, "the server hung up"
        data += more
    return data
records, soas, context = [], 0, None
while soas < 2:
    reply = dns.message.from_wire(exact(struct.unpack("!H", exact(2))[0]), keyring=ring, request_mac=query.mac,
        multi=True, tsig_ctx=context, one_rr_per_rrset=True)
    assert reply.rcode() == 0 and reply.id == query.id, reply
    assert reply.had_tsig, "every message is signed"
    context = reply.tsig_ctx
    for rrset in reply.answer:
        soas += rrset.rdtype == dns.rdatatype.SOA
        records.append(rrset)
assert records[0].rdtype == records[-1].rdtype == dns.rdatatype.SOA
endpoints = {}
for rrset in records:
    kind = dns.rdatatype.to_text(rrset.rdtype)
    if kind in ("A", "AAAA", "CNAME", "TXT", "NS", "PTR"):
        endpoints.setdefault(rrset.name.to_text().rstrip(".") + " " + kind, []).extend(r.to_text() for r in rrset)
print(json.dumps(endpoints, sort_keys=True))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn octodns_dumps_a_zone_and_follows_a_flip() {
    let server = start(&zones(), &file(&[])).await;
    let folder = Folder::new("octodns");
    let path = folder.path().display();
    let source = format!(
        "    class: octodns_bind.AxfrSource\n    host: {}\n    port: {}\n    key_name: k.example.\n    key_secret: {SECRET}\n    key_algorithm: hmac-sha256\n",
        server.dns.ip(),
        server.dns.port()
    );
    let target = format!("    class: octodns.provider.yaml.YamlProvider\n    directory: {path}\n");
    folder.write(
        "config.yaml",
        &format!("providers:\n  source:\n{source}  target:\n{target}zones:\n  example.test.:\n    sources: [source]\n    targets: [target]\n"),
    );
    let dump = || {
        let output = Command::new(OCTODNS)
            .args(["--config-file", &format!("{path}/config.yaml"), "--output-dir", &format!("{path}/out")])
            .args(["example.test.", "source"])
            .output()
            .expect("octoDNS is installed in target/dnspython (tests/run does that)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(folder.path().join("out/example.test.yaml")).expect("a dump")
    };
    let text = dump();
    for wanted in
        ["app:", "192.0.2.10", "2001:db8::10", "mail.example.test.", "'*.wild':", "covered", "ns.deleg.example.test."]
    {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    assert!(!text.contains("192.0.2.20"), "{text}");
    flip(&server, "green").await;
    let text = dump();
    assert!(text.contains("192.0.2.20") && !text.contains("192.0.2.10\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn external_dns_reads_its_endpoints_from_a_signed_transfer_of_many_messages() {
    let owned = "api IN CNAME app\na-api IN TXT \"heritage=external-dns,external-dns/owner=default\"\n";
    let mut text = format!("{ZONE}{owned}");
    (0..20_000).for_each(|n| text.push_str(&format!("n{n} IN A 10.{}.{}.{}\n", n >> 16, n >> 8 & 255, n & 255)));
    let files = [("example.test.zone", text.as_str()), zones()[1]];
    let server = start(&files, &file(&[])).await;
    let output = Command::new(PYTHON)
        .args(["-c", EXTERNAL_DNS, &server.dns.ip().to_string(), &server.dns.port().to_string(), SECRET])
        .output()
        .expect("dnspython is installed in target/dnspython (tests/run does that)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let endpoints: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for (endpoint, targets) in [
        ("api.example.test CNAME", vec!["app.example.test."]),
        ("a-api.example.test TXT", vec!["\"heritage=external-dns,external-dns/owner=default\""]),
        ("app.example.test A", vec!["192.0.2.10"]),
        ("app.example.test AAAA", vec!["2001:db8::10"]),
        ("n19999.example.test A", vec!["10.0.78.31"]),
    ] {
        assert_eq!(endpoints[endpoint], serde_json::json!(targets), "{endpoint}");
    }
    assert_eq!(endpoints.as_object().map(serde_json::Map::len), Some(20_000 + 11), "nothing twice, nothing lost");
}

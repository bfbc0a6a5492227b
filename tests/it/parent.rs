//! `check --delegation` (§1.11) against a real parent: BIND for the root and `example.`, Unbound to find it,
//! BIND as second nameserver, and a relay that breaks one thing at a time.

use crate::harness::PROGRAM;
use crate::islet::Islet;
use serde_json::Value;
use std::net::Ipv4Addr;

/// The parent's server, and the resolver.
const PARENT: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 1);
const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 2);
/// Tidegate, and BIND as second nameserver.
const TIDE: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 2);
/// Relays to Tidegate: without TCP, without EDNS, with an error for EDNS, without AA.
const NO_TCP: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 3);
const NO_EDNS: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 4);
const BAD_EDNS: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 5);
const NO_AA: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 6);
/// Where nobody is.
const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 7);

/// Zones with the address of their second nameserver, what the parent says beside or instead of the right
/// thing, and what is to be found.
const ZONES: &[(&str, Ipv4Addr, &str, &[&str])] = &[
    ("good", SECOND, "", &[]),
    ("lame", SECOND, "", &["lame"]),
    ("serials", SECOND, "", &["serials-differ"]),
    ("closed", NOBODY, "", &["no-udp"]),
    ("tcp", NO_TCP, "", &["no-tcp"]),
    ("edns", NO_EDNS, "", &["edns"]),
    ("formerr", BAD_EDNS, "", &["edns"]),
    ("cached", NO_AA, "", &["not-authoritative"]),
    ("fewer", SECOND, "Z NS ns1.Z\nns1.Z A 10.53.1.1\n", &["ns-missing"]),
    (
        "more",
        SECOND,
        "Z NS ns1.Z\nZ NS ns2.Z\nZ NS old.Z\nns1.Z A 10.53.1.1\nns2.Z A 10.53.1.2\nold.Z A 10.53.1.2\n",
        &["ns-extra"],
    ),
    ("noglue", SECOND, "Z NS ns1.Z\nZ NS ns2.Z\nns1.Z A 10.53.1.1\n", &["glue-missing"]),
    ("oldglue", SECOND, "Z NS ns1.Z\nZ NS ns2.Z\nns1.Z A 10.53.1.1\nns2.Z A 10.53.1.3\n", &["glue-differs", "no-tcp"]),
    (
        "signed",
        SECOND,
        "Z NS ns1.Z\nZ NS ns2.Z\nns1.Z A 10.53.1.1\nns2.Z A 10.53.1.2\nZ DS 1 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
        &["ds-unsigned"],
    ),
    ("absent", SECOND, "; nothing\n", &["not-delegated"]),
];

/// Passes questions on to Tidegate, and breaks replies as its second argument says.
const RELAY: &str = r#"
import socket, struct, sys, threading
own, what, tide = sys.argv[1], sys.argv[2], sys.argv[3]
def exact(stream, n):
    data = b""
    while len(data) < n:
        more = stream.recv(n - len(data))
        if not more: return None
        data += more
    return data
def change(query, reply):
    if what == "no-aa": return reply[:2] + bytes([reply[2] & ~4]) + reply[3:]
    has_edns = query[10:12] != b"\0\0"
    if what == "no-edns" and has_edns: return None
    if what == "bad-edns" and has_edns: return query[:2] + b"\x80\x01" + bytes(8)
    return reply
def tcp():
    listener = socket.create_server((own, 53))
    while True:
        client, _ = listener.accept()
        length = exact(client, 2)
        query = exact(client, struct.unpack("!H", length)[0])
        server = socket.create_connection((tide, 53))
        server.sendall(length + query)
        reply = change(query, exact(server, struct.unpack("!H", exact(server, 2))[0]))
        if reply is not None: client.sendall(struct.pack("!H", len(reply)) + reply)
        client.close()
if what != "no-tcp": threading.Thread(target=tcp, daemon=True).start()
socket_ = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
socket_.bind((own, 53))
while True:
    query, client = socket_.recvfrom(4096)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.settimeout(5)
    server.sendto(query, (tide, 53))
    reply = change(query, server.recv(4096))
    if reply is not None: socket_.sendto(reply, client)
"#;

/// What a zone holds.
fn zone(name: &str, second: Ipv4Addr, serial: u32) -> String {
    format!(
        "$ORIGIN {name}.example.\n$TTL 300\n@ SOA ns1 hostmaster {serial} 3600 600 86400 60\n@ NS ns1\n@ NS ns2\nns1 A {TIDE}\nns2 A {second}\nwww A 192.0.2.1\n"
    )
}

/// The zone `example.` with every delegation.
fn parent_zone() -> String {
    let mut text =
        format!("$ORIGIN example.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {PARENT}\n");
    for (name, second, instead, _) in ZONES {
        if instead.is_empty() {
            text +=
                &format!("{name} NS ns1.{name}\n{name} NS ns2.{name}\nns1.{name} A {TIDE}\nns2.{name} A {second}\n");
        } else {
            text += &instead.replace('Z', name);
        }
    }
    // Served by a nameserver of another zone.
    text + &format!("outside NS ns.elsewhere\nelsewhere NS ns\nns.elsewhere A {TIDE}\n")
}

/// A configuration of BIND that answers at one address.
fn bind(islet: &Islet, name: &str, address: Ipv4Addr, zones: &str) -> String {
    let path = islet.folder.path().display();
    let text = format!(
        "options {{ directory \"{path}\"; listen-on {{ {address}; }}; listen-on-v6 {{ none; }}; pid-file \"{path}/{name}.pid\"; session-keyfile \"{path}/{name}.session\"; lock-file none; recursion no; notify no; dnssec-validation no; check-integrity no; allow-notify {{ any; }}; }};\ncontrols {{ }};\n{zones}"
    );
    islet.folder.write(&format!("{name}.conf"), &text);
    format!("{path}/{name}.conf")
}

/// The whole world, started once and kept for the tests of this file.
fn start() -> Islet {
    let addresses = [PARENT, RESOLVER, TIDE, SECOND, NO_TCP, NO_EDNS, BAD_EDNS, NO_AA, NOBODY];
    let mut islet = Islet::new(&addresses);
    let path = islet.folder.path().display().to_string();
    islet.folder.write("root", &format!(". 300 SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n. 300 NS ns.example.\nexample. 300 NS ns.example.\nns.example. 300 A {PARENT}\n"));
    islet.folder.write("example", &parent_zone());
    islet.folder.write("elsewhere", &format!("$ORIGIN elsewhere.example.\n$TTL 300\n@ SOA ns.example. hostmaster 1 3600 600 86400 60\n@ NS ns.example.\nns A {TIDE}\n"));
    let zones = "zone \".\" { type primary; file \"root\"; };\nzone \"example\" { type primary; file \"example\"; };\nzone \"elsewhere.example\" { type primary; file \"elsewhere\"; };\n";
    let config = bind(&islet, "parent", PARENT, zones);
    islet.spawn("named", &["-g", "-n", "1", "-c", &config], "parent.log");

    let mut second = String::new();
    for (name, address, ..) in ZONES {
        islet.folder.write(&format!("zones/{name}.example.zone"), &zone(name, *address, 7));
        match *name {
            "lame" => {}
            "serials" => {
                islet.folder.write("serials", &zone(name, *address, 1));
                second += &format!("zone \"{name}.example\" {{ type primary; file \"serials\"; }};\n");
            }
            _ => {
                second += &format!(
                    "zone \"{name}.example\" {{ type secondary; primaries {{ {TIDE}; }}; file \"{name}.copy\"; }};\n"
                );
            }
        }
    }
    islet.folder.write("zones/outside.example.toml", "[zone]\nns = [\"ns.elsewhere.example\"]\n");
    islet.spawn_tidegate(TIDE, "[transfer]\nallow = [\"10.53.0.0/16\", \"127.0.0.0/8\"]\n");
    islet.wait_for(TIDE, &["good.example", "SOA"]);
    let config = bind(&islet, "second", SECOND, &second);
    islet.spawn("named", &["-g", "-n", "1", "-c", &config], "second.log");
    let relays = [(NO_TCP, "no-tcp"), (NO_EDNS, "no-edns"), (BAD_EDNS, "bad-edns"), (NO_AA, "no-aa")];
    for (address, what) in relays {
        islet.spawn("python3", &["-c", RELAY, &address.to_string(), what, &TIDE.to_string()], "relay.log");
    }
    let unbound = format!(
        "server:\n  interface: {RESOLVER}\n  access-control: 0.0.0.0/0 allow\n  num-threads: 1\n  do-ip6: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"{path}\"\n  pidfile: \"\"\n  use-syslog: no\n  do-not-query-localhost: no\n  module-config: \"iterator\"\nremote-control:\n  control-enable: no\nstub-zone:\n  name: \".\"\n  stub-addr: {PARENT}\n"
    );
    islet.folder.write("unbound.conf", &unbound);
    islet.spawn("unbound", &["-d", "-c", &format!("{path}/unbound.conf")], "unbound.log");
    islet.wait_for(PARENT, &["example", "SOA"]);
    for (address, _) in relays {
        islet.wait_for(address, &["+noedns", "good.example", "SOA"]);
    }
    for name in ZONES.iter().map(|(name, ..)| *name).filter(|name| *name != "lame") {
        islet.wait_for(SECOND, &[&format!("{name}.example"), "SOA"]);
    }
    let begun = std::time::Instant::now();
    while islet.run("dig", &["+short", &format!("@{RESOLVER}"), "example", "SOA"]).stdout.is_empty() {
        assert!(begun.elapsed() < crate::harness::LIMIT, "Unbound does not answer:\n{}", islet.logs());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    islet
}

/// Runs the check; its exit code and what it printed.
fn check(islet: &Islet, more: &[&str]) -> (Option<i32>, String) {
    let zones = format!("{}/zones", islet.folder.path().display());
    let arguments = [&["check", "--zones", &zones, "--delegation", "--timeout", "1500ms"], more].concat();
    let output = islet.run(PROGRAM, &arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said)
}

/// The report of one zone.
fn of<'r>(report: &'r Value, zone: &str) -> &'r Value {
    let zones = report["delegation"].as_array().expect("zones");
    zones.iter().find(|one| one["zone"] == zone).unwrap_or_else(|| panic!("{zone} in {report}"))
}

/// The kinds of problems of one zone.
fn problems(report: &Value, zone: &str) -> Vec<String> {
    let findings = of(report, zone)["findings"].as_array().expect("findings");
    let bad = findings.iter().filter(|finding| finding["severity"] == "problem");
    let mut kinds: Vec<String> = bad.map(|finding| finding["kind"].as_str().expect("a kind").to_owned()).collect();
    kinds.dedup();
    kinds
}

#[test]
fn every_fault_of_a_delegation_is_found_and_nothing_else() {
    let islet = start();
    let parent = PARENT.to_string();
    let resolver = RESOLVER.to_string();
    let (code, said) = check(&islet, &["--parent", &parent, "--resolver", &resolver, "--json"]);
    assert_eq!(code, Some(1), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    for (name, _, _, wanted) in ZONES {
        let zone = format!("{name}.example.");
        assert_eq!(problems(&report, &zone), *wanted, "{name}: {:#}\n{}", of(&report, &zone), islet.logs());
    }
    assert_eq!(problems(&report, "outside.example."), [""; 0], "{:#}", of(&report, "outside.example."));
    let outside = of(&report, "outside.example.");
    assert_eq!(outside["servers"][0]["address"], TIDE.to_string(), "found by the resolver");
    assert_eq!(outside["findings"][0]["kind"], "one-nameserver", "a warning");
    let remedy = of(&report, "absent.example.")["findings"][0]["remedy"].as_str().unwrap().to_owned();
    assert!(remedy.contains("`absent.example. NS ns2.absent.example.`"), "{remedy}");

    // The parent is found by a resolver, too.
    let (code, said) = check(&islet, &["--zone", "good.example", "--resolver", &resolver]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ns2.good.example.") && said.contains("delegated as it should be"), "{said}");
    assert!(said.contains(&format!("{PARENT}:53")), "{said}");
    let (code, said) = check(&islet, &["--zone", "tcp.example", "--resolver", &resolver]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: ns2.tcp.example. (10.53.1.3) does not answer over TCP: closed"), "{said}");
    assert!(said.contains("open TCP port 53"), "{said}");

    // Nobody to ask.
    let (code, said) = check(&islet, &["--zone", "good.example", "--parent", "10.53.1.7", "--resolver", &resolver]);
    assert_eq!(code, Some(4), "{said}");
    let (code, said) = check(&islet, &["--zone", "good.example", "--resolver", "10.53.1.7"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("cannot be found") && said.contains("--parent"), "{said}");
    let (code, said) = check(&islet, &["--zone", "other.example", "--parent", &parent]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("other.example."), "{said}");
}

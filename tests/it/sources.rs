//! Queries from where no answer may go: port 0, our own address, our own address and port. Raw packets in
//! network namespaces; these tests need root.

use crate::islet::Islet;
use crate::lab::{CLIENTS, Lab, TIDE, client};
use std::net::Ipv4Addr;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 2);

/// Sends queries as if they came from an address and port, one socket for all, and asks in earnest afterwards.
/// Prints how many packets then left the server's port 53 for that address and port, as seen on an interface.
const FORGE: &str = r#"
import socket, struct, sys, time
interface, source, port, server, asker, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5], int(sys.argv[6])
def query(n):
    return struct.pack("!HHHHHH", n, 0, 1, 0, 0, 0) + b"\x03www\x06models\x07example\0\0\1\0\1"
seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
seen.bind((interface, 0))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for n in range(count):
    udp = struct.pack("!HHHH", port, 53, 8 + len(query(n)), 0) + query(n)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), n, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(server))
    raw.sendto(ip + udp, (server, 0))
# The answer to this one comes after whatever those before it caused: one worker answers them in order.
honest = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
honest.bind((asker, 0))
honest.settimeout(1)
for attempt in range(20):
    honest.sendto(query(9), (server, 53))
    try:
        assert honest.recv(4096)[3] & 15 in (0, 3)
        break
    except TimeoutError:
        pass
else:
    sys.exit("the server answers nobody any more")
seen.settimeout(0.3)
sent, forged = 0, 0
try:
    while True:
        packet = seen.recv(65535)[14:]
        if len(packet) < 28 or packet[0] != 0x45 or packet[9] != 17: continue
        to, ports = socket.inet_ntoa(packet[16:20]), struct.unpack("!HH", packet[20:24])
        answer = packet[30] & 128
        if answer and ports == (53, port) and to == source: sent += 1
        if not answer and ports == (port, 53): forged += 1
except TimeoutError:
    pass
print(sent, forged)
"#;

/// Answers that left for the forged source, and forged queries that were seen to go.
fn counted(output: &std::process::Output) -> (u32, u32) {
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u32> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && numbers.len() == 2, "python3 (Debian: python3) said {said}{wrong}");
    (numbers[0], numbers[1])
}

#[test]
fn what_claims_to_come_from_port_0_or_from_us_gets_no_answer_and_makes_no_loop() {
    let mut islet = Islet::new(&[OURS, OTHER]);
    islet.folder.write(
        "zones/models.example.zone",
        "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 10.53.1.1\nwww A 192.0.2.1\n",
    );
    islet.spawn_tidegate(OURS, "[limits]\nudp_workers = 1\n");
    islet.wait_for(OURS, &["models.example", "SOA"]);
    let forge = |source: Ipv4Addr, port: &str| {
        let (source, ours, other) = (source.to_string(), OURS.to_string(), OTHER.to_string());
        counted(&islet.run("python3", &["-c", FORGE, "lo", &source, port, &ours, &other, "8"]))
    };
    // Loopback shows each packet twice: as it goes, and as it comes. Replies to one client leave together.
    let (answers, queries) = forge(OTHER, "5353");
    assert!(answers > 0 && queries >= 8, "an ordinary client is answered: {answers} of {queries}");
    assert_eq!(forge(OTHER, "0"), (0, queries), "port 0");
    assert_eq!(forge(OURS, "53"), (0, queries), "our own address and port");
    // A client on our own host is a client.
    let (answers, _) = forge(OURS, "5353");
    assert!(answers > 0, "{answers}");
    assert_eq!(islet.short(OURS, &["www.models.example"]), ["192.0.2.1"]);
}

#[test]
fn what_claims_our_address_from_elsewhere_gets_no_answer() {
    let lab = Lab::start();
    for (port, source) in [("5353", TIDE), ("53", TIDE), ("0", client(1))] {
        let (asker, tide) = (client(2).to_string(), TIDE.to_string());
        let output = lab.run(CLIENTS, "python3", &["-c", FORGE, "eth0", &source.to_string(), port, &tide, &asker, "8"]);
        let (answers, queries) = counted(&output);
        assert_eq!((answers, queries), (0, 8), "from {source} port {port}");
    }
    assert_eq!(lab.ask_from(CLIENTS, client(1), TIDE, &["models.example.", "SOA"]).status, "NOERROR");
}

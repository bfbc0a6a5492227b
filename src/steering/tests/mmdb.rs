//! Writes small databases in MaxMind's format, for tests.
//!
//! By the specification of the format, version 2.0: a search tree with 24-bit records, a data section,
//! and metadata behind a marker. IPv4 stands at `::/96`, with the aliases real databases have.

use ipnet::IpNet;
use std::net::IpAddr;

/// A value of the data section.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    U16(u16),
    U32(u32),
    U64(u64),
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
}

/// Where a branch of the tree leads.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Branch {
    Nothing,
    Node(usize),
    Data(usize),
}

/// A database of countries; `EU`-like codes are written as they are.
pub(crate) fn countries(built_unix_s: u64, rows: &[(&str, &str)]) -> Vec<u8> {
    let record = |code: &str| {
        let named = |code: &str| Value::Map(vec![("iso_code", Value::Text(code.to_owned()))]);
        Value::Map(vec![("country", named(code)), ("registered_country", named("ZZ"))])
    };
    let rows: Vec<_> = rows.iter().map(|(network, code)| (network.parse().unwrap(), record(code))).collect();
    write("Test-Country", built_unix_s, &rows)
}

/// A database of autonomous systems.
pub(crate) fn systems(built_unix_s: u64, rows: &[(&str, u32)]) -> Vec<u8> {
    let record = |asn: u32| {
        let name = Value::Text(format!("System number {asn} of a test, with a name that is long"));
        Value::Map(vec![("autonomous_system_number", Value::U32(asn)), ("autonomous_system_organization", name)])
    };
    let rows: Vec<_> = rows.iter().map(|(network, asn)| (network.parse().unwrap(), record(*asn))).collect();
    write("Test-ASN", built_unix_s, &rows)
}

/// A whole file; longer prefixes go before shorter ones.
pub(crate) fn write(content: &str, built_unix_s: u64, rows: &[(IpNet, Value)]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut nodes = vec![[Branch::Nothing; 2]];
    let mut rows: Vec<_> = rows.to_vec();
    rows.sort_by_key(|(network, _)| place(network).1);
    for (network, value) in &rows {
        let offset = data.len();
        encode(value, &mut data);
        let (bits, len) = place(network);
        let (node, side) = branch(&mut nodes, bits, len);
        nodes[node][side] = Branch::Data(offset);
    }
    let (node, side) = branch(&mut nodes, 0, 96);
    let ipv4 = nodes[node][side];
    for alias in ["::ffff:0:0/96", "2002::/16"] {
        let (bits, len) = place(&alias.parse().unwrap());
        let (node, side) = branch(&mut nodes, bits, len);
        nodes[node][side] = ipv4;
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for record in nodes.into_iter().flatten() {
        let number = match record {
            Branch::Nothing => count,
            Branch::Node(node) => node,
            Branch::Data(offset) => count + 16 + offset,
        };
        file.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes()[1..]);
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(built_unix_s)),
        ("database_type", Value::Text(content.to_owned())),
        ("description", Value::Map(vec![("en", Value::Text("a database of a test".to_owned()))])),
        ("ip_version", Value::U16(6)),
        ("languages", Value::List(vec![Value::Text("en".to_owned())])),
        ("node_count", Value::U32(u32::try_from(count).unwrap())),
        ("record_size", Value::U16(24)),
    ]);
    encode(&metadata, &mut file);
    file
}

/// A network's bits and length in the tree.
fn place(network: &IpNet) -> (u128, u8) {
    match network.network() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), network.prefix_len() + 96),
        IpAddr::V6(v6) => (u128::from(v6), network.prefix_len()),
    }
}

/// The branch of a prefix: its node and side. What stands on the way there is handed down.
fn branch(nodes: &mut Vec<[Branch; 2]>, bits: u128, len: u8) -> (usize, usize) {
    assert!(len > 0, "a tree has no branch for everything");
    let side = |depth: u8| usize::from(bits >> (127 - depth) & 1 == 1);
    let mut node = 0;
    for depth in 0..len - 1 {
        node = match nodes[node][side(depth)] {
            Branch::Node(next) => next,
            leaf => {
                nodes.push([leaf; 2]);
                let next = nodes.len() - 1;
                nodes[node][side(depth)] = Branch::Node(next);
                next
            }
        };
    }
    (node, side(len - 1))
}

/// Writes a value behind the others.
fn encode(value: &Value, out: &mut Vec<u8>) {
    // Types above 7 are written as 0, with the rest behind the control octet.
    let control = |kind: u8, size: usize, out: &mut Vec<u8>| {
        let first = if kind > 7 { 0 } else { kind << 5 };
        out.push(first | u8::try_from(size.min(29)).unwrap());
        if kind > 7 {
            out.push(kind - 7);
        }
        if size >= 29 {
            out.push(u8::try_from(size - 29).expect("tests write short values"));
        }
    };
    let number = |octets: &[u8]| octets.iter().copied().skip_while(|octet| *octet == 0).collect::<Vec<u8>>();
    match value {
        Value::Text(text) => {
            control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::U16(n) => {
            let octets = number(&n.to_be_bytes());
            control(5, octets.len(), out);
            out.extend(octets);
        }
        Value::U32(n) => {
            let octets = number(&n.to_be_bytes());
            control(6, octets.len(), out);
            out.extend(octets);
        }
        Value::U64(n) => {
            let octets = number(&n.to_be_bytes());
            control(9, octets.len(), out);
            out.extend(octets);
        }
        Value::List(values) => {
            control(11, values.len(), out);
            values.iter().for_each(|value| encode(value, out));
        }
        Value::Map(entries) => {
            control(7, entries.len(), out);
            for (key, value) in entries {
                encode(&Value::Text((*key).to_owned()), out);
                encode(value, out);
            }
        }
    }
}

//! Bytes in, bytes out: one small world, asked by clause of the RFCs and of the product page.

mod any_bytes;
mod differential;
mod protocol;
mod referrals;
mod steered;
mod zones;

use super::*;
use crate::dns::decoded::Decoded;
use crate::dns::{Name, Rrset};
use crate::snapshot::{Chunked, OwnerRole, Settings, SteeredOwner};
use crate::steering::{
    self, Extras, Fallback, GeoNetworks, Given, Member, MemberHealth, NetworkRules, Policy, Pool, PoolInput, RuleMatch,
    RuleTarget, Switch, SwitchInput, Terms,
};
use crate::zone::{SteerId, Zone, ZoneSet, master};
use std::sync::Arc;

/// The zone most tests ask about.
const EXAMPLE: &str = "
$TTL 3600
@         7200 IN SOA ns1 hostmaster 7 7200 900 1209600 300
@              IN NS  ns1
@              IN NS  ns.elsewhere.test.
@              IN MX  10 mail
ns1            IN A   192.0.2.53
mail           IN A   192.0.2.25
www       300  IN A   192.0.2.1
www       300  IN A   192.0.2.2
www            IN AAAA 2001:db8::1
MiXed          IN TXT \"Case\"
alias          IN CNAME WwW
chain1         IN CNAME chain2
chain2         IN CNAME www
loop1          IN CNAME loop2
loop2          IN CNAME loop1
outward        IN CNAME www.elsewhere.test.
to-second      IN CNAME host.second.test.
to-nothing     IN CNAME nothing
to-nodata      IN CNAME mail
to-steered     IN CNAME app
to-delegated   IN CNAME www.deleg
a.b.ent        IN TXT deep
*.wild         IN A   192.0.2.7
*.wild         IN TXT covered
sub.wild       IN TXT own
*.aliases      IN CNAME www
deleg          IN NS  ns.deleg
deleg          IN NS  ns1
deleg          IN DS  1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.deleg       IN A   192.0.2.100
ns.deleg       IN AAAA 2001:db8::100
www.deleg      IN A   192.0.2.101
app            IN MX  10 mail
hinfo          IN HINFO real one
type65280      IN TYPE65280 \\# 3 010203
old            IN DNAME new
old            IN A   192.0.2.60
host.new       IN A   192.0.2.61
away           IN DNAME elsewhere.test.
_sip._tcp      IN SRV 0 0 5060 www
";

/// A second zone, to be reached by aliases.
const SECOND: &str = "
$TTL 60
@ IN SOA ns1.example.test. hostmaster.example.test. 5 1 1 1 60
@ IN NS ns1.example.test.
host IN A 198.51.100.1
big  IN TXT \"x\"
";

/// A zone served by us below a cut of `example.test`.
const SIGNED: &str = "
$TTL 60
@ IN SOA ns1.example.test. hostmaster.example.test. 3 1 1 1 60
@ IN NS ns1.example.test.
";

/// Compiles a zone from text.
fn zone(apex: &str, text: &str, steered: &[(Name, SteerId)]) -> Arc<Zone> {
    let apex: Name = apex.parse().unwrap();
    let mut include = |_: &str, _: &str| Err("nothing to include".to_owned());
    let text = master::parse("test.zone", text.as_bytes(), &apex, &mut include)
        .unwrap_or_else(|e| panic!("{}", e[0].render()));
    Arc::new(Zone::build(&apex, &text, steered))
}

/// A pool with these addresses.
fn pool(name: &str, addresses: &[&str]) -> Pool {
    let member = |address: &&str| Member::new(address.parse().ok(), address.parse().ok(), Given::default());
    Pool::new(name.into(), 0, addresses.iter().map(member).collect::<Vec<_>>(), Extras::default())
}

/// A switch with its state in force.
#[derive(Debug, Clone)]
struct Bench {
    definition: Switch,
    weights: Vec<u16>,
    eligible: Vec<bool>,
}

/// The switch of most tests: blue has all the weight.
fn switch(pools: Vec<Pool>) -> Bench {
    let count = pools.len();
    let definition = Switch {
        name: "app".into(),
        owners: Vec::new(),
        pools,
        terms: Arc::new(Terms {
            fallback: Fallback::NoData,
            min_interval_ms: 0,
            tail_s: 0,
            prepare_s: 0,
            explain_networks: vec!["192.0.2.0/24".parse().unwrap()],
            ..Terms::of(Policy::Sticky)
        }),
    };
    let mut weights = vec![0; count];
    weights[0] = 10_000;
    Bench { definition, weights, eligible: vec![true; count] }
}

impl Bench {
    fn compile(&self, first_slot: u32) -> Arc<crate::steering::CompiledSwitch> {
        let input = |(at, pool): (usize, &Pool)| PoolInput {
            slot: PoolSlot(first_slot + u32::try_from(at).unwrap()),
            health: pool.members.iter().map(|_| MemberHealth { eligible: self.eligible[at] }).collect(),
            eligible: self.eligible[at],
            why: None,
        };
        Arc::new(steering::compile(&SwitchInput {
            definition: &Arc::new(self.definition.clone()),
            networks: Some(&Arc::new(NetworkRules::new(&self.definition.rules, &GeoNetworks::default()))),
            ttl_s: self.definition.ttl_s,
            ttl_cause: "steady",
            weights: &self.weights,
            salt: "app",
            pools: self.definition.pools.iter().enumerate().map(input).collect(),
            last_active: Vec::new(),
            capped: None,
            target_ttl: &|_| None,
        }))
    }
}

/// Blue and green, one IPv4 member each; blue has an IPv6 member too.
fn blue_and_green() -> Bench {
    switch(vec![pool("blue", &["192.0.2.10", "2001:db8::10"]), pool("green", &["192.0.2.20"])])
}

/// An Rrset whose RDATA are names behind a prefix.
fn names(rtype: RecordType, prefix: &[u8], targets: &[&str]) -> Rrset {
    let rdata = |target: &&str| [prefix, target.parse::<Name>().unwrap().wire()].concat().into_boxed_slice();
    Rrset { rtype, ttl: 30, rdatas: targets.iter().map(rdata).collect() }
}

/// A switch whose pools are aliases.
fn aliases(blue: &str, green: &str) -> Bench {
    let mut pools = vec![pool("blue", &[]), pool("green", &[])];
    pools[0].records = vec![names(RecordType::CNAME, &[], &[blue])];
    pools[1].records = vec![names(RecordType::CNAME, &[], &[green])];
    switch(pools)
}

/// The world with these switches: 0 at `app`, its pins, `_explain`, and `*.users`; 1 at `moved` as far
/// as there is a second one.
fn world(switches: &[Bench]) -> Snapshot {
    let (mut owners, mut named) = (Vec::new(), Vec::new());
    let mut add = |name: &str, switch: u32, role, wildcard| {
        owners.push(SteeredOwner { switch, role, wildcard });
        named.push(name.parse::<Name>().unwrap());
    };
    if !switches.is_empty() {
        add("app.example.test", 0, OwnerRole::Owner, false);
        add("blue.app.example.test", 0, OwnerRole::Pin(0), false);
        add("green.app.example.test", 0, OwnerRole::Pin(1), false);
        add("_explain.app.example.test", 0, OwnerRole::Explain, false);
        add("*.users.example.test", 0, OwnerRole::Owner, true);
        add("green.users.example.test", 0, OwnerRole::Pin(1), false);
        add("*.green.users.example.test", 0, OwnerRole::Pin(1), true);
        add("*._explain.users.example.test", 0, OwnerRole::Explain, true);
    }
    if switches.len() > 1 {
        add("moved.example.test", 1, OwnerRole::Owner, false);
    }
    let steered: Vec<_> = named.into_iter().zip((0u32..).map(SteerId)).collect();
    let zones = vec![
        zone("example.test", EXAMPLE, &steered),
        zone("second.test", SECOND, &[]),
        zone("signed.deleg.example.test", SIGNED, &[]),
    ];
    let compiled: Vec<_> = (0u32..).zip(switches).map(|(at, bench)| bench.compile(at * 10)).collect();
    Snapshot {
        number: 1,
        revision: 1,
        zones: Arc::new(ZoneSet::build(zones)),
        serials: Chunked::new(&[2_026_112_001, 5, 3]),
        owners: owners.into(),
        switches: Chunked::new(&compiled),
        settings: Arc::new(Settings::new(Some("tidegate"), None, Vec::new())),
    }
}

/// A query for a name in class IN, without EDNS.
fn query(name: &str, qtype: RecordType) -> Vec<u8> {
    let mut wire = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire.extend_from_slice(&qtype.0.to_be_bytes());
    wire.extend_from_slice(&[0, 1]);
    wire
}

/// The same with an OPT record.
fn edns_query(name: &str, qtype: RecordType, payload: u16, options: &[u8]) -> Vec<u8> {
    with_opt(query(name, qtype), payload, [0; 4], options)
}

/// Adds an OPT record to a query that has no other additional record.
fn with_opt(mut wire: Vec<u8>, payload: u16, ttl: [u8; 4], options: &[u8]) -> Vec<u8> {
    wire[11] += 1;
    wire.extend_from_slice(&[0, 0, 41]);
    wire.extend_from_slice(&payload.to_be_bytes());
    wire.extend_from_slice(&ttl);
    wire.extend_from_slice(&u16::try_from(options.len()).unwrap().to_be_bytes());
    wire.extend_from_slice(options);
    wire
}

/// The client subnet option.
fn subnet_option(family: u16, source: u8, address: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + address.len()).unwrap().to_be_bytes();
    [&[0, 8], &len[..], &family.to_be_bytes()[..], &[source, 0], address].concat()
}

/// An asker over UDP at 192.0.2.99.
fn udp() -> Asker {
    Asker { client: "192.0.2.99".parse().unwrap(), transport: Transport::Udp, draw: 0x1234_5678_9abc_def0 }
}

/// An asker over TCP at 192.0.2.99.
fn tcp() -> Asker {
    Asker { transport: Transport::Tcp, ..udp() }
}

/// Sends bytes; the outcome and the reply as it stands in the buffer.
fn send(snapshot: &Snapshot, asker: &Asker, query: &[u8]) -> (Outcome, Vec<u8>) {
    let mut buffer = query.to_vec();
    buffer.resize(65_535, 0xaa);
    let outcome = respond(snapshot, asker, &mut buffer, query.len());
    buffer.truncate(outcome.len);
    (outcome, buffer)
}

/// Sends bytes over UDP and decodes the reply.
fn ask_bytes(snapshot: &Snapshot, query: &[u8]) -> Decoded {
    let (outcome, reply) = send(snapshot, &udp(), query);
    let decoded = Decoded::read(&reply).unwrap_or_else(|e| panic!("{e}: {reply:02x?}"));
    assert_eq!(outcome.rcode, decoded.rcode);
    assert_eq!(outcome.truncated, decoded.flags.contains("TC"));
    decoded
}

/// Asks for a name over UDP.
fn ask(snapshot: &Snapshot, name: &str, qtype: RecordType) -> Decoded {
    ask_bytes(snapshot, &query(name, qtype))
}

/// The SOA line of a negative answer from `example.test`.
fn soa(ttl: u32) -> Vec<String> {
    vec![format!(
        "example.test. {ttl} IN SOA ns1.example.test. hostmaster.example.test. 2026112001 7200 900 1209600 300"
    )]
}

//! Random zones, switches and queries: what `respond` sends, as hickory-proto reads it, is what a plain
//! and slow reference made from the same records and definitions says.
//!
//! The reference walks lists by RFC 1034 §4.3.2, RFC 4592 and RFC 6672, and chooses pools by real
//! logarithms, running sums and the longest matching network. It shares no code with the answer path.

use super::*;
use crate::steering::Rule;
use crate::zone::ZoneText;
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TTL_S: u32 = 60;
const MINIMUM_S: u32 = 20;

/// What a zone and its one switch say, as lists.
struct Model {
    apex: Name,
    /// Owner, type, RDATA as wire and as text.
    records: Vec<(Name, RecordType, Vec<u8>, String)>,
    bench: Bench,
    /// Steered names: the owner, then each pool's pin.
    steered: Vec<(Name, OwnerRole, bool)>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
struct From {
    resolver: IpAddr,
    subnet: Option<(IpAddr, u8)>,
    draw: u64,
    /// Which of the pools whose scores are as good as equal the reference takes.
    among_equals: usize,
}

/// An answer as sorted lines.
#[derive(Debug, Default, PartialEq)]
struct Said {
    rcode: u16,
    aa: bool,
    answer: Vec<String>,
    /// `owner ttl IN type` of each.
    authority: Vec<String>,
}

/// Where the walk goes on.
enum Step {
    Done,
    Follow(Name),
}

impl Model {
    fn says(&self, qname: &Name, qtype: RecordType, from: &From) -> Said {
        let mut said = Said { aa: true, ..Said::default() };
        let (mut seen, mut current, mut chosen) = (vec![qname.clone()], qname.clone(), false);
        for _ in 0..8 {
            match self.step(&current, qtype, from, seen.len() == 1, &mut chosen, &mut said) {
                Step::Follow(target) if target.is_within(&self.apex) && !seen.contains(&target) => {
                    seen.push(target.clone());
                    current = target;
                }
                _ => break,
            }
        }
        said.answer.sort();
        said.authority.sort();
        said
    }

    fn rdatas(&self, owner: &Name, rtype: RecordType) -> Vec<&(Name, RecordType, Vec<u8>, String)> {
        self.records.iter().filter(|record| record.0 == *owner && record.1 == rtype).collect()
    }

    fn exists(&self, name: &Name) -> bool {
        let owners = self.records.iter().map(|record| &record.0).chain(self.steered.iter().map(|steered| &steered.0));
        owners.filter(|owner| owner.is_within(&self.apex)).any(|owner| owner.is_within(name))
    }

    /// The topmost name at or above this one that delegates, or above it that redirects.
    fn cut_of(&self, name: &Name) -> Option<Name> {
        let mut above: Vec<Name> = std::iter::successors(Some(name.clone()), Name::parent)
            .take_while(|above| above.is_within(&self.apex))
            .filter(|above| !above.is_wildcard())
            .collect();
        above.reverse();
        above.into_iter().find(|above| {
            (*above != self.apex && !self.rdatas(above, RecordType::NS).is_empty())
                || (above != name && !self.rdatas(above, RecordType::DNAME).is_empty())
        })
    }

    fn step(
        &self,
        name: &Name,
        qtype: RecordType,
        from: &From,
        first: bool,
        chosen: &mut bool,
        said: &mut Said,
    ) -> Step {
        let Some(cut) = self.cut_of(name) else {
            let encloser = std::iter::successors(Some(name.clone()), Name::parent).find(|n| self.exists(n)).unwrap();
            if encloser == *name {
                return self.data(name, name, qtype, from, chosen, said);
            }
            let wildcard = encloser.child(b"*").unwrap();
            if self.exists(&wildcard) {
                return self.data(&wildcard, name, qtype, from, chosen, said);
            }
            said.rcode = 3;
            self.soa(MINIMUM_S, said);
            return Step::Done;
        };
        if cut != self.apex && !self.rdatas(&cut, RecordType::NS).is_empty() {
            said.aa = !first;
            said.authority.extend(self.rdatas(&cut, RecordType::NS).iter().map(|_| format!("{cut} {TTL_S} IN NS")));
            return Step::Done;
        }
        let dname = self.rdatas(&cut, RecordType::DNAME)[0];
        let prefix = &name.wire()[..name.wire().len() - cut.wire().len()];
        let target = Name::from_wire(&[prefix, &dname.2].concat()).unwrap();
        said.answer.push(format!("{cut} {TTL_S} IN DNAME"));
        said.answer.push(format!("{name} {TTL_S} IN CNAME {target}"));
        if qtype == RecordType::CNAME { Step::Done } else { Step::Follow(target) }
    }

    fn soa(&self, ttl: u32, said: &mut Said) {
        said.authority.push(format!("{} {ttl} IN SOA", self.apex));
    }

    /// What stands at `owner`, for the name asked: the same, or one that the wildcard `owner` covers.
    fn data(
        &self,
        owner: &Name,
        name: &Name,
        qtype: RecordType,
        from: &From,
        chosen: &mut bool,
        said: &mut Said,
    ) -> Step {
        let steered = self.steered.iter().find(|steered| steered.0 == *owner);
        if let Some((_, role, by_label)) = steered {
            if *chosen {
                return Step::Done;
            }
            let pools = &self.bench.definition.pools;
            let pool = match role {
                OwnerRole::Pin(at) => Some(usize::from(*at)).filter(|at| self.bench.eligible[*at]),
                _ if pools.iter().any(|pool| carries(pool, qtype)) => {
                    self.choose(from, by_label.then(|| name.labels().next().unwrap()))
                }
                _ => return self.fixed(owner, name, qtype, said),
            };
            if let Some(pool) = pool.map(|at| &pools[at]) {
                let lines = lines_of(pool, qtype, name);
                *chosen |= !lines.is_empty();
                if !lines.is_empty() {
                    said.answer.extend(lines);
                    let alias = pool.records.iter().find(|set| set.rtype == RecordType::CNAME);
                    return match alias {
                        Some(set) if qtype != RecordType::CNAME => {
                            Step::Follow(Name::from_wire(&set.rdatas[0]).unwrap())
                        }
                        _ => Step::Done,
                    };
                }
            }
            self.soa(MINIMUM_S.min(self.bench.definition.ttl_s), said);
            return Step::Done;
        }
        self.fixed(owner, name, qtype, said)
    }

    /// Static records.
    fn fixed(&self, owner: &Name, name: &Name, qtype: RecordType, said: &mut Said) -> Step {
        let hits = self.rdatas(owner, qtype);
        said.answer.extend(hits.iter().map(|hit| format!("{name} {TTL_S} IN {qtype} {}", hit.3)));
        if !hits.is_empty() {
            return Step::Done;
        }
        if let [alias, ..] = self.rdatas(owner, RecordType::CNAME)[..] {
            said.answer.push(format!("{name} {TTL_S} IN CNAME {}", alias.3));
            return Step::Follow(Name::from_wire(&alias.2).unwrap());
        }
        let steered = self.steered.iter().any(|steered| steered.0 == *owner);
        self.soa(if steered { MINIMUM_S.min(self.bench.definition.ttl_s) } else { MINIMUM_S }, said);
        Step::Done
    }

    /// The pool a client gets: the rule with the longest matching network if it can be honoured, else weights.
    fn choose(&self, from: &From, label: Option<&[u8]>) -> Option<usize> {
        let Bench { definition, weights, eligible } = &self.bench;
        let address = from.subnet.filter(|(_, source)| *source > 0).map_or(from.resolver, |(address, _)| address);
        let matching = |rule: &Rule| match &rule.matches {
            RuleMatch::Networks(list) => list.iter().filter(|n| n.contains(&address)).map(IpNet::prefix_len).max(),
            _ => None,
        };
        // The first of equally long ones.
        let rule = definition.rules.iter().rev().filter(|r| matching(r).is_some()).max_by_key(|r| matching(r));
        if let Some(RuleTarget::Pool(name)) = rule.map(|rule| &rule.target)
            && let Some(at) = definition.pools.iter().position(|pool| pool.name == *name).filter(|at| eligible[*at])
        {
            return Some(at);
        }
        let may: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0 && eligible[*at]).collect();
        match (definition.policy, &may[..]) {
            (_, []) => None,
            (Policy::Failover, [first, ..]) => Some(*first),
            (Policy::Random, _) => {
                let total: u128 = may.iter().map(|at| u128::from(weights[*at])).sum();
                let drawn = (u128::from(from.draw) * total) >> 64;
                let below =
                    |at: usize| may.iter().take_while(|o| **o <= at).map(|o| u128::from(weights[*o])).sum::<u128>();
                may.iter().copied().find(|at| drawn < below(*at))
            }
            _ => {
                let scores: Vec<(usize, f64)> = may
                    .iter()
                    .map(|at| (*at, cost(&definition.pools[*at].name, address, label) / f64::from(weights[*at])))
                    .collect();
                let best = scores.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
                // The table's stated error: 1 part in 4000 near u = 1.
                let good: Vec<usize> = scores.iter().filter(|(_, s)| *s <= best * (1.0 + 5e-4)).map(|s| s.0).collect();
                good.get(from.among_equals).or(good.first()).copied()
            }
        }
    }
}

/// `-ln` of the hash of a pool's name and a client under the salt `app`, as a number between 0 and 1.
fn cost(pool: &str, address: IpAddr, label: Option<&[u8]>) -> f64 {
    let key: [u8; 16] = Sha256::digest(b"tidegate sticky 1\0app")[..16].try_into().unwrap();
    let mut message = vec![u8::try_from(pool.len()).unwrap()];
    message.extend_from_slice(pool.as_bytes());
    message.resize(message.len().next_multiple_of(8), 0);
    match (label, address) {
        (Some(label), _) => message.extend_from_slice(label),
        (None, IpAddr::V4(v4)) => message.extend_from_slice(&v4.octets()[..3]),
        (None, IpAddr::V6(v6)) => message.extend_from_slice(&v6.octets()[..7]),
    }
    let mut hasher = siphasher::sip::SipHasher24::new_with_key(&key);
    hasher.write(&message);
    let missing = ((u64::MAX - hasher.finish()) as f64 + 1.0) / 2f64.powi(64);
    -(-missing).ln_1p()
}

/// Whether a pool has records of a type, or an alias for all.
fn carries(pool: &Pool, qtype: RecordType) -> bool {
    !lines_of(pool, qtype, &Name::root()).is_empty()
}

/// A pool's answer.
fn lines_of(pool: &Pool, qtype: RecordType, name: &Name) -> Vec<String> {
    if let Some(alias) = pool.records.iter().find(|set| set.rtype == RecordType::CNAME) {
        return vec![format!("{name} {TTL_S} IN CNAME {}", Name::from_wire(&alias.rdatas[0]).unwrap())];
    }
    let of_type = |a: &IpAddr| a.is_ipv4() == (qtype == RecordType::A);
    let addresses = pool.members.iter().flat_map(Member::addresses).filter(of_type);
    let wanted = matches!(qtype, RecordType::A | RecordType::AAAA);
    addresses.filter(|_| wanted).map(|address| format!("{name} {TTL_S} IN {qtype} {address}")).collect()
}

/// Few labels, so that names meet: the wildcard among them.
fn relative() -> impl Strategy<Value = Vec<&'static str>> {
    vec(prop::sample::select(vec!["a", "b", "c", "*"]), 0..4)
}

fn below(apex: &Name, labels: &[&str]) -> Name {
    labels.iter().rev().fold(apex.clone(), |name, label| name.child(label.as_bytes()).unwrap())
}

const TYPES: [RecordType; 7] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::NS,
    RecordType::DNAME,
    RecordType::A,
];

/// Static records: no name twice with an alias, one redirection a name.
fn records(
    apex: &Name,
    drawn: &[(Vec<&'static str>, usize, Vec<&'static str>, u8)],
) -> Vec<(Name, RecordType, Vec<u8>, String)> {
    let mut records: Vec<(Name, RecordType, Vec<u8>, String)> = Vec::new();
    for (owner, rtype, target, number) in drawn {
        let (owner, rtype, target) = (below(apex, owner), TYPES[*rtype], below(apex, target));
        let alone = matches!(rtype, RecordType::CNAME | RecordType::DNAME);
        let has_alias = records.iter().any(|r| r.0 == owner && r.1 == RecordType::CNAME);
        let beside = records.iter().any(|r| r.0 == owner && (rtype == RecordType::CNAME || r.1 == rtype && alone));
        if has_alias || beside || owner == *apex && !matches!(rtype, RecordType::A | RecordType::TXT) {
            continue;
        }
        let (wire, text) = match rtype {
            RecordType::A => (vec![192, 0, 2, *number], format!("192.0.2.{number}")),
            RecordType::AAAA => {
                let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x1000 + u16::from(*number));
                (address.octets().to_vec(), address.to_string())
            }
            RecordType::TXT => (vec![1, b'a' + number % 26], char::from(b'a' + number % 26).to_string()),
            _ => (target.wire().to_vec(), target.to_string()),
        };
        if !records.iter().any(|r| r.0 == owner && r.1 == rtype && r.2 == wire) {
            records.push((owner, rtype, wire, text));
        }
    }
    records
}

/// The snapshot of a model.
fn publish(model: &Model) -> Snapshot {
    let mut text = ZoneText::default();
    let ns = model.apex.child(b"ns1").unwrap();
    let soa = [ns.wire(), ns.wire(), &1u32.to_be_bytes(), &[0; 12], &MINIMUM_S.to_be_bytes()].concat();
    text.push(&model.apex, RecordType::SOA, TTL_S, &soa, Default::default());
    for (owner, rtype, rdata, _) in &model.records {
        text.push(owner, *rtype, TTL_S, rdata, Default::default());
    }
    let steered: Vec<_> = model.steered.iter().map(|s| s.0.clone()).zip((0..).map(SteerId)).collect();
    let zone = Arc::new(Zone::build(&model.apex, &text, &steered));
    let owner =
        |(_, role, wildcard): &(Name, OwnerRole, bool)| SteeredOwner { switch: 0, role: *role, wildcard: *wildcard };
    Snapshot {
        zones: Arc::new(ZoneSet::build(vec![zone])),
        serials: Chunked::new(&[1]),
        owners: model.steered.iter().map(owner).collect(),
        switches: Chunked::new(&[model.bench.compile(0)]),
        ..Snapshot::default()
    }
}

/// Sends a query; the answer as lines, the scope, and whether there was room for it.
fn send_to(snapshot: &Snapshot, qname: &Name, qtype: RecordType, from: &From, edns: bool) -> (Said, Option<u8>, bool) {
    let option = from.subnet.map_or_else(Vec::new, |(address, source)| {
        let octets = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        subnet_option(if address.is_ipv4() { 1 } else { 2 }, source, &octets[..usize::from(source).div_ceil(8)])
    });
    let name = qname.to_string();
    let wire = if edns { edns_query(&name, qtype, 1232, &option) } else { query(&name, qtype) };
    let asker = Asker { client: from.resolver, transport: Transport::Udp, draw: from.draw };
    let (_, reply) = send(snapshot, &asker, &wire);
    let decoded = Decoded::read(&reply).unwrap();
    assert_eq!(decoded.opt.is_some(), edns, "an OPT record answers one and nothing else");
    let short = |line: &String| line.split(' ').take(4).collect::<Vec<_>>().join(" ");
    // hickory-proto has no text for DNAME; the alias made of it shows its target.
    let shown = |line: &String| if line.contains(" IN DNAME ") { short(line) } else { line.clone() };
    let mut answer: Vec<String> = decoded.answer.iter().map(shown).collect();
    answer.sort();
    let mut authority: Vec<String> = decoded.authority.iter().map(short).collect();
    authority.sort();
    let scope = decoded.opt.and_then(|opt| opt.subnet).map(|(_, scope)| scope);
    let said = Said { rcode: decoded.rcode, aa: decoded.flags.contains("AA"), answer, authority };
    (said, scope, !decoded.flags.contains("TC"))
}

/// The address with all bits from `len` on taken from `other`, and none behind `source`.
fn mixed(address: IpAddr, other: u128, len: u8, source: u8) -> IpAddr {
    let keep = |width: u8, bits: u128, len: u8| if len == 0 { 0 } else { bits & !0u128 << (width - len.min(width)) };
    let mix = |width: u8, bits: u128| keep(width, keep(width, bits, len) | (other & !keep(width, !0, len)), source);
    match address {
        IpAddr::V4(v4) => {
            Ipv4Addr::from(u32::try_from(mix(32, u32::from(v4).into()) & u128::from(u32::MAX)).unwrap()).into()
        }
        IpAddr::V6(v6) => Ipv6Addr::from(mix(128, v6.into())).into(),
    }
}

/// Addresses that rules' networks hold and others.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u32..4, any::<u32>())
            .prop_map(|(high, low)| IpAddr::from(Ipv4Addr::from(10 << 24 | high << 22 | low & 0x3f_ffff))),
        (0u128..4, any::<u128>()).prop_map(|(high, low)| {
            IpAddr::from(Ipv6Addr::from(0x2001_0db8 << 96 | high << 94 | low & ((1 << 94) - 1)))
        }),
    ]
}

/// The switch: two or three pools, perhaps one an alias, with rules by network.
fn bench() -> impl Strategy<Value = Bench> {
    let rule = (address(), 0u8..=40, 0usize..3);
    let policy = prop::sample::select(vec![Policy::Sticky, Policy::Fixed, Policy::Random, Policy::Failover]);
    (vec((0u16..5, any::<bool>(), 0usize..4), 2..4), vec(rule, 0..4), policy).prop_map(|(drawn, rules, policy)| {
        let aliases = drawn.iter().all(|(_, _, kind)| *kind == 3);
        let make = |(at, (_, _, kind)): (usize, &(u16, bool, usize))| {
            let addresses =
                [format!("198.51.100.{at}"), format!("2001:db8::{:x}", at + 1), format!("198.51.100.10{at}")];
            let name = format!("p{at}");
            if aliases {
                let mut pool = pool(&name, &[]);
                pool.records = vec![names(
                    RecordType::CNAME,
                    &[],
                    &[["a.example.test", "x.elsewhere.test", "b.example.test"][at]],
                )];
                return pool;
            }
            let of: Vec<&str> = addresses[..=(*kind).min(2)].iter().map(String::as_str).collect();
            pool(&name, &of)
        };
        let mut bench = switch(drawn.iter().enumerate().map(make).collect());
        bench.definition.ttl_s = TTL_S;
        bench.definition.policy = policy;
        let count = drawn.len();
        bench.definition.rules = (0..)
            .zip(rules)
            .map(|(at, (address, len, pool)): (usize, _)| {
                let network = IpNet::new(address, len.min(if address.is_ipv4() { 32 } else { 40 })).unwrap().trunc();
                let target = RuleTarget::Pool(format!("p{}", pool % count).into());
                Rule { name: format!("r{at}").into(), matches: RuleMatch::Networks(vec![network]), target }
            })
            .collect();
        bench.weights = drawn.iter().map(|(weight, ..)| *weight).collect();
        bench.eligible = drawn.iter().map(|(_, eligible, _)| *eligible).collect();
        bench
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn replies_are_what_a_plain_reference_says(
        drawn in vec((relative(), 0usize..TYPES.len(), relative(), any::<u8>()), 0..14),
        bench in bench(),
        owner in relative(),
        questions in vec((relative(), 0usize..6, prop::option::of(0usize..4), address(), prop::option::of((address(), 0u8..=56)), any::<u64>(), any::<u128>()), 1..24),
    ) {
        let apex: Name = "example.test".parse().unwrap();
        let mut records = records(&apex, &drawn);
        let owner = if owner.iter().skip(1).any(|label| *label == "*") { apex.child(b"s").unwrap() } else { below(&apex, &owner) };
        let wildcard = owner.is_wildcard();
        let base = if wildcard { owner.parent().unwrap() } else { owner.clone() };
        let mut steered = vec![(owner, OwnerRole::Owner, wildcard)];
        for (at, pool) in bench.definition.pools.iter().enumerate() {
            steered.push((base.child(pool.name.as_bytes()).unwrap(), OwnerRole::Pin(u16::try_from(at).unwrap()), false));
        }
        // What the checks of a configuration refuse: data beside an alias, cuts at or above steered names.
        records.retain(|(name, rtype, ..)| !steered.iter().any(|(s, ..)| {
            let cuts = matches!(*rtype, RecordType::NS | RecordType::DNAME) && s.is_within(name);
            cuts || s == name && *rtype != RecordType::TXT
        }) || name == &apex && *rtype == RecordType::TXT);
        let model = Model { apex: apex.clone(), records, bench, steered };
        let snapshot = publish(&model);
        for (labels, qtype, at_steered, resolver, subnet, draw, other) in questions {
            let qname = at_steered.and_then(|at| model.steered.get(at)).map_or_else(|| below(&apex, &labels), |s| s.0.clone());
            let qtype = [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::CNAME, RecordType::A, RecordType::MX][qtype];
            let width = |address: &IpAddr| if address.is_ipv4() { 32 } else { 128 };
            let subnet = subnet.map(|(a, source)| (mixed(a, 0, source.min(width(&a)), source.min(width(&a))), source.min(width(&a))));
            let from = From { resolver, subnet, draw, among_equals: 0 };
            let edns = subnet.is_some() || draw & 1 == 1;
            let (said, scope, fits) = send_to(&snapshot, &qname, qtype, &from, edns);
            // Long chains fill 512 octets; with EDNS there is room for all.
            prop_assert!(fits || !edns);
            if !fits {
                continue;
            }
            let expected = model.says(&qname, qtype, &from);
            let as_good = (1..3).any(|n| said == model.says(&qname, qtype, &From { among_equals: n, ..from }));
            prop_assert!(said == expected || as_good, "{qname} {qtype} {from:?}
{said:?}
{expected:?}");
            prop_assert_eq!(scope.is_some(), subnet.is_some());
            if let (Some((address, source)), Some(scope)) = (subnet, scope) {
                prop_assert!(scope <= source);
                // Whoever shares the scope's bits gets the same: that is what a cache makes of it. Scope 0 speaks for all.
                let same_family = mixed(address, other, scope, source);
                let sibling = From { subnet: Some((same_family, source)), ..from };
                let (again, ..) = send_to(&snapshot, &qname, qtype, &sibling, true);
                prop_assert_eq!(&said, &again, "{} {} {:?} scope {}", qname, qtype, sibling, scope);
            }
        }
    }
}

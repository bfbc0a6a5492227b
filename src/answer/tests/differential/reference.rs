//! What a zone and its switch answer, walked as lists, without the answer path's code.

use super::super::*;
use super::{MINIMUM_S, TTL_S};
use crate::steering::Rule;
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use std::hash::Hasher;
use std::net::IpAddr;

/// What a zone and its one switch say, as lists.
pub(super) struct Model {
    pub(super) apex: Name,
    /// Owner, type, RDATA as wire and as text.
    pub(super) records: Vec<(Name, RecordType, Vec<u8>, String)>,
    pub(super) bench: Bench,
    /// Steered names: the owner, then each pool's pin.
    pub(super) steered: Vec<(Name, OwnerRole, bool)>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct From {
    pub(super) resolver: IpAddr,
    pub(super) subnet: Option<(IpAddr, u8)>,
    pub(super) draw: u64,
    /// Which of the pools whose scores are as good as equal the reference takes.
    pub(super) among_equals: usize,
}

/// An answer as sorted lines.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) rcode: u16,
    pub(super) aa: bool,
    pub(super) answer: Vec<String>,
    /// `owner ttl IN type` of each.
    pub(super) authority: Vec<String>,
}

/// Where the walk goes on.
enum Step {
    Done,
    Follow(Name),
}

impl Model {
    pub(super) fn says(&self, qname: &Name, qtype: RecordType, from: &From) -> Said {
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

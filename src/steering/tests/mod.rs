//! Whole switches: built from a few words, compiled, and asked.

mod capping;
mod explaining;
mod fallbacks;
mod geography;
mod mmdb;
mod scopes;
mod shares;

use super::*;
use crate::dns::{Name, Rrset};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A switch with pools of one member each, and what is observed of it.
#[derive(Debug, Clone)]
pub(super) struct Bench {
    pub(super) definition: Switch,
    pub(super) weights: Vec<u16>,
    pub(super) eligible: Vec<bool>,
    pub(super) last_active: Vec<usize>,
    pub(super) capped: Option<usize>,
    pub(super) geo: GeoNetworks,
}

impl Bench {
    pub(super) fn new(policy: Policy, weights: &[u16]) -> Self {
        let pools = weights.iter().enumerate().map(|(at, weight)| pool(at, *weight)).collect();
        let definition = Switch {
            name: "model".into(),
            owners: vec!["model.example.test".parse().unwrap()],
            pools,
            terms: Arc::new(Terms { explain_networks: vec!["127.0.0.0/8".parse().unwrap()], ..Terms::of(policy) }),
        };
        Self {
            definition,
            weights: weights.to_vec(),
            eligible: vec![true; weights.len()],
            last_active: Vec::new(),
            capped: None,
            geo: GeoNetworks::default(),
        }
    }

    pub(super) fn rule(mut self, name: &str, matches: RuleMatch, target: RuleTarget) -> Self {
        self.definition.rules.push(Rule { name: name.into(), matches, target });
        self
    }

    pub(super) fn compile(&self) -> CompiledSwitch {
        let observe = |(at, pool): (usize, &Pool)| PoolInput {
            slot: PoolSlot(u32::try_from(at).unwrap()),
            health: pool.members.iter().map(|_| MemberHealth { eligible: self.eligible[at] }).collect(),
            eligible: self.eligible[at],
            why: None,
        };
        compile(&SwitchInput {
            definition: &Arc::new(self.definition.clone()),
            networks: Some(&Arc::new(NetworkRules::new(&self.definition.rules, &self.geo))),
            ttl_s: 30,
            ttl_cause: "steady",
            weights: &self.weights,
            salt: "model",
            pools: self.definition.pools.iter().enumerate().map(observe).collect(),
            last_active: self.last_active.clone(),
            capped: self.capped,
            target_ttl: &|name: &Name| (name.to_string() == "ours.example.test.").then_some(120),
        })
    }
}

/// Pool `p<at>` with the member 192.0.2.<at>.
fn pool(at: usize, weight: u16) -> Pool {
    let address = Ipv4Addr::new(192, 0, 2, u8::try_from(at).unwrap());
    let member = Member::new(Some(address), None, Given::default());
    Pool::new(format!("p{at}").into(), weight, vec![member], Extras::default())
}

/// A client without subnet or label.
pub(super) fn from(address: &str) -> Client<'static> {
    Client { address: address.parse().unwrap(), subnet: None, label: None }
}

/// The `n`th /24.
pub(super) fn nth(n: u32) -> Client<'static> {
    Client { address: IpAddr::V4(Ipv4Addr::from(n << 8 | 1)), subnet: None, label: None }
}

pub(super) fn networks(list: &[&str]) -> RuleMatch {
    RuleMatch::Networks(list.iter().map(|text| text.parse().unwrap()).collect())
}

pub(super) fn to_pool(name: &str) -> RuleTarget {
    RuleTarget::Pool(name.into())
}

#[test]
fn a_promise_covers_the_ttl_of_the_name_an_answer_points_at() {
    let mut bench = Bench::new(Policy::Sticky, &[1]);
    let mx = |name: &str| [&[0, 10], name.parse::<Name>().unwrap().wire()].concat().into_boxed_slice();
    let set = |rdatas| vec![Rrset { rtype: crate::dns::RecordType::MX, ttl: 30, rdatas }];
    bench.definition.pools[0].records = set(vec![mx("ours.example.test")]);
    assert_eq!(bench.compile().pools[0].set(crate::dns::RecordType::MX).unwrap().promise_s, 150);
    bench.definition.pools[0].records = set(vec![mx("ours.example.test"), mx("theirs.example.net")]);
    let compiled = bench.compile();
    assert_eq!(compiled.pools[0].set(crate::dns::RecordType::MX).unwrap().promise_s, 3630);
    assert_eq!(compiled.pools[0].set(crate::dns::RecordType::A).unwrap().promise_s, 30);
}

//! The rules of a switch that go by the client's network: CIDR, ASN and country (§1.7).
//!
//! The most specific comes first: CIDR rules by the longest prefix, then ASN, then country. Rules and
//! databases are cut into one partition whose classes are the rules, once per load and shared by all
//! switches with the same rules, since a country can have tens of thousands of prefixes. What a rule
//! leads to changes with weights and health and is one small array per compiled switch, so a flip
//! never costs the size of a database. Where two rules lead to the same table the partition is
//! merged, so that ECS scopes stay the shortest; that copy is shared too. Looking databases up per
//! query instead would need the neighbours of a record for its scope: equal countries lie side by side.

use super::geo::GeoNetworks;
use super::partition::{Outcome, Partition};
use super::{Rule, RuleMatch};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Whom the rules of a switch concern, by network.
#[derive(Debug)]
pub struct NetworkRules {
    /// The rule of each class from 1 on, by its place in the definition.
    rules: Box<[usize]>,
    /// Classes; 0 is whom no rule concerns.
    classes: Arc<Partition>,
    /// Merged copies in use, by the classes that are told apart.
    merged: Mutex<Vec<Merged>>,
}

/// A merged copy, and which class stands for each.
type Merged = (Box<[Outcome]>, Weak<Partition>);

/// The rules of a compiled switch: whom they concern, and where they lead.
#[derive(Debug, Clone)]
pub(super) struct Ruled {
    pub(super) rules: Arc<NetworkRules>,
    pub(super) leads: Networks,
}

/// Which table a client's address leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Networks {
    /// The same for everybody.
    Same(Outcome),
    /// By prefix, then by its class.
    Cut(Arc<Partition>, Box<[Outcome]>),
}

impl Networks {
    /// The table of an address, and how many bits of it that took.
    #[inline]
    pub(super) fn find(&self, position: u128) -> (Outcome, u8) {
        match self {
            Self::Same(outcome) => (*outcome, 0),
            Self::Cut(partition, outcomes) => {
                let leaf = partition.find(position);
                (outcomes.get(usize::from(leaf.outcome)).copied().unwrap_or(0), leaf.len)
            }
        }
    }
}

impl PartialEq for NetworkRules {
    fn eq(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.classes, &other.classes) || self.classes == other.classes;
        same && self.rules == other.rules
    }
}

impl NetworkRules {
    /// Cuts address space by the rules, with what the databases have for them.
    #[must_use]
    pub fn new(rules: &[Rule], geo: &GeoNetworks) -> Self {
        let (mut networks, mut asns, mut countries) = (Vec::new(), Vec::new(), Vec::new());
        let mut places = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            // A rule beyond 65535 others concerns nobody; config allows far fewer.
            let Ok(class) = Outcome::try_from(places.len() + 1) else { break };
            match &rule.matches {
                RuleMatch::Networks(list) => networks.extend(list.iter().map(|network| (*network, class))),
                RuleMatch::Asns(list) => {
                    asns.extend(list.iter().flat_map(|asn| geo.of_asn(*asn)).map(|network| (*network, class)));
                }
                RuleMatch::Countries(list) => {
                    countries.extend(list.iter().flat_map(|code| geo.of_country(*code)).map(|net| (*net, class)));
                }
                RuleMatch::Labels(_) | RuleMatch::LabelPrefixes(_) => continue,
            }
            places.push(at);
        }
        Self {
            rules: places.into_boxed_slice(),
            classes: Arc::new(Partition::new([networks, asns, countries])),
            merged: Mutex::default(),
        }
    }

    /// The rules by class, from 1 on.
    pub(super) fn rules(&self) -> &[usize] {
        &self.rules
    }

    /// The rule that concerns an address, by its place in the definition.
    pub(super) fn rule_of(&self, position: u128) -> Option<usize> {
        let class = usize::from(self.classes.find(position).outcome);
        self.rules.get(class.checked_sub(1)?).copied()
    }

    /// The way from addresses to tables; `outcomes` by class.
    pub(super) fn leading_to(&self, outcomes: Box<[Outcome]>) -> Networks {
        let told_apart: Box<[Outcome]> = outcomes
            .iter()
            .map(|outcome| outcomes.iter().position(|first| first == outcome).unwrap_or(0))
            .map(|class| Outcome::try_from(class).unwrap_or(0))
            .collect();
        let partition = if told_apart.iter().enumerate().all(|(class, first)| usize::from(*first) == class) {
            Arc::clone(&self.classes)
        } else {
            self.merged(told_apart)
        };
        match partition.whole() {
            Some(class) => Networks::Same(outcomes.get(usize::from(class)).copied().unwrap_or(0)),
            None => Networks::Cut(partition, outcomes),
        }
    }

    /// The partition in which each class is its first equal one.
    fn merged(&self, told_apart: Box<[Outcome]>) -> Arc<Partition> {
        // A panic elsewhere leaves the list whole: entries are only added and removed.
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        merged.retain(|(_, copy)| copy.strong_count() > 0);
        let known = merged.iter().find(|(labels, _)| *labels == told_apart).and_then(|(_, copy)| copy.upgrade());
        known.unwrap_or_else(|| {
            let label = |class: Outcome| told_apart.get(usize::from(class)).copied().unwrap_or(0);
            let copy = Arc::new(self.classes.relabelled(label));
            merged.push((told_apart, Arc::downgrade(&copy)));
            copy
        })
    }
}

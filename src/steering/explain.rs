//! Why a client gets what it gets, in words and numbers (§6.1).
//!
//! Chooses by the same tables as the packet path; finds the rule by label the slow way, in the
//! definition. Scores are shown as floats and never decide.

use super::key::Location;
use super::log2::SCALE_BITS;
use super::table::{Method, Table};
use super::{Choice, Client, ClientKey, CompiledPool, CompiledSwitch, Fallback, Policy, Rule, RuleMatch, RuleTarget};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One choice, laid open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The switch.
    pub switch: String,
    /// The pool answered; `None`: NODATA.
    pub pool: Option<String>,
    /// The reason in one sentence.
    pub why: String,
    /// How pools are chosen.
    pub policy: Policy,
    /// The rule that concerns this client, honoured or not.
    pub rule: Option<String>,
    /// Whether the fallback had to decide.
    pub by_fallback: bool,
    /// What was hashed or looked up: a prefix or `label <label>`.
    pub key: String,
    /// ECS scope of the answer.
    pub scope: u8,
    /// Seconds.
    pub ttl_s: u32,
    /// Why the TTL is that.
    pub ttl_cause: String,
    /// Every pool of the switch.
    pub pools: Vec<PoolExplanation>,
}

/// One pool's part in a choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolExplanation {
    /// The pool.
    pub name: String,
    /// The weight in force.
    pub weight: u16,
    /// Whether health and overrides let it be answered.
    pub eligible: bool,
    /// The override on it, or what keeps it from being eligible, in words.
    pub why: Option<String>,
    /// The weight it took part with, where that differs (rule or fallback); `None`: did not take part.
    pub took_part_with: Option<u16>,
    /// `-ln(u) / weight` of the sticky choice; the lowest wins.
    pub score: Option<f64>,
}

impl CompiledSwitch {
    /// Whether this address may ask `_explain` (§6.1).
    #[must_use]
    pub fn explain_allowed(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.definition.explain_networks.iter().any(|network| network.contains(&address))
    }

    /// The choice of [`CompiledSwitch::choose`] with its reasons.
    #[must_use]
    pub fn explain(&self, client: &Client<'_>, draw: u64) -> Explanation {
        let location = Location::of(client);
        let choice = self.choose(client, draw);
        let (table, _) = self.table_for(client, &location);
        let table = self.table(table);
        let rule = self.rule_for(client, &location);
        let label = client.label.map(|label| String::from_utf8_lossy(label).into_owned());
        let key = label.map_or_else(|| location.to_string(), |label| format!("label {label}"));
        Explanation {
            switch: self.definition.name.to_string(),
            pool: choice.pool.and_then(|at| self.pools.get(at)).map(|pool| pool.name.to_string()),
            why: self.reason(choice, table, rule, &key),
            policy: self.definition.policy,
            rule: rule.map(|rule| rule.name.to_string()),
            by_fallback: choice.by_fallback,
            scope: choice.scope,
            ttl_s: self.ttl_s,
            ttl_cause: self.ttl_cause.to_owned(),
            pools: self.pool_explanations(table, &client.label.map_or_else(|| location.key(), ClientKey::Label)),
            key,
        }
    }

    /// Whether a rule gave the pool chosen.
    fn is_by(&self, rule: &Rule, choice: Choice) -> bool {
        let chosen = choice.pool.filter(|_| !choice.by_fallback).and_then(|at| self.pools.get(at));
        chosen.is_some_and(|chosen| match &rule.target {
            RuleTarget::Pool(name) => chosen.name == *name,
            RuleTarget::Weights(weights) => weights.iter().any(|(name, weight)| *weight > 0 && chosen.name == *name),
        })
    }

    /// The reason in one sentence.
    fn reason(&self, choice: Choice, table: Option<&Table>, rule: Option<&Rule>, key: &str) -> String {
        let capped = self.capped.and_then(|at| self.pools.get(at));
        let is_capped = |pool: &CompiledPool| capped.is_some_and(|capped| capped.name == pool.name);
        let others_fell = self.pools.iter().any(|pool| pool.weight > 0 && !pool.eligible && !is_capped(pool));
        let limit = capped.filter(|_| others_fell).map_or_else(String::new, |pool| {
            format!("; pool {} gets no more than its share, standing in for no other", pool.name)
        });
        let but = capped.filter(|pool| pool.eligible).map_or_else(String::new, |pool| format!(" but {}", pool.name));
        let skipped = match rule {
            Some(rule) if self.is_by(rule, choice) => {
                let what = match &rule.target {
                    RuleTarget::Pool(name) => format!("pool {name}"),
                    RuleTarget::Weights(_) => "weights of its own".to_owned(),
                };
                return format!("rule {} gives {key} {what}{limit}", rule.name);
            }
            Some(rule) => format!("rule {} gives no eligible pool{but}; ", rule.name),
            None => String::new(),
        };
        if choice.by_fallback {
            let fallback = self.fallback_words();
            return format!("{skipped}no pool{but} with weight is eligible; the fallback is {fallback}{limit}");
        }
        let how = self.how(choice, table, key);
        format!("{skipped}{how}{limit}")
    }

    /// What the fallback means.
    fn fallback_words(&self) -> String {
        let capped = self.capped.and_then(|at| self.pools.get(at)).map(|pool| &pool.name);
        match &self.definition.fallback {
            Fallback::LastActive => "the pools that last had weight, health ignored".to_owned(),
            Fallback::Standby => "healthy pools at weight 0, then those that last had weight".to_owned(),
            Fallback::All => "all pools, health ignored".to_owned(),
            Fallback::Pool(name) if capped == Some(name) => {
                format!("pool {name}, which may not stand in, so the pools that last had weight, health ignored")
            }
            Fallback::Pool(name) => format!("pool {name}, health ignored"),
            Fallback::NoData => "no data".to_owned(),
        }
    }

    /// How a table came to its choice.
    fn how(&self, choice: Choice, table: Option<&Table>, key: &str) -> String {
        match (self.definition.policy, table.map(|table| &table.method)) {
            (_, Some(Method::Capped(capped))) if choice.pool == Some(usize::from(capped.pool)) => {
                self.how(choice, Some(&capped.first), key)
            }
            (_, Some(Method::Capped(capped))) => self.how(choice, Some(&capped.rest), key),
            (Policy::Failover, _) => "the first eligible pool with weight".to_owned(),
            (_, Some(Method::Only(_))) => "the only eligible pool with weight".to_owned(),
            (Policy::Random, _) => "drawn by weight for each query".to_owned(),
            (Policy::Sticky | Policy::Fixed, _) => {
                format!("lowest score for {key} under salt {}", self.salt.as_deref().unwrap_or(self.definition.salt()))
            }
        }
    }

    /// The weight a pool took part with in a table, and its score where it has one.
    fn part_in(&self, at: usize, table: &Table, key: &ClientKey<'_>) -> (Option<u16>, Option<f64>) {
        match &table.method {
            Method::Only(only) if usize::from(*only) == at => (self.pools.get(at).map(|pool| pool.weight), None),
            Method::Sticky(contenders) => match contenders.iter().find(|c| usize::from(c.pool) == at) {
                Some(c) => (Some(c.weight), Some(natural(c.cost(key)) / f64::from(c.weight))),
                None => (None, None),
            },
            Method::Random(sums, pools) => {
                (pools.iter().position(|p| usize::from(*p) == at).and_then(|p| sums.weight(p)), None)
            }
            Method::Capped(capped) => match self.part_in(at, &capped.first, key) {
                (None, _) => self.part_in(at, &capped.rest, key),
                part => part,
            },
            Method::Only(_) | Method::Nobody => (None, None),
        }
    }

    fn pool_explanations(&self, table: Option<&Table>, key: &ClientKey<'_>) -> Vec<PoolExplanation> {
        let of_pool = |(at, pool): (usize, &CompiledPool)| {
            let (took_part_with, score) = table.map_or((None, None), |table| self.part_in(at, table, key));
            PoolExplanation {
                name: pool.name.to_string(),
                weight: pool.weight,
                eligible: pool.eligible,
                why: self.why.as_ref().and_then(|why| why.get(at).cloned().flatten()),
                took_part_with,
                score,
            }
        };
        self.pools.iter().enumerate().map(of_pool).collect()
    }
}

impl CompiledSwitch {
    /// The most specific rule that concerns this client: label, label prefix, then network.
    fn rule_for(&self, client: &Client<'_>, location: &Location) -> Option<&Rule> {
        let rules = &self.definition.rules;
        let specific = |rule: &&Rule| -> Option<(u8, usize)> {
            match (&rule.matches, client.label) {
                (RuleMatch::Labels(list), Some(label)) => list.iter().any(|l| l.as_bytes() == label).then_some((2, 0)),
                (RuleMatch::LabelPrefixes(list), Some(label)) => list
                    .iter()
                    .filter(|prefix| label.starts_with(prefix.as_bytes()))
                    .map(|prefix| (1, prefix.len()))
                    .max(),
                _ => None,
            }
        };
        // The first of equally specific ones, as the tables have it.
        let by_label = rules.iter().rev().filter(|rule| specific(rule).is_some()).max_by_key(specific);
        by_label.or_else(|| rules.get(self.networks.as_ref()?.rules.rule_of(location.position)?))
    }
}

/// A scaled `-log2(u)` as `-ln(u)`, for people.
fn natural(cost: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // below 2^38
    let log2 = cost as f64 / f64::from(1u32 << SCALE_BITS);
    log2 * std::f64::consts::LN_2
}

impl Explanation {
    /// As character-strings of a TXT record (RFC 1035 §3.3.14): at most 255 octets each.
    #[must_use]
    pub fn to_txt(&self) -> Vec<String> {
        let mut lines = vec![
            format!("switch={} pool={}", self.switch, self.pool.as_deref().unwrap_or("none")),
            format!("why={}", self.why),
            format!("key={} scope={}", self.key, self.scope),
            format!("ttl={} cause={}", self.ttl_s, self.ttl_cause),
        ];
        for pool in &self.pools {
            let health = if pool.eligible { "eligible" } else { "not-eligible" };
            let mut line = format!("pool={} weight={} {health}", pool.name, pool.weight);
            if let Some(weight) = pool.took_part_with.filter(|weight| *weight != pool.weight) {
                line.push_str(&format!(" took-part-with={weight}"));
            }
            if let Some(score) = pool.score {
                line.push_str(&format!(" score={score:.6e}"));
            }
            if let Some(words) = &pool.why {
                line.push_str(&format!(" ({words})"));
            }
            lines.push(line);
        }
        for line in &mut lines {
            let end = (0..=line.len().min(255)).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
            line.truncate(end);
        }
        lines
    }
}

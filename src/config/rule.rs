//! Rules: who comes before the weights, and what they get (§1.7).

use super::findings::Scope;
use super::v1::{RuleForm, Texts};
use crate::dns::Name;
use crate::steering::{MAX_WEIGHT, Rule, RuleMatch, RuleTarget};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

impl Scope<'_> {
    /// The rules of a switch, in the order of the file.
    pub(super) fn rules(&mut self, forms: &[Spanned<RuleForm>], owners: &[Name], pools: &[Arc<str>]) -> Vec<Rule> {
        let mut rules = Vec::with_capacity(forms.len());
        let mut names: HashSet<Arc<str>> = HashSet::new();
        let mut claims: HashMap<String, Arc<str>> = HashMap::new();
        for (index, form) in forms.iter().enumerate() {
            let (span, form) = (form.span(), form.get_ref());
            let name: Arc<str> = form
                .name
                .as_ref()
                .map_or_else(|| format!("rule-{}", index + 1).into(), |n| n.get_ref().as_str().into());
            if !names.insert(Arc::clone(&name)) {
                let at = form.name.as_ref().map_or_else(|| span.clone(), Spanned::span);
                self.refuse(&at, format!("two rules are named `{name}`"), "give each its own name");
            }
            let matches = self.rule_match(&span, form, owners);
            let target = self.rule_target(&span, form, pools);
            let (Some(matches), Some(target)) = (matches, target) else { continue };
            for claim in claims_of(&matches) {
                if let Some(other) = claims.insert(claim.clone(), Arc::clone(&name)) {
                    self.refuse(&span, format!("{claim} is already taken by `{other}`"), "say it in one rule");
                }
            }
            rules.push(Rule { name, matches, target });
        }
        rules
    }

    /// Whom a rule concerns: exactly one of the three keys.
    fn rule_match(&mut self, span: &Range<usize>, form: &RuleForm, owners: &[Name]) -> Option<RuleMatch> {
        let given: Vec<(&str, &Texts)> =
            [("networks", &form.networks), ("labels", &form.labels), ("label_prefixes", &form.label_prefixes)]
                .into_iter()
                .filter_map(|(key, texts)| texts.as_ref().map(|t| (key, t)))
                .collect();
        let [(key, texts)] = given.as_slice() else {
            let message = if given.is_empty() {
                "the rule does not say whom it concerns"
            } else {
                "a rule matches in one way; this one in several"
            };
            self.refuse(span, message, "give it one of `networks`, `labels` and `label_prefixes`");
            return None;
        };
        if texts.0.is_empty() {
            self.refuse(span, format!("`{key}` is empty, so the rule concerns nobody"), "");
            return None;
        }
        if *key == "networks" {
            return Some(RuleMatch::Networks(self.networks(texts)));
        }
        self.check_label_owners(key, texts, owners);
        let labels: Vec<Arc<str>> = texts.0.iter().map(|text| self.rule_label(key, text)).collect();
        Some(if *key == "labels" { RuleMatch::Labels(labels) } else { RuleMatch::LabelPrefixes(labels) })
    }

    /// Labels vary under a wildcard only.
    fn check_label_owners(&mut self, key: &str, texts: &Texts, owners: &[Name]) {
        let Some(first) = texts.0.first() else { return };
        let Some(plain) = owners.iter().find(|owner| !owner.is_wildcard()) else { return };
        let plain = super::switch::bare(plain);
        if owners.iter().any(Name::is_wildcard) {
            self.warn(&first.span(), format!("`{key}` never matches queries for `{plain}`, which is no wildcard"), "");
        } else {
            let message = format!("`{key}` needs a wildcard owner; `{plain}` has no label that varies");
            self.refuse(&first.span(), message, format!("steer `*.{plain}`, or match by `networks`"));
        }
    }

    /// One label (or its beginning), in lower case.
    fn rule_label(&mut self, key: &str, text: &Spanned<String>) -> Arc<str> {
        let label = text.get_ref();
        let good =
            (1..=63).contains(&label.len()) && label.bytes().all(|c| c.is_ascii_graphic() && c != b'.' && c != b'\\');
        if !good {
            self.refuse(
                &text.span(),
                format!("`{label}` in `{key}` is no single label"),
                "write the leftmost label alone, such as \"u123\"",
            );
        }
        label.to_ascii_lowercase().into()
    }

    /// What a rule gives: a pool, or weights.
    fn rule_target(&mut self, span: &Range<usize>, form: &RuleForm, pools: &[Arc<str>]) -> Option<RuleTarget> {
        match (&form.pool, &form.weights) {
            (Some(pool), None) => {
                let found = pools.iter().find(|name| ***name == **pool.get_ref());
                if found.is_none() {
                    self.unknown_pool(&pool.span(), "the rule", pool.get_ref(), pools, &[]);
                }
                found.map(|name| RuleTarget::Pool(Arc::clone(name)))
            }
            (None, Some(weights)) => {
                let mut set: Vec<(Arc<str>, u16)> = Vec::with_capacity(weights.get_ref().len());
                for (name, weight) in super::v1::written_order(weights.get_ref()) {
                    let Some(pool) = pools.iter().find(|pool| ***pool == **name.get_ref()) else {
                        self.unknown_pool(&name.span(), "the rule", name.get_ref(), pools, &[]);
                        continue;
                    };
                    let value = self.number(name.get_ref(), &Some(weight.clone()), 1, 0..=MAX_WEIGHT);
                    set.push((Arc::clone(pool), value));
                }
                if set.iter().all(|(_, weight)| *weight == 0) {
                    self.refuse(&weights.span(), "the weights of the rule sum to 0", "give one of its pools a weight");
                }
                Some(RuleTarget::Weights(set))
            }
            _ => {
                self.refuse(
                    span,
                    "a rule gives either a `pool` or `weights`",
                    "write `pool = \"green\"` or `weights = { blue = 5000, green = 5000 }`",
                );
                None
            }
        }
    }
}

/// What a rule claims for itself, so that two rules can't claim the same.
fn claims_of(matches: &RuleMatch) -> Vec<String> {
    match matches {
        RuleMatch::Networks(networks) => networks.iter().map(|n| format!("the network {n}")).collect(),
        RuleMatch::Labels(labels) => labels.iter().map(|l| format!("the label `{l}`")).collect(),
        RuleMatch::LabelPrefixes(labels) => labels.iter().map(|l| format!("the label prefix `{l}`")).collect(),
    }
}

//! Rules: who comes before the weights, and what they get (§1.7).

use super::findings::Scope;
use super::folder::Folder;
use super::v1::{List, RuleForm, Scalar, Texts};
use crate::dns::Name;
use crate::steering::{CountryCode, GeoKind, MAX_WEIGHT, Rule, RuleMatch, RuleTarget};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

impl Scope<'_> {
    /// The rules of a switch, in the order of the file.
    pub(super) fn rules(
        &mut self,
        forms: &[Spanned<RuleForm>],
        owners: &[Name],
        pools: &[Arc<str>],
        folder: &Folder,
    ) -> Vec<Rule> {
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
            let matches = self.rule_match(&span, form, owners, folder);
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

    /// Whom a rule concerns: exactly one of the keys.
    fn rule_match(
        &mut self,
        span: &Range<usize>,
        form: &RuleForm,
        owners: &[Name],
        folder: &Folder,
    ) -> Option<RuleMatch> {
        let texts = [
            ("networks", &form.networks),
            ("country", &form.country),
            ("labels", &form.labels),
            ("label_prefixes", &form.label_prefixes),
        ];
        let given: Vec<(&str, &Texts)> =
            texts.into_iter().filter_map(|(key, texts)| texts.as_ref().map(|t| (key, t))).collect();
        let (key, texts) = match (given.as_slice(), &form.asn) {
            ([only], None) => *only,
            ([], Some(asns)) => return self.asn_match(span, asns, folder),
            (several, asn) => {
                let message = if several.is_empty() && asn.is_none() {
                    "the rule does not say whom it concerns"
                } else {
                    "a rule matches in one way; this one in several"
                };
                let remedy = "give it one of `networks`, `country`, `asn`, `labels` and `label_prefixes`";
                self.refuse(span, message, remedy);
                return None;
            }
        };
        let Some(first) = texts.0.first() else {
            self.refuse(span, format!("`{key}` is empty, so the rule concerns nobody"), "");
            return None;
        };
        match key {
            "networks" => return Some(RuleMatch::Networks(self.networks(texts))),
            "country" => {
                self.needs_database(&first.span(), GeoKind::Country, folder);
                return Some(RuleMatch::Countries(self.each_once(texts, Self::country)));
            }
            _ => {}
        }
        self.check_label_owners(key, texts, owners);
        let labels: Vec<Arc<str>> = texts.0.iter().map(|text| self.rule_label(key, text)).collect();
        Some(if key == "labels" { RuleMatch::Labels(labels) } else { RuleMatch::LabelPrefixes(labels) })
    }

    /// A rule by autonomous system.
    fn asn_match(&mut self, span: &Range<usize>, asns: &List<Scalar>, folder: &Folder) -> Option<RuleMatch> {
        let Some(first) = asns.0.first() else {
            self.refuse(span, "`asn` is empty, so the rule concerns nobody", "");
            return None;
        };
        self.needs_database(&first.span(), GeoKind::Asn, folder);
        Some(RuleMatch::Asns(self.each_once(asns, Self::asn)))
    }

    /// Refuses a rule that no database could honour.
    fn needs_database(&mut self, span: &Range<usize>, kind: GeoKind, folder: &Folder) {
        if !folder.geo.has(kind) {
            let message = format!("the rule goes by {kind}, and no database by {kind} is configured");
            let remedy = format!(
                "name one in the server's file: `[geo]` with `{kind} = \"/path/of/file.mmdb\"` (check: --config), or match by `networks`"
            );
            self.refuse(span, message, remedy);
        }
    }

    /// The values that are any good, each once.
    fn each_once<T, U: PartialEq>(
        &mut self,
        list: &List<T>,
        judge: impl Fn(&mut Self, &Spanned<T>) -> Option<U>,
    ) -> Vec<U> {
        let mut values = Vec::with_capacity(list.0.len());
        for item in &list.0 {
            let Some(value) = judge(self, item) else { continue };
            if values.contains(&value) {
                self.refuse(&item.span(), "it is listed twice", "remove one");
            } else {
                values.push(value);
            }
        }
        values
    }

    /// One country.
    fn country(&mut self, text: &Spanned<String>) -> Option<CountryCode> {
        let code = CountryCode::parse(text.get_ref());
        if code.is_none() {
            let remedy = match text.get_ref().to_ascii_uppercase().as_str() {
                "UK" => "the United Kingdom is \"GB\"".to_owned(),
                "EU" => "name its members one by one".to_owned(),
                _ => "write a code of ISO 3166-1 with two letters, such as \"DE\"".to_owned(),
            };
            self.refuse(&text.span(), format!("`{}` is no country code", text.get_ref()), remedy);
        }
        code
    }

    /// One autonomous system.
    fn asn(&mut self, number: &Spanned<Scalar>) -> Option<u32> {
        let asn = match number.get_ref() {
            Scalar::Integer(n) => u32::try_from(*n).ok(),
            Scalar::Text(text) => text.strip_prefix("AS").unwrap_or(text).parse().ok(),
            Scalar::Float(_) | Scalar::Boolean(_) => None,
        }
        .filter(|asn| *asn > 0);
        if asn.is_none() {
            let message = format!("`{}` is no number of an autonomous system", number.get_ref());
            self.refuse(&number.span(), message, "write it as 64496 or \"AS64496\"");
        }
        asn
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
        RuleMatch::Asns(asns) => asns.iter().map(|asn| format!("AS{asn}")).collect(),
        RuleMatch::Countries(codes) => codes.iter().map(|code| format!("the country {code}")).collect(),
        RuleMatch::Labels(labels) => labels.iter().map(|l| format!("the label `{l}`")).collect(),
        RuleMatch::LabelPrefixes(labels) => labels.iter().map(|l| format!("the label prefix `{l}`")).collect(),
    }
}

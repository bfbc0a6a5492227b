//! A switch form to a [`Switch`]: owners, policy, times, fallback, and its pools together.

use super::findings::Scope;
use super::folder::Folder;
use super::problem::nearest;
use super::v1::{Field, SwitchForm, Texts, span_or};
use crate::dns::{Name, RecordType};
use crate::rollout::Plan;
use crate::steering::{AnswerMode, Fallback, Policy, Switch, Terms};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// The shortest TTL: below it resolvers ask more often than a flip could need (§1.8).
const MIN_TTL_S: u32 = 5;

/// The longest TTL of a steered name: a week.
const MAX_TTL_S: u32 = 604_800;

/// The longest of the other times: a month, seconds.
const MAX_TIME_S: u32 = 2_678_400;

/// A switch, and where its parts stand.
#[derive(Debug, PartialEq)]
pub(super) struct Marked {
    /// What was written, checked by itself.
    pub(super) switch: Switch,
    /// Its name.
    pub(super) name: Range<usize>,
    /// Its owners, in the order of [`Switch::owners`].
    pub(super) owners: Vec<Range<usize>>,
    /// The names of its pools, in the order of [`Switch::pools`].
    pub(super) pools: Vec<Range<usize>>,
    /// The members of each pool.
    pub(super) members: Vec<Vec<Range<usize>>>,
    /// How it is released, when its files say.
    pub(super) plan: Option<Arc<Plan>>,
}

impl Marked {
    /// Counts the places from an earlier beginning.
    pub(super) fn shift(&mut self, by: usize) {
        let members = self.members.iter_mut().flatten();
        let all = self.owners.iter_mut().chain(&mut self.pools).chain(members).chain([&mut self.name]);
        all.for_each(|span| *span = span.start + by..span.end + by);
    }
}

impl Scope<'_> {
    /// One switch of the zone `apex`.
    pub(super) fn switch(&mut self, name: &Spanned<String>, form: &SwitchForm, apex: &Name, folder: &Folder) -> Marked {
        self.label("switch", name);
        let span = name.span();
        let (owners, owner_spans) = self.owners(&span, form.owners.as_ref(), apex);
        let ttl_s = self.seconds("ttl", &form.ttl, 30, MIN_TTL_S..=MAX_TTL_S);
        let fast_ttl_s = self.seconds("fast_ttl", &form.fast_ttl, ttl_s.min(10), MIN_TTL_S..=MAX_TTL_S);
        if fast_ttl_s > ttl_s {
            let message =
                format!("`fast_ttl` ({fast_ttl_s} s) is longer than `ttl` ({ttl_s} s): nothing would become fast");
            self.refuse(&span_or(&form.fast_ttl, &span), message, format!("write at most {ttl_s}"));
        }
        let (pools, pool_spans, members) = self.pools(&span, form, ttl_s, apex, folder);
        let names: Vec<Arc<str>> = pools.iter().map(|pool| Arc::clone(&pool.name)).collect();
        let terms = Terms {
            policy: self.policy(&form.policy),
            answer: self.answer_mode(&form.answer),
            fallback: self.fallback(&form.fallback, &names),
            ttl_s,
            fast_ttl_s,
            target_ttl_s: self.seconds("target_ttl", &form.target_ttl, 3_600, 1..=MAX_TIME_S),
            min_healthy: self.share("min_healthy", &form.min_healthy, 5_000),
            min_interval_ms: self.duration_ms("min_interval", &form.min_interval, 5_000, 0..=86_400_000),
            tail_s: self.seconds("tail", &form.tail, 900, 0..=MAX_TIME_S),
            prepare_s: self.seconds("prepare", &form.prepare, 3_600, 1..=MAX_TIME_S),
            salt: form.salt.as_ref().map(|s| s.get_ref().clone()),
            rules: self.rules(&form.rule, &owners, &names, folder),
            monitors: self.monitors(form.monitor.as_ref(), form.monitors.as_ref(), folder).unwrap_or_default(),
            idle: self.idle(form.idle.as_ref(), folder),
            explain_networks: form.explain.as_ref().map(|texts| self.networks(texts)).unwrap_or_default(),
        };
        let name_text = name.get_ref().as_str();
        let switch = Switch { name: name_text.into(), owners, pools, terms: Arc::new(terms) };
        let marked = Marked { switch, name: span, owners: owner_spans, pools: pool_spans, members, plan: None };
        self.refuse_mixed_cname(&marked, apex);
        marked
    }

    /// The steered names, which lie in the zone.
    fn owners(&mut self, span: &Range<usize>, texts: Option<&Texts>, apex: &Name) -> (Vec<Name>, Vec<Range<usize>>) {
        let texts = texts.map_or(&[][..], |t| &t.0);
        if texts.is_empty() {
            self.refuse(span, "the switch has no `owners`", format!("add `owners = [\"app.{}\"]`", bare(apex)));
        }
        let (mut owners, mut spans, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for text in texts {
            let owner = match Name::parse(text.get_ref(), Some(&Name::root())) {
                _ if text.get_ref() == "@" => apex.clone(),
                Ok(name) => name,
                Err(error) => {
                    self.refuse(&text.span(), format!("`{}` is no name: {error}", text.get_ref()), "");
                    continue;
                }
            };
            if !owner.is_within(apex) {
                let message = format!("`{}` lies outside the zone `{}`", text.get_ref(), bare(apex));
                let remedy = match Name::parse(text.get_ref(), Some(apex)) {
                    Ok(inside) if !text.get_ref().ends_with('.') && owner.label_count() == 1 => {
                        format!("write \"{}\"", bare(&inside))
                    }
                    _ => "put the switch into the file of its own zone".to_owned(),
                };
                self.refuse(&text.span(), message, remedy);
            } else if owner.labels().skip(1).any(|label| label == b"*") {
                let remedy = format!("a wildcard stands at the left end only: \"*.{}\"", bare(apex));
                self.refuse(&text.span(), format!("`{}` has a `*` within", text.get_ref()), remedy);
            } else if seen.insert(owner.clone()) {
                owners.push(owner);
                spans.push(text.span());
            } else {
                self.refuse(&text.span(), format!("`{}` stands twice among the owners", text.get_ref()), "remove one");
            }
        }
        owners.shrink_to_fit();
        (owners, spans)
    }

    /// How a pool is chosen.
    fn policy(&mut self, field: &Field<String>) -> Policy {
        let known = [
            ("sticky", Policy::Sticky),
            ("random", Policy::Random),
            ("failover", Policy::Failover),
            ("fixed", Policy::Fixed),
        ];
        self.word("policy", field, &known).unwrap_or(Policy::Sticky)
    }

    /// How many members an answer carries.
    fn answer_mode(&mut self, field: &Field<String>) -> AnswerMode {
        self.word("answer", field, &[("all", AnswerMode::All), ("one", AnswerMode::One)]).unwrap_or(AnswerMode::All)
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, key: &str, field: &Field<String>, known: &[(&str, T)]) -> Option<T> {
        let field = field.as_ref()?;
        let found = known.iter().find(|(word, _)| word == field.get_ref()).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let remedy = nearest(field.get_ref(), words.iter().copied())
                .map_or_else(|| format!("write one of {}", words.join(", ")), |near| format!("did you mean `{near}`?"));
            self.refuse(&field.span(), format!("`{key}` can't be `{}`", field.get_ref()), remedy);
        }
        found
    }

    /// What is answered when no pool is eligible.
    fn fallback(&mut self, field: &Field<String>, pools: &[Arc<str>]) -> Fallback {
        let Some(field) = field else { return Fallback::LastActive };
        let text = field.get_ref().as_str();
        let pool = pools.iter().find(|name| &***name == text);
        let mode = match text {
            "last-active" => Fallback::LastActive,
            "standby" => Fallback::Standby,
            "all" => Fallback::All,
            "nodata" => Fallback::NoData,
            _ => {
                return pool.map_or_else(
                    || {
                        self.unknown_pool(
                            &field.span(),
                            "`fallback`",
                            text,
                            pools,
                            &["last-active", "standby", "all", "nodata"],
                        );
                        Fallback::LastActive
                    },
                    |name| Fallback::Pool(Arc::clone(name)),
                );
            }
        };
        if pool.is_some() {
            let message = format!("`fallback = \"{text}\"` is the mode of that name, not the pool `{text}`");
            self.warn(&field.span(), message, "give the pool another name if it is meant");
        }
        mode
    }

    /// A name that is no pool of this switch.
    pub(super) fn unknown_pool(
        &mut self,
        span: &Range<usize>,
        whence: &str,
        name: &str,
        pools: &[Arc<str>],
        words: &[&str],
    ) {
        let known: Vec<&str> = words.iter().copied().chain(pools.iter().map(|p| &**p)).collect();
        let remedy = nearest(name, known.iter().copied())
            .map_or_else(|| format!("known here: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        self.refuse(span, format!("{whence} names the pool `{name}`, which this switch does not have"), remedy);
    }

    /// A CNAME never stands at the apex, and a switch never alternates it with anything else (§1.2).
    fn refuse_mixed_cname(&mut self, marked: &Marked, apex: &Name) {
        let switch = &marked.switch;
        let has_cname: Vec<bool> =
            switch.pools.iter().map(|p| p.records.iter().any(|set| set.rtype == RecordType::CNAME)).collect();
        if !has_cname.contains(&true) {
            return;
        }
        if let Some(at) = switch.owners.iter().position(|owner| owner == apex) {
            let message =
                format!("the apex `{}` can't be a CNAME: SOA and NS stand there (RFC 1034 §3.6.2)", bare(apex));
            self.refuse(&marked.owners[at], message, "use members, or HTTPS records in AliasMode (RFC 9460)");
        }
        for (index, _) in has_cname.iter().enumerate().filter(|(_, has)| !**has) {
            let message = format!(
                "pool `{}` has no CNAME where another has one: resolvers that hold the CNAME would miss its records",
                switch.pools[index].name
            );
            self.refuse(&marked.pools[index], message, "give every pool of the switch a CNAME, or none");
        }
    }
}

/// A name as it is written in these files: without the final dot.
pub(super) fn bare(name: &Name) -> String {
    let text = name.to_string();
    text.strip_suffix('.').filter(|t| !t.is_empty()).unwrap_or(&text).to_owned()
}

/// Advice on one switch (§1.11): nothing here keeps it from being loaded.
pub(super) fn advise(scope: &mut Scope<'_>, marked: &Marked, form: &SwitchForm) {
    let switch = &marked.switch;
    advise_addresses(scope, marked);
    advise_versions(scope, marked);
    let types: Vec<HashSet<RecordType>> = switch.pools.iter().map(super::pool::types_of).collect();
    let all: HashSet<RecordType> = types.iter().flatten().copied().collect();
    let comes = |pool: &crate::steering::Pool| pool.register.is_some() || pool.discover.is_some();
    for (index, have) in types.iter().enumerate().filter(|(at, _)| !comes(&switch.pools[*at])) {
        let mut missing: Vec<RecordType> = all.difference(have).filter(|t| **t != RecordType::CNAME).copied().collect();
        missing.sort_unstable();
        for rtype in missing.into_iter().filter(|_| !have.contains(&RecordType::CNAME)) {
            let message = format!(
                "pool `{}` has no {rtype} where another pool has it: clients that ask for it get an empty answer",
                switch.pools[index].name
            );
            scope.warn(&marked.pools[index], message, "give every pool the same types");
        }
    }
    if switch.policy == Policy::Random && all.len() > 1 {
        let message = "`random` draws for each query, so that a client may get its A, AAAA and HTTPS records from different pools";
        scope.warn(&marked.name, message, "use `policy = \"sticky\"` where pools must not be mixed");
    }
    if switch.ttl_s > 300 && form.rollout.is_none() {
        let message = format!(
            "a TTL of {} s outlasts the 10 min hold of a default rollout step: each step will hold for two TTLs",
            switch.ttl_s
        );
        scope.warn(&span_or(&form.ttl, &marked.name), message, "use 300 or less where rollouts are meant to be quick");
    }
    for (index, pool) in switch.pools.iter().enumerate() {
        if pool.members.len() > super::MAX_SET_RECORDS {
            let message = format!(
                "pool `{}` has {} members; an answer carries at most {}",
                pool.name,
                pool.members.len(),
                crate::steering::MAX_ANSWER_MEMBERS
            );
            scope.warn(&marked.pools[index], message, "");
        }
    }
}

/// A version that nobody looks for.
fn advise_versions(scope: &mut Scope<'_>, marked: &Marked) {
    for (index, pool) in marked.switch.pools.iter().enumerate() {
        let expects =
            pool.expect_version.is_some() || pool.members.iter().any(|member| member.expect_version().is_some());
        if expects && !marked.switch.monitors_of(pool).iter().any(|monitor| monitor.checks_version()) {
            let message = format!("pool `{}` expects a version, but no monitor looks for one", pool.name);
            let remedy = "say in a http monitor where it is found: `expect_version = \"/model\"` or \"header:X-Model\"";
            scope.warn(&marked.pools[index], message, remedy);
        }
    }
}

/// The same address in two pools: DNS carries no port, so nobody could tell them apart.
fn advise_addresses(scope: &mut Scope<'_>, marked: &Marked) {
    let mut seen: HashMap<std::net::IpAddr, usize> = HashMap::new();
    for (index, pool) in marked.switch.pools.iter().enumerate() {
        for (at, member) in pool.members.iter().enumerate() {
            for address in member.addresses() {
                let first = *seen.entry(address).or_insert(index);
                if first != index {
                    let message = format!(
                        "{address} is also in pool `{}`: DNS answers carry no port, so both pools lead to the same server",
                        marked.switch.pools[first].name
                    );
                    scope.warn(&marked.members[index][at], message, "give each pool addresses of its own");
                }
            }
        }
    }
}

//! The ledger's rows: one per pool, a few words each, since every pool of a catalogue has one.
//!
//! What most pools never have (promises under pins, members of older views, members that left) is made
//! when it is first needed. Members of the newest view are the definition's own list.

use super::ledger::{MemberFacts, PoolFacts, signed};
use crate::steering::Member;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;

/// A promise: when the last of them ends, and how long one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bound {
    /// The latest moment an answer may still be cached; `None`: never answered.
    pub(super) until: Option<i64>,
    /// The longest single promise, milliseconds.
    pub(super) promise_ms: u64,
    /// Watched this long after the last promise, milliseconds.
    pub(super) tail_ms: u64,
}

/// One pool's row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The pool's name.
    pub(super) pool: Arc<str>,
    pub(super) bound: Bound,
    /// The newest view that answers it, until a later view is settled.
    pub(super) answered_in: Option<NonZeroU64>,
    /// The newest view that could answer it, whatever health did: a restart has to assume it did.
    pub(super) open_in: Option<NonZeroU64>,
    /// The promise of the newest view; in force alone once that is settled.
    pub(super) newest_promise_ms: u64,
    /// Members of the newest view that has any.
    members: Arc<[Member]>,
    /// That view.
    members_in: NonZeroU64,
    /// What most rows never have.
    rare: Option<Box<Rare>>,
}

/// The parts of a row that are seldom there.
#[derive(Debug, Clone, PartialEq, Default)]
struct Rare {
    /// Promises under a pin; they hold no drain.
    pins_until: Option<i64>,
    /// Members of older views only, with the newest view that holds each.
    former: BTreeMap<MemberFacts, NonZeroU64>,
    /// Members that left, with the bound the pool had then.
    left: BTreeMap<MemberFacts, Bound>,
}

/// One switch's rows, by the pools' names.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct SwitchRows(Box<[Entry]>);

impl SwitchRows {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.0.iter_mut()
    }

    pub(super) fn get(&self, pool: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| &*entry.pool == pool)
    }

    /// Makes rows for pools that have none, all at once.
    pub(super) fn reserve<'p>(&mut self, pools: impl Iterator<Item = &'p Arc<str>>) {
        let missing: Vec<Entry> = pools.filter(|pool| self.get(pool).is_none()).map(Entry::new).collect();
        if !missing.is_empty() {
            let mut entries: Vec<Entry> = Vec::with_capacity(self.len() + missing.len());
            entries.extend(std::mem::take(&mut self.0));
            entries.extend(missing);
            entries.sort_by(|a, b| a.pool.cmp(&b.pool));
            self.0 = entries.into();
        }
    }

    /// The row of a pool, made if there is none.
    pub(super) fn entry(&mut self, pool: &Arc<str>) -> &mut Entry {
        self.reserve(std::iter::once(pool));
        self.0.iter_mut().find(|entry| entry.pool == *pool).expect("made just now")
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        if !self.0.iter().all(&keep) {
            self.0 = std::mem::take(&mut self.0).into_iter().filter(keep).collect();
        }
    }
}

impl Entry {
    /// A pool of which nothing is known.
    pub(super) fn new(pool: &Arc<str>) -> Self {
        Self {
            pool: Arc::clone(pool),
            bound: Bound::default(),
            answered_in: None,
            open_in: None,
            newest_promise_ms: 0,
            members: Arc::default(),
            members_in: NonZeroU64::MIN,
            rare: None,
        }
    }

    /// Promises under a pin.
    pub(super) fn pins_until(&self) -> Option<i64> {
        self.rare.as_ref().and_then(|rare| rare.pins_until)
    }

    pub(super) fn set_pins_until(&mut self, until: Option<i64>) {
        if until != self.pins_until() {
            self.rare.get_or_insert_default().pins_until = until;
        }
    }

    /// Members that left, with the bound the pool had then.
    pub(super) fn left(&self) -> &BTreeMap<MemberFacts, Bound> {
        static NONE: BTreeMap<MemberFacts, Bound> = BTreeMap::new();
        self.rare.as_ref().map_or(&NONE, |rare| &rare.left)
    }

    pub(super) fn set_left(&mut self, left: BTreeMap<MemberFacts, Bound>) {
        if !left.is_empty() || self.rare.is_some() {
            self.rare.get_or_insert_default().left = left;
        }
    }

    /// Changes the bounds of members that left.
    pub(super) fn map_left(&mut self, change: impl Fn(Bound) -> Bound) {
        for bound in self.rare.iter_mut().flat_map(|rare| rare.left.values_mut()) {
            *bound = change(*bound);
        }
    }

    /// Forgets members that left.
    pub(super) fn forget_left(&mut self, over: impl Fn(&Bound) -> bool) {
        if let Some(rare) = &mut self.rare {
            rare.left.retain(|_, bound| !over(bound));
        }
    }

    /// Whom answers may name: members of the newest view, then those of older ones.
    pub(super) fn members(&self) -> impl Iterator<Item = MemberFacts> + '_ {
        self.members.iter().map(MemberFacts::of).chain(self.former().cloned())
    }

    /// Whether answers may name this address.
    pub(super) fn names(&self, address: IpAddr) -> bool {
        self.members.iter().any(|member| member.addresses().any(|own| own == address))
            || self.former().any(|member| member.addresses.contains(&address))
    }

    fn former(&self) -> impl Iterator<Item = &MemberFacts> {
        self.rare.iter().flat_map(|rare| rare.former.keys())
    }

    /// Members that only an image tells of.
    pub(super) fn set_members(&mut self, members: Vec<MemberFacts>) {
        if !members.is_empty() {
            let former = members.into_iter().map(|member| (member, NonZeroU64::MIN));
            self.rare.get_or_insert_default().former = former.collect();
        }
    }

    /// Takes over a view's facts; whether that is more than is on disk already.
    pub(super) fn announce(&mut self, view: NonZeroU64, facts: &PoolFacts) -> bool {
        let on_disk = |e: &Self| {
            let former = e.rare.as_ref().map_or(0, |rare| rare.former.len());
            (e.open_in.is_some(), e.bound.promise_ms, e.bound.tail_ms, e.members.len() + former, e.left().len())
        };
        let before = on_disk(self);
        if facts.answered {
            self.answered_in = Some(view);
        }
        if facts.answered || facts.may_answer {
            self.open_in = Some(view);
        }
        self.newest_promise_ms = facts.promise_ms;
        self.bound.promise_ms = self.bound.promise_ms.max(facts.promise_ms);
        self.bound.tail_ms = facts.tail_ms;
        self.take_members(view, &facts.members);
        before != on_disk(self)
    }

    /// Makes these the members of the newest view.
    fn take_members(&mut self, view: NonZeroU64, members: &Arc<[Member]>) {
        if !Arc::ptr_eq(&self.members, members) {
            let gone: Vec<MemberFacts> = self
                .members
                .iter()
                .filter(|old| !members.iter().any(|new| old.is_same_endpoint(new)))
                .map(MemberFacts::of)
                .collect();
            if !gone.is_empty() {
                let last = self.members_in;
                self.rare.get_or_insert_default().former.extend(gone.into_iter().map(|member| (member, last)));
            }
            self.members = Arc::clone(members);
        }
        self.members_in = view;
        if let Some(rare) = &mut self.rare
            && !(rare.former.is_empty() && rare.left.is_empty())
        {
            for member in self.members.iter().map(MemberFacts::of) {
                rare.former.remove(&member);
                rare.left.remove(&member);
            }
        }
        self.drop_empty();
    }

    /// Drops what only views before `view` had; `last` when no later view is about.
    pub(super) fn settle(&mut self, view: NonZeroU64, last: bool) {
        self.answered_in = self.answered_in.filter(|newest| *newest >= view);
        self.open_in = self.open_in.filter(|newest| *newest >= view);
        if last {
            self.bound.promise_ms = self.newest_promise_ms;
        }
        let bound = self.bound;
        if self.members_in < view && !self.members.is_empty() {
            let members = std::mem::take(&mut self.members);
            let left = members.iter().map(|member| (MemberFacts::of(member), bound));
            self.rare.get_or_insert_default().left.extend(left);
        }
        if let Some(rare) = &mut self.rare {
            let former = std::mem::take(&mut rare.former);
            let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
                former.into_iter().partition(|(_, newest)| *newest >= view);
            rare.former = kept;
            rare.left.extend(gone.into_keys().map(|member| (member, bound)));
        }
        self.drop_empty();
    }

    /// Gives the seldom parts back when nothing is in them.
    fn drop_empty(&mut self) {
        if self.rare.as_deref().is_some_and(|rare| *rare == Rare::default()) {
            self.rare = None;
        }
    }
}

impl MemberFacts {
    /// What is remembered of a member.
    #[must_use]
    pub fn of(member: &Member) -> Self {
        Self { name: member.name().into(), addresses: member.addresses().collect() }
    }
}

impl Bound {
    /// Whether the promise and the watch behind it have ended.
    pub(super) fn is_over(&self, now: i64) -> bool {
        self.until.is_none_or(|until| until.saturating_add(signed(self.tail_ms.max(super::SLACK_MS))) <= now)
    }

    /// Moves the end of the last promise forward.
    pub(super) fn extend(&mut self, until: i64) {
        self.until = self.until.max(Some(until));
    }
}

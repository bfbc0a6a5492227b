//! A switch as a query reads it: tables to choose by, and each pool's records as wire.
//!
//! Immutable; [`super::compile`] makes it anew when weights, health or definitions change.
//! [`CompiledSwitch::choose`] is on the packet path: it allocates nothing and never divides.

use super::key::Location;
use super::labels::LabelRules;
use super::networks::Ruled;
use super::set::CompiledSet;
use super::table::Table;
use super::{Client, ClientKey, PoolIndex, PoolSlot, Switch};
use crate::dns::RecordType;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::sync::Arc;

/// A switch made ready to answer.
#[derive(Debug, Clone)]
pub struct CompiledSwitch {
    /// What it was made from.
    pub(super) definition: Arc<Switch>,
    /// The TTL in force, seconds.
    pub ttl_s: u32,
    /// In the order of the file.
    pub pools: Box<[CompiledPool]>,
    /// The types its pools have records of, as [`carried`] says.
    pub(super) carried: u64,
    /// The pool that gets no more than its weight's share, whatever becomes of the others (§5.3).
    pub capped: Option<usize>,
    /// The pool that a running rollout goes out from, by index; `state` says so after compiling.
    pub stable: Option<PoolIndex>,
    /// Whether answers by weight are to be told apart by client (§5.7); control says so after compiling.
    pub watch: Option<Watch>,
    /// Table 0: the main weights.
    pub(super) main: Table,
    /// Tables from 1 on, of rules that can be honoured.
    pub(super) others: Box<[Table]>,
    /// Which table a client's address leads to, where rules go by it.
    pub(super) networks: Option<Box<Ruled>>,
    /// Which table a label leads to, before addresses count.
    pub(super) labels: Option<Box<LabelRules>>,
    /// Why the TTL is what it is, in words for `explain`.
    pub(super) ttl_cause: &'static str,
    /// The salt in force, where it is not the definition's.
    pub(super) salt: Option<Box<str>>,
    /// Per pool: why it is eligible or not, where there is something to say of any.
    pub(super) why: Option<Box<[Option<String>]>>,
}

/// A pool made ready to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledPool {
    /// The pool's name.
    pub name: Arc<str>,
    /// Where its answers are counted.
    pub slot: PoolSlot,
    /// Whether health and overrides let it be answered.
    pub eligible: bool,
    /// The weight in force.
    pub weight: u16,
    /// What it answers: eligible members only; all members when the pool is not eligible, since
    /// only a fallback that ignores health answers it then.
    pub sets: Sets,
}

/// A pool's record sets; most have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sets {
    /// A single one, without a list around it.
    One(CompiledSet),
    /// Any other number.
    Many(Box<[CompiledSet]>),
}

impl Deref for Sets {
    type Target = [CompiledSet];

    #[inline]
    fn deref(&self) -> &[CompiledSet] {
        match self {
            Self::One(set) => std::slice::from_ref(set),
            Self::Many(sets) => sets,
        }
    }
}

impl From<Vec<CompiledSet>> for Sets {
    fn from(mut sets: Vec<CompiledSet>) -> Self {
        match sets.pop() {
            Some(set) if sets.is_empty() => Self::One(set),
            last => Self::Many(sets.into_iter().chain(last).collect()),
        }
    }
}

/// Where the clients of a switch are sketched while a rollout runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// The first pool's seat; the others follow in the order of the file.
    pub first_seat: u16,
    /// Counts up when what was seen before no longer belongs together.
    pub epoch: u32,
}

/// One answer of a watched switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Where it is sketched.
    pub seat: u16,
    /// See [`Watch`].
    pub epoch: u32,
    /// The client's [`Client::fingerprint`].
    pub client: NonZeroU64,
}

/// What was chosen for one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Index into [`CompiledSwitch::pools`]; `None`: NODATA.
    pub pool: Option<usize>,
    /// ECS scope to answer with (RFC 7871 §7.2.1); 0 when no subnet was sent.
    pub scope: u8,
    /// Whether the fallback had to decide.
    pub by_fallback: bool,
}

impl CompiledPool {
    /// The set of this type.
    #[inline(always)] // on the way of every query for a steered name
    #[must_use]
    pub fn set(&self, rtype: RecordType) -> Option<&CompiledSet> {
        match &self.sets {
            Sets::One(set) if set.rtype == rtype => Some(set),
            Sets::One(_) => None,
            Sets::Many(sets) => sets.iter().find(|set| set.rtype == rtype),
        }
    }
}

/// The types below this number have a bit each in [`CompiledSwitch::carried`].
const WITH_BITS: u16 = 64;

/// Those types below 64 that some pool has records of, by bit; all of them for an alias, which is for
/// every type.
pub(super) fn carried(pools: &[CompiledPool]) -> u64 {
    let types = pools.iter().flat_map(|pool| pool.sets.iter()).map(|set| set.rtype);
    types.fold(0, |all, rtype| match rtype {
        RecordType::CNAME => u64::MAX,
        RecordType(number) if number < WITH_BITS => all | 1 << number,
        _ => all,
    })
}

impl CompiledSwitch {
    /// Whether some pool has records of this type, or an alias for every type.
    #[inline(always)] // on the way of every query for a steered name
    #[must_use]
    pub fn carries(&self, rtype: RecordType) -> bool {
        if rtype.0 < WITH_BITS { self.carried >> rtype.0 & 1 != 0 } else { self.carries_without_bit(rtype) }
    }

    /// [`CompiledSwitch::carries`] for types without a bit.
    #[inline(never)]
    fn carries_without_bit(&self, rtype: RecordType) -> bool {
        let mut sets = self.pools.iter().flat_map(|pool| pool.sets.iter());
        sets.any(|set| set.rtype == rtype || set.rtype == RecordType::CNAME)
    }

    /// The choice that is made without regard to who asks, when there is one. Its scope is 0.
    #[inline(always)] // on the way of every query for a steered name
    #[must_use]
    pub fn choose_for_all(&self, draw: u64) -> Option<Choice> {
        if self.labels.is_some() || self.networks.is_some() {
            return None;
        }
        let pool = self.main.choose_for_all(draw)?.map(usize::from);
        Some(Choice { pool, scope: 0, by_fallback: self.main.by_fallback })
    }

    /// Chooses the pool of one answer: label rules, then network rules, then the weights.
    #[must_use]
    pub fn choose(&self, client: &Client<'_>, draw: u64) -> Choice {
        let location = Location::of(client);
        let (number, rule_len) = self.table_for(client, &location);
        let Some(table) = self.table(number) else { return Choice { pool: None, scope: 0, by_fallback: false } };
        let key_len = if client.label.is_none() && table.is_keyed() { location.key_len() } else { 0 };
        let (pool, by_fallback) = table.choose(|| location.key(), client.label, draw);
        Choice { pool: pool.map(usize::from), scope: location.scope(rule_len.max(key_len)), by_fallback }
    }

    /// What is to be sketched of an answer: nothing unless the switch is watched.
    #[inline(always)] // on the way of every query for a steered name
    #[must_use]
    pub fn seen<'c>(&self, choice: &Choice, client: impl FnOnce() -> Client<'c>) -> Option<Seen> {
        match self.watch {
            None => None,
            Some(watch) => self.see(watch, *choice, &client()),
        }
    }

    /// Rules and the fallback do not go by weight: what they choose says nothing about the split.
    #[cold]
    #[inline(never)]
    fn see(&self, watch: Watch, choice: Choice, client: &Client<'_>) -> Option<Seen> {
        let location = Location::of(client);
        let by_weight = !choice.by_fallback && self.table_for(client, &location).0 == 0;
        let pool = PoolIndex::try_from(choice.pool.filter(|_| by_weight)?).ok()?;
        let key = client.label.map_or_else(|| location.key(), ClientKey::Label);
        Some(Seen { seat: watch.first_seat.saturating_add(pool), epoch: watch.epoch, client: key.fingerprint() })
    }

    /// Whether some client gets what the fallback decides (§1.9).
    #[must_use]
    pub fn fallback_in_use(&self) -> bool {
        std::iter::once(&self.main).chain(&self.others).any(Table::reaches_fallback)
    }

    /// The table of this number.
    #[inline]
    pub(super) fn table(&self, number: usize) -> Option<&Table> {
        number.checked_sub(1).map_or(Some(&self.main), |at| self.others.get(at))
    }

    /// The switch's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// The table that rules lead this client to, and how many bits of its address that took.
    #[inline]
    pub(super) fn table_for(&self, client: &Client<'_>, location: &Location) -> (usize, u8) {
        if let (Some(rules), Some(label)) = (&self.labels, client.label)
            && let Some(table) = rules.find(label)
        {
            return (usize::from(table), 0);
        }
        let Some(networks) = &self.networks else { return (0, 0) };
        let (table, len) = networks.leads.find(location.position);
        (usize::from(table), len)
    }
}

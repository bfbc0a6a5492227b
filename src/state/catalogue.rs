//! The part of a snapshot that only a reload changes: zones, steered names, where each switch stands.

use super::runtime::Desired;
use crate::dns::{Name, Qname, RecordType};
use crate::snapshot::{OwnerRole, SteeredOwner};
use crate::steering::{Pool, Switch};
use crate::zone::Found;
use crate::zone::{Zone, ZoneSet};
use std::collections::HashMap;
use std::sync::Arc;

/// Compiled definitions, and the indices that lead from names to them.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Static data of every zone, in the order of the definitions.
    pub zones: Arc<ZoneSet>,
    /// Steered names, zone after zone ([`crate::zone::ZoneSet::steered`]).
    pub owners: Arc<[SteeredOwner]>,
    /// Switches in the order of the definitions.
    pub switches: Vec<Placed>,
    /// Indices of `switches`, sorted by name.
    by_name: Box<[u32]>,
    /// Index of a zone by apex.
    pub zone_by_apex: HashMap<Name, u32>,
}

/// A switch with the zone it belongs to.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The definition.
    pub switch: Arc<Switch>,
    /// Index of its zone.
    pub zone: u32,
}

impl Catalogue {
    /// Indexes all definitions, whose zones are compiled already.
    #[must_use]
    pub fn build(desired: &Desired) -> Self {
        let (mut owners, mut named) = (Vec::new(), Vec::new());
        let mut zones = Vec::new();
        let mut catalogue = Self::default();
        for definition in &desired.definitions.zones {
            let first = owners.len();
            for switch in &definition.switches {
                let index = number(catalogue.switches.len());
                catalogue.switches.push(Placed { switch: switch.clone(), zone: number(zones.len()) });
                steered_names(switch, index, &mut named);
                owners.extend(named.drain(..).map(|(_, owner)| owner));
            }
            catalogue.zone_by_apex.insert(definition.apex.clone(), number(zones.len()));
            zones.push((desired.data_of(definition).clone(), number(first)));
        }
        let mut by_name: Box<[u32]> = (0..number(catalogue.switches.len())).collect();
        by_name.sort_by_key(|index| &catalogue.switches[*index as usize].switch.name);
        catalogue.by_name = by_name;
        catalogue.switches.shrink_to_fit();
        catalogue.zones = Arc::new(ZoneSet::with_steered(zones));
        catalogue.owners = owners.into();
        catalogue
    }

    /// Puts another version of a zone in its place.
    pub fn replace_zone(&mut self, apex: &Name, data: Arc<Zone>) {
        if let Some(index) = self.zone_by_apex.get(apex) {
            self.zones = Arc::new(self.zones.with(*index, data));
        }
    }

    /// The switches whose answers name others, which may lie in a zone of ours: how long those are kept decides
    /// how long the answers are.
    pub fn pointing(&self) -> impl Iterator<Item = u32> {
        let points = |placed: &&Placed| placed.switch.pools.iter().any(Pool::has_targets);
        (0..).zip(&self.switches).filter(move |(_, placed)| points(placed)).map(|(index, _)| index)
    }

    /// The index of the switch of this name.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<u32> {
        let place = |index: &u32| (*self.switches[*index as usize].switch.name).cmp(name);
        self.by_name.binary_search_by(place).ok().map(|at| self.by_name[at])
    }

    /// The TTL that caches may keep a target name's own records for, when the name is ours.
    #[must_use]
    pub fn target_ttl(&self, name: &Name) -> Option<u32> {
        let mut qname = Qname::default();
        qname.set(name.wire())?;
        let located = self.zones.find(&qname)?;
        let hash = qname.suffix_hash(0);
        let ttl_of = |rtype| match located.zone.lookup(&qname, hash, rtype) {
            Found::Hit(rrset) | Found::Cname(rrset) => Some(rrset.ttl()),
            Found::Steered(id, _) => {
                let owner = self.owners.get(self.zones.steered(&located, id).0 as usize)?;
                self.switches.get(owner.switch as usize).map(|placed| placed.switch.ttl_s)
            }
            Found::Referral(_) | Found::Redirect(_) => None,
            Found::Any(_) | Found::NoData | Found::NxDomain => Some(0),
        };
        ttl_of(RecordType::A)?.max(ttl_of(RecordType::AAAA)?).into()
    }
}

/// Every name a switch answers at: owners, pins and, where anyone may ask, explanations (§1.4, §6.1).
///
/// A wildcard owner `*.base` has pins `<pool>.base` and `*.<pool>.base`, and explanations at
/// `_explain.base` and `*._explain.base`, whose leftmost label stands for the client's.
pub(super) fn steered_names(switch: &Switch, index: u32, owners: &mut Vec<(Name, SteeredOwner)>) {
    for owner in &switch.owners {
        let mut add = |name: Option<Name>, role, wildcard| {
            if let Some(owner) = name {
                owners.push((owner, SteeredOwner { switch: index, role, wildcard }));
            }
        };
        let wildcard = owner.is_wildcard();
        let base = if wildcard { owner.parent() } else { Some(owner.clone()) };
        let Some(base) = base else { continue };
        add(Some(owner.clone()), OwnerRole::Owner, wildcard);
        for (at, pool) in switch.pools.iter().enumerate() {
            let role = OwnerRole::Pin(u16::try_from(at).expect("config allows far fewer pools"));
            let pin = base.child(pool.name.as_bytes()).ok();
            if wildcard {
                add(pin.as_ref().and_then(|pin| pin.child(b"*").ok()), role, true);
            }
            add(pin, role, false);
        }
        if !switch.explain_networks.is_empty() {
            let explain = base.child(b"_explain").ok();
            if wildcard {
                add(explain.as_ref().and_then(|name| name.child(b"*").ok()), OwnerRole::Explain, true);
            }
            add(explain, OwnerRole::Explain, false);
        }
    }
}

/// Indices are 32 bits: far more than fit in memory.
fn number(len: usize) -> u32 {
    u32::try_from(len).expect("fewer than 2^32 entries fit in memory")
}

//! A compiled zone with other sets in it, without compiling it anew.
//!
//! Compiling takes a second for a million names. Here the arena and the table are copied, the changed nodes are
//! written behind the others, and the table leads to them; what they replace is marked as gone. Only plain data
//! below the apex is changed so. Where wildcards, delegations or redirections have a part, and where it would cost
//! as much, the zone has to be built.

use super::build::{cut, hash_of};
use super::node::{self, BELOW, CUT, Node, REDIRECT, RrsetRef, WILDCARD_CHILD};
use super::table::Zone;
use crate::dns::name::wire_is_within;
use crate::dns::qname::wildcard_hash;
use crate::dns::rrset::push_record;
use crate::dns::{Name, Qname, RecordType};
use std::collections::BTreeMap;

/// Names that lose all data at once, at most: for each the whole zone is searched for names below it.
const MOST_EMPTIED: usize = 32;

/// What a set of a zone is from now on.
#[derive(Debug, Clone)]
pub struct SetChange<'a> {
    owner: &'a Name,
    rtype: RecordType,
    /// How many records; none: there is no such set.
    count: u16,
    /// The records, each owned by a pointer to offset 12 (`C0 0C`).
    wire: Vec<u8>,
}

impl<'a> SetChange<'a> {
    /// Of uncompressed RDATA, no two alike.
    #[must_use]
    pub fn new<'r>(owner: &'a Name, rtype: RecordType, ttl: u32, rdatas: impl Iterator<Item = &'r [u8]>) -> Self {
        let (mut wire, mut count) = (Vec::new(), 0u16);
        for rdata in rdatas.take(usize::from(u16::MAX)) {
            push_record(&mut wire, rtype, ttl, rdata);
            count += 1;
        }
        Self { owner, rtype, count, wire }
    }

    /// The set there is; `None`: there is none.
    fn set(&self) -> Option<RrsetRef<'_>> {
        (self.count > 0).then_some(RrsetRef { rtype: self.rtype, count: self.count, wire: &self.wire })
    }
}

impl Zone {
    /// The zone with changed sets, no two of them of one owner and type; `None`: it has to be built.
    #[must_use]
    pub fn patched(&self, changes: &[SetChange<'_>]) -> Option<Self> {
        if self.closed.is_some() {
            return None;
        }
        let mut by_owner: BTreeMap<&Name, Vec<&SetChange<'_>>> = BTreeMap::new();
        for change in changes {
            by_owner.entry(change.owner).or_default().push(change);
        }
        let plain = |(owner, changes)| Some((self.plain_below_apex(owner)?, changes));
        let owners: Vec<(Qname, Vec<_>)> = by_owner.into_iter().map(plain).collect::<Option<_>>()?;
        let mut zone = self.copy(changes.iter().map(|change| change.wire.len() + usize::from(u8::MAX)).sum());
        let mut emptied = Vec::new();
        for (qname, changes) in owners {
            if zone.change(&qname, &changes)? {
                emptied.push(qname);
            }
        }
        if emptied.len() > MOST_EMPTIED {
            return None;
        }
        for qname in &emptied {
            zone.vanish(qname)?;
        }
        if zone.lost > zone.arena.len() / 4 {
            return None;
        }
        zone.cuts = zone.cuts.iter().map(|old| cut(&zone, old.node)).collect();
        zone.arena.shrink_to_fit();
        Some(zone)
    }

    /// A copy to be changed, with so many octets of room.
    fn copy(&self, room: usize) -> Self {
        let mut arena = Vec::with_capacity(self.arena.len() + room);
        arena.extend_from_slice(&self.arena);
        let (apex, slots, cuts, soa) = (self.apex.clone(), self.slots.clone(), self.cuts.clone(), self.soa.clone());
        Self { apex, arena, slots, cuts, soa, ..*self }
    }

    /// A name below the apex that neither is a wildcard nor lies below one.
    fn plain_below_apex(&self, owner: &Name) -> Option<Qname> {
        let below = owner.label_count().checked_sub(self.apex_labels).filter(|below| *below > 0)?;
        if !owner.is_within(&self.apex) || owner.labels().take(below).any(|label| label == b"*") {
            return None;
        }
        let mut qname = Qname::default();
        qname.set(owner.wire())?;
        Some(qname)
    }

    /// Changes sets of one name; says whether it has lost all data by that.
    fn change(&mut self, owner: &Qname, changes: &[&SetChange<'_>]) -> Option<bool> {
        if changes.iter().any(|change| matches!(change.rtype, RecordType::NS | RecordType::DNAME)) {
            return None;
        }
        let old = self.offset_of(owner, 0);
        let node = old.and_then(|at| self.node_at(at));
        let flags = match node {
            Some(node) if node.flags & !WILDCARD_CHILD == 0 => node.flags,
            None if self.closest_encloser(owner)?.0.flags & (CUT | BELOW | REDIRECT) == 0 => 0,
            _ => return None,
        };
        let sets = changed_sets(node, changes);
        let had_data = node.is_some_and(|node| !node.is_empty());
        if sets.is_empty() && !had_data {
            return Some(false);
        }
        let written = written(self.relative(owner), flags, &sets);
        let is_empty = sets.is_empty();
        match old {
            Some(old) => {
                let new = self.append(&written)?;
                self.slots.replace(owner.suffix_hash(0), old, new)?;
                self.bury(old);
            }
            None => {
                self.insert(owner, 0, &written)?;
                self.insert_ancestors(owner)?;
            }
        }
        Some(is_empty)
    }

    /// Adds the names between a new one and the next that exists.
    fn insert_ancestors(&mut self, owner: &Qname) -> Option<()> {
        for skip in 1..=owner.label_count() - self.apex_labels {
            if self.offset_of(owner, skip).is_some() {
                break;
            }
            let name = self.relative(owner).get(owner.start(skip)..)?;
            self.insert(owner, skip, &written(name, 0, &[]))?;
        }
        Some(())
    }

    /// Adds a node of a name without its first labels.
    fn insert(&mut self, qname: &Qname, skip: usize, written: &[u8]) -> Option<()> {
        if self.slots.is_full() {
            return None;
        }
        let at = self.append(written)?;
        self.slots.insert(qname.suffix_hash(skip), at);
        Some(())
    }

    /// Writes a node behind the others; `None`: offsets end there.
    fn append(&mut self, written: &[u8]) -> Option<u32> {
        let at = u32::try_from(self.arena.len()).ok()?;
        self.arena.extend_from_slice(written);
        u32::try_from(self.arena.len()).ok().map(|_| at)
    }

    /// Marks a node as gone.
    fn bury(&mut self, at: u32) {
        let begin = at as usize;
        let behind = Node::read(&self.arena, begin).map_or(0, |node| node.behind().len());
        self.lost += self.arena.len() - behind - begin;
        node::mark_gone(&mut self.arena, begin);
    }

    /// Takes away a name that has lost its data, unless there are others below it, and the names above it that were
    /// there for it alone.
    fn vanish(&mut self, owner: &Qname) -> Option<()> {
        let below = owner.label_count() - self.apex_labels;
        for skip in 0..below - self.labels_needed(owner, below) {
            let Some(at) = self.offset_of(owner, skip) else { break };
            if self.node_at(at).is_none_or(|node| !node.is_empty() || node.flags != 0) {
                break;
            }
            let mut slots = std::mem::take(&mut self.slots);
            slots.remove(owner.suffix_hash(skip), at, |offset| self.hashes_at(offset))?;
            self.slots = slots;
            self.bury(at);
        }
        Some(())
    }

    /// How many labels of a name, counted from the apex, other names have too, but for those that it lies below.
    fn labels_needed(&self, owner: &Qname, below: usize) -> usize {
        let relative = self.relative(owner);
        let mut needed = 0;
        for node in self.nodes() {
            while needed < below
                && wire_is_within(node.name, &relative[owner.start(below - needed - 1)..])
                && !wire_is_within(relative, node.name)
            {
                needed += 1;
            }
        }
        needed
    }

    /// The hash of a node's name and, of a wildcard, the one it is found by.
    fn hashes_at(&self, offset: u32) -> [Option<u64>; 2] {
        let name = self.node_at(offset).map(|node| node.name);
        let hash = |name: &[u8]| hash_of(&[name, self.apex.wire()].concat());
        let encloser = name.and_then(|name| name.strip_prefix(b"\x01*"));
        [name.map(hash), encloser.map(|encloser| wildcard_hash(hash(encloser)))]
    }
}

/// The sets of a name after changes, types in order of number.
fn changed_sets<'s>(node: Option<Node<'s>>, changes: &[&'s SetChange<'_>]) -> Vec<RrsetRef<'s>> {
    let old = node.into_iter().flat_map(|node| node.rrsets());
    let kept = old.filter(|set| changes.iter().all(|change| change.rtype != set.rtype));
    let mut sets: Vec<_> = kept.chain(changes.iter().filter_map(|change| change.set())).collect();
    sets.sort_unstable_by_key(|set| set.rtype);
    sets
}

/// A node as it lies in the arena.
fn written(name: &[u8], flags: u8, sets: &[RrsetRef<'_>]) -> Vec<u8> {
    let mut written = Vec::new();
    node::push_head(&mut written, name, flags, sets.len(), 0);
    for set in sets {
        let begun = node::begin_rrset(&mut written, set.rtype, set.count);
        written.extend_from_slice(set.wire);
        node::end_rrset(&mut written, begun);
    }
    written
}

//! From a zone's text to its compiled form.
//!
//! Four passes: owners are gathered by hash, the names between them and the apex are added (empty
//! non-terminals, RFC 4592 §2.2.2), delegations are marked with all that lies below them, and the
//! nodes are written. Records need not be sorted.

use super::node::{self, BELOW, CUT, Node, REDIRECT, RrsetRef, STEERED, WILDCARD_CHILD};
use super::slots::Slots;
use super::soa::Soa;
use super::table::{Cut, Glue, Zone};
use super::{RecordRef, SteerId, ZoneText};
use crate::dns::name::wire_is_within;
use crate::dns::qname::wildcard_hash;
use crate::dns::rrset::push_record;
use crate::dns::{Name, Qname, RecordType};
use std::collections::HashSet;

/// The end of a list of records.
const NONE: u32 = u32::MAX;

/// A name of the zone while it is built.
struct Owner<'a> {
    /// Absolute wire form.
    wire: &'a [u8],
    hash: u64,
    /// Its records: the first and the last of a list through [`Builder::next`].
    first: u32,
    last: u32,
    flags: u8,
    aux: u32,
    /// Index of the delegation or redirection that begins here.
    cut: u32,
}

/// Names and record lists of a zone while it is built.
struct Builder<'a> {
    apex: &'a Name,
    text: &'a ZoneText,
    /// For each record the next one of the same owner.
    next: Vec<u32>,
    owners: Vec<Owner<'a>>,
    /// Owners by hash: index + 1.
    slots: Slots,
    /// How many entries `slots` has room for.
    room: usize,
}

/// Compiles a zone.
pub(super) fn build(apex: &Name, text: &ZoneText, steered: &[(Name, SteerId)]) -> Zone {
    let apex_hash = hash_of(apex.wire());
    let mut builder = Builder::new(apex, text);
    builder.owner(apex.wire(), apex_hash);
    builder.gather();
    for (name, id) in steered.iter().filter(|(name, _)| name.is_within(apex)) {
        let at = builder.owner(name.wire(), hash_of(name.wire()));
        builder.owners[at].flags |= STEERED;
        builder.owners[at].aux = id.0;
    }
    builder.add_ancestors();
    let cuts = builder.mark_cuts();
    let soa = builder.list(0).find(|r| r.rtype == RecordType::SOA).and_then(|r| Soa::compile(apex, r.ttl, r.rdata));
    let (arena, slots, offsets) = builder.write();
    let mut zone = Zone {
        apex: apex.clone(),
        apex_len: apex.wire().len(),
        apex_labels: apex.label_count(),
        apex_flags: builder.owners[0].flags,
        apex_hash,
        arena,
        slots,
        cuts: Box::default(),
        soa,
        lost: 0,
        closed: None,
    };
    zone.cuts = cuts.iter().map(|owner| cut(&zone, offsets[*owner])).collect();
    zone
}

/// The hash a query for this name has.
pub(super) fn hash_of(wire: &[u8]) -> u64 {
    let mut qname = Qname::default();
    qname.set(wire).expect("owners are names in wire form");
    qname.suffix_hash(0)
}

impl<'a> Builder<'a> {
    fn new(apex: &'a Name, text: &'a ZoneText) -> Self {
        let room = text.len() / 2 + 16;
        let next = vec![NONE; text.len()];
        Self { apex, text, next, owners: Vec::new(), slots: Slots::with_room(room), room }
    }

    /// The index of a name, added if it is new.
    fn owner(&mut self, wire: &'a [u8], hash: u64) -> usize {
        if let Some(found) = self.find(wire, hash) {
            return found;
        }
        if self.owners.len() == self.room {
            self.room *= 2;
            self.slots = Slots::with_room(self.room);
            for (index, owner) in (1u32..).zip(&self.owners) {
                self.slots.insert(owner.hash, index);
            }
        }
        self.owners.push(Owner { wire, hash, first: NONE, last: NONE, flags: 0, aux: 0, cut: NONE });
        self.slots.insert(hash, u32::try_from(self.owners.len()).expect("names are fewer than octets"));
        self.owners.len() - 1
    }

    /// The index of a name.
    fn find(&self, wire: &[u8], hash: u64) -> Option<usize> {
        self.slots.find(hash, |index| Some(index as usize - 1).filter(|index| self.owners[*index].wire == wire))
    }

    /// Sorts the records by owner.
    fn gather(&mut self) {
        let mut before: Option<(&[u8], usize)> = None;
        for (at, record) in (0u32..).zip(self.text.records()) {
            let wire = record.owner;
            let owner = match before {
                Some((same, owner)) if same == wire => owner,
                _ if !wire_is_within(wire, self.apex.wire()) => continue,
                _ => self.owner(wire, hash_of(wire)),
            };
            before = Some((wire, owner));
            let last = std::mem::replace(&mut self.owners[owner].last, at);
            if last == NONE {
                self.owners[owner].first = at;
            } else {
                self.next[last as usize] = at;
            }
        }
    }

    /// Adds every name between an owner and the apex, and notes where wildcards hang.
    fn add_ancestors(&mut self) {
        let mut qname = Qname::default();
        let apex_labels = self.apex.label_count();
        for index in 0..self.owners.len() {
            let wire = self.owners[index].wire;
            qname.set(wire).expect("owners are names in wire form");
            for skip in 1..=qname.label_count().saturating_sub(apex_labels) {
                let parent = &wire[qname.start(skip)..];
                let hash = qname.suffix_hash(skip);
                let known = self.find(parent, hash);
                let parent = known.unwrap_or_else(|| self.owner(parent, hash));
                if skip == 1 && wire.starts_with(b"\x01*") {
                    self.owners[parent].flags |= WILDCARD_CHILD;
                }
                // A known name sees to its own ancestors: an owner in this loop, or it has been added with them.
                if known.is_some() {
                    break;
                }
            }
            // `*.*.x` may exist only through names below it; its parent must know of it all the same.
            for skip in 1..qname.label_count().saturating_sub(apex_labels) {
                if wire[qname.start(skip)..].starts_with(b"\x01*")
                    && let Some(parent) = self.find(&wire[qname.start(skip + 1)..], qname.suffix_hash(skip + 1))
                {
                    self.owners[parent].flags |= WILDCARD_CHILD;
                }
            }
        }
    }

    /// Marks delegations, redirections and what lies below them; returns their owners.
    fn mark_cuts(&mut self) -> Vec<usize> {
        let mut cuts = Vec::new();
        for index in 0..self.owners.len() {
            let has = |rtype| self.list(index).any(|record| record.rtype == rtype);
            // A wildcard delegates and redirects nothing (RFC 4592 §4.2, §4.4); the apex has NS records of its own.
            let flag = match self.owners[index].wire {
                wildcard if wildcard.starts_with(b"\x01*") => continue,
                _ if index > 0 && has(RecordType::NS) => CUT,
                _ if has(RecordType::DNAME) => REDIRECT,
                _ => continue,
            };
            let owner = &mut self.owners[index];
            owner.flags |= flag;
            owner.cut = u32::try_from(cuts.len()).expect("cuts are fewer than octets");
            if flag == CUT {
                owner.flags &= !STEERED;
                owner.aux = owner.cut;
            }
            cuts.push(index);
        }
        if !cuts.is_empty() {
            self.mark_below();
        }
        cuts
    }

    /// Marks what lies below a cut.
    fn mark_below(&mut self) {
        let mut qname = Qname::default();
        let apex_labels = self.apex.label_count();
        for index in 1..self.owners.len() {
            let wire = self.owners[index].wire;
            qname.set(wire).expect("owners are names in wire form");
            // The topmost cut counts: what lies below it is found elsewhere.
            let above = (1..=qname.label_count() - apex_labels).rev().find_map(|skip| {
                let above = self.find(&wire[qname.start(skip)..], qname.suffix_hash(skip))?;
                Some(self.owners[above].cut).filter(|cut| *cut != NONE)
            });
            if let Some(cut) = above {
                let owner = &mut self.owners[index];
                owner.flags = (owner.flags | BELOW) & !STEERED;
                owner.aux = cut;
            }
        }
    }

    /// The records of an owner, in the order they stand.
    fn list(&self, owner: usize) -> impl Iterator<Item = RecordRef<'a>> + '_ {
        let mut at = self.owners[owner].first;
        std::iter::from_fn(move || {
            if at == NONE {
                return None;
            }
            let record = self.text.record(at as usize);
            at = self.next[at as usize];
            Some(record)
        })
    }

    /// The name a wildcard stands below.
    fn wildcard_above<'n>(&self, wire: &'n [u8]) -> Option<&'n [u8]> {
        wire.strip_prefix(b"\x01*").filter(|encloser| encloser.len() >= self.apex.wire().len())
    }

    /// Writes all nodes; returns the arena, the table, and the offset of each owner.
    fn write(&self) -> (Vec<u8>, Slots, Vec<u32>) {
        // An estimate: owners and RDATA as they are, and what each record adds.
        let mut arena = Vec::with_capacity(self.text.arena_len() + 12 * self.text.len());
        arena.extend_from_slice(&[0; node::FIRST]);
        let wildcards = self.owners.iter().filter(|owner| self.wildcard_above(owner.wire).is_some()).count();
        let mut slots = Slots::with_room(self.owners.len() + wildcards);
        let mut offsets = Vec::with_capacity(self.owners.len());
        let mut records: Vec<RecordRef<'a>> = Vec::new();
        for (index, owner) in self.owners.iter().enumerate() {
            let offset = u32::try_from(arena.len()).expect("a compiled zone is below 4 GiB");
            offsets.push(offset);
            slots.insert(owner.hash, offset);
            if let Some(encloser) = self.wildcard_above(owner.wire) {
                slots.insert(wildcard_hash(hash_of(encloser)), offset);
            }
            records.clear();
            records.extend(self.list(index));
            // Stable: types in order of number, records in the order they stand.
            records.sort_by_key(|record| record.rtype);
            let rrsets = records.chunk_by(|a, b| a.rtype == b.rtype);
            let name = &owner.wire[..owner.wire.len() - self.apex.wire().len()];
            node::push_head(&mut arena, name, owner.flags, rrsets.clone().count(), owner.aux);
            for rrset in rrsets {
                push_rrset(&mut arena, rrset);
            }
        }
        arena.shrink_to_fit();
        (arena, slots, offsets)
    }
}

/// Writes one Rrset: one TTL, the smallest (RFC 2181 §5.2), and no record twice (§5).
fn push_rrset(arena: &mut Vec<u8>, records: &[RecordRef<'_>]) {
    let Some(first) = records.first() else { return };
    let ttl = records.iter().map(|r| r.ttl).min().unwrap_or(first.ttl);
    if let [only] = records {
        let begun = node::begin_rrset(arena, only.rtype, 1);
        push_record(arena, only.rtype, ttl, only.rdata);
        return node::end_rrset(arena, begun);
    }
    let mut seen = HashSet::with_capacity(records.len());
    let unique: Vec<_> = records.iter().filter(|r| seen.insert(r.rdata)).collect();
    // More records than a count field holds never fit a reply either.
    let count = u16::try_from(unique.len()).unwrap_or(u16::MAX);
    let begun = node::begin_rrset(arena, first.rtype, count);
    for record in unique.iter().take(usize::from(count)) {
        push_record(arena, record.rtype, ttl, record.rdata);
    }
    node::end_rrset(arena, begun);
}

/// Gathers the servers of a delegation whose addresses the zone holds.
pub(super) fn cut(zone: &Zone, node: u32) -> Cut {
    let mut glue = Vec::new();
    let mut qname = Qname::default();
    let owner = zone.node_at(node).expect("offsets of nodes come from writing them");
    let servers = owner.rrset(RecordType::NS);
    for target in servers.iter().flat_map(RrsetRef::rdatas) {
        if qname.set(target).is_none() || !wire_is_within(qname.wire(), zone.apex.wire()) {
            continue;
        }
        let has_address = |node: Node<'_>| {
            !node.has(STEERED) && [RecordType::A, RecordType::AAAA].iter().any(|rtype| node.rrset(*rtype).is_some())
        };
        if let Some(at) = zone.offset_of(&qname, 0).filter(|at| zone.node_at(*at).is_some_and(has_address)) {
            let in_domain = wire_is_within(zone.relative(&qname), owner.name);
            let entry = Glue { node: at, in_domain };
            if !glue.contains(&entry) {
                glue.push(entry);
            }
        }
    }
    glue.sort_by_key(|glue| !glue.in_domain);
    Cut { node, glue: glue.into() }
}

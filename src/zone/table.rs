//! A compiled zone: one arena of names and records, one open-addressing table over it.
//!
//! A name costs its labels below the apex, eight octets per Rrset and its records; the table costs
//! eight octets per slot and is at most four fifths full. A hit is one probe and one comparison. What
//! is served never changes: a reload builds a zone anew, an update changes a copy (`patch`).

use super::build;
use super::node::{self, GONE, Node, REDIRECT, RrsetRef};
use super::slots::Slots;
use super::soa::Soa;
use super::{SteerId, ZoneText};
use crate::dns::{Name, Qname, RecordType};

/// The static data of one zone.
#[derive(Debug)]
pub struct Zone {
    /// The top of the zone.
    pub(super) apex: Name,
    /// Octets of the apex, the root label included.
    pub(super) apex_len: usize,
    /// Labels of the apex.
    pub(super) apex_labels: usize,
    /// Flags of the apex's node.
    pub(super) apex_flags: u8,
    /// Hash of the apex.
    pub(super) apex_hash: u64,
    /// Nodes, one behind the other; offset 0 is no node.
    pub(super) arena: Vec<u8>,
    /// Octets of the arena in nodes that are gone.
    pub(super) lost: usize,
    /// Where the nodes stand.
    pub(super) slots: Slots,
    /// Delegations and redirections.
    pub(super) cuts: Box<[Cut]>,
    /// The SOA record; absent only in a zone that `checks` refuses, and in one that is closed.
    pub(super) soa: Option<Soa>,
    /// Why there is nothing to answer from.
    pub(super) closed: Option<Closed>,
}

/// Why a zone of ours has nothing to answer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// No primary has given a copy of it yet.
    NotLoaded,
    /// The copy is older than its primaries want copies to be (RFC 1035 §3.3.13, EXPIRE).
    Expired,
}

/// Where another name or server takes over: the node that owns the NS or DNAME records, and where the
/// addresses of the servers are.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    /// Offset of the owner's node.
    pub(super) node: u32,
    /// Servers whose addresses this zone holds, those below the cut first.
    pub(super) glue: Box<[Glue]>,
}

/// A server of a delegation whose addresses this zone holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Glue {
    /// Offset of the server's node.
    pub(super) node: u32,
    /// Whether the server's name lies at or below the cut: without its address the delegation cannot
    /// be followed (RFC 9471 §3.1).
    pub(super) in_domain: bool,
}

/// What a first probe for a name found.
#[derive(Debug, Clone, Copy)]
pub enum Probe {
    /// The name exists: the offset of its node.
    Node(u32),
    /// It does not.
    Absent,
    /// Another name has a hash like it: one has to look further.
    Unsure,
}

/// Two zones are equal when they answer alike: everything else follows from the nodes.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.apex == other.apex && self.arena == other.arena && self.closed == other.closed
    }
}

impl Zone {
    /// Compiles a zone. Records outside the apex are left out; the checks have refused them by then.
    #[must_use]
    pub fn build(apex: &Name, text: &ZoneText, steered: &[(Name, SteerId)]) -> Self {
        build::build(apex, text, steered)
    }

    /// A zone that is ours and has nothing to answer from.
    #[must_use]
    pub fn closed(apex: &Name, why: Closed) -> Self {
        let mut zone = Self::build(apex, &ZoneText::default(), &[]);
        zone.closed = Some(why);
        // Missing names of it are not denied in passing.
        zone.apex_flags |= REDIRECT;
        zone
    }

    /// Why there is nothing to answer from, if so.
    #[must_use]
    pub fn why_closed(&self) -> Option<Closed> {
        self.closed
    }

    /// The top of the zone.
    #[must_use]
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// The SOA record, for negative answers and for the apex.
    #[must_use]
    #[inline]
    pub fn soa(&self) -> Option<&Soa> {
        self.soa.as_ref()
    }

    /// Every Rrset with its owner, the apex first.
    ///
    /// # Panics
    /// Never: the arena holds whole nodes.
    pub fn rrsets(&self) -> impl Iterator<Item = (Name, RrsetRef<'_>)> {
        let with_owner = |node: Node<'_>| {
            let owner = [node.name, self.apex.wire()].concat();
            Name::from_wire(&owner).expect("owners enter the arena in wire form")
        };
        self.nodes().flat_map(move |node| {
            let owner = with_owner(node);
            node.rrsets().map(move |rrset| (owner.clone(), rrset))
        })
    }

    /// Every name there is, the apex first: those without data, steered ones and those below a delegation too.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        let mut at = node::FIRST;
        std::iter::from_fn(move || {
            let node = Some(at).filter(|at| *at < self.arena.len()).and_then(|at| Node::read(&self.arena, at))?;
            at = self.arena.len() - node.behind().len();
            Some(node)
        })
        .filter(|node| !node.has(GONE))
    }

    /// The Rrset of this owner and type, wherever in the zone the owner lies: also below a delegation.
    ///
    /// # Panics
    /// Never: names are in wire form.
    #[must_use]
    pub fn rrset_of(&self, owner: &Name, rtype: RecordType) -> Option<RrsetRef<'_>> {
        self.node_of(owner)?.rrset(rtype)
    }

    /// The node of a name, if the name exists.
    ///
    /// # Panics
    /// Never: names are in wire form.
    #[must_use]
    pub fn node_of(&self, owner: &Name) -> Option<Node<'_>> {
        let mut qname = Qname::default();
        qname.set(owner.wire()).expect("a name is in wire form");
        self.node(qname.suffix_hash(0), &qname, 0).filter(|_| owner.is_within(&self.apex))
    }

    /// The node that has the name, relative to the apex, of one in another version of the zone.
    #[must_use]
    pub fn namesake(&self, node: &Node<'_>) -> Option<Node<'_>> {
        let mut qname = Qname::default();
        qname.set(&[node.name, self.apex.wire()].concat())?;
        self.node(qname.suffix_hash(0), &qname, 0)
    }

    /// Octets of memory the compiled data takes, the table included.
    #[must_use]
    pub fn memory_octets(&self) -> usize {
        self.arena.len() + self.slots.memory_octets() + self.cuts.iter().map(|c| 16 + c.glue.len() * 8).sum::<usize>()
    }

    /// Whether the name exists, as far as one probe tells, and its node if so.
    #[inline(always)] // on the way of every query
    pub(super) fn probe(&self, hash: u64, qname: &Qname) -> (Probe, Option<Node<'_>>) {
        let Some((offset, _)) = self.slots.first(hash) else { return (Probe::Absent, None) };
        let node = self.node_if(offset, qname, 0);
        (if node.is_some() { Probe::Node(offset) } else { Probe::Unsure }, node)
    }

    /// The node of the name without its first labels, of which the one kept first begins at `at`.
    pub(super) fn node(&self, hash: u64, qname: &Qname, at: usize) -> Option<Node<'_>> {
        let (offset, _) = self.slots.first(hash)?;
        let node = self.node_if(offset, qname, at);
        if node.is_some() { node } else { self.node_further(hash, qname, at) }
    }

    /// [`Zone::node`] where more than one name may have the hash.
    #[cold]
    fn node_further(&self, hash: u64, qname: &Qname, at: usize) -> Option<Node<'_>> {
        self.slots.find(hash, |offset| self.node_if(offset, qname, at))
    }

    /// The node at an offset, if it is that of the name from `at` on.
    #[inline(always)]
    fn node_if(&self, offset: u32, qname: &Qname, at: usize) -> Option<Node<'_>> {
        let len = (qname.wire_len() - at).checked_sub(self.apex_len)?;
        let node = Node::read_sized(&self.arena, offset as usize, len)?;
        if qname.has_at(at, node.name) { Some(node) } else { None }
    }

    /// Where the node of the name without its first labels stands.
    pub(super) fn offset_of(&self, qname: &Qname, skip: usize) -> Option<u32> {
        let name = self.relative(qname).get(qname.start(skip)..)?;
        self.slots.find(qname.suffix_hash(skip), |at| self.node_at(at).filter(|node| node.name == name).map(|_| at))
    }

    /// The node of `*.<encloser>`.
    pub(super) fn wildcard_node(&self, hash: u64, encloser: &[u8]) -> Option<Node<'_>> {
        let matches = |node: &Node<'_>| node.name.strip_prefix(b"\x01*").is_some_and(|rest| rest == encloser);
        self.slots.find(hash, |at| self.node_at(at).filter(matches))
    }

    /// The node at an offset.
    #[inline]
    pub(super) fn node_at(&self, at: u32) -> Option<Node<'_>> {
        Node::read(&self.arena, at as usize)
    }

    /// The part of a name within this zone that stands before the apex.
    pub(super) fn relative<'q>(&self, qname: &'q Qname) -> &'q [u8] {
        let wire = qname.wire();
        wire.get(..wire.len().saturating_sub(self.apex_len)).unwrap_or(&[])
    }
}

//! Lookups: which of the cases of RFC 1034 §4.3.2 a name and type fall into.
//!
//! An existing name is found with one probe. For a missing one the closest encloser is found by
//! bisection, since every ancestor of a name that exists does exist; its flags say whether it lies
//! below a delegation and whether it has a wildcard (RFC 4592).

use super::SteerId;
use super::node::{BELOW, CUT, FIRST, Node, REDIRECT, RrsetRef, STEERED, WILDCARD_CHILD};
use super::table::{Cut, Probe, Zone};
use crate::dns::qname::wildcard_hash;
use crate::dns::{Qname, RecordType};

/// What a zone has for a name and type.
#[derive(Debug, Clone, Copy)]
pub enum Found<'z> {
    /// Records of the type.
    Hit(RrsetRef<'z>),
    /// The name is an alias; the one record of it.
    Cname(RrsetRef<'z>),
    /// The type is ANY, the name has data: all of it, to choose from (RFC 8482).
    Any(Node<'z>),
    /// The name exists without records of the type.
    NoData,
    /// The name does not exist, and no wildcard covers it.
    NxDomain,
    /// The name lies at or below a delegation.
    Referral(Referral<'z>),
    /// The name lies below a redirection (RFC 6672).
    Redirect(Redirect<'z>),
    /// A switch decides; the static data of the name stand beside it.
    Steered(SteerId, Node<'z>),
}

/// A delegation: the servers of the child zone and where they are.
#[derive(Debug, Clone, Copy)]
pub struct Referral<'z> {
    zone: &'z Zone,
    cut: &'z Cut,
}

/// A redirection of all names below one.
#[derive(Debug, Clone, Copy)]
pub struct Redirect<'z> {
    /// The owner relative to the apex, without root label.
    pub name: &'z [u8],
    /// The one DNAME record.
    pub dname: RrsetRef<'z>,
}

/// The address of a server of a delegation.
#[derive(Debug, Clone, Copy)]
pub struct GlueRef<'z> {
    /// The server's name relative to the cut if `in_domain`, else to the apex; without root label.
    pub name: &'z [u8],
    /// Whether the server's name lies at or below the cut (RFC 9471 §2.1).
    pub in_domain: bool,
    /// A or AAAA records.
    pub rrset: RrsetRef<'z>,
}

impl<'z> Referral<'z> {
    /// The node that owns the delegation.
    fn node(&self) -> Option<Node<'z>> {
        self.zone.node_at(self.cut.node)
    }

    /// The name of the cut relative to the apex, without root label.
    #[must_use]
    pub fn name(&self) -> &'z [u8] {
        self.node().map_or(&[], |node| node.name)
    }

    /// The NS records.
    #[must_use]
    pub fn ns(&self) -> Option<RrsetRef<'z>> {
        self.node()?.rrset(RecordType::NS)
    }

    /// The DS records, if the child is signed.
    #[must_use]
    pub fn ds(&self) -> Option<RrsetRef<'z>> {
        self.node()?.rrset(RecordType::DS)
    }

    /// Addresses of the servers that this zone knows, those below the cut first.
    pub fn glue(&self) -> impl Iterator<Item = GlueRef<'z>> + use<'z> {
        let (zone, cut_len) = (self.zone, self.name().len());
        self.cut.glue.iter().filter_map(move |glue| Some((glue.in_domain, zone.node_at(glue.node)?))).flat_map(
            move |(in_domain, node)| {
                let kept = if in_domain { node.name.len().saturating_sub(cut_len) } else { node.name.len() };
                let name = node.name.get(..kept).unwrap_or(&[]);
                let addresses = node.rrsets().filter(|rrset| matches!(rrset.rtype, RecordType::A | RecordType::AAAA));
                addresses.map(move |rrset| GlueRef { name, in_domain, rrset })
            },
        )
    }
}

impl Zone {
    /// Looks up a name that lies within this zone; `hash` is that of the whole name.
    #[must_use]
    pub fn lookup(&self, qname: &Qname, hash: u64, qtype: RecordType) -> Found<'_> {
        self.judge(qname, hash, self.find(qname, hash).0, qtype)
    }

    /// The first half of [`Zone::lookup`]. [`Node::hit`] of the node is most often all that is wanted;
    /// otherwise [`Zone::judge`] says what the matter is.
    #[must_use]
    #[inline(always)] // on the way of every query
    pub fn find(&self, qname: &Qname, hash: u64) -> (Probe, Option<Node<'_>>) {
        self.probe(hash, qname)
    }

    /// The second half of [`Zone::lookup`]: which case a name falls into.
    #[must_use]
    pub fn judge(&self, qname: &Qname, hash: u64, probe: Probe, qtype: RecordType) -> Found<'_> {
        let node = match probe {
            Probe::Node(offset) => self.node_at(offset),
            Probe::Absent => None,
            Probe::Unsure => self.node(hash, qname, 0),
        };
        match node {
            Some(node) if node.is_plain() => select(&node, qtype),
            Some(node) => self.lookup_special(&node, qtype),
            None => self.lookup_absent(qname, qtype),
        }
    }

    /// Whether it is plain that a missing name is denied: it would stand right below the apex, where
    /// neither a wildcard nor a redirection covers it. Others take [`Zone::judge`].
    #[must_use]
    #[inline(always)] // on the way of every query
    pub fn denies_below_apex(&self, qname: &Qname) -> bool {
        qname.label_count() == self.apex_labels + 1 && self.apex_flags & (WILDCARD_CHILD | REDIRECT) == 0
    }

    /// A name that exists and is more than plain data.
    #[inline(never)]
    fn lookup_special<'z>(&'z self, node: &Node<'z>, qtype: RecordType) -> Found<'z> {
        if node.has(BELOW) {
            return self.elsewhere(node);
        }
        if node.has(CUT) {
            // The DS records of a delegation belong to the parent (RFC 4035 §3.1.4.1).
            return if qtype == RecordType::DS { select(node, qtype) } else { self.elsewhere(node) };
        }
        Found::Steered(SteerId(node.aux), *node)
    }

    /// The delegation a node lies at or below, or the redirection it lies below.
    fn elsewhere<'z>(&'z self, node: &Node<'z>) -> Found<'z> {
        let Some(cut) = self.cuts.get(node.aux as usize) else { return Found::NxDomain };
        match self.node_at(cut.node) {
            Some(owner) if !owner.has(CUT) => redirect(&owner),
            _ => Found::Referral(Referral { zone: self, cut }),
        }
    }

    /// A name that does not exist: a delegation above it, a wildcard beside it, or nothing.
    #[inline(never)]
    fn lookup_absent(&self, qname: &Qname, qtype: RecordType) -> Found<'_> {
        let Some((encloser, encloser_hash)) = self.closest_encloser(qname) else { return Found::NxDomain };
        if encloser.flags & (CUT | BELOW) != 0 {
            return self.elsewhere(&encloser);
        }
        if encloser.has(REDIRECT) {
            return redirect(&encloser);
        }
        if !encloser.has(WILDCARD_CHILD) {
            return Found::NxDomain;
        }
        match self.wildcard_node(wildcard_hash(encloser_hash), encloser.name) {
            Some(node) if node.has(STEERED) => Found::Steered(SteerId(node.aux), node),
            Some(node) => select(&node, qtype),
            None => Found::NxDomain,
        }
    }

    /// The longest existing ancestor (RFC 4592 §3.3.1) of a missing name, with its hash.
    pub(super) fn closest_encloser(&self, qname: &Qname) -> Option<(Node<'_>, u64)> {
        // Missing at `low`, existing at `high`: the apex always does.
        let (mut low, mut high) = (0, qname.label_count().checked_sub(self.apex_labels)?);
        let mut best = (Node::read(&self.arena, FIRST)?, self.apex_hash);
        // Nearly always it is the parent.
        let mut middle = 1;
        while high - low > 1 {
            let hash = qname.suffix_hash(middle);
            match self.node(hash, qname, qname.start(middle)) {
                Some(found) => (best, high) = ((found, hash), middle),
                None => low = middle,
            }
            middle = low.midpoint(high);
        }
        Some(best)
    }
}

/// A name below a node with a DNAME record.
fn redirect<'z>(owner: &Node<'z>) -> Found<'z> {
    match owner.rrset(RecordType::DNAME) {
        Some(dname) => Found::Redirect(Redirect { name: owner.name, dname }),
        None => Found::NxDomain,
    }
}

/// What a plain node has for a type.
fn select<'z>(node: &Node<'z>, qtype: RecordType) -> Found<'z> {
    let mut alias = None;
    for rrset in node.rrsets() {
        if rrset.rtype == qtype {
            return Found::Hit(rrset);
        }
        if rrset.rtype == RecordType::CNAME {
            alias = Some(rrset);
        }
    }
    match alias {
        // RFC 8482 §4.1: an alias is answered as such to ANY too.
        Some(alias) => Found::Cname(alias),
        None if qtype == RecordType::ANY && !node.is_empty() => Found::Any(*node),
        None => Found::NoData,
    }
}

impl<'z> Node<'z> {
    /// The records of a type, where nothing but plain data stands here.
    #[must_use]
    #[inline(always)]
    pub fn hit(&self, qtype: RecordType) -> Option<RrsetRef<'z>> {
        if self.is_plain() { self.rrset(qtype) } else { None }
    }

    /// Whether neither a switch nor another server decides here.
    #[inline]
    fn is_plain(&self) -> bool {
        self.flags & (STEERED | CUT | BELOW) == 0
    }

    /// The switch that decides here.
    #[must_use]
    #[inline]
    pub fn steered(&self) -> Option<SteerId> {
        (self.flags & (STEERED | CUT | BELOW) == STEERED).then_some(SteerId(self.aux))
    }

    /// What the static data of a steered name have for a type.
    #[must_use]
    pub fn select(&self, qtype: RecordType) -> Found<'z> {
        select(self, qtype)
    }
}

//! The lookup of RFC 1034 §4.3.2 and RFC 4592 over a plain list, as slow and as simple as it can be.

use super::*;
use std::collections::BTreeSet;

/// A zone as a list.
pub(super) struct Reference<'a> {
    pub(super) apex: &'a Name,
    pub(super) records: &'a [(Name, RecordType, Vec<u8>)],
    pub(super) steered: &'a [(Name, SteerId)],
}

/// What a lookup finds, in a form both sides can be brought to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Hit(RecordType, BTreeSet<Vec<u8>>),
    Cname(BTreeSet<Vec<u8>>),
    Any,
    NoData,
    NxDomain,
    /// The cut, its servers, and the addresses: server, whether below the cut, type.
    Referral(Name, BTreeSet<Vec<u8>>, BTreeSet<(Name, bool, RecordType)>),
    Steered(SteerId),
    /// The owner of the DNAME record.
    Redirect(Name, BTreeSet<Vec<u8>>),
}

impl Reference<'_> {
    pub(super) fn lookup(&self, qname: &Name, qtype: RecordType) -> Plain {
        if let Some(cut) = self.cut_of(qname) {
            if self.rdatas(&cut, RecordType::NS).is_empty() || cut == *self.apex {
                let target = self.rdatas(&cut, RecordType::DNAME);
                return Plain::Redirect(cut, target);
            }
            let is_parents = cut == *qname && qtype == RecordType::DS;
            return if is_parents { self.data(&cut, qtype) } else { self.referral(&cut) };
        }
        if self.exists(qname) {
            return self.data(qname, qtype);
        }
        let encloser = std::iter::successors(qname.parent(), Name::parent).find(|name| self.exists(name)).unwrap();
        match encloser.child(b"*") {
            Ok(wildcard) if self.exists(&wildcard) => self.data(&wildcard, qtype),
            _ => Plain::NxDomain,
        }
    }

    /// The topmost delegation at or above a name, or redirection above it.
    fn cut_of(&self, name: &Name) -> Option<Name> {
        let ancestors = std::iter::successors(Some(name.clone()), Name::parent).take_while(|n| n.is_within(self.apex));
        let mut ancestors: Vec<Name> = ancestors.filter(|name| !name.is_wildcard()).collect();
        ancestors.reverse();
        ancestors.into_iter().find(|above| {
            let delegates = above != self.apex && !self.rdatas(above, RecordType::NS).is_empty();
            delegates || above != name && !self.rdatas(above, RecordType::DNAME).is_empty()
        })
    }

    /// The apex, every owner, and every name between.
    fn exists(&self, name: &Name) -> bool {
        let owners = self.records.iter().map(|record| &record.0).chain(self.steered.iter().map(|steered| &steered.0));
        name == self.apex || owners.filter(|owner| owner.is_within(self.apex)).any(|owner| owner.is_within(name))
    }

    fn rdatas(&self, owner: &Name, rtype: RecordType) -> BTreeSet<Vec<u8>> {
        self.records
            .iter()
            .filter(|record| record.0 == *owner && record.1 == rtype)
            .map(|record| record.2.clone())
            .collect()
    }

    fn data(&self, owner: &Name, qtype: RecordType) -> Plain {
        if let Some((_, id)) = self.steered.iter().rev().find(|(name, _)| name == owner)
            && self.cut_of(owner).is_none()
        {
            return Plain::Steered(*id);
        }
        let (wanted, alias) = (self.rdatas(owner, qtype), self.rdatas(owner, RecordType::CNAME));
        if !wanted.is_empty() {
            Plain::Hit(qtype, wanted)
        } else if !alias.is_empty() {
            Plain::Cname(alias)
        } else if qtype == RecordType::ANY && self.records.iter().any(|record| record.0 == *owner) {
            Plain::Any
        } else {
            Plain::NoData
        }
    }

    fn referral(&self, cut: &Name) -> Plain {
        let servers = self.rdatas(cut, RecordType::NS);
        let mut glue = BTreeSet::new();
        for server in &servers {
            let server = Name::from_wire(server).unwrap();
            for rtype in [RecordType::A, RecordType::AAAA] {
                // Steered addresses never appear beside an answer; below a cut nothing is steered.
                let hidden = self.steered.iter().any(|(name, _)| *name == server) && self.cut_of(&server).is_none();
                if !hidden && server.is_within(self.apex) && !self.rdatas(&server, rtype).is_empty() {
                    glue.insert((server.clone(), server.is_within(cut), rtype));
                }
            }
        }
        Plain::Referral(cut.clone(), servers, glue)
    }
}

/// The compiled answer in plain form.
pub(super) fn plain(zone: &Zone, found: &Found<'_>) -> Plain {
    let set = |rrset: &RrsetRef<'_>| {
        let rdatas: Vec<Vec<u8>> = rrset.rdatas().map(<[u8]>::to_vec).collect();
        assert_eq!(usize::from(rrset.count), rdatas.len());
        rdatas.into_iter().collect::<BTreeSet<_>>()
    };
    let below = |relative: &[u8], top: &Name| Name::from_wire(&[relative, top.wire()].concat()).unwrap();
    match found {
        Found::Hit(rrset) => Plain::Hit(rrset.rtype, set(rrset)),
        Found::Cname(rrset) => Plain::Cname(set(rrset)),
        Found::Any(_) => Plain::Any,
        Found::NoData => Plain::NoData,
        Found::NxDomain => Plain::NxDomain,
        Found::Steered(id, _) => Plain::Steered(*id),
        Found::Redirect(redirect) => Plain::Redirect(below(redirect.name, zone.apex()), set(&redirect.dname)),
        Found::Referral(referral) => {
            let cut = below(referral.name(), zone.apex());
            let glue = referral
                .glue()
                .map(|g| (below(g.name, if g.in_domain { &cut } else { zone.apex() }), g.in_domain, g.rrset.rtype));
            Plain::Referral(cut.clone(), set(&referral.ns().unwrap()), glue.collect())
        }
    }
}

//! From a name to the sections of its answer, following aliases within our zones (RFC 1034 §4.3.2).

use super::{Answering, Kind};
use crate::dns::compose::{MAX_POINTER, Section};
use crate::dns::edns::ExtendedError;
use crate::dns::name::MAX_NAME_LEN;
use crate::dns::query::HEADER_LEN;
use crate::dns::{Rcode, RecordType};
use crate::zone::{Closed, Found, Located, Node, Probe, Redirect, RrsetRef};

/// The most aliases one answer carries; a resolver takes it from there.
const MAX_ALIASES: usize = 8;

/// The TTL of the HINFO record that stands for ANY, seconds: it names nothing that could change.
const ANY_TTL_S: u32 = 3600;

/// Octets of a record before its RDATA, when its owner is a pointer.
const RECORD_HEAD: usize = 12;

/// What comes after a name's records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The answer is complete.
    Done,
    /// The name is an alias; its record begins here in the message.
    Follow(usize),
}

/// What is said of a zone that has nothing to answer from.
#[must_use]
pub fn why_closed(why: Closed) -> ExtendedError {
    match why {
        Closed::NotLoaded => ExtendedError::ZoneNotLoaded,
        Closed::Expired => ExtendedError::ZoneExpired,
    }
}

impl<'a> Answering<'a, '_> {
    /// Answers the question from our zones, going on from where it has come to.
    pub(super) fn resolve(&mut self, start: Option<(Located<'a>, Probe)>) {
        let (located, probe) = match start {
            Some((located, probe)) if self.qtype != RecordType::DS => (located, probe),
            _ => {
                let Some(located) = self.locate() else { return self.refuse(Some(ExtendedError::NotAuthoritative)) };
                (located, located.zone.find(self.qname, located.hash).0)
            }
        };
        self.zone = Some(located.index);
        if let Some(why) = located.zone.why_closed() {
            return self.fail(why);
        }
        self.authoritative = true;
        self.kind = Kind::Answer;
        if let Next::Follow(record_at) = self.answer_from(&located, probe) {
            self.follow(record_at, located.hash);
        }
    }

    /// SERVFAIL: the zone is ours, and there is nothing to answer from.
    #[cold]
    fn fail(&mut self, why: Closed) {
        self.rcode = Rcode::SERVFAIL;
        self.error = Some(why_closed(why));
    }

    /// The zone the current name belongs to. The DS records of a zone belong to its parent, where we
    /// serve that too (RFC 4035 §3.1.4.1).
    fn locate(&self) -> Option<Located<'a>> {
        let located = self.snapshot.zones.find(self.qname)?;
        let parent = if self.qtype == RecordType::DS { self.parent_of(&located) } else { None };
        parent.or(Some(located))
    }

    /// The zone above, when the current name is the apex of this one.
    fn parent_of(&self, located: &Located<'a>) -> Option<Located<'a>> {
        let is_apex = self.qname.wire() == located.zone.apex().wire();
        if is_apex { self.snapshot.zones.find_above(self.qname, 1) } else { None }
    }

    /// Whether the current name is the question's own, not the target of an alias.
    #[inline]
    pub(super) fn is_question(&self) -> bool {
        self.qname_at == HEADER_LEN
    }

    /// Goes on with the target of an alias, and with its target, as long as they are ours.
    fn follow(&mut self, mut record_at: usize, first: u64) {
        let mut seen = [first; MAX_ALIASES];
        for step in 1..MAX_ALIASES {
            if !self.enter_alias(record_at) {
                return;
            }
            let Some(located) = self.locate() else { return };
            // A loop: everything it has to say is already in the answer. Nor does a closed zone have more.
            if seen.contains(&located.hash) || located.zone.why_closed().is_some() {
                return;
            }
            if let Some(place) = seen.get_mut(step) {
                *place = located.hash;
            }
            self.zone = Some(located.index);
            match self.answer_from(&located, located.zone.find(self.qname, located.hash).0) {
                Next::Done => return,
                Next::Follow(next) => record_at = next,
            }
        }
    }

    /// Makes the target of the alias at `record_at` the current name; `false` when it cannot be.
    fn enter_alias(&mut self, record_at: usize) -> bool {
        let rdata_at = record_at + RECORD_HEAD;
        self.qname_at = rdata_at;
        rdata_at + MAX_NAME_LEN <= MAX_POINTER && self.reply.read_name(rdata_at, self.qname)
    }

    /// Writes what one zone has for the current name.
    fn answer_from(&mut self, located: &Located<'a>, probe: Probe) -> Next {
        match located.zone.judge(self.qname, located.hash, probe, self.qtype) {
            Found::Hit(rrset) => self.push_answer(located, rrset),
            Found::Steered(id, node) => return self.answer_steered(located, id, &node),
            Found::Cname(alias) => return self.push_alias(alias.wire, alias.count),
            Found::Any(node) => self.answer_any(&node),
            Found::NoData => self.answer_nodata(located, None),
            Found::NxDomain => self.answer_nxdomain(located),
            Found::Redirect(redirect) => return self.push_redirect(located, &redirect),
            Found::Referral(referral) => {
                // RFC 1034 §4.3.2 step 3b. After an alias AA speaks of the alias (RFC 1035 §4.1.1).
                self.authoritative = !self.is_question();
                self.answer_referral(located, &referral);
            }
        }
        Next::Done
    }

    /// An Rrset of the answer.
    pub(super) fn push_answer(&mut self, located: &Located<'_>, rrset: RrsetRef<'_>) {
        if rrset.rtype == RecordType::SOA {
            return self.push_soa(located, Section::Answer, rrset.ttl());
        }
        if !self.push_owned(rrset.wire, rrset.count) {
            self.reply.truncate();
        }
    }

    /// Records owned by the current name. Whether they fitted.
    pub(super) fn push_owned(&mut self, wire: &[u8], count: u16) -> bool {
        if self.is_question() {
            self.reply.push(Section::Answer, wire, count)
        } else {
            self.reply.push_at(Section::Answer, self.qname_at, wire, count)
        }
    }

    /// An alias, to be followed unless it was the thing asked for.
    pub(super) fn push_alias(&mut self, wire: &[u8], count: u16) -> Next {
        let record_at = self.reply.at();
        if !self.push_owned(wire, count) {
            self.reply.truncate();
            return Next::Done;
        }
        if matches!(self.qtype, RecordType::CNAME | RecordType::ANY) { Next::Done } else { Next::Follow(record_at) }
    }

    /// The DNAME record, and the alias it makes of the current name (RFC 6672 §3.1).
    fn push_redirect(&mut self, located: &Located<'a>, redirect: &Redirect<'a>) -> Next {
        let owner_len = located.zone.apex().wire().len() + redirect.name.len();
        let owner_at = self.ancestor_at(owner_len);
        let wire = self.qname.wire();
        let prefix = wire.get(..wire.len().saturating_sub(owner_len)).unwrap_or(&[]);
        let target = redirect.dname.rdatas().next().unwrap_or(&[0]);
        if !self.reply.push_at(Section::Answer, owner_at, redirect.dname.wire, redirect.dname.count) {
            self.reply.truncate();
            return Next::Done;
        }
        if prefix.len() + target.len() > MAX_NAME_LEN {
            self.rcode = Rcode::YXDOMAIN;
            return Next::Done;
        }
        let record_at = self.reply.at();
        let (ttl, rdata) = (redirect.dname.ttl(), [prefix, target]);
        if !self.reply.push_record(Section::Answer, self.qname_at, RecordType::CNAME, ttl, &rdata) {
            self.reply.truncate();
            return Next::Done;
        }
        if matches!(self.qtype, RecordType::CNAME | RecordType::ANY) { Next::Done } else { Next::Follow(record_at) }
    }

    /// ANY of a name with data (RFC 8482 §4.2): HINFO `RFC8482`.
    ///
    /// Not one of the real Rrsets (§4.1): of a steered name that would put some pool's records into
    /// caches under a type nobody counts, and of any other it could be one worth amplifying.
    pub(super) fn answer_any(&mut self, node: &Node<'_>) {
        let fits = match node.rrset(RecordType::HINFO) {
            Some(real) => self.push_owned(real.wire, real.count),
            None => self.reply.push_record(
                Section::Answer,
                self.qname_at,
                RecordType::HINFO,
                ANY_TTL_S,
                &[b"\x07RFC8482\0"],
            ),
        };
        if !fits {
            self.reply.truncate();
        }
    }
}

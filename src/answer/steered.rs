//! Names a switch decides: the steered owner, the pins of its pools, and `_explain`.

use super::resolve::Next;
use super::{Answering, Asker, Chosen, Kind};
use crate::dns::compose::Section;
use crate::dns::edns::ExtendedError;
use crate::dns::{RecordType, Subnet};
use crate::snapshot::{OwnerRole, SteeredOwner};
use crate::steering::{Choice, Client, CompiledPool, CompiledSet, CompiledSwitch, Seen};
use crate::zone::{Found, Located, Node, SteerId};

/// A pool for this answer, and how it came to be this one.
struct Picked<'s> {
    /// `None`: NODATA.
    pool: Option<&'s CompiledPool>,
    pinned: bool,
    by_fallback: bool,
    seen: Option<Seen>,
}

impl<'a> Answering<'a, '_> {
    /// Answers a name that a switch decides; the static data of the name fill in for types no pool has.
    pub(super) fn answer_steered(&mut self, located: &Located<'a>, id: SteerId, node: &Node<'a>) -> Next {
        // Only one pool's promise per answer can be kept account of: the resolver asks for the next one itself.
        if self.choice.is_some() {
            return Next::Done;
        }
        let Some((owner, switch)) = self.snapshot.steered(self.snapshot.zones.steered(located, id)) else {
            self.answer_nodata(located, None);
            return Next::Done;
        };
        let picked = match owner.role {
            OwnerRole::Explain => {
                self.answer_explain(located, owner, switch);
                return Next::Done;
            }
            OwnerRole::Pin(index) => self.pin(switch, usize::from(index)),
            OwnerRole::Owner if switch.carries(self.qtype) => self.choose(owner, switch),
            OwnerRole::Owner => return self.answer_static(located, node, switch),
        };
        self.answer_picked(located, node, switch, &picked)
    }

    /// The pool weights and rules choose for this client.
    fn choose(&mut self, owner: &SteeredOwner, switch: &'a CompiledSwitch) -> Picked<'a> {
        let Client { subnet, label, .. } = self.client(owner);
        let choice = choose(switch, self.asker, subnet, label);
        let seen = switch.seen(&choice, || self.client(owner));
        self.scope = self.scope.max(choice.scope);
        let pool = choice.pool.and_then(|index| switch.pools.get(index));
        Picked { pool, pinned: false, by_fallback: choice.by_fallback, seen }
    }

    /// The pool that was asked for by name, if it is eligible: never another one (§1.4).
    fn pin(&mut self, switch: &'a CompiledSwitch, index: usize) -> Picked<'a> {
        let pool = switch.pools.get(index).filter(|pool| pool.eligible);
        if pool.is_none() {
            self.error = Some(ExtendedError::NotReady);
        }
        Picked { pool, pinned: true, by_fallback: false, seen: None }
    }

    /// The records of a pool: of the type, or its alias, or none.
    fn answer_picked(
        &mut self,
        located: &Located<'a>,
        node: &Node<'a>,
        switch: &'a CompiledSwitch,
        picked: &Picked<'a>,
    ) -> Next {
        let Some((pool, set)) = self.records_of(picked.pool) else {
            self.answer_without_records(located, node, switch, picked);
            return Next::Done;
        };
        let (wire, count) = set.pick(self.asker.draw);
        let next = if set.rtype == RecordType::CNAME {
            self.push_alias(wire, count)
        } else {
            if !self.push_owned(wire, count) {
                self.reply.truncate();
            }
            Next::Done
        };
        if !self.reply.is_truncated() {
            let Picked { pinned, by_fallback, seen, .. } = *picked;
            if by_fallback {
                self.error = Some(ExtendedError::Fallback);
            }
            self.choice = Some(Chosen { slot: pool.slot, promise_s: set.promise_s, pinned, by_fallback, seen });
        }
        next
    }

    /// The set of a pool that answers the type asked for: of that type, or else the alias.
    fn records_of(&self, pool: Option<&'a CompiledPool>) -> Option<(&'a CompiledPool, &'a CompiledSet)> {
        let pool = pool?;
        Some((pool, pool.set(self.qtype).or_else(|| pool.set(RecordType::CNAME))?))
    }

    /// The pool has no such records, or there is no pool.
    fn answer_without_records(
        &mut self,
        located: &Located<'a>,
        node: &Node<'a>,
        switch: &CompiledSwitch,
        picked: &Picked<'a>,
    ) {
        if self.qtype == RecordType::ANY && picked.pool.is_some() {
            return self.answer_any(node);
        }
        self.answer_nodata(located, Some(switch.ttl_s));
    }

    /// Types that no pool has: the same for everybody.
    fn answer_static(&mut self, located: &Located<'a>, node: &Node<'a>, switch: &CompiledSwitch) -> Next {
        match node.select(self.qtype) {
            Found::Hit(rrset) => self.push_answer(located, rrset),
            Found::Cname(alias) => return self.push_alias(alias.wire, alias.count),
            // The name has data, if not always static ones: a pool's.
            _ if self.qtype == RecordType::ANY => self.answer_any(node),
            _ => self.answer_nodata(located, Some(switch.ttl_s)),
        }
        Next::Done
    }

    /// Why this client gets what it gets, as TXT (§6.1): one record per line.
    ///
    /// Networks that may not ask are refused, not told NODATA: an operator sees at once what is wrong.
    fn answer_explain(&mut self, located: &Located<'a>, owner: &SteeredOwner, switch: &CompiledSwitch) {
        if !switch.explain_allowed(self.asker.client) {
            if self.is_question() {
                self.refuse(Some(ExtendedError::Prohibited));
            }
            return;
        }
        if self.qtype != RecordType::TXT {
            return self.answer_nodata(located, Some(switch.ttl_s));
        }
        self.kind = Kind::Answer;
        let explanation = switch.explain(&self.client(owner), self.asker.draw);
        self.scope = self.scope.max(explanation.scope);
        for line in explanation.to_txt() {
            let len = u8::try_from(line.len()).expect("each line is one character-string");
            let rdata: [&[u8]; 2] = [&[len], line.as_bytes()];
            if !self.reply.push_record(Section::Answer, self.qname_at, RecordType::TXT, EXPLAIN_TTL_S, &rdata) {
                return self.reply.truncate();
            }
        }
    }

    /// Who asks, as steering sees it.
    fn client(&self, owner: &SteeredOwner) -> Client<'_> {
        Client {
            address: self.asker.client,
            subnet: self.opt.as_ref().and_then(|opt| opt.subnet.as_ref()).map(|(sent, _)| sent.subnet),
            label: owner.wildcard.then(|| self.qname.first_label()),
        }
    }
}

/// The TTL of an explanation, seconds: the floor of every TTL here (§1.8).
const EXPLAIN_TTL_S: u32 = 5;

/// Chooses for a client; one that sent a subnet is told how far the answer holds.
#[inline(always)] // on the way of every query for a steered name
pub(super) fn choose(switch: &CompiledSwitch, asker: &Asker, subnet: Option<Subnet>, label: Option<&[u8]>) -> Choice {
    if subnet.is_none()
        && let Some(choice) = switch.choose_for_all(asker.draw)
    {
        return choice;
    }
    let Choice { pool, scope, by_fallback } =
        switch.choose(&Client { address: asker.client, subnet, label }, asker.draw);
    Choice { pool, scope, by_fallback }
}

//! Records that answer a question as they stand: static ones of the type asked for, or those of the
//! pool that a switch chooses.
//!
//! Nearly every query ends here. The choice is that of `steered`, the record sets are those of `zone`
//! and `steering`; whatever takes more than one copy is left to [`super::Answering`]. Inlined into its
//! one caller, so that values stay in registers.

use super::steered::choose;
use super::{Asker, Chosen, Kind, Outcome};
use crate::dns::compose::{Reply, Section};
use crate::dns::edns::ReplyOpt;
use crate::dns::query::HEADER_LEN;
use crate::dns::{Qname, Rcode, RecordType, Subnet};
use crate::snapshot::{OwnerRole, Snapshot};
use crate::steering::Client;
use crate::zone::{Located, Node, SteerId};

/// Records that are the whole answer.
pub(super) struct AtHand<'a> {
    /// The records, owned by the question.
    pub(super) wire: &'a [u8],
    /// How many.
    pub(super) count: u16,
    /// Whose they are, if a switch chose.
    pub(super) choice: Option<Chosen>,
    /// ECS scope of the answer.
    pub(super) scope: u8,
    /// Index of the zone.
    pub(super) zone: u32,
}

impl AtHand<'_> {
    /// Writes the answer; `None` when it does not fit.
    #[inline(always)]
    pub(super) fn write(
        &self,
        message: &mut [u8],
        question_end: usize,
        qtype: RecordType,
        limit: usize,
        mut opt: Option<&mut ReplyOpt<'_>>,
    ) -> Option<Outcome> {
        let reserved = match &opt {
            Some(opt) => opt.len(),
            None => 0,
        };
        let mut reply = Reply::new(message, question_end, limit, reserved);
        if !reply.push(Section::Answer, self.wire, self.count) {
            return None;
        }
        if let Some(ReplyOpt { subnet: Some((_, scope)), .. }) = opt.as_deref_mut() {
            *scope = self.scope;
        }
        Some(Outcome {
            len: reply.finish(true, Rcode::NOERROR, opt.as_deref()),
            choice: self.choice,
            kind: Kind::Answer,
            zone: Some(self.zone),
            qtype,
            ..Outcome::SILENCE
        })
    }
}

/// What the node of a question's name has at hand.
#[inline(always)]
pub(super) fn at_hand<'a>(
    snapshot: &'a Snapshot,
    asker: &Asker,
    subnet: Option<Subnet>,
    located: &Located<'a>,
    node: &Node<'a>,
    qtype: RecordType,
) -> Option<AtHand<'a>> {
    // The serial of a SOA record is the snapshot's; the DS records of an apex are its parent's.
    if matches!(qtype, RecordType::SOA | RecordType::DS) {
        return None;
    }
    if let Some(rrset) = node.hit(qtype) {
        return Some(AtHand { wire: rrset.wire, count: rrset.count, choice: None, scope: 0, zone: located.index });
    }
    of_a_pool(snapshot, asker, subnet, located, node.steered()?, qtype)
}

/// The records of the pool that weights and rules choose; `None` when they are not simply that.
#[inline(always)]
fn of_a_pool<'a>(
    snapshot: &'a Snapshot,
    asker: &Asker,
    subnet: Option<Subnet>,
    located: &Located<'a>,
    id: SteerId,
    qtype: RecordType,
) -> Option<AtHand<'a>> {
    let (owner, switch) = snapshot.steered(snapshot.zones.steered(located, id))?;
    if !matches!(owner.role, OwnerRole::Owner) || owner.wildcard || !switch.carries(qtype) {
        return None;
    }
    let choice = choose(switch, asker, subnet, None);
    // That the fallback answers is said beside the records, which takes more than a copy.
    if choice.by_fallback {
        return None;
    }
    let pool = switch.pools.get(choice.pool?)?;
    let set = pool.set(qtype)?;
    if set.rtype == RecordType::CNAME {
        return None;
    }
    let (wire, count) = set.pick(asker.draw);
    let chosen = Chosen {
        slot: pool.slot,
        promise_s: set.promise_s,
        pinned: false,
        by_fallback: false,
        seen: switch.seen(&choice, || Client { address: asker.client, subnet, label: None }),
    };
    Some(AtHand { wire, count, choice: Some(chosen), scope: choice.scope, zone: located.index })
}

/// Denies a name right below the apex of its zone: NXDOMAIN with the SOA (RFC 2308 §3). `None` when
/// that does not fit.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // taken one by one they stay in registers
pub(super) fn deny(
    snapshot: &Snapshot,
    located: &Located<'_>,
    qname: &Qname,
    message: &mut [u8],
    question_end: usize,
    qtype: RecordType,
    limit: usize,
    opt: Option<&ReplyOpt<'_>>,
) -> Option<Outcome> {
    let soa = located.zone.soa()?;
    let serial = *snapshot.serials.at(located.index)?;
    let apex_at = HEADER_LEN + qname.start(1);
    let reserved = match opt {
        Some(opt) => opt.len(),
        None => 0,
    };
    let mut reply = Reply::new(message, question_end, limit, reserved);
    let ttl = soa.negative_ttl();
    if !reply.push_soa(Section::Authority, apex_at, soa.wire(), soa.pointers(), serial, ttl) {
        return None;
    }
    Some(Outcome {
        len: reply.finish(true, Rcode::NXDOMAIN, opt),
        rcode: Rcode::NXDOMAIN.0,
        kind: Kind::NxDomain,
        zone: Some(located.index),
        qtype,
        ..Outcome::SILENCE
    })
}

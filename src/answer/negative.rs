//! The authority section: SOA of negative answers (RFC 2308), NS and glue of referrals (RFC 1034, RFC 9471).

use super::{Answering, Kind};
use crate::dns::Rcode;
use crate::dns::compose::Section;
use crate::zone::{Located, Referral};

impl Answering<'_, '_> {
    /// NODATA: NOERROR with the SOA. `switch_ttl_s` caps the TTL for names a switch decides (§1.8).
    pub(super) fn answer_nodata(&mut self, located: &Located<'_>, switch_ttl_s: Option<u32>) {
        self.kind = Kind::NoData;
        self.push_negative_soa(located, switch_ttl_s);
    }

    /// NXDOMAIN with the SOA. After an alias it speaks of the last name (RFC 6604 §3).
    pub(super) fn answer_nxdomain(&mut self, located: &Located<'_>) {
        self.kind = Kind::NxDomain;
        self.rcode = Rcode::NXDOMAIN;
        self.push_negative_soa(located, None);
    }

    /// The SOA with the TTL of a negative answer (RFC 2308 §3, §5).
    fn push_negative_soa(&mut self, located: &Located<'_>, switch_ttl_s: Option<u32>) {
        let Some(soa) = located.zone.soa() else { return };
        let ttl = soa.negative_ttl().min(switch_ttl_s.unwrap_or(u32::MAX));
        self.push_soa(located, Section::Authority, ttl);
    }

    /// The SOA of a zone the current name lies in, with the serial of the snapshot.
    pub(super) fn push_soa(&mut self, located: &Located<'_>, section: Section, ttl: u32) {
        let Some(soa) = located.zone.soa() else { return };
        let apex_at = self.ancestor_at(located.zone.apex().wire().len());
        let serial = self.snapshot.serials.at(located.index).copied().unwrap_or_else(|| soa.file_serial());
        if !self.reply.push_soa(section, apex_at, soa.wire(), soa.pointers(), serial, ttl) {
            self.reply.truncate();
        }
    }

    /// A referral: the servers of the child zone, and their addresses.
    ///
    /// The addresses of servers below the cut have to be there, or TC is set (RFC 9471 §3.1); others
    /// are given while there is room.
    pub(super) fn answer_referral(&mut self, located: &Located<'_>, referral: &Referral<'_>) {
        self.kind = Kind::Referral;
        let apex_len = located.zone.apex().wire().len();
        let apex_at = self.ancestor_at(apex_len);
        let cut_at = self.ancestor_at(apex_len + referral.name().len());
        let Some(ns) = referral.ns() else { return };
        if !self.reply.push_at(Section::Authority, cut_at, ns.wire, ns.count) {
            return self.reply.truncate();
        }
        if let Some(ds) = referral.ds()
            && !self.reply.push_at(Section::Authority, cut_at, ds.wire, ds.count)
        {
            return self.reply.truncate();
        }
        for glue in referral.glue() {
            let suffix_at = if glue.in_domain { cut_at } else { apex_at };
            let fits =
                self.reply.push_named(Section::Additional, glue.name, suffix_at, glue.rrset.wire, glue.rrset.count);
            if !fits && glue.in_domain {
                self.reply.truncate();
            }
            if !fits {
                return;
            }
        }
    }

    /// Where the ancestor of this wire length stands within the current name.
    #[inline]
    pub(super) fn ancestor_at(&self, ancestor_len: usize) -> usize {
        self.qname_at + self.qname.wire_len().saturating_sub(ancestor_len)
    }
}

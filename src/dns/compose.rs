//! Replies, section by section, written behind the question.
//!
//! The reply grows in the query's own buffer: header and question stay where they are, so the
//! question keeps its case and every owner can point at it. An Rrset goes in whole or not at all
//! (RFC 2181 §9, RFC 6891 §7). Nothing is allocated.

// Lengths and offsets come from packets here: no octet is reached for without asking whether it is there.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::edns::ReplyOpt;
use super::query::HEADER_LEN;
use super::{Qname, Rcode, RecordType};

/// The largest offset a compression pointer can name (RFC 1035 §4.1.4).
pub const MAX_POINTER: usize = 0x3fff;

/// Octets of a record before its RDATA, when the owner is a pointer.
const RECORD_HEAD: usize = 12;

/// The sections behind the question, in wire order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What was asked for.
    Answer = 0,
    /// SOA of a negative answer, NS of a referral.
    Authority = 1,
    /// Glue. OPT is counted separately.
    Additional = 2,
}

/// A place in a reply to go back to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    at: usize,
    counts: [u16; 3],
}

/// A reply while it is written.
#[derive(Debug)]
pub struct Reply<'m> {
    message: &'m mut [u8],
    /// Where the next record goes.
    at: usize,
    /// Where records must end, so that OPT fits.
    records_end: usize,
    /// Where the whole message must end.
    end: usize,
    counts: [u16; 3],
    has_question: bool,
    truncated: bool,
}

impl<'m> Reply<'m> {
    /// Begins behind the question. `limit` bounds the whole message, `reserved` octets of it are kept for OPT.
    #[must_use]
    #[inline(always)]
    pub fn new(message: &'m mut [u8], question_end: usize, limit: usize, reserved: usize) -> Self {
        let end = limit.min(message.len());
        Self {
            message,
            at: question_end,
            records_end: end.saturating_sub(reserved),
            end,
            counts: [0; 3],
            has_question: question_end > HEADER_LEN,
            truncated: false,
        }
    }

    /// Where the next record will stand.
    #[must_use]
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Adds an Rrset as it is compiled, owned by the question. Whether it fitted.
    #[inline(always)] // on the way of every query
    pub fn push(&mut self, section: Section, wire: &[u8], count: u16) -> bool {
        let end = self.at + wire.len();
        if end > self.records_end {
            return false;
        }
        let Some(space) = self.message.get_mut(self.at..end) else { return false };
        copy_records(space, wire);
        self.at = end;
        self.count(section, count);
        true
    }

    /// Adds an Rrset owned by the name that stands at `owner`. Whether it fitted.
    pub fn push_at(&mut self, section: Section, owner: usize, wire: &[u8], count: u16) -> bool {
        let Some(pointer) = pointer(owner) else { return false };
        let mut at = self.at;
        if !self.push(section, wire, count) {
            return false;
        }
        while at < self.at {
            let Some(head) = self.message.get_mut(at..).and_then(|m| m.first_chunk_mut::<RECORD_HEAD>()) else {
                return true;
            };
            let [high, low, .., len_high, len_low] = head;
            [*high, *low] = pointer;
            at += RECORD_HEAD + usize::from(u16::from_be_bytes([*len_high, *len_low]));
        }
        true
    }

    /// Adds an Rrset owned by `labels` (wire form, without root) followed by the name that stands at
    /// `suffix`. Whether it fitted.
    pub fn push_named(&mut self, section: Section, labels: &[u8], suffix: usize, wire: &[u8], count: u16) -> bool {
        if labels.is_empty() {
            return self.push_at(section, suffix, wire, count);
        }
        let Some(pointer) = pointer(suffix) else { return false };
        // The name once, then records that point at it.
        let owner = self.at;
        let Some((_, rest)) = wire.split_at_checked(2) else { return false };
        let first_len = record_len(wire);
        let Some((first, others)) = rest.split_at_checked(first_len.saturating_sub(2)) else { return false };
        let end = owner + labels.len() + pointer.len() + first.len();
        if end + others.len() > self.records_end {
            return false;
        }
        let Some(space) = self.message.get_mut(owner..end) else { return false };
        let Some((name, space)) = space.split_at_mut_checked(labels.len()) else { return false };
        let Some((link, space)) = space.split_at_mut_checked(pointer.len()) else { return false };
        name.copy_from_slice(labels);
        link.copy_from_slice(&pointer);
        space.copy_from_slice(first);
        let mark = self.mark();
        self.at = end;
        self.count(section, 1);
        if others.is_empty() || self.push_at(section, owner, others, count.saturating_sub(1)) {
            return true;
        }
        self.rewind(mark);
        false
    }

    /// Adds a SOA record of the zone whose apex stands at `apex`: pointers, serial and TTL are patched
    /// in the copy. `pointers` are offsets in `wire`. Whether it fitted.
    #[inline(always)] // on the way of every query for what does not exist
    pub fn push_soa(
        &mut self,
        section: Section,
        apex: usize,
        wire: &[u8],
        pointers: &[u16],
        serial: u32,
        ttl: u32,
    ) -> bool {
        let (Some(link), begin) = (pointer(apex), self.at) else { return false };
        if !self.push(section, wire, 1) {
            return false;
        }
        let Some(record) = self.message.get_mut(begin..self.at) else { return false };
        for place in pointers {
            let place = usize::from(*place);
            if let Some([high, low]) = record.get_mut(place..place + 2) {
                [*high, *low] = link;
            }
        }
        if let Some(target) = record.get_mut(6..10) {
            target.copy_from_slice(&ttl.to_be_bytes());
        }
        if let Some([serial_octets @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]) =
            record.last_chunk_mut::<20>()
        {
            *serial_octets = serial.to_be_bytes();
        }
        true
    }

    /// Adds one record owned by the name at `owner`, built from parts. Whether it fitted.
    pub fn push_record(
        &mut self,
        section: Section,
        owner: usize,
        rtype: RecordType,
        ttl: u32,
        rdata: &[&[u8]],
    ) -> bool {
        let len: usize = rdata.iter().map(|part| part.len()).sum();
        let (Some(link), Ok(rdlength)) = (pointer(owner), u16::try_from(len)) else { return false };
        let end = self.at + RECORD_HEAD + len;
        if end > self.records_end {
            return false;
        }
        let Some((head, mut space)) =
            self.message.get_mut(self.at..end).and_then(|space| space.split_first_chunk_mut::<RECORD_HEAD>())
        else {
            return false;
        };
        let ([p0, p1], [t0, t1], [l0, l1, l2, l3], [r0, r1]) =
            (link, rtype.0.to_be_bytes(), ttl.to_be_bytes(), rdlength.to_be_bytes());
        *head = [p0, p1, t0, t1, 0, 1, l0, l1, l2, l3, r0, r1];
        for part in rdata {
            let Some((target, rest)) = space.split_at_mut_checked(part.len()) else { return false };
            target.copy_from_slice(part);
            space = rest;
        }
        self.at = end;
        self.count(section, 1);
        true
    }

    #[inline(always)]
    fn count(&mut self, section: Section, count: u16) {
        let [answer, authority, additional] = &mut self.counts;
        let counter = match section {
            Section::Answer => answer,
            Section::Authority => authority,
            Section::Additional => additional,
        };
        *counter = counter.wrapping_add(count);
    }

    /// Reads a name that has been written without compression into `qname`; whether there is one.
    pub fn read_name(&self, at: usize, qname: &mut Qname) -> bool {
        qname.read_apart(self.message, at, self.at).is_some()
    }

    /// This place, to come back to.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { at: self.at, counts: self.counts }
    }

    /// Forgets what was written since `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        (self.at, self.counts) = (mark.at, mark.counts);
    }

    /// Something that had to be there did not fit: TC will be set (RFC 2181 §9).
    pub fn truncate(&mut self) {
        self.truncated = true;
    }

    /// Whether TC will be set.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// How many records a section has.
    #[must_use]
    #[inline(always)]
    pub fn count_of(&self, section: Section) -> u16 {
        let [answer, authority, additional] = self.counts;
        match section {
            Section::Answer => answer,
            Section::Authority => authority,
            Section::Additional => additional,
        }
    }

    /// Writes OPT and the header; returns the length of the message.
    ///
    /// QR is set, opcode and RD stay; RA, AD, CD (RFC 4035 §3.1.6) and Z are cleared. An extended error
    /// that does not fit is left out.
    #[inline(always)] // on the way of every query, where most of it is constant
    pub fn finish(&mut self, authoritative: bool, rcode: Rcode, opt: Option<&ReplyOpt<'_>>) -> usize {
        if let Some(opt) = opt {
            let used = write_opt(opt, self.at, self.message.get_mut(self.at..self.end).unwrap_or(&mut []));
            self.at += used;
            self.count(Section::Additional, u16::from(used > 0));
        }
        let ([an0, an1], [ns0, ns1], [ar0, ar1]) = (
            self.count_of(Section::Answer).to_be_bytes(),
            self.count_of(Section::Authority).to_be_bytes(),
            self.count_of(Section::Additional).to_be_bytes(),
        );
        let Some([_, _, flags, codes, counts @ ..]) = self.message.first_chunk_mut::<HEADER_LEN>() else { return 0 };
        *flags = (*flags & 0x79) | 0x80 | if authoritative { 4 } else { 0 } | if self.truncated { 2 } else { 0 };
        *codes = rcode.low();
        *counts = [0, u8::from(self.has_question), an0, an1, ns0, ns1, ar0, ar1];
        self.at
    }
}

/// Writes OPT, without its extended error where only that does not fit; returns the octets used.
fn write_opt(opt: &ReplyOpt<'_>, before: usize, space: &mut [u8]) -> usize {
    let used = opt.write(before, space).or_else(|| ReplyOpt { error: None, ..*opt }.write(before, space));
    used.unwrap_or(0)
}

/// Copies records: most are 16 or 28 octets long, a SOA about 50, which is less than a call of
/// `memcpy` costs.
#[inline(always)]
fn copy_records(space: &mut [u8], wire: &[u8]) {
    if let (Some(begin), Some(end)) = (wire.first_chunk::<32>(), wire.last_chunk::<32>())
        && wire.len() <= 64
        && space.len() == wire.len()
    {
        if let Some(place) = space.first_chunk_mut::<32>() {
            *place = *begin;
        }
        if let Some(place) = space.last_chunk_mut::<32>() {
            *place = *end;
        }
        return;
    }
    if let (Some(begin), Some(end)) = (wire.first_chunk::<16>(), wire.last_chunk::<16>())
        && wire.len() < 32
        && space.len() == wire.len()
    {
        if let Some(place) = space.first_chunk_mut::<16>() {
            *place = *begin;
        }
        if let Some(place) = space.last_chunk_mut::<16>() {
            *place = *end;
        }
        return;
    }
    space.copy_from_slice(wire);
}

/// A compression pointer to an offset, if one can name it.
#[inline]
fn pointer(offset: usize) -> Option<[u8; 2]> {
    u16::try_from(offset).ok().filter(|_| offset <= MAX_POINTER).map(|offset| (offset | 0xc000).to_be_bytes())
}

/// Octets of the first record of a compiled Rrset.
fn record_len(wire: &[u8]) -> usize {
    let rdlength = wire.get(10..).and_then(|w| w.first_chunk()).map_or(0, |len| u16::from_be_bytes(*len));
    RECORD_HEAD + usize::from(rdlength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::rrset::push_record;

    const QUESTION: &[u8] = b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\0\x03wWw\x04test\0\0\x01\0\x01";

    fn buffer() -> Vec<u8> {
        let mut message = QUESTION.to_vec();
        message.resize(600, 0xee);
        message
    }

    fn two_addresses() -> Vec<u8> {
        let mut wire = Vec::new();
        push_record(&mut wire, RecordType::A, 30, &[192, 0, 2, 1]);
        push_record(&mut wire, RecordType::A, 30, &[192, 0, 2, 2]);
        wire
    }

    #[test]
    fn the_question_keeps_its_case_and_the_header_only_what_is_echoed() {
        let mut message = buffer();
        message[2] = 0x03; // RD and, wrongly, TC
        message[3] = 0xff;
        let mut reply = Reply::new(&mut message, QUESTION.len(), 512, 11);
        assert!(reply.push(Section::Answer, &two_addresses(), 2));
        let len = reply.finish(true, Rcode::NOERROR, Some(&ReplyOpt::default()));
        assert_eq!(len, QUESTION.len() + 32 + 11);
        assert_eq!(message[..12], [0x12, 0x34, 0x85, 0, 0, 1, 0, 2, 0, 0, 0, 1]);
        assert_eq!(message[12..QUESTION.len()], QUESTION[12..]);
    }

    #[test]
    fn an_rrset_goes_in_whole_or_not_at_all() {
        let mut message = buffer();
        let mut reply = Reply::new(&mut message, QUESTION.len(), QUESTION.len() + 31 + 11, 11);
        assert!(!reply.push(Section::Answer, &two_addresses(), 2));
        assert!(!reply.push_named(Section::Additional, b"\x01a", 16, &two_addresses(), 2));
        reply.truncate();
        let len = reply.finish(true, Rcode::NOERROR, None);
        assert_eq!((len, message[2], &message[6..12]), (QUESTION.len(), 0x87, &[0; 6][..]));
    }

    #[test]
    fn other_owners_are_written_once_and_pointed_at() {
        let mut message = buffer();
        let mut reply = Reply::new(&mut message, QUESTION.len(), 512, 0);
        assert!(reply.push_named(Section::Additional, b"\x03ns1", 16, &two_addresses(), 2));
        let len = reply.finish(false, Rcode::NOERROR, None);
        let records = &message[QUESTION.len()..len];
        assert_eq!(records[..6], *b"\x03ns1\xc0\x10");
        assert_eq!(records[20..22], (0xc000 | 26u16).to_be_bytes());
        assert_eq!(message[10..12], [0, 2]);
    }

    #[test]
    fn a_name_beyond_the_reach_of_pointers_owns_nothing() {
        let mut message = vec![0; 40_000];
        let mut reply = Reply::new(&mut message, 12, 40_000, 0);
        assert!(!reply.push_at(Section::Answer, 0x4000, &two_addresses(), 2));
        assert!(reply.push_at(Section::Answer, 0x3fff, &two_addresses(), 2));
    }
}

//! A pool's record set as wire, with the way its records are picked (§1.3) and what it promises (§4.1).

use super::random::{RunningSums, scale};
use super::{AnswerMode, MAX_ANSWER_MEMBERS, Pool, Sets, Switch};
use crate::dns::rdata::target_name;
use crate::dns::{Name, RecordList, RecordType};

/// Which records of a set an answer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Selection {
    /// All, as they stand.
    Whole,
    /// A contiguous window of the ring of members, beginning anywhere.
    Window,
    /// One member by weight.
    One(RunningSums),
}

/// One record set of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledSet {
    /// Its type.
    pub rtype: RecordType,
    /// The records as wire.
    pub records: RecordList,
    /// How long an answer may keep clients coming, seconds: the TTL, and the target's where it is a name.
    pub promise_s: u32,
    selection: Selection,
}

impl CompiledSet {
    /// The records of one answer: their wire, and how many they are.
    ///
    /// Uses other bits of the draw than the choice of a pool, so that the same draw serves both.
    #[inline(always)] // on the way of every query
    #[must_use]
    pub fn pick(&self, draw: u64) -> (&[u8], u16) {
        let draw = draw.rotate_left(32);
        let count = self.records.count();
        let (wire, len) = match &self.selection {
            Selection::Whole => (self.records.all(), count),
            Selection::Window => {
                let first = scale(draw, u32::try_from(count).unwrap_or(u32::MAX)) as usize;
                let len = count.min(MAX_ANSWER_MEMBERS);
                (self.records.window(first, len), len)
            }
            Selection::One(sums) => (self.records.window(sums.choose(draw), 1), 1),
        };
        (wire, u16::try_from(len).unwrap_or(u16::MAX))
    }
}

/// Compiles what a pool answers: A and AAAA of the members wanted, then its other sets.
pub(super) fn compile(
    definition: &Switch,
    pool: &Pool,
    ttl_s: u32,
    wanted: &dyn Fn(usize) -> bool,
    target_ttl: &dyn Fn(&Name) -> Option<u32>,
) -> Sets {
    let members = || pool.members.iter().enumerate().filter(|(at, _)| wanted(*at)).map(|(_, member)| member);
    let v4 = members().filter_map(|m| Some((Box::from(m.ipv4?.octets()), m.weight))).collect();
    let v6 = members().filter_map(|m| Some((Box::from(m.ipv6?.octets()), m.weight))).collect();
    let addresses = [(RecordType::A, v4), (RecordType::AAAA, v6)];
    let mut sets: Vec<CompiledSet> =
        addresses.into_iter().filter_map(|(rtype, rows)| address_set(rtype, ttl_s, rows, definition.answer)).collect();
    for rrset in &pool.records {
        let targets = rrset.rdatas.iter().filter_map(|rdata| target_name(rrset.rtype, rdata));
        let target_s = targets.map(|name| target_ttl(&name).unwrap_or(definition.target_ttl_s)).max().unwrap_or(0);
        sets.push(CompiledSet {
            rtype: rrset.rtype,
            records: RecordList::compile(rrset.rtype, ttl_s, &rrset.rdatas),
            promise_s: ttl_s.saturating_add(target_s),
            selection: Selection::Whole,
        });
    }
    sets.into()
}

/// A set of member addresses; `None` when no member has one.
fn address_set(rtype: RecordType, ttl_s: u32, rows: Vec<(Box<[u8]>, u16)>, answer: AnswerMode) -> Option<CompiledSet> {
    if rows.is_empty() {
        return None;
    }
    let (rdatas, weights): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let selection = match answer {
        _ if rdatas.len() == 1 => Selection::Whole,
        AnswerMode::All => Selection::Window,
        AnswerMode::One => RunningSums::new(weights).map_or(Selection::Window, Selection::One),
    };
    Some(CompiledSet { rtype, records: RecordList::compile(rtype, ttl_s, &rdatas), promise_s: ttl_s, selection })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(count: u8, answer: AnswerMode, weights: &[u16]) -> CompiledSet {
        let rows = (0..count)
            .map(|n| (Box::from([192, 0, 2, n]), weights.get(usize::from(n)).copied().unwrap_or(1)))
            .collect();
        address_set(RecordType::A, 30, rows, answer).unwrap()
    }

    /// Last octets of the addresses in an answer.
    fn octets(wire: &[u8]) -> Vec<u8> {
        wire.chunks_exact(16).map(|record| record[15]).collect()
    }

    /// A draw whose low half is this fraction of 16.
    fn draw(sixteenth: u64) -> u64 {
        (sixteenth << 60).rotate_right(32)
    }

    #[test]
    fn up_to_eight_members_are_all_answered_rotated() {
        let set = set(4, AnswerMode::All, &[]);
        let (wire, count) = set.pick(draw(5));
        assert_eq!((octets(wire), count), (vec![1, 2, 3, 0], 4));
        assert_eq!(octets(set.pick(draw(0)).0), [0, 1, 2, 3]);
    }

    #[test]
    fn more_members_are_answered_by_windows_of_eight_around_the_ring() {
        let set = set(10, AnswerMode::All, &[]);
        for sixteenth in 0..16 {
            let (wire, count) = set.pick(draw(sixteenth));
            let octets = octets(wire);
            assert_eq!((octets.len(), count), (8, 8));
            assert!(octets.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 10), "{octets:?}");
        }
    }

    #[test]
    fn one_member_is_drawn_by_its_weight() {
        let set = set(3, AnswerMode::One, &[1, 12, 3]);
        let mut hits = [0; 3];
        for sixteenth in 0..16 {
            let (wire, count) = set.pick(draw(sixteenth));
            assert_eq!(count, 1);
            hits[usize::from(octets(wire)[0])] += 1;
        }
        assert_eq!(hits, [1, 12, 3]);
    }
}

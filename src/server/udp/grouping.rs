//! Which replies of a batch leave together as one message (UDP GSO).
//!
//! Replies to one address and port, from one local address, of one size leave as one send whose
//! segments the kernel cuts apart; the last of a group may be shorter, which is what the kernel asks
//! for. [`arrange`] makes them neighbours first: a forwarder with several sockets has its queries
//! mixed, and the order of datagrams means nothing. Nothing here touches a socket.

use std::net::IpAddr;

/// Replies in one batch at most.
pub(super) const BATCH: usize = 32;
/// Bytes of one grouped message at most, below the 65,507 of one UDP datagram over IPv4.
const GROUP_BYTES: usize = 65_000;

/// The local address a query came to, which its reply has to leave from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Local {
    /// The address.
    pub(super) address: IpAddr,
    /// The interface, for link-local addresses; 0: routing decides.
    pub(super) interface: u32,
}

/// A client as words that compare quickly, and mean something only to who made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    /// The address; that of an IPv4 client in one of the two.
    pub(super) address: [u64; 2],
    /// Family, scope and port.
    pub(super) rest: u64,
}

/// One reply that waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    /// Its place in the batch.
    pub(super) slot: usize,
    /// Its length, bytes.
    pub(super) len: usize,
    /// Where it goes.
    pub(super) client: Peer,
    /// Where it leaves from: a number the batch gave to the local address, equal for equal ones.
    pub(super) local: usize,
}

/// Neighbouring replies that leave as one message: `first..first + count` of the replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// Index of the first reply.
    pub(super) first: usize,
    /// How many replies.
    pub(super) count: usize,
    /// The size of every segment but perhaps the last, bytes.
    pub(super) segment: usize,
}

/// Places of the table that finds the first reply of a kind; twice the batch keeps it quick.
const PLACES: usize = 2 * BATCH;

/// Moves replies that can leave together next to each other, by way of `spare`; says whether that
/// moved any. Replies alone of their kind, and those of one kind among each other, keep their order.
pub(super) fn bring_together(replies: &mut [Reply], spare: &mut Vec<Reply>) -> bool {
    let mut places = [u8::MAX; PLACES];
    // Per kind: its first reply and how many there are; per reply: its kind.
    let (mut firsts, mut counts, mut kinds) = ([0u8; BATCH], [0u8; BATCH], [0u8; BATCH]);
    let mut known = 0u8;
    let members = replies.iter().zip(&mut kinds).zip(0u8..);
    for ((reply, kind), index) in members {
        let mut place = reply.place();
        *kind = loop {
            let found = places[place];
            if found == u8::MAX {
                places[place] = known;
                firsts[usize::from(known)] = index;
                known += 1;
                break known - 1;
            }
            if replies[usize::from(firsts[usize::from(found)])].goes_with(reply) {
                break found;
            }
            place = (place + 1) % PLACES;
        };
        counts[usize::from(*kind)] += 1;
    }
    if usize::from(known) == replies.len() {
        return false;
    }
    let mut next = 0;
    for count in &mut counts[..usize::from(known)] {
        (*count, next) = (next, next + *count);
    }
    spare.clear();
    spare.extend_from_slice(replies);
    for (reply, kind) in spare.iter().zip(kinds) {
        let position = &mut counts[usize::from(kind)];
        replies[usize::from(*position)] = *reply;
        *position += 1;
    }
    true
}

impl Reply {
    /// Whether the two can be segments of one message, by where they go and leave from.
    #[inline]
    fn shares_way(&self, other: &Self) -> bool {
        self.client == other.client && self.local == other.local
    }

    /// Whether the two are of one kind: segments of one message, neither the last.
    #[inline]
    fn goes_with(&self, other: &Self) -> bool {
        self.len == other.len && self.shares_way(other)
    }

    /// Where the search for its kind begins.
    #[inline]
    fn place(&self) -> usize {
        let Peer { address: [high, low], rest } = self.client;
        let mixed = (high ^ low ^ rest.rotate_left(32) ^ ((self.len as u64) << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::from(mixed.to_be_bytes()[0]) % PLACES
    }
}

const _: () = assert!(BATCH < u8::MAX as usize && PLACES <= 256);

/// Puts `replies` in the order they leave in and cuts them into groups. Replies longer than
/// `max_segment` stay alone; 0 turns grouping off.
pub(super) fn arrange(replies: &mut [Reply], max_segment: usize, spare: &mut Vec<Reply>, groups: &mut Vec<Group>) {
    group(replies, max_segment, groups);
    // Most often all go to one client, or the one before has been asked for already.
    if groups.len() > 1 && max_segment > 0 && bring_together(replies, spare) {
        group(replies, max_segment, groups);
    }
}

/// Cuts `replies` into groups of neighbours.
fn group(replies: &[Reply], max_segment: usize, groups: &mut Vec<Group>) {
    groups.clear();
    let mut first = 0;
    while let Some((head, rest)) = replies.get(first..).and_then(<[Reply]>::split_first) {
        let (mut count, mut bytes) = (1, head.len);
        if head.len <= max_segment {
            for reply in rest {
                bytes += reply.len;
                if reply.len > head.len || bytes > GROUP_BYTES || !reply.shares_way(head) {
                    break;
                }
                count += 1;
                if reply.len < head.len {
                    break;
                }
            }
        }
        groups.push(Group { first, count, segment: head.len });
        first += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reply(slot: usize, port: u16, len: usize) -> Reply {
        Reply { slot, len, client: Peer { address: [0, 0x7f00_0001], rest: u64::from(port) }, local: 0 }
    }

    fn sizes(replies: &[Reply], max_segment: usize) -> Vec<usize> {
        let mut groups = Vec::new();
        group(replies, max_segment, &mut groups);
        groups.iter().map(|group| group.count).collect()
    }

    #[test]
    fn neighbours_of_one_size_and_client_leave_together() {
        let replies =
            [reply(0, 1, 55), reply(1, 1, 55), reply(2, 2, 55), reply(3, 2, 55), reply(4, 2, 55), reply(5, 1, 55)];
        assert_eq!(sizes(&replies, 1500), [2, 3, 1]);
        assert_eq!(sizes(&replies, 0), [1; 6]);
        assert_eq!(sizes(&replies, 54), [1; 6]);
    }

    #[test]
    fn a_shorter_reply_ends_its_group_and_a_longer_one_starts_another() {
        assert_eq!(sizes(&[reply(0, 1, 55), reply(1, 1, 40), reply(2, 1, 40), reply(3, 1, 55)], 1500), [2, 1, 1]);
    }

    #[test]
    fn replies_from_different_local_addresses_stay_apart() {
        let replies = [Reply { local: 1, ..reply(0, 1, 55) }, Reply { local: 2, ..reply(1, 1, 55) }];
        assert_eq!(sizes(&replies, 1500), [1, 1]);
    }

    #[test]
    fn mixed_replies_are_brought_together() {
        let mut replies =
            [reply(0, 1, 55), reply(1, 2, 55), reply(2, 1, 55), reply(3, 1, 40), reply(4, 2, 55), reply(5, 1, 55)]
                .to_vec();
        bring_together(&mut replies, &mut Vec::new());
        assert_eq!(replies.iter().map(|reply| reply.slot).collect::<Vec<_>>(), [0, 2, 5, 1, 4, 3]);
        assert_eq!(sizes(&replies, 1500), [3, 2, 1]);
    }

    proptest! {
        #[test]
        fn bringing_together_keeps_every_reply_and_leaves_no_kind_apart(shape in proptest::collection::vec((1u16..6, 40usize..43), 0..=BATCH)) {
            let before: Vec<Reply> = shape.iter().enumerate().map(|(slot, (port, len))| reply(slot, *port, *len)).collect();
            let mut after = before.clone();
            bring_together(&mut after, &mut Vec::new());
            let mut slots: Vec<usize> = after.iter().map(|reply| reply.slot).collect();
            slots.sort_unstable();
            prop_assert_eq!(slots, (0..before.len()).collect::<Vec<_>>());
            let kinds: std::collections::HashSet<_> = before.iter().map(|reply| (reply.client, reply.len)).collect();
            let changes = after.windows(2).filter(|pair| !pair[0].goes_with(&pair[1])).count();
            prop_assert_eq!(changes + usize::from(!after.is_empty()), kinds.len());
            prop_assert!(after.windows(2).all(|pair| !pair[0].goes_with(&pair[1]) || pair[0].slot < pair[1].slot));
        }

        #[test]
        fn groups_cover_every_reply_once_in_order(shape in proptest::collection::vec((1u16..4, 12usize..4096), 0..32), max in 0usize..5000) {
            let replies: Vec<Reply> = shape.iter().enumerate().map(|(slot, (port, len))| reply(slot, *port, *len)).collect();
            let mut groups = Vec::new();
            group(&replies, max, &mut groups);
            let mut next = 0;
            for group in &groups {
                prop_assert_eq!(group.first, next);
                let members = &replies[group.first..group.first + group.count];
                next += group.count;
                prop_assert!(members.iter().all(|member| member.client == members[0].client));
                prop_assert!(members[..members.len() - 1].iter().all(|member| member.len == group.segment));
                prop_assert!(members[members.len() - 1].len <= group.segment);
                prop_assert!(members.iter().map(|member| member.len).sum::<usize>() <= GROUP_BYTES);
            }
            prop_assert_eq!(next, replies.len());
        }
    }
}

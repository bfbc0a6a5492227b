//! A name of a compiled zone, as it lies in the zone's arena.
//!
//! ```text
//! name length (1) | flags (1) | Rrsets (2) | aux (4, if a flag asks for it) | name | Rrset ...
//! Rrset: type (2) | records (2) | octets (4) | records, each owned by C0 0C
//! ```
//! Names are relative to the apex and without the root label, so each is stored once and shortest.
//! Little-endian; written by `build` only, so what is read here is well-formed.

use crate::dns::RecordType;

/// A switch decides the answers here; aux is the `SteerId`.
pub(super) const STEERED: u8 = 1;
/// A delegation begins here (NS below the apex); aux is the index of the cut.
pub(super) const CUT: u8 = 2;
/// Lies below a delegation or a redirection; aux is the index of the cut.
pub(super) const BELOW: u8 = 4;
/// `*.<name>` exists.
pub(super) const WILDCARD_CHILD: u8 = 8;
/// Has a DNAME record: names below are redirected (RFC 6672).
pub(super) const REDIRECT: u8 = 16;
/// Is in the zone no more; another node of the name may be.
pub(super) const GONE: u8 = 32;
/// The flags that bring an aux word.
const WITH_AUX: u8 = STEERED | CUT | BELOW;

/// Offset of the first node: 0 stands for none.
pub(super) const FIRST: usize = 4;

/// Octets before the name when there is no aux word.
const HEAD: usize = 4;
/// Octets before the records of an Rrset.
const RRSET_HEAD: usize = 8;

/// An Rrset ready to be copied behind a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RrsetRef<'z> {
    /// The type.
    pub rtype: RecordType,
    /// How many records.
    pub count: u16,
    /// The records, each owned by a pointer to offset 12 (`C0 0C`).
    pub wire: &'z [u8],
}

impl<'z> RrsetRef<'z> {
    /// Reads the Rrset at the front; the second part is what follows.
    #[inline(always)]
    fn read(arena: &'z [u8]) -> Option<(Self, &'z [u8])> {
        let ([t0, t1, c0, c1, l0, l1, l2, l3], tail) = arena.split_first_chunk::<RRSET_HEAD>()?;
        let (wire, tail) = tail.split_at_checked(u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize)?;
        let (rtype, count) = (RecordType(u16::from_le_bytes([*t0, *t1])), u16::from_le_bytes([*c0, *c1]));
        Some((Self { rtype, count, wire }, tail))
    }

    /// The TTL all its records carry, seconds.
    #[must_use]
    pub fn ttl(&self) -> u32 {
        self.wire.get(6..).and_then(|w| w.first_chunk()).map_or(0, |ttl| u32::from_be_bytes(*ttl))
    }

    /// Each record's RDATA.
    pub fn rdatas(&self) -> impl Iterator<Item = &'z [u8]> + use<'z> {
        let mut rest = self.wire;
        std::iter::from_fn(move || {
            let (head, tail) = rest.split_at_checked(12)?;
            let len = usize::from(u16::from_be_bytes(*head.last_chunk()?));
            let (rdata, tail) = tail.split_at_checked(len)?;
            rest = tail;
            Some(rdata)
        })
    }
}

/// A name that exists in a zone, perhaps without data (an empty non-terminal).
#[derive(Debug, Clone, Copy)]
pub struct Node<'z> {
    /// The name, relative to the apex, without the root label.
    pub(super) name: &'z [u8],
    pub(super) flags: u8,
    count: u16,
    pub(super) aux: u32,
    /// The arena behind the name.
    rest: &'z [u8],
}

impl<'z> Node<'z> {
    /// Reads the node at an offset of the arena.
    #[inline]
    pub(super) fn read(arena: &'z [u8], at: usize) -> Option<Self> {
        let len = usize::from(*arena.get(at)?);
        Self::read_sized(arena, at, len)
    }

    /// Reads the node at an offset if its name has this length.
    #[inline(always)]
    pub(super) fn read_sized(arena: &'z [u8], at: usize, wanted: usize) -> Option<Self> {
        let ([len, flags, count @ ..], rest) = arena.get(at..)?.split_first_chunk::<HEAD>()?;
        if usize::from(*len) != wanted {
            return None;
        }
        let (aux, rest) = if flags & WITH_AUX == 0 {
            (0, rest)
        } else {
            let (aux, rest) = rest.split_first_chunk()?;
            (u32::from_le_bytes(*aux), rest)
        };
        let (name, rest) = rest.split_at_checked(wanted)?;
        Some(Self { name, flags: *flags, count: u16::from_le_bytes(*count), aux, rest })
    }

    /// The name relative to the apex, in wire form without the root label; empty for the apex.
    #[must_use]
    pub fn relative(&self) -> &'z [u8] {
        self.name
    }

    /// Every Rrset in the order it is stored.
    #[inline]
    pub fn rrsets(&self) -> impl Iterator<Item = RrsetRef<'z>> + use<'z> {
        let mut rest = self.rest;
        (0..self.count).map_while(move |_| {
            let (rrset, tail) = RrsetRef::read(rest)?;
            rest = tail;
            Some(rrset)
        })
    }

    /// The arena behind this node.
    pub(super) fn behind(&self) -> &'z [u8] {
        self.rrsets().fold(self.rest, |rest, rrset| rest.get(RRSET_HEAD + rrset.wire.len()..).unwrap_or(&[]))
    }

    /// The Rrset of this type.
    #[must_use]
    #[inline(always)] // on the way of every query
    pub fn rrset(&self, rtype: RecordType) -> Option<RrsetRef<'z>> {
        let mut rest = self.rest;
        for _ in 0..self.count {
            let (rrset, tail) = RrsetRef::read(rest)?;
            if rrset.rtype == rtype {
                return Some(rrset);
            }
            rest = tail;
        }
        None
    }

    /// Whether the name has no data: an empty non-terminal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a switch decides the answers of this name.
    #[must_use]
    pub fn is_steered(&self) -> bool {
        self.has(STEERED)
    }

    /// Whether this flag is set.
    #[inline]
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes the front of a node.
///
/// # Panics
/// When the name or the number of Rrsets does not fit its field: names come from `Name`s, and an
/// owner has at most one Rrset per type.
pub(super) fn push_head(arena: &mut Vec<u8>, name: &[u8], flags: u8, rrsets: usize, aux: u32) {
    arena.push(u8::try_from(name.len()).expect("a name is at most 255 octets"));
    arena.push(flags);
    arena.extend_from_slice(&u16::try_from(rrsets).expect("at most one Rrset per type").to_le_bytes());
    if flags & WITH_AUX != 0 {
        arena.extend_from_slice(&aux.to_le_bytes());
    }
    arena.extend_from_slice(name);
}

/// Marks the node at an offset as gone. It keeps its octets, so that those behind it are found.
pub(super) fn mark_gone(arena: &mut [u8], at: usize) {
    if let Some(flags) = arena.get_mut(at + 1) {
        *flags |= GONE;
    }
}

/// Opens an Rrset; returns where [`end_rrset`] fills in its size.
pub(super) fn begin_rrset(arena: &mut Vec<u8>, rtype: RecordType, count: u16) -> usize {
    arena.extend_from_slice(&rtype.0.to_le_bytes());
    arena.extend_from_slice(&count.to_le_bytes());
    arena.extend_from_slice(&[0; 4]);
    arena.len()
}

/// Closes an Rrset opened at `begun`.
///
/// # Panics
/// When the set is over 4 GiB: the zone's text is below.
pub(super) fn end_rrset(arena: &mut [u8], begun: usize) {
    let len = u32::try_from(arena.len() - begun).expect("an Rrset is below 4 GiB");
    arena[begun - 4..begun].copy_from_slice(&len.to_le_bytes());
}

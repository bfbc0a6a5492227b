//! What a zone holds as text: every record in the order it stands, in one arena.
//!
//! A million records are two allocations, not two million: owners and RDATA lie one behind the
//! other, and an owner that repeats the one before it is stored once. Knows no syntax; the master
//! file parser and the configuration fill it, the zone table and the checks read it.

use super::Place;
use crate::dns::{Name, RecordType};
use std::sync::Arc;

/// The octets that owners and RDATA of one zone's files may take: offsets are 32 bits wide, and the last 64 MiB are
/// for what is edited at run time.
pub const MAX_ZONE_OCTETS: usize = u32::MAX as usize - (64 << 20);

/// Where a record stands: a file of [`ZoneText::files`] and a line in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LineRef {
    /// Index into [`ZoneText::files`].
    pub file: u16,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: u32,
}

/// One record as it lies in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The absolute owner: lower-case wire form, root label included.
    pub owner: &'a [u8],
    /// The type.
    pub rtype: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// Uncompressed wire RDATA.
    pub rdata: &'a [u8],
    /// Where it was written.
    pub at: LineRef,
}

impl RecordRef<'_> {
    /// The owner as a name of its own.
    ///
    /// # Panics
    /// Never: owners enter as [`Name`]s.
    #[must_use]
    pub fn owner_name(&self) -> Name {
        Name::from_wire(self.owner).expect("owners enter the arena in wire form")
    }
}

/// Where one record's octets lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// Offset of the owner; it ends with its root label.
    owner: u32,
    /// Offset of the RDATA.
    rdata: u32,
    ttl: u32,
    line: u32,
    rdata_len: u16,
    owner_len: u8,
    rtype: RecordType,
    file: u16,
}

/// What the files of one zone said: records in the order they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneText {
    /// The files read, the first one the zone's own, the others by `$INCLUDE`.
    pub files: Vec<Arc<str>>,
    /// Owners and RDATA.
    arena: Vec<u8>,
    /// The records.
    entries: Vec<Entry>,
}

impl ZoneText {
    /// Adds a file that records may say they stand in, and returns its index.
    pub fn add_file(&mut self, file: Arc<str>) -> u16 {
        let index = self.files.iter().position(|f| *f == file).unwrap_or_else(|| {
            self.files.push(file);
            self.files.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Adds one record behind the others.
    ///
    /// # Panics
    /// When the RDATA is over 65535 octets or the zone over 4 GiB: the parser refuses more than
    /// [`MAX_ZONE_OCTETS`], and what is edited at run time is bounded.
    pub fn push(&mut self, owner: &Name, rtype: RecordType, ttl: u32, rdata: &[u8], at: LineRef) {
        self.push_wire(owner.wire(), rtype, ttl, rdata, at);
    }

    /// [`ZoneText::push`] for an owner already known to be lower-case wire form.
    pub(super) fn push_wire(&mut self, owner: &[u8], rtype: RecordType, ttl: u32, rdata: &[u8], at: LineRef) {
        let (owner_at, owner_len) = match self.entries.last() {
            Some(last) if self.octets(last.owner, usize::from(last.owner_len)) == owner => (last.owner, last.owner_len),
            _ => (self.store(owner), u8::try_from(owner.len()).expect("a name is at most 255 octets")),
        };
        let rdata_len = u16::try_from(rdata.len()).expect("RDATA is at most 65535 octets");
        let rdata = self.store(rdata);
        let entry = Entry { owner: owner_at, rdata, ttl, line: at.line, rdata_len, owner_len, rtype, file: at.file };
        self.entries.push(entry);
    }

    /// Copies octets to the end of the arena and returns their offset.
    fn store(&mut self, octets: &[u8]) -> u32 {
        let at = u32::try_from(self.arena.len()).expect("a zone is below 4 GiB");
        self.arena.extend_from_slice(octets);
        at
    }

    fn octets(&self, at: u32, len: usize) -> &[u8] {
        &self.arena[at as usize..at as usize + len]
    }

    /// Every record, in the order they stand.
    pub fn records(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> + Clone {
        self.entries.iter().map(|entry| self.read(entry))
    }

    /// The record of this number, which is below [`ZoneText::len`].
    pub(super) fn record(&self, index: usize) -> RecordRef<'_> {
        self.read(&self.entries[index])
    }

    fn read(&self, entry: &Entry) -> RecordRef<'_> {
        RecordRef {
            owner: self.octets(entry.owner, usize::from(entry.owner_len)),
            rtype: entry.rtype,
            ttl: entry.ttl,
            rdata: self.octets(entry.rdata, usize::from(entry.rdata_len)),
            at: LineRef { file: entry.file, line: entry.line },
        }
    }

    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The octets that owners and RDATA take.
    #[must_use]
    pub fn arena_len(&self) -> usize {
        self.arena.len()
    }

    /// A line as errors name it.
    #[must_use]
    pub fn place(&self, at: LineRef) -> Place {
        let file = self.files.get(usize::from(at.file)).cloned().unwrap_or_default();
        Place { file, line: at.line, column: 0, width: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order_and_a_repeated_owner_is_stored_once() {
        let mut text = ZoneText::default();
        let file = text.add_file("a.zone".into());
        let owner: Name = "www.example.test".parse().unwrap();
        text.push(&owner, RecordType::A, 300, &[192, 0, 2, 1], LineRef { file, line: 3 });
        let before = text.arena_len();
        text.push(&owner, RecordType::A, 60, &[192, 0, 2, 2], LineRef { file, line: 4 });
        assert_eq!(text.arena_len() - before, 4);
        let records: Vec<_> = text.records().collect();
        assert_eq!(records.len(), 2);
        assert_eq!((records[1].owner_name(), records[1].ttl, records[1].rdata), (owner, 60, &[192, 0, 2, 2][..]));
        assert_eq!(text.place(records[1].at), Place { file: "a.zone".into(), line: 4, column: 0, width: 0 });
    }

    #[test]
    fn a_file_named_twice_is_one_file() {
        let mut text = ZoneText::default();
        assert_eq!((text.add_file("a".into()), text.add_file("b".into()), text.add_file("a".into())), (0, 1, 0));
    }
}

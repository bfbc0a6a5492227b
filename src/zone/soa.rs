//! The SOA record of a zone as it is answered: compressed against the apex, serial to be filled in.

use crate::dns::{Name, RecordType};

/// Octets of the numbers at the end of the RDATA: serial, refresh, retry, expire, minimum.
const NUMBERS: usize = 20;

/// A SOA record ready to be copied; three kinds of places are patched in the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Soa {
    /// The record; every pointer in it leads to offset 12 until patched.
    wire: Box<[u8]>,
    /// Where pointers to the apex stand: the owner, and the end of MNAME and RNAME if they lie in the zone.
    pointers: Box<[u16]>,
    /// The record's own TTL, seconds.
    ttl: u32,
    /// MINIMUM, seconds.
    minimum: u32,
    /// The serial of the master file.
    file_serial: u32,
}

impl Soa {
    /// Compiles a SOA record; `None` when the RDATA is none.
    pub(super) fn compile(apex: &Name, ttl: u32, rdata: &[u8]) -> Option<Self> {
        let (names, numbers) = rdata.split_at_checked(rdata.len().checked_sub(NUMBERS)?)?;
        let (mname, rname) = names.split_at_checked(name_len(names)?)?;
        let mut wire = vec![0xc0, 12];
        wire.extend_from_slice(&RecordType::SOA.0.to_be_bytes());
        wire.extend_from_slice(&[0, 1]);
        wire.extend_from_slice(&ttl.to_be_bytes());
        let mut pointers = vec![0];
        wire.extend_from_slice(&[0; 2]);
        for name in [Name::from_wire(mname).ok()?, Name::from_wire(rname).ok()?] {
            if name.is_within(apex) && apex.label_count() > 0 {
                wire.extend_from_slice(&name.wire()[..name.wire().len() - apex.wire().len()]);
                pointers.push(u16::try_from(wire.len()).ok()?);
                wire.extend_from_slice(&[0xc0, 12]);
            } else {
                wire.extend_from_slice(name.wire());
            }
        }
        wire.extend_from_slice(numbers);
        let rdlength = u16::try_from(wire.len() - 12).ok()?;
        wire[10..12].copy_from_slice(&rdlength.to_be_bytes());
        let file_serial = u32::from_be_bytes(*numbers.first_chunk()?);
        let minimum = u32::from_be_bytes(*numbers.last_chunk()?);
        Some(Self { wire: wire.into(), pointers: pointers.into(), ttl, minimum, file_serial })
    }

    /// The record with owner pointers to offset 12, its own TTL and the serial of the master file.
    #[must_use]
    #[inline]
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Where pointers to the apex stand in [`Soa::wire`].
    #[must_use]
    #[inline]
    pub fn pointers(&self) -> &[u16] {
        &self.pointers
    }

    /// The record's own TTL, seconds.
    #[must_use]
    pub fn ttl(&self) -> u32 {
        self.ttl
    }

    /// The TTL of a negative answer: min(TTL, MINIMUM) (RFC 2308 §5), seconds.
    #[must_use]
    #[inline]
    pub fn negative_ttl(&self) -> u32 {
        self.ttl.min(self.minimum)
    }

    /// After how many seconds a secondary looks whether there is a newer serial (RFC 1035 §3.3.13).
    #[must_use]
    pub fn refresh(&self) -> u32 {
        self.number(1)
    }

    /// After how many seconds it looks again when that failed.
    #[must_use]
    pub fn retry(&self) -> u32 {
        self.number(2)
    }

    /// After how many seconds without its primary a secondary's copy is no longer good.
    #[must_use]
    pub fn expire(&self) -> u32 {
        self.number(3)
    }

    /// One of the numbers at the end.
    fn number(&self, index: usize) -> u32 {
        let numbers = self.wire.last_chunk::<NUMBERS>().map(|numbers| numbers.as_chunks().0);
        numbers.and_then(|numbers| numbers.get(index)).map_or(0, |number| u32::from_be_bytes(*number))
    }

    /// The serial the master file carries.
    #[must_use]
    pub fn file_serial(&self) -> u32 {
        self.file_serial
    }
}

/// The length of the uncompressed name at the front.
fn name_len(wire: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let len = usize::from(*wire.get(at)?);
        at += 1 + len;
        if len == 0 {
            return Some(at);
        }
    }
}

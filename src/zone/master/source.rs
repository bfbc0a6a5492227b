//! One file being read, and offsets in it as lines and columns.

use crate::zone::Place;
use std::sync::Arc;

/// The most octets of a line kept with a problem.
const MAX_LINE: usize = 65_536;

/// One file being read.
pub(super) struct Source<'s> {
    pub(super) file: Arc<str>,
    /// Its index among the zone's files.
    pub(super) index: u16,
    pub(super) text: &'s [u8],
}

impl Source<'_> {
    /// Line, column and width in characters of `width` octets at offset `at`, and the whole line.
    pub(super) fn place(&self, at: usize, width: usize) -> (Place, String) {
        let (before, behind) = self.text.split_at_checked(at).unwrap_or((self.text, &[]));
        let line = before.iter().filter(|o| **o == b'\n').count() + 1;
        let begin = before.iter().rposition(|o| *o == b'\n').map_or(0, |newline| newline + 1);
        let rest = behind.split(|o| *o == b'\n').next().unwrap_or_default();
        let lead = &before[begin..];
        let meant = &rest[..width.min(rest.len())];
        let place = Place {
            file: Arc::clone(&self.file),
            line: count(line),
            column: count(characters(lead) + 1),
            width: count(characters(meant)),
        };
        let whole = &self.text[begin..at.min(self.text.len()) + rest.len()];
        (place, String::from_utf8_lossy(&whole[..whole.len().min(MAX_LINE)]).into_owned())
    }
}

/// How many characters begin in these octets (UTF-8 continuation octets begin none).
fn characters(octets: &[u8]) -> usize {
    octets.iter().filter(|o| **o & 0xc0 != 0x80).count()
}

/// A count as places carry it.
fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

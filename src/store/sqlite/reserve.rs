//! Four mebibytes kept free for the day the disk is full: `undo` and `abort` are written with them (§7.4).
//!
//! Given back piece by piece, so that whoever filled the disk cannot eat all of it at once.

use super::fault::Fault;
use super::folder::Folder;
use crate::clock;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

/// The whole reserve, bytes.
pub(super) const RESERVE_LEN: u64 = 4 * 1024 * 1024;
/// What one retry frees, bytes: several times a usual commit.
const PIECE_LEN: u64 = 256 * 1024;

/// The reserve file.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(super) fn new(folder: &Folder) -> Self {
        Self { path: folder.file("reserve") }
    }

    /// Bytes held now.
    pub(super) fn len(&self) -> u64 {
        super::folder::len_of(&self.path).unwrap_or(0)
    }

    /// Whether nothing of it was used.
    pub(super) fn is_whole(&self) -> bool {
        self.len() >= RESERVE_LEN
    }

    /// Frees one piece; false when there is nothing left.
    pub(super) fn give(&self) -> Result<bool, Fault> {
        let held = self.len();
        if held == 0 {
            return Ok(false);
        }
        let rest = held.saturating_sub(PIECE_LEN);
        let file = OpenOptions::new().write(true).open(&self.path).map_err(Fault::io("open the reserve"))?;
        file.set_len(rest).and_then(|()| file.sync_all()).map_err(Fault::io("shorten the reserve"))?;
        tracing::warn!(left_bytes = rest, "the disk is full: used a piece of the reserve");
        Ok(true)
    }

    /// Fills it up again; a disk without room for all of it keeps what was there before.
    pub(super) fn refill(&self, folder: &Folder) -> Result<(), Fault> {
        let held = self.len();
        if held >= RESERVE_LEN {
            return Ok(());
        }
        if held == 0 {
            folder.create(&self.path)?;
        }
        let mut file = OpenOptions::new().write(true).open(&self.path).map_err(Fault::io("open the reserve"))?;
        let filled = fill(&mut file, held);
        if filled.is_err() {
            file.set_len(held).map_err(Fault::io("shorten the reserve"))?;
        }
        filled.map_err(Fault::io("fill the reserve"))
    }
}

/// Appends from `from` up to the full length: random bytes, which no file system compresses away.
fn fill(file: &mut std::fs::File, from: u64) -> std::io::Result<()> {
    let mut block = vec![0; 64 * 1024];
    file.seek(SeekFrom::Start(from))?;
    let mut missing = RESERVE_LEN - from;
    while missing > 0 {
        clock::random_bytes(&mut block);
        let len = block.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
        file.write_all(block.split_at(len).0)?;
        missing -= len as u64;
    }
    file.sync_all()
}

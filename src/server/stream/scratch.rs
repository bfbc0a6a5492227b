//! Large buffers that connections borrow only while bytes move.
//!
//! An idle connection owns none: each thread of the runtime keeps a few, and a buffer goes back
//! when its borrower is done, to whichever thread that happens on.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Bytes read at once: a whole query of the largest size fits behind its length.
pub(super) const READ: usize = 80 << 10;
/// Bytes written at once: the replies to one read of short queries, usually.
pub(super) const WRITE: usize = 256 << 10;
/// Buffers of a size that one thread keeps.
const KEPT: usize = 4;

const _: () = assert!(READ > 2 + 65_535 && WRITE >= 2 + 65_535);

thread_local! {
    static READS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    static WRITES: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A borrowed buffer of `SIZE` bytes with arbitrary content.
pub(super) struct Scratch<const SIZE: usize>(Option<Box<[u8]>>);

/// Acts on this thread's shelf; `None` while the thread is ending.
fn shelf<const SIZE: usize, T>(act: impl FnOnce(&mut Vec<Box<[u8]>>) -> T) -> Option<T> {
    let key = if SIZE == READ { &READS } else { &WRITES };
    key.try_with(|shelf| act(&mut shelf.borrow_mut())).ok()
}

impl<const SIZE: usize> Scratch<SIZE> {
    pub(super) fn borrow() -> Self {
        Self(Some(shelf::<SIZE, _>(Vec::pop).flatten().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())))
    }
}

impl<const SIZE: usize> Drop for Scratch<SIZE> {
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take() {
            shelf::<SIZE, _>(|shelf| {
                if shelf.len() < KEPT {
                    shelf.push(buffer);
                }
            });
        }
    }
}

impl<const SIZE: usize> Deref for Scratch<SIZE> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}

impl<const SIZE: usize> DerefMut for Scratch<SIZE> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or(&mut [])
    }
}

//! Where the sketches of watched pools stand: seats, a fixed number per writer.
//!
//! Control opens seats when a rollout starts, for every writer at once; a query finds its seat made,
//! or passes by. Seats are given again to later rollouts, whose epoch begins them anew.

use super::sketch::{Seen, Sketch, Sketched};
use std::sync::OnceLock;

/// Pools watched at once: 128 sketches of 6 KiB are less than 1 MiB per writer.
pub const SEATS: u16 = 128;

/// One writer's sketches.
#[derive(Debug)]
pub(super) struct Seats(Box<[OnceLock<Box<Sketch>>]>);

impl Default for Seats {
    fn default() -> Self {
        Self((0..SEATS).map(|_| OnceLock::new()).collect())
    }
}

impl Seats {
    /// Makes the first `count` seats; those that are made stay.
    pub(super) fn open(&self, count: u16) {
        for seat in self.0.iter().take(usize::from(count)) {
            seat.get_or_init(Sketch::boxed);
        }
    }

    /// Takes an answer in, unless its seat is not open.
    #[cold]
    #[inline(never)]
    pub(super) fn see(&self, seen: &Seen) {
        if let Some(sketch) = self.0.get(usize::from(seen.seat)).and_then(OnceLock::get) {
            sketch.see(seen.epoch, seen.client);
        }
    }

    /// Adds what this writer saw at a seat.
    pub(super) fn fold(&self, seat: u16, epoch: u32, into: &mut Sketched) {
        if let Some(sketch) = self.0.get(usize::from(seat)).and_then(OnceLock::get) {
            sketch.fold(epoch, into);
        }
    }
}
